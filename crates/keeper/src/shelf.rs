//! Where the records lie: the store as the keeper uses it, for a life that is longer than that of a file.
//!
//! Before a look-up, at most once a second, the path is walked again. Another file there is opened, and the old one
//! dropped; where the path has become unsafe nothing is used until it is mended. Decoys follow the store's counts with it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use credential::{DecoyKey, Identity, Occasion, Policy, ShapeCounts};
use safefile::{OpenError, Trust};
use store::secrets::{Access, SecretStore, Secrets, Stored};
use store::{StoreError, Wait};

use crate::check::Found;
use crate::event::Event;

/// What the keeper asks of a store.
pub trait Records {
    /// Sees that the store at this path is open, and that it is still what the path leads to.
    fn attend(&mut self, path: &Path) -> Result<Attended, StoreError>;

    /// What decoys are made of.
    fn survey(&self) -> Result<Survey, StoreError>;

    /// Looks a user up. Who is absent costs as much as who is there.
    fn look_up(&self, identity: &Identity) -> Result<Option<Stored>, StoreError>;
}

/// What became of the store since it was looked at last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attended {
    /// It is open.
    Same,
    /// It has been opened now.
    Opened,
}

/// What decoys are made of.
#[derive(Debug)]
pub struct Survey {
    /// The key.
    pub key: DecoyKey,
    /// What records look like.
    pub shapes: ShapeCounts,
}

/// The store of this host.
pub struct LiveStore {
    trust: Trust,
    open: SharedStore,
}

/// The store that is open, for those who write to it off the exchanges' path.
pub(crate) type SharedStore = Arc<Mutex<Option<Arc<SecretStore>>>>;

impl LiveStore {
    /// Of these may it be.
    pub fn new(trust: Trust) -> Self {
        Self { trust, open: Arc::default() }
    }

    pub(crate) fn shared(&self) -> SharedStore {
        Arc::clone(&self.open)
    }

    fn opened(&self, path: &Path) -> Option<Arc<SecretStore>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).clone();
        open.filter(|store| store.path() == path)
    }

    fn set(&self, store: Option<Arc<SecretStore>>) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = store;
    }

    fn current(&self) -> Result<Arc<SecretStore>, StoreError> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).clone();
        open.ok_or_else(|| StoreError::Missing { path: PathBuf::new() })
    }
}

impl Records for LiveStore {
    fn attend(&mut self, path: &Path) -> Result<Attended, StoreError> {
        let is_in_place = self.opened(path).map_or(Ok(false), |store| store.is_in_place());
        if matches!(is_in_place, Ok(true)) {
            return Ok(Attended::Same);
        }
        self.set(None);
        is_in_place?;
        // For writing, as the one handle of a daemon is: what a killed tool leaves behind is healed here.
        let store = SecretStore::open(path, &self.trust, Access::Write, Wait::up_to(PATIENCE))?;
        self.set(Some(Arc::new(store)));
        Ok(Attended::Opened)
    }

    fn survey(&self) -> Result<Survey, StoreError> {
        let store = self.current()?;
        Ok(Survey { key: store.decoy_key()?, shapes: store.counts()?.shapes })
    }

    fn look_up(&self, identity: &Identity) -> Result<Option<Stored>, StoreError> {
        self.current()?.look_up(identity)
    }
}

/// A store with what is known of it.
pub(crate) struct Shelf<R> {
    records: R,
    state: State,
    attended: Option<Instant>,
    /// Until when nobody asks: each question would wait for whoever holds the store, and everybody for the question.
    resting: Option<Instant>,
}

enum State {
    /// Nobody has looked yet.
    Unknown,
    Usable(Survey),
    /// The reason, as it was told.
    Unusable(String),
}

impl<R: Records> Shelf<R> {
    pub(crate) fn new(records: R) -> Self {
        Self { records, state: State::Unknown, attended: None, resting: None }
    }

    pub(crate) fn is_usable(&self) -> bool {
        matches!(self.state, State::Usable(_))
    }

