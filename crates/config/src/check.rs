//! From what is written to what it means, table by table. Every fault is noted and reading goes on.

use std::path::{Path, PathBuf};

use credential::{Argon2Cost, Cost, Iterations, KindSet, Policy, Realm, VerifierKind};
use safefile::{Account, Exception, Group, Kind};

use crate::accounts::Accounts;
use crate::fault::{ConfigFaults, Found};
use crate::model::{Auth, ClientInfoFiles, Config, FileRule, Secrets, Tls};
use crate::parse::{self, At, Section, Table};
use crate::words::{LogLevel, MapName, MechanismName};

/// Every table that the file may have, with its keys.
pub(crate) const SECTIONS: [&Section; 8] =
    [&TOP, &AUTH, &SECRETS, &ARGON2ID, &SCRAM, &TLS, &CLIENT_INFO, &FILE];

/// The configuration that a text means.
pub(crate) fn config(path: &Path, text: &[u8], accounts: &dyn Accounts) -> Result<Config, ConfigFaults> {
    let text = match std::str::from_utf8(text) {
        Ok(text) => text,
        Err(error) => return Err(not_utf8(path, text, error.valid_up_to())),
    };
    let mut found = Found::new(text);
    let document = parse::document(text, &mut found);
    let top = Table::of(Some(&document), &TOP, &mut found);
    let config = Reader { accounts, found: &mut found }.config(path, top);
    found.finish(path.to_owned(), config)
}

/// Every key by its full name, tables left out.
pub(crate) fn keys() -> impl Iterator<Item = String> {
    let names = SECTIONS.iter().flat_map(|section| section.keys.iter().map(|key| section.full_name(key)));
    names.filter(|name| SECTIONS.iter().all(|section| section.name != name))
}

fn not_utf8(path: &Path, octets: &[u8], valid: usize) -> ConfigFaults {
    let text = String::from_utf8_lossy(&octets[..valid]);
    let mut found = Found::new(&text);
    found.add(valid..valid, "the text is not UTF-8 from here on");
    let nothing = found.finish(path.to_owned(), ());
    nothing.err().unwrap_or_else(|| ConfigFaults { path: path.to_owned(), faults: Vec::new() })
}

struct Reader<'r, 't> {
    accounts: &'r dyn Accounts,
    found: &'r mut Found<'t>,
}

impl Reader<'_, '_> {
    fn config(&mut self, path: &Path, top: Table<'_>) -> Config {
        let config = Config {
            path: path.to_owned(),
            trusted_user: self.trusted_user(top),
            log_level: self.log_level(top),
            auth: self.auth(top),
            secrets: self.secrets(top),
            tls: self.tls(top),
            client_info: self.client_info(top),
            access_map: top.parsed::<MapName>("access_map", self.found),
            files: Vec::new(),
        };
        let files = self.files(top, &config);
        Config { files, ..config }
    }

    fn trusted_user(&mut self, top: Table<'_>) -> Option<Account> {
        let name = top.account("trusted_user", self.found)?;
        self.user(&name.value, &name)
    }

    fn log_level(&mut self, top: Table<'_>) -> LogLevel {
        let level = top.number("log_level", 0..=u32::from(LogLevel::MAX), self.found);
        level.and_then(|level| LogLevel::try_from(i64::from(level.value)).ok()).unwrap_or_default()
    }

    fn auth(&mut self, top: Table<'_>) -> Auth {
        let table = top.table(&AUTH, self.found);
        Auth {
            realm: self.realm(table),
            mechanisms: self.mechanisms("mechanisms", table),
            trusted_mechanisms: self.mechanisms("trusted_mechanisms", table),
            options: table.parsed("options", self.found).unwrap_or_default(),
            max_bits: table.number("max_bits", 0..=MOST_BITS, self.found).map(|bits| bits.value),
        }
    }

