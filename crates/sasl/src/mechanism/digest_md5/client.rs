//! The client's side.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use credential::verifier::DigestMd5;
use credential::{Mechanism, Secret};
use zeroize::Zeroizing;

use crate::client::{
    ExpectSuccess, Failure, Login, Outcome, Receive, Settings, Start, Step, Supply, name_of, prepared,
    text_of,
};
use crate::layer::{LayerKeys, Layers, Protection};
use crate::mechanism::digest_md5::hash::{Said, Side, Transcript};
use crate::mechanism::digest_md5::message::{self, Challenge, Charset, Count, MAX_MESSAGE, Reply};
use crate::wire::{hex, is_hex_of, push_base64};

/// What is left of a login: with it the next one at the same server takes a single message (RFC 2831, section 2.2). Nothing
/// in it is secret. It is good for one attempt, since the server may have counted that even if its answer was lost.
#[derive(Debug)]
pub struct ClientTicket {
    service: String,
    host: String,
    authentication: Vec<u8>,
    terms: Terms,
}

/// What the server has said, and we have chosen of it.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) nonce: Vec<u8>,
    pub(super) count: u32,
    pub(super) realm: Option<String>,
    pub(super) protection: Option<Protection>,
    pub(super) charset: Charset,
    /// The largest packet that the server takes.
    pub(super) max_sent: u32,
}

pub(crate) fn connect(start: Start) -> Step {
    Step::wait(ExpectChallenge { start, old_nonce: None })
}

pub(crate) fn reconnect(ticket: ClientTicket, start: Start) -> Step {
    if !ticket.is_for(&start) {
        return connect(start);
    }
    let cnonce = cnonce(&start.entropy[..16]);
    Step::secret(AskedForPassword { start, terms: ticket.terms, cnonce })
}

impl ClientTicket {
    fn is_for(&self, start: &Start) -> bool {
        let Settings { login, service, host, layers, .. } = &*start.settings;
        let is_realm = |wanted: &Vec<u8>| self.terms.realm.as_deref().map(str::as_bytes) == Some(wanted);
        *service == self.service
            && host.eq_ignore_ascii_case(&self.host)
            && login.authentication == self.authentication
            && login.realm.as_ref().is_none_or(is_realm)
            && layers.allow(self.terms.protection, &start.strengths())
    }
}

impl Start {
    fn strengths(&self) -> RangeInclusive<u32> {
        self.settings.requirements.layer_strengths(&self.channel)
    }
}

/// Each attempt of one exchange has half of the octets for its own: a cnonce that came again would give the keys of a layer
/// again.
fn cnonce(entropy: &[u8]) -> String {
    let mut cnonce = String::with_capacity(24);
    push_base64(&mut cnonce, entropy);
    cnonce
}

struct ExpectChallenge {
    start: Start,
    /// The nonce that we have tried to log in with again.
    old_nonce: Option<Vec<u8>>,
}

impl Receive for ExpectChallenge {
    fn receive(self: Box<Self>, octets: &[u8]) -> Step {
        Step::of(self.read(octets))
    }
}

impl ExpectChallenge {
    fn read(self, octets: &[u8]) -> Result<Step, Failure> {
        if octets.len() > MAX_MESSAGE {
            return Err(Failure::TooLong("challenge"));
        }
        let challenge = Challenge::parse(octets)?;
        if self.old_nonce.is_some_and(|old| *old == *challenge.nonce) {
            return Err(Failure::Nonce);
        }
        let terms = Terms {
            count: 1,
            realm: realm(&challenge, &self.start.settings)?,
            protection: protection(&challenge, &self.start.settings.layers, &self.start.strengths())?,
            charset: challenge.charset,
            max_sent: challenge.max_buffer,
            nonce: challenge.nonce.into_owned(),
        };
        let cnonce = cnonce(&self.start.entropy[16..]);
        Ok(Step::secret(AskedForPassword { start: self.start, terms, cnonce }))
    }
}

/// The realm of the settings, which has to be offered if any is; in the server's spelling, which its hashes were made with.
/// Else the first that is offered, which is the default of a server of ours; where none is, none.
fn realm(challenge: &Challenge<'_>, settings: &Settings) -> Result<Option<String>, Failure> {
    let offered: Result<Vec<_>, _> =
        challenge.realms.iter().map(|realm| challenge.charset.read(realm)).collect();
    let offered = offered?;
    let Some(wanted) = settings.login.realm.as_deref() else {
        return Ok(offered.into_iter().next().map(Cow::into_owned));
    };
    let wanted = text_of(wanted)?;
    if offered.is_empty() {
        return Ok(Some(wanted));
    }
    let is_same = |realm: &&Cow<'_, str>| realm.eq_ignore_ascii_case(&wanted);
    let found = offered.iter().find(|realm| ***realm == *wanted).or_else(|| offered.iter().find(is_same));
    found.map(|realm| Some(realm.to_string())).ok_or(Failure::Unmet("realm"))
}

/// Confidentiality by the first of our ciphers that is offered, else integrity, else nothing: whatever the requirements
/// allow. A layer into whose packets no message fits is none.
fn protection(
    challenge: &Challenge<'_>,
    layers: &Layers,
    strengths: &RangeInclusive<u32>,
) -> Result<Option<Protection>, Failure> {
    let qops = challenge.qops;
    let ciphers = layers.ciphers_within(strengths).filter(|cipher| challenge.ciphers.contains(cipher));
    let conf = ciphers.map(Protection::Confidentiality).find(|_| qops.confidentiality);
    let integrity = Some(Protection::Integrity).filter(|_| qops.integrity);
    let fits = |protection: &Protection| protection.has_room(challenge.max_buffer);
    let best = conf.into_iter().chain(integrity).filter(fits).map(Some).chain(qops.auth.then_some(None));
    let mut allowed = best.filter(|protection| layers.allow(*protection, strengths));
    allowed.next().ok_or(Failure::Unmet("a security layer of the strength that is asked for"))
}

