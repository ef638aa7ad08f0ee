//! The two meta pages, and which of them counts.

use super::{DATA_VERSION, MAGIC, NO_PAGE, kind};
use crate::page::{Block, Order};
use crate::{Fault, Feature, MapFileError, PageSource};

/// A meta page, and what it says.
pub(super) struct Meta {
    /// Which of the two it is.
    pub(super) page: u32,
    /// The same for both.
    pub(super) page_size: u32,
    /// By the length of the file.
    pub(super) pages: u32,
    /// The transaction that wrote it.
    pub(super) transaction: u64,
    /// The last page in use.
    pub(super) last: u64,
    /// The one database of the file.
    pub(super) main: Database,
}

/// What a meta page says of a tree.
#[derive(Eq, PartialEq)]
pub(super) struct Database {
    pub(super) flags: u16,
    /// How many levels it has.
    pub(super) depth: u16,
    pub(super) entries: u64,
    /// [`NO_PAGE`] of an empty tree.
    pub(super) root: u64,
}

/// Checks both meta pages and gives the one of the later transaction.
///
/// Both have to be sound, as for the library itself. A file that real programs or we wrote anew says in the earlier one
/// that it is empty: with that as a way out, one flipped bit in the other would make an empty map of a full one.
pub(super) fn newest(source: &impl PageSource) -> Result<Meta, MapFileError> {
    let length = source.length();
    let first = Fields::read(source, 0, 0)?;
    let page_size = first.page_size(length)?;
    let second = Fields::read(source, 1, page_size)?;
    match second.u32(PAGE_SIZE_AT)? {
        same if same == page_size => {}
        other => return Err(second.damaged(Fault::PageSize(other))),
    }
    let pages = u32::try_from(length / u64::from(page_size))
        .map_err(|_| first.damaged(Fault::Length { length, page_size }))?;
    let (first, second) = (first.meta(page_size, pages)?, second.meta(page_size, pages)?);
    if first.transaction == second.transaction && first.main != second.main {
        let fault = Fault::Field("two trees of one transaction", second.transaction);
        return Err(MapFileError::damaged(1, fault));
    }
    Ok(if second.transaction > first.transaction { second } else { first })
}

impl Meta {
    /// Refuses what is not the one database of a map, or cannot be.
    pub(super) fn check(&self) -> Result<(), MapFileError> {
        if self.last >= u64::from(self.pages) {
            let last = u32::try_from(self.last).unwrap_or(u32::MAX);
            return Err(self.damaged(Fault::LastPage { last, pages: self.pages }));
        }
        if self.main.flags != 0 {
            return Err(MapFileError::Unsupported(Feature::Flags(u32::from(self.main.flags))));
        }
        let Database { depth, entries, root, .. } = self.main;
        if (root == NO_PAGE) != (depth == 0) || depth > DEPTH_LIMIT {
            return Err(self.damaged(Fault::Field("depth of the tree", u64::from(depth))));
        }
        if (root == NO_PAGE) != (entries == 0) {
            return Err(self.damaged(Fault::Field("number of entries", entries)));
        }
        Ok(())
    }

    pub(super) fn damaged(&self, fault: Fault) -> MapFileError {
        MapFileError::damaged(self.page, fault)
    }
}

/// The octets of a meta page.
struct Fields {
    page: u32,
    block: Block<'static>,
}

impl Fields {
    fn read(source: &impl PageSource, page: u32, at: u32) -> Result<Self, MapFileError> {
        let length = source.length();
        if length < u64::from(at) + META_OCTETS as u64 {
            return Err(MapFileError::damaged(page, Fault::Short(length)));
        }
        let octets = source.read_at(u64::from(at), META_OCTETS)?.into_owned();
        let fields = Self { page, block: Block::new(octets.into(), Order::Little) };
        fields.check_magic()?;
        match fields.u64(0)? {
            own if own == u64::from(page) => {}
            other => return Err(fields.damaged(Fault::Field("the page says that it is page", other))),
        }
        match fields.u16(10)? & kind::META {
            0 => Err(fields.damaged(Fault::Field("flags of a meta page", u64::from(fields.u16(10)?)))),
            _ => Ok(fields),
        }
    }

    /// Files of other machines are told by name: they are whole, and `mdb_dump` reads them there.
    fn check_magic(&self) -> Result<(), MapFileError> {
        let wide = self.u32(16)?;
        let narrow = self.u32(12)?;
        if wide == MAGIC {
            return match self.u32(20)? {
                DATA_VERSION => Ok(()),
                other => Err(MapFileError::Unsupported(Feature::Version(other))),
            };
        }
        let foreign = |name, at| Err(self.damaged(Fault::Field(name, at)));
        if wide.swap_bytes() == MAGIC {
            return foreign("a file of a big-endian machine, by the magic number at octet", 16);
        }
        if narrow == MAGIC || narrow.swap_bytes() == MAGIC {
            return foreign("a file of a 32-bit machine, by the magic number at octet", 12);
        }
        if self.page == 0 {
            return Err(MapFileError::Unknown);
        }
        Err(self.damaged(Fault::Field("magic number", u64::from(wide))))
    }

    fn page_size(&self, length: u64) -> Result<u32, MapFileError> {
        let page_size = self.u32(PAGE_SIZE_AT)?;
        if !page_size.is_power_of_two() || !(512..=65536).contains(&page_size) {
            return Err(self.damaged(Fault::PageSize(page_size)));
        }
        if !length.is_multiple_of(u64::from(page_size)) {
            return Err(self.damaged(Fault::Length { length, page_size }));
        }
        Ok(page_size)
    }

    fn meta(&self, page_size: u32, pages: u32) -> Result<Meta, MapFileError> {
        Ok(Meta {
            page: self.page,
            page_size,
            pages,
            transaction: self.u64(144)?,
            last: self.u64(136)?,
            main: Database {
                flags: self.u16(MAIN_AT + 4)?,
                depth: self.u16(MAIN_AT + 6)?,
                entries: self.u64(MAIN_AT + 32)?,
                root: self.u64(MAIN_AT + 40)?,
            },
        })
    }

    fn u16(&self, at: usize) -> Result<u16, MapFileError> {
        self.block.u16(at).ok_or_else(|| self.short())
    }

    fn u32(&self, at: usize) -> Result<u32, MapFileError> {
        self.block.u32(at).ok_or_else(|| self.short())
    }

    fn u64(&self, at: usize) -> Result<u64, MapFileError> {
        Ok(u64::from(self.u32(at)?) | u64::from(self.u32(at + 4)?) << 32)
    }

    fn short(&self) -> MapFileError {
        self.damaged(Fault::Short(self.block.len() as u64))
    }

    fn damaged(&self, fault: Fault) -> MapFileError {
        MapFileError::damaged(self.page, fault)
    }
}

/// What the fields take of a page.
const META_OCTETS: usize = 152;
/// The first field of the database of free pages, which is not read otherwise.
const PAGE_SIZE_AT: usize = 40;
const MAIN_AT: usize = 88;
/// The library's own: a cursor of it has room for no more.
const DEPTH_LIMIT: u16 = 32;