    fn realm(&mut self, table: Table<'_>) -> Option<Realm> {
        let text = table.text("realm", self.found)?;
        if text.value.is_empty() {
            self.found.add(text.at, "auth.realm is empty");
            return None;
        }
        Realm::prepare(text.value)
            .map_err(|error| self.found.add(text.at, format_args!("auth.realm: {error}")))
            .ok()
    }

    fn mechanisms(
        &mut self,
        key: &str,
        table: Table<'_>,
    ) -> Option<std::collections::BTreeSet<MechanismName>> {
        let words = table.words(key, self.found)?;
        Some(words.into_iter().filter_map(|word| self.parsed(&word)).collect())
    }

    fn secrets(&mut self, top: Table<'_>) -> Secrets {
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

    fn tls(&mut self, top: Table<'_>) -> Tls {
        let table = top.table(&TLS, self.found);
        let certificate = table.path("certificate", self.found);
        let key = table.path("key", self.found);
        match (&certificate, &key) {
            (Some(one), None) => self.found.add(one.at.clone(), "tls.certificate needs tls.key"),
            (None, Some(one)) => self.found.add(one.at.clone(), "tls.key needs tls.certificate"),
            _ => {}
        }
        Tls {
            certificate: certificate.map(|path| path.value),
            key: key.map(|path| path.value),
            client_ca: table.path("client_ca", self.found).map(|path| path.value),
        }
    }

    fn client_info(&mut self, top: Table<'_>) -> ClientInfoFiles {
        let table = top.table(&CLIENT_INFO, self.found);
        let maps = table.texts("maps", self.found).unwrap_or_default();
        ClientInfoFiles {
            maps: maps.iter().filter_map(|map| self.parsed(map)).collect(),
            default_auth_info: table.path("default_auth_info", self.found).map(|path| path.value),
        }
    }

    fn files(&mut self, top: Table<'_>, config: &Config) -> Vec<FileRule> {
        let mut rules: Vec<FileRule> = Vec::new();
        for entry in top.tables(&FILE, self.found) {
            let Some(rule) = self.file(&entry, config) else { continue };
            if rules.iter().any(|other| other.path == rule.path) {
                let cause = format_args!("[[file]] stands twice for {}", safefile::display_path(&rule.path));
                self.found.add(entry.at, cause);
            } else {
                rules.push(rule);
            }
        }
        rules
    }

    fn file(&mut self, entry: &At<Table<'_>>, config: &Config) -> Option<FileRule> {
        let table = entry.value;
        let path = table.path("path", self.found);
        let kind = table.parsed::<Kind>("kind", self.found);
        let exceptions = self.exceptions(table);
        let Some(path) = path else {
            if !table.has("path") {
                self.found.add(entry.at.clone(), "[[file]] has no path");
            }
            return None;
        };
        self.may_have_exceptions(&path, kind, config);
        if kind.is_some() || !table.has("kind") {
            self.agree(&path, kind, config);
        }
        Some(FileRule { path: path.value, kind, exceptions })
    }

    /// What no exception is for: the store, since who can read it can lock it, and the file they are written in.
    fn may_have_exceptions(&mut self, path: &At<PathBuf>, kind: Option<Kind>, config: &Config) {
        let what = if path.value == config.secrets.path || kind == Some(Kind::Store) {
            "the store"
        } else if path.value == config.path || kind == Some(Kind::Configuration) {
            "the configuration itself"
        } else {
            return;
        };
        let cause = format_args!("nothing is excepted for {what}: {}", safefile::display_path(&path.value));
        self.found.add(path.at.clone(), cause);
    }

    /// A file is one thing: what `[[file]]` calls it, and what another key calls it.
    fn agree(&mut self, path: &At<PathBuf>, kind: Option<Kind>, config: &Config) {
        let shown = safefile::display_path(&path.value);
        match (kind, config.kind_of(&path.value)) {
            (None, None) => {
                let cause = format_args!("no other key says what this is, so [[file]] needs kind: {shown}");
                self.found.add(path.at.clone(), cause);
            }
            (Some(here), Some(there)) if here != there => {
                let cause = format_args!("[[file]] says {here}, and another key says {there}: {shown}");
                self.found.add(path.at.clone(), cause);
            }
            _ => {}
        }
    }

    fn exceptions(&mut self, table: Table<'_>) -> Vec<Exception> {
        let readable = table.texts("group_readable", self.found).unwrap_or_default();
        let writable = table.texts("group_writable_dir", self.found).unwrap_or_default();
        let owners = table.texts("dir_owner", self.found).unwrap_or_default();
        let mut exceptions = Vec::new();
        exceptions.extend(
            readable.iter().filter_map(|name| self.group(name.value, name).map(Exception::GroupReadable)),
        );
        exceptions.extend(writable.iter().filter_map(|pair| {
            let (dir, name) = self.pair(pair, "group_writable_dir", "GROUP")?;
            Some(Exception::GroupWritableDir { dir, group: self.group(&name, pair)? })
        }));
        exceptions.extend(owners.iter().filter_map(|pair| {
            let (dir, name) = self.pair(pair, "dir_owner", "USER")?;
            Some(Exception::DirOwner { dir, owner: self.user(&name, pair)? })
        }));
        exceptions
    }

    /// `DIR = NAME`.
    fn pair(&mut self, pair: &At<&str>, key: &str, word: &str) -> Option<(PathBuf, String)> {
        let Some((dir, name)) = pair.value.rsplit_once('=') else {
            let cause = format_args!("file.{key} is not \"/DIR = {word}\": {:?}", pair.value);
            self.found.add(pair.at.clone(), cause);
            return None;
        };
        let dir = At { value: dir.trim(), at: pair.at.clone() };
        let dir = parse::absolute(&dir, &format!("the directory of file.{key}"), self.found)?;
        Some((dir.value, name.trim().to_owned()))
    }

    fn user<T>(&mut self, name: &str, at: &At<T>) -> Option<Account> {
        let asked = self.accounts.user(name);
        self.exists("user", name, at, asked)
    }

    fn group<T>(&mut self, name: &str, at: &At<T>) -> Option<Group> {
        let asked = self.accounts.group(name);
        self.exists("group", name, at, asked)
    }

    fn exists<T, A>(
        &mut self,
        what: &str,
        name: &str,
        at: &At<T>,
        asked: std::io::Result<Option<A>>,
    ) -> Option<A> {
        match asked {
            Ok(Some(account)) => return Some(account),
            Ok(None) => self.found.add(at.at.clone(), format_args!("no such {what}: {name:?}")),
            Err(error) => {
                self.found.add(at.at.clone(), format_args!("{what} {name:?} cannot be looked up: {error}"));
            }
        }
        None
    }

    fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(&mut self, word: &At<&str>) -> Option<T> {
        word.value.parse().map_err(|error| self.found.add(word.at.clone(), error)).ok()
    }
}

const TOP: Section = Section {
    name: "",
    keys: &["trusted_user", "log_level", "auth", "secrets", "tls", "client_info", "access_map", "file"],
};
const AUTH: Section =
    Section { name: "auth", keys: &["realm", "mechanisms", "trusted_mechanisms", "options", "max_bits"] };
const SECRETS: Section = Section { name: "secrets", keys: &["path", "keep", "argon2id", "scram"] };
const ARGON2ID: Section = Section { name: "secrets.argon2id", keys: &["m", "t", "p"] };
const SCRAM: Section = Section { name: "secrets.scram", keys: &["sha-1", "sha-256", "sha-512"] };
const TLS: Section = Section { name: "tls", keys: &["certificate", "key", "client_ca"] };
const CLIENT_INFO: Section = Section { name: "client_info", keys: &["maps", "default_auth_info"] };
const FILE: Section =
    Section { name: "file", keys: &["path", "kind", "group_readable", "group_writable_dir", "dir_owner"] };

/// RFC 5802, section 5.1: at least 4096.
const LEAST_ITERATIONS: u32 = 4096;
/// More bits than any cipher's key.
const MOST_BITS: u32 = 4096;
