//! The text form of client-info entries, with the column in every error.

/// Why a value is no client-info entry, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {what}")]
pub struct ClientInfoError {
    /// Where in the value, in octets counted from 1.
    pub column: usize,
    /// What is wrong there.
    pub what: Fault,
}

/// What can be wrong with a client-info entry. No octet of a value is ever shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No `"` where the first token should begin.
    #[error("a token has to begin with a quotation mark")]
    NotQuoted,
}
