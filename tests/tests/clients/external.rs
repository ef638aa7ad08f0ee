//! EXTERNAL: who a client certificate says that one is, and that nobody comes in by one whose CA the configuration does
//! not name.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tests::need::{self, Missing};
use tests::peer::{Maps, until};

use super::programs::{Login, LogsIn, Outcome, Way, outcome};
use super::sendmail::Sendmail;
use tests::house::{Door, House, mode};

/// Certificates of clients: their names, whose they are (OpenSSL's way), what else they say, and who has signed them.
const CERTIFICATES: &[(&str, &str, &str, &str)] = &[
    ("address", "/CN=somebody", "email:alice@example.org", "ca"),
    ("mapped", "/O=Gate/CN=Laptop of Alice", "DNS:laptop.example.org", "ca"),
    ("named", "/CN=alice", "DNS:laptop.example.org", "ca"),
    ("address-first", "/O=Gate/CN=Laptop of Alice", "email:nobody@example.org", "ca"),
    ("unknown", "/CN=alice", "email:nobody@example.org", "ca"),
    ("disabled", "/CN=alice", "email:bob@example.org", "ca"),
    ("no-address", "/CN=a b@example.org", "email:a b@example.org", "ca"),
    ("of-others", "/CN=alice", "email:alice@example.org", "others"),
    ("mapped-of-others", "/O=Gate/CN=Laptop of Alice", "DNS:laptop.example.org", "others"),
];

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    /// alice comes in.
    Welcome,
    /// It is offered, and then refused as a wrong password would be.
    Refused,
    /// It is not there at all.
    NotOffered,
}
use Answer::{NotOffered, Refused, Welcome};

#[test]
fn a_certificate_says_who_one_is_by_address_then_map_then_name_where_that_counts() {
    for (common_name, rows) in [
        ("false", [Welcome, Welcome, NotOffered, Refused, Refused, Refused, Refused, NotOffered, NotOffered]),
        ("true", [Welcome, Welcome, Welcome, Refused, Refused, Refused, Refused, NotOffered, NotOffered]),
    ] {
        let Ok(house) = house(&format!("common_name = {common_name}\n")) else { return };
        for ((name, ..), answer) in CERTIFICATES.iter().zip(rows) {
            for door in [Door::Login, Door::Tls] {
                let Ok(said) = smtplib(&house, door, Some(name), "EXTERNAL") else { return };
                check(answer, &said, &format!("{name}, common_name = {common_name}, {door:?}"));
            }
        }
        for door in [Door::Login, Door::Tls] {
            let Ok(said) = smtplib(&house, door, None, "EXTERNAL") else { return };
            check(NotOffered, &said, "no certificate");
        }
    }
}

/// Programs that know EXTERNAL; their mail arrives, and names the certificate's owner.
#[test]
fn programs_log_in_by_a_certificate() {
    let Ok(house) = house("") else { return };
    for (program, tell) in [("curl", curl as fn(&mut Command, &House)), ("msmtp", msmtp), ("gsasl", gsasl)] {
        let Ok(path) = need::peer(program) else { continue };
        let before = house.log().len();
        let mut command = Command::new("timeout");
        command.arg("60").arg(path).env("HOME", house.path("")).stdin(Stdio::null());
        tell(&mut command, &house);
        let done = outcome(&mut command);
        assert!(done.is_success && done.shown.contains("235 2.0.0"), "{program}: {}", done.shown);
        let line = "authid=alice@example.org, mech=EXTERNAL, bits=0, outcome=ok, ";
        until(line, || house.log()[before..].contains(line).then_some(()));
        if program != "gsasl" {
            let mail = house.mail(&format!("{program} EXTERNAL"));
            assert!(mail.contains("with ESMTPSA ") && mail.contains("verify=OK"), "{mail}");
        }
    }
}

/// Cyrus SASL's EXTERNAL.
#[test]
fn sendmail_logs_in_by_a_certificate() {
    let Ok(house) = house("") else { return };
    let Ok(sendmail) = Sendmail::with_certificate(&house, pair(&house, "address")) else { return };
    let login = Login {
        mechanism: "EXTERNAL",
        user: "alice",
        password: "none",
        way: Way::StartTls,
        subject: "sendmail EXTERNAL",
        recipient: "alice@example.org",
    };
    let done = sendmail.run(&house, &login);
    assert!(done.is_success && done.shown.contains("235 2.0.0"), "{}", done.shown);
    assert!(house.mail("sendmail EXTERNAL").contains("with ESMTPSA "));
    assert!(house.log().contains("authid=alice@example.org, mech=EXTERNAL, bits=0, outcome=ok, "));
}

