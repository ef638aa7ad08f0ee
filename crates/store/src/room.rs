//! Room on disk that the file keeps for what a full file system must not refuse.
//!
//! redb writes nothing in place: to take a user out, or to disable one, it needs new pages before old ones become
//! free. So a file that is written to has some blocks more than it is long. They lie behind its end, where redb never
//! looks and no copy takes them along; nobody else on the file system can have them, and a process that is killed
//! leaves them, or lacks them, without harm. A write for which there is no room gets them, unless it is part of a change
//! that adds users ([`Room::kept`]). What was used is laid by again as soon as there is room.
//!
//! Here is also what becomes of a file that has grown for a change that then found no room: redb leaves it as long as it
//! was to be, and full of pages that nobody will read. It is set back to where it was, unless a header was written
//! meanwhile, as it is at the very end of a change: then whoever opens it next cuts it (`SecretStore::with_handle`).
//!
//! On a file system that cannot lay blocks by (no `fallocate`), there is no such room. Where even writing in place needs
//! new blocks (btrfs, ZFS), it helps as far as the file system lets it.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{FallocateFlags, fallocate};

use crate::error::is_full;

/// The room of one open file, shared by the backend, which redb owns, and the handle around redb.
///
/// All but [`Room::lay_by`] is called while redb holds the lock of the one writer: of this file, nobody else changes the
/// length meanwhile.
#[derive(Debug, Clone)]
pub(crate) struct Room(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// A second descriptor of redb's description, for its length and blocks. Locks are never taken with it.
    file: File,
    /// How many transactions of this handle may not use what is laid by.
    kept: AtomicU32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How long the file was before the transaction made it longer, until a header may say that it is longer.
    grown_from: Option<u64>,
    /// Whether what was laid by has been used.
    used: bool,
}

/// While this lives, what is laid by stays.
#[derive(Debug)]
#[must_use = "what is laid by may be used as soon as this is dropped"]
pub(crate) struct Kept<'r>(&'r Room);

impl Room {
    /// The room of a file that redb is given.
    pub(crate) fn new(file: &File) -> io::Result<Self> {
        let (file, kept, state) = (file.try_clone()?, AtomicU32::new(0), Mutex::default());
        Ok(Self(Arc::new(Inner { file, kept, state })))
    }

    /// Lays blocks by if the file has none to spare: when it is opened, and after each change, for others may have used
    /// them. That there is no room for them is no error yet.
    pub(crate) fn lay_by(&self) {
        let Ok(found) = self.0.file.metadata() else { return };
        if found.blocks().saturating_mul(BLOCK) < found.len() + wanted(found.len()) {
            self.lay_behind(found.len());
        }
    }

    /// As [`Room::lay_by`], where this descriptor has used something: closing writes, too.
    pub(crate) fn lay_by_again(&self) {
        if self.state().used {
            self.lay_by();
        }
    }

