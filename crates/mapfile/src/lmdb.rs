//! LMDB: two meta pages and a tree that is never written in place.

use crate::{
    Format, Limits, MapBuildError, MapFileBuilder, MapFileError, MapReader, PageSink, PageSource, Plan,
};

pub(crate) fn open<'a>(
    _source: impl PageSource + 'a,
    _limits: Limits,
) -> Result<Box<dyn MapReader + 'a>, MapFileError> {
    Err(MapFileError::Unknown)
}

pub(crate) fn build<'a>(
    _sink: impl PageSink + 'a,
    _plan: &Plan,
) -> Result<Box<dyn MapFileBuilder + 'a>, MapBuildError> {
    Err(MapBuildError::NotBuilt(Format::Lmdb))
}

/// The number of the newest transaction.
pub fn transaction(_source: &impl PageSource) -> Result<u64, MapFileError> {
    Err(MapFileError::Unknown)
}
