//! What the configuration says to the daemon: its defaults, its listeners, its remarks, and whose every file is.

use std::io;
use std::path::Path;
use std::time::Duration;

use config::{
    Accounts, BareLineEnds, Config, ConfigFaults, DigestCipher, Endpoint, FileIndex, FileRole, Listener,
    LogFormat, Modifier, Owner, Senders,
};
use credential::{Identity, Mechanism, MechanismSet, Realm, ScramHash};
use safefile::{Account, Gid, Group, Kind, Trust, Uid};

/// A host without any account: nothing that the daemon needs is looked up here.
struct Nobody;

impl Accounts for Nobody {
    fn user(&self, _: &str) -> io::Result<Option<Account>> {
        Ok(None)
    }

    fn group(&self, _: &str) -> io::Result<Option<Group>> {
        Ok(None)
    }
}

fn parse(text: &str) -> Result<Config, ConfigFaults> {
    Config::parse(Path::new(config::DEFAULT_PATH), text.as_bytes(), &Nobody)
}

fn good(text: &str) -> Config {
    parse(text).unwrap_or_else(|faults| panic!("{text}\n{faults}"))
}

fn remarks(text: &str) -> Vec<String> {
    good(text).remarks.iter().map(ToString::to_string).collect()
}

fn only(listeners: &[Listener]) -> &Listener {
    let [listener] = listeners else { panic!("{} listeners", listeners.len()) };
    listener
}

const BIG: &str = include_str!("good/daemon.toml");

/// What an empty file means, row by row; an absent file means the same.
mod an_empty_file {
    use super::*;

    fn both() -> [Config; 2] {
        [good(""), Config::default()]
    }

    #[test]
    fn listens_on_587_with_auth_required_and_nowhere_else() {
        for config in both() {
            let listener = only(&config.listen);
            assert_eq!((listener.endpoint.to_string().as_str(), listener.name.as_str()), ("*:587", "MSA"));
            assert_eq!(listener.modifiers.to_string(), "a");
            assert_eq!(listener.bare_line_ends, BareLineEnds::Refuse);
            assert!(!listener.auth_equals && config.remarks.is_empty());
        }
    }

    #[test]
    fn has_no_certificate_and_is_right_all_the_same() {
        for config in both() {
            assert!(config.tls.certificate.is_none() && config.tls.key.is_none());
            assert!(
                config.tls.client_ca.is_none() && config.tls.client_map.is_none() && !config.tls.common_name
            );
        }
    }

    #[test]
    fn offers_every_mechanism_but_anonymous_and_external() {
        for config in both() {
            let offered = config.mechanisms(only(&config.listen));
            let others =
                [Mechanism::Anonymous, Mechanism::External, Mechanism::OauthBearer, Mechanism::Xoauth2];
            let expected = others.into_iter().fold(MechanismSet::ALL, MechanismSet::without);
            assert_eq!(offered, expected);
        }
    }

    #[test]
    fn sends_no_password_in_clear_text_and_knows_no_anonymous() {
        for config in both() {
            assert_eq!(config.auth_options(only(&config.listen)).to_string(), "p y");
        }
    }

    #[test]
    fn has_the_full_name_of_the_host_as_realm_and_local_domain() {
        for config in both() {
            assert_eq!(config.realm(), config::realm::default_realm());
            assert_eq!(config.host_name(), config::realm::default_realm());
            assert!(config.auth.realms.is_empty());
            let local = config.local_domains();
            assert!(local.iter().all(|domain| domain.is(&config.host_name())) && local.len() == 1);
        }
    }

    #[test]
    fn lets_relay_who_has_logged_in_but_not_anonymous() {
        for config in both() {
            for mechanism in Mechanism::ALL {
                assert_eq!(config.auth.trusts(mechanism), mechanism != Mechanism::Anonymous);
            }
            assert!(config.auth.proxies.is_empty());
        }
    }

    #[test]
    fn relays_for_no_domain_and_has_no_access_map() {
        for config in both() {
            assert!(config.relay_domains.is_empty() && config.access_map.is_none());
            assert_eq!(config.submission.senders, Senders::Any);
            assert!(!config.submission.received_user);
        }
    }

