//! A store with users, a keeper over it, and clients that talk to it by the front's words.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use config::{Auth, Throttle};
use credential::policy::{Argon2Cost, Cost, Iterations, KindSet, Salts};
use credential::{
    ChangedBy, DecoyKey, Identity, Label, Mechanism, MechanismSet, Password, Policy, PropertySet, Realm,
    Record, Secret, Timestamp, derive,
};
use keeper::pace::{Pace, PaceKey, Places};
use keeper::{Attended, Bounds, Check, Effect, Event, Keeper, LiveStore, Now, Outcome, Records};
use keeper::{Renewal, Settings, Survey};
use safefile::{Trust, Uid};
use sasl::client::{self, ClearText, Means};
use sasl::layer::Layers;
use sasl::server::{self, Realms};
use sasl::{Channel, Requirements};
use store::secrets::{Access, NewStore, SecretStore, Stored};
use store::{StoreError, Wait};
use tempfile::TempDir;
use wire::{Class, ExchangeId, ListenerId, Login, Logins, SecretOctets, SessionId, ToFront, ToKeeper};
use zeroize::Zeroizing;

pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000);

/// Everything, with a clock that stands still until it is turned.
pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) path: PathBuf,
    pub(crate) settings: Settings,
    pub(crate) keeper: Keeper<Watched>,
    pub(crate) watch: Arc<Watch>,
    pub(crate) now: Now,
    pub(crate) sent: VecDeque<ToFront>,
    pub(crate) events: Vec<Event>,
    pub(crate) renewals: Vec<Renewal>,
    /// Checks that nobody has carried out yet.
    pub(crate) checks: Vec<Check>,
    /// Whether somebody carries them out.
    pub(crate) has_threads: bool,
    /// How many there were.
    pub(crate) checked: usize,
    dice: u8,
    session: u64,
}

/// How the store is to behave, and what it was asked for.
#[derive(Default)]
pub(crate) struct Watch {
    pub(crate) is_busy: AtomicBool,
    pub(crate) look_ups: AtomicUsize,
    pub(crate) attended: AtomicUsize,
}

/// The real store, watched.
pub(crate) struct Watched {
    store: LiveStore,
    watch: Arc<Watch>,
}

impl Records for Watched {
    fn attend(&mut self, path: &Path) -> Result<Attended, StoreError> {
        self.watch.attended.fetch_add(1, Ordering::Relaxed);
        self.store.attend(path)
    }

    fn survey(&self) -> Result<Survey, StoreError> {
        self.store.survey()
    }

    fn look_up(&self, identity: &Identity) -> Result<Option<Stored>, StoreError> {
        self.watch.look_ups.fetch_add(1, Ordering::Relaxed);
        if self.watch.is_busy.load(Ordering::Relaxed) {
            return Err(StoreError::Busy { path: PathBuf::from("/store"), waited: Duration::ZERO });
        }
        self.store.look_up(identity)
    }
}

pub(crate) fn realm(name: &str) -> Realm {
    Realm::prepare(name).unwrap()
}

pub(crate) fn who(userid: &str) -> Identity {
    Identity::parse(userid, &realm("example.org")).unwrap()
}

pub(crate) fn kinds(names: &str) -> KindSet {
    names.replace(' ', ",").parse().unwrap()
}

pub(crate) fn trust() -> Trust {
    Trust::root().caller(Uid::effective())
}

pub(crate) fn cost(iterations: u32) -> Cost {
    let few = Iterations::new(iterations).unwrap();
    let argon2id = Argon2Cost::new(iterations.max(8), 1, 1).unwrap();
    Cost { argon2id, scram_sha_1: few, scram_sha_256: few, scram_sha_512: few }
}

pub(crate) fn policy(keep: &str) -> Policy {
    Policy { keep: kinds(keep), cost: cost(16) }
}

pub(crate) fn password(text: &str) -> Password {
    Password::prepare(&Secret::copy_of(text.as_bytes())).unwrap()
}

/// A user with what a policy keeps of a password.
pub(crate) fn user(userid: &str, text: &str, policy: &Policy) -> Record {
    let mut record = Record::new(who(userid), NOW, ChangedBy::default());
    set_password(&mut record, text, policy);
    record
}

