//! Right and wrong logins, by every mechanism.

use std::sync::Arc;

use credential::policy::{Recipe, Salts};
use credential::record::State;
use credential::{Label, Mechanism, MechanismSet, Occasion, Secret, Verdict};
use proptest::prelude::*;
use sasl::client::{self, Means};
use sasl::server::{self, Class, Failure, Principal};
use sasl::{BindingKind, Channel};

use crate::world::*;

#[test]
fn the_right_password_logs_in_by_every_mechanism() {
    for mechanism in with_password() {
        let mut site = Site::new().with_user("user", "pencil");
        let ended = log_in(&mut site, mechanism, "user", "pencil", None);
        let outcome = ended.server.unwrap_or_else(|failure| panic!("{mechanism}: {failure}"));
        assert_eq!(outcome.principal, Principal::User(identity("user")), "{mechanism}");
        assert_eq!(outcome.mechanism, mechanism);
        assert_eq!(outcome.credential, Some(Label::main()), "{mechanism}");
        let mutual =
            matches!(mechanism, Mechanism::Scram(_) | Mechanism::ScramPlus(_) | Mechanism::DigestMd5);
        assert_eq!(ended.client.unwrap().is_mutual, mutual, "{mechanism}");
        assert_eq!(site.lookups, 1, "{mechanism}");
    }
}

#[test]
fn a_wrong_password_fails_as_an_absent_user_does() {
    for mechanism in with_password() {
        let mut site = Site::new().with_user("user", "pencil");
        let wrong = log_in(&mut site, mechanism, "user", "Pencil", None);
        let absent = log_in(&mut site, mechanism, "nobody", "pencil", None);
        assert_eq!(wrong.server.as_ref().unwrap_err(), &Failure::WrongPassword, "{mechanism}");
        assert_eq!(absent.server.as_ref().unwrap_err(), &Failure::NoSuchUser, "{mechanism}");
        assert_eq!(wrong.client.unwrap_err(), absent.client.unwrap_err(), "{mechanism}");
        assert_eq!(wrong.server.unwrap_err().class(), Class::Refused);
        let lengths = |messages: &[Vec<u8>]| messages.iter().skip(1).map(Vec::len).collect::<Vec<_>>();
        let (wrong, absent) = (wrong.messages, absent.messages);
        assert_eq!(wrong.len(), absent.len(), "{mechanism}");
        if !matches!(mechanism, Mechanism::CramMd5 | Mechanism::DigestMd5 | Mechanism::Login) {
            assert_eq!(lengths(&wrong), lengths(&absent), "{mechanism}");
        }
    }
}

#[test]
fn who_is_locked_out_fails_as_an_absent_user_does() {
    for mechanism in with_password() {
        let mut site = Site::new().with_user("user", "pencil");
        site.user("user").set_state(None, State::Suspended, NOW).unwrap();
        let ended = log_in(&mut site, mechanism, "user", "pencil", None);
        assert_eq!(ended.server.unwrap_err(), Failure::NotUsable, "{mechanism}");
        let mut site = Site::new().with_user("user", "pencil");
        site.user("user").set_expires(None, Some(NOW), NOW).unwrap();
        let ended = log_in(&mut site, mechanism, "user", "pencil", None);
        assert_eq!(ended.server.unwrap_err(), Failure::NotUsable, "{mechanism}");
    }
}

#[test]
fn a_user_without_the_verifier_fails_at_the_same_step() {
    for mechanism in with_password().into_iter().filter(|it| it.verifier().is_some()) {
        let mut site = Site::new().with_user("user", "pencil");
        let kinds = everything().without(mechanism.verifier().unwrap());
        site.user("user").retain(kinds).unwrap();
        let ended = log_in(&mut site, mechanism, "user", "pencil", None);
        assert_eq!(ended.server.unwrap_err(), Failure::NoVerifier, "{mechanism}");
        let absent = log_in(&mut site, mechanism, "nobody", "pencil", None);
        assert_eq!(ended.messages.len(), absent.messages.len(), "{mechanism}");
    }
}

