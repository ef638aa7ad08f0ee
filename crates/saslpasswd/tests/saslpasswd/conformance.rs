//! The conformance table, run against ours and against the real programs: the same rows, so that the table is known to
//! be true. What differs stands in DIFFERENCES.md, which is written from the rows.

mod rows;

use std::fmt::{self, Write as _};
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use tests::need;
use tests::terminal::Terminal;

use crate::place::{self, Place, Ran, SASLDBLISTUSERS, SASLPASSWD};
use rows::{TYPED, Typed, rows};

/// One row.
#[derive(Clone, Copy)]
struct Row {
    number: &'static str,
    tool: Tool,
    arguments: &'static [&'static str],
    /// Whether `-f DB` stands before the arguments.
    names_database: bool,
    before: Before,
    input: Input,
    conf: Option<Conf>,
    theirs: Outcome,
    ours: Ours,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tool {
    Set,
    List,
}

/// What is at the database's path before.
#[derive(Clone, Copy)]
enum Before {
    Nothing,
    /// A database without users.
    Empty,
    /// User, realm, password.
    Users(&'static [(&'static str, &'static str, &'static str)]),
    EmptyFile,
    Text,
    Directory,
    Fixture(&'static str),
}

#[derive(Clone, Copy)]
enum Input {
    Octets(&'static [u8]),
    /// Each is written when the one before has been read.
    Pieces(&'static [&'static [u8]]),
    /// It stays open and brings nothing: who reads it, hangs.
    Unread,
    Closed,
    Directory,
}

#[derive(Clone, Copy)]
struct Conf {
    theirs: &'static str,
    ours: &'static str,
}

#[derive(Clone, Copy)]
struct Outcome {
    exit: i32,
    out: Said,
    err: Said,
    after: After,
}

#[derive(Clone, Copy)]
enum Said {
    Nothing,
    Something,
    Anything,
    Has(&'static str),
    /// These lines, in any order.
    Is(&'static [&'static str]),
}

/// What is at the database's path afterwards.
#[derive(Clone, Copy)]
enum After {
    Nothing,
    /// What was there before, octet by octet.
    Untouched,
    /// Something else than before.
    Changed,
    /// One user with this password.
    One(&'static str, &'static str, &'static [u8]),
    /// These users; `None`: without clear text.
    Users(&'static [(&'static str, &'static str, Option<&'static [u8]>)]),
}

