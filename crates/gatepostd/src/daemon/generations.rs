//! Which configuration is in force, which were before it, and what the front said of each. The front takes them one after the
//! other and may refuse one that root found to be right; until it has spoken, what it has taken last is kept. Nothing here is
//! read, sent or logged.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::Value;
use wire::Generation;

/// All configurations that still mean something; `T` is what has to be kept of one.
#[derive(Debug)]
pub(super) struct Generations<T> {
    current: Generation,
    /// Those before it that the front may still be at, the oldest first. The first is what it goes on with.
    earlier: VecDeque<(Generation, T)>,
    /// Whether the front has ever taken one: before that there is nothing to go back to.
    has_begun: bool,
    /// Since when the front has owed a word about the current one.
    owed_since: Option<Instant>,
    /// What became of the last ones.
    fates: VecDeque<(Generation, Fate)>,
    refusal: Option<Refusal>,
}

/// What became of a configuration, for whoever has asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// The front goes by it.
    Taken,
    /// The front does not, and why.
    Refused(Vec<Value>),
}

/// The last refusal that nothing has mended yet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) generation: Generation,
    pub(super) faults: Vec<Value>,
    /// The number by which the one before was put in force again, if it was.
    restored: Generation,
}

/// What follows from a refusal.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused<T> {
    /// The front has never had another one: a start has failed.
    Start,
    /// This is to be put in force again.
    Back(T),
    /// Nothing: a later one is under way, or there is no other than this.
    Stays,
}

impl<T> Generations<T> {
    /// The first one is in force.
    pub(super) fn new() -> Self {
        let (earlier, fates) = (VecDeque::new(), VecDeque::new());
        Self { current: Generation(1), earlier, has_begun: false, owed_since: None, fates, refusal: None }
    }

    /// The number of the one in force.
    pub(super) const fn current(&self) -> Generation {
        self.current
    }

    /// What is kept of one before it.
    pub(super) fn kept(&self, generation: Generation) -> Option<&T> {
        self.earlier.iter().find(|(number, _)| *number == generation).map(|(_, kept)| kept)
    }

    /// What is kept, the latest first.
    pub(super) fn all_kept(&self) -> impl Iterator<Item = &T> {
        self.earlier.iter().rev().map(|(_, kept)| kept)
    }

    /// Another one is in force; this was until now.
    pub(super) fn follow(&mut self, before: T) {
        self.earlier.push_back((self.current, before));
        if self.earlier.len() > MOST_KEPT {
            self.earlier.remove(1);
        }
        self.count();
    }

    /// What [`Refused::Back`] gave is in force again, by another number.
    pub(super) fn restore(&mut self) {
        self.count();
        if let Some(refusal) = &mut self.refusal {
            refusal.restored = self.current;
        }
    }

    fn count(&mut self) {
        self.current = Generation(self.current.0.wrapping_add(1));
    }

    /// The current one was sent to the front.
    pub(super) fn sent(&mut self, now: Instant) {
        self.owed_since = Some(now);
    }

    /// The front is gone; whoever comes after it is told anew.
    pub(super) fn front_has_left(&mut self) {
        self.owed_since = None;
    }

    /// Whether the front should have said long ago what it makes of the current one.
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        self.owed_since.is_some_and(|since| now.saturating_duration_since(since) >= LONGEST_SILENCE)
    }

    /// The front says, now and then, by which one it goes.
    pub(super) fn taken(&mut self, generation: Generation) {
        if generation == self.current {
            self.earlier.clear();
            self.owed_since = None;
        } else if let Some(at) = self.earlier.iter().position(|(number, _)| *number == generation) {
            self.earlier.drain(..at);
        } else {
            return;
        }
        self.has_begun = true;
        self.refusal.take_if(|refusal| generation > refusal.restored);
        if self.fate(generation).is_none() {
            self.remember(generation, Fate::Taken);
        }
    }

    /// Whether a refusal of this one is news: it is one of ours, not what the front goes by, and was not refused yet.
    pub(super) fn may_be_refused(&self, generation: Generation) -> bool {
        let is_base = self.has_begun && self.earlier.front().is_some_and(|(number, _)| *number == generation);
        let is_known = generation == self.current || self.kept(generation).is_some();
        is_known && !is_base && !matches!(self.fate(generation), Some(Fate::Refused(_)))
    }

    /// The front does not take this one, of which [`Self::may_be_refused`] is true.
    pub(super) fn refused(&mut self, generation: Generation, faults: Vec<Value>) -> Refused<T> {
        self.fates.retain(|(number, _)| *number != generation);
        self.remember(generation, Fate::Refused(faults.clone()));
        if !self.has_begun {
            return Refused::Start;
        }
        let refusal = Refusal { generation, faults, restored: generation };
        if generation != self.current {
            self.earlier.retain(|(number, _)| *number != generation);
            self.refusal = Some(refusal);
            return Refused::Stays;
        }
        self.owed_since = None;
        let Some((_, before)) = self.earlier.pop_front() else { return Refused::Stays };
        self.earlier.clear();
        self.refusal = Some(refusal);
        Refused::Back(before)
    }

    /// What became of one; `None` while the front has said nothing, and where it never will.
    pub(super) fn fate(&self, generation: Generation) -> Option<&Fate> {
        self.fates.iter().find(|(number, _)| *number == generation).map(|(_, fate)| fate)
    }

    /// Whether the front may still have something to say about it.
    pub(super) fn is_open(&self, generation: Generation) -> bool {
        self.fate(generation).is_none() && (generation == self.current || self.kept(generation).is_some())
    }

    /// What was refused, while nothing later was taken but the one before.
    pub(super) fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }

    fn remember(&mut self, generation: Generation, fate: Fate) {
        self.fates.push_back((generation, fate));
        if self.fates.len() > MOST_FATES {
            self.fates.pop_front();
        }
    }
}