/// Device and app passwords: one exchange serves all of them, and says which it was.
#[test]
fn any_of_several_credentials_logs_in() {
    for mechanism in with_password() {
        let mut site = Site::new().with_user("user", "pencil");
        let (phone, identity): (Label, _) = ("phone".parse().unwrap(), identity("user"));
        let recipe = site.user("user").recipe(&phone, &cheap(), Salts::from_random([77; Salts::OCTETS]));
        let second = credential(&phone, &identity, everything(), "crayon", &recipe);
        site.user("user").put(second).unwrap();
        for (password, label) in [("pencil", Some("main")), ("crayon", Some("phone")), ("chalk", None)] {
            let ended = log_in(&mut site, mechanism, "user", password, None);
            let found = ended.server.ok().and_then(|outcome| outcome.credential);
            assert_eq!(found.as_ref().map(Label::as_str), label, "{mechanism} {password}");
        }
        site.user("user").set_state(Some(&phone), State::Suspended, NOW).unwrap();
        let ended = log_in(&mut site, mechanism, "user", "crayon", None);
        assert_eq!(ended.server.unwrap_err(), Failure::WrongPassword, "{mechanism}: the phone was lost");
    }
}

/// Clear text serves every mechanism, where the policy keeps that alone.
#[test]
fn clear_text_serves_every_mechanism() {
    for mechanism in with_password() {
        let mut site = Site::keeping(kinds("plain")).with_user("user", "pencil");
        assert!(log_in(&mut site, mechanism, "user", "pencil", None).server.is_ok(), "{mechanism}");
        let wrong = log_in(&mut site, mechanism, "user", "pen", None).server;
        assert_eq!(wrong.unwrap_err(), Failure::WrongPassword, "{mechanism}");
        let absent = log_in(&mut site, mechanism, "nobody", "pen", None).server;
        assert_eq!(absent.unwrap_err(), Failure::NoSuchUser, "{mechanism}");
    }
}

/// A store that has come to keep nothing for a mechanism says so whoever is asked for, and not only of strangers.
#[test]
fn what_is_served_no_longer_fails_for_everybody_alike() {
    for mechanism in with_password().into_iter().filter(|it| it.verifier().is_some()) {
        let mut site = Site::new().with_user("user", "pencil");
        site.policy.keep = kinds("argon2id");
        for (userid, password) in [("user", "pencil"), ("user", "pen"), ("nobody", "pencil")] {
            let ended = log_in(&mut site, mechanism, userid, password, None);
            assert_eq!(ended.server.unwrap_err(), Failure::NotServed, "{mechanism} {userid}");
        }
    }
}

/// Who may not log in now, or not from there, looks as he always does: his salt does not come and go.
#[test]
fn who_may_not_log_in_keeps_his_salt() {
    for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-1-PLUS"] {
        let mechanism: Mechanism = mechanism.parse().unwrap();
        let mut site = Site::new().with_user("user", "pencil");
        let before = log_in(&mut site, mechanism, "user", "pencil", None).messages.swap_remove(1);
        site.user("user").set_state(None, State::Suspended, NOW).unwrap();
        let ended = log_in(&mut site, mechanism, "user", "pencil", None);
        assert_eq!((ended.messages[1].clone(), ended.server.unwrap_err()), (before, Failure::NotUsable));
    }
}

#[test]
fn an_identity_is_told_in_the_spelling_of_its_record() {
    for mechanism in with_password().into_iter().filter(|it| *it != Mechanism::DigestMd5) {
        let mut site = Site::new().with_user("user@example.org", "pencil");
        let outcome = log_in(&mut site, mechanism, "user@EXAMPLE.Org", "pencil", None).server.unwrap();
        assert_eq!(outcome.principal, Principal::User(identity("user@example.org")), "{mechanism}");
    }
}

