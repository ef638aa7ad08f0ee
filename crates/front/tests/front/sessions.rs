//! Sessions: what is offered, AUTH by way of the keeper, limits, and the end.

use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use front::Listening;
use front::settings::{AuthUse, ListenerSettings};
use smtp::server::{AuthRule, Limits, Policy};
use wire::{Class, Logins, ToFront, ToKeeper};

use crate::client::{Client, PATIENCE};
use crate::part::{self, Part, alices, challenge};
use crate::world::{Wish, World, listener, policy, table};

fn with_policy(change: impl FnOnce(&mut Policy)) -> Wish {
    let mut policy = policy();
    change(&mut policy);
    Wish { listener: ListenerSettings { policy: Arc::new(policy), ..listener() }, ..Wish::default() }
}

#[test]
fn a_login_goes_to_the_keeper_and_back() {
    let world = World::new(Wish::default());
    let heard = world.keeper(alices());
    let mut client = world.client();
    assert!(client.ehlo().contains(&"AUTH LOGIN".to_owned()));
    client.talk(
        "C: AUTH PLAIN AGFsaWNlAHBlbmNpbA==
         S: 504 5.3.3 AUTH mechanism PLAIN not available
         C: AUTH LOGIN YWxpY2U=
         S: 334 VXNlcm5hbWU6
         C: *
         S: 501 5.0.0 AUTH aborted
         C: AUTH LOGIN
         S: 334 VXNlcm5hbWU6
         C: YWxpY2U=
         S: 334 UGFzc3dvcmQ6
         C: d3Jvbmc=
         S: 535 5.7.0 authentication failed",
    );
    client.log_in();
    client.talk(
        "C: AUTH LOGIN
         S: 503 5.5.0 Already Authenticated
         C: QUIT
         S: 221 *
         S: (the end)",
    );
    assert_eq!(heard.count("Cancel"), 1);
    assert!(heard.last("Begin").contains("client: Some(127.0.0.1)"), "{}", heard.last("Begin"));
    world.log.wait_for(&["LoggedIn", "alice@gate.test", "LOGIN", "127.0.0.1"]);
    world.log.wait_for(&["Closed", "Quit"]);
}

#[test]
fn offers_are_asked_for_once_until_they_change() {
    let world = World::new(Wish::default());
    let heard = world.keeper(Box::new(|message| match message {
        ToKeeper::Offer { request, .. } => vec![offered(*request, &["CRAM-MD5"])],
        // The store has become unreadable: nothing is offered any more, and this login fails for that reason.
        ToKeeper::Begin { exchange, .. } => {
            vec![ToFront::OffersChanged, refused(*exchange, Class::Temporary, 0)]
        }
        _ => Vec::new(),
    }));
    for _ in 0..3 {
        assert!(world.client().ehlo().contains(&"AUTH CRAM-MD5".to_owned()));
    }
    assert_eq!(heard.count("Offer"), 1);
    let mut client = world.client();
    client.ehlo();
    client.talk("C: AUTH CRAM-MD5\nS: 454 *");
    client.ehlo();
    assert_eq!(heard.count("Offer"), 2);
}

fn offered(request: u32, names: &[&str]) -> ToFront {
    let mechanisms = names.iter().map(|name| (*name).to_owned()).collect();
    let left_out = vec![("PLAIN".to_owned(), "no TLS".to_owned())];
    ToFront::Offered { request, mechanisms, left_out, logins: Logins::Possible }
}

