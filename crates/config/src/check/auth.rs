//! `[auth]` and `[[auth.proxy]]`.

use std::collections::BTreeSet;

use credential::{Identity, Realm};

use super::Reader;
use crate::model::{ActsFor, Auth, ProxyRule};
use crate::parse::{At, Section, Table};
use crate::words::{AuthOption, AuthOptions, DigestCipher, MechanismName};

impl Reader<'_, '_> {
    pub(super) fn auth(&mut self, table: Table<'_>) -> Auth {
        let realm = self.realm(table);
        let auth = Auth {
            realms: self.realms(table, realm.as_ref()),
            realm,
            mechanisms: self.mechanisms("mechanisms", table),
            trusted_mechanisms: self.mechanisms("trusted_mechanisms", table),
            options: table.letters("options", self.found).unwrap_or_default(),
            max_bits: table.number("max_bits", 0..=MOST_BITS, self.found).map(|bits| bits.value),
            ciphers: self.ciphers(table).unwrap_or_else(|| Auth::default().ciphers),
            proxies: self.proxies(table),
        };
        self.remark_clear_text(&auth.options, table);
        self.remark_anonymous(&auth, table);
        auth
    }

    /// A password that anybody on the way can read: possible, but never in silence.
    pub(super) fn remark_clear_text(&mut self, options: &AuthOptions, table: Table<'_>) {
        if !options.contains(AuthOption::NoPlain) {
            let cause = "options without p: passwords may travel in clear text";
            self.found.remark(table.place("options"), cause, "PLAIN and LOGIN are then offered without TLS");
        }
    }

    fn remark_anonymous(&mut self, auth: &Auth, table: Table<'_>) {
        let trusted = auth.trusted_mechanisms.iter().flatten();
        if trusted.map(MechanismName::as_str).any(|name| name == "ANONYMOUS") {
            let cause = "trusted_mechanisms names ANONYMOUS: strangers may relay";
            let hint = "where auth.mechanisms and auth.options let it be offered";
            self.found.remark(table.place("trusted_mechanisms"), cause, hint);
        }
    }

    fn realm(&mut self, table: Table<'_>) -> Option<Realm> {
        let text = table.text("realm", self.found)?;
        self.prepared("auth.realm", &text)
    }

    fn realms(&mut self, table: Table<'_>, default: Option<&Realm>) -> Vec<Realm> {
        let mut realms: Vec<Realm> = Vec::new();
        for text in table.texts("realms", self.found).unwrap_or_default() {
            let Some(realm) = self.prepared("auth.realms", &text) else { continue };
            if realms.iter().chain(default).any(|other| other.folded() == realm.folded()) {
                self.found.add(text.at, format_args!("realm stands twice: {realm}"));
            } else {
                realms.push(realm);
            }
        }
        realms
    }

    fn prepared(&mut self, key: &str, text: &At<&str>) -> Option<Realm> {
        if text.value.is_empty() {
            self.found.add(text.at.clone(), format_args!("{key} is empty"));
            return None;
        }
        Realm::prepare(text.value)
            .map_err(|error| self.found.add(text.at.clone(), format_args!("{key}: {error}")))
            .ok()
    }

    pub(super) fn mechanisms(&mut self, key: &str, table: Table<'_>) -> Option<BTreeSet<MechanismName>> {
        let words = table.words(key, self.found)?;
        Some(words.into_iter().filter_map(|word| self.parsed(&word)).collect())
    }

    fn ciphers(&mut self, table: Table<'_>) -> Option<BTreeSet<DigestCipher>> {
        let words = table.words("ciphers", self.found)?;
        let mut ciphers = BTreeSet::new();
        for word in words {
            let Some(cipher) = self.parsed::<DigestCipher>(&word) else { continue };
            if cipher.is_weak() && ciphers.insert(cipher) {
                let cause = format_args!("{cipher} can be broken: what it encrypts can be read");
                self.found.remark(word.at, cause, "it is there for old clients; TLS is better");
            }
            ciphers.insert(cipher);
        }
        Some(ciphers)
    }

    fn proxies(&mut self, auth: Table<'_>) -> Vec<ProxyRule> {
        let tables = auth.tables(&PROXY, self.found);
        tables.iter().filter_map(|entry| self.proxy(entry)).collect()
    }

    fn proxy(&mut self, entry: &At<Table<'_>>) -> Option<ProxyRule> {
        let table = entry.value;
        for key in PROXY.keys.iter().filter(|key| !table.has(key)) {
            self.found.add(entry.at.clone(), format_args!("[[auth.proxy]] has no {key}"));
        }
        let authentication = table.text("authentication", self.found);
        let whom = table.texts("may_act_for", self.found);
        let authentication = authentication.and_then(|text| self.identity(&text));
        let whom = whom?.iter().filter_map(|text| self.acts_for(text)).collect();
        Some(ProxyRule { authentication: authentication?, may_act_for: whom })
    }

    fn acts_for(&mut self, text: &At<&str>) -> Option<ActsFor> {
        match text.value.strip_prefix("*@") {
            Some(realm) => {
                let realm = At { value: realm, at: text.at.clone() };
                self.prepared("the realm of may_act_for", &realm).map(ActsFor::Everybody)
            }
            None => self.identity(text).map(ActsFor::Identity),
        }
    }

    /// `user@realm`. Without the realm it would be somebody else on another host, and a star is a name like any other.
    fn identity(&mut self, text: &At<&str>) -> Option<Identity> {
        let parts = text.value.split_once('@').filter(|(user, realm)| !user.is_empty() && !realm.is_empty());
        let Some((user, realm)) = parts.filter(|(user, _)| !user.contains('*')) else {
            let cause =
                format_args!("an identity is user@realm, or *@realm in may_act_for: {:?}", text.value);
            self.found.add(text.at.clone(), cause);
            return None;
        };
        let realm = self.prepared("the realm of an identity", &At { value: realm, at: text.at.clone() })?;
        Identity::parse(user, &realm)
            .map_err(|error| self.found.add(text.at.clone(), format_args!("{error}: {:?}", text.value)))
            .ok()
    }
}

pub(super) const AUTH: Section = Section {
    name: "auth",
    keys: &["realm", "realms", "mechanisms", "trusted_mechanisms", "options", "max_bits", "ciphers", "proxy"],
};
pub(super) const PROXY: Section = Section { name: "auth.proxy", keys: &["authentication", "may_act_for"] };

/// More bits than any cipher's key.
const MOST_BITS: u32 = 4096;
