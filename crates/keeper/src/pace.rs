//! Against guessing: failures counted by network and by identity, and what follows from them.
//!
//! | counted by | what follows |
//! | --- | --- |
//! | address (/32, /64) and its network (/24, /48) | a delay that grows, then [`Admission::Later`] |
//! | identity | networks that it never logged in from are slowed: a few tries at a time, each for a while |
//!
//! So thousands of networks that guess at one user slow each other down, and the user is let in from where he logged in
//! before as if nothing was. Counts go by keyed hashes, in tables of a fixed size that users and names of nobody share: who
//! guesses costs no memory, cannot choose what he collides with, and cannot tell which names exist. A table that is full
//! forgets whom it counted least. Nothing is counted but that there was a failure: no password leaves a trace.
//!
//! What stands in the tables, and how it is taken out by hand: `held`. Pure: the time and the key are passed in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use config::Throttle;
use credential::Identity;

mod counts;
mod hash;
mod held;
mod places;
mod slots;

use counts::Counts;
pub use hash::PaceKey;
pub use places::{PlaceFileError, Places};
use slots::Slots;

/// Whether somebody may try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// He may.
    Welcome,
    /// Not now: too many failures from there, or too many strangers at this identity at once.
    Later,
}

/// What is remembered of failures and of places.
pub struct Pace {
    throttle: Throttle,
    key: PaceKey,
    addresses: Counts<IpAddr>,
    networks: Counts<IpAddr>,
    identities: Counts<Box<str>>,
    slots: Slots,
    places: Places,
    /// The beginning of this process's time.
    epoch: Instant,
}

impl Pace {
    /// Nothing has happened yet but what the places say.
    pub fn new(throttle: Throttle, key: PaceKey, places: Places, epoch: Instant) -> Self {
        let half_life = half_life(&throttle);
        Self {
            addresses: Counts::new(half_life),
            networks: Counts::new(half_life),
            identities: Counts::new(half_life),
            slots: Slots::default(),
            throttle,
            key,
            places,
            epoch,
        }
    }

    /// Other limits are in force, and what was counted counts by them.
    pub fn configure(&mut self, throttle: Throttle) {
        let half_life = half_life(&throttle);
        self.addresses.fade_by(half_life);
        self.networks.fade_by(half_life);
        self.identities.fade_by(half_life);
        self.throttle = throttle;
    }

    /// Whether a client may begin at all.
    pub fn admit_client(&self, client: Option<IpAddr>, now: Instant) -> Admission {
        let Some(client) = self.counted(client) else { return Admission::Welcome };
        let (age, most) = (self.age(now), self.refuse_after());
        let is_refused = self.addresses.is_refused(&self.key.address(narrow(client)), age, most)
            || self.networks.is_refused(&self.key.network(wide(client)), age, most * NETWORK);
        if is_refused { Admission::Later } else { Admission::Welcome }
    }

    /// Whether a client may try to be this identity. A stranger who is let in while there is pressure takes one of a few
    /// places, and has it for a while, whatever becomes of him: who hangs up has not become faster.
    pub fn admit(&mut self, client: Option<IpAddr>, identity: &Identity, now: Instant) -> Admission {
        let hold = self.hold_of_identity(client, identity, now);
        if hold.is_zero() || self.slots.take(&self.key.identity(identity), self.age(now), hold) {
            Admission::Welcome
        } else {
            Admission::Later
        }
    }

    /// Counts a failure, and says how long the answer is held back.
    pub fn failed(&mut self, client: Option<IpAddr>, identity: Option<&Identity>, now: Instant) -> Duration {
        let at_identity = identity.map_or(Duration::ZERO, |it| self.hold_of_identity(client, it, now));
        let hold = self.hold(client, now).max(at_identity);
        if !self.throttle.enabled {
            return Duration::ZERO;
        }
        let (age, most) = (self.age(now), self.refuse_after());
        if let Some(client) = self.counted(client) {
            let (address, network) = (narrow(client), wide(client));
            self.addresses.add(&self.key.address(address), address, age, most);
            self.networks.add(&self.key.network(network), network, age, most * NETWORK);
        }
        if let Some(identity) = identity {
            let name = self.key.identity(identity);
            self.identities.add(&name, shown(identity), age, f32::INFINITY);
        }
        hold
    }

