//! The process's loop beside a real keeper, over the sockets that both have in the daemon: an opener hands them their
//! configuration, their files and each other.

use std::fmt::Write;
use std::fs::{self, Permissions};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use config::{Config, HostAccounts};
use credential::policy::{Argon2Cost, Cost, Iterations, Salts};
use credential::{
    ChangedBy, DecoyKey, Identity, Label, Password, Policy, Realm, Record, Secret, Timestamp, derive,
};
use front::RunError;
use front::event::Journal;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use safefile::{Dress, Kind, Passage, Replacement, SafeFile};
use store::StoreError;
use store::maps::{self, Duplicates, Keys, Making, MapType, Volume};
use store::secrets::{NewStore, SecretStore};
use tempfile::TempDir;
use wire::{
    Finding, FromOpener, Generation, ListenerId, MAX_MESSAGE, Question, SessionFacts, SessionId, ToOpener,
};

use crate::client::{Client, PATIENCE};
use crate::world::{Log, files, make_private, trust};

/// Opener, keeper and front.
struct Daemon {
    opener: Arc<Passage>,
    to_keeper: Passage,
    log: Arc<Log>,
    socket: TcpListener,
    address: SocketAddr,
    dir: TempDir,
    front: JoinHandle<Result<(), RunError>>,
    /// What the front says to the opener, but for files.
    said: Receiver<ToOpener>,
}

fn text(dir: &Path, more: &str) -> String {
    let dir = dir.display();
    format!(
        "host_name = \"mail.gate.test\"\nlocal_domains = [\"gate.test\"]\n{more}\n\
         [[listen]]\nport = 587\n[auth]\nrealm = \"gate.test\"\n\
         [secrets]\npath = \"{dir}/secrets.redb\"\nkeep = [\"argon2id\", \"cram-md5\"]\n\
         [secrets.argon2id]\nm = 16\nt = 1\n\
         [queue]\ndirectory = \"{dir}/queue\"\nmin_free = 0\n[delivery]\nmaildirs = \"{dir}/mail\"\n"
    )
}

fn policy() -> Policy {
    let few = Iterations::new(16).unwrap();
    let argon2id = Argon2Cost::new(16, 1, 1).unwrap();
    let cost = Cost { argon2id, scram_sha_1: few, scram_sha_256: few, scram_sha_512: few };
    Policy { keep: "argon2id,cram-md5".parse().unwrap(), cost }
}

impl Daemon {
    fn start(more: &str) -> Self {
        let dir = tests::scratch::dir();
        for name in ["queue", "mail", "mail/bob@gate.test"] {
            make_private(&dir.path().join(name));
        }
        make_store(&dir.path().join("secrets.redb"));
        let text = text(dir.path(), more);
        let config = Config::parse(Path::new("/x"), text.as_bytes(), &HostAccounts).unwrap();
        let (opener, own) = Passage::pair().unwrap();
        let (to_keeper, keepers) = Passage::pair().unwrap();
        let opener = Arc::new(opener);
        let log = Arc::new(Log::default());
        let journal = Arc::clone(&log) as Arc<dyn Journal>;
        let front = thread::spawn(move || front::run(own, &trust(), journal));
        thread::spawn(move || keeper::run(&keepers, &trust(), &(Arc::new(|_| ()) as keeper::run::Observer)));
        let files = Arc::clone(&opener);
        let (tell, said) = mpsc::channel();
        thread::spawn(move || serve_files(&files, &config, &tell));
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let daemon = Self { opener, to_keeper, log, socket, address, dir, front, said };
        // In an order that is not the usual one.
        daemon.say(&FromOpener::Listener(ListenerId(7)), Some(&daemon.socket));
        daemon.configure(1, &text);
        say(&daemon.to_keeper, &configuration(1, &text), None::<&UnixStream>);
        daemon.join();
        daemon
    }

    fn say(&self, words: &FromOpener, descriptor: Option<&impl AsFd>) {
        say(&self.opener, words, descriptor);
    }

    fn configure(&self, generation: u32, text: &str) {
        self.say(&configuration(generation, text), None::<&UnixStream>);
        self.say(&FromOpener::Listener(ListenerId(7)), Some(&self.socket));
    }

    /// Front and keeper get a connection to each other.
    fn join(&self) {
        let (one, other) = UnixStream::pair().unwrap();
        self.say(&FromOpener::Peer, Some(&one));
        say(&self.to_keeper, &FromOpener::Peer, Some(&other));
    }

