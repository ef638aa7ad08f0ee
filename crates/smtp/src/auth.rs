//! The frame around SASL: base64, `=`, `*` (RFC 4954 section 4). The octets inside are opaque here, and secret.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use credential::Secret;
use zeroize::Zeroizing;

/// Not base64. The octets are not shown: they may be most of a password.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NotBase64;

/// What a client answers to a challenge.
#[derive(Debug)]
pub(crate) enum Response {
    /// `*`: it gives up.
    Cancel,
    /// The octets; an empty line has none.
    Octets(Secret),
}

/// The argument of AUTH behind the mechanism: none, `=` for octets that are empty, or base64.
pub(crate) fn initial(argument: &[u8]) -> Result<Option<Secret>, NotBase64> {
    match argument {
        b"" => Ok(None),
        b"=" => Ok(Some(Secret::new(Vec::new()))),
        encoded => decode(encoded).map(Some),
    }
}

/// A line of the client behind a challenge.
pub(crate) fn response(line: &[u8]) -> Result<Response, NotBase64> {
    if line == b"*" { Ok(Response::Cancel) } else { decode(line).map(Response::Octets) }
}

/// The line of a challenge behind `334 `.
pub(crate) fn challenge(octets: &[u8]) -> String {
    STANDARD.encode(octets)
}

/// With all its padding, and with nothing before, between or behind.
fn decode(encoded: &[u8]) -> Result<Secret, NotBase64> {
    let mut octets = Zeroizing::new(vec![0; base64::decoded_len_estimate(encoded.len())]);
    let length = STANDARD.decode_slice(encoded, &mut octets).map_err(|_| NotBase64)?;
    octets.truncate(length);
    Ok(Secret::from(octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(encoded: &[u8]) -> Option<Vec<u8>> {
        decode(encoded).ok().map(|secret| secret.expose().to_vec())
    }

    #[test]
    fn base64_is_strict() {
        assert_eq!(decoded(b"AGFsaWNlAHNlY3JldA==").unwrap(), b"\0alice\0secret");
        assert_eq!(decoded(b"").unwrap(), b"");
        for bad in [
            &b"AGFsaWNlAHNlY3JldA"[..],
            b"AGFsaWNlAHNlY3JldA=",
            b"AGFsaWNlAHNlY3JldB==",
            b" AAAA",
            b"AAAA ",
            b"AA AA",
            b"AAAA\t",
            b"!!!!",
            b"=",
            b"* ",
            b"AA-_",
            b"\xc3\xa4AA",
        ] {
            assert_eq!(decoded(bad), None, "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn an_equals_sign_is_empty_at_the_start_only() {
        assert!(initial(b"").unwrap().is_none());
        assert!(initial(b"=").unwrap().unwrap().is_empty());
        assert!(matches!(response(b""), Ok(Response::Octets(octets)) if octets.is_empty()));
        assert!(response(b"=").is_err());
        assert!(matches!(response(b"*"), Ok(Response::Cancel)));
        assert!(initial(b"*").is_err());
    }

    #[test]
    fn debug_shows_no_octets() {
        assert_eq!(format!("{:?}", response(b"c2VjcmV0")), "Ok(Octets(Secret(…)))");
    }
}
