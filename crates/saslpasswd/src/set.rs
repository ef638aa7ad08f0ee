//! A password is set: asked for, prepared, turned into verifiers, stored. Nothing here holds a transaction while it
//! waits or computes.

use cli::prompt;
use cli::{Exit, Io, Report, printable};
use credential::{Identity, KindSet, Password, PlainRule, Record, Secret, State, VerifierKind, derive};
use store::StoreError;
use store::secrets::{Access, SecretStore, Stored, storable};

use crate::options::{Creation, Effect, Input, Rule, Setting, Who};
use crate::site::{self, Site};
use crate::{state, trouble};

/// Sets the password of a user who may be there already.
pub(crate) fn run(io: &mut Io, site: &Site, who: &Who, setting: &Setting) -> Result<Exit, Report> {
    let identity = site.identity(who)?;
    if io.input_is_terminal() {
        may_be_set(site, setting)?;
    }
    let password = Password::prepare(&read_password(io, setting.input)?).map_err(trouble::refused)?;
    let store = site.try_open(Access::Write)?;
    if store.is_none() && setting.creation == Creation::Refused {
        return Err(site.missing());
    }
    if site.effect == Effect::Rehearse {
        if store.is_none() {
            site.rehearse_creation()?;
        }
        return rehearse(io, site, store.as_ref(), &identity, &password, setting);
    }
    let record = match store {
        Some(store) => put(site, &store, &identity, &password, setting)?,
        None => create(site, &identity, &password, setting)?,
    };
    if let Some(warning) = useless(&record, site, setting) {
        io.warn(&warning);
    }
    Ok(Exit::OK)
}

/// Nobody types a password twice for a store that cannot take it. A pipe is read first, as saslpasswd2 does, so that
/// what it tells of the password comes first too.
fn may_be_set(site: &Site, setting: &Setting) -> Result<(), Report> {
    match site.try_open(Access::Read)? {
        None if setting.creation == Creation::Refused => Err(site.missing()),
        _ => Ok(()),
    }
}

/// A password from a person, twice, or from a pipe.
fn read_password(io: &mut Io, input: Input) -> Result<Secret, Report> {
    let read = match (input, io.input_is_terminal()) {
        (Input::Ask, true) => prompt::password_twice(io),
        (Input::Pipe, true) => prompt::line_in_the_open(io),
        (_, false) => prompt::secret_to_end(io),
    };
    read.map_err(trouble::of_prompt)
}

/// Puts the new verifiers into the record that is there, as often as another program is faster.
fn put(
    site: &Site,
    store: &SecretStore,
    identity: &Identity,
    password: &Password,
    setting: &Setting,
) -> Result<Record, Report> {
    loop {
        let stored = store.look_up(identity).map_err(trouble::report)?;
        let seen = stored.as_ref().map(|stored| stored.revision);
        let record = with_password(site, stored, identity, password, setting)?;
        if store.write(|edit| edit.put_if(&record, seen)).map_err(trouble::report)?.is_some() {
            return Ok(record);
        }
    }
}

/// Makes the store with this user in it; if another program made it meanwhile, puts the user into that.
fn create(
    site: &Site,
    identity: &Identity,
    password: &Password,
    setting: &Setting,
) -> Result<Record, Report> {
    let record = with_password(site, None, identity, password, setting)?;
    match site.create(|edit| edit.put(&record)) {
        Ok(_) => Ok(record),
        Err(StoreError::Exists { .. }) => put(site, &site.open(Access::Write)?, identity, password, setting),
        Err(error) => Err(trouble::report(error)),
    }
}

