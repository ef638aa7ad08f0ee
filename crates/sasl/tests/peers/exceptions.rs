//! Where a right password is not let in, and whose peculiarity that is. Each is seen to be as it is told here: who it is
//! told of is refused indeed.

use credential::password::{Prohibited, SaslprepError};
use credential::{Mechanism, Password, PasswordError, Secret, Username};

use crate::cases::{Case, Home, prepared};
use crate::row::{Pair, Row};

/// Why somebody with the right password is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exception {
    OursPreparesNames,
    OursLooksAtTraces,
    CyrusDoesNotPrepare,
    CyrusTrimsNames,
    CyrusRefusesProxies,
    OursNeedsClearText,
    OursTakesARealmOfThem,
    CyrusNeedsARealm,
    GsaslLosesBlanks,
    GsaslQuotesNothing,
    GsaslConvertsPasswordsAlone,
    GsaslDoesNotPrepare,
    GsaslPrepares,
}

impl Exception {
    pub(crate) const ALL: [Self; 13] = [
        Self::OursPreparesNames,
        Self::OursLooksAtTraces,
        Self::CyrusDoesNotPrepare,
        Self::CyrusTrimsNames,
        Self::CyrusRefusesProxies,
        Self::OursNeedsClearText,
        Self::OursTakesARealmOfThem,
        Self::CyrusNeedsARealm,
        Self::GsaslLosesBlanks,
        Self::GsaslQuotesNothing,
        Self::GsaslConvertsPasswordsAlone,
        Self::GsaslDoesNotPrepare,
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
            Self::OursNeedsClearText => {
                "DIGEST-MD5 hashes a name and realm as they are sent, and a store of hashes has them as they are prepared, \
                 each in its place: our server would need clear text"
            }
            Self::OursTakesARealmOfThem => {
                "our client takes no realm of DIGEST-MD5 that the server does not offer, where it offers one"
            }
            Self::CyrusNeedsARealm => "a server of Cyrus SASL with an empty realm has no DIGEST-MD5",
            Self::GsaslLosesBlanks => "GNU SASL loses the blanks that a name of DIGEST-MD5 begins with",
            Self::GsaslQuotesNothing => {
                "GNU SASL quotes nothing within quotes of DIGEST-MD5, and does not read what others quote"
            }
            Self::GsaslConvertsPasswordsAlone => {
                "GNU SASL hashes passwords in ISO-8859-1 and names in UTF-8, where DIGEST-MD5 wants both alike"
            }
            Self::GsaslDoesNotPrepare => "GNU SASL hashes octets for DIGEST-MD5, where we prepare",
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
            Self::OursNeedsClearText => row.is_digest() && !pair.is_ours_client() && hashes_other_names(case),
            Self::OursTakesARealmOfThem => {
                row.is_digest() && pair.is_ours_client() && is_not_offered(pair, case)
            }
            Self::CyrusNeedsARealm => row.is_digest() && pair == Pair::ToCyrus && case.home == Home::Empty,
            Self::GsaslLosesBlanks => row.is_digest() && pair == Pair::ToGsasl && case.name.starts_with(' '),
            Self::GsaslQuotesNothing => row.is_digest() && !pair.is_cyrus() && needs_quotes(case),
            Self::GsaslConvertsPasswordsAlone => {
                row.is_digest() && !pair.is_cyrus() && is_hashed_otherwise(pair, case)
            }
            Self::GsaslDoesNotPrepare => {
                row.is_digest() && !pair.is_cyrus() && prepared(&case.password) != case.password
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
        Pair::ToCyrus => other_password || row.is_mutual() && other_name,
        Pair::FromCyrus => other_password,
        _ => false,
    }
}

/// Whether the client hashes another name or realm than our verifier was made of.
fn hashes_other_names(case: &Case) -> bool {
    let other_name = case.identity().is_some_and(|identity| identity.user.as_str() != case.name);
    other_name || case.named.is_some() || case.beside == Some("") && case.home != Home::Empty
}

/// A server of Cyrus SASL offers a single realm, one of GNU SASL none where it was told none.
fn is_not_offered(pair: Pair, case: &Case) -> bool {
    let offered = if pair.is_cyrus() { Some(case.home.realm()) } else { case.home.told() };
    let offered = offered.filter(|realm| pair.is_cyrus() || !realm.is_empty());
    case.beside.is_some_and(|wanted| offered.is_some_and(|offered| offered != wanted))
}

fn needs_quotes(case: &Case) -> bool {
    let needs = |text: &str| text.contains(['"', '\\']);
    needs(&case.name)
}

/// Of a name beyond ASCII that fits into ISO-8859-1 our client hashes that form; our server knows both forms, not a mix.
fn is_hashed_otherwise(pair: Pair, case: &Case) -> bool {
    let fits = |text: &str| !text.is_ascii() && text.chars().all(|sign| u8::try_from(sign).is_ok());
    let password = std::str::from_utf8(&case.password).is_ok_and(fits);
    fits(&case.name) && (pair.is_ours_client() || password)
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
