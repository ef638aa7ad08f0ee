//! Sendmail.conf (and its sisters, smtpd.conf of Postfix): Cyrus SASL's file for one application, and what each of its
//! words means in gatepost.toml.
//!
//! Both are pure functions of the text. The search for the file is `sasl`'s.

use std::fmt::Write as _;

use config::Config;
use credential::{KindSet, VerifierKind};
use safefile::{Kind, shell_quote, toml_quote};

use super::named::{Contents, Named};
use crate::mechanisms;

/// One `key: value` of an application's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// The key in lower case, as Cyrus keeps it.
    pub(crate) key: String,
    /// The value, trimmed at both ends; a password is not kept.
    pub(crate) value: String,
    /// The line, counted from 1.
    pub(crate) line: usize,
}

/// What Gatepost has in place of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The word and its value, as they stand there (never a password's).
    pub(crate) given: String,
    /// The line of the word.
    pub(crate) line: usize,
    /// What it means for Gatepost, one sentence.
    pub(crate) meaning: String,
    /// Lines of gatepost.toml, each with the key's full name, so that they can stand in one file above its tables; empty
    /// where nothing has to be said.
    pub(crate) toml: Vec<String>,
}

/// Reads an application's file, and names the lines that libsasl would refuse, after which it refuses to start.
pub(crate) fn read(text: &str) -> (Vec<Word>, Vec<usize>) {
    let (mut words, mut refused): (Vec<Word>, Vec<usize>) = Default::default();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match word(line, index + 1) {
            // A key given twice: the first one counts.
            Some(word) if words.iter().any(|known| known.key == word.key) => {}
            Some(word) => words.push(word),
            None => refused.push(index + 1),
        }
    }
    (words, refused)
}

/// The files that an application's file names.
pub(crate) fn names(words: &[Word]) -> Vec<Named> {
    let files = words.iter().filter(|word| word.key == "sasldb_path" && word.value.starts_with('/'));
    files
        .map(|word| Named::holding(&word.value, Kind::Secret, Contents::Sasldb, word.line, &word.key))
        .collect()
}

/// How many words hold a password in clear text.
pub(crate) fn clear_text(words: &[Word]) -> usize {
    words.iter().filter(|word| PASSWORD_WORDS.contains(&word.key.as_str())).count()
}

/// What each word means here; words without a counterpart are answered too, so that nothing is lost unseen.
pub(crate) fn answers(words: &[Word]) -> Vec<Answer> {
    words.iter().map(answer).collect()
}

fn word(line: &str, number: usize) -> Option<Word> {
    let (key, value) = line.split_once(':')?;
    let value = value.trim();
    let good = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    let key = key.to_ascii_lowercase();
    let shown = if PASSWORD_WORDS.contains(&key.as_str()) { "(not shown)" } else { value };
    (good && !value.is_empty()).then(|| Word { key, value: shown.to_owned(), line: number })
}

fn answer(word: &Word) -> Answer {
    let (meaning, toml) = match word.key.as_str() {
        "pwcheck_method" => (pwcheck_method(&word.value), store_lines()),
        "mech_list" => mech_list(&word.value),
        "sasldb_path" => sasldb_path(&word.value),
        "auxprop_plugin" => (auxprop_plugin(&word.value), store_lines()),
        "log_level" => log_level(&word.value),
        key if PASSWORD_WORDS.contains(&key) => {
            ("a password of another database; Gatepost asks none and needs none".to_owned(), Vec::new())
        }
        _ => ("has no counterpart; Gatepost does not need it".to_owned(), Vec::new()),
    };
    Answer { given: format!("{}: {}", word.key, word.value), line: word.line, meaning, toml }
}

