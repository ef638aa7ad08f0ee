//! The access map as the relay decision sees it: a key in, a word of sendmail's out.

use std::net::IpAddr;

use smtp::reply::{Code, EnhancedCode};
use smtp::{Refusal, Reply};
use store::maps::{Keys, Map};

use crate::survey::Survey;

/// Where keys are looked up. What is in the file is its own matter; the tests have a table.
pub trait Access: Send + Sync {
    /// The value of a key, in lower case; none where there is none.
    ///
    /// # Errors
    /// [`AccessTrouble`]: nobody can tell now.
    fn look_up(&self, key: &str) -> Result<Option<String>, AccessTrouble>;

    /// Whether some key may mean a client by its name: only then a name is worth being asked for.
    fn names_clients(&self) -> bool {
        true
    }
}

/// The map cannot be read now: temporary trouble of ours, and never a yes or a no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the access map cannot be read: {0}")]
pub struct AccessTrouble(pub String);

/// No map: nothing is in it.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoAccess;

impl Access for NoAccess {
    fn look_up(&self, _key: &str) -> Result<Option<String>, AccessTrouble> {
        Ok(None)
    }

    fn names_clients(&self) -> bool {
        false
    }
}

/// A map of a file.
pub(crate) struct MapAccess {
    pub(crate) map: Box<dyn Map>,
    pub(crate) survey: Survey,
}

impl Access for MapAccess {
    fn look_up(&self, key: &str) -> Result<Option<String>, AccessTrouble> {
        let trouble = |error: store::maps::MapError| AccessTrouble(error.to_string());
        let mut value = self.map.get(key.to_ascii_lowercase().as_bytes()).map_err(trouble)?;
        if value.is_none() && self.map.keys() != Keys::Folded {
            value = self.map.get(key.as_bytes()).map_err(trouble)?;
        }
        Ok(value.map(|octets| String::from_utf8_lossy(&octets).into_owned()))
    }

    fn names_clients(&self) -> bool {
        self.survey.client_name.is_some()
    }
}

/// What a value says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// `RELAY`.
    Relay,
    /// `OK`: no rejection by a less specific key.
    Ok,
    /// `SKIP`: the search ends, with nothing.
    Skip,
    /// `REJECT`: in the words of whoever asked.
    Reject,
    /// `DISCARD`: taken, and thrown away.
    Discard,
    /// `ERROR:...`, `code text`, `QUARANTINE:...`, and whatever is no word: refused in these words.
    Refuse(Refusal),
}

impl Word {
    /// Reads a value. What is no word refuses: it stands there because somebody wanted something not to pass.
    pub fn parse(value: &str) -> Self {
        let value = value.trim().replace("%%", "%");
        let is = |word: &str| value.eq_ignore_ascii_case(word);
        match () {
            () if is("RELAY") => Self::Relay,
            () if is("OK") => Self::Ok,
            () if is("SKIP") => Self::Skip,
            () if is("REJECT") => Self::Reject,
            () if is("DISCARD") => Self::Discard,
            // Nothing is set aside here for somebody to look at: it is put off, so that nothing is lost and nothing gets
            // through. The words behind it are the postmaster's own.
            () if is_quarantine(&value) => Self::Refuse(denied(450, (7, 1), "Access temporarily denied")),
            () => Self::Refuse(error(&value).unwrap_or_else(|| denied(550, (7, 1), "Access denied"))),
        }
    }
}

fn is_quarantine(value: &str) -> bool {
    value.split_once(':').is_some_and(|(word, _)| word.eq_ignore_ascii_case("QUARANTINE"))
}

/// `ERROR:D.S.N:code text`, `ERROR:code text`, `code text`, or words alone.
fn error(value: &str) -> Option<Refusal> {
    let text = match value.split_at_checked(6) {
        Some((tag, text)) if tag.eq_ignore_ascii_case("ERROR:") => text,
        _ => value,
    };
    let text = text.trim().trim_matches('"');
    let (enhanced, text) = match text.split_once(':') {
        Some((code, text)) if enhanced(code).is_some() => (enhanced(code), text.trim()),
        _ => (None, text),
    };
    let (number, words) = text.split_once(' ').unwrap_or((text, ""));
    let code = number.parse().ok().and_then(Code::new).filter(|code| code.is_refusal());
    let Some(code) = code.filter(|_| number.len() == 3) else {
        // Words without a number: sendmail's own code for them.
        return Refusal::new(Reply::new(Code::new(553)?, EnhancedCode::new(3, 0), text));
    };
    let (named, words) = match words.trim().split_once(' ') {
        Some((first, words)) if self::enhanced(first).is_some() => (self::enhanced(first), words),
        _ => (None, words.trim()),
    };
    let words = if words.is_empty() { "Access denied" } else { words };
    Refusal::new(Reply::new(code, enhanced.or(named).or(EnhancedCode::new(7, 1)), words))
}

/// Subject and detail of `5.7.1`; the class is that of the code, whatever was written.
fn enhanced(text: &str) -> Option<EnhancedCode> {
    let mut parts = text.split('.').map(str::parse::<u16>);
    match (parts.next()?, parts.next()?, parts.next()?, parts.next()) {
        (Ok(2 | 4 | 5), Ok(subject), Ok(detail), None) => EnhancedCode::new(subject, detail),
        _ => None,
    }
}

