//! What the daemon needs beyond a configuration that is right: accounts for its processes, and no file that both of
//! them would read. The tools do without, so none of this is a fault of the text.

use std::fmt;
use std::io;
use std::path::PathBuf;

use safefile::{Account, Trust};

use crate::trusted_user::TrustedUser;
use crate::{Accounts, Config, FileRole, Owner};

/// As whom the daemon was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Starter {
    /// By root: each process has its own account.
    Root,
    /// By somebody who tries it out: all of them have this one.
    Somebody(Account),
}

/// As whom keeper and front run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonAccounts {
    /// The TrustedUser, who owns the store.
    pub keeper: Account,
    /// `run_as`, who owns the queue.
    pub front: Account,
}

/// Why the daemon does not start with a configuration that is right.
#[derive(Debug, thiserror::Error)]
pub enum DaemonFault {
    /// No account for the keeper.
    #[error("the keeper would run as root: no TrustedUser is named, and there is no account gatepost")]
    KeeperIsRoot,
    /// No account for the front.
    #[error("run_as: no such user: {0:?}")]
    NoFront(String),
    /// The front would be root.
    #[error("run_as: the front would run as root: {0:?}")]
    FrontIsRoot(String),
    /// The front could read what the keeper keeps.
    #[error("run_as: the front would run as the TrustedUser, who owns the secrets: {0}")]
    SameUser(Account),
    /// The same by the group.
    #[error("run_as: the front would run in the group of the TrustedUser: {0}")]
    SameGroup(Account),
    /// Nobody knows the group of an account that is a number.
    #[error("the account has no group on this host: {0}")]
    NoGroup(Account),
    /// The host could not be asked.
    #[error("the user database cannot be asked: {0}")]
    Unasked(#[from] io::Error),
    /// What is the keeper's alone is named for the front.
    #[error(
        "{front} names a file of {keeper}, which the front may not open: {}",
        safefile::display_path(path)
    )]
    Shared {
        /// The file.
        path: PathBuf,
        /// The key that makes it the keeper's.
        keeper: &'static str,
        /// The key that would make it the front's.
        front: &'static str,
    },
}

/// All of them; never empty.
#[derive(Debug)]
pub struct DaemonFaults(pub Vec<DaemonFault>);

impl Config {
    /// As whom keeper and front run, or everything that keeps the daemon from starting.
    pub fn daemon(
        &self,
        starter: &Starter,
        trusted_user: &TrustedUser,
        accounts: &dyn Accounts,
    ) -> Result<DaemonAccounts, DaemonFaults> {
        let mut faults = self.shared();
        let found = match starter {
            Starter::Root => self.accounts(trusted_user, accounts, &mut faults),
            Starter::Somebody(account) => {
                Some(DaemonAccounts { keeper: account.clone(), front: account.clone() })
            }
        };
        match found.filter(|_| faults.is_empty()) {
            Some(found) => Ok(found),
            None => Err(DaemonFaults(faults)),
        }
    }

    fn accounts(
        &self,
        trusted_user: &TrustedUser,
        accounts: &dyn Accounts,
        faults: &mut Vec<DaemonFault>,
    ) -> Option<DaemonAccounts> {
        let keeper = trusted_user.account.clone();
        if keeper.is_none() {
            faults.push(DaemonFault::KeeperIsRoot);
        }
        let front = match accounts.user(self.front()) {
            Ok(front) => front,
            Err(error) => {
                faults.push(error.into());
                return None;
            }
        };
        match &front {
            None => faults.push(DaemonFault::NoFront(self.front().to_owned())),
            Some(front) if front.uid.is_root() => {
                faults.push(DaemonFault::FrontIsRoot(self.front().to_owned()));
            }
            Some(_) => {}
        }
        let known = DaemonAccounts { keeper: keeper?, front: front? };
        faults.extend(known.too_close());
        Some(known)
    }

    /// Files that keeper and front both name: the secret wins, and the front cannot work.
    fn shared(&self) -> Vec<DaemonFault> {
        let files = self.daemon_files();
        let mut shared = Vec::new();
        for file in
            files.iter().filter(|file| file.role.owner() == Owner::Front && file.owner != Owner::Front)
        {
            let owns = |role: FileRole| role.owner() == Owner::Keeper;
            let keeper = files.iter().find(|other| other.path == file.path && owns(other.role));
            let keeper = keeper.map_or("--config", |keeper| keeper.role.key());
            shared.push(DaemonFault::Shared { path: file.path.clone(), keeper, front: file.role.key() });
        }
        shared
    }
}

impl Starter {
    /// Whom this daemon trusts: root and the TrustedUser, or root and who tries it out, who may own the configuration
    /// too. Never who happens to call.
    pub fn trust(&self, trusted_user: &TrustedUser) -> Trust {
        match self {
            Self::Root => trusted_user.trust(),
            Self::Somebody(account) => {
                Trust::root().trusted_user(account.clone()).configuration_owner(account.clone())
            }
        }
    }
}