pub(crate) fn set_password(record: &mut Record, text: &str, policy: &Policy) {
    let salts = Salts::from_random([text.len() as u8; Salts::OCTETS]);
    let recipe = record.recipe(&Label::main(), &policy.cost, salts);
    let verifiers = derive(policy.keep, record.identity(), &password(text), &recipe).unwrap();
    record.renew(&Label::main(), verifiers, false, NOW).unwrap();
}

pub(crate) fn make_store(path: &Path, records: &[Record]) {
    let new = NewStore { decoy_key: DecoyKey::new([7; DecoyKey::OCTETS]), created: NOW };
    SecretStore::create::<_, StoreError>(path, &trust(), new, |edit| {
        records.iter().try_for_each(|record| edit.put(record).map(drop))
    })
    .unwrap();
}

pub(crate) fn settings(path: &Path, policy: Policy) -> Settings {
    let common = server::Settings {
        host: "mail.example.org".to_owned(),
        service: "smtp".to_owned(),
        realms: Realms::one(realm("example.org")),
        mechanisms: MechanismSet::ALL,
        keep: policy.keep,
        requirements: Requirements { properties: PropertySet::EMPTY, ..Requirements::default() },
        layers: Layers::none(),
    };
    Settings {
        store: path.to_owned(),
        policy,
        listeners: vec![Arc::new(common)],
        numbers: vec![ListenerId(0)],
        realm: realm("example.org"),
        hosts: vec!["node7.inside.example".to_owned(), "node7".to_owned()],
        auth: Auth::default(),
        throttle: Throttle::default(),
        reauthentication: Duration::ZERO,
        bounds: Bounds { checks: 2, ..Bounds::default() },
    }
}

pub(crate) fn tls() -> wire::Channel {
    wire::Channel {
        ssf: 256,
        identity: Some("alice@example.org".to_owned()),
        exporter: Some([0x5a; 32]),
        end_point: None,
    }
}

/// The words of one refusal.
pub(crate) type Refusal = (Class, u32);

impl World {
    /// A keeper of `alice` (password `wonderland`) and `bob` (`builder`).
    pub(crate) fn new(keep: &str) -> Self {
        let policy = policy(keep);
        Self::of(policy, &[user("alice", "wonderland", &policy), user("bob", "builder", &policy)], |_| {})
    }

    pub(crate) fn of(policy: Policy, records: &[Record], change: impl FnOnce(&mut Settings)) -> Self {
        let dir = tests::scratch::dir();
        let path = dir.path().join("secrets.redb");
        make_store(&path, records);
        let mut settings = settings(&path, policy);
        change(&mut settings);
        let now = Now { instant: Instant::now(), time: NOW };
        let watch = Arc::new(Watch::default());
        let watched = Watched { store: LiveStore::new(trust()), watch: Arc::clone(&watch) };
        let places = Places::new(PaceKey::new([2; 32]));
        let pace = Pace::new(settings.throttle.clone(), PaceKey::new([1; 32]), places, now.instant);
        let mut world = Self {
            keeper: Keeper::new(settings.clone(), watched, pace, Zeroizing::new([3; 32])),
            dir,
            path,
            settings,
            watch,
            now,
            sent: VecDeque::new(),
            events: Vec::new(),
            renewals: Vec::new(),
            checks: Vec::new(),
            has_threads: true,
            checked: 0,
            dice: 0,
            session: 0,
        };
        world.keeper.tick(&now);
        world.settle();
        world.sent.clear();
        world.events.clear();
        world
    }

    /// Another program's view of the store.
    pub(crate) fn tool(&self) -> SecretStore {
        SecretStore::open(&self.path, &trust(), Access::Write, Wait::default()).unwrap()
    }

    /// Changes a record as a tool does.
    pub(crate) fn change(&self, userid: &str, change: impl FnOnce(&mut Record)) {
        let tool = self.tool();
        let mut stored = tool.look_up(&who(userid)).unwrap().unwrap();
        change(&mut stored.record);
        tool.write::<_, StoreError>(|edit| edit.put(&stored.record)).unwrap();
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now.instant += time;
        self.now.time = Timestamp(self.now.time.seconds() + time.as_secs());
    }

