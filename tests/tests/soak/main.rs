//! While people log in, mail is brought and an administrator changes, disables and imports users, the tool, the keeper and
//! the front are killed (SIGKILL) at random moments. Nothing that was acknowledged is lost, what was changed counts at the
//! next AUTH, and nobody who connects meanwhile is refused.
//!
//! What a kill may do to somebody: a session that lived in the front that was killed ends; an exchange with the keeper that
//! was killed, and one that begins while none is there, is answered 454, never 535. With `cargo xtask test --full` it goes
//! on for ten minutes.
#![allow(clippy::disallowed_methods, reason = "files of the test's own")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails in a test is to be seen")]

mod administrator;
mod killer;
mod people;
mod session;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tests::house::House;
use tests::need;
use tests::peer::until;
use tests::program::built;

use administrator::Administrator;
use killer::{Dice, Killer};

/// What all of them share.
pub(crate) struct Stage {
    pub(crate) house: House,
    pub(crate) killer: Killer,
    is_over: AtomicBool,
    seed: u64,
}

impl Stage {
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    pub(crate) fn dice(&self, whose: u64) -> Dice {
        Dice::new(self.seed ^ (whose << 32))
    }
}

/// However a thread ends, the others are to end.
struct End<'s>(&'s Stage);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Relaxed);
    }
}

#[test]
#[allow(clippy::print_stdout, reason = "how often everything was done, and the seed of the dice")]
fn nothing_acknowledged_is_lost_whoever_is_killed() {
    let Ok(()) = need::root() else { return };
    let Ok(house) = House::start() else { return };
    let time = Duration::from_secs(if need::full() { 600 } else { 15 });
    let stage =
        Stage { house, killer: Killer::default(), is_over: AtomicBool::new(false), seed: killer::seed() };
    println!("seed {:#x}", stage.seed);
    let mut administrators: Vec<Administrator> =
        (0..2).map(|number| Administrator::new(&stage, number)).collect();
    let (mut logins, mut mails, mut imports) = (0, Vec::new(), 0);
    thread::scope(|scope| {
        let stage = &stage;
        for administrator in &mut administrators {
            scope.spawn(move || {
                let _end = End(stage);
                administrator.work(stage);
            });
        }
        let logging_in: Vec<_> = session::MECHANISMS
            .map(|mechanism| {
                scope.spawn(move || {
                    let _end = End(stage);
                    people::log_in(stage, mechanism)
                })
            })
            .into();
        let bringing = scope.spawn(move || {
            let _end = End(stage);
            people::bring_mail(stage)
        });
        let importing = scope.spawn(move || {
            let _end = End(stage);
            administrator::import(stage)
        });
        let began = Instant::now();
        while began.elapsed() < time && !stage.is_over() {
            stage.killer.work(stage, time.saturating_sub(began.elapsed()));
        }
        drop(End(stage));
        logins = logging_in.into_iter().map(|them| them.join().unwrap()).min().unwrap();
        mails = bringing.join().unwrap();
        imports = importing.join().unwrap();
    });
    let kills = stage.killer.kills();
    let changes: Vec<_> = administrators.iter().map(|one| (one.changes, one.cut_off)).collect();
    println!(
        "kills {kills:?}, logins by each mechanism at least {logins}, mails {}, imports {imports}, changes and those cut off {changes:?}",
        mails.len()
    );
    assert!(kills.iter().all(|count| *count > 1) && logins > 3 && mails.len() > 3 && imports > 0);
    assert!(changes.iter().all(|(done, cut_off)| *done > 1 && *cut_off > 0), "{changes:?}");
    afterwards(&stage, &mut administrators, &mails);
}

/// When all is quiet again: every password is what it was last, every mail is there, and the store is sound.
fn afterwards(stage: &Stage, administrators: &mut [Administrator], mails: &[String]) {
    for administrator in administrators {
        administrator.look(stage);
    }
    until("every mail that was taken", || {
        let found = stage.house.mails();
        mails.iter().all(|subject| found.iter().any(|mail| mail.contains(subject.as_str()))).then_some(())
    });
    let said = std::process::Command::new(built("authcheck"))
        .arg("--config")
        .arg(stage.house.path("gatepost.toml"))
        .arg("store")
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&said.stdout);
    assert!(shown.contains("integrity  sound"), "{shown}");
    let restarts = ["keeper", "front"].map(|role| stage.house.process(role)["restarts"].as_u64().unwrap());
    assert_eq!(restarts, stage.killer.kills(), "nobody ended by himself");
}
