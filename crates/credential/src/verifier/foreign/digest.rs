//! Hashes that are a digest and a salt: salted SHA, PBKDF2 as Dovecot writes it, PLAIN of Cyrus SASL 1.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use zeroize::Zeroizing;

use super::{ForeignError, Scheme};
use crate::policy::{Iterations, Salt};
use crate::verifier::octets::{BASE64, from_base64, from_decimal, from_hex};

/// Base64 of digest(password, salt) and salt, which may be empty.
pub(super) struct Salted {
    scheme: Scheme,
    digest: Zeroizing<Vec<u8>>,
    salt: Vec<u8>,
}

/// `$1$SALT$ROUNDS$HEX`.
pub(super) struct Pbkdf2 {
    salt: String,
    rounds: u32,
    digest: Zeroizing<Vec<u8>>,
}

/// Base64 of 16 octets of salt and MD5(salt, "sasldb", password). (In the file a NUL stands between.)
pub(super) struct CyrusPlain {
    salt: [u8; 16],
    digest: Zeroizing<[u8; 16]>,
}

impl Salted {
    pub(super) fn parse(scheme: Scheme, text: &str) -> Result<Self, ForeignError> {
        let length = match scheme {
            Scheme::SaltedSha1 => 20,
            Scheme::SaltedSha256 => 32,
            _ => 64,
        };
        let octets = from_base64(&BASE64, text.as_bytes(), length + Salt::MAX)
            .ok_or_else(|| scheme.malformed("not base64, or too long"))?;
        let (digest, salt) =
            octets.split_at_checked(length).ok_or_else(|| scheme.malformed("shorter than its digest"))?;
        Ok(Self { scheme, digest: Zeroizing::new(digest.to_vec()), salt: salt.to_vec() })
    }

    pub(super) fn answer(&self, candidate: &[u8]) -> Zeroizing<Vec<u8>> {
        match self.scheme {
            Scheme::SaltedSha1 => digest::<Sha1>(&[candidate, &self.salt]),
            Scheme::SaltedSha256 => digest::<Sha256>(&[candidate, &self.salt]),
            _ => digest::<Sha512>(&[candidate, &self.salt]),
        }
    }

    pub(super) fn kept(&self) -> &[u8] {
        &self.digest
    }
}

impl Pbkdf2 {
    pub(super) fn parse(text: &str) -> Result<Self, ForeignError> {
        let scheme = Scheme::Pbkdf2Sha1;
        let form = || scheme.malformed("not of the form $1$SALT$ROUNDS$HEX");
        let mut fields = text.strip_prefix("$1$").ok_or_else(form)?.split('$');
        let mut next = || fields.next().ok_or_else(form);
        let (salt, rounds, hex) = (next()?, next()?, next()?);
        if fields.next().is_some() || salt.len() > Salt::MAX {
            return Err(form());
        }
        let rounds = from_decimal(rounds).filter(|rounds| *rounds > 0);
        let rounds = rounds.ok_or_else(|| scheme.malformed("rounds are not a number from 1 on"))?;
        let digest = from_hex(hex.as_bytes(), 20).filter(|digest| digest.len() == 20);
        let digest = digest.ok_or_else(|| scheme.malformed("digest is not 40 hexadecimal digits"))?;
        Ok(Self { salt: salt.to_owned(), rounds: scheme.bounded(rounds, Iterations::MAX)?, digest })
    }

    pub(super) fn answer(&self, candidate: &[u8]) -> Zeroizing<Vec<u8>> {
        let mut answer = Zeroizing::new(vec![0; self.digest.len()]);
        pbkdf2::pbkdf2_hmac::<Sha1>(candidate, self.salt.as_bytes(), self.rounds, &mut answer);
        answer
    }

    pub(super) fn kept(&self) -> &[u8] {
        &self.digest
    }
}

impl CyrusPlain {
    pub(super) fn parse(text: &str) -> Result<Self, ForeignError> {
        let octets = from_base64(&BASE64, text.as_bytes(), 32).filter(|octets| octets.len() == 32);
        let octets = octets.ok_or_else(|| Scheme::CyrusPlain.malformed("not base64 of 32 octets"))?;
        let mut this = Self { salt: [0; 16], digest: Zeroizing::new([0; 16]) };
        this.salt.copy_from_slice(&octets[..16]);
        this.digest.copy_from_slice(&octets[16..]);
        Ok(this)
    }

    pub(super) fn answer(&self, candidate: &[u8]) -> Zeroizing<Vec<u8>> {
        digest::<Md5>(&[&self.salt, b"sasldb", candidate])
    }

    pub(super) fn kept(&self) -> &[u8] {
        &self.digest[..]
    }
}

fn digest<D: Digest>(parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let mut hasher = D::new();
    for part in parts {
        hasher.update(part);
    }
    Zeroizing::new(hasher.finalize().to_vec())
}
