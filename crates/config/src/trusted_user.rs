//! Who may own secrets besides root: the TrustedUser. The first of these that says anything: `--trusted-user`, the
//! sendmail.cf given with `-C`, gatepost.toml, the account `gatepost` where it exists; else root alone. No environment
//! variable is asked.

use std::fmt;
use std::io;

use safefile::{Account, Trust, Uid};

use crate::{Accounts, Config, sendmail_cf};

/// What has been said about the TrustedUser.
#[derive(Clone, Copy, Default)]
pub struct Given<'g> {
    /// `--trusted-user`, a name or a number.
    pub flag: Option<&'g str>,
    /// The text of the sendmail.cf that was given with `-C`.
    pub sendmail_cf: Option<&'g [u8]>,
    /// gatepost.toml.
    pub config: Option<&'g Config>,
}

/// Who owns the file that the question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// Our own: everything counts.
    Ours,
    /// Maps that sendmail reads: it knows neither gatepost.toml nor the account `gatepost`, and refuses a closed map of
    /// any other owner than root and its own TrustedUser.
    Sendmails,
}

/// The TrustedUser and who said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedUser {
    /// The account; `None`: root alone.
    pub account: Option<Account>,
    /// Who said so.
    pub origin: Origin,
}

/// Who named the TrustedUser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `--trusted-user`.
    Flag,
    /// sendmail.cf.
    SendmailCf,
    /// gatepost.toml.
    Config,
    /// The account `gatepost`, which exists.
    Account,
    /// Nobody: root alone.
    Nobody,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum TrustedUserError {
    /// The account that was named does not exist.
    #[error("{origin}: unknown user {name}")]
    Unknown {
        /// The name.
        name: String,
        /// Who named it.
        origin: Origin,
    },
    /// The host could not be asked.
    #[error("the user database cannot be asked: {0}")]
    Failed(#[from] io::Error),
}

/// Who the TrustedUser is. Naming root is naming nobody beside root.
pub fn resolve(
    given: &Given<'_>,
    files: Files,
    accounts: &dyn Accounts,
) -> Result<TrustedUser, TrustedUserError> {
    if let Some(name) = given.flag {
        return named(name, Origin::Flag, accounts);
    }
    match given.sendmail_cf.and_then(sendmail_cf::trusted_user) {
        Some(sendmail_cf::TrustedUser::Name(name)) => return named(&name, Origin::SendmailCf, accounts),
        Some(sendmail_cf::TrustedUser::Uid(uid)) => {
            return Ok(known(Account::by_uid(Uid(uid)), Origin::SendmailCf));
        }
        None => {}
    }
    if files == Files::Sendmails {
        return Ok(TrustedUser { account: None, origin: Origin::Nobody });
    }
    if let Some(account) = given.config.and_then(|config| config.trusted_user.clone()) {
        return Ok(known(account, Origin::Config));
    }
    Ok(match accounts.user(ACCOUNT)? {
        Some(account) => known(account, Origin::Account),
        None => TrustedUser { account: None, origin: Origin::Nobody },
    })
}

impl TrustedUser {
    /// Root and this account, as `safefile` is told it.
    pub fn trust(&self) -> Trust {
        self.account.iter().cloned().fold(Trust::root(), Trust::trusted_user)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flag => "--trusted-user",
            Self::SendmailCf => "TrustedUser",
            Self::Config => "trusted_user",
            Self::Account => "the account gatepost",
            Self::Nobody => "nobody",
        })
    }
}

fn named(name: &str, origin: Origin, accounts: &dyn Accounts) -> Result<TrustedUser, TrustedUserError> {
    match accounts.user(name)? {
        Some(account) => Ok(known(account, origin)),
        None => Err(TrustedUserError::Unknown { name: name.to_owned(), origin }),
    }
}

fn known(account: Account, origin: Origin) -> TrustedUser {
    TrustedUser { account: Some(account).filter(|account| !account.uid.is_root()), origin }
}

const ACCOUNT: &str = "gatepost";

#[cfg(test)]
mod tests {
    use std::io;

    use safefile::{Account, Group, Kind, Uid};

    use super::{Files, Given, Origin, TrustedUserError, resolve};
    use crate::{Accounts, Config};

