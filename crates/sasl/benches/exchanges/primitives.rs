//! What each RFC demands of a server's cryptography, done on octets of the same lengths, and nothing else.

use std::hint::black_box;

use argon2::{Algorithm, Argon2, Params, Version};
use credential::{Argon2Cost, Mechanism, Record, ScramHash, Verifier, VerifierKind};
use hmac::{EagerHash, Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

/// The primitives of one exchange.
pub(crate) enum Primitives<'a> {
    /// Two signatures of AuthMessage, and StoredKey of ClientKey (RFC 5802, section 3).
    Scram { hash: ScramHash, auth_message: Vec<u8> },
    /// HMAC-MD5 from the states that are kept (RFC 2195).
    CramMd5 { record: &'a Record, challenge: &'a [u8] },
    /// H(A1), H(A2) and the proof of both sides (RFC 2831, section 2.1.2.1): texts of these lengths.
    DigestMd5([Vec<u8>; 5]),
    /// A derivation from the password.
    Argon2id(Argon2<'static>),
    /// Nothing.
    None,
}

impl<'a> Primitives<'a> {
    pub(crate) fn of(mechanism: Mechanism, record: &'a Record, messages: &'a [Vec<u8>]) -> Self {
        match mechanism {
            Mechanism::Scram(hash) | Mechanism::ScramPlus(hash) => {
                // The GS2 header and the proof are not signed.
                let said = String::from_utf8(messages[..3].join(&b',')).unwrap();
                let (_, bare) = said.split_once(",,").unwrap();
                let (auth_message, _) = bare.rsplit_once(",p=").unwrap();
                Self::Scram { hash, auth_message: auth_message.into() }
            }
            Mechanism::CramMd5 => Self::CramMd5 { record, challenge: &messages[0] },
            // A nonce of 44 octets, a cnonce of 24, a digest-uri of 21.
            Mechanism::DigestMd5 => Self::DigestMd5([86, 34, 22, 149, 149].map(|length| vec![b'x'; length])),
            Mechanism::Plain | Mechanism::Login => {
                let cost = Argon2Cost::default();
                let params = Params::new(cost.m_kib(), cost.t(), cost.p(), Some(32)).unwrap();
                Self::Argon2id(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
            }
            _ => Self::None,
        }
    }

    pub(crate) fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    pub(crate) fn run(&self) {
        match self {
            Self::Scram { hash: ScramHash::Sha1, auth_message } => scram::<Sha1>(auth_message),
            Self::Scram { hash: ScramHash::Sha256, auth_message } => scram::<Sha256>(auth_message),
            Self::Scram { hash: ScramHash::Sha512, auth_message } => scram::<Sha512>(auth_message),
            Self::CramMd5 { record, challenge } => {
                let verifiers = &record.credentials()[0].verifiers;
                let Some(Verifier::CramMd5(cram)) = verifiers.get(VerifierKind::CramMd5) else { return };
                black_box(cram.digest(black_box(challenge)));
            }
            Self::DigestMd5(texts) => texts.iter().for_each(|text| {
                black_box(Md5::digest(black_box(text)));
            }),
            Self::Argon2id(argon2) => {
                let mut hash = [0; 32];
                argon2.hash_password_into(b"pencil", &[7; 16], &mut hash).unwrap();
                black_box(hash);
            }
            Self::None => {}
        }
    }
}

fn scram<H: EagerHash + Digest>(auth_message: &[u8]) {
    let key = vec![7; <H as Digest>::output_size()];
    for _ in 0..2 {
        let mut hmac = <Hmac<H> as KeyInit>::new_from_slice(black_box(&key)).unwrap();
        hmac.update(black_box(auth_message));
        black_box(hmac.finalize());
    }
    black_box(<H as Digest>::digest(black_box(&key)));
}
