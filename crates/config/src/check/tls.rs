//! `[tls]` and `[client_info]`: certificates, and passwords used elsewhere.

use super::Reader;
use crate::model::{Auth, ClientInfoFiles, Tls};
use crate::parse::{Section, Table};
use crate::words::MechanismName;

impl Reader<'_, '_> {
    pub(super) fn tls(&mut self, table: Table<'_>) -> Tls {
        for (key, needed) in NEEDS.iter().filter(|(key, needed)| table.has(key) && !table.has(needed)) {
            self.found.add(table.place(key), format_args!("tls.{key} needs tls.{needed}"));
        }
        let mut path = |key| table.path(key, self.found).map(|path| path.value);
        Tls {
            certificate: path("certificate"),
            key: path("key"),
            client_ca: path("client_ca"),
            client_map: table.parsed("client_map", self.found),
            common_name: table.flag("common_name", self.found).is_some_and(|flag| flag.value),
        }
    }

    pub(super) fn remark_external(&mut self, auth: &Auth, auth_table: Table<'_>, tls: Table<'_>) {
        let mut asked = auth.mechanisms.iter().flatten().map(MechanismName::as_str);
        if asked.any(|name| name == "EXTERNAL") && !tls.has("client_ca") {
            let hint = "it needs tls.client_ca, by which certificates of clients are verified";
            self.found.remark(auth_table.place("mechanisms"), "EXTERNAL is never offered", hint);
        }
    }

    pub(super) fn client_info(&mut self, top: Table<'_>) -> ClientInfoFiles {
        let table = top.table(&CLIENT_INFO, self.found);
        let maps = table.texts("maps", self.found).unwrap_or_default();
        ClientInfoFiles {
            maps: maps.iter().filter_map(|map| self.parsed(map)).collect(),
            default_auth_info: table.path("default_auth_info", self.found).map(|path| path.value),
        }
    }
}

/// What is of no use without something else.
const NEEDS: [(&str, &str); 5] = [
    ("certificate", "key"),
    ("key", "certificate"),
    ("client_ca", "certificate"),
    ("client_map", "client_ca"),
    ("common_name", "client_ca"),
];

pub(super) const TLS: Section =
    Section { name: "tls", keys: &["certificate", "key", "client_ca", "client_map", "common_name"] };
pub(super) const CLIENT_INFO: Section = Section { name: "client_info", keys: &["maps", "default_auth_info"] };
