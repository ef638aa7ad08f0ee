//! `[[listen]]` and `[limits]`.

use std::net::IpAddr;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use super::Reader;
use crate::model::{Address, Auth, Endpoint, Limits, Listener};
use crate::parse::{At, Section, Table};
use crate::words::{BareLineEnds, Modifier};

/// What every listener is read beside.
pub(super) struct Beside<'c> {
    pub(super) limits: &'c Limits,
    pub(super) auth: &'c Auth,
    /// Whether there is a certificate, or something that was to be one.
    pub(super) has_certificate: bool,
}

impl Reader<'_, '_> {
    pub(super) fn limits(&mut self, table: Table<'_>, default: &Limits) -> Limits {
        let number = |key, most, found: &mut _| table.number(key, 1..=most, found).map(|number| number.value);
        let mut time =
            |key, default| table.time(key, TIMEOUTS, self.found).map_or(default, |time| time.value);
        Limits {
            command_timeout: time("command_timeout", default.command_timeout),
            datablock_timeout: time("datablock_timeout", default.datablock_timeout),
            message_timeout: time("message_timeout", default.message_timeout),
            starttls_timeout: time("starttls_timeout", default.starttls_timeout),
            session_timeout: time("session_timeout", default.session_timeout),
            max_message_size: table
                .size("max_message_size", SIZES, self.found)
                .unwrap_or(default.max_message_size),
            max_recipients: number("max_recipients", 1_000_000, self.found).unwrap_or(default.max_recipients),
            max_connections: number("max_connections", 1_000_000, self.found)
                .unwrap_or(default.max_connections),
        }
    }

    pub(super) fn listen(&mut self, top: Table<'_>, beside: &Beside<'_>) -> Vec<Listener> {
        if !top.has("listen") {
            return vec![Listener::submission(beside.limits.clone())];
        }
        let (mut listeners, mut nowhere): (Vec<Listener>, Vec<&str>) = (Vec::new(), Vec::new());
        for entry in top.tables(&LISTEN, self.found) {
            let written = entry.value.written("name");
            if let Some(name) = written.filter(|name| nowhere.contains(name)) {
                self.found.add(entry.value.place("name"), two_of(name));
            }
            let Some(mut listener) = self.listener(&entry, beside) else {
                if let Some(name) = written {
                    if listeners.iter().any(|other| other.name == name) {
                        self.found.add(entry.value.place("name"), two_of(name));
                    }
                    nowhere.push(name);
                }
                continue;
            };
            self.own_name(&mut listener, &listeners, entry.value);
            self.collide(&listener, &listeners, &entry.at);
            listeners.push(listener);
        }
        listeners
    }

    fn listener(&mut self, entry: &At<Table<'_>>, beside: &Beside<'_>) -> Option<Listener> {
        let table = entry.value;
        let endpoint = self.endpoint(table);
        let mechanisms = self.mechanisms("mechanisms", table);
        let options = table.letters("options", self.found);
        let name = self.name(table);
        let modifiers = table.letters("modifiers", self.found);
        let auth_equals = table.flag("auth_equals", self.found).is_some_and(|flag| flag.value);
        let bare_line_ends = table.parsed("bare_line_ends", self.found).unwrap_or(BareLineEnds::Refuse);
        let limits = self.limits(table, beside.limits);
        let endpoint = endpoint?;
        let listener = Listener {
            name: name.unwrap_or_else(|| endpoint.usual_name()),
            modifiers: modifiers.unwrap_or_else(|| endpoint.usual_modifiers()),
            endpoint,
            mechanisms,
            options,
            auth_equals,
            bare_line_ends,
            limits,
        };
        self.tls_needs_a_certificate(&listener, entry, beside);
        self.remark_port(&listener, entry);
        self.remark_auth(&listener, table, beside);
        Some(listener)
    }

    /// `address` and `port`, or `socket`; `None` where what is written is wrong.
    fn endpoint(&mut self, table: Table<'_>) -> Option<Endpoint> {
        if table.has("socket") {
            for key in ["address", "port"].into_iter().filter(|key| table.has(key)) {
                let cause = format_args!("listen.{key} beside listen.socket: a listener is one or the other");
                self.found.add(table.place(key), cause);
            }
            return table.path("socket", self.found).map(|path| Endpoint::Unix(path.value));
        }
        let address = if table.has("address") { self.address(table) } else { Some(Address::Any) };
        let port = if table.has("port") { self.port(table) } else { Some(Endpoint::SUBMISSION) };
        Some(Endpoint::Tcp { address: address?, port: port? })
    }

    fn address(&mut self, table: Table<'_>) -> Option<Address> {
        let text = table.text("address", self.found)?;
        if text.value == "*" {
            return Some(Address::Any);
        }
        let address: Option<IpAddr> = text.value.parse().ok();
        if address.is_none_or(|address| address.is_multicast()) {
            let cause =
                format_args!("listen.address is neither * nor an address of a host: {:?}", text.value);
            self.found.add(text.at, cause);
            return None;
        }
        address.map(|address| Address::Ip(address.to_canonical()))
    }

    /// A number, or the name of a service that is ours.
    fn port(&mut self, table: Table<'_>) -> Option<u16> {
        if !table.is_text("port") {
            let port = table.number("port", 0..=u32::from(u16::MAX), self.found)?;
            return u16::try_from(port.value).ok();
        }
        let text = table.text("port", self.found)?;
        let known = SERVICES.into_iter().find(|(name, _)| *name == text.value);
        if known.is_none() {
            let names = SERVICES.map(|(name, _)| name).join(", ");
            let cause = format_args!("listen.port is no number and none of {names}: {:?}", text.value);
            self.found.add(text.at, cause);
        }
        known.map(|(_, port)| port)
    }

