//! Names of clients. The resolver of the host is asked, hosts(5) and all, as sendmail asks it: for the name of the address,
//! then for the addresses of the name. A name counts only where it leads back (RFC 8601, section 3: iprev): whoever owns
//! an address can give it any name, and whoever owns a name any address, but not both of somebody else.
//!
//! getaddrinfo(3) and its like wait, and nobody can end that; so each question has a thread, there are only so many of them,
//! and who asks does not wait for longer than [`PATIENCE`]. Sessions of one address share a question, and a network has a
//! few threads at a time: whose names are answered slowly holds up himself. A library that resolves by itself would know nothing of
//! hosts(5), nsswitch.conf(5) and what the host is used to.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dns_lookup::{LookupError, LookupErrorKind};
use smtp::address::Domain;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, timeout_at};

use crate::may_relay::Name;

/// How long somebody waits for a name.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How many questions are open at a time: half of the threads that wait for disks, too.
const MOST_OPEN: usize = 16;

/// How many of them are of one network: /24 of IPv4, /48 of IPv6.
const MOST_OF_A_NETWORK: usize = 4;

/// Who is asked; the tests have a table.
pub trait Resolver: Send + Sync + 'static {
    /// The name of an address.
    ///
    /// # Errors
    /// [`Unresolved`].
    fn name(&self, address: IpAddr) -> Result<String, Unresolved>;

    /// The addresses of a name.
    ///
    /// # Errors
    /// [`Unresolved`].
    fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, Unresolved>;
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unresolved {
    /// There is none.
    Nothing,
    /// Nobody can tell now.
    Later,
}

/// The resolver of the host.
#[derive(Debug, Clone, Copy, Default)]
pub struct HostResolver;

impl Resolver for HostResolver {
    fn name(&self, address: IpAddr) -> Result<String, Unresolved> {
        let found = dns_lookup::getnameinfo(&SocketAddr::new(address, 0), NI_NUMERICSERV | NI_NAMEREQD);
        found.map(|(name, _)| name).map_err(|error| unresolved(&error))
    }

    fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, Unresolved> {
        let found = dns_lookup::getaddrinfo(Some(name), None, None).map_err(|error| unresolved(&error))?;
        Ok(found.flatten().map(|found| found.sockaddr.ip()).collect())
    }
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A name that leads back.
    Confirmed(String),
    /// There is none, or one that does not.
    Nothing,
    /// The resolver could not tell, or not in time.
    Unknown,
    /// It was not asked: too many were before.
    NotAsked,
}

/// Asks for names.
#[derive(Clone)]
pub struct Names {
    resolver: Arc<dyn Resolver>,
    open: Arc<Semaphore>,
    asked: Arc<Mutex<Asked>>,
}

/// Who is asked for now.
#[derive(Default)]
struct Asked {
    addresses: HashMap<IpAddr, watch::Receiver<Option<Found>>>,
    networks: HashMap<IpAddr, (usize, Arc<Semaphore>)>,
}

/// One question, asked once.
#[derive(Clone)]
pub(crate) struct Question {
    answer: watch::Receiver<Option<Found>>,
    until: Instant,
}

impl Names {
    /// By a resolver.
    pub fn by(resolver: Arc<dyn Resolver>) -> Self {
        let open = Arc::new(Semaphore::new(MOST_OPEN));
        Self { resolver, open, asked: Arc::default() }
    }

    /// Asks for the name of an address, and does not wait. Sessions are limited, so are those who stand in line.
    pub(crate) fn ask(&self, address: IpAddr) -> Question {
        let address = address.to_canonical();
        let until = Instant::now() + PATIENCE;
        let (tell, answer, network) = {
            let mut asked = self.asked();
            if let Some(answer) = asked.addresses.get(&address) {
                return Question { answer: answer.clone(), until };
            }
            let (tell, answer) = watch::channel(None);
            asked.addresses.insert(address, answer.clone());
            (tell, answer, asked.enter(address))
        };
        let names = self.clone();
        tokio::spawn(async move {
            let found = match timeout_at(until, names.place(&network)).await {
                Ok(Some(_places)) => {
                    let resolver = Arc::clone(&names.resolver);
                    let asking = tokio::task::spawn_blocking(move || confirmed(address, &*resolver));
                    asking.await.unwrap_or(Found::Unknown)
                }
                _ => Found::NotAsked,
            };
            tell.send_replace(Some(found));
            names.asked().leave(address);
        });
        Question { answer, until }
    }

