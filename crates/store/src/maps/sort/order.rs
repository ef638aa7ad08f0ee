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
            Self::Keys => u64::from_be_bytes(first(key)),
            Self::Ranked(rank) => u64::from(rank(key)) << 32 | u64::from(u32::from_be_bytes(first(key))),
        }
    }
}

/// The first octets, as a number that compares as they do.
fn first<const N: usize>(key: &[u8]) -> [u8; N] {
    let mut start = [0; N];
    let octets = key.len().min(N);
    start[..octets].copy_from_slice(&key[..octets]);
    start
}
