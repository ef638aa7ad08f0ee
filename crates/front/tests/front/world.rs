//! A front with a keeper, its directories, and what it wrote into the log.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use front::access::{Access, AccessTrouble, NoAccess};
use front::event::{Event, Journal};
use front::may_relay::{RelayRules, TrustedMechanisms};
use front::names::{Names, Resolver, Unresolved};
use front::queue::{DeliveryRules, Maildirs, Queue, Spool};
use front::senders::SenderRules;
use front::settings::{
    AuthUse, ClientNames, CommonName, ListenerSettings, QueueSettings, ReceivedUserRule, Settings, TlsUse,
};
use front::{Front, Keeper, Listening, Site};
use safefile::{Kind, SafeFile, Trust, Uid};
use smtp::LineEnds;
use smtp::server::{AuthEquals, AuthRule, EtrnRule, HelloRule, Limits, Policy};
use tempfile::TempDir;
use tls::ServerSetup;
use tokio::runtime::{Builder, Runtime};
use wire::ListenerId;

use crate::client::{Client, PATIENCE};
use crate::part::{self, Heard, Part};

/// What happened, as text.
#[derive(Default)]
pub(crate) struct Log(Mutex<Vec<String>>);

impl Journal for Log {
    fn note(&self, event: &Event<'_>) {
        self.0.lock().unwrap().push(format!("{event:?}"));
    }
}

impl Log {
    /// Waits for an event that has all these words.
    pub(crate) fn wait_for(&self, words: &[&str]) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let found = self
                .0
                .lock()
                .unwrap()
                .iter()
                .find(|line| words.iter().all(|word| line.contains(word)))
                .cloned();
            if let Some(line) = found {
                return line;
            }
            assert!(Instant::now() < end, "no {words:?} in {:#?}", self.0.lock().unwrap());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[allow(dead_code, reason = "not every suite counts")]
    pub(crate) fn count(&self, word: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|line| line.contains(word)).count()
    }

    pub(crate) fn has(&self, word: &str) -> bool {
        self.0.lock().unwrap().iter().any(|line| line.contains(word))
    }
}

/// A map as makemap would build it.
#[derive(Default)]
pub(crate) struct Table(BTreeMap<String, String>);

impl Access for Table {
    fn look_up(&self, key: &str) -> Result<Option<String>, AccessTrouble> {
        Ok(self.0.get(&key.to_ascii_lowercase()).cloned())
    }
}

pub(crate) fn table(entries: &[(&str, &str)]) -> Arc<dyn Access> {
    let entry = |(key, value): &(&str, &str)| (key.to_ascii_lowercase(), (*value).to_owned());
    Arc::new(Table(entries.iter().map(entry).collect()))
}

/// A world without names.
struct Nameless;

impl Resolver for Nameless {
    fn name(&self, _: IpAddr) -> Result<String, Unresolved> {
        Err(Unresolved::Nothing)
    }

    fn addresses(&self, _: &str) -> Result<Vec<IpAddr>, Unresolved> {
        Err(Unresolved::Nothing)
    }
}

/// What a test may wish otherwise.
pub(crate) struct Wish {
    pub(crate) listener: ListenerSettings,
    pub(crate) access: Arc<dyn Access>,
    pub(crate) senders: SenderRules,
    pub(crate) senders_map: Arc<dyn Access>,
    pub(crate) resolver: Arc<dyn Resolver>,
    pub(crate) certificate: bool,
    pub(crate) received_user: ReceivedUserRule,
    pub(crate) connections_per_address: u32,
    pub(crate) min_free: u64,
    pub(crate) lifetime: Duration,
    /// For a mailbox that is missing; none: as outside of tests.
    pub(crate) patience: Option<Duration>,
    pub(crate) dir: Dir,
}

/// A directory that is removed when it is dropped, if it was made here.
pub(crate) struct Dir {
    path: PathBuf,
    _made: Option<TempDir>,
}

#[allow(dead_code, reason = "who is killed does not make his own")]
impl Dir {
    pub(crate) fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), _made: None }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl From<TempDir> for Dir {
    fn from(made: TempDir) -> Self {
        Self { path: made.path().to_owned(), _made: Some(made) }
    }
}

impl Default for Wish {
    fn default() -> Self {
        let dir = tests::scratch::dir();
        for name in
            ["queue", "mail", "mail/bob@gate.test", "mail/carol@gate.test", "mail/postmaster@mail.gate.test"]
        {
            make_private(&dir.path().join(name));
        }
        Self {
            listener: listener(),
            access: Arc::new(NoAccess),
            senders: SenderRules::Any,
            senders_map: Arc::new(NoAccess),
            resolver: Arc::new(Nameless),
            certificate: false,
            received_user: ReceivedUserRule::Hidden,
            connections_per_address: 1000,
            min_free: 0,
            lifetime: Duration::from_hours(1000),
            patience: None,
            dir: dir.into(),
        }
    }
}

pub(crate) fn make_private(path: &Path) {
    fs::create_dir(path).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o700)).unwrap();
}

pub(crate) fn policy() -> Policy {
    Policy {
        host: "mail.gate.test".to_owned(),
        limits: Limits::default(),
        line_ends: LineEnds::default(),
        auth: AuthRule::Optional,
        etrn: EtrnRule::Refused,
        hello: HelloRule::BeforeMail,
    }
}

pub(crate) fn listener() -> ListenerSettings {
    ListenerSettings {
        id: ListenerId(0),
        name: "MSA".to_owned(),
        policy: Arc::new(policy()),
        max_message_size: 1 << 20,
        auth_equals: AuthEquals::Off,
        auth: AuthUse::Offered,
        tls: TlsUse::StartTls,
        max_connections: 1000,
    }
}

