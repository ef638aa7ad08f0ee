//! What all sessions share, and what a reload puts in its place.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tls::ServerSetup;
use tokio::sync::watch;
use wire::{ListenerId, SessionId};

use crate::access::Access;
use crate::event::{Journal, TurnedAway};
use crate::keeper::Keeper;
use crate::live::Register;
use crate::names::{HostResolver, Names};
use crate::queue::Queue;
use crate::settings::{ListenerSettings, Settings};

/// One version of what the front goes by. A session keeps the one that it began with, but for what may relay.
pub struct Site {
    /// The configuration.
    pub settings: Settings,
    /// Certificate and key, if there are any.
    pub tls: Option<ServerSetup>,
    /// The access map.
    pub access: Arc<dyn Access>,
    /// From the subject of a client certificate to an identity.
    pub client_map: Arc<dyn Access>,
    /// From an address to those who may send from it: `submission.senders`.
    pub senders: Arc<dyn Access>,
}

/// The front as a whole; clones are the same one.
#[derive(Clone)]
pub struct Front(Arc<Shared>);

struct Shared {
    site: RwLock<Arc<Site>>,
    keeper: Keeper,
    queue: Arc<Queue>,
    journal: Arc<dyn Journal>,
    names: Names,
    next_session: AtomicU64,
    register: Register,
    crowd: Mutex<Crowd>,
    phase: watch::Sender<Phase>,
}

/// How far the front is from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It serves.
    Serving,
    /// Nobody is let in, and who is in may finish a message.
    Finishing,
}

/// Who is here.
#[derive(Default)]
struct Crowd {
    by_listener: HashMap<ListenerId, u32>,
    /// By IPv4 address, and by the /64 of an IPv6 address, all of which one host may have.
    by_address: HashMap<IpAddr, u32>,
}

/// A place in the crowd, given back when dropped.
pub(crate) struct Seat {
    front: Front,
    listener: ListenerId,
    address: Option<IpAddr>,
}

impl Front {
    /// A front with its parts.
    pub fn new(site: Site, keeper: Keeper, queue: Arc<Queue>, journal: Arc<dyn Journal>) -> Self {
        Self::with_names(site, keeper, queue, journal, Names::by(Arc::new(HostResolver)))
    }

    /// The same, where names of clients are asked for elsewhere than at the resolver of the host.
    pub fn with_names(
        site: Site,
        keeper: Keeper,
        queue: Arc<Queue>,
        journal: Arc<dyn Journal>,
        names: Names,
    ) -> Self {
        let (phase, _) = watch::channel(Phase::Serving);
        Self(Arc::new(Shared {
            site: RwLock::new(Arc::new(site)),
            keeper,
            queue,
            journal,
            names,
            next_session: AtomicU64::new(1),
            register: Register::default(),
            crowd: Mutex::default(),
            phase,
        }))
    }

    /// What is in force.
    pub fn site(&self) -> Arc<Site> {
        Arc::clone(&self.0.site.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another version in force, for sessions that begin from now on.
    pub fn replace_site(&self, site: Site) {
        *self.0.site.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(site);
    }

    /// Lets nobody in any more, and those who are in finish.
    pub fn shut_down(&self) {
        self.0.phase.send_replace(Phase::Finishing);
    }

    /// How many sessions there are.
    pub fn sessions(&self) -> u32 {
        self.crowd(|crowd| crowd.by_listener.values().sum())
    }

    /// The connection to the keeper.
    pub fn keeper(&self) -> &Keeper {
        &self.0.keeper
    }

    /// The queue.
    pub fn queue(&self) -> &Arc<Queue> {
        &self.0.queue
    }

    pub(crate) fn register(&self) -> &Register {
        &self.0.register
    }

    pub(crate) fn journal(&self) -> &Arc<dyn Journal> {
        &self.0.journal
    }

    pub(crate) fn names(&self) -> &Names {
        &self.0.names
    }

    pub(crate) fn phase(&self) -> watch::Receiver<Phase> {
        self.0.phase.subscribe()
    }

    pub(crate) fn next_session(&self) -> SessionId {
        SessionId(self.0.next_session.fetch_add(1, Ordering::Relaxed))
    }

    /// A place for one more client, unless there are too many.
    pub(crate) fn seat(
        &self,
        settings: &Settings,
        listener: &ListenerSettings,
        address: Option<IpAddr>,
    ) -> Result<Seat, TurnedAway> {
        let (listener, most, address) = (listener.id, listener.max_connections, address.map(host));
        self.crowd(|crowd| crowd.enter(listener, address, most, settings.connections_per_address))?;
        Ok(Seat { front: self.clone(), listener, address })
    }

    fn crowd<T>(&self, with: impl FnOnce(&mut Crowd) -> T) -> T {
        with(&mut self.0.crowd.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Crowd {
    fn enter(
        &mut self,
        listener: ListenerId,
        address: Option<IpAddr>,
        most: u32,
        most_from_there: u32,
    ) -> Result<(), TurnedAway> {
        let here = self.by_listener.get(&listener).copied().unwrap_or(0);
        let from_there = address.and_then(|address| self.by_address.get(&address)).copied().unwrap_or(0);
        if here >= most {
            return Err(TurnedAway::ListenerIsFull);
        }
        if from_there >= most_from_there {
            return Err(TurnedAway::TooManyFromThere);
        }
        self.by_listener.insert(listener, here + 1);
        if let Some(address) = address {
            self.by_address.insert(address, from_there + 1);
        }
        Ok(())
    }

    fn leave(&mut self, listener: ListenerId, address: Option<IpAddr>) {
        less(&mut self.by_listener, &listener);
        if let Some(address) = address {
            less(&mut self.by_address, &address);
        }
    }
}

/// What one host may have to choose from: an IPv4 address, or the /64 of an IPv6 address.
fn host(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        address @ IpAddr::V4(_) => address,
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let (listener, address) = (self.listener, self.address);
        self.front.crowd(|crowd| crowd.leave(listener, address));
    }
}

/// An entry that counts nobody is gone, so that the table is never larger than the crowd.
fn less<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, u32>, key: &K) {
    let left = counts.get(key).map_or(0, |count| count.saturating_sub(1));
    if left == 0 {
        counts.remove(key);
    } else if let Some(count) = counts.get_mut(key) {
        *count = left;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_has_an_end_and_places_come_free() {
        let mut crowd = Crowd::default();
        let (here, there) = (ListenerId(0), ListenerId(1));
        let one = "192.0.2.1".parse().ok();
        assert_eq!(crowd.enter(here, one, 2, 2), Ok(()));
        assert_eq!(crowd.enter(here, one, 2, 2), Ok(()));
        assert_eq!(crowd.enter(here, None, 2, 2), Err(TurnedAway::ListenerIsFull));
        assert_eq!(crowd.enter(there, one, 2, 2), Err(TurnedAway::TooManyFromThere));
        crowd.leave(here, one);
        assert_eq!(crowd.enter(there, one, 2, 2), Ok(()));
        crowd.leave(here, one);
        crowd.leave(there, one);
        assert!(crowd.by_address.is_empty() && crowd.by_listener.is_empty());
    }

    #[test]
    fn an_ipv6_host_counts_by_its_64() {
        let host = |address: &str| host(address.parse().unwrap()).to_string();
        assert_eq!(host("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!((host("192.0.2.7"), host("::ffff:192.0.2.7")), ("192.0.2.7".into(), "192.0.2.7".into()));
    }
}