pub(super) struct AskedForPassword {
    pub(super) start: Start,
    pub(super) terms: Terms,
    pub(super) cnonce: String,
}

impl Supply for AskedForPassword {
    fn supply(self: Box<Self>, secret: &Secret) -> Step {
        Step::of(self.answer(secret))
    }
}

impl AskedForPassword {
    fn answer(self, secret: &Secret) -> Result<Step, Failure> {
        let names = Names::of(&self.start.settings, &self.terms)?;
        let transcript = Transcript::new(&Said {
            nonce: &self.terms.nonce,
            cnonce: self.cnonce.as_bytes(),
            count: &Count::new(self.terms.count).digits,
            protection: self.terms.protection,
            uri: names.uri.as_bytes(),
            authorization: names.authorization.as_deref().map(str::as_bytes),
        });
        let session = transcript.session(names.verifier(secret).h_a1());
        let proof = hex(&transcript.proof(&session, Side::Client));
        let reply = self.write(&names, &proof)?;
        let sizes = (self.terms.max_sent, self.max_received());
        let layer = self.terms.protection.map(|protection| session.layer(protection, Side::Client, sizes));
        let rspauth = transcript.proof(&session, Side::Server);
        Ok(Step::send(Zeroizing::new(reply), self.expect(rspauth, layer)))
    }

    /// The largest packet that we take.
    fn max_received(&self) -> u32 {
        self.start.settings.layers.buffer().unwrap_or_default()
    }

    fn write(&self, names: &Names<'_>, proof: &[u8; 32]) -> Result<Vec<u8>, Failure> {
        let Terms { nonce, count, protection, charset, .. } = &self.terms;
        let written = |name| {
            let beyond = Failure::Unsayable("a name beyond ISO-8859-1 to a server without UTF-8");
            charset.write(name).ok_or(beyond)
        };
        let reply = Reply {
            username: &written(&names.username)?,
            realm: names.realm.map(written).transpose()?,
            authorization: names.authorization.as_deref().map(str::as_bytes),
            nonce,
            cnonce: &self.cnonce,
            count: Count::new(*count),
            protection: *protection,
            max_buffer: self.max_received(),
            charset: *charset,
            uri: &names.uri,
            proof,
        };
        Ok(reply.write())
    }

    /// Who has logged in again may be answered with a challenge.
    fn expect(self, rspauth: [u8; 16], layer: Option<LayerKeys>) -> ExpectRspauth {
        let Settings { login, service, host, .. } = &*self.start.settings;
        let (protection, is_again) = (self.terms.protection, self.terms.count > 1);
        let nonce = self.terms.nonce.clone();
        // As the server does it: see there.
        let may_go_on = !is_again || protection.is_none();
        let ticket = self.terms.count.checked_add(1).filter(|_| may_go_on).map(|count| ClientTicket {
            service: service.clone(),
            host: host.clone(),
            authentication: login.authentication.clone(),
            terms: Terms { count, ..self.terms },
        });
        let ssf = protection.map_or(0, Protection::ssf);
        let outcome = Outcome { ssf, layer, ticket, ..Outcome::mutual(Mechanism::DigestMd5) };
        let otherwise = is_again.then_some(ExpectChallenge { start: self.start, old_nonce: Some(nonce) });
        ExpectRspauth { rspauth, outcome, otherwise }
    }
}

/// Who we are, and where.
struct Names<'a> {
    username: String,
    realm: Option<&'a str>,
    authorization: Option<String>,
    uri: String,
}

impl<'a> Names<'a> {
    fn of(settings: &Settings, terms: &'a Terms) -> Result<Self, Failure> {
        let Login { authentication, authorization, .. } = &settings.login;
        Ok(Self {
            username: name_of(authentication)?,
            realm: terms.realm.as_deref(),
            authorization: authorization.as_deref().map(name_of).transpose()?,
            uri: [&settings.service, "/", &settings.host].concat(),
        })
    }

    fn verifier(&self, secret: &Secret) -> DigestMd5 {
        DigestMd5::of_fields(&self.username, self.realm.unwrap_or_default(), &prepared(secret))
    }
}

struct ExpectRspauth {
    /// What the server will have to say.
    rspauth: [u8; 16],
    outcome: Outcome,
    /// What a challenge is for, where one may come.
    otherwise: Option<ExpectChallenge>,
}

impl Receive for ExpectRspauth {
    fn receive(self: Box<Self>, octets: &[u8]) -> Step {
        Step::of(self.read(octets))
    }
}

impl ExpectRspauth {
    fn read(self, octets: &[u8]) -> Result<Step, Failure> {
        if octets.len() > MAX_MESSAGE {
            return Err(Failure::TooLong("rspauth"));
        }
        match (message::rspauth(octets)?, self.otherwise) {
            (Some(digits), _) if is_hex_of(&digits, &self.rspauth) => {
                Ok(Step::send(Zeroizing::new(Vec::new()), ExpectSuccess::of(self.outcome)))
            }
            (Some(_), _) => Err(Failure::WrongServer),
            (None, Some(again)) => again.read(octets),
            (None, None) => Err(Failure::Malformed("no rspauth")),
        }
    }
}
