//! Passwords that were right a while ago, recognised without deriving anything. What is kept of each is a keyed hash that
//! covers the record as it was read, so that any change of the record voids it; of a password that was wrong, nothing.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use credential::{Label, Occasion, Secret};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use store::secrets::Stored;
use zeroize::Zeroizing;

/// A bounded table of passwords that were right.
pub(crate) struct Lately {
    /// Random, and gone with the process.
    key: Zeroizing<[u8; 32]>,
    right: HashMap<Mark, (Label, Instant)>,
    /// Marks by their age, the oldest first.
    ages: VecDeque<(Mark, Instant)>,
}

type Mark = [u8; 32];

impl Lately {
    pub(crate) fn new(key: Zeroizing<[u8; 32]>) -> Self {
        Self { key, right: HashMap::new(), ages: VecDeque::new() }
    }

    /// Which credential of the user it is, if this password was right for this very record, and may be used now.
    pub(crate) fn recognise(
        &mut self,
        stored: &Stored,
        password: &Secret,
        occasion: &Occasion,
        now: Instant,
    ) -> Option<Label> {
        self.forget_old(now);
        let (label, _) = self.right.get(&self.mark(stored, password))?;
        let credential = stored.record.credential(label)?;
        credential.is_usable_on(occasion).then(|| label.clone())
    }

    /// It was right.
    pub(crate) fn remember(&mut self, stored: &Stored, password: &Secret, label: &Label, now: Instant) {
        self.forget_old(now);
        if self.ages.len() >= MOST
            && let Some((oldest, _)) = self.ages.pop_front()
        {
            self.right.remove(&oldest);
        }
        let mark = self.mark(stored, password);
        if self.right.insert(mark, (label.clone(), now)).is_none() {
            self.ages.push_back((mark, now));
        }
    }

    /// Counted from the check itself: a password that is used all the time is checked again, too.
    fn forget_old(&mut self, now: Instant) {
        while let Some((mark, since)) = self.ages.front()
            && now.saturating_duration_since(*since) >= LATELY
        {
            self.right.remove(mark);
            self.ages.pop_front();
        }
    }

    #[expect(clippy::expect_used, reason = "RFC 2104: HMAC takes a key of any length")]
    fn mark(&self, stored: &Stored, password: &Secret) -> Mark {
        let mut hmac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.key[..]).expect("a key of any length");
        let identity = stored.record.identity();
        // No prepared name holds a NUL, and the revision has one length.
        for part in [identity.user.as_str(), "\0", &identity.realm.folded(), "\0"] {
            hmac.update(part.as_bytes());
        }
        hmac.update(stored.revision.octets());
        hmac.update(password.expose());
        hmac.finalize().into_bytes().into()
    }
}

/// 256 KiB and the labels.
const MOST: usize = 4096;
/// A client that fetches and sends mail now and then is recognised.
const LATELY: Duration = Duration::from_mins(15);