    #[test]
    fn keeps_argon2id_and_scram_sha_256() {
        for config in both() {
            assert_eq!(config.secrets.policy.keep.to_string(), "argon2id,scram-sha-256");
        }
    }

    #[test]
    fn logs_at_level_9_as_text() {
        for config in both() {
            assert_eq!((config.log_level.number(), config.log_format), (9, LogFormat::Text));
        }
    }

    #[test]
    fn throttles_and_has_limits() {
        for config in both() {
            assert!(config.throttle.enabled && config.throttle.exempt.is_empty());
            assert!(!config.throttle.is_exempt("127.0.0.1".parse().unwrap()), "loopback is not special");
            assert_eq!(only(&config.listen).limits, config.limits);
            assert_eq!((config.limits.max_message_size, config.limits.max_recipients), (50 << 20, 1000));
            assert_eq!(config.auth.ciphers.iter().collect::<Vec<_>>(), [&DigestCipher::Des]);
        }
    }

    #[test]
    fn runs_as_gatepost_front_in_run_gatepost() {
        for config in both() {
            assert_eq!(config.front(), "gatepost-front");
            assert_eq!(config.pid_file, Path::new("/run/gatepost/gatepostd.pid"));
            assert_eq!(config.control_socket, Path::new("/run/gatepost/control"));
            assert_eq!(config.queue.directory, Path::new("/var/spool/gatepost"));
            assert_eq!(config.delivery.maildirs, Path::new("/var/lib/gatepost-front/mail"));
        }
    }
}

#[test]
fn listeners_are_what_is_written() {
    let config = good(BIG);
    let shown: Vec<_> = config
        .listen
        .iter()
        .map(|listener| {
            (listener.name.as_str(), listener.endpoint.to_string(), listener.modifiers.to_string())
        })
        .collect();
    let expected = [
        ("MTA", "*:25", ""),
        ("MSA", "192.0.2.1:587", "a E"),
        ("[2001:db8::1]:587", "[2001:db8::1]:587", "a O"),
        ("MSA-TLS", "*:465", "a s"),
        ("web", "/run/mail/smtp", ""),
    ];
    assert_eq!(shown, expected.map(|(name, place, letters)| (name, place.to_owned(), letters.to_owned())));
    assert!(config.listen[3].has(Modifier::ImplicitTls) && !config.listen[1].has(Modifier::ImplicitTls));
    assert!(matches!(config.listen[4].endpoint, Endpoint::Unix(_)));
    assert_eq!(config.listen[4].bare_line_ends, BareLineEnds::Normalise);
    assert!(config.listen[3].auth_equals && !config.listen[0].auth_equals);
}

#[test]
fn a_listener_has_its_own_limits_and_else_those_of_all() {
    let config = good(BIG);
    let [smtp, first, .., web] = &*config.listen else { panic!("too few") };
    assert_eq!((smtp.limits.max_message_size, smtp.limits.max_connections), (1_000_000, 20));
    assert_eq!((first.limits.max_message_size, first.limits.max_connections), (10 << 20, 4096));
    assert_eq!((smtp.limits.max_recipients, first.limits.max_recipients), (100, 100));
    assert_eq!(web.limits.command_timeout, Duration::from_secs(90));
    assert_eq!(first.limits.command_timeout, Duration::from_mins(5));
}

#[test]
fn a_listener_offers_what_its_list_and_that_of_all_have() {
    let config = good(BIG);
    let set = |of: &[Mechanism]| of.iter().copied().fold(MechanismSet::EMPTY, MechanismSet::with);
    let scram = Mechanism::Scram(ScramHash::Sha256);
    let all = set(&[Mechanism::Plain, scram, Mechanism::External]);
    assert_eq!(config.mechanisms(&config.listen[0]), all, "GSSAPI is not ours");
    assert_eq!(config.mechanisms(&config.listen[3]), set(&[Mechanism::Plain, scram]));
    assert_eq!(config.auth_options(&config.listen[3]).to_string(), "y");
    assert_eq!(config.auth_options(&config.listen[0]).to_string(), "p y");
    assert!(config.auth.trusts(scram) && !config.auth.trusts(Mechanism::Plain));
    assert!(config.auth.ciphers.is_empty());
}

