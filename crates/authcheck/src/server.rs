//! `authcheck server`: looks at a running server as anybody can, names what is dangerous, and logs in, step by step.
//!
//! The protocols are `smtp`'s, `tls`'s and `sasl`'s machines; here is who drives them, what is asked in which order, and what
//! is said of the answers.

mod finding;
mod link;
mod login;
mod look;
mod options;
mod place;
mod teller;
mod trouble;

use std::time::SystemTime;

use cli::{Exit, Io, Report, prompt};
use credential::{Mechanism, Secret};
use safefile::{Kind, SafeFile};
use sasl::client::{ClearText, Means};
use serde_json::json;
use smtp::client::Offer;
use tls::client::{ClientSetup, Demand};

pub(crate) use options::{EXITS, ServerOptions};

use finding::{Finding, Weight, findings};
use link::Ways;
use login::{Outcome, Person, log_in};
use look::{Letter, Seen, TlsSeen, look, offers};
use options::SYSTEM_CA;
use teller::{Teller, certificate_object};

use crate::UNSAFE;
use crate::context::trust_for_configuration;

/// The command.
pub(crate) fn run(options: &ServerOptions, is_verbose: bool, io: &mut Io) -> Result<Exit, Report> {
    let setup = setup(options, io)?;
    let secret = options.user.as_ref().map(|_| read_secret(io)).transpose()?;
    let name = options.name.as_deref().unwrap_or(options.place.name());
    let ways = Ways { place: &options.place, name, setup: &setup, timeout: options.timeout };
    let letter = Letter { from: options.mail_from.clone(), to: options.rcpt_to.clone() };
    let mut teller = Teller::new(io, is_verbose);
    let report = |trouble: trouble::Trouble| trouble.report(&options.place);

    let seen = look(&ways, &letter, &mut teller).map_err(report)?;
    let mut found = findings(&seen, options.place.is_of_this_machine(), SystemTime::now());
    let logins = match &secret {
        Some(secret) => log_in_by_each(options, &ways, secret, &seen, &mut teller)?,
        None => Vec::new(),
    };
    found.extend(uneven(&logins));
    tell(options, &seen, &found, &logins, &mut teller)?;
    Ok(exit(&found, &logins, secret.is_some()))
}

/// By what the server is verified. Where the system has no CAs nobody is believed, and that is said.
fn setup(options: &ServerOptions, io: &mut Io) -> Result<ClientSetup, Report> {
    let file = SafeFile::open(&options.ca, Kind::Certificate, &trust_for_configuration());
    let file = match file {
        Ok(file) => Some(file),
        Err(error) if options.ca.as_os_str() == SYSTEM_CA => {
            io.warn(
                &Report::from(error).because("without CAs no certificate can be verified").mend("--ca FILE"),
            );
            None
        }
        Err(error) => return Err(Report::from(error)),
    };
    ClientSetup::new(file.as_ref(), Demand::Observed).map_err(|error| {
        Report::new(Exit::DATAERR, safefile::display_path(error.path()), &error).mend(error.mend())
    })
}

fn read_secret(io: &mut Io) -> Result<Secret, Report> {
    let read = if io.input_is_terminal() { prompt::password_once(io) } else { prompt::secret_to_end(io) };
    let secret = read.map_err(Report::from)?;
    if secret.is_empty() {
        return Err(Report::plain(Exit::DATAERR, "no password was given"));
    }
    Ok(secret)
}

type Logins = Vec<(Mechanism, Outcome)>;

/// One connection for each. A wrong password is not tried over and over.
fn log_in_by_each(
    options: &ServerOptions,
    ways: &Ways<'_>,
    secret: &Secret,
    seen: &Seen,
    teller: &mut Teller<'_>,
) -> Result<Logins, Report> {
    let clear_text =
        if options.send_password_unprotected { ClearText::Anywhere } else { ClearText::UnderLayer };
    let user = options.user.as_deref().unwrap_or_default();
    let authorize = options.authorize.as_deref();
    let is_up = matches!(seen.tls, TlsSeen::Up(_));
    let starts_tls = is_up && seen.clear.is_some();
    let person = Person { user, authorize, secret, clear_text, starts_tls };
    let mut logins = Logins::new();
    if seen.clear.is_none() && !is_up {
        return Ok(logins);
    }
    for mechanism in wanted(options, seen) {
        let is_refused = |(_, outcome): &&(Mechanism, Outcome)| matches!(outcome, Outcome::Refused(_));
        let has_success = logins.iter().any(|(_, outcome)| matches!(outcome, Outcome::LetIn { .. }));
        if options.mechanism.is_empty() && !has_success && logins.iter().filter(is_refused).count() >= 2 {
            break;
        }
        let object = json!({"step": "known", "text": format!("login by {mechanism}")});
        teller.tell(&format!("login by {mechanism}"), &object)?;
        logins.push((mechanism, log_in(ways, mechanism, &person, teller)?));
    }
    Ok(logins)
}

