//! From where identities have logged in: a table of a fixed size, which survives a restart in a file.
//!
//! The file holds keyed hashes and their key, so that it says nothing to whom it is shown without the key; with it, that
//! somebody whom one can name was somewhere one can name. It is as closed as the store is.

use std::net::IpAddr;

use credential::Identity;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::hash::{Name, PaceKey};

/// Identities and networks that belong together.
pub struct Places {
    key: PaceKey,
    buckets: Vec<[Place; WAYS]>,
    is_changed: bool,
}

/// One identity at one network. `tag` 0: free.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Place {
    /// Whose.
    tag: u32,
    /// Where.
    at: u32,
    /// The day of the last login from there, counted from 1970.
    day: u32,
}

/// Octets that are no table of places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlaceFileError {
    /// Of another sort or version.
    #[error("not a table of places that this version knows")]
    Foreign,
    /// Cut off or altered.
    #[error("the table of places is damaged")]
    Damaged,
}

impl Places {
    /// The longest file, in octets.
    pub const MAX_OCTETS: u64 = (HEAD + BUCKETS as usize * WAYS * ENTRY + SUM) as u64;

    /// None yet.
    pub fn new(key: PaceKey) -> Self {
        Self { key, buckets: vec![[Place::default(); WAYS]; BUCKETS as usize], is_changed: false }
    }

    /// Whether an identity has logged in from a network.
    pub fn knows(&self, identity: &Identity, network: IpAddr) -> bool {
        let (name, at) = self.names(identity, network);
        self.buckets[bucket(&name)].iter().any(|place| (place.tag, place.at) == (name.tag, at))
    }

    /// An identity has logged in from a network.
    pub fn note(&mut self, identity: &Identity, network: IpAddr, day: u32) {
        let (name, at) = self.names(identity, network);
        let places = &mut self.buckets[bucket(&name)];
        let new = Place { tag: name.tag, at, day };
        if let Some(place) = places.iter_mut().find(|place| (place.tag, place.at) == (name.tag, at)) {
            self.is_changed |= *place != new;
            *place = new;
        } else {
            *oldest(places, name.tag) = new;
            self.is_changed = true;
        }
    }

    /// What is to be written, if anything has changed since this was asked last.
    pub fn take_changes(&mut self) -> Option<Zeroizing<Vec<u8>>> {
        std::mem::take(&mut self.is_changed).then(|| self.to_octets())
    }

    /// The form of the file: magic, key, entries with the number of their bucket, and a checksum.
    pub fn to_octets(&self) -> Zeroizing<Vec<u8>> {
        let buckets = (0_u32..).zip(&self.buckets);
        let used = || buckets.clone().flat_map(|(number, places)| places.iter().map(move |it| (number, it)));
        let used = || used().filter(|(_, place)| place.tag != 0);
        let mut octets = Zeroizing::new(Vec::with_capacity(HEAD + used().count() * ENTRY + SUM));
        octets.extend_from_slice(MAGIC);
        octets.extend_from_slice(self.key.expose());
        for (number, place) in used() {
            for field in [number, place.tag, place.at, place.day] {
                octets.extend_from_slice(&field.to_be_bytes());
            }
        }
        let sum = Sha256::digest(&octets[..]);
        octets.extend_from_slice(&sum[..SUM]);
        octets
    }

    /// Reads a file.
    pub fn from_octets(octets: &[u8]) -> Result<Self, PlaceFileError> {
        let Some(rest) = octets.strip_prefix(MAGIC) else { return Err(PlaceFileError::Foreign) };
        let end = octets.len().checked_sub(SUM).ok_or(PlaceFileError::Damaged)?;
        if Sha256::digest(&octets[..end])[..SUM] != octets[end..] {
            return Err(PlaceFileError::Damaged);
        }
        let entries = rest.get(..rest.len().saturating_sub(SUM)).ok_or(PlaceFileError::Damaged)?;
        let (key, entries) = entries.split_first_chunk().ok_or(PlaceFileError::Damaged)?;
        let mut places = Self::new(PaceKey::new(*key));
        let (entries, []) = entries.as_chunks::<ENTRY>() else { return Err(PlaceFileError::Damaged) };
        for entry in entries {
            places.restore(entry).ok_or(PlaceFileError::Damaged)?;
        }
        Ok(places)
    }

    fn restore(&mut self, entry: &[u8; ENTRY]) -> Option<()> {
        let (fields, _) = entry.as_chunks::<4>();
        let [number, tag, at, day] = *fields else { return None };
        let bucket = self.buckets.get_mut(u32::from_be_bytes(number) as usize)?;
        let free = bucket.iter_mut().find(|place| place.tag == 0)?;
        let number = u32::from_be_bytes;
        *free = Place { tag: number(tag), at: number(at), day: number(day) };
        Some(())
    }

    fn names(&self, identity: &Identity, network: IpAddr) -> (Name, u32) {
        (self.key.identity(identity), self.key.identity_at(identity, network).tag)
    }
}

/// What a new place takes the place of: nothing, if there is room; of an identity that has its share, the oldest of its
/// own, so that a wanderer drives nobody else out; else the oldest of all.
fn oldest(places: &mut [Place; WAYS], tag: u32) -> &mut Place {
    let own = places.iter().filter(|place| place.tag == tag).count();
    let rank = |place: &Place| {
        let is_free = place.tag == 0;
        let is_own = place.tag == tag;
        (if own >= SHARE { !is_own } else { !is_free }, place.day)
    };
    let index = (0..WAYS).min_by_key(|index| rank(&places[*index])).unwrap_or_default();
    &mut places[index]
}

fn bucket(name: &Name) -> usize {
    (name.place % BUCKETS) as usize
}

/// 131072 places, 1.5 MiB.
const BUCKETS: u64 = 16_384;
const WAYS: usize = 8;
/// How many places one identity has.
const SHARE: usize = 4;

const MAGIC: &[u8; 16] = b"gatepost places1";
const HEAD: usize = MAGIC.len() + PaceKey::OCTETS;
const ENTRY: usize = 16;
const SUM: usize = 16;
