//! What is changed of a user without the password: state, end, which verifiers are kept.

use cli::{Exit, Io, Report, printable};
use credential::record::RecordError;
use credential::{Identity, KindSet, Label, PlainRule, Record, State, Timestamp, VerifierKind};
use safefile::shell_quote;
use store::secrets::Access;

use crate::date;
use crate::options::Who;
use crate::site::Site;

/// `--disable`, `--enable`.
pub(crate) fn set_state(
    io: &mut Io,
    site: &Site,
    who: &Who,
    label: Option<&Label>,
    state: State,
) -> Result<Exit, Report> {
    let what = match state {
        State::Suspended => "disabled",
        State::Enabled => "enabled",
    };
    change(io, site, who, |record| {
        record.set_state(label, state, site.now).map_err(|error| refused(&error))?;
        Ok(what.to_owned())
    })
}

/// `--expires`.
pub(crate) fn set_expires(
    io: &mut Io,
    site: &Site,
    who: &Who,
    label: Option<&Label>,
    end: Option<Timestamp>,
) -> Result<Exit, Report> {
    let what = end.map_or_else(
        || "set never to expire".to_owned(),
        |end| format!("set to expire {}", date::written(end)),
    );
    change(io, site, who, |record| {
        record.set_expires(label, end, site.now).map_err(|error| refused(&error))?;
        Ok(what.clone())
    })
}

/// `--keep`: drops what is not in the list, and records it for the next password.
pub(crate) fn keep(io: &mut Io, site: &Site, who: &Who, kinds: Option<KindSet>) -> Result<Exit, Report> {
    change(io, site, who, |record| {
        set_rule(record, kinds);
        let Some(kinds) = kinds else {
            return Ok("set to keep what the policy says, from the next password on".to_owned());
        };
        let dropped = record.retain(kinds).map_err(|error| refused(&error))?;
        let lacking = kinds.minus(record.kinds());
        let mut said = vec![format!("set to keep {kinds}")];
        if !dropped.is_empty() {
            said.push(format!("dropped {dropped}"));
        }
        if !lacking.is_empty() {
            said.push(format!("{lacking} will be made when the password is next set"));
        }
        Ok(said.join("; "))
    })
}

/// Records the user's own list, or lifts it. Later words count: a list that names `plain`, and the policy, undo an earlier
/// `-n`.
pub(crate) fn set_rule(record: &mut Record, kinds: Option<KindSet>) {
    record.set_keep(kinds);
    if kinds.is_none_or(|kinds| kinds.contains(VerifierKind::Plain)) {
        record.set_plain(PlainRule::ByPolicy);
    }
}

/// Changes a user who must be there, and says what was done.
fn change(
    io: &mut Io,
    site: &Site,
    who: &Who,
    edit: impl FnMut(&mut Record) -> Result<String, Report>,
) -> Result<Exit, Report> {
    let identity = site.identity(who)?;
    let store = site.open(Access::Write)?;
    let Some(what) = site.change(&store, &identity, edit)? else { return Err(no_such_user(&identity)) };
    site.confirm(io, &identity, &what)?;
    Ok(Exit::OK)
}

/// Nobody of that name is in the store.
pub(crate) fn no_such_user(identity: &Identity) -> Report {
    Report::new(Exit::NOUSER, printable::octets(&identity.to_string()), "no such user")
        .mend("saslpasswd --list shows who is there, each with the realm")
}

/// A change that would leave the record contradicting itself, or the user locked out.
pub(crate) fn refused(error: &RecordError) -> Report {
    let report = Report::plain(Exit::DATAERR, error);
    match error {
        RecordError::NothingLeft(label) => {
            let label = match label {
                main if *main == Label::main() => String::new(),
                other => format!("--label {} ", shell_quote(other.as_str())),
            };
            report.because("nothing would be left to log in with").mend(format_args!(
                "set this password anew with a list that has something for it: saslpasswd {label}--keep LIST USERID"
            ))
        }
        RecordError::WeakRecipe { kind, label } => report
            .because("all passwords of a user share salt and cost, and these would make the new one cheap to guess")
            .mend(format_args!("set the older one anew: saslpasswd --label {} USERID", shell_quote(label.as_str())))
            .mend(format_args!("or drop it: saslpasswd --keep LIST USERID, without {kind}")),
        RecordError::NoSuchLabel(_) => report.mend("saslpasswd --show USERID names the labels"),
        _ => report,
    }
}
