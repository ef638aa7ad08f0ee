//! Words of which one is chosen, or several.

use std::fmt;
use std::str::FromStr;

use crate::words::{MapName, WordError};

/// A word of a small table; anything else names the table.
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident, $what:literal, { $($(#[$each:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$each])* $variant),+
        }

        impl $name {
            /// Every one, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its word.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }

        impl FromStr for $name {
            type Err = ChoiceError;

            fn from_str(text: &str) -> Result<Self, ChoiceError> {
                let known = Self::ALL.iter().copied().find(|choice| choice.word().eq_ignore_ascii_case(text));
                known.ok_or_else(|| ChoiceError {
                    what: $what,
                    known: Self::ALL.iter().map(|choice| choice.word()).collect::<Vec<_>>().join(", "),
                    word: text.to_owned(),
                })
            }
        }
    };
}

choice! {
    /// `log_format`.
    LogFormat, "format of the log", {
        /// Lines for people.
        Text = "text",
        /// An object on each line.
        Json = "json",
    }
}

choice! {
    /// `listen.bare_line_ends`: what becomes of a CR or LF that stands alone, which mail is smuggled with.
    BareLineEnds, "way with bare line ends", {
        /// The session ends.
        Refuse = "refuse",
        /// LF becomes CRLF, CR a blank; a message still ends at CRLF.CRLF only.
        Normalise = "normalise",
    }
}

choice! {
    /// A cipher of DIGEST-MD5's security layer (RFC 2831, section 2.4), the strongest first.
    DigestCipher, "cipher of DIGEST-MD5", {
        /// DES three times, with two keys.
        TripleDes = "3des",
        /// RC4 with 128 bits.
        Rc4 = "rc4",
        /// DES.
        Des = "des",
        /// RC4 with 56 bits.
        Rc4With56 = "rc4-56",
        /// RC4 with 40 bits.
        Rc4With40 = "rc4-40",
    }
}

/// `submission.senders`: which addresses somebody who has logged in may send from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Senders {
    /// `any`, as in sendmail.
    #[default]
    Any,
    /// `own`: the one that is spelled as the identity, `user@realm`.
    Own,
    /// A map from an address to the identities that may send from it, as Postfix's smtpd_sender_login_maps.
    Map(MapName),
}

/// A word that is none of the table's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} (known: {known}): {word:?}")]
pub struct ChoiceError {
    what: &'static str,
    known: String,
    word: String,
}

impl DigestCipher {
    /// Whether it can be broken today.
    pub fn is_weak(self) -> bool {
        self != Self::TripleDes
    }
}

impl FromStr for Senders {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        match text {
            "any" => Ok(Self::Any),
            "own" => Ok(Self::Own),
            _ if text.contains(['/', ':']) => text.parse().map(Self::Map),
            _ => Err(WordError::Senders(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BareLineEnds, DigestCipher, LogFormat, Senders};

    #[test]
    fn every_word_means_itself() {
        for cipher in DigestCipher::ALL {
            assert_eq!(cipher.to_string().parse(), Ok(*cipher));
        }
        assert_eq!("JSON".parse(), Ok(LogFormat::Json));
        assert_eq!("normalise".parse(), Ok(BareLineEnds::Normalise));
        let error = "xml".parse::<LogFormat>().unwrap_err();
        assert_eq!(error.to_string(), "unknown format of the log (known: text, json): \"xml\"");
    }

    #[test]
    fn senders_are_a_word_or_a_map() {
        assert_eq!("any".parse(), Ok(Senders::Any));
        assert_eq!("own".parse(), Ok(Senders::Own));
        assert!(matches!("hash:/etc/mail/senders".parse(), Ok(Senders::Map(_))));
        assert!(matches!("/etc/mail/senders.db".parse(), Ok(Senders::Map(_))));
        for wrong in ["", "none", "hash:senders", "dbm:/x"] {
            assert!(wrong.parse::<Senders>().is_err(), "{wrong}");
        }
    }
}
