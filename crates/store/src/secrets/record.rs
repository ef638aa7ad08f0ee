//! The octets of one user's record, version 1.
//!
//! ```text
//! version 1 | user | realm as spelled | keep: 0, or 1 and a bit per kind (u8) | plain: 0 by policy, 1 never
//! created, changed (u64 seconds) | who, app | number of credentials (u8), each:
//!   label | state: 0 enabled, 1 suspended | expires: 0, or 1 and u64 | raw: 0 or 1 | created, changed
//!   number of networks (u16), each: 4 or 6, address (4 or 16 octets), prefix
//!   number of verifiers (u8), each: code (u8), length (u16), body
//! ```
//!
//! Strings have their length (u16) in front, numbers are big-endian. Bodies: argon2id (1) m, t, p (u32), salt, hash;
//! scram-sha-512 (2), -256 (3), -1 (4) iterations (u32), salt, StoredKey, ServerKey; foreign (5) scheme, text;
//! cram-md5 (6) 32 octets; digest-md5 (7) 16 octets, 0 or 1 and 16 more; plain (8) the password. The codes are
//! promised: a number is never given a second meaning. The checksum around it is [`super::seal`]'s; the model, and
//! what may stand together in it, is `credential`'s.

use std::fmt::Display;
use std::net::IpAddr;

use credential::policy::{Argon2Cost, Iterations, KindSet, Salt};
use credential::verifier::{Argon2id, CramMd5, DigestMd5, Foreign, Plain, Scheme, Scram, ScramHash};
use credential::{
    ChangedBy, Credential, Identity, Label, Network, PlainRule, Realm, Record, RecordParts, Secret, State,
    Timestamp, Username, Verifier, VerifierKind, Verifiers,
};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::secrets::octets::{OctetsError, Reader, TooLong, Writer};

/// The version that is written, and the only one so far.
const VERSION: u8 = 1;

/// The most networks of one credential. The model has no bound; a store needs one.
const MAX_NETWORKS: usize = 256;

/// Why octets are no record. Says nothing of what verifiers hold.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum DecodeError {
    /// A version from another time.
    #[error("the record has version {0}, this program knows {VERSION}")]
    Version(u8),
    /// The octets are not in the form above.
    #[error("the record: {0}")]
    Octets(#[from] OctetsError),
    /// A field, or fields together, that the model refuses.
    #[error("the record: {0}")]
    Model(String),
}

/// Why a record cannot be written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum EncodeError {
    /// A list or string that is longer than its length field allows.
    #[error("{what} has {found} parts or octets")]
    TooLong {
        /// Of what.
        what: &'static str,
        /// How many.
        found: usize,
    },
    /// A name that SASLprep would change once more, and that [`decode`] would therefore refuse.
    #[error("the name is not in its prepared form")]
    Unprepared,
}

/// Writes a record down. The buffer is wiped when dropped.
pub(crate) fn encode(record: &Record) -> Result<Zeroizing<Vec<u8>>, EncodeError> {
    let (user, realm) = (record.identity().user.as_str(), record.identity().realm.as_str());
    prepared(user, realm).map_err(|_| EncodeError::Unprepared)?;
    let mut writer = Writer::new();
    writer.u8(VERSION);
    string(&mut writer, user.as_bytes())?;
    string(&mut writer, realm.as_bytes())?;
    encode_keep(&mut writer, record.keep());
    writer.u8(match record.plain() {
        PlainRule::ByPolicy => 0,
        PlainRule::Never => 1,
    });
    writer.u64(record.created().seconds());
    writer.u64(record.changed().seconds());
    string(&mut writer, record.changed_by().who().as_bytes())?;
    string(&mut writer, record.changed_by().app().as_bytes())?;
    writer.u8(count("credentials", record.credentials().len())?);
    for credential in record.credentials() {
        encode_credential(&mut writer, credential)?;
    }
    Ok(writer.finish())
}

/// Reads a record back, to the last octet.
pub(crate) fn decode(octets: &[u8]) -> Result<Record, DecodeError> {
    let mut reader = Reader::new(octets);
    let version = reader.u8("the version")?;
    if version != VERSION {
        return Err(DecodeError::Version(version));
    }
    let parts = RecordParts {
        identity: prepared(reader.text("the user")?, reader.text("the realm")?)?,
        keep: decode_keep(&mut reader)?,
        plain: if flag(&mut reader, "the rule for plain")? { PlainRule::Never } else { PlainRule::ByPolicy },
        created: Timestamp(reader.u64("the time of creation")?),
        changed: Timestamp(reader.u64("the time of change")?),
        changed_by: ChangedBy::new(reader.text("who changed it")?, reader.text("what changed it")?)
            .map_err(model)?,
        credentials: (0..reader.u8("the number of credentials")?)
            .map(|_| decode_credential(&mut reader))
            .collect::<Result<_, _>>()?,
    };
    reader.end()?;
    Record::from_parts(parts).map_err(model)
}

