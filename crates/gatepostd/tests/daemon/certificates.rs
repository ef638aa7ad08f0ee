//! Certificates: the daemon's own, and those of clients.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::place::{Client, Place};

#[test]
fn certificate_and_key_come_by_the_opener_and_only_while_they_are_safe() {
    let place = Place::new();
    let names = vec!["mail.example.org".to_owned()];
    let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).unwrap();
    let write = |name: &str, text: String, mode: u32| {
        fs::write(place.path(name), text).unwrap();
        fs::set_permissions(place.path(name), Permissions::from_mode(mode)).unwrap();
    };
    write("cert.pem", cert.pem(), 0o644);
    write("key.pem", signing_key.serialize_pem(), 0o600);
    let dir = place.dir.path().display().to_string();
    place.write(&format!(
        "{}[tls]\ncertificate = \"{dir}/cert.pem\"\nkey = \"{dir}/key.pem\"\n",
        place.text()
    ));
    let daemon = place.start();
    let address = daemon.status()["listening"][0].as_str().unwrap().to_owned();
    let has_tls = || Client::connect(&address).say("EHLO client.example.org").contains("STARTTLS");
    daemon.until("STARTTLS", |_| has_tls());

    write("key.pem", signing_key.serialize_pem(), 0o644);
    let said = place.run(&["reload"]);
    let words = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.status.code() == Some(78) && words.contains("key.pem: unsafe private-key"), "{words}");
    assert_eq!(daemon.status()["generation"], 1);
    write("key.pem", signing_key.serialize_pem(), 0o600);
    assert!(place.run(&["reload"]).status.success(), "{}", daemon.log());
    daemon.until("STARTTLS", |_| has_tls());
    let _ = daemon.end();
}

/// One session of `openssl s_client` that logs in by its certificate: what it heard.
fn by_certificate(address: &str, place: &Place) -> Option<String> {
    let openssl = tests::need::peer("openssl").ok()?;
    let mut child = Command::new(openssl)
        .args(["s_client", "-quiet", "-ign_eof", "-crlf", "-starttls", "smtp", "-connect", address, "-cert"])
        .arg(place.path("alice.pem"))
        .arg("-key")
        .arg(place.path("alice.key"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"EHLO x\nAUTH EXTERNAL =\nQUIT\n").unwrap();
    Some(String::from_utf8_lossy(&child.wait_with_output().unwrap().stdout).into_owned())
}

/// The CA of clients lets people in. When others could have written its file, nobody gets in by it; TLS goes on.
#[test]
fn a_client_ca_that_becomes_unsafe_vouches_for_nobody() {
    let place = Place::new();
    place.has_alice();
    let write = |name: &str, text: &str, mode: u32| {
        fs::write(place.path(name), text).unwrap();
        fs::set_permissions(place.path(name), Permissions::from_mode(mode)).unwrap();
    };
    let names = vec!["mail.example.org".to_owned()];
    let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).unwrap();
    write("cert.pem", &cert.pem(), 0o644);
    write("key.pem", &signing_key.serialize_pem(), 0o600);
    let mut authority = rcgen::CertificateParams::default();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    write("ca.pem", &authority.self_signed(&key).unwrap().pem(), 0o644);
    let issuer = rcgen::Issuer::new(authority, key);
    let mut alice = rcgen::CertificateParams::default();
    alice.subject_alt_names = vec![rcgen::SanType::Rfc822Name("alice@example.org".try_into().unwrap())];
    let key = rcgen::KeyPair::generate().unwrap();
    write("alice.pem", &alice.signed_by(&key, &issuer).unwrap().pem(), 0o600);
    write("alice.key", &key.serialize_pem(), 0o600);
    let dir = place.dir.path().display();
    let text = format!(
        "[tls]\ncertificate = \"{dir}/cert.pem\"\nkey = \"{dir}/key.pem\"\nclient_ca = \"{dir}/ca.pem\"\n\
         [auth]\nrealm = \"example.org\"\nmechanisms = [\"EXTERNAL\", \"PLAIN\"]\n"
    );
    place.write(&(place.text() + &text));
    let daemon = place.start();
    daemon.until("store", |daemon| daemon.log().contains("the store is open"));
    let address = daemon.status()["listening"][0].as_str().unwrap().to_owned();
    let Some(heard) = by_certificate(&address, &place) else { return };
    assert!(heard.contains("AUTH EXTERNAL PLAIN") && heard.contains("235 "), "{heard}\n{}", daemon.log());

    let set = |mode| fs::set_permissions(place.path("ca.pem"), Permissions::from_mode(mode)).unwrap();
    set(0o666);
    daemon.until("line in the log", |daemon| {
        daemon.log().contains("ca.pem; no client is asked for a certificate, and EXTERNAL is not offered")
    });
    let heard = by_certificate(&address, &place).unwrap();
    assert!(heard.contains("AUTH PLAIN\r") && heard.contains("504 ") && !heard.contains("235 "), "{heard}");
    set(0o644);
    daemon.until("EXTERNAL again", |_| by_certificate(&address, &place).unwrap().contains("235 "));
    let complaints = daemon.log().matches("EXTERNAL is not offered").count();
    assert_eq!(complaints, 1, "{}", daemon.log());
    let _ = daemon.end();
}

#[test]
fn another_certificate_in_the_same_place_is_taken_up_without_a_restart() {
    let Ok(openssl) = tests::need::peer("openssl") else { return };
    let place = Place::new();
    let pair = |name: &str| {
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        for (file, text) in [("cert", cert.pem()), ("key", signing_key.serialize_pem())] {
            // As tools do it: the new file takes the place of the old one.
            let beside = place.path("beside");
            fs::write(&beside, text).unwrap();
            fs::set_permissions(&beside, Permissions::from_mode(0o600)).unwrap();
            fs::rename(beside, place.path(&format!("{file}.pem"))).unwrap();
        }
        cert.pem().lines().nth(1).unwrap().to_owned()
    };
    let first = pair("one.example.org");
    let dir = place.dir.path().display();
    place.write(&format!(
        "{}[tls]\ncertificate = \"{dir}/cert.pem\"\nkey = \"{dir}/key.pem\"\n",
        place.text()
    ));
    let daemon = place.start();
    let address = daemon.status()["listening"][0].as_str().unwrap().to_owned();
    let shows = |line: &str| {
        let mut command = Command::new(&openssl);
        let said = command
            .args(["s_client", "-starttls", "smtp", "-connect", &address])
            .stdin(Stdio::null())
            .output();
        String::from_utf8_lossy(&said.unwrap().stdout).contains(line)
    };
    assert!(shows(&first), "{}", daemon.log());
    let second = pair("two.example.org");
    daemon.until("the other certificate", |_| shows(&second));
    assert_eq!(daemon.status()["generation"], 1);
    let _ = daemon.end();
}
