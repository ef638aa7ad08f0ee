//! Paths as text for people and for shells: never a control character on a terminal, never a word that a shell takes
//! apart. The paths themselves stay octets everywhere else.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A path for a message: control characters and octets that are no UTF-8 are escaped.
pub fn display_path(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        text.extend(chunk.valid().chars().map(visible));
        text.extend(chunk.invalid().iter().map(|octet| format!("\\x{octet:02x}")));
    }
    text
}

fn visible(character: char) -> String {
    if character.is_control() { character.escape_default().to_string() } else { character.to_string() }
}

/// A word for a POSIX shell: as it is where no shell would mind, else in quotes; `$'...'` where only that can say it.
pub fn shell_quote(word: impl AsRef<Path>) -> String {
    let octets = word.as_ref().as_os_str().as_bytes();
    match std::str::from_utf8(octets) {
        Ok(text) if is_plain(octets) => text.to_owned(),
        Ok(text) if !text.chars().any(char::is_control) => format!("'{}'", text.replace('\'', r"'\''")),
        _ => format!("$'{}'", octets.iter().map(|octet| escaped(*octet)).collect::<String>()),
    }
}

fn is_plain(octets: &[u8]) -> bool {
    !octets.is_empty()
        && octets.iter().all(|octet| octet.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(octet))
}

/// Octal: a hexadecimal escape would swallow the digits that follow it.
fn escaped(octet: u8) -> String {
    match octet {
        b'\'' | b'\\' => format!("\\{}", char::from(octet)),
        b' '..=b'~' => char::from(octet).to_string(),
        _ => format!("\\{octet:03o}"),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_words_stay_as_they_are() {
        assert_eq!(shell_quote("/etc/mail/access.db"), "/etc/mail/access.db");
        assert_eq!(shell_quote("/etc/my mail"), "'/etc/my mail'");
        assert_eq!(shell_quote("it's"), r"'it'\''s'");
        assert_eq!(shell_quote(""), "''");
        assert_eq!(shell_quote("a\nb"), r"$'a\012b'");
    }

    #[test]
    fn no_control_character_reaches_the_terminal() {
        let path = Path::new(OsStr::from_bytes(b"/a\x1b[2J\xff/\xc2\x9bb"));
        assert_eq!(display_path(path), "/a\\u{1b}[2J\\xff/\\u{9b}b");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn a_shell_reads_back_what_was_quoted(word in prop::collection::vec(1..=255_u8, 0..12)) {
            let text = shell_quote(OsStr::from_bytes(&word));
            let script = format!("printf '%s' {text}");
            let output = Command::new("bash").env("LC_ALL", "C").args(["-c", &script]).output().unwrap();
            prop_assert_eq!(output.stdout, word, "{}", text);
        }
    }
}
