//! What Postfix's main.cf and master.cf name: passwords for other servers, TLS keys, the SASL application.
//!
//! A pure function of the texts: logical lines, `$name` expanded, the last setting counts (postconf(5)).

use std::collections::BTreeMap;

use safefile::Kind;

use super::named::{Contents, Named};

/// What main.cf says, parameters expanded.
#[derive(Debug, Default)]
pub(crate) struct Main {
    parameters: BTreeMap<String, Setting>,
    /// `-o name=value` of master.cf: each counts for its service, beside the ones of main.cf.
    overrides: Vec<(String, Setting)>,
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
            let settings = overrides(&text);
            self.overrides.extend(settings.map(|(name, value)| (name, Setting { value, line })));
        }
        self
    }

    /// Every file that matters here, those of main.cf; [`Main::names_of_master`] has the others.
    pub(crate) fn names(&self) -> Vec<Named> {
        self.parameters.iter().flat_map(|(name, setting)| self.files_of(name, setting)).collect()
    }

    /// The files that only a service of master.cf names.
    pub(crate) fn names_of_master(&self) -> Vec<Named> {
        self.overrides.iter().flat_map(|(name, setting)| self.files_of(name, setting)).collect()
    }

    /// The Cyrus application whose file smtpd reads, `smtpd` by default; none where the SASL of another server is asked.
    pub(crate) fn sasl_application(&self) -> Option<String> {
        let kind = self.value("smtpd_sasl_type").unwrap_or_else(|| "cyrus".to_owned());
        let path = self.value("smtpd_sasl_path").filter(|path| !path.is_empty());
        (kind == "cyrus").then(|| path.unwrap_or_else(|| "smtpd".to_owned()))
    }

    /// The first place of the search for that file, where it was moved.
    pub(crate) fn sasl_directory(&self) -> Option<String> {
        self.value("cyrus_sasl_config_path").filter(|path| path.starts_with('/'))
    }

    /// How many passwords stand in main.cf itself: `static:` and `inline:` tables of password maps.
    pub(crate) fn clear_text(&self) -> usize {
        let of_main = self.parameters.iter();
        let all = of_main.chain(self.overrides.iter().map(|(name, setting)| (name, setting)));
        all.filter(|(name, _)| PASSWORD_MAPS.contains(&name.as_str()))
            .flat_map(|(_, setting)| tables(&self.expand(&setting.value, DEPTH)))
            .filter(|table| table.starts_with("static:") || table.starts_with("inline:"))
            .count()
    }

    fn files_of(&self, name: &str, setting: &Setting) -> Vec<Named> {
        let value = self.expand(&setting.value, DEPTH);
        if PASSWORD_MAPS.contains(&name) {
            let files = tables(&value).into_iter().flat_map(|table| self.files_of_table(&table));
            return files
                .map(|path| {
                    Named::holding(path, Kind::Secret, Contents::PostfixPasswords, setting.line, name)
                })
                .collect();
        }
        let Some((_, kind)) = FILE_PARAMETERS.iter().find(|(known, _)| *known == name) else {
            return Vec::new();
        };
        let files = value.split([',', ' ', '\t']).filter(|file| file.starts_with('/'));
        files.map(|file| Named::plain(file, *kind, setting.line, name)).collect()
    }

    /// `type:name`, `proxy:type:name`, or a bare name of the default type. Tables that are no file name none.
    fn files_of_table(&self, table: &str) -> Vec<std::path::PathBuf> {
        let table = table.strip_prefix("proxy:").unwrap_or(table);
        let default = || self.value("default_database_type").unwrap_or_else(|| "hash".to_owned());
        let (class, file) = match table.split_once(':') {
            Some((class, file)) => (class.to_owned(), file),
            None => (default(), table),
        };
        if file.starts_with('/') { super::sendmail::built_and_text(&class, file) } else { Vec::new() }
    }

    fn value(&self, name: &str) -> Option<String> {
        self.parameters.get(name).map(|setting| self.expand(&setting.value, DEPTH))
    }

    /// `$name`, `${name}`, `$(name)`; a name without a value becomes its default or nothing. The depth ends a loop.
    fn expand(&self, value: &str, depth: usize) -> String {
        let mut out = String::new();
        let mut rest = value;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            let (name, after) = macro_name(&rest[at + 1..]);
            if let (Some(name), true) = (name, depth > 0) {
                out.push_str(&self.macro_value(name, depth - 1));
            }
            rest = after;
        }
        out.push_str(rest);
        out
    }

    fn macro_value(&self, name: &str, depth: usize) -> String {
        let given = self.parameters.get(name).map(|setting| self.expand(&setting.value, depth));
        let default =
            || DEFAULTS.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        given.or_else(default).unwrap_or_default()
    }
}

