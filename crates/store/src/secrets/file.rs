//! The store in one redb file: opening, healing, reading, changing.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use credential::{DecoyKey, Identity, Record};
use redb::ReadTransaction;
use safefile::{Dress, Kind, OldFile, OpenError, ReplaceError, Replacement, SafeFile, Trust, Uid};

use crate::engine::{End, Handle};
use crate::error::{StoreError, is_full};
use crate::guard::{self, Trouble};
use crate::secrets::edit::Edit;
use crate::secrets::key::Key;
use crate::secrets::list::Listing;
use crate::secrets::tables::{self, SHAPES, USERS, WITNESSES};
use crate::secrets::{Access, Counts, NewStore, Revision, Secrets, Stored};
use crate::wait::{Deadline, PollError, Wait};

/// The store of users' secrets: one redb file, shared with any number of other processes that use it now.
///
/// It may be used by several threads. A handle that failed is dropped and opened again by itself. A daemon keeps one
/// of these open for writing ([`Access::Write`]), so that what a killed tool leaves behind never concerns a reader.
#[derive(Debug)]
pub struct SecretStore {
    place: Place,
    access: Access,
    wait: Wait,
    handle: RwLock<Option<Arc<Handle>>>,
    /// Microseconds waited while opening, which count for the first write.
    waited: AtomicU64,
}

/// Where the file is and whose it may be: enough to open it again.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    pub(crate) trust: Trust,
}

impl SecretStore {
    /// Opens a store that exists.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`Refused`](StoreError::Refused), [`Damaged`](StoreError::Damaged),
    /// [`Format`](StoreError::Format), [`Busy`](StoreError::Busy) and
    /// [`OtherGeneration`](StoreError::OtherGeneration).
    pub fn open(path: &Path, trust: &Trust, access: Access, wait: Wait) -> Result<Self, StoreError> {
        let store = Self {
            place: Place { path: path.to_owned(), trust: trust.clone() },
            access,
            wait,
            handle: RwLock::new(None),
            waited: AtomicU64::new(0),
        };
        let deadline = store.wait.start(Duration::ZERO);
        // Reads the header: any other redb file, a map say, is no store.
        store.with_handle(&deadline, |handle| handle.read(&deadline, tables::read_header))?;
        store.waited.store(deadline.waited().as_micros() as u64, Ordering::Relaxed);
        Ok(store)
    }

    /// Makes a store where nothing is, and puts in it what `fill` does, in one transaction. The file appears under its
    /// name complete and synced, owned by the TrustedUser (when made by root), mode 0600; when `fill` fails there is
    /// none.
    ///
    /// # Errors
    /// [`StoreError::Exists`], [`NotReplaced`](StoreError::NotReplaced), [`Full`](StoreError::Full); and what `fill`
    /// returns.
    pub fn create<T, E: From<StoreError>>(
        path: &Path,
        trust: &Trust,
        new: NewStore,
        fill: impl FnOnce(&mut Edit<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut replacement = Place::begin_new(path, trust)?;
        let file = Place::take(&mut replacement)?;
        let deadline = Wait::default().start(Duration::ZERO);
        let made = Handle::create(path, file, &deadline).and_then(|handle| {
            let value = handle.write(&deadline, |transaction| {
                let edit = Edit::begin_new(path, &deadline, transaction, new)?;
                run(edit, fill)
            })?;
            handle.close(&deadline)?;
            Ok(value)
        });
        let value = made.map_err(|trouble| StoreError::from_trouble(path, trouble))??;
        replacement.commit(OldFile::Leave).map_err(|error| Place::not_made(path, error))?;
        Ok(value)
    }

    /// The path as it was given.
    pub fn path(&self) -> &Path {
        &self.place.path
    }

    /// Walks the path again, as when it was opened, and says whether it still leads to the file that is in use: for a process
    /// that lives long. Where it leads to another, the caller opens that and drops this.
    ///
    /// # Errors
    /// [`StoreError::Missing`] and [`Refused`](StoreError::Refused): the store is not to be used as things are.
    pub fn is_in_place(&self) -> Result<bool, StoreError> {
        let place = &self.place;
        let found = SafeFile::open(&place.path, Kind::Store, &place.trust).map_err(|e| place.not_open(e))?;
        let slot = self.handle.read().unwrap_or_else(PoisonError::into_inner);
        Ok(slot.as_ref().is_none_or(|handle| handle.is_of(&found.stamp())))
    }

    /// Looks a user up, with the revision of the record.
    pub fn look_up(&self, identity: &Identity) -> Result<Option<Stored>, StoreError> {
        let key = Key::of(identity);
        self.read(|transaction| {
            let users = transaction.open_table(USERS)?;
            let witnesses = transaction.open_table(WITNESSES)?;
            let found = tables::find(&users, &witnesses, &key)?;
            Ok(found.map(|found| Stored { record: found.record, revision: Revision(found.sum) }))
        })
    }

    /// All users by realm and name.
    pub fn list(&self) -> Listing<'_> {
        Listing::new(self)
    }

