//! How a store is shown while its users stream by: lines for a person, one JSON object that grows, or only the commands
//! that mend it.
//!
//! The object is that of every path (`report`), with one key more, `store`: `{"integrity", "policy": {"keep", ...},
//! "users", "realms", ...}`. Its verdict stands behind the findings, since it is known last.

use cli::{Format, Io, Report};
use credential::{Policy, VerifierKind};
use safefile::Verdict;
use serde::Serialize;
use serde_json::json;
use store::secrets::Counts;

use super::survey::{Fix, Remark, Sums, date};
use crate::judged::{Fault, Judged};
use crate::mend;
use crate::options::{Mending, Options};
use crate::report::{Entry, Object};
use crate::tree::{self, Colour, Detail, Told};

/// What is being shown.
pub(super) struct View<'a> {
    io: &'a mut Io,
    shown: Shown,
    verdict: Verdict,
    entries: u64,
}

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// Everything, to a person.
    Text(Colour),
    /// Everything, to a program.
    Object,
    /// The commands of `--fix`. Those for the path itself are the plan's.
    Commands,
}

impl Shown {
    pub(super) fn of(io: &mut Io, options: &Options) -> Self {
        match io.format() {
            _ if options.fix == Some(Mending::Print) => Self::Commands,
            Format::Text => Self::Text(Colour::of(io)),
            Format::Json => Self::Object,
        }
    }
}

impl<'a> View<'a> {
    /// Shows the path and what its audit found.
    pub(super) fn begin(io: &'a mut Io, judged: &Judged, shown: Shown) -> Result<Self, Report> {
        let mut view = Self { io, shown, verdict: judged.verdict(), entries: 0 };
        match shown {
            Shown::Text(colour) => {
                let text = tree::text(judged, Detail::VerdictLater, &mut Told::default(), colour);
                view.io.out().text(text)?;
            }
            Shown::Object => view.begin_object(&Object::of(judged))?,
            Shown::Commands => judged.faults.iter().try_for_each(|fault| by_hand(view.io, fault))?,
        }
        Ok(view)
    }

    fn begin_object(&mut self, object: &Object) -> Result<(), Report> {
        let (path, kind) = (json!(object.path), json!(object.kind));
        self.io.out().text(format_args!("{{\"path\":{path},\"kind\":{kind},\"findings\":["))?;
        object.findings.iter().try_for_each(|entry| self.entry(entry))
    }

    /// Something that could not be checked.
    pub(super) fn fault(&mut self, fault: &Fault) -> Result<(), Report> {
        if self.verdict == Verdict::Safe {
            self.verdict = Verdict::Error;
        }
        match self.shown {
            Shown::Text(colour) => self.io.out().text(tree::fault(fault, colour)),
            Shown::Object => self.entry(&Entry::of_fault(fault.clone())),
            Shown::Commands => by_hand(self.io, fault),
        }
    }

    /// Something to be said of one user.
    pub(super) fn remark(&mut self, remark: &Remark) -> Result<(), Report> {
        if remark.is_unsafe() {
            self.verdict = Verdict::Unsafe;
        }
        let user = cli::printable::octets(&remark.user).to_string();
        let command = remark.fix.as_ref().map(Fix::command);
        match (self.shown, &remark.fix) {
            (Shown::Text(colour), _) => {
                let word = remark.rule.trim_start_matches("note-");
                let how = if remark.is_unsafe() { tree::UNSAFE } else { tree::NOTE };
                self.io.out().text(tree::remark(word, how, &user, &remark.why, command, colour))
            }
            (Shown::Object, _) => self.entry(&Entry {
                component: remark.user.clone(),
                rule: remark.rule.to_owned(),
                owner: None,
                mode: None,
                why: remark.why.clone(),
                fix: command.map(str::to_owned),
            }),
            (Shown::Commands, Some(Fix::Runs(command))) => mend::show_command(self.io, command),
            (Shown::Commands, Some(Fix::Asks(command))) => {
                let words = "set the password anew:";
                mend::show_by_hand(self.io, &format!("{user}: {}; {words} {command}", remark.why))
            }
            (Shown::Commands, None) => Ok(()),
        }
    }

    /// The end of a store that could not be looked into.
    pub(super) fn end_without_users(self) -> Result<Verdict, Report> {
        if self.shown == Shown::Object {
            self.io.out().line(format_args!("],\"verdict\":\"{}\"}}", self.verdict.word()))?;
        }
        Ok(self.verdict)
    }

