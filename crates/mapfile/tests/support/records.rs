//! Random records, in the order in which a builder takes them, and what a reader has to give back.

use std::collections::HashMap;

use super::random::Random;

/// A key and a value.
pub(crate) type Pair = (Vec<u8>, Vec<u8>);

/// What kind of keys.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Keys {
    /// As in mail: all much alike.
    Mail,
    /// A few letters, the least and the greatest octet among them: many are the start of others.
    Starts,
    /// Any octets, up to so many; mostly few.
    UpTo(usize),
}

/// What kind of records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// How many.
    pub(crate) records: usize,
    /// Their keys.
    pub(crate) keys: Keys,
    /// The longest value; most are much shorter.
    pub(crate) longest_value: usize,
    /// How many values a key has on average; some have many more.
    pub(crate) values: usize,
}

/// Records of this shape, in no order. Without duplicates each key comes once, so there may be fewer.
pub(crate) fn random(shape: &Shape, random: &mut Random) -> Vec<Pair> {
    let mut keys: Vec<Vec<u8>> = (0..shape.records.div_ceil(shape.values))
        .map(|number| match shape.keys {
            Keys::Mail => format!("user{}@host{number}.example.com", random.below(100)).into_bytes(),
            Keys::Starts => letters(random),
            Keys::UpTo(longest) => octets(longest, random),
        })
        .collect();
    keys.sort();
    keys.dedup();
    let pick = |number: usize, random: &mut Random| match shape.values {
        1 => number,
        // The least of three: some keys come up much more often than others.
        _ => (0..3).map(|_| random.below(keys.len())).min().unwrap_or_default(),
    };
    let records = if shape.values == 1 { keys.len() } else { shape.records };
    (0..records)
        .map(|number| (keys[pick(number, random)].clone(), octets(shape.longest_value, random)))
        .collect()
}

/// Sorts for a builder; values of one key stay in the order in which they are.
pub(crate) fn sort(records: &mut [Pair], rank: impl Fn(&[u8]) -> u32) {
    records.sort_by(|(one, _), (other, _)| (rank(one), one).cmp(&(rank(other), other)));
}

/// The first value of each key.
pub(crate) fn first_values(records: &[Pair]) -> HashMap<&[u8], &[u8]> {
    let mut first = HashMap::new();
    for (key, value) in records {
        first.entry(key.as_slice()).or_insert(value.as_slice());
    }
    first
}

/// Mostly short, now and then of any length.
fn octets(longest: usize, random: &mut Random) -> Vec<u8> {
    let length = random.below(longest + 1);
    let length = if random.below(8) == 0 { length } else { length.min(random.below(40)) };
    // Where they are long they begin alike, and differ late.
    let alike = if random.below(2) == 0 { length * 7 / 8 } else { 0 };
    (0..length).map(|at| if at < alike { b'x' } else { random.below(256) as u8 }).collect()
}

fn letters(random: &mut Random) -> Vec<u8> {
    (0..random.below(14)).map(|_| *b"ab\0\xff".get(random.below(5)).unwrap_or(&b'a')).collect()
}
