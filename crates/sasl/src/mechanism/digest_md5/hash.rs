//! The computations of RFC 2831, section 2.1.2.1 (proofs), and sections 2.3 and 2.4 (keys of a layer).

use md5::{Digest, Md5};
use zeroize::Zeroizing;

use crate::layer::{Cipher, DirectionKeys, LayerKeys, Protection};
use crate::wire::hex;

/// What both sides say, as it is hashed: values without quotes and escapes.
pub(super) struct Said<'a> {
    pub(super) nonce: &'a [u8],
    pub(super) cnonce: &'a [u8],
    /// Eight digits.
    pub(super) count: &'a [u8; 8],
    pub(super) protection: Option<Protection>,
    pub(super) uri: &'a [u8],
    /// An empty one that was sent is hashed, too.
    pub(super) authorization: Option<&'a [u8]>,
}

/// What was said, laid out once for all the secrets that it is hashed with.
pub(super) struct Transcript {
    /// What stands in A1 behind the secret.
    session: Vec<u8>,
    /// What stands between H(A1) and H(A2).
    between: Vec<u8>,
    /// H(A2) of the client, and of the server, in digits.
    uris: [Zeroizing<[u8; 32]>; 2],
}

/// H(A1): as good as the password, for this nonce and cnonce. It never leaves the exchange.
pub(super) struct Session(Zeroizing<[u8; 16]>);

/// Which side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

impl Transcript {
    pub(super) fn new(said: &Said<'_>) -> Self {
        let authorization = said.authorization.map_or(0, |name| name.len() + 1);
        let mut session = Vec::with_capacity(said.nonce.len() + said.cnonce.len() + authorization + 2);
        push_all(&mut session, [said.nonce, said.cnonce].into_iter().chain(said.authorization));
        let mut between = Vec::with_capacity(said.nonce.len() + said.cnonce.len() + 22);
        let qop = qop_name(said.protection).as_bytes();
        push_all(&mut between, [said.nonce, said.count, said.cnonce, qop]);
        between.push(b':');
        let uris = [&b"AUTHENTICATE"[..], b""].map(|method| hex(&h_a2(method, said.uri, said.protection)));
        Self { session, between, uris }
    }

    /// H(A1) = MD5(MD5(user:realm:password) : nonce : cnonce [: authzid])
    pub(super) fn session(&self, secret: &[u8; 16]) -> Session {
        Session(Zeroizing::new(md5([&secret[..], &self.session])))
    }

    /// What a side has to say to prove that it knows the secret: `response`, or `rspauth`.
    pub(super) fn proof(&self, session: &Session, side: Side) -> [u8; 16] {
        let uri = match side {
            Side::Client => &self.uris[0],
            Side::Server => &self.uris[1],
        };
        md5([&hex(&session.0)[..], &self.between, &uri[..]])
    }
}

impl Session {
    /// The keys of a layer, for one side. `sizes`: the largest packet that the peer takes, and the largest that we take.
    pub(super) fn layer(&self, protection: Protection, side: Side, sizes: (u32, u32)) -> LayerKeys {
        let up = self.keys(protection, UP);
        let down = self.keys(protection, DOWN);
        let (sending, receiving) = match side {
            Side::Client => (up, down),
            Side::Server => (down, up),
        };
        LayerKeys { protection, sending, receiving, max_sent: sizes.0, max_received: sizes.1 }
    }

    fn keys(&self, protection: Protection, words: [&[u8]; 2]) -> DirectionKeys {
        let [signing, sealing] = words;
        let octets = match protection {
            Protection::Integrity => 0,
            Protection::Confidentiality(cipher) => Cipher::key_octets(cipher),
        };
        DirectionKeys {
            integrity: md5([&self.0[..], signing]),
            confidentiality: md5([&self.0[..octets], sealing]),
        }
    }
}

/// The name of a protection, or of none, on the wire (`qop-value`).
pub(super) const fn qop_name(protection: Option<Protection>) -> &'static str {
    match protection {
        None => "auth",
        Some(Protection::Integrity) => "auth-int",
        Some(Protection::Confidentiality(_)) => "auth-conf",
    }
}

/// H(A2): for a layer, 32 zeros stand for the hash of a body, which there is none of.
fn h_a2(method: &[u8], uri: &[u8], protection: Option<Protection>) -> [u8; 16] {
    let body: &[u8] = if protection.is_some() { b":00000000000000000000000000000000" } else { b"" };
    md5([method, b":", uri, body])
}

/// A colon in front of each.
fn push_all<'a>(text: &mut Vec<u8>, parts: impl IntoIterator<Item = &'a [u8]>) {
    for part in parts {
        text.push(b':');
        text.extend_from_slice(part);
    }
}

fn md5<const N: usize>(parts: [&[u8]; N]) -> [u8; 16] {
    let mut md5 = Md5::new();
    for part in parts {
        md5.update(part);
    }
    md5.finalize().into()
}

/// From client to server: what is hashed behind H(A1) for integrity, and for confidentiality.
const UP: [&[u8]; 2] = [
    b"Digest session key to client-to-server signing key magic constant",
    b"Digest H(A1) to client-to-server sealing key magic constant",
];
/// From server to client.
const DOWN: [&[u8]; 2] = [
    b"Digest session key to server-to-client signing key magic constant",
    b"Digest H(A1) to server-to-client sealing key magic constant",
];
