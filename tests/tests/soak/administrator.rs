//! Who changes users while they log in, with a tool that is often killed before it is done.

use std::io::Write;
use std::process::{Child, ExitStatus, Stdio};
use std::thread;

use super::Stage;
use super::killer::Dice;
use super::session::{MECHANISMS, Verdict, verdict};

/// Somebody who changes one user.
pub(crate) struct Administrator {
    user: String,
    /// What the user's password is.
    password: String,
    /// What it may still become, the last at the end: of a change that was cut off between its commit and its
    /// acknowledgement the next writer makes a whole one.
    pending: Vec<String>,
    number: u64,
    dice: Dice,
    pub(crate) changes: u64,
    /// How often the tool was killed.
    pub(crate) cut_off: u64,
}

impl Administrator {
    pub(crate) fn new(stage: &Stage, number: u64) -> Self {
        let (user, password) = (format!("user{number}"), "the first".to_owned());
        stage.house.saslpasswd(&["-p", "-c", &user], &password);
        Self { user, password, pending: Vec::new(), number, dice: stage.dice(number), changes: 0, cut_off: 0 }
    }

    pub(crate) fn work(&mut self, stage: &Stage) {
        while !stage.is_over() {
            if self.dice.below(4) == 0 { self.disable(stage) } else { self.change(stage) }
        }
    }

    /// What is and what is not, by every mechanism.
    pub(crate) fn look(&mut self, stage: &Stage) {
        for mechanism in MECHANISMS {
            assert_eq!(self.comes_in(stage, mechanism), Verdict::In, "{mechanism}");
            assert_eq!(verdict(stage, mechanism, &self.user, "the first "), Verdict::Out, "{mechanism}");
        }
    }

    /// Once the tool has left 0 behind, the new password counts, and no other any more. Where it was killed, one of them.
    fn change(&mut self, stage: &Stage) {
        self.changes += 1;
        let new = format!("password {} of {}", self.changes, self.number);
        let mechanism = self.mechanism();
        if self.tool(stage, &["-p", &self.user.clone()], &new) {
            let old = std::mem::replace(&mut self.password, new);
            assert_eq!(verdict(stage, mechanism, &self.user, &self.password), Verdict::In, "{mechanism}");
            for old in self.pending.drain(..).chain([old]) {
                assert_eq!(verdict(stage, mechanism, &self.user, &old), Verdict::Out, "{mechanism}: {old}");
            }
        } else {
            self.pending.push(new);
            assert_eq!(self.comes_in(stage, mechanism), Verdict::In, "{mechanism}");
        }
        // What a mechanism says others say, too.
        let another = self.mechanism();
        assert_eq!(self.comes_in(stage, another), Verdict::In, "{another}");
    }

    fn disable(&mut self, stage: &Stage) {
        for (option, wanted) in [("--disable", Verdict::Out), ("--enable", Verdict::In)] {
            // What was cut off is done again.
            while !self.tool(stage, &[option, &self.user.clone()], "") {}
            let mechanism = self.mechanism();
            let found = self.comes_in(stage, mechanism);
            assert_eq!(found, wanted, "{option} {} {mechanism}", self.user);
        }
    }

    /// Whether the user comes in by the password. One that was pending may have taken its place; then the old one is gone
    /// for good.
    fn comes_in(&mut self, stage: &Stage, mechanism: &str) -> Verdict {
        if verdict(stage, mechanism, &self.user, &self.password) == Verdict::In {
            return Verdict::In;
        }
        let is_it = |pending: &String| verdict(stage, mechanism, &self.user, pending) == Verdict::In;
        let Some(at) = self.pending.iter().position(is_it) else { return Verdict::Out };
        assert_eq!(verdict(stage, mechanism, &self.user, &self.password), Verdict::Out, "{mechanism}");
        self.password = self.pending.drain(..=at).next_back().unwrap();
        Verdict::In
    }

    fn mechanism(&mut self) -> &'static str {
        MECHANISMS[usize::try_from(self.dice.below(MECHANISMS.len() as u64)).unwrap()]
    }

    /// Whether it was done; else it was killed.
    fn tool(&mut self, stage: &Stage, arguments: &[&str], typed: &str) -> bool {
        let is_done = run(stage, &mut self.dice, arguments, typed).success();
        self.cut_off += u64::from(!is_done);
        is_done
    }
}

/// Imports users, a few at a time, again and again until that is done: then all of them come in. How many times.
pub(crate) fn import(stage: &Stage) -> u64 {
    let mut dice = stage.dice(99);
    let mut count = 0;
    while !stage.is_over() {
        count += 1;
        let users =
            [1, 2, 3].map(|number| (format!("imported{count}.{number}"), format!("secret {count} {number}")));
        let text: String =
            users.iter().flat_map(|(user, password)| [user, "@example.org:", password, "\n"]).collect();
        let file = stage.house.path("import");
        std::fs::write(&file, text).unwrap();
        tests::house::mode(&file, 0o600);
        while !run(stage, &mut dice, &["--import", file.to_str().unwrap(), "--from", "text"], "").success() {}
        for ((user, password), mechanism) in users.iter().zip(MECHANISMS) {
            assert_eq!(verdict(stage, mechanism, user, password), Verdict::In, "{user} {mechanism}");
        }
    }
    count
}

/// Runs the tool on the live store. One time out of three it is killed at a random moment, if it has not ended by then.
fn run(stage: &Stage, dice: &mut Dice, arguments: &[&str], typed: &str) -> ExitStatus {
    let mut command = stage.house.tool(&["--wait", "60"]);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Who is killed does not read.
    let _ = child.stdin.take().unwrap().write_all(typed.as_bytes());
    let is_to_be_killed = dice.below(3) == 0 && !stage.is_over();
    if is_to_be_killed {
        thread::sleep(dice.millis(0..80));
        child.kill().unwrap();
    }
    ended(child, arguments, is_to_be_killed)
}

fn ended(child: Child, arguments: &[&str], was_killed: bool) -> ExitStatus {
    let said = child.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success() || (was_killed && said.status.code().is_none()), "{arguments:?}: {words}");
    said.status
}
