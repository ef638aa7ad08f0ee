//! What is known of users, without any secret: for a person a line or a paragraph, for a program an object on a line.

use cli::{Exit, Format, Io, Report, printable};
use credential::{Credential, Record, State, Strength};
use serde_json::{Value, json};
use store::secrets::Access;

use crate::date;
use crate::options::Who;
use crate::site::Site;
use crate::state::no_such_user;
use crate::trouble;

/// `--list`: streamed, so that a million users need no more memory than ten.
pub(crate) fn all(io: &mut Io, site: &Site) -> Result<Exit, Report> {
    let store = site.open(Access::Read)?;
    for record in store.list() {
        let record = record.map_err(trouble::report)?;
        match io.format() {
            Format::Json => io.out().json(&object(&record, site))?,
            Format::Text => io.out().line(line(&record, site))?,
        }
    }
    Ok(Exit::OK)
}

/// `--show`.
pub(crate) fn one(io: &mut Io, site: &Site, who: &Who) -> Result<Exit, Report> {
    let identity = site.identity(who)?;
    let store = site.open(Access::Read)?;
    let found = store.look_up(&identity).map_err(trouble::report)?;
    let Some(stored) = found else { return Err(no_such_user(&identity)) };
    match io.format() {
        Format::Json => io.out().json(&object(&stored.record, site))?,
        Format::Text => io.out().text(paragraph(&stored.record, site))?,
    }
    Ok(Exit::OK)
}

/// `alice@example.org: argon2id, scram-sha-256 (as strong as scram-sha-256); enabled; changed 2026-11-24T...`.
fn line(record: &Record, site: &Site) -> String {
    let labels: Vec<&str> = record.credentials().iter().map(|credential| credential.label.as_str()).collect();
    let also = match &labels[..] {
        [] | ["main"] => String::new(),
        labels => format!("; credentials: {}", labels.join(", ")),
    };
    format!(
        "{}: {}{}; {}; changed {}{also}",
        printable::octets(&record.identity().to_string()),
        record.kinds(),
        weakest(record).map_or_else(String::new, |(name, _)| format!(" (as strong as {name})")),
        overall(record, site),
        date::written(record.changed()),
    )
}

fn paragraph(record: &Record, site: &Site) -> String {
    let keep = record.keep().map_or_else(|| "what the policy says".to_owned(), |kinds| kinds.to_string());
    let mut rows = vec![printable::octets(&record.identity().to_string()).to_string()];
    let mut row = |name: &str, value: &str| rows.push(format!("  {name:<12}{value}"));
    row("state", overall(record, site));
    row("verifiers", &record.kinds().to_string());
    if let Some((name, strength)) = weakest(record) {
        row("weakest", &format!("{name}: {}", explained(strength)));
    }
    row("keep", &keep);
    row("plain", if record.plain() == credential::PlainRule::Never { "never" } else { "as the policy says" });
    row("created", &date::written(record.created()));
    row("changed", &format!("{} by {}", date::written(record.changed()), author(record)));
    for credential in record.credentials() {
        row("credential", &described(credential, site));
    }
    rows.push(String::new());
    rows.join("\n")
}

fn described(credential: &Credential, site: &Site) -> String {
    let kinds = credential.verifiers.kinds();
    let mut said = vec![format!("{}: {}, {kinds}", credential.label.as_str(), state(credential, site))];
    if let Some(end) = credential.expires {
        said.push(format!("until {}", date::written(end)));
    }
    if credential.raw {
        said.push("compared by octets, without SASLprep".to_owned());
    }
    said.join(", ")
}

fn object(record: &Record, site: &Site) -> Value {
    let identity = record.identity();
    json!({
        "user": identity.user.as_str(),
        "realm": identity.realm.as_str(),
        "state": overall(record, site),
        "verifiers": names(record.kinds()),
        "weakest": weakest(record).map(|(name, strength)| json!({ "verifier": name, "strength": word(strength) })),
        "keep": record.keep().map(names),
        "plain": if record.plain() == credential::PlainRule::Never { "never" } else { "policy" },
        "created": date::written(record.created()),
        "changed": date::written(record.changed()),
        "changed_by": record.changed_by().who(),
        "changed_with": record.changed_by().app(),
        "credentials": record.credentials().iter().map(|one| credential_object(one, site)).collect::<Vec<_>>(),
    })
}

fn credential_object(credential: &Credential, site: &Site) -> Value {
    json!({
        "label": credential.label.as_str(),
        "state": state(credential, site),
        "verifiers": names(credential.verifiers.kinds()),
        "expires": credential.expires.map(date::written),
        "networks": credential.networks.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "raw": credential.raw,
        "created": date::written(credential.created),
        "changed": date::written(credential.changed),
    })
}

fn names(kinds: credential::KindSet) -> Vec<&'static str> {
    kinds.iter().map(credential::VerifierKind::name).collect()
}

/// A record is as strong as its weakest verifier.
fn weakest(record: &Record) -> Option<(&'static str, Strength)> {
    record.weakest().map(|verifier| (verifier.kind().name(), verifier.strength()))
}

/// Whether the user can log in at all.
fn overall(record: &Record, site: &Site) -> &'static str {
    let states: Vec<&str> = record.credentials().iter().map(|credential| state(credential, site)).collect();
    ["enabled", "expired", "disabled"]
        .into_iter()
        .find(|word| states.contains(word))
        .unwrap_or("without credential")
}

fn state(credential: &Credential, site: &Site) -> &'static str {
    match credential.state {
        State::Suspended => "disabled",
        State::Enabled if credential.is_usable(site.now) => "enabled",
        State::Enabled => "expired",
    }
}

fn author(record: &Record) -> String {
    let by = record.changed_by();
    printable::octets(&format!("{} with {}", by.who(), by.app())).to_string()
}

fn word(strength: Strength) -> &'static str {
    match strength {
        Strength::Slow => "slow",
        Strength::Fast => "fast",
        Strength::PasswordEquivalent => "password-equivalent",
        Strength::ClearText => "clear-text",
    }
}

fn explained(strength: Strength) -> &'static str {
    match strength {
        Strength::Slow => "one way, and every guess costs",
        Strength::Fast => "one way, but a guess costs next to nothing",
        Strength::PasswordEquivalent => "enough to log in by one mechanism, and fast to guess with",
        Strength::ClearText => "the password itself",
    }
}
