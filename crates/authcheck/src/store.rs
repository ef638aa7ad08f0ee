//! `authcheck store`: is the whole file sound, and what is in it: weak verifiers user by user, the policy in force, who is
//! disabled or expired, how many there are. Users are streamed, so a million of them take no more memory than one; for that
//! the verdict stands at the end.
//!
//! A weak verifier that neither the policy nor the user's own list asks for is unsafe; one that is asked for is said each
//! time, and is what somebody decided. A damaged store is one that could not be checked.

mod survey;
mod view;

use std::path::Path;
use std::time::SystemTime;

use cli::{Exit, Io, Report};
use credential::Timestamp;
use safefile::{Verdict, shell_quote};
use store::secrets::{Access, Integrity, Pages, SecretStore, Secrets};
use store::{StoreError, Wait};

use self::survey::Survey;
use self::view::{Shown, View};
use crate::context::Context;
use crate::judged::{Fault, Judged, Subject};
use crate::options::Options;

/// Checks the store whose path was audited, and says what is in it.
pub(crate) fn check(
    io: &mut Io,
    judged: Judged,
    context: &Context,
    options: &Options,
) -> Result<Verdict, Report> {
    let path = judged.audit.path.clone();
    let wait = Wait::up_to(options.wait).telling(cli::progress::waiting("authcheck"));
    let opened = SecretStore::open(&path, &context.trust(&path), Access::Read, wait);
    let shown = Shown::of(io, options);
    match opened.and_then(|store| store.check_integrity().map(|integrity| (store, integrity))) {
        Ok((store, integrity)) if judged.verdict() == Verdict::Safe => {
            let mut view = View::begin(io, &judged, shown)?;
            let survey =
                Survey::new(&context.config.secrets.policy, now(), saslpasswd(&path, context, options));
            go_over(&mut view, &store, &integrity, survey)
        }
        Ok(_) => View::begin(io, &judged, shown)?.end_without_users(),
        // The audit says the same, component by component.
        Err(StoreError::Refused(_) | StoreError::Missing { .. }) if judged.verdict() != Verdict::Safe => {
            View::begin(io, &judged, shown)?.end_without_users()
        }
        Err(error) => {
            let judged = judged.faulty([fault(&error)]);
            View::begin(io, &judged, shown)?.end_without_users()
        }
    }
}

/// Every user once: what is to be said of each, then the sums.
fn go_over(
    view: &mut View<'_>,
    store: &SecretStore,
    integrity: &Integrity,
    mut survey: Survey<'_>,
) -> Result<Verdict, Report> {
    for fault in &integrity.faults {
        let path = || Subject::Path(store.path().to_owned());
        let subject = fault.user.clone().map_or_else(path, Subject::Words);
        view.fault(&Fault { rule: "damaged", subject, what: fault.what.clone() })?;
    }
    for record in store.list() {
        match record {
            Ok(record) => survey.add(&record).iter().try_for_each(|remark| view.remark(remark))?,
            Err(error) => {
                view.fault(&fault(&error))?;
                break;
            }
        }
    }
    let pages = if integrity.pages == Pages::Mended { "mended" } else { "sound" };
    let counts = store.counts().map_err(|error| Report::plain(Exit::code(2), error))?;
    view.end(survey.policy(), &survey.sums(), pages, &counts)
}

/// saslpasswd, led to the store that was looked into: without a word it takes the one of the configuration.
fn saslpasswd(path: &Path, context: &Context, options: &Options) -> String {
    let mut call = "saslpasswd".to_owned();
    let mut add = |option: &str, word: &Path| {
        call.extend([" ", option, " ", &shell_quote(word)]);
    };
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if let Some(file) = &options.common.config {
        add("--config", &absolute(file));
    }
    if let Some(user) = &options.common.trusted_user {
        add("--trusted-user", Path::new(user));
    }
    if path != context.config.secrets.path {
        add("-f", &absolute(path));
    }
    call
}

/// Why a store could not be checked.
fn fault(error: &StoreError) -> Fault {
    let (rule, what) = match error {
        StoreError::Missing { .. } => ("missing", "no such store; saslpasswd -c makes one".to_owned()),
        StoreError::Damaged { what, .. } => ("damaged", what.clone()),
        StoreError::Busy { .. } | StoreError::OtherGeneration { .. } => ("busy", error.to_string()),
        other => ("failed", other.to_string()),
    };
    let subject = match error {
        StoreError::Missing { path } | StoreError::Damaged { path, .. } => Subject::Path(path.clone()),
        _ => Subject::Words(String::new()),
    };
    Fault { rule, subject, what }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(since.as_secs())
}
