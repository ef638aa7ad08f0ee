//! Who may do what, as a client meets it: senders of those who have logged in, names of clients, doors that ask for a login.

use std::fs;
use std::net::IpAddr;
use std::sync::Arc;

use front::access::{Access, AccessTrouble};
use front::names::{Resolver, Unresolved};
use front::senders::SenderRules;
use front::settings::ListenerSettings;
use smtp::server::{AuthRule, EtrnRule, Policy};
use wire::{ToFront, ToKeeper};

use crate::part::{self, verdict};
use crate::world::{Wish, World, listener, policy, table};

/// A map that nobody can read.
struct Broken;

impl Access for Broken {
    fn look_up(&self, _key: &str) -> Result<Option<String>, AccessTrouble> {
        Err(AccessTrouble("damaged".to_owned()))
    }
}

/// What a client is told of a message of alice's with this header.
fn sent(world: &World, from: &str, header: &str) -> String {
    let mut client = world.client();
    client.ehlo();
    client.log_in();
    client.talk(&format!(
        "C: MAIL FROM:{from}
         C: RCPT TO:<bob@gate.test>
         C: DATA
         S: 250 *
         S: 250 *
         S: 354 *"
    ));
    client.say(&format!("{header}\r\nSubject: x\r\n\r\nFrom: nobody@far.test\r\n.\r\n"));
    client.line().unwrap()
}

#[test]
fn who_has_logged_in_sends_from_his_own_address_alone() {
    let world = World::with_alice(Wish { senders: SenderRules::Own, ..Wish::default() });
    let mut client = world.client();
    client.ehlo();
    client.log_in();
    client.talk(
        "C: MAIL FROM:<bob@gate.test>
         C: MAIL FROM:<alice@gate.test.evil>
         C: MAIL FROM:<\"alice@gate.test\"@gate.test>
         C: MAIL FROM:<\"alice\"@Gate.test>
         C: RSET
         C: MAIL FROM:<>
         S: 553 5.7.1 <bob@gate.test>... Sender address rejected: not owned by user alice@gate.test
         S: 553 5.7.1 <alice@gate.test.evil>... *
         S: 553 5.7.1 <\"alice@gate.test\"@gate.test>... *
         S: 250 *
         S: 250 *
         S: 250 *",
    );
    world.log.wait_for(&["Refused", "check_mail", "<bob@gate.test>", "Senders(\"own\")", "alice@gate.test"]);
    for (header, reply) in [
        ("From: Alice <alice@gate.test>", "250 2.0.0 "),
        (
            "From: alice@gate.test\r\nSender: \"A.\"\r\n <Alice@gate.test>",
            "550 5.7.1 Sender: <Alice@gate.test> ",
        ),
        (
            "From: ceo@bank.test",
            "550 5.7.1 From: <ceo@bank.test> rejected: not owned by user alice@gate.test",
        ),
        ("from : alice@gate.test,\r\n\tceo@bank.test", "550 5.7.1 From: <ceo@bank.test> "),
        ("From: alice@gate.test\r\nFrom: ceo@bank.test", "550 5.7.1 From: <ceo@bank.test> "),
        ("From: Team: alice@gate.test, ceo@bank.test;", "550 5.7.1 From: <ceo@bank.test> "),
        ("From: alice@gate.test (<ceo@bank.test>)", "550 5.7.1 From: rejected: an address in a comment"),
        ("From: ceo@bank.test <alice@gate.test>", "550 5.7.1 From: rejected: no list of addresses"),
        ("From: alice@gate.test.", "550 5.7.1 From: rejected: "),
        ("Resent-From: ceo@bank.test\r\nFrom: alice@gate.test", "550 5.7.1 Resent-From: "),
        ("X-From: ceo@bank.test\r\nFrom: alice@gate.test", "250 2.0.0 "),
        ("X-From: alice@gate.test", "550 5.7.1 From: rejected: the message has none"),
    ] {
        let said = sent(&world, "<alice@gate.test>", header);
        assert!(said.starts_with(reply), "{header:?}: {said}");
    }
    assert!(sent(&world, "<>", "From: ceo@bank.test").starts_with("550 5.7.1 "));
    let line = world.log.wait_for(&["Refused", "check_header", "ceo@bank.test", "Senders(\"own\")"]);
    assert!(line.contains("authentication: Some(\"alice@gate.test\")"), "{line}");
    assert_eq!(world.mailbox("bob@gate.test", 2).len(), 2);
    // What was taken leaves the queue behind its delivery; what was refused never was there.
    crate::queue::until_empty(&world);
}