#[test]
fn ports_of_ones_own_have_auth_by_default_and_an_empty_list_is_no_listener() {
    for (text, letters) in [("port = 25", ""), ("port = 465", "a s"), ("port = 2525", "a"), ("", "a")] {
        let text = format!("[tls]\ncertificate = \"/c\"\nkey = \"/k\"\n[[listen]]\n{text}\n");
        assert_eq!(only(&good(&text).listen).modifiers.to_string(), letters, "{text}");
    }
    assert_eq!(only(&good("[[listen]]\nsocket = \"/s\"\n").listen).modifiers.to_string(), "a");
    assert!(good("listen = []\n").listen.is_empty());
    assert!(good("[[listen]]\nport = 0\n[[listen]]\nport = 0\nname = \"b\"\n").listen.len() == 2);
}

#[test]
fn places_collide_where_one_address_is_in_both() {
    for (one, other, collides) in [
        ("*", "*", true),
        ("*", "192.0.2.1", true),
        ("*", "::", true),
        ("0.0.0.0", "::", false),
        ("0.0.0.0", "192.0.2.1", true),
        ("0.0.0.0", "2001:db8::1", false),
        ("::", "2001:db8::1", true),
        ("192.0.2.1", "192.0.2.2", false),
        ("192.0.2.1", "::ffff:192.0.2.1", true),
    ] {
        let block = |address, name| format!("[[listen]]\naddress = \"{address}\"\nname = \"{name}\"\n");
        let text = block(one, "a") + &block(other, "b");
        assert_eq!(parse(&text).is_err(), collides, "{one} {other}");
    }
}

#[test]
fn what_had_better_be_known_is_no_fault() {
    let tls = "[tls]\ncertificate = \"/c\"\nkey = \"/k\"\n";
    for (text, expected) in [
        (
            "[[listen]]\nport = 25\nmodifiers = \"a\"\n".to_owned(),
            "3:13: modifier a on port 25 (other mail servers cannot deliver here)",
        ),
        (
            format!("{tls}[[listen]]\nport = 25\nmodifiers = \"s\"\n"),
            "6:13: modifier s on port 25 (other mail servers speak first in clear)",
        ),
        (
            "[[listen]]\nmodifiers = \"\"\n".to_owned(),
            "2:13: port 587 without modifier a (submission is for who has logged in (RFC 6409, section 4.3))",
        ),
        (
            format!("{tls}[[listen]]\nmodifiers = \"as\"\n"),
            "5:13: modifier s on port 587 (clients use STARTTLS there (RFC 6409))",
        ),
        (
            "[[listen]]\nport = 465\nmodifiers = \"a\"\n".to_owned(),
            "3:13: port 465 without modifier s (clients begin with TLS (RFC 8314))",
        ),
        (
            "[auth]\noptions = \"y\"\n".to_owned(),
            "2:11: options without p: passwords may travel in clear text (PLAIN and LOGIN are then offered without TLS)",
        ),
        (
            "[[listen]]\nport = 2525\noptions = \"\"\n".to_owned(),
            "3:11: options without p: passwords may travel in clear text (PLAIN and LOGIN are then offered without TLS)",
        ),
        (
            "[auth]\nmechanisms = \"PLAIN EXTERNAL\"\n".to_owned(),
            "2:14: EXTERNAL is never offered (it needs tls.client_ca, by which certificates of clients are verified)",
        ),
        (
            "[auth]\ntrusted_mechanisms = \"anonymous\"\n".to_owned(),
            "2:22: trusted_mechanisms names ANONYMOUS: strangers may relay (where auth.mechanisms and auth.options let it be offered)",
        ),
        (
            "[auth]\nciphers = [\"rc4\"]\n".to_owned(),
            "2:12: rc4 can be broken: what it encrypts can be read (it is there for old clients; TLS is better)",
        ),
        (
            "[auth]\nmechanisms = \"PLAIN\"\n[[listen]]\nmechanisms = \"LOGIN PLAIN\"\n".to_owned(),
            "4:14: LOGIN is not offered here: auth.mechanisms does not name it (a listener offers what both lists have)",
        ),
        (
            "relay_domains = [\"example.org\", \"org\"]\n".to_owned(),
            "1:33: relay_domains holds every domain below org (anybody may relay there)",
        ),
        (
            "[throttle]\nenabled = false\n".to_owned(),
            "2:11: throttle.enabled is false (passwords may be guessed as fast as they can be checked)",
        ),
    ] {
        assert_eq!(remarks(&text), [expected], "{text}");
    }
    let silent = [
        "[[listen]]\nport = 25\n",
        "[[listen]]\nport = 2525\nmodifiers = \"\"\n",
        "[[listen]]\nsocket = \"/s\"\noptions = \"\"\n",
    ];
    for text in silent {
        assert!(remarks(text).is_empty(), "{text}");
    }
}