    /// The sums.
    pub(super) fn end(
        &mut self,
        policy: &Policy,
        sums: &Sums,
        pages: &'static str,
        counts: &Counts,
    ) -> Result<Verdict, Report> {
        let integrity = if self.verdict == Verdict::Error { "damaged" } else { pages };
        match self.shown {
            Shown::Commands => {}
            Shown::Text(_) => self.io.out().text(text(sums, self.verdict, integrity, policy, counts))?,
            Shown::Object => {
                let whole = Whole {
                    integrity,
                    policy: policy_of(policy),
                    created: date(counts.created),
                    shapes: shapes(counts),
                    sums,
                };
                self.io.out().text(format_args!("],\"verdict\":\"{}\",\"store\":", self.verdict.word()))?;
                self.io.out().line(format_args!("{}}}", json!(whole)))?;
            }
        }
        Ok(self.verdict)
    }

    fn entry(&mut self, entry: &Entry) -> Result<(), Report> {
        let comma = if self.entries == 0 { "" } else { "," };
        self.entries += 1;
        self.io.out().text(format_args!("{comma}{}", json!(entry)))
    }
}

fn by_hand(io: &mut Io, fault: &Fault) -> Result<(), Report> {
    mend::show_by_hand(io, tree::fault(fault, Colour::Off).trim())
}

/// The key `store` of the object.
#[derive(Serialize)]
struct Whole<'a> {
    integrity: &'static str,
    policy: Vec<String>,
    created: String,
    shapes: Vec<ShapeCount>,
    #[serde(flatten)]
    sums: &'a Sums,
}

#[derive(Serialize)]
struct ShapeCount {
    shapes: String,
    users: u64,
}

fn text(sums: &Sums, verdict: Verdict, integrity: &str, policy: &Policy, counts: &Counts) -> String {
    let shown: Vec<String> =
        shapes(counts).iter().map(|one| format!("{} of {}", one.users, one.shapes)).collect();
    let listed = |pairs: Vec<String>| some(&pairs, ", ");
    let pair = |(name, number): (&'static str, u64)| (number > 0).then(|| format!("{number} {name}"));
    let notable = [
        ("disabled", sums.disabled),
        ("expired", sums.expired),
        ("with weak verifiers", sums.weak),
        ("with weak verifiers that nothing asks for", sums.weak_unasked),
        ("with another server's hash", sums.foreign),
        ("whose failed logins cost a check more than a stranger's", sums.extra_check),
        ("with verifiers cheaper than the policy's", sums.cheap),
        ("with an unprepared password", sums.raw),
        ("with a list of their own", sums.own_list),
    ];
    let rows = [
        ("verdict", verdict.word().to_owned()),
        ("integrity", integrity.to_owned()),
        ("policy", policy_of(policy).join(", ")),
        ("created", date(counts.created)),
        ("users", format!("{} in {}, {}", sums.users, realms(sums.realms), credentials(sums.credentials))),
        ("of these", listed(notable.into_iter().filter_map(pair).collect())),
        (
            "verifiers",
            listed(sums.verifiers.iter().map(|(name, number)| format!("{number} {name}")).collect()),
        ),
        ("shapes", some(&shown, "; ")),
    ];
    rows.iter().fold(String::new(), |text, (name, value)| text + &format!("    {name:<10} {value}\n"))
}

fn some(words: &[String], between: &str) -> String {
    if words.is_empty() { "none".to_owned() } else { words.join(between) }
}

fn realms(number: u64) -> String {
    if number == 1 { "1 realm".to_owned() } else { format!("{number} realms") }
}

fn credentials(number: u64) -> String {
    if number == 1 { "1 credential".to_owned() } else { format!("{number} credentials") }
}

fn shapes(counts: &Counts) -> Vec<ShapeCount> {
    counts.shapes.iter().map(|(shapes, users)| ShapeCount { shapes: shapes.to_string(), users }).collect()
}

/// What is kept of a new password, and at which cost.
fn policy_of(policy: &Policy) -> Vec<String> {
    let cost = &policy.cost;
    let one = |kind: VerifierKind| match kind {
        VerifierKind::Argon2id => {
            format!(
                "{kind} (m={} KiB t={} p={})",
                cost.argon2id.m_kib(),
                cost.argon2id.t(),
                cost.argon2id.p()
            )
        }
        VerifierKind::ScramSha1 => format!("{kind} (i={})", cost.scram_sha_1.get()),
        VerifierKind::ScramSha256 => format!("{kind} (i={})", cost.scram_sha_256.get()),
        VerifierKind::ScramSha512 => format!("{kind} (i={})", cost.scram_sha_512.get()),
        _ => kind.to_string(),
    };
    policy.keep.iter().map(one).collect()
}
