//! At a terminal, beyond the rows of the table: nothing that is typed is shown, nobody types for nothing, and the terminal
//! comes back as it was.

use tests::terminal::{CTRL_C, CTRL_Z, Terminal};

use crate::place::{Place, SASLPASSWD};

fn start(place: &Place, arguments: &[&str]) -> Terminal {
    let configuration = place.configuration();
    let common = ["--config", configuration.to_str().unwrap()];
    Terminal::start(SASLPASSWD, &[&common, arguments].concat())
}

#[test]
fn what_is_typed_is_not_shown() {
    let place = Place::new();
    let mut terminal = start(&place, &["-c", "alice"]);
    terminal.wait_for("Password: ");
    assert!(!terminal.echoes());
    terminal.press("secret\r");
    terminal.wait_for("Again (for verification): ");
    terminal.press("secret\r");
    let (status, screen) = terminal.end();
    assert_eq!(status.code(), Some(0), "{screen}");
    assert!(!screen.contains("secret"), "{screen}");
    assert!(terminal.echoes());
    assert!(place.accepts("alice", "secret"));
}

#[test]
fn nobody_types_a_password_that_cannot_be_stored() {
    let place = Place::new();
    let (status, screen) = start(&place, &["alice"]).end();
    assert_eq!(status.code(), Some(1));
    assert!(screen.contains("no such store") && !screen.contains("Password"), "{screen}");
    place.write("secrets.redb", "not a store");
    let (status, screen) = start(&place, &["-c", "alice"]).end();
    assert_eq!(status.code(), Some(1));
    assert!(screen.contains("damaged") && !screen.contains("Password"), "{screen}");
}

#[test]
fn verify_asks_once() {
    let place = Place::new();
    place.set(&["alice"], "secret");
    let mut terminal = start(&place, &["--verify", "alice"]);
    terminal.wait_for("Password: ");
    terminal.press("secret\r");
    let (status, screen) = terminal.end();
    assert_eq!((status.code(), screen.as_str()), (Some(0), "Password: \r\nalice@vm: authenticates\r\n"));
}

#[test]
fn interrupted_at_the_prompt_nothing_was_done_and_the_terminal_is_as_before() {
    let place = Place::new();
    let mut terminal = start(&place, &["-c", "alice"]);
    terminal.wait_for("Password: ");
    terminal.press("sec");
    terminal.press(CTRL_C);
    let (status, _) = terminal.end();
    assert!(!status.success());
    assert!(terminal.echoes());
    assert!(!place.store().exists());
}

#[test]
fn others_write_while_somebody_is_at_the_prompt_or_has_stopped_it() {
    let place = Place::new();
    place.set(&["alice"], "secret");
    // A shell that knows jobs: without one a program cannot be stopped by a key.
    let configuration = place.configuration();
    let script = format!(
        "set -m; {SASLPASSWD} --config {} alice; echo stopped; read line; fg >/dev/null; echo status $?",
        configuration.display()
    );
    let mut terminal = Terminal::start("bash", &["-c", &script]);
    terminal.wait_for("Password: ");
    // No transaction is open.
    place.set(&["--wait", "0", "bob"], "x");
    terminal.press(CTRL_Z);
    terminal.wait_for("stopped");
    assert!(terminal.echoes());
    place.set(&["--wait", "0", "carol"], "x");
    terminal.press("\r");
    terminal.wait_for("Password: ");
    terminal.press("new\r");
    terminal.wait_for("Again (for verification): ");
    terminal.press("new\r");
    terminal.wait_for("status 0");
    terminal.end();
    assert!(place.accepts("alice", "new"));
    assert_eq!(place.listed().len(), 3);
}

#[test]
fn a_pipe_on_a_terminal_is_one_line_in_the_open() {
    let place = Place::new();
    let mut terminal = start(&place, &["-p", "-c", "alice"]);
    terminal.press("secret\r");
    let (status, screen) = terminal.end();
    assert_eq!(status.code(), Some(0), "{screen}");
    assert!(!screen.contains("Password"), "{screen}");
    assert!(place.accepts("alice", "secret"));
}
