//! Numbers and strings as octets, and a cursor that cannot run past its end.
//!
//! Numbers are big-endian and of fixed width, strings carry their length in front. A buffer that held verifiers is
//! wiped when it is dropped.

use thiserror::Error;
use zeroize::Zeroizing;

/// Why octets could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum OctetsError {
    /// The octets end before the field does.
    #[error("{0} is cut off")]
    CutOff(&'static str),
    /// The field has a value that nobody writes.
    #[error("{0} has an impossible value")]
    Impossible(&'static str),
    /// Something follows the last field.
    #[error("{0} octets follow the end")]
    Trailing(usize),
}

/// Collects octets. Grows by copying into a larger buffer and wiping the smaller one.
pub(crate) struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    pub(crate) fn new() -> Self {
        Self(Zeroizing::new(Vec::with_capacity(INITIAL)))
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.octets(&[value]);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.octets(&value.to_be_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.octets(&value.to_be_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.octets(&value.to_be_bytes());
    }

    /// A string of at most 65,535 octets. Every string of a record is bounded far below by its type.
    pub(crate) fn string(&mut self, octets: &[u8]) -> Result<(), TooLong> {
        self.u16(u16::try_from(octets.len()).map_err(|_| TooLong(octets.len()))?);
        self.octets(octets);
        Ok(())
    }

    pub(crate) fn octets(&mut self, octets: &[u8]) {
        let needed = self.0.len() + octets.len();
        if needed > self.0.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(self.0.capacity() * 2)));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(octets);
    }

    pub(crate) fn finish(self) -> Zeroizing<Vec<u8>> {
        self.0
    }
}

/// A string that does not fit its length field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLong(pub(crate) usize);

/// Reads octets from front to back. Each field is named, for the report.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    pub(crate) fn u8(&mut self, name: &'static str) -> Result<u8, OctetsError> {
        self.array::<1>(name).map(|[octet]| octet)
    }

    pub(crate) fn u16(&mut self, name: &'static str) -> Result<u16, OctetsError> {
        self.array(name).map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self, name: &'static str) -> Result<u32, OctetsError> {
        self.array(name).map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self, name: &'static str) -> Result<u64, OctetsError> {
        self.array(name).map(u64::from_be_bytes)
    }

    pub(crate) fn string(&mut self, name: &'static str) -> Result<&'a [u8], OctetsError> {
        let length = self.u16(name)?;
        self.octets(length.into(), name)
    }

    pub(crate) fn text(&mut self, name: &'static str) -> Result<&'a str, OctetsError> {
        std::str::from_utf8(self.string(name)?).map_err(|_| OctetsError::Impossible(name))
    }

    pub(crate) fn octets(&mut self, count: usize, name: &'static str) -> Result<&'a [u8], OctetsError> {
        let (octets, rest) = self.0.split_at_checked(count).ok_or(OctetsError::CutOff(name))?;
        self.0 = rest;
        Ok(octets)
    }

    pub(crate) fn array<const N: usize>(&mut self, name: &'static str) -> Result<[u8; N], OctetsError> {
        let (octets, rest) = self.0.split_first_chunk().ok_or(OctetsError::CutOff(name))?;
        self.0 = rest;
        Ok(*octets)
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// Nothing may follow.
    pub(crate) fn end(self) -> Result<(), OctetsError> {
        if self.0.is_empty() { Ok(()) } else { Err(OctetsError::Trailing(self.0.len())) }
    }
}

/// A record with the default verifiers and one credential fits.
const INITIAL: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let mut writer = Writer::new();
        writer.u8(1);
        writer.u16(2);
        writer.u32(3);
        writer.u64(4);
        writer.string(&[7; 2000]).unwrap();
        assert_eq!(writer.string(&vec![0; 65536]), Err(TooLong(65536)));
        let octets = writer.finish();
        let mut reader = Reader::new(&octets);
        assert_eq!(reader.u8("a"), Ok(1));
        assert_eq!(reader.u16("b"), Ok(2));
        assert_eq!(reader.u32("c"), Ok(3));
        assert_eq!(reader.u64("d"), Ok(4));
        assert_eq!(reader.string("e"), Ok(&[7; 2000][..]));
        reader.end().unwrap();
    }

    #[test]
    fn ends_are_ends() {
        assert_eq!(Reader::new(&[0, 5, 1]).string("name"), Err(OctetsError::CutOff("name")));
        assert_eq!(Reader::new(&[1]).u64("time"), Err(OctetsError::CutOff("time")));
        assert_eq!(Reader::new(&[0, 1, 0xff]).text("label"), Err(OctetsError::Impossible("label")));
        assert_eq!(Reader::new(&[1]).end(), Err(OctetsError::Trailing(1)));
    }
}
