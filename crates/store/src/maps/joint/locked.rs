//! A file and the lock under which it is read. The lock belongs to the descriptor: several threads hold it together.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use safefile::{SafeFile, Stamp};
use zeroize::Zeroizing;

use super::{Guard, not_read};
use crate::maps::MapError;
use crate::wait::{PollError, Wait};

/// A file that other programs may write.
pub(super) struct LockedFile {
    path: PathBuf,
    file: File,
    guard: Guard,
    wait: Wait,
    holders: Mutex<usize>,
}

/// While this lives no program that asks for the lock writes the file, where its programs ask for one.
pub(super) struct Lock {
    file: Arc<LockedFile>,
}

impl Lock {
    /// Whether the file stands still meanwhile.
    pub(super) fn keeps_writers_out(&self) -> bool {
        self.file.guard != Guard::Transactions
    }
}

impl LockedFile {
    pub(super) fn new(file: SafeFile, guard: Guard, wait: Wait) -> Self {
        let path = file.path().to_owned();
        Self { path, file: file.into_std(), guard, wait, holders: Mutex::new(0) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn lock(self: &Arc<Self>) -> Result<Lock, MapError> {
        let mut holders = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
        if *holders == 0 && self.guard != Guard::Replaced {
            let attempt = || match self.take() {
                Ok(()) => Ok(Some(())),
                Err(Errno::WOULDBLOCK | Errno::ACCESS) => Ok(None),
                Err(error) => Err(error),
            };
            self.wait.start(Duration::ZERO).poll(attempt).map_err(|error| match error {
                PollError::TimedOut(_) => MapError::Busy { path: self.path.clone() },
                PollError::Failed(error) => self.failed(error.into()),
            })?;
        }
        *holders += 1;
        Ok(Lock { file: Arc::clone(self) })
    }

    /// Takes the shared lock of the programs that write such files.
    fn take(&self) -> Result<(), Errno> {
        match self.guard {
            Guard::Replaced => Ok(()),
            Guard::Flock => flock(&self.file, FlockOperation::NonBlockingLockShared),
            Guard::Transactions => record_lock(&self.file, nix::libc::F_RDLCK),
        }
    }

    fn release(&self) -> Result<(), Errno> {
        match self.guard {
            Guard::Replaced => Ok(()),
            Guard::Flock => flock(&self.file, FlockOperation::Unlock),
            Guard::Transactions => record_lock(&self.file, nix::libc::F_UNLCK),
        }
    }

    /// Locks the file when there is something in it.
    pub(super) fn lock_filled(self: &Arc<Self>, patience: &Wait) -> Result<Lock, MapError> {
        let attempt = || {
            let lock = self.lock()?;
            Ok((self.stamp()?.size() > 0).then_some(lock))
        };
        patience.start(Duration::ZERO).poll(attempt).map_err(|error| match error {
            PollError::TimedOut(_) => MapError::BeingWritten { path: self.path.clone() },
            PollError::Failed(error) => error,
        })
    }

    pub(super) fn stamp(&self) -> Result<Stamp, MapError> {
        Stamp::of_file(&self.file).map_err(|error| self.failed(error))
    }

    /// So many octets from the start.
    pub(super) fn read_start(&self, octets: u64) -> Result<Zeroizing<Vec<u8>>, MapError> {
        let mut start = Zeroizing::new(vec![0; octets as usize]);
        self.file.read_exact_at(&mut start, 0).map_err(|error| self.failed(error))?;
        Ok(start)
    }

    pub(super) fn read_exact_at(&self, out: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(out, offset)
    }

    fn failed(&self, source: io::Error) -> MapError {
        not_read(&self.path, source.into())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let mut holders = self.file.holders.lock().unwrap_or_else(PoisonError::into_inner);
        *holders -= 1;
        if *holders == 0 {
            // If it fails, the lock ends with the descriptor.
            let _ = self.file.release();
        }
    }
}

/// A lock on all of the file that belongs to the descriptor and not to the process: another descriptor of ours that is
/// closed does not end it, and those of fcntl(2) respect it.
fn record_lock(file: &File, kind: i32) -> Result<(), Errno> {
    let whole = nix::libc::flock {
        l_type: kind as nix::libc::c_short,
        l_whence: nix::libc::SEEK_SET as nix::libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    let done = nix::fcntl::fcntl(file, nix::fcntl::FcntlArg::F_OFD_SETLK(&whole));
    done.map(drop).map_err(|error| Errno::from_raw_os_error(error as i32))
}