/// The store cannot be used: nobody hears a reply for good because of it, and AUTH works again in the same session once it
/// is mended.
#[test]
fn trouble_with_the_store_turns_nobody_away_for_good() {
    let is_well = Arc::new(AtomicBool::new(false));
    let part = |is_well: Arc<AtomicBool>| -> Part {
        let mut alices = alices();
        Box::new(move |message| match message {
            ToKeeper::Offer { request, .. } if !is_well.load(Ordering::Relaxed) => {
                let left_out = Vec::new();
                let (request, mechanisms) = (*request, Vec::new());
                vec![ToFront::Offered { request, mechanisms, left_out, logins: Logins::NotNow }]
            }
            ToKeeper::Begin { exchange, .. } if !is_well.load(Ordering::Relaxed) => {
                vec![refused(*exchange, Class::Temporary, 0)]
            }
            other => alices(other),
        })
    };
    for auth in [AuthRule::Required, AuthRule::Optional] {
        let world = World::new(with_policy(|policy| policy.auth = auth));
        is_well.store(false, Ordering::Relaxed);
        world.keeper(part(Arc::clone(&is_well)));
        let mut client = world.client();
        assert!(!client.ehlo().iter().any(|line| line.starts_with("AUTH")));
        client.talk("C: AUTH LOGIN YWxpY2U=\nS: 454 4.7.0 Temporary authentication failure");
        client.talk(match auth {
            AuthRule::Required => "C: MAIL FROM:<alice@gate.test>\nS: 451 4.3.0 Nobody can log in now. *",
            AuthRule::Optional => {
                "C: MAIL FROM:<alice@gate.test>
                 S: 250 *
                 C: RCPT TO:<u@elsewhere.test>
                 S: 451 4.3.0 <u@elsewhere.test>... Relaying temporarily denied. Nobody can log in now.
                 C: RSET
                 S: 250 *"
            }
        });
        is_well.store(true, Ordering::Relaxed);
        client.log_in();
        client.talk("C: MAIL FROM:<alice@gate.test>\nS: 250 *\nC: RCPT TO:<u@elsewhere.test>\nS: 250 *");
    }
}

/// Without a keeper it is the same, where AUTH would be offered.
#[test]
fn without_a_keeper_nobody_is_turned_away_for_good() {
    let world = World::new(with_policy(|policy| policy.auth = AuthRule::Required));
    let mut client = world.client();
    client.ehlo();
    client.talk("C: MAIL FROM:<alice@gate.test>\nS: 451 4.3.0 Nobody can log in now. *");
    let never = ListenerSettings { auth: AuthUse::Never, ..listener() };
    let world = World::new(Wish { listener: never, ..Wish::default() });
    let mut client = world.client();
    client.ehlo();
    client.talk("C: AUTH PLAIN =\nS: 503 5.3.3 AUTH not available");
}

fn refused(exchange: wire::ExchangeId, class: Class, hold_ms: u32) -> ToFront {
    ToFront::Refused { exchange, class, hold_ms }
}

#[test]
fn each_class_of_refusal_has_its_reply_and_may_be_held_back() {
    for (class, reply) in [
        (Class::Malformed, "535 5.7.0 authentication failed"),
        (Class::Refused, "535 5.7.0 authentication failed"),
        (Class::NotOffered, "504 5.3.3 AUTH mechanism cram-md5 not available"),
        (Class::Temporary, "454 *"),
        (Class::Later, "454 *"),
    ] {
        let world = World::new(Wish::default());
        world.keeper(Box::new(move |message| match message {
            ToKeeper::Offer { request, .. } => vec![offered(*request, &["CRAM-MD5"])],
            ToKeeper::Begin { exchange, .. } => vec![refused(*exchange, class, 300)],
            _ => Vec::new(),
        }));
        let mut client = world.client();
        client.ehlo();
        let begun = Instant::now();
        client.talk(&format!("C: AUTH cram-md5\nS: {reply}"));
        assert!(begun.elapsed() >= Duration::from_millis(300), "{class:?}");
    }
}

#[test]
fn an_exchange_belongs_to_the_keeper_that_began_it() {
    let world = World::with_alice(Wish::default());
    let mut client = world.client();
    client.ehlo();
    client.talk("C: AUTH LOGIN\nS: 334 *");
    world.keeper(alices());
    client.talk("C: YWxpY2U=\nS: 454 *");
    client.log_in();
    world.log.wait_for(&["NoKeeper"]);
}

#[test]
fn a_keeper_that_dies_is_waited_for_and_the_next_one_answers() {
    let world = World::new(Wish::default());
    world.keeper(dying());
    let mut client = world.client();
    client.ehlo();
    client.say("AUTH LOGIN\r\n");
    world.log.wait_for(&["KeeperGone"]);
    // Whoever connects meanwhile is served, too.
    let mut other = Client::new(world.connect());
    world.keeper(alices());
    client.talk("S: 334 *\nC: *\nS: 501 *");
    client.log_in();
    other.talk("S: 220 *");
    assert!(other.ehlo().contains(&"AUTH LOGIN".to_owned()));
    other.log_in();
}

