//! redb as this house uses it: one mode, one cache size, one way to open, read, write and close.
//!
//! Every call goes through [`crate::guard`]. What is not here: tables and what they mean.
//!
//! redb shares a file between processes well, under conditions. Each is met in one place:
//!
//! | condition | place |
//! |---|---|
//! | the daemon keeps one handle open for writing; transactions are short, none is parked | [`Handle::read`] and [`Handle::write`] take closures; listings go page by page (`secrets::list`); a dump takes one, and waits for nobody |
//! | a store is made under another name, closed, synced, then renamed; only "create" meets an empty file | `SecretStore::create`; `backend::Expect` |
//! | nobody else has the open file description; close-on-exec | `SafeFile` gives its descriptor away, [`Backend`] owns it; `room` has a second one, and takes no locks |
//! | root and the TrustedUser only, mode 0600 | `safefile::Kind::Store` |
//! | locks have deadlines; no prompt in a transaction; SIGTSTP held back | `wait`, `backend`; closures get prepared data; `hold` |
//! | a handle that failed is dropped and opened again | `SecretStore::with_handle` |
//! | a little room is kept for deleting on a full file system | `room`: blocks of the file's own behind its end, laid by when it is opened for writing, with each new length and after each change, used by every change but those that add users ([`End::CommitAnyhow`]) |
//! | a change that finds no room leaves the file as long as it has grown, and readers shut out | `room` sets it back, or `SecretStore::with_handle` has it cut; `Place::heal` lets them in without room |
//! | a file that was cut off is read until something is missing | `layout`, at each opening |
//! | a panic is damage | `guard` |
//! | a backup is made under a held write transaction, and checked | `secrets::backup` |

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redb::{
    Builder, ConcurrencyMode, Database, Durability, ReadOnlyDatabase, ReadTransaction, ReadableDatabase,
    TransactionError, WriteTransaction,
};
use safefile::Stamp;

use crate::backend::{Backend, Expect, Freeze};
use crate::guard::{self, Trouble};
use crate::queue::Queue;
use crate::room::{Kept, Room};
use crate::wait::{Deadline, Wait};

/// An open redb file. Dropping it closes it, as [`Handle::close`] does, without saying whether that succeeded.
#[derive(Debug)]
pub(crate) struct Handle {
    path: Arc<Path>,
    which: Stamp,
    engine: Option<Engine>,
    freeze: Freeze,
    queue: Queue,
    room: Room,
    /// Whether this handle has written before, and so may have to let others go first.
    has_written: AtomicBool,
}

enum Engine {
    Write(Database),
    Read(ReadOnlyDatabase),
}

/// What becomes of a write transaction.
pub(crate) enum End<T> {
    /// It becomes durable, then visible.
    Commit(T),
    /// The same, with what the file keeps for a full file system: for changes that must not be refused.
    CommitAnyhow(T),
    /// Nothing happened.
    Abort(T),
}

/// What a check of all pages found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pages {
    /// All checksums agree.
    Sound,
    /// Something did not agree, and redb has mended it from what it keeps twice.
    Mended,
}

impl Handle {
    /// Opens an existing database for reading; the descriptor needs no more than that.
    pub(crate) fn open_read(path: &Path, file: File, deadline: &Deadline) -> Result<Self, Trouble> {
        Self::open(path, file, Expect::Database, deadline, |backend| {
            Ok(Engine::Read(builder().open_read_only_with_backend(backend)?))
        })
    }

    /// Opens an existing database for reading and writing, and heals what a killed writer left.
    pub(crate) fn open_write(path: &Path, file: File, deadline: &Deadline) -> Result<Self, Trouble> {
        Self::open(path, file, Expect::Database, deadline, |backend| {
            Ok(Engine::Write(builder().create_with_backend(backend)?))
        })
    }

    /// Opens an existing database for writing after every page of it has been checked.
    pub(crate) fn open_checked(path: &Path, file: File, deadline: &Deadline) -> Result<Self, Trouble> {
        Self::open(path, file, Expect::Database, deadline, |backend| {
            let mut builder = builder();
            builder.set_check_integrity_on_open(true);
            Ok(Engine::Write(builder.create_with_backend(backend)?))
        })
    }

    /// Makes a database in an empty file that has no name yet: a process killed here leaves a file that never opens.
    pub(crate) fn create(path: &Path, file: File, deadline: &Deadline) -> Result<Self, Trouble> {
        Self::open(path, file, Expect::Nothing, deadline, |backend| {
            Ok(Engine::Write(builder().create_with_backend(backend)?))
        })
    }

    /// Runs `body` on the last committed state. A read transaction that is held open stops the reuse of pages: bodies
    /// are short.
    pub(crate) fn read<T>(
        &self,
        deadline: &Deadline,
        body: impl FnOnce(&ReadTransaction) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        self.noting_damage(|| {
            guard::call_on(&self.path, deadline, || {
                let transaction = match self.engine()? {
                    Engine::Write(database) => database.begin_read()?,
                    Engine::Read(database) => database.begin_read()?,
                };
                body(&transaction)
            })
        })
    }

