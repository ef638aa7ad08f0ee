//! Argon2id (RFC 9106), kept and exchanged as PHC strings:
//! `$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH`, salt and hash in base64 without padding.
//!
//! Argon2i and Argon2d are other functions and refused by name; so is version 16.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::policy::{Argon2Cost, CostError, Salt, SaltError};
use crate::verifier::DeriveError;
use crate::verifier::octets::{BASE64_UNPADDED, from_base64, from_decimal, to_base64};

/// An Argon2id hash with the salt and cost it was made with.
pub struct Argon2id {
    cost: Argon2Cost,
    salt: Salt,
    hash: Zeroizing<Vec<u8>>,
}

/// Why a text is no Argon2id verifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Argon2idError {
    /// Another function: its identifier.
    #[error("not argon2id but another function: {0}")]
    OtherFunction(String),
    /// Version 16 (0x10) or one that nobody has defined.
    #[error("argon2id version is not 19: {0}")]
    OtherVersion(String),
    /// A field is missing, out of order or not in its form.
    #[error("malformed argon2id string: {0}")]
    Malformed(&'static str),
    /// More memory, passes or lanes than are allowed.
    #[error(transparent)]
    Cost(#[from] CostError),
    /// A salt of no allowed length.
    #[error(transparent)]
    Salt(#[from] SaltError),
    /// A hash of no allowed length.
    #[error(
        "an argon2id hash has between {least} and {most} octets: {0}",
        least = Argon2id::MIN_HASH,
        most = Argon2id::MAX_HASH
    )]
    HashLength(usize),
}

impl Argon2id {
    /// The shortest salt that RFC 9106 allows.
    pub const MIN_SALT: usize = 8;
    /// The shortest hash that is taken, in octets: RFC 9106 allows 4, which a guess would hit by chance.
    pub const MIN_HASH: usize = 12;
    /// The longest hash that is taken, in octets.
    pub const MAX_HASH: usize = 64;
    /// How long a hash of ours is.
    pub const HASH: usize = 32;

    /// Hashes a password.
    pub fn derive(cost: Argon2Cost, salt: &Salt, password: &[u8]) -> Result<Self, DeriveError> {
        Ok(Self { cost, salt: salt.clone(), hash: hash(cost, salt, password, Self::HASH)? })
    }

    /// A verifier of its parts, as a store keeps them.
    pub fn from_parts(cost: Argon2Cost, salt: Salt, hash: &[u8]) -> Result<Self, Argon2idError> {
        if salt.octets().len() < Self::MIN_SALT {
            return Err(SaltError { octets: salt.octets().len() }.into());
        }
        if !(Self::MIN_HASH..=Self::MAX_HASH).contains(&hash.len()) {
            return Err(Argon2idError::HashLength(hash.len()));
        }
        Ok(Self { cost, salt, hash: Zeroizing::new(hash.to_vec()) })
    }

    /// Reads a PHC string.
    pub fn parse(phc: &str) -> Result<Self, Argon2idError> {
        let mut fields = phc.strip_prefix('$').ok_or(MALFORMED)?.split('$');
        let mut next = || fields.next().ok_or(MALFORMED);
        let (function, version, cost, salt, hash) = (next()?, next()?, next()?, next()?, next()?);
        if fields.next().is_some() {
            return Err(MALFORMED);
        }
        if function != "argon2id" {
            return Err(Argon2idError::OtherFunction(function.chars().take(32).collect()));
        }
        if version != "v=19" {
            return Err(Argon2idError::OtherVersion(version.chars().take(32).collect()));
        }
        let decode = |text: &str, what| {
            from_base64(&BASE64_UNPADDED, text.as_bytes(), Salt::MAX).ok_or(Argon2idError::Malformed(what))
        };
        let salt = Salt::new(&decode(salt, "salt is not base64, or too long")?)?;
        Self::from_parts(parse_cost(cost)?, salt, &decode(hash, "hash is not base64, or too long")?)
    }

    /// The PHC string.
    pub fn to_phc(&self) -> Zeroizing<String> {
        let (m, t, p) = (self.cost.m_kib(), self.cost.t(), self.cost.p());
        let salt = to_base64(&BASE64_UNPADDED, self.salt.octets());
        let hash = to_base64(&BASE64_UNPADDED, &self.hash);
        Zeroizing::new(format!("$argon2id$v=19$m={m},t={t},p={p}${}${}", *salt, *hash))
    }

    /// Memory, passes, lanes.
    pub fn cost(&self) -> Argon2Cost {
        self.cost
    }

    /// The salt.
    pub fn salt(&self) -> &Salt {
        &self.salt
    }

    /// The hash.
    pub fn hash(&self) -> &[u8] {
        &self.hash
    }

    pub(crate) fn answer(&self, candidate: &[u8]) -> Result<Zeroizing<Vec<u8>>, DeriveError> {
        hash(self.cost, &self.salt, candidate, self.hash.len())
    }

    pub(crate) fn matches(&self, answer: &[u8]) -> bool {
        self.hash.as_slice().ct_eq(answer).into()
    }
}

impl fmt::Debug for Argon2id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Argon2id").field("cost", &self.cost).finish_non_exhaustive()
    }
}

fn parse_cost(text: &str) -> Result<Argon2Cost, Argon2idError> {
    const WHAT: Argon2idError = Argon2idError::Malformed("cost is not m=NUMBER,t=NUMBER,p=NUMBER");
    let mut fields = text.split(',');
    let mut number = |name| fields.next()?.strip_prefix(name).and_then(from_decimal);
    let (m, t, p) = (number("m="), number("t="), number("p="));
    match (m, t, p, fields.next()) {
        (Some(m), Some(t), Some(p), None) => Ok(Argon2Cost::new(m, t, p)?),
        _ => Err(WHAT),
    }
}

/// The only error left at run time is memory: cost, salt and length have been judged by the types before.
fn hash(
    cost: Argon2Cost,
    salt: &Salt,
    password: &[u8],
    length: usize,
) -> Result<Zeroizing<Vec<u8>>, DeriveError> {
    let params = argon2::Params::new(cost.m_kib(), cost.t(), cost.p(), Some(length))
        .map_err(|_| DeriveError::OutOfMemory)?;
    let mut blocks = Memory::new(params.block_count())?;
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let mut out = Zeroizing::new(vec![0; length]);
    argon2
        .hash_password_into_with_memory(password, salt.octets(), &mut out, &mut blocks.0[..])
        .map_err(|_| DeriveError::OutOfMemory)?;
    Ok(out)
}

/// The blocks, wiped afterwards: the last ones are enough to make the hash from.
struct Memory(Vec<argon2::Block>);

impl Memory {
    fn new(blocks: usize) -> Result<Self, DeriveError> {
        let mut memory = Vec::new();
        memory.try_reserve_exact(blocks).map_err(|_| DeriveError::OutOfMemory)?;
        memory.resize(blocks, argon2::Block::new());
        Ok(Self(memory))
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(Zeroize::zeroize);
    }
}

const MALFORMED: Argon2idError =
    Argon2idError::Malformed("not of the form $argon2id$v=19$m=…,t=…,p=…$SALT$HASH");
