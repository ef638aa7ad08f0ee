//! How far a long job has come: count, rate and time left on a terminal; nothing at all elsewhere, so that a log or a
//! pipe stays clean.

use std::fmt;
use std::io::Write as _;

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::{Format, Io};

/// A bar on standard error, where that is a terminal and a person is spoken to.
pub struct Progress {
    bar: ProgressBar,
    /// Who counts for nobody need not look at the clock for each of a million records.
    seen: bool,
}

/// What is known of the work before it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// So many things (users, entries, octets).
    Count(u64),
    /// Nobody knows: the count and the rate are shown, but no time left.
    Unknown,
}

impl Progress {
    /// Begins; `what` names what is counted (`users`, `entries`).
    pub fn begin(io: &mut Io, what: &'static str, work: Work) -> Self {
        let seen = io.format() == Format::Text && io.err().is_terminal();
        let target =
            if seen { ProgressDrawTarget::stderr_with_hz(REDRAWS) } else { ProgressDrawTarget::hidden() };
        Self { bar: bar(target, what, work), seen }
    }

    /// So many more are done.
    pub fn advance(&self, count: u64) {
        if self.seen {
            self.bar.inc(count);
        }
    }

    /// So many are done altogether.
    pub fn reach(&self, position: u64) {
        if self.seen {
            self.bar.set_position(position);
        }
    }

    /// Says something above the bar without tearing it.
    pub fn aside<R>(&self, say: impl FnOnce() -> R) -> R {
        self.bar.suspend(say)
    }

    /// Ends; the bar goes away, since a report follows.
    pub fn finish(self) {
        self.bar.finish_and_clear();
        // What follows on standard output must not overtake the clearing.
        let _ = std::io::stderr().flush();
    }
}

/// What to do when a job has to wait for another program that writes to the store: say so to the person at the terminal,
/// and to nobody else.
pub fn waiting(program: &'static str) -> impl Fn() + Send + Sync + 'static {
    move || {
        let mut err = std::io::stderr();
        if std::io::IsTerminal::is_terminal(&err) {
            // When nobody can hear, nothing is said.
            let _ = writeln!(err, "{program}: waiting for another program that is writing to the store");
        }
    }
}

fn bar(target: ProgressDrawTarget, what: &'static str, work: Work) -> ProgressBar {
    let (length, template) = match work {
        Work::Count(count) => (Some(count), COUNTED),
        Work::Unknown => (None, UNCOUNTED),
    };
    // A template of ours that indicatif refuses is found by the test below; a plain bar is then still a bar.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let style = style.with_key("rate", |state: &ProgressState, out: &mut dyn fmt::Write| {
        let _ = out.write_str(&whole_rate(state.per_sec()));
    });
    ProgressBar::with_draw_target(length, target).with_style(style).with_message(what)
}

/// Things a second, whole ones: indicatif's own form has four decimals.
#[allow(clippy::cast_sign_loss, reason = "a rate is not negative, and the cast saturates")]
fn whole_rate(per_second: f64) -> String {
    format!("{}/s", HumanCount(per_second.round() as u64))
}

const COUNTED: &str = "[{bar:30}] {human_pos} of {human_len} {msg}, {rate}, {eta} left";
const UNCOUNTED: &str = "{spinner} {human_pos} {msg}, {rate}, {elapsed}";
const REDRAWS: u8 = 5;

#[cfg(test)]
mod tests {
    use indicatif::ProgressStyle;

    use super::{COUNTED, Progress, UNCOUNTED, Work};
    use crate::Io;

    #[test]
    fn templates_are_understood() {
        for template in [COUNTED, UNCOUNTED] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    #[test]
    fn a_rate_is_a_whole_number() {
        assert_eq!(super::whole_rate(4653.1288), "4,653/s");
        assert_eq!(super::whole_rate(0.2), "0/s");
    }

    #[test]
    fn a_pipe_sees_nothing() {
        let (mut io, said) = Io::rehearse("p", "");
        let progress = Progress::begin(&mut io, "users", Work::Count(10));
        progress.advance(3);
        progress.finish();
        assert_eq!((said.err().as_str(), said.out().as_slice()), ("", b"".as_slice()));
    }
}