    /// Runs `body` in the one write transaction that there is, waiting for others' to end. When this returns after
    /// [`End::Commit`], the change is on disk as far as `fdatasync` goes.
    pub(crate) fn write<T>(
        &self,
        deadline: &Deadline,
        body: impl FnOnce(&WriteTransaction) -> Result<End<T>, Trouble>,
    ) -> Result<T, Trouble> {
        self.noting_damage(|| {
            guard::call_on(&self.path, deadline, || {
                if self.has_written.swap(true, Ordering::Relaxed) {
                    self.queue.let_others_go_first();
                }
                let mut transaction = self.begin_write(deadline)?;
                let kept = self.room.kept();
                transaction.set_durability(Durability::Immediate)?;
                let end = body(&transaction)?;
                self.end(transaction, kept, end)
            })
        })
    }

    fn end<T>(&self, transaction: WriteTransaction, kept: Kept<'_>, end: End<T>) -> Result<T, Trouble> {
        let (value, _kept) = match end {
            End::Commit(value) => (value, Some(kept)),
            End::CommitAnyhow(value) => {
                drop(kept);
                (value, None)
            }
            End::Abort(value) => {
                // Nothing was to happen and nothing has. Why the body gave up is worth more to the caller than that
                // giving up failed, as it does after every error of the file: the next call finds that out.
                let _ = transaction.abort();
                return Ok(value);
            }
        };
        transaction.commit()?;
        self.room.lay_by();
        Ok(value)
    }

    /// Checks every page of the file, as one writer among the others. Of this process nobody else may be using the
    /// handle: hence `&mut`.
    pub(crate) fn check_pages(&mut self, deadline: &Deadline) -> Result<Pages, Trouble> {
        let Some(Engine::Write(database)) = &mut self.engine else { return Err(Trouble::Spent) };
        let result = guard::call_on(&self.path, deadline, || Ok(database.check_integrity()?));
        self.noting_damage(|| result).map(|sound| if sound { Pages::Sound } else { Pages::Mended })
    }

    /// Closes the file and says whether that succeeded.
    pub(crate) fn close(mut self, deadline: &Deadline) -> Result<(), Trouble> {
        let Some(engine) = self.engine.take() else { return Ok(()) };
        guard::call_on(&self.path, deadline, || {
            match engine {
                Engine::Write(database) => database.close()?,
                Engine::Read(database) => database.close()?,
            }
            Ok(())
        })
    }

    fn open(
        path: &Path,
        file: File,
        expect: Expect,
        deadline: &Deadline,
        open: impl FnOnce(Backend) -> Result<Engine, redb::DatabaseError>,
    ) -> Result<Self, Trouble> {
        let (path, freeze) = (Arc::from(path), Freeze::default());
        let which = Stamp::of_file(&file)?;
        let (engine, queue, room) = guard::call_on(&path, deadline, || {
            let backend = Backend::new(file, expect, freeze.clone())?;
            let (queue, room) = (backend.queue(), backend.room());
            Ok((open(backend)?, queue, room))
        })?;
        if matches!(engine, Engine::Write(_)) {
            room.lay_by();
        }
        Ok(Self {
            path,
            which,
            engine: Some(engine),
            freeze,
            queue,
            room,
            has_written: AtomicBool::new(false),
        })
    }

    /// Whether this is the file that is open.
    pub(crate) fn is_of(&self, file: &Stamp) -> bool {
        self.which.is_same_file(file)
    }

    fn engine(&self) -> Result<&Engine, Trouble> {
        self.engine.as_ref().ok_or(Trouble::Spent)
    }

    fn begin_write(&self, deadline: &Deadline) -> Result<WriteTransaction, Trouble> {
        let Engine::Write(database) = self.engine()? else {
            return Err(Trouble::Io(std::io::Error::from(std::io::ErrorKind::ReadOnlyFilesystem)));
        };
        Ok(self.queue.wait(deadline, || match database.try_begin_write() {
            Ok(transaction) => Ok(Some(transaction)),
            Err(TransactionError::WouldBlock) => Ok(None),
            Err(error) => Err(error),
        })?)
    }

    /// A handle that met damage writes nothing more, not even when it is closed: the file stays as it was found.
    fn noting_damage<T>(&self, body: impl FnOnce() -> Result<T, Trouble>) -> Result<T, Trouble> {
        body().inspect_err(|trouble| {
            if matches!(trouble, Trouble::Damaged(_)) {
                self.freeze.set();
            }
        })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(engine) = self.engine.take() {
            let deadline = Wait::up_to(PATIENCE_WHILE_CLOSING).start(Duration::ZERO);
            let _ = guard::call_on(&self.path, &deadline, || {
                drop(engine);
                Ok(())
            });
        }
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Write(_) => "Write",
            Self::Read(_) => "Read",
        })
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_concurrency_mode(ConcurrencyMode::MultiWriter).set_cache_size(CACHE_OCTETS);
    builder
}

/// The first octets of every redb file.
pub(crate) const MAGIC: &[u8] = b"redb\x1A\x0A\xA9\x0D\x0A";
/// redb's own default is 1 GiB. The branches of a million users fit in this, which is what a look-up needs again.
const CACHE_OCTETS: usize = 32 * 1024 * 1024;
const PATIENCE_WHILE_CLOSING: Duration = Duration::from_secs(1);
