//! Whether the master secret of TLS 1.2 is the extended one (RFC 7627). rustls knows and does not tell; its own answer to
//! the client says it, in the clear, as the first octets of the connection.

/// `extended_master_secret` in the registry of extensions.
const EXTENDED_MASTER_SECRET: u16 = 23;

/// Whether the ServerHello at the beginning of what the server sends agrees to the extended master secret. Whatever is
/// not understood counts as no: the exporter's binding is then left out.
pub(crate) fn agrees_to_extended_master_secret(sent: &[u8]) -> bool {
    server_hello_extensions(sent).is_some_and(|mut rest| {
        std::iter::from_fn(|| extension(&mut rest)).any(|kind| kind == EXTENDED_MASTER_SECRET)
    })
}

/// RFC 5246, sections 6.2.1 (record), 7.4 (handshake) and 7.4.1.3 (ServerHello).
fn server_hello_extensions(sent: &[u8]) -> Option<&[u8]> {
    let mut rest = sent;
    (take(&mut rest, 1)? == [22]).then_some(())?;
    take(&mut rest, 2)?;
    let mut record = sized(&mut rest, 2)?;
    (take(&mut record, 1)? == [2]).then_some(())?;
    let mut hello = sized(&mut record, 3)?;
    // Version and random.
    take(&mut hello, 2 + 32)?;
    // Session.
    sized(&mut hello, 1)?;
    // Cipher and compression.
    take(&mut hello, 2 + 1)?;
    sized(&mut hello, 2)
}

/// The kind of the next extension, which is passed over.
fn extension(rest: &mut &[u8]) -> Option<u16> {
    let kind = take(rest, 2)?.try_into().ok().map(u16::from_be_bytes)?;
    sized(rest, 2).map(|_| kind)
}

/// What stands behind a length of so many octets.
fn sized<'o>(rest: &mut &'o [u8], octets: usize) -> Option<&'o [u8]> {
    let length = take(rest, octets)?.iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet));
    take(rest, length)
}

fn take<'o>(rest: &mut &'o [u8], count: usize) -> Option<&'o [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(extensions: &[u8]) -> Vec<u8> {
        let mut body = [&[3, 3][..], &[7; 32], &[2, 9, 9], &[0xc0, 0x2f, 0]].concat();
        body.extend([0, extensions.len() as u8]);
        body.extend(extensions);
        let message = [&[2, 0, 0, body.len() as u8][..], &body].concat();
        [&[22, 3, 3, 0, message.len() as u8][..], &message].concat()
    }

    #[test]
    fn the_extension_is_found_wherever_it_stands() {
        let info = [0xff, 1, 0, 1, 0];
        let extended = [0, 23, 0, 0];
        for (extensions, expected) in [
            (extended.to_vec(), true),
            ([&info[..], &extended].concat(), true),
            ([&extended[..], &info].concat(), true),
            (info.to_vec(), false),
            // Its number as the content of another.
            (vec![0xff, 1, 0, 2, 0, 23], false),
            (vec![], false),
        ] {
            assert_eq!(agrees_to_extended_master_secret(&hello(&extensions)), expected, "{extensions:?}");
        }
    }

    #[test]
    fn what_is_cut_short_or_something_else_agrees_to_nothing() {
        let whole = hello(&[0, 23, 0, 0]);
        for end in 0..whole.len() {
            assert!(!agrees_to_extended_master_secret(&whole[..end]), "{end}");
        }
        let alert = [21, 3, 3, 0, 2, 2, 70];
        assert!(!agrees_to_extended_master_secret(&alert));
    }
}
