//! Reading: the header at once, a record by the slots of its key, all records from the first to the last.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use super::{HEAD_OCTETS, HEADER_OCTETS, SLOT_OCTETS, TABLES, first_slot, hash, table_of};
use crate::page::{Block, Order};
use crate::{
    Duplicates, Fault, Format, Limits, MapFileError, MapReader, Occurrence, PageSource, Record, Records,
};

/// A file whose header has been checked.
pub(super) struct CdbFile<S> {
    source: S,
    tables: Vec<Table>,
    /// Where the records end and the first table begins.
    records_end: u64,
    item_limit: u32,
}

impl<S: PageSource> CdbFile<S> {
    pub(super) fn new(source: S, limits: Limits) -> Result<Self, MapFileError> {
        let length = source.length();
        if length < u64::from(HEADER_OCTETS) {
            return Err(MapFileError::damaged_at(0, Fault::Short(length)));
        }
        let header = little(source.read_at(0, HEADER_OCTETS as usize)?);
        let tables =
            (0..TABLES).map(|number| Table::read(&header, number, length)).collect::<Result<Vec<_>, _>>()?;
        drop(header);
        let records_end = check_tiling(&tables, length)?;
        Ok(Self { source, tables, records_end, item_limit: limits.item })
    }

    /// The slots where `hash` may stand.
    fn search(&self, hash: u32) -> Search {
        let table = self.tables[table_of(hash)];
        let slot = if table.slots == 0 { 0 } else { first_slot(hash, table.slots) };
        Search { table, slot, left: table.slots }
    }

    /// The record that a slot names.
    fn record_of(&self, slot: &Slot) -> Result<Head, MapFileError> {
        let position = u64::from(slot.position);
        if slot.position < HEADER_OCTETS || position + u64::from(HEAD_OCTETS) > self.records_end {
            let fault = Fault::Field("position of a record", position);
            return Err(MapFileError::damaged_at(slot.at + 4, fault));
        }
        self.head(position, self.source.read_at(position, HEAD_OCTETS as usize)?)
    }

    /// Checks the two lengths of the record at `position`, one after the other against what is left.
    fn head(&self, position: u64, octets: Cow<'_, [u8]>) -> Result<Head, MapFileError> {
        let short = || MapFileError::damaged_at(position, Fault::Short(self.source.length()));
        let block = little(octets);
        let key = block.u32(0).ok_or_else(short)?;
        let value = block.u32(4).ok_or_else(short)?;
        let left = self.records_end - position - u64::from(HEAD_OCTETS);
        let wrong = |name, octets| MapFileError::damaged_at(position, Fault::Field(name, u64::from(octets)));
        match left.checked_sub(u64::from(key)) {
            None => return Err(wrong("length of a key", key)),
            Some(left) if u64::from(value) > left => return Err(wrong("length of a value", value)),
            Some(_) => {}
        }
        if key > self.item_limit {
            return Err(wrong("length of a key, above the limit", key));
        }
        if value > self.item_limit {
            return Err(wrong("length of a value, above the limit", value));
        }
        Ok(Head { position, key, value })
    }

    /// Whether the key of a record is `key`: no more is read than up to the first piece that differs.
    fn has_key(&self, head: &Head, key: &[u8]) -> Result<bool, MapFileError> {
        if head.key as usize != key.len() {
            return Ok(false);
        }
        let mut at = head.key_at();
        for piece in key.chunks(PIECE) {
            if *self.source.read_at(at, piece.len())? != *piece {
                return Ok(false);
            }
            at += piece.len() as u64;
        }
        Ok(true)
    }
}

impl<S: PageSource> MapReader for CdbFile<S> {
    fn format(&self) -> Format {
        Format::Cdb
    }

    /// The format has no word about it: a key may come again in any file.
    fn duplicates(&self) -> Duplicates {
        Duplicates::InOrder
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, MapFileError> {
        let hash = hash(key);
        let mut search = self.search(hash);
        while let Some(slot) = search.step(&self.source)? {
            if slot.hash != hash {
                continue;
            }
            let head = self.record_of(&slot)?;
            if self.has_key(&head, key)? {
                let end = head.end();
                return Stream::new(&self.source, head.value_at(), end).take(head.value).map(Some);
            }
        }
        Ok(None)
    }

    fn records(&self) -> Records<'_> {
        Box::new(CdbRecords {
            file: self,
            stream: Stream::new(&self.source, u64::from(HEADER_OCTETS), self.records_end),
            purse: 4 * self.source.length(),
        })
    }
}

