//! TOML with positions: tables whose keys are known, values of the kind that is wanted. What is wrong is noted and left
//! out, and reading goes on, so that all faults are found at once. What the values mean is `check`'s business.

use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::fault::Found;
use crate::words::{Several, measure};

/// One table of the file.
#[derive(Clone, Copy)]
pub(crate) struct Table<'t> {
    entries: Option<&'t DeTable<'t>>,
    section: &'static Section,
}

/// A table that may be in the file: its name and its keys.
#[derive(Debug)]
pub(crate) struct Section {
    /// `secrets.argon2id`; empty for the top of the file.
    pub(crate) name: &'static str,
    /// The keys, tables below it included.
    pub(crate) keys: &'static [&'static str],
}

impl Section {
    /// `secrets.argon2id.m`
    pub(crate) fn full_name(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) at: Range<usize>,
}

impl<'t> Table<'t> {
    /// A table of the file, or an empty one. Keys that it may not have are faults.
    pub(crate) fn of(
        entries: Option<&'t DeTable<'t>>,
        section: &'static Section,
        found: &mut Found<'_>,
    ) -> Self {
        for key in entries.into_iter().flat_map(DeTable::keys) {
            if !section.keys.contains(&key.get_ref().as_ref()) {
                unknown_key(key, section, found);
            }
        }
        Self { entries, section }
    }

    /// The table below this one.
    pub(crate) fn table(&self, section: &'static Section, found: &mut Found<'_>) -> Self {
        let entries = self.value(last_word(section.name)).and_then(|value| match value.get_ref() {
            DeValue::Table(table) => Some(table),
            other => {
                wrong_type(value.span(), section.name, "a table", other, found);
                None
            }
        });
        Table::of(entries, section, found)
    }

    /// The tables of `[[name]]`, each with its place.
    pub(crate) fn tables(&self, section: &'static Section, found: &mut Found<'_>) -> Vec<At<Self>> {
        let Some(value) = self.value(last_word(section.name)) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            wrong_type(value.span(), section.name, "a list of tables", value.get_ref(), found);
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in array {
            match item.get_ref().as_table() {
                Some(table) => {
                    tables.push(At { value: Table::of(Some(table), section, found), at: item.span() });
                }
                None => wrong_type(item.span(), section.name, "a table", item.get_ref(), found),
            }
        }
        tables
    }

    /// A text.
    pub(crate) fn text(&self, key: &str, found: &mut Found<'_>) -> Option<At<&'t str>> {
        let value = self.value(key)?;
        let text = text_of(value);
        if text.is_none() {
            wrong_type(value.span(), &self.name(key), "a text", value.get_ref(), found);
        }
        text
    }

    /// A text or a number, as text: the name or number of an account.
    pub(crate) fn account(&self, key: &str, found: &mut Found<'_>) -> Option<At<String>> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some(At { value: text.to_string(), at: value.span() }),
            DeValue::Integer(number) if number.radix() == 10 => {
                Some(At { value: number.as_str().to_owned(), at: value.span() })
            }
            other => {
                wrong_type(value.span(), &self.name(key), "a name or a number", other, found);
                None
            }
        }
    }

    /// A text that is parsed.
    pub(crate) fn parsed<T: FromStr<Err: fmt::Display>>(
        &self,
        key: &str,
        found: &mut Found<'_>,
    ) -> Option<T> {
        let text = self.text(key, found)?;
        text.value.parse().map_err(|error| found.add(text.at, error)).ok()
    }

    /// Letters, each of which may be wrong.
    pub(crate) fn letters<T: FromStr<Err = Several<E>>, E: fmt::Display>(
        &self,
        key: &str,
        found: &mut Found<'_>,
    ) -> Option<T> {
        let text = self.text(key, found)?;
        text.value
            .parse()
            .map_err(|Several(faults)| faults.iter().for_each(|fault| found.add(text.at.clone(), fault)))
            .ok()
    }

