//! JSON as it is written: one line, in which nothing stands that a terminal would obey. RFC 8259 wants U+0000 to U+001F
//! escaped; what else is invisible is escaped here as well, and is the same to whoever parses it.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

use crate::printable::is_hidden;

/// Writes a value, without a line end.
pub(crate) fn write(to: impl Write, value: &impl Serialize) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(to, Visible)).map_err(io::Error::from)
}

/// As serde_json writes it, but for what is in strings.
struct Visible;

impl Formatter for Visible {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, to: &mut W, fragment: &str) -> io::Result<()> {
        let mut units = [0; 2];
        let mut shown = 0;
        for (at, c) in fragment.char_indices().filter(|(_, c)| is_hidden(*c)) {
            to.write_all(&fragment.as_bytes()[shown..at])?;
            for unit in c.encode_utf16(&mut units) {
                write!(to, "\\u{unit:04x}")?;
            }
            shown = at + c.len_utf8();
        }
        to.write_all(&fragment.as_bytes()[shown..])
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    #[test]
    fn nothing_that_a_terminal_would_obey_stands_in_json_and_all_of_it_is_read_back() {
        let value = json!({"a\u{7f}": "x\n\u{9b}2J\u{202e}\u{e0001}\u{fffd} \u{e9} \u{1f512}\u{85}"});
        let mut line = Vec::new();
        super::write(&mut line, &value).unwrap();
        let line = String::from_utf8(line).unwrap();
        assert_eq!(
            line,
            "{\"a\\u007f\":\"x\\n\\u009b2J\\u202e\\udb40\\udc01\u{fffd} \u{e9} \u{1f512}\\u0085\"}"
        );
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), value);
    }
}
