//! What a map says of itself, as JSON: it is read by people as well, and a later format may add to it.

use serde::{Deserialize, Serialize};

use crate::guard::Trouble;
use crate::maps::{Duplicates, Keys, Making};

/// The one record of the table `map`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    /// Which tables there are and what they mean.
    format: u32,
    duplicates: bool,
    keys: KeysWord,
    /// Records, duplicates included.
    pub(super) count: u64,
    /// Seconds since the epoch.
    made_at: u64,
    made_by: String,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
enum KeysWord {
    Folded,
    AsWritten,
    Unknown,
}

impl Header {
    pub(super) fn new(making: &Making, count: u64) -> Self {
        Self {
            format: FORMAT,
            duplicates: making.duplicates == Duplicates::Allowed,
            keys: match making.keys {
                Keys::Folded => KeysWord::Folded,
                Keys::AsWritten => KeysWord::AsWritten,
                Keys::Unknown => KeysWord::Unknown,
            },
            count,
            made_at: making.made_at,
            made_by: making.made_by.clone(),
        }
    }

    pub(super) fn octets(&self) -> Result<Vec<u8>, Trouble> {
        serde_json::to_vec(self).map_err(|error| Trouble::Io(error.into()))
    }

    pub(super) fn read(octets: Option<&[u8]>) -> Result<Self, Trouble> {
        let octets = octets.filter(|octets| octets.len() <= MOST_OCTETS);
        let octets = octets.ok_or_else(|| Trouble::damaged("it has no header"))?;
        let format: FormatOnly = serde_json::from_slice(octets).map_err(|error| unreadable(&error))?;
        if format.format != FORMAT {
            return Err(Trouble::OtherFormat(format.format));
        }
        serde_json::from_slice(octets).map_err(|error| unreadable(&error))
    }

    pub(super) fn duplicates(&self) -> Duplicates {
        if self.duplicates { Duplicates::Allowed } else { Duplicates::Refused }
    }

    pub(super) fn keys(&self) -> Keys {
        match self.keys {
            KeysWord::Folded => Keys::Folded,
            KeysWord::AsWritten => Keys::AsWritten,
            KeysWord::Unknown => Keys::Unknown,
        }
    }
}

/// What every format of the header has.
#[derive(Deserialize)]
struct FormatOnly {
    format: u32,
}

fn unreadable(error: &serde_json::Error) -> Trouble {
    Trouble::Damaged(format!("its header cannot be read: {error}"))
}

const FORMAT: u32 = 1;
const MOST_OCTETS: usize = 4096;
