//! The words of the trade: secrets, identities, verifiers, client-info entries
