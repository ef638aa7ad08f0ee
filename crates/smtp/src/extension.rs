//! The extensions of SMTP that EHLO lists, each as one line of the reply (RFC 5321 section 4.1.1.1).
//!
//! Not here: which of them are offered now; that is the server's policy.

use std::fmt;

/// One extension, with what its line says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Extension {
    /// RFC 2034.
    EnhancedStatusCodes,
    /// RFC 2920.
    Pipelining,
    /// RFC 6152.
    EightBitMime,
    /// RFC 1870; without a number no limit is told.
    Size(Option<u64>),
    /// RFC 1985.
    Etrn,
    /// RFC 4954: the mechanisms.
    Auth(Vec<String>),
    /// `AUTH=` in place of `AUTH `, as clients of Netscape's time looked for it. Never standardised.
    AuthEquals(Vec<String>),
    /// RFC 3207.
    StartTls,
    /// The HELP command, which RFC 5321 section 4.1.1.1 lets a server list.
    Help,
}

impl fmt::Display for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EnhancedStatusCodes => f.write_str("ENHANCEDSTATUSCODES"),
            Self::Pipelining => f.write_str("PIPELINING"),
            Self::EightBitMime => f.write_str("8BITMIME"),
            Self::Size(None) => f.write_str("SIZE"),
            Self::Size(Some(most)) => write!(f, "SIZE {most}"),
            Self::Etrn => f.write_str("ETRN"),
            Self::Auth(mechanisms) => write!(f, "AUTH {}", mechanisms.join(" ")),
            Self::AuthEquals(mechanisms) => write!(f, "AUTH={}", mechanisms.join(" ")),
            Self::StartTls => f.write_str("STARTTLS"),
            Self::Help => f.write_str("HELP"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_ehlo_lists_them() {
        let mechanisms = || vec!["CRAM-MD5".to_owned(), "PLAIN".to_owned()];
        for (extension, line) in [
            (Extension::Size(None), "SIZE"),
            (Extension::Size(Some(10_000)), "SIZE 10000"),
            (Extension::Auth(mechanisms()), "AUTH CRAM-MD5 PLAIN"),
            (Extension::AuthEquals(mechanisms()), "AUTH=CRAM-MD5 PLAIN"),
        ] {
            assert_eq!(extension.to_string(), line);
        }
    }
}
