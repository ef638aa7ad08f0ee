//! Client-info (`AuthInfo:` keys) in a map that is no secret: why it may not stand there, and the commands that split it.
//! Who reads maps finds such a key; the words are the same for all of them. No file is touched here.

use std::path::{Path, PathBuf};

use safefile::shell_quote;

use crate::Config;
use crate::words::MapName;

/// What is to be said of a map in which client-info stands, though its key names no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub cause: String,
    /// Why it matters, and what is to be done beside the commands.
    pub why: String,
    /// Commands, in their order. They work on the map alone, so that it is of no matter whether its text is still there.
    pub commands: Vec<String>,
}

impl Config {
    /// What mends a map that `key` names and that has `AuthInfo:` keys. They go into the first of `client_info.maps`, or
    /// into a new map `authinfo` beside this one.
    pub fn split(&self, key: &str, map: &MapName) -> Split {
        let known = self.client_info.maps.first();
        let target = known.cloned().unwrap_or_else(|| map.beside("authinfo"));
        let (map_type, target_type) = (type_of(map), type_of(&target));
        let text = appended(map.path(), ".text");
        let (source, text) = (shell_quote(map.path()), shell_quote(&text));
        let (to, file) = (shell_quote(target.path()), shell_quote(target.file()));
        let commands = vec![
            format!("(umask 077; makemap -u {map_type} {source} > {text})"),
            // What is in a map of this name already stays in it.
            format!(
                "grep -ai '^authinfo:' {text} | makemap $(test ! -e {file} || echo -o) --secret {target_type} {to}"
            ),
            format!("grep -aiv '^authinfo:' {text} | makemap {map_type} {source}"),
            format!("rm {text}"),
        ];
        let name = format!("{target_type}:{}", target.path().display());
        let more = match known {
            Some(_) => String::new(),
            None => format!(", and client_info.maps of gatepost.toml to name {name:?}"),
        };
        let why = format!(
            "passwords of other servers would be read by the process that faces the network; the text from which the \
             map is built has to be split as well{more}"
        );
        Split { path: map.file(), cause: format!("{key}: the map has AuthInfo: keys"), why, commands }
    }
}

/// As makemap is called with it.
fn type_of(map: &MapName) -> &str {
    map.map_type().unwrap_or("implicit")
}

fn appended(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::{Config, HostAccounts};

    #[test]
    fn they_go_where_client_info_is_or_beside_it() {
        let split = |more: &str| {
            let text = format!("access_map = \"hash:/etc/mail/acc ess\"\n{more}");
            let config = Config::parse(Path::new("/x"), text.as_bytes(), &HostAccounts).unwrap();
            config.split("access_map", config.access_map.as_ref().unwrap())
        };
        let beside = split("");
        assert_eq!(
            beside.commands,
            [
                "(umask 077; makemap -u hash '/etc/mail/acc ess' > '/etc/mail/acc ess.text')",
                "grep -ai '^authinfo:' '/etc/mail/acc ess.text' | \
                 makemap $(test ! -e /etc/mail/authinfo.db || echo -o) --secret hash /etc/mail/authinfo",
                "grep -aiv '^authinfo:' '/etc/mail/acc ess.text' | makemap hash '/etc/mail/acc ess'",
                "rm '/etc/mail/acc ess.text'",
            ]
        );
        assert!(beside.why.contains("\"hash:/etc/mail/authinfo\""), "{}", beside.why);
        let known = split("[client_info]\nmaps = [\"lmdb:/etc/gatepost/peers\"]");
        assert!(known.commands[1].ends_with("--secret lmdb /etc/gatepost/peers"));
        assert!(!known.why.contains("client_info.maps"), "{}", known.why);
    }
}
