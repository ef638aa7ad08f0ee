//! Running an import: one thread reads the source and writes the store, the others derive.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use credential::{
    DeriveError, Identity, KindSet, Label, Password, Record, Salts, Secret, VerifierKind, Verifiers, derive,
};

use crate::error::StoreError;
use crate::hold::StopHeld;
use crate::secrets::import::{
    At, Event, Existing, ImportError, ImportFault, ImportedUser, Material, Mode, Plan, Reason, Report, Skip,
};
use crate::secrets::{Edit, Put, Revision, SecretStore, Stored, record};

/// Imports everything that a source has. Memory does not grow with it, except by the realms it names and a few octets
/// for each user. Without a store, which is for who rehearses before there is one, nobody is there and nothing is
/// written.
///
/// # Errors
/// [`ImportError`] when the store fails. Faults of single users are told to `observe` and counted.
pub fn run(
    source: impl Iterator<Item = Result<ImportedUser, ImportFault>>,
    store: Option<&SecretStore>,
    plan: &Plan,
    observe: &mut dyn FnMut(&Event<'_>),
) -> Result<Report, Box<ImportError>> {
    std::thread::scope(|scope| {
        // Jobs wait where any worker takes them; results never wait, for what is on its way is bounded.
        let (jobs, to_do) = sync_channel(plan.threads.get());
        let (done, results) = channel();
        let to_do = Arc::new(Mutex::new(to_do));
        // Threads inherit what is held back: Ctrl-Z then stops the whole program between two transactions.
        let held = StopHeld::new();
        for _ in 0..plan.threads.get() {
            let (to_do, done) = (Arc::clone(&to_do), done.clone());
            scope.spawn(move || work(&to_do, &done, plan));
        }
        drop((held, done));
        let mut import = Import {
            store,
            plan,
            observe,
            seen: Seen::default(),
            report: Report::default(),
            batch: Vec::new(),
            begun: Instant::now(),
        };
        let ended = import.drive(source, &jobs, &results);
        let mut report = import.report;
        report.realms.retain(|_, spellings| spellings.len() > 1);
        ended.map(|()| report.clone()).map_err(|source| Box::new(ImportError { report, source }))
    })
}

/// A user to derive for, numbered in the order of the source, and the record that is to have the new password.
type Job = (u64, ImportedUser, Option<Stored>);

/// What a worker makes of a user, or why it cannot.
type Done = Result<Ready, ImportFault>;

/// A user who can be put into the store, in the place of the record that was seen there.
struct Ready {
    record: Record,
    seen: Option<Revision>,
    at: At,
    /// The password, where it is known: kept until the record is written, for it may have to be made again.
    clear: Option<Secret>,
    raw: bool,
}

impl Ready {
    fn is_hashed(&self) -> bool {
        self.clear.is_none()
    }

    /// The user as the source had them; of a hash, what the rules of a moment ago have kept.
    fn into_user(self) -> ImportedUser {
        let Self { mut record, at, clear, .. } = self;
        let identity = record.identity().clone();
        let material = clear.map_or_else(
            || {
                Material::Verifiers(
                    record.remove(&Label::main()).map(|main| main.verifiers).unwrap_or_default(),
                )
            },
            Material::Clear,
        );
        ImportedUser { identity, material, at }
    }
}

/// What became of one user of a batch.
enum Outcome {
    Put(Put),
    Skipped(Skip),
    /// Nothing yet: the record is another one by now.
    Outdated,
}

struct Import<'a> {
    store: Option<&'a SecretStore>,
    plan: &'a Plan,
    observe: &'a mut dyn FnMut(&Event<'_>),
    seen: Seen,
    report: Report,
    batch: Vec<Ready>,
    begun: Instant,
}

