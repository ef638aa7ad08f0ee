//! Whom somebody may have meant whose name nobody has: for the log, where a postmaster looks first. The commonest failure in
//! the field is a user who was made under another spelling of the host's name.

use std::time::{Duration, Instant};

use credential::{Identity, Realm, Username};
use sasl::server::Settings;

/// When somebody was looked for last.
#[derive(Default)]
pub(crate) struct Nearest(Option<Instant>);

impl Nearest {
    /// Whether there is time for it now. It is asked, and the names are looked up, after every refusal alike: whether there
    /// is such a user must not show in the work that it makes.
    pub(crate) fn has_time(&mut self, now: Instant) -> bool {
        let has_time = self.0.is_none_or(|last| now.saturating_duration_since(last) >= BETWEEN);
        if has_time {
            self.0 = Some(now);
        }
        has_time
    }
}

/// Names that are near to one: the same user under the other names of this host and its realms, and in small letters.
pub(crate) fn names(identity: &Identity, settings: &Settings) -> Vec<Identity> {
    let realms = &settings.realms;
    let host = settings.host.as_str();
    let (short, domain) = host.split_once('.').unwrap_or((host, host));
    let of_host = [host, short, domain].into_iter().filter_map(|name| Realm::prepare(name).ok());
    let known = [&realms.default].into_iter().chain(&realms.others).cloned().chain(of_host);
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
const MOST: usize = 6;
const BETWEEN: Duration = Duration::from_millis(100);
