//! Our client: at our own server in memory, and at `openssl s_server`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rcgen::{CertificateParams, SanType, date_time_ymd};
use safefile::Kind;
use tests::need;
use tls::client::{ClientConnection, ClientError, ClientSetup, Demand, Doubt, ServerFacts, Verdict};
use tls::{Connection, Version};

use crate::world::{Ca, Files, Leaf, named, server_name};

fn setup(files: &Files, ca: Option<&str>, demand: Demand) -> ClientSetup {
    let file = ca.map(|pem| files.write("believed.pem", pem, Kind::Certificate));
    ClientSetup::new(file.as_ref(), demand).unwrap()
}

/// Carries octets both ways, in pieces of this size, until neither end has more to say.
fn carry(client: &mut ClientConnection, server: &mut Connection, piece: usize) -> Result<(), ClientError> {
    loop {
        let (mut up, mut down) = (Vec::new(), Vec::new());
        client.take_output(&mut up).unwrap();
        // What a server makes of an alert is its own affair.
        let _ = server.feed(&up);
        server.take_output(&mut down).unwrap();
        for octets in down.chunks(piece) {
            if let Err(error) = client.feed(octets) {
                let mut alert = Vec::new();
                client.take_output(&mut alert).unwrap();
                assert!(!alert.is_empty(), "no alert for {error}");
                assert_eq!(client.feed(b"x").unwrap_err(), error, "a fault is for good");
                return Err(error);
            }
        }
        if up.is_empty() && down.is_empty() {
            return Ok(());
        }
    }
}

/// What a client that believes this CA comes to know of a server with this certificate.
fn met(leaf: &Leaf, ca: Option<&str>, host: &str, demand: Demand) -> Result<ServerFacts, ClientError> {
    let files = Files::new();
    let mut server = files.set_up(leaf, None).unwrap().connection().unwrap();
    let mut client = setup(&files, ca, demand).connection(host)?;
    assert_eq!(client.write_plain(b"too early"), Ok(0));
    carry(&mut client, &mut server, 7)?;
    let facts = client.facts().unwrap().clone();
    let theirs = server.facts().unwrap();
    assert_eq!((facts.exporter, &facts.end_point), (theirs.exporter, &theirs.end_point));
    assert!(facts.exporter.is_some() && facts.end_point.is_some());
    assert_eq!((facts.cipher, facts.bits), (theirs.cipher, theirs.bits));
    talk(&mut client, &mut server);
    Ok(facts)
}

fn talk(client: &mut ClientConnection, server: &mut Connection) {
    assert_eq!(client.write_plain(b"EHLO there\r\n"), Ok(12));
    assert_eq!(server.write_plain(b"250 here\r\n"), Ok(10));
    server.close();
    carry(client, server, usize::MAX).unwrap();
    let (mut asked, mut answered) = (Vec::new(), Vec::new());
    assert_eq!((server.read_plain(&mut asked), client.read_plain(&mut answered)), (12, 10));
    assert_eq!((&asked[..], &answered[..]), (&b"EHLO there\r\n"[..], &b"250 here\r\n"[..]));
    assert!(client.peer_closed());
}

const HOST: &str = "mail.example.org";

