//! The process's loop, over the sockets that it has in the daemon.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use keeper::pace::Places;
use keeper::run::Observer;
use keeper::{Event, Outcome, RunError};
use safefile::Passage;
use tempfile::TempDir;
use wire::{
    Class, ExchangeId, Finding, FromOpener, Generation, ListenerId, MAX_MESSAGE, Question, SecretOctets,
    SessionId, Subject, ToFront, ToKeeper, ToOpener, Whom, frame,
};
use zeroize::Zeroizing;

use crate::world::{make_store, policy, tls, trust, user, who};

struct Running {
    dir: TempDir,
    opener: Passage,
    events: Arc<Mutex<Vec<Event>>>,
    keeper: JoinHandle<Result<(), RunError>>,
}

struct Front {
    stream: UnixStream,
    decoder: frame::Decoder,
}

fn text(dir: &TempDir) -> String {
    format!(
        "[auth]\nrealm = \"example.org\"\n[secrets]\npath = \"{}/secrets.redb\"\nkeep = [\"argon2id\", \
         \"cram-md5\"]\n[secrets.argon2id]\nm = 16\nt = 1\n",
        dir.path().display()
    )
}

impl Running {
    fn start(dir: TempDir) -> Self {
        let (opener, own) = Passage::pair().unwrap();
        let events = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&events);
        let observer: Observer = Arc::new(move |event| log.lock().unwrap().push(event));
        let keeper = thread::spawn(move || keeper::run(&own, &trust(), &observer));
        let running = Self { dir, opener, events, keeper };
        running.configure(1, &text(&running.dir));
        running
    }

    fn with_users() -> Self {
        let dir = tests::scratch::dir();
        let policy = policy("argon2id cram-md5");
        make_store(&dir.path().join("secrets.redb"), &[user("alice", "wonderland", &policy)]);
        Self::start(dir)
    }

    fn configure(&self, generation: u32, text: &str) {
        self.say(
            &FromOpener::Configuration {
                generation: Generation(generation),
                path: "/etc/gatepost/gatepost.toml".to_owned(),
                text: text.to_owned(),
                listeners: vec![ListenerId(0)],
            },
            None,
        );
    }

    fn say(&self, words: &FromOpener, descriptor: Option<&UnixStream>) {
        let octets = wire::to_octets(words).unwrap();
        self.opener.send(&octets, descriptor.map(AsFd::as_fd)).unwrap();
    }

    fn hear(&self) -> ToOpener {
        wire::from_octets(&self.opener.receive(MAX_MESSAGE).unwrap().octets).unwrap()
    }

    fn front(&self) -> Front {
        let (stream, theirs) = UnixStream::pair().unwrap();
        self.say(&FromOpener::Peer, Some(&theirs));
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Front { stream, decoder: frame::Decoder::default() }
    }

    fn end(self) -> (Vec<Event>, TempDir) {
        self.say(&FromOpener::ShutDown, None);
        self.keeper.join().unwrap().unwrap();
        let events = self.events.lock().unwrap();
        (events.clone(), self.dir)
    }
}

impl Front {
    fn say(&mut self, message: &ToKeeper) {
        let mut octets = Zeroizing::default();
        frame::push(message, &mut octets).unwrap();
        self.stream.write_all(&octets).unwrap();
    }

    fn hear(&mut self) -> Option<ToFront> {
        loop {
            if let Some(message) = self.decoder.next().unwrap() {
                return Some(message);
            }
            let mut octets = [0; 4096];
            match self.stream.read(&mut octets).unwrap() {
                0 => return None,
                count => self.decoder.feed(&octets[..count]),
            }
        }
    }

    fn plain(&mut self, session: u64, password: &str) {
        self.say(&ToKeeper::Begin {
            exchange: ExchangeId { session: SessionId(session), turn: 1 },
            listener: ListenerId(0),
            channel: tls(),
            client: Some("192.0.2.1".parse().unwrap()),
            mechanism: "PLAIN".to_owned(),
            initial: Some(SecretOctets::copy_of(format!("\0alice\0{password}").as_bytes())),
        });
    }

