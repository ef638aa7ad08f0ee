//! OpenSSL as the client and as the second opinion: real handshakes over a socket, old versions, keys and signatures that
//! rcgen does not make.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use tests::need;
use tls::{Connection, ConnectionError, Facts, ServerSetup, Version};

use crate::world::{Files, Leaf};

/// A certificate of OpenSSL's making, signed by itself.
fn self_signed(openssl: &Path, files: &Files, options: &[&str]) -> Leaf {
    let (cert, key) = (files.path("made.pem"), files.path("made.key"));
    let mut command = Command::new(openssl);
    command.args(["req", "-x509", "-nodes", "-subj", "/CN=mail.example.org", "-days", "2"]).args(options);
    let said = command.arg("-keyout").arg(&key).arg("-out").arg(&cert).output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    Leaf { pem: std::fs::read_to_string(cert).unwrap(), key: std::fs::read_to_string(key).unwrap() }
}

/// The hash of a certificate as OpenSSL computes it.
fn fingerprint(openssl: &Path, files: &Files, hash: &str) -> Vec<u8> {
    let mut command = Command::new(openssl);
    command.args(["x509", "-noout", "-fingerprint", hash, "-in"]).arg(files.path("made.pem"));
    let said = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let digits = said.trim().split_once('=').unwrap().1;
    digits.split(':').map(|octet| u8::from_str_radix(octet, 16).unwrap()).collect()
}

/// Serves one `openssl s_client`: greets, echoes a line, and gives the facts and what the client printed.
fn served(
    openssl: &Path,
    setup: &ServerSetup,
    configuration: Option<&Path>,
    options: &[&str],
) -> (Result<Facts, ConnectionError>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut command = Command::new(openssl);
    command.args(["s_client", "-quiet", "-connect", &address]).args(options);
    if let Some(path) = configuration {
        command.env("OPENSSL_CONF", path);
    }
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut client = piped.spawn().unwrap();
    let (mut socket, _) = listener.accept().unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
    let mut server = setup.connection().unwrap();
    let facts = serve(&mut socket, &mut server);
    drop(socket);
    drop(client.stdin.take());
    let said = client.wait_with_output().unwrap();
    (facts, String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned())
}

fn serve(socket: &mut TcpStream, server: &mut Connection) -> Result<Facts, ConnectionError> {
    // Kept until the handshake is finished, as on a port with TLS from the start.
    server.write_plain(b"220 mail.example.org ESMTP\r\n")?;
    let mut room = [0; 4096];
    while server.is_handshaking() {
        let count = socket.read(&mut room).unwrap();
        assert_ne!(count, 0, "the client hung up");
        let fed = server.feed(&room[..count]);
        flush(socket, server);
        fed?;
    }
    server.close();
    flush(socket, server);
    Ok(server.facts().unwrap().clone())
}

fn flush(socket: &mut TcpStream, server: &mut Connection) {
    let mut output = Vec::new();
    server.take_output(&mut output).unwrap();
    // A client that has ended is found at the next reading.
    let _ = socket.write_all(&output);
}

const P256: [&str; 4] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];

#[test]
fn openssl_connects_with_either_version() {
    let Ok(openssl) = need::peer("openssl") else { return };
    let files = Files::new();
    let setup = files.set_up(&self_signed(&openssl, &files, &P256), None).unwrap();
    for (option, version, bits, more) in [
        ("-tls1_3", Version::Tls13, 128, ["-ciphersuites", "TLS_AES_128_GCM_SHA256"]),
        ("-tls1_3", Version::Tls13, 256, ["-groups", "P-384"]),
        ("-tls1_2", Version::Tls12, 128, ["-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"]),
        ("-tls1_2", Version::Tls12, 256, ["-groups", "X25519:P-256"]),
    ] {
        let (facts, said) = served(&openssl, &setup, None, &[option, more[0], more[1]]);
        let facts = facts.unwrap();
        assert_eq!((facts.version, facts.bits), (version, bits), "{more:?}");
        assert!(facts.exporter.is_some() && facts.end_point.is_some(), "{more:?}");
        assert!(said.contains("220 mail.example.org ESMTP"), "{said}");
    }
}

#[test]
fn without_the_extended_master_secret_there_is_no_exporter() {
    let Ok(openssl) = need::peer("openssl") else { return };
    let files = Files::new();
    let setup = files.set_up(&self_signed(&openssl, &files, &P256), None).unwrap();
    let configuration = files.path("openssl.cnf");
    let text = "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nOptions = -ExtendedMasterSecret\n";
    std::fs::write(&configuration, text).unwrap();
    let (facts, _) = served(&openssl, &setup, Some(&configuration), &["-tls1_2"]);
    let facts = facts.unwrap();
    assert_eq!((facts.version, facts.exporter), (Version::Tls12, None));
    assert!(facts.end_point.is_some());
}

#[test]
fn what_is_too_old_is_refused_by_name() {
    let Ok(openssl) = need::peer("openssl") else { return };
    let files = Files::new();
    let setup = files.set_up(&self_signed(&openssl, &files, &P256), None).unwrap();
    for (options, fault) in [
        (&["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"][..], ConnectionError::NoCommonVersion),
        (&["-tls1", "-cipher", "ALL:@SECLEVEL=0"], ConnectionError::NoCommonVersion),
        // Keys that travel encrypted by RSA: no exchange of keys at all.
        (&["-tls1_2", "-cipher", "AES128-SHA:AES256-GCM-SHA384"], ConnectionError::NoCommonGroup),
        (&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"], ConnectionError::NoCommonCipher),
        (&["-tls1_3", "-groups", "P-521"], ConnectionError::NoCommonGroup),
    ] {
        let (facts, said) = served(&openssl, &setup, None, options);
        assert_eq!(facts, Err(fault), "{options:?}");
        assert!(said.contains("alert"), "{options:?}: {said}");
    }
}

#[test]
fn the_end_point_is_openssls_fingerprint_by_the_signatures_hash() {
    let Ok(openssl) = need::peer("openssl") else { return };
    let rsa = ["-newkey", "rsa:2048"];
    let pss = [&rsa[..], &["-sigopt", "rsa_padding_mode:pss", "-sha512"]].concat();
    for (options, hash) in [
        (&[&rsa[..], &["-sha1"]].concat(), Some("-sha256")),
        (&[&rsa[..], &["-sha384"]].concat(), Some("-sha384")),
        (&[&P256[..], &["-sha512"]].concat(), Some("-sha512")),
        (&pss, Some("-sha512")),
        (&vec!["-newkey", "ed25519"], None),
    ] {
        let files = Files::new();
        let setup = files.set_up(&self_signed(&openssl, &files, options), None).unwrap();
        let (facts, said) = served(&openssl, &setup, None, &["-tls1_3"]);
        let expected = hash.map(|hash| fingerprint(&openssl, &files, hash));
        assert_eq!(facts.map(|facts| facts.end_point), Ok(expected), "{options:?}: {said}");
    }
}

#[test]
fn a_key_that_cannot_be_used_is_named() {
    let Ok(openssl) = need::peer("openssl") else { return };
    for options in [&["-newkey", "ed448"][..], &["-newkey", "rsa:1024"]] {
        let files = Files::new();
        let error = files.set_up(&self_signed(&openssl, &files, options), None).unwrap_err();
        assert!(error.to_string().contains("private key cannot be used"), "{options:?}: {error}");
        assert!(error.mend().contains("P-256"));
    }
}
