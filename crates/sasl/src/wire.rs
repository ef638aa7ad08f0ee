//! What several mechanisms share on the wire: strict UTF-8, base64 and hexadecimal digits, and the escapes of GS2.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Octets as text.
pub(crate) fn utf8(octets: &[u8]) -> Option<&str> {
    std::str::from_utf8(octets).ok()
}

/// Base64 of RFC 4648, section 4, appended to a text.
pub(crate) fn push_base64(text: &mut String, octets: &[u8]) {
    STANDARD.encode_string(octets, text);
}

/// Decodes base64 that is exactly what an encoder writes: padding and spare bits as they must be.
pub(crate) fn from_base64(text: &str, most: usize) -> Option<Zeroizing<Vec<u8>>> {
    if text.len() > most.div_ceil(3) * 4 {
        return None;
    }
    STANDARD.decode(text).ok().filter(|octets| octets.len() <= most).map(Zeroizing::new)
}

/// Sixteen octets as 32 hexadecimal digits in lower case.
pub(crate) fn hex(octets: &[u8; 16]) -> Zeroizing<[u8; 32]> {
    let mut digits = Zeroizing::new([0; 32]);
    for (pair, octet) in digits.chunks_exact_mut(2).zip(octets) {
        pair[0] = HEX[usize::from(octet >> 4)];
        pair[1] = HEX[usize::from(octet & 15)];
    }
    digits
}

/// Whether text is the hexadecimal form of 16 octets, in either case, compared in constant time.
pub(crate) fn is_hex_of(text: &[u8], octets: &[u8; 16]) -> bool {
    Zeroizing::new(text.to_ascii_lowercase()).as_slice().ct_eq(&hex(octets)[..]).into()
}

/// Reads a `saslname` (RFC 5801, section 4): `=2C` is a comma, `=3D` an equals sign, and neither stands for itself.
pub(crate) fn from_saslname(text: &str) -> Option<Cow<'_, str>> {
    if text.contains([',', '\0']) {
        return None;
    }
    let Some((start, rest)) = text.split_once('=') else { return Some(text.into()) };
    let mut name = start.to_owned();
    for part in rest.split('=') {
        let (sign, rest) = part
            .strip_prefix("2C")
            .map(|rest| (',', rest))
            .or_else(|| Some(('=', part.strip_prefix("3D")?)))?;
        name.push(sign);
        name.push_str(rest);
    }
    Some(name.into())
}

/// Writes a `saslname`.
pub(crate) fn push_saslname(text: &mut String, name: &str) {
    for character in name.chars() {
        match character {
            ',' => text.push_str("=2C"),
            '=' => text.push_str("=3D"),
            other => text.push(other),
        }
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn saslnames_have_two_escapes() {
        for (text, name) in [
            ("user", Some("user")),
            ("a=2Cb=3D", Some("a,b=")),
            ("=3D2C", Some("=2C")),
            ("", Some("")),
            ("a,b", None),
            ("a=", None),
            ("a=2c", None),
            ("a=3d", None),
            ("a=41", None),
            ("a\0", None),
        ] {
            assert_eq!(from_saslname(text).as_deref(), name, "{text}");
        }
    }

    #[test]
    fn base64_is_taken_in_one_form_only() {
        assert_eq!(from_base64("QUI=", 2).unwrap().as_slice(), b"AB");
        for wrong in ["QUI", "QUJ=", "QUI=\n", " QUI=", "QUI==", "QUJD"] {
            assert!(from_base64(wrong, 2).is_none(), "{wrong}");
        }
    }

    #[test]
    fn digits_count_in_either_case() {
        let octets = [0xab; 16];
        assert!(is_hex_of("ab".repeat(16).as_bytes(), &octets));
        assert!(is_hex_of("aB".repeat(16).as_bytes(), &octets));
        assert!(!is_hex_of("ab".repeat(15).as_bytes(), &octets));
        assert!(!is_hex_of(format!("{}ac", "ab".repeat(15)).as_bytes(), &octets));
    }

    proptest! {
        #[test]
        fn a_saslname_is_read_as_it_was_written(name in "[^\0]{0,20}") {
            let mut text = String::new();
            push_saslname(&mut text, &name);
            prop_assert_eq!(from_saslname(&text), Some(name.into()));
        }
    }
}
