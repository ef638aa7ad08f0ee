//! The server's side.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::sync::Arc;

use credential::identity::NameError;
use credential::verifier::DigestMd5;
use credential::{
    AuthorizationId, Credential, Identity, Mechanism, Realm, Secret, Username, Verifier, VerifierKind,
};
use subtle::ConstantTimeEq;

use crate::layer::Protection;
use crate::mechanism::digest_md5::hash::{Said, Session, Side, Transcript};
use crate::mechanism::digest_md5::message::{self, MAX_MESSAGE, Offer, Response, Stale};
use crate::server::{Answer, Failure, Outcome, Recall, Resolve, Respond, Settings, Start, Step, finish};
use crate::wire::{hex, push_base64};

/// What is left of a login: with it the same client may log in again by one message (RFC 2831, section 2.2). Nothing in it
/// is secret, and the next login is held against the user's record as any other.
#[derive(Debug)]
pub struct Ticket {
    nonce: String,
    /// The only count that is taken.
    count: u32,
    identity: Identity,
    /// The cnonce of the last login.
    cnonce: Vec<u8>,
}

impl Ticket {
    /// What it is to be found by.
    pub fn nonce(&self) -> &[u8] {
        self.nonce.as_bytes()
    }

    /// Whose it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }
}

pub(crate) fn serve(start: &Start<'_>, initial: Option<&[u8]>) -> Step {
    let mut nonce = String::with_capacity(44);
    push_base64(&mut nonce, &start.entropy);
    let host = Host {
        settings: Arc::clone(start.settings),
        strengths: start.settings.requirements.layer_strengths(start.channel),
    };
    match initial {
        None => host.challenge(nonce, Stale::No),
        Some(initial) => Step::of(host.remember(nonce, initial)),
    }
}

/// What the server offers and accepts, for one connection.
pub(super) struct Host {
    pub(super) settings: Arc<Settings>,
    pub(super) strengths: RangeInclusive<u32>,
}

impl Host {
    pub(super) fn challenge(self, nonce: String, stale: Stale) -> Step {
        let Settings { realms, layers, .. } = &*self.settings;
        let realms = std::iter::once(&realms.default).chain(&realms.others).map(Realm::as_str);
        let offer = Offer { nonce: &nonce, layers, strengths: &self.strengths };
        let challenge = offer.write(realms, stale);
        Step::challenge(challenge, ExpectResponse { host: self, nonce })
    }

    /// RFC 2831, section 2.2: a client that begins with a response asks for an earlier nonce to be remembered. One that was
    /// never used, or was used for the first time, is none of those, and costs nobody a ticket.
    fn remember(self, fresh: String, initial: &[u8]) -> Result<Step, Failure> {
        let response = read(initial)?;
        if response.count.value < 2 {
            return Ok(self.challenge(fresh, Stale::Yes));
        }
        let exchange = ExpectTicket { host: self, fresh, initial: initial.to_vec() };
        Ok(Step::recall(&response.nonce, exchange))
    }

    /// Goes on with a response, whose nonce has to be ours and has to be used for the `count`th time.
    fn go_on(self, nonce: String, count: u32, response: &Response<'_>) -> Result<Step, Failure> {
        if *response.nonce != *nonce.as_bytes() || response.count.value != count {
            return Err(Failure::Nonce);
        }
        let agreed = self.agree(response)?;
        let names = Names::read(response, &self.settings)?;
        let transcript = Transcript::new(&Said {
            nonce: nonce.as_bytes(),
            cnonce: &response.cnonce,
            count: &response.count.digits,
            protection: response.protection,
            uri: &response.uri,
            authorization: response.authorization.as_deref(),
        });
        let authorization = match response.authorization.as_deref().map(std::str::from_utf8) {
            Some(Ok(name)) => AuthorizationId::prepare(name)?,
            Some(Err(_)) => return Err(Failure::Malformed("authorization identity is not UTF-8")),
            None => None,
        };
        // The count of a ticket is never that of this login again: whoever has taken it out has the only one. It remembers one
        // cnonce; a layer after a layer under one nonce would need them all, so there the next login begins anew.
        let may_go_on = count == 1 || response.protection.is_none();
        let ticket = count.checked_add(1).filter(|_| may_go_on).map(|count| Ticket {
            nonce,
            count,
            identity: names.identity.clone(),
            cnonce: response.cnonce.to_vec(),
        });
        let identity = names.identity.clone();
        Ok(Step::lookup(
            identity,
            ExpectRecord { names, transcript, proof: response.proof, authorization, agreed, ticket },
        ))
    }

