//! Paths as text for people, for shells and for the configuration: never a character that a terminal obeys, never a word
//! that a shell or a reader of TOML takes apart. The paths themselves stay octets everywhere else.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A path for a message: control characters, invisible ones (those that turn the direction among them), the backslash and
/// octets that are no UTF-8 are escaped, so that what was escaped can be told from what was not.
pub fn display_path(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        text.extend(chunk.valid().chars().map(visible));
        text.extend(chunk.invalid().iter().map(|octet| format!("\\x{octet:02x}")));
    }
    text
}

fn visible(character: char) -> String {
    if character == '\\' || is_unseen(character) {
        character.escape_default().to_string()
    } else {
        character.to_string()
    }
}

/// Control characters, and those that change how their neighbours look without being seen: Unicode category Cf as far as
/// terminals act on it, separators of lines and paragraphs, tags.
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// A string of TOML, in its quotes; `None` for octets that are no UTF-8, which no such string can hold.
pub fn toml_quote(word: impl AsRef<Path>) -> Option<String> {
    let text = word.as_ref().to_str()?;
    let inside: String = text.chars().map(in_toml).collect();
    Some(format!("\"{inside}\""))
}

fn in_toml(character: char) -> String {
    match character {
        '"' | '\\' => format!("\\{character}"),
        _ if is_unseen(character) => format!("\\U{:08X}", u32::from(character)),
        _ => character.to_string(),
    }
}

/// A word for a POSIX shell: as it is where no shell would mind, else in quotes. What a terminal would obey, and what is no
/// text, is left to printf(1): `$'...'` is a word for some shells only, and in dash its quotes end where the word wants.
pub fn shell_quote(word: impl AsRef<Path>) -> String {
    let octets = word.as_ref().as_os_str().as_bytes();
    match std::str::from_utf8(octets) {
        Ok(text) if is_plain(octets) => text.to_owned(),
        Ok(text) if !text.chars().any(is_unseen) => format!("'{}'", text.replace('\'', r"'\''")),
        _ => printed(octets),
    }
}

fn is_plain(octets: &[u8]) -> bool {
    !octets.is_empty()
        && octets.iter().all(|octet| octet.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(octet))
}

/// `"$(printf '...')"`. The shell takes the line feeds at its end away, so they come from `IFS`, whose third character is
/// one: every shell sets it when it starts, whatever its environment says.
fn printed(octets: &[u8]) -> String {
    let end = octets.iter().rposition(|octet| *octet != b'\n').map_or(0, |last| last + 1);
    let (word, line_feeds) = octets.split_at(end);
    let word: String = word.iter().map(|octet| escaped(*octet)).collect();
    format!("\"$(printf '{word}'){}\"", LINE_FEED.repeat(line_feeds.len()))
}

/// Octal, always three digits: what follows may be one. Nothing that means something to printf(1) or, between double
/// quotes, to a shell that somebody types to is left.
fn escaped(octet: u8) -> String {
    if octet.is_ascii_alphanumeric() || b"_@+=:,./ ".contains(&octet) {
        char::from(octet).to_string()
    } else {
        format!("\\{octet:03o}")
    }
}

const LINE_FEED: &str = "${IFS#??}";

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
        assert_eq!(shell_quote("a\nb"), r#""$(printf 'a\012b')""#);
        assert_eq!(shell_quote("a\n"), r#""$(printf 'a')${IFS#??}""#);
    }

    #[test]
    fn no_control_character_reaches_the_terminal() {
        let path = Path::new(OsStr::from_bytes(b"/a\x1b[2J\xff/\xc2\x9bb"));
        assert_eq!(display_path(path), "/a\\u{1b}[2J\\xff/\\u{9b}b");
        assert_eq!(display_path(Path::new("/gro\u{202e}elpmaxe")), "/gro\\u{202e}elpmaxe");
        assert_eq!(display_path(Path::new(r"/a\xff")), r"/a\\xff", "what was escaped can be told");
        assert_eq!(shell_quote("/gro\u{202e}elpmaxe"), r#""$(printf '/gro\342\200\256elpmaxe')""#);
    }

    #[test]
    fn a_reader_of_toml_reads_back_what_was_quoted() {
        for (word, expected) in [
            ("/etc/mail", r#""/etc/mail""#),
            (r#"/a"]\n"#, r#""/a\"]\\n""#),
            ("/caf\u{e9}/\u{1b}\u{202e}", r#""/café/\U0000001B\U0000202E""#),
        ] {
            assert_eq!(toml_quote(word).as_deref(), Some(expected));
        }
        assert_eq!(toml_quote(OsStr::from_bytes(b"/\xff")), None);
    }

    /// What the shell makes of the word, and what else it did on the way.
    fn read_back(shell: &str, word: &[u8]) -> Vec<u8> {
        let script = format!("printf '%s' {}", shell_quote(OsStr::from_bytes(word)));
        let output = Command::new(shell).args(["-c", &script]).env("IFS", "abc").output().unwrap();
        assert!(output.stderr.is_empty(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// The end of a quoted word, and what a name says behind it, if a shell takes it for one.
    #[test]
    fn a_name_commands_no_shell() {
        for shell in ["sh", "bash"] {
            for word in [
                &b"/srv/\n'; echo owned; '"[..],
                b"/srv/\x01\\'$(echo owned)`echo owned`\"; echo owned #",
                b"-n\x01%s%d\\c\\0!x",
                b"a\n",
                b"\n\n",
                b"\xff\n\n\n",
                b"'\n",
            ] {
                assert_eq!(read_back(shell, word), word, "{shell}: {}", word.escape_ascii());
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn a_shell_reads_back_what_was_quoted(word in prop_oneof![
            prop::collection::vec(1..=255_u8, 0..12),
            prop::collection::vec(prop::sample::select(&b"\n\x01'\"\\$(`;%-!1\xff"[..]), 0..12),
        ]) {
            for shell in ["sh", "bash"] {
                prop_assert_eq!(&read_back(shell, &word), &word, "{}", shell);
            }
        }
    }
}
