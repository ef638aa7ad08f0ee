//! What is kept of a password, and what it costs: the store's policy, and the salts and costs of one user.
//!
//! Where a policy comes from (the configuration) and where it is kept is not decided here.

mod cost;
mod keep;
mod salt;

pub use cost::{Argon2Cost, Cost, CostError, Iterations};
pub use keep::{KindSet, KindSetError};
pub use salt::{Recipe, Salt, SaltError, Salts};

/// What the store keeps of every password, unless a user's record has a list of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Policy {
    /// Which verifiers are made.
    pub keep: KindSet,
    /// What they cost.
    pub cost: Cost,
}

#[cfg(test)]
mod tests;
