//! A table of a fixed size that counts failures by name, and lets them fade. Beside each count stands whom it is about, for
//! whoever administers the daemon: nothing is decided by it.

use std::time::Duration;

use super::hash::Name;

/// Counts by name. What does not fit takes the place of what counts least.
pub(super) struct Counts<T> {
    buckets: Vec<[Cell<T>; WAYS]>,
    half_life: f32,
}

struct Cell<T> {
    tag: u32,
    /// How much it was, when it was counted last.
    level: f32,
    /// When that was, in seconds.
    at: u32,
    /// Whether it had become too much.
    is_refused: bool,
    /// Whom it is about.
    subject: Option<T>,
}

/// How it stands with somebody.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Standing {
    /// How much counts now.
    pub(super) level: f32,
    /// Whether it is too much.
    pub(super) is_refused: bool,
}

impl<T> Default for Cell<T> {
    fn default() -> Self {
        Self { tag: 0, level: 0.0, at: 0, is_refused: false, subject: None }
    }
}

impl<T> Counts<T> {
    pub(super) fn new(half_life: Duration) -> Self {
        let buckets = (0..BUCKETS).map(|_| std::array::from_fn(|_| Cell::default())).collect();
        Self { buckets, half_life: half_life.as_secs_f32().max(1.0) }
    }

    /// From now on everything fades in another time.
    pub(super) fn fade_by(&mut self, half_life: Duration) {
        self.half_life = half_life.as_secs_f32().max(1.0);
    }

    /// Whether a name has come to this many, and has not come down to a quarter of it since: in two half-lives, that is,
    /// after its last failure.
    pub(super) fn is_refused(&self, name: &Name, age: Duration, most: f32) -> bool {
        self.find(name).is_some_and(|cell| self.standing(cell, seconds(age), most).is_refused)
    }

    /// How much stands against a name.
    pub(super) fn level(&self, name: &Name, age: Duration) -> f32 {
        self.find(name).map_or(0.0, |cell| faded(cell, seconds(age), self.half_life))
    }

    /// One more. From `most` on it is too much.
    pub(super) fn add(&mut self, name: &Name, subject: T, age: Duration, most: f32) {
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
            let is_refused = is_refused || level >= most;
            bucket[place] = Cell { tag: name.tag, level, at: now, is_refused, subject: Some(subject) };
        }
    }

    /// Who is in a bucket, and how it stands with him; `None` behind the last bucket.
    pub(super) fn in_bucket(
        &self,
        number: u32,
        age: Duration,
        most: f32,
    ) -> Option<impl Iterator<Item = (&T, Standing)>> {
        let cells = self.buckets.get(number as usize)?;
        let now = seconds(age);
        let known = cells.iter().filter_map(|cell| cell.subject.as_ref().map(|subject| (subject, cell)));
        Some(known.map(move |(subject, cell)| (subject, self.standing(cell, now, most))))
    }

    /// How it stands with a name, if something is counted.
    pub(super) fn of(&self, name: &Name, age: Duration, most: f32) -> Option<Standing> {
        self.find(name).map(|cell| self.standing(cell, seconds(age), most))
    }

    /// Forgets a name; whether there was something to forget.
    pub(super) fn forget(&mut self, name: &Name) -> bool {
        let cell = self.buckets[bucket(name)].iter_mut().find(|cell| cell.tag == name.tag);
        cell.map(|cell| *cell = Cell::default()).is_some()
    }

    /// Forgets those; how many they were.
    pub(super) fn forget_those(&mut self, is_meant: impl Fn(&T) -> bool) -> u32 {
        let cells = self.buckets.iter_mut().flatten();
        let meant = cells.filter(|cell| cell.subject.as_ref().is_some_and(&is_meant));
        meant.map(|cell| *cell = Cell::default()).fold(0, |count, ()| count + 1)
    }

    /// In how long so much has faded to so little.
    pub(super) fn time_until(&self, level: f32, least: f32) -> Duration {
        if level <= least {
            return Duration::ZERO;
        }
        let half_lives = (level / least.max(LEAST)).log2();
        Duration::try_from_secs_f32(self.half_life * half_lives).unwrap_or(Duration::MAX)
    }

    fn find(&self, name: &Name) -> Option<&Cell<T>> {
        self.buckets[bucket(name)].iter().find(|cell| cell.tag == name.tag)
    }

    fn standing(&self, cell: &Cell<T>, now: u32, most: f32) -> Standing {
        let level = faded(cell, now, self.half_life);
        Standing { level, is_refused: level >= if cell.is_refused { most / 4.0 } else { most } }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a half of a second in a year is of no matter")]
fn faded<T>(cell: &Cell<T>, now: u32, half_life: f32) -> f32 {
    let age = now.saturating_sub(cell.at) as f32;
    cell.level * (-age / half_life).exp2()
}

fn bucket(name: &Name) -> usize {
    (name.place % u64::from(BUCKETS)) as usize
}

fn seconds(age: Duration) -> u32 {
    u32::try_from(age.as_secs()).unwrap_or(u32::MAX)
}

/// How many there are: 32768 names, 1 MiB and what names are long.
pub(super) const BUCKETS: u32 = 4096;
const WAYS: usize = 8;
/// What counts as nothing.
const LEAST: f32 = 0.01;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_names_takes_no_room_and_drives_out_nobody_who_counts() {
        let mut counts = Counts::new(Duration::from_mins(10));
        let often = Name { place: 77, tag: 1 };
        (0..20).for_each(|_| counts.add(&often, "often", Duration::ZERO, 100.0));
        for number in 0..200_000 {
            counts.add(
                &Name { place: number, tag: number as u32 + 2 },
                "once",
                Duration::from_secs(1),
                100.0,
            );
        }
        assert_eq!(counts.buckets.len(), BUCKETS as usize);
        let level = counts.level(&often, Duration::from_secs(1));
        assert!((19.9..20.0).contains(&level), "{level}");
        let half = counts.level(&often, Duration::from_mins(10));
        assert!((9.9..10.1).contains(&half), "{half}");
    }

    #[test]
    fn who_is_counted_is_named_and_can_be_forgotten() {
        let mut counts = Counts::new(Duration::from_mins(10));
        let names: Vec<_> = (1..=3).map(|number| Name { place: 77, tag: number }).collect();
        for (name, times) in names.iter().zip(1..) {
            (0..times).for_each(|_| counts.add(name, name.tag, Duration::ZERO, 3.0));
        }
        let found = |counts: &Counts<u32>, age| {
            let found = counts.in_bucket(77, age, 3.0).unwrap();
            found.map(|(tag, standing)| (*tag, standing.level, standing.is_refused)).collect::<Vec<_>>()
        };
        assert_eq!(found(&counts, Duration::ZERO), [(1, 1.0, false), (2, 2.0, false), (3, 3.0, true)]);
        let later = Duration::from_mins(10);
        assert_eq!(found(&counts, later), [(1, 0.5, false), (2, 1.0, false), (3, 1.5, true)]);
        assert!(counts.in_bucket(BUCKETS, later, 3.0).is_none());
        assert_eq!(counts.time_until(3.0, 0.75), Duration::from_mins(20));
        assert!(counts.forget(&names[2]) && !counts.forget(&names[2]));
        assert_eq!(counts.forget_those(|tag| *tag == 1), 1);
        assert_eq!(found(&counts, Duration::ZERO), [(2, 2.0, false)]);
    }
}
