//! sendmail: who may relay, how it logs in, and what it sees when a map is replaced.

use std::net::Ipv4Addr;

use tests::peer::Maps;
use tests::peer::client::Client;
use tests::peer::sendmail::Sendmail;
use tests::peer::smarthost::Smarthost;

use super::{FOUR, HERE, Looker, REBUILDS, THREE, TWO, while_rebuilt, with_others};

const ACCESS: &str = "\
# As an admin writes it: names in any case, blanks or tabs
Connect:127.0.0.2\tRELAY
Connect:127.0.0.4\tREJECT
To:Relayed.TEST   RELAY
To:closed.test\tREJECT
From:spam@Sender.test\tREJECT
";

/// Who brings a message from whom to whom, and what sendmail says.
const DECISIONS: &[(Ipv4Addr, &str, &str, &str)] = &[
    (TWO, "a@sender.test", "b@elsewhere.test", "250 2.1.5"),
    (THREE, "a@sender.test", "b@elsewhere.test", "550 5.7.1"),
    (THREE, "a@sender.test", "b@relayed.test", "250 2.1.5"),
    (THREE, "a@sender.test", "b@host.relayed.test", "250 2.1.5"),
    (THREE, "a@sender.test", "b@unrelayed.test", "550 5.7.1"),
    (TWO, "a@sender.test", "b@closed.test", "550 5.2.1"),
    (THREE, "spam@sender.test", "b@relayed.test", "550 5.7.1"),
    (FOUR, "a@sender.test", "b@relayed.test", "550 5.7.1"),
];

/// What an access map and an authinfo map are like where a test is about the other.
const NOBODY: &str = "To:nobody.test\tRELAY\n";
const NO_LOGIN: &str = "AuthInfo:nobody.test\t\"U:nobody\" \"P:none\"\n";

#[test]
fn relays_by_our_access_map() {
    let access = with_others(ACCESS, "From:", 3000);
    for (kind, options) in [("hash", &[][..]), ("hash", &["-N"]), ("btree", &[]), ("btree", &["-N"])] {
        let smarthost = Smarthost::start();
        let fill = |maps: &Maps| {
            maps.build(kind, options, "access", &access);
            maps.build(kind, &[], "authinfo", NO_LOGIN);
        };
        let Ok(sendmail) = Sendmail::start(kind, &smarthost, fill) else { return };
        for &(client, sender, recipient, answer) in DECISIONS {
            let said = decision(&mut sendmail.connect(client), sender, recipient);
            assert!(said.starts_with(answer), "{kind} {options:?}: {client} {sender} {recipient}: {said}");
        }
    }
}

#[test]
fn logs_in_by_our_authinfo_map() {
    let logins = [
        ("\"U:relay\" \"I:relay\" \"P:a secret: of ours\" \"M:PLAIN LOGIN\"", "PLAIN"),
        ("\"U:relay\" \"P:a secret: of ours\" \"M:LOGIN\"", "LOGIN"),
        ("\"U:relay\" \"P=YSBzZWNyZXQ6IG9mIG91cnM=\" \"M:LOGIN\"", "LOGIN"),
    ];
    for kind in ["hash", "btree"] {
        let smarthost = Smarthost::start();
        let fill = |maps: &Maps| {
            maps.build(kind, &[], "access", NOBODY);
            maps.build(kind, &[], "authinfo", NO_LOGIN);
        };
        let Ok(sendmail) = Sendmail::start(kind, &smarthost, fill) else { return };
        for (number, (login, mechanism)) in logins.into_iter().enumerate() {
            sendmail.maps().build(kind, &[], "authinfo", &format!("AuthInfo:Smarthost.TEST {login}\n"));
            let recipient = format!("b@{number}.elsewhere.test");
            let said = sendmail.connect(HERE).send("a@sender.test", &recipient);
            assert!(said.starts_with("250 2.0.0"), "{kind}: {login}: {said}");
            let delivery = smarthost.delivery_to(&recipient);
            let used = (&*delivery.mechanism, &*delivery.user, &*delivery.password);
            assert_eq!(used, (mechanism, "relay", "a secret: of ours"), "{kind}: {login}");
        }
    }
}

