//! What Dovecot's configuration names: passwd-files, TLS keys, further files of configuration.
//!
//! A pure function of one file's text, for the syntax of 2.3 and of 2.4. Following `!include` is the caller's work.

use safefile::Kind;

use super::named::{Bare, Contents, Named};

/// What one file of Dovecot's configuration says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Conf {
    /// The files that it names.
    pub(crate) names: Vec<Named>,
    /// Arguments of `!include` and `!include_try`, in order; may be relative, with `*`.
    pub(crate) includes: Vec<String>,
    /// Passwd-files with `%`-variables in their paths, each with its line: a file for each user or domain.
    pub(crate) variable: Vec<(String, usize)>,
}

/// Where the reader stands: the blocks around it, and what was said of the innermost passdb.
#[derive(Default)]
struct Place {
    blocks: Vec<String>,
    passwd_file: bool,
    clear: bool,
    paths: Vec<(String, usize)>,
}

/// Reads one file.
pub(crate) fn read(text: &str) -> Conf {
    let mut conf = Conf::default();
    let mut place = Place::default();
    for (index, line) in text.lines().enumerate() {
        conf.line(uncommented(line), index + 1, &mut place);
    }
    conf
}

impl Conf {
    fn line(&mut self, line: &str, number: usize, place: &mut Place) {
        if let Some(argument) = line.strip_prefix("!include_try").or_else(|| line.strip_prefix("!include")) {
            self.includes.push(unquoted(argument.trim()).to_owned());
        } else if let Some(head) = line.strip_suffix('{') {
            place.open(head);
        } else if line == "}" {
            self.passwd_files(place);
        } else if let Some((key, value)) = line.split_once('=') {
            self.setting(key.trim(), unquoted(value.trim()), number, place);
        }
    }

    /// The end of a block; that of a passdb yields its files, since `driver` may stand behind `args`.
    fn passwd_files(&mut self, place: &mut Place) {
        let ended = place.blocks.pop();
        if ended.as_deref() != Some("passdb") || !place.passwd_file {
            return;
        }
        let contents = Contents::PasswdFile { bare: if place.clear { Bare::Clear } else { Bare::Hashed } };
        let paths = std::mem::take(&mut place.paths).into_iter();
        let (variable, files): (Vec<_>, Vec<_>) = paths.partition(|(path, _)| path.contains('%'));
        self.variable.extend(variable);
        let named = files.into_iter();
        let named = named.map(|(path, line)| Named::holding(path, Kind::Secret, contents, line, "passdb"));
        self.names.extend(named);
    }

    fn setting(&mut self, key: &str, value: &str, number: usize, place: &mut Place) {
        if place.in_passdb() {
            place.setting(key, value, number);
        } else if let Some(file) = key_file(key, value) {
            self.names.push(Named::plain(file, Kind::PrivateKey, number, key));
        }
    }
}

impl Place {
    fn open(&mut self, head: &str) {
        let name = head.split_ascii_whitespace().next().unwrap_or_default();
        if name == "passdb" {
            let passwd_file = head.split_ascii_whitespace().nth(1) == Some("passwd-file");
            (self.passwd_file, self.clear, self.paths) = (passwd_file, false, Vec::new());
        }
        self.blocks.push(name.to_owned());
    }

    fn in_passdb(&self) -> bool {
        self.blocks.iter().any(|block| block == "passdb")
    }

    fn setting(&mut self, key: &str, value: &str, number: usize) {
        match key {
            "driver" => self.passwd_file = value == "passwd-file",
            "args" => self.arguments(value, number),
            "passwd_file_path" if value.starts_with('/') => self.paths.push((value.to_owned(), number)),
            "default_password_scheme" | "passdb_default_password_scheme" => {
                self.clear = is_clear_scheme(value);
            }
            _ => {}
        }
    }

    /// `scheme=CRYPT`, `username_format=%u`, then the path, which may hold blanks.
    fn arguments(&mut self, value: &str, number: usize) {
        let mut rest = value;
        while !rest.starts_with('/') {
            let Some((word, behind)) = rest.split_once([' ', '\t']) else { return };
            if let Some(scheme) = word.strip_prefix("scheme=") {
                self.clear = is_clear_scheme(scheme);
            }
            rest = behind.trim_start();
        }
        self.paths.push((rest.to_owned(), number));
    }
}

/// A value without its quotes, of either sort.
fn unquoted(value: &str) -> &str {
    let inside = |quote| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    inside('"').or_else(|| inside('\'')).unwrap_or(value)
}

/// Whether a scheme of Dovecot keeps the password as it is; `.B64` and `.HEX` hide nothing.
pub(crate) fn is_clear_scheme(scheme: &str) -> bool {
    let name = scheme.split('.').next().unwrap_or_default();
    ["PLAIN", "CLEAR", "CLEARTEXT", "PLAIN-TRUNC"].iter().any(|clear| name.eq_ignore_ascii_case(clear))
}

