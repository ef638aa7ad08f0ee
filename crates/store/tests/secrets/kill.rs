//! Many processes write and read one store, each killed with -9 at random moments.
//!
//! Each writer owns some users and gives all of them the next version in one transaction; when that returns it says so
//! (an acknowledgement). What is checked, after every kill and all the time by the readers: no acknowledged version is
//! lost, no user of one transaction is seen without the others, no version goes back, and nobody is ever refused.
//! Fifteen seconds; ten minutes with `GATEPOST_TEST_FULL=1`.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::ChildStdout;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use store::StoreError;
use store::secrets::{Access, SecretStore, Secrets};

use crate::child::{self, Running};
use crate::sample::{self, Fixture};

const WRITERS: u32 = 4;
/// Users of each writer; all users together fit in one page of a listing, which is one read transaction.
const USERS: u32 = 40;

/// What a child does, by the name of its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Keeps one handle open, as the daemon does.
    Writer(u32),
    /// Opens for each change, as tools do.
    Tool(u32),
    Reader,
    /// Opens for each look, as `--verify` does.
    Looker,
    Checker,
}

const CREW: [Role; 8] = [
    Role::Writer(0),
    Role::Writer(1),
    Role::Tool(2),
    Role::Tool(3),
    Role::Reader,
    Role::Looker,
    Role::Looker,
    Role::Checker,
];

#[test]
fn nothing_acknowledged_is_lost_and_nobody_is_refused() {
    let fixture = Fixture::new();
    let duration = Duration::from_secs(if tests::need::full() { 600 } else { 15 });
    let mut dice = Dice::new();
    println!("seed {}", dice.0);
    let mut crew: Vec<Member> = CREW.iter().map(|&role| Member::start(role, &fixture.path)).collect();
    let (begun, mut kills) = (Instant::now(), 0);
    while begun.elapsed() < duration {
        std::thread::sleep(Duration::from_millis(5 + dice.below(80)));
        // Now and then all at once: then nobody is left who has it open for writing, and readers have to heal it.
        let victims =
            if dice.below(8) == 0 { 0..CREW.len() } else { one(dice.below(CREW.len() as u64) as usize) };
        for victim in victims.clone() {
            crew[victim].kill();
        }
        for victim in victims {
            crew[victim].check(&fixture.path);
            crew[victim].start_again(&fixture.path);
            kills += 1;
        }
    }
    crew.iter_mut().for_each(Member::kill);
    let acknowledged: u64 = crew.iter_mut().map(|member| member.check(&fixture.path)).sum();
    println!("{kills} kills, {acknowledged} acknowledged transactions");
    let integrity = fixture.open(Access::Write).check_integrity().unwrap();
    assert!(integrity.is_sound(), "{integrity:?}");
    assert!(acknowledged > 0, "the writers never came to write");
}

fn one(index: usize) -> std::ops::Range<usize> {
    index..index + 1
}

/// A child process that may die at any moment.
struct Member {
    role: Role,
    process: Running,
    output: Option<JoinHandle<()>>,
    acknowledged: Arc<AtomicU64>,
}

impl Member {
    fn start(role: Role, path: &Path) -> Self {
        let acknowledged = Arc::new(AtomicU64::new(0));
        let (process, output) = Self::spawn(role, path, &acknowledged);
        Self { role, process, output: Some(output), acknowledged }
    }

    fn start_again(&mut self, path: &Path) {
        let (process, output) = Self::spawn(self.role, path, &self.acknowledged);
        (self.process, self.output) = (process, Some(output));
    }

    fn spawn(role: Role, path: &Path, acknowledged: &Arc<AtomicU64>) -> (Running, JoinHandle<()>) {
        let mut process = child::start("kill::member", &role.order(), path);
        let stdout = process.stdout.take().unwrap();
        let acknowledged = Arc::clone(acknowledged);
        (process, std::thread::spawn(move || listen(stdout, &acknowledged)))
    }

