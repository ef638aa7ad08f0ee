//! Handshakes of both versions: the same exporter at both ends, the hash of the certificate, plaintext, limits and faults.

use std::io::Write;

use rustls::version::{TLS12, TLS13};
use sha2::{Digest, Sha256};
use tls::{ClientCertificate, ConnectionError, Version};

use crate::world::{Ca, Files, carry, client, der, server_name, talk};

#[test]
fn both_ends_know_the_same_of_each_version() {
    let (ca, files) = (Ca::new("CA"), Files::new());
    let leaf = ca.issue(&server_name());
    let setup = files.set_up(&leaf, None).unwrap();
    assert!(!setup.asks_for_certificates());
    for (offered, version, cipher) in [
        (&TLS13, Version::Tls13, "TLS_AES_256_GCM_SHA384"),
        (&TLS12, Version::Tls12, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
    ] {
        let (mut client, mut server) = (client(offered, &ca, None), setup.connection().unwrap());
        assert!(server.is_handshaking() && server.facts().is_none());
        carry(&mut client, &mut server).unwrap();
        let facts = server.facts().unwrap().clone();
        assert_eq!((facts.version, facts.cipher, facts.bits), (version, cipher, 256));
        let theirs = client.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b"")).unwrap();
        assert_eq!(facts.exporter, Some(theirs), "{version:?}");
        assert_eq!(facts.end_point, Some(Sha256::digest(der(&leaf.pem)).to_vec()));
        assert_eq!(facts.client, ClientCertificate::NotRequested);
        talk(&mut client, &mut server);
    }
}

#[test]
fn octets_one_by_one_are_as_good() {
    let (ca, files) = (Ca::new("CA"), Files::new());
    let setup = files.set_up(&ca.issue(&server_name()), None).unwrap();
    let (mut client, mut server) = (client(&TLS13, &ca, None), setup.connection().unwrap());
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    for octet in hello {
        assert!(!server.has_output());
        assert_eq!(server.feed(&[octet]), Ok(1));
    }
    carry(&mut client, &mut server).unwrap();
    talk(&mut client, &mut server);
}

#[test]
fn no_ticket_is_given_and_nothing_is_resumed() {
    let (ca, files) = (Ca::new("CA"), Files::new());
    let setup = files.set_up(&ca.issue(&server_name()), None).unwrap();
    for version in [&TLS13, &TLS12] {
        let (mut client, mut server) = (client(version, &ca, None), setup.connection().unwrap());
        carry(&mut client, &mut server).unwrap();
        assert_eq!(client.tls13_tickets_received(), 0);
        assert_eq!(client.handshake_kind(), Some(rustls::HandshakeKind::Full));
    }
}

#[test]
fn no_more_is_taken_than_somebody_reads() {
    let (ca, files) = (Ca::new("CA"), Files::new());
    let setup = files.set_up(&ca.issue(&server_name()), None).unwrap();
    let (mut client, mut server) = (client(&TLS13, &ca, None), setup.connection().unwrap());
    carry(&mut client, &mut server).unwrap();
    client.set_buffer_limit(None);
    client.writer().write_all(&vec![b'x'; 200_000]).unwrap();
    let mut sent = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut sent).unwrap();
    }
    let (mut rest, mut got, mut most) = (sent.as_slice(), Vec::new(), 0);
    while !rest.is_empty() {
        let taken = server.feed(rest).unwrap();
        rest = &rest[taken..];
        most = most.max(server.read_plain(&mut got));
    }
    assert_eq!(got.len(), 200_000);
    assert!(most <= 48 << 10, "{most} octets waited");
    // And the other way: what a client does not fetch is not piled up.
    let taken = server.write_plain(&vec![b'y'; 200_000]).unwrap();
    assert_eq!((taken, server.write_plain(b"z")), (64 << 10, Ok(0)));
}

#[test]
fn the_end_is_told_apart_from_a_cut() {
    let (ca, files) = (Ca::new("CA"), Files::new());
    let setup = files.set_up(&ca.issue(&server_name()), None).unwrap();
    let (mut client, mut server) = (client(&TLS12, &ca, None), setup.connection().unwrap());
    carry(&mut client, &mut server).unwrap();
    assert!(!server.peer_closed());
    client.writer().write_all(b"QUIT\r\n").unwrap();
    client.send_close_notify();
    carry(&mut client, &mut server).unwrap();
    assert!(server.peer_closed());
    let mut said = Vec::new();
    server.read_plain(&mut said);
    assert_eq!(said, b"QUIT\r\n");
    assert_eq!((server.feed(b"behind the end"), server.read_plain(&mut said)), (Ok(14), 0));
    server.close();
    carry(&mut client, &mut server).unwrap();
    assert!(client.process_new_packets().unwrap().peer_has_closed());
}

#[test]
fn what_is_no_tls_is_told_and_the_fault_stays() {
    let (ca, files) = (Ca::new("CA"), Files::new());
    let setup = files.set_up(&ca.issue(&server_name()), None).unwrap();
    let mut server = setup.connection().unwrap();
    assert_eq!(server.feed(b"EHLO mail.example.org\r\n"), Err(ConnectionError::NotTls));
    assert_eq!(server.feed(b"x"), Err(ConnectionError::NotTls));
    assert_eq!(server.write_plain(b"x"), Err(ConnectionError::NotTls));
    assert!(server.is_handshaking());
}

#[test]
fn an_octet_changed_on_the_way_ends_it() {
    let (ca, files) = (Ca::new("CA"), Files::new());
    let setup = files.set_up(&ca.issue(&server_name()), None).unwrap();
    let (mut client, mut server) = (client(&TLS13, &ca, None), setup.connection().unwrap());
    carry(&mut client, &mut server).unwrap();
    client.writer().write_all(b"MAIL FROM:<>\r\n").unwrap();
    let mut sent = Vec::new();
    client.write_tls(&mut sent).unwrap();
    *sent.last_mut().unwrap() ^= 1;
    assert_eq!(server.feed(&sent), Err(ConnectionError::Undecryptable));
    assert!(server.has_output(), "the alert");
    assert_eq!(server.read_plain(&mut Vec::new()), 0);
}

#[test]
fn a_client_that_does_not_believe_us_says_so() {
    let (ca, other, files) = (Ca::new("CA"), Ca::new("other"), Files::new());
    let setup = files.set_up(&ca.issue(&server_name()), None).unwrap();
    let (mut client, mut server) = (client(&TLS13, &other, None), setup.connection().unwrap());
    assert_eq!(carry(&mut client, &mut server), Err(ConnectionError::Alert("UnknownCA".to_owned())));
    assert!(server.facts().is_none());
}

#[test]
fn after_a_reload_old_connections_stay_as_they_are() {
    let (ca, files) = (Ca::new("CA"), Files::new());
    let (first, second) = (ca.issue(&server_name()), ca.issue(&server_name()));
    let old = files.set_up(&first, None).unwrap();
    let (mut there, mut server) = (client(&TLS13, &ca, None), old.connection().unwrap());
    carry(&mut there, &mut server).unwrap();
    let new = files.set_up(&second, None).unwrap();
    drop(old);
    talk(&mut there, &mut server);
    let (mut fresh, mut other) = (client(&TLS13, &ca, None), new.connection().unwrap());
    carry(&mut fresh, &mut other).unwrap();
    assert_eq!(fresh.peer_certificates().unwrap()[0], der(&second.pem));
    assert_ne!(other.facts().unwrap().end_point, server.facts().unwrap().end_point);
}
