//! What Postfix's main.cf and master.cf name: passwords for other servers and for databases, TLS keys, the SASL application.
//!
//! A pure function of the texts: logical lines, `$name` expanded, the last setting counts (postconf(5)). What expands to more
//! than anybody writes is not followed, and it is said so.

use std::collections::BTreeMap;
use std::path::PathBuf;

use safefile::Kind;

use super::named::{Contents, Named};
use super::sendmail::built_and_text;

/// What main.cf says, parameters expanded.
#[derive(Debug, Default)]
pub(crate) struct Main {
    parameters: BTreeMap<String, Setting>,
    /// `-o name=value` of master.cf: each counts for its service, beside the ones of main.cf.
    overrides: Vec<(String, Setting)>,
}

/// The files that parameters name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Followed<'a> {
    pub(crate) files: Vec<Named>,
    /// Parameters that expand to more than is looked at, each with its line.
    pub(crate) endless: Vec<(&'a str, usize)>,
}

#[derive(Clone, Debug)]
struct Setting {
    value: String,
    line: usize,
}

impl Main {
    /// Reads main.cf.
    pub(crate) fn read(text: &str) -> Self {
        let mut main = Self::default();
        for (line, text) in logical_lines(text) {
            if let Some((name, value)) = text.split_once('=') {
                let setting = Setting { value: value.trim().to_owned(), line };
                main.parameters.insert(name.trim().to_owned(), setting);
            }
        }
        main
    }

    /// Adds the `-o name=value` settings of master.cf.
    #[must_use]
    pub(crate) fn with_master(mut self, text: &str) -> Self {
        for (line, text) in logical_lines(text) {
            let settings = overrides(&text).into_iter();
            self.overrides.extend(settings.map(|(name, value)| (name, Setting { value, line })));
        }
        self
    }

    /// Every file that matters here, those of main.cf; [`Main::names_of_master`] has the others.
    pub(crate) fn names(&self) -> Followed<'_> {
        self.follow(self.parameters.iter())
    }

    /// The files that only a service of master.cf names.
    pub(crate) fn names_of_master(&self) -> Followed<'_> {
        self.follow(self.overrides.iter().map(|(name, setting)| (name, setting)))
    }

    /// The Cyrus application whose file smtpd reads, `smtpd` by default; none where the SASL of another server is asked.
    pub(crate) fn sasl_application(&self) -> Option<String> {
        let work = &mut { WORK };
        let kind = self.value("smtpd_sasl_type", work).unwrap_or_else(|| "cyrus".to_owned());
        let path = self.value("smtpd_sasl_path", work).filter(|path| !path.is_empty());
        (kind == "cyrus").then(|| path.unwrap_or_else(|| "smtpd".to_owned()))
    }

    /// The first place of the search for that file, where it was moved.
    pub(crate) fn sasl_directory(&self) -> Option<String> {
        self.value("cyrus_sasl_config_path", &mut { WORK }).filter(|path| path.starts_with('/'))
    }

    /// How many passwords stand in main.cf itself: `static:`, `inline:` and `randmap:` tables of password maps.
    pub(crate) fn clear_text(&self) -> usize {
        let mut work = WORK;
        let of_main = self.parameters.iter();
        let all = of_main.chain(self.overrides.iter().map(|(name, setting)| (name, setting)));
        all.filter(|(name, _)| PASSWORD_MAPS.contains(&name.as_str()))
            .flat_map(|(_, setting)| tables(&self.expand(&setting.value, &mut work).unwrap_or_default()))
            .filter(|table| IN_PLACE.iter().any(|class| table.starts_with(class)))
            .count()
    }

    fn follow<'a>(&self, settings: impl Iterator<Item = (&'a String, &'a Setting)>) -> Followed<'a> {
        let (mut followed, mut work) = (Followed::default(), WORK);
        for (name, setting) in settings.filter(|(name, setting)| concerns_us(name, setting)) {
            match self.files_of(name, setting, &mut work) {
                Some(files) => followed.files.extend(files),
                None => followed.endless.push((name, setting.line)),
            }
        }
        followed
    }

    fn files_of(&self, name: &str, setting: &Setting, work: &mut usize) -> Option<Vec<Named>> {
        let value = self.expand(&setting.value, work)?;
        if let Some(kind) = kind_of_parameter(name) {
            let files = value.split([',', ' ', '\t']).filter(|file| file.starts_with('/'));
            return Some(files.map(|file| Named::plain(file, kind, setting.line, name)).collect());
        }
        let is_password_map = PASSWORD_MAPS.contains(&name);
        let bare = if is_password_map { self.value("default_database_type", work) } else { None };
        let bare = bare.unwrap_or_else(|| "hash".to_owned());
        let named = |(path, contents)| Named::holding(path, Kind::Secret, contents, setting.line, name);
        let files = tables(&value).into_iter().flat_map(|table| files_of_table(&table, &bare));
        let files = files.filter(|(_, what)| is_password_map || *what == Contents::PostfixDatabase);
        Some(files.map(named).collect())
    }

    fn value(&self, name: &str, work: &mut usize) -> Option<String> {
        self.parameters.get(name).and_then(|setting| self.expand(&setting.value, work))
    }

    /// The value with every name in it replaced; `None` where that has no end, or one that nobody can have meant. What was
    /// done for it is taken from the work that may be done for all.
    fn expand(&self, value: &str, work: &mut usize) -> Option<String> {
        let most = LONGEST.min(*work);
        let mut expansion = Expansion { main: self, out: String::new(), under: Vec::new(), left: most };
        let has_ended = expansion.add(value);
        *work -= most - expansion.left;
        has_ended.then_some(expansion.out)
    }
}