#[test]
fn a_running_sendmail_sees_each_of_ten_rebuilds() {
    for kind in ["hash", "btree"] {
        let smarthost = Smarthost::start();
        let build = |maps: &Maps, number| {
            maps.build(kind, &[], "access", &with_others(&opened(number), "From:", 500));
            maps.build(kind, &[], "authinfo", &password(number));
        };
        let Ok(sendmail) = Sendmail::start(kind, &smarthost, |maps| build(maps, 0)) else { return };
        let Ok(mut asking) = sendmail.asking() else { return };
        // Both have the map open from here on, and are the same processes to the end.
        let mut session = sendmail.connect(TWO);
        assert!(decision(&mut session, "a@sender.test", &to(0)).starts_with("250"), "{kind}");
        assert_eq!(asking.look_up("access", "To:day-0.test"), Ok(Some(relay())), "{kind}");
        let holders = sendmail.holders("access");
        assert_eq!(
            holders.len(),
            1,
            "{kind}: of the daemon's processes that of the session has the map open"
        );
        for number in 1..=REBUILDS {
            build(sendmail.maps(), number);
            for (day, answer) in [(number, "250 2.1.5"), (number - 1, "550 5.7.1")] {
                let said = session.say(&format!("RCPT TO:<{}>", to(day)));
                assert!(said.starts_with(answer), "{kind}: rebuild {number}, day {day}: {said}");
                let found = asking.look_up("access", &format!("To:day-{day}.test"));
                let wanted = if day == number { Some(relay()) } else { None };
                assert_eq!(found, Ok(wanted), "{kind}: rebuild {number}, day {day}");
            }
            assert_eq!(sendmail.holders("access"), holders, "{kind}: rebuild {number}");
            let login = sendmail.connect(HERE).send("a@sender.test", &to(number));
            assert!(login.starts_with("250 2.0.0"), "{kind}: rebuild {number}: {login}");
            assert_eq!(smarthost.delivery_to(&to(number)).password, format!("secret {number}"), "{kind}");
        }
    }
}

/// sendmail looks at a name before it opens it, and does not use what came under the name in between: it answers 451, or
/// 554 and "file changed after open". No way of renaming avoids that. What may never happen is a decision by half a map,
/// or by none.
#[test]
fn what_is_in_every_map_is_never_missing() {
    for kind in ["hash", "btree"] {
        let smarthost = Smarthost::start();
        let build = |maps: &Maps, number| {
            let text = format!("Connect:127.0.0.2\tRELAY\n{}", opened(number));
            maps.build(kind, &[], "access", &with_others(&text, "From:", 3000));
        };
        let fill = |maps: &Maps| {
            build(maps, 0);
            maps.build(kind, &[], "authinfo", NO_LOGIN);
        };
        let Ok(sendmail) = Sendmail::start(kind, &smarthost, fill) else { return };
        let Ok(mut asking) = sendmail.asking() else { return };
        let a_process_that_stays = || match asking.look_up("access", "Connect:127.0.0.2") {
            Err(_) => asking = sendmail.asking().unwrap(),
            said => assert_eq!(said, Ok(Some(relay())), "{kind}"),
        };
        let a_new_session = || {
            let said = decision(&mut sendmail.connect(TWO), "a@sender.test", "b@elsewhere.test");
            let again =
                ["451 4.3.0", "file changed after", "Cannot reopen"].iter().any(|one| said.contains(one));
            assert!(said.starts_with("250") || again, "{kind}: {said}");
        };
        let lookers: [Looker<'_>; 2] = [Box::new(a_process_that_stays), Box::new(a_new_session)];
        while_rebuilt(|number| build(sendmail.maps(), number), lookers);
    }
}

/// What the maps say of who may relay.
fn relay() -> String {
    "RELAY".to_owned()
}

/// What is decided about a recipient, or before him about the sender.
fn decision(client: &mut Client, sender: &str, recipient: &str) -> String {
    let said = client.say(&format!("MAIL FROM:<{sender}>"));
    if said.starts_with('2') { client.say(&format!("RCPT TO:<{recipient}>")) } else { said }
}

/// An entry that only the map of that day has.
fn opened(day: usize) -> String {
    format!("To:day-{day}.test\tRELAY\n")
}

fn to(day: usize) -> String {
    format!("b@day-{day}.test")
}

fn password(day: usize) -> String {
    format!("AuthInfo:smarthost.test\t\"U:relay\" \"P:secret {day}\" \"M:PLAIN\"\n")
}
