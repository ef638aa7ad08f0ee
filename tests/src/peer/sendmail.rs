//! A real sendmail: a daemon with its own configuration, queue and maps, that relays by `maps/access` and brings all mail
//! to the smarthost, where it logs in by `maps/authinfo`. Nothing of the host's mail is read or written.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use tempfile::TempDir;

use super::client::Client;
use super::smarthost::Smarthost;
use super::world::{Process, World};
use super::{Journal, Maps, PATIENCE, PLAIN, free, until};
use crate::need::{self, Missing};
use crate::scratch;

/// Where it listens.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 77, 1);
/// From where sendmail's configuration is made.
const MACROS: &str = "/usr/share/sendmail/cf/m4/cf.m4";

/// The daemon, and what is its own. The order of the fields is that of their end: the directory goes last.
#[derive(Debug)]
pub struct Sendmail {
    daemon: Process,
    world: World,
    program: PathBuf,
    door: SocketAddrV4,
    maps: Maps,
    _journal: Journal,
    place: TempDir,
}

/// One sendmail that looks keys up for as long as it is asked, `sendmail -bt`.
#[derive(Debug)]
pub struct Asking {
    questions: Option<ChildStdin>,
    answers: Receiver<String>,
    _process: Process,
}

impl Sendmail {
    /// Starts a daemon whose maps are of this type. They are there already, built by `fill`.
    ///
    /// # Errors
    /// [`Missing`] where there is no sendmail, or it cannot have a view of its own.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(kind: &str, smarthost: &Smarthost, fill: impl FnOnce(&Maps)) -> Result<Self, Missing> {
        let program = need::peer("sendmail")?;
        let m4 = need::peer("m4")?;
        need::file(MACROS)?;
        need::library(PLAIN)?;
        let place = scratch::dir();
        let world = view(place.path(), HOSTS)?;
        let maps = Maps::new(place.path());
        fill(&maps);
        let [door] = free(ADDRESS);
        configure(&m4, &place.path().join("sendmail.cf"), &source(place.path(), kind, door, smarthost));
        let mut command = world.daemon(&program)?;
        command.arg("-bD").arg("-C").arg(place.path().join("sendmail.cf"));
        let journal = place.path().join("journal");
        command.arg("-X").arg(&journal).stdout(Stdio::null());
        let daemon = Process::start(&mut command);
        until("sendmail to listen", || Client::connect(door, Ipv4Addr::LOCALHOST).ok());
        Ok(Self { daemon, world, program, door, maps, _journal: Journal(journal), place })
    }

    /// Where it listens.
    pub fn door(&self) -> SocketAddrV4 {
        self.door
    }

    /// Its maps.
    pub fn maps(&self) -> &Maps {
        &self.maps
    }

    /// A client of that address.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn connect(&self, from: Ipv4Addr) -> Client {
        Client::connect(self.door, from).expect("a sendmail that listens")
    }

    /// Those of its processes that have a file of this map open, by their numbers.
    ///
    /// # Panics
    /// When there is no such map.
    pub fn holders(&self, map: &str) -> Vec<u32> {
        let file = self.maps.path(map).with_extension("db").metadata().expect("a map");
        self.daemon.holders(&file)
    }

    /// A sendmail beside the daemon that has the same maps, and answers questions.
    ///
    /// # Errors
    /// [`Missing`] as for the daemon.
    ///
    /// # Panics
    /// When it does not start.
    pub fn asking(&self) -> Result<Asking, Missing> {
        let mut command = self.world.tool(&self.program)?;
        command.arg("-bt").arg("-C").arg(self.place.path().join("sendmail.cf")).stdout(Stdio::piped());
        let mut process = Process::start(&mut command);
        let said = process.child().stdout.take().expect("a pipe");
        let questions = process.child().stdin.take();
        let (teller, answers) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(said).lines().map_while(Result::ok) {
                if line.contains("map_lookup: ") && teller.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Asking { questions, answers, _process: process })
    }
}