/// Keys that one user has of old would show by salt and iterations where everybody else's are made of clear text.
#[test]
fn keys_of_a_single_user_do_not_show_in_a_store_of_clear_text() {
    let mut site = Site::keeping(kinds("plain")).with_user("user", "pencil");
    let old = Recipe::new(cheap(), Salts::from_random([5; Salts::OCTETS]));
    site.add(identity("old"), kinds("scram-sha-256"), "pencil", &old);
    let mechanism = "SCRAM-SHA-256".parse().unwrap();
    let ended = log_in(&mut site, mechanism, "old", "pencil", None);
    assert_eq!(ended.server.unwrap_err(), Failure::NoVerifier);
}

#[test]
fn realms_are_named_or_the_default() {
    for mechanism in with_password().into_iter().filter(|it| *it != Mechanism::DigestMd5) {
        let mut site =
            Site::new().with_user("user@example.org", "pencil").with_user("user@other.example", "crayon");
        for (userid, password, is_right) in [
            ("user", "pencil", true),
            ("user@example.org", "pencil", true),
            ("user@EXAMPLE.org", "pencil", true),
            ("user@other.example", "crayon", true),
            ("user@other.example", "pencil", false),
            ("user@", "pencil", false),
        ] {
            let ended = log_in(&mut site, mechanism, userid, password, None);
            assert_eq!(ended.server.is_ok(), is_right, "{mechanism} {userid} {password}");
        }
    }
}

#[test]
fn whom_a_client_acts_for_is_told_and_not_decided() {
    for mechanism in with_password().into_iter().filter(|it| it.has_authorization()) {
        let mut site = Site::new().with_user("user", "pencil");
        let outcome = log_in(&mut site, mechanism, "user", "pencil", Some("boss, =1")).server.unwrap();
        assert_eq!(outcome.authorization.unwrap().as_str(), "boss, =1", "{mechanism}");
        let outcome = log_in(&mut site, mechanism, "user", "pencil", Some("user")).server.unwrap();
        assert!(outcome.authorization.unwrap().is_of(&identity("user")), "{mechanism}");
    }
}

#[test]
fn external_is_who_the_transport_says() {
    let mechanism = Mechanism::External;
    let mut site = Site::new().with_user("user", "pencil");
    let settings = client_settings(mechanism, "ignored", None);
    let go = |site: &mut Site, channel: &Channel| {
        exchange(site, mechanism, &settings, b"", [channel, channel], |_, _| {}).server
    };
    let outcome = go(&mut site, &tls()).unwrap();
    assert_eq!((outcome.principal, outcome.credential), (Principal::User(identity("user")), None));
    let stranger = Channel::layered(256).with_identity("stranger");
    assert_eq!(go(&mut site, &stranger).unwrap_err(), Failure::NoSuchUser);
    site.user("user").set_state(None, State::Suspended, NOW).unwrap();
    assert_eq!(go(&mut site, &tls()).unwrap_err(), Failure::NotUsable);
}

#[test]
fn anonymous_leaves_a_trace() {
    let mechanism = Mechanism::Anonymous;
    let mut site = Site::new();
    for (trace, is_taken) in [
        ("sirhc", true),
        ("", true),
        (&"\u{e4}".repeat(255), true),
        (&"x".repeat(256), false),
        ("a\nb", false),
    ] {
        let settings = client_settings(mechanism, trace, None);
        let ended = exchange(&mut site, mechanism, &settings, b"", [&tls(), &tls()], |_, _| {}).server;
        let expected = Principal::Anonymous { trace: trace.to_owned() };
        assert_eq!(ended.ok().map(|outcome| outcome.principal), is_taken.then_some(expected), "{trace:?}");
    }
}

