//! What is changed of a user without the password, and what a new password leaves as it was.

use credential::{Identity, KindSet, Realm, VerifierKind};
use safefile::{Trust, Uid};
use store::Wait;
use store::secrets::{Access, SecretStore};

use crate::place::{Place, Ran};

#[test]
fn a_user_is_disabled_and_enabled() {
    let place = Place::new();
    place.set(&["alice"], "secret");
    assert_eq!(place.run(&["--disable", "alice"]).succeeded().out, "alice@vm: disabled\n");
    assert_eq!(place.shown("alice")["state"], "disabled");
    assert!(!place.accepts("alice", "secret"));
    assert_eq!(place.run(&["--enable", "alice"]).succeeded().out, "alice@vm: enabled\n");
    assert!(place.accepts("alice", "secret"));
}

#[test]
fn a_user_expires() {
    let place = Place::new();
    place.set(&["alice"], "secret");
    let rows = [
        ("2999-01-01", "2999-01-01T00:00:00Z", true),
        ("2999-01-01T02:00:00+01:00", "2999-01-01T01:00:00Z", true),
        ("1999-12-31", "1999-12-31T00:00:00Z", false),
    ];
    for (date, end, is_usable) in rows {
        let ran = place.run(&["--expires", date, "alice"]).succeeded();
        assert_eq!(ran.out, format!("alice@vm: set to expire {end}\n"));
        assert_eq!(place.shown("alice")["credentials"][0]["expires"], end);
        assert_eq!(place.accepts("alice", "secret"), is_usable, "{date}");
    }
    place.run(&["--expires", "never", "alice"]).succeeded();
    assert!(place.accepts("alice", "secret"));
}

#[test]
fn a_new_password_leaves_the_rest_as_it_was() {
    let place = Place::new();
    place.set(&["--expires", "2999-01-01", "alice"], "secret");
    place.run(&["--keep", "scram-sha-256", "alice"]).succeeded();
    place.set(&["--label", "phone", "alice"], "other");
    place.run(&["--disable", "alice"]).succeeded();
    let before = place.shown("alice");
    let ran = place.feed(&["-p", "-a", "web", "alice"], "new").succeeded();
    assert!(ran.err.contains("the password is set, but the user is disabled"), "{ran:?}");
    let after = place.shown("alice");
    for same in ["state", "verifiers", "keep", "plain", "created"] {
        assert_eq!(before[same], after[same], "{same}");
    }
    assert_eq!(after["credentials"][0]["expires"], "2999-01-01T00:00:00Z");
    assert_eq!(after["credentials"].as_array().unwrap().len(), 2);
    assert_eq!(after["changed_with"], "web");
    place.run(&["--enable", "alice"]).succeeded();
    assert_eq!(["secret", "new", "other"].map(|one| place.accepts("alice", one)), [false, true, true]);
}

#[test]
fn a_list_of_ones_own_drops_verifiers_now_and_counts_at_the_next_password() {
    let place = Place::keeping(&["argon2id", "scram-sha-256", "cram-md5"]);
    place.set(&["alice"], "secret");
    let ran = place.run(&["--keep", "scram-sha-512,argon2id", "alice"]).succeeded();
    assert_eq!(
        ran.out,
        "alice@vm: set to keep argon2id,scram-sha-512; dropped scram-sha-256,cram-md5; \
         scram-sha-512 will be made when the password is next set\n"
    );
    assert_eq!(place.shown("alice")["verifiers"], serde_json::json!(["argon2id"]));
    assert!(place.accepts("alice", "secret"));
    place.set(&["alice"], "secret");
    assert_eq!(place.shown("alice")["verifiers"], serde_json::json!(["argon2id", "scram-sha-512"]));
    place.run(&["--keep", "policy", "alice"]).succeeded();
    place.set(&["alice"], "secret");
    assert_eq!(
        place.shown("alice")["verifiers"],
        serde_json::json!(["argon2id", "scram-sha-256", "cram-md5"])
    );
}

#[test]
fn nobody_is_locked_out_by_a_list() {
    let place = Place::new();
    place.set(&["alice"], "secret");
    place.run(&["--keep", "digest-md5", "alice"]).failed(65, "nothing would be left to log in with");
    assert!(place.accepts("alice", "secret"));
    assert_eq!(place.shown("alice")["keep"], serde_json::Value::Null);
    // Together with the password it can be.
    place.set(&["--keep", "digest-md5", "alice"], "secret");
    assert_eq!(place.shown("alice")["verifiers"], serde_json::json!(["digest-md5"]));
}

