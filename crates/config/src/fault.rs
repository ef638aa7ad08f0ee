//! What is wrong with a configuration: all of it, each with its place.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

/// Where in the text, counted from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// What: lower case, no full stop, the value at the end.
    pub cause: String,
    /// What to write instead, or why it matters, where that can be said.
    pub hint: Option<String>,
}

/// What is no fault and had better be known: place, cause and hint as of a [`Fault`].
pub type Remark = Fault;

/// Everything that is wrong with one file, in the order of the text; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFaults {
    /// The file.
    pub path: PathBuf,
    /// The faults.
    pub faults: Vec<Fault>,
}

impl ConfigFaults {
    /// For each fault what a report says of it: subject (`FILE:LINE:COLUMN`), cause, hint.
    pub fn complaints(&self) -> impl Iterator<Item = (String, &str, Option<&str>)> {
        let path = safefile::display_path(&self.path);
        self.faults.iter().map(move |fault| {
            (format!("{path}:{}", fault.place), fault.cause.as_str(), fault.hint.as_deref())
        })
    }
}

impl std::error::Error for ConfigFaults {}

impl fmt::Display for ConfigFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (subject, cause, hint)) in self.complaints().enumerate() {
            let line_end = if index == 0 { "" } else { "\n" };
            write!(f, "{line_end}{subject}: {cause}")?;
            hint.map_or(Ok(()), |hint| write!(f, " ({hint})"))?;
        }
        Ok(())
    }
}

/// `LINE:COLUMN: CAUSE (HINT)`
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.cause)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// The faults found so far in one text.
pub(crate) struct Found<'t> {
    text: &'t str,
    faults: Vec<Fault>,
    remarks: Vec<Remark>,
}

impl<'t> Found<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self { text, faults: Vec::new(), remarks: Vec::new() }
    }

    pub(crate) fn add(&mut self, at: Range<usize>, cause: impl fmt::Display) {
        self.push(at, cause.to_string(), None);
    }

    pub(crate) fn add_with_hint(
        &mut self,
        at: Range<usize>,
        cause: impl fmt::Display,
        hint: impl fmt::Display,
    ) {
        self.push(at, cause.to_string(), Some(hint.to_string()));
    }

    /// Notes what is no fault.
    pub(crate) fn remark(&mut self, at: Range<usize>, cause: impl fmt::Display, hint: impl fmt::Display) {
        let remark = self.made(at, cause.to_string(), Some(hint.to_string()));
        self.remarks.push(remark);
    }

    /// The remarks so far, in the order of the text.
    pub(crate) fn remarks(&mut self) -> Vec<Remark> {
        let mut remarks = std::mem::take(&mut self.remarks);
        remarks.sort_by_key(|remark| remark.place);
        remarks
    }

    /// Whether nothing is wrong so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    /// The value when nothing is wrong, else the faults in the order of the text.
    pub(crate) fn finish<T>(mut self, path: PathBuf, value: T) -> Result<T, ConfigFaults> {
        if self.faults.is_empty() {
            return Ok(value);
        }
        self.faults.sort_by_key(|fault| fault.place);
        self.faults.dedup();
        Err(ConfigFaults { path, faults: self.faults })
    }

    fn push(&mut self, at: Range<usize>, cause: String, hint: Option<String>) {
        let fault = self.made(at, cause, hint);
        self.faults.push(fault);
    }

    fn made(&self, at: Range<usize>, cause: String, hint: Option<String>) -> Fault {
        Fault { place: self.place(at.start), cause, hint }
    }

    fn place(&self, offset: usize) -> Place {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |line_feed| line_feed + 1);
        let line = before.bytes().filter(|octet| *octet == b'\n').count() + 1;
        Place { line, column: before[line_start..].chars().count() + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::{Found, Place};

    #[test]
    fn columns_count_characters_and_lines_begin_at_one() {
        let found = Found::new("a\n\u{e4}\u{f6}x\n");
        let rows = [(0, 1, 1), (1, 1, 2), (2, 2, 1), (6, 2, 3), (7, 2, 4), (8, 3, 1)];
        for (offset, line, column) in rows {
            assert_eq!(found.place(offset), Place { line, column }, "offset {offset}");
        }
    }

    #[test]
    fn faults_come_in_the_order_of_the_text() {
        let mut found = Found::new("a\nb\n");
        found.add(2..3, "second");
        found.add_with_hint(0..1, "first", "hint");
        let faults = found.finish("/c".into(), ()).unwrap_err();
        assert_eq!(faults.to_string(), "/c:1:1: first (hint)\n/c:2:1: second");
    }
}
