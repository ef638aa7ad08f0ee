//! CDB: a header that says where 256 hash tables are, records in the order in which they were added, the tables. Each
//! slot of a table holds the hash of a key and the position of its record. All numbers are little endian and have 32
//! bits (section 7 of the format).
//!
//! There is no magic number; who opens a file as CDB has it from its name. So everything that the header says has to
//! fit together before any of it is believed. Not here: adding to a file, and taking a record out of one.

mod read;
mod write;

use crate::{
    Duplicates, Format, Limits, MapBuildError, MapFileBuilder, MapFileError, MapReader, PageSink, PageSource,
    Plan,
};

/// Opens a file by its header, which is all that is read.
pub(crate) fn open<'a>(
    source: impl PageSource + 'a,
    limits: Limits,
) -> Result<Box<dyn MapReader + 'a>, MapFileError> {
    Ok(Box::new(read::CdbFile::new(source, limits)?))
}

/// Begins a file. Its records stand in the order in which they are added. Where the plan refuses duplicates that has to
/// be the order of the keys, so that equal ones are seen; where it allows them
/// ([`InOrder`](Duplicates::InOrder)) any order is right, and the first record of a key is the one that is found.
///
/// 8 octets of memory are kept for each record (80 MB for ten million), and at the end 24 for each of the one table
/// that is being made.
pub(crate) fn build<'a>(
    sink: impl PageSink + 'a,
    plan: &Plan,
) -> Result<Box<dyn MapFileBuilder + 'a>, MapBuildError> {
    match plan.duplicates {
        Duplicates::Sorted => Err(MapBuildError::NoDuplicates(Format::Cdb)),
        Duplicates::Refused | Duplicates::InOrder => Ok(Box::new(write::CdbBuilder::new(sink, plan))),
    }
}

/// D. J. Bernstein's hash. Its low 8 bits choose the table, the others the slot in it.
fn hash(key: &[u8]) -> u32 {
    key.iter().fold(5381_u32, |hash, &octet| hash.wrapping_mul(33) ^ u32::from(octet))
}

/// Which table a hash belongs to.
fn table_of(hash: u32) -> usize {
    (hash & 0xff) as usize
}

/// The slot of a table where the search for a hash begins. The table has at least one.
fn first_slot(hash: u32, slots: u32) -> u32 {
    (hash >> 8) % slots
}

const TABLES: usize = 256;
/// Position and number of slots of each table.
const HEADER_OCTETS: u32 = 8 * TABLES as u32;
/// Hash and position.
const SLOT_OCTETS: u32 = 8;
/// Length of the key and of the value.
const HEAD_OCTETS: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_vectors_of_the_format() {
        for (key, expected) in
            [(&b""[..], 5381), (b"a", 0x0002_b5c4), (b"abc", 0x0b87_3285), (b"user@example.com", 0x551c_3cb3)]
        {
            assert_eq!(hash(key), expected, "{}", key.escape_ascii());
        }
    }
}
