//! The password itself, as sasldb keeps it: off unless the policy asks for it.

use subtle::ConstantTimeEq;

use crate::secret::Secret;

/// The prepared password (or, imported raw, its octets).
#[derive(Debug)]
pub struct Plain(Secret);

impl Plain {
    /// Keeps a password.
    pub fn new(password: Secret) -> Self {
        Self(password)
    }

    /// The password.
    pub fn secret(&self) -> &Secret {
        &self.0
    }

    pub(crate) fn matches(&self, answer: &[u8]) -> bool {
        self.0.expose().ct_eq(answer).into()
    }
}
