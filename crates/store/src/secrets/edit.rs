//! What may be done inside a write transaction.

use std::path::Path;

use credential::{DecoyKey, Identity, Record, ShapeCounts};
use redb::WriteTransaction;

use crate::engine::End;
use crate::error::StoreError;
use crate::guard::{self, Trouble};
use crate::secrets::header::{self, Header};
use crate::secrets::key::Key;
use crate::secrets::seal::{self, Table};
use crate::secrets::tables::{self, HEADER, SHAPES, USERS, WITNESSES};
use crate::secrets::{NewStore, Put, Revision, Stored, record};
use crate::wait::Deadline;

type OctetsTable<'t> = redb::Table<'t, &'static [u8], &'static [u8]>;

/// The store inside a write transaction: what is read here is what will be changed, and nobody else writes meanwhile.
///
/// Others wait for it, so everything that takes time (prompts, derivations) comes before.
pub struct Edit<'t> {
    path: &'t Path,
    deadline: &'t Deadline,
    tables: Tables<'t>,
    header: Header,
    before: ShapeCounts,
    shapes: ShapeCounts,
    changed: bool,
    /// Whether users are added: that may be refused where there is no room.
    adds: bool,
    failed: bool,
}

struct Tables<'t> {
    header: OctetsTable<'t>,
    users: OctetsTable<'t>,
    witnesses: OctetsTable<'t>,
    shapes: OctetsTable<'t>,
}

impl<'t> Edit<'t> {
    /// Opens the tables of a store.
    pub(crate) fn begin(
        path: &'t Path,
        deadline: &'t Deadline,
        transaction: &'t WriteTransaction,
    ) -> Result<Self, Trouble> {
        let tables = Tables::open(transaction)?;
        let header = tables::header(&tables.header)?;
        let before = tables::shapes(&tables.shapes)?;
        let shapes = tables::counts(&header, &tables.shapes, &tables.users)?;
        Ok(Self {
            path,
            deadline,
            tables,
            header,
            before,
            shapes,
            changed: false,
            adds: false,
            failed: false,
        })
    }

    /// Makes the tables of a new store.
    pub(crate) fn begin_new(
        path: &'t Path,
        deadline: &'t Deadline,
        transaction: &'t WriteTransaction,
        new: NewStore,
    ) -> Result<Self, Trouble> {
        let tables = Tables::open(transaction)?;
        let header =
            Header { created: new.created, decoy_key: new.decoy_key, users: 0, changes: 0, recount: false };
        let (before, shapes) = (ShapeCounts::default(), ShapeCounts::default());
        Ok(Self { path, deadline, tables, header, before, shapes, changed: true, adds: false, failed: false })
    }

    /// Looks a user up.
    pub fn look_up(&mut self, identity: &Identity) -> Result<Option<Stored>, StoreError> {
        let key = Key::of(identity);
        self.call(|edit| {
            let found = tables::find(&edit.tables.users, &edit.tables.witnesses, &key)?;
            Ok(found.map(|found| Stored { record: found.record, revision: Revision(found.sum) }))
        })
    }

    /// Adds a user, or replaces the record that the user has, whatever it holds.
    pub fn put(&mut self, record: &Record) -> Result<Put, StoreError> {
        let key = Key::of(record.identity());
        let octets =
            record::encode(record).map_err(|error| StoreError::Unstorable { what: error.to_string() })?;
        let (sealed, sum) = seal::seal(Table::Users, key.octets(), &octets);
        self.call(|edit| {
            let old = tables::find(&edit.tables.users, &edit.tables.witnesses, &key)?;
            edit.tables.users.insert(key.octets(), sealed.as_slice())?;
            edit.tables.witnesses.insert(key.witness().as_slice(), tables::witness(&sum))?;
            edit.shapes.add(record);
            edit.changed = true;
            Ok(if let Some(old) = old {
                edit.shapes.remove(&old.record);
                Put::Replaced
            } else {
                edit.header.users += 1;
                edit.adds = true;
                Put::Added
            })
        })
    }

    /// Replaces a record if it is still the one that was read before this transaction; otherwise nothing happens, and
    /// the caller reads again.
    pub fn put_if(&mut self, record: &Record, seen: Option<Revision>) -> Result<Option<Put>, StoreError> {
        let now = self.look_up(record.identity())?.map(|stored| stored.revision);
        if now == seen { self.put(record).map(Some) } else { Ok(None) }
    }

    /// Takes a user out. Whether there was one.
    pub fn remove(&mut self, identity: &Identity) -> Result<bool, StoreError> {
        let key = Key::of(identity);
        self.call(|edit| {
            let Some(old) = tables::find(&edit.tables.users, &edit.tables.witnesses, &key)? else {
                return Ok(false);
            };
            edit.tables.users.remove(key.octets())?;
            edit.tables.witnesses.remove(key.witness().as_slice())?;
            edit.shapes.remove(&old.record);
            edit.header.users = edit.header.users.saturating_sub(1);
            edit.changed = true;
            Ok(true)
        })
    }

    /// How many users there are, those added in this transaction included.
    pub fn users(&self) -> u64 {
        self.header.users
    }

    /// Takes over the decoy key of another store, so that decoys stay the same after a restore.
    pub fn set_decoy_key(&mut self, key: DecoyKey) {
        self.header.decoy_key = key;
        self.changed = true;
    }

    /// Writes what follows from the changes, and closes the tables. After a failure nothing is committed, whatever the
    /// caller made of it.
    pub(crate) fn finish<T>(mut self, value: T) -> Result<End<T>, Trouble> {
        if self.failed {
            return Err(Trouble::Spent);
        }
        if !self.changed {
            return Ok(End::Abort(value));
        }
        self.header.changes += 1;
        self.tables.header.insert(header::KEY, self.header.to_octets().as_slice())?;
        self.write_shapes()?;
        // Who takes users out, disables them or gives them other passwords must succeed on a full file system, too. The
        // first change makes the store: nothing is kept for it before it is there.
        let may_fail = self.adds && self.header.changes > 1;
        Ok(if may_fail { End::Commit(value) } else { End::CommitAnyhow(value) })
    }

    fn write_shapes(&mut self) -> Result<(), Trouble> {
        for (shapes, _) in self.before.iter() {
            if self.shapes.get(shapes) == 0 {
                self.tables.shapes.remove(tables::shapes_octets(shapes, 0).0.as_slice())?;
            }
        }
        for (shapes, count) in self.shapes.iter() {
            let (key, value) = tables::shapes_octets(shapes, count);
            self.tables.shapes.insert(key.as_slice(), value.as_slice())?;
        }
        Ok(())
    }

    fn call<T>(&mut self, body: impl FnOnce(&mut Self) -> Result<T, Trouble>) -> Result<T, StoreError> {
        let (path, deadline) = (self.path, self.deadline);
        guard::call(deadline, || body(self)).map_err(|trouble| {
            self.failed = true;
            StoreError::from_trouble(path, trouble)
        })
    }
}

impl<'t> Tables<'t> {
    fn open(transaction: &'t WriteTransaction) -> Result<Self, Trouble> {
        Ok(Self {
            header: transaction.open_table(HEADER)?,
            users: transaction.open_table(USERS)?,
            witnesses: transaction.open_table(WITNESSES)?,
            shapes: transaction.open_table(SHAPES)?,
        })
    }
}

#[cfg(test)]
mod tests;
