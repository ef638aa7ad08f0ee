//! What one guess costs: memory and passes of Argon2id, iterations of SCRAM.
//!
//! The bounds hold for what is made here as well as for what is read from a store or another server's file: a
//! hostile record may not ask for more than 1 GiB, or for minutes.

use crate::verifier::scram::ScramHash;

/// Memory, passes and lanes of Argon2id (RFC 9106).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Argon2Cost {
    m_kib: u32,
    t: u32,
    p: u32,
}

/// Iterations of PBKDF2 (`Hi` in RFC 5802).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Iterations(u32);

/// What new verifiers cost, kind by kind. Kinds that are not here have no cost to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// For `argon2id`.
    pub argon2id: Argon2Cost,
    /// For `scram-sha-1`.
    pub scram_sha_1: Iterations,
    /// For `scram-sha-256`.
    pub scram_sha_256: Iterations,
    /// For `scram-sha-512`.
    pub scram_sha_512: Iterations,
}

/// Why a cost is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CostError {
    /// Memory under 8 KiB for each lane (RFC 9106, section 3.1) or over the limit.
    #[error("argon2id memory is not between {least} and {most} KiB: {found}", most = Argon2Cost::MAX_M_KIB)]
    Memory {
        /// The least that this number of lanes allows.
        least: u32,
        /// What was asked for.
        found: u32,
    },
    /// Passes outside the limits.
    #[error("argon2id passes are not between 1 and {most}: {0}", most = Argon2Cost::MAX_T)]
    Passes(u32),
    /// Lanes outside the limits.
    #[error("argon2id lanes are not between 1 and {most}: {0}", most = Argon2Cost::MAX_P)]
    Lanes(u32),
    /// Each is allowed, but one check would fill more than the limit of memory.
    #[error("argon2id memory times passes is more than {most} KiB: {0}", most = Argon2Cost::MAX_WORK_KIB)]
    Work(u64),
    /// Iterations outside the limits.
    #[error("iterations are not between 1 and {most}: {0}", most = Iterations::MAX)]
    Iterations(u32),
}

impl Argon2Cost {
    /// The most memory, in KiB: 1 GiB, what libsodium calls sensitive.
    pub const MAX_M_KIB: u32 = 1 << 20;
    /// The most passes.
    pub const MAX_T: u32 = 64;
    /// The most lanes.
    pub const MAX_P: u32 = 64;
    /// The most of memory times passes, in KiB: 4 GiB (libsodium's sensitive again), some seconds of one
    /// core.
    pub const MAX_WORK_KIB: u64 = 4 << 20;
    /// The least of memory times passes, in KiB, that is handed down from another server's verifier: 32 MiB, a little
    /// below the cheapest that OWASP recommends.
    pub const FAIR_WORK_KIB: u64 = 32 << 10;

    /// A cost of `m_kib` KiB, `t` passes and `p` lanes.
    pub fn new(m_kib: u32, t: u32, p: u32) -> Result<Self, CostError> {
        if !(1..=Self::MAX_T).contains(&t) {
            return Err(CostError::Passes(t));
        }
        if !(1..=Self::MAX_P).contains(&p) {
            return Err(CostError::Lanes(p));
        }
        let least = 8 * p;
        if !(least..=Self::MAX_M_KIB).contains(&m_kib) {
            return Err(CostError::Memory { least, found: m_kib });
        }
        let cost = Self { m_kib, t, p };
        if cost.work_kib() > Self::MAX_WORK_KIB { Err(CostError::Work(cost.work_kib())) } else { Ok(cost) }
    }

    /// Memory times passes, in KiB: what one guess fills.
    pub fn work_kib(self) -> u64 {
        u64::from(self.m_kib) * u64::from(self.t)
    }

    /// Memory in KiB.
    pub fn m_kib(self) -> u32 {
        self.m_kib
    }

    /// Passes over the memory.
    pub fn t(self) -> u32 {
        self.t
    }

    /// Lanes.
    pub fn p(self) -> u32 {
        self.p
    }
}

/// 19 MiB, two passes, one lane: the first recommendation of OWASP for a server with many logins.
impl Default for Argon2Cost {
    fn default() -> Self {
        Self { m_kib: 19_456, t: 2, p: 1 }
    }
}

impl Iterations {
    /// The most: above what anybody recommends (OWASP: 1,300,000 for SHA-1), a second or two of one core.
    pub const MAX: u32 = 2_000_000;
    /// The fewest with which a guess costs anything: what RFC 5802 (section 5.1) asks for.
    pub const FAIR: u32 = 4096;

    /// A count of iterations.
    pub fn new(count: u32) -> Result<Self, CostError> {
        if (1..=Self::MAX).contains(&count) { Ok(Self(count)) } else { Err(CostError::Iterations(count)) }
    }

    /// The count.
    pub fn get(self) -> u32 {
        self.0
    }
}

/// 65,536: the most that clients with Cyrus SASL accept, for each hash.
impl Default for Iterations {
    fn default() -> Self {
        Self(65_536)
    }
}

impl Cost {
    /// The iterations of one SCRAM hash.
    pub fn iterations(&self, hash: ScramHash) -> Iterations {
        match hash {
            ScramHash::Sha1 => self.scram_sha_1,
            ScramHash::Sha256 => self.scram_sha_256,
            ScramHash::Sha512 => self.scram_sha_512,
        }
    }

    /// The cost with other iterations for one SCRAM hash.
    #[must_use]
    pub fn with_iterations(mut self, hash: ScramHash, iterations: Iterations) -> Self {
        match hash {
            ScramHash::Sha1 => self.scram_sha_1 = iterations,
            ScramHash::Sha256 => self.scram_sha_256 = iterations,
            ScramHash::Sha512 => self.scram_sha_512 = iterations,
        }
        self
    }
}

impl Default for Cost {
    fn default() -> Self {
        let iterations = Iterations::default();
        Self {
            argon2id: Argon2Cost::default(),
            scram_sha_1: iterations,
            scram_sha_256: iterations,
            scram_sha_512: iterations,
        }
    }
}
