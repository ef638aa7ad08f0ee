//! The strings of crypt(3) that are taken over: bcrypt, SHA-256-crypt and SHA-512-crypt.

use base64::Engine;
use zeroize::Zeroizing;

use super::{ForeignError, Scheme};
use crate::verifier::octets::{BASE64_BCRYPT, from_decimal};

/// `$2b$COST$SALTHASH`, the last two 22 and 31 characters without a sign between.
///
/// `$2a$`, `$2b$` and `$2y$` are one function for every password of up to 72 octets, the most that it looks
/// at; `$2x$` marks the hashes of a faulty program and is refused.
pub(super) struct Bcrypt {
    cost: u32,
    salt: [u8; 16],
    hash: Zeroizing<[u8; 23]>,
}

/// `$5$rounds=ROUNDS$SALT$HASH`, or `$6$`; without `rounds=` it is 5000.
pub(super) struct ShaCrypt {
    scheme: Scheme,
    rounds: u32,
    salt: String,
    hash: Zeroizing<String>,
}

impl Bcrypt {
    /// 2 to this power is the number of rounds: some seconds of one core.
    const MAX_COST: u32 = 16;

    pub(super) fn parse(text: &str) -> Result<Self, ForeignError> {
        let malformed = |what| Scheme::Bcrypt.malformed(what);
        let version = text.get(..4).ok_or_else(|| malformed("too short"))?;
        if !matches!(version, "$2a$" | "$2b$" | "$2y$") {
            return Err(malformed("does not begin with $2a$, $2b$ or $2y$"));
        }
        let (cost, rest) = text[4..].split_once('$').ok_or_else(|| malformed("no cost"))?;
        let digits = cost.len() == 2 && cost.bytes().all(|octet| octet.is_ascii_digit());
        let cost = cost.parse().ok().filter(|cost| digits && *cost >= 4);
        let cost = cost.ok_or_else(|| malformed("cost is not a number from 04 on"))?;
        let (salt, hash) = rest
            .split_at_checked(22)
            .filter(|(_, hash)| hash.len() == 31)
            .ok_or_else(|| malformed("salt and hash have not 53 characters"))?;
        let mut this = Self {
            cost: Scheme::Bcrypt.bounded(cost, Self::MAX_COST)?,
            salt: [0; 16],
            hash: Zeroizing::new([0; 23]),
        };
        let not_base64 = |_| malformed("salt or hash is not in bcrypt's base64");
        BASE64_BCRYPT.decode_slice(salt, &mut this.salt).map_err(not_base64)?;
        BASE64_BCRYPT.decode_slice(hash, &mut this.hash[..]).map_err(not_base64)?;
        Ok(this)
    }

    pub(super) fn answer(&self, candidate: &[u8]) -> Zeroizing<Vec<u8>> {
        let mut key = Zeroizing::new([0; 72]);
        let length = candidate.len().min(key.len());
        key[..length].copy_from_slice(&candidate[..length]);
        // The NUL behind the password is part of the key, where there is room for it.
        let key = &key[..(length + 1).min(72)];
        let hash = Zeroizing::new(bcrypt::bcrypt(self.cost, self.salt, key));
        Zeroizing::new(hash[..23].to_vec())
    }

    pub(super) fn kept(&self) -> &[u8] {
        &self.hash[..]
    }
}

impl ShaCrypt {
    /// About a second for a password of usual length.
    const MAX_ROUNDS: u32 = 1_000_000;

    /// The longest password that crypt(3) of libxcrypt hashes, in octets. The function takes time in the
    /// square of it.
    const MAX_PASSWORD: usize = 511;

    pub(super) fn parse(scheme: Scheme, text: &str) -> Result<Self, ForeignError> {
        let malformed = |what| scheme.malformed(what);
        let (prefix, length) = if scheme == Scheme::Sha256Crypt { ("$5$", 43) } else { ("$6$", 86) };
        let rest = text.strip_prefix(prefix).ok_or_else(|| malformed("does not begin with its prefix"))?;
        let (rounds, rest) = match rest.strip_prefix("rounds=") {
            Some(rest) => rest.split_once('$').ok_or_else(|| malformed("no salt"))?,
            None => ("5000", rest),
        };
        let rounds = from_decimal(rounds)
            .filter(|rounds| *rounds >= sha_crypt::Params::ROUNDS_MIN)
            .ok_or_else(|| malformed("rounds are not a number from 1000 on"))?;
        let (salt, hash) = rest.split_once('$').ok_or_else(|| malformed("no hash"))?;
        if salt.len() > 16 {
            return Err(malformed("salt is longer than 16 characters"));
        }
        if hash.len() != length || !hash.bytes().all(|octet| CRYPT64.contains(&octet)) {
            return Err(malformed("hash is not of its length in crypt's base64"));
        }
        Ok(Self {
            scheme,
            rounds: scheme.bounded(rounds, Self::MAX_ROUNDS)?,
            salt: salt.to_owned(),
            hash: Zeroizing::new(hash.to_owned()),
        })
    }

    pub(super) fn answer(&self, candidate: &[u8]) -> Zeroizing<Vec<u8>> {
        if candidate.len() > Self::MAX_PASSWORD {
            return Zeroizing::default();
        }
        let Ok(params) = sha_crypt::Params::new(self.rounds) else { return Zeroizing::default() };
        let salt = self.salt.as_bytes();
        if self.scheme == Scheme::Sha256Crypt {
            let digest = Zeroizing::new(sha_crypt::sha256_crypt(candidate, salt, params));
            encode(&digest[..], &SHA256_ORDER)
        } else {
            let digest = Zeroizing::new(sha_crypt::sha512_crypt(candidate, salt, params));
            encode(&digest[..], &SHA512_ORDER)
        }
    }

    pub(super) fn kept(&self) -> &[u8] {
        self.hash.as_bytes()
    }
}

/// crypt's base64: groups of three octets in an order of its own, each group's low six bits first.
fn encode(digest: &[u8], order: &[[usize; 3]]) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(Vec::with_capacity(88));
    for group in order {
        let octet = |place: usize| digest.get(group[place]).copied().map_or(0, u32::from);
        let word = octet(0) << 16 | octet(1) << 8 | octet(2);
        let octets = group.iter().filter(|&&index| index < digest.len()).count();
        text.extend((0..=octets).map(|sextet| CRYPT64[(word >> (6 * sextet)) as usize & 63]));
    }
    text
}

const CRYPT64: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// No octet of the digest.
const NONE: usize = usize::MAX;

/// The groups of SHA-256-crypt (step 22 of its specification).
#[rustfmt::skip]
const SHA256_ORDER: [[usize; 3]; 11] = [
    [0, 10, 20], [21, 1, 11], [12, 22, 2], [3, 13, 23], [24, 4, 14], [15, 25, 5],
    [6, 16, 26], [27, 7, 17], [18, 28, 8], [9, 19, 29], [NONE, 31, 30],
];

/// The groups of SHA-512-crypt.
#[rustfmt::skip]
const SHA512_ORDER: [[usize; 3]; 22] = [
    [0, 21, 42], [22, 43, 1], [44, 2, 23], [3, 24, 45], [25, 46, 4], [47, 5, 26], [6, 27, 48],
    [28, 49, 7], [50, 8, 29], [9, 30, 51], [31, 52, 10], [53, 11, 32], [12, 33, 54], [34, 55, 13],
    [56, 14, 35], [15, 36, 57], [37, 58, 16], [59, 17, 38], [18, 39, 60], [40, 61, 19], [62, 20, 41],
    [NONE, NONE, 63],
];
