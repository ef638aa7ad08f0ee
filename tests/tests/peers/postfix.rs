//! Postfix: the same, for each type of map that it reads.

use std::io::Write;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use tests::peer::Maps;
use tests::peer::postfix::{KINDS, Postfix};
use tests::peer::smarthost::Smarthost;

use super::{Looker, REBUILDS, THREE, TWO, while_rebuilt, with_others};

const ACCESS: &str = "\
127.0.0.2\tOK
Allowed.TEST   OK
closed.test\tREJECT not today
";

/// Who brings a message to whom, and what Postfix says.
const DECISIONS: &[(Ipv4Addr, &str, &str)] = &[
    (TWO, "b@elsewhere.test", "250 2.1.5"),
    (THREE, "b@elsewhere.test", "554 5.7.1 <b@elsewhere.test>: Relay access denied"),
    (THREE, "b@allowed.test", "250 2.1.5"),
    (THREE, "b@host.allowed.test", "250 2.1.5"),
    (THREE, "b@closed.test", "554 5.7.1 <b@closed.test>: Recipient address rejected: not today"),
];

#[test]
fn relays_and_logs_in_by_our_maps() {
    for options in [&[][..], &["-N"]] {
        let smarthost = Smarthost::start();
        let fill = |maps: &Maps, kind: &str| {
            maps.build(kind, options, &access(kind), &with_others(ACCESS, "", 3000));
            maps.build(kind, options, &passwords(kind), &login(&smarthost, kind, 0));
        };
        let Ok(postfix) = Postfix::start(&smarthost, fill) else { return };
        for kind in KINDS {
            for &(client, recipient, answer) in DECISIONS {
                let mut client = postfix.connect(kind, client);
                client.say("MAIL FROM:<a@sender.test>");
                let said = client.say(&format!("RCPT TO:<{recipient}>"));
                assert!(said.starts_with(answer), "{kind} {options:?}: {recipient}: {said}");
            }
            delivers(&postfix, &smarthost, kind, 0);
        }
    }
}

#[test]
fn a_running_postfix_sees_each_of_ten_rebuilds() {
    let smarthost = Smarthost::start();
    let build = |maps: &Maps, kind: &str, number| {
        let text = format!("127.0.0.2\tOK\nday-{number}.test\tOK\n");
        maps.build(kind, &[], &access(kind), &with_others(&text, "", 500));
        maps.build(kind, &[], &passwords(kind), &login(&smarthost, kind, number));
    };
    let Ok(postfix) = Postfix::start(&smarthost, |maps, kind| build(maps, kind, 0)) else { return };
    let master = postfix.master();
    for kind in KINDS {
        delivers(&postfix, &smarthost, kind, 0);
        for number in 1..=REBUILDS {
            build(postfix.maps(), kind, number);
            let mut client = postfix.connect(kind, THREE);
            client.say("MAIL FROM:<a@sender.test>");
            for (day, answer) in [(number, "250 2.1.5"), (number - 1, "554 5.7.1")] {
                let said = client.say(&format!("RCPT TO:<b@day-{day}.test>"));
                assert!(said.starts_with(answer), "{kind}: rebuild {number}, day {day}: {said}");
            }
            delivers(&postfix, &smarthost, kind, number);
        }
    }
    assert_eq!(postfix.master(), master);
}

#[test]
fn what_is_in_every_map_is_never_missing() {
    let smarthost = Smarthost::start();
    let build = |maps: &Maps, kind: &str, number| {
        let text = format!("127.0.0.2\tOK\nday-{number}.test\tOK\n");
        maps.build(kind, &[], &access(kind), &with_others(&text, "", 3000));
    };
    let fill = |maps: &Maps, kind: &str| {
        build(maps, kind, 0);
        maps.build(kind, &[], &passwords(kind), &login(&smarthost, kind, 0));
    };
    let Ok(postfix) = Postfix::start(&smarthost, fill) else { return };
    for kind in KINDS {
        let a_new_session = || {
            let mut client = postfix.connect(kind, TWO);
            client.say("MAIL FROM:<a@sender.test>");
            let said = client.say("RCPT TO:<b@elsewhere.test>");
            assert!(said.starts_with("250"), "{kind}: {said}");
        };
        let lookers: [Looker<'_>; 1] = [Box::new(a_new_session)];
        while_rebuilt(|number| build(postfix.maps(), kind, number), lookers);
    }
}

#[test]
fn postmap_finds_in_our_maps_what_was_put_in() {
    let smarthost = Smarthost::start();
    let mut records: Vec<String> = (0..4000)
        .map(|number| format!("key-{number}\tvalue {}", "of some length ".repeat(number % 40)))
        .collect();
    records.sort();
    let keys: String = records.iter().flat_map(|record| [record.split('\t').next().unwrap(), "\n"]).collect();
    let text: String = records.iter().flat_map(|record| [record, "\n"]).collect();
    let fill = |maps: &Maps, kind: &str| {
        maps.build(kind, &[], &access(kind), &text);
        maps.build(kind, &["-N"], &passwords(kind), &text);
    };
    let Ok(postfix) = Postfix::start(&smarthost, fill) else { return };
    for kind in KINDS {
        for name in [access(kind), passwords(kind)] {
            let map = format!("{kind}:/mnt/maps/{name}");
            let Ok(mut postmap) = postfix.postmap() else { return };
            assert_eq!(told(postmap.args(["-q", "-", &map]), &keys), records, "-q {map}");
            // Postfix cannot list a cdb.
            if kind != "cdb" {
                let Ok(mut postmap) = postfix.postmap() else { return };
                assert_eq!(told(postmap.args(["-s", &map]), ""), records, "-s {map}");
            }
        }
    }
}

/// A message goes in at the door of this type, and comes out at the smarthost with the login of that day.
fn delivers(postfix: &Postfix, smarthost: &Smarthost, kind: &str, day: usize) {
    let recipient = format!("b{day}@{kind}.test");
    let said = postfix.connect(kind, TWO).send("a@sender.test", &recipient);
    assert!(said.starts_with("250 2.0.0"), "{kind}: {said}");
    let delivery = smarthost.delivery_to(&recipient);
    let used = (&*delivery.mechanism, &*delivery.user, &*delivery.password);
    assert_eq!(used, ("PLAIN", &*format!("relay-{kind}"), &*format!("secret: {day}")), "{kind}");
}

fn login(smarthost: &Smarthost, kind: &str, day: usize) -> String {
    format!("[127.0.0.1]:{}\trelay-{kind}:secret: {day}\n", smarthost.port())
}

fn access(kind: &str) -> String {
    format!("access-{kind}")
}

fn passwords(kind: &str) -> String {
    format!("passwords-{kind}")
}

/// The lines that a program says, given that text, sorted.
fn told(command: &mut Command, text: &str) -> Vec<String> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(text.as_bytes()));
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success(), "{command:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<String> = text.lines().map(ToOwned::to_owned).collect();
    lines.sort();
    lines
}
