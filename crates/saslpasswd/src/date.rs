//! Dates as people write and read them (RFC 3339, UTC), and the one place where the clock is read.

use std::time::{SystemTime, UNIX_EPOCH};

use credential::Timestamp;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

/// Now, by the system's clock.
pub(crate) fn now() -> Timestamp {
    Timestamp(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}

/// A date (`2027-01-31`: its first moment) or a time (`2027-01-31T12:00:00+01:00`); not before 1970.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let day = format_description!("[year]-[month]-[day]");
    let moment = match OffsetDateTime::parse(text, &Rfc3339) {
        Ok(moment) => moment,
        Err(_) => Date::parse(text, &day).ok()?.midnight().assume_utc(),
    };
    u64::try_from(moment.unix_timestamp()).ok().map(Timestamp)
}

/// As RFC 3339 writes it; the bare number for a time beyond the year 9999.
pub(crate) fn written(time: Timestamp) -> String {
    let moment =
        i64::try_from(time.seconds()).ok().and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
    moment.and_then(|moment| moment.format(&Rfc3339).ok()).unwrap_or_else(|| time.seconds().to_string())
}

#[cfg(test)]
mod tests {
    use super::{parse, written};

    #[test]
    fn a_date_is_its_first_moment() {
        let rows = [
            ("2027-01-31", Some("2027-01-31T00:00:00Z")),
            ("2027-01-31T12:00:00Z", Some("2027-01-31T12:00:00Z")),
            ("2027-01-31T12:00:00+01:00", Some("2027-01-31T11:00:00Z")),
            ("1969-12-31", None),
            ("2027-02-30", None),
            ("tomorrow", None),
            ("", None),
        ];
        for (text, expected) in rows {
            assert_eq!(parse(text).map(written).as_deref(), expected, "{text}");
        }
    }
}
