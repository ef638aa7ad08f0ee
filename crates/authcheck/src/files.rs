//! `authcheck files`: any path. What a file is (a secret, a map, ...) is said by `--kind` or told from the file itself, and
//! in doubt it is a secret, the strictest kind that has a file.

use std::path::Path;

use credential::client_info;
use safefile::{FileType, Kind, Trust};

use crate::context::Context;
use crate::discover::{Bare, ClearText, Contents, look};
use crate::judged::Judged;

/// Audits one path.
pub(crate) fn audit(path: &Path, kind: Option<Kind>, context: &Context) -> Judged {
    let spelling = context.spelling(path);
    let trust = context.trust(&spelling);
    let (kind, why) = match (kind, context.config.kind_of(&spelling)) {
        (Some(kind), _) => (kind, "--kind"),
        (None, Some(kind)) => (kind, "named by gatepost.toml"),
        (None, None) => guess(path, &trust),
    };
    Judged::new(safefile::audit(path, kind, &trust)).named_by([format!("as {kind}: {why}")])
}

/// What a file looks like, and by what that is told.
fn guess(path: &Path, trust: &Trust) -> (Kind, &'static str) {
    let seen = safefile::audit(path, Kind::Secret, trust);
    match seen.last().map(|last| last.facts.file_type) {
        Some(FileType::Directory) => (Kind::SecretDirectory, "it is a directory"),
        Some(FileType::Regular) => {
            match safefile::open_unsafe_for_audit(path, Kind::Secret, trust, LOOK_LIMIT) {
                Ok(file) => {
                    let octets = file.contents.map(credential::Secret::new);
                    guess_file(path, octets.as_ref().map_or(&[], |octets| octets.expose()))
                }
                Err(_) => UNKNOWN,
            }
        }
        _ => UNKNOWN,
    }
}

/// By the contents first, since a name is easily wrong; pure.
fn guess_file(path: &Path, octets: &[u8]) -> (Kind, &'static str) {
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let holds = |contents| matches!(look(contents, octets), ClearText::Holds(_) | ClearText::Unread(_));
    let has = |text: &[u8]| octets.windows(text.len()).any(|window| window == text);
    if octets.starts_with(b"\x7fELF") {
        // Before the keys: a program that reads keys has their first lines in it.
        (Kind::Program, "it is a program")
    } else if has(b"PRIVATE KEY-----") {
        (Kind::PrivateKey, "a private key is in it")
    } else if has(b"-----BEGIN CERTIFICATE-----") || has(b"-----BEGIN TRUSTED CERTIFICATE-----") {
        (Kind::Certificate, "a certificate is in it")
    } else if octets.starts_with(b"#!") {
        (Kind::Program, "it is a program")
    } else if octets.starts_with(REDB) {
        redb(&name, octets, &has)
    } else if mapfile::detect(octets).is_some() {
        let is_damaged = matches!(look(Contents::AuthInfo, octets), ClearText::Damaged(_));
        if is_damaged { UNKNOWN } else { built_map(&name, &holds) }
    } else if CLEAR_TEXTS.into_iter().any(holds) {
        (Kind::Secret, "passwords are in it")
    } else {
        by_name(&name)
    }
}

/// A redb file by what stands in its pages: a store of users, or a map of ours. Neither is opened for it, since it may be
/// unsafe.
fn redb(name: &str, octets: &[u8], has: &dyn Fn(&[u8]) -> bool) -> (Kind, &'static str) {
    if name == "secrets.redb" || has(STORE_MARK) {
        (Kind::Store, "it is a store of users")
    } else if is_named_for_passwords(name) {
        (Kind::Secret, "it is named for passwords")
    } else if has_client_info(octets) {
        (Kind::Secret, "passwords are in it")
    } else if has(MAP_MARK) {
        (Kind::Map, "it is a map without passwords")
    } else {
        UNKNOWN
    }
}

fn has_client_info(octets: &[u8]) -> bool {
    let is_key = |window: &[u8]| window.eq_ignore_ascii_case(AUTHINFO);
    client_info::holds_secret(b"", octets) || octets.windows(AUTHINFO.len()).any(is_key)
}

/// Postfix keeps `user:password` in a map, which looks no other than `smtp:host` in another one.
fn is_named_for_passwords(name: &str) -> bool {
    ["passw", "secret", "sasldb"].iter().any(|part| name.contains(part))
}

/// A map by what is in it.
fn built_map(name: &str, holds: &dyn Fn(Contents) -> bool) -> (Kind, &'static str) {
    if is_named_for_passwords(name) {
        (Kind::Secret, "it is named for passwords")
    } else if [Contents::Sasldb, Contents::AuthInfo].into_iter().any(holds) {
        (Kind::Secret, "passwords are in it")
    } else {
        (Kind::Map, "it is a map without passwords")
    }
}

