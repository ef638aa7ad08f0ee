//! Records for tests: any that may come to stand in a store, without the cost of deriving.

use std::net::{Ipv4Addr, Ipv6Addr};

use credential::policy::{Argon2Cost, Iterations, KindSet, Salt};
use credential::verifier::{Argon2id, CramMd5, DigestMd5, Foreign, Plain, Scheme, Scram, ScramHash};
use credential::{
    ChangedBy, Credential, Identity, Network, PlainRule, Realm, Record, RecordParts, Secret, State,
    Timestamp, Username, Verifier, VerifierKind, Verifiers,
};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

/// Any record.
pub(crate) fn record() -> impl Strategy<Value = Record> {
    let names = ("[!-?A-~]{0,20}", "[A-Za-z0-9.-]{0,20}");
    let frame = (
        proptest::option::of(any::<u8>()),
        any::<bool>(),
        any::<(u64, u64)>(),
        ("[a-z0-9]{0,12}", "[ -~]{0,30}"),
    );
    (names, frame, recipe(), btree_map("[a-z][a-z ]{0,8}[a-z]", credential(), 1..4)).prop_map(
        |((user, realm), (keep, never, (created, changed), (who, app)), recipe, credentials)| {
            Record::from_parts(RecordParts {
                identity: Identity::new(Username::prepare(&user).unwrap(), Realm::prepare(&realm).unwrap()),
                credentials: credentials
                    .into_iter()
                    .map(|(label, parts)| parts.build(&label, &recipe, never))
                    .collect(),
                keep: keep.map(|bits| some(kinds(bits).without(VerifierKind::Foreign))),
                plain: if never { PlainRule::Never } else { PlainRule::ByPolicy },
                created: Timestamp(created),
                changed: Timestamp(changed),
                changed_by: ChangedBy::new(&who, &app).unwrap(),
            })
            .unwrap()
        },
    )
}

/// Whether two records are the same in everything; they have no equality, for they hold secrets.
pub(crate) fn same(a: &Record, b: &Record) -> bool {
    super::record::encode(a).unwrap() == super::record::encode(b).unwrap()
}

#[derive(Debug, Clone)]
struct Recipe {
    argon2id: Argon2Cost,
    iterations: u32,
    salt: Vec<u8>,
}

fn recipe() -> impl Strategy<Value = Recipe> {
    (1..5_u32, 1..3_u32, 1..100_000_u32, vec(any::<u8>(), 8..40)).prop_map(|(t, p, iterations, salt)| {
        Recipe { argon2id: Argon2Cost::new(19_456, t, p).unwrap(), iterations, salt }
    })
}

#[derive(Debug)]
struct Parts {
    kinds: u8,
    octets: Vec<u8>,
    suspended: bool,
    raw: bool,
    expires: Option<u64>,
    times: (u64, u64),
    networks: Vec<(u32, u8, u128, u8)>,
}

fn credential() -> impl Strategy<Value = Parts> {
    (
        any::<u8>(),
        vec(any::<u8>(), 64),
        any::<(bool, bool)>(),
        any::<Option<u64>>(),
        any::<(u64, u64)>(),
        vec((any::<u32>(), 0..=32_u8, any::<u128>(), 0..=128_u8), 0..3),
    )
        .prop_map(|(kinds, octets, (suspended, raw), expires, times, networks)| Parts {
            kinds,
            octets,
            suspended,
            raw,
            expires,
            times,
            networks,
        })
}

impl Parts {
    fn build(self, label: &str, recipe: &Recipe, never_plain: bool) -> Credential {
        let kinds = kinds(self.kinds);
        let kinds = some(if never_plain { kinds.without(VerifierKind::Plain) } else { kinds });
        let verifiers = kinds.iter().map(|kind| verifier(kind, &self.octets, recipe)).collect();
        let networks = self.networks.iter().flat_map(|&(v4, prefix4, v6, prefix6)| {
            let v4 = v4 & u32::MAX.checked_shl(32 - u32::from(prefix4)).unwrap_or(0);
            let v6 = v6 & u128::MAX.checked_shl(128 - u32::from(prefix6)).unwrap_or(0);
            [
                Network::new(Ipv4Addr::from_bits(v4).into(), prefix4).unwrap(),
                Network::new(Ipv6Addr::from_bits(v6).into(), prefix6).unwrap(),
            ]
        });
        Credential {
            label: label.parse().unwrap(),
            verifiers: Verifiers::new(verifiers).unwrap(),
            state: if self.suspended { State::Suspended } else { State::Enabled },
            expires: self.expires.map(Timestamp),
            networks: networks.collect(),
            raw: self.raw,
            created: Timestamp(self.times.0),
            changed: Timestamp(self.times.1),
        }
    }
}

fn verifier(kind: VerifierKind, octets: &[u8], recipe: &Recipe) -> Verifier {
    let salt = || Salt::new(&recipe.salt).unwrap();
    let scram = |hash: ScramHash| {
        let key = &octets[..hash.octets()];
        let iterations = Iterations::new(recipe.iterations).unwrap();
        Verifier::Scram(Scram::from_parts(hash, iterations, salt(), key, key).unwrap())
    };
    match kind {
        VerifierKind::Argon2id => {
            Verifier::Argon2id(Argon2id::from_parts(recipe.argon2id, salt(), &octets[..32]).unwrap())
        }
        VerifierKind::ScramSha512 => scram(ScramHash::Sha512),
        VerifierKind::ScramSha256 => scram(ScramHash::Sha256),
        VerifierKind::ScramSha1 => scram(ScramHash::Sha1),
        VerifierKind::Foreign => Verifier::Foreign(Foreign::parse(Scheme::Bcrypt, BCRYPT).unwrap()),
        VerifierKind::CramMd5 => Verifier::CramMd5(CramMd5::from_octets(octets[..32].try_into().unwrap())),
        VerifierKind::DigestMd5 => {
            let second = octets[0].is_multiple_of(2).then(|| octets[16..32].try_into().unwrap());
            Verifier::DigestMd5(DigestMd5::from_parts(octets[..16].try_into().unwrap(), second))
        }
        VerifierKind::Plain => {
            let octets = octets.iter().map(|octet| octet.saturating_add(1)).collect();
            Verifier::Plain(Plain::new(Secret::new(octets)))
        }
    }
}

fn kinds(bits: u8) -> KindSet {
    VerifierKind::ALL
        .into_iter()
        .enumerate()
        .filter(|(bit, _)| bits & 1 << bit != 0)
        .map(|(_, kind)| kind)
        .collect()
}

/// The same, or one where there is none.
fn some(kinds: KindSet) -> KindSet {
    if kinds.is_empty() { kinds.with(VerifierKind::Argon2id) } else { kinds }
}

/// "secret", from libcrypt.
const BCRYPT: &str = "$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a";
