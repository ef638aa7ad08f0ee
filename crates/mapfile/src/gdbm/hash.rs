//! The hash of a key. The octets are C characters, which some machines take for signed numbers and some do not.

/// The hash as machines make it whose characters are signed (x86), and as the others do (ARM, POWER). The two differ
/// only for keys with octets from 0x80 on.
pub(super) fn forms(key: &[u8]) -> [u32; 2] {
    [hash(key, |octet| i32::from(octet.cast_signed()).cast_unsigned()), hash(key, u32::from)]
}

fn hash(key: &[u8], widened: impl Fn(u8) -> u32) -> u32 {
    let start = 0x238F_13AF_u32.wrapping_mul(key.len() as u32);
    let value = key.iter().enumerate().fold(start, |value, (index, &octet)| {
        let shift = (index as u32).wrapping_mul(5) % 24;
        value.wrapping_add(widened(octet) << shift) & HASH
    });
    value.wrapping_mul(1_103_515_243).wrapping_add(12_345) & HASH
}

/// 31 bits.
const HASH: u32 = 0x7FFF_FFFF;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_the_format() {
        for (key, expected) in
            [(&b"abc"[..], [0x4225_adf3, 0x4225_adf3]), ("josé".as_bytes(), [0x04b6_35e0, 0x6a36_35e0])]
        {
            assert_eq!(forms(key), expected, "{}", key.escape_ascii());
        }
    }
}
