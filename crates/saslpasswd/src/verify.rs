//! Does this password authenticate? Who is absent, disabled or expired costs what a wrong password costs, and is told
//! in the same words.

use cli::prompt;
use cli::{Exit, Format, Io, Report, printable};
use credential::record::check_user;
use credential::{Occasion, Secret, Verdict};
use store::secrets::{Access, Secrets};

use crate::options::{Input, Who};
use crate::site::Site;
use crate::trouble;

/// Reads a password and says whether it is right: exit 0, or 1.
pub(crate) fn run(io: &mut Io, site: &Site, who: &Who, input: Input) -> Result<Exit, Report> {
    let identity = site.identity(who)?;
    let store = site.open(Access::Read)?;
    let candidate = read(io, input)?;
    let found = store.look_up(&identity).map_err(trouble::report)?;
    let counts = store.counts().map_err(trouble::report)?;
    let key = store.decoy_key().map_err(trouble::report)?;
    let decoy = key.record_for(&identity, &counts.shapes, site.policy());
    let record = found.as_ref().map(|stored| &stored.record);
    let check = check_user(record, &decoy, &candidate, &Occasion::at(site.now))
        .map_err(|error| Report::plain(Exit::OSERR, error))?;
    let is_right = matches!(check.verdict, Verdict::Right { .. });
    say(io, &identity.to_string(), is_right)?;
    Ok(if is_right { Exit::OK } else { WRONG })
}

/// Once: whoever mistypes it here is told "wrong" and tries again.
fn read(io: &mut Io, input: Input) -> Result<Secret, Report> {
    let read = match (input, io.input_is_terminal()) {
        (Input::Ask, true) => prompt::password_once(io),
        (Input::Pipe, true) => prompt::line_in_the_open(io),
        (_, false) => prompt::secret_to_end(io),
    };
    read.map_err(trouble::of_prompt)
}

fn say(io: &mut Io, user: &str, is_right: bool) -> Result<(), Report> {
    if io.format() == Format::Json {
        return io.out().json(&serde_json::json!({ "user": user, "authenticates": is_right }));
    }
    let words = if is_right { "authenticates" } else { "does not authenticate" };
    io.out().line(format_args!("{}: {words}", printable::octets(user)))
}

const WRONG: Exit = Exit::code(1);