impl Import<'_> {
    /// Feeds the workers, collects what they have made in the order of the source, and writes it batch by batch.
    fn drive(
        &mut self,
        source: impl Iterator<Item = Result<ImportedUser, ImportFault>>,
        jobs: &SyncSender<Job>,
        results: &Receiver<(u64, Done)>,
    ) -> Result<(), StoreError> {
        let ahead = self.plan.threads.get() as u64 * 4;
        let mut source = source.fuse();
        let (mut sent, mut taken) = (0, 0);
        let mut early = BTreeMap::new();
        loop {
            while sent - taken < ahead {
                let Some(user) = source.next() else { break };
                if let Some((user, stored)) = self.admit(user)? {
                    jobs.send((sent, user, stored)).map_err(|_| self.workers_gone())?;
                    sent += 1;
                }
            }
            if taken == sent {
                return self.write_batch();
            }
            let (number, done) = results.recv().map_err(|_| self.workers_gone())?;
            early.insert(number, done);
            while let Some(done) = early.remove(&taken) {
                taken += 1;
                self.take(done)?;
            }
        }
    }

    fn take(&mut self, done: Done) -> Result<(), StoreError> {
        match done {
            Ok(ready) => self.batch.push(ready),
            Err(fault) => self.failed(&fault),
        }
        if self.batch.len() >= self.plan.batch.get() || self.begun.elapsed() >= LONGEST_BATCH {
            self.write_batch()?;
        }
        Ok(())
    }

    /// Whether a user of the source is worth deriving for.
    fn admit(&mut self, user: Result<ImportedUser, ImportFault>) -> Result<Option<Admitted>, StoreError> {
        let user = match user {
            Ok(user) => user,
            Err(fault) => {
                self.failed(&fault);
                return Ok(None);
            }
        };
        self.note_realm(&user.identity);
        if self.seen.has(&user.identity, user.identity.realm.as_str()) {
            self.skipped(&user.identity, &Skip::Duplicate);
            return Ok(None);
        }
        let met = self.meet(&user.identity)?;
        // Who is turned away for the spelling of the realm takes nobody's place.
        if !matches!(met, Err(Skip::RealmCase(_))) {
            self.seen.note(&user.identity);
        }
        Ok(self.unless_skipped(user, met))
    }

    /// The record that the store has of a user, unless that, or one further up in the source, stays as it is.
    fn meet(&self, identity: &Identity) -> Result<Result<Option<Stored>, Skip>, StoreError> {
        let stored = self.store.map(|store| store.look_up(identity)).transpose()?.flatten();
        let skip = match &stored {
            Some(stored) => skip(stored, identity, self.plan),
            None => self.in_another_case(identity).map(Skip::RealmCase),
        };
        Ok(skip.map_or(Ok(stored), Err))
    }

    fn unless_skipped(&mut self, user: ImportedUser, met: Result<Option<Stored>, Skip>) -> Option<Admitted> {
        match met {
            Ok(stored) => Some((user, stored)),
            Err(skip) => {
                self.skipped(&user.identity, &skip);
                None
            }
        }
    }

    /// The realm of a user further up in the source, where it is this user's in another spelling.
    fn in_another_case(&self, identity: &Identity) -> Option<String> {
        let own = identity.realm.as_str();
        let mut spellings = self.report.realms.get(&identity.realm.folded()).into_iter().flatten();
        spellings.find(|other| *other != own && self.seen.has(identity, other)).cloned()
    }

    /// Writes what is ready, and again whoever was changed meanwhile, until everybody is told of.
    fn write_batch(&mut self) -> Result<(), StoreError> {
        self.begun = Instant::now();
        let mut batch = std::mem::take(&mut self.batch);
        while !batch.is_empty() {
            let outcomes = self.put(&batch)?;
            let mut outdated = Vec::new();
            for (ready, outcome) in batch.into_iter().zip(outcomes) {
                match outcome {
                    Outcome::Put(put) => self.imported(&ready, put),
                    Outcome::Skipped(skip) => self.skipped(ready.record.identity(), &skip),
                    Outcome::Outdated => outdated.push(ready.into_user()),
                }
            }
            batch = self.remade(outdated)?;
        }
        Ok(())
    }

    /// One transaction.
    fn put(&self, batch: &[Ready]) -> Result<Vec<Outcome>, StoreError> {
        match (self.plan.mode, self.store) {
            (Mode::Import, Some(store)) => {
                store.write(|edit| batch.iter().map(|ready| put(edit, ready, self.plan)).collect())
            }
            _ => Ok(batch.iter().map(would_be).collect()),
        }
    }

    /// Makes users again, of the records that the store has of them now.
    fn remade(&mut self, users: Vec<ImportedUser>) -> Result<Vec<Ready>, StoreError> {
        let mut batch = Vec::new();
        for user in users {
            let met = self.meet(&user.identity)?;
            let Some((user, stored)) = self.unless_skipped(user, met) else { continue };
            match make(user, stored, self.plan) {
                Ok(ready) => batch.push(ready),
                Err(fault) => self.failed(&fault),
            }
        }
        Ok(batch)
    }

    fn imported(&mut self, ready: &Ready, put: Put) {
        self.report.imported += 1;
        self.report.replaced += u64::from(put == Put::Replaced);
        self.report.raw += u64::from(ready.raw);
        self.report.hashed += u64::from(ready.is_hashed());
        (self.observe)(&Event::Imported(ready.record.identity()));
    }

    fn skipped(&mut self, identity: &Identity, skip: &Skip) {
        *match skip {
            Skip::AlreadyImported => &mut self.report.already_imported,
            Skip::Exists => &mut self.report.existing,
            Skip::Duplicate => &mut self.report.duplicates,
            Skip::RealmCase(spelling) => {
                self.report.realms.entry(identity.realm.folded()).or_default().insert(spelling.clone());
                &mut self.report.realm_case
            }
        } += 1;
        (self.observe)(&Event::Skipped(identity, skip));
    }

    fn failed(&mut self, fault: &ImportFault) {
        self.report.failed += 1;
        if let Reason::Unsupported(name) = &fault.reason {
            *self.report.unsupported.entry(name.clone()).or_default() += 1;
        }
        (self.observe)(&Event::Failed(fault));
    }

    fn note_realm(&mut self, identity: &Identity) {
        let spellings = self.report.realms.entry(identity.realm.folded()).or_default();
        if !spellings.contains(identity.realm.as_str()) {
            spellings.insert(identity.realm.as_str().to_owned());
        }
    }

    /// Workers end only when they panic, and then the scope panics as well.
    fn workers_gone(&self) -> StoreError {
        let source = io::Error::other("a thread that derives has ended");
        StoreError::Io { path: self.store.map_or_else(PathBuf::new, |store| store.path().to_owned()), source }
    }
}

