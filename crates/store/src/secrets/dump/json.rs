//! One line of a dump: from record to JSON and back.
//!
//! What stands here is promised (serialised names and forms); it is converted to and from the model at once. Unknown
//! fields are refused, and so is a verifier with a field of another kind's.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use credential::policy::{Iterations, KindSet, KindSetError, Salt};
use credential::verifier::{Argon2id, CramMd5, DigestMd5, Foreign, Plain, Scheme, Scram, ScramHash};
use credential::{
    ChangedBy, Credential, DecoyKey, Identity, Label, Password, PlainRule, Realm, Record, RecordParts,
    Secret, State, Timestamp, Username, Verifier, VerifierKind, Verifiers,
};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use zeroize::Zeroizing;

use super::{DumpError, Header, VERSION};

/// A line behind the header.
pub(super) enum Line {
    User(Box<Record>),
    End(u64),
}

pub(super) fn header_line(header: &Header) -> Result<Zeroizing<Vec<u8>>, DumpError> {
    to_line(&HeaderLine {
        version: VERSION,
        created: header.created.seconds(),
        decoy_key: Octets::of(header.decoy_key.expose()),
    })
}

pub(super) fn user_line(record: &Record) -> Result<Zeroizing<Vec<u8>>, DumpError> {
    to_line(&UserLine::from(record))
}

pub(super) fn end_line(users: u64) -> Result<Zeroizing<Vec<u8>>, DumpError> {
    to_line(&EndLine { end: users })
}

pub(super) fn parse_header(line: &[u8]) -> Result<Header, String> {
    /// Of a header of any version, the version.
    #[derive(Deserialize)]
    struct Any {
        #[serde(rename = "gatepost-dump")]
        version: Option<u32>,
    }
    let version = serde_json::from_slice::<Any>(line).ok().and_then(|any| any.version);
    match version {
        None => return Err("not a dump: the first line is no header".to_owned()),
        Some(VERSION) => {}
        Some(other) => return Err(format!("the dump has version {other}, this program knows {VERSION}")),
    }
    let line: HeaderLine = from_line(line)?;
    let key: [u8; DecoyKey::OCTETS] =
        line.decoy_key.0.as_slice().try_into().map_err(|_| "decoy-key has not 32 octets".to_owned())?;
    Ok(Header { created: Timestamp(line.created), decoy_key: DecoyKey::new(key) })
}

