//! Who is trusted: root, the TrustedUser, the person at the terminal; and the exceptions that the configuration
//! names for one file. Who these people are is found out elsewhere (`config`); nothing here looks at the host.

use std::path::PathBuf;

use crate::account::{Account, Group, Uid};
use crate::kind::Kind;

/// Who may own a file and the directories above it. A value per file, since exceptions are named per file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    trusted_user: Option<Account>,
    caller: Option<Account>,
    configuration_owner: Option<Account>,
    exceptions: Vec<Exception>,
}

impl Trust {
    /// Root alone: what a daemon that root started begins with.
    pub fn root() -> Self {
        Self::default()
    }

    /// The account that is trusted as an owner of everything but configuration and programs.
    #[must_use]
    pub fn trusted_user(mut self, account: Account) -> Self {
        self.trusted_user = Some(account);
        self
    }

    /// The person who started a tool by hand, trusted as an owner of everything: the process has no more rights than
    /// they have. Never for a daemon that root started.
    #[must_use]
    pub fn caller(mut self, uid: Uid) -> Self {
        self.caller = Some(Account::by_uid(uid));
        self
    }

    /// An account that may own configuration and programs beside root: somebody who is not root and tries the daemon
    /// out.
    #[must_use]
    pub fn configuration_owner(mut self, account: Account) -> Self {
        self.configuration_owner = Some(account);
        self
    }

    /// One more exception for this file.
    #[must_use]
    pub fn except(mut self, exception: Exception) -> Self {
        self.exceptions.push(exception);
        self
    }

    /// The TrustedUser, where there is one.
    pub fn trusted_account(&self) -> Option<&Account> {
        self.trusted_user.as_ref()
    }

    /// The exceptions, in the order in which they were named.
    pub fn exceptions(&self) -> &[Exception] {
        &self.exceptions
    }

    /// Whether this user may own a file of this kind and the directories above it.
    pub fn may_own(&self, kind: Kind, uid: Uid) -> bool {
        let is = |account: &Option<Account>| account.as_ref().is_some_and(|account| account.uid == uid);
        uid.is_root()
            || is(&self.caller)
            || is(&self.configuration_owner)
            || (!kind.is_roots_alone() && is(&self.trusted_user))
    }
}

/// Something that would be unsafe and is accepted because the configuration says so, for one file. Never for the store
/// or the configuration itself; every audit shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exception {
    /// `group_readable = ["GROUP"]`: this group may read the file (list and search a secret directory).
    GroupReadable(Group),
    /// `group_writable_dir = ["/DIR = GROUP"]`: this directory may be writable by this group, which must own it.
    GroupWritableDir {
        /// The directory by its real path, as refusals show it.
        dir: PathBuf,
        /// The group.
        group: Group,
    },
    /// `dir_owner = ["/DIR = USER"]`: this directory may belong to this account of the distribution.
    DirOwner {
        /// The directory by its real path, as refusals show it.
        dir: PathBuf,
        /// The account.
        owner: Account,
    },
}
