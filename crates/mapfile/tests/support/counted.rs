//! A source that counts what is read: work that has a bound is asserted, not timed.

use std::borrow::Cow;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use mapfile::{PageSource, lend};

/// Octets that count what is read of them.
pub(crate) struct Counted<'a> {
    octets: &'a [u8],
    read: &'a AtomicU64,
}

impl<'a> Counted<'a> {
    /// Counts into `read`.
    pub(crate) fn new(octets: &'a [u8], read: &'a AtomicU64) -> Self {
        Self { octets, read }
    }
}

impl PageSource for Counted<'_> {
    fn length(&self) -> u64 {
        self.octets.len() as u64
    }

    fn read_at(&self, offset: u64, octets: usize) -> io::Result<Cow<'_, [u8]>> {
        assert!(octets <= 65536, "no more than a page is asked for");
        assert!(offset + octets as u64 <= self.length(), "nothing beyond the end is asked for");
        self.read.fetch_add(octets as u64, Ordering::Relaxed);
        lend(self.octets, offset, octets)
    }
}
