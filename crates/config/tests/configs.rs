//! Configurations that must be refused, each with every complaint about it, and some that must not.
#![allow(clippy::disallowed_methods, reason = "the configurations of the tests lie in the source tree")]

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use config::{Accounts, Config, ConfigError, ConfigFaults, MechanismName};
use credential::VerifierKind;
use safefile::{Account, Exception, Gid, Group, Kind, Trust, Uid};

/// A host with a handful of accounts.
struct Host;

impl Accounts for Host {
    fn user(&self, name: &str) -> io::Result<Option<Account>> {
        let users = [("root", 0), ("mail", 8), ("smmta", 105)];
        let known = users.into_iter().find(|(known, uid)| *known == name || uid.to_string() == name);
        Ok(known.map(|(name, uid)| Account { uid: Uid(uid), name: Some(name.to_owned()), group: None }))
    }

    fn group(&self, name: &str) -> io::Result<Option<Group>> {
        let groups = [("root", 0), ("sasl", 45), ("smmsp", 106)];
        let known = groups.into_iter().find(|(known, _)| *known == name);
        Ok(known.map(|(name, gid)| Group { gid: Gid(gid), name: Some(name.to_owned()) }))
    }
}

fn parse(text: &[u8]) -> Result<Config, ConfigFaults> {
    Config::parse(Path::new(config::DEFAULT_PATH), text, &Host)
}

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut files: Vec<_> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "toml"));
    files.sort();
    files
}

#[test]
fn bad_configurations_are_refused_with_every_fault() {
    let all = files("bad");
    assert!(all.len() >= 15, "the folder of bad configurations is nearly empty");
    for path in all {
        let expected = fs::read_to_string(path.with_extension("expected")).unwrap_or_default();
        let faults = parse(&fs::read(&path).unwrap()).expect_err("a bad configuration");
        assert_eq!(format!("{faults}\n"), expected, "{}", path.display());
    }
}

#[test]
fn good_configurations_are_taken() {
    for path in files("good") {
        let parsed = parse(&fs::read(&path).unwrap());
        assert!(parsed.is_ok(), "{}: {}", path.display(), parsed.unwrap_err());
    }
}

/// The file that is shipped says every default, commented out: read as it is it is an empty file, and with the marks
/// taken away it is a configuration in which every key stands, each with its default where it has one.
#[test]
fn the_sample_is_what_it_says() {
    let sample = include_str!("../gatepost.toml.sample");
    let empty = parse(sample.as_bytes()).unwrap();
    assert_eq!(empty.files().len(), Config::default().files().len());

    let lines =
        sample.lines().map(|line| line.strip_prefix('#').filter(|line| !line.starts_with(' ')).unwrap_or(""));
    let text = lines.collect::<Vec<_>>().join("\n");
    let mut config = parse(text.as_bytes()).unwrap_or_else(|faults| panic!("{faults}"));
    let default = Config::default();
    assert_eq!(config.log_level, default.log_level);
    assert_eq!(config.auth.options, default.auth.options);
    assert_eq!(config.secrets.path, default.secrets.path);
    assert_eq!(config.secrets.policy, default.secrets.policy);
    assert_eq!(config.limits, default.limits);
    assert_eq!(config.submission, default.submission);
    assert_eq!(config.queue, default.queue);
    assert_eq!(config.delivery, default.delivery);
    assert_eq!(config.throttle.password_checks.take(), Some(2), "no default to show");
    assert_eq!(config.throttle, default.throttle);
    assert_eq!((&config.pid_file, &config.control_socket), (&default.pid_file, &default.control_socket));
    assert_eq!((config.front(), config.log_format), (default.front(), default.log_format));
    assert_eq!(config.auth.ciphers, default.auth.ciphers);
    assert!(config.relay_domains.is_empty() && !config.tls.common_name);
    let (shown, usual) = (&config.listen[0], &default.listen[0]);
    assert_eq!(
        (&shown.name, &shown.endpoint, &shown.modifiers),
        (&usual.name, &usual.endpoint, &usual.modifiers)
    );
    assert_eq!(config.mechanisms(shown), default.mechanisms(usual));
    assert_eq!(config.auth_options(shown), default.auth_options(usual));
    assert_eq!((shown.auth_equals, shown.bare_line_ends), (usual.auth_equals, usual.bare_line_ends));
    for key in Config::keys() {
        let word = key.rsplit('.').next().unwrap();
        assert!(sample.contains(&format!("#{word} = ")), "{key} is not in the sample");
    }
}

#[test]
fn what_the_readme_shows_is_taken() {
    let readme = include_str!("../../../README.md");
    let blocks: Vec<&str> = readme
        .split("\n```toml\n")
        .skip(1)
        .map(|rest| rest.split_once("\n```").expect("the end of the block").0)
        .collect();
    assert!(!blocks.is_empty(), "the README shows no configuration any more");
    for block in blocks {
        let config = parse(block.as_bytes()).unwrap_or_else(|faults| panic!("{block}\n{faults}"));
        let named = config.files().iter().filter(|file| !file.exceptions.is_empty()).count();
        assert_eq!(named, block.matches("[[file]]").count(), "{block}");
    }
}

#[test]
fn an_empty_file_means_the_defaults() {
    let config = parse(b"").unwrap();
    assert_eq!(config.secrets.path, Path::new("/var/lib/gatepost/secrets.redb"));
    assert_eq!(config.secrets.policy.keep.to_string(), "argon2id,scram-sha-256");
    assert_eq!(config.secrets.policy.cost.argon2id.m_kib(), 19_456);
    assert_eq!(config.secrets.policy.cost.scram_sha_256.get(), 65_536);
    assert_eq!(config.log_level.number(), 9);
    assert_eq!(config.auth.options.to_string(), "p y");
    assert!(config.trusted_user.is_none() && config.access_map.is_none() && config.tls.key.is_none());
}

