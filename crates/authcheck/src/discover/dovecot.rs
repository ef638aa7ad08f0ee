//! What Dovecot's configuration names: passwd-files, files of database logins, TLS keys, further files of configuration; and
//! how many passwords stand in it.
//!
//! A pure function of one file's text, for the syntax of 2.3 and of 2.4, and of the files that drivers of 2.3 have for
//! themselves. Following `!include` is the caller's work.

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
    /// How many passwords stand in the file itself.
    pub(crate) clear_text: usize,
}

/// Where the reader stands: the blocks around it, and what was said of the innermost passdb or userdb.
#[derive(Default)]
struct Place {
    blocks: Vec<String>,
    driver: String,
    clear: bool,
    paths: Vec<(String, usize)>,
    /// Passwords that are some only for the driver `static`.
    passwords: usize,
}

/// Reads one file.
pub(crate) fn read(text: &str) -> Conf {
    let mut conf = Conf::default();
    let mut place = Place::default();
    for (number, line) in logical_lines(text) {
        conf.line(line.trim(), number, &mut place);
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
            self.close(place);
        } else if let Some((key, value)) = line.split_once('=') {
            self.setting(key.trim(), unquoted(value.trim()), number, place);
        }
    }

    /// The end of a block; that of a passdb or userdb yields what is in it, since `driver` may stand behind `args`.
    fn close(&mut self, place: &mut Place) {
        let Some(ended) = place.blocks.pop().filter(|ended| is_database_of_users(ended)) else { return };
        match place.driver.as_str() {
            // That of a userdb need not hold passwords.
            "passwd-file" if ended == "passdb" => self.passwd_files(place),
            "sql" | "ldap" | "dict" => {
                let files = std::mem::take(&mut place.paths).into_iter();
                self.names.extend(files.map(|(path, line)| login(&path, line, &ended)));
            }
            "static" => self.clear_text += place.passwords,
            _ => {}
        }
    }

    fn passwd_files(&mut self, place: &mut Place) {
        let contents = Contents::PasswdFile { bare: if place.clear { Bare::Clear } else { Bare::Hashed } };
        let paths = std::mem::take(&mut place.paths).into_iter();
        let (variable, files): (Vec<_>, Vec<_>) = paths.partition(|(path, _)| path.contains('%'));
        self.variable.extend(variable);
        let named = files.into_iter();
        let named = named.map(|(path, line)| Named::holding(path, Kind::Secret, contents, line, "passdb"));
        self.names.extend(named);
    }

    fn setting(&mut self, key: &str, value: &str, number: usize, place: &mut Place) {
        if PASSWORDS.contains(&key) || (key == "password" && place.is_in(|block| LOGINS.contains(&block))) {
            self.password(key, value, number);
        } else if matches!(key, "connect" | "uri") {
            self.clear_text += usize::from(logs_in(value));
        } else if place.is_in(is_database_of_users) {
            self.clear_text += fields(key, value);
            place.setting(key, value, number);
        } else if let Some(file) = key_file(key, value) {
            self.names.push(Named::plain(file, Kind::PrivateKey, number, key));
        } else if let Some(file) = dict_file(value).filter(|_| place.is_in(|block| block == "dict")) {
            self.names.push(login(file, number, "dict"));
        }
    }

    /// A password, or `<` and the file that holds nothing else.
    fn password(&mut self, key: &str, value: &str, number: usize) {
        match value.strip_prefix('<').map(str::trim_start) {
            Some(file) if file.starts_with('/') => {
                self.names.push(Named::plain(file, Kind::Secret, number, key));
            }
            Some(_) => {}
            None => self.clear_text += usize::from(is_kept(value)),
        }
    }
}

