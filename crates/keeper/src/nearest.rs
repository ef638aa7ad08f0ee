//! Whom somebody may have meant whose name nobody has: for the log, where a postmaster looks first. The commonest failure in
//! the field is a user who was made under another spelling of the host's name.

use std::time::{Duration, Instant};

use credential::{Identity, Realm, Username};
use sasl::server::Settings;

/// When there is time again to look for somebody: a few may come at once, as when a person tries one name after another, and
/// a crowd of guesses makes no crowd of look-ups.
#[derive(Default)]
pub(crate) struct Nearest(Option<Instant>);

impl Nearest {
    /// Whether there is time for it now. It is asked, and the names are looked up, after every refusal alike: whether there
    /// is such a user must not show in the work that it makes.
    pub(crate) fn has_time(&mut self, now: Instant) -> bool {
        let free = self.0.map_or(now, |free| free.max(now));
        let has_time = free.saturating_duration_since(now) <= BETWEEN * (AT_ONCE - 1);
        if has_time {
            self.0 = Some(free + BETWEEN);
        }
        has_time
    }
}

/// Names that are near to one: the same user under the other names of this host and its realms, and in small letters. `hosts`
/// are names under which saslpasswd may have put somebody who was named without a realm.
pub(crate) fn names(identity: &Identity, settings: &Settings, hosts: &[String]) -> Vec<Identity> {
    let realms = &settings.realms;
    let host = settings.host.as_str();
    let (short, domain) = host.split_once('.').unwrap_or((host, host));
    let of_host = [host, short, domain].into_iter().chain(hosts.iter().map(String::as_str));
    let of_host = of_host.filter_map(|name| Realm::prepare(name).ok());
    let known = [realms.default.clone()].into_iter().chain(of_host).chain(realms.others.iter().cloned());
    let small = Username::prepare(&identity.user.as_str().to_lowercase()).ok();
    let small = small.map(|user| Identity::new(user, identity.realm.clone()));
    let mut names: Vec<Identity> = Vec::new();
    for name in small.into_iter().chain(known.map(|realm| Identity::new(identity.user.clone(), realm))) {
        if !name.is_same(identity) && names.iter().all(|other| !other.is_same(&name)) {
            names.push(name);
        }
    }
    names.truncate(MOST);
    names
}

/// Each name is a look-up, on the thread of all exchanges.
const MOST: usize = 16;
/// How many may be looked for at once, and how soon there is time for one more.
const AT_ONCE: u32 = 8;
const BETWEEN: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_are_looked_for_at_once_and_a_crowd_is_not() {
        let (mut nearest, now) = (Nearest::default(), Instant::now());
        let found = (0..100).filter(|_| nearest.has_time(now)).count();
        assert_eq!(found, 8);
        assert!(!nearest.has_time(now + BETWEEN / 2));
        assert!(nearest.has_time(now + BETWEEN) && !nearest.has_time(now + BETWEEN));
        let later = now + Duration::from_mins(1);
        assert_eq!((0..100).filter(|_| nearest.has_time(later)).count(), 8);
    }
}