/// Whether a parameter may name a file that matters here.
fn concerns_us(name: &str, setting: &Setting) -> bool {
    let asks_database = || DATABASES.iter().any(|class| setting.value.contains(class));
    kind_of_parameter(name).is_some() || PASSWORD_MAPS.contains(&name) || asks_database()
}

/// `type:name`, `proxy:type:name`, or a bare name of the default type. Tables that are no file name none.
fn files_of_table(table: &str, bare: &str) -> Vec<(PathBuf, Contents)> {
    let table = table.strip_prefix("proxy:").unwrap_or(table);
    let (class, file) = table.split_once(':').unwrap_or((bare, table));
    let is_database = DATABASES.iter().any(|known| known.strip_suffix(':') == Some(class));
    let contents = if is_database { Contents::PostfixDatabase } else { Contents::PostfixPasswords };
    let files = if file.starts_with('/') { built_and_text(class, file) } else { Vec::new() };
    files.into_iter().map(|path| (path, contents)).collect()
}

/// A value on its way to being expanded. Names that stand for more and more names would else keep us for ever, whether or
/// not anything comes of them.
struct Expansion<'a> {
    main: &'a Main,
    out: String,
    /// The names inside which we are.
    under: Vec<&'a str>,
    /// How many names and octets there may still be.
    left: usize,
}

impl<'a> Expansion<'a> {
    /// `$name`, `${name}`, `$(name)`; a name without a value becomes its default or nothing, and so does one inside itself.
    /// Whether it came to an end.
    fn add(&mut self, value: &'a str) -> bool {
        let mut rest = value;
        while let Some((before, behind)) = rest.split_once('$') {
            let (name, after) = macro_name(behind);
            if !self.push(before) || !name.is_none_or(|name| self.add_name(name)) {
                return false;
            }
            rest = after;
        }
        self.push(rest)
    }

    fn add_name(&mut self, name: &'a str) -> bool {
        if self.under.contains(&name) {
            return self.spend(1);
        }
        if self.under.len() == DEEPEST || !self.spend(1) {
            return false;
        }
        self.under.push(name);
        let given = self.main.parameters.get(name).map(|setting| setting.value.as_str());
        let default = || DEFAULTS.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        let has_ended = self.add(given.or_else(default).unwrap_or_default());
        self.under.pop();
        has_ended
    }

    fn push(&mut self, text: &str) -> bool {
        self.out.push_str(text);
        self.spend(text.len())
    }

    fn spend(&mut self, effort: usize) -> bool {
        let left = self.left.checked_sub(effort);
        self.left = left.unwrap_or(0);
        left.is_some()
    }
}

