//! Who has not logged in brings mail for our own addresses only, however he spells another.

use tests::peer::client::Client;
use tests::peer::until;

use super::programs::{CURL, Login, LogsIn, Way};
use tests::house::{Door, House, PASSWORD};

/// One on each line, with the answer that it has to have.
const SPELLINGS: &str = include_str!("data/spellings");

const NOTHING_WAITS: &str = "0 in the queue\n";

#[test]
fn without_a_login_no_spelling_leads_elsewhere() {
    let Ok(house) = House::start() else { return };
    let by_tcp = || house.speak(Door::Open);
    let locally = || house.speak_locally();
    for (place, connect) in [("127.0.0.1", &by_tcp as &dyn Fn() -> Client), ("unix", &locally)] {
        let mut wrong = Vec::new();
        for (answer, spelling) in spellings() {
            let mut client = connect();
            let said = client.say("MAIL FROM:<alice@example.org>");
            assert!(said.starts_with("250 "), "{said}");
            let said = client.try_to_say([b"RCPT TO:", &*spelling].concat()).unwrap();
            if !said.starts_with(&answer) {
                wrong.push(format!("{answer} {}: {said}", spelling.escape_ascii()));
            }
            if said.starts_with('2') {
                // It is alice at home, whatever the spelling says.
                assert!(client.say("DATA").starts_with("354 "));
                let said = client.say("Subject: spelled\r\n\r\nA message.\r\n.");
                assert!(said.starts_with("250 "), "{}: {said}", spelling.escape_ascii());
            } else if said.starts_with('5') {
                let said = client.say("DATA");
                assert!(said.starts_with("503 "), "{}: {said}", spelling.escape_ascii());
            }
        }
        assert!(wrong.is_empty(), "{place}:\n{}", wrong.join("\n"));
    }
    let at_home = 2 * spellings().iter().filter(|(answer, _)| answer == "250").count();
    until("the mail for alice", || (house.mails().len() == at_home).then_some(()));
    assert_eq!(waiting(&house), NOTHING_WAITS);
}

/// What stands in the file, and what is too long for it.
fn spellings() -> Vec<(String, Vec<u8>)> {
    let lines = SPELLINGS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let written = lines.map(|line| {
        let (answer, spelling) = line.split_once(' ').unwrap();
        (answer.to_owned(), unescaped(spelling))
    });
    let long = |length: usize| "x".repeat(length);
    let labels = "label.".repeat(50);
    let longer = [
        format!("<{}@example.org>", long(65)),
        format!("<{}@example.org>", long(400)),
        format!("<bob@{}>", long(64)),
        format!("<bob@{labels}elsewhere.example>"),
        format!("<bob@{labels}example.org>"),
        format!("<bob%elsewhere.example@{labels}example.org>"),
        format!("<{}:bob@elsewhere.example>", ["@example.org"; 40].join(",")),
        format!("<{}bob@elsewhere.example>", "example.org!".repeat(40)),
        format!("<bob{}@example.org>", "%elsewhere.example".repeat(30)),
    ];
    // A command of this length ends the session.
    let longest = [
        format!("<bob@elsewhere.example>{}", " ".repeat(3000)),
        format!("<{}@elsewhere.example>", long(5000)),
    ];
    let longer = longer.map(|spelling| ("5".to_owned(), spelling.into_bytes()));
    let longest = longest.map(|spelling| ("421".to_owned(), spelling.into_bytes()));
    written.chain(longer).chain(longest).collect()
}

/// `\xHH` is an octet; every other `\` is itself.
fn unescaped(text: &str) -> Vec<u8> {
    let mut pieces = text.split("\\x");
    let mut octets = pieces.next().unwrap().as_bytes().to_vec();
    for piece in pieces {
        octets.push(u8::from_str_radix(&piece[..2], 16).unwrap());
        octets.extend_from_slice(&piece.as_bytes()[2..]);
    }
    octets
}

#[test]
fn strangers_bring_mail_for_our_own() {
    let Ok(house) = House::start() else { return };
    let said = house.speak(Door::Open).send("stranger@elsewhere.example", "alice@example.org");
    assert!(said.starts_with("250 "), "{said}");
    assert!(house.mail("peers").contains("with ESMTP id "));
}

#[test]
fn a_door_that_wants_a_login_takes_no_mail_without() {
    let Ok(house) = House::start() else { return };
    for door in [Door::Default, Door::Login] {
        for (answer, spelling) in spellings() {
            let mut client = house.speak(door);
            let said = client.say("MAIL FROM:<alice@example.org>");
            assert!(said.starts_with("530 5.7.0 "), "{said}");
            let said = client.try_to_say([b"RCPT TO:", &*spelling].concat()).unwrap();
            let answer = if answer == "250" { "5" } else { &answer };
            assert!(said.starts_with(answer), "{}: {said}", spelling.escape_ascii());
        }
    }
    assert_eq!((waiting(&house), house.mails()), (NOTHING_WAITS.to_owned(), Vec::new()));
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
