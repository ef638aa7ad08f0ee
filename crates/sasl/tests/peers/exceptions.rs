//! Where a right password is not let in, and whose peculiarity that is. Each is seen to be as it is told here: who it is
//! told of is refused indeed.

use credential::password::{Prohibited, SaslprepError};
use credential::{Mechanism, Password, PasswordError, Secret, Username};

use crate::cases::{Case, prepared};
use crate::row::{Pair, Row};

/// Why somebody with the right password is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exception {
    OursPreparesNames,
    OursLooksAtTraces,
    CyrusDoesNotPrepare,
    CyrusTrimsNames,
    CyrusRefusesProxies,
    GsaslPrepares,
}

impl Exception {
    pub(crate) const ALL: [Self; 6] = [
        Self::OursPreparesNames,
        Self::OursLooksAtTraces,
        Self::CyrusDoesNotPrepare,
        Self::CyrusTrimsNames,
        Self::CyrusRefusesProxies,
        Self::GsaslPrepares,
    ];

    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::OursPreparesNames => "a name that RFC 4013 refuses is no name to our server",
            Self::OursLooksAtTraces => "a trace with a control character is none to our server (RFC 4505)",
            Self::CyrusDoesNotPrepare => {
                "Cyrus SASL hashes and compares octets, where we prepare (RFC 4013) what is hashed or looked up"
            }
            Self::CyrusTrimsNames => "Cyrus SASL takes white space off both ends of a name",
            Self::CyrusRefusesProxies => "the policy of the server lets nobody act for another",
            Self::GsaslPrepares => "GNU SASL ends an exchange with a name or password that RFC 4013 refuses",
        }
    }

    /// The one that applies to a login with the right password.
    pub(crate) fn of(pair: Pair, row: Row, case: &Case) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.applies(pair, row, case))
    }

    fn applies(self, pair: Pair, row: Row, case: &Case) -> bool {
        let is_user = row.mechanism != Mechanism::Anonymous;
        let is_looked_up = is_user && row.mechanism != Mechanism::External;
        let userid = case.userid();
        match self {
            Self::OursPreparesNames => is_user && !pair.is_ours_client() && case.identity().is_none(),
            Self::OursLooksAtTraces => {
                !is_user && !pair.is_ours_client() && case.name.contains(char::is_control)
            }
            Self::CyrusDoesNotPrepare => cyrus_sees_others(pair, row, case),
            Self::CyrusTrimsNames => is_looked_up && pair.is_cyrus() && trimmed(&userid) != userid,
            Self::CyrusRefusesProxies => {
                pair == Pair::ToCyrus
                    && row.has_authorization()
                    && case.authorization().is_some_and(|whom| whom != userid)
                    && case.proxy() != Some(true)
            }
            Self::GsaslPrepares => gsasl_refuses(pair, row, case),
        }
    }
}

/// Whether one side prepares what the other takes as it stands, and that makes a difference.
fn cyrus_sees_others(pair: Pair, row: Row, case: &Case) -> bool {
    let other_password = row.hashes() && prepared(&case.password) != case.password;
    let userid = case.userid();
    let other_name = Username::prepare(&userid).is_ok_and(|name| name.as_str() != userid);
    match pair {
        Pair::ToCyrus => other_password || row.is_scram() && other_name,
        Pair::FromCyrus => other_password,
        _ => false,
    }
}

/// It prepares a name with its realm as one text. Of CRAM-MD5 its server lets passwords be younger than Unicode 3.2.
fn gsasl_refuses(pair: Pair, row: Row, case: &Case) -> bool {
    let name = Username::prepare(&case.userid()).is_err();
    let password = Password::prepare(&Secret::copy_of(&case.password)).err();
    match (pair, row.mechanism) {
        (Pair::ToGsasl, Mechanism::CramMd5) => password.is_some_and(|error| !is_too_young(&error)),
        (Pair::ToGsasl, Mechanism::Plain) | (Pair::FromGsasl, Mechanism::CramMd5) => {
            name || password.is_some()
        }
        (Pair::ToGsasl | Pair::FromGsasl, _) => row.is_scram() && (name || password.is_some()),
        _ => false,
    }
}

fn is_too_young(error: &PasswordError) -> bool {
    let PasswordError::Refused(SaslprepError::Character { why, .. }) = error else { return false };
    *why == Prohibited::Unassigned
}

/// As `isspace` of the C library has it.
pub(crate) fn trimmed(name: &str) -> &str {
    name.trim_matches(|sign| matches!(sign, ' ' | '\t'..='\r'))
}