#[test]
fn who_acts_for_whom_is_what_the_rules_say() {
    let config = good(BIG);
    let identity = |text: &str| Identity::parse(text, &Realm::prepare("example.org").unwrap()).unwrap();
    for (authentication, wanted, may) in [
        ("web@example.org", "bob@example.org", true),
        ("web@EXAMPLE.org", "bob@Example.Org", true),
        ("web@example.org", "alice@example.net", true),
        ("web@example.org", "bob@example.net", false),
        ("web@example.org", "bob@sub.example.org", false),
        ("web@example.net", "bob@example.org", false),
        ("Web@example.org", "bob@example.org", false),
        ("root@example.org", "bob@example.org", false),
    ] {
        let (authentication, wanted) = (identity(authentication), identity(wanted));
        assert_eq!(config.auth.may_act_for(&authentication, &wanted), may, "{authentication} {wanted}");
    }
}

#[test]
fn the_rest_is_what_is_written() {
    let config = good(BIG);
    assert_eq!((config.front(), config.host_name().as_str()), ("8", "mail.example.org"));
    assert_eq!((config.realm().as_str(), config.log_format), ("example.org", LogFormat::Json));
    assert_eq!(
        config.auth.realms.iter().map(Realm::as_str).collect::<Vec<_>>(),
        ["example.net", "Example.edu"]
    );
    let local = config.local_domains();
    assert!(local.iter().any(|domain| domain.is("EXAMPLE.ORG")) && local.len() == 2);
    assert!(config.relay_domains.iter().any(|domain| domain.holds("mail.example.edu")));
    assert!(config.tls.common_name && config.submission.received_user);
    assert_eq!(config.queue.min_free, 1 << 30);
    let throttle = &config.throttle;
    assert_eq!((throttle.delay_after, throttle.refuse_after, throttle.password_checks), (0, 5, Some(1)));
    assert_eq!((throttle.longest_delay, throttle.forget_after), (Duration::ZERO, Duration::from_hours(24)));
    assert!(throttle.is_exempt("2001:db8:1:2::3".parse().unwrap()));
    assert!(throttle.is_exempt("198.51.100.7".parse().unwrap()));
    assert!(!throttle.is_exempt("198.51.100.8".parse().unwrap()));
    assert_eq!(good("host_name = \"mail.example.org\"").realm(), "mail.example.org", "one name for all");
}

