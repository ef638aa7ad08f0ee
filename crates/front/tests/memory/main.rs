//! What a session costs that has logged in and waits. In a process of its own, so that nothing else is counted.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::disallowed_methods, reason = "tests look at files as anybody may")]
#![allow(dead_code, reason = "the other suite uses more of what is shared")]

#[path = "../front/client.rs"]
mod client;
#[path = "../front/openssl.rs"]
mod openssl;
#[path = "../front/part.rs"]
mod part;
#[path = "../front/world.rs"]
mod world;

use openssl::Openssl;
use world::{Wish, World};

/// Resident memory of this process, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}

/// KiB for each of so many more sessions, and the sessions: none of them ends before all is measured, for what one leaves
/// another would use.
fn cost<C>(count: u64, open: impl Fn() -> C) -> (u64, Vec<C>) {
    // What is made once is there before.
    let mut sessions: Vec<C> = (0..20).map(|_| open()).collect();
    let before = resident();
    sessions.extend((0..count).map(|_| open()));
    (resident().saturating_sub(before) / count, sessions)
}

/// Both in one test, one after the other: they share the process that is measured.
#[test]
fn a_session_that_waits_holds_little() {
    let world = World::with_alice(Wish { certificate: true, ..Wish::default() });
    let (clear, _clients) = cost(400, || {
        let mut client = world.client();
        client.ehlo();
        client.log_in();
        client
    });
    println!("in clear: {clear} KiB");
    assert!(clear <= 20, "{clear} KiB");
    if tests::need::peer("openssl").is_err() {
        return;
    }
    let (tls, _clients) = cost(60, || {
        let mut client = Openssl::connect(&world, &["-starttls", "smtp"]).unwrap();
        client.ehlo();
        client.log_in();
        client
    });
    println!("with TLS: {tls} KiB");
    assert!(tls <= 40, "{tls} KiB");
}
