//! `[throttle]`: what guessing costs.

use std::time::Duration;

use crate::words::Network;

/// `[throttle]`. Failures are counted for each network and for each identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// `enabled`.
    pub enabled: bool,
    /// `delay_after`: failures of a network after which its answers come later, each time twice as late. A person
    /// mistypes two or three times.
    pub delay_after: u32,
    /// `longest_delay` of a network. What slows an identity ends at 5 seconds, whatever stands here.
    pub longest_delay: Duration,
    /// `refuse_after`: failures of a network after which it may not try for a while.
    pub refuse_after: u32,
    /// `forget_after`: how long a failure counts, and a network is refused.
    pub forget_after: Duration,
    /// `exempt`: networks whose failures count for the identity alone, a webmail's say, from which everybody comes.
    /// Loopback is not among them by itself.
    pub exempt: Vec<Network>,
    /// `max_connections_per_address` at the same time.
    pub max_connections_per_address: u32,
    /// `password_checks` at the same time, of those that take memory and time by intent (argon2id); `None`: as many as
    /// there are processors.
    pub password_checks: Option<u32>,
}

impl Throttle {
    /// Whether a client comes from one of the exempt networks.
    pub fn is_exempt(&self, address: std::net::IpAddr) -> bool {
        self.exempt.iter().any(|network| network.contains(address))
    }
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            enabled: true,
            delay_after: 3,
            longest_delay: Duration::from_secs(30),
            refuse_after: 20,
            forget_after: Duration::from_mins(15),
            exempt: Vec::new(),
            max_connections_per_address: 100,
            password_checks: None,
        }
    }
}