#[test]
fn no_clear_text_for_a_user_lasts_until_a_list_says_else() {
    let place = Place::keeping(&["argon2id", "plain"]);
    let has_clear_text = || {
        let shown = place.shown("alice");
        shown["verifiers"].as_array().unwrap().iter().any(|kind| kind == "plain")
    };
    place.set(&["alice"], "secret");
    place.set(&["--label", "phone", "alice"], "other");
    assert!(has_clear_text());
    // The other credential's goes too.
    place.set(&["-n", "alice"], "secret");
    assert!(!has_clear_text());
    place.set(&["alice"], "secret");
    assert!(!has_clear_text());
    assert_eq!(place.shown("alice")["plain"], "never");
    place.run(&["--keep", "policy", "alice"]).succeeded();
    place.set(&["alice"], "secret");
    assert!(has_clear_text());
}

#[test]
fn no_clear_text_and_nothing_else_is_no_user() {
    let place = Place::keeping(&["plain"]);
    place.feed(&["-p", "-c", "-n", "alice"], "secret").failed(1, "no verifier would be left");
    assert!(!place.store().exists());
}

/// Such a list is loaded no more, but may stand in a store.
#[test]
fn a_list_of_which_nothing_can_be_made_locks_nobody_out() {
    let place = Place::new();
    place.set(&["alice"], "secret");
    let trust = Trust::root().caller(Uid::effective());
    let store = SecretStore::open(&place.store(), &trust, Access::Write, Wait::default()).unwrap();
    let alice = Identity::parse("alice@vm", &Realm::prepare("").unwrap()).unwrap();
    for kinds in [KindSet::EMPTY, KindSet::EMPTY.with(VerifierKind::Foreign)] {
        let mut record = store.look_up(&alice).unwrap().unwrap().record;
        record.set_keep(Some(kinds));
        store.write(|edit| edit.put(&record)).unwrap();
        for options in [&["-p"][..], &["-p", "--dry-run"]] {
            place.feed(&[options, &["alice"]].concat(), "new").failed(1, "no verifier would be left");
        }
        assert!(place.accepts("alice", "secret"));
    }
}

#[test]
fn labels_are_credentials_of_their_own() {
    let place = Place::new();
    place.set(&["alice"], "secret");
    place.set(&["--label", "phone", "alice"], "other");
    place.run(&["--disable", "--label", "phone", "alice"]).succeeded();
    assert_eq!(["secret", "other"].map(|one| place.accepts("alice", one)), [true, false]);
    place.run(&["--enable", "--label", "phone", "alice"]).succeeded();
    place.run(&["--expires", "2001-01-01", "--label", "main", "alice"]).succeeded();
    assert_eq!(["secret", "other"].map(|one| place.accepts("alice", one)), [false, true]);
    place
        .run(&["--disable", "--label", "tablet", "alice"])
        .failed(65, "no credential has this label: tablet");
    place.run(&["-d", "--label", "main", "alice"]).succeeded();
    assert_eq!(place.shown("alice")["credentials"].as_array().unwrap().len(), 1);
    place.run(&["-d", "--label", "tablet", "alice"]).succeeded();
    assert_eq!(place.listed(), ["alice@vm: userPassword"]);
    // The last one takes the user along.
    place.run(&["-d", "--label", "phone", "alice"]).succeeded();
    assert!(place.listed().is_empty());
}

#[test]
fn a_realm_is_found_in_any_case_and_keeps_its_spelling() {
    let place = Place::keeping(&["digest-md5"]);
    place.set(&["alice@Example.ORG"], "secret");
    place.set(&["alice@example.org"], "new");
    assert_eq!(place.shown("alice@EXAMPLE.org")["realm"], "Example.ORG");
    assert!(place.accepts("alice@example.org", "new"));
    assert_eq!(place.listed(), ["alice@Example.ORG: userPassword"]);
}

#[test]
fn who_is_not_there_cannot_be_changed() {
    let place = Place::new();
    place.set(&["alice"], "secret");
    for task in
        [&["--disable"][..], &["--enable"], &["--expires", "never"], &["--keep", "policy"], &["--show"]]
    {
        place.run(&[task, &["bob"]].concat()).failed(67, "saslpasswd: bob@vm: no such user\n");
    }
}

