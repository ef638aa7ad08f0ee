//! Which files hold passwords in clear text, and how many. A pure function of the octets; what is read is counted and
//! never shown.

use credential::client_info;
use mapfile::{Limits, MapReader};

use super::named::{Bare, Contents};
use super::{dovecot, exim, postfix, sendmail_conf};

/// What a look into a file found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClearText {
    /// No password in clear text.
    None,
    /// So many passwords that whoever reads the file can use.
    Holds(usize),
    /// The file could not be looked into; files of its sort hold passwords in clear text.
    Unread(&'static str),
    /// The file says that it is one thing and is another, or is damaged.
    Damaged(&'static str),
}

/// Looks into a file of which it is known what it should hold.
pub(crate) fn look(contents: Contents, octets: &[u8]) -> ClearText {
    match contents {
        Contents::Opaque => ClearText::None,
        Contents::PostfixMain => counted(postfix::Main::read(&String::from_utf8_lossy(octets)).clear_text()),
        Contents::SaslConfiguration => {
            counted(sendmail_conf::clear_text(&sendmail_conf::read(&String::from_utf8_lossy(octets)).0))
        }
        Contents::PasswdFile { bare } => {
            counted(lines(octets).filter(|line| passwd_line(line, bare)).count())
        }
        Contents::EximClient | Contents::EximPasswd => {
            counted(lines(octets).filter(|line| exim::holds_password(line)).count())
        }
        Contents::PostfixDatabase => counted(postfix::database_passwords(&String::from_utf8_lossy(octets))),
        Contents::Dovecot => counted(dovecot::read(&String::from_utf8_lossy(octets)).clear_text),
        Contents::DefaultAuthInfo => default_auth_info(octets),
        Contents::AuthInfo | Contents::PostfixPasswords | Contents::Sasldb => built_or_text(contents, octets),
    }
}

fn counted(count: usize) -> ClearText {
    if count == 0 { ClearText::None } else { ClearText::Holds(count) }
}

fn built_or_text(contents: Contents, octets: &[u8]) -> ClearText {
    match mapfile::detect(octets) {
        Some(detected) if detected.format().is_some() => built(contents, octets),
        Some(_) => ClearText::Unread("its format is not read"),
        None if contents == Contents::Sasldb => ClearText::Damaged("it is no database of a known format"),
        None => counted(lines(octets).filter(|line| text_line(contents, line)).count()),
    }
}

/// A map that ends in the middle is counted as far as it can be read, and said to be damaged when nothing was found.
fn built(contents: Contents, octets: &[u8]) -> ClearText {
    let Ok(map) = mapfile::open(octets, Limits::default()) else { return ClearText::Damaged(DAMAGED) };
    let (count, whole) = count_records(contents, &*map);
    if count == 0 && !whole { ClearText::Damaged(DAMAGED) } else { counted(count) }
}

fn count_records(contents: Contents, map: &(dyn MapReader + '_)) -> (usize, bool) {
    let mut count = 0;
    for record in map.records() {
        let Ok(record) = record else { return (count, false) };
        let value = zeroize::Zeroizing::new(record.value);
        count += usize::from(holds(contents, &record.key, &value));
    }
    (count, true)
}

fn holds(contents: Contents, key: &[u8], value: &[u8]) -> bool {
    match contents {
        Contents::Sasldb => is_user_password(key) && !value.is_empty(),
        // The value alone: an entry of an `AuthInfo:` key need not hold a password.
        Contents::AuthInfo => client_info::holds_secret(b"", value),
        _ => user_and_password(value),
    }
}

/// `user NUL realm NUL userPassword`; SASLv1 keeps the password itself nowhere.
fn is_user_password(key: &[u8]) -> bool {
    key.split(|octet| *octet == 0).nth(2) == Some(b"userPassword")
}

fn text_line(contents: Contents, line: &[u8]) -> bool {
    let (key, value) = key_and_value(line);
    holds(contents, key, value)
}

/// Postfix: `user:password`.
fn user_and_password(value: &[u8]) -> bool {
    let mut parts = value.splitn(2, |octet| *octet == b':');
    parts.next().is_some_and(|user| !user.is_empty())
        && parts.next().is_some_and(|password| !password.is_empty())
}

fn key_and_value(line: &[u8]) -> (&[u8], &[u8]) {
    let at = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
    let (key, rest) = line.split_at(at);
    (key, rest.trim_ascii())
}

/// The third line that is no comment is the password, empty or not.
fn default_auth_info(octets: &[u8]) -> ClearText {
    let entries = lines(octets).filter(|line| text_line(Contents::AuthInfo, line)).count();
    if entries > 0 {
        return counted(entries);
    }
    let written = octets.split(|octet| *octet == b'\n').filter(|line| !line.starts_with(b"#"));
    counted(usize::from(written.take(3).nth(2).is_some_and(|password| !password.is_empty())))
}

/// `user:{SCHEME}password:...`.
fn passwd_line(line: &[u8], bare: Bare) -> bool {
    let Some(field) = line.split(|octet| *octet == b':').nth(1) else { return false };
    let Some(braced) = field.strip_prefix(b"{") else { return bare == Bare::Clear && !field.is_empty() };
    let mut parts = braced.splitn(2, |octet| *octet == b'}');
    let scheme = parts.next().unwrap_or_default();
    parts.next().is_some_and(|password| !password.is_empty())
        && dovecot::is_clear_scheme(&String::from_utf8_lossy(scheme))
}

/// Lines that are neither empty nor comments.
fn lines(octets: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = octets.split(|octet| *octet == b'\n').map(<[u8]>::trim_ascii);
    lines.filter(|line| !line.is_empty() && !line.starts_with(b"#"))
}

const DAMAGED: &str = "it cannot be read as a map";

#[cfg(test)]
mod tests {
    use super::*;

    const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/maps/");

    #[allow(clippy::disallowed_methods, reason = "a fixture of ours")]
    fn fixture(name: &str) -> Vec<u8> {
        std::fs::read(format!("{FIXTURES}{name}")).unwrap()
    }

    #[test]
    fn files_of_real_tools_are_counted() {
        for (name, contents, found) in [
            ("sasldb2.db", Contents::Sasldb, ClearText::Holds(SASLDB2_USERS)),
            ("sasldb2-emptied.db", Contents::Sasldb, ClearText::None),
            ("sasldb2.gdbm", Contents::Sasldb, ClearText::Holds(SASLDB2_USERS)),
            ("sasldb2-32.gdbm", Contents::Sasldb, ClearText::Holds(SASLDB2_USERS)),
            ("authinfo", Contents::AuthInfo, ClearText::Holds(7)),
            ("authinfo.db", Contents::AuthInfo, ClearText::Holds(7)),
            ("access", Contents::AuthInfo, ClearText::None),
            ("access.db", Contents::AuthInfo, ClearText::None),
            ("authinfo", Contents::DefaultAuthInfo, ClearText::Holds(7)),
            ("transport", Contents::Sasldb, ClearText::Damaged("it is no database of a known format")),
        ] {
            assert_eq!(look(contents, &fixture(name)), found, "{name} as {contents:?}");
        }
    }

    #[test]
    fn a_sasldb_in_lmdb_is_counted() {
        assert_eq!(look(Contents::Sasldb, &fixture("sasldb2.lmdb")), ClearText::Holds(SASLDB2_USERS));
    }

    #[test]
    fn a_truncated_map_is_damaged_and_no_panic() {
        let whole = fixture("authinfo.db");
        for length in [0, 12, 100, 4096, 5000] {
            let found = look(Contents::AuthInfo, &whole[..length]);
            assert!(!matches!(found, ClearText::Holds(count) if count > 7), "{length}: {found:?}");
        }
        assert_eq!(look(Contents::AuthInfo, &whole[..4096]), ClearText::Damaged(DAMAGED));
    }

    #[test]
    fn texts_are_counted_line_by_line() {
        let hashed = Contents::PasswdFile { bare: Bare::Hashed };
        let clear = Contents::PasswdFile { bare: Bare::Clear };
        for (contents, text, count) in [
            (Contents::PostfixPasswords, "[mail.isp]:587 alice:s3cret\n# x y:z\nhost bob\nhost carol:\n", 1),
            (Contents::PostfixPasswords, "host\tuser:pass word\n", 1),
            (Contents::AuthInfo, "AuthInfo:host \"U:a\" \"P:b\"\nhost RELAY\nAuthInfo:x \"U:a\"\n", 1),
            (Contents::AuthInfo, "AUTHINFO:host \"P=c2VjcmV0\"\n", 1),
            (Contents::DefaultAuthInfo, "user\nuser\nsecret\n", 1),
            (Contents::DefaultAuthInfo, "# x\nuser\nuser\n\n", 0),
            (Contents::DefaultAuthInfo, "user\nuser\n", 0),
            (hashed, "alice:{PLAIN}secret\nbob:{SHA512-CRYPT}$6$x$y\ncarol:$6$x$y::\n#d:{PLAIN}x\n", 1),
            (hashed, "alice:{plain.b64}c2VjcmV0\nbob:{PLAIN}\n", 1),
            (clear, "alice:secret\nbob:{SSHA}xx\ncarol:\n", 1),
            (Contents::EximClient, "mail.isp:login:secret\n### a:b:c\n", 1),
            (Contents::EximPasswd, "alice:$1$x$y:secret\nbob:$1$x$y:\ncarol:$1$x$y\n# d:e:f\n", 1),
            (Contents::PostfixDatabase, "hosts = x\npassword = s3cret\n#bind_pw = y\nbind_pw =\n", 1),
            (Contents::PostfixDatabase, "bind = yes\nbind_pw\n  = s3cret\npassword_expansion = x\n", 1),
            (Contents::SaslConfiguration, "sql_passwd: x\nmech_list: PLAIN\n", 1),
            (Contents::PostfixMain, "smtp_sasl_password_maps = static:user:secret\n", 1),
            (Contents::Dovecot, "connect = host=x password=y\ndnpass = z\n", 2),
            (Contents::Opaque, "secret", 0),
        ] {
            assert_eq!(look(contents, text.as_bytes()), counted(count), "{text:?}");
        }
    }

    const SASLDB2_USERS: usize = 20;
}
