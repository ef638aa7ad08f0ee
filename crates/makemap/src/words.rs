//! Keys and values as a person may see them on a terminal.

use std::fmt::Write;

/// `octets` as text: what is not printable UTF-8 (control characters, stray octets) is written `\xHH`, so that a key
/// cannot drive the terminal that a message about it is shown on.
pub fn shown(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len());
    for chunk in octets.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() {
                let mut octets = [0; 4];
                hide(&mut text, character.encode_utf8(&mut octets).as_bytes());
            } else {
                text.push(character);
            }
        }
        hide(&mut text, chunk.invalid());
    }
    text
}

fn hide(text: &mut String, octets: &[u8]) {
    for octet in octets {
        let _ = write!(text, "\\x{octet:02x}"); // writing to a String cannot fail
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_terminal_cannot_show_is_escaped() {
        assert_eq!(shown("straße@example.org a\\b".as_bytes()), "straße@example.org a\\b");
        assert_eq!(shown(b"a\x1b[2J\xff\xc4"), "a\\x1b[2J\\xff\\xc4");
        assert_eq!(shown("\u{85}".as_bytes()), "\\xc2\\x85");
        assert_eq!(shown(b""), "");
    }
}
