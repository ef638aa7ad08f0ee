//! The peers, each in a view of its own: accounts, configuration and queue that only it sees. sendmail is the one that is
//! installed; Postfix, which excludes it as a package, and Dovecot are unpacked and laid over `/usr`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tests::need;
use tests::peer::world::{Process, World};

use super::client::HOST;
use super::load::USERS;
use super::proof::{REALM, User, cram_md5_for_dovecot, scram_for_dovecot};
use super::server::{Ground, Held, Server, free_port, loopback};
use crate::shell::{Outcome, output};

/// sendmail with Cyrus SASL over its sasldb; `None` where there is no such thing to be had.
pub(super) fn sendmail(ground: &Ground) -> Outcome<Option<Server>> {
    let found = (need::peer("sendmail"), need::peer("saslpasswd2"), need::peer("m4"));
    let (Ok(program), Ok(saslpasswd), Ok(m4)) = found else { return Ok(None) };
    if need::library("sasl2/libscram.so").is_err() || need::file(MACROS).is_err() {
        return Ok(None);
    }
    // Where it is by its own name: the one that everybody uses leads through /etc.
    let program = program.canonicalize().map_err(|error| format!("{}: {error}", program.display()))?;
    let home = ground.directory("sendmail", 0o755, None)?;
    ground.directory("sendmail/queue", 0o700, None)?;
    fill_sasldb(ground, &saslpasswd, &home.join("sasldb2"))?;
    let port = free_port()?;
    let source = ground.write("sendmail/site.mc", &site(ground, port), 0o644)?;
    let made = output(Command::new(m4).args(["-D_CF_DIR_=/usr/share/sendmail/cf/", MACROS]).arg(source))?;
    let configuration = ground.write("sendmail/sendmail.cf", &made, 0o644)?;
    let etc = etc(ground, "sendmail")?;
    ground.directory("sendmail/etc/sasl2", 0o755, None)?;
    let sasl = SASL.replace("PLACE", &home.display().to_string());
    ground.write("sendmail/etc/sasl2/Sendmail.conf", &sasl, 0o644)?;
    let Ok(world) = World::new() else { return Ok(None) };
    let Ok(mut command) = world.show(etc, "/etc").daemon(&program) else { return Ok(None) };
    command.arg("-bD").arg("-C").arg(configuration).stdout(Stdio::null());
    let held = vec![Held::World(Process::start(&mut command))];
    Server::new("sendmail + sasldb", loopback(port), held).until_it_listens().map(Some)
}

/// Postfix, which asks Dovecot; `None` where there is no such thing to be had.
pub(super) fn postfix(ground: &Ground) -> Outcome<Option<Server>> {
    let (Ok(postfix), Ok(dovecot)) = (need::unpacked("postfix"), need::unpacked("dovecot-core")) else {
        return Ok(None);
    };
    let etc = etc(ground, "postfix")?;
    let Ok(world) = World::new() else { return Ok(None) };
    let usr = Usr { world: world.show(etc, "/etc"), trees: [postfix.join("usr"), dovecot.join("usr")] };
    let port = free_port()?;
    configure_dovecot(ground)?;
    fill_dovecot(ground)?;
    configure_postfix(ground, port)?;
    let start = |program: &str, arguments: &[&str]| {
        let command = usr.daemon(program);
        command.map(|mut command| Held::World(Process::start(command.args(arguments).stdout(Stdio::null()))))
    };
    let configuration = ground.path("dovecot/dovecot.conf");
    let dovecot = start("/usr/sbin/dovecot", &["-F", "-c", &configuration.to_string_lossy()]);
    let configuration = ground.path("postfix/etc-postfix");
    let master = start("/usr/lib/postfix/sbin/master", &["-c", &configuration.to_string_lossy(), "-d"]);
    let held: Vec<Held> = dovecot.into_iter().chain(master).collect();
    Server::new("Postfix + Dovecot", loopback(port), held).until_it_listens().map(Some)
}

/// A view in which packages are in their places, though they are not installed.
struct Usr {
    world: World,
    trees: [PathBuf; 2],
}