#[derive(Clone, Copy)]
enum Ours {
    Same,
    Differs(Outcome, &'static str),
}

/// A user as a database has it: name, realm, password where it is kept.
type User = (String, String, Option<Vec<u8>>);

#[test]
fn ours_do_what_the_table_says() {
    let bench = OurBench { name: "saslpasswd2", list_name: "sasldblistusers2" };
    let wrong: Vec<_> = rows().iter().filter_map(|row| complaint(&bench, row, row.of_ours())).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_is_true_of_the_real_programs() {
    let Ok(bench) = TheirBench::find() else { return };
    let wrong: Vec<_> = rows().iter().filter_map(|row| complaint(&bench, row, &row.theirs)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_is_true_of_ours_at_a_terminal() {
    for row in &TYPED {
        check_typed(&OurBench { name: "saslpasswd", list_name: "" }, row);
    }
}

#[test]
fn the_table_is_true_of_the_real_programs_at_a_terminal() {
    let Ok(bench) = TheirBench::find() else { return };
    for row in &TYPED {
        check_typed(&bench, row);
    }
}

#[test]
fn every_row_of_the_table_is_here() {
    let all = rows();
    let numbers: Vec<&str> = all.iter().map(|row| row.number).chain(TYPED.map(|row| row.number)).collect();
    for number in (1..=50).map(|number: u32| number.to_string()) {
        assert!(numbers.contains(&number.as_str()), "row {number} is missing");
    }
}

#[test]
fn what_differs_is_written_down() {
    let differing = rows().into_iter().filter_map(|row| match row.ours {
        Ours::Same => None,
        Ours::Differs(ours, why) => {
            Some(format!("| {} | {} | {} | {ours} | {why} |\n", row.number, row, row.theirs))
        }
    });
    let table = [TABLE_HEAD.to_owned()].into_iter().chain(differing).collect::<String>();
    let written = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/DIFFERENCES.md")).unwrap();
    assert!(written.contains(&table), "DIFFERENCES.md does not have this table:\n{table}");
}

const TABLE_HEAD: &str =
    "| row | command | saslpasswd2 2.1.28 | ours | why |\n| --- | --- | --- | --- | --- |\n";

/// Somewhere a row can be tried.
trait Bench {
    /// The program's name, as it stands in messages.
    fn name(&self, tool: Tool) -> &'static str;
    /// The program itself.
    fn program(&self, tool: Tool) -> PathBuf;
    /// A directory with a configuration for this row; the database will be [`Site::database`].
    fn site(&self, row: Option<&Row>) -> Site;
    /// Adds a user to the database, which is made where there is none.
    fn add(&self, site: &Site, user: (&str, &str, &str));
    /// Takes the user out who was added.
    fn take_out(&self, site: &Site, user: (&str, &str));
    /// The users of the database.
    fn users(&self, site: &Site) -> Vec<User>;
}

struct Site {
    place: Place,
    /// What stands before every argument.
    arguments: Vec<String>,
    environment: Option<(&'static str, PathBuf)>,
}

impl Site {
    fn database(&self) -> PathBuf {
        self.place.path("DB")
    }
}

fn complaint(bench: &dyn Bench, row: &Row, expected: &Outcome) -> Option<String> {
    let site = bench.site(Some(row));
    prepare(bench, &site, row.before);
    let before = octets(&site.database());
    let ran = run(bench, &site, row);
    let mut wrong = String::new();
    if ran.exit != Some(expected.exit) {
        let _ = write!(wrong, " exit is not {};", expected.exit);
    }
    for (name, text, said) in [("out", &ran.out, expected.out), ("err", &ran.err, expected.err)] {
        if !is_said(said, text, bench.name(row.tool), &site.database()) {
            let _ = write!(wrong, " {name} is not {said:?};");
        }
    }
    if let Err(found) = is_after(bench, &site, expected.after, before.as_deref()) {
        let _ = write!(wrong, " afterwards: {found};");
    }
    (!wrong.is_empty()).then(|| format!("row {} ({row}):{wrong}\n    {ran:?}", row.number))
}

fn prepare(bench: &dyn Bench, site: &Site, before: Before) {
    let database = site.database();
    match before {
        Before::Nothing => {}
        Before::Empty => {
            bench.add(site, ("nobody", "nowhere", "x"));
            bench.take_out(site, ("nobody", "nowhere"));
        }
        Before::Users(users) => {
            for (user, realm, password) in users {
                bench.add(site, (user, &with_host(realm), password));
            }
        }
        Before::EmptyFile => drop(site.place.write("DB", "")),
        Before::Text => drop(site.place.write("DB", "alice:secret\nthis is a text\n")),
        Before::Directory => fs::create_dir(database).unwrap(),
        Before::Fixture(name) => drop(site.place.write("DB", fs::read(place::fixture(name)).unwrap())),
    }
}

fn run(bench: &dyn Bench, site: &Site, row: &Row) -> Ran {
    let database = site.database();
    let mut command = Command::new(bench.program(row.tool));
    command.current_dir(site.place.path("")).arg0(bench.name(row.tool)).args(&site.arguments);
    command.envs(site.environment.iter().map(|(name, value)| (name, value)));
    if row.names_database {
        command.arg("-f").arg(&database);
    }
    for argument in row.arguments {
        if *argument == "DB" {
            command.arg(&database)
        } else {
            command.arg(argument)
        };
    }
    feed(command, row.input)
}

fn feed(mut command: Command, input: Input) -> Ran {
    match input {
        Input::Octets(octets) => return place_feed(command, octets),
        Input::Directory => {
            command.stdin(File::open("/").unwrap());
        }
        Input::Closed => command = without_input(&command),
        Input::Pieces(_) | Input::Unread => {
            command.stdin(Stdio::piped());
        }
    }
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let held = child.stdin.take().map(|pipe| written(pipe, input, &mut child));
    wait(&mut child);
    drop(held);
    child.wait_with_output().unwrap().into()
}

fn place_feed(mut command: Command, octets: &[u8]) -> Ran {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Who does not read it has gone before it was written.
    let _ = child.stdin.take().unwrap().write_all(octets);
    child.wait_with_output().unwrap().into()
}

/// Writes each piece when the one before was read. The pipe is given back only where it is to stay open.
fn written(mut pipe: ChildStdin, input: Input, reader: &mut Child) -> Option<ChildStdin> {
    let Input::Pieces(pieces) = input else { return Some(pipe) };
    for piece in pieces {
        // A program that has heard enough is gone.
        let _ = pipe.write_all(piece);
        let began = Instant::now();
        let is_left = |pipe: &ChildStdin| rustix::io::ioctl_fionread(pipe).is_ok_and(|left| left > 0);
        while is_left(&pipe) && reader.try_wait().unwrap().is_none() && began.elapsed() < PATIENCE {
            sleep(PAUSE);
        }
    }
    None
}

/// The same command with standard input closed, which only a shell can do.
fn without_input(command: &Command) -> Command {
    let name = command.get_program().to_str().unwrap();
    let called = if name.ends_with('2') { name } else { "saslpasswd2" };
    let mut shell = Command::new("bash");
    shell.args(["-c", "exec -a \"$0\" \"$@\" <&-", called, name]).args(command.get_args());
    if let Some(dir) = command.get_current_dir() {
        shell.current_dir(dir);
    }
    shell
}

fn wait(child: &mut Child) {
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("it waits for input that it should not read");
        }
        sleep(PAUSE);
    }
}

fn is_said(said: Said, text: &str, program: &str, database: &Path) -> bool {
    let filled = |wanted: &str| wanted.replace("PROG", program).replace("DB", database.to_str().unwrap());
    match said {
        Said::Nothing => text.is_empty(),
        Said::Something => !text.is_empty(),
        Said::Anything => true,
        Said::Has(wanted) => text.contains(&filled(wanted)),
        Said::Is(lines) => {
            let mut found: Vec<_> = text.lines().collect();
            found.sort_unstable();
            found == lines
        }
    }
}

fn is_after(bench: &dyn Bench, site: &Site, after: After, before: Option<&[u8]>) -> Result<(), String> {
    let database = site.database();
    let now = octets(&database);
    let unchanged = if now.as_deref() == before { Ok(()) } else { Err("it was changed".to_owned()) };
    match after {
        After::Nothing if database.exists() => Err("something is there".to_owned()),
        After::Nothing => Ok(()),
        After::Untouched => unchanged,
        After::Changed => unchanged.map_or(Ok(()), |()| Err("nothing was changed".to_owned())),
        After::One(user, realm, password) => are_users(bench, site, &[(user, realm, Some(password))]),
        After::Users(users) => are_users(bench, site, users),
    }
}

fn are_users(bench: &dyn Bench, site: &Site, wanted: &[(&str, &str, Option<&[u8]>)]) -> Result<(), String> {
    if !site.database().exists() {
        return Err("nothing is there".to_owned());
    }
    let mut found = bench.users(site);
    found.sort();
    let of = |(user, realm, password): &(&str, &str, Option<&[u8]>)| {
        ((*user).to_owned(), with_host(realm), password.map(<[u8]>::to_vec))
    };
    let wanted: Vec<User> = wanted.iter().map(of).collect();
    if found == wanted { Ok(()) } else { Err(format!("users are {found:?}")) }
}

fn octets(path: &Path) -> Option<Vec<u8>> {
    fs::read(path).ok()
}

fn check_typed(bench: &dyn Bench, row: &Typed) {
    let site = bench.site(None);
    let database = site.database();
    let mut arguments: Vec<&str> = site.arguments.iter().map(String::as_str).collect();
    arguments.extend(["-f", database.to_str().unwrap(), "-c", "t"]);
    let mut terminal = Terminal::start(bench.program(Tool::Set), &arguments);
    for (text, keys) in row.keys {
        terminal.wait_for(text);
        // The real one throws away what was typed before it had switched the echo off.
        let began = Instant::now();
        while terminal.echoes() && began.elapsed() < PATIENCE {
            sleep(PAUSE);
        }
        terminal.press(keys);
    }
    let (status, screen) = terminal.end();
    let number = row.number;
    assert_eq!(status.code(), Some(row.exit), "row {number}: {screen:?}");
    let wanted = row.screen.replace("PROG", bench.name(Tool::Set));
    assert!(screen.starts_with(&wanted), "row {number}: {screen:?}");
    match row.password {
        None => assert!(!database.exists(), "row {number}"),
        Some(password) => {
            let user = ("t".to_owned(), host(), Some(password.as_bytes().to_vec()));
            assert_eq!(bench.users(&site), [user], "row {number}");
            assert_eq!(screen, wanted, "row {number}");
        }
    }
}

fn with_host(realm: &str) -> String {
    realm.replace("HOST", &host())
}

/// What saslpasswd2 takes for the default realm: the host's name as gethostname(2) has it.
fn host() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim_end().to_owned()
}

/// Ours, under the names of the peers; the policy keeps clear text, so that it can be looked at.
struct OurBench {
    name: &'static str,
    list_name: &'static str,
}

impl Bench for OurBench {
    fn name(&self, tool: Tool) -> &'static str {
        if tool == Tool::Set { self.name } else { self.list_name }
    }

    fn program(&self, tool: Tool) -> PathBuf {
        PathBuf::from(if tool == Tool::Set { SASLPASSWD } else { SASLDBLISTUSERS })
    }

    fn site(&self, row: Option<&Row>) -> Site {
        let place = Place::new();
        let conf = row.and_then(|row| row.conf);
        // Where the row does not name the database, it must not be found by chance.
        let is_named = conf.is_none_or(|conf| conf.ours.starts_with("secrets.path"));
        let store = place.path(if is_named { "DB" } else { "elsewhere" });
        let text = place::configuration(&store, &host(), &["argon2id", "plain"]);
        let fault = conf.filter(|_| !is_named).map_or("", |conf| conf.ours);
        let text = format!("{fault}\n{text}");
        place.configure(&text);
        let arguments = vec!["--config".to_owned(), place.configuration().to_str().unwrap().to_owned()];
        Site { place, arguments, environment: None }
    }

    fn add(&self, site: &Site, (user, realm, password): (&str, &str, &str)) {
        let database = site.database();
        let user = format!("{user}@{realm}");
        site.place.feed(&["-f", database.to_str().unwrap(), "-p", "-c", "--", &user], password).succeeded();
    }

    fn take_out(&self, site: &Site, (user, realm): (&str, &str)) {
        let database = site.database();
        site.place.run(&["-f", database.to_str().unwrap(), "-d", &format!("{user}@{realm}")]).succeeded();
    }

    fn users(&self, site: &Site) -> Vec<User> {
        site.place.dumped(&site.database()).iter().map(user_of_dump).collect()
    }
}

fn user_of_dump(line: &Value) -> User {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let verifiers = line["credentials"][0]["verifiers"].as_array().unwrap();
    let plain = verifiers.iter().find(|verifier| verifier["kind"] == "plain");
    let password = plain.map(|plain| BASE64_STANDARD.decode(plain["password"].as_str().unwrap()).unwrap());
    (text(&line["user"]), text(&line["realm"]), password)
}

/// The programs of the package sasl2-bin, their database looked at by libdb's own dump.
struct TheirBench {
    saslpasswd2: PathBuf,
    sasldblistusers2: PathBuf,
    db_dump: PathBuf,
}

impl TheirBench {
    fn find() -> Result<Self, need::Missing> {
        Ok(Self {
            saslpasswd2: need::peer("saslpasswd2")?,
            sasldblistusers2: need::peer("sasldblistusers2")?,
            db_dump: need::peer("db5.3_dump")?,
        })
    }
}

impl Bench for TheirBench {
    fn name(&self, tool: Tool) -> &'static str {
        if tool == Tool::Set { "saslpasswd2" } else { "sasldblistusers2" }
    }