fn pwcheck_method(value: &str) -> String {
    let meaning = |method: &str| match method.to_ascii_lowercase().as_str() {
        "auxprop" | "sasldb" => "auxprop: PLAIN and LOGIN are checked against the store, always",
        "saslauthd" | "pam" | "shadow" | "passwd" | "kerberos_v4" | "authdaemond" | "pwcheck" => {
            "an outside judge of passwords is never asked: every user who logs in has to be in the store (saslpasswd -c \
             USER, or saslpasswd --import FILE)"
        }
        "alwaystrue" => "alwaystrue accepts every password; Gatepost has no such switch",
        _ => "an unknown method; Gatepost checks against its store, always",
    };
    let mut said: Vec<&str> = Vec::new();
    for method in value.split_ascii_whitespace().map(meaning) {
        if !said.contains(&method) {
            said.push(method);
        }
    }
    said.join("; ")
}

/// `auth.mechanisms` is an upper bound: a name that Gatepost does not have would be left out with a log line, so it is
/// left out here.
fn mech_list(value: &str) -> (String, Vec<String>) {
    let upper: Vec<String> = value.split_ascii_whitespace().map(str::to_ascii_uppercase).collect();
    let (ours, others): (Vec<&str>, Vec<&str>) =
        upper.iter().map(String::as_str).partition(|name| mechanisms::exists(name));
    let mut meaning = "the mechanisms that may be offered; a client's order counts, not this one".to_owned();
    if !others.is_empty() {
        let _ = write!(meaning, "; Gatepost does not have {}", others.join(", "));
    }
    let mut toml = vec![format!("auth.mechanisms = [{}]", quoted(ours.iter().copied()))];
    let keep = ours.iter().filter_map(|name| mechanisms::needs(name)).fold(KindSet::default(), KindSet::with);
    if keep != KindSet::default() {
        meaning.push_str("; a mechanism is offered only if its verifier is kept");
        toml.push(format!("secrets.keep = [{}]", quoted(keep.iter().map(VerifierKind::name))));
    }
    (meaning, toml)
}

fn sasldb_path(value: &str) -> (String, Vec<String>) {
    let file = shell_quote(value);
    let meaning =
        format!("passwords in clear text; `saslpasswd --import {file}` derives verifiers from them");
    (meaning, store_lines())
}

fn auxprop_plugin(value: &str) -> String {
    let foreign: Vec<&str> = value.split_ascii_whitespace().filter(|name| *name != "sasldb").collect();
    if foreign.is_empty() {
        "the store is the one place of secrets".to_owned()
    } else {
        format!("Gatepost does not ask {}: export the users from there and import them", foreign.join(", "))
    }
}

/// Where the secrets are; the default, which need not be written.
fn store_lines() -> Vec<String> {
    let path = toml_quote(Config::default().secrets.path);
    path.map(|path| format!("secrets.path = {path}")).into_iter().collect()
}

/// Cyrus counts 0 (nothing) to 7 (with passwords), and logs by itself; Gatepost's number is sendmail's LogLevel, and no
/// level logs a password.
fn log_level(value: &str) -> (String, Vec<String>) {
    let level = match value.parse::<u8>() {
        Ok(0..=2) => 9,
        Ok(3) => 10,
        Ok(4) => 11,
        Ok(5) => 13,
        Ok(_) => 14,
        Err(_) => return ("not a number; Gatepost's default is 9".to_owned(), Vec::new()),
    };
    (
        "Gatepost counts as sendmail's LogLevel does, and never logs a password".to_owned(),
        vec![format!("log_level = {level}")],
    )
}

fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

/// Words whose value is a password.
const PASSWORD_WORDS: &[&str] = &["sql_passwd", "ldapdb_pw"];

#[cfg(test)]
mod tests {
    use super::*;

    const STORE: &str = "secrets.path = \"/var/lib/gatepost/secrets.redb\"";

