//! `[secrets]`: the store, and what is kept of a password.

use credential::{Argon2Cost, Cost, Iterations, KindSet, Policy, VerifierKind};

use super::Reader;
use crate::model::Secrets;
use crate::parse::{At, Section, Table};

impl Reader<'_, '_> {
    pub(super) fn secrets(&mut self, top: Table<'_>) -> Secrets {
        let table = top.table(&SECRETS, self.found);
        let defaults = Secrets::default();
        let path = table.path("path", self.found).map_or(defaults.path, |path| path.value);
        let keep = self.keep(table).unwrap_or_default();
        let scram = table.table(&SCRAM, self.found);
        let cost = Cost {
            argon2id: self.argon2id(table),
            scram_sha_1: self.iterations("sha-1", scram),
            scram_sha_256: self.iterations("sha-256", scram),
            scram_sha_512: self.iterations("sha-512", scram),
        };
        Secrets { path, policy: Policy { keep, cost } }
    }

    fn keep(&mut self, table: Table<'_>) -> Option<KindSet> {
        let words = table.words("keep", self.found)?;
        if words.is_empty() {
            self.found.add(table.place("keep"), "secrets.keep names no verifier: no user could log in");
        }
        Some(words.iter().filter_map(|word| self.kind(word)).collect())
    }

    fn kind(&mut self, word: &At<&str>) -> Option<VerifierKind> {
        let set: KindSet = self.parsed(word)?;
        set.strongest()
    }

    fn argon2id(&mut self, secrets: Table<'_>) -> Argon2Cost {
        let table = secrets.table(&ARGON2ID, self.found);
        let default = Argon2Cost::default();
        let m = table.number("m", 8..=Argon2Cost::MAX_M_KIB, self.found);
        let t = table.number("t", 1..=Argon2Cost::MAX_T, self.found);
        let p = table.number("p", 1..=Argon2Cost::MAX_P, self.found);
        let at = [&m, &t, &p].into_iter().flatten().map(|number| number.at.clone()).next();
        let number = |given: &Option<At<u32>>, default| given.as_ref().map_or(default, |number| number.value);
        match Argon2Cost::new(number(&m, default.m_kib()), number(&t, default.t()), number(&p, default.p())) {
            Ok(cost) => cost,
            Err(error) => {
                self.found.add(at.unwrap_or(0..0), format_args!("secrets.argon2id: {error}"));
                default
            }
        }
    }

    fn iterations(&mut self, key: &str, table: Table<'_>) -> Iterations {
        let number = table.number(key, LEAST_ITERATIONS..=Iterations::MAX, self.found);
        number.and_then(|number| Iterations::new(number.value).ok()).unwrap_or_default()
    }
}

pub(super) const SECRETS: Section = Section { name: "secrets", keys: &["path", "keep", "argon2id", "scram"] };
pub(super) const ARGON2ID: Section = Section { name: "secrets.argon2id", keys: &["m", "t", "p"] };
pub(super) const SCRAM: Section = Section { name: "secrets.scram", keys: &["sha-1", "sha-256", "sha-512"] };

/// RFC 5802, section 5.1: at least 4096.
const LEAST_ITERATIONS: u32 = 4096;
