//! What a sendmail.cf or submit.cf names: maps, secrets, keys, and the words that loosen its own checks.
//!
//! A pure function of the text. Rules are not evaluated; of a ruleset only its existence counts, and for `authinfo`
//! the maps that its rules look into.

use std::path::PathBuf;

use safefile::Kind;

use super::named::{Contents, Named};

/// What a configuration file of sendmail says, as far as secrets and safety go.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Cf {
    options: Vec<Setting>,
    maps: Vec<MapLine>,
    authinfo_ruleset: Option<usize>,
    authinfo_maps: Vec<String>,
}

/// `O Name=value`, with its line.
#[derive(Debug, PartialEq, Eq)]
struct Setting {
    name: String,
    value: String,
    line: usize,
}

/// `Kname class -flags file`.
#[derive(Debug, PartialEq, Eq)]
struct MapLine {
    name: String,
    class: String,
    file: String,
    line: usize,
}

impl Cf {
    /// Reads the text of a cf file. A line that is not understood is passed over: sendmail is the judge of those.
    pub(crate) fn read(text: &str) -> Self {
        let mut cf = Self::default();
        let mut ruleset = String::new();
        for (line, text) in logical_lines(text) {
            cf.line(line, &text, &mut ruleset);
        }
        cf
    }

    /// The line of the `authinfo` ruleset, where there is one.
    pub(crate) fn authinfo_ruleset(&self) -> Option<usize> {
        self.authinfo_ruleset
    }

    /// The `DefaultAuthInfo` file and its line.
    pub(crate) fn default_auth_info(&self) -> Option<(&str, usize)> {
        self.option("DefaultAuthInfo")
    }

    /// The account that sendmail calls its `TrustedUser`.
    pub(crate) fn trusted_user(&self) -> Option<(&str, usize)> {
        self.option("TrustedUser")
    }

    /// The words of `DontBlameSendmail` that let a secret or a map be read or replaced by others.
    pub(crate) fn loosened(&self) -> Vec<(&str, usize)> {
        let given =
            self.options.iter().filter(|option| option.name.eq_ignore_ascii_case("DontBlameSendmail"));
        given
            .flat_map(|option| {
                option.value.split(|c: char| !c.is_ascii_alphanumeric()).map(|word| (word, option.line))
            })
            .filter(|(word, _)| LOOSENING.iter().any(|known| known.eq_ignore_ascii_case(word)))
            .collect()
    }

    /// Every file that matters here: options with secrets and keys, then maps with their text.
    pub(crate) fn names(&self) -> Vec<Named> {
        let options = self.options.iter().flat_map(files_of_option);
        let maps = self.maps.iter().flat_map(|map| self.files_of_map(map));
        options.chain(maps).collect()
    }

    fn line(&mut self, line: usize, text: &str, ruleset: &mut String) {
        let rest = text.get(1..).unwrap_or_default();
        match text.as_bytes().first() {
            Some(b'O') => self.options.extend(setting(rest, line)),
            Some(b'K') => self.maps.extend(map_line(rest, line)),
            Some(b'S') => {
                ruleset_name(rest).clone_into(ruleset);
                if ruleset == "authinfo" {
                    self.authinfo_ruleset.get_or_insert(line);
                }
            }
            Some(b'R') if ruleset == "authinfo" => self.authinfo_maps.extend(looked_up(rest)),
            _ => {}
        }
    }

    /// The last setting counts, as in sendmail. An empty value unsets.
    fn option(&self, name: &str) -> Option<(&str, usize)> {
        let found = self.options.iter().rfind(|option| option.name.eq_ignore_ascii_case(name))?;
        (!found.value.is_empty()).then_some((found.value.as_str(), found.line))
    }

