//! Whether a user or group that is named exists: asked of the host, or of a table in tests.

use std::io;

use safefile::{Account, Group};

/// Somebody who knows the accounts. Names and decimal numbers are both understood.
pub trait Accounts {
    /// The user of this name or number; `None` where there is none.
    ///
    /// # Errors
    /// When the user database could not be asked.
    fn user(&self, name: &str) -> io::Result<Option<Account>>;

    /// The group of this name or number; `None` where there is none.
    ///
    /// # Errors
    /// When the group database could not be asked.
    fn group(&self, name: &str) -> io::Result<Option<Group>>;
}

/// The accounts of this host.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostAccounts;

impl Accounts for HostAccounts {
    fn user(&self, name: &str) -> io::Result<Option<Account>> {
        Account::by_name(name)
    }

    fn group(&self, name: &str) -> io::Result<Option<Group>> {
        Group::by_name(name)
    }
}