    fn name(&mut self, table: Table<'_>) -> Option<String> {
        let text = table.text("name", self.found)?;
        let fits = |octet: u8| octet.is_ascii_graphic() && !matches!(octet, b'"' | b',' | b'=');
        if !(1..=64).contains(&text.value.len()) || !text.value.bytes().all(fits) {
            let cause =
                format_args!("listen.name has 1 to 64 letters, digits or signs, no blank: {:?}", text.value);
            self.found.add(text.at, cause);
        }
        // A wrong one stays a name, so that nothing is said of another.
        Some(text.value.to_owned())
    }

    /// Two of one name could not be told apart in a log.
    fn own_name(&mut self, listener: &mut Listener, others: &[Listener], table: Table<'_>) {
        if others.iter().all(|other| other.name != listener.name) {
            return;
        }
        if table.has("name") {
            self.found.add(table.place("name"), two_of(&listener.name));
        } else {
            listener.name = listener.endpoint.to_string();
        }
    }

    fn collide(&mut self, listener: &Listener, others: &[Listener], at: &Range<usize>) {
        for other in others.iter().filter(|other| other.endpoint.collides(&listener.endpoint)) {
            let (one, two) = (&listener.endpoint, &other.endpoint);
            let cause = format_args!("two listeners want the same place: {two} of {} and {one}", other.name);
            self.found.add(at.clone(), cause);
        }
    }

    fn tls_needs_a_certificate(&mut self, listener: &Listener, entry: &At<Table<'_>>, beside: &Beside<'_>) {
        if listener.has(Modifier::ImplicitTls) && !beside.has_certificate {
            let hint = "tls.certificate and tls.key name it";
            self.found.add_with_hint(modifiers_at(entry), "modifier s needs a certificate", hint);
        }
    }

    /// Letters that are possible, and hardly what is wanted on a port that everybody knows.
    fn remark_port(&mut self, listener: &Listener, entry: &At<Table<'_>>) {
        let has = |modifier| listener.has(modifier);
        let remarks: &[(bool, &str, &str)] = match listener.endpoint.port() {
            Some(Endpoint::SMTP) => &[
                (
                    has(Modifier::RequireAuth),
                    "modifier a on port 25",
                    "other mail servers cannot deliver here",
                ),
                (
                    has(Modifier::ImplicitTls),
                    "modifier s on port 25",
                    "other mail servers speak first in clear",
                ),
            ],
            Some(Endpoint::SUBMISSION) => &[
                (!has(Modifier::RequireAuth), NO_AUTH_587, WHO_SENDS),
                (
                    has(Modifier::ImplicitTls),
                    "modifier s on port 587",
                    "clients use STARTTLS there (RFC 6409)",
                ),
            ],
            Some(Endpoint::SUBMISSIONS) => &[
                (!has(Modifier::RequireAuth), NO_AUTH_465, WHO_SENDS),
                (
                    !has(Modifier::ImplicitTls),
                    "port 465 without modifier s",
                    "clients begin with TLS (RFC 8314)",
                ),
            ],
            _ => return,
        };
        for (_, cause, hint) in remarks.iter().filter(|(applies, ..)| *applies) {
            self.found.remark(modifiers_at(entry), cause, hint);
        }
    }

    fn remark_auth(&mut self, listener: &Listener, table: Table<'_>, beside: &Beside<'_>) {
        let is_public = listener.endpoint.port().is_some() && !listener.has(Modifier::ImplicitTls);
        if let Some(options) = listener.options.as_ref().filter(|_| is_public) {
            self.remark_clear_text(options, table);
        }
        let Some(bound) = &beside.auth.mechanisms else { return };
        for name in listener.mechanisms.iter().flatten().filter(|name| !bound.contains(*name)) {
            let cause = format_args!("{name} is not offered here: auth.mechanisms does not name it");
            self.found.remark(table.place("mechanisms"), cause, "a listener offers what both lists have");
        }
    }
}

fn two_of(name: &str) -> String {
    format!("two listeners have this name: {name}")
}

/// Where a fault of the letters is shown: at the key, or at the table where it is left out.
fn modifiers_at(entry: &At<Table<'_>>) -> Range<usize> {
    if entry.value.has("modifiers") { entry.value.place("modifiers") } else { entry.at.clone() }
}

const NO_AUTH_587: &str = "port 587 without modifier a";
const NO_AUTH_465: &str = "port 465 without modifier a";
const WHO_SENDS: &str = "submission is for who has logged in (RFC 6409, section 4.3)";

/// sendmail's cf names services, too (`Port=submission`).
const SERVICES: [(&str, u16); 4] = [
    ("smtp", Endpoint::SMTP),
    ("submission", Endpoint::SUBMISSION),
    ("submissions", Endpoint::SUBMISSIONS),
    ("smtps", Endpoint::SUBMISSIONS),
];

/// RFC 5321, section 4.5.3.1.7: at least 64K. sendmail's 0, no limit, would let one message fill the disk.
const SIZES: RangeInclusive<u64> = 64 << 10..=64 << 30;
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(168);

/// The keys of `[limits]`, which a listener may have for itself.
macro_rules! with_limits {
    ($($key:literal),* $(,)?) => {
        &[
            $($key,)*
            "max_message_size",
            "max_recipients",
            "max_connections",
            "command_timeout",
            "datablock_timeout",
            "message_timeout",
            "starttls_timeout",
            "session_timeout",
        ]
    };
}

pub(super) const LIMITS: Section = Section { name: "limits", keys: with_limits![] };
pub(super) const LISTEN: Section = Section {
    name: "listen",
    keys: with_limits![
        "name",
        "address",
        "port",
        "socket",
        "modifiers",
        "mechanisms",
        "options",
        "auth_equals",
        "bare_line_ends",
    ],
};