/// A caller may check a password where and when it likes.
#[test]
fn a_password_check_may_be_taken_over() {
    let mut site = Site::new().with_user("user", "pencil");
    let begin = |site: &Site, message: &[u8]| match server::begin(
        Mechanism::Plain,
        Some(message),
        &site.settings,
        &tls(),
        dice(1),
    ) {
        server::Step::Lookup { identity: found, next } => {
            assert_eq!(found, identity("user"));
            next.into_password(None).unwrap()
        }
        other => panic!("{other:?}"),
    };
    let check = begin(&site, b"\0user\0pencil");
    let verdict = site.user("user").check(check.password(), &Occasion::at(NOW)).unwrap();
    let Verdict::Right { label } = verdict else { panic!("{verdict:?}") };
    assert!(matches!(check.judge(Ok(label)), server::Step::Done(_)));
    let check = begin(&site, b"\0user\0x");
    assert!(matches!(check.judge(Err(Failure::WrongPassword)), server::Step::Failed(Failure::WrongPassword)));
}

/// -PLUS: whoever stands between two TLS connections sees two channels.
#[test]
fn a_login_is_good_on_its_own_channel_only() {
    for mechanism in with_password() {
        let mut site = Site::new().with_user("user", "pencil");
        let settings = client_settings(mechanism, "user", None);
        let other = tls().with_binding(BindingKind::TlsExporter, [0x5b; 32]);
        let ended = exchange(&mut site, mechanism, &settings, b"pencil", [&tls(), &other], |_, _| {});
        let is_bound = matches!(mechanism, Mechanism::ScramPlus(_));
        assert_eq!(ended.server.err(), is_bound.then_some(Failure::Binding), "{mechanism}");
    }
}

#[test]
fn the_certificate_serves_where_the_exporter_does_not() {
    let mechanism: Mechanism = "SCRAM-SHA-256-PLUS".parse().unwrap();
    let mut site = Site::new().with_user("user", "pencil");
    let settings = client_settings(mechanism, "user", None);
    let certificate = Channel::layered(128).with_binding(BindingKind::TlsServerEndPoint, [7; 48]);
    let both = certificate.clone().with_binding(BindingKind::TlsExporter, [1; 32]);
    let mut go = |client: &Channel, server: &Channel| {
        exchange(&mut site, mechanism, &settings, b"pencil", [client, server], |_, _| {}).server.is_ok()
    };
    assert!(go(&certificate, &certificate));
    assert!(go(&certificate, &both), "the client names which it means");
    assert!(!go(&both, &certificate), "the server has no such binding");
}

/// A server with a -PLUS form that a client could use hears from it that it saw none: the list was altered on the way.
#[test]
fn a_list_that_was_made_shorter_is_noticed() {
    let mechanism: Mechanism = "SCRAM-SHA-256".parse().unwrap();
    let mut site = Site::new().with_user("user", "pencil");
    let settings = Arc::new(client_settings(mechanism, "user", None));
    let choice = settings.choose(["SCRAM-SHA-256", "PLAIN"], &tls()).unwrap();
    let client::Step::Send { octets: Some(first), .. } = client::begin(choice, &settings, &tls(), dice(1))
    else {
        panic!()
    };
    assert!(first.starts_with(b"y,,"));
    let step = server::begin(mechanism, Some(&first), &site.settings, &tls(), dice(2));
    assert!(matches!(step, server::Step::Failed(Failure::Downgrade)));
    let without = |site: &mut Site, names: &[&str]| {
        let drop = |set: MechanismSet, name: &&str| set.without(name.parse().unwrap());
        site.change(|settings| settings.mechanisms = names.iter().fold(settings.mechanisms, drop));
    };
    without(&mut site, &["SCRAM-SHA-256-PLUS"]);
    let step = server::begin(mechanism, Some(&first), &site.settings, &tls(), dice(2));
    assert!(matches!(step, server::Step::Failed(Failure::Downgrade)), "another hash could have been bound");
    without(&mut site, &["SCRAM-SHA-1-PLUS", "SCRAM-SHA-512-PLUS"]);
    let step = server::begin(mechanism, Some(&first), &site.settings, &tls(), dice(2));
    assert!(matches!(site.settle(step), server::Step::Challenge { .. }), "it was not offered, indeed");
}