/// Some programs drop a NUL, and see a field where others see none.
#[test]
fn a_nul_hides_no_sender() {
    let header = "From: alice@gate.test\r\n\0From: bob@gate.test";
    let world = World::with_alice(Wish { senders: SenderRules::Own, ..Wish::default() });
    let refused = "550 5.7.1 Header rejected: it holds the control octet 0x00";
    assert_eq!(sent(&world, "<alice@gate.test>", header), refused);
    assert!(world.queued().is_empty());
    let world = World::with_alice(Wish::default());
    assert!(sent(&world, "<alice@gate.test>", header).starts_with("250 "));
}

#[test]
fn without_a_rule_and_without_a_login_any_sender_will_do() {
    let world = World::with_alice(Wish::default());
    assert!(sent(&world, "<a@far.test>", "From: (").starts_with("250 "));
    let strict = World::with_alice(Wish { senders: SenderRules::Own, ..Wish::default() });
    let mut client = strict.client();
    client.ehlo();
    client.talk(
        "C: MAIL FROM:<alice@gate.test>
         C: RCPT TO:<bob@gate.test>
         C: DATA
         S: 250 *
         S: 250 *
         S: 354 *
         C: From: alice@gate.test
         C:
         C: .
         S: 250 *",
    );
}

#[test]
fn a_map_says_who_may_send_from_where() {
    let senders = || SenderRules::Map { default_realm: "gate.test".to_owned() };
    let senders_map = table(&[("info@gate.test", "carol@gate.test, alice"), ("@club.test", "bob")]);
    let world = World::with_alice(Wish { senders: senders(), senders_map, ..Wish::default() });
    assert!(sent(&world, "<info+x@gate.test>", "From: info@gate.test").starts_with("250 "));
    let mut client = world.client();
    client.ehlo();
    client.log_in();
    client.talk("C: MAIL FROM:<alice@gate.test>\nS: 553 5.7.1 *\nC: MAIL FROM:<x@club.test>\nS: 553 5.7.1 *");
    world.log.wait_for(&["Refused", "check_mail", "Senders(\"@club.test\")"]);

    let world =
        World::with_alice(Wish { senders: senders(), senders_map: Arc::new(Broken), ..Wish::default() });
    let mut client = world.client();
    client.ehlo();
    client.log_in();
    client.talk("C: MAIL FROM:<info@gate.test>\nS: 451 4.3.0 *");
}

fn asks_for_login(etrn: EtrnRule) -> ListenerSettings {
    let policy = Policy { auth: AuthRule::Required, etrn, ..policy() };
    ListenerSettings { policy: Arc::new(policy), ..listener() }
}

#[test]
fn anonymous_is_no_login() {
    let world = World::new(Wish { listener: asks_for_login(EtrnRule::Refused), ..Wish::default() });
    world.keeper(Box::new(|message| match message {
        ToKeeper::Offer { request, .. } => vec![ToFront::Offered {
            request: *request,
            mechanisms: vec!["ANONYMOUS".to_owned()],
            left_out: Vec::new(),
            logins: wire::Logins::Possible,
        }],
        ToKeeper::Begin { exchange, .. } => vec![verdict(*exchange, "ANONYMOUS", true)],
        _ => Vec::new(),
    }));
    let mut client = world.client();
    client.ehlo();
    client.talk(
        "C: AUTH ANONYMOUS =
         S: 235 *
         C: MAIL FROM:<alice@gate.test>
         S: 530 5.7.0 Authentication required",
    );
}

#[test]
fn nothing_waits_for_a_host_that_calls() {
    for (etrn, reply) in [
        (EtrnRule::Unable, "458 4.3.3 Unable to queue messages for node far.test"),
        (EtrnRule::Refused, "502 5.7.0 Sorry, we do not allow this operation"),
    ] {
        let world = World::new(Wish { listener: asks_for_login(etrn), ..Wish::default() });
        world.keeper(part::alices());
        let mut client = world.client();
        assert!(!client.ehlo().iter().any(|line| line.starts_with("ETRN")));
        client.talk(&format!("C: ETRN far.test\nS: {reply}"));
    }
}

/// 127.0.0.1 has this name, and the name leads there; or not.
struct Named(&'static str, Result<&'static str, Unresolved>);

