//! How long a redb file must be, as its first page has it.
//!
//! redb compares that with the file when it opens it for writing after everybody had closed it, and not when it opens it
//! for reading: a file that was cut off would be read until something is missing. The header never says more than the
//! file has, at no moment and whoever is killed: redb makes the file longer, and syncs it, before the header says so, and
//! shorter after.

use redb::StorageBackend;
use redb::backends::FileBackend;

/// Whether the file is shorter than its header says. Others may be changing both at this moment: so the header is looked
/// at again behind the length, and counts if it is the same one. Each transaction changes it.
pub(crate) fn is_cut_off(file: &FileBackend) -> bool {
    let mut header = read(file);
    for _ in 0..MOST_LOOKS {
        let (Some(octets), Ok(len)) = (header, file.len()) else { return false };
        if len >= stored_len(&octets) {
            return false;
        }
        let again = read(file);
        if again == header {
            return true;
        }
        header = again;
    }
    false
}

type Octets = [u8; HEADER];

fn read(file: &FileBackend) -> Option<Octets> {
    let mut octets = [0; HEADER];
    file.read(0, &mut octets).is_ok().then_some(octets)
}

/// The length that is stored, of a file that begins as redb's do; for any other, 0.
fn stored_len(octets: &Octets) -> u64 {
    if !octets.starts_with(crate::engine::MAGIC) {
        return 0;
    }
    let number = |at: usize| {
        let octets = octets[at..].first_chunk::<4>().copied().unwrap_or_default();
        u64::from(u32::from_le_bytes(octets))
    };
    let [page, region_header, region, full, trailing] = [12, 16, 20, 24, 28].map(number);
    let last = if trailing > 0 { region_header + trailing } else { 0 };
    // The page in front is redb's header.
    let pages = (region_header + region).saturating_mul(full).saturating_add(last + 1);
    pages.saturating_mul(page)
}

/// The header with both slots for commits.
const HEADER: usize = 320;

/// How often somebody else may change the header meanwhile before it is left to redb.
const MOST_LOOKS: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn header(numbers: [u32; 5]) -> Octets {
        let mut octets = [0; HEADER];
        octets[..crate::engine::MAGIC.len()].copy_from_slice(crate::engine::MAGIC);
        for (number, at) in numbers.iter().zip((12..).step_by(4)) {
            octets[at..at + 4].copy_from_slice(&number.to_le_bytes());
        }
        octets
    }

    #[test]
    fn lengths_of_layouts() {
        for (numbers, len) in [
            ([4096, 0, 1 << 20, 0, 33], 34 * 4096),
            ([4096, 0, 1 << 20, 1, 0], ((1 << 20) + 1) * 4096),
            ([4096, 2, 100, 3, 7], (1 + 3 * 102 + 9) * 4096),
            ([u32::MAX; 5], u64::MAX),
        ] {
            assert_eq!(stored_len(&header(numbers)), len, "{numbers:?}");
        }
        assert_eq!(stored_len(&[0xff; HEADER]), 0);
    }
}
