//! A table of a fixed size that counts failures by name, and lets them fade.

use std::time::Duration;

use super::hash::Name;

/// Counts by name. What does not fit takes the place of what counts least.
pub(super) struct Counts {
    buckets: Vec<[Cell; WAYS]>,
    half_life: f32,
}

#[derive(Clone, Copy, Default)]
struct Cell {
    tag: u32,
    /// How much it was, when it was counted last.
    level: f32,
    /// When that was, in seconds.
    at: u32,
    /// Whether it had become too much.
    is_refused: bool,
}

impl Counts {
    pub(super) fn new(half_life: Duration) -> Self {
        let buckets = vec![[Cell::default(); WAYS]; BUCKETS as usize];
        Self { buckets, half_life: half_life.as_secs_f32().max(1.0) }
    }

    /// From now on everything fades in another time.
    pub(super) fn fade_by(&mut self, half_life: Duration) {
        self.half_life = half_life.as_secs_f32().max(1.0);
    }

    /// Whether a name has come to this many, and has not come down to a quarter of it since: in two half-lives, that is,
    /// after its last failure.
    pub(super) fn is_refused(&self, name: &Name, age: Duration, most: f32) -> bool {
        let cell = self.buckets[bucket(name)].iter().find(|cell| cell.tag == name.tag);
        cell.is_some_and(|cell| {
            let level = self.faded(cell, seconds(age));
            level >= if cell.is_refused { most / 4.0 } else { most }
        })
    }

    /// How much stands against a name.
    pub(super) fn level(&self, name: &Name, age: Duration) -> f32 {
        let cell = self.buckets[bucket(name)].iter().find(|cell| cell.tag == name.tag);
        cell.map_or(0.0, |cell| self.faded(cell, seconds(age)))
    }

    /// One more. From `most` on it is too much.
    pub(super) fn add(&mut self, name: &Name, age: Duration, most: f32) {
        let now = seconds(age);
        let is_refused = self.is_refused(name, age, most);
        let level = self.level(name, age) + 1.0;
        let half_life = self.half_life;
        let bucket = &mut self.buckets[bucket(name)];
        let place = bucket.iter().position(|cell| cell.tag == name.tag).or_else(|| {
            let levels = bucket.iter().map(|cell| faded(cell, now, half_life)).enumerate();
            levels.min_by(|(_, one), (_, other)| one.total_cmp(other)).map(|(place, _)| place)
        });
        if let Some(place) = place {
            bucket[place] = Cell { tag: name.tag, level, at: now, is_refused: is_refused || level >= most };
        }
    }

    fn faded(&self, cell: &Cell, now: u32) -> f32 {
        faded(cell, now, self.half_life)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a half of a second in a year is of no matter")]
fn faded(cell: &Cell, now: u32, half_life: f32) -> f32 {
    let age = now.saturating_sub(cell.at) as f32;
    cell.level * (-age / half_life).exp2()
}

fn bucket(name: &Name) -> usize {
    (name.place % BUCKETS) as usize
}

fn seconds(age: Duration) -> u32 {
    u32::try_from(age.as_secs()).unwrap_or(u32::MAX)
}

/// 32768 names, 512 KiB.
const BUCKETS: u64 = 4096;
const WAYS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_names_takes_no_room_and_drives_out_nobody_who_counts() {
        let mut counts = Counts::new(Duration::from_mins(10));
        let often = Name { place: 77, tag: 1 };
        (0..20).for_each(|_| counts.add(&often, Duration::ZERO, 100.0));
        for number in 0..200_000 {
            counts.add(&Name { place: number, tag: number as u32 + 2 }, Duration::from_secs(1), 100.0);
        }
        assert_eq!(counts.buckets.len(), BUCKETS as usize);
        let level = counts.level(&often, Duration::from_secs(1));
        assert!((19.9..20.0).contains(&level), "{level}");
        let half = counts.level(&often, Duration::from_mins(10));
        assert!((9.9..10.1).contains(&half), "{half}");
    }
}