impl Resolver for Named {
    fn name(&self, _: IpAddr) -> Result<String, Unresolved> {
        Ok(self.0.to_owned())
    }

    fn addresses(&self, _: &str) -> Result<Vec<IpAddr>, Unresolved> {
        self.1.map(|address| vec![address.parse().unwrap()])
    }
}

#[test]
fn a_client_is_known_by_a_name_that_leads_back() {
    let rows: [(_, &[(&str, &str)], _, _); 6] = [
        (Ok("127.0.0.1"), &[("Connect:far.test", "RELAY")], "250 ", "250 2.1.5 "),
        (Ok("127.0.0.1"), &[("far.test", "RELAY")], "250 ", "250 2.1.5 "),
        (Ok("127.0.0.1"), &[("Connect:client.far.test", "REJECT")], "550 5.7.1 Access denied", ""),
        (Ok("127.0.0.9"), &[("Connect:far.test", "RELAY")], "250 ", "550 5.7.1 "),
        (Err(Unresolved::Nothing), &[("Connect:far.test", "RELAY")], "250 ", "550 5.7.1 "),
        (
            Err(Unresolved::Later),
            &[("Connect:far.test", "RELAY")],
            "250 ",
            "450 4.4.0 Relaying temporarily denied. Cannot resolve PTR record for 127.0.0.1",
        ),
    ];
    for (leads, access, to_mail, to_rcpt) in rows {
        let resolver = Arc::new(Named("Client.far.test.", leads));
        let world = World::new(Wish { access: table(access), resolver, ..Wish::default() });
        world.keeper(part::alices());
        let mut client = world.client();
        client.ehlo();
        client.talk(&format!("C: MAIL FROM:<a@b.test>\nS: {to_mail}*"));
        if !to_rcpt.is_empty() {
            client.talk(&format!("C: RCPT TO:<u@remote.test>\nS: {to_rcpt}*"));
        }
    }
}

/// A name speaks before an address does, whatever it says; so a greeting waits for the name of whom it would turn away.
#[test]
fn what_is_said_of_a_name_goes_before_what_is_said_of_its_address() {
    const BY_NAME: &str = "Connect:client.far.test";
    const BY_ADDRESS: &str = "Connect:127.0.0";
    for (rows, reply, is_delivered) in [
        ([(BY_NAME, "DISCARD"), (BY_ADDRESS, "OK")], "250 2.0.0 ", false),
        ([(BY_NAME, "OK"), (BY_ADDRESS, "DISCARD")], "250 2.0.0 ", true),
        ([(BY_NAME, "OK"), (BY_ADDRESS, "REJECT")], "250 2.0.0 ", true),
    ] {
        let resolver = Arc::new(Named("client.far.test", Ok("127.0.0.1")));
        let world = World::with_alice(Wish { access: table(&rows), resolver, ..Wish::default() });
        assert!(sent(&world, "<a@b.test>", "From: a@b.test").starts_with(reply), "{rows:?}");
        if is_delivered {
            assert_eq!(world.mailbox("bob@gate.test", 1).len(), 1, "{rows:?}");
        } else {
            assert!(world.queued().is_empty(), "{rows:?}");
        }
    }
}

#[test]
fn received_has_the_name_that_leads_back() {
    for (leads, from) in [("127.0.0.1", "(client.far.test [127.0.0.1])"), ("127.0.0.9", "([127.0.0.1])")] {
        let resolver = Arc::new(Named("client.far.test", Ok(leads)));
        // An entry by name, so that the name is waited for.
        let access = table(&[("Connect:other.test", "RELAY")]);
        let world = World::with_alice(Wish { access, resolver, ..Wish::default() });
        assert!(sent(&world, "<alice@gate.test>", "From: alice@gate.test").starts_with("250 "));
        let mail = world.mailbox("bob@gate.test", 1).remove(0);
        assert!(mail.contains(&format!("Received: from client.test {from}\n")), "{mail}");
    }
}

#[test]
fn trouble_with_the_map_is_never_for_good() {
    let world = World::with_alice(Wish { access: Arc::new(Broken), ..Wish::default() });
    let mut client = world.client();
    client.ehlo();
    client.talk("C: MAIL FROM:<alice@gate.test>\nS: 451 4.3.0 *");
    assert!(fs::read_dir(world.dir.path().join("queue")).unwrap().next().is_none());
}
