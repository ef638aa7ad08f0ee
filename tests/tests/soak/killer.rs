//! Who kills keeper and front, and dice.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process};

use super::Stage;

/// Kills in bursts: who is killed again and again is started later and later, until he has lived for a minute.
const BURST: u64 = 4;
const QUIET: Duration = Duration::from_secs(65);

#[derive(Default)]
pub(crate) struct Killer(Mutex<Past>);

#[derive(Default)]
struct Past {
    /// Of keeper and front.
    kills: [u64; 2],
    /// When a front was last killed.
    front: Option<Instant>,
}

impl Killer {
    /// One burst, and quiet after it.
    pub(crate) fn work(&self, stage: &Stage, left: Duration) {
        let mut dice = stage.dice(self.kills().iter().sum::<u64>() + 100);
        let end = Instant::now() + left;
        for turn in 0..2 * BURST {
            sleep(stage, dice.millis(200..2000), end);
            if stage.is_over() || Instant::now() >= end {
                return;
            }
            let roles = ["keeper", "front"];
            let which = usize::from(turn % 2 == 0);
            let pid = stage.house.process(roles[which])["pid"].as_i64();
            let Some(pid) = pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).unwrap())) else { continue };
            let mut past = self.0.lock().unwrap();
            if which == 1 {
                past.front = Some(Instant::now());
            }
            // It may have ended in the meantime only by a hand like this one.
            kill_process(pid, Signal::KILL).unwrap();
            past.kills[which] += 1;
        }
        sleep(stage, QUIET, end);
    }

    pub(crate) fn kills(&self) -> [u64; 2] {
        self.0.lock().unwrap().kills
    }

    /// Whether a session that was there at some time since then may have lived in a front that was killed.
    pub(crate) fn may_have_ended(&self, since: Instant) -> bool {
        // Who is killed goes on for a moment.
        self.0.lock().unwrap().front.is_some_and(|killed| killed + Duration::from_secs(1) >= since)
    }
}

fn sleep(stage: &Stage, time: Duration, end: Instant) {
    let until = (Instant::now() + time).min(end);
    while Instant::now() < until && !stage.is_over() {
        thread::sleep(Duration::from_millis(10).min(until.saturating_duration_since(Instant::now())));
    }
}

/// Random numbers that can be had again by their seed (splitmix64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn millis(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(range.start + self.below(range.end - range.start))
    }
}

pub(crate) fn seed() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into()
}