    /// A number within bounds.
    pub(crate) fn number(
        &self,
        key: &str,
        bounds: RangeInclusive<u32>,
        found: &mut Found<'_>,
    ) -> Option<At<u32>> {
        let value = self.value(key)?;
        let DeValue::Integer(number) = value.get_ref() else {
            wrong_type(value.span(), &self.name(key), "a number", value.get_ref(), found);
            return None;
        };
        let within = i64::from_str_radix(number.as_str(), number.radix()).ok();
        let within =
            within.and_then(|number| u32::try_from(number).ok()).filter(|number| bounds.contains(number));
        if within.is_none() {
            let (least, most) = bounds.into_inner();
            found.add(
                value.span(),
                format_args!("{} is not between {least} and {most}: {number}", self.name(key)),
            );
        }
        within.map(|within| At { value: within, at: value.span() })
    }

    /// Yes or no.
    pub(crate) fn flag(&self, key: &str, found: &mut Found<'_>) -> Option<At<bool>> {
        let value = self.value(key)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            wrong_type(value.span(), &self.name(key), "true or false", value.get_ref(), found);
        }
        flag.map(|flag| At { value: flag, at: value.span() })
    }

    /// A time with its unit, within bounds.
    pub(crate) fn time(
        &self,
        key: &str,
        bounds: RangeInclusive<Duration>,
        found: &mut Found<'_>,
    ) -> Option<At<Duration>> {
        let value = self.value(key)?;
        let DeValue::String(text) = value.get_ref() else {
            wrong_type(value.span(), &self.name(key), "a time like \"5m\"", value.get_ref(), found);
            return None;
        };
        let time = measure::time(text)
            .map_err(|error| found.add(value.span(), format_args!("{}: {error}", self.name(key))));
        let time = time.ok()?;
        if bounds.contains(&time) {
            return Some(At { value: time, at: value.span() });
        }
        let (least, most) = (measure::show_time(*bounds.start()), measure::show_time(*bounds.end()));
        found.add(value.span(), format_args!("{} is not between {least} and {most}: {text}", self.name(key)));
        None
    }

    /// A size: a number of octets, or a text with a unit; within bounds.
    pub(crate) fn size(&self, key: &str, bounds: RangeInclusive<u64>, found: &mut Found<'_>) -> Option<u64> {
        let value = self.value(key)?;
        let (size, written) = match value.get_ref() {
            DeValue::Integer(number) => {
                (i64::from_str_radix(number.as_str(), number.radix()).ok(), number.as_str().to_owned())
            }
            DeValue::String(text) => match measure::size(text) {
                Ok(size) => (i64::try_from(size).ok(), text.to_string()),
                Err(error) => {
                    found.add(value.span(), format_args!("{}: {error}", self.name(key)));
                    return None;
                }
            },
            other => {
                wrong_type(value.span(), &self.name(key), "a size like \"50M\"", other, found);
                return None;
            }
        };
        let size = size.and_then(|size| u64::try_from(size).ok()).filter(|size| bounds.contains(size));
        if size.is_none() {
            let (least, most) = (measure::show_size(*bounds.start()), measure::show_size(*bounds.end()));
            let name = self.name(key);
            found.add(value.span(), format_args!("{name} is not between {least} and {most}: {written}"));
        }
        size
    }

    /// A text, where one stands there.
    pub(crate) fn written(&self, key: &str) -> Option<&'t str> {
        self.value(key).and_then(|value| value.get_ref().as_str())
    }

    /// Whether a value is there and is a text.
    pub(crate) fn is_text(&self, key: &str) -> bool {
        self.value(key).is_some_and(|value| value.get_ref().is_str())
    }

    /// Words: a list of texts, or one text with blanks or commas between them, as sendmail.cf has them.
    pub(crate) fn words(&self, key: &str, found: &mut Found<'_>) -> Option<Vec<At<&'t str>>> {
        let value = self.value(key)?;
        if let DeValue::String(text) = value.get_ref() {
            let words = text.split([' ', '\t', ',']).filter(|word| !word.is_empty());
            return Some(words.map(|word| At { value: word, at: value.span() }).collect());
        }
        self.texts(key, found)
    }

    /// A list of texts.
    pub(crate) fn texts(&self, key: &str, found: &mut Found<'_>) -> Option<Vec<At<&'t str>>> {
        let value = self.value(key)?;
        let Some(array) = value.get_ref().as_array() else {
            wrong_type(value.span(), &self.name(key), "a list of texts", value.get_ref(), found);
            return None;
        };
        let mut texts = Vec::new();
        for item in array {
            match text_of(item) {
                Some(text) => texts.push(text),
                None => wrong_type(item.span(), &self.name(key), "a list of texts", item.get_ref(), found),
            }
        }
        Some(texts)
    }

    /// An absolute path. A relative one would mean another file in every directory.
    pub(crate) fn path(&self, key: &str, found: &mut Found<'_>) -> Option<At<PathBuf>> {
        let text = self.text(key, found)?;
        absolute(&text, &self.name(key), found)
    }

    /// Whether the key is there, with whatever value.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// Where the value of a key stands; the beginning of the file where there is none.
    pub(crate) fn place(&self, key: &str) -> Range<usize> {
        self.value(key).map_or(0..0, Spanned::span)
    }

    fn value(&self, key: &str) -> Option<&'t Spanned<DeValue<'t>>> {
        debug_assert!(self.section.keys.contains(&key), "{key} is not a key of [{}]", self.section.name);
        self.entries?.get(key)
    }

    fn name(&self, key: &str) -> String {
        self.section.full_name(key)
    }
}

/// The path that a text names, if it is absolute, does not climb and ends in a name.
pub(crate) fn absolute(text: &At<&str>, key: &str, found: &mut Found<'_>) -> Option<At<PathBuf>> {
    let path = PathBuf::from(text.value);
    let plain = text.value.starts_with('/') && !text.value.ends_with('/') && !text.value.contains('\0');
    if plain && !path.components().any(|component| component == std::path::Component::ParentDir) {
        return Some(At { value: path, at: text.at.clone() });
    }
    let cause =
        format_args!("{key} is not an absolute path without .. and without / at its end: {:?}", text.value);
    found.add(text.at.clone(), cause);
    None
}

/// The tables of a text; what is no TOML is a fault, and what can be read is read all the same.
pub(crate) fn document<'t>(text: &'t str, found: &mut Found<'_>) -> DeTable<'t> {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let at = error.span().unwrap_or(0..0);
        let mut cause = error.message().lines().collect::<Vec<_>>().join("; ");
        if let Some(key) = text.get(at.clone()).filter(|_| cause == "duplicate key") {
            cause = format!("{cause}: {key}");
        }
        found.add(at, cause);
    }
    table.into_inner()
}