    fn files_of_map(&self, map: &MapLine) -> Vec<Named> {
        let word = format!("K{}", map.name);
        if map.class.eq_ignore_ascii_case("program") {
            return vec![Named::plain(&map.file, Kind::Program, map.line, &word)];
        }
        let contents = self.contents_of(map);
        let kind =
            if contents == Contents::AuthInfo && only_authinfo(map) { Kind::Secret } else { Kind::Map };
        built_and_text(&map.class, &map.file)
            .into_iter()
            .map(|path| Named::holding(path, kind, contents, map.line, &word))
            .collect()
    }

    /// The access map may hold `AuthInfo:` entries whether or not the ruleset looks there today.
    fn contents_of(&self, map: &MapLine) -> Contents {
        let asked = self.authinfo_maps.contains(&map.name);
        if asked || matches!(map.name.as_str(), "authinfo" | "access") {
            Contents::AuthInfo
        } else {
            Contents::Opaque
        }
    }
}

/// A map that holds nothing but passwords is a secret whatever stands in it today; the access map holds other things.
fn only_authinfo(map: &MapLine) -> bool {
    map.name != "access"
}

/// The files of one map: the built one first, then its text.
pub(crate) fn built_and_text(class: &str, file: &str) -> Vec<PathBuf> {
    let suffix = match class {
        "hash" | "btree" | "implicit" | "dbm" => ".db",
        "cdb" => ".cdb",
        "lmdb" => ".lmdb",
        "redb" => ".redb",
        _ => return vec![PathBuf::from(file)],
    };
    let text = file.strip_suffix(suffix).unwrap_or(file);
    vec![PathBuf::from(format!("{text}{suffix}")), PathBuf::from(text)]
}

/// Logical lines with the number of their first physical line: a line that starts with a blank continues the one
/// before; comments and empty lines are left out.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        match line.as_bytes().first() {
            None | Some(b'#') => {}
            Some(b' ' | b'\t') => {
                if let Some((_, last)) = lines.last_mut() {
                    last.push_str(line);
                }
            }
            Some(_) => lines.push((index + 1, line.to_owned())),
        }
    }
    lines
}

/// `O Name=value`; the old single-letter form (`OA...`) names nothing that matters here.
fn setting(rest: &str, line: usize) -> Option<Setting> {
    let (name, value) = rest.strip_prefix(' ')?.split_once('=')?;
    Some(Setting { name: name.trim().to_owned(), value: value.trim().to_owned(), line })
}

/// Flags carry their argument attached (`-T<TMPF>`), so the first word without a dash is the file.
fn map_line(rest: &str, line: usize) -> Option<MapLine> {
    let mut words = rest.split_ascii_whitespace();
    let (name, class) = (words.next()?, words.next()?);
    if !FILE_CLASSES.contains(&class) {
        return None;
    }
    let file = words.find(|word| !word.starts_with('-'))?;
    file.starts_with('/').then(|| MapLine {
        name: name.to_owned(),
        class: class.to_owned(),
        file: file.to_owned(),
        line,
    })
}

/// `Sname`, `Sname=number`, `S10`.
fn ruleset_name(rest: &str) -> &str {
    rest.trim().split(|c: char| c == '=' || c.is_ascii_whitespace()).next().unwrap_or_default()
}

/// The maps that a rule looks into: `$(name key $)`.
fn looked_up(rule: &str) -> Vec<String> {
    let calls = rule.split("$(").skip(1);
    calls.filter_map(|call| call.split_ascii_whitespace().next()).map(str::to_owned).collect()
}

/// A value of the form `|program args` is a program that prints the secret; keys and certificates may be a pair
/// (`rsa.key,ec.key`).
fn files_of_option(option: &Setting) -> Vec<Named> {
    let Some((_, kind, contents)) =
        FILE_OPTIONS.iter().find(|(name, ..)| name.eq_ignore_ascii_case(&option.name))
    else {
        return Vec::new();
    };
    if let Some(program) = option.value.strip_prefix('|') {
        let path = program.split_ascii_whitespace().next().filter(|path| path.starts_with('/'));
        return path
            .map(|path| Named::plain(path, Kind::Program, option.line, &option.name))
            .into_iter()
            .collect();
    }
    let files = option.value.split(',').map(str::trim).filter(|file| file.starts_with('/'));
    files.map(|file| Named::holding(file, *kind, *contents, option.line, &option.name)).collect()
}

