//! The words of the trade: secrets, identities, verifiers, records, policy, client-info entries.
//!
//! Everything here is a pure function of its arguments: salts, keys and the time come in from the caller, and
//! no file, clock, source of randomness or protocol is reached from here. What a record looks like in the
//! store is the matter of `store`; this crate has the model, and constructors that refuse what no honest
//! record holds.

pub mod client_info;
pub mod decoy;
pub mod dovecot;
pub mod identity;
pub mod mechanism;
pub mod password;
pub mod policy;
pub mod record;
pub mod sasldb;
pub mod secret;
pub mod verifier;

pub use client_info::{ClientInfo, ClientInfoError};
pub use decoy::{Decoy, DecoyKey, Shape, ShapeCounts, Shapes};
pub use identity::{AuthorizationId, Identity, Realm, Username};
pub use mechanism::{Mechanism, MechanismSet, Property, PropertySet};
pub use password::{MAX_PASSWORD, Password, PasswordError};
pub use policy::{Argon2Cost, Cost, Iterations, KindSet, Policy, Recipe, Salt, Salts};
pub use record::{
    ChangedBy, Credential, Label, Network, Occasion, PlainRule, Record, RecordParts, State, Timestamp,
    Verdict,
};
pub use secret::Secret;
pub use verifier::{DeriveError, Imported, ScramHash, Strength, Verifier, VerifierKind, Verifiers, derive};
