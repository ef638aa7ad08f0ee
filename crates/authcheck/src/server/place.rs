//! Where a server is, as somebody types it: a URL, a host, or a socket.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a server is, and whether TLS begins with the first octet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    typed: String,
    pub(crate) at: At,
    pub(crate) tls: Tls,
}

/// How it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// By the network. Brackets of an IPv6 address are gone.
    Host { name: String, port: u16 },
    /// By a socket of this machine.
    Socket(PathBuf),
}

/// When TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tls {
    /// With the first octet (RFC 8314, section 3.3).
    AtOnce,
    /// By STARTTLS, where it is offered.
    ByCommand,
}

/// The schemes, with their ports. `smtp:` is the port between servers, as curl and swaks have it; a host alone is where
/// users log in.
const SCHEMES: &[(&str, u16, Tls)] = &[
    ("smtp", 25, Tls::ByCommand),
    ("submission", SUBMISSION, Tls::ByCommand),
    ("submissions", SUBMISSIONS, Tls::AtOnce),
    ("smtps", SUBMISSIONS, Tls::AtOnce),
];
const SUBMISSION: u16 = 587;
const SUBMISSIONS: u16 = 465;

impl FromStr for Place {
    type Err = String;

    fn from_str(typed: &str) -> Result<Self, String> {
        if let Some(path) = typed.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            let at = At::Socket(PathBuf::from(path));
            return if path.starts_with('/') {
                Ok(Self { typed: typed.to_owned(), at, tls: Tls::ByCommand })
            } else {
                Err("unix: stands before a path that begins with /".to_owned())
            };
        }
        let (scheme, rest) = match typed.split_once("://") {
            Some((scheme, rest)) => (Some(scheme), rest.strip_suffix('/').unwrap_or(rest)),
            None => (None, typed),
        };
        let (name, port) = authority(rest).ok_or("not a host, perhaps with :PORT behind it")?;
        let (usual, tls) = match scheme {
            Some(scheme) => by_scheme(scheme)?,
            None => (SUBMISSION, if port == Some(SUBMISSIONS) { Tls::AtOnce } else { Tls::ByCommand }),
        };
        let at = At::Host { name: name.to_owned(), port: port.unwrap_or(usual) };
        Ok(Self { typed: typed.to_owned(), at, tls })
    }
}

impl Place {
    /// The name that a certificate has to have.
    pub(crate) fn name(&self) -> &str {
        match &self.at {
            At::Host { name, .. } => name,
            At::Socket(_) => "localhost",
        }
    }

    /// Whether nobody else can be on the way.
    pub(crate) fn is_of_this_machine(&self) -> bool {
        matches!(self.at, At::Socket(_))
    }
}

fn by_scheme(scheme: &str) -> Result<(u16, Tls), String> {
    let known = SCHEMES.iter().find(|(name, ..)| scheme.eq_ignore_ascii_case(name));
    known.map(|&(_, port, tls)| (port, tls)).ok_or_else(|| {
        let names: Vec<_> = SCHEMES.iter().map(|(name, ..)| format!("{name}://")).collect();
        format!("not one of {} and unix:", names.join(" "))
    })
}

/// `host`, `host:port`, `[v6]`, `[v6]:port`; a bare address of IPv6 is one, too.
fn authority(text: &str) -> Option<(&str, Option<u16>)> {
    let port = |text: &str| text.parse().ok().filter(|&port| port != 0);
    let (name, rest) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None if text.matches(':').count() > 1 => (text, ""),
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let is_name = |octet: u8| octet.is_ascii_alphanumeric() || b".-_:%".contains(&octet);
    let is_good = !name.is_empty() && name.len() <= 255 && name.bytes().all(is_name);
    match (is_good, rest.strip_prefix(':')) {
        (false, _) => None,
        (true, Some(digits)) => port(digits).map(|port| (name, Some(port))),
        (true, None) => rest.is_empty().then_some((name, None)),
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.typed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_where_it_is() {
        use Tls::{AtOnce, ByCommand};
        for (typed, name, port, tls) in [
            ("mail.example.org", "mail.example.org", 587, ByCommand),
            ("mail.example.org:25", "mail.example.org", 25, ByCommand),
            ("mail.example.org:465", "mail.example.org", 465, AtOnce),
            ("smtp://mail.example.org", "mail.example.org", 25, ByCommand),
            ("SMTP://mail.example.org:2525/", "mail.example.org", 2525, ByCommand),
            ("smtp://mail.example.org:465", "mail.example.org", 465, ByCommand),
            ("submission://a", "a", 587, ByCommand),
            ("submissions://a", "a", 465, AtOnce),
            ("smtps://a:10465", "a", 10465, AtOnce),
            ("192.0.2.1:587", "192.0.2.1", 587, ByCommand),
            ("2001:db8::1", "2001:db8::1", 587, ByCommand),
            ("smtps://[2001:db8::1]:10465", "2001:db8::1", 10465, AtOnce),
        ] {
            let place: Place = typed.parse().unwrap_or_else(|fault| panic!("{typed}: {fault}"));
            assert_eq!(place.at, At::Host { name: name.to_owned(), port }, "{typed}");
            assert_eq!((place.tls, place.name()), (tls, name), "{typed}");
        }
        for typed in ["unix:/run/smtp", "unix:///run/smtp"] {
            let place: Place = typed.parse().unwrap();
            assert_eq!(place.at, At::Socket(PathBuf::from("/run/smtp")), "{typed}");
        }
    }

    #[test]
    fn what_is_no_place() {
        for typed in [
            "",
            "smtp://",
            "a:0",
            "a:65536",
            "a:x",
            "a b",
            "imap://a",
            "http://a",
            "[::1",
            "[::1]x",
            "unix:",
            "unix:run",
            "smtp://user@a",
            "a/b",
            "a\u{1b}",
        ] {
            assert!(typed.parse::<Place>().is_err(), "{typed}");
        }
    }
}