    fn kill(&mut self) {
        assert!(self.process.try_wait().unwrap().is_none(), "{:?} has ended by itself", self.role);
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Takes what the dead process still said, and compares with the store. The version that was acknowledged.
    fn check(&mut self, path: &Path) -> u64 {
        self.output.take().unwrap().join().expect("a child has complained");
        let said = self.acknowledged.load(Ordering::SeqCst);
        if let Some(number) = self.role.writer() {
            let found = versions(&sample::open(path, Access::Read).unwrap())[number as usize];
            assert!(found == said || found == said + 1, "writer {number}: {said} said, {found} found");
        }
        said
    }
}

/// Notes acknowledgements. A complaint of the child fails the test through `join`.
fn listen(stdout: ChildStdout, acknowledged: &AtomicU64) {
    for line in BufReader::new(stdout).lines() {
        let Ok(line) = line else { return };
        if let Some((_, version)) = line.split_once("acknowledged ") {
            // The last line may be cut off by the kill; a number cut off would be too small, not too large.
            let version = version.strip_suffix('.').and_then(|version| version.parse().ok());
            acknowledged.fetch_max(version.unwrap_or(0), Ordering::SeqCst);
        }
        assert!(!line.contains("complaint"), "{line}");
    }
}

impl Role {
    fn order(self) -> String {
        match self {
            Self::Writer(number) => format!("writer {number}"),
            Self::Tool(number) => format!("tool {number}"),
            Self::Reader => "reader".to_owned(),
            Self::Looker => "looker".to_owned(),
            Self::Checker => "checker".to_owned(),
        }
    }

    fn writer(self) -> Option<u32> {
        match self {
            Self::Writer(number) | Self::Tool(number) => Some(number),
            _ => None,
        }
    }
}

/// The versions that the writers' users have in one state of the store. All users of a writer have the same.
fn versions(store: &SecretStore) -> Vec<u64> {
    let mut versions: Vec<Option<u64>> = vec![None; WRITERS as usize];
    let mut counts = vec![0; WRITERS as usize];
    for record in store.list() {
        let record = record.unwrap();
        let version = sample::version_of(&record).expect("a torn record");
        let writer = (sample::user_number(&record).unwrap() / USERS) as usize;
        counts[writer] += 1;
        assert_eq!(*versions[writer].get_or_insert(version), version, "a torn transaction");
    }
    assert!(counts.iter().all(|&count| count == 0 || count == USERS), "half a transaction: {counts:?}");
    versions.into_iter().map(Option::unwrap_or_default).collect()
}

/// What a child does until it is killed. Its panics are complaints.
#[test]
fn member() {
    let Some((order, path)) = child::order() else { return };
    println!();
    let result = std::panic::catch_unwind(|| {
        let (role, number) = order.split_once(' ').unwrap_or((&order, "0"));
        let number = number.parse().unwrap();
        match role {
            "writer" => write_for_ever(number, &sample::open(&path, Access::Write).unwrap()),
            "tool" => write_anew_for_ever(number, &path),
            "reader" => read_for_ever(&sample::open(&path, Access::Read).unwrap()),
            "looker" => look_for_ever(&path),
            "checker" => check_for_ever(&path),
            other => panic!("unknown order {other}"),
        }
    });
    if result.is_err() {
        println!("complaint of {order}");
    }
}

fn write_for_ever(writer: u32, store: &SecretStore) {
    loop {
        write_next(writer, store);
    }
}

fn write_anew_for_ever(writer: u32, path: &Path) {
    loop {
        write_next(writer, &sample::open(path, Access::Write).unwrap());
    }
}

fn write_next(writer: u32, store: &SecretStore) {
    let first = writer * USERS;
    let now = store.get(&sample::identity(first)).unwrap();
    let next = now.map_or(0, |record| record.changed().seconds()) + 1;
    store
        .write(|edit| {
            (first..first + USERS).try_for_each(|number| edit.put(&sample::user(number, next)).map(drop))
        })
        .unwrap_or_else(|error: StoreError| panic!("{error}"));
    let mut out = std::io::stdout();
    out.write_all(format!("acknowledged {next}.\n").as_bytes()).and_then(|()| out.flush()).unwrap();
}

fn read_for_ever(store: &SecretStore) {
    let mut last = vec![0; WRITERS as usize];
    loop {
        not_back(&mut last, versions(store));
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn look_for_ever(path: &Path) {
    let mut last = vec![0; WRITERS as usize];
    loop {
        not_back(&mut last, versions(&sample::open(path, Access::Read).unwrap()));
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn check_for_ever(path: &Path) {
    loop {
        let integrity = sample::open(path, Access::Read).unwrap().check_integrity().unwrap();
        assert!(integrity.is_sound(), "{integrity:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn not_back(last: &mut Vec<u64>, now: Vec<u64>) {
    assert!(last.iter().zip(&now).all(|(last, now)| last <= now), "from {last:?} back to {now:?}");
    *last = now;
}

/// Moments that differ from run to run; the seed is printed.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        Self(now.as_nanos() as u64 | 1)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}