fn by_name(name: &str) -> (Kind, &'static str) {
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    if ends(&[".cf", ".conf", ".toml"]) {
        (Kind::Configuration, "by its name")
    } else if MAP_TEXTS.contains(&name) {
        (Kind::Map, "by its name")
    } else {
        UNKNOWN
    }
}

const UNKNOWN: (Kind, &str) = (Kind::Secret, "nothing says that it is less");

/// The first octets of every redb file.
const REDB: &[u8] = b"redb\x1a\x0a\xa9\x0d\x0a";

/// The key of the header of every store of users, and the first octets of that of every redb map.
const STORE_MARK: &[u8] = b"gatepost secrets";
const MAP_MARK: &[u8] = b"{\"format\":";
/// What keys begin with whose values are passwords for other servers.
const AUTHINFO: &[u8] = b"authinfo:";

/// Forms in which clear text is told from other text without knowing what the file is for.
const CLEAR_TEXTS: [Contents; 3] =
    [Contents::AuthInfo, Contents::PasswdFile { bare: Bare::Hashed }, Contents::SaslConfiguration];

/// Texts of maps that hold no passwords; none was found in them, either.
const MAP_TEXTS: &[&str] = &[
    "access",
    "aliases",
    "mailertable",
    "virtusertable",
    "genericstable",
    "domaintable",
    "transport",
    "virtual",
];

/// What is longer is taken for a secret.
const LOOK_LIMIT: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_is_in_it_before_what_it_is_called() {
        for (name, octets, kind) in [
            ("/x/server.pem", &b"-----BEGIN EC PRIVATE KEY-----\n"[..], Kind::PrivateKey),
            ("/x/chain.pem", b"-----BEGIN CERTIFICATE-----\n", Kind::Certificate),
            ("/x/both", b"-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n", Kind::PrivateKey),
            ("/x/libx.so", b"\x7fELF\x02", Kind::Program),
            ("/usr/bin/ssh", b"\x7fELF\x02-----BEGIN PRIVATE KEY-----", Kind::Program),
            ("/x/script", b"#!/bin/sh\n", Kind::Program),
            ("/x/secrets.redb", b"redb\x1a\x0a\xa9\x0d\x0a\x00", Kind::Store),
            ("/x/users.redb", b"redb\x1a\x0a\xa9\x0d\x0a\x00gatepost secrets", Kind::Store),
            ("/x/access.redb", b"redb\x1a\x0a\xa9\x0d\x0a\x00header{\"format\":1}", Kind::Map),
            ("/x/info.redb", b"redb\x1a\x0a\xa9\x0d\x0a\x00header{\"format\":1}authinfo:x", Kind::Secret),
            ("/x/info.redb", b"redb\x1a\x0a\xa9\x0d\x0a\x00header{\"format\":1}x\"P=Yg==\"", Kind::Secret),
            ("/x/sasl_passwd.redb", b"redb\x1a\x0a\xa9\x0d\x0a\x00header{\"format\":1}x", Kind::Secret),
            ("/x/access.redb", b"redb\x1a\x0a\xa9\x0d\x0a\x00", Kind::Secret),
            ("/x/access", b"From:x OK\n", Kind::Map),
            ("/x/access", b"AuthInfo:x \"U:a\" \"P:b\"\n", Kind::Secret),
            ("/x/users", b"alice:{PLAIN}secret\n", Kind::Secret),
            ("/x/Sendmail.conf", b"mech_list: PLAIN\n", Kind::Configuration),
            ("/x/Sendmail.conf", b"sql_passwd: secret\n", Kind::Secret),
            ("/x/gatepost.toml", b"", Kind::Configuration),
            ("/x/notes", b"", Kind::Secret),
        ] {
            assert_eq!(guess_file(Path::new(name), octets).0, kind, "{name}");
        }
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "fixtures of ours")]
    fn maps_of_real_tools_are_told_apart() {
        let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/maps/");
        for (name, kind) in [
            ("sasldb2.db", Kind::Secret),
            ("sasldb2.gdbm", Kind::Secret),
            ("sasldb2-emptied.db", Kind::Secret),
            ("authinfo.db", Kind::Secret),
            ("access.db", Kind::Map),
            ("aliases-postfix.db", Kind::Map),
            ("authinfo", Kind::Secret),
        ] {
            let octets = std::fs::read(format!("{fixtures}{name}")).unwrap();
            assert_eq!(guess_file(Path::new(name), &octets).0, kind, "{name}");
            assert_eq!(guess_file(Path::new("sasl_passwd.db"), &octets).0, Kind::Secret, "{name}");
            if kind == Kind::Map {
                let cut = octets.get(..octets.len() / 2).unwrap();
                assert_eq!(guess_file(Path::new(name), cut).0, Kind::Secret, "{name}, cut");
            }
        }
    }
}
