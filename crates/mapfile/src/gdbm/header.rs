//! The header, and what it says of the machine that made the file: its byte order, the width of its `off_t`, and where
//! it aligns one (section 8 of the format).

use crate::page::{Block, Order, read_up_to};
use crate::{Fault, MapFileError, PageSource};

/// What the header says, checked.
pub(super) struct Header {
    /// How structures lie in the file.
    pub(super) layout: &'static Layout,
    /// Octets of the header without its list of free places.
    pub(super) octets: u64,
    /// Octets of a bucket, which is a block.
    pub(super) bucket_octets: u32,
    /// Elements of a bucket.
    pub(super) elements: u32,
    /// How many leading bits of a hash name an entry of the directory.
    pub(super) bits: u32,
    directory: u64,
}

/// Where a machine's compiler puts the fields.
pub(super) struct Layout {
    /// Octets of an `off_t`.
    pub(super) offset_octets: usize,
    /// In a bucket: how many bits of a hash it stands for. The count of elements follows.
    pub(super) bits_at: usize,
    /// In a bucket: its first element.
    pub(super) elements_at: usize,
    /// Octets of an element.
    pub(super) element_octets: usize,
    /// Octets of a bucket with one element.
    least_bucket: u32,
}

impl Header {
    pub(super) fn read(source: &impl PageSource, order: Order) -> Result<Self, MapFileError> {
        let fields = Fields { block: Block::new(read_up_to(source, MOST_OCTETS)?, order), source };
        let (layouts, kind) = fields.kind()?;
        let block_octets = fields.u32(4)?;
        if !block_octets.is_power_of_two() || !BLOCKS.contains(&block_octets) {
            return Err(damaged(4, "block size", block_octets));
        }
        let layout = fields.layout(layouts)?;
        fields.check_bucket_octets(layout, block_octets)?;
        let header = Self {
            layout,
            octets: fields.header_octets(layout, kind)?,
            bucket_octets: block_octets,
            elements: layout.elements(block_octets).unwrap_or_default(),
            bits: fields.directory_bits(layout)?,
            directory: fields.offset(layout, DIRECTORY_AT)?,
        };
        header.check_directory(source.length())?;
        Ok(header)
    }

    /// How many entries the directory has.
    pub(super) fn entries(&self) -> u32 {
        1 << self.bits
    }

    /// Octets of the directory.
    pub(super) fn directory_octets(&self) -> u64 {
        (self.layout.offset_octets as u64) << self.bits
    }

    /// Where an entry of the directory stands.
    pub(super) fn entry_at(&self, index: u32) -> u64 {
        self.directory + u64::from(index) * self.layout.offset_octets as u64
    }

    /// Which entry is for a hash.
    pub(super) fn entry_of(&self, hash: u32) -> u32 {
        hash >> (HASH_BITS - self.bits)
    }

    fn check_directory(&self, length: u64) -> Result<(), MapFileError> {
        let end = self.directory.checked_add(self.directory_octets());
        if self.directory >= self.octets && end.is_some_and(|end| end <= length) {
            return Ok(());
        }
        let fault = Fault::Field("position of the directory", self.directory);
        Err(MapFileError::damaged_at(DIRECTORY_AT as u64, fault))
    }
}

impl Layout {
    /// An `off_t`.
    pub(super) fn offset(&self, block: &Block<'_>, at: usize) -> Option<u64> {
        if self.offset_octets == 8 { block.u64(at) } else { block.u32(at).map(u64::from) }
    }

    /// How many elements a bucket has.
    fn elements(&self, bucket_octets: u32) -> Option<u32> {
        bucket_octets.checked_sub(self.least_bucket).map(|rest| rest / self.element_octets as u32 + 1)
    }

    /// A field of the header that stands so far behind the position of the directory.
    fn behind_directory(&self, octets: usize) -> usize {
        DIRECTORY_AT + self.offset_octets + octets
    }
}

/// Whether the header has the fields that came with crash tolerance.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Standard,
    Extended,
}

/// The header's numbers as they stand.
struct Fields<'a, S> {
    block: Block<'a>,
    source: &'a S,
}

