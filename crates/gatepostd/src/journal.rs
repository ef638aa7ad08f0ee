//! The log: lines on standard error, for a person or as JSON, each with a level as sendmail's LogLevel counts them.
//!
//! A line is a text, and fields that a program finds again. As text: `gatepostd-keeper[71]: TEXT, key=value, key=value`; what
//! is not plain in a value is quoted, so that nobody who chooses a name can write a field of his own. Before it stands the
//! time, or, where the service manager keeps the time, the priority in its form (`<6>`). As JSON: one object on a line with
//! `time`, `process`, `pid`, `priority`, `level`, `text`, and the fields.
//!
//! Levels are 0 to 14 and not five, and fields are known by name: so this is no `tracing`. Nothing here takes a type that can
//! hold a secret.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::str::FromStr;

use config::{Config, LogFormat, LogLevel};
use serde_json::{Map, Number, Value};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

/// How urgent a line is; the numbers are syslog's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Priority {
    Critical = 2,
    Error = 3,
    Warning = 4,
    Notice = 5,
    Info = 6,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    priority: Priority,
    level: u8,
    text: String,
    fields: Vec<(&'static str, Field)>,
}

/// The value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Field {
    Word(String),
    Number(Number),
}

/// How lines are written; said to keeper and front in three words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    format: LogFormat,
    level: u8,
    /// Whether somebody else writes down the time.
    is_dated: bool,
}

/// Where a process of the daemon writes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Journal {
    process: &'static str,
    /// Asked once: the system is not asked again for each line.
    pid: u32,
    style: Style,
}

impl Line {
    /// A line that is written where `log_level` is at least `level`.
    pub(crate) fn new(priority: Priority, level: u8, text: impl Into<String>) -> Self {
        Self { priority, level, text: text.into(), fields: Vec::new() }
    }

    /// With one more field.
    #[must_use]
    pub(crate) fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.fields.push((key, Field::Word(value.to_string())));
        self
    }

    /// With one more field that is a number, in JSON too.
    #[must_use]
    pub(crate) fn with_number(mut self, key: &'static str, value: impl Into<Number>) -> Self {
        self.fields.push((key, Field::Number(value.into())));
        self
    }

    /// With one more field where there is a value.
    #[must_use]
    pub(crate) fn with_some(self, key: &'static str, value: Option<impl fmt::Display>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    fn text(&self) -> String {
        let mut text = self.text.clone();
        for (key, value) in &self.fields {
            let comma = if text.is_empty() { "" } else { ", " };
            let _ = match value {
                Field::Word(word) => write!(text, "{comma}{key}={}", quoted(word)),
                Field::Number(number) => write!(text, "{comma}{key}={number}"),
            };
        }
        text
    }

    fn json(&self, process: &str, pid: u32, time: Option<String>) -> String {
        let mut object = Map::new();
        object.extend(time.map(|time| ("time".to_owned(), Value::from(time))));
        object.insert("process".to_owned(), process.into());
        object.insert("pid".to_owned(), pid.into());
        object.insert("priority".to_owned(), (self.priority as u8).into());
        object.insert("level".to_owned(), self.level.into());
        if !self.text.is_empty() {
            object.insert("text".to_owned(), self.text.as_str().into());
        }
        object.extend(self.fields.iter().map(|(key, value)| {
            let value = match value {
                Field::Word(word) => Value::from(word.as_str()),
                Field::Number(number) => Value::Number(number.clone()),
            };
            ((*key).to_owned(), value)
        }));
        Value::Object(object).to_string()
    }
}

impl Style {
    /// As the configuration says, and the way standard error is connected.
    pub(crate) fn of(config: &Config) -> Self {
        let is_dated = std::env::var_os("JOURNAL_STREAM").is_some();
        Self { format: config.log_format, level: config.log_level.number(), is_dated }
    }

    /// The same way, with what a new configuration says.
    pub(crate) fn following(self, level: LogLevel, format: LogFormat) -> Self {
        Self { format, level: level.number(), ..self }
    }

    /// The words by which another process of ours does the same.
    pub(crate) fn words(self) -> String {
        let format = if self.format == LogFormat::Json { "json" } else { "text" };
        let dated = if self.is_dated { "dated" } else { "undated" };
        format!("{format}:{}:{dated}", self.level)
    }
}

impl FromStr for Style {
    type Err = &'static str;

    fn from_str(words: &str) -> Result<Self, Self::Err> {
        let mut words = words.split(':');
        let format = match words.next() {
            Some("json") => LogFormat::Json,
            Some("text") => LogFormat::Text,
            _ => return Err("no such format"),
        };
        let level = words.next().and_then(|level| level.parse().ok()).ok_or("no level")?;
        Ok(Self { format, level, is_dated: words.next() == Some("dated") })
    }
}

