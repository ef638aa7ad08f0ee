//! A user, or one of a user's credentials, is deleted. Who is not there needs no deleting: success, as saslpasswd2.

use cli::{Exit, Io, Report};
use credential::{Identity, Label};
use store::secrets::{Access, SecretStore};

use crate::options::{Effect, Who};
use crate::site::Site;
use crate::trouble;

/// Deletes.
pub(crate) fn run(io: &mut Io, site: &Site, who: &Who, label: Option<&Label>) -> Result<Exit, Report> {
    let identity = site.identity(who)?;
    let Some(store) = site.try_open(Access::Write)? else {
        io.warn(&site.missing());
        return Ok(Exit::OK);
    };
    if site.effect == Effect::Rehearse {
        return rehearse(io, site, &store, &identity, label);
    }
    match label {
        Some(label) => one(site, &store, &identity, label),
        None => store.write(|edit| edit.remove(&identity)).map(drop).map_err(trouble::report),
    }
    .map(|()| Exit::OK)
}

/// Takes one credential out; the last one takes the user with it.
fn one(site: &Site, store: &SecretStore, identity: &Identity, label: &Label) -> Result<(), Report> {
    loop {
        let Some(mut stored) = store.look_up(identity).map_err(trouble::report)? else { return Ok(()) };
        if stored.record.remove(label).is_none() {
            return Ok(());
        }
        stored.record.touch(site.now, site.changed_by()?);
        let is_last = stored.record.credentials().is_empty();
        let done = store.write(|edit| {
            let now = edit.look_up(identity)?.map(|stored| stored.revision);
            if now != Some(stored.revision) {
                return Ok(false);
            }
            if is_last { edit.remove(identity).map(|_| true) } else { edit.put(&stored.record).map(|_| true) }
        });
        if done.map_err(trouble::report)? {
            return Ok(());
        }
    }
}

fn rehearse(
    io: &mut Io,
    site: &Site,
    store: &SecretStore,
    identity: &Identity,
    label: Option<&Label>,
) -> Result<Exit, Report> {
    let found = store.look_up(identity).map_err(trouble::report)?;
    let is_there =
        found.is_some_and(|stored| label.is_none_or(|label| stored.record.credential(label).is_some()));
    site.confirm(io, identity, if is_there { "deleted" } else { "left alone: not there" })?;
    Ok(Exit::OK)
}