/// How many passwords the file of a database's table holds.
pub(crate) fn database_passwords(text: &str) -> usize {
    let lines = logical_lines(text);
    let settings = lines.iter().filter_map(|(_, line)| line.split_once('='));
    settings
        .filter(|(name, value)| matches!(name.trim(), "password" | "bind_pw") && !value.trim().is_empty())
        .count()
}

/// What a parameter names that names keys and certificates: `smtpd_tls_key_file`. A chain file holds both, so it is a key.
fn kind_of_parameter(name: &str) -> Option<Kind> {
    let what = TLS_PROGRAMS.iter().find_map(|program| name.strip_prefix(program))?;
    match what {
        "key_file" | "eckey_file" | "dkey_file" | "chain_files" => Some(Kind::PrivateKey),
        "cert_file" | "eccert_file" | "dcert_file" | "CAfile" => Some(Kind::Certificate),
        _ => None,
    }
}

/// The tables of a list, those in a `pipemap:{...}` or `unionmap:{...}` among them. Other braces hold an `inline:` table
/// together, with blanks and commas inside.
fn tables(value: &str) -> Vec<String> {
    let mut tables = vec![String::new()];
    // Of each brace that is open, whether it holds a table together, and how many do.
    let (mut braces, mut holding) = (Vec::new(), 0_usize);
    for c in value.chars() {
        let so_far = tables.last().map_or("", |table| table.strip_prefix("proxy:").unwrap_or(table));
        let parts = match c {
            '{' => {
                let holds = holding > 0 || !(so_far.is_empty() || LISTS.contains(&so_far));
                holding += usize::from(holds);
                braces.push(holds);
                !holds
            }
            '}' => {
                let held = braces.pop() == Some(true);
                holding -= usize::from(held);
                !held
            }
            _ => holding == 0 && (c == ',' || c.is_ascii_whitespace()),
        };
        if parts {
            tables.push(String::new());
        } else if let Some(last) = tables.last_mut() {
            last.push(c);
        }
    }
    tables.retain(|table| !table.is_empty() && !LISTS.contains(&table.as_str()));
    tables
}

/// A macro's name and what stands behind it. `$$` and conditionals (`${name?value}`) yield no name.
fn macro_name(text: &str) -> (Option<&str>, &str) {
    let closing = match text.as_bytes().first() {
        Some(b'{') => '}',
        Some(b'(') => ')',
        _ => {
            let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
            return (Some(&text[..end]), &text[end..]);
        }
    };
    match text.find(closing) {
        Some(end) => (Some(&text[1..end]), &text[end + 1..]),
        None => (None, ""),
    }
}

/// Logical lines: a line that starts with a blank continues the last one; comments and empty lines stand between.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let blank = line.starts_with([' ', '\t']);
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        match lines.last_mut() {
            Some((_, last)) if blank => {
                last.push(' ');
                last.push_str(trimmed);
            }
            _ => lines.push((index + 1, trimmed.to_owned())),
        }
    }
    lines
}

/// `-o name=value`, `-o { name = value }` and `-oname=value`, with any blanks between.
fn overrides(line: &str) -> Vec<(String, String)> {
    let mut words = arguments(line).into_iter();
    let mut settings = Vec::new();
    while let Some(word) = words.next() {
        let Some(rest) = word.strip_prefix("-o") else { continue };
        let setting = if rest.is_empty() { words.next().unwrap_or_default() } else { rest.to_owned() };
        let setting =
            setting.strip_prefix('{').and_then(|braced| braced.strip_suffix('}')).unwrap_or(&setting);
        let setting = setting.split_once('=');
        settings.extend(setting.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())));
    }
    settings
}

