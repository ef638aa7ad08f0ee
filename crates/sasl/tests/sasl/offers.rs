//! What is offered, and why the rest is not.

use credential::{KindSet, Mechanism, MechanismSet};
use sasl::server::{self, Class};
use sasl::{Channel, LeftOut, Requirements};

use crate::world::*;

fn offered(site: &Site, channel: &Channel) -> String {
    let names: Vec<_> = site.settings.offer(channel).mechanisms.iter().map(Mechanism::name).collect();
    names.join(" ")
}

#[test]
fn an_offer_is_what_is_possible_now() {
    let mut site = Site::keeping(KindSet::default());
    site.change(|settings| settings.requirements = Requirements::default());
    assert_eq!(offered(&site, &Channel::clear()), "SCRAM-SHA-256");
    assert_eq!(offered(&site, &Channel::layered(256)), "SCRAM-SHA-256 PLAIN LOGIN");
    assert_eq!(offered(&site, &tls()), "SCRAM-SHA-256-PLUS SCRAM-SHA-256 EXTERNAL PLAIN LOGIN");
    let left = site.settings.offer(&Channel::clear()).left_out;
    for (name, why) in [
        ("SCRAM-SHA-256-PLUS", LeftOut::NoBinding),
        ("CRAM-MD5", LeftOut::NoVerifier(credential::VerifierKind::CramMd5)),
        ("PLAIN", LeftOut::Lacks(credential::Property::NoPlaintext)),
        ("ANONYMOUS", LeftOut::Lacks(credential::Property::NoAnonymous)),
        ("EXTERNAL", LeftOut::NoIdentity),
        ("OAUTHBEARER", LeftOut::NoServerSide),
    ] {
        assert!(left.contains(&(name.parse().unwrap(), why)), "{name}");
    }
}

/// The table of sendmail 8.17 with Cyrus SASL, letter by letter.
#[test]
fn auth_options_leave_what_sendmail_leaves() {
    let names = "SCRAM-SHA-256 SCRAM-SHA-1 EXTERNAL DIGEST-MD5 CRAM-MD5 PLAIN LOGIN";
    let mut site = Site::new();
    let bound: MechanismSet = names.split(' ').map(|name| name.parse::<Mechanism>().unwrap()).collect();
    let certificate = Channel::layered(256).with_identity("user");
    for (letters, clear, under_tls) in [
        ("", "SCRAM-SHA-256 SCRAM-SHA-1 DIGEST-MD5 CRAM-MD5 PLAIN LOGIN", names),
        ("p", "SCRAM-SHA-256 SCRAM-SHA-1 DIGEST-MD5 CRAM-MD5", names),
        ("y", "SCRAM-SHA-256 SCRAM-SHA-1 DIGEST-MD5 CRAM-MD5 PLAIN LOGIN", names),
        ("a", "SCRAM-SHA-256 SCRAM-SHA-1", "SCRAM-SHA-256 SCRAM-SHA-1"),
        ("d", "", "EXTERNAL"),
        ("f", "", ""),
        ("m", "SCRAM-SHA-256 SCRAM-SHA-1 DIGEST-MD5", "SCRAM-SHA-256 SCRAM-SHA-1 DIGEST-MD5"),
        ("c", "PLAIN LOGIN", "PLAIN LOGIN"),
    ] {
        site.change(|settings| {
            settings.mechanisms = bound;
            settings.requirements = requirements(letters);
        });
        assert_eq!(offered(&site, &Channel::clear()), clear, "{letters} in clear");
        assert_eq!(offered(&site, &certificate), under_tls, "{letters} under TLS");
    }
}

#[test]
fn what_is_not_offered_cannot_be_begun() {
    let mut site = Site::keeping(KindSet::default());
    site.change(|settings| settings.requirements = Requirements::default());
    for mechanism in Mechanism::ALL {
        let channel = Channel::clear();
        let is_offered = site.settings.offer(&channel).mechanisms.contains(mechanism);
        let step = server::begin(mechanism, None, &site.settings, &channel, dice(1));
        match step {
            server::Step::Failed(failure) => {
                assert!(!is_offered, "{mechanism}");
                assert_eq!(failure.class(), Class::NotOffered);
            }
            _ => assert!(is_offered, "{mechanism}"),
        }
    }
}