#[test]
fn without_a_keeper_a_login_fails_for_that_reason() {
    let world = World::new(Wish::default());
    world.keeper(dying());
    let mut client = world.client();
    client.ehlo();
    client.talk("C: AUTH LOGIN\nS: 454 *");
    // What was offered last is offered still: a client that finds no AUTH gives up for good.
    assert!(client.ehlo().contains(&"AUTH LOGIN".to_owned()));
    world.log.wait_for(&["NoKeeper"]);
}

/// An answer that comes when its question was given up already is no answer to the next.
#[test]
fn an_answer_to_an_exchange_that_was_given_up_is_not_taken_for_the_next() {
    let world = World::new(Wish::default());
    let (mut first, mut turns) = (None, Vec::new());
    let (tell, told) = std::sync::mpsc::channel();
    world.keeper(Box::new(move |message| match message {
        ToKeeper::Offer { request, .. } => vec![offered(*request, &["PLAIN", "LOGIN"])],
        ToKeeper::Begin { exchange, mechanism, .. } if mechanism == "LOGIN" => {
            first = Some(*exchange);
            vec![challenge(*exchange, "Username:")]
        }
        ToKeeper::Begin { exchange, .. } => {
            turns.push(*exchange);
            tell.send(turns.len()).unwrap();
            let late = first.map(|late| part::verdict(late, "LOGIN", true));
            late.into_iter().chain([refused(*exchange, Class::Refused, 0)]).collect()
        }
        _ => Vec::new(),
    }));
    let mut client = world.client();
    client.ehlo();
    client.talk(
        "C: AUTH LOGIN
         S: 334 *
         C: *
         S: 501 *
         C: AUTH PLAIN AGFsaWNlAGd1ZXNz
         S: 535 *",
    );
    assert_eq!(told.recv(), Ok(1));
}

/// Offers, and falls with the first exchange.
fn dying() -> Part {
    Box::new(|message| match message {
        ToKeeper::Offer { request, .. } => vec![offered(*request, &["LOGIN"])],
        ToKeeper::Begin { .. } => panic!("as kill -9 would"),
        _ => Vec::new(),
    })
}

#[test]
fn many_pipelined_commands_are_answered_in_order_and_in_one_piece() {
    let world = World::with_alice(Wish::default());
    let mut client = world.client();
    client.ehlo();
    client.talk(
        "C: NOOP
         C: AUTH LOGIN
         C: YWxpY2U=
         C: cGVuY2ls
         C: MAIL FROM:<alice@gate.test>
         C: RCPT TO:<u@far.test>
         C: RSET
         C: QUIT
         S: 250 2.0.0 OK
         S: 334 *
         S: 334 *
         S: 235 *
         S: 250 2.1.0 *
         S: 250 2.1.5 *
         S: 250 2.0.0 Reset state
         S: 221 *",
    );
}

#[test]
fn auth_may_be_required_or_not_be_there() {
    let world = World::with_alice(with_policy(|policy| policy.auth = AuthRule::Required));
    let mut client = world.client();
    client.ehlo();
    client.talk("C: MAIL FROM:<a@far.test>\nS: 530 5.7.0 Authentication required");
    client.log_in();
    client.talk("C: MAIL FROM:<a@far.test>\nS: 250 *");

    let never = ListenerSettings { auth: AuthUse::Never, ..listener() };
    let world = World::with_alice(Wish { listener: never, ..Wish::default() });
    let mut client = world.client();
    assert!(!client.ehlo().iter().any(|line| line.starts_with("AUTH")));
    client.talk("C: AUTH LOGIN\nS: 503 5.3.3 AUTH not available");
}

#[test]
fn a_rejected_client_can_only_leave() {
    let access = table(&[("Connect:127.0.0", "550 not from there")]);
    let world = World::with_alice(Wish { access, ..Wish::default() });
    let mut client = Client::new(world.connect());
    client.talk("S: 554 mail.gate.test ESMTP not accepting messages");
    assert_eq!(client.ehlo().len(), 2);
    client.talk("C: AUTH LOGIN\nS: 550 5.7.1 not from there\nC: QUIT\nS: 221 *");
    world.log.wait_for(&["Refused", "check_relay", "Connect:127.0.0"]);
}

