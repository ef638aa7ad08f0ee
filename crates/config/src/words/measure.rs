//! How long and how much: times and sizes with their unit.

use std::time::Duration;

/// Why a text is no measure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MeasureError {
    /// Not numbers with units.
    #[error("not a time like \"30s\", \"5m\", \"1h30m\" or \"2d\": {0:?}")]
    Time(String),
    /// Not a number with a unit.
    #[error("not a size like \"64K\", \"50M\" or \"1G\": {0:?}")]
    Size(String),
}

/// A time: numbers, each with its unit, the greater first. sendmail's are in minutes, hours or days where no unit is named,
/// option by option, so here one is always asked for.
pub(crate) fn time(text: &str) -> Result<Duration, MeasureError> {
    let wrong = || MeasureError::Time(text.to_owned());
    let (mut rest, mut seconds, mut longest) = (text, 0_u64, u64::MAX);
    while !rest.is_empty() {
        let digits = digits(rest);
        let unit = rest[digits..].chars().next().ok_or_else(wrong)?;
        let (_, length) = TIMES.into_iter().find(|(letter, _)| *letter == unit).ok_or_else(wrong)?;
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        let sum = number.checked_mul(length).and_then(|part| seconds.checked_add(part));
        seconds = sum.filter(|_| length < longest).ok_or_else(wrong)?;
        longest = length;
        rest = &rest[digits + 1..];
    }
    if text.is_empty() { Err(wrong()) } else { Ok(Duration::from_secs(seconds)) }
}

/// A size in octets, or in powers of 1024 of them.
pub(crate) fn size(text: &str) -> Result<u64, MeasureError> {
    let wrong = || MeasureError::Size(text.to_owned());
    let digits = digits(text);
    let unit = match &text[digits..] {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        "T" => 1 << 40,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    number.checked_mul(unit).ok_or_else(wrong)
}

/// As it would be written.
pub(crate) fn show_time(time: Duration) -> String {
    let mut rest = time.as_secs();
    let mut shown = Vec::new();
    for (letter, length) in TIMES {
        if rest >= length {
            shown.push(format!("{}{letter}", rest / length));
            rest %= length;
        }
    }
    if shown.is_empty() { "0s".to_owned() } else { shown.concat() }
}

/// As it would be written.
pub(crate) fn show_size(octets: u64) -> String {
    let unit = [(40, "T"), (30, "G"), (20, "M"), (10, "K")]
        .into_iter()
        .find(|(bits, _)| octets > 0 && octets.trailing_zeros() >= *bits);
    unit.map_or_else(|| octets.to_string(), |(bits, letter)| format!("{}{letter}", octets >> bits))
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

const TIMES: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

#[cfg(test)]
mod tests {
    use super::{show_size, show_time, size, time};

    #[test]
    fn times_have_units() {
        for (text, seconds) in [("30s", 30), ("5m", 300), ("1h30m", 5_400), ("2d", 172_800), ("1d1s", 86_401)]
        {
            assert_eq!(time(text).unwrap().as_secs(), seconds);
            assert_eq!(show_time(time(text).unwrap()), text);
        }
        for wrong in ["", "5", "m", "5 m", "-5m", "5w", "1m1h", "1m1m", "99999999999999999d", "5\u{e4}"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_octets_or_powers_of_1024() {
        for (text, octets) in
            [("1000", 1000), ("64K", 65_536), ("50M", 52_428_800), ("1G", 1 << 30), ("1T", 1 << 40), ("0", 0)]
        {
            assert_eq!(size(text).unwrap(), octets);
            assert_eq!(show_size(octets), text);
        }
        for wrong in ["", "M", "5 M", "5MB", "1.5M", "-1", "99999999999999G", "5\u{e4}"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