    /// How long an answer to this client is held back by what its address and network did.
    pub fn hold(&self, client: Option<IpAddr>, now: Instant) -> Duration {
        let Some(client) = self.counted(client) else { return Duration::ZERO };
        let (age, free) = (self.age(now), lossy(self.throttle.delay_after));
        let address = self.addresses.level(&self.key.address(narrow(client)), age) - free;
        let network = self.networks.level(&self.key.network(wide(client)), age) / NETWORK - free;
        hold_after(address.max(network)).min(self.throttle.longest_delay)
    }

    /// Notes from where an identity has logged in. Days are those of the wall clock.
    pub fn logged_in(&mut self, client: Option<IpAddr>, identity: &Identity, day: u32) {
        if let Some(client) = client {
            self.places.note(identity, wide(client), day);
        }
    }

    /// The places, to be written.
    pub fn places_mut(&mut self) -> &mut Places {
        &mut self.places
    }

    /// Never for who comes from where the identity has logged in before.
    fn hold_of_identity(&self, client: Option<IpAddr>, identity: &Identity, now: Instant) -> Duration {
        let is_known = client.is_some_and(|client| self.places.knows(identity, wide(client)));
        if is_known || !self.throttle.enabled {
            return Duration::ZERO;
        }
        let level = self.identities.level(&self.key.identity(identity), self.age(now));
        hold_after(level - IDENTITY_FREE).min(LONGEST_AT_IDENTITY)
    }

    /// The client, where its network counts at all.
    fn counted(&self, client: Option<IpAddr>) -> Option<IpAddr> {
        client.filter(|client| self.throttle.enabled && !self.throttle.is_exempt(*client))
    }

    fn refuse_after(&self) -> f32 {
        lossy(self.throttle.refuse_after)
    }

    fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.epoch)
    }
}

/// A name as it is shown, cut so that no table grows by what somebody calls himself.
fn shown(identity: &Identity) -> Box<str> {
    identity.to_string().chars().take(LONGEST_NAME).collect::<String>().into_boxed_str()
}

/// The delay after this many failures too many: twice as long with each.
fn hold_after(failures: f32) -> Duration {
    if failures < 0.0 {
        return Duration::ZERO;
    }
    FIRST_HOLD.mul_f32(failures.min(MOST_DOUBLINGS).exp2())
}

/// A failure counts a quarter when it is to be forgotten; by then a network that was refused is not any more.
fn half_life(throttle: &Throttle) -> Duration {
    throttle.forget_after / 2
}

#[expect(clippy::cast_precision_loss, reason = "nobody counts millions of failures one by one")]
fn lossy(number: u32) -> f32 {
    number as f32
}

/// What counts as one client: an IPv4 address, or what an IPv6 client may choose its addresses from.
fn narrow(client: IpAddr) -> IpAddr {
    masked(client, 32, 64)
}

/// What counts as one neighbourhood: mostly one provider's, or one customer's.
pub(crate) fn wide(client: IpAddr) -> IpAddr {
    masked(client, 24, 48)
}

fn masked(client: IpAddr, v4_bits: u32, v6_bits: u32) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & (u32::MAX << (32 - v4_bits)))),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << (128 - v6_bits)))),
    }
}

/// How many addresses' worth of failures a network has: what single addresses may, times this.
const NETWORK: f32 = 8.0;
/// Failures at an identity before strangers to it are slowed: a person with a new password and several devices.
const IDENTITY_FREE: f32 = 10.0;
/// Whatever happens to an identity, a stranger to it waits no longer.
const LONGEST_AT_IDENTITY: Duration = Duration::from_secs(5);
/// Characters of an identity that are kept to be shown.
const LONGEST_NAME: usize = 128;
const FIRST_HOLD: Duration = Duration::from_millis(250);
/// Beyond this every delay is the longest.
const MOST_DOUBLINGS: f32 = 24.0;

#[cfg(test)]
mod tests;