    fn is_let_in(&mut self) -> bool {
        loop {
            match self.hear().unwrap() {
                ToFront::LoggedIn { login, .. } => {
                    assert_eq!(login.authentication, "alice@example.org");
                    return true;
                }
                ToFront::Refused { class, .. } => {
                    assert_eq!(class, Class::Refused);
                    return false;
                }
                ToFront::OffersChanged => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn a_login_from_the_fronts_socket_to_the_store_and_back() {
    let running = Running::with_users();
    assert_eq!(running.hear(), ToOpener::Ready);
    assert_eq!(running.hear(), ToOpener::Alive(Generation(1)));
    let mut front = running.front();
    front.plain(1, "wonderland");
    assert!(front.is_let_in());
    front.plain(2, "guess");
    assert!(!front.is_let_in());
    front.say(&ToKeeper::Offer { request: 3, listener: ListenerId(0), channel: tls() });
    let Some(ToFront::Offered { request: 3, mechanisms, .. }) = front.hear() else { panic!() };
    assert_eq!(mechanisms, ["CRAM-MD5", "PLAIN", "LOGIN"]);
    let (events, _) = running.end();
    assert!(front.hear().is_none(), "the keeper has closed its end");
    let results = events.iter().filter_map(|event| match event {
        Event::Auth(result) => Some((result.outcome, result.identity.as_ref().unwrap().to_string())),
        _ => None,
    });
    let alice = || "alice@example.org".to_owned();
    assert_eq!(results.collect::<Vec<_>>(), [(Outcome::Ok, alice()), (Outcome::Refused, alice())]);
}

#[test]
fn a_front_that_dies_or_talks_nonsense_is_followed_by_the_next() {
    let running = Running::with_users();
    let mut first = running.front();
    first.plain(1, "wonderland");
    assert!(first.is_let_in());
    drop(first);
    let mut second = running.front();
    second.stream.write_all(&[3, 0, 0, 0, 0xff, 0xff, 0xff]).unwrap();
    assert!(second.hear().is_none());
    let mut third = running.front();
    third.plain(1, "wonderland");
    assert!(third.is_let_in());
    let (events, _) = running.end();
    let left = |malformed| Event::FrontLeft { malformed };
    assert_eq!(events.iter().filter(|event| **event == left(true)).count(), 1);
    assert_eq!(events.iter().filter(|event| **event == Event::FrontJoined).count(), 3);
}

#[test]
fn a_configuration_takes_the_place_of_the_one_before_unless_it_has_faults() {
    let running = Running::with_users();
    assert_eq!((running.hear(), running.hear()), (ToOpener::Ready, ToOpener::Alive(Generation(1))));
    let mut front = running.front();
    running.configure(2, "auth = 3\n");
    running.configure(
        3,
        &format!("{}[tls]\n", text(&running.dir))
            .replace("[auth]\n", "[auth]\noptions = \"\"\nmechanisms = [\"CRAM-MD5\"]\n"),
    );
    assert_eq!(running.hear(), ToOpener::Alive(Generation(3)));
    assert!(matches!(front.hear(), Some(ToFront::OffersChanged)));
    front.say(&ToKeeper::Offer { request: 1, listener: ListenerId(0), channel: tls() });
    let Some(ToFront::Offered { mechanisms, .. }) = front.hear() else { panic!() };
    assert_eq!(mechanisms, ["CRAM-MD5"]);
    let (events, _) = running.end();
    assert!(
        events.iter().any(|event| matches!(event, Event::NotConfigured { generation: Generation(2), .. }))
    );
}

#[test]
fn whoever_administers_it_sees_who_is_held_back_and_lets_him_go() {
    let running = Running::with_users();
    assert_eq!((running.hear(), running.hear()), (ToOpener::Ready, ToOpener::Alive(Generation(1))));
    running.configure(2, &format!("{}[throttle]\nrefuse_after = 5\n", text(&running.dir)));
    assert_eq!(running.hear(), ToOpener::Alive(Generation(2)));
    let mut front = running.front();
    // One more than it takes: failures fade, and time may pass meanwhile.
    for session in 0..6 {
        front.plain(session, "guess");
        while !matches!(front.hear(), Some(ToFront::Refused { .. })) {}
    }
    let ask = |request, question| {
        running.say(&FromOpener::Inquire { request, question }, None);
        loop {
            match running.hear() {
                ToOpener::Found { request: of, finding } if of == request => return finding,
                ToOpener::Alive(_) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    let Finding::Throttled { held, next: None } = ask(1, Question::Throttled { from: 0, all: true }) else {
        panic!()
    };
    let subjects: Vec<_> = held.iter().map(|held| held.subject.clone()).collect();
    let address = "192.0.2.1".parse().unwrap();
    let network = Subject::Network("192.0.2.0".parse().unwrap());
    let alice = Subject::Identity("alice@example.org".to_owned());
    assert_eq!(subjects, [Subject::Address(address), network, alice]);
    assert!(held[0].refused && !held[1].refused);
    front.plain(21, "wonderland");
    let Some(ToFront::Refused { class: Class::Later, .. }) = front.hear() else { panic!() };
    let forgotten = Finding::Forgotten { names: 1, still: Vec::new() };
    assert_eq!(ask(2, Question::Forget(Whom::Address(address))), forgotten);
    assert_eq!(ask(3, Question::Forget(Whom::Identity("alice".to_owned()))), forgotten, "her realm is known");
    front.plain(22, "wonderland");
    assert!(front.is_let_in());
    let Finding::Nothing(why) = ask(4, Question::Sessions { after: SessionId(0) }) else { panic!() };
    assert!(why.contains("no sessions"), "{why}");
    running.end();
}

#[test]
fn more_checks_at_once_are_possible_without_a_restart() {
    let running = Running::with_users();
    let threads = || {
        let tasks = fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path().join("comm"));
        let names = tasks.filter_map(|comm| fs::read_to_string(comm).ok());
        names.filter(|name| name.trim() == "check 99").count()
    };
    assert_eq!(threads(), 0);
    running.configure(2, &format!("{}[throttle]\npassword_checks = 100\n", text(&running.dir)));
    while running.hear() != ToOpener::Alive(Generation(2)) {}
    assert_eq!(threads(), 1);
    running.configure(3, &format!("{}[throttle]\npassword_checks = 1\n", text(&running.dir)));
    let mut front = running.front();
    front.plain(1, "wonderland");
    assert!(front.is_let_in());
    running.end();
}

#[test]
fn a_keeper_without_a_store_waits_for_one_and_ends_with_its_opener() {
    let running = Running::start(tests::scratch::dir());
    assert_eq!(running.hear(), ToOpener::Ready);
    let mut front = running.front();
    front.plain(1, "wonderland");
    let Some(ToFront::Refused { class: Class::Temporary, .. }) = front.hear() else { panic!() };
    let policy = policy("argon2id cram-md5");
    make_store(&running.dir.path().join("secrets.redb"), &[user("alice", "wonderland", &policy)]);
    assert!(matches!(front.hear(), Some(ToFront::OffersChanged)), "found without anybody asking");
    front.plain(2, "wonderland");
    assert!(front.is_let_in());
    let Running { opener, keeper, .. } = running;
    drop(opener);
    keeper.join().unwrap().unwrap();
}

#[test]
fn places_are_written_when_the_keeper_ends_and_read_when_it_begins() {
    let running = Running::with_users();
    let mut front = running.front();
    front.plain(1, "wonderland");
    assert!(front.is_let_in());
    let (_, dir) = running.end();
    let path = dir.path().join("keeper/places");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    let written = Places::from_octets(&fs::read(&path).unwrap()).unwrap();
    assert!(written.knows(&who("alice"), "192.0.2.0".parse().unwrap()));
    assert!(!written.knows(&who("bob"), "192.0.2.0".parse().unwrap()));

    let complaints = |events: &[Event]| {
        events.iter().filter(|event| matches!(event, Event::PlacesUnusable { .. })).count()
    };
    let (events, dir) = Running::start(dir).end();
    assert_eq!(complaints(&events), 0);
    fs::write(&path, "something else").unwrap();
    let running = Running::start(dir);
    let mut front = running.front();
    front.plain(1, "wonderland");
    assert!(front.is_let_in(), "nobody stays outside for it");
    assert_eq!(complaints(&running.end().0), 1);
}

#[test]
fn thousands_of_logins_at_once_are_all_answered() {
    let running = Running::with_users();
    let mut front = running.front();
    let mut talker = front.stream.try_clone().unwrap();
    let writer = thread::spawn(move || {
        let mut octets = Zeroizing::default();
        for session in 0..2000 {
            let message = ToKeeper::Begin {
                exchange: ExchangeId { session: SessionId(session), turn: 1 },
                listener: ListenerId(0),
                channel: tls(),
                client: None,
                mechanism: "CRAM-MD5".to_owned(),
                initial: None,
            };
            frame::push(&message, &mut octets).unwrap();
        }
        talker.write_all(&octets).unwrap();
    });
    let challenges = (0..2000).filter(|_| matches!(front.hear(), Some(ToFront::Challenge { .. }))).count();
    writer.join().unwrap();
    assert_eq!(challenges, 2000);
    running.end();
}
