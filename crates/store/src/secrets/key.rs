//! Where a user stands in the tables: realm, then user, as octets that sort in that order.
//!
//! `folded realm ‖ NUL ‖ user`. Neither part holds a NUL (SASLprep refuses it), so there is one way to read a key
//! back, and NUL sorts before every other octet, so all users of a realm stand together and before those of a longer
//! realm. Names have at most 1,024 octets each.

use credential::Identity;
use credential::identity::MAX_NAME;
use sha2::{Digest, Sha256};

/// The key of one user's record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(Vec<u8>);

impl Key {
    /// The key under which `identity` is found, whatever the case of its realm.
    pub(crate) fn of(identity: &Identity) -> Self {
        let realm = identity.realm.folded();
        let user = identity.user.as_str();
        let mut octets = Vec::with_capacity(realm.len() + 1 + user.len());
        octets.extend_from_slice(realm.as_bytes());
        octets.push(0);
        octets.extend_from_slice(user.as_bytes());
        Self(octets)
    }

    /// Takes the octets of a key back; what this crate would not have written is refused.
    pub(crate) fn from_stored(octets: &[u8]) -> Result<Self, &'static str> {
        let nul = octets.iter().position(|&octet| octet == 0).ok_or("a key without a separator")?;
        let (realm, user) = (&octets[..nul], &octets[nul + 1..]);
        if realm.len() > MAX_NAME || user.len() > MAX_NAME {
            return Err("a key with a name that is too long");
        }
        if user.contains(&0) || std::str::from_utf8(realm).is_err() || std::str::from_utf8(user).is_err() {
            return Err("a key that is no name");
        }
        if realm.iter().any(u8::is_ascii_uppercase) {
            return Err("a key whose realm is not folded");
        }
        Ok(Self(octets.to_vec()))
    }

    /// `user@realm` with the folded realm, for reports.
    pub(crate) fn display(&self) -> String {
        let mut parts = self.0.splitn(2, |&octet| octet == 0).map(String::from_utf8_lossy);
        let (realm, user) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        format!("{user}@{realm}")
    }

    pub(crate) fn octets(&self) -> &[u8] {
        &self.0
    }

    /// The key of the witness: as short for every user, and elsewhere in its tree than the record is in its own.
    pub(crate) fn witness(&self) -> [u8; WITNESS_KEY] {
        let digest = Sha256::digest(&self.0);
        let mut short = [0; WITNESS_KEY];
        short.copy_from_slice(&digest[..WITNESS_KEY]);
        short
    }
}

/// Octets of a witness's key; two users share one with a probability of 2^-64 among four thousand million.
pub(crate) const WITNESS_KEY: usize = 16;

#[cfg(test)]
mod tests {
    use credential::{Realm, Username};
    use proptest::prelude::*;

    use super::*;

    fn key(user: &str, realm: &str) -> Key {
        Key::of(&Identity::new(Username::prepare(user).unwrap(), Realm::prepare(realm).unwrap()))
    }

    #[test]
    fn sorts_by_realm_then_user() {
        let rows = [
            key("", ""),
            key("z", ""),
            key("b", "a"),
            key("a", "a.example"),
            key("b", "a.example"),
            key("ba", "a.example"),
            key("a", "a.example.org"),
            key("a", "b"),
        ];
        assert!(rows.is_sorted());
    }

    #[test]
    fn realms_fold_and_users_do_not() {
        assert_eq!(key("a", "Example.ORG"), key("a", "example.org"));
        assert_ne!(key("A", "example.org"), key("a", "example.org"));
        assert_ne!(key("ab", "c"), key("a", "bc"));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let long = [vec![b'a'; MAX_NAME + 1], vec![0]].concat();
        for octets in [&b"abc"[..], b"", b"A\0b", b"a\0b\0c", b"\xff\0b", b"a\0\xff", &long] {
            assert!(Key::from_stored(octets).is_err(), "{octets:?}");
        }
    }

    proptest! {
        #[test]
        fn there_and_back(user in "[ -~]{0,40}", realm in "[ -~]{0,40}") {
            let key = key(&user, &realm);
            prop_assert_eq!(Key::from_stored(key.octets()).unwrap(), key);
        }
    }
}