    /// First that of the network: who stands in line for it takes up none of those for all. Who has both waits for nothing else,
    /// so nobody waits for one who waits for him.
    async fn place(&self, network: &Arc<Semaphore>) -> Option<[OwnedSemaphorePermit; 2]> {
        let of_network = Arc::clone(network).acquire_owned().await.ok()?;
        let of_all = Arc::clone(&self.open).acquire_owned().await.ok()?;
        Some([of_network, of_all])
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asked {
    fn enter(&mut self, address: IpAddr) -> Arc<Semaphore> {
        let fresh = || (0, Arc::new(Semaphore::new(MOST_OF_A_NETWORK)));
        let (count, places) = self.networks.entry(network(address)).or_insert_with(fresh);
        *count += 1;
        Arc::clone(places)
    }

    fn leave(&mut self, address: IpAddr) {
        self.addresses.remove(&address);
        if let Some((count, _)) = self.networks.get_mut(&network(address)) {
            *count -= 1;
            if *count == 0 {
                self.networks.remove(&network(address));
            }
        }
    }
}

/// An address without what its owner may choose himself.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => (address & Ipv4Addr::new(255, 255, 255, 0)).into(),
        IpAddr::V6(address) => (address & Ipv6Addr::new(!0, !0, !0, 0, 0, 0, 0, 0)).into(),
    }
}

impl Question {
    /// The answer, waited for.
    pub(crate) async fn wait(&mut self) -> Found {
        match timeout_at(self.until, self.answer.wait_for(Option::is_some)).await {
            Ok(Ok(found)) => found.clone().unwrap_or(Found::Unknown),
            _ => Found::Unknown,
        }
    }

    /// The answer, if it is there.
    pub(crate) fn now(&self) -> Option<Found> {
        self.answer.borrow().clone()
    }
}

impl Found {
    /// As it is decided by.
    pub fn as_name(&self) -> Name<'_> {
        match self {
            Self::Confirmed(name) => Name::Confirmed(name),
            Self::Nothing => Name::None,
            Self::Unknown | Self::NotAsked => Name::Unknown,
        }
    }
}

fn confirmed(address: IpAddr, resolver: &dyn Resolver) -> Found {
    match leads_back(address, resolver) {
        Ok(name) => Found::Confirmed(name),
        Err(Unresolved::Nothing) => Found::Nothing,
        Err(Unresolved::Later) => Found::Unknown,
    }
}

fn leads_back(address: IpAddr, resolver: &dyn Resolver) -> Result<String, Unresolved> {
    let address = address.to_canonical();
    let name = resolver.name(address)?;
    let name = name.trim_end_matches('.');
    if !is_host_name(name) {
        return Err(Unresolved::Nothing);
    }
    let found = resolver.addresses(name)?;
    let is_it = found.iter().any(|found| found.to_canonical() == address);
    if is_it { Ok(name.to_ascii_lowercase()) } else { Err(Unresolved::Nothing) }
}

/// An address in digits is no name, in whatever base (inet_aton(3)): resolvers lead each back to itself.
fn is_host_name(name: &str) -> bool {
    let is_name = matches!(Domain::parse(name.as_bytes()), Ok(Domain::Name(_)));
    let last = name.rsplit('.').next().unwrap_or_default();
    is_name && last.starts_with(|first: char| first.is_ascii_alphabetic())
}

/// No such name, and a name without addresses, are answers.
fn unresolved(error: &LookupError) -> Unresolved {
    match error.kind() {
        LookupErrorKind::NoName | LookupErrorKind::NoData => Unresolved::Nothing,
        _ => Unresolved::Later,
    }
}

