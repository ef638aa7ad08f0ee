//! The checksum that every value in the store carries.
//!
//! SHA-256 over table, key and value, cut to 16 octets and put behind the value. redb has page checksums but compares
//! them only when asked to check the whole file; this one is compared with every read. It finds what disks, memory
//! and stray programs do, and a value that came to stand under another key, without a chance worth naming (a CRC of
//! 32 bits would let one altered value in four thousand million pass; a microsecond is not worth that). It does *not*
//! defend against somebody who alters the file on purpose: whoever can write the store can compute it.

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// What a checksum covers besides key and value: values of different tables are never taken for one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Table {
    Header = 1,
    Users = 2,
    Shapes = 3,
}

/// A checksum. Of a user's record it serves as the revision, too.
pub(crate) type Checksum = [u8; CHECKSUM];

/// Octets of a checksum.
pub(crate) const CHECKSUM: usize = 16;

/// Puts the checksum behind `value`.
pub(crate) fn seal(table: Table, key: &[u8], value: &[u8]) -> (Zeroizing<Vec<u8>>, Checksum) {
    let sum = checksum(table, key, value);
    let mut sealed = Zeroizing::new(Vec::with_capacity(value.len() + CHECKSUM));
    sealed.extend_from_slice(value);
    sealed.extend_from_slice(&sum);
    (sealed, sum)
}

/// The value of a sealed one, and its checksum; `None` when they do not belong together.
pub(crate) fn open<'a>(table: Table, key: &[u8], sealed: &'a [u8]) -> Option<(&'a [u8], Checksum)> {
    let (value, sum) = sealed.split_last_chunk()?;
    (checksum(table, key, value) == *sum).then_some((value, *sum))
}

fn checksum(table: Table, key: &[u8], value: &[u8]) -> Checksum {
    let mut hash = Sha256::new();
    hash.update([table as u8]);
    // The length keeps (key, value) from being cut in two other ways.
    hash.update((key.len() as u64).to_be_bytes());
    hash.update(key);
    hash.update(value);
    let digest = hash.finalize();
    let mut sum = [0; CHECKSUM];
    sum.copy_from_slice(&digest[..CHECKSUM]);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flipped_bit_another_key_or_table_is_noticed() {
        let (sealed, sum) = seal(Table::Users, b"key", b"some value");
        assert_eq!(open(Table::Users, b"key", &sealed), Some((&b"some value"[..], sum)));
        for bit in 0..sealed.len() * 8 {
            let mut altered = sealed.to_vec();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(Table::Users, b"key", &altered), None, "bit {bit}");
        }
        assert_eq!(open(Table::Users, b"kex", &sealed), None);
        assert_eq!(open(Table::Shapes, b"key", &sealed), None);
        for cut in 0..sealed.len() {
            assert_eq!(open(Table::Users, b"key", &sealed[..cut]), None, "cut to {cut}");
        }
    }
}