    /// Changes the store in one transaction: all of what `body` does, or, when it fails, nothing. When this returns,
    /// the change is durable and every other process sees it. Nobody else writes meanwhile: `body` gets prepared data
    /// and does nothing that takes time.
    ///
    /// # Errors
    /// What `body` returns; [`StoreError::Busy`] when others did not finish in time.
    pub fn write<T, E: From<StoreError>>(
        &self,
        body: impl FnOnce(&mut Edit<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let deadline = self.deadline();
        let mut body = Some(body);
        self.with_handle(&deadline, |handle| {
            handle.write(&deadline, |transaction| {
                let edit = Edit::begin(self.path(), &deadline, transaction)?;
                // Gone only if a handle failed after the body had run: then the body's work is lost, not repeated.
                let body = body.take().ok_or(Trouble::Spent)?;
                run(edit, body)
            })
        })?
    }

    /// Closes the file and says whether that succeeded; dropping closes it too.
    pub fn close(self) -> Result<(), StoreError> {
        let handle = self.handle.into_inner().unwrap_or_else(PoisonError::into_inner);
        match handle.and_then(Arc::into_inner) {
            Some(handle) => {
                let deadline = self.wait.start(Duration::ZERO);
                handle.close(&deadline).map_err(|trouble| StoreError::from_trouble(&self.place.path, trouble))
            }
            None => Ok(()),
        }
    }

    /// Runs `body` on the last committed state, in a short read transaction.
    pub(crate) fn read<T>(
        &self,
        body: impl Fn(&ReadTransaction) -> Result<T, Trouble>,
    ) -> Result<T, StoreError> {
        let deadline = self.wait.start(Duration::ZERO);
        self.with_handle(&deadline, |handle| handle.read(&deadline, &body))
    }

    /// Runs `body` on one state, however long that takes: the file grows by what others change meanwhile. So `body` waits
    /// for nobody. It is not run again when it fails.
    pub(crate) fn read_once<T>(
        &self,
        body: impl FnOnce(&ReadTransaction) -> Result<T, Trouble>,
    ) -> Result<T, StoreError> {
        let deadline = self.wait.start(Duration::ZERO);
        let mut body = Some(body);
        self.with_handle(&deadline, |handle| {
            handle.read(&deadline, |transaction| body.take().ok_or(Trouble::Spent)?(transaction))
        })
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// The clock of one write. What opening has waited counts for the first.
    pub(crate) fn deadline(&self) -> Deadline {
        self.wait.start(Duration::from_micros(self.waited.swap(0, Ordering::Relaxed)))
    }

    /// Calls `body` with an open handle. One that failed is dropped; where that alone was wrong, `body` gets another.
    fn with_handle<T>(
        &self,
        deadline: &Deadline,
        mut body: impl FnMut(&Handle) -> Result<T, Trouble>,
    ) -> Result<T, StoreError> {
        let mut again = true;
        loop {
            let handle = self.handle(deadline)?;
            let trouble = match body(&handle) {
                Ok(value) => return Ok(value),
                Err(trouble) => trouble,
            };
            if trouble.spends_handle() {
                self.forget(&handle);
            }
            if matches!(&trouble, Trouble::Io(error) if is_full(error)) {
                drop(handle);
                self.place.cut(deadline);
            }
            if !matches!(trouble, Trouble::Spent) || !std::mem::take(&mut again) {
                return Err(StoreError::from_trouble(self.path(), trouble));
            }
        }
    }

    fn handle(&self, deadline: &Deadline) -> Result<Arc<Handle>, StoreError> {
        if let Some(handle) = self.handle.read().unwrap_or_else(PoisonError::into_inner).as_ref() {
            return Ok(Arc::clone(handle));
        }
        let mut slot = self.handle.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = slot.as_ref() {
            return Ok(Arc::clone(handle));
        }
        let handle = Arc::new(self.place.open(self.access, deadline)?);
        *slot = Some(Arc::clone(&handle));
        Ok(handle)
    }

    fn forget(&self, failed: &Arc<Handle>) {
        let mut slot = self.handle.write().unwrap_or_else(PoisonError::into_inner);
        if slot.as_ref().is_some_and(|handle| Arc::ptr_eq(handle, failed)) {
            *slot = None;
        }
    }
}

impl Secrets for SecretStore {
    fn get(&self, identity: &Identity) -> Result<Option<Record>, StoreError> {
        Ok(self.look_up(identity)?.map(|stored| stored.record))
    }

    fn put(&self, record: &Record, seen: Option<Revision>) -> Result<bool, StoreError> {
        self.write(|edit| Ok(edit.put_if(record, seen)?.is_some()))
    }

    fn remove(&self, identity: &Identity) -> Result<bool, StoreError> {
        self.write(|edit| edit.remove(identity))
    }

    fn records(&self) -> Box<dyn Iterator<Item = Result<Record, StoreError>> + '_> {
        Box::new(self.list())
    }

    fn counts(&self) -> Result<Counts, StoreError> {
        self.read(|transaction| {
            let header = tables::read_header(transaction)?;
            let (shapes, users) = (transaction.open_table(SHAPES)?, transaction.open_table(USERS)?);
            let shapes = tables::counts(&header, &shapes, &users)?;
            Ok(Counts { users: header.users, changes: header.changes, created: header.created, shapes })
        })
    }

    fn decoy_key(&self) -> Result<DecoyKey, StoreError> {
        self.read(|transaction| Ok(tables::read_header(transaction)?.decoy_key))
    }
}

impl Place {
    /// Opens the file as a store. Another generation of the programs may be about to end, so that is waited for, too.
    pub(crate) fn open(&self, access: Access, deadline: &Deadline) -> Result<Handle, StoreError> {
        let opened = deadline.poll(|| match self.attempt(access, deadline)? {
            Ok(handle) => Ok(Some(handle)),
            Err(Trouble::OtherGeneration) => Ok(None),
            Err(trouble) => Err(StoreError::from_trouble(&self.path, trouble)),
        });
        opened.map_err(|error| match error {
            PollError::TimedOut(_) => StoreError::OtherGeneration { path: self.path.clone() },
            PollError::Failed(error) => error,
        })
    }

