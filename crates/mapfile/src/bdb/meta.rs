//! The metadata page: what both types share. The fields of their own from offset 72 are read by `hash` and `btree`.

use super::page::{self, Pages};
use crate::page::{Block, Order};
use crate::{Duplicates, Fault, Feature, Format, Limits, MapFileError, PageSource};

/// Page 0 of a file.
pub(super) struct Meta {
    block: Block<'static>,
    flags: u32,
}

/// Checks the metadata and gives it with the pages that it describes.
pub(super) fn open<S: PageSource>(
    source: S,
    format: Format,
    order: Order,
    limits: Limits,
) -> Result<(Meta, Pages<S>), MapFileError> {
    let length = source.length();
    if length < META_OCTETS as u64 {
        return Err(damaged(Fault::Short(length)));
    }
    let octets = source.read_at(0, META_OCTETS)?.into_owned();
    let meta = Meta::new(Block::new(octets.into(), order))?;
    meta.check_kind(format)?;
    let size = meta.page_size(length)?;
    let pages = meta.page_count(length, size)?;
    let checksums = meta.checksums()?;
    if checksums && !page::checksum_fits(&meta.block, META_CHECKSUM_AT) {
        return Err(damaged(Fault::Checksum));
    }
    Ok((meta, Pages::new(source, order, size, pages, checksums, limits.item)))
}

impl Meta {
    fn new(block: Block<'static>) -> Result<Self, MapFileError> {
        let mut meta = Self { block, flags: 0 };
        meta.flags = meta.u32(48)?;
        Ok(meta)
    }

    /// A number of the metadata.
    pub(super) fn u32(&self, at: usize) -> Result<u32, MapFileError> {
        self.block.u32(at).ok_or_else(|| damaged(Fault::Short(self.block.len() as u64)))
    }

    /// Refuses every flag but those of `known`, several databases by name.
    pub(super) fn check_flags(&self, known: u32, subdatabases: u32) -> Result<(), MapFileError> {
        if self.flags & subdatabases != 0 {
            return Err(MapFileError::Unsupported(Feature::Subdatabases));
        }
        match self.flags & !known {
            0 => Ok(()),
            unknown => Err(MapFileError::Unsupported(Feature::Flags(unknown))),
        }
    }

    /// Reads the two flags for duplicates, whose bits differ between the types.
    pub(super) fn duplicates(&self, allowed: u32, sorted: u32) -> Duplicates {
        if self.flags & allowed == 0 {
            Duplicates::Refused
        } else if self.flags & sorted == 0 {
            Duplicates::InOrder
        } else {
            Duplicates::Sorted
        }
    }

    fn u8(&self, at: usize) -> Result<u8, MapFileError> {
        self.block.u8(at).ok_or_else(|| damaged(Fault::Short(self.block.len() as u64)))
    }

    fn check_kind(&self, format: Format) -> Result<(), MapFileError> {
        let (versions, meta_type) = if format == Format::Hash { (7..=10, 8) } else { (8..=10, 9) };
        let version = self.u32(16)?;
        if !versions.contains(&version) {
            return Err(MapFileError::Unsupported(Feature::Version(version)));
        }
        match self.u8(25)? {
            found if found == meta_type => {}
            other => return Err(damaged(Fault::PageType(other))),
        }
        match self.u32(8)? {
            0 => Ok(()),
            other => Err(damaged(Fault::OwnNumber(other))),
        }
    }

    fn page_size(&self, length: u64) -> Result<u32, MapFileError> {
        let page_size = self.u32(20)?;
        if !page_size.is_power_of_two() || !(512..=65536).contains(&page_size) {
            return Err(damaged(Fault::PageSize(page_size)));
        }
        if !length.is_multiple_of(u64::from(page_size)) {
            return Err(damaged(Fault::Length { length, page_size }));
        }
        Ok(page_size)
    }

    /// How many pages there are by the length of the file, which alone counts from here on.
    fn page_count(&self, length: u64, page_size: u32) -> Result<u32, MapFileError> {
        let pages = u32::try_from(length / u64::from(page_size))
            .map_err(|_| damaged(Fault::Length { length, page_size }))?;
        match self.u32(32)? {
            last if last < pages => Ok(pages),
            last => Err(damaged(Fault::LastPage { last, pages })),
        }
    }

    fn checksums(&self) -> Result<bool, MapFileError> {
        let encryption = self.u8(24)?;
        if encryption != 0 {
            return Err(MapFileError::Unsupported(Feature::Encryption(encryption)));
        }
        let flags = self.u8(26)?;
        if flags & !CHECKSUMS != 0 {
            return Err(MapFileError::Unsupported(Feature::MetaFlags(flags & !CHECKSUMS)));
        }
        match self.u32(36)? {
            0 => Ok(flags & CHECKSUMS != 0),
            partitions => Err(MapFileError::Unsupported(Feature::Partitions(partitions))),
        }
    }
}

/// A fault of the metadata page.
pub(super) fn damaged(fault: Fault) -> MapFileError {
    MapFileError::damaged(0, fault)
}

/// What the metadata takes of the first page, whatever the page size.
const META_OCTETS: usize = 512;
const META_CHECKSUM_AT: usize = 492;
const CHECKSUMS: u8 = 0x01;
