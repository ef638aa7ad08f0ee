//! A line in which networks take turns: who sends a thousand passwords waits behind himself.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

/// One network, or all clients of which nobody says where they are.
pub(crate) type Lane = Option<IpAddr>;

/// Things that wait, a bounded number of them.
pub(crate) struct Line<T> {
    lanes: HashMap<Lane, VecDeque<T>>,
    /// Lanes that have something, in the order of their turns.
    turns: VecDeque<Lane>,
    waiting: usize,
    most: usize,
}

impl<T> Line<T> {
    pub(crate) fn new(most: usize) -> Self {
        Self { lanes: HashMap::new(), turns: VecDeque::new(), waiting: 0, most }
    }

    /// Puts something at the end of its lane. Where the line is full, whatever came last to the longest lane has to go,
    /// which may be this: it is given back.
    pub(crate) fn join(&mut self, lane: Lane, thing: T) -> Option<T> {
        let out = if self.waiting < self.most { None } else { Some(self.longest_but(lane)) };
        let out = match out {
            Some(Some(longest)) => self.leave(longest),
            Some(None) => return Some(thing),
            None => None,
        };
        let queue = self.lanes.entry(lane).or_default();
        if queue.is_empty() {
            self.turns.push_back(lane);
        }
        queue.push_back(thing);
        self.waiting += 1;
        out
    }

    /// Takes the next in turn.
    pub(crate) fn next(&mut self) -> Option<T> {
        let lane = self.turns.pop_front()?;
        let queue = self.lanes.get_mut(&lane)?;
        let thing = queue.pop_front();
        if queue.is_empty() {
            self.lanes.remove(&lane);
        } else {
            self.turns.push_back(lane);
        }
        self.waiting -= usize::from(thing.is_some());
        thing
    }

    /// The longest lane, if it is longer than this one would become.
    fn longest_but(&self, lane: Lane) -> Option<Lane> {
        let own = self.lanes.get(&lane).map_or(0, VecDeque::len);
        let longest = self.lanes.iter().max_by_key(|(_, queue)| queue.len());
        longest.filter(|(_, queue)| queue.len() > own + 1).map(|(lane, _)| *lane)
    }

    fn leave(&mut self, lane: Lane) -> Option<T> {
        let thing = self.lanes.get_mut(&lane)?.pop_back();
        self.waiting -= usize::from(thing.is_some());
        thing
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 0: nobody says where.
    fn lane(number: u8) -> Lane {
        (number > 0).then(|| IpAddr::from([192, 0, number, 0]))
    }

    fn order(mut line: Line<(u8, u32)>) -> Vec<(u8, u32)> {
        std::iter::from_fn(|| line.next()).collect()
    }

    #[test]
    fn networks_take_turns() {
        let mut line = Line::new(10);
        for (number, thing) in [(1, 1), (1, 2), (1, 3), (2, 1), (3, 1), (2, 2)] {
            assert_eq!(line.join(lane(number), (number, thing)), None);
        }
        assert_eq!(order(line), [(1, 1), (2, 1), (3, 1), (1, 2), (2, 2), (1, 3)]);
    }

    #[test]
    fn who_has_most_in_a_full_line_makes_room() {
        let mut line = Line::new(4);
        (1..=4).for_each(|thing| assert_eq!(line.join(lane(1), (1, thing)), None));
        assert_eq!(line.join(lane(1), (1, 5)), Some((1, 5)), "nobody has more than he");
        assert_eq!(line.join(lane(2), (2, 1)), Some((1, 4)));
        assert_eq!(line.join(lane(0), (0, 1)), Some((1, 3)));
        assert_eq!(line.join(lane(2), (2, 2)), Some((2, 2)), "one more would only turn things round");
        assert_eq!(order(line), [(1, 1), (2, 1), (0, 1), (1, 2)]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_comes_twice(joins in prop::collection::vec((0..5_u8, any::<bool>()), 0..200)) {
            let (mut line, mut out) = (Line::new(20), Vec::new());
            for (thing, (number, takes)) in joins.iter().enumerate() {
                out.extend(line.join(lane(*number), thing));
                prop_assert!(line.waiting <= 20 && line.turns.len() == line.lanes.len());
                if *takes {
                    out.extend(line.next());
                }
            }
            out.extend(std::iter::from_fn(|| line.next()));
            out.sort_unstable();
            prop_assert_eq!(out, (0..joins.len()).collect::<Vec<_>>());
            prop_assert!(line.lanes.is_empty() && line.waiting == 0);
        }
    }
}
