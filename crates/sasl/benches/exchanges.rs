//! What a server's exchange costs, beside what its RFC demands of cryptography: `cargo xtask bench sasl`.
//!
//! A client's messages are written down once and said again, so that nothing of a client is measured; record and decoy are
//! there before, since looking them up is the caller's part. Both sides of a line run in turn, in one thread, and what counts
//! is the time of the processor: medians over rounds.
#![allow(clippy::print_stdout, reason = "the table is what it is for")]
#![allow(clippy::unwrap_used, reason = "what fails in a measurement is to be seen")]

#[path = "exchanges/primitives.rs"]
mod primitives;
#[allow(dead_code, reason = "more of it is used by the tests that it belongs to")]
#[path = "../tests/sasl/world.rs"]
mod world;

use std::hint::black_box;
use std::time::Duration;

use credential::{Argon2Cost, Cost, Decoy, DecoyKey, Mechanism, MechanismSet, Occasion, Policy, ShapeCounts};
use primitives::Primitives;
use rustix::time::{ClockId, clock_gettime};
use sasl::Channel;
use sasl::layer::Layers;
use sasl::server::{self, Answer, Step};

use crate::world::{NOW, Site, cheap, client_settings, dice, everything, exchange, identity, kinds, tls};

/// How long one round of one side is to last.
const ROUND: Duration = Duration::from_millis(2);

/// Arguments: how many rounds; the names of mechanisms, all where none is given.
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rounds = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(51);
    let mut wanted: MechanismSet = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    let is_whole = wanted.is_empty();
    if is_whole {
        wanted = MechanismSet::ALL;
    }
    println!("| mechanism | logins per second and core | a login | its primitives | ratio |");
    println!("| --- | --- | --- | --- | --- |");
    for mechanism in wanted.iter().filter(|mechanism| mechanism.has_server()) {
        Login::new(mechanism).print(rounds);
    }
    if is_whole {
        decoys(rounds);
    }
}

/// One login, ready to be done again and again.
struct Login {
    mechanism: Mechanism,
    site: Site,
    channel: Channel,
    decoy: Decoy,
    /// Every message that passed, the client's and the server's.
    messages: Vec<Vec<u8>>,
    is_server_first: bool,
}

impl Login {
    fn new(mechanism: Mechanism) -> Self {
        let mut site = Site::new();
        site.policy.cost = Cost { argon2id: Argon2Cost::default(), ..cheap() };
        site.change(|settings| settings.layers = Layers::none());
        let mut site = site.with_user("user", "pencil");
        let settings = client_settings(mechanism, "user", None);
        let channel = tls();
        let ended = exchange(&mut site, mechanism, &settings, b"pencil", [&channel, &channel], |_, _| {});
        assert!(ended.server.is_ok(), "{mechanism}: {ended:?}");
        let decoy = site.decoy(&identity("user"));
        let is_server_first =
            matches!(mechanism, Mechanism::Login | Mechanism::CramMd5 | Mechanism::DigestMd5);
        Self { mechanism, site, channel, decoy, messages: ended.messages, is_server_first }
    }

    fn print(&self, rounds: usize) {
        let primitives = Primitives::of(self.mechanism, &self.site.users[0], &self.messages);
        let [ours, bare] = medians(rounds, [&|| self.run(), &|| primitives.run()]);
        let (per_second, name) = (1.0 / ours, self.mechanism.name());
        if primitives.is_none() {
            println!("| {name} | {per_second:.0} | {:.2} us | none | |", ours * 1e6);
        } else {
            println!(
                "| {name} | {per_second:.0} | {:.2} us | {:.2} us | {:.2} |",
                ours * 1e6,
                bare * 1e6,
                ours / bare
            );
        }
    }

    /// The server's side, from beginning to end.
    fn run(&self) {
        let mut said = self.messages.iter().skip(usize::from(self.is_server_first)).step_by(2);
        let initial = if self.is_server_first { None } else { said.next().map(Vec::as_slice) };
        let answer =
            Answer { record: self.site.users.first(), decoy: &self.decoy, occasion: Occasion::at(NOW) };
        let mut step = server::begin(self.mechanism, initial, &self.site.settings, &self.channel, dice(2));
        loop {
            step = match step {
                Step::Challenge { octets, next } => {
                    black_box(octets);
                    next.respond(said.next().map_or(&[], Vec::as_slice))
                }
                Step::Lookup { next, .. } => next.answer(&answer),
                Step::Done(outcome) => return drop(black_box(outcome)),
                other => panic!("{other:?}"),
            };
        }
    }
}

/// The caller's part: the decoy that an answer comes with, for a policy with a verifier of each kind and the default one.
fn decoys(rounds: usize) {
    let (key, shapes, identity) = (DecoyKey::new([9; 32]), ShapeCounts::default(), identity("user"));
    let of_each = Policy { keep: everything(), cost: Cost::default() };
    let of_default = Policy { keep: kinds("argon2id scram-sha-256"), cost: Cost::default() };
    let make = |policy: &Policy| drop(black_box(key.record_for(&identity, &shapes, policy)));
    let [of_each, of_default] = medians(rounds, [&|| make(&of_each), &|| make(&of_default)]);
    println!(
        "\nA decoy: {:.2} us by the default policy, {:.2} us with every verifier.",
        of_default * 1e6,
        of_each * 1e6
    );
}

/// How long each of two takes, in seconds of the processor: they run in turn, so that whatever else the machine does meets
/// both alike.
fn medians(rounds: usize, sides: [&dyn Fn(); 2]) -> [f64; 2] {
    let repeats = sides.map(repeats);
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for ((side, repeats), times) in sides.iter().zip(repeats).zip(&mut times) {
            times.push(time(repeats, side).as_secs_f64() / f64::from(repeats));
        }
    }
    times.map(|mut times| {
        times.sort_unstable_by(f64::total_cmp);
        times[times.len() / 2]
    })
}

/// How many fill a round.
fn repeats(side: &dyn Fn()) -> u32 {
    let mut repeats = 1;
    while time(repeats, side) < ROUND && repeats < 1 << 20 {
        repeats *= 2;
    }
    repeats
}

fn time(repeats: u32, side: &dyn Fn()) -> Duration {
    let now = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
    let begun = now();
    for _ in 0..repeats {
        side();
    }
    now().saturating_sub(begun)
}