/// A user who is worth deriving for, and the record that is to have the new password.
type Admitted = (ImportedUser, Option<Stored>);

/// Puts one user in. Who has appeared in the store since they were read from the source stays as they are; whose record
/// was to be replaced and is another one by now has to be made again.
fn put(edit: &mut Edit<'_>, ready: &Ready, plan: &Plan) -> Result<Outcome, StoreError> {
    let now = edit.look_up(ready.record.identity())?;
    if let Some(skip) = now.as_ref().and_then(|now| skip(now, ready.record.identity(), plan)) {
        return Ok(Outcome::Skipped(skip));
    }
    if now.map(|now| now.revision) != ready.seen {
        return Ok(Outcome::Outdated);
    }
    edit.put(&ready.record).map(Outcome::Put)
}

fn would_be(ready: &Ready) -> Outcome {
    Outcome::Put(if ready.seen.is_some() { Put::Replaced } else { Put::Added })
}

/// Who has come up in the source so far. The time of a record does not tell: the import before this one may have been in
/// the same second. Names are kept as hashes, whose key is drawn for this run; should two ever agree, a user is told to
/// have been there before, and the next run brings that user in.
#[derive(Default)]
struct Seen {
    hashes: std::collections::HashSet<u64>,
    key: std::hash::RandomState,
}

impl Seen {
    fn note(&mut self, identity: &Identity) {
        self.hashes.insert(self.hash(identity, identity.realm.as_str()));
    }

    /// Whether this user was there, in this spelling of the realm.
    fn has(&self, identity: &Identity, realm: &str) -> bool {
        self.hashes.contains(&self.hash(identity, realm))
    }

