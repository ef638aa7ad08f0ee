//! SASLprep (RFC 4013) for stored strings, with errors that name the character.
//!
//! The mapping itself is that of the `stringprep` crate; when it refuses, the first character at fault is
//! looked for with the same tables.

use std::borrow::Cow;
use std::fmt;

use stringprep::tables;
use zeroize::Zeroizing;

/// Why SASLprep refuses a string (RFC 4013, sections 2.3 to 2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SaslprepError {
    /// One character may not stand in such a string.
    #[error("character {position} is U+{:04X}, {why}", u32::from(*.character))]
    Character {
        /// The character.
        character: char,
        /// Where it stands, in characters counted from 1.
        position: usize,
        /// What it is.
        why: Prohibited,
    },
    /// Right-to-left and left-to-right characters are mixed (RFC 3454, section 6): in a string with one
    /// character written from right to left none may be of the other direction, and it must begin and end
    /// with such a one.
    #[error("writing directions are mixed around character {position}, U+{:04X}", u32::from(*.character))]
    Direction {
        /// The first character that breaks the rule.
        character: char,
        /// Where it stands, in characters counted from 1.
        position: usize,
    },
}

/// The tables of RFC 3454 that SASLprep prohibits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prohibited {
    /// C.2.1 and C.2.2.
    Control,
    /// C.3.
    PrivateUse,
    /// C.4.
    NonCharacter,
    /// C.6.
    NotPlainText,
    /// C.7.
    NotCanonical,
    /// C.8.
    DisplayProperty,
    /// C.9.
    Tagging,
    /// A.1: not assigned in Unicode 3.2, which RFC 4013 is bound to (every emoji is younger).
    Unassigned,
}

impl fmt::Display for Prohibited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Control => "a control character",
            Self::PrivateUse => "a character for private use",
            Self::NonCharacter => "no character",
            Self::NotPlainText => "not meant for plain text",
            Self::NotCanonical => "without a canonical form",
            Self::DisplayProperty => "one that changes how others are shown",
            Self::Tagging => "a tagging character",
            Self::Unassigned => "not assigned in Unicode 3.2",
        })
    }
}

/// Prepares a secret; the result may be empty, since some characters are mapped to nothing.
pub(crate) fn saslprep(text: &str) -> Result<Zeroizing<Vec<u8>>, SaslprepError> {
    saslprep_name(text).map(|prepared| Zeroizing::new(prepared.into_owned().into_bytes()))
}

/// Prepares what is no secret, without a copy where nothing changes.
pub(crate) fn saslprep_name(text: &str) -> Result<Cow<'_, str>, SaslprepError> {
    stringprep::saslprep(text).map_err(|_| find_fault(text))
}

fn find_fault(text: &str) -> SaslprepError {
    let numbered = || text.chars().enumerate().map(|(index, character)| (index + 1, character));
    for (position, character) in numbered() {
        if let Some(why) = fault_of(character) {
            return SaslprepError::Character { character, position, why };
        }
    }
    let right_to_left = text.chars().find(|&c| !is_dropped(c)).is_some_and(tables::bidi_r_or_al);
    let breaks = |c: char| if right_to_left { tables::bidi_l(c) } else { tables::bidi_r_or_al(c) };
    // With neither, the string begins in one direction and ends in none: the last character is at fault.
    let (position, character) = numbered()
        .find(|&(_, c)| breaks(c))
        .or_else(|| numbered().filter(|&(_, c)| !is_dropped(c)).last())
        .unwrap_or((1, char::REPLACEMENT_CHARACTER));
    SaslprepError::Direction { character, position }
}

fn is_dropped(character: char) -> bool {
    tables::commonly_mapped_to_nothing(character)
}

/// What is wrong with one character by itself. It is judged after its normalisation, as the string was; alone
/// it has no direction to mix.
fn fault_of(character: char) -> Option<Prohibited> {
    let is_refused = stringprep::saslprep(character.encode_utf8(&mut [0; 4])).is_err();
    is_refused.then(|| table_of(character).unwrap_or(Prohibited::NotCanonical))
}

fn table_of(c: char) -> Option<Prohibited> {
    type Row = (fn(char) -> bool, Prohibited);
    let rows: [Row; 9] = [
        (tables::ascii_control_character, Prohibited::Control),
        (tables::inappropriate_for_plain_text, Prohibited::NotPlainText),
        (tables::change_display_properties_or_deprecated, Prohibited::DisplayProperty),
        (tables::non_ascii_control_character, Prohibited::Control),
        (tables::private_use, Prohibited::PrivateUse),
        (tables::non_character_code_point, Prohibited::NonCharacter),
        (tables::inappropriate_for_canonical_representation, Prohibited::NotCanonical),
        (tables::tagging_character, Prohibited::Tagging),
        (tables::unassigned_code_point, Prohibited::Unassigned),
    ];
    rows.into_iter().find(|(is_in, _)| is_in(c)).map(|(_, why)| why)
}
