//! Which messages somebody carries: one that two carried would be written twice at once, each in the way of the other.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::lock::lock;

/// By their names in the queue; and whether one was handed over again meanwhile.
#[derive(Debug, Default)]
pub(super) struct Carried(Mutex<HashMap<String, Again>>);

/// Whether another look is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    Yes,
    No,
}

impl Carried {
    /// Whether whoever asks is to carry it; if not, who does looks once more before he ends.
    pub(super) fn take(&self, id: &str) -> bool {
        let mut carried = lock(&self.0);
        match carried.get_mut(id) {
            Some(again) => {
                *again = Again::Yes;
                false
            }
            None => carried.insert(id.to_owned(), Again::No).is_none(),
        }
    }

    /// Nothing is left to do, unless it was handed over again: then it is carried on.
    pub(super) fn put_down(&self, id: &str) -> Again {
        let mut carried = lock(&self.0);
        if let Some(again) = carried.get_mut(id).filter(|again| **again == Again::Yes) {
            return std::mem::replace(again, Again::No);
        }
        carried.remove(id);
        Again::No
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_carries_and_looks_once_more_when_asked_meanwhile() {
        let carried = Carried::default();
        assert!(carried.take("1"));
        assert!(!carried.take("1") && !carried.take("1"));
        assert!(carried.take("2"));
        assert_eq!(carried.put_down("1"), Again::Yes);
        assert!(!carried.take("1"));
        assert_eq!(carried.put_down("1"), Again::Yes);
        assert_eq!(carried.put_down("1"), Again::No);
        assert!(carried.take("1"));
    }
}
