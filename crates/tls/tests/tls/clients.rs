//! Who a client may be: verified, somebody nobody vouches for, nobody at all; and somebody with a certificate that is not
//! his.

use rcgen::{CertificateParams, DnType, SanType};
use rustls::version::{TLS12, TLS13};
use safefile::Kind;
use tls::{ClientCertificate, ClientIdentity};

use crate::world::{Ca, Files, Leaf, carry, client, named, server_name, talk};

/// What the server makes of a client, the same in both versions; either way the connection works.
fn met(trusted: &Ca, shows: Option<&Leaf>) -> ClientCertificate {
    let (ca, files) = (Ca::new("CA of the server"), Files::new());
    let setup = files.set_up(&ca.issue(&server_name()), Some(trusted)).unwrap();
    assert!(setup.asks_for_certificates());
    let [one, other] = [&TLS12, &TLS13].map(|version| {
        let (mut client, mut server) = (client(version, &ca, shows), setup.connection().unwrap());
        carry(&mut client, &mut server).unwrap();
        talk(&mut client, &mut server);
        server.facts().unwrap().client.clone()
    });
    assert_eq!(one, other);
    one
}

fn verified(trusted: &Ca, parameters: &CertificateParams) -> ClientIdentity {
    match met(trusted, Some(&trusted.issue(parameters))) {
        ClientCertificate::Verified(identity) => identity,
        other => panic!("{other:?}"),
    }
}

