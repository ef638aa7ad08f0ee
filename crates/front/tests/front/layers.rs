//! What is put between session and socket: TLS, with OpenSSL as the client, and a security layer of SASL.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use front::Site;
use front::settings::{ListenerSettings, TlsUse};
use safefile::Kind;
use sasl::layer::{LayerKeys, SecurityLayer};
use wire::{SecretOctets, ToFront, ToKeeper};

use crate::client::Client;
use crate::openssl::Openssl;
use crate::part::{alices, login};
use crate::world::{Authority, Wish, World, listener, private};

#[test]
fn behind_starttls_everything_begins_anew() {
    let world = World::new(Wish { certificate: true, ..Wish::default() });
    let heard = world.keeper(alices());
    let mut clear = world.client();
    let listed = clear.ehlo();
    assert!(listed.contains(&"STARTTLS".to_owned()) && listed.contains(&"AUTH LOGIN".to_owned()));
    let Some(mut client) = Openssl::connect(&world, &["-starttls", "smtp"]) else { return };
    let listed = client.ehlo();
    assert!(
        !listed.contains(&"STARTTLS".to_owned()) && listed.contains(&"AUTH LOGIN PLAIN".to_owned()),
        "{listed:?}"
    );
    client.talk(
        "C: AUTH PLAIN AGFsaWNlAHBlbmNpbA==
         S: 235 *
         C: MAIL FROM:<alice@gate.test>
         C: RCPT TO:<bob@gate.test>
         C: DATA
         S: 250 *
         S: 250 *
         S: 354 *
         C: Subject: x
         C:
         C: text
         C: .
         S: 250 2.0.0 *",
    );
    let mail = world.mailbox("bob@gate.test", 1).remove(0);
    assert!(
        mail.contains("with ESMTPSA id") && mail.contains("\t(version=TLSv1.3 cipher=TLS_AES_256"),
        "{mail}"
    );
    let begin = heard.last("Begin");
    assert!(begin.contains("ssf: 256") && begin.contains("exporter: Some"), "{begin}");
    world.log.wait_for(&["TlsBegun", "Tls13"]);
}

/// A CA that is taken out of `client_ca` lets nobody in any more, in sessions that are open too.
#[test]
fn a_ca_that_is_not_believed_any_more_vouches_for_nobody() {
    let world = World::new(Wish { certificate: true, ..Wish::default() });
    let heard = world.keeper(alices());
    let (one, other) = (Authority::new(), Authority::new());
    let believe = |authorities: &[&Authority]| {
        let ca: String = authorities.iter().map(|authority| authority.pem.as_str()).collect();
        let ca = private(world.dir.path(), "ca.pem", &ca, Kind::Certificate);
        let site = world.front.site();
        let tls = site.tls.as_ref().unwrap().with_client_ca(Some(&ca)).unwrap();
        world.front.replace_site(Site {
            settings: site.settings.clone(),
            tls: Some(tls),
            access: Arc::clone(&site.access),
            client_map: Arc::clone(&site.client_map),
            senders: Arc::clone(&site.senders),
        });
    };
    believe(&[&one]);
    let (certificate, key) = one.issue("alice@gate.test");
    let path = |name: &str| world.dir.path().join(name).to_str().unwrap().to_owned();
    private(world.dir.path(), "alice.pem", &certificate, Kind::Certificate);
    private(world.dir.path(), "alice.key", &key, Kind::PrivateKey);
    let (certificate, key) = (path("alice.pem"), path("alice.key"));
    let options = ["-starttls", "smtp", "-cert", &certificate, "-key", &key];
    let Some(mut client) = Openssl::connect(&world, &options) else { return };
    let mut is_vouched_for = || {
        client.ehlo();
        heard.last("Offer").contains("identity: Some(\"alice@gate.test\")")
    };
    assert!(is_vouched_for());
    believe(&[&other, &one]);
    assert!(is_vouched_for(), "the CA is still there");
    believe(&[&other]);
    assert!(!is_vouched_for());
}

#[test]
fn tls_may_be_there_from_the_first_octet() {
    let implicit = ListenerSettings { tls: TlsUse::Implicit, ..listener() };
    let world = World::with_alice(Wish { certificate: true, listener: implicit, ..Wish::default() });
    let Some(mut client) = Openssl::connect(&world, &["-tls1_2"]) else { return };
    client.talk("S: 220 mail.gate.test ESMTP Gatepost");
    assert!(client.ehlo().contains(&"AUTH LOGIN PLAIN".to_owned()));
    client.talk("C: NOOP\nS: 250 *");
    // Who speaks in clear there is no client of ours.
    let mut clear = Client::new(world.connect());
    clear.say("EHLO x\r\n");
    while clear.line().is_some() {}
    world.log.wait_for(&["TlsFailed"]);
}

