//! Cyrus sasldb: one record per user and property, key `user NUL realm NUL property`.
//!
//! A user's properties stand anywhere in the file. They are put together without keeping the file's users in memory: a
//! user is given out where the first of the [known properties](KNOWN) is met, and the others are looked up then. A
//! password in clear counts alone, else everything that can be checked with. Version marks of SASLv1 are skipped; a
//! key without exactly two NULs is a fault (Cyrus' own tool loops for ever over such a file).

use credential::sasldb::{SasldbError, is_version_mark, property};
use credential::{Identity, Imported, PasswordError, Realm, Secret, Username, Verifiers};
use mapfile::{MapFileError, MapReader, Occurrence, Record};

use crate::secrets::import::{At, ImportFault, ImportedUser, Material, Reason};

/// Reads the users of a sasldb.
pub fn read(map: &dyn MapReader) -> impl Iterator<Item = Result<ImportedUser, ImportFault>> {
    map.records().filter_map(move |record| match record {
        // No look-up ever finds it, Cyrus' own included.
        Ok(Record { occurrence: Occurrence::Shadowed, .. }) => None,
        Ok(record) => {
            let value = Secret::new(record.value);
            user(map, &record.key, &value).transpose()
        }
        Err(error) => Some(Err(unreadable(At::Records("the database".to_owned()), &error))),
    })
}

/// What a record of the database gives: a user, nothing (the user is given out elsewhere, or it is none), or a fault.
fn user(map: &dyn MapReader, key: &[u8], value: &Secret) -> Result<Option<ImportedUser>, ImportFault> {
    let Some(key) = Key::split(key) else {
        let reason = Reason::Malformed("a key without exactly two NULs".to_owned());
        return Err(ImportFault { at: At::Records(key.escape_ascii().to_string()), reason });
    };
    if is_version_mark(key.user, key.realm, key.property, value.expose()) {
        return Ok(None);
    }
    let fault = |reason| ImportFault { at: key.at(), reason };
    let rank = KNOWN.iter().position(|known| known.as_bytes() == key.property);
    for known in &KNOWN[..rank.unwrap_or(KNOWN.len())] {
        if key.look_up(map, known)?.is_some() {
            return Ok(None);
        }
    }
    let Some(rank) = rank else {
        return Err(fault(Reason::Unsupported(format!("property {}", key.property.escape_ascii()))));
    };
    let identity = key.identity().map_err(fault)?;
    let mut gathered = Gathered::default();
    gathered.add(KNOWN[rank], value);
    for known in &KNOWN[rank + 1..] {
        if gathered.clear.is_some() {
            break;
        }
        if let Some(value) = key.look_up(map, known)? {
            gathered.add(known, &value);
        }
    }
    let material = gathered.finish().map_err(fault)?;
    Ok(Some(ImportedUser { identity, material, at: key.at() }))
}

/// What the properties of one user give together.
#[derive(Default)]
struct Gathered {
    clear: Option<Secret>,
    verifiers: Verifiers,
    fault: Option<SasldbError>,
}

impl Gathered {
    /// Adds a property. Of two verifiers of one kind the first stays; an empty password (saslpasswd2 stores one when
    /// the input begins with NUL) is none.
    fn add(&mut self, name: &str, value: &Secret) {
        match property(name.as_bytes(), value.expose()) {
            Ok(Imported::Password(secret)) if secret.is_empty() => {}
            Ok(Imported::Password(secret)) => self.clear = Some(secret),
            Ok(Imported::Verifier(verifier)) => {
                if self.verifiers.get(verifier.kind()).is_none() {
                    self.verifiers.insert(verifier);
                }
            }
            Err(error) => self.fault = Some(error),
        }
    }

    fn finish(self) -> Result<Material, Reason> {
        match (self.clear, self.fault) {
            (Some(secret), _) => Ok(Material::Clear(secret)),
            (None, _) if !self.verifiers.is_empty() => Ok(Material::Verifiers(self.verifiers)),
            (None, Some(fault)) => Err(fault.into()),
            (None, None) => Err(Reason::Password(PasswordError::Empty)),
        }
    }
}

/// A key in its three parts.
struct Key<'a> {
    user: &'a [u8],
    realm: &'a [u8],
    property: &'a [u8],
}

impl<'a> Key<'a> {
    fn split(octets: &'a [u8]) -> Option<Self> {
        let mut parts = octets.split(|&octet| octet == 0);
        let key = Self { user: parts.next()?, realm: parts.next()?, property: parts.next()? };
        parts.next().is_none().then_some(key)
    }

    fn look_up(&self, map: &dyn MapReader, property: &str) -> Result<Option<Secret>, ImportFault> {
        let key = [self.user, self.realm, property.as_bytes()].join(&0);
        let found = map.get(&key).map_err(|error| unreadable(self.at(), &error))?;
        Ok(found.map(Secret::new))
    }

    fn identity(&self) -> Result<Identity, Reason> {
        Ok(Identity::new(Username::from_octets(self.user)?, Realm::from_octets(self.realm)?))
    }

    fn at(&self) -> At {
        At::Records(format!("{}@{}", self.user.escape_ascii(), self.realm.escape_ascii()))
    }
}

impl From<SasldbError> for Reason {
    fn from(error: SasldbError) -> Self {
        match error {
            SasldbError::Unsupported(name) => Self::Unsupported(format!("property {name}")),
            other => Self::Malformed(other.to_string()),
        }
    }
}

fn unreadable(at: At, error: &MapFileError) -> ImportFault {
    ImportFault { at, reason: Reason::Unreadable(error.to_string()) }
}

/// The properties that are taken over, the best first: the password of version 2, of version 1; SCRAM; then the hashes
/// of version 1, as they are named there and after Cyrus' own conversion.
const KNOWN: [&str; 9] = [
    "userPassword",
    "PLAIN-APOP",
    "authPassword",
    "PLAIN",
    "cmusaslsecretPLAIN",
    "CRAM-MD5",
    "cmusaslsecretCRAM-MD5",
    "DIGEST-MD5",
    "cmusaslsecretDIGEST-MD5",
];