#[test]
fn a_rehearsal_changes_nothing_and_says_what_would_be() {
    let place = Place::new();
    place.feed(&["-p", "-c", "--dry-run", "alice"], "secret").succeeded();
    assert!(!place.store().exists());
    place.set(&["alice"], "secret");
    let before = std::fs::read(place.store()).unwrap();
    let rows: [(&[&str], &str); 7] = [
        (&["-p", "alice"], "alice@vm: would be replaced, with argon2id,scram-sha-256\n"),
        (&["-p", "bob"], "bob@vm: would be created, with argon2id,scram-sha-256\n"),
        (&["-d", "alice"], "alice@vm: would be deleted\n"),
        (&["-d", "bob"], "bob@vm: would be left alone: not there\n"),
        (&["--disable", "alice"], "alice@vm: would be disabled\n"),
        (&["--expires", "2999-01-01", "alice"], "alice@vm: would be set to expire 2999-01-01T00:00:00Z\n"),
        (
            &["--keep", "argon2id", "alice"],
            "alice@vm: would be set to keep argon2id; dropped scram-sha-256\n",
        ),
    ];
    for (arguments, out) in rows {
        let ran: Ran = place.feed(&[arguments, &["--dry-run"]].concat(), "new").succeeded();
        assert_eq!(ran.out, out, "{arguments:?}");
    }
    assert_eq!(std::fs::read(place.store()).unwrap(), before);
    assert!(place.accepts("alice", "secret"));
}

#[test]
fn who_made_a_change_is_recorded() {
    let place = Place::new();
    place.set(&["-a", "web front", "alice"], "secret");
    let shown = place.shown("alice");
    assert_eq!(shown["changed_with"], "web front");
    assert!(!shown["changed_by"].as_str().unwrap().is_empty());
    place.run(&["--disable", "alice"]).succeeded();
    assert_eq!(place.shown("alice")["changed_with"], "saslpasswd");
}

#[test]
fn no_secret_stands_where_others_look() {
    let place = Place::keeping(&["argon2id", "scram-sha-256", "plain"]);
    place.set(&["alice"], "a very secret word");
    let said: Vec<Ran> = vec![
        place.run(&["--list"]),
        place.run(&["--list", "--format", "json"]),
        place.run(&["--show", "alice"]),
        place.run(&["--show", "alice", "--format", "json"]),
        place.feed(&["-p", "--dry-run", "alice"], "a very secret word"),
        place.feed(&["--verify", "alice"], "a very secret word"),
        place.feed(&["-p", "alice"], "a very secret word\u{7}"),
    ];
    for ran in said {
        assert!(!format!("{ran:?}").contains("very secret"), "{ran:?}");
        assert!(!ran.out.contains("$argon2id$"), "{ran:?}");
    }
}

#[test]
fn a_user_without_realm_is_one_of_this_host() {
    let place = Place::new();
    let text = std::fs::read_to_string(place.configuration()).unwrap();
    place.configure(&text.replace("auth.realm", "# auth.realm"));
    place.set(&["alice"], "secret");
    place.set(&["-u", "given", "bob"], "secret");
    let host = config::realm::default_realm();
    let mut listed = place.listed();
    listed.sort();
    assert_eq!(listed, [format!("alice@{host}: userPassword"), "bob@given: userPassword".to_owned()]);
}

#[test]
fn no_environment_variable_chooses_a_file() {
    let place = Place::new();
    place.write("saslpasswd.conf", "auxprop_plugin: nosuch\nsasldb_path: elsewhere\n");
    let mut command = place.command();
    command.env("SASL_CONF_PATH", place.path("")).args(["-p", "-c", "alice"]);
    crate::place::feed(&mut command, "secret").succeeded();
    assert!(place.store().exists() && !place.path("elsewhere").exists());
}

#[test]
fn a_program_speaks_under_the_name_it_is_installed_by() {
    let place = Place::new();
    for name in ["saslpasswd", "saslpasswd2"] {
        let installed = place.path(name);
        std::os::unix::fs::symlink(crate::place::SASLPASSWD, &installed).unwrap();
        let ran =
            crate::place::feed(place.program(installed.to_str().unwrap()).args(["-p", "-c", "alice"]), "\n");
        assert!(ran.err.starts_with(&format!("{name}: invalid parameter supplied\n")), "{ran:?}");
    }
}
