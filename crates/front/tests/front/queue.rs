//! The queue: nothing that was answered 250 is lost, and nothing is answered 250 that is not there.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::client::Client;
use crate::world::{Wish, World, files};

fn send(client: &mut Client<std::net::TcpStream>, to: &[&str], reply: &str) {
    client.talk("C: MAIL FROM:<a@far.test>\nS: 250 *");
    for to in to {
        client.talk(&format!("C: RCPT TO:<{to}>\nS: 250 *"));
    }
    client.talk(&format!("C: DATA\nS: 354 *\nC: Subject: x\nC:\nC: text\nC: .\nS: {reply}"));
}

#[test]
fn what_lies_in_the_queue_is_taken_up_after_a_crash() {
    let world = World::with_alice(Wish::default());
    let mut client = world.client();
    client.ehlo();
    // Two that can be delivered, but for the Maildir of one, which is unsafe for a while.
    let carol = world.dir.path().join("mail/carol@gate.test");
    client.talk("C: MAIL FROM:<a@far.test>\nS: 250 *\nC: RCPT TO:<bob@gate.test>\nS: 250 *");
    client.talk("C: RCPT TO:<carol@gate.test>\nS: 250 *");
    fs::set_permissions(&carol, Permissions::from_mode(0o777)).unwrap();
    client.talk("C: DATA\nS: 354 *\nC: text\nC: .\nS: 250 *");
    assert_eq!(world.mailbox("bob@gate.test", 1).len(), 1);
    world.log.wait_for(&["Delivery", "carol@gate.test", "Deferred"]);
    // And one that never was accepted.
    client
        .talk("C: MAIL FROM:<a@far.test>\nS: 250 *\nC: RCPT TO:<bob@gate.test>\nS: 250 *\nC: DATA\nS: 354 *");
    client.say("half of it\r\n");
    let dir = world.crash();
    let queue = dir.path().join("queue");
    fs::write(queue.join("0000000000000.new"), "half").unwrap();
    fs::write(queue.join("0000000000000.done-3"), "").unwrap();
    fs::write(queue.join("stranger"), "").unwrap();
    fs::set_permissions(&carol, Permissions::from_mode(0o700)).unwrap();

    let world = World::with_alice(Wish { dir, ..Wish::default() });
    world.log.wait_for(&["QueueTakenUp", "messages: 1"]);
    world.log.wait_for(&["QueueDamaged", "stranger"]);
    assert_eq!(world.mailbox("carol@gate.test", 1).len(), 1);
    // Bob has it already.
    assert_eq!(world.mailbox("bob@gate.test", 1).len(), 1);
    while world.queued().len() > 1 {
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_delivery_that_was_cut_off_behind_the_rename_is_not_repeated() {
    let world = World::with_alice(Wish::default());
    let mut client = world.client();
    client.ehlo();
    let base = world.dir.path().join("mail");
    client.talk("C: MAIL FROM:<a@far.test>\nS: 250 *\nC: RCPT TO:<bob@gate.test>\nS: 250 *");
    fs::rename(base.join("bob@gate.test"), base.join("away")).unwrap();
    client.talk("C: DATA\nS: 354 *\nC: text\nC: .\nS: 250 *");
    world.log.wait_for(&["Delivery", "bob@gate.test", "Deferred"]);
    let dir = world.crash();
    fs::rename(base.join("away"), base.join("bob@gate.test")).unwrap();
    let kept = files(&dir.path().join("queue"))
        .into_iter()
        .find(|path| path.extension().unwrap() == "mail")
        .unwrap();
    let octets = fs::read(&kept).unwrap();
    let world = World::with_alice(Wish { dir, ..Wish::default() });
    assert_eq!(world.mailbox("bob@gate.test", 1).len(), 1);
    while !world.queued().is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    // As if the removal had never reached the disk.
    let dir = world.crash();
    fs::write(&kept, octets).unwrap();
    fs::set_permissions(&kept, Permissions::from_mode(0o600)).unwrap();
    let world = World::with_alice(Wish { dir, ..Wish::default() });
    world.log.wait_for(&["QueueTakenUp", "messages: 1"]);
    while !world.queued().is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(world.mailbox("bob@gate.test", 1).len(), 1);
}

#[test]
fn without_room_a_message_is_put_off() {
    let world = World::with_alice(Wish { min_free: u64::MAX, ..Wish::default() });
    let mut client = world.client();
    client.ehlo();
    client.talk(
        "C: MAIL FROM:<a@far.test>
         C: RCPT TO:<bob@gate.test>
         C: DATA
         S: 250 *
         S: 250 *
         S: 452 4.3.1 Insufficient disk space; try again later
         C: QUIT
         S: 221 *",
    );
    world.log.wait_for(&["NotQueued"]);
    assert!(world.queued().is_empty());
}

/// What others could write to is not added to, whether that was so at the start or not.
#[test]
fn a_queue_that_becomes_unsafe_takes_nothing_until_it_is_mended() {
    let world = World::with_alice(Wish::default());
    let queue = world.dir.path().join("queue");
    let set = |mode| fs::set_permissions(&queue, Permissions::from_mode(mode)).unwrap();
    let try_it = || {
        let mut client = world.client();
        client.ehlo();
        client.talk(
            "C: MAIL FROM:<a@far.test>
             C: RCPT TO:<bob@gate.test>
             C: DATA
             S: 250 *
             S: 250 *",
        );
        client.line().unwrap()
    };
    assert!(try_it().starts_with("354 "));
    set(0o777);
    // It is looked at once a second at most.
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(try_it(), "451 4.3.0 Temporary system failure. Please try again later.");
    let told = world.log.wait_for(&["NotQueued"]);
    assert!(told.contains("writable-directory") && world.log.count("NotQueued") == 1, "{told}");
    set(0o700);
    std::thread::sleep(Duration::from_millis(1100));
    assert!(try_it().starts_with("354 "));
}

#[test]
fn a_full_disk_is_told_at_the_end_and_nothing_is_left() {
    let Ok(small) = tests::scratch::small_file_system(512) else { return };
    let wish = Wish::default();
    let queue = wish.dir.path().join("queue");
    fs::remove_dir(&queue).unwrap();
    std::os::unix::fs::symlink(small.path(), &queue).unwrap();
    let world = World::with_alice(wish);
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
    client.say(&format!("{}\r\n", "x".repeat(70)).repeat(10_000));
    client.talk("C: .\nS: 452 4.3.1 Insufficient disk space; try again later");
    assert!(files(small.path()).is_empty());
    send(&mut client, &["bob@gate.test"], "250 2.0.0 *");
    assert_eq!(world.mailbox("bob@gate.test", 1).len(), 1);
    drop(world.crash());
}

#[test]
fn an_unsafe_mailbox_is_trouble_of_ours() {
    let world = World::with_alice(Wish::default());
    let bob = world.dir.path().join("mail/bob@gate.test");
    fs::set_permissions(&bob, Permissions::from_mode(0o777)).unwrap();
    let mut client = world.client();
    client.ehlo();
    client.talk("C: MAIL FROM:<a@far.test>\nC: RCPT TO:<bob@gate.test>\nS: 250 *\nS: 451 4.3.0 *");
    world.log.wait_for(&["FileUnusable", "bob@gate.test"]);
    fs::set_permissions(&bob, Permissions::from_mode(0o700)).unwrap();
    client.talk("C: RCPT TO:<bob@gate.test>\nS: 250 2.1.5 *");
}

#[test]
fn an_envelope_of_many_recipients_is_read_again() {
    let world = World::with_alice(Wish::default());
    let mut client = world.client();
    client.ehlo();
    client.talk("C: MAIL FROM:<a@far.test>\nS: 250 *");
    for number in 0..500 {
        client.talk(&format!("C: RCPT TO:<{}{number}@friend.test>\nS: 250 *", "x".repeat(50)));
    }
    client.talk("C: DATA\nS: 354 *\nC: text\nC: .\nS: 250 2.0.0 *");
    let spool = world.front.queue().spool();
    let ids = spool.ids().unwrap();
    assert_eq!(ids.len(), 1);
    let stored = spool.message(&ids[0]).unwrap();
    assert_eq!(stored.envelope.recipients.len(), 500);
    let octets = stored.file.read_whole(1 << 20).unwrap();
    assert!(octets[stored.begins as usize..].starts_with(b"Received: from client.test "));
}

#[test]
fn what_is_no_message_stays_and_is_told() {
    let wish = Wish::default();
    let damaged = wish.dir.path().join("queue/00063A0000000.mail");
    fs::write(&damaged, "gatepost queue 9\n\n").unwrap();
    fs::set_permissions(&damaged, Permissions::from_mode(0o600)).unwrap();
    let world = World::with_alice(wish);
    world.log.wait_for(&["QueueDamaged", "00063A0000000", "line 1"]);
    assert_eq!(world.queued(), [damaged]);
}

/// The message of a file of the queue, made older.
fn aged(path: &Path, seconds: u64) {
    let octets = fs::read(path).unwrap();
    let text = String::from_utf8(octets).unwrap();
    let at = text.lines().find_map(|line| line.strip_prefix("at ")).unwrap();
    let before: u64 = at.parse::<u64>().unwrap() - seconds;
    fs::write(path, text.replacen(&format!("\nat {at}\n"), &format!("\nat {before}\n"), 1)).unwrap();
}

fn one_of(world: &World, suffix: &str) -> PathBuf {
    let end = std::time::Instant::now() + crate::client::PATIENCE;
    loop {
        let all = files(&world.dir.path().join("queue")).into_iter();
        let found: Vec<_> = all.filter(|path| path.to_str().unwrap().ends_with(suffix)).collect();
        if let [only] = found.as_slice() {
            return only.clone();
        }
        assert!(std::time::Instant::now() < end, "{found:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn who_sends_what_cannot_be_delivered_gets_a_report() {
    let patience = Some(Duration::ZERO);
    let world = World::with_alice(Wish::default());
    let mut client = world.client();
    client.ehlo();
    let base = world.dir.path().join("mail");
    client.talk(
        "C: MAIL FROM:<carol@gate.test>
         C: RCPT TO:<bob@gate.test>
         C: RCPT TO:<u@friend.test>
         S: 250 *
         S: 250 *
         S: 250 *",
    );
    fs::rename(base.join("bob@gate.test"), base.join("away")).unwrap();
    client.talk("C: DATA\nS: 354 *\nC: Subject: for two\nC:\nC: in private\nC: .\nS: 250 *");
    world.log.wait_for(&["Delivery", "bob@gate.test", "Deferred"]);
    // A filesystem may be mounted again: it waits.
    assert!(!world.log.has("GivenUp"));
    let last = one_of(&world, ".last");
    assert!(fs::read_to_string(last).unwrap().contains("<bob@gate.test>: "));
    let message = one_of(&world, ".mail");
    let dir = world.crash();
    aged(&message, 2 * 3600);

    // It is the Maildir that has to be missing for long: how old a message for it is says nothing of that.
    let world = World::with_alice(Wish { dir, ..Wish::default() });
    world.log.wait_for(&["Delivery", "bob@gate.test", "Deferred"]);
    world.log.wait_for(&["Delivery", "u@friend.test", "Deferred"]);
    assert!(!world.log.has("GivenUp"));
    let dir = world.crash();

    // Nor is one missing where all are.
    fs::rename(&base, dir.path().join("unmounted")).unwrap();
    let world = World::with_alice(Wish { patience, dir, ..Wish::default() });
    world.log.wait_for(&["Delivery", "bob@gate.test", "Deferred"]);
    world.log.wait_for(&["Delivery", "u@friend.test", "Deferred"]);
    assert!(!world.log.has("GivenUp"));
    let dir = world.crash();
    fs::rename(dir.path().join("unmounted"), &base).unwrap();

    let world = World::with_alice(Wish { patience, dir, ..Wish::default() });
    let report = world.mailbox("carol@gate.test", 1).remove(0);
    for words in [
        "Return-Path: <>\n",
        "Final-Recipient: rfc822; bob@gate.test\nAction: failed\nStatus: 5.1.1\n",
        "Subject: for two\n",
        "Auto-Submitted: auto-replied\n",
    ] {
        assert!(report.contains(words), "{words:?} in {report}");
    }
    assert!(!report.contains("in private") && !report.contains("u@friend.test"), "{report}");
    world.log.wait_for(&["Reported", "carol@gate.test"]);
    // The other recipient waits on.
    one_of(&world, ".mail");
    let message = one_of(&world, ".mail");
    let dir = world.crash();
    aged(&message, 6 * 24 * 3600);
    let lifetime = Duration::from_hours(5 * 24);
    let world = World::with_alice(Wish { lifetime, patience, dir, ..Wish::default() });
    let reports = world.mailbox("carol@gate.test", 2);
    let second = reports.iter().find(|report| report.contains("friend.test")).unwrap();
    assert!(second.contains("Status: 5.4.7") && !second.contains("bob@gate.test"), "{second}");
    until_empty(&world);
}

pub(crate) fn until_empty(world: &World) {
    let end = std::time::Instant::now() + crate::client::PATIENCE;
    while !world.queued().is_empty() {
        assert!(std::time::Instant::now() < end, "{:?}", world.queued());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What has no sender is never bounced: the postmaster hears of it, or it stays.
#[test]
fn what_has_no_sender_is_for_the_postmaster_or_stays() {
    for has_postmaster in [true, false] {
        let world = World::with_alice(Wish::default());
        let mut client = world.client();
        client.ehlo();
        client.log_in();
        let base = world.dir.path().join("mail");
        if !has_postmaster {
            fs::rename(base.join("postmaster@mail.gate.test"), base.join("away")).unwrap();
        }
        client.talk("C: MAIL FROM:<>\nS: 250 *\nC: RCPT TO:<u@friend.test>\nS: 250 *");
        client.talk("C: DATA\nS: 354 *\nC: Subject: of nobody\nC:\nC: x\nC: .\nS: 250 *");
        let message = one_of(&world, ".mail");
        let dir = world.crash();
        aged(&message, 3600);
        let (lifetime, patience) = (Duration::from_mins(1), Some(Duration::ZERO));
        let world = World::with_alice(Wish { lifetime, patience, dir, ..Wish::default() });
        if has_postmaster {
            let report = world.mailbox("postmaster@mail.gate.test", 1).remove(0);
            assert!(report.contains("Final-Recipient: rfc822; u@friend.test"), "{report}");
            until_empty(&world);
        } else {
            world.log.wait_for(&["Kept"]);
            assert_eq!(one_of(&world, ".mail"), message);
        }
    }
}

/// As if the mark had never reached the disk: the sender is told again, which is better than not at all, and the report that
/// lies in the queue already is the same one.
#[test]
fn a_report_that_was_made_before_a_crash_is_not_lost_and_not_in_the_way() {
    let world = World::with_alice(Wish::default());
    let mut client = world.client();
    client.ehlo();
    client.log_in();
    client.talk("C: MAIL FROM:<x@far.test>\nS: 250 *\nC: RCPT TO:<u@friend.test>\nS: 250 *");
    client.talk("C: DATA\nS: 354 *\nC: Subject: x\nC:\nC: x\nC: .\nS: 250 *");
    let message = one_of(&world, ".mail");
    let dir = world.crash();
    aged(&message, 3600);
    let octets = fs::read(&message).unwrap();
    let (lifetime, patience) = (Duration::from_mins(1), Some(Duration::ZERO));
    let world = World::with_alice(Wish { lifetime, patience, dir, ..Wish::default() });
    world.log.wait_for(&["Reported", "x@far.test"]);
    let report = one_of(&world, ".mail");
    assert_ne!(report, message);
    let dir = world.crash();
    fs::write(&message, octets).unwrap();
    fs::set_permissions(&message, Permissions::from_mode(0o600)).unwrap();
    let world = World::with_alice(Wish { lifetime, patience, dir, ..Wish::default() });
    world.log.wait_for(&["Reported", "x@far.test"]);
    assert_eq!(one_of(&world, ".mail"), report, "it waits for its host");
    // One carries it, whoever else finds it: a second one would try it behind this message.
    let mut client = world.client();
    client.ehlo();
    send(&mut client, &["bob@gate.test"], "250 2.0.0 *");
    assert_eq!(world.mailbox("bob@gate.test", 1).len(), 1);
    let id = report.file_stem().unwrap().to_str().unwrap();
    assert_eq!(world.log.count(&format!("Delivery {{ id: \"{id}\"")), 1);
}

/// The mark of the first who was given up had never reached the disk, and at the next try there are two: whoever is given up is
/// named in a report.
#[test]
fn who_is_given_up_later_is_in_a_report_of_his_own() {
    let (lifetime, patience) = (Duration::from_mins(1), Some(Duration::ZERO));
    let world = World::with_alice(Wish::default());
    let mut client = world.client();
    client.ehlo();
    client.log_in();
    let base = world.dir.path().join("mail");
    client.talk("C: MAIL FROM:<x@far.test>\nS: 250 *");
    client.talk("C: RCPT TO:<bob@gate.test>\nS: 250 *\nC: RCPT TO:<u@friend.test>\nS: 250 *");
    fs::rename(base.join("bob@gate.test"), base.join("away")).unwrap();
    client.talk("C: DATA\nS: 354 *\nC: Subject: x\nC:\nC: x\nC: .\nS: 250 *");
    world.log.wait_for(&["Delivery", "bob@gate.test", "Deferred"]);
    let message = one_of(&world, ".mail");
    let world = World::with_alice(Wish { patience, dir: world.crash(), ..Wish::default() });
    world.log.wait_for(&["Reported", "x@far.test"]);
    let mark = one_of(&world, ".done-0");
    let dir = world.crash();
    fs::remove_file(mark).unwrap();
    aged(&message, 3600);
    let world = World::with_alice(Wish { lifetime, patience, dir, ..Wish::default() });
    let end = std::time::Instant::now() + crate::client::PATIENCE;
    while message.exists() {
        assert!(std::time::Instant::now() < end, "{:?}", world.queued());
        std::thread::sleep(Duration::from_millis(5));
    }
    let reports: Vec<_> = world.queued().iter().filter_map(|path| fs::read_to_string(path).ok()).collect();
    for recipient in ["bob@gate.test", "u@friend.test"] {
        let words = format!("Final-Recipient: rfc822; {recipient}\r\n");
        assert!(reports.iter().any(|report| report.contains(&words)), "{recipient} in {reports:#?}");
    }
}