#[test]
fn each_doubt_is_told_by_itself_and_ends_a_demand() {
    let ca = Ca::new("CA");
    let other = Ca::new("another CA");
    let good = ca.issue(&server_name());
    let expired = dated(&ca, 2019, 2020);
    let early = dated(&ca, 2200, 2201);
    let own = self_signed();
    let no_names = ca.issue(&named(HOST));
    let wild = ca.issue(&with_name(SanType::DnsName("*.example.org".try_into().unwrap())));
    let by_address = ca.issue(&with_name(SanType::IpAddress("127.0.0.1".parse().unwrap())));
    let mut for_clients = server_name();
    for_clients.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let for_clients = ca.issue(&for_clients);
    let below = ca.below("a CA below it");
    let mut chained = below.issue(&server_name());
    let lone = chained.clone();
    chained.pem += &below.pem;
    let neighbour = Ca::without_the_right(named("a neighbour"));
    let forged = neighbour.issue(&server_name());
    let purpose = Doubt::Other("it is no certificate for a server".to_owned());
    let both = |one, another| vec![one, another];
    for (what, leaf, believed, host, doubts) in [
        ("good", &good, Some(&ca.pem), HOST, vec![]),
        ("good, by its name in capitals", &good, Some(&ca.pem), "MAIL.example.ORG", vec![]),
        ("itself among the believed", &own, Some(&own.pem), HOST, vec![]),
        ("any host of a domain", &wild, Some(&ca.pem), HOST, vec![]),
        ("and not deeper", &wild, Some(&ca.pem), "a.mail.example.org", vec![Doubt::WrongName]),
        ("its address", &by_address, Some(&ca.pem), "127.0.0.1", vec![]),
        ("another address", &by_address, Some(&ca.pem), "127.0.0.2", vec![Doubt::WrongName]),
        ("by a CA below", &chained, Some(&ca.pem), HOST, vec![]),
        ("by a CA below that is not shown", &lone, Some(&ca.pem), HOST, vec![Doubt::UnknownIssuer]),
        ("for clients", &for_clients, Some(&ca.pem), HOST, vec![purpose]),
        ("by one who is believed and no CA", &forged, Some(&neighbour.pem), HOST, vec![Doubt::UnknownIssuer]),
        ("another host", &good, Some(&ca.pem), "mail.example.com", vec![Doubt::WrongName]),
        ("an address", &good, Some(&ca.pem), "127.0.0.1", vec![Doubt::WrongName]),
        ("a common name alone", &no_names, Some(&ca.pem), HOST, vec![Doubt::WrongName]),
        ("another CA", &good, Some(&other.pem), HOST, vec![Doubt::UnknownIssuer]),
        ("nobody is believed", &good, None, HOST, vec![Doubt::UnknownIssuer]),
        ("expired", &expired, Some(&ca.pem), HOST, vec![Doubt::Expired]),
        ("early", &early, Some(&ca.pem), HOST, vec![Doubt::NotYetValid]),
        ("self-signed", &own, Some(&ca.pem), HOST, vec![Doubt::SelfSigned]),
        ("believed, another host", &own, Some(&own.pem), "x.example", vec![Doubt::WrongName]),
        ("dates before CAs", &expired, Some(&other.pem), "x.example", vec![Doubt::Expired, Doubt::WrongName]),
        ("two", &own, None, "x.example", both(Doubt::SelfSigned, Doubt::WrongName)),
    ] {
        let seen = met(leaf, believed.map(String::as_str), host, Demand::Observed).unwrap();
        assert_eq!(seen.verdict.doubts(), doubts, "{what}");
        assert_eq!(seen.verdict == Verdict::Verified, doubts.is_empty(), "{what}");
        let demanded = met(leaf, believed.map(String::as_str), host, Demand::Verified);
        match demanded {
            Ok(facts) => assert!(doubts.is_empty() && facts.verdict.is_verified(), "{what}"),
            Err(ClientError::Certificate(_)) => assert!(!doubts.is_empty(), "{what}"),
            Err(error) => panic!("{what}: {error}"),
        }
    }
}

#[test]
fn a_certificate_says_what_it_is() {
    let ca = Ca::new("CA");
    let facts = met(&ca.issue(&server_name()), Some(&ca.pem), HOST, Demand::Observed).unwrap();
    assert_eq!(facts.version, Version::Tls13);
    let certificate = facts.certificate;
    assert_eq!(certificate.subject, "CN=mail.example.org");
    assert_eq!(certificate.issuer, "CN=CA");
    assert_eq!((certificate.names, certificate.key.as_str()), (vec![HOST.to_owned()], "EC P-256"));
    assert!(certificate.not_before < certificate.not_after);
}

#[test]
fn what_is_no_name_is_no_host() {
    let files = Files::new();
    for name in ["", "a b", "mail.example.org\0.evil.test", "[127.0.0.1]"] {
        let connection = setup(&files, None, Demand::Observed).connection(name);
        assert_eq!(connection.err(), Some(ClientError::BadName), "{name:?}");
    }
}

#[test]
fn a_file_without_a_certificate_is_refused() {
    let files = Files::new();
    for (text, fault) in [("", "no certificate in PEM form"), ("garbage", "no certificate in PEM form")] {
        let file = files.write("believed.pem", text, Kind::Certificate);
        let error = ClientSetup::new(Some(&file), Demand::Observed).unwrap_err();
        assert!(error.to_string().contains(fault), "{error}");
    }
}

#[test]
fn who_speaks_something_else_is_named() {
    let files = Files::new();
    let mut client = setup(&files, None, Demand::Observed).connection(HOST).unwrap();
    assert_eq!(client.feed(b"220 mail.example.org ESMTP\r\n"), Err(ClientError::NotTls));
}

