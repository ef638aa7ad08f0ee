//! Building: a builder of `mapfile` over the temporary file of a [`Replacement`].

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::rc::Rc;

use mapfile::{MapBuildError, MapFileBuilder, PageSink, Plan};
use safefile::{OldFile, Replacement, Stamp};
use zeroize::Zeroizing;

use super::Joint;
use crate::maps::{BuildError, Duplicates, Making, MapBuilder};

/// Begins a map of this type in the place of the file that `replacement` is for.
pub(in crate::maps) fn build(
    joint: &'static Joint,
    mut replacement: Replacement,
    making: &Making,
) -> Result<Box<dyn MapBuilder>, BuildError> {
    let path = replacement.path().to_owned();
    let failed = |source| BuildError::Write { path: path.clone(), source };
    let taken = replacement.take_file();
    let file = taken.ok_or_else(|| failed(io::Error::other("the temporary file was handed out already")))?;
    let mut file_id = [0; 12];
    getrandom::fill(&mut file_id).map_err(|error| failed(io::Error::other(error)))?;
    let plan = Plan { duplicates: duplicates(making.duplicates), volume: making.volume, file_id };
    let sink = Sink(Rc::new(RefCell::new(Buffered::new(file))));
    let builder = mapfile::build(joint.format, sink.clone(), &plan);
    let builder = builder.map_err(|error| refused(&path, error))?;
    Ok(Box::new(JointBuilder { builder, sink, replacement, path }))
}

fn duplicates(wanted: Duplicates) -> mapfile::Duplicates {
    match wanted {
        Duplicates::Refused => mapfile::Duplicates::Refused,
        Duplicates::Allowed => mapfile::Duplicates::InOrder,
    }
}

/// Dropped in the order of its fields: the file is closed before it is removed.
struct JointBuilder {
    builder: Box<dyn MapFileBuilder>,
    sink: Sink,
    replacement: Replacement,
    path: PathBuf,
}

impl MapBuilder for JointBuilder {
    fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), BuildError> {
        self.builder.add(key, value).map_err(|error| refused(&self.path, error))
    }

    fn finish(self: Box<Self>) -> Result<Stamp, BuildError> {
        let Self { builder, sink, replacement, path } = *self;
        builder.finish().map_err(|error| refused(&path, error))?;
        sink.0.borrow_mut().flush().map_err(|source| BuildError::Write { path, source })?;
        drop(sink);
        // A sendmail that has the old map open looks at nothing but its modification time.
        Ok(replacement.commit(OldFile::Touch)?)
    }
}

fn refused(path: &std::path::Path, error: MapBuildError) -> BuildError {
    match error {
        MapBuildError::Order => BuildError::Order,
        MapBuildError::Sink(source) => BuildError::Write { path: path.to_owned(), source },
        other => BuildError::Format(other),
    }
}

/// The file as the builder sees it, and as it is flushed at the end.
#[derive(Clone)]
struct Sink(Rc<RefCell<Buffered>>);

impl PageSink for Sink {
    fn write_at(&mut self, offset: u64, octets: &[u8]) -> io::Result<()> {
        self.0.borrow_mut().write_at(offset, octets)
    }
}

/// What is written one piece after the other goes to the file together.
struct Buffered {
    file: File,
    /// Where the buffer begins in the file.
    start: u64,
    buffer: Zeroizing<Vec<u8>>,
}

impl Buffered {
    fn new(file: File) -> Self {
        Self { file, start: 0, buffer: Zeroizing::new(Vec::with_capacity(BUFFER)) }
    }

    fn write_at(&mut self, offset: u64, octets: &[u8]) -> io::Result<()> {
        let goes_on = offset == self.start + self.buffer.len() as u64;
        if !goes_on || self.buffer.len() + octets.len() > BUFFER {
            self.flush()?;
            self.start = offset;
        }
        if octets.len() > BUFFER {
            self.file.write_all_at(octets, offset)?;
            self.start = offset + octets.len() as u64;
            return Ok(());
        }
        self.buffer.extend_from_slice(octets);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.buffer, self.start)?;
        self.start += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

const BUFFER: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_in_any_order_come_to_lie_where_they_belong() {
        let file = tempfile::tempfile().unwrap();
        let mut buffered = Buffered::new(file.try_clone().unwrap());
        let large = vec![b'L'; BUFFER + 1];
        for (offset, octets) in [
            (0, &b"abc"[..]),
            (3, b"def"),
            (10, b"k"),
            (7, b"hij"),
            (6, b"g"),
            (20, &large),
            (20 + large.len() as u64, b"z"),
        ] {
            buffered.write_at(offset, octets).unwrap();
        }
        buffered.flush().unwrap();
        let expected = [&b"abcdefghijk"[..], &[0; 9], &large, b"z"].concat();
        let mut read = vec![0; expected.len()];
        file.read_exact_at(&mut read, 0).unwrap();
        assert_eq!(file.metadata().unwrap().len(), expected.len() as u64);
        assert!(read == expected);
    }
}