fn unknown_key(key: &Spanned<toml::de::DeString<'_>>, section: &Section, found: &mut Found<'_>) {
    let word = key.get_ref().as_ref();
    let cause = format_args!("unknown key: {}", section.full_name(word));
    match nearest(word, section) {
        Some(known) => found.add_with_hint(key.span(), cause, format_args!("did you mean {known}?")),
        None => {
            found.add_with_hint(key.span(), cause, format_args!("known here: {}", section.keys.join(", ")));
        }
    }
}

/// The key that was probably meant: one of this table that is spelled nearly so, or the same word of another table.
fn nearest(word: &str, section: &Section) -> Option<String> {
    let near = |known: &&str| strsim::damerau_levenshtein(&word.to_lowercase(), known);
    let candidate = section.keys.iter().copied().min_by_key(near);
    if let Some(known) = candidate.filter(|known| near(known) <= known.len().div_ceil(3)) {
        return Some(section.full_name(known));
    }
    let elsewhere = crate::check::SECTIONS.iter().find(|other| other.keys.contains(&word))?;
    Some(elsewhere.full_name(word))
}

fn wrong_type(at: Range<usize>, key: &str, wanted: &str, value: &DeValue<'_>, found: &mut Found<'_>) {
    let is = match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    found.add(at, format_args!("{key} must be {wanted}, and is {is}"));
}

fn text_of<'t>(value: &'t Spanned<DeValue<'t>>) -> Option<At<&'t str>> {
    value.get_ref().as_str().map(|text| At { value: text, at: value.span() })
}

fn last_word(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}