/// A walk over all records.
struct CdbRecords<'a, S> {
    file: &'a CdbFile<S>,
    stream: Stream<'a, S>,
    /// How many octets may still be read to tell first values from further ones, beyond what each record has free.
    purse: u64,
}

impl<S: PageSource> CdbRecords<'_, S> {
    fn step(&mut self) -> Result<Option<Record>, MapFileError> {
        let position = self.stream.position();
        match self.stream.left() {
            0 => return Ok(None),
            left if left < u64::from(HEAD_OCTETS) => {
                let fault = Fault::Field("octets left where a record is expected", left);
                return Err(MapFileError::damaged_at(position, fault));
            }
            _ => {}
        }
        let head = self.file.head(position, self.stream.take(HEAD_OCTETS)?.into())?;
        let key: Arc<[u8]> = self.stream.take(head.key)?.into();
        let value = self.stream.take(head.value)?;
        let occurrence = self.occurrence(position, &key)?;
        Ok(Some(Record { key, value, occurrence }))
    }

    /// Asks the table for the key: where the answer is the record itself, the key was not met before.
    ///
    /// A hostile table can make that long, so what it may cost grows with the file and no more. Where it is used up, a
    /// record counts as the first of its key without proof.
    fn occurrence(&mut self, position: u64, key: &[u8]) -> Result<Occurrence, MapFileError> {
        let hash = hash(key);
        let mut search = self.file.search(hash);
        let mut spent = 0;
        let found = loop {
            let Some(slot) = search.step(&self.file.source)? else {
                return not_found(position, key, hash);
            };
            spent += u64::from(SLOT_OCTETS);
            if spent > FREE_OCTETS + self.purse {
                break Occurrence::First;
            }
            if slot.hash != hash {
                continue;
            }
            if u64::from(slot.position) == position {
                break Occurrence::First;
            }
            let head = self.file.record_of(&slot)?;
            spent += u64::from(HEAD_OCTETS) + key.len() as u64;
            if self.file.has_key(&head, key)? {
                break Occurrence::Further;
            }
        };
        self.purse = self.purse.saturating_sub(spent.saturating_sub(FREE_OCTETS));
        Ok(found)
    }
}

impl<S: PageSource> Iterator for CdbRecords<'_, S> {
    type Item = Result<Record, MapFileError>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            self.stream.end();
        }
        step.transpose()
    }
}

/// What a record is that no look-up finds: damage; but TinyCDB leaves an empty key and zeros where it replaces one.
fn not_found(position: u64, key: &[u8], hash: u32) -> Result<Occurrence, MapFileError> {
    if key.is_empty() {
        return Ok(Occurrence::Shadowed);
    }
    let fault = Fault::Field("a record that is missing in its hash table, which is", table_of(hash) as u64);
    Err(MapFileError::damaged_at(position, fault))
}

/// Where a table is.
#[derive(Clone, Copy)]
struct Table {
    position: u32,
    slots: u32,
}

impl Table {
    /// Reads one of the 256 and checks that it lies in the file, behind the header. A table without slots may have no
    /// position either.
    fn read(header: &Block<'_>, number: usize, length: u64) -> Result<Self, MapFileError> {
        let at = 8 * number;
        let short = || MapFileError::damaged_at(at as u64, Fault::Short(length));
        let position = header.u32(at).ok_or_else(short)?;
        let slots = header.u32(at + 4).ok_or_else(short)?;
        let table = Self { position, slots };
        let absent = position == 0 && slots == 0;
        if !absent && (position < HEADER_OCTETS || u64::from(position) > length) {
            let fault = Fault::Field("position of a hash table", u64::from(position));
            return Err(MapFileError::damaged_at(at as u64, fault));
        }
        if u64::from(position) + table.octets() > length {
            let fault = Fault::Field("slots of a hash table", u64::from(slots));
            return Err(MapFileError::damaged_at(at as u64 + 4, fault));
        }
        Ok(table)
    }

    fn octets(self) -> u64 {
        u64::from(self.slots) * u64::from(SLOT_OCTETS)
    }
}