#[test]
fn too_many_are_turned_away_and_places_come_free() {
    let few = ListenerSettings { max_connections: 2, ..listener() };
    let world = World::with_alice(Wish { listener: few, ..Wish::default() });
    let first = world.client();
    let _second = world.client();
    Client::new(world.connect()).talk(
        "S: 421 4.3.2 mail.gate.test Too many connections, try again later
         S: (the end)",
    );
    drop(first);
    world.log.wait_for(&["Closed"]);
    let _third = world.client();
    world.log.wait_for(&["TurnedAway", "ListenerIsFull"]);

    let world = World::with_alice(Wish { connections_per_address: 1, ..Wish::default() });
    let _first = world.client();
    Client::new(world.connect()).talk("S: 421 *");
    world.log.wait_for(&["TurnedAway", "TooManyFromThere"]);
}

#[test]
fn who_is_silent_is_asked_to_leave() {
    let wait = Duration::from_millis(200);
    let world = World::with_alice(with_policy(|policy| {
        policy.limits = Limits { line_wait: wait, ..Limits::default() };
    }));
    let mut client = world.client();
    client.talk("S: 421 4.4.2 *\nS: (the end)");
    world.log.wait_for(&["Closed", "Timeout"]);
}

#[test]
fn a_front_that_shuts_down_lets_a_message_be_finished() {
    let world = World::with_alice(Wish::default());
    let mut idle = world.client();
    let mut busy = world.client();
    busy.ehlo();
    busy.talk(
        "C: MAIL FROM:<a@far.test>
         C: RCPT TO:<bob@gate.test>
         C: DATA
         S: 250 *
         S: 250 *
         S: 354 *
         C: Subject: x",
    );
    world.log.wait_for(&["Connected"]);
    world.front.shut_down();
    idle.talk("S: 421 4.3.2 *\nS: (the end)");
    busy.talk("C:\nC: text\nC: .\nS: 250 2.0.0 *\nS: 421 *\nS: (the end)");
    assert_eq!(world.mailbox("bob@gate.test", 1).len(), 1);
    let end = Instant::now() + PATIENCE;
    while world.front.sessions() > 0 {
        assert!(Instant::now() < end);
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_client_that_hangs_up_in_the_middle_of_a_login_is_forgotten() {
    let world = World::new(Wish::default());
    let heard = world.keeper(Box::new(|message| match message {
        ToKeeper::Offer { request, .. } => vec![offered(*request, &["LOGIN"])],
        ToKeeper::Begin { exchange, .. } => vec![challenge(*exchange, "Username:")],
        _ => Vec::new(),
    }));
    let mut client = world.client();
    client.ehlo();
    client.talk("C: AUTH LOGIN\nS: 334 *");
    drop(client);
    world.log.wait_for(&["Closed", "Peer"]);
    let end = Instant::now() + PATIENCE;
    while heard.count("Cancel") == 0 {
        assert!(Instant::now() < end);
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_unix_socket_has_clients_without_an_address() {
    let world = World::new(Wish::default());
    let heard = world.keeper(alices());
    let path = world.dir.path().join("socket");
    world.listen(Listening::Unix(UnixListener::bind(&path).unwrap()));
    let stream = UnixStream::connect(&path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut client = Client::new(stream);
    client.talk("S: 220 *");
    assert!(client.ehlo()[0].contains("Hello local socket"));
    client.log_in();
    assert!(heard.last("Begin").contains("client: None"));
}

#[test]
fn ipv6_clients_are_served() {
    let Ok(socket) = std::net::TcpListener::bind("[::1]:0") else { return };
    let address = socket.local_addr().unwrap();
    let world = World::with_alice(Wish::default());
    world.listen(Listening::of(socket.into()).unwrap());
    let mut client = Client::new(std::net::TcpStream::connect(address).unwrap());
    client.talk("S: 220 *");
    assert!(client.ehlo()[0].contains("[IPv6:::1]"));
}
