//! What a client says to prove who it is: CRAM-MD5 (RFC 2195), SCRAM-SHA-256 (RFC 7677) and PLAIN, without channel binding;
//! and what Dovecot keeps in order to believe it.
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
    let digest = hexadecimal(&hmac.finalize().into_bytes());
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
        let keys = Keys::derive(user, &STANDARD.decode(salt).ok()?, iterations)?;
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).insert(user.0, (from, keys.clone()));
        Some(keys)
    }
}

impl Keys {
    fn derive(user: User, salt: &[u8], iterations: u32) -> Option<Self> {
        let mut salted = [0; 32];
        pbkdf2::pbkdf2_hmac::<Sha256>(user.password().as_bytes(), salt, iterations, &mut salted);
        let client = hmac(&salted, b"Client Key")?;
        let server = hmac(&salted, b"Server Key")?;
        Some(Self { client, stored: Sha256::digest(client).into(), server })
    }
}

/// A user in Dovecot's scheme SCRAM-SHA-256: iterations, salt, and the two keys that are stored.
pub(super) fn scram_for_dovecot(user: User, salt: &[u8]) -> Option<String> {
    let keys = Keys::derive(user, salt, ITERATIONS)?;
    let [salt, stored, server] = [salt, &keys.stored, &keys.server].map(|octets| STANDARD.encode(octets));
    Some(format!("{{SCRAM-SHA-256}}{ITERATIONS},{salt},{stored},{server}"))
}

/// A user in Dovecot's scheme CRAM-MD5: the states of HMAC-MD5 (RFC 2104) behind its first blocks, the outer one first.
pub(super) fn cram_md5_for_dovecot(user: User) -> String {
    let password = user.password();
    let state = |pad: u8| {
        let mut block = [pad; 64];
        block.iter_mut().zip(password.as_bytes()).for_each(|(octet, key)| *octet ^= key);
        // RFC 1321, section 3.3.
        let mut state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
        md5::block_api::compress(&mut state, &[block]);
        state.map(u32::to_le_bytes).concat()
    };
    let octets = [state(0x5c), state(0x36)].concat();
    format!("{{CRAM-MD5}}{}", hexadecimal(&octets))
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |text, octet| format!("{text}{octet:02x}"))
}

fn hmac(key: &[u8; 32], octets: &[u8]) -> Option<[u8; 32]> {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    hmac.update(octets);
    Some(hmac.finalize().into_bytes().into())
}

/// The fewest that RFC 7677 allows: they are the client's work.
const ITERATIONS: u32 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    /// As `doveadm pw` of Dovecot 2.3.19 has made them.
    #[test]
    fn users_are_stored_as_dovecot_stores_them() {
        assert_eq!(
            cram_md5_for_dovecot(User(0)),
            "{CRAM-MD5}5d310981c383a1177da13daafe77fc1cc3fe7b1f8135bc1e695181986d382b0f"
        );
        let salt = STANDARD.decode("treWeVRX7bC+cyL6q2CCeg==").unwrap();
        assert_eq!(
            scram_for_dovecot(User(0), &salt).unwrap(),
            "{SCRAM-SHA-256}4096,treWeVRX7bC+cyL6q2CCeg==,KUdUgNGLsCrdbwiBknDFj3MjFTlfNiKCwe+8hYesZ3g=,\
             aCyd24+lTy1pJCYNu6Gs9fnbfsRI7nSj18HHsm4TxFE="
        );
    }
}
