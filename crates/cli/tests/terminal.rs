//! Passwords at a real terminal: prompts, echo, keys that end and stop a program; and what a process of ours is like.
//!
//! This file is two programs: without arguments the tests, with the name of a part the program under test.
#![allow(clippy::print_stdout, reason = "a test without the standard harness says itself how it went")]
#![allow(clippy::expect_used, reason = "what a test cannot do without ends it")]

use std::env;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitCode, Stdio};

use cli::progress::{Progress, Work};
use cli::prompt::{self, PromptError};
use cli::{Exit, Io, Report};
use rustix::process::Signal;
use tests::terminal::{CTRL_BACKSLASH, CTRL_C, CTRL_D, CTRL_V, CTRL_Z, Terminal};

/// The tests by name.
const TESTS: [(&str, fn()); 17] = [
    ("twice_asks_twice_and_shows_nothing", twice_asks_twice_and_shows_nothing),
    ("two_passwords_that_differ", two_passwords_that_differ),
    ("nothing_typed_is_an_empty_secret", nothing_typed_is_an_empty_secret),
    ("a_line_closed_by_ctrl_d", a_line_closed_by_ctrl_d),
    ("ctrl_d_in_a_line_does_not_end_it", ctrl_d_in_a_line_does_not_end_it),
    ("the_terminal_edits_the_line", the_terminal_edits_the_line),
    ("keys_pressed_too_early_are_not_lost", keys_pressed_too_early_are_not_lost),
    ("control_characters_are_refused", control_characters_are_refused),
    ("another_character_set_is_refused", another_character_set_is_refused),
    ("a_line_that_does_not_fit_is_refused", a_line_that_does_not_fit_is_refused),
    ("what_ends_the_program_gives_the_echo_back", what_ends_the_program_gives_the_echo_back),
    ("ctrl_z_gives_the_echo_back_and_asks_again", ctrl_z_gives_the_echo_back_and_asks_again),
    ("an_ignored_signal_changes_nothing", an_ignored_signal_changes_nothing),
    ("in_the_open_is_one_line_with_echo", in_the_open_is_one_line_with_echo),
    ("progress_is_seen_and_goes_away", progress_is_seen_and_goes_away),
    ("the_process_is_closed_to_others", the_process_is_closed_to_others),
    ("a_panic_and_a_closed_pipe_end_as_they_should", a_panic_and_a_closed_pipe_end_as_they_should),
];

fn main() -> ExitCode {
    match env::args().nth(1).as_deref() {
        Some(part) if PARTS.contains(&part) => cli::run("ask", |io| play(part, io)),
        argument => run_tests(argument.filter(|argument| !argument.starts_with('-'))),
    }
}