/// A refusal of ours; the numbers stand in the source.
pub(crate) fn denied(code: u16, (subject, detail): (u16, u16), words: &str) -> Refusal {
    let reply = |code| Reply::new(code, EnhancedCode::new(subject, detail), words);
    let refusal = Code::new(code).and_then(|code| Refusal::new(reply(code)));
    refusal.unwrap_or_else(|| denied(451, (3, 0), "Please try again later"))
}

/// Tags of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// The client.
    Connect,
    /// The sender.
    From,
    /// The recipient.
    To,
}

/// Whether a key without a tag counts too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Untagged {
    /// It does.
    Counts,
    /// It does not.
    Ignored,
}

/// What was found, and by which key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The key, as it would be written in the source of the map.
    pub key: String,
    /// What it says.
    pub word: Word,
}

/// The first of the keys that the map has, the most specific first; of each the tagged form before the bare one. SKIP
/// ends the search as if there was nothing.
pub(crate) fn search(
    access: &dyn Access,
    tag: Tag,
    untagged: Untagged,
    keys: &[String],
) -> Result<Option<Found>, AccessTrouble> {
    for key in keys {
        let tagged = format!("{}{key}", tag.prefix());
        let bare = (untagged == Untagged::Counts).then(|| key.clone());
        for key in [Some(tagged), bare].into_iter().flatten() {
            let Some(value) = access.look_up(&key)? else { continue };
            let word = Word::parse(&value);
            return Ok((word != Word::Skip).then_some(Found { key, word }));
        }
    }
    Ok(None)
}

impl Tag {
    fn prefix(self) -> &'static str {
        match self {
            Self::Connect => "Connect:",
            Self::From => "From:",
            Self::To => "To:",
        }
    }
}

/// `a.b.c`, `b.c`, `c`.
pub(crate) fn domain_keys(name: &str) -> Vec<String> {
    let name = name.to_ascii_lowercase();
    let starts = std::iter::once(0).chain(name.match_indices('.').map(|(at, _)| at + 1));
    starts.map(|start| name[start..].to_owned()).filter(|key| !key.is_empty()).collect()
}

/// `1.2.3.4`, `1.2.3`, `1.2`, `1`; `IPv6:2001:db8:0:0:0:0:0:1` and one group less each time. An IPv4 address within
/// IPv6 is one of IPv4.
pub(crate) fn address_keys(address: IpAddr) -> Vec<String> {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let parts = address.octets().map(|octet| octet.to_string());
            (1..=4).rev().map(|count| parts[..count].join(".")).collect()
        }
        IpAddr::V6(address) => {
            let parts = address.segments().map(|group| format!("{group:x}"));
            let walk = (1..=8).rev().map(|count| format!("IPv6:{}", parts[..count].join(":")));
            // Whoever writes the short form of a whole address means it.
            std::iter::once(format!("IPv6:{address}")).chain(walk).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_sendmails() {
        let refused = |value: &str| match Word::parse(value) {
            Word::Refuse(refusal) => refusal.reply().to_string(),
            other => format!("{other:?}"),
        };
        for (value, expected) in [
            ("RELAY", "Relay"),
            ("relay ", "Relay"),
            ("OK", "Ok"),
            ("SKIP", "Skip"),
            ("REJECT", "Reject"),
            ("DISCARD", "Discard"),
            ("550 go away", "550 5.7.1 go away"),
            ("450 later", "450 4.7.1 later"),
            ("550 5.1.1 no such user", "550 5.1.1 no such user"),
            ("ERROR:550 no", "550 5.7.1 no"),
            ("ERROR:5.1.8:553 who are you", "553 5.1.8 who are you"),
            ("ERROR:4.7.0:450 100%% busy", "450 4.7.0 100% busy"),
            ("ERROR:\"550 quoted\"", "550 5.7.1 quoted"),
            ("550", "550 5.7.1 Access denied"),
            ("ERROR:go away", "553 5.3.0 go away"),
            ("QUARANTINE:odd", "450 4.7.1 Access temporarily denied"),
            ("quarantine:", "450 4.7.1 Access temporarily denied"),
            ("QUARANTINE", "553 5.3.0 QUARANTINE"),
            ("250 granted", "553 5.3.0 250 granted"),
            ("", "553 5.3.0 "),
            ("550 a\r\n250 b", "550 5.7.1 a??250 b"),
        ] {
            assert_eq!(refused(value), expected.trim_end(), "{value}");
        }
    }

    #[test]
    fn keys_go_from_the_whole_to_the_part() {
        assert_eq!(domain_keys("A.b.C"), ["a.b.c", "b.c", "c"]);
        assert_eq!(address_keys("192.0.2.7".parse().unwrap()), ["192.0.2.7", "192.0.2", "192.0", "192"]);
        assert_eq!(address_keys("::ffff:192.0.2.7".parse().unwrap())[0], "192.0.2.7");
        let keys = address_keys("2001:db8::1".parse().unwrap());
        assert_eq!(keys[..3], ["IPv6:2001:db8::1", "IPv6:2001:db8:0:0:0:0:0:1", "IPv6:2001:db8:0:0:0:0:0"]);
        assert_eq!(keys.last().unwrap(), "IPv6:2001");
    }
}