impl Asking {
    /// What this key has in this map, as sendmail tells it.
    ///
    /// # Errors
    /// What sendmail says when it could not look. It never looks again then, in any map of that name.
    ///
    /// # Panics
    /// When there is no answer.
    pub fn look_up(&mut self, map: &str, key: &str) -> Result<Option<String>, String> {
        let questions = self.questions.as_mut().expect("a pipe");
        questions.write_all(format!("/map {map} {key}\n").as_bytes()).expect("a sendmail that listens");
        let said = self.answers.recv_timeout(PATIENCE).expect("an answer of sendmail");
        let (_, answer) = said.split_once(&format!("{map} ({key}) ")).expect("the answer to the question");
        let value = answer.strip_prefix("returns ").and_then(|value| value.strip_suffix(" (0)"));
        match (value, answer) {
            (Some(value), _) => Ok(Some(value.to_owned())),
            (None, "no match (0)") => Ok(None),
            _ => Err(said),
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        drop(self.questions.take());
    }
}

/// Names for the addresses.
const HOSTS: &str = "127.0.0.1 localhost smarthost.test\n127.0.77.1 gate.test\n127.0.0.2 two.test\n\
    127.0.0.3 three.test\n127.0.0.4 four.test\n";

/// A view of the machine where only these names of hosts are known, and an empty queue.
///
/// # Errors
/// [`Missing`] where nobody may have a view of his own.
///
/// # Panics
/// When a file cannot be made.
pub fn view(place: &Path, hosts: &str) -> Result<World, Missing> {
    let files = [
        ("hosts", hosts),
        ("nsswitch.conf", "hosts: files\npasswd: files\ngroup: files\n"),
        ("service.switch", "hosts files\naliases files\n"),
    ];
    for (name, text) in files {
        std::fs::write(place.join(name), text).expect("a file in a scratch directory");
    }
    std::fs::create_dir(place.join("queue")).expect("a queue");
    let world = World::new()?;
    Ok(world.show(place.join("hosts"), "/etc/hosts").show(place.join("nsswitch.conf"), "/etc/nsswitch.conf"))
}

/// A configuration as an admin writes it. A message is delivered before its sender has the answer, and whatever load
/// the machine has.
fn source(place: &Path, kind: &str, door: SocketAddrV4, smarthost: &Smarthost) -> String {
    let maps = place.join("maps").display().to_string();
    let (address, port, smart) = (door.ip(), door.port(), smarthost.port());
    format!(
        "{}define(`confDELIVERY_MODE', `interactive')
define(`confREFUSE_LA', `10000')
define(`confAUTH_MECHANISMS', `PLAIN LOGIN')
define(`SMART_HOST', `relay:smarthost.test')
define(`RELAY_MAILER_ARGS', `TCP $h {smart}')
FEATURE(`no_default_msa')
DAEMON_OPTIONS(`Name=MTA, Addr={address}, Port={port}, Family=inet')
FEATURE(`accept_unresolvable_domains')
FEATURE(`access_db', `{kind} -T<TMPF> {maps}/access')
FEATURE(`blocklist_recipients')
FEATURE(`authinfo', `{kind} {maps}/authinfo')
MAILER(`smtp')
",
        host(place)
    )
}

/// What of a configuration has to do with the place: all its files are there, and names are asked for in one of them.
pub fn host(place: &Path) -> String {
    let place = place.display();
    format!(
        "OSTYPE(`linux')
define(`confDOMAIN_NAME', `gate.test')
define(`confSERVICE_SWITCH_FILE', `{place}/service.switch')
define(`confHOSTS_FILE', `{place}/hosts')
define(`confCR_FILE', `-o {place}/relay-domains')
define(`confPID_FILE', `{place}/pid')
define(`STATUS_FILE', `{place}/statistics')
define(`HELP_FILE', `{place}/help')
define(`ALIAS_FILE', `')
define(`QUEUE_DIR', `{place}/queue')
define(`confQUEUE_LA', `10000')
define(`confTO_IDENT', `0')
FEATURE(`nocanonify')
"
    )
}

/// Makes a configuration from that source, with Debian's macros.
///
/// # Panics
/// When it is not made.
pub fn configure(m4: &Path, to: &Path, source: &str) {
    let file = to.with_extension("mc");
    std::fs::write(&file, source).expect("a file in a scratch directory");
    let made = Command::new(m4)
        .args(["-D_CF_DIR_=/usr/share/sendmail/cf/", MACROS])
        .arg(file)
        .output()
        .expect("a configuration of sendmail");
    assert!(made.status.success() && made.stderr.is_empty(), "{}", String::from_utf8_lossy(&made.stderr));
    std::fs::write(to, made.stdout).expect("a file in a scratch directory");
}
