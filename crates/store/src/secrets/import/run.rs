//! Running an import: one thread reads the source and writes the store, the others derive.

use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use credential::{
    Credential, DeriveError, Identity, KindSet, Label, Password, Record, Salts, Verifiers, derive,
};

use crate::error::StoreError;
use crate::hold::StopHeld;
use crate::secrets::import::{
    Event, Existing, ImportError, ImportFault, ImportedUser, Material, Mode, Plan, Reason, Report, Skip,
};
use crate::secrets::{Put, SecretStore, Stored, record};

/// Imports everything that a source has. Memory does not grow with it, except by the realms it names and a few octets
/// for each user.
///
/// # Errors
/// [`ImportError`] when the store fails. Faults of single users are told to `observe` and counted.
pub fn run(
    source: impl Iterator<Item = Result<ImportedUser, ImportFault>>,
    store: &SecretStore,
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

/// A user to derive for, numbered in the order of the source.
type Job = (u64, ImportedUser);

/// What a worker makes of a user, or why it cannot.
type Done = Result<Ready, ImportFault>;

/// A user who can be put into the store.
struct Ready {
    record: Record,
    raw: bool,
    hashed: bool,
}

struct Import<'a> {
    store: &'a SecretStore,
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
                if let Some(user) = self.admit(user)? {
                    jobs.send((sent, user)).map_err(|_| self.workers_gone())?;
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
    fn admit(&mut self, user: Result<ImportedUser, ImportFault>) -> Result<Option<ImportedUser>, StoreError> {
        let user = match user {
            Ok(user) => user,
            Err(fault) => {
                self.failed(&fault);
                return Ok(None);
            }
        };
        self.note_realm(&user.identity);
        if !self.seen.is_new(&user.identity) {
            self.skipped(&user.identity, &Skip::Duplicate);
            return Ok(None);
        }
        if let Some(stored) = self.store.look_up(&user.identity)?
            && let Some(skip) = skip(&stored, &user.identity, self.plan)
        {
            self.skipped(&user.identity, &skip);
            return Ok(None);
        }
        Ok(Some(user))
    }

    /// One transaction. Who has appeared in the store since they were read from the source stays as they are.
    fn write_batch(&mut self) -> Result<(), StoreError> {
        self.begun = Instant::now();
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return Ok(());
        }
        let outcomes = match self.plan.mode {
            Mode::DryRun => batch.iter().map(|_| Ok(Put::Added)).collect(),
            Mode::Import => self.store.write(|edit| {
                batch
                    .iter()
                    .map(|ready| match edit.look_up(ready.record.identity())? {
                        Some(stored) => match skip(&stored, ready.record.identity(), self.plan) {
                            Some(skip) => Ok(Err(skip)),
                            None => edit.put(&ready.record).map(Ok),
                        },
                        None => edit.put(&ready.record).map(Ok),
                    })
                    .collect::<Result<Vec<_>, StoreError>>()
            })?,
        };
        for (ready, outcome) in batch.iter().zip(outcomes) {
            match outcome {
                Ok(put) => self.imported(ready, put),
                Err(skip) => self.skipped(ready.record.identity(), &skip),
            }
        }
        Ok(())
    }

    fn imported(&mut self, ready: &Ready, put: Put) {
        self.report.imported += 1;
        self.report.replaced += u64::from(put == Put::Replaced);
        self.report.raw += u64::from(ready.raw);
        self.report.hashed += u64::from(ready.hashed);
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
        StoreError::Io { path: self.store.path().to_owned(), source }
    }
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
    fn is_new(&mut self, identity: &Identity) -> bool {
        self.hashes.insert(std::hash::BuildHasher::hash_one(&self.key, identity))
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
        let Ok((number, user)) = job else { return };
        let at = user.at.clone();
        let result = make(user, plan).map_err(|reason| ImportFault { at, reason });
        if done.send((number, result)).is_err() {
            return;
        }
    }
}

fn make(user: ImportedUser, plan: &Plan) -> Result<Ready, Reason> {
    let mut record = Record::new(user.identity, plan.now, plan.by.clone());
    let (verifiers, raw, hashed) = match user.material {
        Material::Clear(secret) => {
            let password = Password::import(&secret)?;
            (derived(&record, &password, plan)?, password.is_raw(), false)
        }
        Material::Verifiers(verifiers) => (kept(verifiers, record.kinds_to_make(&plan.policy)), true, true),
    };
    // Who made a hash elsewhere hashed the password as it was typed.
    record
        .put(Credential::new(Label::main(), verifiers, raw, plan.now))
        .map_err(|error| Reason::Malformed(error.to_string()))?;
    // One that cannot be written down must not take its batch with it.
    record::encode(&record).map_err(|error| Reason::Malformed(error.to_string()))?;
    Ok(Ready { record, raw: raw && !hashed, hashed })
}

fn derived(record: &Record, password: &Password, plan: &Plan) -> Result<Verifiers, Reason> {
    if plan.mode == Mode::DryRun {
        return Ok(Verifiers::default());
    }
    let mut random = [0; Salts::OCTETS];
    getrandom::fill(&mut random).map_err(|error| Reason::NotDerived(error.to_string()))?;
    let recipe = record.recipe(&Label::main(), &plan.policy.cost, Salts::from_random(random));
    derive(record.kinds_to_make(&plan.policy), record.identity(), password, &recipe)
        .map_err(|error: DeriveError| Reason::NotDerived(error.to_string()))
}

/// What the policy keeps of another program's verifiers. Where it keeps none of them, all stay: it is better that the
/// user can log in, and `authcheck store` says what is weak.
fn kept(mut verifiers: Verifiers, kinds: KindSet) -> Verifiers {
    if verifiers.kinds().iter().any(|kind| kinds.contains(kind)) {
        verifiers.retain(kinds);
    }
    verifiers
}

/// So that an interrupted import has lost little, however costly the verifiers are.
const LONGEST_BATCH: Duration = Duration::from_secs(1);