/// Map classes that are kept in files.
const FILE_CLASSES: &[&str] = &["hash", "btree", "implicit", "dbm", "cdb", "text", "program"];

/// Options that name a file, with what it is.
const FILE_OPTIONS: &[(&str, Kind, Contents)] = &[
    ("DefaultAuthInfo", Kind::Secret, Contents::DefaultAuthInfo),
    ("ServerKeyFile", Kind::PrivateKey, Contents::Opaque),
    ("ClientKeyFile", Kind::PrivateKey, Contents::Opaque),
    ("ServerCertFile", Kind::Certificate, Contents::Opaque),
    ("ClientCertFile", Kind::Certificate, Contents::Opaque),
    ("CACertFile", Kind::Certificate, Contents::Opaque),
    ("CRLFile", Kind::Certificate, Contents::Opaque),
];

/// Words of `DontBlameSendmail` after which others may read a secret, or replace a map.
const LOOSENING: &[&str] = &[
    "GroupReadableSASLDBFile",
    "GroupWritableSASLDBFile",
    "GroupReadableDefaultAuthInfoFile",
    "GroupReadableKeyFile",
    "GroupWritableDirPathSafe",
    "TrustStickyBit",
    "MapInUnsafeDirPath",
    "LinkedMapInWritableDir",
    "WriteMapToHardLink",
    "WriteMapToSymLink",
    "CertOwner",
];

#[cfg(test)]
mod tests {
    use super::*;

    const DEBIAN: &str = include_str!("../../tests/host/etc/mail/sendmail.cf");

    fn shown(named: &[Named]) -> Vec<String> {
        named
            .iter()
            .map(|named| {
                format!("{} {} {} {:?}", named.word, named.kind, named.path.display(), named.contents)
            })
            .collect()
    }

    #[test]
    fn debians_cf_names_its_files() {
        let names = Cf::read(DEBIAN).names();
        assert_eq!(
            shown(&names),
            [
                "DefaultAuthInfo secret /etc/mail/default-auth-info DefaultAuthInfo",
                "CACertFile certificate /etc/mail/tls/sendmail-common.crt Opaque",
                "ServerCertFile certificate /etc/mail/tls/sendmail-server.crt Opaque",
                "ServerKeyFile private-key /etc/mail/tls/sendmail-common.key Opaque",
                "ClientCertFile certificate /etc/mail/tls/sendmail-client.crt Opaque",
                "ClientKeyFile private-key /etc/mail/tls/sendmail-common.key Opaque",
                "Kauthinfo secret /etc/mail/authinfo.db AuthInfo",
                "Kauthinfo secret /etc/mail/authinfo AuthInfo",
                "Kaccess map /etc/mail/access.db AuthInfo",
                "Kaccess map /etc/mail/access AuthInfo",
                "Kvirtuser map /etc/mail/virtusertable.db Opaque",
                "Kvirtuser map /etc/mail/virtusertable Opaque",
                "Kgenerics map /etc/mail/genericstable.db Opaque",
                "Kgenerics map /etc/mail/genericstable Opaque",
            ]
        );
        for named in &names {
            let line = DEBIAN.lines().nth(named.line - 1).unwrap();
            assert!(line.contains(&named.word), "{}: {line}", named.word);
        }
    }

    #[test]
    fn debians_cf_says_whom_it_trusts_and_what_it_loosens() {
        let cf = Cf::read(DEBIAN);
        assert_eq!(cf.trusted_user().map(|(user, _)| user), Some("smmta"));
        let words: Vec<_> = cf.loosened().into_iter().map(|(word, _)| word).collect();
        assert_eq!(words, ["GroupReadableSASLDBFile", "GroupWritableSASLDBFile"]);
        assert_eq!(cf.default_auth_info().map(|(file, _)| file), Some("/etc/mail/default-auth-info"));
        assert!(cf.authinfo_ruleset().is_some());
    }