    /// The next thing of this kind that the front says.
    fn hear<T>(&self, is_it: impl Fn(ToOpener) -> Option<T>) -> T {
        loop {
            if let Some(it) = is_it(self.said.recv_timeout(PATIENCE).unwrap()) {
                return it;
            }
        }
    }

    fn sessions(&self, request: u32) -> Vec<SessionFacts> {
        let question = Question::Sessions { after: SessionId(0) };
        self.say(&FromOpener::Inquire { request, question }, None::<&UnixStream>);
        self.hear(|said| match said {
            ToOpener::Found { request: of, finding: Finding::Sessions { sessions, next: None } } => {
                assert_eq!(of, request);
                Some(sessions)
            }
            _ => None,
        })
    }

    fn client(&self) -> Client<TcpStream> {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Client::new(stream);
        client.talk("S: 220 mail.gate.test ESMTP Gatepost");
        client
    }

    fn end(self) {
        self.say(&FromOpener::ShutDown, None::<&UnixStream>);
        self.front.join().unwrap().unwrap();
        say(&self.to_keeper, &FromOpener::ShutDown, None::<&UnixStream>);
    }
}

fn say(passage: &Passage, words: &FromOpener, descriptor: Option<&impl AsFd>) {
    passage.send(&wire::to_octets(words).unwrap(), descriptor.map(AsFd::as_fd)).unwrap();
}

fn configuration(generation: u32, text: &str) -> FromOpener {
    FromOpener::Configuration {
        generation: Generation(generation),
        path: "/etc/gatepost/gatepost.toml".to_owned(),
        text: text.to_owned(),
        listeners: vec![ListenerId(7)],
    }
}

/// Opens what is asked for, as the opener does, and hands on what else is said.
fn serve_files(passage: &Passage, config: &Config, said: &Sender<ToOpener>) {
    while let Ok(packet) = passage.receive(MAX_MESSAGE) {
        if packet.octets.is_empty() {
            return;
        }
        let (request, file) = match wire::from_octets(&packet.octets).unwrap() {
            ToOpener::Open { request, file } => (request, file),
            other => {
                // A test that does not listen has ended, or never did.
                let _ = said.send(other);
                continue;
            }
        };
        let wanted = config.daemon_files().into_iter().find(|wanted| wanted.index.0 == file).unwrap();
        match SafeFile::open(&wanted.path, wanted.kind, &trust()) {
            Ok(file) => say(passage, &FromOpener::Opened { request }, Some(file.as_file())),
            Err(error) => {
                let (is_missing, words) = (error.is_missing(), error.to_string());
                say(passage, &FromOpener::Refused { request, is_missing, words }, None::<&UnixStream>);
            }
        }
    }
}

fn make_store(path: &Path) {
    let policy = policy();
    let now = Timestamp(1_800_000_000);
    let identity = Identity::parse("alice", &Realm::prepare("gate.test").unwrap()).unwrap();
    let password = Password::prepare(&Secret::copy_of(b"wonderland")).unwrap();
    let mut record = Record::new(identity, now, ChangedBy::default());
    let recipe = record.recipe(&Label::main(), &policy.cost, Salts::from_random([7; Salts::OCTETS]));
    let verifiers = derive(policy.keep, record.identity(), &password, &recipe).unwrap();
    record.renew(&Label::main(), verifiers, false, now).unwrap();
    let new = NewStore { decoy_key: DecoyKey::new([7; DecoyKey::OCTETS]), created: now };
    SecretStore::create::<_, StoreError>(path, &trust(), new, |edit| edit.put(&record).map(drop)).unwrap();
}

/// A map of at most one entry, which has no order.
fn write_map(path: &Path, entries: &[(&str, &str)]) {
    let dress = Dress { owner: None, group: None, mode: 0o600 };
    let replacement = Replacement::begin(path, Kind::Map, &trust(), dress).unwrap();
    let making = Making {
        duplicates: Duplicates::Refused,
        keys: Keys::Folded,
        volume: Volume::default(),
        made_by: String::new(),
        made_at: 0,
    };
    let mut map = maps::build(MapType::Cdb, replacement, &making).unwrap();
    for (key, value) in entries {
        map.add(key.as_bytes(), value.as_bytes()).unwrap();
    }
    map.finish().unwrap();
}

