//! The four messages of SCRAM (RFC 5802, section 7), read and written. All are text of `attribute=value` parts with commas
//! between, in a fixed order; what is not in its place is refused, and extensions at the end are passed over.

use std::borrow::Cow;
use std::fmt::Write;

use zeroize::Zeroizing;

use crate::channel::ChannelBinding;
use crate::wire::{from_base64, from_saslname, push_base64, push_saslname};
use crate::{client, server};

/// The longest nonce that is read, in octets: ours have 24, Cyrus SASL's 32, and a server's holds both.
pub(super) const MAX_NONCE: usize = 512;

/// Why a message is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It does not follow the grammar.
    Grammar(&'static str),
    /// It begins with `m=`.
    MandatoryExtension,
}

impl From<Fault> for server::Failure {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Grammar(what) => Self::Malformed(what),
            Fault::MandatoryExtension => Self::UnsupportedExtension,
        }
    }
}

impl From<Fault> for client::Failure {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Grammar(what) => Self::Malformed(what),
            Fault::MandatoryExtension => Self::UnsupportedExtension,
        }
    }
}

/// The GS2 header (RFC 5801, section 4).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header<'a> {
    /// The header as it was sent, with both its commas.
    pub(super) text: &'a str,
    pub(super) flag: Flag<'a>,
    /// `a=`: whom to act for.
    pub(super) authorization: Option<Cow<'a, str>>,
}

/// `gs2-cbind-flag`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flag<'a> {
    /// `n`: the client cannot bind, or does not wish to.
    Unable,
    /// `y`: it could, and believes that the server cannot.
    Unused,
    /// `p=NAME`: it binds to this.
    Bound(&'a str),
}

/// `client-first-message`.
#[derive(Debug)]
pub(super) struct ClientFirst<'a> {
    pub(super) header: Header<'a>,
    /// What is signed.
    pub(super) bare: &'a str,
    pub(super) username: Cow<'a, str>,
    pub(super) nonce: &'a str,
}

/// `server-first-message`.
#[derive(Debug)]
pub(super) struct ServerFirst<'a> {
    pub(super) nonce: &'a str,
    pub(super) salt: Vec<u8>,
    pub(super) iterations: u64,
}

/// `client-final-message`.
#[derive(Debug)]
pub(super) struct ClientFinal<'a> {
    /// What is signed: everything in front of `,p=`.
    pub(super) without_proof: &'a str,
    /// `c=`, as it was sent: see [`binding`].
    pub(super) binding: &'a str,
    pub(super) nonce: &'a str,
    pub(super) proof: Zeroizing<Vec<u8>>,
}

/// `server-final-message`.
#[derive(Debug)]
pub(super) enum ServerFinal<'a> {
    /// `v=`.
    Signature(Zeroizing<Vec<u8>>),
    /// `e=`.
    Error(&'a str),
}

impl<'a> ClientFirst<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, Fault> {
        let (header, bare) = Header::split(text)?;
        let mut parts = Parts::new(bare);
        let username = parts.value('n', "no user name")?;
        let username = from_saslname(username).ok_or(Fault::Grammar("user name has a wrong escape"))?;
        let nonce = parts.nonce()?;
        parts.extensions()?;
        Ok(Self { header, bare, username, nonce })
    }
}

impl<'a> Header<'a> {
    /// The header, and what stands behind it.
    fn split(text: &'a str) -> Result<(Self, &'a str), Fault> {
        let (flag, rest) = text.split_once(',').ok_or(Fault::Grammar("no GS2 header"))?;
        let (authzid, bare) = rest.split_once(',').ok_or(Fault::Grammar("no GS2 header"))?;
        let flag = match flag {
            "n" => Flag::Unable,
            "y" => Flag::Unused,
            _ => flag.strip_prefix("p=").map(Flag::Bound).ok_or(Fault::Grammar("no channel binding flag"))?,
        };
        let authorization = match authzid {
            "" => None,
            _ => Some(
                authzid
                    .strip_prefix("a=")
                    .and_then(from_saslname)
                    .ok_or(Fault::Grammar("authorization identity is malformed"))?,
            ),
        };
        Ok((Self { text: &text[..text.len() - bare.len()], flag, authorization }, bare))
    }
}

impl<'a> ServerFirst<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, Fault> {
        let mut parts = Parts::new(text);
        let nonce = parts.nonce()?;
        let salt = from_base64(parts.value('s', "no salt")?, MAX_SALT).filter(|salt| !salt.is_empty());
        let salt = salt.ok_or(Fault::Grammar("salt is malformed"))?.to_vec();
        let iterations = count(parts.value('i', "no iterations")?).ok_or(Fault::Grammar("no count"))?;
        parts.extensions()?;
        Ok(Self { nonce, salt, iterations })
    }
}

impl<'a> ClientFinal<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, Fault> {
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(Fault::Grammar("no proof"))?;
        let mut parts = Parts::new(without_proof);
        let binding = parts.value('c', "no channel binding")?;
        let nonce = parts.nonce()?;
        parts.extensions()?;
        let proof = from_base64(proof, MAX_PROOF).ok_or(Fault::Grammar("proof is malformed"))?;
        Ok(Self { without_proof, binding, nonce, proof })
    }
}

