//! `--export`: a sasldb2 of the users whose passwords are kept, so that programs with Cyrus SASL go on reading one while
//! the host moves. Clear text leaves the store here, for a safe file and nowhere else.
//!
//! A sasldb knows a password for each user and nothing more. So only who may log in now, from anywhere, is in it; an
//! end that is still to come, and further passwords, are lost on it.

use std::io;
use std::path::Path;

use cli::progress::{Progress, Work};
use cli::{Exit, Format, Io, Report, printable};
use credential::{Credential, Identity, Label, Record, Secret, State, Timestamp, Verifier, VerifierKind};
use mapfile::{Detected, Limits};
use safefile::{
    Dress, Exception, Kind, OpenError, Replacement, Trust, open_unsafe_for_audit, shell_quote, toml_quote,
};
use serde_json::json;
use store::maps::sort::{Line, Policy, Sorter};
use store::maps::{self, BuildError, Duplicates, Keys, Making, MapType};
use store::secrets::{Access, SecretStore, Secrets as _};
use zeroize::Zeroizing;

use crate::options::Effect;
use crate::site::Site;
use crate::trouble;

/// Exports: to a file that nobody else may read but the group that the configuration names for it, complete or not at all.
pub(crate) fn run(io: &mut Io, site: &Site, to: &Path) -> Result<Exit, Report> {
    let store = site.open(Access::Read)?;
    let replaced = may_be_replaced(to)?;
    let trust = site.trust_for(to);
    let tally = if site.effect == Effect::Rehearse {
        Replacement::rehearse(to, Kind::Secret, &trust).map_err(Report::from)?;
        gather(io, site, &store, &mut |_, _| Ok(()))?
    } else {
        write(io, site, &store, to, &trust)?
    };
    say(io, site, to, &tally, replaced)?;
    Ok(Exit::OK)
}

/// What a user's part in the new file is.
enum Part<'r> {
    /// This password.
    Password(&'r Secret),
    /// None.
    Left(Left),
}

/// Why a user is left out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    /// Every credential is disabled.
    Disabled,
    /// Every credential that is not disabled has expired.
    Expired,
    /// No password is kept of the credentials that may be used.
    WithoutPlain,
    /// The password is good from some networks only.
    Bound,
}

impl Left {
    fn why(self) -> &'static str {
        match self {
            Self::Disabled => "disabled, which a sasldb does not know",
            Self::Expired => "expired, which a sasldb does not know",
            Self::WithoutPlain => "the password itself (`plain`) is not kept",
            Self::Bound => "bound to some networks, which a sasldb does not know",
        }
    }
}

/// What an export does, in numbers of users.
#[derive(Default)]
struct Tally {
    exported: u64,
    /// Of these, those whose password has an end.
    ending: u64,
    /// Of these, those who have further passwords.
    further: u64,
    without_plain: u64,
    disabled: u64,
    expired: u64,
    bound: u64,
}

impl Tally {
    fn take(&mut self, record: &Record, part: &Part<'_>, now: Timestamp) {
        let Part::Left(left) = part else {
            let usable = || record.credentials().iter().filter(|credential| credential.is_usable(now));
            self.exported += 1;
            self.ending += u64::from(usable().any(|credential| credential.expires.is_some()));
            self.further += u64::from(usable().count() > 1);
            return;
        };
        *match left {
            Left::Disabled => &mut self.disabled,
            Left::Expired => &mut self.expired,
            Left::WithoutPlain => &mut self.without_plain,
            Left::Bound => &mut self.bound,
        } += 1;
    }

    fn left(&self) -> u64 {
        self.without_plain + self.disabled + self.expired + self.bound
    }
}

/// The password that stands for a user: of those that may be used now the main one, or else the first.
fn part(record: &Record, now: Timestamp) -> Part<'_> {
    let credentials = record.credentials();
    let usable = || credentials.iter().filter(|credential| credential.is_usable(now));
    if usable().next().is_none() && !credentials.is_empty() {
        let is_disabled = credentials.iter().all(|credential| credential.state == State::Suspended);
        return Part::Left(if is_disabled { Left::Disabled } else { Left::Expired });
    }
    let kept = || usable().filter_map(|credential| plain(credential).map(|secret| (credential, secret)));
    let (main, free) = (Label::main(), || kept().filter(|(credential, _)| credential.networks.is_empty()));
    match free().find(|(credential, _)| credential.label == main).or_else(|| free().next()) {
        Some((_, secret)) => Part::Password(secret),
        None if kept().next().is_some() => Part::Left(Left::Bound),
        None => Part::Left(Left::WithoutPlain),
    }
}

