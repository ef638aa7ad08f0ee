//! The file beneath redb: one descriptor that `safefile` has judged, with locks that end.
//!
//! Wraps redb's own file backend for what it lacks: a lock that gives up at the operation's deadline; an existing
//! file of length 0 is damage and is never filled with a fresh, empty database, and one that was cut off is damage for
//! readers too; after a panic, or where there was no
//! room, nothing more is written through the handle that saw it; and the file keeps some room ([`crate::room`]).

use std::fs::File;
use std::io;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redb::StorageBackend;
use redb::backends::FileBackend;
use thiserror::Error;

use crate::error::is_full;
use crate::layout;
use crate::queue::Queue;
use crate::room::Room;
use crate::wait::{Deadline, PollError};

/// Whether the file is expected to hold a database already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// It does: a length of 0 is damage.
    Database,
    /// It is new and empty; only an explicit "create" says so.
    Nothing,
}

/// Stops all writing through one backend; shared by the backend, which redb owns, and the handle around redb.
#[derive(Debug, Clone, Default)]
pub(crate) struct Freeze(Arc<AtomicBool>);

impl Freeze {
    /// From now on nothing is written: a handle that met damage must not "repair" it while it closes, and one whose
    /// file has been set back must not write where it ended before.
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn check(&self) -> io::Result<()> {
        if self.0.load(Ordering::Acquire) {
            return Err(io::Error::other(Frozen));
        }
        Ok(())
    }
}

/// A file given to redb. It must own the only descriptor of its open file description: two users of one description
/// do not exclude each other.
#[derive(Debug)]
pub(crate) struct Backend {
    file: Arc<FileBackend>,
    expect: Expect,
    freeze: Freeze,
    queue: Queue,
    room: Room,
}

impl Backend {
    /// Around a file that nobody else has a descriptor of.
    pub(crate) fn new(file: File, expect: Expect, freeze: Freeze) -> Result<Self, redb::DatabaseError> {
        let room = Room::new(&file).map_err(redb::StorageError::from)?;
        let file = Arc::new(FileBackend::new(file)?);
        if expect == Expect::Database && layout::is_cut_off(&file) {
            return Err(redb::StorageError::from(io::Error::new(io::ErrorKind::InvalidData, CutOff)).into());
        }
        let queue = Queue::new(&file);
        Ok(Self { file, expect, freeze, queue, room })
    }

    /// Where those wait who write through this backend.
    pub(crate) fn queue(&self) -> Queue {
        self.queue.clone()
    }

    /// The room that the file keeps.
    pub(crate) fn room(&self) -> Room {
        self.room.clone()
    }

    fn lock(
        &self,
        attempt: impl Fn(&FileBackend) -> Result<bool, redb::BackendError>,
    ) -> Result<(), redb::BackendError> {
        let attempt = || attempt(&self.file).map(|got| got.then_some(()));
        self.queue.wait(&Deadline::current(), attempt).map_err(|error| match error {
            PollError::TimedOut(limit) => {
                redb::BackendError::Io(io::Error::new(io::ErrorKind::TimedOut, LockTimeout(limit)))
            }
            PollError::Failed(error) => error,
        })
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> Result<u64, io::Error> {
        match self.file.len()? {
            0 if self.expect == Expect::Database => {
                Err(io::Error::new(io::ErrorKind::InvalidData, EmptyFile))
            }
            len => Ok(len),
        }
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.freeze.check()?;
        self.room.set_len(len)
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        self.freeze.check()?;
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.freeze.check()?;
        if offset == HEADER {
            self.room.publish();
        }
        self.room.write(|| self.file.write(offset, data)).inspect_err(|error| {
            if is_full(error) {
                self.freeze.set();
            }
        })
    }

    fn close(&self) -> Result<(), io::Error> {
        self.room.lay_by_again();
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, redb::BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, redb::BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), redb::BackendError> {
        self.lock(|file| file.try_lock_range(start, end))
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), redb::BackendError> {
        self.lock(|file| file.try_lock_shared_range(start, end))
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), redb::BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, redb::BackendError> {
        self.file.query_lock_range(start, end)
    }
}

/// Where redb's header lies. Nothing else is written there.
const HEADER: u64 = 0;

/// A lock was not to be had in time; travels through redb inside an `io::Error`.
#[derive(Debug, Error)]
#[error("another process holds a lock on the file for more than {0:?}")]
pub(crate) struct LockTimeout(pub(crate) Duration);

/// A file that should hold a database has length 0.
#[derive(Debug, Error)]
#[error("the file is empty")]
pub(crate) struct EmptyFile;

/// A file is shorter than its header says.
#[derive(Debug, Error)]
#[error("the file is cut off")]
pub(crate) struct CutOff;

/// Writing through a handle that met damage, or no room.
#[derive(Debug, Error)]
#[error("nothing more is written through this descriptor")]
pub(crate) struct Frozen;