    /// Looks at the store, unless that was done within the last second, and says what is news.
    pub(crate) fn attend(&mut self, path: &Path, now: Instant) -> Option<Event> {
        if self.attended.is_some_and(|last| now.saturating_duration_since(last) < BETWEEN) {
            return None;
        }
        self.attended = Some(now);
        let looked = self.records.attend(path).and_then(|it| Ok((it, self.records.survey()?)));
        match looked {
            Ok((attended, survey)) => self.is_well(attended, survey),
            Err(error) => self.is_not_well(&error, now),
        }
    }

    /// The next look is to be a look.
    pub(crate) fn forget_attention(&mut self) {
        self.attended = None;
        self.resting = None;
    }

    /// Looks an identity up, and makes its decoy, whether it is there or not. Where that fails: why, if it is news.
    pub(crate) fn look_up(
        &mut self,
        identity: &Identity,
        policy: &Policy,
        occasion: Occasion,
        now: Instant,
    ) -> Result<Found, Option<String>> {
        let State::Usable(survey) = &self.state else { return Err(None) };
        if self.rests(now) {
            return Err(None);
        }
        match self.records.look_up(identity) {
            Ok(stored) => {
                let decoy = survey.key.record_for(identity, &survey.shapes, policy);
                Ok(Found { stored, decoy, occasion })
            }
            Err(error) if error.is_temporary() => Err(self.rest(&error, now)),
            // One damaged record is one user's trouble. If it is more than that, the next look at the store will tell.
            Err(error) => {
                self.attended = None;
                Err(Some(error.to_string()))
            }
        }
    }

    /// Whether there is such a user, as far as anybody can tell without trouble.
    pub(crate) fn has(&mut self, identity: &Identity, now: Instant) -> bool {
        if !self.is_usable() || self.rests(now) {
            return false;
        }
        let found = self.records.look_up(identity);
        if found.as_ref().is_err_and(StoreError::is_temporary) {
            self.resting = Some(now + BETWEEN);
        }
        matches!(found, Ok(Some(_)))
    }

    fn is_well(&mut self, attended: Attended, survey: Survey) -> Option<Event> {
        self.resting = None;
        match (std::mem::replace(&mut self.state, State::Usable(survey)), attended) {
            (State::Unusable(_) | State::Unknown, _) => Some(Event::StoreUsable),
            (State::Usable(_), Attended::Opened) => Some(Event::StoreReplaced),
            (State::Usable(_), Attended::Same) => None,
        }
    }

    fn is_not_well(&mut self, error: &StoreError, now: Instant) -> Option<Event> {
        if error.is_temporary() && self.is_usable() {
            return self.rest(error, now).map(|words| Event::StoreTrouble { words });
        }
        let words = error.to_string();
        if matches!(&self.state, State::Unusable(before) if *before == words) {
            return None;
        }
        self.state = State::Unusable(words.clone());
        Some(Event::StoreUnusable { words, remedy: remedy(error) })
    }
}

impl<R> Shelf<R> {
    fn rests(&self, now: Instant) -> bool {
        self.resting.is_some_and(|end| now < end)
    }

    /// Asks nothing for a while; the words, if that is news.
    fn rest(&mut self, error: &StoreError, now: Instant) -> Option<String> {
        let is_news = self.resting.is_none();
        self.resting = Some(now + BETWEEN);
        is_news.then(|| error.to_string())
    }
}

fn remedy(error: &StoreError) -> Option<String> {
    let StoreError::Refused(OpenError::Refused(refusal)) = error else { return None };
    let fix = refusal.finding.fix.to_string();
    (!fix.is_empty()).then_some(fix)
}

/// "Before every open", for a process that lives long.
const BETWEEN: Duration = Duration::from_secs(1);
/// How long a look-up, or a change in the background, waits for other programs. Readers wait for microseconds; only who was
/// stopped in the middle keeps them longer.
const PATIENCE: Duration = Duration::from_millis(300);