    /// What the client chose, held against what was offered.
    ///
    /// Of `digest-uri` only the service counts. The host is what the client believes to have connected to: an alias, a
    /// balancer, a name of its own making, none of which we know; Cyrus SASL does not look at it either. The price: another
    /// server that offers our realm can pass a live exchange on to us, as it can with every mechanism that is not bound to
    /// its channel. A comparison (RFC 2831, section 2.1.2: SHOULD) would stop it.
    fn agree(&self, response: &Response<'_>) -> Result<Agreed, Failure> {
        let service = self.settings.service.as_bytes();
        let is_ours = response
            .uri
            .split_at_checked(service.len())
            .is_some_and(|(named, rest)| named.eq_ignore_ascii_case(service) && rest.starts_with(b"/"));
        if !is_ours {
            return Err(Failure::Choice("digest-uri is for another service"));
        }
        let layers = &self.settings.layers;
        if !layers.allow(response.protection, &self.strengths) {
            return Err(Failure::Choice("qop or cipher"));
        }
        let Some(protection) = response.protection else { return Ok(Agreed { layer: None }) };
        if !protection.has_room(response.max_buffer) {
            return Err(Failure::Choice("maxbuf leaves no room for a message"));
        }
        let sizes = (response.max_buffer, layers.buffer().unwrap_or_default());
        Ok(Agreed { layer: Some((protection, sizes)) })
    }
}

fn read(octets: &[u8]) -> Result<Response<'_>, Failure> {
    if octets.len() > MAX_MESSAGE {
        return Err(Failure::TooLong("response"));
    }
    Ok(Response::parse(octets)?)
}

struct ExpectResponse {
    host: Host,
    nonce: String,
}

impl Respond for ExpectResponse {
    fn respond(self: Box<Self>, octets: &[u8]) -> Step {
        Step::of(read(octets).and_then(|response| self.host.go_on(self.nonce, 1, &response)))
    }
}

/// A client wishes to log in again.
struct ExpectTicket {
    host: Host,
    /// For a new challenge, if there is no ticket for the old one.
    fresh: String,
    initial: Vec<u8>,
}

impl Recall for ExpectTicket {
    fn recall(self: Box<Self>, ticket: Option<Ticket>) -> Step {
        let Self { host, fresh, initial } = *self;
        Step::of(read(&initial).and_then(|response| match ticket.filter(|it| it.admits(&response, &host)) {
            Some(ticket) => host.go_on(ticket.nonce, ticket.count, &response),
            None => Ok(host.challenge(fresh, Stale::Yes)),
        }))
    }
}

impl Ticket {
    /// Whether it is for this response: what is not leads to a new challenge. So does a client that would have the layer of
    /// its last session again, with the same keys from the first number on.
    fn admits(&self, response: &Response<'_>, host: &Host) -> bool {
        let names = Names::read(response, &host.settings);
        *response.nonce == *self.nonce.as_bytes()
            && response.count.value == self.count
            && names.is_ok_and(|names| names.identity == self.identity)
            && (response.protection.is_none() || *response.cnonce != *self.cnonce)
            && host.settings.layers.allow(response.protection, &host.strengths)
    }
}

/// Who the client says to be, as it says so and as we look it up.
struct Names {
    identity: Identity,
    /// User and realm as they were sent, where that is another spelling than the identity's.
    sent: Option<[String; 2]>,
    source: Source,
}

/// What a verifier of the identity is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// H(A1) was made of the names that the client hashes.
    Stored,
    /// It was not, and clear text is needed.
    ClearText,
}

impl Names {
    /// The realm is the one that the client gives, offered or not, as with Cyrus SASL: it has to know the password in that.
    /// A realm within the name goes before it, and where there is neither it is the default; in both cases what the client
    /// hashes is not what is stored.
    fn read(response: &Response<'_>, settings: &Settings) -> Result<Self, Failure> {
        let username = response.charset.read(&response.username)?;
        let realm = response.charset.read(response.realm.as_deref().unwrap_or_default())?;
        let is_bare = !username.contains('@') && !realm.is_empty();
        let identity =
            if is_bare { Self::identity(&username, &realm)? } else { settings.realms.identity(&username)? };
        let is_stored = is_bare || (!username.contains('@') && identity.realm.as_str().is_empty());
        let source = if is_stored { Source::Stored } else { Source::ClearText };
        let is_prepared = *username == *identity.user.as_str() && *realm == *identity.realm.as_str();
        let sent = (!is_prepared).then(|| [username, realm].map(Cow::into_owned));
        Ok(Self { identity, sent, source })
    }

