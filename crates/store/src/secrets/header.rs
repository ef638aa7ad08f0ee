//! The first record of a store: what file this is, its decoy key, and how many users it should have.
//!
//! Written anew with each change, in the same transaction: `users` is what a listing must find, and `changes` tells
//! whether anything happened between two looks.

use credential::{DecoyKey, Timestamp};

use crate::secrets::octets::{OctetsError, Reader, Writer};
use crate::secrets::seal::{self, Table};

/// The format of stores that this version writes, and the newest that it reads.
pub(crate) const FORMAT: u32 = 2;

/// The one that counted verifiers of each shape by themselves. The first change makes it the other.
const WITHOUT_COMBINATIONS: u32 = 1;

/// The one key of the header table.
pub(crate) const KEY: &[u8] = b"gatepost secrets";

/// What a store says of itself.
#[derive(Debug)]
pub(crate) struct Header {
    /// When the store was made.
    pub(crate) created: Timestamp,
    /// The key of the decoys.
    pub(crate) decoy_key: DecoyKey,
    /// How many users it holds.
    pub(crate) users: u64,
    /// How many transactions have changed it.
    pub(crate) changes: u64,
    /// Whether the counts of shapes are of the older format: what they count, the records have to say.
    pub(crate) recount: bool,
}

/// Why a header could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HeaderError {
    /// Checksum or fields are not as they were written.
    Damaged(String),
    /// A format from another time.
    Format(u32),
}

impl Header {
    pub(crate) fn to_octets(&self) -> zeroize::Zeroizing<Vec<u8>> {
        let mut writer = Writer::new();
        writer.u32(FORMAT);
        writer.u64(self.created.seconds());
        writer.octets(self.decoy_key.expose());
        writer.u64(self.users);
        writer.u64(self.changes);
        seal::seal(Table::Header, KEY, &writer.finish()).0
    }

    pub(crate) fn from_octets(octets: &[u8]) -> Result<Self, HeaderError> {
        let (value, _) = seal::open(Table::Header, KEY, octets)
            .ok_or_else(|| HeaderError::Damaged("the header does not match its checksum".to_owned()))?;
        let mut reader = Reader::new(value);
        let format = reader.u32("the format")?;
        if ![WITHOUT_COMBINATIONS, FORMAT].contains(&format) {
            return Err(HeaderError::Format(format));
        }
        let header = Self {
            created: Timestamp(reader.u64("the time of creation")?),
            decoy_key: DecoyKey::new(reader.array("the decoy key")?),
            users: reader.u64("the count of users")?,
            changes: reader.u64("the count of changes")?,
            recount: format == WITHOUT_COMBINATIONS,
        };
        reader.end()?;
        Ok(header)
    }
}

impl From<OctetsError> for HeaderError {
    fn from(error: OctetsError) -> Self {
        Self::Damaged(format!("the header: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        let created = Timestamp(1_700_000_000);
        Header { created, decoy_key: DecoyKey::new([7; 32]), users: 3, changes: 9, recount: false }
    }

    #[test]
    fn there_and_back() {
        let back = Header::from_octets(&header().to_octets()).unwrap();
        assert_eq!((back.created, back.users, back.changes), (header().created, 3, 9));
        assert_eq!(back.decoy_key.expose(), &[7; 32]);
    }

    #[test]
    fn another_format_is_not_damage() {
        let mut writer = Writer::new();
        writer.u32(FORMAT + 1);
        writer.octets(b"whatever that format has");
        let octets = seal::seal(Table::Header, KEY, &writer.finish()).0;
        assert_eq!(Header::from_octets(&octets).unwrap_err(), HeaderError::Format(FORMAT + 1));
    }

    #[test]
    fn a_flipped_bit_is_damage() {
        let octets = header().to_octets();
        for bit in 0..octets.len() * 8 {
            let mut altered = octets.to_vec();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(Header::from_octets(&altered), Err(HeaderError::Damaged(_))), "bit {bit}");
        }
    }
}
