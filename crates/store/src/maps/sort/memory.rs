//! Records in memory, in wiped chunks, sorted by their places.

use std::io;

use zeroize::Zeroizing;

use super::order::word;
use super::{Line, Order, Records, SortedRecord};

/// Records in the order in which they were pushed.
pub(super) struct Memory {
    order: Order,
    /// Each is filled up to its capacity and never grown, so that no copy is left behind.
    chunks: Vec<Zeroizing<Vec<u8>>>,
    places: Vec<Place>,
    /// Octets of the chunks.
    held: usize,
}

/// Where a record is.
struct Place {
    start: u64,
    chunk: u32,
    at: u32,
}

impl Memory {
    pub(super) fn new(order: Order) -> Self {
        Self { order, chunks: Vec::new(), places: Vec::new(), held: 0 }
    }

    pub(super) fn order(&self) -> Order {
        self.order
    }

    /// Everything in it; it is empty then.
    pub(super) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::new(self.order))
    }

    pub(super) fn push(&mut self, key: &[u8], value: &[u8], line: Line) -> io::Result<()> {
        let header = header(key, value, line)?;
        let octets = HEADER + key.len() + value.len();
        if self.chunks.last().is_none_or(|chunk| chunk.capacity() - chunk.len() < octets) {
            let capacity = octets.max(CHUNK);
            self.chunks.push(Zeroizing::new(Vec::with_capacity(capacity)));
            self.held += capacity;
        }
        let chunks = self.chunks.len();
        if let Some(chunk) = self.chunks.last_mut() {
            // A chunk is no longer than 4 GiB, and only one that holds a single record is longer than `CHUNK`.
            let place =
                Place { start: self.order.start(key), chunk: chunks as u32 - 1, at: chunk.len() as u32 };
            self.places.push(place);
            chunk.extend_from_slice(&header);
            chunk.extend_from_slice(key);
            chunk.extend_from_slice(value);
        }
        Ok(())
    }

    /// What it takes.
    pub(super) fn octets(&self) -> usize {
        self.held + self.places.capacity() * size_of::<Place>()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub(super) fn into_sorted(mut self) -> Drain {
        let chunks = std::mem::take(&mut self.chunks);
        sort(&chunks, &mut self.places, self.order.octets_in_start());
        Drain { chunks, places: self.places.into_iter() }
    }
}

/// Sorts by what `start` has, then those that agree in it by the eight octets of their keys that come next, from `next`
/// on, and so forth: keys of a map begin alike (`from:user`), and one that is not looked at costs nothing. The last few
/// are compared as they are.
fn sort(chunks: &[Zeroizing<Vec<u8>>], places: &mut [Place], next: usize) {
    if places.len() <= FEW || next > DEEP {
        // Stable without more memory: places grow in the order of pushing.
        places.sort_unstable_by(|one, other| {
            one.start
                .cmp(&other.start)
                .then_with(|| key_at(chunks, one).cmp(key_at(chunks, other)))
                .then_with(|| (one.chunk, one.at).cmp(&(other.chunk, other.at)))
        });
        return;
    }
    places.sort_unstable_by_key(|place| place.start);
    for alike in places.chunk_by_mut(|one, other| one.start == other.start).filter(|alike| alike.len() > 1) {
        for place in &mut *alike {
            // Where a key has ended, zeros: a key that goes on with zeros is told from it by its length at the end.
            place.start = word(key_at(chunks, place).get(next..).unwrap_or_default());
        }
        sort(chunks, alike, next + size_of::<u64>());
    }
}

/// Sorted records, given one after the other.
pub(super) struct Drain {
    chunks: Vec<Zeroizing<Vec<u8>>>,
    places: std::vec::IntoIter<Place>,
}

impl Records for Drain {
    fn read(&mut self, record: &mut SortedRecord) -> io::Result<bool> {
        let Some(place) = self.places.next() else { return Ok(false) };
        let octets = &self.chunks[place.chunk as usize][place.at as usize..];
        Ok(decode(octets, record).is_some())
    }
}

/// The octets of a record before its key: lengths of key and value, line.
pub(super) fn header(key: &[u8], value: &[u8], line: Line) -> io::Result<[u8; HEADER]> {
    let length = |octets: &[u8]| u32::try_from(octets.len()).map_err(|_| io::ErrorKind::InvalidInput);
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&length(key)?.to_le_bytes());
    header[4..8].copy_from_slice(&length(value)?.to_le_bytes());
    header[8..].copy_from_slice(&line.number().to_le_bytes());
    Ok(header)
}

/// The lengths of key and value that a header gives, and the line.
pub(super) fn lengths(octets: &[u8]) -> Option<(usize, usize, Line)> {
    let (key, rest) = octets.split_first_chunk()?;
    let (value, rest) = rest.split_first_chunk()?;
    let (line, _) = rest.split_first_chunk()?;
    let length = |octets| u32::from_le_bytes(octets) as usize;
    Some((length(*key), length(*value), Line::from_number(u64::from_le_bytes(*line))))
}

/// Takes the record at the start of `octets`; how many of them it has.
pub(super) fn decode(octets: &[u8], record: &mut SortedRecord) -> Option<usize> {
    let (key, value, line) = lengths(octets)?;
    let end = HEADER + key + value;
    fill(&mut record.key, octets.get(HEADER..HEADER + key)?);
    fill(&mut record.value, octets.get(HEADER + key..end)?);
    record.line = line;
    Some(end)
}

/// Puts octets in the place of others. One that is too small is wiped and not grown.
pub(super) fn fill(place: &mut Zeroizing<Vec<u8>>, octets: &[u8]) {
    if place.capacity() < octets.len() {
        *place = Zeroizing::new(Vec::with_capacity(octets.len().next_power_of_two()));
    }
    place.clear();
    place.extend_from_slice(octets);
}

fn key_at<'a>(chunks: &'a [Zeroizing<Vec<u8>>], place: &Place) -> &'a [u8] {
    let octets = &chunks[place.chunk as usize][place.at as usize..];
    let key = lengths(octets).map_or(0, |(key, _, _)| key);
    &octets[HEADER..HEADER + key]
}

pub(super) const HEADER: usize = 16;
/// So few are sorted at once.
const FEW: usize = 24;
/// Keys that agree so far are equal, or a stranger's: no reason to go deeper for each eight octets.
const DEEP: usize = 256;
const CHUNK: usize = 128 << 10;
