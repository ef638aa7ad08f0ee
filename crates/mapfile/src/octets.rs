//! Octets that may be part of a password: wiped when they move to a larger place, and at the end.

use std::hint::black_box;
use std::ops::{Deref, DerefMut};

/// A `Vec` that leaves nothing behind.
pub(crate) struct Octets(Vec<u8>);

impl Octets {
    pub(crate) fn with_capacity(octets: usize) -> Self {
        Self(Vec::with_capacity(octets))
    }

    /// So many zeros.
    pub(crate) fn zeros(octets: usize) -> Self {
        Self(vec![0; octets])
    }

    pub(crate) fn push_all(&mut self, octets: &[u8]) {
        if self.0.capacity() - self.0.len() < octets.len() {
            self.grow(octets.len());
        }
        self.0.extend_from_slice(octets);
    }

    /// Adds zeros until the length is a multiple of `unit`, a power of two.
    pub(crate) fn align(&mut self, unit: usize) {
        let missing = self.0.len().next_multiple_of(unit) - self.0.len();
        self.push_all(&[0; 8][..missing]);
    }

    /// Cuts off what stands behind the first `octets`. They are overwritten by what comes next, or at the end.
    pub(crate) fn truncate(&mut self, octets: usize) {
        self.0.truncate(octets);
    }

    fn grow(&mut self, more: usize) {
        let octets = (self.0.len() + more).max(2 * self.0.capacity());
        let larger = Vec::with_capacity(octets);
        let mut smaller = Self(std::mem::replace(&mut self.0, larger));
        self.0.append(&mut smaller.0);
    }
}

impl Deref for Octets {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Octets {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Drop for Octets {
    fn drop(&mut self) {
        self.0.clear();
        // All that there is room for: what was cut off is still there.
        self.0.resize(self.0.capacity(), 0);
        // Else nobody would look at these zeros, and the compiler could leave them out.
        black_box(&mut self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growing_keeps_what_is_there() {
        let mut octets = Octets::with_capacity(2);
        for octet in 0..100 {
            octets.push_all(&[octet; 3]);
        }
        octets.align(8);
        assert_eq!(octets.len(), 304);
        assert!(octets[..300].chunks(3).zip(0..).all(|(three, octet)| three == [octet; 3]));
        octets.truncate(3);
        assert_eq!(&octets[..], [0; 3]);
    }
}
