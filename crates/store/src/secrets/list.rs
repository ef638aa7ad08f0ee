//! All users, in order, in bounded memory.

use std::collections::VecDeque;
use std::ops::Bound;

use credential::Record;
use redb::{ReadTransaction, ReadableTable};

use crate::error::StoreError;
use crate::guard::Trouble;
use crate::secrets::file::SecretStore;
use crate::secrets::key::Key;
use crate::secrets::tables::{self, Ascending, USERS};

/// Streams all users by realm and name, a page at a time, each page from a short read transaction of its own: one that
/// stays open would make the file grow with every change of others. What is changed meanwhile appears as it was or as
/// it is, once. A user that is missing without having been removed is damage, and the last item.
#[derive(Debug)]
pub struct Listing<'s> {
    store: &'s SecretStore,
    page: VecDeque<Record>,
    after: Option<Vec<u8>>,
    seen: u64,
    changes: Option<u64>,
    ended: bool,
}

impl<'s> Listing<'s> {
    pub(crate) fn new(store: &'s SecretStore) -> Self {
        Self { store, page: VecDeque::new(), after: None, seen: 0, changes: None, ended: false }
    }

    fn next_page(&mut self) -> Result<(), StoreError> {
        let page = self.store.read(|transaction| Page::read(transaction, self.after.as_deref()))?;
        let first = *self.changes.get_or_insert(page.changes);
        self.seen += page.records.len() as u64;
        self.ended = page.records.len() < PAGE;
        self.page = page.records;
        self.after = page.last.or(self.after.take());
        if self.ended && first == page.changes && self.seen != page.users {
            self.page.clear();
            return Err(StoreError::damaged(self.store.path(), miscounted(self.seen, page.users)));
        }
        Ok(())
    }
}

impl Iterator for Listing<'_> {
    type Item = Result<Record, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.is_empty()
            && !self.ended
            && let Err(error) = self.next_page()
        {
            self.ended = true;
            return Some(Err(error));
        }
        self.page.pop_front().map(Ok)
    }
}

struct Page {
    records: VecDeque<Record>,
    last: Option<Vec<u8>>,
    users: u64,
    changes: u64,
}

impl Page {
    fn read(transaction: &ReadTransaction, after: Option<&[u8]>) -> Result<Self, Trouble> {
        let header = tables::read_header(transaction)?;
        let users = transaction.open_table(USERS)?;
        let mut ascending = Ascending::after(after);
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut page =
            Self { records: VecDeque::new(), last: None, users: header.users, changes: header.changes };
        for entry in users.range::<&[u8]>((start, Bound::Unbounded))?.take(PAGE) {
            let (key, value) = entry?;
            let (key, record) = next(&mut ascending, key.value(), value.value())?;
            page.records.push_back(record);
            page.last = Some(key.octets().to_vec());
        }
        Ok(page)
    }
}

/// Hands over all users of one state, in order, until `each` fails, and says how many they were. One that is missing is
/// damage.
pub(crate) fn all_at_once<E>(
    transaction: &ReadTransaction,
    mut each: impl FnMut(&Record) -> Result<(), E>,
) -> Result<Result<u64, E>, Trouble> {
    let stored = tables::read_header(transaction)?.users;
    let users = transaction.open_table(USERS)?;
    let (mut listed, mut ascending) = (0, Ascending::after(None));
    for entry in users.iter()? {
        let (key, value) = entry?;
        let (_, record) = next(&mut ascending, key.value(), value.value())?;
        if let Err(error) = each(&record) {
            return Ok(Err(error));
        }
        listed += 1;
    }
    if listed == stored { Ok(Ok(listed)) } else { Err(Trouble::Damaged(miscounted(listed, stored))) }
}

/// The next user of a walk.
fn next(ascending: &mut Ascending, key: &[u8], value: &[u8]) -> Result<(Key, Record), Trouble> {
    ascending.check(key)?;
    let key = Key::from_stored(key).map_err(Trouble::damaged)?;
    let record = tables::decode(&key, value)?.record;
    Ok((key, record))
}

fn miscounted(listed: u64, stored: u64) -> String {
    format!("{listed} users are listed, {stored} were stored")
}

/// Users in a page: about a quarter of a megabyte.
const PAGE: usize = 256;
