//! `--list`, `--show` and sasldblistusers: what is known of users, without any secret.

use serde_json::{Value, json};

use crate::place::{Place, SASLDBLISTUSERS, feed, mode};

#[test]
fn a_user_for_a_program() {
    let place = Place::keeping(&["argon2id", "cram-md5"]);
    place.set(&["-a", "web", "alice"], "secret");
    place.set(&["--label", "phone", "--expires", "2999-01-01", "alice"], "other");
    let mut shown = place.shown("alice");
    for time in ["created", "changed"] {
        assert!(shown[time].as_str().unwrap().ends_with('Z'), "{shown}");
        shown.as_object_mut().unwrap().remove(time);
        for credential in shown["credentials"].as_array_mut().unwrap() {
            assert!(credential[time].as_str().unwrap().ends_with('Z'));
            credential.as_object_mut().unwrap().remove(time);
        }
    }
    let by = shown["changed_by"].clone();
    assert_eq!(
        shown,
        json!({
            "user": "alice", "realm": "vm", "state": "enabled",
            "verifiers": ["argon2id", "cram-md5"],
            "weakest": { "verifier": "cram-md5", "strength": "password-equivalent" },
            "keep": null, "plain": "policy", "changed_by": by, "changed_with": "saslpasswd",
            "credentials": [
                { "label": "main", "state": "enabled", "verifiers": ["argon2id", "cram-md5"],
                  "expires": null, "networks": [], "raw": false },
                { "label": "phone", "state": "enabled", "verifiers": ["argon2id", "cram-md5"],
                  "expires": "2999-01-01T00:00:00Z", "networks": [], "raw": false },
            ],
        })
    );
}

#[test]
fn a_user_for_a_person() {
    let place = Place::keeping(&["argon2id", "plain"]);
    place.set(&["alice"], "secret");
    place.run(&["--disable", "alice"]).succeeded();
    let shown = place.run(&["--show", "alice"]).succeeded().out;
    for line in [
        "alice@vm\n",
        "  state       disabled\n",
        "  verifiers   argon2id,plain\n",
        "  weakest     plain: the password itself\n",
        "  keep        what the policy says\n",
        "  credential  main: disabled, argon2id,plain\n",
    ] {
        assert!(shown.contains(line), "no {line:?} in {shown}");
    }
}

#[test]
fn all_users_by_realm_and_name() {
    let place = Place::new();
    for user in ["zoe@b.example", "bob@a.example", "Anna@b.example", "carol@", "@vm"] {
        place.set(&[user], "secret");
    }
    place.set(&["--label", "phone", "zoe@b.example"], "other");
    let listed = place.run(&["--list"]).succeeded().out;
    let users: Vec<_> = listed.lines().map(|line| line.split(": ").next().unwrap()).collect();
    let expected = ["carol@", "bob@a.example", "Anna@b.example", "zoe@b.example", "@vm"];
    assert_eq!(users, expected);
    assert!(listed.lines().nth(3).unwrap().ends_with("; credentials: main, phone"), "{listed}");
    let objects = place.run(&["--list", "--format", "json"]).succeeded().out;
    let names: Vec<Value> =
        objects.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["user"].clone()).collect();
    assert_eq!(names, ["carol", "bob", "Anna", "zoe", ""]);
    assert_eq!(place.listed(), expected.map(|user| format!("{user}: userPassword")));
}

#[test]
fn a_reader_that_goes_is_no_failure() {
    let place = Place::new();
    place.set(&["alice"], "secret");
    let (exit, err) = {
        use std::process::Stdio;
        let mut child =
            place.command().arg("--list").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!((exit, err.as_str()), (Some(0), ""));
}

#[test]
fn names_make_no_lines_and_no_colours() {
    let place = Place::new();
    place.set(&["back\\slash"], "secret");
    assert_eq!(place.listed(), ["back\\slash@vm: userPassword"], "as a script would compare it");
    let odd = "a\u{1b}[31m";
    place.feed(&["-p", odd], "secret").failed(7, "a\\x1b[31m");
}

#[test]
fn a_sasldb_that_is_unsafe_is_not_listed() {
    let place = Place::new();
    let sasldb = place.fixture("sasldb2.db");
    mode(&sasldb, 0o644);
    let ran = feed(place.program(SASLDBLISTUSERS).arg(&sasldb), "");
    ran.failed(1, "listusers failed\nsasldblistusers: ");
    assert!(ran.err.contains("    fix: chmod "), "{ran:?}");
}
