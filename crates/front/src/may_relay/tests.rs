use std::collections::BTreeMap;

use smtp::server::Logins;

use super::*;

/// A map as makemap would build it.
#[derive(Default)]
struct Table(BTreeMap<String, String>);

impl Access for Table {
    fn look_up(&self, key: &str) -> Result<Option<String>, AccessTrouble> {
        Ok(self.0.get(&key.to_ascii_lowercase()).cloned())
    }
}

struct Broken;

impl Access for Broken {
    fn look_up(&self, _key: &str) -> Result<Option<String>, AccessTrouble> {
        Err(AccessTrouble("damaged".to_owned()))
    }
}

/// `key value`, separated by semicolons.
fn table(text: &str) -> Table {
    let lines = text.split(';').map(str::trim).filter(|line| !line.is_empty());
    let split = |line: &str| {
        let (key, value) = line.split_once(' ').unwrap();
        (key.to_ascii_lowercase(), value.trim().to_owned())
    };
    Table(lines.map(split).collect())
}

fn rules() -> RelayRules {
    RelayRules {
        host: "mail.gate.test".to_owned(),
        local_domains: vec!["gate.test".to_owned()],
        relay_domains: vec!["friend.test".to_owned()],
        trusted: TrustedMechanisms::Offered,
    }
}

fn shown(decision: &Decision) -> String {
    let rule = match &decision.rule {
        Rule::Key(key) => key.clone(),
        Rule::Nothing => String::new(),
        other => format!("{other:?}"),
    };
    let verdict = match &decision.verdict {
        Verdict::Refuse(refusal) => refusal.reply().to_string(),
        other => format!("{other:?}"),
    };
    format!("{verdict} | {rule}").trim_end_matches(" | ").to_owned()
}

/// A try to send: the whole decision, in the order of a session.
#[derive(Clone, Copy)]
struct Try<'a> {
    access: &'a str,
    client: &'a str,
    name: Option<&'a str>,
    mechanism: Option<&'a str>,
    from: &'a str,
    to: &'a str,
}

const TRY: Try<'_> = Try {
    access: "",
    client: "198.51.100.77",
    name: None,
    mechanism: None,
    from: "<a@far.test>",
    to: "<u@remote.test>",
};

fn decide(tried: Try<'_>) -> Decision {
    let access = table(tried.access);
    let name = tried.name.map_or(Name::None, Name::Confirmed);
    let from = Client { address: tried.client.parse().ok(), name };
    let login =
        tried.mechanism.map(|mechanism| LoggedIn { mechanism, is_somebody: mechanism != "ANONYMOUS" });
    let (reverse, _) = ReversePath::parse(tried.from.as_bytes()).unwrap();
    let (forward, _) = ForwardPath::parse(tried.to.as_bytes()).unwrap();
    for decision in [client(from, &access), sender(&reverse, &access)] {
        if decision.verdict != Verdict::Accept {
            return decision;
        }
    }
    recipient(
        &forward,
        Facts { client: from, login, logins: Logins::Possible, rules: &rules(), access: &access },
    )
}

fn check(tried: Try<'_>, expected: &str) {
    let found = shown(&decide(tried));
    let denied = format!("550 5.7.1 {}... Relaying denied. Proper authentication required.", tried.to);
    let expected = if expected == "denied" { &denied } else { expected };
    assert_eq!(found, expected, "{} {:?} {} {}", tried.access, tried.mechanism, tried.from, tried.to);
}

