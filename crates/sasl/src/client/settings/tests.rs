use credential::PropertySet;

use super::*;
use crate::channel::BindingKind;

fn settings(means: Means) -> Settings {
    Settings {
        login: Login { authentication: b"user".to_vec(), authorization: None, realm: None },
        means,
        service: "smtp".to_owned(),
        host: "mail.example.org".to_owned(),
        port: None,
        mechanisms: MechanismSet::ALL,
        requirements: Requirements { properties: PropertySet::EMPTY, ..Requirements::default() },
        clear_text: ClearText::UnderLayer,
        iterations: Settings::ITERATIONS,
        layers: Layers { max_buffer: 0, ciphers: Vec::new() },
    }
}

fn bound() -> Channel {
    Channel::layered(256).with_binding(BindingKind::TlsExporter, [1; 32])
}

fn chosen(settings: &Settings, offered: &str, channel: &Channel) -> Option<(&'static str, Downgrade)> {
    let choice = settings.choose(offered.split(' '), channel).ok()?;
    Some((choice.mechanism().name(), choice.downgrade()))
}

#[test]
fn the_strongest_that_both_have_is_chosen() {
    use Downgrade::{No, Perhaps};
    let all = "PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-1-PLUS GSSAPI";
    let without_plus = "PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 scram-sha-256";
    for (offered, channel, expected) in [
        (all, bound(), Some(("SCRAM-SHA-1-PLUS", No))),
        (all, Channel::layered(256), Some(("SCRAM-SHA-256", No))),
        (all, Channel::clear(), Some(("SCRAM-SHA-256", No))),
        (without_plus, bound(), Some(("SCRAM-SHA-256", Perhaps))),
        (without_plus, Channel::clear(), Some(("SCRAM-SHA-256", No))),
        ("PLAIN CRAM-MD5 DIGEST-MD5", Channel::clear(), Some(("DIGEST-MD5", No))),
        ("PLAIN LOGIN", Channel::layered(128), Some(("PLAIN", No))),
        ("PLAIN LOGIN", Channel::clear(), None),
        ("GSSAPI", bound(), None),
        ("", bound(), None),
    ] {
        assert_eq!(chosen(&settings(Means::Password), offered, &channel), expected, "{offered}");
    }
}

#[test]
fn clear_text_goes_in_the_open_only_if_the_caller_insists() {
    let mut settings = settings(Means::Password);
    settings.clear_text = ClearText::Anywhere;
    assert_eq!(chosen(&settings, "PLAIN", &Channel::clear()), Some(("PLAIN", Downgrade::No)));
}

#[test]
fn a_token_is_never_sent_in_place_of_a_password() {
    let offered = "OAUTHBEARER XOAUTH2 PLAIN EXTERNAL ANONYMOUS";
    for (means, name) in
        [(Means::Token, "OAUTHBEARER"), (Means::Nothing, "EXTERNAL"), (Means::Password, "PLAIN")]
    {
        assert_eq!(chosen(&settings(means), offered, &bound()), Some((name, Downgrade::No)));
    }
    assert_eq!(chosen(&settings(Means::Token), offered, &Channel::clear()), None);
}

#[test]
fn whom_to_act_for_is_never_dropped_in_silence() {
    let mut settings = settings(Means::Password);
    settings.login.authorization = Some(b"other".to_vec());
    assert_eq!(chosen(&settings, "CRAM-MD5 LOGIN PLAIN", &bound()), Some(("PLAIN", Downgrade::No)));
    let none = settings.choose(["CRAM-MD5"], &bound()).unwrap_err();
    assert_eq!(none.to_string(), "no mechanism fits: CRAM-MD5: it cannot carry an authorization identity");
}

/// A client that was told to bind never falls back to what is not bound because the list is shorter than it was.
#[test]
fn requirements_are_the_clients_own() {
    let mut settings = settings(Means::Password);
    settings.requirements.properties = PropertySet::EMPTY.with(Property::Mutual);
    assert_eq!(chosen(&settings, "PLAIN CRAM-MD5", &bound()), None);
    settings.mechanisms = MechanismSet::EMPTY.with("SCRAM-SHA-256-PLUS".parse().unwrap());
    assert_eq!(chosen(&settings, "SCRAM-SHA-256", &bound()), None);
}
