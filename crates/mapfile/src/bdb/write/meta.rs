//! The metadata page (section 1.2 of the format), which is written last.

use super::PageWriter;
use super::page::{put_lsn, put_u32};
use crate::octets::Octets;
use crate::{Duplicates, MapBuildError, PageSink, Plan};

/// What differs between the two types in what they share.
pub(super) struct Kind {
    magic: u32,
    page_type: u8,
}

impl Kind {
    pub(super) const HASH: Self = Self { magic: 0x0006_1561, page_type: 8 };
    pub(super) const BTREE: Self = Self { magic: 0x0005_3162, page_type: 9 };
}

/// Writes page 0; `fields` are those of the type, from offset 72 on.
pub(super) fn write<S: PageSink>(
    pages: &mut PageWriter<S>,
    kind: &Kind,
    plan: &Plan,
    fields: impl IntoIterator<Item = u32>,
) -> Result<(), MapBuildError> {
    let mut page = Octets::zeros(pages.size);
    put_lsn(&mut page);
    put_u32(&mut page, 12, kind.magic);
    put_u32(&mut page, 16, VERSION);
    put_u32(&mut page, 20, pages.size as u32);
    page[25] = kind.page_type;
    put_u32(&mut page, 32, pages.count - 1);
    put_u32(&mut page, 48, flags(plan));
    page[52..64].copy_from_slice(&plan.file_id);
    for (at, field) in (72..).step_by(4).zip(fields) {
        put_u32(&mut page, at, field);
    }
    pages.write(0, &page)
}

/// The one flag that is written has the same bit in both types.
fn flags(plan: &Plan) -> u32 {
    u32::from(plan.duplicates != Duplicates::Refused)
}

/// libdb 5.3, which Debian's mail programs link, refuses 10; every later one reads 9.
const VERSION: u32 = 9;