/// The password itself, where it is kept and Cyrus can take it: to Cyrus a NUL ends it.
fn plain(credential: &Credential) -> Option<&Secret> {
    match credential.verifiers.get(VerifierKind::Plain) {
        Some(Verifier::Plain(plain)) if !plain.secret().expose().contains(&0) => Some(plain.secret()),
        _ => None,
    }
}

/// What is done with a key and a value.
type Take<'a> = dyn FnMut(&[u8], &[u8]) -> Result<(), Report> + 'a;

/// Goes through all users, tells of those who are left out, and gives `each` the key and the value of the others.
fn gather(io: &mut Io, site: &Site, store: &SecretStore, each: &mut Take<'_>) -> Result<Tally, Report> {
    let users = store.counts().map_err(trouble::report)?.users;
    let progress = Progress::begin(io, "users", Work::Count(users));
    let mut tally = Tally::default();
    for record in store.list() {
        let record = record.map_err(trouble::report)?;
        let part = part(&record, site.now);
        tally.take(&record, &part, site.now);
        match part {
            Part::Password(secret) => each(&key(record.identity()), secret.expose())?,
            Part::Left(left) if tally.left() <= NAMED => progress.aside(|| io.warn(&skipped(&record, left))),
            Part::Left(_) => {}
        }
        progress.advance(1);
    }
    progress.finish();
    Ok(tally)
}

fn skipped(record: &Record, left: Left) -> Report {
    let user = printable::octets(&record.identity().to_string()).to_string();
    Report::new(Exit::OK, user, format_args!("skipped: {}", left.why()))
}

/// User, realm as it is spelled, property; no name holds a NUL, and none is counted at the end.
fn key(identity: &Identity) -> Vec<u8> {
    [identity.user.as_str().as_bytes(), identity.realm.as_str().as_bytes(), PASSWORD].join(&0)
}

fn write(io: &mut Io, site: &Site, store: &SecretStore, to: &Path, trust: &Trust) -> Result<Tally, Report> {
    let failed = |error: io::Error| Report::new(Exit::IOERR, printable::path(to), error);
    let replacement = Replacement::begin(to, Kind::Secret, trust, dress(trust)).map_err(Report::from)?;
    let scratch = replacement.scratch().map_err(failed)?;
    let mut sorter = Sorter::new(MapType::Hash.order(), SORTED_IN_MEMORY, move || Ok(scratch));
    let mut pushed = 0;
    let tally = gather(io, site, store, &mut |key, value| {
        pushed += 1;
        sorter.push(key, value, Line::Number(pushed)).map_err(failed)
    })?;
    let narrowed = replacement.narrowed_from().map(|old| (old, replacement.mode()));
    build(io, replacement, sorter, &failed)?;
    if let Some((old, now)) = narrowed {
        let cause = format!("made with mode {now:04o}, not {old:04o} as before");
        let report = Report::new(Exit::OK, printable::path(to), cause)
            .because("others could read the passwords, maybe the program for which it is made");
        io.warn(&group_reads(to).into_iter().fold(report, Report::mend));
    }
    Ok(tally)
}

fn build(
    io: &mut Io,
    replacement: Replacement,
    sorter: Sorter,
    failed: &dyn Fn(io::Error) -> Report,
) -> Result<(), Report> {
    let not_built = |error| match error {
        BuildError::Replace(error) => Report::from(error),
        BuildError::Write { source, .. } => failed(source),
        error => Report::plain(Exit::SOFTWARE, error),
    };
    let making = Making {
        duplicates: Duplicates::Refused,
        keys: Keys::AsWritten,
        volume: sorter.volume(),
        made_by: concat!("saslpasswd ", env!("CARGO_PKG_VERSION")).to_owned(),
        made_at: 0,
    };
    let progress = Progress::begin(io, "users written", Work::Count(sorter.volume().records));
    let mut builder = maps::build(MapType::Hash, replacement, &making).map_err(not_built)?;
    for record in sorter.finish(Policy::AllStay).map_err(failed)? {
        let record = record.map_err(failed)?;
        builder.add(&record.key, &record.value).map_err(not_built)?;
        progress.advance(1);
    }
    builder.finish().map_err(not_built)?;
    progress.finish();
    Ok(())
}

