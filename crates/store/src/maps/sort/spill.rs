//! What does not fit into memory: sorted runs, one after the other in one scratch file.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::rc::Rc;

use zeroize::Zeroizing;

use super::memory::{HEADER, decode, header, lengths};
use super::{Records, SortedRecord};

/// The scratch file, made when the first run is written.
pub(super) struct Spill {
    state: RefCell<State>,
}

struct State {
    make: Option<Box<dyn FnOnce() -> io::Result<File>>>,
    file: Option<Rc<File>>,
    end: u64,
}

/// A sorted part of the file.
#[derive(Clone, Copy)]
pub(super) struct Run {
    start: u64,
    end: u64,
}

impl Spill {
    pub(super) fn new(make: impl FnOnce() -> io::Result<File> + 'static) -> Self {
        let state = State { make: Some(Box::new(make)), file: None, end: 0 };
        Self { state: RefCell::new(state) }
    }

    /// Writes records, which come in order, as one run.
    pub(super) fn write_run(&self, records: &mut impl Records) -> io::Result<Run> {
        let file = self.file()?;
        let start = self.state.borrow().end;
        let mut end = start;
        let mut buffer = Zeroizing::new(Vec::with_capacity(WRITE_OCTETS));
        let mut record = SortedRecord::default();
        while records.read(&mut record)? {
            let octets = HEADER + record.key.len() + record.value.len();
            if buffer.len() + octets > WRITE_OCTETS {
                file.write_all_at(&buffer, end)?;
                end += buffer.len() as u64;
                buffer.clear();
            }
            buffer.extend_from_slice(&header(&record.key, &record.value, record.line)?);
            buffer.extend_from_slice(&record.key);
            buffer.extend_from_slice(&record.value);
        }
        file.write_all_at(&buffer, end)?;
        end += buffer.len() as u64;
        self.state.borrow_mut().end = end;
        Ok(Run { start, end })
    }

    pub(super) fn read(&self, run: Run, buffer: usize) -> io::Result<Reader> {
        let buffer = Zeroizing::new(vec![0; buffer.max(HEADER)]);
        Ok(Reader { file: self.file()?, at: run.start, end: run.end, buffer, from: 0, to: 0 })
    }

    fn file(&self) -> io::Result<Rc<File>> {
        let mut state = self.state.borrow_mut();
        if let Some(make) = state.make.take() {
            state.file = Some(Rc::new(make()?));
        }
        // Without a file making it failed, and was said.
        state.file.clone().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// A run, read from its start.
pub(super) struct Reader {
    file: Rc<File>,
    /// What has not been read yet.
    at: u64,
    end: u64,
    buffer: Zeroizing<Vec<u8>>,
    /// What of the buffer has not been given yet.
    from: usize,
    to: usize,
}

impl Reader {
    pub(super) fn read(&mut self, record: &mut SortedRecord) -> io::Result<bool> {
        if self.from == self.to && self.at == self.end {
            return Ok(false);
        }
        self.have(HEADER)?;
        let (key, value, _) = lengths(&self.buffer[self.from..self.to]).ok_or_else(cut_short)?;
        self.have(HEADER + key + value)?;
        self.from += decode(&self.buffer[self.from..self.to], record).ok_or_else(cut_short)?;
        Ok(true)
    }

    /// Reads on until `octets` are there.
    fn have(&mut self, octets: usize) -> io::Result<()> {
        if self.to - self.from >= octets {
            return Ok(());
        }
        self.buffer.copy_within(self.from..self.to, 0);
        self.to -= self.from;
        self.from = 0;
        if self.buffer.len() < octets {
            let mut larger = Zeroizing::new(vec![0; octets]);
            larger[..self.to].copy_from_slice(&self.buffer[..self.to]);
            self.buffer = larger;
        }
        let room = (self.buffer.len() - self.to) as u64;
        let more = room.min(self.end - self.at) as usize;
        self.file.read_exact_at(&mut self.buffer[self.to..self.to + more], self.at)?;
        self.to += more;
        self.at += more as u64;
        if self.to < octets { Err(cut_short()) } else { Ok(()) }
    }
}

fn cut_short() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the scratch file is not as it was written")
}

const WRITE_OCTETS: usize = 1 << 20;
