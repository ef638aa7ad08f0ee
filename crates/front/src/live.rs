//! The sessions that there are, for whoever administers the daemon: what each is, who has logged in, what it is doing. Nothing
//! is decided by it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Bound;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use wire::{Finding, Login, Security, SessionFacts, SessionId, SessionLogin};

use crate::listener::client_words;
use crate::lock::lock;
use crate::settings::ListenerSettings;

/// All of them; clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Register(Arc<Mutex<BTreeMap<SessionId, Arc<Live>>>>);

/// One of them, as long as this is kept.
pub(crate) struct Entry {
    register: Register,
    session: SessionId,
    live: Arc<Live>,
}

struct Live {
    since: u64,
    listener: Arc<ListenerSettings>,
    address: Option<IpAddr>,
    now: Mutex<Now>,
}

/// What changes.
struct Now {
    tls: Option<(&'static str, &'static str)>,
    login: Option<Arc<Login>>,
    doing: Doing,
    messages: u32,
}

/// What a session is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    /// The handshake of TLS, or its greeting.
    Beginning,
    /// The client may say what it wants.
    Ready,
    /// It logs in.
    Auth,
    /// A sender was named, and perhaps recipients.
    Mail,
    /// A message comes in, or is put into the queue.
    Data,
}

impl Doing {
    const fn word(self) -> &'static str {
        match self {
            Self::Beginning => "beginning",
            Self::Ready => "ready",
            Self::Auth => "auth",
            Self::Mail => "mail",
            Self::Data => "data",
        }
    }
}

impl Register {
    /// A session has begun.
    pub(crate) fn enter(
        &self,
        session: SessionId,
        listener: Arc<ListenerSettings>,
        address: Option<IpAddr>,
    ) -> Entry {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let now = Now { tls: None, login: None, doing: Doing::Beginning, messages: 0 };
        let live = Arc::new(Live { since, listener, address, now: Mutex::new(now) });
        lock(&self.0).insert(session, Arc::clone(&live));
        Entry { register: self.clone(), session, live }
    }

    /// Those with greater numbers than this, as many as a message has room for.
    pub(crate) fn page(&self, after: SessionId) -> Finding {
        let range = (Bound::Excluded(after), Bound::Unbounded);
        // Others come and go while lines are made of these.
        let found: Vec<_> = {
            let all = lock(&self.0);
            all.range(range).take(MOST).map(|(session, live)| (*session, Arc::clone(live))).collect()
        };
        let (mut sessions, mut room) = (Vec::new(), ROOM);
        let is_all = found.len() < MOST;
        for (session, live) in &found {
            let facts = live.facts(*session);
            room = room.saturating_sub(length(&facts));
            if room == 0 {
                break;
            }
            sessions.push(facts);
        }
        let is_last = is_all && sessions.len() == found.len();
        let next = sessions.last().map(|facts| facts.session).filter(|_| !is_last);
        Finding::Sessions { sessions, next }
    }
}

impl Entry {
    pub(crate) fn has_tls(&self, facts: &tls::Facts) {
        lock(&self.live.now).tls = Some((facts.version.name(), facts.cipher));
    }

    /// Somebody has logged in, or nobody is any more.
    pub(crate) fn has_logged_in(&self, login: Option<&Arc<Login>>) {
        lock(&self.live.now).login = login.cloned();
    }

    pub(crate) fn does(&self, doing: Doing) {
        lock(&self.live.now).doing = doing;
    }

    pub(crate) fn has_accepted(&self) {
        let mut now = lock(&self.live.now);
        now.messages = now.messages.saturating_add(1);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        lock(&self.register.0).remove(&self.session);
    }
}

impl Live {
    fn facts(&self, session: SessionId) -> SessionFacts {
        let now = lock(&self.now);
        SessionFacts {
            session,
            since: self.since,
            listener: cut(&self.listener.name),
            client: client_words(self.address),
            tls: now
                .tls
                .map(|(version, cipher)| Security { version: version.to_owned(), cipher: cipher.to_owned() }),
            login: now.login.as_ref().map(|login| SessionLogin {
                authentication: cut(&login.authentication),
                authorization: cut(&login.authorization),
                mechanism: cut(&login.mechanism),
                ssf: login.ssf,
            }),
            state: now.doing.word().to_owned(),
            messages: now.messages,
        }
    }
}

/// At least what it takes in a message.
fn length(facts: &SessionFacts) -> usize {
    let tls = facts.tls.as_ref().map_or(0, |tls| tls.version.len() + tls.cipher.len());
    let login = facts
        .login
        .as_ref()
        .map_or(0, |login| login.authentication.len() + login.authorization.len() + login.mechanism.len());
    FIXED + facts.listener.len() + facts.client.len() + facts.state.len() + tls + login
}

/// Names are as long as their owners like.
fn cut(name: &str) -> String {
    name.chars().take(LONGEST_NAME).collect()
}

const LONGEST_NAME: usize = 128;
/// Numbers and lengths of texts in a line: ten of each at most, where most of them are short.
const FIXED: usize = 64;
/// Octets of a message that lines may have.
const ROOM: usize = wire::MAX_MESSAGE - 1024;
/// Lines of a message, of which none is shorter than it is at least.
const MOST: usize = 256;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use config::{Config, HostAccounts};

    use super::*;
    use crate::Settings;

    #[test]
    fn a_page_is_a_message_and_pages_are_all_of_them() {
        let config = Config::parse(Path::new("/x"), b"", &HostAccounts).unwrap();
        let listener = Arc::clone(&Settings::of(&config).listeners[0]);
        let register = Register::default();
        let login = Arc::new(Login {
            authentication: "\u{10348}".repeat(500),
            authorization: "\u{10348}".repeat(500),
            mechanism: "PLAIN".to_owned(),
            ssf: 0,
            layer: None,
            is_somebody: true,
        });
        let entry = |number| {
            let entry = register.enter(SessionId(number), Arc::clone(&listener), "2001:db8::1".parse().ok());
            // Some are long, some are short.
            entry.has_logged_in(Some(&login).filter(|_| number % 3 == 0));
            entry
        };
        let mut entries: Vec<_> = (1..=1000).map(entry).collect();
        entries.remove(0);
        entries[0].does(Doing::Data);
        entries[0].has_accepted();
        let (mut after, mut found) = (SessionId(0), Vec::new());
        loop {
            let finding = register.page(after);
            let said = wire::to_octets(&wire::ToOpener::Found { request: 1, finding: finding.clone() });
            assert!(said.is_ok());
            let Finding::Sessions { sessions, next } = finding else { panic!() };
            found.extend(sessions);
            match next {
                Some(next) => after = next,
                None => break,
            }
        }
        assert_eq!(
            found.iter().map(|facts| facts.session.0).collect::<Vec<_>>(),
            (2..=1000).collect::<Vec<_>>()
        );
        assert_eq!((found[0].state.as_str(), found[0].messages), ("data", 1));
        assert_eq!(found[1].login.as_ref().map(|login| login.authentication.chars().count()), Some(128));
        entries.clear();
        assert_eq!(register.page(SessionId(0)), Finding::Sessions { sessions: Vec::new(), next: None });
    }
}
