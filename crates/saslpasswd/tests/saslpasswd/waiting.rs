//! Another program is writing: waited for, and said so on a terminal; then EX_TEMPFAIL.

use std::fs::File;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use safefile::{Trust, Uid};
use store::secrets::{Access, SecretStore};
use store::{StoreError, Wait};
use tests::terminal::{CTRL_Z, Terminal};

use crate::place::{Place, SASLDBLISTUSERS, SASLPASSWD};

/// Runs `body` while a write transaction is held; the transaction ends when the body does.
fn while_somebody_writes<T>(place: &Place, body: impl FnOnce() -> T) -> T {
    let trust = Trust::root().caller(Uid::effective());
    let store = SecretStore::open(&place.store(), &trust, Access::Write, Wait::default()).unwrap();
    thread::scope(|scope| {
        let (begun, begins) = channel();
        let (end, ends) = channel::<()>();
        scope.spawn(move || {
            store.write(|_| {
                begun.send(()).unwrap();
                // Gone with the body, however that ends.
                let _ = ends.recv();
                Ok::<(), StoreError>(())
            })
        });
        begins.recv().unwrap();
        let value = body();
        drop(end);
        value
    })
}

#[test]
fn who_does_not_wait_may_try_again() {
    let place = Place::new();
    place.set(&["alice"], "secret");
    let tasks: [&[&str]; 5] = [
        &["-p", "alice"],
        &["-p", "bob"],
        &["-d", "alice"],
        &["--disable", "alice"],
        &["--keep", "argon2id", "alice"],
    ];
    while_somebody_writes(&place, || {
        for task in tasks {
            let ran = place.feed(&[&["--wait", "0"], task].concat(), "new");
            ran.failed(75, "another program is writing");
            assert!(!ran.err.contains("waiting"), "nobody is at a terminal: {ran:?}");
        }
        // Readers are not kept.
        assert!(place.accepts("alice", "secret"));
        assert_eq!(place.listed(), ["alice@vm: userPassword"]);
    });
    place.set(&["alice"], "new");
    assert!(place.accepts("alice", "new"));
}

#[test]
fn a_person_is_told_that_somebody_else_is_writing() {
    let place = Place::new();
    place.set(&["alice"], "secret");
    let configuration = place.configuration();
    let arguments = ["--config", configuration.to_str().unwrap(), "--wait", "600", "--disable", "alice"];
    let mut terminal = while_somebody_writes(&place, || {
        let mut terminal = Terminal::start(SASLPASSWD, &arguments);
        terminal.wait_for("saslpasswd: waiting for another program that is writing to the store");
        terminal
    });
    // The other one is done, and so are we.
    let (status, screen) = terminal.end();
    assert_eq!(status.code(), Some(0), "{screen}");
    assert_eq!(place.shown("alice")["state"], "disabled");
}

/// Whoever cannot list must say so, and that it is worth trying again.
#[test]
fn a_list_waits_for_a_store_that_others_hold_and_may_be_tried_again() {
    let place = Place::new();
    place.set(&["alice"], "secret");
    let file = File::options().read(true).write(true).open(place.store()).unwrap();
    rustix::fs::fcntl_lock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    let configuration = place.configuration();
    let mut terminal = Terminal::start(SASLDBLISTUSERS, &["--config", configuration.to_str().unwrap()]);
    terminal.wait_for("sasldblistusers: waiting for another program");
    let (status, screen) = terminal.end();
    assert_eq!(status.code(), Some(75), "{screen}");
    assert!(screen.contains("listusers failed"), "{screen}");
    drop(file);
    assert_eq!(place.listed(), ["alice@vm: userPassword"]);
}

/// Whatever an import is doing when Ctrl-Z is pressed, it stops between two transactions.
#[test]
fn a_stopped_import_keeps_nobody_waiting() {
    // With so cheap a verifier it writes for much of its time.
    let place = Place::keeping(&["digest-md5"]);
    place.set(&["alice"], "secret");
    let users: Vec<_> = (0..40_000).map(|number| format!("user{number}:secret\n")).collect();
    let source = place.write("users", users.concat());
    // A shell leaves a loop when a program in it is stopped, so the lines are written out.
    let rounds = 8;
    let import = format!(
        "set -m; {SASLPASSWD} --config {} --import {} --from text; status=$?\n",
        place.configuration().display(),
        source.display()
    );
    let again =
        "[ $status -eq 148 ] && { echo stopped; read line; fg >/dev/null; status=$?; }\n".repeat(rounds);
    let script = import + &again + "echo status $status";
    let mut terminal = Terminal::start("bash", &["-c", &script]);
    terminal.wait_for("users");
    for round in 0..rounds {
        thread::sleep(Duration::from_millis(13 * round as u64));
        terminal.press(CTRL_Z);
        terminal.wait_for("stopped");
        place.set(&["--wait", "1", "bob"], "x");
        terminal.press("\r");
    }
    terminal.wait_for("status 0");
    assert_eq!(place.listed().len(), 40_002);
}