#[test]
fn what_is_written_is_what_is_meant() {
    let text = b"trusted_user = 105\nlog_level = 0xe\n[auth]\nrealm = \"Example.org\"\n\
        mechanisms = \"scram-sha-256, PLAIN\"\noptions = \"A\"\nmax_bits = 256\n[secrets]\nkeep = \"scram-sha-1 argon2id\"\nargon2id = { m = 65_536, t = 3 }\n\
        [secrets.scram]\nsha-1 = 10000\n";
    let config = parse(text).unwrap();
    assert_eq!(config.trusted_user.as_ref().unwrap().uid, Uid(105));
    assert_eq!(config.log_level.number(), 14);
    assert_eq!(config.realm(), "Example.org");
    let mechanisms = config.auth.mechanisms.unwrap();
    assert_eq!(mechanisms.iter().map(MechanismName::as_str).collect::<Vec<_>>(), ["PLAIN", "SCRAM-SHA-256"]);
    assert_eq!(config.auth.max_bits, Some(256));
    let policy = config.secrets.policy;
    assert!(
        policy.keep.contains(VerifierKind::ScramSha1) && !policy.keep.contains(VerifierKind::ScramSha256)
    );
    let argon2id = policy.cost.argon2id;
    assert_eq!((argon2id.m_kib(), argon2id.t(), argon2id.p()), (65_536, 3, 1));
    assert_eq!(policy.cost.scram_sha_1.get(), 10_000);
}

#[test]
fn files_have_their_kinds_and_their_exceptions() {
    let config = parse(include_bytes!("good/debian.toml")).unwrap();
    let files = config.files();
    let named: Vec<_> =
        files.iter().map(|file| (file.path.to_str().unwrap(), file.kind, file.exceptions.len())).collect();
    assert_eq!(
        named,
        [
            ("/etc/gatepost/gatepost.toml", Kind::Configuration, 0),
            ("/var/lib/gatepost/secrets.redb", Kind::Store, 0),
            ("/etc/mail/authinfo.db", Kind::Secret, 2),
            ("/etc/mail/access.db", Kind::Map, 1),
            ("/var/spool/gatepost", Kind::SecretDirectory, 0),
            ("/var/lib/gatepost-front/mail", Kind::SecretDirectory, 0),
            ("/etc/sasldb2", Kind::Secret, 1),
        ]
    );
    assert!(config.is_client_info(Path::new("/etc/mail/authinfo")));
    assert!(config.is_client_info(Path::new("/etc/mail/authinfo.db")));
    assert!(!config.is_client_info(Path::new("/etc/mail/access")));

    let trust = config.trust_for(Path::new("/etc/sasldb2"), Trust::root());
    assert!(matches!(trust.exceptions(), [Exception::GroupReadable(group)] if group.gid == Gid(45)));
    let other = config.trust_for(Path::new("/etc/sasldb2.bak"), Trust::root());
    assert!(other.exceptions().is_empty(), "an exception is for one file");
}

#[test]
fn a_file_that_is_named_twice_is_the_more_secret_of_the_two() {
    let text = b"access_map = \"hash:/etc/mail/access\"\n[client_info]\nmaps = [\"hash:/etc/mail/access\"]\n";
    let config = parse(text).unwrap();
    assert_eq!(config.kind_of(Path::new("/etc/mail/access.db")), Some(Kind::Secret));
}

fn load(path: &Path) -> Result<Config, ConfigError> {
    Config::load(Some(path), &Trust::root().caller(Uid::effective()))
}

#[test]
fn a_configuration_is_read_from_a_safe_file_or_not_at_all() {
    let dir = tests::scratch::dir();
    let path = dir.path().join("gatepost.toml");
    assert!(
        matches!(load(&path), Err(ConfigError::Open(error)) if error.is_missing()),
        "a file that was named must be there"
    );

    fs::write(&path, "log_level = 12\n").unwrap();
    let config = load(&path).unwrap();
    assert_eq!((config.log_level.number(), config.path.as_path()), (12, path.as_path()));
    assert!(config.files().iter().any(|file| file.path == path && file.kind == Kind::Configuration));

    fs::set_permissions(&path, fs::Permissions::from_mode(0o664)).unwrap();
    assert!(matches!(load(&path), Err(ConfigError::Open(safefile::OpenError::Refused(_)))));

    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&path, vec![b'#'; 2 << 20]).unwrap();
    let too_large = load(&path);
    assert!(
        matches!(too_large, Err(ConfigError::Read { source, .. }) if source.kind() == io::ErrorKind::FileTooLarge)
    );

    fs::write(&path, "loglevel = 12\n").unwrap();
    assert!(matches!(load(&path), Err(ConfigError::Faults(faults)) if faults.path == path));
}

/// No text, however mangled, is more than an error.
#[test]
fn damaged_configurations_are_errors_and_no_more() {
    for path in files("good").into_iter().chain(files("bad")) {
        let text = fs::read(&path).unwrap();
        for cut in 0..text.len() {
            let _ = parse(&text[..cut]);
            let mut other = text.clone();
            other[cut] = other[cut].wrapping_add(1 + u8::try_from(cut % 7).unwrap());
            let _ = parse(&other);
        }
    }
    for deep in ["[".repeat(10_000), "a = ".to_owned() + &"[".repeat(10_000), "a.".repeat(10_000)] {
        assert!(parse(deep.as_bytes()).is_err());
    }
}