/// `<netdb.h>`: a port is not to be looked up, and an address in digits is no answer.
const NI_NUMERICSERV: i32 = 2;
const NI_NAMEREQD: i32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    /// Address, name, addresses of the name.
    struct Table(&'static [(&'static str, &'static str, &'static [&'static str])]);

    impl Resolver for Table {
        fn name(&self, address: IpAddr) -> Result<String, Unresolved> {
            let row = self.0.iter().find(|row| row.0.parse() == Ok(address));
            match row.map(|row| row.1) {
                None => Err(Unresolved::Nothing),
                Some("later") => Err(Unresolved::Later),
                Some(name) => Ok(name.to_owned()),
            }
        }

        fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, Unresolved> {
            let row = self.0.iter().find(|row| row.1.trim_end_matches('.') == name);
            match row.map_or(&[][..], |row| row.2) {
                [] => Err(Unresolved::Nothing),
                ["later"] => Err(Unresolved::Later),
                found => Ok(found.iter().map(|one| one.parse().unwrap()).collect()),
            }
        }
    }

    #[test]
    fn a_name_counts_only_where_it_leads_back() {
        let table = Table(&[
            ("192.0.2.1", "Client.far.test.", &["192.0.2.9", "192.0.2.1"]),
            ("192.0.2.2", "forged.friend.test", &["198.51.100.1"]),
            ("192.0.2.3", "gone.friend.test", &[]),
            ("192.0.2.4", "slow.friend.test", &["later"]),
            ("192.0.2.5", "later", &[]),
            ("192.0.2.6", "192.0.2.6", &["192.0.2.6"]),
            ("192.0.2.7", "0xC0000207", &["192.0.2.7"]),
            ("192.0.2.8", "x y.friend.test", &["192.0.2.8"]),
            ("192.0.2.9", "fri\u{e9}nd.test", &["192.0.2.9"]),
            ("2001:db8::1", "six.far.test", &["2001:db8::1"]),
        ]);
        let ask = |address: &str| confirmed(address.parse().unwrap(), &table);
        assert_eq!(ask("192.0.2.1"), Found::Confirmed("client.far.test".to_owned()));
        assert_eq!(ask("::ffff:192.0.2.1"), Found::Confirmed("client.far.test".to_owned()));
        assert_eq!(ask("2001:db8::1"), Found::Confirmed("six.far.test".to_owned()));
        for address in
            ["192.0.2.2", "192.0.2.3", "192.0.2.6", "192.0.2.7", "192.0.2.8", "192.0.2.9", "192.0.2.99"]
        {
            assert_eq!(ask(address), Found::Nothing, "{address}");
        }
        assert_eq!((ask("192.0.2.4"), ask("192.0.2.5")), (Found::Unknown, Found::Unknown));
    }

    /// Answers nobody of 192.0.2.0/24 until it is told to.
    struct Stuck(std::sync::Mutex<std::sync::mpsc::Receiver<()>>);

    impl Resolver for Stuck {
        fn name(&self, address: IpAddr) -> Result<String, Unresolved> {
            if network(address) != network([192, 0, 2, 0].into()) {
                return Err(Unresolved::Nothing);
            }
            let _ = self.0.lock().map(|gate| gate.recv());
            Err(Unresolved::Nothing)
        }

        fn addresses(&self, _: &str) -> Result<Vec<IpAddr>, Unresolved> {
            Err(Unresolved::Nothing)
        }
    }

    fn with_stuck(try_it: impl AsyncFnOnce(Names, std::sync::mpsc::Sender<()>)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (open, gate) = std::sync::mpsc::channel();
        let names = Names::by(Arc::new(Stuck(std::sync::Mutex::new(gate))));
        runtime.block_on(try_it(names, open));
    }

    async fn all(asked: &mut [Question]) -> Vec<Found> {
        let mut found = Vec::new();
        for question in asked {
            found.push(question.wait().await);
        }
        found
    }

    #[test]
    fn sessions_of_one_address_share_a_question() {
        with_stuck(async |names, open| {
            let mut asked: Vec<Question> = (0..100).map(|_| names.ask([192, 0, 2, 1].into())).collect();
            assert_eq!(names.asked().addresses.len(), 1);
            drop(open);
            assert_eq!(all(&mut asked).await, vec![Found::Nothing; 100]);
            let left = names.asked();
            assert!(left.addresses.is_empty() && left.networks.is_empty());
        });
    }

    #[test]
    fn a_network_that_is_answered_slowly_holds_up_itself() {
        with_stuck(async |names, open| {
            let mut slow: Vec<Question> = (0..200).map(|last| names.ask([192, 0, 2, last].into())).collect();
            for _ in 0..1000 {
                tokio::task::yield_now().await;
            }
            assert_eq!(names.open.available_permits(), MOST_OPEN - MOST_OF_A_NETWORK);
            // Others do not stand behind it, and whoever does is asked for in his turn.
            assert_eq!(names.ask([198, 51, 100, 1].into()).wait().await, Found::Nothing);
            drop(open);
            assert_eq!(all(&mut slow).await, vec![Found::Nothing; 200]);
            assert_eq!(names.open.available_permits(), MOST_OPEN);
        });
    }
}