impl DaemonAccounts {
    fn too_close(&self) -> Vec<DaemonFault> {
        let (keeper, front) = (&self.keeper, &self.front);
        let nowhere = [keeper, front].into_iter().filter(|account| account.group.is_none());
        let mut faults: Vec<_> = nowhere.map(|account| DaemonFault::NoGroup(account.clone())).collect();
        if keeper.uid == front.uid {
            faults.push(DaemonFault::SameUser(front.clone()));
        } else if front.group.is_some() && keeper.group == front.group {
            faults.push(DaemonFault::SameGroup(front.clone()));
        }
        faults
    }
}

impl std::error::Error for DaemonFaults {}

impl fmt::Display for DaemonFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let line_end = if index == 0 { "" } else { "\n" };
            write!(f, "{line_end}{fault}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use safefile::{Account, Gid, Group, Kind, Uid};

    use super::{DaemonFaults, Starter};
    use crate::trusted_user::{Origin, TrustedUser};
    use crate::{Accounts, Config};

    /// A host with the accounts of the manual and some that are wrong.
    struct Host;

    impl Accounts for Host {
        fn user(&self, name: &str) -> io::Result<Option<Account>> {
            let users = [
                ("root", 0, Some(0)),
                ("gatepost", 100, Some(100)),
                ("gatepost-front", 101, Some(101)),
                ("grouped", 102, Some(100)),
                ("4242", 4242, None),
            ];
            let known = users.into_iter().find(|(known, ..)| *known == name);
            Ok(known.map(|(name, uid, gid)| account(name, uid, gid)))
        }

        fn group(&self, _: &str) -> io::Result<Option<Group>> {
            Ok(None)
        }
    }

    fn account(name: &str, uid: u32, gid: Option<u32>) -> Account {
        Account { uid: Uid(uid), name: Some(name.to_owned()), group: gid.map(Gid) }
    }

    fn trusted(name: &str) -> TrustedUser {
        TrustedUser { account: Host.user(name).unwrap(), origin: Origin::Account }
    }

    fn faults(config: &Config, keeper: &TrustedUser) -> String {
        let found = config.daemon(&Starter::Root, keeper, &Host);
        found.err().map_or_else(String::new, |faults: DaemonFaults| faults.to_string())
    }

    #[test]
    fn keeper_and_front_are_two_accounts_and_neither_is_root() {
        for (run_as, keeper, expected) in [
            (None, "gatepost", ""),
            (Some("nosuch"), "gatepost", "run_as: no such user: \"nosuch\""),
            (Some("root"), "gatepost", "run_as: the front would run as root: \"root\""),
            (
                Some("gatepost"),
                "gatepost",
                "run_as: the front would run as the TrustedUser, who owns the secrets: gatepost (uid 100)",
            ),
            (
                Some("grouped"),
                "gatepost",
                "run_as: the front would run in the group of the TrustedUser: grouped (uid 102)",
            ),
            (Some("4242"), "gatepost", "the account has no group on this host: 4242 (uid 4242)"),
            (
                None,
                "nobody-of-that-name",
                "the keeper would run as root: no TrustedUser is named, and there is no account gatepost",
            ),
        ] {
            let config = Config { run_as: run_as.map(str::to_owned), ..Config::default() };
            assert_eq!(faults(&config, &trusted(keeper)), expected, "{run_as:?} {keeper}");
        }
        let accounts = Config::default().daemon(&Starter::Root, &trusted("gatepost"), &Host).unwrap();
        assert_eq!((accounts.keeper.uid, accounts.front.uid), (Uid(100), Uid(101)));
    }

    #[test]
    fn somebody_who_tries_it_out_is_all_of_them_and_may_own_the_configuration() {
        let starter = Starter::Somebody(account("me", 1000, Some(1000)));
        let accounts = Config::default().daemon(&starter, &trusted("nobody"), &Host).unwrap();
        assert_eq!(accounts.keeper, accounts.front);
        let trust = starter.trust(&trusted("gatepost"));
        assert!(trust.may_own(Kind::Configuration, Uid(1000)) && !trust.may_own(Kind::Store, Uid(100)));
        let trust = Starter::Root.trust(&trusted("gatepost"));
        assert!(trust.may_own(Kind::Store, Uid(100)) && !trust.may_own(Kind::Configuration, Uid(100)));
    }

    #[test]
    fn a_secret_map_is_never_given_to_the_front_and_all_faults_are_said() {
        let text = "run_as = \"nosuch\"\naccess_map = \"hash:/etc/mail/access\"\n\
            [client_info]\nmaps = [\"hash:/etc/mail/access\"]\n";
        let config = Config::parse("/x".as_ref(), text.as_bytes(), &Host).unwrap();
        assert_eq!(
            faults(&config, &trusted("gatepost")),
            "access_map names a file of client_info.maps, which the front may not open: /etc/mail/access.db\n\
             run_as: no such user: \"nosuch\""
        );
    }
}
