//! Names, keys and paths as they may be shown: what comes from a file or a stranger never reaches a terminal as it is,
//! since it could move the cursor, rewrite earlier lines or turn the text around.

use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Octets for display: valid UTF-8 stays as it is, except control characters, invisible formatting characters (the
/// bidirectional ones among them), line separators and the backslash, which are written `\n`, `\r`, `\t`, `\\`,
/// `\xHH` (an octet) or `\u{H...}` (a character). What was escaped can be told from what was not.
#[derive(Clone, Copy)]
pub struct Printable<'a>(&'a [u8]);

/// Shows octets that may be anything.
pub fn octets<T: AsRef<[u8]> + ?Sized>(octets: &T) -> Printable<'_> {
    Printable(octets.as_ref())
}

/// Shows a path, which may hold any octet but NUL.
pub fn path<P: AsRef<Path> + ?Sized>(path: &P) -> Printable<'_> {
    Printable(path.as_ref().as_os_str().as_bytes())
}

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            chunk.valid().chars().try_for_each(|c| write_char(f, c))?;
            chunk.invalid().iter().try_for_each(|octet| write!(f, "\\x{octet:02x}"))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// `text` with everything but line feeds escaped as [`octets`] does: for texts of several lines.
pub fn lines(text: &str) -> String {
    let shown: Vec<_> = text.split('\n').map(unescaped_backslash).collect();
    shown.join("\n")
}

/// A line of ours in which other people's octets were already escaped: backslashes are left alone.
fn unescaped_backslash(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    for c in line.chars() {
        if c == '\\' {
            shown.push(c);
        } else {
            // Writing to a string cannot fail.
            let _ = write_char(&mut shown, c);
        }
    }
    shown
}

fn write_char(f: &mut impl fmt::Write, c: char) -> fmt::Result {
    match c {
        '\n' => f.write_str("\\n"),
        '\r' => f.write_str("\\r"),
        '\t' => f.write_str("\\t"),
        '\\' => f.write_str("\\\\"),
        c if c.is_ascii_control() => write!(f, "\\x{:02x}", u32::from(c)),
        c if is_hidden(c) => write!(f, "\\u{{{:x}}}", u32::from(c)),
        c => f.write_char(c),
    }
}

/// Whether a terminal would do something else with it than show it.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control() || is_invisible(c)
}

/// Characters that change how their neighbours look without being seen: Unicode category Cf as far as terminals act on
/// it, line and paragraph separators, variation selectors' and tags' kin, and what is private or not a character.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{lines, octets, path};

    #[test]
    fn nothing_that_a_terminal_would_obey_comes_through() {
        let rows: [(&[u8], &str); 9] = [
            (b"alice@example.org", "alice@example.org"),
            ("jos\u{e9} \u{1f512}".as_bytes(), "jos\u{e9} \u{1f512}"),
            (b"a\x1b[2Jb", "a\\x1b[2Jb"),
            (b"a\0b\x7f", "a\\x00b\\x7f"),
            (b"tab\tlf\ncr\r", "tab\\tlf\\ncr\\r"),
            (b"back\\slash", "back\\\\slash"),
            (b"caf\xe9", "caf\\xe9"),
            ("\u{9b}2J".as_bytes(), "\\u{9b}2J"),
            ("gro\u{202e}elpmaxe".as_bytes(), "gro\\u{202e}elpmaxe"),
        ];
        for (given, shown) in rows {
            assert_eq!(octets(given).to_string(), shown);
        }
    }

    #[test]
    fn paths_keep_their_octets() {
        let odd = Path::new("/etc/\u{1b}]0;title\u{7}");
        assert_eq!(path(odd).to_string(), "/etc/\\x1b]0;title\\x07");
    }

    #[test]
    fn lines_keep_their_ends_and_what_is_escaped_already() {
        assert_eq!(lines("one\\x1b\ntwo\u{1b}"), "one\\x1b\ntwo\\x1b");
    }
}