impl<'a> ServerFinal<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, Fault> {
        let mut parts = Parts::new(text);
        if let Some(error) = text.strip_prefix("e=") {
            return Ok(Self::Error(error.split(',').next().unwrap_or(error)));
        }
        let signature = from_base64(parts.value('v', "no signature")?, MAX_PROOF);
        parts.extensions()?;
        signature.map(Self::Signature).ok_or(Fault::Grammar("signature is malformed"))
    }
}

/// Writes a GS2 header.
pub(super) fn header(flag: Flag<'_>, authorization: Option<&str>) -> String {
    let mut text = match flag {
        Flag::Unable => "n,".to_owned(),
        Flag::Unused => "y,".to_owned(),
        Flag::Bound(name) => format!("p={name},"),
    };
    if let Some(authorization) = authorization {
        text.push_str("a=");
        push_saslname(&mut text, authorization);
    }
    text.push(',');
    text
}

/// Writes a `client-first-message-bare`.
pub(super) fn client_first_bare(username: &str, nonce: &str) -> String {
    let mut text = String::from("n=");
    push_saslname(&mut text, username);
    text.push_str(",r=");
    text.push_str(nonce);
    text
}

/// Writes a `server-first-message`.
pub(super) fn server_first(nonce: &str, salt: &[u8], iterations: u32) -> String {
    let mut text = String::with_capacity(nonce.len() + salt.len() * 4 / 3 + 24);
    text.push_str("r=");
    text.push_str(nonce);
    text.push_str(",s=");
    push_base64(&mut text, salt);
    // A String takes everything.
    let _ = write!(text, ",i={iterations}");
    text
}

/// Writes a `client-final-message-without-proof`.
pub(super) fn client_final_without_proof(binding: &str, nonce: &str) -> String {
    let mut text = String::from("c=");
    text.push_str(binding);
    text.push_str(",r=");
    text.push_str(nonce);
    text
}

/// What `c=` has to be: the GS2 header and, where it names a channel, the data of that. Base64 has one form for each, so that
/// it is compared as it stands.
pub(super) fn binding(header: &str, channel: Option<&ChannelBinding>) -> String {
    let data = channel.map(|channel| channel.data.as_slice()).unwrap_or_default();
    let mut text = String::with_capacity((header.len() + data.len()).div_ceil(3) * 4);
    push_base64(&mut text, &[header.as_bytes(), data].concat());
    text
}

/// The printable form of the random octets of a nonce, without a comma: base64.
pub(super) fn nonce(entropy: &crate::Entropy) -> String {
    let mut text = String::with_capacity(24);
    push_base64(&mut text, &entropy[..18]);
    text
}

/// What stands between commas.
struct Parts<'a> {
    rest: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: Some(text) }
    }

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest?;
        let (part, rest) = rest.split_once(',').map_or((rest, None), |(part, rest)| (part, Some(rest)));
        self.rest = rest;
        Some(part)
    }

    /// The value of the attribute that has to come next. A mandatory extension may be in front of every message.
    fn value(&mut self, name: char, missing: &'static str) -> Result<&'a str, Fault> {
        let part = self.next().unwrap_or_default();
        if part.starts_with("m=") {
            return Err(Fault::MandatoryExtension);
        }
        let value = part.strip_prefix(name).and_then(|rest| rest.strip_prefix('='));
        value.ok_or(Fault::Grammar(missing))
    }

    /// `r=`: visible ASCII without a comma.
    fn nonce(&mut self) -> Result<&'a str, Fault> {
        let nonce = self.value('r', "no nonce")?;
        let is_printable = nonce.bytes().all(|octet| octet.is_ascii_graphic());
        if nonce.is_empty() || nonce.len() > MAX_NONCE || !is_printable {
            return Err(Fault::Grammar("nonce is malformed"));
        }
        Ok(nonce)
    }

    /// Whatever else there is: `attr-val`s, none of which we know.
    fn extensions(&mut self) -> Result<(), Fault> {
        while let Some(part) = self.next() {
            let mut start = part.bytes();
            let is_attribute = start.next().is_some_and(|name| name.is_ascii_alphabetic())
                && start.next() == Some(b'=')
                && !part.contains('\0');
            if !is_attribute {
                return Err(Fault::Grammar("extension is malformed"));
            }
        }
        Ok(())
    }
}

/// RFC 5802, section 7: `posit-number`, without a zero in front.
fn count(text: &str) -> Option<u64> {
    let is_canonical = text.bytes().all(|octet| octet.is_ascii_digit()) && !text.starts_with('0');
    if is_canonical { text.parse().ok() } else { None }
}

/// As long as the salts that a store of ours may have.
const MAX_SALT: usize = credential::policy::Salt::MAX;
/// The longest output of our hash functions.
const MAX_PROOF: usize = 64;

#[cfg(test)]
mod tests;