fn encode_keep(writer: &mut Writer, keep: Option<KindSet>) {
    match keep {
        None => writer.u8(0),
        Some(kinds) => {
            writer.u8(1);
            // Codes begin at 1, bits at 0.
            writer.u8(kinds.iter().fold(0, |bits, kind| bits | 1 << (code(kind) - 1)));
        }
    }
}

fn encode_credential(writer: &mut Writer, credential: &Credential) -> Result<(), EncodeError> {
    string(writer, credential.label.as_str().as_bytes())?;
    writer.u8(match credential.state {
        State::Enabled => 0,
        State::Suspended => 1,
    });
    match credential.expires {
        None => writer.u8(0),
        Some(end) => {
            writer.u8(1);
            writer.u64(end.seconds());
        }
    }
    writer.u8(credential.raw.into());
    writer.u64(credential.created.seconds());
    writer.u64(credential.changed.seconds());
    encode_networks(writer, &credential.networks)?;
    writer.u8(count("verifiers", credential.verifiers.iter().count())?);
    for verifier in &credential.verifiers {
        let mut body = Writer::new();
        encode_verifier(&mut body, verifier)?;
        writer.u8(code(verifier.kind()));
        string(writer, &body.finish())?;
    }
    Ok(())
}

fn encode_networks(writer: &mut Writer, networks: &[Network]) -> Result<(), EncodeError> {
    if networks.len() > MAX_NETWORKS {
        return Err(EncodeError::TooLong { what: "the list of networks", found: networks.len() });
    }
    writer.u16(networks.len() as u16);
    for network in networks {
        match network.address() {
            IpAddr::V4(address) => {
                writer.u8(4);
                writer.octets(&address.octets());
            }
            IpAddr::V6(address) => {
                writer.u8(6);
                writer.octets(&address.octets());
            }
        }
        writer.u8(network.prefix());
    }
    Ok(())
}

fn encode_verifier(body: &mut Writer, verifier: &Verifier) -> Result<(), EncodeError> {
    match verifier {
        Verifier::Argon2id(argon2id) => {
            body.u32(argon2id.cost().m_kib());
            body.u32(argon2id.cost().t());
            body.u32(argon2id.cost().p());
            string(body, argon2id.salt().octets())?;
            string(body, argon2id.hash())?;
        }
        Verifier::Scram(scram) => {
            body.u32(scram.iterations().get());
            string(body, scram.salt().octets())?;
            string(body, scram.stored_key().octets())?;
            string(body, scram.server_key().octets())?;
        }
        Verifier::Foreign(foreign) => {
            string(body, foreign.scheme().name().as_bytes())?;
            string(body, foreign.text().as_bytes())?;
        }
        Verifier::CramMd5(cram) => body.octets(&*cram.to_octets()),
        Verifier::DigestMd5(digest) => {
            body.octets(digest.h_a1());
            body.u8(digest.utf8().is_some().into());
            body.octets(digest.utf8().map_or(&[][..], |hash| hash));
        }
        Verifier::Plain(plain) => body.octets(plain.secret().expose()),
    }
    Ok(())
}

/// SASLprep is no identity function: a name that changes when it is prepared was never prepared.
fn prepared(user: &str, realm: &str) -> Result<Identity, DecodeError> {
    let identity =
        Identity::new(Username::prepare(user).map_err(model)?, Realm::prepare(realm).map_err(model)?);
    if identity.user.as_str() == user && identity.realm.as_str() == realm {
        Ok(identity)
    } else {
        Err(model("a name that is not prepared"))
    }
}

fn decode_keep(reader: &mut Reader<'_>) -> Result<Option<KindSet>, DecodeError> {
    if !flag(reader, "the list of verifiers to keep")? {
        return Ok(None);
    }
    let bits = reader.u8("the list of verifiers to keep")?;
    Ok(Some(VerifierKind::ALL.into_iter().filter(|&kind| bits & 1 << (code(kind) - 1) != 0).collect()))
}

fn decode_credential(reader: &mut Reader<'_>) -> Result<Credential, DecodeError> {
    Ok(Credential {
        label: reader.text("a label")?.parse::<Label>().map_err(model)?,
        state: if flag(reader, "the state of a credential")? { State::Suspended } else { State::Enabled },
        expires: if flag(reader, "the end of a credential")? {
            Some(Timestamp(reader.u64("the end of a credential")?))
        } else {
            None
        },
        raw: flag(reader, "the mark for raw passwords")?,
        created: Timestamp(reader.u64("the time of creation of a credential")?),
        changed: Timestamp(reader.u64("the time of change of a credential")?),
        networks: decode_networks(reader)?,
        verifiers: decode_verifiers(reader)?,
    })
}