/// A front that serves.
pub(crate) struct World {
    pub(crate) front: Front,
    pub(crate) log: Arc<Log>,
    pub(crate) address: SocketAddr,
    pub(crate) dir: Dir,
    runtime: Runtime,
}

impl World {
    pub(crate) fn new(wish: Wish) -> Self {
        let Wish {
            listener,
            access,
            certificate,
            received_user,
            connections_per_address,
            min_free,
            lifetime,
            dir,
            ..
        } = wish;
        let log = Arc::new(Log::default());
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let settings = Settings {
            host: "mail.gate.test".to_owned(),
            listeners: vec![Arc::new(listener)],
            relay: RelayRules {
                host: "mail.gate.test".to_owned(),
                local_domains: vec!["gate.test".to_owned(), "mail.gate.test".to_owned()],
                relay_domains: vec!["friend.test".to_owned()],
                trusted: TrustedMechanisms::Offered,
            },
            senders: wish.senders,
            client_names: ClientNames::Asked,
            received_user,
            common_name: CommonName::Ignored,
            connections_per_address,
            queue: QueueSettings {
                directory: dir.path().join("queue"),
                min_free,
                lifetime,
                maildirs: dir.path().join("mail"),
            },
        };
        let tls = certificate.then(|| certified(dir.path()));
        let rules = settings.delivery();
        let patience = wish.patience.unwrap_or(rules.patience);
        let queue = queue(&settings.queue, DeliveryRules { patience, ..rules }, Arc::clone(&log));
        let keeper = Keeper::new(Arc::clone(&log) as Arc<dyn Journal>);
        let site = Site { settings, tls, access, client_map: Arc::new(NoAccess), senders: wish.senders_map };
        let names = Names::by(wish.resolver);
        let front = Front::with_names(site, keeper, queue, Arc::clone(&log) as Arc<dyn Journal>, names);
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let guard = runtime.enter();
        front.queue().take_up().unwrap();
        front.listen(ListenerId(0), Listening::Tcp(socket)).unwrap();
        drop(guard);
        Self { front, log, address, dir, runtime }
    }

    /// A front beside a keeper that knows alice.
    pub(crate) fn with_alice(wish: Wish) -> Self {
        let world = Self::new(wish);
        world.keeper(part::alices());
        world
    }

    /// A new keeper.
    pub(crate) fn keeper(&self, part: Part) -> Heard {
        let (theirs, heard) = part::play(part);
        let _guard = self.runtime.enter();
        self.front.keeper().connect(theirs).unwrap();
        heard
    }

    pub(crate) fn listen(&self, listening: Listening) {
        let _guard = self.runtime.enter();
        self.front.listen(ListenerId(0), listening).unwrap();
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// A client that was greeted.
    pub(crate) fn client(&self) -> Client<TcpStream> {
        let mut client = Client::new(self.connect());
        client.talk("S: 220 mail.gate.test ESMTP Gatepost");
        client
    }

    /// Ends the front as a crash would, and gives what it leaves.
    pub(crate) fn crash(self) -> Dir {
        self.runtime.shutdown_timeout(Duration::from_secs(5));
        self.dir
    }

    /// The messages in a mailbox, once there are so many.
    pub(crate) fn mailbox(&self, address: &str, count: usize) -> Vec<String> {
        let new = self.dir.path().join("mail").join(address).join("new");
        let end = Instant::now() + PATIENCE;
        loop {
            let found = files(&new);
            if found.len() >= count {
                assert_eq!(found.len(), count);
                return found.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
            }
            assert!(Instant::now() < end, "no {count} messages in {}", new.display());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What lies in the queue, but for words about tries.
    pub(crate) fn queued(&self) -> Vec<PathBuf> {
        let all = files(&self.dir.path().join("queue")).into_iter();
        all.filter(|path| path.extension().is_none_or(|it| it != "last")).collect()
    }
}

pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

pub(crate) fn trust() -> Trust {
    Trust::root().caller(Uid::effective())
}

fn queue(settings: &QueueSettings, rules: DeliveryRules, log: Arc<Log>) -> Arc<Queue> {
    let QueueSettings { directory, min_free, maildirs, .. } = settings;
    let spool = Spool::open(directory, &trust(), *min_free).unwrap();
    Queue::new(spool, Maildirs::new(maildirs, trust()), rules, log)
}

fn certified(dir: &Path) -> ServerSetup {
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters = rcgen::CertificateParams::new(vec!["mail.gate.test".to_owned()]).unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    let certificate = private(dir, "cert.pem", &certificate.pem(), Kind::Certificate);
    let key = private(dir, "key.pem", &key.serialize_pem(), Kind::PrivateKey);
    ServerSetup::new(&certificate, &key, None).unwrap()
}

/// A file that is safe to read.
pub(crate) fn private(dir: &Path, name: &str, content: &str, kind: Kind) -> SafeFile {
    let path = dir.join(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    SafeFile::open(&path, kind, &trust()).unwrap()
}

/// A CA of clients.
#[allow(dead_code, reason = "not every suite has certificates of clients")]
pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

#[allow(dead_code, reason = "not every suite has certificates of clients")]
impl Authority {
    pub(crate) fn new() -> Self {
        let mut parameters = rcgen::CertificateParams::default();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        let pem = parameters.self_signed(&key).unwrap().pem();
        Self { pem, issuer: rcgen::Issuer::new(parameters, key) }
    }

    /// Certificate and key of a client with this address, in PEM form.
    pub(crate) fn issue(&self, address: &str) -> (String, String) {
        let mut parameters = rcgen::CertificateParams::default();
        parameters.subject_alt_names = vec![rcgen::SanType::Rfc822Name(address.try_into().unwrap())];
        let key = rcgen::KeyPair::generate().unwrap();
        (parameters.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}
