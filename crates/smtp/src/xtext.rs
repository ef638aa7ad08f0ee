//! xtext: octets as printable ASCII without blanks, `+` and `=` (RFC 3461 section 4). The value of AUTH= on MAIL is
//! written so (RFC 4954 section 5).

/// Why octets are no xtext. The octets are not shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not xtext: an octet that has to be written as + and two hexadecimal digits")]
pub struct NotXtext;

/// The octets as xtext.
pub fn encode(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len());
    for &octet in octets {
        if is_plain(octet) {
            text.push(char::from(octet));
        } else {
            text.extend(['+', hex(octet >> 4), hex(octet & 15)]);
        }
    }
    text
}

/// The octets that the text stands for. Lower-case digits are taken too, as sendmail does.
pub fn decode(text: &[u8]) -> Result<Vec<u8>, NotXtext> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, behind)) = rest.split_first() {
        let (octet, after) = match (first, behind) {
            (b'+', [high, low, after @ ..]) => (digit(*high)? << 4 | digit(*low)?, after),
            _ if is_plain(first) => (first, behind),
            _ => return Err(NotXtext),
        };
        octets.push(octet);
        rest = after;
    }
    Ok(octets)
}

/// RFC 3461's xchar.
fn is_plain(octet: u8) -> bool {
    matches!(octet, b'!'..=b'~') && octet != b'+' && octet != b'='
}

/// A digit below 16, in the upper case that RFC 3461 asks for.
fn hex(digit: u8) -> char {
    char::from_digit(digit.into(), 16).unwrap_or_default().to_ascii_uppercase()
}

fn digit(octet: u8) -> Result<u8, NotXtext> {
    let value = char::from(octet).to_digit(16).ok_or(NotXtext)?;
    u8::try_from(value).map_err(|_| NotXtext)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rows() {
        for (octets, text) in [
            (&b""[..], ""),
            (b"<>", "<>"),
            (b"e=mc2@example.com", "e+3Dmc2@example.com"),
            (b"a+b c\x7f\xff\n", "a+2Bb+20c+7F+FF+0A"),
        ] {
            assert_eq!(encode(octets), text);
            assert_eq!(decode(text.as_bytes()).unwrap(), octets);
        }
        assert_eq!(decode(b"bo+62+4a").unwrap(), b"bobJ");
    }

    #[test]
    fn what_is_no_xtext_is_refused() {
        for bad in [&b"+"[..], b"+4", b"+G0", b"+-1", b"a b", b"a=b", b"\x80", b"\x7f", b"a\tb", b"+\xff\xff"]
        {
            assert_eq!(decode(bad), Err(NotXtext), "{}", bad.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn there_and_back(octets in prop::collection::vec(any::<u8>(), 0..100)) {
            let text = encode(&octets);
            prop_assert!(text.bytes().all(is_plain_or_plus));
            prop_assert_eq!(decode(text.as_bytes()).unwrap(), octets);
        }

        #[test]
        fn any_octets_are_read_or_refused(text in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(octets) = decode(&text) {
                prop_assert_eq!(decode(encode(&octets).as_bytes()).unwrap(), octets);
            }
        }
    }

    fn is_plain_or_plus(octet: u8) -> bool {
        is_plain(octet) || octet == b'+'
    }
}