    /// A host where these users have the numbers from 100 on.
    struct Host(&'static [&'static str]);

    impl Accounts for Host {
        fn user(&self, name: &str) -> io::Result<Option<Account>> {
            if name == "root" {
                return Ok(Some(Account::root()));
            }
            let index = self.0.iter().position(|known| *known == name);
            Ok(index.map(|index| account(name, 100 + index)))
        }

        fn group(&self, _: &str) -> io::Result<Option<Group>> {
            Ok(None)
        }
    }

    /// A host that cannot answer.
    struct Broken;

    impl Accounts for Broken {
        fn user(&self, _: &str) -> io::Result<Option<Account>> {
            Err(io::ErrorKind::TimedOut.into())
        }

        fn group(&self, _: &str) -> io::Result<Option<Group>> {
            Err(io::ErrorKind::TimedOut.into())
        }
    }

    const ALL: Host = Host(&["flag", "cf", "toml", "gatepost"]);

    fn account(name: &str, uid: usize) -> Account {
        Account { uid: Uid(u32::try_from(uid).unwrap()), name: Some(name.to_owned()), group: None }
    }

    fn config(name: &str) -> Config {
        Config { trusted_user: ALL.user(name).unwrap(), ..Config::default() }
    }

    fn check(given: &Given<'_>, files: Files, host: &Host) -> (Option<u32>, Origin) {
        let found = resolve(given, files, host).unwrap();
        (found.account.map(|account| account.uid.0), found.origin)
    }

    #[test]
    fn the_first_that_says_anything_counts() {
        let toml = config("toml");
        let full =
            Given { flag: Some("flag"), sendmail_cf: Some(b"O TrustedUser=cf\n"), config: Some(&toml) };
        let no_flag = Given { flag: None, ..full };
        let silent_cf = Given { sendmail_cf: Some(b"O LogLevel=9\n"), ..no_flag };
        let rows = [
            (full, (Some(100), Origin::Flag), (Some(100), Origin::Flag)),
            (no_flag, (Some(101), Origin::SendmailCf), (Some(101), Origin::SendmailCf)),
            (silent_cf, (Some(102), Origin::Config), (None, Origin::Nobody)),
            (Given { sendmail_cf: None, ..no_flag }, (Some(102), Origin::Config), (None, Origin::Nobody)),
            (Given::default(), (Some(103), Origin::Account), (None, Origin::Nobody)),
        ];
        for (given, ours, sendmails) in rows {
            assert_eq!(check(&given, Files::Ours, &ALL), ours);
            assert_eq!(check(&given, Files::Sendmails, &ALL), sendmails, "sendmail does not know {ours:?}");
        }
        assert_eq!(check(&Given::default(), Files::Ours, &Host(&[])), (None, Origin::Nobody));
    }

    #[test]
    fn naming_root_is_naming_nobody_beside_root() {
        let root = Given { flag: Some("root"), ..Given::default() };
        assert_eq!(check(&root, Files::Ours, &ALL), (None, Origin::Flag), "and gatepost does not step in");
        let zero = Given { sendmail_cf: Some(b"O TrustedUser=0\n"), ..Given::default() };
        assert_eq!(check(&zero, Files::Ours, &ALL), (None, Origin::SendmailCf));
    }

    #[test]
    fn somebody_unknown_is_an_error_and_nobody_else_steps_in() {
        for (given, origin) in [
            (Given { flag: Some("nosuch"), ..Given::default() }, Origin::Flag),
            (Given { sendmail_cf: Some(b"O TrustedUser=cf \n"), ..Given::default() }, Origin::SendmailCf),
        ] {
            let error = resolve(&given, Files::Ours, &ALL).unwrap_err();
            assert!(matches!(error, TrustedUserError::Unknown { origin: found, .. } if found == origin));
        }
        let unasked = resolve(&Given::default(), Files::Ours, &Broken);
        assert!(matches!(unasked, Err(TrustedUserError::Failed(_))), "no answer is not the answer nobody");
    }

    #[test]
    fn trust_is_root_and_the_trusted_user() {
        let given = Given { flag: Some("flag"), ..Given::default() };
        let trust = resolve(&given, Files::Ours, &ALL).unwrap().trust();
        assert!(trust.may_own(Kind::Store, Uid(100)) && trust.may_own(Kind::Store, Uid::ROOT));
        assert!(!trust.may_own(Kind::Store, Uid(103)) && !trust.may_own(Kind::Configuration, Uid(100)));
    }
}