#[test]
fn without_a_map() {
    check(TRY, "denied");
    check(Try { client: "127.0.0.1", ..TRY }, "denied");
    check(Try { client: "::1", ..TRY }, "denied");
    check(Try { mechanism: Some("PLAIN"), ..TRY }, "Relay | TrustedMechanism");
    check(Try { mechanism: Some("ANONYMOUS"), ..TRY }, "denied");
    check(Try { mechanism: Some("PLAIN"), to: "<u@Gate.TEST>", ..TRY }, "Local | TrustedMechanism");
    check(Try { to: "<u@gate.test>", ..TRY }, "Local | LocalDomain");
    check(Try { to: "<Postmaster>", ..TRY }, "Local | LocalDomain");
    check(Try { to: "<u@friend.test>", ..TRY }, "Relay | RelayDomain(\"friend.test\")");
    check(Try { to: "<u@sub.FRIEND.test>", ..TRY }, "Relay | RelayDomain(\"friend.test\")");
    for to in ["<u@notfriend.test>", "<u@friend.test.evil>", "<u@sub.gate.test>", "<u@test>"] {
        check(Try { to, ..TRY }, "denied");
    }
}

#[test]
fn each_tag_and_the_bare_form() {
    for (access, expected) in [
        ("Connect:198.51.100.77 RELAY", "Relay | Connect:198.51.100.77"),
        ("Connect:198.51.100 RELAY", "Relay | Connect:198.51.100"),
        ("Connect:198 RELAY", "Relay | Connect:198"),
        ("198.51.100.77 RELAY", "Relay | 198.51.100.77"),
        ("198.51.100 RELAY", "Relay | 198.51.100"),
        ("Connect:198.51.100.7 RELAY", "denied"),
        ("Connect:198.51.100.77 OK", "denied"),
        ("Connect:198.51.100.77 REJECT", "550 5.7.1 Access denied | Connect:198.51.100.77"),
        ("198.51.100 REJECT", "550 5.7.1 Access denied | 198.51.100"),
        ("Connect:198.51.100.77 DISCARD", "Discard | Connect:198.51.100.77"),
        ("Connect:198.51.100.77 550 not you", "550 5.7.1 not you | Connect:198.51.100.77"),
        ("Connect:198.51.100.77 SKIP; Connect:198.51.100 RELAY", "denied"),
        ("Connect:198.51.100.77 OK; Connect:198.51.100 REJECT", "denied"),
        ("To:remote.test RELAY", "Relay | To:remote.test"),
        ("To:test RELAY", "Relay | To:test"),
        ("remote.test RELAY", "Relay | remote.test"),
        ("test RELAY", "Relay | test"),
        ("To:u@remote.test RELAY", "denied"),
        ("To:remote.test SKIP; remote.test RELAY", "denied"),
        ("To:remote.test OK", "denied"),
        (
            "To:remote.test REJECT",
            "550 5.2.1 <u@remote.test>... Mailbox disabled for this recipient | To:remote.test",
        ),
        ("remote.test ERROR:4.2.1:450 full", "450 4.2.1 full | remote.test"),
        ("To:u@ 550 gone", "550 5.7.1 gone | To:u@"),
        ("To:u@remote.test DISCARD", "Discard | To:u@remote.test"),
        ("From:far.test RELAY", "denied"),
        ("From:a@far.test RELAY", "denied"),
        ("far.test RELAY", "denied"),
        ("From:far.test REJECT", "550 5.7.1 Access denied | From:far.test"),
        ("far.test REJECT", "550 5.7.1 Access denied | far.test"),
        ("From:test 554 no", "554 5.7.1 no | From:test"),
        ("From:a@far.test OK; From:far.test REJECT", "denied"),
        ("From:remote.test REJECT; Connect:remote.test REJECT", "denied"),
    ] {
        check(Try { access, ..TRY }, expected);
    }
}

#[test]
fn rejections_hold_for_who_has_logged_in() {
    for (access, expected) in [
        ("Connect:198.51.100.77 REJECT", "550 5.7.1 Access denied | Connect:198.51.100.77"),
        ("From:far.test REJECT", "550 5.7.1 Access denied | From:far.test"),
        (
            "To:remote.test REJECT",
            "550 5.2.1 <u@remote.test>... Mailbox disabled for this recipient | To:remote.test",
        ),
        ("To:remote.test RELAY", "Relay | TrustedMechanism"),
    ] {
        check(Try { access, mechanism: Some("SCRAM-SHA-256"), ..TRY }, expected);
    }
}

