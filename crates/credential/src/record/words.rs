//! The small words of a record: label, time, who changed it.

use std::fmt;
use std::str::FromStr;

/// Seconds since 1970-01-01 00:00:00 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(
    /// The seconds.
    pub u64,
);

/// Whether the policy decides if `plain` is kept for a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlainRule {
    /// As the policy (or the user's own list) says.
    ByPolicy,
    /// Never, whatever the policy says (`saslpasswd -n`).
    Never,
}

/// What a credential is called: `main`, `phone`, `backup script`.
///
/// 1 to 64 octets of printable characters, without blanks at its ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(String);

/// Why a text is no label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// Nothing, or more than [`Label::MAX`] octets.
    #[error("a label has between 1 and {most} octets: {0}", most = Label::MAX)]
    Length(usize),
    /// A control character, or a blank at one end.
    #[error("a label is printable text without blanks at its ends: {0:?}")]
    Unprintable(String),
}

/// Who changed a record, and with what; by default nobody, with nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangedBy {
    who: String,
    app: String,
}

/// Why a text cannot be recorded with a change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangedByError {
    /// More than [`ChangedBy::MAX`] octets.
    #[error("name is longer than {most} octets: {0}", most = ChangedBy::MAX)]
    TooLong(usize),
    /// A control character.
    #[error("name holds a control character: {0:?}")]
    Control(String),
}

impl Timestamp {
    /// The seconds.
    pub fn seconds(self) -> u64 {
        self.0
    }
}

impl Label {
    /// The longest label, in octets.
    pub const MAX: usize = 64;

    /// The label of the one password that every user has.
    pub fn main() -> Self {
        Self(String::from("main"))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Label {
    fn default() -> Self {
        Self::main()
    }
}

impl FromStr for Label {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !(1..=Self::MAX).contains(&text.len()) {
            return Err(LabelError::Length(text.len()));
        }
        if text.chars().any(char::is_control) || text.trim() != text {
            return Err(LabelError::Unprintable(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl ChangedBy {
    /// The longest name of either sort, in octets.
    pub const MAX: usize = 255;

    /// `who`: an account name, or a uid in digits; `app`: the name given with `-a`, or the program's.
    pub fn new(who: &str, app: &str) -> Result<Self, ChangedByError> {
        for name in [who, app] {
            if name.len() > Self::MAX {
                return Err(ChangedByError::TooLong(name.len()));
            }
            if name.chars().any(char::is_control) {
                return Err(ChangedByError::Control(name.to_owned()));
            }
        }
        Ok(Self { who: who.to_owned(), app: app.to_owned() })
    }

    /// The account.
    pub fn who(&self) -> &str {
        &self.who
    }

    /// The program.
    pub fn app(&self) -> &str {
        &self.app
    }
}