    /// What the client hashes, with a password in clear text.
    fn verifier(&self, password: &[u8]) -> DigestMd5 {
        match &self.sent {
            Some([username, realm]) => DigestMd5::of_fields(username, realm, password),
            None => DigestMd5::derive(&self.identity, password),
        }
    }

    fn identity(username: &str, realm: &str) -> Result<Identity, NameError> {
        Ok(Identity::new(Username::of_userid(username.as_bytes())?, Realm::prepare(realm)?))
    }
}

/// The layer, and the largest packets of both directions.
struct Agreed {
    layer: Option<(Protection, (u32, u32))>,
}

struct ExpectRecord {
    names: Names,
    transcript: Transcript,
    proof: [u8; 32],
    authorization: Option<AuthorizationId>,
    agreed: Agreed,
    ticket: Option<Ticket>,
}

impl Resolve for ExpectRecord {
    fn resolve(self: Box<Self>, answer: &Answer<'_>) -> Step {
        Step::of(self.check(answer))
    }
}

impl ExpectRecord {
    /// Every credential that may be used is tried; where there is none, the decoy's, which nothing fits.
    fn check(self, answer: &Answer<'_>) -> Result<Step, Failure> {
        let decoys = || answer.decoy.record().credentials().iter();
        let by = |source| decoys().find_map(|credential| Self::kept(credential, source));
        let decoy = by(self.names.source).or_else(|| by(Source::Stored)).ok_or(Failure::NotServed)?;
        let mut is_served = false;
        let mut right = None;
        for credential in answer.usable() {
            let Some(kept) = Self::kept(credential, self.names.source) else { continue };
            is_served = true;
            let session = self.fits(&kept);
            if right.is_none() {
                right = session.map(|session| (credential.label.clone(), session));
            }
        }
        if !is_served {
            self.fits(&decoy);
            return Err(answer.failure_or(Failure::NoVerifier));
        }
        let (label, session) = right.ok_or(Failure::WrongPassword)?;
        let rspauth = rspauth(&self.transcript.proof(&session, Side::Server));
        let layer = self.agreed.layer;
        let outcome = Outcome {
            authorization: self.authorization,
            credential: Some(label),
            ssf: layer.map_or(0, |(protection, _)| protection.ssf()),
            layer: layer.map(|(protection, sizes)| session.layer(protection, Side::Server, sizes)),
            ticket: self.ticket,
            ..Outcome::of(Mechanism::DigestMd5, answer.identity(self.names.identity))
        };
        Ok(finish(rspauth, outcome))
    }

    /// What a credential has to tell by.
    fn kept(credential: &Credential, source: Source) -> Option<Kept<'_>> {
        let get = |kind| credential.verifiers.get(kind);
        let stored = get(VerifierKind::DigestMd5).filter(|_| source == Source::Stored);
        match stored.or_else(|| get(VerifierKind::Plain))? {
            Verifier::DigestMd5(digest) => Some(Kept::Hash(digest)),
            Verifier::Plain(plain) => Some(Kept::Password(plain.secret())),
            _ => None,
        }
    }

    /// H(A1), if the response was made with it: by the characters in ISO-8859-1 where they fit, as the RFC has it, or in
    /// UTF-8, as Cyrus SASL and others do.
    fn fits(&self, kept: &Kept<'_>) -> Option<Session> {
        let derived;
        let verifier = match kept {
            Kept::Hash(digest) => digest,
            Kept::Password(password) => {
                derived = self.names.verifier(password.expose());
                &derived
            }
        };
        let session = |secret| {
            let session = self.transcript.session(secret);
            let proof = self.transcript.proof(&session, Side::Client);
            bool::from(hex(&proof)[..].ct_eq(&self.proof)).then_some(session)
        };
        let (first, second) = (session(verifier.h_a1()), verifier.utf8().and_then(session));
        first.or(second)
    }
}

/// What a credential has to tell by.
enum Kept<'a> {
    /// MD5(user:realm:password), in both forms.
    Hash(&'a DigestMd5),
    /// The password, to hash with the names as they were sent.
    Password(&'a Secret),
}

/// `response-auth` (section 2.1.3).
fn rspauth(proof: &[u8; 16]) -> Vec<u8> {
    let mut text = Vec::with_capacity(message::RSPAUTH.len() + 32);
    text.extend_from_slice(message::RSPAUTH);
    text.extend_from_slice(&hex(proof)[..]);
    text
}