#[test]
fn a_name_counts_only_when_it_is_confirmed() {
    let access = "Connect:far.test RELAY";
    check(Try { access, from: "<a@b.c>", ..TRY }, "denied");
    check(Try { access, name: Some("client.far.test"), from: "<a@b.c>", ..TRY }, "Relay | Connect:far.test");
    check(
        Try { access: "far.test RELAY", name: Some("Far.test"), from: "<a@b.c>", ..TRY },
        "Relay | far.test",
    );
    check(
        Try { access: "Connect:far.test REJECT", name: Some("x.far.test"), ..TRY },
        "550 5.7.1 Access denied | Connect:far.test",
    );
}

#[test]
fn a_name_that_nobody_knows_now_is_neither_yes_nor_no() {
    let (to, _) = ForwardPath::parse(b"<u@remote.test>").unwrap();
    let later =
        "450 4.4.0 Relaying temporarily denied. Cannot resolve PTR record for 198.51.100.77 | NameUnknown";
    let denied = "550 5.7.1 <u@remote.test>... Relaying denied. Proper authentication required.";
    let ask = |access: &dyn Access, login| {
        let client = Client { address: "198.51.100.77".parse().ok(), name: Name::Unknown };
        shown(&recipient(&to, Facts { client, login, logins: Logins::Possible, rules: &rules(), access }))
    };
    let plain = Some(LoggedIn { mechanism: "PLAIN", is_somebody: true });
    assert_eq!(ask(&table("Connect:far.test RELAY"), None), later);
    assert_eq!(ask(&table("Connect:far.test RELAY"), plain), "Relay | TrustedMechanism");
    assert_eq!(ask(&table("Connect:198.51.100 RELAY"), None), "Relay | Connect:198.51.100");
    assert_eq!(ask(&crate::access::NoAccess, None), denied);
}

#[test]
fn ipv6_by_its_groups() {
    let client = "2001:db8::1";
    for (access, expected) in [
        ("Connect:IPv6:2001:db8::1 RELAY", "Relay | Connect:IPv6:2001:db8::1"),
        ("Connect:IPv6:2001:db8 RELAY", "Relay | Connect:IPv6:2001:db8"),
        ("IPv6:2001:DB8:0:0:0:0:0:1 RELAY", "Relay | IPv6:2001:db8:0:0:0:0:0:1"),
        ("Connect:IPv6:2001:db8:1 RELAY", "denied"),
    ] {
        check(Try { access, client, ..TRY }, expected);
    }
    check(
        Try { access: "Connect:198.51.100.77 RELAY", client: "::ffff:198.51.100.77", ..TRY },
        "Relay | Connect:198.51.100.77",
    );
}

#[test]
fn no_spelling_widens_it() {
    for to in [
        "<u%remote.test@gate.test>",
        "<remote.test!u@gate.test>",
        "<\"u@remote.test\"@gate.test>",
        "<u%remote.test@friend.test>",
        "<\"u@remote.test\"@friend.test>",
        "<u%remote.test@other.test>",
        "<u@[192.0.2.1]>",
        "<u@[IPv6:2001:db8::1]>",
        "<u@192.0.2.1>",
        "<u@203.0.113.2>",
        "<\"u@gate.test\"@remote.test>",
        "<u%gate.test@remote.test>",
    ] {
        check(Try { to, ..TRY }, "denied");
        // Meant for clients, and for the domain other.test: neither is the recipient.
        check(
            Try {
                to,
                access: "192.0.2 RELAY; 192.0.2.1 RELAY; 2 RELAY; IPv6:2001 RELAY; To:other.test RELAY",
                ..TRY
            },
            "denied",
        );
    }
    // A source route is gone before anybody decides.
    let routed = decide(Try { to: "<@gate.test,@friend.test:u@remote.test>", ..TRY });
    assert_eq!(
        shown(&routed),
        "550 5.7.1 <u@remote.test>... Relaying denied. Proper authentication required."
    );
    for octets in ["<u@g\u{e4}te.test>", "<u@gate.test\u{ff0e}evil>", "<u@gate.test.>", "<u@gate.test\0>"] {
        assert!(ForwardPath::parse(octets.as_bytes()).is_err());
    }
    check(Try { to: "<u@[192.0.2.1]>", access: "To:192.0.2 RELAY", ..TRY }, "Relay | To:192.0.2");
}

