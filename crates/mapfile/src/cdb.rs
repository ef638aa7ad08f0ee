//! CDB: a table of tables, records, tables.

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
    Err(MapBuildError::NotBuilt(Format::Cdb))
}