impl Place {
    fn open(&mut self, head: &str) {
        let mut words = head.split_ascii_whitespace();
        let name = words.next().unwrap_or_default().to_owned();
        if is_database_of_users(&name) {
            let driver = words.next().unwrap_or_default().to_owned();
            let blocks = std::mem::take(&mut self.blocks);
            *self = Self { blocks, driver, ..Self::default() };
        }
        self.blocks.push(name);
    }

    fn is_in(&self, is_one: impl Fn(&str) -> bool) -> bool {
        self.blocks.iter().any(|block| is_one(block))
    }

    fn setting(&mut self, key: &str, value: &str, number: usize) {
        match key {
            "driver" | "passdb_driver" | "userdb_driver" => value.clone_into(&mut self.driver),
            "args" => self.arguments(value, number),
            "passwd_file_path" if value.starts_with('/') => self.paths.push((value.to_owned(), number)),
            "default_password_scheme" | "passdb_default_password_scheme" => {
                self.clear = is_clear_scheme(value);
            }
            "password" | "static_password" | "passdb_static_password" => {
                self.passwords += usize::from(is_clear(value));
            }
            _ => {}
        }
    }

    /// `scheme=CRYPT`, `username_format=%u`, then the path, which may hold blanks; or the fields of a static driver.
    fn arguments(&mut self, value: &str, number: usize) {
        self.passwords += passwords_of_fields(value);
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

fn is_database_of_users(block: &str) -> bool {
    matches!(block, "passdb" | "userdb")
}

/// The file by which a driver logs in to its database.
fn login(path: &str, line: usize, word: &str) -> Named {
    Named::holding(path, Kind::Secret, Contents::Dovecot, line, word)
}

/// `quota = mysql:/path` in a block `dict`.
fn dict_file(value: &str) -> Option<&str> {
    let (class, file) = value.split_once(':')?;
    let is_login = matches!(class, "mysql" | "pgsql" | "sqlite" | "cassandra" | "ldap");
    (is_login && file.starts_with('/')).then_some(file)
}

/// How many passwords a passdb gives to whomever it finds: `default_fields = pass=...` of 2.3, `pass = ...` in `fields` of 2.4.
fn fields(key: &str, value: &str) -> usize {
    match key {
        "default_fields" | "override_fields" => passwords_of_fields(value),
        "pass" => usize::from(is_clear(value)),
        _ => 0,
    }
}

/// `user=x password=y`: `password` is compared with, `pass` is sent to another server.
fn passwords_of_fields(value: &str) -> usize {
    let words = value.split_ascii_whitespace().filter_map(|word| word.split_once('='));
    words.filter(|(name, value)| matches!(*name, "password" | "pass") && is_clear(unquoted(value))).count()
}

/// Whether a string of a database's parameters holds a password: `host=x password=y`, `redis:host=x:password=y`. libpq lets
/// blanks stand around the `=`.
fn logs_in(value: &str) -> bool {
    value.match_indices("password").any(|(at, name)| {
        let behind = &value[at + name.len()..];
        let loose = || behind.trim_start().strip_prefix('=').map(str::trim_start);
        let given = behind.strip_prefix('=').or_else(loose).unwrap_or_default();
        let word = given.split([' ', '\t', ':']).next().unwrap_or_default();
        let is_whole = value[..at].ends_with([' ', '\t', ':']) || at == 0;
        is_whole && is_kept(word.trim_matches(['\'', '"']))
    })
}

/// Whether a password stands there: `%w` and its like stand for what the user says.
fn is_kept(value: &str) -> bool {
    !value.is_empty() && !value.starts_with('%')
}

/// The same where a scheme may stand before it, which is `PLAIN` where none does.
fn is_clear(value: &str) -> bool {
    match value.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
        Some((scheme, password)) => is_clear_scheme(scheme) && is_kept(password),
        None => is_kept(value),
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

/// Lines without their comments, each with its number; one that ends with `\` is continued by the next.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut is_continued = false;
    for (index, line) in text.lines().enumerate() {
        let line = uncommented(line);
        // A comment between the parts of a line does not end it.
        if line.is_empty() {
            continue;
        }
        let part = line.strip_suffix('\\').unwrap_or(line);
        match lines.last_mut() {
            Some((_, last)) if is_continued => last.extend([" ", part]),
            _ => lines.push((index + 1, part.to_owned())),
        }
        is_continued = part.len() < line.len();
    }
    lines
}

/// A comment begins with `#` at the start of a line or behind a blank.
fn uncommented(line: &str) -> &str {
    let line = line.trim();
    if line.starts_with('#') {
        return "";
    }
    line.find(" #").or_else(|| line.find("\t#")).map_or(line, |at| line[..at].trim_end())
}

/// Settings that are a password, of 2.3, of 2.4 and of the file of the driver `ldap`.
const PASSWORDS: &[&str] = &[
    "ssl_key_password",
    "ssl_server_key_password",
    "ssl_client_key_password",
    "ldap_auth_dn_password",
    "doveadm_password",
    "imapc_password",
    "pop3c_password",
    "dnpass",
];

/// Blocks of 2.4 in which `password` is that of a database.
const LOGINS: &[&str] = &["mysql", "pgsql", "cassandra"];

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
    fn files_of_database_logins_are_named() {
        for (text, line, word) in [
            ("passdb {\n driver = sql\n args = /l\n}\n", 3, "passdb"),
            ("userdb {\n args = /l\n driver = ldap\n}\n", 2, "userdb"),
            ("passdb {\n driver = dict\n args = \\\n # x\n  /l\n}\n", 3, "passdb"),
            ("dict {\n quota = mysql:/l\n x = file:/y\n}\n", 2, "dict"),
        ] {
            assert_eq!(read(text).names, [login("/l", line, word)], "{text}");
        }
        let key = read("ssl_key_password = </k\n");
        assert_eq!(
            (key.names, key.clear_text),
            (vec![Named::plain("/k", Kind::Secret, 1, "ssl_key_password")], 0)
        );
    }

    #[test]
    fn passwords_in_the_file_itself_are_counted() {
        for (text, count) in [
            ("passdb {\n driver = static\n args = user=x password=y\n}\n", 1),
            ("passdb {\n args = password=y\n driver = static\n}\n", 1),
            ("passdb {\n driver = static\n args = nopassword=y proxy=y pass=y\n}\n", 1),
            ("passdb {\n driver = static\n args = password={SSHA}y pass=%w\n}\n", 0),
            ("passdb {\n driver = static\n args = password=\n}\n", 0),
            ("passdb {\n driver = pam\n args = password=y\n}\n", 0),
            ("passdb {\n driver = pam\n override_fields = pass=y\n}\n", 1),
            ("passdb static {\n password = {PLAIN}y\n fields {\n  pass = z\n }\n}\n", 2),
            ("mysql localhost {\n password = y\n}\npassword = y\n", 1),
            ("pgsql localhost {\n parameters {\n  password = y\n }\n}\n", 1),
            ("ssl_key_password = y\n", 1),
            ("ssl_key_password =\nssl_key_password = <x\n#ssl_key_password = y\n", 0),
        ] {
            assert_eq!(read(text).clear_text, count, "{text}");
        }
    }

    #[test]
    fn passwords_of_database_logins_are_counted() {
        for (text, count) in [
            ("driver = mysql\nconnect = host=x password=y\npassword_query = SELECT password = 1\n", 1),
            ("connect = host=x \\\n  password=y\n", 1),
            ("connect = \"password = 'y' host=x\"\n", 1),
            ("connect = host=x password= user=y\n", 0),
            ("connect = host=x password='' nopassword=y\n#connect = password=y\n", 0),
            ("uri = redis:host=x:password=y\n", 1),
            ("dn = cn=x\ndnpass = y\n", 1),
            ("dnpass =\n", 0),
        ] {
            assert_eq!(read(text).clear_text, count, "{text}");
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
