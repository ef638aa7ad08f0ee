//! The time, as it is passed in.

use std::time::Instant;

use credential::Timestamp;

/// One moment by two clocks: one that never goes back, and the one that records are dated by.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// For what lasts.
    pub instant: Instant,
    /// For what is written down.
    pub time: Timestamp,
}

impl Now {
    /// The day, counted from 1970.
    pub(crate) fn day(&self) -> u32 {
        u32::try_from(self.time.seconds() / (24 * 60 * 60)).unwrap_or(u32::MAX)
    }
}