fn run_tests(filter: Option<&str>) -> ExitCode {
    let chosen = TESTS.iter().filter(|(name, _)| filter.is_none_or(|filter| name.contains(filter)));
    let mut passed = 0;
    let mut failed = Vec::new();
    for (name, test) in chosen {
        let went = std::panic::catch_unwind(test);
        println!("test {name} ... {}", if went.is_ok() { "ok" } else { "FAILED" });
        if went.is_ok() { passed += 1 } else { failed.push(name) }
    }
    let word = if failed.is_empty() { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {word}. {passed} passed; {} failed; 0 ignored; 0 measured; 0 filtered out",
        failed.len()
    );
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What the program under test can be.
const PARTS: [&str; 8] = ["twice", "once", "open", "pipe", "progress", "self", "panic", "yes"];

fn play(part: &str, io: &mut Io) -> Result<Exit, Report> {
    match part {
        "twice" => tell(prompt::password_twice(io), io),
        "once" => tell(prompt::password_once(io), io),
        "open" => tell(prompt::line_in_the_open(io), io),
        "pipe" => tell(prompt::secret_to_end(io), io),
        "progress" => count(io),
        "self" => look_at_self(io),
        "panic" => panic!("the password is hunter2"),
        _ => loop {
            io.out().line("y")?;
        },
    }
}

fn tell(secret: Result<credential::Secret, PromptError>, io: &mut Io) -> Result<Exit, Report> {
    let secret = secret?;
    let shown: Vec<_> = secret.expose().iter().map(|octet| format!("{octet:02x}")).collect();
    io.out().line(format_args!("<{}>", shown.concat()))?;
    Ok(Exit::OK)
}

fn count(io: &mut Io) -> Result<Exit, Report> {
    let progress = Progress::begin(io, "users", Work::Count(1000));
    for _ in 0..1000 {
        progress.advance(1);
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    progress.finish();
    io.out().line("done")?;
    Ok(Exit::OK)
}

fn look_at_self(io: &mut Io) -> Result<Exit, Report> {
    let core = rustix::process::getrlimit(rustix::process::Resource::Core);
    let dumpable = rustix::process::dumpable_behavior().map_err(|error| Report::plain(Exit::OSERR, error))?;
    io.out().line(format_args!("{core:?} {dumpable:?}"))?;
    Ok(Exit::OK)
}

fn program() -> std::path::PathBuf {
    env::current_exe().expect("this file")
}

fn start(part: &str) -> Terminal {
    Terminal::start(program(), &[part])
}

fn hex(text: &str) -> String {
    let octets: Vec<_> = text.bytes().map(|octet| format!("{octet:02x}")).collect();
    format!("<{}>", octets.concat())
}

fn twice_asks_twice_and_shows_nothing() {
    let mut terminal = start("twice");
    terminal.wait_for("Password: ");
    assert!(!terminal.echoes());
    terminal.press("secret\n");
    terminal.wait_for("\r\nAgain (for verification): ");
    assert!(!terminal.echoes());
    terminal.press("secret\n");
    let (status, screen) = terminal.end();
    assert!(status.success());
    assert_eq!(screen, format!("Password: \r\nAgain (for verification): \r\n{}\r\n", hex("secret")));
    assert!(terminal.echoes());
}

fn two_passwords_that_differ() {
    let mut terminal = asked_twice("secret", "other");
    let (status, screen) = terminal.end();
    assert_eq!(status.code(), Some(65));
    assert!(screen.ends_with("verification): \r\nask: passwords don't match; aborting\r\n"), "{screen:?}");
}

fn nothing_typed_is_an_empty_secret() {
    assert_eq!(asked_twice("", "").end().1, "Password: \r\nAgain (for verification): \r\n<>\r\n");
}

fn asked_twice(first: &str, second: &str) -> Terminal {
    let mut terminal = start("twice");
    terminal.wait_for("Password: ");
    terminal.press(format!("{first}\n"));
    terminal.wait_for("Again (for verification): ");
    terminal.press(format!("{second}\n"));
    terminal
}

fn a_line_closed_by_ctrl_d() {
    let mut terminal = start("twice");
    terminal.wait_for("Password: ");
    terminal.press(format!("sec{CTRL_D}{CTRL_D}"));
    terminal.wait_for("\r\nAgain (for verification): ");
    terminal.press("sec\n");
    let (_, screen) = terminal.end();
    assert_eq!(screen, format!("Password: \r\nAgain (for verification): \r\n{}\r\n", hex("sec")));
}

fn ctrl_d_in_a_line_does_not_end_it() {
    let mut terminal = start("once");
    terminal.wait_for("Password: ");
    terminal.press(format!("sec{CTRL_D}"));
    terminal.press("ret\n");
    assert!(terminal.end().1.contains(&hex("secret")));
}

fn the_terminal_edits_the_line() {
    let mut terminal = start("once");
    terminal.wait_for("Password: ");
    terminal.press("wrong\x15secrex\x7ft\u{e9}\n");
    assert!(terminal.end().1.contains(&hex("secret\u{e9}")));
}

fn keys_pressed_too_early_are_not_lost() {
    let mut terminal = start("twice");
    terminal.press("secret\nsecret\n");
    assert!(terminal.end().1.ends_with(&format!("{}\r\n", hex("secret"))));
}

fn control_characters_are_refused() {
    let quoted = |key| format!("{CTRL_V}{key}");
    let rows = [
        ("\t".to_owned(), "U+0009"),
        ("\x1b[A".to_owned(), "U+001B"),
        (quoted(CTRL_C), "U+0003"),
        (quoted("\0"), "U+0000"),
    ];
    for (keys, shown) in rows {
        let mut terminal = start("once");
        terminal.wait_for("Password: ");
        terminal.press(format!("sec{keys}ret\n"));
        let (status, screen) = terminal.end();
        assert_eq!(status.code(), Some(65), "{keys:?}: {screen:?}");
        assert!(screen.contains(shown) && !screen.contains("sec"), "{keys:?}: {screen:?}");
        assert!(terminal.echoes());
    }
}

fn another_character_set_is_refused() {
    let mut terminal = start("once");
    terminal.wait_for("Password: ");
    terminal.press(b"caf\xe9\n");
    let (status, screen) = terminal.end();
    assert_eq!(status.code(), Some(65));
    assert!(screen.contains("not UTF-8"), "{screen:?}");
}

fn a_line_that_does_not_fit_is_refused() {
    for (length, fits) in [(4094, true), (4095, false), (5000, false)] {
        let mut terminal = start("once");
        terminal.wait_for("Password: ");
        terminal.press("x".repeat(length));
        terminal.press("\n");
        let (status, screen) = terminal.end();
        assert_eq!(status.success(), fits, "{length}: {screen:?}");
    }
}

fn what_ends_the_program_gives_the_echo_back() {
    let keys = [(CTRL_C, Signal::INT), (CTRL_BACKSLASH, Signal::QUIT)];
    for (key, signal) in keys {
        let mut terminal = start("twice");
        terminal.wait_for("Password: ");
        terminal.press(format!("sec{key}"));
        ended_by(&mut terminal, signal);
    }
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
        let mut terminal = start("twice");
        terminal.wait_for("Password: ");
        terminal.press("secret\n");
        terminal.wait_for("Again (for verification): ");
        terminal.signal(signal);
        ended_by(&mut terminal, signal);
    }
}

fn ended_by(terminal: &mut Terminal, signal: Signal) {
    let (status, screen) = terminal.end();
    assert_eq!(status.signal(), Some(signal.as_raw()), "{screen:?}");
    assert!(terminal.echoes(), "echo is off after {signal:?}");
    assert!(!screen.contains("sec"), "{screen:?}");
}

fn ctrl_z_gives_the_echo_back_and_asks_again() {
    let program = program();
    let script = format!("set -m; {} once; echo stopped; read line; fg; echo status $?", program.display());
    let mut terminal = Terminal::start("sh", &["-c", &script]);
    terminal.wait_for("Password: ");
    assert!(!terminal.echoes());
    terminal.press(CTRL_Z);
    terminal.wait_for("stopped");
    assert!(terminal.echoes());
    terminal.press("go on\n");
    terminal.wait_for("Password: ");
    assert!(!terminal.echoes());
    terminal.press("secret\n");
    terminal.wait_for(&hex("secret"));
    terminal.wait_for("status 0");
    terminal.end();
    assert!(terminal.echoes());
}

fn an_ignored_signal_changes_nothing() {
    let program = program();
    let mut terminal =
        Terminal::start("sh", &["-c", &format!("trap '' INT; exec {} once", program.display())]);
    terminal.wait_for("Password: ");
    terminal.press(CTRL_C);
    terminal.wait_for("Password: ");
    assert!(!terminal.echoes());
    terminal.press("secret\n");
    assert!(terminal.end().1.contains(&hex("secret")));
}

fn in_the_open_is_one_line_with_echo() {
    let mut terminal = start("open");
    terminal.press("secret\n");
    let (_, screen) = terminal.end();
    assert_eq!(screen, format!("secret\r\n{}\r\n", hex("secret")));
}

fn progress_is_seen_and_goes_away() {
    let mut terminal = start("progress");
    terminal.wait_for("of 1,000 users");
    terminal.wait_for("left");
    let (_, screen) = terminal.end();
    let last = screen.rsplit('\r').find(|piece| piece.contains("done")).unwrap_or_default().to_owned();
    assert!(!last.contains("users"), "{screen:?}");
}

fn the_process_is_closed_to_others() {
    let seen = Command::new(program()).arg("self").output().expect("the program");
    let seen = String::from_utf8_lossy(&seen.stdout).into_owned();
    assert_eq!(seen.trim(), "Rlimit { current: Some(0), maximum: Some(0) } NotDumpable");
}

fn a_panic_and_a_closed_pipe_end_as_they_should() {
    let ended = Command::new(program()).arg("panic").output().expect("the program");
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(70));
    assert!(said.starts_with("ask: internal error at ") && !said.contains("hunter2"), "{said}");

    let mut yes = Command::new(program()).arg("yes").stdout(Stdio::piped()).spawn().expect("the program");
    drop(yes.stdout.take());
    assert!(yes.wait().expect("its end").success());

    let full = Command::new("sh").arg("-c").arg(format!("{} yes > /dev/full", program().display())).output();
    let full = full.expect("the shell");
    assert_eq!(full.status.code(), Some(74));
    assert_eq!(
        String::from_utf8_lossy(&full.stderr),
        "ask: standard output: No space left on device (os error 28)\n"
    );
}