impl Usr {
    fn daemon(&self, program: &str) -> Option<Command> {
        let mut command = self.world.daemon(Path::new("/bin/sh")).ok()?;
        let [one, other] = self.trees.each_ref().map(|tree| tree.canonicalize().ok());
        let layers = format!("lowerdir={}:{}:/usr", one?.display(), other?.display());
        command.args(["-c", LAY_OVER, "sh"]).arg(layers).arg(program);
        Some(command)
    }
}

const LAY_OVER: &str = "mount -t overlay overlay -o \"$1\" /usr || exit 99; shift; exec \"$@\"";

/// An `/etc` with the accounts of the peers and nothing else.
fn etc(ground: &Ground, whose: &str) -> Outcome<PathBuf> {
    ground.directory(whose, 0o755, None)?;
    let name = format!("{whose}/etc");
    let etc = ground.directory(&name, 0o755, None)?;
    let accounts = [("root", 0), ("daemon", 1), ("mail", 8), ("nobody", 65_534), ("smmta", 64_210)];
    let others = [("postfix", POSTFIX), ("postdrop", POSTDROP), ("dovecot", DOVECOT), ("dovenull", DOVENULL)];
    let accounts = accounts.into_iter().chain(others);
    let passwd: Vec<String> =
        accounts.clone().map(|(name, id)| format!("{name}:x:{id}:{id}::/nonexistent:/bin/false\n")).collect();
    let groups: Vec<String> = accounts.map(|(name, id)| format!("{name}:x:{id}:\n")).collect();
    for (file, text) in [
        ("passwd", passwd.concat()),
        ("group", groups.concat()),
        ("hosts", format!("127.0.0.1 localhost {HOST}\n")),
        ("nsswitch.conf", "hosts: files\npasswd: files\ngroup: files\n".to_owned()),
    ] {
        ground.write(&format!("{name}/{file}"), &text, 0o644)?;
    }
    Ok(etc)
}

fn fill_sasldb(ground: &Ground, saslpasswd: &Path, database: &Path) -> Outcome {
    for user in (0..USERS).map(User) {
        let secret = ground.write("sendmail/secret", &user.password(), 0o600)?;
        let name = user.name();
        let name = name.split('@').next().unwrap_or_default();
        let mut command = Command::new(saslpasswd);
        command
            .args(["-p", "-c", "-u", REALM, "-f"])
            .arg(database)
            .arg(name)
            .stdin(crate::bench::input(&secret));
        let done = command.status().map_err(|error| format!("saslpasswd2: {error}"))?;
        if !done.success() {
            return Err(format!("saslpasswd2: {done}"));
        }
    }
    Ok(())
}

fn site(ground: &Ground, port: u16) -> String {
    SITE.replace("PLACE", &ground.shown()).replace("PORT", &port.to_string()).replace("HOST", HOST)
}