#[test]
fn what_was_pipelined_behind_starttls_is_never_done() {
    let world = World::with_alice(Wish { certificate: true, ..Wish::default() });
    let mut client = world.client();
    client.ehlo();
    client.say("STARTTLS\r\nMAIL FROM:<evil@far.test>\r\nRCPT TO:<bob@gate.test>\r\n");
    client.talk("S: 220 *");
    // No handshake follows, so nothing else is said in clear.
    client.stream().shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.line(), None);
    assert!(!world.log.has("evil"));
}

#[test]
fn without_a_certificate_there_is_no_starttls() {
    let world = World::with_alice(Wish::default());
    let mut client = world.client();
    assert!(!client.ehlo().contains(&"STARTTLS".to_owned()));
    client.talk("C: STARTTLS\nS: 503 5.5.0 TLS not available");
}

/// The keys of a layer for integrity, for the side that sends with the first key.
fn keys(sending: u8, receiving: u8) -> Vec<u8> {
    let mut octets = vec![0];
    octets.extend_from_slice(&65536_u32.to_be_bytes());
    octets.extend_from_slice(&65536_u32.to_be_bytes());
    for key in [sending, receiving] {
        octets.extend_from_slice(&[key; 16]);
        octets.extend_from_slice(&[0; 16]);
    }
    octets
}

/// A stream under a layer.
struct Layered {
    stream: TcpStream,
    layer: SecurityLayer,
    plain: Vec<u8>,
}

impl Read for Layered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.plain.is_empty() {
            let mut octets = [0; 4096];
            let count = self.stream.read(&mut octets)?;
            if count == 0 {
                return Ok(0);
            }
            let opened = self.layer.unwrap.unwrap(&octets[..count]).map_err(io::Error::other)?;
            self.plain.extend_from_slice(&opened);
        }
        let count = buffer.len().min(self.plain.len());
        buffer[..count].copy_from_slice(&self.plain[..count]);
        self.plain.drain(..count);
        Ok(count)
    }
}

impl Write for Layered {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let mut packets = Vec::new();
        self.layer.wrap.wrap(octets, &mut packets).map_err(io::Error::other)?;
        self.stream.write_all(&packets).map(|()| octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[test]
fn a_security_layer_wraps_the_session() {
    let world = World::new(Wish { certificate: true, ..Wish::default() });
    world.keeper(Box::new(|message| match message {
        ToKeeper::Offer { request, .. } => vec![ToFront::Offered {
            request: *request,
            mechanisms: vec!["DIGEST-MD5".to_owned()],
            left_out: Vec::new(),
            logins: wire::Logins::Possible,
        }],
        ToKeeper::Begin { exchange, .. } => {
            let layer = SecretOctets::copy_of(&keys(1, 2));
            vec![ToFront::LoggedIn { exchange: *exchange, login: login("DIGEST-MD5", Some(layer)) }]
        }
        _ => Vec::new(),
    }));
    let mut client = world.client();
    client.ehlo();
    client.talk("C: AUTH DIGEST-MD5 eA==\nS: 235 *");
    let stream = client.stream().try_clone().unwrap();
    let layer = SecurityLayer::new(LayerKeys::from_octets(&keys(2, 1)).unwrap());
    let mut client = Client::new(Layered { stream, layer, plain: Vec::new() });
    let listed = client.ehlo();
    assert!(!listed.contains(&"STARTTLS".to_owned()), "{listed:?}");
    client.talk(
        "C: MAIL FROM:<alice@gate.test>
         C: RCPT TO:<bob@gate.test>
         C: DATA
         S: 250 *
         S: 250 *
         S: 354 *
         C: text
         C: .
         S: 250 2.0.0 *",
    );
    assert!(world.mailbox("bob@gate.test", 1)[0].contains("(authenticated bits=1)"));
    // In clear again: dropped without a word.
    client.stream().stream.write_all(b"NOOP\r\nNOOP\r\nNOOP\r\n").unwrap();
    assert_eq!(client.line(), None);
    world.log.wait_for(&["LayerFailed"]);
}
