//! Octets in the text of a conversation: escapes, repetitions, quotation marks.

/// In quotation marks, and a long run of one octet as `{x*1000}`.
pub(crate) fn quoted(octets: &[u8]) -> String {
    match octets {
        [first, rest @ ..] if rest.len() > 100 && rest.iter().all(|octet| octet == first) => {
            format!("\"{{{}*{}}}\"", [*first].escape_ascii(), octets.len())
        }
        _ => format!("\"{}\"", octets.escape_ascii()),
    }
}

/// What a TEXT stands for.
pub(crate) fn octets(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (more, length) = match first {
            '\\' => escape(&rest[1..]),
            '{' => repetition(rest),
            other => (other.to_string().into_bytes(), other.len_utf8()),
        };
        octets.extend(more);
        rest = &rest[length..];
    }
    octets
}

/// Behind the backslash; the length counts it.
fn escape(text: &str) -> (Vec<u8>, usize) {
    let octet = match text.as_bytes()[0] {
        b'r' => b'\r',
        b'n' => b'\n',
        b't' => b'\t',
        b'0' => 0,
        b'x' => return (vec![u8::from_str_radix(&text[1..3], 16).unwrap()], 4),
        other => other,
    };
    (vec![octet], 2)
}

/// `{a*65}`
fn repetition(text: &str) -> (Vec<u8>, usize) {
    let end = text.find('}').unwrap();
    let (what, count) = text[1..end].rsplit_once('*').unwrap();
    (octets(what).repeat(count.parse().unwrap()), end + 1)
}
