//! Entries as they are shown: a key in a message, an entry as an object for another program.

use std::borrow::Cow;

use cli::printable;
use credential::client_info;
use serde::{Serialize, Serializer};

/// A key for a message.
pub(crate) fn key(key: &[u8]) -> String {
    printable::octets(&without_password(key)).to_string()
}

/// With another separator than was meant the key is the whole line; what is shown of it then ends where the password
/// begins.
pub(crate) fn without_password(key: &[u8]) -> Cow<'_, [u8]> {
    match client_info::password_token(key) {
        Some(start) => [&key[..start], b"(secret)"].concat().into(),
        None => key.into(),
    }
}

/// `{"key": .., "value": ..}`, with what is no text escaped as in messages.
#[derive(Serialize)]
pub(crate) struct Object<'a> {
    #[serde(serialize_with = "printed")]
    pub(crate) key: &'a [u8],
    #[serde(serialize_with = "printed")]
    pub(crate) value: &'a [u8],
}

/// Without a copy: a value may be a password.
fn printed<S: Serializer>(octets: &&[u8], to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&printable::octets(*octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_shows_a_password() {
        for (octets, shown) in [
            (&b"host.example"[..], "host.example"),
            (b"a\x1b", "a\\x1b"),
            (br#"authinfo:h "u:a" "p:hunter2""#, r#"authinfo:h "u:a" (secret)"#),
            (br#"h "P=aHVudGVyMg==" "U:a""#, "h (secret)"),
        ] {
            assert_eq!(key(octets), shown);
        }
    }

    #[test]
    fn an_object_holds_any_octets() {
        let object = Object { key: b"k\"\\", value: b"\xff\t" };
        let line = serde_json::to_string(&object).unwrap();
        assert_eq!(line, r#"{"key":"k\"\\\\","value":"\\xff\\t"}"#);
    }
}
