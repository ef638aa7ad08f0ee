//! `authcheck store` on real stores.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;

use credential::verifier::{CramMd5, Plain};
use credential::{
    ChangedBy, Credential, DecoyKey, Identity, Label, Realm, Record, Secret, State, Timestamp, Username,
    Verifier, Verifiers,
};
use safefile::{Dress, Kind, Replacement, Trust};
use serde_json::Value;
use store::StoreError;
use store::maps::{self, Duplicates, Keys, Making, MapType};
use store::secrets::{NewStore, SecretStore};

use crate::tree::Tree;

fn user(name: &str, verifier: Verifier, state: State) -> Record {
    let identity = Identity::new(Username::prepare(name).unwrap(), Realm::prepare("b.example").unwrap());
    let mut record = Record::new(identity, Timestamp(1), ChangedBy::default());
    let mut credential = Credential::new(Label::main(), Verifiers::one(verifier), false, Timestamp(1));
    credential.state = state;
    record.put(credential).unwrap();
    record
}

fn make(path: &Path, records: &[Record]) {
    let new = NewStore { decoy_key: DecoyKey::new([7; 32]), created: Timestamp(1_700_000_000) };
    let made: Result<(), StoreError> = SecretStore::create(path, &Trust::root(), new, |edit| {
        records.iter().try_for_each(|record| edit.put(record).map(drop))
    });
    made.unwrap();
}

fn make_map(path: &Path, key: &str, value: &str) {
    let dress = Dress { owner: None, group: None, mode: 0o644 };
    let making = Making {
        duplicates: Duplicates::Refused,
        keys: Keys::Folded,
        volume: store::maps::Volume::default(),
        made_by: "a test".to_owned(),
        made_at: 1_700_000_000,
    };
    let replacement = Replacement::begin(path, Kind::Map, &Trust::root(), dress).unwrap();
    let mut map = maps::build(MapType::Redb, replacement, &making).unwrap();
    map.add(key.to_ascii_lowercase().as_bytes(), value.as_bytes()).unwrap();
    map.finish().unwrap();
}

fn plain() -> Verifier {
    Verifier::Plain(Plain::new(Secret::new(b"hunter2".to_vec())))
}

fn cram() -> Verifier {
    Verifier::CramMd5(CramMd5::from_octets(&[5; 32]))
}

/// Two users with weak verifiers, one of them disabled, in a store that the configuration names.
fn tree() -> Tree {
    let toml = "file gatepost.toml root:root 0644 [secrets]\\npath = \"ROOT/secrets.redb\"\\nkeep = [\"argon2id\", \
                \"cram-md5\"]\\n";
    let tree = Tree::of(toml);
    make(
        &tree.at("secrets.redb"),
        &[user("alice", cram(), State::Enabled), user("bob", plain(), State::Suspended)],
    );
    tree
}

/// A store is one under any name, and what anybody may read of a map is not taken for harmless unseen.
#[test]
fn a_redb_file_is_known_by_what_is_in_it() {
    if tests::need::root().is_err() {
        return;
    }
    let tree = Tree::of("");
    make(&tree.at("users"), &[user("alice", cram(), State::Enabled)]);
    for (name, key, value) in
        [("access.redb", "host", "RELAY"), ("info.redb", "AuthInfo:host", "\"U:a\" \"P:b\"")]
    {
        make_map(&tree.at(name), key, value);
    }
    for (name, kind, verdict) in
        [("users", "store", "unsafe"), ("info.redb", "secret", "unsafe"), ("access.redb", "map", "safe")]
    {
        fs::set_permissions(tree.at(name), fs::Permissions::from_mode(0o644)).unwrap();
        let (object, _) = object(&tree, &format!("files --format json ROOT/{name}"));
        assert_eq!((&object["kind"], &object["verdict"]), (&kind.into(), &verdict.into()), "{object}");
    }
}

fn object(tree: &Tree, line: &str) -> (Value, Option<i32>) {
    let output = tree.authcheck(line);
    let out = tree.unrooted(&output.stdout);
    assert_eq!(tree.unrooted(&output.stderr), "");
    (serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}")), output.status.code())
}