fn until(mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end);
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_login_and_a_mail_through_the_whole_of_it() {
    let daemon = Daemon::start("");
    let mut client = daemon.client();
    let listed = client.ehlo();
    assert!(listed.contains(&"AUTH CRAM-MD5".to_owned()), "{listed:?}");
    client.talk("C: MAIL FROM:<alice@gate.test>\nS: 530 5.7.0 Authentication required");
    cram_md5(&mut client, b"wonderlamp", "535 5.7.0 authentication failed");
    cram_md5(&mut client, b"wonderland", "235 2.0.0 OK Authenticated");
    client.talk(
        "C: MAIL FROM:<alice@gate.test>
         C: RCPT TO:<bob@gate.test>
         C: DATA
         S: 250 *
         S: 250 *
         S: 354 *
         C: Subject: x
         C:
         C: text
         C: .
         S: 250 2.0.0 *
         C: QUIT
         S: 221 *",
    );
    let new = daemon.dir.path().join("mail/bob@gate.test/new");
    until(|| files(&new).len() == 1);
    // Another keeper, or another connection to it: nobody notices.
    daemon.join();
    let mut client = daemon.client();
    client.ehlo();
    cram_md5(&mut client, b"wonderland", "235 2.0.0 OK Authenticated");
    daemon.end();
}

/// RFC 2195.
fn cram_md5(client: &mut Client<TcpStream>, password: &[u8], reply: &str) {
    client.say("AUTH CRAM-MD5\r\n");
    let challenge = client.line().unwrap();
    let challenge = STANDARD.decode(challenge.strip_prefix("334 ").unwrap()).unwrap();
    let mut digest = Hmac::<Md5>::new_from_slice(password).unwrap();
    digest.update(&challenge);
    let mut response = "alice ".to_owned();
    for octet in digest.finalize().into_bytes() {
        write!(response, "{octet:02x}").unwrap();
    }
    let response = STANDARD.encode(response);
    client.talk(&format!("C: {response}\nS: {reply}"));
}

/// Both are alive, and their connection is gone: sessions stay, and what needs the keeper is put off until there is another.
#[test]
fn a_front_without_a_keeper_keeps_its_sessions_and_asks_for_another_connection() {
    let daemon = Daemon::start("");
    let mut client = daemon.client();
    client.ehlo();
    cram_md5(&mut client, b"wonderland", "235 2.0.0 OK Authenticated");
    let mut other = daemon.client();
    other.ehlo();
    // One end of the new connection is nobody's.
    let (one, _) = UnixStream::pair().unwrap();
    daemon.say(&FromOpener::Peer, Some(&one));
    drop(one);
    daemon.log.wait_for(&["KeeperGone"]);
    other.talk("C: AUTH CRAM-MD5\nS: 454 *");
    daemon.hear(|said| (said == ToOpener::Alone).then_some(()));
    daemon.hear(|said| (said == ToOpener::Alone).then_some(()));
    daemon.join();
    until(|| daemon.log.count("KeeperConnected") == 3);
    cram_md5(&mut other, b"wonderland", "235 2.0.0 OK Authenticated");
    client.talk("C: MAIL FROM:<alice@gate.test>\nS: 250 *");
    daemon.end();
}

#[test]
fn whoever_administers_it_sees_who_is_there_and_what_they_do() {
    let daemon = Daemon::start("");
    let mut alice = daemon.client();
    alice.ehlo();
    cram_md5(&mut alice, b"wonderland", "235 2.0.0 OK Authenticated");
    alice.talk(
        "C: MAIL FROM:<alice@gate.test>
         C: RCPT TO:<bob@gate.test>
         C: DATA
         S: 250 *
         S: 250 *
         S: 354 *
         C: x: y
         C:
         C: .
         S: 250 2.0.0 *
         C: MAIL FROM:<alice@gate.test>
         S: 250 *",
    );
    let mut nobody = daemon.client();
    nobody.ehlo();
    nobody.talk("C: AUTH CRAM-MD5\nS: 334 *");
    let sessions = daemon.sessions(1);
    let shown: Vec<_> = sessions
        .iter()
        .map(|facts| {
            let login = facts.login.as_ref().map(|it| (it.authentication.as_str(), it.mechanism.as_str()));
            (facts.session.0, facts.client.as_str(), login, facts.state.as_str(), facts.messages)
        })
        .collect();
    let alices = Some(("alice@gate.test", "CRAM-MD5"));
    assert_eq!(shown, [(1, "[127.0.0.1]", alices, "mail", 1), (2, "[127.0.0.1]", None, "auth", 0)]);
    assert!(sessions.iter().all(|facts| facts.listener == "MSA" && facts.tls.is_none() && facts.since > 0));
    drop(alice);
    until(|| daemon.sessions(2).len() == 1);
    daemon.end();
}

