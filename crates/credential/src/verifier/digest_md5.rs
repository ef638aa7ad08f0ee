//! DIGEST-MD5 (RFC 2831): H(A1)'s inner hash, MD5(user:realm:password), as good as the password in its realm.
//!
//! RFC 2831, section 2.1.2.1, hashes a field that fits into ISO-8859-1 in that form. Clients disagree: the
//! hash of each field converted where it fits comes first, and where the hash of the UTF-8 octets is another
//! one it is kept too.

use std::fmt;

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::identity::Identity;

/// One hash, or two where the form of characters matters.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct DigestMd5 {
    h_a1: [u8; 16],
    utf8: Option<[u8; 16]>,
}

impl DigestMd5 {
    /// Hashes a password for an identity, in the spelling of its realm.
    pub fn derive(identity: &Identity, password: &[u8]) -> Self {
        Self::of_fields(identity.user.as_str(), identity.realm.as_str(), password)
    }

    /// Hashes a password with names as they are on the wire, prepared or not.
    pub fn of_fields(user: &str, realm: &str, password: &[u8]) -> Self {
        let utf8 = hash(user.as_bytes(), realm.as_bytes(), password);
        if user.is_ascii() && realm.is_ascii() && password.is_ascii() {
            return Self { h_a1: *utf8, utf8: None };
        }
        let h_a1 = hash(&latin1(user.as_bytes()), &latin1(realm.as_bytes()), &latin1(password));
        Self { h_a1: *h_a1, utf8: (*h_a1 != *utf8).then_some(*utf8) }
    }

    /// A verifier of its parts: the hash of the fields in ISO-8859-1 where they fit, and that of the UTF-8
    /// octets where it differs.
    pub fn from_parts(h_a1: [u8; 16], utf8: Option<[u8; 16]>) -> Self {
        Self { h_a1, utf8 }
    }

    /// MD5(user:realm:password), each field in ISO-8859-1 where it fits.
    pub fn h_a1(&self) -> &[u8; 16] {
        &self.h_a1
    }

    /// The same of the UTF-8 octets, where it is another one.
    pub fn utf8(&self) -> Option<&[u8; 16]> {
        self.utf8.as_ref()
    }

    pub(crate) fn to_answer(&self) -> Zeroizing<Vec<u8>> {
        let mut answer = Zeroizing::new(Vec::with_capacity(32));
        answer.extend_from_slice(&self.h_a1);
        answer.extend_from_slice(self.utf8.as_ref().unwrap_or(&self.h_a1));
        answer
    }

    /// An imported hash may be of either form.
    pub(crate) fn matches(&self, answer: &[u8]) -> bool {
        let (latin1, utf8) = answer.split_at(answer.len() / 2);
        (self.h_a1.ct_eq(latin1) | self.h_a1.ct_eq(utf8)).into()
    }
}

impl fmt::Debug for DigestMd5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestMd5(…)")
    }
}

fn hash(user: &[u8], realm: &[u8], password: &[u8]) -> Zeroizing<[u8; 16]> {
    let mut md5 = Md5::new();
    for part in [user, b":", realm, b":", password] {
        md5.update(part);
    }
    Zeroizing::new(md5.finalize().into())
}

/// The octets in ISO-8859-1 if all their characters are there, else as they are.
fn latin1(octets: &[u8]) -> Zeroizing<Vec<u8>> {
    let as_they_are = || Zeroizing::new(octets.to_vec());
    let Ok(text) = std::str::from_utf8(octets) else { return as_they_are() };
    if !text.chars().all(|c| u8::try_from(c).is_ok()) {
        return as_they_are();
    }
    let mut converted = Zeroizing::new(Vec::with_capacity(octets.len()));
    converted.extend(text.chars().filter_map(|c| u8::try_from(c).ok()));
    converted
}