#[test]
fn weak_users_policy_and_counts_are_said() {
    if tests::need::root().is_err() {
        return;
    }
    let tree = tree();
    let output = tree.authcheck("store --config ROOT/gatepost.toml");
    let out = tree.unrooted(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{out}");
    let lines: Vec<&str> = out.lines().map(str::trim).collect();
    assert_eq!(
        lines,
        [
            "store         ROOT/secrets.redb",
            "weak-verifier: alice@b.example: cram-md5 (password-equivalent), which secrets.keep asks for",
            "weak-verifier: bob@b.example: plain (clear text), which nothing asks for",
            "fix: saslpasswd --config ROOT/gatepost.toml -u b.example -- bob",
            "disabled: bob@b.example: disabled",
            "verdict    unsafe",
            "integrity  sound",
            "policy     argon2id (m=19456 KiB t=2 p=1), cram-md5",
            "created    2023-11-14",
            "users      2 in 1 realm, 2 credentials",
            "of these   1 disabled, 2 with weak verifiers, 1 with weak verifiers that nothing asks for, 2 whose failed \
             logins cost a check more than a stranger's",
            "verifiers  1 cram-md5, 1 plain",
            "shapes     none",
            "0 safe, 1 unsafe, 0 not checked",
        ]
    );
}

/// The commands of `--fix` name the store that was looked into, whatever its users are called; what asks for a password
/// waits for a person. An unsafe store is one under `--fix` too. That they mend it is tried in `tests/mending.rs`.
#[test]
fn what_fix_prints_is_for_the_store_that_was_looked_into() {
    if tests::need::root().is_err() {
        return;
    }
    let toml = "file gatepost.toml root:root 0644 [secrets]\\npath = \"ROOT/secrets.redb\"\\nkeep = [\"cram-md5\"]\\n";
    for (store, line) in [
        ("secrets.redb", "store --config ROOT/gatepost.toml"),
        ("secrets.redb", "--config ROOT/gatepost.toml"),
        ("other's store", "store --config ROOT/gatepost.toml --"),
    ] {
        let tree = Tree::of(toml);
        let mut both = user("--help", cram(), State::Enabled);
        let verifiers = Verifiers::new(vec![cram(), plain()]).unwrap();
        both.put(Credential::new(Label::main(), verifiers, false, Timestamp(1))).unwrap();
        make(&tree.at(store), &[both, user("-d", plain(), State::Enabled)]);
        let path = (store != "secrets.redb").then(|| tree.at(store));
        let authcheck = |options: &[&str]| {
            let line = tree.rooted(line);
            let mut authcheck = Command::new(env!("CARGO_BIN_EXE_authcheck"));
            authcheck.args(options).args(line.split(' ')).args(&path).output().unwrap()
        };
        let fix = authcheck(&["--fix"]);
        let script = tree.unrooted(&fix.stdout);
        assert_eq!(fix.status.code(), Some(1), "{line}: {script}");
        let [runs, asks] = script.lines().collect::<Vec<_>>()[..] else { panic!("{line}: {script}") };
        assert!(runs.starts_with("saslpasswd --config ROOT/gatepost.toml "), "{line}: {script}");
        assert_eq!(runs.contains(" -f 'ROOT/other'\\''s store'"), path.is_some(), "{line}: {script}");
        assert!(asks.starts_with("# -d@b.example: plain (clear text), which"), "{line}: {script}");
        assert!(asks.ends_with(" -u b.example -- -d"), "{line}: {script}");
    }
}

#[test]
fn programs_get_one_object() {
    if tests::need::root().is_err() {
        return;
    }
    let tree = tree();
    let (object, exit) = object(&tree, "store --config ROOT/gatepost.toml --format json");
    assert_eq!(exit, Some(1));
    assert_eq!(object["path"], "ROOT/secrets.redb");
    assert_eq!((&object["kind"], &object["verdict"]), (&"store".into(), &"unsafe".into()));
    let rules: Vec<_> = object["findings"].as_array().unwrap().iter().map(|found| &found["rule"]).collect();
    assert_eq!(rules, ["note-weak-verifier", "weak-verifier", "note-disabled"]);
    assert_eq!(object["findings"][1]["component"], "bob@b.example");
    assert_eq!(object["findings"][1]["fix"], "saslpasswd --config ROOT/gatepost.toml -u b.example -- bob");
    assert_eq!(object["store"]["users"], 2);
    assert_eq!(object["store"]["weak_unasked"], 1);
    assert_eq!(object["store"]["integrity"], "sound");
    assert_eq!(object["store"]["policy"][1], "cram-md5");
}

#[test]
fn plain_authcheck_is_config_and_store() {
    if tests::need::root().is_err() {
        return;
    }
    let tree = Tree::of("file gatepost.toml root:root 0644 [secrets]\\npath = \"ROOT/secrets.redb\"\\n");
    make(&tree.at("secrets.redb"), &[]);
    let output = tree.authcheck("--config ROOT/gatepost.toml --format json");
    assert_eq!(output.status.code(), Some(0));
    let out = tree.unrooted(&output.stdout);
    let paths: Vec<Value> =
        out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["path"].clone()).collect();
    assert_eq!(paths, ["ROOT/gatepost.toml", "ROOT/secrets.redb"], "each path once");

    let text = tree.unrooted(&tree.authcheck("--config ROOT/gatepost.toml").stdout);
    assert!(
        text.contains("users      0 in 0 realms") && text.ends_with("2 safe, 0 unsafe, 0 not checked\n"),
        "{text}"
    );
}

