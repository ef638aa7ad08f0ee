//! `-l`, `-L`, `-x`: the types of maps, from `store::maps`, and what can be done with each.

use cli::{Exit, Format, Io, Report};
use serde_json::{Value, json};
use store::maps::{TypeInfo, types};

use crate::options::Listing;

/// Prints the list. The type's name stands first in its line, so that a script written for makemap finds it.
pub(crate) fn list(io: &mut Io, listing: Listing) -> Result<Exit, Report> {
    if io.format() == Format::Json {
        types().iter().try_for_each(|info| io.out().json(&object(info)))?;
        return Ok(Exit::OK);
    }
    for info in types().iter().filter(|info| info.can_read || info.can_write) {
        let line = match listing {
            Listing::Suffixes => format!("{}:{}", info.name, info.suffix.trim_start_matches('.')),
            Listing::Types | Listing::All => format!("{:10}{}", info.name, abilities(info)),
        };
        io.out().line(line)?;
    }
    let indirect: &[(&str, &str)] = match listing {
        Listing::Suffixes => &[("implicit:", "")],
        Listing::Types => &INDIRECT[..1],
        Listing::All => &INDIRECT,
    };
    for (name, what) in indirect {
        io.out().line(format!("{name:10}{what}").trim_end())?;
    }
    Ok(Exit::OK)
}

fn abilities(info: &TypeInfo) -> &'static str {
    match (info.can_write, info.can_read) {
        (true, true) => "build, read",
        (true, false) => "build",
        (false, _) => "read",
    }
}

fn object(info: &TypeInfo) -> Value {
    json!({ "type": info.name, "suffix": info.suffix, "read": info.can_read, "build": info.can_write })
}

const INDIRECT: [(&str, &str); 3] = [
    ("implicit", "the type that the file has; new: hash"),
    ("cf", "as the K line of sendmail.cf says that names the map"),
    ("CF", "the same by the last part of the name"),
];