/// From the first table on there is nothing but tables up to the end of the file: where their sizes do not add up to
/// that, it is no CDB or has lost or won octets. Gives the place where they begin.
fn check_tiling(tables: &[Table], length: u64) -> Result<u64, MapFileError> {
    let positions = tables.iter().map(|table| table.position).filter(|&position| position != 0);
    let start = u64::from(positions.min().unwrap_or(HEADER_OCTETS));
    let octets = tables.iter().map(|table| table.octets()).sum::<u64>();
    if start + octets == length {
        return Ok(start);
    }
    Err(MapFileError::damaged_at(
        start,
        Fault::Field("octets of all hash tables, which end the file", octets),
    ))
}

/// A way along the slots of a table.
struct Search {
    table: Table,
    slot: u32,
    /// Steps still allowed: a hostile table may have no empty slot.
    left: u32,
}

impl Search {
    /// The next slot in use; none after an empty one, or when all were seen.
    fn step(&mut self, source: &impl PageSource) -> Result<Option<Slot>, MapFileError> {
        if self.left == 0 {
            return Ok(None);
        }
        let at = u64::from(self.table.position) + u64::from(self.slot) * u64::from(SLOT_OCTETS);
        let block = little(source.read_at(at, SLOT_OCTETS as usize)?);
        self.left -= 1;
        self.slot = if self.slot + 1 == self.table.slots { 0 } else { self.slot + 1 };
        let short = || MapFileError::damaged_at(at, Fault::Short(source.length()));
        let slot =
            Slot { at, hash: block.u32(0).ok_or_else(short)?, position: block.u32(4).ok_or_else(short)? };
        Ok((slot.position != 0).then_some(slot))
    }
}

/// A slot in use.
struct Slot {
    /// Where it stands itself.
    at: u64,
    hash: u32,
    position: u32,
}

/// A record, by lengths that were checked.
struct Head {
    position: u64,
    key: u32,
    value: u32,
}

impl Head {
    fn key_at(&self) -> u64 {
        self.position + u64::from(HEAD_OCTETS)
    }

    fn value_at(&self) -> u64 {
        self.key_at() + u64::from(self.key)
    }

    fn end(&self) -> u64 {
        self.value_at() + u64::from(self.value)
    }
}

/// Octets of the file from one place to another, read in pieces.
struct Stream<'a, S> {
    source: &'a S,
    /// What was read last, and how much of it was taken.
    piece: Cow<'a, [u8]>,
    taken: usize,
    /// Where the next piece begins.
    next: u64,
    end: u64,
}

impl<'a, S: PageSource> Stream<'a, S> {
    fn new(source: &'a S, start: u64, end: u64) -> Self {
        Self { source, piece: Cow::Borrowed(&[]), taken: 0, next: start, end }
    }

    /// Where in the file the next octet stands.
    fn position(&self) -> u64 {
        self.next - (self.piece.len() - self.taken) as u64
    }

    fn left(&self) -> u64 {
        self.end - self.position()
    }

    /// Takes octets of which the caller knows that they are there.
    fn take(&mut self, octets: u32) -> Result<Vec<u8>, MapFileError> {
        // At once, so that no part of a secret is left behind by growing.
        let mut item = Vec::with_capacity(octets as usize);
        while item.len() < octets as usize {
            let missing = octets as usize - item.len();
            item.extend_from_slice(self.part(missing)?);
        }
        Ok(item)
    }

    /// At least one octet, and `most` at most.
    fn part(&mut self, most: usize) -> io::Result<&[u8]> {
        if self.taken == self.piece.len() {
            let octets = usize::try_from(self.end - self.next).map_or(PIECE, |left| left.min(PIECE));
            if octets == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.piece = self.source.read_at(self.next, octets)?;
            self.next += octets as u64;
            self.taken = 0;
        }
        let start = self.taken;
        self.taken = self.piece.len().min(start.saturating_add(most));
        Ok(&self.piece[start..self.taken])
    }

    /// Nothing more is taken.
    fn end(&mut self) {
        self.piece = Cow::Borrowed(&[]);
        self.taken = 0;
        self.next = self.end;
    }
}

fn little(octets: Cow<'_, [u8]>) -> Block<'_> {
    Block::new(octets, Order::Little)
}

/// The most that a source is asked for.
const PIECE: usize = 65536;
/// What each record may cost to find its first: 64 slots, where a table that is half empty takes one or two.
const FREE_OCTETS: u64 = 64 * SLOT_OCTETS as u64;