/// A certificate alone is no login, and a password goes with any certificate.
#[test]
fn a_certificate_is_no_password_and_no_obstacle() {
    let Ok(house) = house("") else { return };
    for name in ["address", "of-others"] {
        let Ok(said) = smtplib(&house, Door::Login, Some(name), "none") else { return };
        assert!(said.shown.contains("mail 530"), "{name}: {}", said.shown);
        let Ok(said) = smtplib(&house, Door::Login, Some(name), "PLAIN") else { return };
        check(Welcome, &said, name);
    }
    let Ok(said) = smtplib(&house, Door::Open, Some("address"), "clear") else { return };
    check(NotOffered, &said, "in clear");
}

#[test]
fn without_a_ca_no_certificate_is_asked_for() {
    let asked = |house: &House| {
        let Ok(openssl) = need::peer("openssl") else { return Vec::new() };
        ["-tls1_2", "-tls1_3"].map(|version| is_asked(&openssl, house, version)).to_vec()
    };
    let Ok(with) = house("") else { return };
    assert_eq!(asked(&with), [true, true]);
    let Ok(without) = House::furnished(|place, text| {
        certificates(place).unwrap();
        text.replace("[auth]\n", MECHANISMS)
    }) else {
        return;
    };
    assert_eq!(asked(&without), [false, false]);
    for door in [Door::Login, Door::Tls] {
        let Ok(said) = smtplib(&without, door, Some("address"), "EXTERNAL") else { return };
        check(NotOffered, &said, "no client_ca");
    }
}

fn check(answer: Answer, said: &Outcome, what: &str) {
    let shown = &said.shown;
    let words: &[&str] = match answer {
        Welcome => &["auth 235 2.0.0", "mail 250", "rcpt 250"],
        Refused => &["offered True", "auth 535 5.7.0 authentication failed\n", "mail 530"],
        NotOffered => &["offered False", "auth 504 5.3.3", "mail 530"],
    };
    // At the open door who has not logged in may begin a mail.
    let words = words.iter().filter(|word| !(what == "in clear" && **word == "mail 530"));
    for word in words {
        assert!(said.is_success && shown.contains(word), "{what}: {word:?} is not in {shown}");
    }
}

/// A daemon that believes `ca`, with more lines for `[tls]`.
fn house(tls: &str) -> Result<House, Missing> {
    House::furnished(|place, text| {
        certificates(place).unwrap();
        let maps = Maps::new(place);
        // A name has blanks in it: what ends a key is a tab.
        maps.build("hash", &["-t", "\t"], "clients", "CN=Laptop of Alice,O=Gate\talice@example.org\n");
        let at = place.display();
        let tls =
            format!("[tls]\nclient_ca = \"{at}/ca.pem\"\nclient_map = \"hash:{at}/maps/clients\"\n{tls}");
        text.replace("[auth]\n", MECHANISMS).replace("[tls]\n", &tls)
    })
}

/// EXTERNAL is offered nowhere unless it is named.
const MECHANISMS: &str = "[auth]\nmechanisms = \"EXTERNAL PLAIN SCRAM-SHA-256\"\n";

/// Two CAs, and what they have signed.
fn certificates(place: &Path) -> Result<(), Missing> {
    let openssl = need::peer("openssl")?;
    std::fs::write(place.join("openssl.cnf"), "[req]\ndistinguished_name = name\n[name]\n").unwrap();
    let make = |name: &str, subject: &str, more: &[&str]| {
        let (key, certificate) = (format!("{name}.key"), format!("{name}.pem"));
        let said = Command::new(&openssl)
            .args(["req", "-config", "openssl.cnf", "-x509", "-newkey", "ec", "-pkeyopt"])
            .args(["ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", subject])
            .args(["-keyout", &key, "-out", &certificate])
            .args(more)
            .current_dir(place)
            .output()
            .unwrap();
        assert!(said.status.success(), "{said:?}");
        mode(&place.join(certificate), 0o644);
    };
    for ca in ["ca", "others"] {
        make(ca, &format!("/CN={ca}"), &["-addext", "basicConstraints=critical,CA:TRUE"]);
    }
    for (name, subject, alternative, ca) in CERTIFICATES {
        let (pem, key) = (format!("{ca}.pem"), format!("{ca}.key"));
        let alternative = format!("subjectAltName={alternative}");
        make(name, subject, &["-addext", &alternative, "-CA", &pem, "-CAkey", &key]);
    }
    Ok(())
}