    fn program(&self, tool: Tool) -> PathBuf {
        if tool == Tool::Set { self.saslpasswd2.clone() } else { self.sasldblistusers2.clone() }
    }

    fn site(&self, row: Option<&Row>) -> Site {
        let place = Place::new();
        let conf = row.and_then(|row| row.conf).map_or("", |conf| conf.theirs);
        let text = conf.replace("DB", place.path("DB").to_str().unwrap());
        place.write("saslpasswd.conf", text + "\n");
        let environment = Some(("SASL_CONF_PATH", place.path("")));
        Site { place, arguments: Vec::new(), environment }
    }

    fn add(&self, site: &Site, (user, realm, password): (&str, &str, &str)) {
        let mut command = Command::new(&self.saslpasswd2);
        command.arg("-f").arg(site.database()).args(["-p", "-c", "--", &format!("{user}@{realm}")]);
        place::feed(&mut command, password).succeeded();
    }

    fn take_out(&self, site: &Site, (user, realm): (&str, &str)) {
        let mut command = Command::new(&self.saslpasswd2);
        command.arg("-f").arg(site.database()).args(["-d", &format!("{user}@{realm}")]);
        place::feed(&mut command, "").succeeded();
    }

    fn users(&self, site: &Site) -> Vec<User> {
        let dump = Command::new(&self.db_dump).arg("-p").arg(site.database()).output().unwrap();
        let text = String::from_utf8(dump.stdout).unwrap();
        let records: Vec<_> = text.lines().filter_map(|line| line.strip_prefix(' ')).map(unescaped).collect();
        records.chunks(2).map(|record| user_of_sasldb(&record[0], &record[1])).collect()
    }
}