/// A file for each mechanism, since each has a form of its own in which Dovecot stores.
fn fill_dovecot(ground: &Ground) -> Outcome {
    let users = || (0..USERS).map(User);
    let cram = users().map(|user| format!("{}:{}\n", user.name(), cram_md5_for_dovecot(user)));
    let scram = users().map(|user| {
        let salt = format!("salt of {:08}", user.0);
        Some(format!("{}:{}\n", user.name(), scram_for_dovecot(user, salt.as_bytes())?))
    });
    let scram: Option<String> = scram.collect();
    for (file, text) in [("cram", cram.collect()), ("scram", scram.ok_or("no keys for Dovecot")?)] {
        let path = ground.write(&format!("dovecot/{file}"), &text, 0o640)?;
        std::os::unix::fs::chown(&path, None, Some(DOVECOT))
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

fn configure_dovecot(ground: &Ground) -> Outcome {
    ground.directory("dovecot", 0o755, None)?;
    let text = DOVECOT_CONF.replace("PLACE", &ground.path("dovecot").display().to_string());
    ground.write("dovecot/dovecot.conf", &text, 0o644).map(drop)
}

fn configure_postfix(ground: &Ground, port: u16) -> Outcome {
    let own = |name: &str, mode, owner| ground.directory(&format!("postfix/{name}"), mode, owner).map(drop);
    own("etc-postfix", 0o755, None)?;
    own("queue", 0o755, None)?;
    own("queue/pid", 0o755, None)?;
    own("data", 0o700, Some(POSTFIX))?;
    for name in ["active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private"] {
        own(&format!("queue/{name}"), 0o700, Some(POSTFIX))?;
    }
    // Their groups are for programs that bring mail, and none does.
    own("queue/public", 0o710, Some(POSTFIX))?;
    own("queue/maildrop", 0o730, Some(POSTFIX))?;
    let main = MAIN.replace("PLACE", &ground.shown()).replace("HOST", HOST);
    ground.write("postfix/etc-postfix/main.cf", &main, 0o644)?;
    let services = SERVICES.replace("PORT", &port.to_string());
    ground.write("postfix/etc-postfix/master.cf", &services, 0o644).map(drop)
}

/// Accounts that exist in the peers' view only.
const POSTFIX: u32 = 64_201;
const POSTDROP: u32 = 64_202;
const DOVECOT: u32 = 64_203;
const DOVENULL: u32 = 64_204;

/// From where sendmail's configuration is made.
const MACROS: &str = "/usr/share/sendmail/cf/m4/cf.m4";

const SASL: &str = "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: PLACE/sasldb2\n\
mech_list: CRAM-MD5 SCRAM-SHA-256\n";

/// It takes whoever comes, whatever load the machine has, and asks for no names. Without a path for CAs it has no TLS.
const SITE: &str = "OSTYPE(`linux')
define(`confDOMAIN_NAME', `HOST')
define(`confSERVICE_SWITCH_FILE', `PLACE/sendmail/service.switch')
define(`confPID_FILE', `PLACE/sendmail/pid')
define(`STATUS_FILE', `PLACE/sendmail/statistics')
define(`HELP_FILE', `PLACE/sendmail/help')
define(`ALIAS_FILE', `')
define(`QUEUE_DIR', `PLACE/sendmail/queue')
define(`confQUEUE_LA', `10000')
define(`confREFUSE_LA', `10000')
define(`confTO_IDENT', `0')
define(`confAUTH_MECHANISMS', `CRAM-MD5 SCRAM-SHA-256')
define(`confAUTH_REALM', `bench.example')
define(`confSERVER_CERT', `PLACE/cert.pem')
define(`confSERVER_KEY', `PLACE/key.pem')
define(`confCACERT_PATH', `PLACE')
define(`confCACERT', `PLACE/cert.pem')
FEATURE(`no_default_msa')
DAEMON_OPTIONS(`Name=MTA, Addr=127.0.0.1, Port=PORT, Family=inet')
FEATURE(`nocanonify')
MAILER(`smtp')
";

const DOVECOT_CONF: &str = "base_dir = PLACE/run
state_dir = PLACE/state
log_path = PLACE/log
protocols =
ssl = no
default_login_user = dovenull
default_internal_user = dovecot
default_internal_group = dovecot
auth_mechanisms = plain cram-md5 scram-sha-256
disable_plaintext_auth = no
passdb {
  driver = passwd-file
  mechanisms = cram-md5
  args = PLACE/cram
}
passdb {
  driver = passwd-file
  mechanisms = scram-sha-256
  args = PLACE/scram
}
userdb {
  driver = static
  args = uid=nobody gid=nobody home=/nonexistent
}
service auth {
  unix_listener PLACE/auth {
    mode = 0666
  }
}
service stats {
  client_limit = 10000
}
";

const MAIN: &str = "compatibility_level = 3.6
queue_directory = PLACE/postfix/queue
data_directory = PLACE/postfix/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
shlib_directory = /usr/lib/postfix
meta_directory = PLACE/postfix/etc-postfix
maillog_file = PLACE/postfix/log
maillog_file_prefixes = PLACE
mail_owner = postfix
setgid_group = postdrop
myhostname = HOST
mydestination =
inet_protocols = ipv4
local_recipient_maps =
alias_maps =
smtpd_peername_lookup = no
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = PLACE/dovecot/auth
smtpd_tls_security_level = may
smtpd_tls_cert_file = PLACE/cert.pem
smtpd_tls_key_file = PLACE/key.pem
";

const SERVICES: &str = "127.0.0.1:PORT inet n - n - - smtpd
postlog unix-dgram n - n - 1 postlogd
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
rewrite unix - - n - - trivial-rewrite
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
";
