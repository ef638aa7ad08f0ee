//! A few tries at a time: who is let in has a slot for a while.

use std::time::Duration;

use super::hash::Name;

/// For each name, some slots; a name of nobody has them too, and shares them with whom it collides with.
pub(super) struct Slots(Vec<[Duration; AT_ONCE]>);

impl Default for Slots {
    fn default() -> Self {
        Self(vec![[Duration::ZERO; AT_ONCE]; NAMES as usize])
    }
}

impl Slots {
    /// Takes a slot for a time, if one is free.
    pub(super) fn take(&mut self, name: &Name, now: Duration, time: Duration) -> bool {
        let slots = &mut self.0[(name.place % NAMES) as usize];
        let free = slots.iter_mut().find(|until| **until <= now);
        free.map(|until| *until = now + time).is_some()
    }

    /// Everybody who has a slot of this name gives it back.
    pub(super) fn free(&mut self, name: &Name) {
        self.0[(name.place % NAMES) as usize] = [Duration::ZERO; AT_ONCE];
    }
}

/// 128 KiB.
const NAMES: u64 = 2048;
const AT_ONCE: usize = 4;