/// Whether the server asks for a certificate in this version of TLS.
fn is_asked(openssl: &Path, house: &House, version: &str) -> bool {
    let said = Command::new(openssl)
        .args(["s_client", "-msg", version, "-connect", &house.at(Door::Tls).to_string()])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&said.stdout);
    assert!(shown.contains("ServerHello"), "{said:?}");
    shown.contains(", CertificateRequest")
}

fn pair(house: &House, name: &str) -> [PathBuf; 2] {
    [house.path(&format!("{name}.pem")), house.path(&format!("{name}.key"))]
}

/// What a session with this certificate is told, a line for each answer. It logs in by EXTERNAL, by PLAIN, or not at all.
fn smtplib(house: &House, door: Door, name: Option<&str>, how: &str) -> Result<Outcome, Missing> {
    let at = house.at(door);
    let mut command = Command::new(need::peer("python3")?);
    command.args(["-c", SMTPLIB, &at.ip().to_string(), &at.port().to_string(), how]);
    command.args([house.path("cert.pem"), (door == Door::Tls).to_string().into()]);
    command.args(name.map(|name| pair(house, name)).into_iter().flatten());
    Ok(outcome(command.stdin(Stdio::null())))
}

const SMTPLIB: &str = "\
import smtplib, ssl, sys
host, port, how, ca, wraps, *pair = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
if pair:
    context.load_cert_chain(*pair)
server = smtplib.SMTP_SSL(host, port, context=context) if wraps == 'true' else smtplib.SMTP(host, port)
if wraps == 'false' and how != 'clear':
    server.starttls(context=context)
server.ehlo()
print('offered', 'EXTERNAL' in server.esmtp_features['auth'].split())
def say(what, said):
    print(what, said[0], said[1].decode())
if how == 'PLAIN':
    say('auth', server.docmd('AUTH', 'PLAIN AGFsaWNlAGNvcnJlY3QgaG9yc2U='))
elif how != 'none':
    say('auth', server.docmd('AUTH', 'EXTERNAL ='))
say('mail', server.mail('alice@example.org'))
say('rcpt', server.rcpt('bob@elsewhere.example'))
server.quit()
";

fn curl(command: &mut Command, house: &House) {
    let [certificate, key] = pair(house, "address");
    command.args(["-sS", "-v", "--ssl-reqd", "--login-options", "AUTH=EXTERNAL", "--user", "alice:"]);
    command.arg("--cacert").arg(house.path("cert.pem"));
    command.arg("--cert").arg(certificate).arg("--key").arg(key);
    command.args(["--mail-from", "alice@example.org", "--mail-rcpt", "alice@example.org", "--upload-file"]);
    command.arg(house.message("curl EXTERNAL")).arg(format!("smtp://{}", house.at(Door::Login)));
}

fn msmtp(command: &mut Command, house: &House) {
    let at = house.at(Door::Tls);
    let [certificate, key] = pair(house, "address").map(|path| path.display().to_string());
    command.args(["--debug", "--file=/dev/null", "--tls=on", "--tls-starttls=off", "--auth=external"]);
    command.args([format!("--host={}", at.ip()), format!("--port={}", at.port()), "--user=alice".to_owned()]);
    command.arg(format!("--tls-trust-file={}", house.path("cert.pem").display()));
    command.args([format!("--tls-cert-file={certificate}"), format!("--tls-key-file={key}")]);
    command.args(["--from=alice@example.org", "alice@example.org"]);
    command.stdin(std::fs::File::open(house.message("msmtp EXTERNAL")).unwrap());
}

fn gsasl(command: &mut Command, house: &House) {
    let [certificate, key] = pair(house, "address");
    command.args(["--smtp", "--connect", &house.at(Door::Login).to_string(), "--mechanism", "EXTERNAL"]);
    command.arg("--x509-ca-file").arg(house.path("cert.pem")).args([
        "--authorization-id",
        "alice",
        "--no-cb",
    ]);
    command.arg("--x509-cert-file").arg(certificate).arg("--x509-key-file").arg(key);
}