    /// Opens once; a file for reading whose last writer died is healed first.
    fn attempt(&self, access: Access, deadline: &Deadline) -> Result<Result<Handle, Trouble>, StoreError> {
        if access == Access::Write {
            return Ok(Handle::open_write(&self.path, self.file_for_update()?, deadline));
        }
        match Handle::open_read(&self.path, self.file()?, deadline) {
            Err(Trouble::Unclean) => self.heal(deadline),
            result => Ok(result),
        }
    }

    /// Opening for writing heals, closing records it. The reader opens in between: so nobody else can die meanwhile and
    /// leave the file as it was found, and where there is no room for what is recorded, it reads all the same.
    fn heal(&self, deadline: &Deadline) -> Result<Result<Handle, Trouble>, StoreError> {
        let healer = match Handle::open_write(&self.path, self.file_for_update()?, deadline) {
            Ok(healer) => healer,
            Err(trouble) => return Ok(Err(trouble)),
        };
        let opened = Handle::open_read(&self.path, self.file()?, deadline);
        Ok(match healer.close(deadline) {
            Err(Trouble::Io(error)) if is_full(&error) => opened,
            closed => closed.and(opened),
        })
    }

    /// A change that found no room at its very end has left the file as long as it had grown: closing cuts off what is not in
    /// use. When this fails, whoever opens it next does it.
    fn cut(&self, deadline: &Deadline) {
        if let Ok(handle) = self.open(Access::Write, deadline) {
            let _ = handle.close(deadline);
        }
    }

    /// A descriptor of its own, for reading.
    pub(crate) fn file(&self) -> Result<File, StoreError> {
        SafeFile::open(&self.path, Kind::Store, &self.trust)
            .map(SafeFile::into_std)
            .map_err(|e| self.not_open(e))
    }

    fn file_for_update(&self) -> Result<File, StoreError> {
        SafeFile::open_for_update(&self.path, Kind::Store, &self.trust)
            .map(SafeFile::into_std)
            .map_err(|error| self.not_open(error))
    }

    fn not_open(&self, error: OpenError) -> StoreError {
        if error.is_missing() {
            StoreError::Missing { path: self.path.clone() }
        } else {
            StoreError::Refused(error)
        }
    }

    /// Begins a file where there is none: a store never replaces anything.
    pub(crate) fn begin_new(path: &Path, trust: &Trust) -> Result<Replacement, StoreError> {
        // Only root can give a file away; anybody else's store is their own.
        let owner = trust.trusted_account().filter(|_| Uid::effective().is_root());
        let dress = Dress {
            owner: owner.map(|account| account.uid),
            group: owner.and_then(|account| account.group),
            mode: 0o600,
        };
        Replacement::create_new(path, Kind::Store, trust, dress).map_err(|error| Self::not_made(path, error))
    }

    /// The one descriptor of the file in the making.
    pub(crate) fn take(replacement: &mut Replacement) -> Result<File, StoreError> {
        replacement.take_file().ok_or_else(|| StoreError::Io {
            path: replacement.path().to_owned(),
            source: io::Error::other("the new file is in use already"),
        })
    }

    pub(crate) fn not_made(path: &Path, error: ReplaceError) -> StoreError {
        match error {
            ReplaceError::Exists { path } => StoreError::Exists { path },
            ReplaceError::Failed { ref source, .. } if is_full(source) => {
                StoreError::Full { path: path.to_owned() }
            }
            other => StoreError::NotReplaced(other),
        }
    }
}

/// Runs the caller's part of a transaction, whose panics are its own.
fn run<T, E>(
    mut edit: Edit<'_>,
    body: impl FnOnce(&mut Edit<'_>) -> Result<T, E>,
) -> Result<End<Result<T, E>>, Trouble> {
    match guard::foreign(|| body(&mut edit)) {
        Ok(value) => edit.finish(Ok(value)),
        Err(error) => Ok(End::Abort(Err(error))),
    }
}