    #[test]
    fn debians_example_is_read_as_libsasl_reads_it() {
        let (words, refused) = read(include_str!("../../tests/host/etc/sasl2/Sendmail.conf"));
        let read: Vec<_> =
            words.iter().map(|word| (word.line, word.key.as_str(), word.value.as_str())).collect();
        assert_eq!(
            read,
            [
                (16, "pwcheck_method", "saslauthd"),
                (25, "allowanonymouslogin", "0"),
                (26, "allowplaintext", "1"),
                (27, "mech_list", "EXTERNAL DIGEST-MD5 CRAM-MD5 LOGIN PLAIN"),
            ]
        );
        assert_eq!(refused, Vec::<usize>::new());
    }

    #[test]
    fn the_syntax_is_cyrus_syntax() {
        for (text, words, refused) in [
            ("  Mech_List:PLAIN  LOGIN  \n", vec![("mech_list", "PLAIN  LOGIN")], vec![]),
            ("log_level: 5 # five\n", vec![("log_level", "5 # five")], vec![]),
            ("log_level: 3\nlog_level: 7\n", vec![("log_level", "3")], vec![]),
            ("mech_list : PLAIN\n", vec![], vec![1]),
            ("#a: b\n\nsasl.mech: x\n", vec![], vec![3]),
            ("mech_list:\nno colon\n", vec![], vec![1, 2]),
        ] {
            let (found, bad) = read(text);
            let found: Vec<_> = found.iter().map(|word| (word.key.as_str(), word.value.as_str())).collect();
            assert_eq!((found, bad), (words, refused), "{text:?}");
        }
    }

    #[test]
    fn each_word_has_its_lines_of_gatepost_toml() {
        for (text, toml, meaning) in [
            ("mech_list: plain login", "auth.mechanisms = [\"PLAIN\", \"LOGIN\"]", "may be offered"),
            (
                "mech_list: GSSAPI CRAM-MD5 PLAIN",
                "auth.mechanisms = [\"CRAM-MD5\", \"PLAIN\"]\nsecrets.keep = [\"argon2id\", \"scram-sha-256\", \
                 \"cram-md5\"]",
                "does not have GSSAPI",
            ),
            ("log_level: 2", "log_level = 9", "LogLevel"),
            ("log_level: 7", "log_level = 14", "never logs a password"),
            ("log_level: many", "", "not a number"),
            ("sasldb_path: /etc/sasldb2", STORE, "--import /etc/sasldb2"),
            ("sasldb_path: /etc/my $(db)", STORE, "--import '/etc/my $(db)'"),
            ("auxprop_plugin: sasldb", STORE, "one place of secrets"),
            ("auxprop_plugin: sql sasldb", STORE, "does not ask sql"),
            ("pwcheck_method: auxprop", STORE, "against the store"),
            ("pwcheck_method: auxprop saslauthd", STORE, "has to be in the store"),
            ("pwcheck_method: alwaystrue", STORE, "no such switch"),
            ("srvtab: /etc/srvtab", "", "no counterpart"),
        ] {
            let answers = answers(&read(text).0);
            let [answer] = answers.as_slice() else { panic!("one answer to {text:?}") };
            assert_eq!(answer.toml.join("\n"), toml, "{text:?}");
            assert!(answer.meaning.contains(meaning), "{text:?}: {}", answer.meaning);
            let parsed = config::Config::parse("/x.toml".as_ref(), toml.as_bytes(), &config::HostAccounts);
            assert!(parsed.is_ok(), "{text:?}: {parsed:?}");
        }
    }

    #[test]
    fn a_password_in_the_file_is_counted_and_never_shown() {
        let (words, _) = read("sql_user: mail\nsql_passwd: hunter2\nldapdb_pw: hunter3\n");
        assert_eq!(clear_text(&words), 2);
        assert!(!format!("{words:?}{:?}", answers(&words)).contains("hunter"));
    }

    #[test]
    fn a_sasldb_of_its_own_is_named() {
        let named = names(&read("sasldb_path: /srv/mail/sasldb2\n").0);
        assert_eq!(
            named,
            [Named::holding("/srv/mail/sasldb2", Kind::Secret, Contents::Sasldb, 1, "sasldb_path")]
        );
    }
}
