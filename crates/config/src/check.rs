//! From what is written to what it means, table by table. Every fault is noted and reading goes on.

use std::path::{Path, PathBuf};

use safefile::{Account, Group};

use crate::accounts::Accounts;
use crate::fault::{ConfigFaults, Found};
use crate::model::{Config, Limits, Readable};
use crate::parse::{self, At, Section, Table};
use crate::words::{LogLevel, MapName};

mod auth;
mod exceptions;
mod listen;
mod mail;
mod secrets;
mod tls;

use listen::Beside;

/// Every table that the file may have, with its keys.
pub(crate) const SECTIONS: [&Section; 15] = [
    &TOP,
    &auth::AUTH,
    &auth::PROXY,
    &secrets::SECRETS,
    &secrets::ARGON2ID,
    &secrets::SCRAM,
    &tls::TLS,
    &tls::CLIENT_INFO,
    &listen::LISTEN,
    &listen::LIMITS,
    &mail::SUBMISSION,
    &mail::QUEUE,
    &mail::DELIVERY,
    &mail::THROTTLE,
    &exceptions::FILE,
];

/// The configuration that a text means.
pub(crate) fn config(path: &Path, text: &[u8], accounts: &dyn Accounts) -> Readable {
    let text = match std::str::from_utf8(text) {
        Ok(text) => text,
        Err(error) => {
            let faults = Some(not_utf8(path, text, error.valid_up_to()));
            let config = Config { path: path.to_owned(), ..Config::default() };
            return Readable { config, faults, knows_accounts: false };
        }
    };
    let mut found = Found::new(text);
    let document = parse::document(text, &mut found);
    let is_whole = found.is_empty();
    let top = Table::of(Some(&document), &TOP, &mut found);
    let config = Reader { accounts, found: &mut found }.config(path, top);
    let accounts = [("trusted_user", config.trusted_user.is_some()), ("run_as", config.run_as.is_some())];
    let is_known = |(key, is_read): (&str, bool)| if top.has(key) { is_read } else { is_whole };
    let knows_accounts = accounts.into_iter().all(is_known);
    Readable { config, faults: found.finish(path.to_owned(), ()).err(), knows_accounts }
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
        let auth_table = top.table(&auth::AUTH, self.found);
        let tls_table = top.table(&tls::TLS, self.found);
        let auth = self.auth(auth_table);
        self.remark_external(&auth, auth_table, tls_table);
        let queue_table = top.table(&mail::QUEUE, self.found);
        let delivery_table = top.table(&mail::DELIVERY, self.found);
        let limits_table = top.table(&listen::LIMITS, self.found);
        let limits = self.limits(limits_table, &Limits::default());
        let has_certificate = tls_table.has("certificate");
        let default = Config::default();
        let config = Config {
            path: path.to_owned(),
            trusted_user: self.trusted_user(top),
            run_as: self.run_as(top),
            host_name: self.host_name(top),
            log_level: self.log_level(top),
            log_format: top.parsed("log_format", self.found).unwrap_or(default.log_format),
            pid_file: self.place_of("pid_file", top, default.pid_file),
            control_socket: self.place_of("control_socket", top, default.control_socket),
            listen: self.listen(top, &Beside { limits: &limits, auth: &auth, has_certificate }),
            limits,
            auth,
            secrets: self.secrets(top),
            tls: self.tls(tls_table),
            client_info: self.client_info(top),
            local_domains: self.local_domains(top),
            relay_domains: self.relay_domains(top),
            access_map: top.parsed::<MapName>("access_map", self.found),
            client_names: top.flag("client_names", self.found).is_none_or(|flag| flag.value),
            submission: self.submission(top),
            queue: self.queue(queue_table),
            delivery: self.delivery(delivery_table),
            throttle: self.throttle(top),
            files: Vec::new(),
            remarks: Vec::new(),
        };
        self.are_made_apart(top, &config);
        self.lie_apart(queue_table, delivery_table, &config);
        let files = self.files(top, &config);
        Config { files, remarks: self.found.remarks(), ..config }
    }

    fn trusted_user(&mut self, top: Table<'_>) -> Option<Account> {
        let name = top.account("trusted_user", self.found)?;
        self.user(&name.value, &name)
    }

    /// Not looked up: tools go on working where the daemon was never set up.
    fn run_as(&mut self, top: Table<'_>) -> Option<String> {
        let name = top.account("run_as", self.found)?;
        if name.value.is_empty() || name.value.contains(|sign: char| sign.is_whitespace() || sign == ':') {
            self.found.add(name.at, format_args!("run_as is not the name of an account: {:?}", name.value));
            return None;
        }
        Some(name.value)
    }

    fn log_level(&mut self, top: Table<'_>) -> LogLevel {
        let level = top.number("log_level", 0..=u32::from(LogLevel::MAX), self.found);
        level.and_then(|level| LogLevel::try_from(i64::from(level.value)).ok()).unwrap_or_default()
    }

    /// What the daemon makes, each in its own place: it would take one away to make the other.
    fn are_made_apart(&mut self, top: Table<'_>, config: &Config) {
        let sockets = config.listen.iter().filter_map(|listener| listener.endpoint.socket());
        let sockets: Vec<_> = sockets.collect();
        for (key, path) in [("control_socket", &config.control_socket), ("pid_file", &config.pid_file)] {
            let is_control = key == "pid_file" && *path == config.control_socket;
            if is_control || sockets.contains(&path.as_path()) {
                let cause = format_args!("{key} is the place of a socket: {}", safefile::display_path(path));
                self.found.add(top.place(key), cause);
            }
        }
    }

    fn place_of(&mut self, key: &str, top: Table<'_>, default: PathBuf) -> PathBuf {
        top.path(key, self.found).map_or(default, |path| path.value)
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
    keys: &[
        "trusted_user",
        "run_as",
        "host_name",
        "log_level",
        "log_format",
        "pid_file",
        "control_socket",
        "listen",
        "limits",
        "auth",
        "secrets",
        "tls",
        "client_info",
        "local_domains",
        "relay_domains",
        "access_map",
        "client_names",
        "submission",
        "queue",
        "delivery",
        "throttle",
        "file",
    ],
};
