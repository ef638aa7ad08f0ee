use super::*;
use crate::verifier::{ScramHash, VerifierKind};

fn list(text: &str) -> Result<String, KindSetError> {
    text.parse::<KindSet>().map(|kinds| kinds.to_string())
}

#[test]
fn lists_of_kinds() {
    assert_eq!(KindSet::default().to_string(), "argon2id,scram-sha-256");
    for (given, read) in [
        ("argon2id", "argon2id"),
        ("scram-sha-256,argon2id", "argon2id,scram-sha-256"),
        (" Plain , digest-MD5,plain,", "digest-md5,plain"),
        (
            "plain,digest-md5,cram-md5,scram-sha-1,scram-sha-256,scram-sha-512,argon2id",
            "argon2id,scram-sha-512,scram-sha-256,scram-sha-1,cram-md5,digest-md5,plain",
        ),
    ] {
        assert_eq!(list(given).as_deref(), Ok(read));
    }
    assert_eq!(list("argon2id,foreign"), Err(KindSetError::Foreign));
    assert_eq!(list(" , "), Err(KindSetError::Empty));
    assert_eq!(list(""), Err(KindSetError::Empty));
    let unknown = list("argon2id,scram-sha-384").unwrap_err();
    assert_eq!(unknown, KindSetError::Unknown(String::from("scram-sha-384")));
    assert!(unknown.to_string().contains("scram-sha-1,cram-md5"), "the known ones are named: {unknown}");
}

#[test]
fn the_strongest_serves_and_the_weakest_counts() {
    let kinds: KindSet = "scram-sha-1,cram-md5,plain,argon2id".parse().unwrap();
    assert_eq!(kinds.strongest(), Some(VerifierKind::Argon2id));
    assert_eq!(kinds.weakest(), Some(VerifierKind::Plain));
    assert_eq!(KindSet::EMPTY.strongest(), None);
    assert!(!KindSet::ALL.contains(VerifierKind::Foreign));
    assert_eq!(KindSet::ALL.iter().count(), VerifierKind::ALL.len() - 1);
    let without = kinds.without(VerifierKind::Plain);
    assert_eq!(without.weakest(), Some(VerifierKind::CramMd5));
    assert_eq!(kinds.minus(without), KindSet::EMPTY.with(VerifierKind::Plain));
}

#[test]
fn costs_are_bounded() {
    let argon2 = |m, t, p| Argon2Cost::new(m, t, p).map(|cost| (cost.m_kib(), cost.t(), cost.p()));
    assert_eq!(argon2(19_456, 2, 1), Ok((19_456, 2, 1)));
    assert_eq!(argon2(8, 1, 1), Ok((8, 1, 1)));
    assert_eq!(argon2(1 << 20, 4, 4), Ok((1 << 20, 4, 4)));
    assert_eq!(argon2(4 << 20, 1, 1), Err(CostError::Memory { least: 8, found: 4 << 20 }));
    assert_eq!(argon2(15, 1, 2), Err(CostError::Memory { least: 16, found: 15 }));
    assert_eq!(argon2(8, 65, 1), Err(CostError::Passes(65)));
    assert_eq!(argon2(8, 0, 1), Err(CostError::Passes(0)));
    assert_eq!(argon2(u32::MAX, 1, u32::MAX), Err(CostError::Lanes(u32::MAX)));
    assert_eq!(argon2(8, 1, 0), Err(CostError::Lanes(0)));
    assert_eq!(argon2(1 << 20, 5, 1), Err(CostError::Work(5 << 20)));
    assert_eq!(Iterations::new(0), Err(CostError::Iterations(0)));
    assert_eq!(Iterations::new(Iterations::MAX).map(Iterations::get), Ok(2_000_000));
    assert_eq!(Iterations::new(2_000_001), Err(CostError::Iterations(2_000_001)));
}

#[test]
fn the_defaults_are_those_that_are_promised() {
    let cost = Cost::default();
    assert_eq!(cost.argon2id, Argon2Cost::new(19_456, 2, 1).unwrap());
    for hash in ScramHash::ALL {
        assert_eq!(cost.iterations(hash).get(), 65_536);
        let other = Iterations::new(4096).unwrap();
        let changed = cost.with_iterations(hash, other);
        for each in ScramHash::ALL {
            assert_eq!(changed.iterations(each) == other, each == hash);
        }
    }
}

#[test]
fn every_kind_has_a_salt_of_its_own() {
    let salts = Salts::from_random(std::array::from_fn(|index| index as u8));
    let mut octets = salts.argon2id.octets().to_vec();
    for hash in [ScramHash::Sha1, ScramHash::Sha256, ScramHash::Sha512] {
        octets.extend_from_slice(salts.scram(hash).octets());
    }
    assert_eq!(octets, (0..64).collect::<Vec<u8>>());
    assert_eq!(Salt::new(&[]), Err(SaltError { octets: 0 }));
    assert_eq!(Salt::new(&[0; 256]), Err(SaltError { octets: 256 }));
    assert_eq!(Salt::new(&[7; 255]).unwrap().octets(), [7; 255]);
}