#[test]
fn what_is_rejected_is_rejected_in_every_spelling() {
    let access = "To:remote.test REJECT";
    for to in ["<u%remote.test@friend.test>", "<\"u@remote.test\"@gate.test>", "<remote.test!u@friend.test>"]
    {
        let found = decide(Try { to, access, mechanism: Some("PLAIN"), ..TRY });
        assert!(shown(&found).starts_with("550 5.2.1 "), "{to}");
    }
}

#[test]
fn a_map_that_cannot_be_read_is_neither_yes_nor_no() {
    let expected = "451 4.3.0 Temporary system failure. Please try again later.";
    let nobody = Client { address: "192.0.2.1".parse().ok(), name: Name::None };
    let (to, _) = ForwardPath::parse(b"<u@gate.test>").unwrap();
    let (from, _) = ReversePath::parse(b"<u@gate.test>").unwrap();
    let facts =
        Facts { client: nobody, login: None, logins: Logins::Possible, rules: &rules(), access: &Broken };
    for decision in [client(nobody, &Broken), sender(&from, &Broken), recipient(&to, facts)] {
        assert_eq!(decision.refusal().unwrap().reply().to_string(), expected);
    }
    assert_eq!(sender(&ReversePath::Null, &Broken).verdict, Verdict::Accept);
}

#[test]
fn only_named_mechanisms_are_trusted() {
    let named = |names: &[&str]| RelayRules {
        trusted: TrustedMechanisms::Named(names.iter().map(|name| (*name).to_owned()).collect()),
        ..rules()
    };
    let (to, _) = ForwardPath::parse(b"<u@remote.test>").unwrap();
    let login = Some(LoggedIn { mechanism: "plain", is_somebody: true });
    let access = table("");
    let ask = |rules: &RelayRules| {
        shown(&recipient(
            &to,
            Facts { client: Client::default(), login, logins: Logins::Possible, rules, access: &access },
        ))
    };
    assert_eq!(ask(&named(&["PLAIN"])), "Relay | TrustedMechanism");
    assert!(ask(&named(&["CRAM-MD5"])).ends_with("Proper authentication required."));
    assert_eq!(ask(&named(&[])), "550 5.7.1 <u@remote.test>... Relaying denied");
}

/// Who would log in if he could must not hear that his mail is unwanted.
#[test]
fn where_nobody_can_log_in_who_has_not_is_put_off() {
    let (to, _) = ForwardPath::parse(b"<u@remote.test>").unwrap();
    let ask = |login, trusted: TrustedMechanisms| {
        let rules = RelayRules { trusted, ..rules() };
        let access = crate::access::NoAccess;
        let client = Client::default();
        shown(&recipient(
            &to,
            Facts { client, login, logins: Logins::NotNow, rules: &rules, access: &access },
        ))
    };
    let later = "451 4.3.0 <u@remote.test>... Relaying temporarily denied. Nobody can log in now.";
    assert_eq!(ask(None, TrustedMechanisms::Offered), later);
    let anonymous = Some(LoggedIn { mechanism: "ANONYMOUS", is_somebody: false });
    assert!(ask(anonymous, TrustedMechanisms::Offered).starts_with("550 "));
    // A login would be of no use.
    assert!(ask(None, TrustedMechanisms::Named(Vec::new())).starts_with("550 "));
}
