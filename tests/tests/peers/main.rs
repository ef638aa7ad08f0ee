//! Maps that our makemap built, in the hands of those who read them on a real host: sendmail and Postfix relay by them,
//! log in by them, and go on running while they are replaced.
#![allow(clippy::disallowed_methods, reason = "maps and their sources are looked at as any program would")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails in a test is to be seen")]

mod postfix;
mod sendmail;

use std::fmt::Write;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tests::peer::until;

/// How often a map is replaced under a server that runs.
const REBUILDS: usize = 10;

/// Clients, as addresses of the loopback network.
const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;
const TWO: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const THREE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
const FOUR: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 4);

/// Entries that nobody asks for, so that what is asked for is somewhere among them.
fn with_others(text: &str, before_name: &str, count: usize) -> String {
    let mut all = String::new();
    for number in 0..count {
        writeln!(all, "{before_name}other-{number}.example\tREJECT").unwrap();
        if number == count / 2 {
            all.push_str(text);
        }
    }
    all
}

/// Somebody who looks at a map over and over, and fails when he does not see what is in every one.
type Looker<'a> = Box<dyn FnMut() + Send + 'a>;

/// How often a map is at least replaced, and looked at, where both go on at once.
const ENOUGH: usize = 30;

/// Builds a map over and over, while others look at it. With the first that fails all end.
fn while_rebuilt<const COUNT: usize>(mut build: impl FnMut(usize), lookers: [Looker<'_>; COUNT]) {
    let done = AtomicBool::new(false);
    let looks = [(); COUNT].map(|()| AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let _end = End(&done);
        for (mut look, looks) in lookers.into_iter().zip(&looks) {
            let end = End(&done);
            scope.spawn(move || {
                while !end.0.load(Ordering::Relaxed) {
                    look();
                    looks.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let mut rebuilds = 0;
        until("enough to be seen", || {
            rebuilds += 1;
            build(rebuilds);
            let enough =
                looks.iter().all(|looks| looks.load(Ordering::Relaxed) >= ENOUGH) && rebuilds >= ENOUGH;
            (enough || done.load(Ordering::Relaxed)).then_some(())
        });
    });
}

/// When one thread ends, however it does, the others are to end.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
