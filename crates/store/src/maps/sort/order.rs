//! What comes before what: by a number that nearly always decides, then by the keys themselves.

/// The order that a type of map is built in.
#[derive(Clone, Copy, Debug)]
pub enum Order {
    /// By the octets of the keys, a prefix before what it is a prefix of.
    Keys,
    /// By this number of each key first (see [`mapfile::Format::rank`]).
    Ranked(fn(&[u8]) -> u32),
}

impl Order {
    /// A number for a key: of two that differ in it the key with the less comes first, else their octets decide.
    pub(super) fn start(self, key: &[u8]) -> u64 {
        match self {
            Self::Keys => word(key),
            Self::Ranked(rank) => u64::from(rank(key)) << 32 | word(key) >> 32,
        }
    }

    /// How many octets of the key are in that number.
    pub(super) fn octets_in_start(self) -> usize {
        match self {
            Self::Keys => 8,
            Self::Ranked(_) => 4,
        }
    }
}

/// The first eight octets, as a number that compares as they do; zeros where there are fewer.
pub(super) fn word(octets: &[u8]) -> u64 {
    if let Some(whole) = octets.first_chunk() {
        return u64::from_be_bytes(*whole);
    }
    let mut start = [0; 8];
    start[..octets.len()].copy_from_slice(octets);
    u64::from_be_bytes(start)
}
