//! Cyrus sasldb: one record per user and property, key `user NUL realm NUL property`.
//!
//! A user's properties stand anywhere in the file. They are put together without keeping the file's users in memory: a
//! user is given out where the first of the known properties is met, and the others are looked up then. A
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
        Ok(Identity::new(Username::of_userid(self.user)?, Realm::from_octets(self.realm)?))
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use credential::VerifierKind;
    use mapfile::{Duplicates, Format, Records};

    use super::*;

    /// A map that was never a file.
    struct Map(Vec<(Vec<u8>, Vec<u8>)>);

    impl MapReader for Map {
        fn format(&self) -> Format {
            Format::Hash
        }

        fn duplicates(&self) -> Duplicates {
            Duplicates::Refused
        }

        fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, MapFileError> {
            Ok(self.0.iter().find(|(own, _)| own == key).map(|(_, value)| value.clone()))
        }

        fn records(&self) -> Records<'_> {
            Box::new(self.0.iter().map(|(key, value)| {
                Ok(Record { key: Arc::from(&key[..]), value: value.clone(), occurrence: Occurrence::First })
            }))
        }
    }

    fn map(records: &[(&[u8], &[u8])]) -> Map {
        Map(records.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect())
    }

    /// What a user comes with: `password=...` or the kinds of the verifiers.
    fn summary(map: &Map) -> Vec<String> {
        read(map)
            .map(|user| match user {
                Ok(ImportedUser { identity, material: Material::Clear(secret), .. }) => {
                    format!("{identity} password={}", secret.expose().escape_ascii())
                }
                Ok(ImportedUser { identity, material: Material::Verifiers(verifiers), .. }) => {
                    let kinds: Vec<_> = verifiers.kinds().iter().map(VerifierKind::name).collect();
                    format!("{identity} {}", kinds.join(","))
                }
                Err(fault) => fault.to_string(),
            })
            .collect()
    }

    const SCRAM: &[u8] = b"SCRAM-SHA-256$4096:lSEj5TgfdzVINsKUYwtFJA==$4/fE4ra4gR0EYdndkU1Zp+C1bmHQkipTSCXGs+Nr8/4=:C9L5z1ro+R7k29wS9L+OyVveXtstqxuCvtNxoQ8hbLY=";

    #[test]
    fn version_2() {
        let map = map(&[
            (b"alice\0r.example\0userPassword", b"secret"),
            (b"bob\0\0cmusaslsecretOTP", b"md5 ..."),
            (b"bob\0\0userPassword", b"p\xff"),
            (b"carol\0r\0authPassword", SCRAM),
            (b"dave\0r\0cmusaslsecretOTP", b"md5 ..."),
            (b"erin\0r\0userPassword", b""),
            (b"\0R\0userPassword", b"x"),
        ]);
        let wanted = [
            "alice@r.example password=secret",
            "bob@ password=p\\xff",
            "carol@r scram-sha-256",
            "the records of dave@r: property cmusaslsecretOTP is not supported",
            "the records of erin@r: the password is empty",
            "@R password=x",
        ];
        assert_eq!(summary(&map), wanted);
    }

    #[test]
    fn version_1_and_converted() {
        let plain = [&[7; 16][..], b"\0", &[8; 16]].concat();
        let apop = [&[7; 16][..], b"\0", b"secret"].concat();
        let map = map(&[
            (b"\0\0CRAM-MD5", &[0, 0, 0, 3]),
            (b"\0\0DIGEST-MD5", &[0, 0, 0, 3]),
            (b"alice\0r\0DIGEST-MD5", &[1; 16]),
            (b"alice\0r\0PLAIN", &plain),
            (b"alice\0r\0CRAM-MD5", &[2; 32]),
            (b"bob\0r\0CRAM-MD5", &[2; 32]),
            (b"bob\0r\0PLAIN-APOP", &apop),
            (b"carol\0r\0cmusaslsecretCRAM-MD5", &[2; 32]),
            (b"carol\0r\0cmusaslsecretPLAIN", &plain),
        ]);
        let wanted =
            ["alice@r foreign,cram-md5,digest-md5", "bob@r password=secret", "carol@r foreign,cram-md5"];
        assert_eq!(summary(&map), wanted);
    }

    #[test]
    fn keys_and_values_that_are_none() {
        let map = map(&[
            (b"dave\0vm", b"x"),
            (b"a\0b\0userPassword\0", b"x"),
            (b"a\xff\0b\0userPassword", b"x"),
            (b"erin\0r\0CRAM-MD5", b"short"),
            ("\u{ff20}x\0vm\0userPassword".as_bytes(), b"x"),
            (b"a@b\0vm\0userPassword", b"x"),
        ]);
        let faults = summary(&map);
        assert_eq!(faults[0], "the records of dave\\x00vm: a key without exactly two NULs");
        assert_eq!(faults[1], "the records of a\\x00b\\x00userPassword\\x00: a key without exactly two NULs");
        assert!(faults[2].starts_with("the records of a\\xff@b: name is not UTF-8"), "{}", faults[2]);
        assert!(faults[3].starts_with("the records of erin@r: malformed CRAM-MD5"), "{}", faults[3]);
        for fault in &faults[4..6] {
            assert!(fault.ends_with(": name holds an @ once it is prepared"), "{fault}");
        }
    }
}
