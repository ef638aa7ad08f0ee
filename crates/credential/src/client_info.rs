//! The passwords used at other servers: an `AuthInfo:` entry of sendmail, understood.
//!
//! Which entry serves a host, and how it is used in an exchange, is not decided here.

use crate::secret::Secret;

mod text;

pub use text::{ClientInfoError, Fault};

/// One entry: who to be at another server, and how. Names are octets, as other programs compare them.
#[derive(Debug)]
pub struct ClientInfo {
    /// `U:` the user (authorization) id; where it is missing, `I:` serves. Empty when written so.
    pub user: Vec<u8>,
    /// `I:` the authentication id; where it is missing, `U:` serves.
    pub authentication: Vec<u8>,
    /// `P:` the password.
    pub password: Secret,
    /// `R:` the realm; `None`: the name of the own host.
    pub realm: Option<Vec<u8>>,
    /// `M:` mechanisms with blanks between; `None`: those of the configuration.
    pub mechanisms: Option<Vec<u8>>,
}

impl ClientInfo {
    /// The longest value that is read, in octets: sendmail's own lines end at 2048, and base64 of the longest
    /// password has to fit.
    pub const MAX_VALUE: usize = 8192;

    /// Reads the value of an entry: tokens `"TDstring"` with blanks between, T one of `U I P R M` in either
    /// case, D `:` for literal text or `=` for padded base64. `%%` in literal text is one `%`. A tag given twice
    /// counts as given last; what follows the last token and does not begin with `"` is ignored, as is a CR at
    /// the end. `P` is needed, and one of `U` and `I`.
    pub fn parse(value: &[u8]) -> Result<Self, ClientInfoError> {
        text::parse(value)
    }
}

/// Whether a key is one of client-info entries: it begins with `AuthInfo:`, in either case.
pub fn is_authinfo_key(key: &[u8]) -> bool {
    key.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

/// Whether a map entry holds a secret: its key is an `AuthInfo:` key, or its value has a `"P:` or `"P=`
/// token; or the key has one, where another separator than was meant made it a part of the key.
pub fn holds_secret(key: &[u8], value: &[u8]) -> bool {
    is_authinfo_key(key) || password_token(value).is_some() || password_token(key).is_some()
}

/// Where the first `"P:` or `"P=` token begins, the tag in either case.
pub fn password_token(octets: &[u8]) -> Option<usize> {
    // Most entries have no quotation mark at all, which is quickly seen.
    if !octets.contains(&b'"') {
        return None;
    }
    octets.windows(3).position(|start| matches!(start, [b'"', b'P' | b'p', b':' | b'=']))
}

const PREFIX: &[u8] = b"AuthInfo:";

#[cfg(test)]
mod tests;
