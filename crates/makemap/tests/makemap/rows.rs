//! Rows of the conformance tables, kept as text beside the tests.
//!
//! `NUMBER | ARGUMENTS | INPUT | EXIT | OUTPUT | MESSAGES | DUMP | VERDICT [| DUMP ARGUMENTS]`, where `-` is nothing,
//! `\n \t \r \\ \xHH` are escapes, `<v*20>` and `<"a b"*20>` repeat, `<TAB>` and `<SP*20>` are what they say. OUTPUT,
//! MESSAGES and DUMP are those of sendmail's makemap (messages without the leading `makemap: m: `); VERDICT is `same`,
//! or `differs: ` and the reason, and then a test of its own says what ours does.

/// One row.
pub(crate) struct Row {
    pub(crate) number: usize,
    pub(crate) arguments: Vec<Vec<u8>>,
    pub(crate) input: Vec<u8>,
    pub(crate) exit: i32,
    pub(crate) output: Vec<u8>,
    pub(crate) messages: Vec<String>,
    pub(crate) dump: Vec<u8>,
    pub(crate) verdict: Verdict,
    pub(crate) dump_arguments: Vec<Vec<u8>>,
}

/// Whether ours does the same.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Same,
    Differs(String),
}

impl Row {
    /// The type of map, the last of the arguments.
    pub(crate) fn kind(&self) -> &[u8] {
        self.arguments.last().expect("a row has a type")
    }

    /// The arguments before the type.
    pub(crate) fn options(&self) -> &[Vec<u8>] {
        &self.arguments[..self.arguments.len() - 1]
    }
}

/// All rows of a table.
pub(crate) fn parse(table: &str) -> Vec<Row> {
    table.lines().filter(|line| !line.is_empty() && !line.starts_with("//")).map(row).collect()
}

fn row(line: &str) -> Row {
    let cells: Vec<&str> = line.split(" | ").collect();
    let [number, arguments, input, exit, output, messages, dump, verdict, rest @ ..] = &cells[..] else {
        panic!("not a row: {line}");
    };
    Row {
        number: number.parse().expect("a number"),
        arguments: words(arguments),
        input: octets(input),
        exit: exit.parse().expect("an exit code"),
        output: octets(output),
        messages: match *messages {
            "-" => Vec::new(),
            some => {
                some.split("\\n").map(|message| String::from_utf8(octets(message)).expect("text")).collect()
            }
        },
        dump: octets(dump),
        verdict: match verdict.strip_prefix("differs: ") {
            Some(reason) => Verdict::Differs(reason.into()),
            None => Verdict::Same,
        },
        dump_arguments: rest.first().map(|cell| words(cell)).unwrap_or_default(),
    }
}

/// Arguments as a shell without variables would split them: at spaces, but for single quotes.
fn words(cell: &str) -> Vec<Vec<u8>> {
    let mut words: Vec<Option<String>> = vec![None];
    let mut quoted = false;
    for character in cell.chars() {
        match character {
            '\'' => {
                quoted = !quoted;
                words.last_mut().expect("never empty").get_or_insert_default();
            }
            ' ' if !quoted => words.push(None),
            other => words.last_mut().expect("never empty").get_or_insert_default().push(other),
        }
    }
    words.into_iter().flatten().map(|word| if word.is_empty() { Vec::new() } else { octets(&word) }).collect()
}

/// The octets of a cell.
pub(crate) fn octets(cell: &str) -> Vec<u8> {
    if cell == "-" {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut rest = cell;
    while let Some(first) = rest.chars().next() {
        rest = match first {
            '\\' => escape(rest, &mut found),
            '<' => repeat(rest, &mut found),
            other => {
                found.extend(other.to_string().as_bytes());
                &rest[other.len_utf8()..]
            }
        };
    }
    found
}

fn escape<'a>(rest: &'a str, found: &mut Vec<u8>) -> &'a str {
    let (octet, length) = match rest.as_bytes()[1] {
        b'n' => (b'\n', 2),
        b't' => (b'\t', 2),
        b'r' => (b'\r', 2),
        b'x' => (u8::from_str_radix(&rest[2..4], 16).expect("two hexadecimal digits"), 4),
        other => (other, 2),
    };
    found.push(octet);
    &rest[length..]
}

fn repeat<'a>(rest: &'a str, found: &mut Vec<u8>) -> &'a str {
    let end = rest.find('>').expect("a closing angle");
    let (unit, count) = rest[1..end].rsplit_once('*').unwrap_or((&rest[1..end], "1"));
    let unit = match unit {
        "TAB" => "\t",
        "SP" => " ",
        other => other.trim_matches('"'),
    };
    found.extend(unit.repeat(count.parse().expect("a count")).as_bytes());
    &rest[end + 1..]
}

#[test]
fn cells_mean_what_they_say() {
    assert_eq!(octets(r#"a\n\x00<v*3><TAB><SP*2><"k v "*2>"#), b"a\n\0vvv\t  k v k v ");
    assert_eq!(words("-t '' -D ' ' hash"), [&b"-t"[..], b"", b"-D", b" ", b"hash"]);
    assert_eq!(words(r"-t\xa0 -t <TAB> m"), [&b"-t\xa0"[..], b"-t", b"\t", b"m"]);
}
