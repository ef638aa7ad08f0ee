//! Text forms of octets, and their bounds. Only strict forms are taken: what decodes is what was encoded.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

/// Base64 of RFC 4648 with padding; unpadded text is taken too, since some writers leave it out.
pub(crate) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Base64 as `sasl_decode64` takes it, with which sendmail reads client-info: the padding has to be there, and the spare
/// bits of the last character may be anything.
pub(crate) const BASE64_PADDED: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical)
        .with_decode_allow_trailing_bits(true),
);

/// Base64 as in PHC strings: without padding.
pub(crate) const BASE64_UNPADDED: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, base64::engine::general_purpose::NO_PAD);

/// Base64 in bcrypt's alphabet; crypt(3) ignores the spare bits of the last character, so they may be
/// anything.
pub(crate) const BASE64_BCRYPT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::BCRYPT,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// Decodes `text`, which must not decode to more than `most` octets.
pub(crate) fn from_base64(engine: &GeneralPurpose, text: &[u8], most: usize) -> Option<Zeroizing<Vec<u8>>> {
    if text.len() > most.div_ceil(3) * 4 {
        return None;
    }
    let mut octets = Zeroizing::new(vec![0; text.len() / 4 * 3 + 3]);
    let length = engine.decode_slice(text, &mut octets).ok()?;
    octets.truncate(length);
    (length <= most).then_some(octets)
}

/// Encodes in a buffer of exact size, so that no copy is left behind.
pub(crate) fn to_base64(engine: &GeneralPurpose, octets: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(octets.len().div_ceil(3) * 4));
    engine.encode_string(octets, &mut text);
    text
}

/// Decodes hexadecimal digits of either case.
pub(crate) fn from_hex(text: &[u8], most: usize) -> Option<Zeroizing<Vec<u8>>> {
    if !text.len().is_multiple_of(2) || text.len() / 2 > most {
        return None;
    }
    let mut octets = Zeroizing::new(Vec::with_capacity(text.len() / 2));
    for pair in text.chunks_exact(2) {
        octets.push(digit(pair[0])? << 4 | digit(pair[1])?);
    }
    Some(octets)
}

fn digit(octet: u8) -> Option<u8> {
    match octet {
        b'0'..=b'9' => Some(octet - b'0'),
        b'a'..=b'f' => Some(octet - b'a' + 10),
        b'A'..=b'F' => Some(octet - b'A' + 10),
        _ => None,
    }
}

/// A decimal number as a canonical writer has it: digits only, no needless zero in front.
pub(crate) fn from_decimal(text: &str) -> Option<u32> {
    let canonical =
        text.bytes().all(|octet| octet.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if canonical { text.parse().ok() } else { None }
}