impl<S: PageSource> Fields<'_, S> {
    /// By the magic number: the layouts that it leaves open, the usual first.
    fn kind(&self) -> Result<(&'static [Layout], Kind), MapFileError> {
        let [wide, narrow] = [&LAYOUTS[..2], &LAYOUTS[2..]];
        match self.u32(0)? {
            0x1357_9ACD => Ok((narrow, Kind::Standard)),
            // Before version 1.9 of the library it said nothing of the width.
            0x1357_9ACE => Ok((&LAYOUTS, Kind::Standard)),
            0x1357_9ACF => Ok((wide, Kind::Standard)),
            0x1357_9AD0 => Ok((narrow, Kind::Extended)),
            0x1357_9AD1 => Ok((wide, Kind::Extended)),
            _ => Err(MapFileError::Unknown),
        }
    }

    /// By the number of elements in a bucket, which no two layouts have in common.
    fn layout(&self, layouts: &'static [Layout]) -> Result<&'static Layout, MapFileError> {
        for layout in layouts {
            let bucket_octets = self.u32(layout.behind_directory(BUCKET_OCTETS))?;
            if layout.elements(bucket_octets) == Some(self.u32(layout.behind_directory(ELEMENTS))?) {
                return Ok(layout);
            }
        }
        let at = layouts.first().map_or(0, |layout| layout.behind_directory(ELEMENTS));
        Err(damaged(at, "elements of a bucket", self.u32(at)?))
    }

    fn check_bucket_octets(&self, layout: &Layout, block_octets: u32) -> Result<(), MapFileError> {
        let at = layout.behind_directory(BUCKET_OCTETS);
        match self.u32(at)? {
            octets if octets == block_octets => Ok(()),
            other => Err(damaged(at, "bucket size", other)),
        }
    }

    fn directory_bits(&self, layout: &Layout) -> Result<u32, MapFileError> {
        let (size_at, bits_at) = (layout.behind_directory(0), layout.behind_directory(DIRECTORY_BITS));
        let (octets, bits) = (self.u32(size_at)?, self.u32(bits_at)?);
        if bits > MOST_BITS {
            return Err(damaged(bits_at, "directory bits", bits));
        }
        if u64::from(octets) != (layout.offset_octets as u64) << bits {
            return Err(damaged(size_at, "directory size", octets));
        }
        Ok(bits)
    }

    /// Where the header ends; the file may not end before.
    fn header_octets(&self, layout: &Layout, kind: Kind) -> Result<u64, MapFileError> {
        let mut end = layout.behind_directory(NEXT_BLOCK) + layout.offset_octets;
        if kind == Kind::Extended {
            match self.u32(end)? {
                0 => end += EXTENSION,
                version => return Err(damaged(end, "version of the extended header", version)),
            }
        }
        if self.block.len() < end { Err(self.short()) } else { Ok(end as u64) }
    }

    fn offset(&self, layout: &Layout, at: usize) -> Result<u64, MapFileError> {
        layout.offset(&self.block, at).ok_or_else(|| self.short())
    }

    fn u32(&self, at: usize) -> Result<u32, MapFileError> {
        self.block.u32(at).ok_or_else(|| self.short())
    }

    fn short(&self) -> MapFileError {
        MapFileError::damaged_at(0, Fault::Short(self.source.length()))
    }
}

fn damaged(at: usize, field: &'static str, value: u32) -> MapFileError {
    MapFileError::damaged_at(at as u64, Fault::Field(field, value.into()))
}

/// How many bits of a hash there are.
pub(super) const HASH_BITS: u32 = 31;

/// `off_t` of 8 octets aligned to 8 (64-bit machines, 32-bit ARM), of 8 aligned to 4 (32-bit x86), and of 4.
static LAYOUTS: [Layout; 3] = [
    Layout { offset_octets: 8, bits_at: 104, elements_at: 112, element_octets: 24, least_bucket: 136 },
    Layout { offset_octets: 8, bits_at: 76, elements_at: 84, element_octets: 24, least_bucket: 108 },
    Layout { offset_octets: 4, bits_at: 52, elements_at: 60, element_octets: 20, least_bucket: 80 },
];

/// The widest header.
const MOST_OCTETS: usize = 72;
const DIRECTORY_AT: usize = 8;
/// Behind the position of the directory come its size and these.
const DIRECTORY_BITS: usize = 4;
const BUCKET_OCTETS: usize = 8;
const ELEMENTS: usize = 12;
const NEXT_BLOCK: usize = 16;
/// Version, counter and what is kept for later.
const EXTENSION: usize = 32;
/// A file system's block, of which some network ones have large ones.
const BLOCKS: std::ops::RangeInclusive<u32> = 512..=16 << 20;
/// 2 GiB of directory.
const MOST_BITS: u32 = 28;
