//! Senders, recipients and messages.

use std::fs;
use std::sync::Arc;

use front::settings::{AuthUse, ListenerSettings, ReceivedUserRule};
use smtp::LineEnds;

use crate::world::{Wish, World, files, listener, policy, table};

#[test]
fn who_has_logged_in_may_relay_and_nobody_else() {
    let world = World::with_alice(Wish::default());
    let mut client = world.client();
    client.ehlo();
    client.talk(
        "C: MAIL FROM:<alice@gate.test>
         C: RCPT TO:<u@far.test>
         C: RCPT TO:<u%far.test@gate.test>
         C: RCPT TO:<\"u@far.test\"@friend.test>
         C: RCPT TO:<@gate.test:u@far.test>
         C: RCPT TO:<u@[192.0.2.1]>
         C: RCPT TO:<u@friend.test>
         C: RSET
         S: 250 2.1.0 <alice@gate.test>... Sender ok
         S: 550 5.7.1 <u@far.test>... Relaying denied. Proper authentication required.
         S: 550 5.7.1 <u%far.test@gate.test>... Relaying denied. Proper authentication required.
         S: 550 5.7.1 <\"u@far.test\"@friend.test>... Relaying denied. Proper authentication required.
         S: 550 5.7.1 <u@far.test>... Relaying denied. Proper authentication required.
         S: 550 5.7.1 <u@[192.0.2.1]>... Relaying denied. Proper authentication required.
         S: 250 2.1.5 *
         S: 250 *",
    );
    client.log_in();
    client.talk(
        "C: MAIL FROM:<alice@gate.test>
         C: RCPT TO:<u@far.test>
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
    world.log.wait_for(&["Refused", "check_rcpt", "<u@far.test>"]);
    world.log.wait_for(&["Accepted", "recipients: 1", "ESMTPA", "alice@gate.test"]);
    world.log.wait_for(&["Delivery", "<u@far.test>", "waits for its host"]);
    let queued = world.queued();
    assert_eq!(queued.len(), 1);
    let text = fs::read_to_string(&queued[0]).unwrap();
    let envelope = text.split_once("\n\n").unwrap().0;
    assert!(
        envelope.contains("\nfrom <alice@gate.test>\nbody 7BIT\nlogin alice@gate.test\nrelay <u@far.test>"),
        "{text}"
    );
}

#[test]
fn mail_for_a_mailbox_here_lies_in_it_as_it_came() {
    let world = World::with_alice(Wish::default());
    let mut client = world.client();
    client.ehlo();
    client.talk(
        "C: MAIL FROM:<a@far.test> SIZE=100
         C: RCPT TO:<Bob@Gate.test>
         C: RCPT TO:<bob@gate.test>
         C: RCPT TO:<nobody@gate.test>
         C: RCPT TO:<../../etc@gate.test>
         C: DATA
         S: 250 *
         S: 250 *
         S: 250 *
         S: 550 5.1.1 <nobody@gate.test>... User unknown
         S: 501 *
         S: 354 *
         C: Subject: x
         C:
         C: ..dot
         C: .
         S: 250 2.0.0 *",
    );
    let mail = world.mailbox("bob@gate.test", 1).remove(0);
    let (head, body) = mail.split_once("\n\n").unwrap();
    assert_eq!(body, ".dot\n");
    let lines: Vec<&str> = head.lines().collect();
    assert_eq!(lines[..2], ["Return-Path: <a@far.test>", "Delivered-To: Bob@Gate.test"]);
    assert_eq!(lines[2], "Received: from client.test ([127.0.0.1])");
    assert!(lines[3].starts_with("\tby mail.gate.test (Gatepost) with ESMTP id "));
    // Two recipients were named, so neither is told of; what was not submitted lacks what it lacks.
    assert!(!head.contains("for <") && !head.contains("Date:") && head.ends_with("Subject: x"));
    world.log.wait_for(&["Delivery", "Sent"]);
    assert_eq!(files(&world.dir.path().join("mail/bob@gate.test/tmp")).len(), 0);
    let _ = world.log.wait_for(&["Refused", "nobody@gate.test"]);
    while !world.queued().is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// Without the empty line the text would go on the header that is put above it.
#[test]
fn text_without_a_header_does_not_become_one() {
    let never = ListenerSettings { auth: AuthUse::Never, ..listener() };
    let world = World::new(Wish { listener: never, ..Wish::default() });
    let mut client = world.client();
    client.ehlo();
    client.talk(
        "C: MAIL FROM:<a@far.test>
         C: RCPT TO:<bob@gate.test>
         C: DATA
         S: 250 *
         S: 250 *
         S: 354 *
         C: hello bob, no header here
         C: second line
         C: .
         S: 250 2.0.0 *",
    );
    let mail = world.mailbox("bob@gate.test", 1).remove(0);
    let (head, body) = mail.split_once("\n\n").unwrap();
    assert_eq!(body, "hello bob, no header here\nsecond line\n");
    assert!(head.lines().last().unwrap().starts_with("\tfor <bob@gate.test>; "), "{head}");
}

#[test]
fn a_submitted_message_is_completed_and_its_header_says_how_it_came() {
    for (rule, says) in [
        (ReceivedUserRule::Hidden, "\t(authenticated bits=0)"),
        (ReceivedUserRule::Shown, "\t(user=alice@gate.test author=alice@gate.test mech=LOGIN bits=0)"),
    ] {
        let world = World::with_alice(Wish { received_user: rule, ..Wish::default() });
        let mut client = world.client();
        client.ehlo();
        client.log_in();
        client.talk(
            "C: MAIL FROM:<alice@gate.test> AUTH=alice@gate.test
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
        let head = mail.split_once("\n\n").unwrap().0;
        assert!(head.contains(says), "{head}");
        assert!(head.contains(" with ESMTPA id ") && head.contains("\tfor <bob@gate.test>; "), "{head}");
        assert!(head.contains("\nSubject: x\nDate: ") && head.contains("\nMessage-ID: <"), "{head}");
    }
}

#[test]
fn another_submitter_is_not_believed() {
    let world = World::with_alice(Wish::default());
    for (login, submitter, kept) in [
        (true, "alice@GATE.test", true),
        (true, "ALICE@gate.test", false),
        (true, "bob@gate.test", false),
        (false, "alice@gate.test", false),
    ] {
        let mut client = world.client();
        client.ehlo();
        if login {
            client.log_in();
        }
        client.talk(&format!(
            "C: MAIL FROM:<alice@gate.test> AUTH={submitter}
             C: RCPT TO:<u@friend.test>
             C: DATA
             S: 250 *
             S: 250 *
             S: 354 *
             C: .
             S: 250 2.0.0 *"
        ));
        let last = world.queued().pop().unwrap();
        let text = fs::read_to_string(last).unwrap();
        assert_eq!(text.contains("\nsubmitter "), kept, "{submitter}: {text}");
    }
}

#[test]
fn the_access_map_speaks_at_each_turn() {
    let access = table(&[
        ("From:spam.test", "REJECT"),
        ("From:silent.test", "DISCARD"),
        ("To:full@gate.test", "ERROR:4.2.2:452 mailbox full"),
        ("To:carol@gate.test", "DISCARD"),
        ("To:partner.test", "RELAY"),
    ]);
    let world = World::with_alice(Wish { access, ..Wish::default() });
    let mut client = world.client();
    client.ehlo();
    client.log_in();
    client.talk(
        "C: MAIL FROM:<x@sub.spam.test>
         C: MAIL FROM:<x@silent.test>
         C: RCPT TO:<bob@gate.test>
         C: DATA
         S: 550 5.7.1 Access denied
         S: 250 *
         S: 250 *
         S: 354 *
         C: .
         S: 250 2.0.0 *
         C: MAIL FROM:<a@far.test>
         C: RCPT TO:<full@gate.test>
         C: RCPT TO:<carol@gate.test>
         C: DATA
         S: 250 *
         S: 452 4.2.2 mailbox full
         S: 250 *
         S: 354 *
         C: .
         S: 250 2.0.0 *",
    );
    let mut stranger = world.client();
    stranger.ehlo();
    stranger.talk("C: MAIL FROM:<a@far.test>\nC: RCPT TO:<u@partner.test>\nS: 250 *\nS: 250 2.1.5 *");
    world.log.wait_for(&["Discarded", "<x@silent.test>"]);
    assert!(world.queued().is_empty() && world.mailbox("bob@gate.test", 0).is_empty());
}

#[test]
fn postmaster_is_always_there() {
    let world = World::with_alice(Wish::default());
    let mut client = world.client();
    client.ehlo();
    client.talk(
        "C: MAIL FROM:<>
         C: RCPT TO:<postmaster>
         C: DATA
         S: 250 *
         S: 250 *
         S: 354 *
         C: .
         S: 250 2.0.0 *",
    );
    let mail = world.mailbox("postmaster@mail.gate.test", 1).remove(0);
    assert!(mail.starts_with("Return-Path: <>\nDelivered-To: postmaster@mail.gate.test\n"));
}

#[test]
fn a_large_message_comes_whole() {
    let world = World::with_alice(Wish::default());
    let mut client = world.client();
    client.ehlo();
    client.talk(
        "C: MAIL FROM:<a@far.test>
         C: RCPT TO:<bob@gate.test>
         C: DATA
         S: 250 *
         S: 250 *
         S: 354 *",
    );
    let line = format!("{}\r\n", "x".repeat(70));
    let text = line.repeat(10_000);
    client.say("A: b\r\n\r\n");
    client.say(&text);
    client.talk("C: .\nS: 250 2.0.0 *");
    let mail = world.mailbox("bob@gate.test", 1).remove(0);
    assert_eq!(mail.split_once("\n\n").unwrap().1, text.replace('\r', ""));
    client.talk(
        "C: MAIL FROM:<a@far.test> SIZE=2000000
         S: 552 *
         C: MAIL FROM:<a@far.test>
         C: RCPT TO:<bob@gate.test>
         C: DATA
         S: 250 *
         S: 250 *
         S: 354 *",
    );
    client.say(&line.repeat(20_000));
    client.talk("C: .\nS: 552 *");
    assert!(world.queued().is_empty());
}

#[test]
fn a_bare_line_feed_smuggles_nothing() {
    let world = World::with_alice(Wish::default());
    let begin =
        "C: MAIL FROM:<a@far.test>\nC: RCPT TO:<bob@gate.test>\nC: DATA\nS: 250 *\nS: 250 *\nS: 354 *";
    let smuggled = "text\n.\nMAIL FROM:<evil@far.test>\r\n.\r\n";
    let mut client = world.client();
    client.ehlo();
    client.talk(begin);
    client.say(smuggled);
    client.talk("S: 5*\nS: (the end)");

    let mut normalising = policy();
    normalising.line_ends = LineEnds::Normalised;
    let listener = ListenerSettings { policy: Arc::new(normalising), ..listener() };
    let world = World::with_alice(Wish { listener, ..Wish::default() });
    let mut client = world.client();
    client.ehlo();
    client.talk(begin);
    client.say(smuggled);
    client.talk("S: 250 2.0.0 *");
    let mail = world.mailbox("bob@gate.test", 1).remove(0);
    assert!(mail.ends_with("text\n.\nMAIL FROM:<evil@far.test>\n"), "{mail}");
}