    /// A transaction begins. Nothing that is laid by is used for what is written while the result lives.
    pub(crate) fn kept(&self) -> Kept<'_> {
        // The one before may have ended in a panic and left the file longer; others may have filled that since.
        self.state().grown_from = None;
        self.0.kept.fetch_add(1, Ordering::AcqRel);
        Kept(self)
    }

    /// Gives the file a new length, with room behind its new end.
    pub(crate) fn set_len(&self, len: u64) -> io::Result<()> {
        let before = self.0.file.metadata()?.len();
        self.0.file.set_len(len)?;
        if len > before {
            self.state().grown_from.get_or_insert(before);
            if !self.lay_behind(len) {
                self.move_behind(before, len);
            }
        } else {
            self.state().grown_from = None;
            self.lay_behind(len);
        }
        Ok(())
    }

    /// A header is about to be written: from here on, what the file has grown by may belong to a commit.
    pub(crate) fn publish(&self) {
        self.state().grown_from = None;
    }

    /// Does something that needs room, again with what is laid by where there was none. An error is the last thing
    /// that is written through this descriptor: the file is set back then.
    pub(crate) fn write(&self, mut write: impl FnMut() -> io::Result<()>) -> io::Result<()> {
        let result = match write() {
            Err(error) if is_full(&error) && self.open() => write(),
            result => result,
        };
        if result.as_ref().is_err_and(is_full) {
            self.set_back();
        }
        result
    }

    /// Gives what is laid by back to the file system, for the write that is tried again at once. Whether there was any.
    fn open(&self) -> bool {
        if self.0.kept.load(Ordering::Acquire) > 0 || std::mem::replace(&mut self.state().used, true) {
            return false;
        }
        // To cut a file off where it ends lets go of the blocks behind its end.
        self.0.file.metadata().and_then(|found| self.0.file.set_len(found.len())).is_ok()
    }

    fn set_back(&self) {
        if let Some(before) = self.state().grown_from.take() {
            // A failure leaves a file that is longer than it need be.
            let _ = self.0.file.set_len(before);
        }
        self.lay_by();
    }

    /// What was laid by lies inside now. Nothing has been written there since, so it can be taken and laid behind the
    /// new end, even if that is all the room there is.
    fn move_behind(&self, before: u64, len: u64) {
        let inside = wanted(before).min(len - before);
        let taken = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        if fallocate(&self.0.file, taken, before, inside).is_ok() {
            self.lay_behind(len);
        }
    }

    /// Lays blocks by, as many as are wanted or as there is room for. Whether that worked.
    fn lay_behind(&self, end: u64) -> bool {
        let mut octets = wanted(end);
        while octets >= LEAST {
            if fallocate(&self.0.file, FallocateFlags::KEEP_SIZE, end, octets).is_ok() {
                self.state().used = false;
                return true;
            }
            octets -= (octets / 8).next_multiple_of(PAGE);
        }
        false
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        self.0.0.kept.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What is laid by for a file of this length. A change of one user, with what opening and closing write, takes 70 KiB in a
/// store of one user, 90 KiB with a hundred thousand, 210 KiB with a million (550 MB): redb notes with each commit which
/// pages are free. Several may come before there is room again.
fn wanted(len: u64) -> u64 {
    (256 * 1024 + len / 1024).next_multiple_of(PAGE)
}

/// Less would not help: a change finds some free pages in the file, but not nearly all it needs.
const LEAST: u64 = 16 * 1024;
const PAGE: u64 = 4096;
/// What `stat` counts blocks in.
const BLOCK: u64 = 512;

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> (File, Room) {
        let file = tempfile::tempfile_in(::tests::scratch::dir()).unwrap();
        let room = Room::new(&file).unwrap();
        (file, room)
    }

    fn spare(file: &File) -> u64 {
        let found = file.metadata().unwrap();
        (found.blocks() * BLOCK).saturating_sub(found.len())
    }

    fn no_room() -> io::Result<()> {
        Err(io::ErrorKind::StorageFull.into())
    }

    #[test]
    fn room_lies_behind_the_end_wherever_that_is() {
        let (file, room) = file();
        for len in [8 * PAGE, 40 * PAGE, 400 * PAGE, 300 * PAGE, PAGE] {
            room.set_len(len).unwrap();
            rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, len).unwrap();
            assert_eq!(file.metadata().unwrap().len(), len);
            assert!(spare(&file) >= wanted(len), "{} behind {len}", spare(&file));
        }
        file.set_len(PAGE).unwrap();
        assert_eq!(spare(&file), 0);
        room.lay_by();
        assert!(spare(&file) >= wanted(PAGE));
    }

    #[test]
    fn what_is_laid_by_is_used_once_and_laid_by_again() {
        let (file, room) = file();
        room.set_len(PAGE).unwrap();
        // There is room as soon as none is laid by.
        let write = || if spare(&file) < LEAST { Ok(()) } else { no_room() };
        let kept = room.kept();
        assert!(room.write(write).is_err(), "it is kept");
        drop(kept);
        let laid_by = || spare(&file) >= wanted(PAGE) - PAGE;
        assert!(laid_by());
        room.write(write).unwrap();
        assert!(!laid_by());
        room.lay_by();
        assert!(laid_by());
        assert!(room.write(no_room).is_err(), "that was not enough");
        assert!(laid_by(), "and nothing was written with it");
    }

    /// Wherever redb writes in a file that has grown to many times its length.
    #[test]
    fn on_a_full_file_system_a_write_finds_room_anywhere() {
        use std::os::unix::fs::FileExt;

        for at in [PAGE, 500 * PAGE, 4000 * PAGE] {
            let Ok(small) = ::tests::scratch::small_file_system(1024) else { return };
            let (file, mut others) = [(); 2].map(|()| tempfile::tempfile_in(small.path()).unwrap()).into();
            let octets = vec![2; 40 * PAGE as usize];
            let room = Room::new(&file).unwrap();
            room.set_len(PAGE).unwrap();
            while io::Write::write_all(&mut others, &octets[..PAGE as usize]).is_ok() {}
            room.set_len(4096 * PAGE).unwrap();
            let write = |octets: &[u8]| room.write(|| file.write_all_at(octets, at));
            let kept = room.kept();
            assert!(write(&octets).is_err());
            drop(kept);
            room.set_len(4096 * PAGE).unwrap();
            write(&octets).unwrap();
        }
    }

    #[test]
    fn a_file_that_has_grown_in_vain_is_set_back_unless_a_header_may_tell_of_it() {
        let (file, room) = file();
        for (between, len) in [
            (Room::lay_by as fn(&Room), PAGE),
            (Room::publish, 100 * PAGE),
            // Another transaction: what it finds may be in use.
            (|room| drop(room.kept()), 100 * PAGE),
        ] {
            room.set_len(PAGE).unwrap();
            room.publish();
            room.set_len(50 * PAGE).unwrap();
            room.set_len(100 * PAGE).unwrap();
            between(&room);
            assert!(room.write(no_room).is_err());
            assert_eq!(file.metadata().unwrap().len(), len);
        }
    }
}