pub(super) fn parse_line(line: &[u8]) -> Result<Line, String> {
    // The writer puts "end" first and alone; no user's line begins so.
    if line.starts_with(b"{\"end\"") {
        return Ok(Line::End(from_line::<EndLine>(line)?.end));
    }
    Ok(Line::User(Box::new(from_line::<UserLine>(line)?.try_into()?)))
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct HeaderLine {
    #[serde(rename = "gatepost-dump")]
    version: u32,
    created: u64,
    decoy_key: Octets,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EndLine {
    end: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct UserLine {
    user: String,
    realm: String,
    #[serde(deserialize_with = "required")]
    keep: Option<Vec<String>>,
    plain: PlainWord,
    created: u64,
    changed: u64,
    changed_by: By,
    credentials: Vec<CredentialJson>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct By {
    who: String,
    app: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum PlainWord {
    ByPolicy,
    Never,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum StateWord {
    Enabled,
    Suspended,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CredentialJson {
    label: String,
    state: StateWord,
    #[serde(deserialize_with = "required")]
    expires: Option<u64>,
    raw: bool,
    created: u64,
    changed: u64,
    networks: Vec<String>,
    verifiers: Vec<VerifierJson>,
}

/// All fields of all kinds: an enum with a tag inside would have serde keep copies of what it reads.
#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct VerifierJson {
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    phc: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iterations: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    salt: Option<Octets>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stored_key: Option<Octets>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_key: Option<Octets>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheme: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    states: Option<Octets>,
    #[serde(skip_serializing_if = "Option::is_none")]
    h_a1: Option<Octets>,
    #[serde(skip_serializing_if = "Option::is_none")]
    h_a1_utf8: Option<Octets>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<Octets>,
}

impl From<&Record> for UserLine {
    fn from(record: &Record) -> Self {
        Self {
            user: record.identity().user.to_string(),
            realm: record.identity().realm.to_string(),
            keep: record.keep().map(|kinds| kinds.iter().map(|kind| kind.name().to_owned()).collect()),
            plain: match record.plain() {
                PlainRule::ByPolicy => PlainWord::ByPolicy,
                PlainRule::Never => PlainWord::Never,
            },
            created: record.created().seconds(),
            changed: record.changed().seconds(),
            changed_by: By {
                who: record.changed_by().who().to_owned(),
                app: record.changed_by().app().to_owned(),
            },
            credentials: record.credentials().iter().map(CredentialJson::from).collect(),
        }
    }
}

impl TryFrom<UserLine> for Record {
    type Error = String;

    fn try_from(line: UserLine) -> Result<Self, String> {
        let user = Username::of_userid(line.user.as_bytes()).map_err(|e| e.to_string())?;
        let realm = Realm::prepare(&line.realm).map_err(|e| e.to_string())?;
        let record = Self::from_parts(RecordParts {
            identity: Identity::new(user, realm),
            credentials: line.credentials.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            keep: line.keep.as_deref().map(keep).transpose()?,
            plain: match line.plain {
                PlainWord::ByPolicy => PlainRule::ByPolicy,
                PlainWord::Never => PlainRule::Never,
            },
            created: Timestamp(line.created),
            changed: Timestamp(line.changed),
            changed_by: ChangedBy::new(&line.changed_by.who, &line.changed_by.app)
                .map_err(|e| e.to_string())?,
        })
        .map_err(|error| error.to_string())?;
        usable(&record).map(|()| record)
    }
}

/// The user's own list, in which stands what `--keep` takes.
fn keep(names: &[String]) -> Result<KindSet, String> {
    let kinds: KindSet = names.iter().map(|name| kind(name)).collect::<Result<_, _>>()?;
    let error = if kinds.contains(VerifierKind::Foreign) {
        KindSetError::Foreign
    } else if kinds.is_empty() {
        KindSetError::Empty
    } else {
        return Ok(kinds);
    };
    Err(format!("keep: {error}"))
}

/// Whether the user has something to log in with in each credential, and no clear text against their own rule. The
/// model, which has to hold records on their way, allows more.
fn usable(record: &Record) -> Result<(), String> {
    if record.credentials().is_empty() {
        return Err("the user has no credential".to_owned());
    }
    if let Some(bare) = record.credentials().iter().find(|credential| credential.verifiers.is_empty()) {
        return Err(format!("the credential has no verifier: {}", bare.label));
    }
    if record.plain() == PlainRule::Never && record.kinds().contains(VerifierKind::Plain) {
        return Err("plain is never to be kept of this user, and is there".to_owned());
    }
    Ok(())
}

impl From<&Credential> for CredentialJson {
    fn from(credential: &Credential) -> Self {
        Self {
            label: credential.label.to_string(),
            state: match credential.state {
                State::Enabled => StateWord::Enabled,
                State::Suspended => StateWord::Suspended,
            },
            expires: credential.expires.map(Timestamp::seconds),
            raw: credential.raw,
            created: credential.created.seconds(),
            changed: credential.changed.seconds(),
            networks: credential.networks.iter().map(ToString::to_string).collect(),
            verifiers: credential.verifiers.iter().map(VerifierJson::from).collect(),
        }
    }
}

impl TryFrom<CredentialJson> for Credential {
    type Error = String;

    fn try_from(json: CredentialJson) -> Result<Self, String> {
        let networks: Result<_, _> = json.networks.iter().map(|network| network.parse()).collect();
        let verifiers: Result<Vec<Verifier>, String> =
            json.verifiers.into_iter().map(TryInto::try_into).collect();
        Ok(Self {
            label: json.label.parse::<Label>().map_err(|e| e.to_string())?,
            verifiers: Verifiers::new(verifiers?).map_err(|e| e.to_string())?,
            state: match json.state {
                StateWord::Enabled => State::Enabled,
                StateWord::Suspended => State::Suspended,
            },
            expires: json.expires.map(Timestamp),
            networks: networks.map_err(|e: credential::record::NetworkError| e.to_string())?,
            raw: json.raw,
            created: Timestamp(json.created),
            changed: Timestamp(json.changed),
        })
    }
}

impl From<&Verifier> for VerifierJson {
    fn from(verifier: &Verifier) -> Self {
        let kind = verifier.kind().name().to_owned();
        let octets = |octets: &[u8]| Some(Octets::of(octets));
        match verifier {
            Verifier::Argon2id(argon2id) => {
                Self { kind, phc: Some(Text(argon2id.to_phc())), ..Self::default() }
            }
            Verifier::Scram(scram) => Self {
                kind,
                iterations: Some(scram.iterations().get()),
                salt: octets(scram.salt().octets()),
                stored_key: octets(scram.stored_key().octets()),
                server_key: octets(scram.server_key().octets()),
                ..Self::default()
            },
            Verifier::Foreign(foreign) => Self {
                kind,
                scheme: Some(foreign.scheme().name().to_owned()),
                text: Some(Text(Zeroizing::new(foreign.text().to_owned()))),
                ..Self::default()
            },
            Verifier::CramMd5(cram) => Self { kind, states: octets(&*cram.to_octets()), ..Self::default() },
            Verifier::DigestMd5(digest) => Self {
                kind,
                h_a1: octets(digest.h_a1()),
                h_a1_utf8: digest.utf8().map(|hash| Octets::of(hash)),
                ..Self::default()
            },
            Verifier::Plain(plain) => {
                Self { kind, password: octets(plain.secret().expose()), ..Self::default() }
            }
        }
    }
}

impl TryFrom<VerifierJson> for Verifier {
    type Error = String;

    fn try_from(mut json: VerifierJson) -> Result<Self, String> {
        let kind = kind(&json.kind)?;
        let verifier = json.take(kind)?;
        json.is_empty().then_some(verifier).ok_or_else(|| format!("{kind} has a field of another kind"))
    }
}

impl VerifierJson {
    /// Makes a verifier of the fields that its kind has, and takes them out.
    fn take(&mut self, kind: VerifierKind) -> Result<Verifier, String> {
        match kind {
            VerifierKind::Argon2id => {
                let phc = field("phc", self.phc.take())?;
                Ok(Verifier::Argon2id(Argon2id::parse(&phc.0).map_err(|e| e.to_string())?))
            }
            VerifierKind::ScramSha512 => self.take_scram(ScramHash::Sha512),
            VerifierKind::ScramSha256 => self.take_scram(ScramHash::Sha256),
            VerifierKind::ScramSha1 => self.take_scram(ScramHash::Sha1),
            VerifierKind::Foreign => {
                let name = field("scheme", self.scheme.take())?;
                let scheme = Scheme::from_name(&name).ok_or_else(|| format!("unknown scheme: {name}"))?;
                let text = field("text", self.text.take())?;
                Ok(Verifier::Foreign(Foreign::parse(scheme, &text.0).map_err(|e| e.to_string())?))
            }
            VerifierKind::CramMd5 => {
                let states = array("states", self.states.take())?;
                Ok(Verifier::CramMd5(CramMd5::from_octets(&states)))
            }
            VerifierKind::DigestMd5 => {
                let first = array("h-a1", self.h_a1.take())?;
                let second = self.h_a1_utf8.take().map(|hash| array("h-a1-utf8", Some(hash))).transpose()?;
                Ok(Verifier::DigestMd5(DigestMd5::from_parts(*first, second.map(|hash| *hash))))
            }
            VerifierKind::Plain => {
                let password = Secret::from(field("password", self.password.take())?.0);
                Password::import(&password).map_err(|error| error.to_string())?;
                Ok(Verifier::Plain(Plain::new(password)))
            }
        }
    }

    fn take_scram(&mut self, hash: ScramHash) -> Result<Verifier, String> {
        let iterations = field("iterations", self.iterations.take())?;
        let salt = field("salt", self.salt.take())?;
        let stored_key = field("stored-key", self.stored_key.take())?;
        let server_key = field("server-key", self.server_key.take())?;
        let iterations = Iterations::new(iterations).map_err(|e| e.to_string())?;
        let salt = Salt::new(&salt.0).map_err(|e| e.to_string())?;
        Scram::from_parts(hash, iterations, salt, &stored_key.0, &server_key.0)
            .map(Verifier::Scram)
            .map_err(|error| error.to_string())
    }

    fn is_empty(&self) -> bool {
        let Self {
            kind: _,
            phc,
            iterations,
            salt,
            stored_key,
            server_key,
            scheme,
            text,
            states,
            h_a1,
            h_a1_utf8,
            password,
        } = self;
        let octets = [salt, stored_key, server_key, states, h_a1, h_a1_utf8, password];
        phc.is_none()
            && iterations.is_none()
            && scheme.is_none()
            && text.is_none()
            && octets.iter().all(|field| field.is_none())
    }
}

/// Octets in base64, wiped.
struct Octets(Zeroizing<Vec<u8>>);

impl Octets {
    fn of(octets: &[u8]) -> Self {
        Self(Zeroizing::new(octets.to_vec()))
    }
}

impl Serialize for Octets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = Zeroizing::new(String::with_capacity(self.0.len().div_ceil(3) * 4));
        BASE64.encode_string(&*self.0, &mut text);
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Base64Visitor)
    }
}

struct Base64Visitor;

impl Visitor<'_> for Base64Visitor {
    type Value = Octets;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("octets in base64")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Octets, E> {
        let mut octets = Zeroizing::new(vec![0; text.len() / 4 * 3 + 3]);
        // What is wrong is not repeated: it may be a secret.
        let length = BASE64.decode_slice(text, &mut octets).map_err(|_| E::custom("not base64"))?;
        octets.truncate(length);
        Ok(Octets(octets))
    }
}

/// A text, wiped.
struct Text(Zeroizing<String>);

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

/// An `Option` whose field must be there, if only as null: what is left out by accident is not "none".
fn required<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

fn kind(name: &str) -> Result<VerifierKind, String> {
    let found = VerifierKind::ALL.into_iter().find(|kind| kind.name() == name);
    found.ok_or_else(|| format!("unknown verifier: {name}"))
}

fn field<T>(name: &str, value: Option<T>) -> Result<T, String> {
    value.ok_or_else(|| format!("{name} is missing"))
}

fn array<const N: usize>(name: &str, value: Option<Octets>) -> Result<Zeroizing<[u8; N]>, String> {
    let octets = field(name, value)?.0;
    let array: [u8; N] = octets.as_slice().try_into().map_err(|_| format!("{name} has not {N} octets"))?;
    Ok(Zeroizing::new(array))
}

fn to_line<T: Serialize>(value: &T) -> Result<Zeroizing<Vec<u8>>, DumpError> {
    // Large enough for a common record, so that no part of it is left behind by growing.
    let mut line = Zeroizing::new(Vec::with_capacity(8 * 1024));
    serde_json::to_writer(&mut *line, value).map_err(|error| DumpError::Out(error.into()))?;
    Ok(line)
}

/// serde_json says where in the line. Of its words only those are passed on that quote names of fields: a value may be a
/// secret.
fn from_line<'de, T: Deserialize<'de>>(line: &'de [u8]) -> Result<T, String> {
    serde_json::from_slice(line).map_err(|error| {
        let text = error.to_string();
        let about_fields = FIELD_ERRORS.iter().any(|start| text.starts_with(start));
        let what = if about_fields { text.split(" at line ").next() } else { None };
        format!("column {}: {}", error.column(), what.unwrap_or("not in the form of a dump"))
    })
}

const FIELD_ERRORS: [&str; 4] = ["unknown field `", "missing field `", "duplicate field `", "not base64"];
