//! A real Postfix, which as a package excludes sendmail: unpacked, with configuration, queue and accounts that only it
//! sees ([`Host`]). As [`Postfix`] it relays by `maps/access-TYPE` and logs in at the smarthost by `maps/passwords-TYPE`,
//! one door for each type.
//!
//! Its accounts may not enter the scratch directory of root, so it sees that directory at `/mnt`.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::client::Client;
use super::smarthost::Smarthost;
use super::world::{Process, World};
use super::{Journal, Maps, PLAIN, free, until};
use crate::need::{self, Missing};
use crate::scratch;

/// The types of maps that it is asked to read.
pub const KINDS: [&str; 4] = ["hash", "btree", "cdb", "lmdb"];

const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 88, 1);
/// The account of its daemons, and the group for messages that are brought by programs. They exist in its view only.
const ACCOUNT: u32 = 64_201;
const GROUP: u32 = 64_202;
const PROGRAMS: &str = "/mnt/postfix/usr/sbin";
const DAEMONS: &str = "/mnt/postfix/usr/lib/postfix/sbin";

/// All that an installed Postfix has, but for the configuration, in a directory of its own.
#[derive(Debug)]
pub struct Host {
    world: World,
    place: TempDir,
}

/// The daemons, and what is theirs. The order of the fields is that of their end: the directory goes last.
#[derive(Debug)]
pub struct Postfix {
    daemon: Process,
    doors: [SocketAddrV4; KINDS.len()],
    maps: Maps,
    _journal: Journal,
    host: Host,
}

impl Host {
    /// Makes the directory.
    ///
    /// # Errors
    /// [`Missing`] where there is no Postfix to be had, or it cannot have a view of its own.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn new() -> Result<Self, Missing> {
        let place = scratch::dir();
        let world = view(place.path())?;
        queue(place.path());
        directory(place.path(), "etc", 0o755);
        Ok(Self { world, place })
    }

    /// Where it is. Postfix sees it at `/mnt`, and keeps its `journal` there.
    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Starts the daemons with this main.cf and these services, what every Postfix has already among both.
    ///
    /// # Errors
    /// [`Missing`] as for the host.
    ///
    /// # Panics
    /// When they do not start.
    pub fn start(&self, main: &str, services: &str) -> Result<Process, Missing> {
        let main = format!("{MAIN}command_directory = {PROGRAMS}\ndaemon_directory = {DAEMONS}\n{main}");
        let services = format!("{SERVICES}{services}");
        for (name, text) in
            [("main.cf", main.as_str()), ("master.cf", &services), ("dynamicmaps.cf", DYNAMIC_MAPS)]
        {
            std::fs::write(self.path("etc").join(name), text).expect("a file in a scratch directory");
        }
        let mut command = self.world.daemon(&Path::new(DAEMONS).join("master"))?;
        command.args(["-c", "/mnt/etc", "-d"]).stdout(Stdio::null());
        Ok(Process::start(own_libraries(&mut command)))
    }
}

impl Postfix {
    /// Starts it. The maps are there already, built by `fill` for each type.
    ///
    /// # Errors
    /// [`Missing`] where there is no Postfix to be had, or it cannot have a view of its own.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(smarthost: &Smarthost, fill: impl Fn(&Maps, &str)) -> Result<Self, Missing> {
        let host = Host::new()?;
        let maps = Maps::new(host.place.path());
        for kind in KINDS {
            fill(&maps, kind);
        }
        let doors = free(ADDRESS);
        let (main, services) = configuration(doors, smarthost);
        let daemon = host.start(&main, &services)?;
        let journal = Journal(host.path("journal"));
        for door in doors {
            until("Postfix to listen", || Client::connect(door, Ipv4Addr::LOCALHOST).ok());
        }
        Ok(Self { daemon, doors, maps, _journal: journal, host })
    }

    /// Where maps of this type decide.
    ///
    /// # Panics
    /// Where there is no such type.
    pub fn door(&self, kind: &str) -> SocketAddrV4 {
        self.doors[KINDS.iter().position(|one| *one == kind).expect("a type of maps")]
    }

    /// Its maps.
    pub fn maps(&self) -> &Maps {
        &self.maps
    }

    /// A client of that address, at the door where maps of this type decide.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn connect(&self, kind: &str, from: Ipv4Addr) -> Client {
        Client::connect(self.door(kind), from).expect("a Postfix that listens")
    }

    /// Its first process.
    ///
    /// # Panics
    /// When it has none.
    pub fn master(&self) -> u32 {
        self.daemon.named("master").expect("Postfix, running")
    }

    /// postmap, in the view that Postfix has.
    ///
    /// # Errors
    /// [`Missing`] as for Postfix.
    pub fn postmap(&self) -> Result<Command, Missing> {
        let mut command = self.host.world.tool(&Path::new(PROGRAMS).join("postmap"))?;
        own_libraries(&mut command).args(["-c", "/mnt/etc"]);
        Ok(command)
    }
}

fn own_libraries(command: &mut Command) -> &mut Command {
    command.env("LD_LIBRARY_PATH", "/mnt/libraries")
}

