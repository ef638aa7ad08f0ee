//! Who has not logged in brings mail for our own addresses only, however he spells another.

use super::house::{Door, House, PASSWORD};
use super::programs::{CURL, Login, Way};

/// Recipients that lead elsewhere, or pretend not to.
const ELSEWHERE: &[&str] = &[
    "bob@elsewhere.example",
    "\"bob\"@elsewhere.example",
    // The percent hack, and the one of UUCP.
    "bob%elsewhere.example@example.org",
    "alice%elsewhere.example@example.org",
    "bob%elsewhere.example%example.org@example.org",
    "bob@elsewhere.example%example.org",
    "elsewhere.example!bob",
    "elsewhere.example!bob@example.org",
    // Source routes.
    "@example.org:bob@elsewhere.example",
    "@example.org,@mail.example.org:bob@elsewhere.example",
    "@example.org:bob%elsewhere.example@example.org",
    // A quoted @, and more than one of them.
    "\"bob@elsewhere.example\"",
    "\"bob@elsewhere.example\"@example.org",
    "bob\\@elsewhere.example@example.org",
    "bob@elsewhere.example@example.org",
    "alice@example.org@elsewhere.example",
    "alice@example.org\\@elsewhere.example",
    // Address literals: what is meant is another host, or this one by a name that is none of its own.
    "bob@[192.0.2.1]",
    "bob@[127.0.0.1]",
    "bob@[IPv6:::1]",
    "bob@[IPv6:::ffff:192.0.2.1]",
    // Look-alikes and neighbours of our own domain.
    "alice@\u{ff45}xample.org",
    "alice@ex\u{430}mple.org",
    "alice@xn--exmple-4nf.org",
    "alice@sub.example.org",
    "alice@example.org.elsewhere.example",
    "alice@notexample.org",
    "alice@localhost",
];

#[test]
fn without_a_login_no_spelling_leads_elsewhere() {
    let Ok(house) = House::start() else { return };
    let mut client = house.speak(Door::Open);
    assert!(client.say("MAIL FROM:<alice@example.org>").starts_with("250 "));
    for address in ELSEWHERE {
        let said = client.say(&format!("RCPT TO:<{address}>"));
        assert!(said.starts_with("55") || said.starts_with("501 5.1.3 "), "{address}: {said}");
    }
    let said = client.say("DATA");
    assert!(said.starts_with("503 "), "{said}");
    // Our own may have mail from anybody.
    let said = house.speak(Door::Open).send("stranger@elsewhere.example", "alice@example.org");
    assert!(said.starts_with("250 "), "{said}");
    assert!(house.mail("peers").contains("with ESMTP id "));
    assert!(!waiting(&house).contains("elsewhere"));
}

#[test]
fn a_door_that_wants_a_login_takes_no_mail_without() {
    let Ok(house) = House::start() else { return };
    for address in ["alice@example.org", "bob@elsewhere.example"] {
        let said = house.speak(Door::Default).send("alice@example.org", address);
        assert!(said.starts_with("530 5.7.0 "), "{address}: {said}");
    }
}

#[test]
fn with_a_login_mail_for_elsewhere_waits_in_the_queue() {
    let Ok(house) = House::start() else { return };
    let Ok(()) = CURL.installed() else { return };
    for (mechanism, way) in [("CRAM-MD5", Way::Clear), ("PLAIN", Way::StartTls), ("DIGEST-MD5", Way::Tls)] {
        let recipient = format!("{}@elsewhere.example", mechanism.to_lowercase());
        let done = CURL.run(
            &house,
            &Login {
                mechanism,
                user: "alice",
                password: PASSWORD,
                way,
                subject: "elsewhere",
                recipient: &recipient,
            },
        );
        assert!(done.is_success, "{}", done.shown);
        assert!(waiting(&house).contains(&recipient), "{}", waiting(&house));
    }
    assert_eq!(house.mails(), [""; 0]);
}

fn waiting(house: &House) -> String {
    let said = house.gatepostd(&["queue", "list"]);
    assert!(said.status.success(), "{said:?}");
    String::from_utf8_lossy(&said.stdout).into_owned()
}
