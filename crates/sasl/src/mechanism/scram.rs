//! SCRAM and SCRAM-PLUS (RFC 5802; with SHA-256, RFC 7677).
//!
//! ```text
//! C: n,,n=user,r=CNONCE                        GS2 header, then client-first-message-bare
//! S: r=CNONCE SNONCE,s=SALT,i=ITERATIONS       server-first-message
//! C: c=BASE64(header data),r=...,p=PROOF       client-final-message
//! S: v=SIGNATURE                               server-final-message
//! ```
//!
//! The server keeps StoredKey and ServerKey of a user; a client that knows the password shows it by a proof that only
//! ClientKey could make, and the server by a signature with ServerKey. Both sign AuthMessage, which holds every octet that
//! was said, so that nobody in between has changed one; with -PLUS also what names the TLS channel.
//!
//! The exchange with a user who does not exist is that with a decoy: same messages, same work, and a proof that is wrong.

use std::sync::Arc;

use credential::verifier::{ClientKeys, ScramKey};
use credential::{AuthorizationId, Identity, Mechanism, ScramHash, Secret};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::channel::{BindingKind, Channel, ChannelBinding};
use crate::client::{self, Downgrade, Receive, Supply};
use crate::server::{Answer, Failure, Outcome, Resolve, Respond, Settings, Start, Step, finish};
use crate::wire::{push_base64, utf8};

mod keys;
mod message;

use keys::Keys;
use message::{ClientFinal, ClientFirst, Flag, ServerFinal, ServerFirst};

/// Which of the two names the mechanism was begun by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    /// SCRAM-x.
    Plain,
    /// SCRAM-x-PLUS: bound to the TLS channel.
    Plus,
}

impl Name {
    fn mechanism(self, hash: ScramHash) -> Mechanism {
        match self {
            Self::Plain => Mechanism::Scram(hash),
            Self::Plus => Mechanism::ScramPlus(hash),
        }
    }
}

pub(crate) fn serve(hash: ScramHash, name: Name, start: &Start<'_>, initial: Option<&[u8]>) -> Step {
    let exchange = ExpectClientFirst {
        hash,
        name,
        settings: Arc::clone(start.settings),
        channel: start.channel.clone(),
        nonce: message::nonce(&start.entropy),
    };
    match initial {
        Some(first) => Step::of(exchange.read(first)),
        None => Step::challenge([], exchange),
    }
}

struct ExpectClientFirst {
    hash: ScramHash,
    name: Name,
    settings: Arc<Settings>,
    channel: Channel,
    /// Our part of the nonce.
    nonce: String,
}

impl Respond for ExpectClientFirst {
    fn respond(self: Box<Self>, octets: &[u8]) -> Step {
        Step::of(self.read(octets))
    }
}

impl ExpectClientFirst {
    fn read(self, octets: &[u8]) -> Result<Step, Failure> {
        let text = utf8(octets).ok_or(Failure::Malformed("not UTF-8"))?;
        let first = ClientFirst::parse(text)?;
        if first.username.is_empty() {
            return Err(Failure::Malformed("no user name"));
        }
        let channel = self.channel_of(first.header.flag)?;
        let identity = self.settings.realms.identity(&first.username)?;
        let authorization = first.header.authorization.as_deref().map(AuthorizationId::prepare);
        let exchange = ExpectRecord {
            hash: self.hash,
            name: self.name,
            authorization: authorization.transpose()?.flatten(),
            binding: message::binding(first.header.text, channel),
            said: begin_auth_message(first.bare),
            nonce: [first.nonce, &self.nonce].concat(),
            identity: identity.clone(),
        };
        Ok(Step::lookup(identity, exchange))
    }

    /// RFC 5802, section 6: what the flag asks for, held against the mechanism's name and what was offered.
    fn channel_of(&self, flag: Flag<'_>) -> Result<Option<&ChannelBinding>, Failure> {
        match (flag, self.name) {
            (Flag::Bound(kind), Name::Plus) => {
                let kind = BindingKind::named(kind).ok_or(Failure::Binding)?;
                self.channel.binding(kind).map(Some).ok_or(Failure::Binding)
            }
            (Flag::Unused, Name::Plain) if self.offers_plus() => Err(Failure::Downgrade),
            (Flag::Unused | Flag::Unable, Name::Plain) => Ok(None),
            (Flag::Bound(_), Name::Plain) => Err(Failure::Malformed("bound, without -PLUS")),
            (Flag::Unused | Flag::Unable, Name::Plus) => Err(Failure::Malformed("-PLUS, and not bound")),
        }
    }