/// Its programs, its accounts and its names, in their places.
fn view(place: &Path) -> Result<World, Missing> {
    need::library(PLAIN)?;
    let postfix = need::unpacked("postfix")?;
    directory(place, "postfix", 0o755);
    directory(place, "libraries", 0o755);
    for package in [&postfix, &need::unpacked("postfix-cdb")?, &need::unpacked("postfix-lmdb")?] {
        copy_libraries(package, &place.join("libraries"));
    }
    for program in ["libraries/postfix-cdb.so", "libraries/postfix-lmdb.so"].map(|name| place.join(name)) {
        need::libraries_of(&program, Some(&place.join("libraries")))?;
    }
    need::libraries_of(&postfix.join("usr/lib/postfix/sbin/smtpd"), Some(&place.join("libraries")))?;
    std::fs::set_permissions(place, PermissionsExt::from_mode(0o755)).expect("a scratch directory");
    let accounts = format!(
        "root:x:0:0::/root:/bin/sh\npostfix:x:{ACCOUNT}:{ACCOUNT}::/nonexistent:/bin/false\n\
         nobody:x:65534:65534::/nonexistent:/bin/false\n"
    );
    let groups = format!("root:x:0:\npostfix:x:{ACCOUNT}:\npostdrop:x:{GROUP}:\nnogroup:x:65534:\n");
    let files = [
        ("passwd", accounts.as_str()),
        ("group", &groups),
        ("hosts", "127.0.0.1 localhost\n127.0.88.1 gate.test\n"),
        ("nsswitch.conf", "hosts: files\npasswd: files\ngroup: files\n"),
    ];
    let mut world = World::new()?.show(place, "/mnt").show(postfix, "/mnt/postfix");
    for (name, text) in files {
        std::fs::write(place.join(name), text).expect("a file in a scratch directory");
        world = world.show(place.join(name), Path::new("/etc").join(name));
    }
    Ok(world)
}

fn copy_libraries(package: &Path, to: &Path) {
    for library in std::fs::read_dir(package.join("usr/lib/postfix")).expect("a package of Postfix").flatten()
    {
        let path = library.path();
        if path.extension().is_some_and(|extension| extension == "so") {
            std::fs::copy(&path, to.join(library.file_name())).expect("a library of Postfix");
        }
    }
}

fn directory(place: &Path, name: &str, mode: u32) -> std::path::PathBuf {
    let path = place.join(name);
    std::fs::create_dir(&path).expect("a directory in a scratch directory");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("its mode");
    path
}

/// The directories that an installed Postfix has.
fn queue(place: &Path) {
    let own = |name: &str, mode, group| {
        chown(directory(place, name, mode), Some(ACCOUNT), group).expect("an owner");
    };
    directory(place, "queue", 0o755);
    directory(place, "queue/pid", 0o755);
    own("data", 0o700, None);
    for name in ["active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private"] {
        own(&format!("queue/{name}"), 0o700, None);
    }
    own("queue/public", 0o710, Some(GROUP));
    own("queue/maildrop", 0o730, Some(GROUP));
}

/// What main.cf and master.cf have beside what every Postfix has.
fn configuration(doors: [SocketAddrV4; KINDS.len()], smarthost: &Smarthost) -> (String, String) {
    let services: Vec<String> =
        KINDS.into_iter().zip(doors).map(|(kind, door)| service(kind, door)).collect();
    let port = smarthost.port();
    let ways = KINDS.map(|kind| format!("{{{kind}.test=smtp-{kind}:[127.0.0.1]:{port}}} ")).concat();
    (format!("transport_maps = inline:{{ {ways}}}\n"), services.concat())
}

/// Who comes in at the door is judged by maps of this type, and so is who logs in on the way out.
fn service(kind: &str, door: SocketAddrV4) -> String {
    let access = format!("{kind}:/mnt/maps/access-{kind}");
    format!(
        "{door} inet n - n - - smtpd\n  -o smtpd_relay_restrictions=check_client_access,{access},\
         check_recipient_access,{access},reject_unauth_destination\n\
         smtp-{kind} unix - - n - - smtp\n  -o smtp_sasl_password_maps={kind}:/mnt/maps/passwords-{kind}\n"
    )
}

/// No names are asked for, nothing is delivered here, and a client that is refused often is not kept waiting.
const MAIN: &str = "\
compatibility_level = 3.6
queue_directory = /mnt/queue
data_directory = /mnt/data
shlib_directory = /mnt/libraries
meta_directory = /mnt/etc
import_environment = MAIL_CONFIG LD_LIBRARY_PATH
maillog_file = /mnt/journal
maillog_file_prefixes = /mnt
mail_owner = postfix
setgid_group = postdrop
myhostname = gate.test
mydestination =
mynetworks = 192.0.2.1
inet_protocols = ipv4
local_recipient_maps =
alias_maps =
smtpd_peername_lookup = no
smtpd_error_sleep_time = 0
smtpd_hard_error_limit = 100000
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtp_connection_cache_on_demand = no
smtp_sasl_auth_enable = yes
smtp_sasl_security_options = noanonymous
";

const SERVICES: &str = "\
postlog unix-dgram n - n - 1 postlogd
smtp unix - - n - - smtp
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
anvil unix - - n - 1 anvil
error unix - - n - - error
retry unix - - n - - error
";

const DYNAMIC_MAPS: &str = "\
cdb postfix-cdb.so dict_cdb_open mkmap_cdb_open
lmdb postfix-lmdb.so dict_lmdb_open mkmap_lmdb_open
";
