//! Those who use the server: their password stays what it is, and always lets them in.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use tests::house::PASSWORD;

use super::Stage;
use super::session::{Verdict, connect, verdict};

/// Logs in again and again, once with a wrong password in between; how often.
pub(crate) fn log_in(stage: &Stage, mechanism: &str) -> u64 {
    let mut count = 0;
    while !stage.is_over() {
        assert_eq!(verdict(stage, mechanism, "alice", PASSWORD), Verdict::In, "{mechanism}");
        if count % 8 == 0 {
            for (user, password) in [("alice", "battery staple"), ("nobody", PASSWORD), ("bob", PASSWORD)] {
                assert_eq!(verdict(stage, mechanism, user, password), Verdict::Out, "{mechanism} {user}");
            }
        }
        count += 1;
    }
    count
}

/// Brings one mail after the other; the subjects of those that were taken.
pub(crate) fn bring_mail(stage: &Stage) -> Vec<String> {
    let mut taken = Vec::new();
    let mut number = 0;
    while !stage.is_over() {
        number += 1;
        let subject = format!("Subject: soak {number}.");
        let began = Instant::now();
        match bring(stage, &subject) {
            // 250 after DATA: it is ours now.
            Ok(said) if said.starts_with("250 ") => taken.push(subject),
            Ok(said) => assert!(said.starts_with('4'), "{said}"),
            Err(error) => assert!(stage.killer.may_have_ended(began), "{error}"),
        }
        thread::sleep(Duration::from_millis(20));
    }
    taken
}

/// The answer to the message, or the first that goes no further.
fn bring(stage: &Stage, subject: &str) -> io::Result<String> {
    let mut client = connect(stage)?;
    let message = format!("{subject}\r\n\r\nA message.\r\n.");
    let mut said = String::new();
    for (line, good) in [
        ("AUTH PLAIN AGFsaWNlAGNvcnJlY3QgaG9yc2U=", "235 "),
        ("MAIL FROM:<alice@example.org>", "250 "),
        ("RCPT TO:<alice@example.org>", "250 "),
        ("DATA", "354 "),
        (&message, "250 "),
    ] {
        said = client.try_to_say(line)?;
        if !said.starts_with(good) {
            break;
        }
    }
    Ok(said)
}
