//! What is counted, for whoever administers the daemon, and how it is forgotten before its time.
//!
//! Names of nobody stand here as those of somebody do. What a flood of names has driven out of a table is not shown, and
//! does not count any more either.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use credential::Identity;
use wire::{Held, Subject};

use super::counts::{BUCKETS, Standing};
use super::{IDENTITY_FREE, LONGEST_AT_IDENTITY, NETWORK, Pace, hold_after, lossy, narrow, wide};

impl Pace {
    /// A part of what is counted, in the order of the tables: from where to go on, and what was found there. `None`: there
    /// is no more. Where `all` is not asked for, only who is held back or refused now.
    pub fn held(&self, from: u32, all: bool, now: Instant) -> Option<(u32, Vec<Held>)> {
        let (table, bucket) = (from / BUCKETS, from % BUCKETS);
        let age = self.age(now);
        let most = self.refuse_after();
        let found: Vec<_> = match table {
            0 => {
                let found = self.addresses.in_bucket(bucket, age, most)?;
                found.map(|(address, standing)| self.address(*address, standing)).collect()
            }
            1 => {
                let found = self.networks.in_bucket(bucket, age, most * NETWORK)?;
                found.map(|(network, standing)| self.network(*network, standing)).collect()
            }
            2 => {
                let found = self.identities.in_bucket(bucket, age, f32::INFINITY)?;
                found.map(|(name, standing)| self.identity(name, standing)).collect()
            }
            _ => return None,
        };
        let found = found.into_iter().map(|held| self.as_in_force(held));
        let counts = |held: &Held| held.refused || held.delay_ms > 0 || (all && held.failures >= COUNTS);
        Some((from + 1, found.filter(counts).collect()))
    }

    /// Forgets what an IPv4 address, or the /64 of an IPv6 address, did. What is around it may still be held back.
    pub fn forget_address(&mut self, client: IpAddr, now: Instant) -> (u32, Vec<Held>) {
        let name = self.key.address(narrow(client));
        let count = u32::from(self.addresses.forget(&name));
        let network = wide(client);
        let around =
            self.networks.of(&self.key.network(network), self.age(now), self.refuse_after() * NETWORK);
        let still = around.map(|standing| self.as_in_force(self.network(network, standing)));
        (count, still.into_iter().filter(|held| held.refused || held.delay_ms > 0).collect())
    }

    /// Forgets what a /24 or /48 did, and every address in it.
    pub fn forget_network(&mut self, client: IpAddr) -> u32 {
        let network = wide(client);
        let count = u32::from(self.networks.forget(&self.key.network(network)));
        count + self.addresses.forget_those(|address| wide(*address) == network)
    }

    /// Forgets what was tried at an identity.
    pub fn forget_identity(&mut self, identity: &Identity) -> u32 {
        let name = self.key.identity(identity);
        self.slots.free(&name);
        u32::from(self.identities.forget(&name))
    }

    /// Forgets everything that was counted; from where users log in stays known.
    pub fn forget_everybody(&mut self) -> u32 {
        self.slots = super::Slots::default();
        let networks = self.addresses.forget_those(|_| true) + self.networks.forget_those(|_| true);
        networks + self.identities.forget_those(|_| true)
    }

    fn address(&self, address: IpAddr, standing: Standing) -> Held {
        let free = lossy(self.throttle.delay_after);
        let (most, delay) = (self.refuse_after(), self.delay(standing.level - free));
        held(Subject::Address(address), standing, delay, self.ends(standing, free, most))
    }

    fn network(&self, network: IpAddr, standing: Standing) -> Held {
        let free = lossy(self.throttle.delay_after);
        let most = self.refuse_after() * NETWORK;
        let delay = self.delay(standing.level / NETWORK - free);
        held(Subject::Network(network), standing, delay, self.ends(standing, free * NETWORK, most))
    }

    fn identity(&self, name: &str, standing: Standing) -> Held {
        let delay = hold_after(standing.level - IDENTITY_FREE);
        let ends = self.identities.time_until(standing.level, IDENTITY_FREE);
        held(Subject::Identity(name.to_owned()), standing, delay.min(LONGEST_AT_IDENTITY), ends)
    }

    /// What was counted while another configuration was in force holds back nobody whom this one does not.
    fn as_in_force(&self, held: Held) -> Held {
        let is_exempt = match &held.subject {
            Subject::Address(place) | Subject::Network(place) => self.throttle.is_exempt(*place),
            Subject::Identity(_) => false,
        };
        if self.throttle.enabled && !is_exempt {
            held
        } else {
            Held { delay_ms: 0, refused: false, ends: 0, ..held }
        }
    }

    fn delay(&self, failures: f32) -> Duration {
        hold_after(failures).min(self.throttle.longest_delay)
    }

    /// Delays end below what is free, a refusal at a quarter of what was too much.
    fn ends(&self, standing: Standing, free: f32, most: f32) -> Duration {
        let least = if standing.is_refused { free.min(most / 4.0) } else { free };
        self.addresses.time_until(standing.level, least)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of failures is positive and far below what a u64 has room for"
)]
fn held(subject: Subject, standing: Standing, delay: Duration, ends: Duration) -> Held {
    Held {
        subject,
        failures: (standing.level * 1000.0).round() as u64,
        delay_ms: u32::try_from(delay.as_millis()).unwrap_or(u32::MAX),
        refused: standing.is_refused,
        ends: u32::try_from(ends.as_secs()).unwrap_or(u32::MAX),
    }
}

/// In thousandths: a failure that has faded to less is not worth a line.
const COUNTS: u64 = 100;