/// `ssl_key = </path` of 2.3, `ssl_server_key_file = /path` of 2.4.
fn key_file<'a>(key: &str, value: &'a str) -> Option<&'a str> {
    let file = match key {
        "ssl_key" | "ssl_alt_key" | "ssl_client_key" => value.strip_prefix('<')?.trim_start(),
        "ssl_server_key_file" | "ssl_server_alt_key_file" | "ssl_client_key_file" => value,
        _ => return None,
    };
    file.starts_with('/').then_some(file)
}

/// A comment begins with `#` at the start of a line or behind a blank.
fn uncommented(line: &str) -> &str {
    let line = line.trim();
    if line.starts_with('#') {
        return "";
    }
    line.find(" #").or_else(|| line.find("\t#")).map_or(line, |at| line[..at].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(bare: Bare, line: usize) -> Named {
        Named::holding("/etc/dovecot/users", Kind::Secret, Contents::PasswdFile { bare }, line, "passdb")
    }

    #[test]
    fn debians_passwd_file_is_named_once_and_the_userdb_is_not() {
        let conf = read(include_str!("../../tests/host/etc/dovecot/conf.d/auth-passwdfile.conf.ext"));
        assert_eq!(conf.names, [users(Bare::Hashed, 8)]);
    }

    #[test]
    fn debians_keys_and_includes_are_followed() {
        let ssl = read(include_str!("../../tests/host/etc/dovecot/conf.d/10-ssl.conf"));
        let key = Named::plain("/etc/dovecot/private/dovecot.key", Kind::PrivateKey, 13, "ssl_key");
        assert_eq!(ssl.names, [key]);
        let main = read(include_str!("../../tests/host/etc/dovecot/dovecot.conf"));
        assert_eq!(
            main.includes,
            ["/usr/share/dovecot/protocols.d/*.protocol", "conf.d/*.conf", "local.conf"]
        );
        let auth = read(include_str!("../../tests/host/etc/dovecot/conf.d/10-auth.conf"));
        assert_eq!(auth.includes, ["auth-passwdfile.conf.ext"]);
    }

    #[test]
    fn both_generations_of_the_syntax() {
        for (text, expected) in [
            (
                "passdb {\n driver = passwd-file\n args = scheme=PLAIN /etc/dovecot/users\n}\n",
                vec![users(Bare::Clear, 3)],
            ),
            (
                "passdb {\n args = /etc/dovecot/users\n driver = passwd-file\n}\n",
                vec![users(Bare::Hashed, 2)],
            ),
            (
                "passdb passwd-file {\n passwd_file_path = /etc/dovecot/users\n}\n",
                vec![users(Bare::Hashed, 2)],
            ),
            (
                "passdb passwd-file {\n default_password_scheme = plain\n passwd_file_path = /etc/dovecot/users\n}\n",
                vec![users(Bare::Clear, 3)],
            ),
            ("passdb {\n driver = pam\n args = /etc/x\n}\n", vec![]),
            (
                "passdb {\n driver = passwd-file\n args = \"scheme=PLAIN /etc/dovecot/users\"\n}\n",
                vec![users(Bare::Clear, 3)],
            ),
            (
                "passdb passwd-file {\n default_password_scheme = 'PLAIN'\n passwd_file_path = \"/etc/dovecot/users\"\n}\n",
                vec![users(Bare::Clear, 3)],
            ),
            ("userdb {\n driver = passwd-file\n args = /etc/dovecot/users\n}\n", vec![]),
            (
                "passdb {\n driver = passwd-file # x\n args = /etc/dovecot/users # y\n}\n",
                vec![users(Bare::Hashed, 3)],
            ),
        ] {
            assert_eq!(read(text).names, expected, "{text}");
        }
    }

    #[test]
    fn a_file_for_each_user_is_noted() {
        for (text, expected) in [
            (
                "passdb {\n driver = passwd-file\n args = username_format=%n /etc/%d/my users\n}\n",
                "/etc/%d/my users",
            ),
            (
                "passdb passwd-file {\n\n passwd_file_path = /etc/%{user | domain}/users\n}\n",
                "/etc/%{user | domain}/users",
            ),
        ] {
            let conf = read(text);
            assert_eq!((conf.names, conf.variable), (vec![], vec![(expected.to_owned(), 3)]), "{text}");
        }
    }

    #[test]
    fn quoted_keys_and_includes_are_followed() {
        let conf = read("ssl_key = \"</k\"\n!include \"conf.d/*.conf\"\n");
        assert_eq!(conf.names, [Named::plain("/k", Kind::PrivateKey, 1, "ssl_key")]);
        assert_eq!(conf.includes, ["conf.d/*.conf"]);
    }

    #[test]
    fn schemes_that_keep_the_password() {
        for (scheme, clear) in
            [("PLAIN", true), ("plain.b64", true), ("ClearText", true), ("PLAIN-MD5", false), ("", false)]
        {
            assert_eq!(is_clear_scheme(scheme), clear, "{scheme}");
        }
    }
}
