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
//! Pure: the time and the key are passed in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use credential::Identity;

mod counts;
mod hash;
mod places;
mod slots;

use counts::Counts;
use hash::Name;
pub use hash::PaceKey;
pub use places::{PlaceFileError, Places};
use slots::Slots;

/// From when on failures have consequences, and which.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// After which time a failure counts half.
    pub half_life: Duration,
    /// Failures of one address without any delay: people mistype.
    pub address_free: f32,
    /// Failures of one address after which it is refused for a while.
    pub address_most: f32,
    /// Failures of one network without any delay.
    pub network_free: f32,
    /// Failures of one network after which it is refused for a while.
    pub network_most: f32,
    /// Failures at one identity before strangers to it are slowed.
    pub identity_free: f32,
    /// The first delay, which doubles with each further failure.
    pub first_hold: Duration,
    /// The longest delay. A client waits for an answer for minutes, but each waiting one is a connection of ours.
    pub longest_hold: Duration,
}

/// Half after ten minutes; an address is refused at about twice a minute for long, a network at about ten times that.
impl Default for Limits {
    fn default() -> Self {
        Self {
            half_life: Duration::from_mins(10),
            address_free: 3.0,
            address_most: 30.0,
            network_free: 30.0,
            network_most: 200.0,
            identity_free: 10.0,
            first_hold: Duration::from_millis(250),
            longest_hold: Duration::from_secs(5),
        }
    }
}

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
    limits: Limits,
    key: PaceKey,
    addresses: Counts,
    networks: Counts,
    identities: Counts,
    slots: Slots,
    places: Places,
    /// The beginning of this process's time.
    epoch: Instant,
}

impl Pace {
    /// Nothing has happened yet but what the places say.
    pub fn new(limits: Limits, key: PaceKey, places: Places, epoch: Instant) -> Self {
        let counts = || Counts::new(limits.half_life);
        Self {
            addresses: counts(),
            networks: counts(),
            identities: counts(),
            slots: Slots::default(),
            limits,
            key,
            places,
            epoch,
        }
    }

    /// Whether a client may begin at all.
    pub fn admit_client(&self, client: Option<IpAddr>, now: Instant) -> Admission {
        let Some(client) = client else { return Admission::Welcome };
        let (address, network) = self.pressure_of(client, now);
        if address >= self.limits.address_most || network >= self.limits.network_most {
            Admission::Later
        } else {
            Admission::Welcome
        }
    }

    /// Whether a client may try to be this identity. A stranger who is let in while there is pressure takes one of a few
    /// places, and has it for a while, whatever becomes of him: who hangs up has not become faster.
    pub fn admit(&mut self, client: Option<IpAddr>, identity: &Identity, now: Instant) -> Admission {
        let hold = self.hold_of_identity(client, identity, now);
        if hold.is_zero() || self.slots.take(&self.identity(identity), self.age(now), hold) {
            Admission::Welcome
        } else {
            Admission::Later
        }
    }

    /// Counts a failure, and says how long the answer is held back.
    pub fn failed(&mut self, client: Option<IpAddr>, identity: Option<&Identity>, now: Instant) -> Duration {
        let at_identity = identity.map_or(Duration::ZERO, |it| self.hold_of_identity(client, it, now));
        let hold = self.hold(client, now).max(at_identity);
        let age = self.age(now);
        if let Some(client) = client {
            self.addresses.add(&self.key.address(narrow(client)), age);
            self.networks.add(&self.key.network(wide(client)), age);
        }
        if let Some(identity) = identity {
            let name = self.identity(identity);
            self.identities.add(&name, age);
        }
        hold
    }

    /// How long an answer to this client is held back by what its address and network did.
    pub fn hold(&self, client: Option<IpAddr>, now: Instant) -> Duration {
        let Some(client) = client else { return Duration::ZERO };
        let (address, network) = self.pressure_of(client, now);
        let of_network = (network - self.limits.network_free) / NETWORK_STEP;
        self.hold_after((address - self.limits.address_free).max(of_network))
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

    fn pressure_of(&self, client: IpAddr, now: Instant) -> (f32, f32) {
        let age = self.age(now);
        let address = self.addresses.level(&self.key.address(narrow(client)), age);
        (address, self.networks.level(&self.key.network(wide(client)), age))
    }

    fn hold_of_identity(&self, client: Option<IpAddr>, identity: &Identity, now: Instant) -> Duration {
        let is_known = client.is_some_and(|client| self.places.knows(identity, wide(client)));
        if is_known {
            return Duration::ZERO;
        }
        let level = self.identities.level(&self.identity(identity), self.age(now));
        self.hold_after(level - self.limits.identity_free)
    }

    /// The delay after this many failures too many.
    fn hold_after(&self, failures: f32) -> Duration {
        if failures < 0.0 {
            return Duration::ZERO;
        }
        self.limits.first_hold.mul_f32(failures.min(MOST_DOUBLINGS).exp2()).min(self.limits.longest_hold)
    }

    fn identity(&self, identity: &Identity) -> Name {
        self.key.identity(identity)
    }

    fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.epoch)
    }
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

/// How many failures of a network double its delay.
const NETWORK_STEP: f32 = 10.0;
/// Beyond this every delay is the longest.
const MOST_DOUBLINGS: f32 = 24.0;

#[cfg(test)]
mod tests;