/// Each has its listening sockets.
const MOST_KEPT: usize = 16;
const MOST_FATES: usize = 64;
/// A map of millions of entries is read in seconds, and who is silent altogether is killed after a minute.
const LONGEST_SILENCE: Duration = Duration::from_secs(75);

#[cfg(test)]
mod tests {
    use super::*;

    /// The first is taken, as at every start.
    fn begun() -> Generations<&'static str> {
        let mut it = Generations::new();
        it.taken(Generation(1));
        it
    }

    fn faults(of: &str) -> Vec<Value> {
        vec![of.into()]
    }

    #[test]
    fn what_was_refused_stays_refused_whatever_is_in_force_by_now() {
        let mut it = begun();
        it.follow("first");
        assert_eq!(it.refused(Generation(2), faults("map")), Refused::Back("first"));
        it.restore();
        assert_eq!(it.current(), Generation(3));
        // The same map, and what is in force again names it too.
        assert!(it.may_be_refused(Generation(3)));
        assert_eq!(it.refused(Generation(3), faults("map")), Refused::Stays);
        assert_eq!(it.fate(Generation(2)), Some(&Fate::Refused(faults("map"))));
        assert_eq!(it.refusal().unwrap().generation, Generation(2));
        assert!(!it.may_be_refused(Generation(2)) && !it.may_be_refused(Generation(3)), "it is said once");
        it.follow("first");
        it.taken(Generation(4));
        assert_eq!((it.refusal(), it.fate(Generation(4))), (None, Some(&Fate::Taken)));
        assert_eq!(it.fate(Generation(2)), Some(&Fate::Refused(faults("map"))));
    }

    #[test]
    fn what_is_in_force_again_mends_nothing() {
        let mut it = begun();
        it.follow("first");
        it.refused(Generation(2), faults("map"));
        it.restore();
        it.taken(Generation(3));
        assert_eq!(it.refusal().unwrap().generation, Generation(2));
    }

    #[test]
    fn of_two_reloads_at_once_the_front_goes_back_to_what_it_took_last() {
        let mut it = begun();
        it.follow("first");
        it.follow("second");
        it.taken(Generation(2));
        assert_eq!(it.all_kept().collect::<Vec<_>>(), [&"second"]);
        assert!(!it.may_be_refused(Generation(2)), "it goes by that");
        assert_eq!(it.refused(Generation(3), faults("x")), Refused::Back("second"));

        let mut it = begun();
        it.follow("first");
        it.follow("second");
        assert_eq!(it.refused(Generation(2), faults("x")), Refused::Stays);
        assert_eq!(it.fate(Generation(2)), Some(&Fate::Refused(faults("x"))));
        assert!(it.is_open(Generation(3)));
        assert_eq!(it.refused(Generation(3), faults("y")), Refused::Back("first"));
    }

    #[test]
    fn what_the_front_never_came_to_is_neither_taken_nor_open() {
        let mut it = begun();
        it.follow("first");
        it.follow("second");
        assert!(it.is_open(Generation(2)));
        // It was started again, and was told of the last one alone.
        it.taken(Generation(3));
        assert_eq!((it.is_open(Generation(2)), it.fate(Generation(2))), (false, None));
    }

    #[test]
    fn where_nothing_was_ever_taken_there_is_nothing_to_go_back_to() {
        let mut it = Generations::new();
        it.follow("first");
        assert!(it.may_be_refused(Generation(1)) && it.may_be_refused(Generation(2)));
        assert_eq!(it.refused(Generation(2), faults("x")), Refused::Start);
        let mut it = Generations::new();
        it.follow("first");
        assert_eq!(it.refused(Generation(1), faults("x")), Refused::Start);
    }

    #[test]
    fn a_front_that_says_nothing_of_a_configuration_is_overdue_and_one_that_refuses_is_not() {
        let (mut it, now) = (begun(), Instant::now());
        it.follow("first");
        it.sent(now);
        it.taken(Generation(1));
        assert!(!it.is_overdue(now + LONGEST_SILENCE / 2) && it.is_overdue(now + LONGEST_SILENCE));
        it.refused(Generation(2), faults("x"));
        assert!(!it.is_overdue(now + LONGEST_SILENCE));
        it.restore();
        it.sent(now);
        assert!(it.is_overdue(now + LONGEST_SILENCE));
        it.taken(Generation(3));
        assert!(!it.is_overdue(now + LONGEST_SILENCE));
        it.follow("third");
        it.sent(now);
        it.front_has_left();
        assert!(!it.is_overdue(now + LONGEST_SILENCE));
    }

    #[test]
    fn only_so_many_are_kept_and_the_one_the_front_goes_by_among_them() {
        let mut it = Generations::new();
        it.taken(Generation(1));
        for number in 1..100 {
            it.follow(number);
        }
        assert_eq!((it.all_kept().count(), it.all_kept().last()), (MOST_KEPT, Some(&1)));
    }
}