fn decode_networks(reader: &mut Reader<'_>) -> Result<Vec<Network>, DecodeError> {
    let count = usize::from(reader.u16("the number of networks")?);
    if count > MAX_NETWORKS {
        return Err(OctetsError::Impossible("the number of networks").into());
    }
    let mut networks = Vec::with_capacity(count);
    for _ in 0..count {
        let address: IpAddr = match reader.u8("the family of a network")? {
            4 => reader.array::<4>("a network")?.into(),
            6 => reader.array::<16>("a network")?.into(),
            _ => return Err(OctetsError::Impossible("the family of a network").into()),
        };
        networks.push(Network::new(address, reader.u8("the prefix of a network")?).map_err(model)?);
    }
    Ok(networks)
}

fn decode_verifiers(reader: &mut Reader<'_>) -> Result<Verifiers, DecodeError> {
    let mut verifiers = Vec::new();
    for _ in 0..reader.u8("the number of verifiers")? {
        let code = reader.u8("the kind of a verifier")?;
        let kind = kind(code).ok_or(OctetsError::Impossible("the kind of a verifier"))?;
        let mut body = Reader::new(reader.string("a verifier")?);
        verifiers.push(decode_verifier(kind, &mut body)?);
        body.end()?;
    }
    if !verifiers.is_sorted_by_key(Verifier::kind) {
        return Err(OctetsError::Impossible("the order of the verifiers").into());
    }
    Verifiers::new(verifiers).map_err(model)
}

fn decode_verifier(kind: VerifierKind, body: &mut Reader<'_>) -> Result<Verifier, DecodeError> {
    let scram = |hash: ScramHash, body: &mut Reader<'_>| -> Result<Verifier, DecodeError> {
        let iterations = Iterations::new(body.u32("iterations")?).map_err(model)?;
        let salt = Salt::new(body.string("a salt")?).map_err(model)?;
        let (stored, server) = (body.string("StoredKey")?, body.string("ServerKey")?);
        Ok(Verifier::Scram(Scram::from_parts(hash, iterations, salt, stored, server).map_err(model)?))
    };
    match kind {
        VerifierKind::Argon2id => {
            let cost = Argon2Cost::new(body.u32("memory")?, body.u32("passes")?, body.u32("lanes")?);
            let salt = Salt::new(body.string("a salt")?).map_err(model)?;
            let hash = body.string("a hash")?;
            Ok(Verifier::Argon2id(Argon2id::from_parts(cost.map_err(model)?, salt, hash).map_err(model)?))
        }
        VerifierKind::ScramSha512 => scram(ScramHash::Sha512, body),
        VerifierKind::ScramSha256 => scram(ScramHash::Sha256, body),
        VerifierKind::ScramSha1 => scram(ScramHash::Sha1, body),
        VerifierKind::Foreign => {
            let name = body.text("a scheme")?;
            let scheme = Scheme::from_name(name).ok_or(OctetsError::Impossible("a scheme"))?;
            Ok(Verifier::Foreign(Foreign::parse(scheme, body.text("a foreign hash")?).map_err(model)?))
        }
        VerifierKind::CramMd5 => Ok(Verifier::CramMd5(CramMd5::from_octets(&body.array("cram-md5")?))),
        VerifierKind::DigestMd5 => {
            let first = body.array("digest-md5")?;
            let second = if flag(body, "digest-md5")? { Some(body.array("digest-md5")?) } else { None };
            Ok(Verifier::DigestMd5(DigestMd5::from_parts(first, second)))
        }
        VerifierKind::Plain => Ok(Verifier::Plain(Plain::new(Secret::copy_of(body.rest())))),
    }
}

/// The code of a kind in this format; [`kind`] reads it back.
fn code(kind: VerifierKind) -> u8 {
    match kind {
        VerifierKind::Argon2id => 1,
        VerifierKind::ScramSha512 => 2,
        VerifierKind::ScramSha256 => 3,
        VerifierKind::ScramSha1 => 4,
        VerifierKind::Foreign => 5,
        VerifierKind::CramMd5 => 6,
        VerifierKind::DigestMd5 => 7,
        VerifierKind::Plain => 8,
    }
}

fn kind(number: u8) -> Option<VerifierKind> {
    VerifierKind::ALL.into_iter().find(|&kind| code(kind) == number)
}

fn flag(reader: &mut Reader<'_>, name: &'static str) -> Result<bool, OctetsError> {
    match reader.u8(name)? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(OctetsError::Impossible(name)),
    }
}

fn string(writer: &mut Writer, octets: &[u8]) -> Result<(), EncodeError> {
    writer.string(octets).map_err(|TooLong(found)| EncodeError::TooLong { what: "a string", found })
}

fn count(what: &'static str, found: usize) -> Result<u8, EncodeError> {
    u8::try_from(found).map_err(|_| EncodeError::TooLong { what, found })
}

fn model(error: impl Display) -> DecodeError {
    DecodeError::Model(error.to_string())
}

#[cfg(test)]
mod tests;
