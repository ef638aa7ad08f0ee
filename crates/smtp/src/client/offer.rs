//! What a server offers: the reply to EHLO, keyword by keyword (RFC 5321 section 4.1.1.1).

use crate::command::Greeting;

use super::reader::Heard;

/// What a server offers. Before the greeting, and behind HELO, nothing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Offer {
    host: String,
    extensions: Vec<Extension>,
    mechanisms: Vec<String>,
}

/// One line of the reply.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Extension {
    /// In upper case.
    keyword: String,
    parameters: String,
}

impl Offer {
    pub(super) fn read(greeting: Greeting, heard: &Heard) -> Self {
        let mut lines = heard.lines.iter();
        let host = lines.next().and_then(|line| line.split(' ').next()).unwrap_or_default().to_owned();
        let mut offer = Self { host, ..Self::default() };
        if greeting == Greeting::Ehlo {
            lines.for_each(|line| offer.add(line));
        }
        offer
    }

    /// The name that the server gives itself: a claim.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether an extension is offered: `PIPELINING`, `STARTTLS`, `8BITMIME` ...
    pub fn has(&self, keyword: &str) -> bool {
        self.parameters(keyword).is_some()
    }

    /// What stands behind the keyword of an extension that is offered.
    pub fn parameters(&self, keyword: &str) -> Option<&str> {
        let mut found = self.extensions.iter().filter(|one| one.keyword.eq_ignore_ascii_case(keyword));
        found.next().map(|one| one.parameters.as_str())
    }

    /// The mechanisms of AUTH, in upper case, each once, in the order in which they are listed; those of `AUTH=`, the
    /// form of Netscape's time, among them.
    pub fn mechanisms(&self) -> impl Iterator<Item = &str> {
        self.mechanisms.iter().map(String::as_str)
    }

    /// Whether a mechanism is offered.
    pub fn has_mechanism(&self, name: &str) -> bool {
        self.mechanisms().any(|offered| offered.eq_ignore_ascii_case(name))
    }

    /// The octets that a message may have (RFC 1870); `None` where no limit is told.
    pub fn size(&self) -> Option<u64> {
        self.parameters("SIZE")?.parse().ok().filter(|&most| most > 0)
    }

    /// Every keyword, in upper case, in the order in which they are listed.
    pub fn keywords(&self) -> impl Iterator<Item = &str> {
        self.extensions.iter().map(|one| one.keyword.as_str())
    }

    fn add(&mut self, line: &str) {
        let (keyword, parameters) = line.split_once(' ').unwrap_or((line, ""));
        let names = if keyword.eq_ignore_ascii_case("AUTH") {
            Some(parameters.to_owned())
        } else {
            // `AUTH=LOGIN PLAIN`: the first mechanism belongs to the word.
            let (word, first) = keyword.split_once('=').unwrap_or((keyword, ""));
            word.eq_ignore_ascii_case("AUTH").then(|| format!("{first} {parameters}"))
        };
        for name in names.iter().flat_map(|names| names.split(' ')).filter(|name| is_mechanism(name)) {
            let name = name.to_ascii_uppercase();
            if !self.mechanisms.contains(&name) {
                self.mechanisms.push(name);
            }
        }
        if !keyword.is_empty() {
            let keyword = keyword.to_ascii_uppercase();
            self.extensions.push(Extension { keyword, parameters: parameters.to_owned() });
        }
    }
}

/// RFC 4422 section 3.1: 1 to 20 letters, digits, hyphens, underscores.
pub(super) fn is_mechanism(name: &str) -> bool {
    let is_good = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_';
    (1..=20).contains(&name.len()) && name.bytes().all(is_good)
}

#[cfg(test)]
mod tests {
    use crate::reply::Code;

    use super::*;

    fn read(greeting: Greeting, lines: &[&str]) -> Offer {
        let lines = lines.iter().map(|&line| line.to_owned()).collect();
        Offer::read(greeting, &Heard { code: Code::new(250).unwrap(), lines })
    }

    #[test]
    fn both_forms_of_auth_are_one_list() {
        for (lines, expected) in [
            (&["AUTH PLAIN LOGIN"][..], "PLAIN LOGIN"),
            (&["AUTH=LOGIN PLAIN"], "LOGIN PLAIN"),
            (&["auth=Login", "AUTH plain  LOGIN "], "LOGIN PLAIN"),
            (&["AUTH", "AUTH="], ""),
            (&["AUTHORITY PLAIN"], ""),
            (&["AUTH PL(AIN SCRAM-SHA-256-PLUS AN-OVERLONG-MECHANISM-NAME A_1"], "SCRAM-SHA-256-PLUS A_1"),
        ] {
            let lines = [&["mail.test"], lines].concat();
            let found: Vec<_> = read(Greeting::Ehlo, &lines).mechanisms().map(str::to_owned).collect();
            assert_eq!(found.join(" "), expected, "{lines:?}");
        }
    }

    #[test]
    fn keywords_have_no_case_and_sizes_are_numbers() {
        let offer =
            read(Greeting::Ehlo, &["mail.test at your service", "size 1000", "StartTLS", "X-ODD a b"]);
        assert_eq!(offer.host(), "mail.test");
        assert!(offer.has("STARTTLS") && offer.has("starttls") && !offer.has("PIPELINING"));
        assert_eq!((offer.size(), offer.parameters("x-odd")), (Some(1000), Some("a b")));
        for line in ["SIZE", "SIZE 0", "SIZE many", "SIZE -1"] {
            assert_eq!(read(Greeting::Ehlo, &["mail.test", line]).size(), None, "{line}");
        }
    }

    #[test]
    fn helo_offers_nothing() {
        let offer = read(Greeting::Helo, &["mail.test", "STARTTLS", "AUTH PLAIN"]);
        assert!(!offer.has("STARTTLS") && offer.mechanisms().next().is_none());
    }
}