/// Runs an exchange up to a message of the client's, where the server claims success in place of its answer: whether the
/// client believes it. `None`: there are not so many messages.
fn is_believed_after(mechanism: Mechanism, messages: usize) -> Option<bool> {
    let mut site = Site::new().with_user("user", "pencil");
    let settings = Arc::new(client_settings(mechanism, "user", None));
    let mut step = client::begin(client::Choice::of(mechanism), &settings, &tls(), dice(1));
    let mut server: Option<server::AwaitResponse> = None;
    let mut sent = 0;
    loop {
        let (octets, next) = match step {
            client::Step::Secret(next) => {
                step = next.supply(&Secret::copy_of(b"pencil"));
                continue;
            }
            client::Step::Send { octets, next } => (octets, next),
            other => panic!("{mechanism}: {other:?}"),
        };
        sent += 1;
        if sent == messages {
            return Some(matches!(next.success(None), client::Step::Done(_)));
        }
        let answer = match server.take() {
            None => {
                let initial = octets.as_ref().map(|octets| octets.as_slice());
                server::begin(mechanism, initial, &site.settings, &tls(), dice(2))
            }
            Some(waiting) => waiting.respond(&octets?),
        };
        let server::Step::Challenge { octets, next: waiting } = site.settle(answer) else { return None };
        server = Some(waiting);
        step = next.challenge(&octets);
    }
}

#[test]
fn success_before_the_server_has_proven_itself_is_not_believed() {
    for mechanism in with_password() {
        let believed: Vec<bool> =
            (1..).map_while(|messages| is_believed_after(mechanism, messages)).collect();
        let expected: &[bool] = match mechanism {
            Mechanism::Plain => &[true],
            Mechanism::CramMd5 => &[false, true],
            _ => &[false, false, true],
        };
        assert_eq!(believed, expected, "{mechanism}");
    }
}

/// Where success carries data (RFC 4422, section 3.6), the server's proof may come with it.
#[test]
fn the_last_word_may_come_with_success() {
    let mechanism: Mechanism = "SCRAM-SHA-256".parse().unwrap();
    for (alter, is_right) in [(false, true), (true, false)] {
        let mut site = Site::new().with_user("user", "pencil");
        let settings = Arc::new(client_settings(mechanism, "user", None));
        let client::Step::Send { octets: Some(first), next } =
            client::begin(client::Choice::of(mechanism), &settings, &Channel::clear(), dice(1))
        else {
            panic!()
        };
        let step = server::begin(mechanism, Some(&first), &site.settings, &Channel::clear(), dice(2));
        let server::Step::Challenge { octets, next: waiting } = site.settle(step) else { panic!() };
        assert!(!waiting.is_last());
        let client::Step::Secret(secret) = next.challenge(&octets) else { panic!() };
        let client::Step::Send { octets: Some(last), next } = secret.supply(&Secret::copy_of(b"pencil"))
        else {
            panic!()
        };
        let server::Step::Challenge { mut octets, next: waiting } = waiting.respond(&last) else { panic!() };
        assert!(waiting.is_last());
        assert!(matches!(waiting.respond(b""), server::Step::Done(_)));
        octets[5] ^= u8::from(alter);
        assert_eq!(matches!(next.success(Some(&octets)), client::Step::Done(_)), is_right);
    }
}