fn user_of_sasldb(key: &[u8], value: &[u8]) -> User {
    let parts: Vec<_> = key.split(|octet| *octet == 0).map(String::from_utf8_lossy).collect();
    assert_eq!(parts[2], "userPassword");
    (parts[0].to_string(), parts[1].to_string(), Some(value.to_vec()))
}

/// Octets as `db_dump -p` writes them: `\\` and `\hh`.
fn unescaped(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        (octets, rest) = match (first, behind) {
            (b'\\', [b'\\', behind @ ..]) => ([octets, vec![b'\\']].concat(), behind),
            (b'\\', [high, low, behind @ ..]) => {
                let digits = [*high, *low];
                let octet = u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap();
                ([octets, vec![octet]].concat(), behind)
            }
            (octet, behind) => ([octets, vec![*octet]].concat(), behind),
        };
    }
    octets
}

impl Row {
    fn of_ours(&self) -> &Outcome {
        match &self.ours {
            Ours::Same => &self.theirs,
            Ours::Differs(outcome, _) => outcome,
        }
    }
}

/// The command, as a person types it, and what it meets.
impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arguments: Vec<String> = self.arguments.iter().map(safefile::shell_quote).collect();
        let tool = if self.tool == Tool::List { "sasldblistusers2 " } else { "" };
        write!(f, "`{tool}{}`", arguments.join(" "))?;
        f.write_str(match self.before {
            Before::Nothing if self.conf.is_none() => ", no database",
            Before::Nothing | Before::Empty | Before::Users(_) => "",
            Before::EmptyFile => ", an empty file",
            Before::Text => ", a text file",
            Before::Directory => ", a directory",
            Before::Fixture(_) => ", a sasldb",
        })?;
        match (self.conf, self.input) {
            (Some(conf), _) => write!(f, ", configuration `{}`", conf.theirs),
            (None, Input::Octets(b"" | b"secret\n") | Input::Unread) => Ok(()),
            (None, Input::Octets(octets)) if octets.len() > 100 => write!(f, ", {} octets", octets.len()),
            (None, Input::Octets(octets)) => write!(f, ", input `{}`", octets.escape_ascii()),
            (None, Input::Pieces(_)) => write!(f, ", input in two pieces, `sec` and `ret\\n`"),
            (None, Input::Closed) => write!(f, ", standard input closed"),
            (None, Input::Directory) => write!(f, ", standard input a directory"),
        }
    }
}

/// Exit, message and database, in a few words.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit {}", self.exit)?;
        if let Said::Has(text) = self.err {
            write!(f, ", `{}`", text.trim_end().trim_start_matches("PROG: "))?;
        }
        match self.after {
            After::Nothing => f.write_str(", nothing is made"),
            After::Untouched if self.exit == 0 => Ok(()),
            After::Untouched => f.write_str(", the file is untouched"),
            After::Changed => f.write_str(", written into it"),
            After::One(_, _, []) => f.write_str(", the password is empty"),
            After::One(_, _, octets) if octets.len() > 100 => write!(f, ", {} octets are kept", octets.len()),
            After::One(_, _, octets) => write!(f, ", the password is `{}`", octets.escape_ascii()),
            After::Users([]) if self.exit == 0 => f.write_str(", a database without users"),
            After::Users([]) => Ok(()),
            After::Users([(_, _, None)]) => f.write_str(", a user without clear text"),
            After::Users(_) => f.write_str(", the user is made"),
        }
    }
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Something => f.write_str("something"),
            Self::Anything => f.write_str("anything"),
            Self::Has(text) => write!(f, "{text:?}"),
            Self::Is(lines) => write!(f, "{lines:?}"),
        }
    }
}

const PATIENCE: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(5);
