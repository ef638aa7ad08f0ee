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