    /// Whether the client must have seen a -PLUS form, of whatever hash.
    fn offers_plus(&self) -> bool {
        let is_offered = |hash| self.settings.why_not(Mechanism::ScramPlus(hash), &self.channel).is_none();
        ScramHash::ALL.into_iter().any(is_offered)
    }
}

struct ExpectRecord {
    hash: ScramHash,
    name: Name,
    identity: Identity,
    authorization: Option<AuthorizationId>,
    /// What `c=` will have to be.
    binding: String,
    /// Both parts.
    nonce: String,
    /// AuthMessage, as far as it has come.
    said: String,
}

/// AuthMessage begins with what the client has said (RFC 5802, section 3); two messages will follow.
fn begin_auth_message(first_bare: &str) -> String {
    let mut said = String::with_capacity(first_bare.len() + AUTH_MESSAGE);
    said.push_str(first_bare);
    said.push(',');
    said
}

/// About as much as server-first-message and client-final-message-without-proof have.
const AUTH_MESSAGE: usize = 256;

impl Resolve for ExpectRecord {
    fn resolve(self: Box<Self>, answer: &Answer<'_>) -> Step {
        let keys = match Keys::of(self.hash, answer) {
            Ok(keys) => keys,
            Err(failure) => return Step::Failed(failure),
        };
        let first = message::server_first(&self.nonce, &keys.salt, keys.iterations);
        let mut said = self.said;
        said.push_str(&first);
        said.push(',');
        let next = ExpectClientFinal {
            hash: self.hash,
            name: self.name,
            identity: answer.identity(self.identity),
            authorization: self.authorization,
            binding: self.binding,
            nonce: self.nonce,
            said,
            keys,
        };
        Step::challenge(first, next)
    }
}

struct ExpectClientFinal {
    hash: ScramHash,
    name: Name,
    identity: Identity,
    authorization: Option<AuthorizationId>,
    binding: String,
    /// Both parts.
    nonce: String,
    /// AuthMessage, as far as it has come.
    said: String,
    keys: Keys,
}

impl Respond for ExpectClientFinal {
    fn respond(self: Box<Self>, octets: &[u8]) -> Step {
        Step::of(self.read(octets))
    }

    fn is_costly(&self) -> bool {
        self.keys.is_costly()
    }
}

impl ExpectClientFinal {
    fn read(self, octets: &[u8]) -> Result<Step, Failure> {
        let Self { hash, name, identity, authorization, binding, nonce, mut said, keys } = self;
        let text = utf8(octets).ok_or(Failure::Malformed("not UTF-8"))?;
        let last = ClientFinal::parse(text)?;
        if last.nonce != nonce {
            return Err(Failure::Nonce);
        }
        if last.binding != binding {
            return Err(Failure::Binding);
        }
        let proof = ScramKey::from_octets(hash, &last.proof)
            .ok_or(Failure::Malformed("proof is not as long as the hash"))?;
        said.push_str(last.without_proof);
        let (label, signature) = keys.check(hash, &proof, said.as_bytes())?;
        let mut verifier = String::with_capacity(96);
        verifier.push_str("v=");
        push_base64(&mut verifier, signature.octets());
        let outcome = Outcome::of(name.mechanism(hash), identity);
        Ok(finish(verifier, Outcome { authorization, credential: Some(label), ..outcome }))
    }
}

/// Without channel binding, which the server is told of: it may know better.
pub(crate) fn connect_unbound(hash: ScramHash, downgrade: Downgrade, start: client::Start) -> client::Step {
    let flag = match downgrade {
        Downgrade::No => Flag::Unable,
        Downgrade::Perhaps => Flag::Unused,
    };
    client::Step::of(connect(hash, Name::Plain, flag, None, start))
}

/// Bound to the best that the channel has.
pub(crate) fn connect_bound(hash: ScramHash, start: client::Start) -> client::Step {
    let Some(channel) = start.channel.best_binding().cloned() else {
        return client::Step::Failed(client::Failure::Unsayable("a binding to a channel that has none"));
    };
    client::Step::of(connect(hash, Name::Plus, Flag::Bound(channel.kind.name()), Some(&channel), start))
}

