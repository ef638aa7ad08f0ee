//! The places of Debian's exim4: its passwords for other servers, its users, its key. Exim's own configuration language is
//! not read.

use safefile::Kind;

use super::named::Contents;

/// Where exim4 keeps what matters here.
pub(crate) const PLACES: &[(&str, Kind, Contents)] = &[
    ("/etc/exim4/passwd.client", Kind::Secret, Contents::EximClient),
    ("/etc/exim4/passwd", Kind::Secret, Contents::EximPasswd),
    ("/etc/exim4/exim.key", Kind::PrivateKey, Contents::Opaque),
    ("/etc/exim4/exim.crt", Kind::Certificate, Contents::Opaque),
];

/// Whether a line holds a password: `host:login:password` of passwd.client, of which only the first two colons part, or
/// `user:crypted:password` of passwd, as exim-adduser(8) writes it.
pub(crate) fn holds_password(line: &[u8]) -> bool {
    line.splitn(3, |octet| *octet == b':').nth(2).is_some_and(|password| !password.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_with_a_password_count() {
        for (line, holds) in
            [("a:b:c", true), ("a:b:", false), ("a:b", false), ("*:b:c:d", true), ("", false)]
        {
            assert_eq!(holds_password(line.as_bytes()), holds, "{line:?}");
        }
    }
}
