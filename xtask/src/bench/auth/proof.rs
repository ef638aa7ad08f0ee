//! What a client says to prove who it is: CRAM-MD5 (RFC 2195), SCRAM-SHA-256 (RFC 7677) and PLAIN, without channel binding.
//!
//! A client that logs in again keeps what it has derived, or the derivation would be all that it does.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha2::{Digest, Sha256};

/// Everybody's realm.
pub(super) const REALM: &str = "bench.example";

/// Somebody of the thousand.
#[derive(Debug, Clone, Copy)]
pub(super) struct User(pub(super) usize);

impl User {
    pub(super) fn name(self) -> String {
        format!("user{}@{REALM}", self.0)
    }

    pub(super) fn password(self) -> String {
        format!("the secret of user {}", self.0)
    }
}

/// What was derived for one server, whose salts are its own.
#[derive(Default)]
pub(super) struct Derived {
    keys: Mutex<HashMap<usize, (String, Keys)>>,
    nonces: AtomicU64,
}

#[derive(Clone)]
struct Keys {
    client: [u8; 32],
    stored: [u8; 32],
    server: [u8; 32],
}

/// An exchange of SCRAM that has begun.
pub(super) struct Scram {
    user: User,
    bare: String,
}

/// The signature that the server owes.
pub(super) struct Signature([u8; 32]);

pub(super) fn plain(user: User) -> String {
    STANDARD.encode(format!("\0{}\0{}", user.name(), user.password()))
}

/// The answer to a challenge of CRAM-MD5.
pub(super) fn cram_md5(user: User, challenge: &str) -> Option<String> {
    let challenge = STANDARD.decode(challenge).ok()?;
    let mut hmac = Hmac::<Md5>::new_from_slice(user.password().as_bytes()).ok()?;
    hmac.update(&challenge);
    let digest: String = hmac.finalize().into_bytes().iter().map(|octet| format!("{octet:02x}")).collect();
    Some(STANDARD.encode(format!("{} {digest}", user.name())))
}

impl Scram {
    pub(super) fn begin(user: User, derived: &Derived) -> (Self, String) {
        let number = derived.nonces.fetch_add(1, Ordering::Relaxed);
        let nonce = STANDARD.encode(Sha256::digest(number.to_le_bytes()));
        let bare = format!("n={},r={}", user.name(), &nonce[..24]);
        let first = STANDARD.encode(format!("n,,{bare}"));
        (Self { user, bare }, first)
    }

    /// The answer to the server's first message.
    pub(super) fn prove(&self, challenge: &str, derived: &Derived) -> Option<(String, Signature)> {
        let challenge = String::from_utf8(STANDARD.decode(challenge).ok()?).ok()?;
        let value = |name: &str| challenge.split(',').find_map(|part| part.strip_prefix(name));
        let (nonce, salt, iterations) = (value("r=")?, value("s=")?, value("i=")?);
        let keys = derived.keys(self.user, salt, iterations.parse().ok()?)?;
        let without_proof = format!("c=biws,r={nonce}");
        let signed = format!("{},{challenge},{without_proof}", self.bare);
        let mut proof = hmac(&keys.stored, signed.as_bytes())?;
        proof.iter_mut().zip(keys.client).for_each(|(octet, key)| *octet ^= key);
        let answer = format!("{without_proof},p={}", STANDARD.encode(proof));
        Some((STANDARD.encode(answer), Signature(hmac(&keys.server, signed.as_bytes())?)))
    }
}

impl Signature {
    pub(super) fn is(&self, message: &str) -> bool {
        let expected = format!("v={}", STANDARD.encode(self.0));
        STANDARD.decode(message).is_ok_and(|message| message == expected.as_bytes())
    }
}

impl Derived {
    fn keys(&self, user: User, salt: &str, iterations: u32) -> Option<Keys> {
        let from = format!("{salt} {iterations}");
        let known = self.keys.lock().unwrap_or_else(PoisonError::into_inner).get(&user.0).cloned();
        if let Some((_, keys)) = known.filter(|(known, _)| *known == from) {
            return Some(keys);
        }
        let mut salted = [0; 32];
        let salt = STANDARD.decode(salt).ok()?;
        pbkdf2::pbkdf2_hmac::<Sha256>(user.password().as_bytes(), &salt, iterations, &mut salted);
        let client = hmac(&salted, b"Client Key")?;
        let server = hmac(&salted, b"Server Key")?;
        let keys = Keys { client, stored: Sha256::digest(client).into(), server };
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).insert(user.0, (from, keys.clone()));
        Some(keys)
    }
}

fn hmac(key: &[u8; 32], octets: &[u8]) -> Option<[u8; 32]> {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    hmac.update(octets);
    Some(hmac.finalize().into_bytes().into())
}
