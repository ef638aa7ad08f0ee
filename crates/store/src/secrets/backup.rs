//! A checked copy of the live store.
//!
//! Copying a file that is written to gives a corrupt copy, sooner or later. So the copy is made while a write
//! transaction is held, which nobody else can have meanwhile, and it gets its name only after every page and record
//! of it has been read.

use std::fs::File;
use std::io;
use std::path::Path;

use safefile::{OldFile, Trust};

use crate::engine::{End, Handle, Pages};
use crate::error::StoreError;
use crate::guard::Trouble;
use crate::secrets::Access;
use crate::secrets::file::{Place, SecretStore};
use crate::secrets::integrity::{self, Integrity};

/// What a backup holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backup {
    /// Users.
    pub users: u64,
    /// Octets of the copy.
    pub octets: u64,
}

impl SecretStore {
    /// Copies the live store to `to`, where nothing may be: a store is never replaced. Other writers wait while the
    /// file is copied, not while the copy is checked. It gets the owner and mode of a new store.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when the copy, and so the store, is not sound; [`Exists`](StoreError::Exists),
    /// [`Full`](StoreError::Full), and the errors of opening.
    pub fn backup(&self, to: &Path, trust: &Trust) -> Result<Backup, StoreError> {
        let mut replacement = Place::begin_new(to, trust)?;
        let copy = Place::take(&mut replacement)?;
        let octets = self.copy_to(&copy, to)?;
        let deadline = self.deadline();
        let checked = Handle::open_checked(to, copy, &deadline).and_then(|handle| {
            let integrity = integrity::examine(&handle, &deadline, Pages::Sound)?;
            handle.close(&deadline)?;
            Ok(integrity)
        });
        match checked {
            Ok(Integrity { users, faults, .. }) if faults.is_empty() => {
                replacement.commit(OldFile::Leave).map_err(|error| Place::not_made(to, error))?;
                Ok(Backup { users, octets })
            }
            Ok(Integrity { faults, .. }) => Err(StoreError::damaged(self.path(), faults[0].what.clone())),
            Err(Trouble::Damaged(what)) => Err(StoreError::damaged(self.path(), what)),
            Err(trouble) => Err(StoreError::from_trouble(to, trouble)),
        }
    }

    /// Copies the octets while nobody writes. A second descriptor reads: of the first, redb is the only user.
    fn copy_to(&self, copy: &File, to: &Path) -> Result<u64, StoreError> {
        let deadline = self.deadline();
        let handle = self.place().open(Access::Write, &deadline)?;
        let source = self.place().file()?;
        let copied = handle.write(&deadline, |_held| Ok(End::Abort(io::copy(&mut &source, &mut &*copy))));
        let copied = copied.map_err(|trouble| StoreError::from_trouble(self.path(), trouble))?;
        copied.map_err(|source| StoreError::from_trouble(to, Trouble::Io(source)))
    }
}
