//! A password is set: asked for, prepared, turned into verifiers, stored. Nothing here holds a transaction while it
//! waits or computes.

use cli::prompt::{self, PromptError};
use cli::{Io, Report};
use credential::{Credential, Identity, Password, Record, Secret, derive};
use store::StoreError;
use store::secrets::{Access, SecretStore, Stored};

use cli::Exit;

use crate::options::{Creation, Effect, Input, Setting, Who};
use crate::site::{self, Site};
use crate::trouble;

/// Sets the password of a user who may be there already.
pub(crate) fn run(io: &mut Io, site: &Site, who: &Who, setting: &Setting) -> Result<Exit, Report> {
    let identity = site.identity(who)?;
    let store = site.try_open(Access::Write)?;
    if store.is_none() && setting.creation == Creation::Refused {
        return Err(site.missing());
    }
    let secret = read_password(io, setting.input)?;
    let password = Password::prepare(&secret).map_err(|error| trouble::of_password(&error))?;
    drop(secret);
    if site.effect == Effect::Rehearse {
        return rehearse(io, site, store.as_ref(), &identity, setting);
    }
    match store {
        Some(store) => put(site, &store, &identity, &password, setting),
        None => create(site, &identity, &password, setting),
    }
    .map(|()| Exit::OK)
}

/// A password from a person, twice, or from a pipe.
pub(crate) fn read_password(io: &mut Io, input: Input) -> Result<Secret, Report> {
    let read = match (input, io.input_is_terminal()) {
        (Input::Ask, true) => prompt::password_twice(io),
        (Input::Pipe, true) => prompt::line_in_the_open(io),
        (_, false) => prompt::secret_to_end(io),
    };
    read.map_err(of_prompt)
}

/// saslpasswd2's numbers for what is wrong with a password; a failing terminal or pipe is another matter.
pub(crate) fn of_prompt(error: PromptError) -> Report {
    let is_refused = !matches!(error, PromptError::Failed(_) | PromptError::Taken | PromptError::NoTerminal);
    let report = Report::from(error);
    if is_refused { report.with_exit(trouble::REFUSED) } else { report }
}

/// Puts the new verifiers into the record that is there, as often as another program is faster.
fn put(
    site: &Site,
    store: &SecretStore,
    identity: &Identity,
    password: &Password,
    setting: &Setting,
) -> Result<(), Report> {
    loop {
        let stored = store.look_up(identity).map_err(trouble::report)?;
        let seen = stored.as_ref().map(|stored| stored.revision);
        let record = with_password(site, stored, identity, password, setting)?;
        if store.write(|edit| edit.put_if(&record, seen)).map_err(trouble::report)?.is_some() {
            return Ok(());
        }
    }
}

/// Makes the store with this user in it; if another program made it meanwhile, puts the user into that.
fn create(site: &Site, identity: &Identity, password: &Password, setting: &Setting) -> Result<(), Report> {
    let record = with_password(site, None, identity, password, setting)?;
    match site.create(|edit| edit.put(&record)) {
        Ok(_) => Ok(()),
        Err(StoreError::Exists { .. }) => put(site, &site.open(Access::Write)?, identity, password, setting),
        Err(error) => Err(trouble::report(error)),
    }
}

/// The user's record with the new password: labels and the user's own list stay.
fn with_password(
    site: &Site,
    stored: Option<Stored>,
    identity: &Identity,
    password: &Password,
    setting: &Setting,
) -> Result<Record, Report> {
    let mut record = match stored {
        Some(stored) => stored.record,
        None => Record::new(identity.clone(), site.now, site.changed_by()?),
    };
    record.set_plain(setting.plain);
    if let Some(rule) = setting.keep {
        record.set_keep(rule.into_option());
    }
    let policy = site.policy();
    let kinds = record.kinds_to_make(policy);
    let recipe = record.recipe(&setting.label, &policy.cost, site::salts()?);
    let verifiers = derive(kinds, record.identity(), password, &recipe)
        .map_err(|error| Report::plain(Exit::OSERR, error))?;
    if verifiers.is_empty() {
        return Err(Report::plain(trouble::REFUSED, "no verifier would be left of this password")
            .because("-n forbids `plain`, and the policy keeps nothing else")
            .mend("name another verifier in `[secrets] keep` or with --keep"));
    }
    let before = record.credential(&setting.label);
    let mut credential = Credential::new(setting.label.clone(), verifiers, password.is_raw(), site.now);
    if let Some(before) = before {
        credential.created = before.created;
        credential.state = before.state;
        credential.expires = before.expires;
        credential.networks.clone_from(&before.networks);
    }
    if let Some(rule) = setting.expires {
        credential.expires = rule.into_option();
    }
    record.put(credential).map_err(|error| Report::plain(Exit::DATAERR, error))?;
    record.touch(site.now, site.changed_by()?);
    Ok(record)
}

fn rehearse(
    io: &mut Io,
    site: &Site,
    store: Option<&SecretStore>,
    identity: &Identity,
    setting: &Setting,
) -> Result<Exit, Report> {
    let found = store.map(|store| store.look_up(identity).map_err(trouble::report)).transpose()?.flatten();
    let is_there = found.as_ref().is_some_and(|stored| stored.record.credential(&setting.label).is_some());
    let mut record = match found {
        Some(stored) => stored.record,
        None => Record::new(identity.clone(), site.now, site.changed_by()?),
    };
    record.set_plain(setting.plain);
    if let Some(rule) = setting.keep {
        record.set_keep(rule.into_option());
    }
    let kinds = record.kinds_to_make(site.policy());
    let verb = if is_there { "replaced" } else { "created" };
    site.confirm(io, identity, &format!("{verb}, with {kinds}"))?;
    Ok(Exit::OK)
}