    fn hash(&self, identity: &Identity, realm: &str) -> u64 {
        std::hash::BuildHasher::hash_one(&self.key, (identity.user.as_str(), realm))
    }
}

/// Whether a user who is in the store stays as they are.
fn skip(stored: &Stored, identity: &Identity, plan: &Plan) -> Option<Skip> {
    let record = &stored.record;
    let same_import = record.changed_by() == &plan.by;
    if record.identity().realm != identity.realm {
        Some(Skip::RealmCase(record.identity().realm.to_string()))
    } else if plan.existing == Existing::Replace {
        None
    } else if same_import {
        Some(Skip::AlreadyImported)
    } else {
        Some(Skip::Exists)
    }
}

/// Derives until there is nothing to do.
fn work(to_do: &Mutex<Receiver<Job>>, done: &Sender<(u64, Done)>, plan: &Plan) {
    loop {
        let job = match to_do.lock() {
            Ok(queue) => queue.recv(),
            Err(_) => return,
        };
        let Ok((number, user, stored)) = job else { return };
        if done.send((number, make(user, stored, plan))).is_err() {
            return;
        }
    }
}

fn make(user: ImportedUser, stored: Option<Stored>, plan: &Plan) -> Done {
    let seen = stored.as_ref().map(|stored| stored.revision);
    let mut record = match stored {
        Some(stored) => stored.record,
        None => Record::new(user.identity, plan.now, plan.by.clone()),
    };
    match renew(&mut record, user.material, plan) {
        Ok((clear, raw)) => Ok(Ready { record, seen, at: user.at, clear, raw }),
        Err(reason) => Err(ImportFault { at: user.at, reason }),
    }
}

/// Gives a record the password of the source, by the rules of the user, which stay as they are; like everything else that
/// the record says. The password, where it is known, and whether it is taken as its octets stand.
fn renew(record: &mut Record, material: Material, plan: &Plan) -> Result<(Option<Secret>, bool), Reason> {
    let kinds = record.kinds_to_make(&plan.policy).without(VerifierKind::Foreign);
    let (verifiers, clear, raw) = match material {
        Material::Clear(secret) => {
            let password = Password::import(&secret)?;
            (derived(record, kinds, &password, plan)?, Some(secret), password.is_raw())
        }
        Material::Verifiers(verifiers) => (kept(verifiers, kinds), None, false),
    };
    // Who made a hash elsewhere hashed the password as it was typed.
    record
        .renew(&Label::main(), verifiers, raw || clear.is_none(), plan.now)
        .map_err(|error| Reason::Malformed(error.to_string()))?;
    record.touch(plan.now, plan.by.clone());
    // One that cannot be written down must not take its batch with it.
    record::encode(record).map_err(|error| Reason::Malformed(error.to_string()))?;
    Ok((clear, raw))
}

fn derived(record: &Record, kinds: KindSet, password: &Password, plan: &Plan) -> Result<Verifiers, Reason> {
    if kinds.is_empty() {
        return Err(Reason::NothingLeft);
    }
    if plan.mode == Mode::DryRun {
        return Ok(Verifiers::default());
    }
    let mut random = [0; Salts::OCTETS];
    getrandom::fill(&mut random).map_err(|error| Reason::NotDerived(error.to_string()))?;
    let recipe = record.recipe(&Label::main(), &plan.policy.cost, Salts::from_random(random));
    derive(kinds, record.identity(), password, &recipe)
        .map_err(|error: DeriveError| Reason::NotDerived(error.to_string()))
}

/// What the user's rules keep of another program's verifiers. Where they keep none of them, all stay: it is better that the
/// user can log in, and `authcheck store` says what is weak.
fn kept(mut verifiers: Verifiers, kinds: KindSet) -> Verifiers {
    if verifiers.kinds().iter().any(|kind| kinds.contains(kind)) {
        verifiers.retain(kinds);
    }
    verifiers
}

/// So that an interrupted import has lost little, however costly the verifiers are.
const LONGEST_BATCH: Duration = Duration::from_secs(1);
