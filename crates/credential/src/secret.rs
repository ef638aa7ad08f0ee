//! Octets that must not be seen: owned, wiped when dropped, compared in constant time.
//!
//! There is deliberately no `Clone`, `Eq`, `Hash`, `Display` or serialisation: a secret leaves through
//! [`Secret::expose`] alone, which is easy to search for.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Secret octets of any kind: a password as it was typed, a value that is as good as a password.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the octets over; they are wiped when this is dropped. What the vector left behind when it grew
    /// before is the caller's matter: reserve first, fill then.
    pub fn new(octets: Vec<u8>) -> Self {
        Self(Zeroizing::new(octets))
    }

    /// A secret of its own with the same octets; the source is left to its owner.
    pub fn copy_of(octets: &[u8]) -> Self {
        Self::new(octets.to_vec())
    }

    /// The octets: the one door out.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// How many octets.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is not a single octet.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Equality in a time that depends on the lengths alone.
    pub fn ct_eq(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }
}

impl From<Zeroizing<Vec<u8>>> for Secret {
    fn from(octets: Zeroizing<Vec<u8>>) -> Self {
        Self(octets)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_tells_nothing() {
        assert_eq!(format!("{:?}", Secret::copy_of(b"hunter2")), "Secret(…)");
        assert_eq!(format!("{:?}", Secret::copy_of(b"")), "Secret(…)");
    }

    #[test]
    fn comparison_sees_every_octet_and_the_length() {
        let secret = Secret::copy_of(b"hunter2");
        assert!(secret.ct_eq(&Secret::copy_of(b"hunter2")));
        for other in [&b""[..], b"hunter", b"hunter22", b"Hunter2", b"hunter3"] {
            assert!(!secret.ct_eq(&Secret::copy_of(other)));
        }
    }
}