#[test]
fn what_is_no_store_could_not_be_checked() {
    if tests::need::root().is_err() {
        return;
    }
    let whole = {
        let tree = tree();
        fs::read(tree.at("secrets.redb")).unwrap()
    };
    let mut altered = whole.clone();
    let pages = altered.chunks_mut(4096).skip(1);
    pages.flat_map(|page| page.iter_mut().skip(64).take(64)).for_each(|octet| *octet ^= 0x55);
    let cut = whole[..whole.len() / 2].to_vec();
    for (what, contents, rule) in [
        ("nothing there", None, "missing"),
        ("an empty file", Some(Vec::new()), "damaged"),
        ("a file of zeros", Some(vec![0; 65_536]), "damaged"),
        ("a text", Some(b"alice:secret\n".to_vec()), "damaged"),
        ("half of a store", Some(cut), "damaged"),
        ("a store with other octets in its pages", Some(altered), "damaged"),
    ] {
        let tree = Tree::of("file gatepost.toml root:root 0644");
        if let Some(contents) = contents {
            fs::write(tree.at("s.redb"), contents).unwrap();
            fs::set_permissions(tree.at("s.redb"), fs::Permissions::from_mode(0o600)).unwrap();
        }
        let (object, exit) = object(&tree, "store ROOT/s.redb --format json --config ROOT/gatepost.toml");
        assert_eq!(exit, Some(2), "{what}: {object}");
        assert_eq!(object["verdict"], "error", "{what}");
        assert_eq!(object["findings"][0]["rule"], rule, "{what}: {object}");
    }
}

#[test]
fn an_unsafe_store_is_not_looked_into() {
    if tests::need::root().is_err() {
        return;
    }
    let tree = tree();
    fs::set_permissions(tree.at("secrets.redb"), fs::Permissions::from_mode(0o640)).unwrap();
    chown(tree.at("secrets.redb"), Some(0), Some(8)).unwrap();
    let line = "store --config ROOT/gatepost.toml --format json";
    let (unsafe_store, exit) = object(&tree, line);
    assert_eq!(exit, Some(1));
    assert_eq!(unsafe_store["findings"][0]["rule"], "group-readable");
    assert_eq!(unsafe_store["store"], Value::Null);

    let applied = tree.authcheck(&format!("{line} --fix=apply --yes"));
    assert_eq!(fs::metadata(tree.at("secrets.redb")).unwrap().permissions().mode() & 0o7777, 0o600);
    let (looked_into, _) = object(&tree, line);
    assert_eq!(looked_into["store"]["users"], 2);
    assert_eq!(tree.unrooted(&applied.stdout), tree.unrooted(&tree.authcheck(line).stdout));
}

#[test]
fn no_secret_is_shown() {
    if tests::need::root().is_err() {
        return;
    }
    let tree = tree();
    for line in ["store --config ROOT/gatepost.toml -v", "--config ROOT/gatepost.toml --format json"] {
        assert!(!tree.unrooted(&tree.authcheck(line).stdout).contains("hunter2"), "{line}");
    }
}