/// The lines that let a group read the file; none where no string of TOML can hold the path.
fn group_reads(to: &Path) -> Option<String> {
    let path = toml_quote(std::path::absolute(to).ok()?)?;
    Some(format!(
        "for a group that is to read it, in gatepost.toml, and then export again:\n[[file]]\npath = {path}\n\
         kind = \"secret\"\ngroup_readable = [\"GROUP\"]"
    ))
}

/// Of a new file: for its owner alone, or for the group, too, that the configuration lets read it.
fn dress(trust: &Trust) -> Dress {
    let group = trust.exceptions().iter().find_map(|exception| match exception {
        Exception::GroupReadable(group) => Some(group.gid),
        _ => None,
    });
    Dress { owner: None, group, mode: if group.is_some() { 0o640 } else { 0o600 } }
}

/// An export takes the place of a sasldb of the same layout, or of an empty file; it says how many records that had.
/// Whatever else is there stays.
fn may_be_replaced(to: &Path) -> Result<Option<u64>, Report> {
    let octets = match open_unsafe_for_audit(to, Kind::Secret, &Trust::root(), LARGEST) {
        Ok(file) => file.contents.map(Zeroizing::new),
        // A refusal is told by whoever makes the file.
        Err(OpenError::Missing { .. } | OpenError::Refused(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let stays = |cause: &str| Report::new(Exit::CANTCREAT, printable::path(to), cause);
    let other = || {
        stays("something that is no sasldb exists already")
            .because("an export replaces nothing but a sasldb; name another file")
    };
    let octets = octets.ok_or_else(other)?;
    match mapfile::detect(&octets) {
        None if octets.is_empty() => Ok(None),
        Some(Detected::Hash) => records(&octets).map(Some).ok_or_else(other),
        Some(found @ (Detected::Gdbm | Detected::Lmdb)) => {
            Err(stays(&format!("a database in another layout ({}) exists already", found.name())).because(
                "the export is a Berkeley DB hash, which a program that reads this one cannot read; name another file",
            ))
        }
        _ => Err(other()),
    }
}

/// How many records a sasldb has; `None`: it is none.
fn records(octets: &[u8]) -> Option<u64> {
    let map = mapfile::open(octets, Limits::default()).ok()?;
    let (mut count, mut is_sasldb) = (0, false);
    for record in map.records() {
        let record = record.ok()?;
        drop(Zeroizing::new(record.value));
        is_sasldb |= record.key.split(|&octet| octet == 0).count() == 3;
        count += 1;
    }
    (is_sasldb || count == 0).then_some(count)
}

fn say(io: &mut Io, site: &Site, to: &Path, tally: &Tally, replaced: Option<u64>) -> Result<(), Report> {
    let rehearsal = site.effect == Effect::Rehearse;
    let file = printable::path(to);
    if io.format() == Format::Json {
        return io.out().json(&json!({
            "done": "exported",
            "file": file.to_string(),
            "dry_run": rehearsal,
            "users": tally.exported,
            "ending": tally.ending,
            "further_passwords": tally.further,
            "without_plain": tally.without_plain,
            "disabled": tally.disabled,
            "expired": tally.expired,
            "bound_to_networks": tally.bound,
            "records_replaced": replaced,
        }));
    }
    let verb = if rehearsal { "would export" } else { "exported" };
    io.out().line(format_args!(
        "{verb} {} users to {file}{}; passwords stand there in clear text: when no program reads it any more, shred -u {}",
        tally.exported,
        details(tally, replaced),
        shell_quote(to),
    ))
}

fn details(tally: &Tally, replaced: Option<u64>) -> String {
    let details: Vec<String> = [
        (tally.without_plain, "without `plain` skipped"),
        (tally.disabled, "disabled left out"),
        (tally.expired, "expired left out"),
        (tally.bound, "bound to networks left out"),
        (tally.ending, "that expire, which a sasldb does not know"),
        (tally.further, "with further passwords, of which a sasldb has one"),
        (replaced.unwrap_or(0), "records there before replaced"),
    ]
    .iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect();
    if details.is_empty() { String::new() } else { format!(" ({})", details.join(", ")) }
}

/// The property that is a password, as Cyrus SASL has it.
const PASSWORD: &[u8] = b"userPassword";
/// Who is left out is named, but not by the million.
const NAMED: u64 = 100;
/// What is sorted in memory, a good million users; more goes to a nameless file beside the new one.
const SORTED_IN_MEMORY: usize = 128 << 20;
/// Several million users.
const LARGEST: u64 = 1 << 30;