#[test]
fn files_are_taken_up_when_they_change_and_not_used_when_they_are_unsafe() {
    let scratch = tests::scratch::dir();
    let access = scratch.path().join("access.cdb");
    let write = |entries: &[(&str, &str)]| write_map(&access, entries);
    write(&[("connect:127.0.0.1", "RELAY")]);
    let daemon = Daemon::start(&format!("access_map = \"cdb:{}\"", scratch.path().join("access").display()));
    let said_to_a_stranger = |reply: &str| {
        let mut client = daemon.client();
        client.say("EHLO x\r\n");
        while client.line().unwrap().as_bytes()[3] == b'-' {}
        client.say("VRFY x\r\n");
        client.line().unwrap().starts_with(reply)
    };
    assert!(said_to_a_stranger("252"));
    write(&[("connect:127.0.0.1", "REJECT")]);
    until(|| {
        let mut client = Client::new(TcpStream::connect(daemon.address).unwrap());
        client.line().unwrap().starts_with("554 ")
    });
    fs::set_permissions(&access, Permissions::from_mode(0o666)).unwrap();
    daemon.log.wait_for(&["FileUnusable", "access.cdb"]);
    write(&[("authinfo:far.test", "\"U:alice\" \"P:secret\"")]);
    daemon.log.wait_for(&["FileUnusable", "AuthInfo:"]);
    write(&[]);
    until(|| {
        let mut client = Client::new(TcpStream::connect(daemon.address).unwrap());
        client.line().unwrap().starts_with("220 ")
    });
    daemon.end();
}

#[test]
fn another_configuration_is_taken_up_and_one_with_faults_is_not() {
    let daemon = Daemon::start("");
    drop(daemon.client());
    daemon.configure(2, "nonsense = 1");
    daemon.log.wait_for(&["NotConfigured", "nonsense"]);
    // The sockets behind it are its own.
    let others = TcpListener::bind("127.0.0.1:0").unwrap();
    daemon.say(&FromOpener::Listener(ListenerId(7)), Some(&others));
    // Who answers has heard of them.
    daemon.sessions(1);
    daemon.client();
    daemon.configure(3, &text(daemon.dir.path(), "").replace("mail.gate.test", "other.gate.test"));
    daemon.log.wait_for(&["Configured { generation: Generation(3)"]);
    Client::new(TcpStream::connect(daemon.address).unwrap()).talk("S: 220 other.gate.test ESMTP Gatepost");
    daemon.end();
}

#[test]
fn a_configuration_whose_map_holds_secrets_is_not_taken_up() {
    let scratch = tests::scratch::dir();
    let access = scratch.path().join("access.cdb");
    write_map(&access, &[]);
    let more = format!("access_map = \"cdb:{}\"", scratch.path().join("access").display());
    let daemon = Daemon::start(&more);
    daemon.client();
    write_map(&access, &[("AUTHINFO:far.test", "\"U:alice\" \"P:secret\"")]);
    daemon.log.wait_for(&["FileUnusable", "AuthInfo:"]);
    let other = text(daemon.dir.path(), &more).replace("mail.gate.test", "other.gate.test");
    daemon.configure(2, &other);
    daemon.log.wait_for(&["NotConfigured { generation: Generation(2)", "secrets"]);
    // Whoever calls is put off until it is mended, and the configuration is the one of before.
    let mut client = daemon.client();
    client.ehlo();
    write_map(&access, &[]);
    daemon.configure(3, &other);
    daemon.log.wait_for(&["Configured { generation: Generation(3)"]);
    Client::new(TcpStream::connect(daemon.address).unwrap()).talk("S: 220 other.gate.test ESMTP Gatepost");
    daemon.end();
}

#[test]
fn without_an_opener_there_is_no_front() {
    let (opener, own) = Passage::pair().unwrap();
    drop(opener);
    let log = Arc::new(Log::default());
    assert!(front::run(own, &trust(), log).is_ok());
    let (opener, own) = Passage::pair().unwrap();
    say(&opener, &configuration(1, "nonsense = 1"), None::<&UnixStream>);
    let failed = front::run(own, &trust(), Arc::new(Log::default())).unwrap_err();
    assert!(matches!(failed, RunError::Configuration(words) if words.contains("nonsense")));
}