    pub(crate) fn say(&mut self, message: ToKeeper) {
        self.dice = self.dice.wrapping_add(1);
        self.keeper.handle(message, &self.now, [self.dice; 32]);
        self.settle();
    }

    pub(crate) fn tick(&mut self) {
        self.keeper.tick(&self.now);
        self.settle();
    }

    /// Does what the keeper wishes.
    pub(crate) fn settle(&mut self) {
        loop {
            while let Some(effect) = self.keeper.next_effect() {
                match effect {
                    Effect::Send(message) => self.sent.push_back(message),
                    Effect::Check(check) => self.checks.push(*check),
                    Effect::Renew(renewal) => self.renewals.push(*renewal),
                    Effect::Tell(event) => self.events.push(event),
                }
            }
            if !self.has_threads || self.checks.is_empty() {
                return;
            }
            self.check_one();
        }
    }

    /// Carries out the check that has waited longest.
    pub(crate) fn check_one(&mut self) {
        self.checked += 1;
        let checked = self.checks.remove(0).carry_out();
        self.keeper.checked(checked, &self.now);
    }

    /// The first exchange of a session that has had none.
    pub(crate) fn next_session(&mut self) -> ExchangeId {
        self.session += 1;
        ExchangeId { session: SessionId(self.session), turn: 1 }
    }

    pub(crate) fn begin_plain(&mut self, userid: &str, text: &str, client: Option<IpAddr>) -> ExchangeId {
        let session = self.next_session();
        self.begin(session, "PLAIN", Some(format!("\0{userid}\0{text}").as_bytes()), client);
        session
    }

    pub(crate) fn begin(
        &mut self,
        exchange: ExchangeId,
        mechanism: &str,
        initial: Option<&[u8]>,
        client: Option<IpAddr>,
    ) {
        self.begin_over(&tls(), exchange, mechanism, initial, client);
    }

    fn begin_over(
        &mut self,
        channel: &wire::Channel,
        exchange: ExchangeId,
        mechanism: &str,
        initial: Option<&[u8]>,
        client: Option<IpAddr>,
    ) {
        self.say(ToKeeper::Begin {
            exchange,
            listener: ListenerId(0),
            channel: channel.clone(),
            client,
            mechanism: mechanism.to_owned(),
            initial: initial.map(SecretOctets::copy_of),
        });
    }

    /// How an exchange has ended.
    pub(crate) fn told(&self, exchange: ExchangeId) -> Option<Result<Login, Refusal>> {
        self.sent.iter().rev().find_map(|message| match message {
            ToFront::LoggedIn { exchange: of, login } if *of == exchange => Some(Ok(login.clone())),
            ToFront::Refused { exchange: of, class, hold_ms } if *of == exchange => {
                Some(Err((*class, *hold_ms)))
            }
            _ => None,
        })
    }

    pub(crate) fn plain(&mut self, userid: &str, text: &str) -> Result<Login, Refusal> {
        let session = self.begin_plain(userid, text, None);
        self.told(session).unwrap()
    }

    pub(crate) fn offered(&mut self) -> String {
        self.say(ToKeeper::Offer { request: 9, listener: ListenerId(0), channel: tls() });
        match self.sent.pop_back() {
            Some(ToFront::Offered { request: 9, mechanisms, logins: Logins::Possible, .. }) => {
                mechanisms.join(" ")
            }
            Some(ToFront::Offered { request: 9, mechanisms, logins: Logins::NotNow, .. }) => {
                assert!(mechanisms.is_empty(), "{mechanisms:?}");
                "not now".to_owned()
            }
            other => panic!("{other:?}"),
        }
    }

    /// The outcomes of all logins so far.
    pub(crate) fn outcomes(&self) -> Vec<Outcome> {
        let results = self.events.iter().filter_map(|event| match event {
            Event::Auth(result) => Some(result.outcome),
            _ => None,
        });
        results.collect()
    }

    /// One login by a client of ours; the messages of the keeper are counted, too.
    pub(crate) fn log_in(
        &mut self,
        mechanism: Mechanism,
        userid: &str,
        text: &str,
        authorization: Option<&str>,
        client: Option<IpAddr>,
    ) -> (Result<Login, Refusal>, usize) {
        let settings = client_settings(mechanism, userid, authorization);
        let channel = Channel::from(&tls());
        let choice = client::Choice::of(mechanism);
        let step = client::begin(choice, &Arc::new(settings), &channel, [0x77; 32]);
        let (login, _, messages) = self.converse(step, mechanism, text, client, &tls());
        (login, messages)
    }