/// The user's record with the new password. Everything else that it says of the user stays, but for what the options
/// change.
fn with_password(
    site: &Site,
    stored: Option<Stored>,
    identity: &Identity,
    password: &Password,
    setting: &Setting,
) -> Result<Record, Report> {
    let (mut record, kinds) = ruled(site, stored, identity, setting)?;
    let recipe = record.recipe(&setting.label, &site.policy().cost, site::salts()?);
    let verifiers = derive(kinds, record.identity(), password, &recipe)
        .map_err(|error| Report::plain(Exit::OSERR, error))?;
    let label = &setting.label;
    record.renew(label, verifiers, password.is_raw(), site.now).map_err(|error| state::refused(&error))?;
    if let Some(rule) = setting.expires {
        let end = rule.into_option();
        record.set_expires(Some(label), end, site.now).map_err(|error| state::refused(&error))?;
    }
    if let Some(kinds) = newly_allowed(setting) {
        record.retain(kinds).map_err(|error| state::refused(&error))?;
    }
    record.touch(site.now, site.changed_by()?);
    Ok(record)
}

/// The record under the rules that the options set, and the verifiers to make.
fn ruled(
    site: &Site,
    stored: Option<Stored>,
    identity: &Identity,
    setting: &Setting,
) -> Result<(Record, KindSet), Report> {
    let mut record = match stored {
        Some(stored) => stored.record,
        None => Record::new(identity.clone(), site.now, site.changed_by()?),
    };
    if let Some(rule) = setting.keep {
        state::set_rule(&mut record, rule.into_option());
    }
    if setting.plain == PlainRule::Never {
        record.set_plain(PlainRule::Never);
    }
    let kinds = record.kinds_to_make(site.policy()).without(VerifierKind::Foreign);
    if kinds.is_empty() {
        return Err(Report::plain(Exit::DATAERR, "no verifier would be left of this password")
            .because("-n forbids `plain`, `foreign` cannot be made, and nothing else would be kept")
            .mend("name another verifier in `[secrets] keep` or with --keep"));
    }
    Ok((record, kinds))
}

/// What the user's other credentials may keep, where the options say anything new: a rule is about all of them.
fn newly_allowed(setting: &Setting) -> Option<KindSet> {
    let listed = setting.keep.and_then(Rule::into_option);
    match setting.plain {
        PlainRule::ByPolicy => listed,
        PlainRule::Never => {
            let kinds = listed.unwrap_or(KindSet::ALL.with(VerifierKind::Foreign));
            Some(kinds.without(VerifierKind::Plain))
        }
    }
}

/// A password that is set and of no use yet: somebody should know.
fn useless(record: &Record, site: &Site, setting: &Setting) -> Option<Report> {
    let credential =
        record.credential(&setting.label).filter(|credential| !credential.is_usable(site.now))?;
    let user = printable::octets(&record.identity().to_string()).to_string();
    let quoted = safefile::shell_quote(record.identity().to_string());
    let (what, command) = match credential.state {
        State::Suspended => ("disabled", format!("saslpasswd --enable {quoted}")),
        State::Enabled => ("expired", format!("saslpasswd --expires never {quoted}")),
    };
    Some(
        Report::new(Exit::OK, user, format_args!("the password is set, but the user is {what}"))
            .mend(command),
    )
}

/// Makes the record, for whatever refuses that would refuse the password; and puts it nowhere.
fn rehearse(
    io: &mut Io,
    site: &Site,
    store: Option<&SecretStore>,
    identity: &Identity,
    password: &Password,
    setting: &Setting,
) -> Result<Exit, Report> {
    let found = store.map(|store| store.look_up(identity).map_err(trouble::report)).transpose()?.flatten();
    let has_label = found.as_ref().is_some_and(|stored| stored.record.credential(&setting.label).is_some());
    let record = with_password(site, found, identity, password, setting)?;
    storable(&record).map_err(trouble::report)?;
    let made = record.credential(&setting.label).map(|credential| credential.verifiers.kinds());
    let verb = if has_label { "replaced" } else { "created" };
    site.confirm(io, record.identity(), &format!("{verb}, with {}", made.unwrap_or(KindSet::EMPTY)))?;
    Ok(Exit::OK)
}