fn connect(
    hash: ScramHash,
    name: Name,
    flag: Flag<'_>,
    channel: Option<&ChannelBinding>,
    start: client::Start,
) -> Result<client::Step, client::Failure> {
    let login = &start.settings.login;
    let authorization = login.authorization.as_deref().map(client::name_of).transpose()?;
    let header = message::header(flag, authorization.as_deref());
    let nonce = message::nonce(&start.entropy);
    let first_bare = message::client_first_bare(&client::name_of(&login.authentication)?, &nonce);
    let first = Zeroizing::new([header.as_bytes(), first_bare.as_bytes()].concat());
    let binding = message::binding(&header, channel);
    Ok(client::Step::send(first, ExpectServerFirst { hash, name, start, nonce, first_bare, binding }))
}

struct ExpectServerFirst {
    hash: ScramHash,
    name: Name,
    start: client::Start,
    /// Our part of the nonce.
    nonce: String,
    first_bare: String,
    /// What `c=` holds.
    binding: String,
}

impl Receive for ExpectServerFirst {
    fn receive(self: Box<Self>, octets: &[u8]) -> client::Step {
        client::Step::of(self.read(octets))
    }
}

impl ExpectServerFirst {
    fn read(self, octets: &[u8]) -> Result<client::Step, client::Failure> {
        let text = utf8(octets).ok_or(client::Failure::Malformed("not UTF-8"))?;
        let first = ServerFirst::parse(text)?;
        let extension = first.nonce.strip_prefix(self.nonce.as_str());
        if extension.is_none_or(str::is_empty) {
            return Err(client::Failure::Nonce);
        }
        let sane = &self.start.settings.iterations;
        let iterations = u32::try_from(first.iterations).ok().filter(|count| sane.contains(count));
        let iterations = iterations
            .ok_or_else(|| client::Failure::Iterations { found: first.iterations, sane: sane.clone() })?;
        let without_proof = message::client_final_without_proof(&self.binding, first.nonce);
        let auth_message = format!("{},{text},{without_proof}", self.first_bare);
        let (hash, name, salt) = (self.hash, self.name, first.salt);
        Ok(client::Step::secret(AskedForPassword {
            hash,
            name,
            salt,
            iterations,
            without_proof,
            auth_message,
        }))
    }
}

struct AskedForPassword {
    hash: ScramHash,
    name: Name,
    salt: Vec<u8>,
    iterations: u32,
    without_proof: String,
    auth_message: String,
}

impl Supply for AskedForPassword {
    fn supply(self: Box<Self>, secret: &Secret) -> client::Step {
        let keys = self.hash.client_keys(self.iterations, &self.salt, &client::prepared(secret));
        let ClientKeys { client_key, stored_key, server_key } = keys;
        let auth_message = self.auth_message.as_bytes();
        let proof = client_key.xor(&self.hash.hmac(&stored_key, auth_message));
        let signature = self.hash.hmac(&server_key, auth_message);
        let mut last = self.without_proof;
        last.push_str(",p=");
        push_base64(&mut last, proof.octets());
        let outcome = client::Outcome::mutual(self.name.mechanism(self.hash));
        client::Step::send(
            Zeroizing::new(last.into_bytes()),
            ExpectServerFinal { signature, hash: self.hash, outcome },
        )
    }
}

struct ExpectServerFinal {
    /// What the server will have to say.
    signature: ScramKey,
    hash: ScramHash,
    outcome: client::Outcome,
}

impl Receive for ExpectServerFinal {
    fn receive(self: Box<Self>, octets: &[u8]) -> client::Step {
        client::Step::of(self.read(octets))
    }
}

impl ExpectServerFinal {
    fn read(self, octets: &[u8]) -> Result<client::Step, client::Failure> {
        let text = utf8(octets).ok_or(client::Failure::Malformed("not UTF-8"))?;
        let signature = match ServerFinal::parse(text)? {
            ServerFinal::Signature(signature) => signature,
            ServerFinal::Error(error) => {
                let shown = error.chars().filter(|sign| !sign.is_control()).take(64).collect();
                return Err(client::Failure::RefusedByServer(shown));
            }
        };
        let signature = ScramKey::from_octets(self.hash, &signature).ok_or(client::Failure::WrongServer)?;
        if !bool::from(signature.ct_eq(&self.signature)) {
            return Err(client::Failure::WrongServer);
        }
        Ok(client::Step::send(Zeroizing::new(Vec::new()), client::ExpectSuccess::of(self.outcome)))
    }
}

#[cfg(test)]
mod tests;
