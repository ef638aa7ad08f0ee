//! `user:password` text, one user per line.
//!
//! The user id may hold a realm (`user@realm`, split at the first `@`); the password is everything behind the first
//! colon, blanks and further colons included, in clear. Blank lines and lines that begin with `#` are skipped; a line
//! ends with LF or CRLF.

use std::io::Read;

use credential::{Realm, Secret};

use crate::secrets::import::{ImportFault, ImportedUser, Material, Reason, from_lines, identity};

/// Reads the users of a text. A user id without `@` is one of `default_realm`.
pub fn read(
    input: impl Read,
    default_realm: Realm,
) -> impl Iterator<Item = Result<ImportedUser, ImportFault>> {
    from_lines(input, move |line| {
        let colon = line
            .iter()
            .position(|&octet| octet == b':')
            .ok_or_else(|| Reason::Malformed("there is no colon between user and password".to_owned()))?;
        let identity = identity(&line[..colon], &default_realm)?;
        Ok((identity, Material::Clear(Secret::copy_of(&line[colon + 1..]))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::import::At;

    /// Line, user, password.
    type Read = (u64, String, Vec<u8>);

    fn users(text: &[u8]) -> Vec<Result<Read, ImportFault>> {
        read(text, Realm::prepare("default.example").unwrap())
            .map(|user| {
                user.map(|user| {
                    let At::Line(line) = user.at else { panic!("{:?}", user.at) };
                    let Material::Clear(secret) = user.material else { panic!("{:?}", user.material) };
                    (line, user.identity.to_string(), secret.expose().to_vec())
                })
            })
            .collect()
    }

    #[test]
    fn passwords_are_taken_to_the_end_of_the_line() {
        let text = b"# users\n\nalice:secret\nbob@Example.ORG: a:b \r\ncarol@:x\n@r:y\n";
        let wanted = [
            (3, "alice@default.example", &b"secret"[..]),
            (4, "bob@Example.ORG", b" a:b "),
            (5, "carol@", b"x"),
            (6, "@r", b"y"),
        ];
        let found: Vec<_> = users(text).into_iter().map(Result::unwrap).collect();
        assert_eq!(found, wanted.map(|(line, user, secret)| (line, user.to_owned(), secret.to_vec())));
    }

    #[test]
    fn faults_name_their_line() {
        let found = users(b"alice\nb\xffb:x\nc\x07:x\ndave:x\n");
        let lines: Vec<_> =
            found.iter().map(|user| user.as_ref().err().map(|fault| fault.at.clone())).collect();
        assert_eq!(lines, [Some(At::Line(1)), Some(At::Line(2)), Some(At::Line(3)), None]);
        assert!(matches!(found[1], Err(ImportFault { reason: Reason::Name(_), .. })));
    }
}