/// The words of a line, of which one in braces may hold blanks.
fn arguments(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut depth = 0_usize;
    for c in line.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && c.is_ascii_whitespace() {
            words.push(String::new());
        } else if let Some(last) = words.last_mut() {
            last.push(c);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The longest value, names and octets counted; how far names may stand inside each other; and what all values together
/// may have, for which a hundred such files would be too small.
const LONGEST: usize = 64 << 10;
const DEEPEST: usize = 30;
const WORK: usize = 4 << 20;

/// Defaults that paths are made of (Debian's, and Postfix's own).
const DEFAULTS: &[(&str, &str)] = &[
    ("config_directory", "/etc/postfix"),
    ("data_directory", "/var/lib/postfix"),
    ("queue_directory", "/var/spool/postfix"),
    ("default_database_type", "hash"),
];

/// Parameters whose tables hold `user:password`.
const PASSWORD_MAPS: &[&str] = &["smtp_sasl_password_maps", "lmtp_sasl_password_maps"];

/// Tables that are asked of a server: the file says how.
const DATABASES: &[&str] = &["mysql:", "pgsql:", "ldap:", "mongodb:"];

/// Tables whose contents stand in main.cf.
const IN_PLACE: &[&str] = &["static:", "inline:", "randmap:"];

/// Tables that are lists of tables.
const LISTS: &[&str] = &["pipemap:", "unionmap:"];

/// What the parameters of the programs that have keys begin with.
const TLS_PROGRAMS: &[&str] = &["smtpd_tls_", "smtp_tls_", "lmtp_tls_", "tlsproxy_tls_", "tlsproxy_client_"];

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(named: &[Named]) -> Vec<String> {
        named.iter().map(|named| format!("{} {} {}", named.word, named.kind, named.path.display())).collect()
    }

    #[test]
    fn debians_main_cf_with_a_relayhost_names_its_files() {
        let main = Main::read(include_str!("../../tests/host/etc/postfix/main.cf"));
        assert_eq!(
            paths(&main.names().files),
            [
                "smtp_sasl_password_maps secret /etc/postfix/sasl_passwd.db",
                "smtp_sasl_password_maps secret /etc/postfix/sasl_passwd",
                "smtp_sasl_password_maps secret /etc/postfix/sender_passwd",
                "smtpd_tls_cert_file certificate /etc/ssl/certs/ssl-cert-snakeoil.pem",
                "smtpd_tls_key_file private-key /etc/ssl/private/ssl-cert-snakeoil.key",
            ]
        );
        assert_eq!(main.sasl_application().as_deref(), Some("smtpd"));
    }

    #[test]
    fn password_maps_in_every_spelling() {
        for (value, expected) in [
            ("hash:/a/p", vec!["/a/p.db", "/a/p"]),
            ("/a/p", vec!["/a/p.db", "/a/p"]),
            (
                "hash:/a/p, lmdb:/a/q cdb:/a/r",
                vec!["/a/p.db", "/a/p", "/a/q.lmdb", "/a/q", "/a/r.cdb", "/a/r"],
            ),
            ("proxy:btree:/a/p", vec!["/a/p.db", "/a/p"]),
            ("texthash:/a/p regexp:/a/q", vec!["/a/p", "/a/q"]),
            ("static:u:p inline:{ a=b, {c = d e} } mysql:/a/m.cf", vec!["/a/m.cf"]),
            ("$dir/p", vec!["/x/p.db", "/x/p"]),
            ("${dir}/p", vec!["/x/p.db", "/x/p"]),
            ("$(dir)/p", vec!["/x/p.db", "/x/p"]),
            ("$loop", vec![]),
            (
                "unionmap:{hash:/a/u, proxy:pipemap:{lmdb:/a/v,/a/w}} /a/x",
                vec!["/a/u.db", "/a/u", "/a/v.lmdb", "/a/v", "/a/w.db", "/a/w", "/a/x.db", "/a/x"],
            ),
            ("pipemap:{inline:{a={u:p /a/p}}, randmap:{u:p, v:q}, {texthash:/a/p }}", vec!["/a/p"]),
            ("", vec![]),
        ] {
            let main = Main::read(&format!("dir = /x\nloop = $loop\nsmtp_sasl_password_maps = {value}\n"));
            let found: Vec<_> =
                main.names().files.iter().map(|named| named.path.display().to_string()).collect();
            assert_eq!(found, expected, "{value}");
        }
    }

    #[test]
    fn keys_of_every_program_are_named() {
        for (parameter, kind) in [
            ("smtpd_tls_key_file", "private-key"),
            ("lmtp_tls_key_file", "private-key"),
            ("lmtp_tls_eckey_file", "private-key"),
            ("lmtp_tls_dkey_file", "private-key"),
            ("lmtp_tls_cert_file", "certificate"),
            ("lmtp_tls_eccert_file", "certificate"),
            ("lmtp_tls_CAfile", "certificate"),
            ("smtp_tls_dcert_file", "certificate"),
            ("tlsproxy_tls_chain_files", "private-key"),
        ] {
            let main = Main::read(&format!("{parameter} = /k/a\n"));
            assert_eq!(paths(&main.names().files), [format!("{parameter} {kind} /k/a")]);
        }
    }

    /// Whatever asks a database, its password is in the file.
    #[test]
    fn databases_are_asked_with_a_password() {
        let main = Main::read(
            "virtual_mailbox_maps = proxy:mysql:/etc/postfix/m.cf, hash:/x\nsmtp_sasl_password_maps = ldap:/l.cf\n",
        );
        let named = main.names().files;
        assert_eq!(
            paths(&named),
            ["smtp_sasl_password_maps secret /l.cf", "virtual_mailbox_maps secret /etc/postfix/m.cf"]
        );
        assert!(named.iter().all(|named| named.contents == Contents::PostfixDatabase));
    }

    #[test]
    fn what_has_no_end_is_not_followed() {
        let doubling = |last: &str| {
            let names = (0..40).map(|n| format!("x{n} = $x{0}$x{0}\n", n + 1));
            names
                .chain([format!("x40 = {last}\nsmtp_sasl_password_maps = hash:/a/$x0\n")])
                .collect::<String>()
        };
        let long = format!("x = {}\nsmtp_sasl_password_maps = hash:/a/$x$x$x\n", "a".repeat(30_000));
        let deep: Vec<String> = (0..20_000).map(|n| format!("x{n} = ldap:$x{}\n", n + 1)).collect();
        let deep = deep.concat();
        for text in [doubling("a"), doubling(""), long, format!("{deep}smtp_sasl_password_maps = /a/$x0\n")] {
            let main = Main::read(&text);
            let followed = main.names();
            assert_eq!(followed.files, []);
            let last = followed.endless.into_iter().find(|(name, _)| *name == "smtp_sasl_password_maps");
            assert_eq!(last.map(|(_, line)| line), Some(text.lines().count()));
        }
        let inside = Main::read("x = a$x$y$x\ny = b$x$y\nsmtp_sasl_password_maps = texthash:/$x\n");
        assert_eq!(paths(&inside.names().files), ["smtp_sasl_password_maps secret /ab"]);
        assert_eq!(inside.names().endless, []);
    }

    #[test]
    fn the_last_setting_counts_and_its_line_is_told() {
        let text = "smtpd_tls_key_file = /old\n\n# x\nsmtpd_tls_key_file\n  = /new\n";
        let main = Main::read(text);
        assert_eq!(main.names().files, [Named::plain("/new", Kind::PrivateKey, 4, "smtpd_tls_key_file")]);
    }

    #[test]
    fn services_of_master_cf_have_their_own() {
        let master = "submission inet n - y - - smtpd\n  -o syslog_name=x\n  -o smtpd_tls_key_file=/k/one\n\
                      relay unix - - y - - smtp\n    -o { smtp_sasl_password_maps = hash:/a/p }\n\
                      smtps inet n - y - - smtpd\t-o\tsmtpd_tls_key_file=/k/tab  -osmtpd_tls_key_file=/k/close\n";
        let main = Main::read("").with_master(master);
        assert_eq!(
            paths(&main.names_of_master().files),
            [
                "smtpd_tls_key_file private-key /k/one",
                "smtp_sasl_password_maps secret /a/p.db",
                "smtp_sasl_password_maps secret /a/p",
                "smtpd_tls_key_file private-key /k/tab",
                "smtpd_tls_key_file private-key /k/close",
            ]
        );
    }

    #[test]
    fn passwords_in_main_cf_itself_are_counted() {
        let main = Main::read(
            "smtp_sasl_password_maps = inline:{ host=u:p } hash:/x static:u:p unionmap:{randmap:{u:p,u:q}}\n\
             relayhost = static:x\n",
        );
        assert_eq!(main.clear_text(), 3);
    }

    #[test]
    fn dovecots_sasl_has_no_cyrus_file() {
        assert_eq!(
            Main::read("smtpd_sasl_type = dovecot\nsmtpd_sasl_path = private/auth\n").sasl_application(),
            None
        );
        assert_eq!(Main::read("").sasl_application().as_deref(), Some("smtpd"));
    }
}