fn reason(trusted: &Ca, shows: &Leaf) -> String {
    match met(trusted, Some(shows)) {
        ClientCertificate::Unverified { reason } => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_verified_client_has_names() {
    let ca = Ca::new("CA of clients");
    let mut parameters = named("Alice");
    parameters.distinguished_name.push(DnType::OrganizationName, "Example, Inc.");
    parameters.serial_number = Some(vec![0x0a, 0xbc].into());
    parameters.subject_alt_names = vec![
        SanType::DnsName("laptop.example.org".try_into().unwrap()),
        SanType::Rfc822Name("alice@example.org".try_into().unwrap()),
        SanType::Rfc822Name("a.lice@example.org".try_into().unwrap()),
    ];
    let identity = verified(&ca, &parameters);
    assert_eq!(identity.mail_addresses, ["alice@example.org", "a.lice@example.org"]);
    assert_eq!(identity.common_name.as_deref(), Some("Alice"));
    assert_eq!(identity.subject, r"O=Example\, Inc.,CN=Alice");
    assert_eq!(identity.issuer, "CN=CA of clients");
    assert_eq!(identity.serial, "0ABC");
}

#[test]
fn a_name_that_can_be_read_in_two_ways_is_none() {
    let ca = Ca::new("CA of clients");
    let mut parameters = named("alice\0.example.net");
    parameters.subject_alt_names = vec![
        SanType::Rfc822Name("alice@example.org\0@example.net".try_into().unwrap()),
        SanType::Rfc822Name("".try_into().unwrap()),
    ];
    let identity = verified(&ca, &parameters);
    assert_eq!((identity.mail_addresses, identity.common_name), (vec![], None));
}

#[test]
fn nobody_is_asked_to_have_a_certificate() {
    assert_eq!(met(&Ca::new("CA of clients"), None), ClientCertificate::Absent);
}

#[test]
fn who_is_not_vouched_for_goes_on_without_a_name() {
    let (ca, other, namesake) = (Ca::new("CA of clients"), Ca::new("other"), Ca::new("CA of clients"));
    let believed = "no CA that is believed vouches for it";
    assert_eq!(reason(&namesake, &ca.issue(&named("Alice"))), "it was not signed by the CA that it names");
    // A client that has nothing from the CAs that are asked for shows what it has all the same.
    assert_eq!(reason(&ca, &other.issue(&named("Alice"))), believed);
    let mut expired = named("Alice");
    (expired.not_before, expired.not_after) =
        (rcgen::date_time_ymd(2001, 1, 1), rcgen::date_time_ymd(2002, 1, 1));
    assert!(reason(&ca, &ca.issue(&expired)).contains("expired"));
    let mut for_servers = named("Alice");
    for_servers.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    assert!(reason(&ca, &ca.issue(&for_servers)).contains("extended key usage"));
}

#[test]
fn the_words_are_those_of_sendmail() {
    let unverified = ClientCertificate::Unverified { reason: String::new() };
    let words = [ClientCertificate::NotRequested, ClientCertificate::Absent, unverified.clone()];
    assert_eq!(words.each_ref().map(ClientCertificate::verify_word), ["NOT", "NO", "FAIL"]);
    assert_eq!(unverified.identity(), None);
}

mod thieves {
    //! Somebody who shows a certificate without having its key.

    use std::sync::Arc;

    use rustls::client::ResolvesClientCert;
    use rustls::crypto::ring::{default_provider, sign::any_supported_type};
    use rustls::pki_types::PrivateKeyDer;
    use rustls::pki_types::pem::PemObject;
    use rustls::sign::CertifiedKey;
    use rustls::{ClientConfig, ClientConnection, RootCertStore, SignatureScheme};
    use tls::ConnectionError;

    use super::*;
    use crate::world::der;

    #[derive(Debug)]
    struct Stolen(Arc<CertifiedKey>);

    impl ResolvesClientCert for Stolen {
        fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
            Some(Arc::clone(&self.0))
        }

        fn has_certs(&self) -> bool {
            true
        }
    }

    #[test]
    fn a_certificate_without_its_key_ends_the_handshake() {
        let (ca, clients, files) = (Ca::new("CA"), Ca::new("CA of clients"), Files::new());
        let setup = files.set_up(&ca.issue(&server_name()), Some(&clients)).unwrap();
        let (alice, mallory) = (clients.issue(&named("Alice")), clients.issue(&named("Mallory")));
        let key =
            any_supported_type(&PrivateKeyDer::from_pem_slice(mallory.key.as_bytes()).unwrap()).unwrap();
        let stolen = Arc::new(CertifiedKey::new(vec![der(&alice.pem)], key));
        let mut roots = RootCertStore::empty();
        roots.add(der(&ca.pem)).unwrap();
        for version in [&TLS12, &TLS13] {
            let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
                .with_protocol_versions(&[version])
                .unwrap()
                .with_root_certificates(roots.clone())
                .with_client_cert_resolver(Arc::new(Stolen(Arc::clone(&stolen))));
            let name = "mail.example.org".try_into().unwrap();
            let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
            let mut server = setup.connection().unwrap();
            let fault = carry(&mut client, &mut server).unwrap_err();
            assert_eq!(fault, ConnectionError::ClientCertificate("wrong signature".to_owned()));
            assert!(server.facts().is_none());
        }
    }
}

#[test]
fn what_was_verified_counts_as_long_as_its_cas_are_believed() {
    let (one, other, server) = (Ca::new("one"), Ca::new("other"), Ca::new("CA of the server"));
    let files = Files::new();
    let leaf = server.issue(&server_name());
    let with_none = files.set_up(&leaf, None).unwrap();
    let setup = |text: String| {
        let file = files.write("ca.pem", text, Kind::Certificate);
        with_none.with_client_ca(Some(&file)).unwrap()
    };
    let with_one = setup(one.pem.clone());
    let with_both = setup(format!("{}{}", other.pem, one.pem));
    assert!(with_one.believes_as(&setup(one.pem.clone())), "another file with the same CA");
    assert!(
        with_both.believes_as(&with_one)
            && with_both.believes_as(&setup(format!("{}{}", one.pem, other.pem)))
    );
    assert!(!with_one.believes_as(&with_both) && !with_one.believes_as(&setup(other.pem.clone())));
    assert!(!with_none.believes_as(&with_one) && !with_one.believes_as(&with_none));
    assert!(
        with_one.asks_for_certificates() && !with_one.with_client_ca(None).unwrap().asks_for_certificates()
    );
    let broken = files.write("ca.pem", "nothing", Kind::Certificate);
    assert!(with_one.with_client_ca(Some(&broken)).is_err());
}