    /// SCRAM-SHA-256 up to the server's last word, which the client does not want to hear.
    pub(crate) fn give_up_behind_proof(&mut self, userid: &str, text: &str, client: Option<IpAddr>) {
        let mechanism: Mechanism = "SCRAM-SHA-256".parse().unwrap();
        let settings = Arc::new(client_settings(mechanism, userid, None));
        let choice = client::Choice::of(mechanism);
        let mut step = client::begin(choice, &settings, &Channel::from(&tls()), [0x77; 32]);
        let exchange = self.next_session();
        for turn in 0..2 {
            let next = loop {
                step = match step {
                    client::Step::Secret(next) => next.supply(&Secret::copy_of(text.as_bytes())),
                    client::Step::Send { octets, next } => {
                        let octets = octets.unwrap();
                        match turn {
                            0 => self.begin(exchange, mechanism.name(), Some(&octets), client),
                            _ => self
                                .say(ToKeeper::Respond { exchange, octets: SecretOctets::copy_of(&octets) }),
                        }
                        break next;
                    }
                    other => panic!("{other:?}"),
                };
            };
            let Some(ToFront::Challenge { octets, .. }) = self.sent.pop_back() else { panic!() };
            if turn == 1 {
                return self.say(ToKeeper::Cancel { exchange });
            }
            step = next.challenge(&octets);
        }
    }

    /// One login by DIGEST-MD5 of who has `wonderland` for a password.
    pub(crate) fn drive(
        &mut self,
        step: client::Step,
        channel: &wire::Channel,
    ) -> (Result<Login, Refusal>, Option<Box<client::Outcome>>, usize) {
        self.converse(step, Mechanism::DigestMd5, "wonderland", None, channel)
    }

    fn converse(
        &mut self,
        mut step: client::Step,
        mechanism: Mechanism,
        text: &str,
        client: Option<IpAddr>,
        channel: &wire::Channel,
    ) -> (Result<Login, Refusal>, Option<Box<client::Outcome>>, usize) {
        let (exchange, mut has_begun, mut messages) = (self.next_session(), false, 0);
        loop {
            let (octets, next) = match step {
                client::Step::Secret(next) => {
                    step = next.supply(&Secret::copy_of(text.as_bytes()));
                    continue;
                }
                client::Step::Send { octets, next } => (octets, next),
                other => panic!("{other:?}"),
            };
            if std::mem::replace(&mut has_begun, true) {
                let octets = SecretOctets::copy_of(&octets.unwrap());
                self.say(ToKeeper::Respond { exchange, octets });
            } else {
                let initial = octets.as_ref().map(|it| it.as_slice());
                self.begin_over(channel, exchange, mechanism.name(), initial, client);
            }
            messages += 1;
            match self.sent.pop_back().unwrap() {
                ToFront::Challenge { octets, .. } => step = next.challenge(&octets),
                ToFront::LoggedIn { login, .. } => {
                    let client::Step::Done(outcome) = next.success(None) else { panic!("{mechanism}") };
                    return (Ok(login), Some(outcome), messages);
                }
                ToFront::Refused { class, hold_ms, .. } => return (Err((class, hold_ms)), None, messages),
                other => panic!("{other:?}"),
            }
        }
    }
}

pub(crate) fn client_settings(
    mechanism: Mechanism,
    userid: &str,
    authorization: Option<&str>,
) -> client::Settings {
    client::Settings {
        login: client::Login {
            authentication: userid.as_bytes().to_vec(),
            authorization: authorization.map(|id| id.as_bytes().to_vec()),
            realm: None,
        },
        means: Means::of(mechanism),
        service: "smtp".to_owned(),
        host: "mail.example.org".to_owned(),
        port: Some(587),
        mechanisms: MechanismSet::EMPTY.with(mechanism),
        requirements: Requirements { properties: PropertySet::EMPTY, ..Requirements::default() },
        clear_text: ClearText::Anywhere,
        iterations: 1..=1_000_000,
        layers: Layers::none(),
    }
}