    #[test]
    fn a_ruleset_of_authinfo_is_one_even_when_it_is_empty() {
        for (text, line) in [
            ("O LogLevel=9\nSauthinfo\n", Some(2)),
            ("Sauthinfo=42\n", Some(1)),
            ("#Sauthinfo\n", None),
            ("Sauthinfox\n", None),
            (" Sauthinfo\n", None),
        ] {
            assert_eq!(Cf::read(text).authinfo_ruleset(), line, "{text:?}");
        }
    }

    #[test]
    fn options_in_every_spelling() {
        for (text, expected) in [
            ("O defaultauthinfo=/a\n", vec!["defaultauthinfo secret /a DefaultAuthInfo"]),
            ("O DefaultAuthInfo = /a  \n", vec!["DefaultAuthInfo secret /a DefaultAuthInfo"]),
            (
                "O DefaultAuthInfo=|/usr/local/bin/secret relay\n",
                vec!["DefaultAuthInfo program /usr/local/bin/secret Opaque"],
            ),
            (
                "O ServerKeyFile=/rsa,/ec\n",
                vec!["ServerKeyFile private-key /rsa Opaque", "ServerKeyFile private-key /ec Opaque"],
            ),
            ("#O ServerKeyFile=/rsa\n", vec![]),
            ("O ServerKeyFile\n", vec![]),
            ("O ServerKeyFile=\n", vec![]),
            ("O ServerKeyFile=relative\n", vec![]),
            (
                "O ServerKeyFile=/long\n /continued\n",
                vec!["ServerKeyFile private-key /long /continued Opaque"],
            ),
        ] {
            assert_eq!(shown(&Cf::read(text).names()), expected, "{text:?}");
        }
    }

    #[test]
    fn maps_in_every_spelling() {
        for (text, expected) in [
            ("Kx hash -o -T<TMPF> /a.db\n", vec!["Kx map /a.db Opaque", "Kx map /a Opaque"]),
            ("Kx btree /a\n", vec!["Kx map /a.db Opaque", "Kx map /a Opaque"]),
            ("Kx cdb /a\n", vec!["Kx map /a.cdb Opaque", "Kx map /a Opaque"]),
            ("Kx text -z: -k0 -v1 /etc/passwd\n", vec!["Kx map /etc/passwd Opaque"]),
            ("Kx program /usr/local/bin/look\n", vec!["Kx program /usr/local/bin/look Opaque"]),
            ("Kx regex -a@MATCH /a\n", vec![]),
            ("Kx host -a<OKR>\n", vec![]),
            ("Kx ldap -k (uid=%0) -v mail\n", vec![]),
            ("Kx hash\n", vec![]),
            ("Kx hash relative\n", vec![]),
        ] {
            assert_eq!(shown(&Cf::read(text).names()), expected, "{text:?}");
        }
    }

    #[test]
    fn the_map_that_the_authinfo_ruleset_asks_is_a_secret_under_any_name() {
        let cf = "Kclient hash /etc/mail/auth/client-info\nSother\nR$*\t$: $(virtuser $1 $)\nSauthinfo\n\
                  R$*\t$: <$(client AuthInfo:$&{server_name} $: ? $)>\nSnext\nKvirtuser hash /v\n";
        let names = Cf::read(cf).names();
        assert_eq!(shown(&names[..1]), ["Kclient secret /etc/mail/auth/client-info.db AuthInfo"]);
        assert_eq!(shown(&names[2..3]), ["Kvirtuser map /v.db Opaque"]);
    }

    #[test]
    fn the_last_setting_counts() {
        let cf = Cf::read("O DefaultAuthInfo=/a\nO DefaultAuthInfo=/b\nO TrustedUser=a\nO TrustedUser=\n");
        assert_eq!(cf.default_auth_info(), Some(("/b", 2)));
        assert_eq!(cf.trusted_user(), None);
    }
}
