//! Records in memory, in wiped chunks, sorted by their places.

use std::io;

use zeroize::Zeroizing;

use super::{Line, Order, SortedRecord};

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
        // Stable without more memory: places grow in the order of pushing.
        self.places.sort_unstable_by(|one, other| {
            one.start
                .cmp(&other.start)
                .then_with(|| key_at(&chunks, one).cmp(key_at(&chunks, other)))
                .then_with(|| (one.chunk, one.at).cmp(&(other.chunk, other.at)))
        });
        Drain { chunks, places: self.places.into_iter() }
    }
}

/// Sorted records, given one after the other.
pub(super) struct Drain {
    chunks: Vec<Zeroizing<Vec<u8>>>,
    places: std::vec::IntoIter<Place>,
}

impl Iterator for Drain {
    type Item = SortedRecord;

    fn next(&mut self) -> Option<SortedRecord> {
        let place = self.places.next()?;
        decode(&self.chunks[place.chunk as usize][place.at as usize..]).map(|(record, _)| record)
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

/// The record at the start of `octets`, and how many of them it takes.
pub(super) fn decode(octets: &[u8]) -> Option<(SortedRecord, usize)> {
    let (key, value, line) = lengths(octets)?;
    let end = HEADER + key + value;
    let record = SortedRecord {
        key: Zeroizing::new(octets.get(HEADER..HEADER + key)?.to_vec()),
        value: Zeroizing::new(octets.get(HEADER + key..end)?.to_vec()),
        line,
    };
    Some((record, end))
}

fn key_at<'a>(chunks: &'a [Zeroizing<Vec<u8>>], place: &Place) -> &'a [u8] {
    let octets = &chunks[place.chunk as usize][place.at as usize..];
    let key = lengths(octets).map_or(0, |(key, _, _)| key);
    &octets[HEADER..HEADER + key]
}

pub(super) const HEADER: usize = 16;
const CHUNK: usize = 128 << 10;