/// The tables of a list. Braces hold an `inline:` table together, with blanks and commas inside.
fn tables(value: &str) -> Vec<String> {
    let mut tables = vec![String::new()];
    let mut depth = 0_usize;
    for c in value.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && (c == ',' || c.is_ascii_whitespace()) {
            tables.push(String::new());
        } else if let Some(last) = tables.last_mut() {
            last.push(c);
        }
    }
    tables.retain(|table| !table.is_empty());
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

/// `-o name=value` and `-o { name = value }`.
fn overrides(line: &str) -> impl Iterator<Item = (String, String)> + '_ {
    line.split(" -o ").skip(1).filter_map(|text| {
        let text = text.trim();
        let setting = match text.strip_prefix('{') {
            Some(braced) => braced.split('}').next().unwrap_or_default(),
            None => text.split_ascii_whitespace().next().unwrap_or_default(),
        };
        let (name, value) = setting.split_once('=')?;
        Some((name.trim().to_owned(), value.trim().to_owned()))
    })
}

/// Nesting of `$name`, after which a loop is assumed.
const DEPTH: usize = 16;

/// Defaults that paths are made of (Debian's, and Postfix's own).
const DEFAULTS: &[(&str, &str)] = &[
    ("config_directory", "/etc/postfix"),
    ("data_directory", "/var/lib/postfix"),
    ("queue_directory", "/var/spool/postfix"),
    ("default_database_type", "hash"),
];

/// Parameters whose tables hold `user:password`.
const PASSWORD_MAPS: &[&str] = &["smtp_sasl_password_maps", "lmtp_sasl_password_maps"];

/// Parameters that name keys and certificates. A chain file holds both, so it is a key.
const FILE_PARAMETERS: &[(&str, Kind)] = &[
    ("smtpd_tls_key_file", Kind::PrivateKey),
    ("smtpd_tls_eckey_file", Kind::PrivateKey),
    ("smtpd_tls_dkey_file", Kind::PrivateKey),
    ("smtpd_tls_chain_files", Kind::PrivateKey),
    ("smtp_tls_key_file", Kind::PrivateKey),
    ("smtp_tls_eckey_file", Kind::PrivateKey),
    ("smtp_tls_dkey_file", Kind::PrivateKey),
    ("smtp_tls_chain_files", Kind::PrivateKey),
    ("lmtp_tls_key_file", Kind::PrivateKey),
    ("lmtp_tls_chain_files", Kind::PrivateKey),
    ("smtpd_tls_cert_file", Kind::Certificate),
    ("smtpd_tls_eccert_file", Kind::Certificate),
    ("smtpd_tls_CAfile", Kind::Certificate),
    ("smtp_tls_cert_file", Kind::Certificate),
    ("smtp_tls_eccert_file", Kind::Certificate),
    ("smtp_tls_CAfile", Kind::Certificate),
];

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
            paths(&main.names()),
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
            ("", vec![]),
        ] {
            let main = Main::read(&format!("dir = /x\nloop = $loop\nsmtp_sasl_password_maps = {value}\n"));
            let found: Vec<_> = main.names().iter().map(|named| named.path.display().to_string()).collect();
            assert_eq!(found, expected, "{value}");
        }
    }

    #[test]
    fn the_last_setting_counts_and_its_line_is_told() {
        let text = "smtpd_tls_key_file = /old\n\n# x\nsmtpd_tls_key_file\n  = /new\n";
        let names = Main::read(text).names();
        assert_eq!(names, [Named::plain("/new", Kind::PrivateKey, 4, "smtpd_tls_key_file")]);
    }

    #[test]
    fn services_of_master_cf_have_their_own() {
        let master = "submission inet n - y - - smtpd\n  -o syslog_name=x\n  -o smtpd_tls_key_file=/k/one\n\
                      relay unix - - y - - smtp\n    -o { smtp_sasl_password_maps = hash:/a/p }\n";
        let main = Main::read("").with_master(master);
        assert_eq!(
            paths(&main.names_of_master()),
            [
                "smtpd_tls_key_file private-key /k/one",
                "smtp_sasl_password_maps secret /a/p.db",
                "smtp_sasl_password_maps secret /a/p",
            ]
        );
    }

    #[test]
    fn passwords_in_main_cf_itself_are_counted() {
        let main = Main::read(
            "smtp_sasl_password_maps = inline:{ host=u:p } hash:/x static:u:p\nrelayhost = static:x\n",
        );
        assert_eq!(main.clear_text(), 2);
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