#[test]
fn openssl_is_met_with_either_version_and_kind_of_key() {
    let Ok(openssl) = need::peer("openssl") else { return };
    let p256 = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
    let p384 = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1"];
    for (options, make, version, key) in [
        (&["-tls1_3"][..], &p256[..], Version::Tls13, "EC P-256"),
        (&["-tls1_2"], &p384, Version::Tls12, "EC P-384"),
        (&["-tls1_2"], &["-newkey", "rsa:2048"], Version::Tls12, "RSA 2048"),
        (&["-tls1_3"], &["-newkey", "rsa:3072", "-sha384"], Version::Tls13, "RSA 3072"),
        (&["-tls1_3"], &["-newkey", "ed25519"], Version::Tls13, "Ed25519"),
    ] {
        let facts = at_openssl(&openssl, options, make, HOST).unwrap();
        assert_eq!((facts.version, facts.certificate.key.as_str()), (version, key), "{options:?}");
        assert_eq!(facts.verdict, Verdict::Verified, "{options:?} {make:?}");
        assert!(facts.exporter.is_some(), "{options:?}");
        // RFC 5929 defines nothing for Ed25519.
        assert_eq!(facts.end_point.is_none(), key == "Ed25519", "{options:?}");
    }
}

#[test]
fn a_server_that_is_too_old_is_refused_by_name() {
    let Ok(openssl) = need::peer("openssl") else { return };
    let options = ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"];
    let error = at_openssl(&openssl, &options, &["-newkey", "rsa:2048"], HOST).unwrap_err();
    assert_eq!(error, ClientError::NoCommonVersion);
}

/// Meets `openssl s_server`, whose certificate it makes and believes.
fn at_openssl(
    openssl: &Path,
    options: &[&str],
    make: &[&str],
    host: &str,
) -> Result<ServerFacts, ClientError> {
    let files = Files::new();
    let made = Command::new(openssl)
        .args(["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=mail.example.org"])
        .args(["-addext", "subjectAltName=DNS:mail.example.org"])
        .args(make)
        .arg("-keyout")
        .arg(files.path("made.key"))
        .arg("-out")
        .arg(files.path("made.pem"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let believed = std::fs::read_to_string(files.path("made.pem")).unwrap();
    let mut command = Command::new(openssl);
    command
        .args(["s_server", "-accept", "127.0.0.1:0", "-naccept", "1", "-cert"])
        .arg(files.path("made.pem"));
    command.arg("-key").arg(files.path("made.key")).args(options);
    let mut server =
        Server(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let mut socket = TcpStream::connect(server.address()).unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
    let mut client = setup(&files, Some(&believed), Demand::Observed).connection(host)?;
    let mut room = [0; 4096];
    while client.facts().is_none() {
        flush(&mut socket, &mut client);
        let count = socket.read(&mut room).unwrap();
        assert_ne!(count, 0, "the server hung up");
        client.feed(&room[..count])?;
    }
    client.close();
    flush(&mut socket, &mut client);
    Ok(client.facts().unwrap().clone())
}

struct Server(Child);

impl Server {
    /// It says where it listens: `ACCEPT 127.0.0.1:40000`.
    fn address(&mut self) -> String {
        let mut lines = BufReader::new(self.0.stdout.take().unwrap()).lines().map(Result::unwrap);
        let line = lines.find(|line| line.starts_with("ACCEPT")).unwrap();
        line.split(' ').nth(1).unwrap().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn flush(socket: &mut TcpStream, client: &mut ClientConnection) {
    let mut output = Vec::new();
    client.take_output(&mut output).unwrap();
    socket.write_all(&output).unwrap();
}

fn dated(ca: &Ca, from: i32, until: i32) -> Leaf {
    let mut parameters: CertificateParams = server_name();
    parameters.not_before = date_time_ymd(from, 1, 1);
    parameters.not_after = date_time_ymd(until, 1, 1);
    ca.issue(&parameters)
}

fn with_name(name: SanType) -> CertificateParams {
    let mut parameters = named(HOST);
    parameters.subject_alt_names = vec![name];
    parameters
}

/// As `openssl req -x509` makes it: its own CA.
fn self_signed() -> Leaf {
    let mut parameters = server_name();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    Leaf { pem: parameters.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
}
