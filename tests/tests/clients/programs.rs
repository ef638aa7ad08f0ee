//! The mail programs, and how each is told to log in.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use tests::need::{self, Missing};

use tests::house::{Door, House};

/// How a session is kept from being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    Clear,
    StartTls,
    Tls,
}

use Way::{Clear, StartTls, Tls};

impl Way {
    pub(crate) fn door(self) -> Door {
        if self == Tls { Door::Tls } else { Door::Open }
    }
}

/// What is typed into a program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Login<'t> {
    pub(crate) mechanism: &'t str,
    pub(crate) user: &'t str,
    pub(crate) password: &'t str,
    pub(crate) way: Way,
    pub(crate) subject: &'t str,
    pub(crate) recipient: &'t str,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) is_success: bool,
    /// All it showed of the session.
    pub(crate) shown: String,
}

/// Whoever logs in to the daemon, one login a run.
pub(crate) trait LogsIn {
    fn name(&self) -> &'static str;
    /// What it is tried with.
    fn mechanisms(&self) -> &'static [&'static str];
    fn ways(&self) -> &'static [Way];
    /// Whether it sends a mail, or only logs in.
    fn sends(&self) -> bool {
        true
    }
    fn run(&self, house: &House, login: &Login<'_>) -> Outcome;
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Program {
    name: &'static str,
    /// The command.
    runs: &'static str,
    mechanisms: &'static [&'static str],
    ways: &'static [Way],
    sends: bool,
    tell: fn(&mut Command, &House, &Login<'_>),
}

pub(crate) const ALL: &[Way] = &[Clear, StartTls, Tls];

const SWAKS: Program = Program {
    name: "swaks",
    runs: "swaks",
    mechanisms: &["PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5"],
    ways: ALL,
    sends: true,
    tell: |command, house, login| {
        let at = house.at(login.way.door());
        command.args(["--server", &at.ip().to_string(), "--port", &at.port().to_string()]);
        command.args(match login.way {
            Clear => &[][..],
            StartTls => &["-tls"],
            Tls => &["-tlsc"],
        });
        command.args(["--auth", login.mechanism, "--auth-user", login.user]);
        command.args(["--auth-password", login.password, "--ehlo", "client.example.org"]);
        command.args(["--from", "alice@example.org", "--to", login.recipient]);
        command.args(["--header", &format!("Subject: {}", login.subject)]);
    },
};

pub(crate) const CURL: Program = Program {
    name: "curl",
    runs: "curl",
    mechanisms: &["PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5"],
    ways: ALL,
    sends: true,
    tell: |command, house, login| {
        let scheme = if login.way == Tls { "smtps" } else { "smtp" };
        command.args(["-sS", "-v", "--cacert"]).arg(house.path("cert.pem"));
        if login.way == StartTls {
            command.arg("--ssl-reqd");
        }
        command.args(["--login-options", &format!("AUTH={}", login.mechanism)]);
        command.args(["--user", &format!("{}:{}", login.user, login.password)]);
        command.args(["--mail-from", "alice@example.org", "--mail-rcpt", login.recipient]);
        command.arg("--upload-file").arg(house.message(login.subject));
        command.arg(format!("{scheme}://{}", house.at(login.way.door())));
    },
};

const MSMTP: Program = Program {
    name: "msmtp",
    runs: "msmtp",
    mechanisms: &["PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"],
    ways: ALL,
    sends: true,
    tell: |command, house, login| {
        let at = house.at(login.way.door());
        command.args(["--debug", "--file=/dev/null"]);
        command.args([format!("--host={}", at.ip()), format!("--port={}", at.port())]);
        command.args(match login.way {
            Clear => &["--tls=off"][..],
            StartTls => &["--tls=on", "--tls-starttls=on"],
            Tls => &["--tls=on", "--tls-starttls=off"],
        });
        command.arg(format!("--tls-trust-file={}", house.path("cert.pem").display()));
        command.arg(format!("--auth={}", login.mechanism.to_lowercase()));
        command.arg(format!("--user={}", login.user));
        command.arg(format!("--passwordeval=echo '{}'", login.password));
        command.args(["--from=alice@example.org", login.recipient]);
        command.stdin(File::open(house.message(login.subject)).unwrap());
    },
};

const PYTHON: Program = Program {
    name: "smtplib",
    runs: "python3",
    mechanisms: &["PLAIN", "LOGIN", "CRAM-MD5"],
    ways: ALL,
    sends: true,
    tell: |command, house, login| {
        let at = house.at(login.way.door());
        command.args(["-c", SMTPLIB, &format!("{:?}", login.way), &at.ip().to_string()]);
        command.arg(at.port().to_string()).arg(house.path("cert.pem"));
        command.args([login.mechanism, login.user, login.password, login.recipient]);
        command.arg(house.message(login.subject));
    },
};

/// smtplib takes of what the server offers what it likes best: it is shown one mechanism only.
const SMTPLIB: &str = "\
import smtplib, ssl, sys
way, host, port, ca, mechanism, user, password, recipient, message = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
server = smtplib.SMTP_SSL(host, port, context=context) if way == 'Tls' else smtplib.SMTP(host, port)
server.set_debuglevel(1)
if way == 'StartTls':
    server.starttls(context=context)
server.ehlo()
assert mechanism in server.esmtp_features['auth'].split()
server.esmtp_features['auth'] = mechanism
server.login(user, password)
server.sendmail('alice@example.org', [recipient], open(message, 'rb').read())
server.quit()
";

const NODEMAILER: Program = Program {
    name: "nodemailer",
    runs: "node",
    mechanisms: &["PLAIN", "LOGIN", "CRAM-MD5"],
    ways: ALL,
    sends: true,
    tell: |command, house, login| {
        let at = house.at(login.way.door());
        command.env("NODE_PATH", NODE_MODULES).env("NODE_EXTRA_CA_CERTS", house.path("cert.pem"));
        command.args(["-e", NODE, "--", &format!("{:?}", login.way), &at.ip().to_string()]);
        command.args([&at.port().to_string(), login.mechanism, login.user, login.password]);
        command.arg(login.recipient).arg(house.message(login.subject));
    },
};

/// Where Debian puts what node is to find.
const NODE_MODULES: &str = "/usr/share/nodejs";

const NODE: &str = "\
const [way, host, port, mechanism, user, pass, recipient, raw] = process.argv.slice(1);
const transport = require('nodemailer').createTransport({
    host, port, secure: way == 'Tls', requireTLS: way == 'StartTls', ignoreTLS: way == 'Clear',
    tls: { servername: 'mail.example.org' }, logger: true, debug: true,
    authMethod: mechanism, auth: { user, pass },
});
const envelope = { from: 'alice@example.org', to: recipient };
transport.sendMail({ envelope, raw: { path: raw } }).catch(error => { console.log(error); process.exit(1); });
";

/// It logs in only, and knows STARTTLS only; there it can bind a login to the channel.
const GSASL: Program = Program {
    name: "gsasl",
    runs: "gsasl",
    mechanisms: &["PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"],
    ways: &[Clear, StartTls],
    sends: false,
    tell: gsasl,
};

const GSASL_BOUND: Program = Program {
    name: "gsasl",
    runs: "gsasl",
    mechanisms: &["SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"],
    ways: &[StartTls],
    sends: false,
    tell: gsasl,
};

fn gsasl(command: &mut Command, house: &House, login: &Login<'_>) {
    command.args(["--smtp", "--connect", &house.at(Door::Open).to_string()]);
    if login.way == Clear {
        command.arg("--no-starttls");
    } else {
        command.arg("--x509-ca-file").arg(house.path("cert.pem"));
    }
    if !login.mechanism.ends_with("-PLUS") {
        command.arg("--no-cb");
    }
    command.args([
        "--mechanism",
        login.mechanism,
        "--hostname",
        "mail.example.org",
        "--realm",
        "example.org",
    ]);
    command.args(["--quality-of-protection", "qop-auth"]);
    command.args(["--authentication-id", login.user, "--password", login.password]);
}

pub(crate) const EVERY: &[Program] = &[SWAKS, CURL, MSMTP, PYTHON, NODEMAILER, GSASL, GSASL_BOUND];

impl Program {
    /// Whether it can be run.
    pub(crate) fn installed(&self) -> Result<(), Missing> {
        if self.name == NODEMAILER.name {
            need::file(&format!("{NODE_MODULES}/nodemailer/package.json"))?;
        }
        need::peer(self.runs).map(drop)
    }
}

impl LogsIn for Program {
    fn name(&self) -> &'static str {
        self.name
    }

    fn mechanisms(&self) -> &'static [&'static str] {
        self.mechanisms
    }

    fn ways(&self) -> &'static [Way] {
        self.ways
    }

    fn sends(&self) -> bool {
        self.sends
    }

    fn run(&self, house: &House, login: &Login<'_>) -> Outcome {
        let path = need::peer(self.runs).unwrap();
        // None of them may wait for ever.
        let mut command = Command::new("timeout");
        command.args([Path::new("60"), &path]).env("LC_ALL", "C").env("HOME", house.path(""));
        command.stdin(Stdio::null());
        (self.tell)(&mut command, house, login);
        outcome(&mut command)
    }
}

/// Runs a client to its end.
pub(crate) fn outcome(command: &mut Command) -> Outcome {
    let said = command.output().unwrap();
    let shown = [said.stdout, said.stderr].map(|part| String::from_utf8_lossy(&part).into_owned());
    Outcome { is_success: said.status.success(), shown: shown.concat() }
}

/// What EHLO says of AUTH at this door, as swaks with these options sees it last.
pub(crate) fn offered(house: &House, door: Door, options: &[&str]) -> Result<Vec<String>, Missing> {
    let at = house.at(door);
    let said = Command::new(need::peer("swaks")?)
        .args(["--server", &at.ip().to_string(), "--port", &at.port().to_string(), "--quit-after", "EHLO"])
        .args(options)
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&said.stdout).into_owned();
    let line = shown.lines().rev().find_map(|line| line.split_once("250-AUTH ")).map(|(_, names)| names);
    let names = line.unwrap_or_else(|| panic!("no AUTH: {shown}")).split(' ');
    Ok(names.map(str::to_owned).collect())
}
