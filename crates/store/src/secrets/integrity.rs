//! Is the whole file sound? Every page, every record, every count.

use credential::ShapeCounts;
use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata};

use crate::engine::Handle;
use crate::error::StoreError;
use crate::guard::Trouble;
use crate::secrets::Access;
use crate::secrets::file::SecretStore;
use crate::secrets::key::Key;
use crate::secrets::tables::{self, Ascending, SHAPES, USERS, WITNESSES};
use crate::wait::Deadline;

pub use crate::engine::Pages;

/// What a check of the whole store found. One that does not finish is [`StoreError::Damaged`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Integrity {
    /// The pages of the file.
    pub pages: Pages,
    /// Users whose records are sound.
    pub users: u64,
    /// What is not sound, the first [`Integrity::MOST_FAULTS`] of it.
    pub faults: Vec<Fault>,
    /// How many more faults there are.
    pub more_faults: u64,
}

/// Something in an otherwise readable store that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Whose record, as `user@realm` with the realm in lower case; `None` for what concerns the store.
    pub user: Option<String>,
    /// What contradicts what.
    pub what: String,
}

impl Integrity {
    /// How many faults are kept.
    pub const MOST_FAULTS: usize = 100;

    /// Whether everything is as it was written.
    pub fn is_sound(&self) -> bool {
        self.pages == Pages::Sound && self.faults.is_empty()
    }

    fn note(&mut self, user: Option<&Key>, what: impl Into<String>) {
        if self.faults.len() < Self::MOST_FAULTS {
            self.faults.push(Fault { user: user.map(Key::display), what: what.into() });
        } else {
            self.more_faults += 1;
        }
    }
}

impl SecretStore {
    /// Checks every page and every record of the file. Pages are checked as one writer among the others, who wait
    /// meanwhile; records are read from one state. What redb can mend from what it keeps twice it mends.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when the file cannot be read to its end; the errors of opening for writing.
    pub fn check_integrity(&self) -> Result<Integrity, StoreError> {
        let deadline = self.deadline();
        let mut handle = self.place().open(Access::Write, &deadline)?;
        let checked = handle.check_pages(&deadline).and_then(|pages| {
            let integrity = examine(&handle, &deadline, pages)?;
            handle.close(&deadline)?;
            Ok(integrity)
        });
        checked.map_err(|trouble| StoreError::from_trouble(self.path(), trouble))
    }
}

/// Reads every record of one state, and counts.
pub(crate) fn examine(handle: &Handle, deadline: &Deadline, pages: Pages) -> Result<Integrity, Trouble> {
    handle.read(deadline, |transaction| {
        let mut integrity = Integrity { pages, users: 0, faults: Vec::new(), more_faults: 0 };
        let (listed, shapes) = examine_records(transaction, &mut integrity)?;
        let header = tables::read_header(transaction)?;
        let witnesses = transaction.open_table(WITNESSES)?.len()?;
        if listed != header.users || listed != witnesses {
            let stored = header.users;
            integrity.note(
                None,
                format!("{listed} users are listed, {stored} were stored, {witnesses} are witnessed"),
            );
        }
        let is_counted = !header.recount && integrity.faults.is_empty();
        if is_counted && tables::shapes(&transaction.open_table(SHAPES)?)? != shapes {
            integrity.note(None, "the counts of verifiers do not agree with the records");
        }
        Ok(integrity)
    })
}

fn examine_records(
    transaction: &ReadTransaction,
    integrity: &mut Integrity,
) -> Result<(u64, ShapeCounts), Trouble> {
    let users = transaction.open_table(USERS)?;
    let witnesses = transaction.open_table(WITNESSES)?;
    let (mut listed, mut shapes) = (0, ShapeCounts::default());
    let mut ascending = Ascending::after(None);
    for entry in users.iter()? {
        let (key, value) = entry?;
        ascending.check(key.value())?;
        listed += 1;
        let key = match Key::from_stored(key.value()) {
            Ok(key) => key,
            Err(what) => {
                integrity.note(None, what);
                continue;
            }
        };
        let seen = witnesses.get(key.witness().as_slice())?;
        match tables::decode(&key, value.value()) {
            Ok(found) if seen.is_none_or(|seen| seen.value() != tables::witness(&found.sum)) => {
                integrity.note(Some(&key), "the record and its witness disagree");
            }
            Ok(found) => {
                integrity.users += 1;
                shapes.add(&found.record);
            }
            Err(Trouble::Damaged(what)) => integrity.note(Some(&key), what),
            Err(other) => return Err(other),
        }
    }
    Ok((listed, shapes))
}
