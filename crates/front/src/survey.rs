//! What stands in a map as a whole, which no look-up tells: found by one walk over all of it, when it is opened. What of
//! it is a fault, and in which words that is told, is not decided here.

use std::path::PathBuf;

use credential::client_info::is_authinfo_key;
use safefile::{Kind, SafeFile, Trust};
use store::maps::{self, Map, MapError, MapName};

use crate::access::Word;

/// What was found. Keys are as they stand in the map; of each sort the first is enough to find the others by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// A key of client-info (`AuthInfo:`): passwords of other servers, which do not belong into a map of the front. The
    /// walk ends with it.
    pub client_info: Option<String>,
    /// A key by which a client may be meant by its name: tagged with `Connect:`, or untagged, and no address.
    pub client_name: Option<String>,
    /// `From:` RELAY, by which nobody relays.
    pub from_relay: Option<String>,
    /// A value `QUARANTINE:`, which puts off what sendmail would take and set aside.
    pub quarantine: Option<String>,
}

/// Opens a map of the configuration and walks over it. The person at the terminal asks; the front itself gets its maps
/// from the opener.
///
/// # Errors
/// [`NotSurveyed`].
pub fn look_into(name: &config::MapName, trust: &Trust) -> Result<Survey, NotSurveyed> {
    let map = open(name, trust)?;
    Survey::of(&*map).map_err(NotSurveyed::from)
}

/// Why a map was not looked into.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSurveyed {
    /// It is missing, unsafe, or out of reach: an audit of its path says more.
    #[error("{0}")]
    NotOpened(String),
    /// It is no map, or a damaged one.
    #[error("{0}")]
    NotRead(String),
}

impl From<MapError> for NotSurveyed {
    fn from(error: MapError) -> Self {
        match error {
            MapError::Open(error) => Self::NotOpened(error.to_string()),
            other => Self::NotRead(other.to_string()),
        }
    }
}

pub(crate) fn open(name: &config::MapName, trust: &Trust) -> Result<Box<dyn Map>, MapError> {
    maps::open_named(&named(name)?, Kind::Map, trust)
}

/// The same for a file that the opener has opened.
pub(crate) fn open_judged(file: SafeFile, name: &config::MapName) -> Result<Box<dyn Map>, MapError> {
    maps::open_judged(file, &named(name)?)
}

fn named(name: &config::MapName) -> Result<MapName, MapError> {
    let map_type = name.map_type().map(str::parse).transpose()?;
    Ok(MapName { map_type, name: PathBuf::from(name.path()) })
}

impl Survey {
    /// Walks over a map: each record is read once and none is kept.
    pub(crate) fn of(map: &dyn Map) -> Result<Self, MapError> {
        let mut survey = Self::default();
        for record in map.records() {
            let record = record?;
            survey.note(&record.key, &record.value);
            if survey.client_info.is_some() {
                break;
            }
        }
        Ok(survey)
    }

    fn note(&mut self, key: &[u8], value: &[u8]) {
        // Some programs count a terminating NUL.
        let key = key.strip_suffix(&[0]).unwrap_or(key);
        let shown = || Some(String::from_utf8_lossy(key).into_owned());
        if is_authinfo_key(key) {
            self.client_info = shown();
            return;
        }
        if self.client_name.is_none() && may_name_client(key) {
            self.client_name = shown();
        }
        let value = value.strip_suffix(&[0]).unwrap_or(value);
        let is = |word| std::str::from_utf8(value).is_ok_and(|value| Word::parse(value) == word);
        if self.from_relay.is_none() && behind(key, b"from:").is_some() && is(Word::Relay) {
            self.from_relay = shown();
        }
        if self.quarantine.is_none() && behind(value.trim_ascii_start(), b"quarantine:").is_some() {
            self.quarantine = shown();
        }
    }
}

/// What stands behind a tag.
fn behind<'k>(key: &'k [u8], tag: &[u8]) -> Option<&'k [u8]> {
    let (start, rest) = key.split_at_checked(tag.len())?;
    start.eq_ignore_ascii_case(tag).then_some(rest)
}

/// A bare domain is meant for clients too. Every address of IPv6 has a colon in its key, and a mailbox has an `@`.
fn may_name_client(key: &[u8]) -> bool {
    let name = behind(key, b"connect:").unwrap_or(key);
    let is_address = name.iter().all(|octet| octet.is_ascii_digit() || *octet == b'.');
    !is_address && !name.contains(&b':') && !name.contains(&b'@')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn survey(lines: &[(&str, &str)]) -> Survey {
        let mut survey = Survey::default();
        for (key, value) in lines {
            survey.note(key.as_bytes(), value.as_bytes());
        }
        survey
    }

    #[test]
    fn each_sort_of_key_is_found_and_no_other() {
        let plain = [
            ("connect:192.0.2", "RELAY"),
            ("connect:ipv6:2001:db8", "RELAY"),
            ("192.0.2.1", "REJECT"),
            ("from:far.test", "REJECT"),
            ("to:far.test", "RELAY"),
            ("someone@far.test", "REJECT"),
            ("to:authinfo", "OK"),
        ];
        assert_eq!(survey(&plain), Survey::default());
        let found = |key, value| survey(&[(key, value)]);
        for key in ["AuthInfo:", "authinfo:mail.far.test", "AUTHINFO:x"] {
            assert_eq!(found(key, "x").client_info.as_deref(), Some(key));
        }
        for key in ["connect:far.test", "Connect:test", "far.test", "far.test\0"] {
            assert_eq!(found(key, "OK").client_name.as_deref(), Some(key.trim_end_matches('\0')));
        }
        assert_eq!(found("From:far.test", "relay").from_relay.as_deref(), Some("From:far.test"));
        assert_eq!(found("from:far.test", "relay\0").from_relay.as_deref(), Some("from:far.test"));
        assert_eq!(found("to:far.test", "Quarantine:odd").quarantine.as_deref(), Some("to:far.test"));
    }
}