impl Journal {
    /// Of a process of this name.
    pub(crate) fn new(process: &'static str, style: Style) -> Self {
        Self { process, pid: std::process::id(), style }
    }

    /// Whether a line of this level is written.
    pub(crate) fn wants(&self, level: u8) -> bool {
        level <= self.style.level
    }

    pub(crate) fn style(&self) -> Style {
        self.style
    }

    /// Writes as another configuration says from now on.
    pub(crate) fn follow(&mut self, level: LogLevel, format: LogFormat) {
        self.style = self.style.following(level, format);
    }

    /// Writes a line, if it is to be written.
    pub(crate) fn write(&self, line: &Line) {
        if self.wants(line.level) {
            let now = OffsetDateTime::now_utc().format(TIME).ok().filter(|_| !self.style.is_dated);
            // Where nobody listens nothing is said. In one piece: three processes write here.
            let _ = io::stderr().lock().write_all(self.rendered(line, now).as_bytes());
        }
    }

    fn rendered(&self, line: &Line, time: Option<String>) -> String {
        if self.style.format == LogFormat::Json {
            return line.json(self.process, self.pid, time) + "\n";
        }
        let before = match time {
            Some(time) => format!("{time} "),
            None => format!("<{}>", line.priority as u8),
        };
        let (process, pid) = (self.process, self.pid);
        let text = line.text();
        let mut rendered = String::with_capacity(before.len() + process.len() + text.len() + ROOM);
        for text in text.lines() {
            let text = printable(text);
            let _ = writeln!(rendered, "{before}{process}[{pid}]: {text}");
        }
        rendered
    }
}

/// As RFC 3339 has it, in UTC; always as long, so that lines are sorted as text.
const TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

/// Most lines are plain, and there is one for each login.
fn printable(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|octet| matches!(octet, b' '..=b'~')) {
        return text.into();
    }
    cli::printable::lines(text).into()
}

/// A value that cannot be taken for more than one.
fn quoted(value: &str) -> Cow<'_, str> {
    let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"@._-+/:[]<>".contains(&octet);
    if !value.is_empty() && value.bytes().all(is_plain) {
        return value.into();
    }
    let escaped: String = value
        .chars()
        .flat_map(|character| match character {
            '"' | '\\' => vec!['\\', character],
            ' '..='~' => vec![character],
            _ if character.is_alphanumeric() => vec![character],
            _ => character.escape_unicode().collect(),
        })
        .collect();
    format!("\"{escaped}\"").into()
}

/// What stands around the process's number, and the number.
const ROOM: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(words: &str) -> Journal {
        Journal::new("gatepostd", words.parse().unwrap())
    }

    #[test]
    fn a_line_is_text_or_an_object() {
        let line = Line::new(Priority::Info, 9, "").with("AUTH", "server").with("relay", "[192.0.2.1]");
        let pid = std::process::id();
        assert_eq!(
            journal("text:9:dated").rendered(&line, None),
            format!("<6>gatepostd[{pid}]: AUTH=server, relay=[192.0.2.1]\n")
        );
        let time = || Some("2026-01-01T00:00:00Z".to_owned());
        assert_eq!(
            journal("text:9:undated").rendered(&Line::new(Priority::Error, 1, "one\ntwo\u{1b}"), time()),
            format!(
                "2026-01-01T00:00:00Z gatepostd[{pid}]: one\n2026-01-01T00:00:00Z gatepostd[{pid}]: two\\x1b\n"
            )
        );
        let json = journal("json:9:undated")
            .rendered(&line.with("authid", "x\", y").with("id", "7").with_number("bits", 256), time());
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&json["authid"], &json["level"]), (&"x\", y".into(), &9.into()));
        assert_eq!((&json["id"], &json["bits"]), (&"7".into(), &256.into()));
        let text = journal("text:9:dated")
            .rendered(&Line::new(Priority::Info, 9, "").with_number("bits", 256), None);
        assert!(text.ends_with(": bits=256\n"), "{text}");
    }

    #[test]
    fn nobody_writes_a_field_of_his_own() {
        for (value, shown) in [
            ("alice@example.org", "alice@example.org"),
            ("", "\"\""),
            ("a, outcome=ok", "\"a, outcome=ok\""),
            ("a\", outcome=\"ok", "\"a\\\", outcome=\\\"ok\""),
            ("zoë@x", "\"zoë@x\""),
            ("a\nb\u{202e}", "\"a\\u{a}b\\u{202e}\""),
        ] {
            assert_eq!(quoted(value), shown);
        }
    }

    #[test]
    fn a_style_is_handed_on() {
        for words in ["text:9:dated", "json:14:undated"] {
            assert_eq!(words.parse::<Style>().unwrap().words(), words);
        }
    }
}