/// The strongest first.
fn wanted(options: &ServerOptions, seen: &Seen) -> Vec<Mechanism> {
    if !options.mechanism.is_empty() {
        return options.mechanism.clone();
    }
    let offer = seen.under_tls.as_ref().or(seen.clear.as_ref());
    let is_offered = |mechanism: &Mechanism| {
        Means::of(*mechanism) == Means::Password
            && offer.is_some_and(|offer| offer.has_mechanism(mechanism.name()))
    };
    Mechanism::ALL.into_iter().filter(is_offered).collect()
}

/// A mechanism that refuses whom another lets in.
fn uneven(logins: &Logins) -> Option<Finding> {
    let names = |wanted: fn(&Outcome) -> bool| -> Vec<_> {
        logins.iter().filter(|(_, outcome)| wanted(outcome)).map(|(mechanism, _)| mechanism.name()).collect()
    };
    let good = names(|outcome| matches!(outcome, Outcome::LetIn { .. }));
    let bad =
        names(|outcome| matches!(outcome, Outcome::Refused(_) | Outcome::Failed(_) | Outcome::Broken(_)));
    (!good.is_empty() && !bad.is_empty()).then(|| {
        Finding::danger(
            "uneven-mechanisms",
            format!("the user is let in by {}, and not by {}", good.join(" "), bad.join(" ")),
            "a client takes the strongest mechanism that is offered, and its user is told that the password is wrong",
        )
    })
}

fn tell(
    options: &ServerOptions,
    seen: &Seen,
    found: &[Finding],
    logins: &Logins,
    teller: &mut Teller<'_>,
) -> Result<(), Report> {
    offers(seen, teller)?;
    for (mechanism, outcome) in logins {
        let meaning = outcome.meaning();
        let code = match outcome {
            Outcome::Refused(reply) => Some(reply.code().number()),
            _ => None,
        };
        let object =
            json!({"login": mechanism.name(), "outcome": outcome.word(), "code": code, "why": meaning});
        let meaning = if meaning.is_empty() { meaning } else { format!(": {meaning}") };
        teller.tell(&format!("login by {mechanism}: {outcome}{meaning}"), &object)?;
    }
    for one in found {
        let severity = if one.weight == Weight::Danger { "danger" } else { "note" };
        let head = if one.weight == Weight::Danger { "DANGER" } else { "note" };
        let fix = one.fix.map(|fix| format!("\n    fix: {fix}")).unwrap_or_default();
        let text = format!("{head} {}: {}\n    why: {}{fix}", one.word, one.what, one.why);
        let object = json!({
            "finding": one.word, "severity": severity, "what": one.what, "why": one.why, "fix": one.fix,
        });
        teller.tell(&text, &object)?;
    }
    summary(options, seen, found, teller)
}

fn summary(
    options: &ServerOptions,
    seen: &Seen,
    found: &[Finding],
    teller: &mut Teller<'_>,
) -> Result<(), Report> {
    let dangers = found.iter().filter(|one| one.weight == Weight::Danger).count();
    let notes = found.len() - dangers;
    let names = |offer: &Option<Offer>| {
        offer.as_ref().map(|offer| offer.mechanisms().map(str::to_owned).collect::<Vec<_>>())
    };
    let certificate = match &seen.tls {
        TlsSeen::Up(facts) => Some(certificate_object(facts)),
        _ => None,
    };
    let object = json!({
        "server": options.place.to_string(),
        "dangers": dangers,
        "notes": notes,
        "clear": names(&seen.clear),
        "tls": names(&seen.under_tls),
        "certificate": certificate,
    });
    teller.tell(&format!("{}: {dangers} dangers, {notes} notes", options.place), &object)
}

/// Who asked to log in wants to know that first.
fn exit(found: &[Finding], logins: &Logins, is_login: bool) -> Exit {
    let has = |wanted: fn(&Outcome) -> bool| logins.iter().any(|(_, outcome)| wanted(outcome));
    if is_login && !has(|outcome| matches!(outcome, Outcome::LetIn { .. })) {
        let is_later = has(|outcome| outcome.word() == "later");
        let is_refused = has(|outcome| outcome.word() == "refused");
        return if is_later && !is_refused { Exit::TEMPFAIL } else { Exit::NOPERM };
    }
    if found.iter().any(|one| one.weight == Weight::Danger) { UNSAFE } else { Exit::OK }
}