#[test]
fn every_file_of_the_daemon_has_its_number_and_its_owner() {
    let config = good(BIG);
    let files: Vec<_> = config
        .daemon_files()
        .iter()
        .map(|file| (file.index.0, file.path.display().to_string(), file.kind, file.owner))
        .collect();
    let expected = [
        (0, "/var/lib/gatepost/secrets.redb", Kind::Store, Owner::Keeper),
        (2, "/etc/ssl/mail.pem", Kind::PrivateKey, Owner::Front),
        (3, "/etc/ssl/mail.pem", Kind::PrivateKey, Owner::Front),
        (4, "/etc/ssl/clients.pem", Kind::Certificate, Owner::Front),
        (5, "/etc/mail/clients.cdb", Kind::Map, Owner::Front),
        (6, "/etc/mail/access.db", Kind::Map, Owner::Front),
        (7, "/etc/mail/senders.db", Kind::Map, Owner::Front),
        (8, "/srv/mail/queue", Kind::SecretDirectory, Owner::Front),
        (9, "/srv/mail/boxes", Kind::SecretDirectory, Owner::Front),
        (64, "/etc/mail/authinfo.db", Kind::Secret, Owner::Keeper),
        (65, "/etc/mail/other.redb", Kind::Secret, Owner::Keeper),
    ];
    assert_eq!(files, expected.map(|(index, path, kind, owner)| (index, path.to_owned(), kind, owner)));
    for file in config.daemon_files() {
        assert_eq!(FileRole::of(file.index), Some(file.role));
        assert_eq!(file.owner == Owner::Keeper, matches!(file.kind, Kind::Store | Kind::Secret));
    }
    assert_eq!(FileRole::of(FileIndex(10)), None);
}

#[test]
fn the_number_of_a_file_does_not_hang_on_other_keys() {
    let index = |text: &str, role| {
        let files = good(text).daemon_files();
        files.into_iter().find(|file| file.role == role).map(|file| file.index)
    };
    let access = "access_map = \"hash:/etc/mail/access\"\n";
    let more = format!("{access}[tls]\ncertificate = \"/c\"\nkey = \"/k\"\n[client_info]\nmaps = [\"/m\"]\n");
    for role in [FileRole::Store, FileRole::AccessMap, FileRole::Queue, FileRole::Maildirs] {
        assert_eq!(index(access, role), index(&more, role));
    }
}

/// Whoever is asked for a file of both gives it to the keeper, and to nobody what neither may have.
#[test]
fn a_secret_is_never_the_fronts() {
    let text = "access_map = \"hash:/etc/mail/access\"\n[client_info]\nmaps = [\"hash:/etc/mail/access\"]\n\
        [submission]\nsenders = \"/etc/gatepost/gatepost.toml\"\n[[file]]\npath = \"/etc/sasldb2\"\nkind = \"secret\"\n";
    let config = good(text);
    let owner =
        |role| config.daemon_files().into_iter().find(|file| file.role == role).map(|file| file.owner);
    assert_eq!(owner(FileRole::AccessMap), Some(Owner::Keeper));
    assert_eq!(owner(FileRole::ClientInfo(0)), Some(Owner::Keeper));
    assert_eq!(owner(FileRole::Senders), Some(Owner::Opener));
    assert!(config.daemon_files().iter().all(|file| file.path != Path::new("/etc/sasldb2")));
    let named = config.files().into_iter().find(|file| file.path == Path::new("/etc/sasldb2"));
    assert_eq!(named.map(|file| file.owner), Some(Owner::Opener));
}

#[test]
fn queue_and_maildirs_are_the_fronts_own_and_nothing_else_is() {
    let account = |uid| Account { uid: Uid(uid), name: None, group: Some(Gid(uid)) };
    let (keeper, front) = (account(100), account(101));
    let config = Config::default();
    let may = |path: &str, front: Option<&Account>, uid| {
        let trust = config.trust_beside(Path::new(path), Trust::root().trusted_user(keeper.clone()), front);
        trust.may_own(Kind::SecretDirectory, Uid(uid))
    };
    for path in ["/var/spool/gatepost", "/var/spool/gatepost/x", "/var/lib/gatepost-front/mail"] {
        assert!(may(path, Some(&front), 101) && !may(path, Some(&front), 100), "{path}");
        assert!(!may(path, None, 101) && !may(path, None, 100) && may(path, None, 0), "{path}");
    }
    for path in ["/var/lib/gatepost/secrets.redb", "/var/spool/gatepost2", "/etc/ssl/mail.key"] {
        assert!(!may(path, Some(&front), 101) && may(path, Some(&front), 100), "{path}");
    }
}