#[test]
fn iterations_have_bounds() {
    let mechanism: Mechanism = "SCRAM-SHA-1".parse().unwrap();
    let mut site = Site::new().with_user("user", "pencil");
    let mut settings = client_settings(mechanism, "user", None);
    for (sane, is_taken) in
        [(8..=8, true), (9..=100, false), (1..=7, false), (client::Settings::ITERATIONS, false)]
    {
        settings.iterations = sane.clone();
        let ended = exchange(&mut site, mechanism, &settings, b"pencil", [&tls(), &tls()], |_, _| {});
        let expected = client::Failure::Iterations { found: 8, sane };
        assert_eq!(ended.client.err(), (!is_taken).then_some(expected));
    }
    assert_eq!(client::Settings::ITERATIONS, 4096..=2_000_000);
}

#[test]
fn tokens_are_sent_in_two_forms() {
    let token = Secret::copy_of(b"vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==");
    for (name, host, port, user, sent) in [
        (
            "OAUTHBEARER",
            "server.example.com",
            Some(143),
            "user@example.com",
            "n,a=user@example.com,\u{1}host=server.example.com\u{1}port=143\u{1}auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\u{1}\u{1}",
        ),
        (
            "XOAUTH2",
            "ignored",
            None,
            "someuser@example.com",
            "user=someuser@example.com\u{1}auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\u{1}\u{1}",
        ),
    ] {
        let mechanism: Mechanism = name.parse().unwrap();
        let mut settings = client_settings(mechanism, user, None);
        settings.host = host.to_owned();
        settings.port = port;
        let settings = Arc::new(settings);
        let begin = || client::begin(client::Choice::of(mechanism), &settings, &tls(), dice(1));
        let client::Step::Secret(asked) = begin() else { panic!() };
        let client::Step::Send { octets, next } = asked.supply(&token) else { panic!() };
        assert_eq!(std::str::from_utf8(&octets.unwrap()).unwrap(), sent);
        assert!(matches!(next.success(None), client::Step::Done(_)));
        let client::Step::Secret(asked) = begin() else { panic!() };
        let client::Step::Send { next, .. } = asked.supply(&token) else { panic!() };
        let client::Step::Send { octets, next } = next.challenge(b"{\"status\":\"invalid_token\"}") else {
            panic!()
        };
        assert_eq!(octets.unwrap().as_slice(), if name == "XOAUTH2" { &b""[..] } else { b"\x01" });
        let refusal = client::Failure::RefusedByServer("{\"status\":\"invalid_token\"}".to_owned());
        assert_eq!(next.refused(), refusal);
        let client::Step::Secret(asked) = begin() else { panic!() };
        assert!(matches!(asked.supply(&Secret::copy_of(b"a b\x01")), client::Step::Failed(_)), "not a token");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 24 } else { 200 }))]

    /// Every name and password that can be prepared, by every mechanism, and by none with another password.
    #[test]
    fn whoever_has_a_name_can_log_in(
        name in "[^@\\pC]{1,12}|[ -~&&[^@]]{1,20}",
        password in "[^\\pC]{1,12}|[ -~]{1,20}",
        other in "[ -~]{1,20}",
    ) {
        prop_assume!(credential::Username::prepare(&name).is_ok_and(|name| !name.as_str().is_empty() && !name.as_str().contains('@')));
        let prepared = credential::Password::prepare(&Secret::copy_of(password.as_bytes()));
        prop_assume!(prepared.is_ok());
        let wrong = credential::Password::prepare(&Secret::copy_of(other.as_bytes())).unwrap();
        prop_assume!(wrong.octets() != prepared.unwrap().octets());
        for mechanism in with_password().into_iter().filter(|it| Means::of(*it) == Means::Password) {
            let mut site = Site::new().with_user(&name, &password);
            let ended = log_in(&mut site, mechanism, &name, &password, None);
            prop_assert!(ended.server.is_ok() && ended.client.is_ok(), "{} {:?}", mechanism, ended);
            let ended = log_in(&mut site, mechanism, &name, &other, None);
            prop_assert!(ended.server.is_err() && ended.client.is_err(), "{} {:?}", mechanism, ended);
        }
    }
}
