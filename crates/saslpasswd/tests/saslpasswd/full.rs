//! On a full file system: what is too large is refused in words, everybody who was there can log in, and an account can be
//! closed.

use std::fs;
use std::io::Write as _;

use crate::place::Place;

/// A dump of so many users.
fn dump_of(place: &Place, users: u32) -> String {
    place.run(&["--dump", "dump"]).succeeded();
    let text = fs::read_to_string(place.path("dump")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let user = |number| lines[1].replace("\"alice\"", &format!("\"user{number:06}\""));
    let mut dump = vec![lines[0].to_owned()];
    dump.extend((0..users).map(user));
    dump.push(format!("{{\"end\":{users}}}"));
    dump.join("\n")
}

#[test]
fn a_full_file_system_keeps_nobody_out_but_newcomers() {
    let Ok(small) = tests::scratch::small_file_system(1024) else { return };
    let place = Place::keeping(&["scram-sha-256"]);
    let path = small.path().join("secrets.redb");
    let store = path.to_str().unwrap();
    place.configure(
        &fs::read_to_string(place.configuration()).unwrap().replace(place.store().to_str().unwrap(), store),
    );
    for user in ["alice", "bob", "carol"] {
        place.set(&[user], "secret");
    }
    place.write("large", dump_of(&place, 60_000));
    let ran = place.run(&["--load", "large"]);
    ran.failed(73, "no room on the file system");
    assert!(ran.err.contains("what was there before is intact"), "{ran:?}");
    assert!(place.accepts("alice", "secret"));
    assert_eq!(place.listed().len(), 3);

    let mut mail = fs::File::create(small.path().join("mail")).unwrap();
    while mail.write_all(&[1; 4096]).is_ok() {}
    place.run(&["--disable", "alice"]).succeeded();
    assert!(!place.accepts("alice", "secret"));
    place.run(&["-d", "bob"]).succeeded();
    place.feed(&["-p", "carol"], "another").succeeded();
    assert!(place.accepts("carol", "another"));
    assert_eq!(place.listed().len(), 2);
    let users = (0..2000).map(|number| format!("user{number}:secret\n")).collect::<Vec<_>>().concat();
    let ran = place.run(&["--import", place.write("users", users).to_str().unwrap()]);
    assert!(ran.err.contains("no room on the file system"), "{ran:?}");
    assert!(place.accepts("carol", "another"));
}
