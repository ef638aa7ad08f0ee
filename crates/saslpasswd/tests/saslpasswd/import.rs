//! `--import`: what other servers keep, brought in, with a report; again and again, and ten thousand at once.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use credential::{Identity, Occasion, Realm, Secret, Timestamp, Verdict};
use safefile::{Trust, Uid};
use serde_json::{Value, json};
use store::Wait;
use store::secrets::{Access, SecretStore};
use tests::need;

use crate::place::{Place, SASLDBLISTUSERS, configuration, feed, fixture, mode};

fn name(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn import(place: &Place, arguments: &[&str], file: &Path) -> Value {
    let ran = place.run(&[&["--format", "json", "--import", name(file)], arguments].concat());
    assert!(matches!(ran.exit, Some(0 | 65)), "{ran:?}");
    assert_eq!(ran.exit == Some(0), ran.json()["failed"] == 0, "{ran:?}");
    ran.json()
}

fn counts(report: &Value) -> BTreeMap<&str, u64> {
    let numbers =
        report.as_object().unwrap().iter().filter_map(|(name, value)| Some((name.as_str(), value.as_u64()?)));
    numbers.filter(|(_, number)| *number > 0).collect()
}

#[test]
fn a_sasldb_of_cyrus() {
    let place = Place::new();
    let sasldb = place.fixture("sasldb2.db");
    let ran = place.run(&["--import", name(&sasldb)]).succeeded();
    assert!(ran.out.starts_with(&format!("imported 20 users from {} (sasldb)\n", name(&sasldb))), "{ran:?}");
    assert!(ran.out.contains(&format!("shred -u {}", name(&sasldb))), "{ran:?}");
    assert_eq!(fs::read(&sasldb).unwrap(), fs::read(fixture("sasldb2.db")).unwrap());
    for (user, password) in users_of_fixture() {
        assert!(place.accepts(&user, &password), "{user} {password}");
        assert!(!place.accepts(&user, format!("{password}x")), "{user}");
    }
    // The same list as that of the source.
    let mut source = feed(place.program(SASLDBLISTUSERS).arg(&sasldb), "")
        .succeeded()
        .out
        .lines()
        .map(str::to_owned)
        .collect::<Vec<_>>();
    let mut ours = place.listed();
    source.sort();
    ours.sort();
    assert_eq!(ours, source);
    // No clear text has come along.
    let store = fs::read(place.store()).unwrap();
    let clear = b"jrvctaxsy394";
    assert!(fs::read(&sasldb).unwrap().windows(clear.len()).any(|window| window == clear));
    assert!(!store.windows(clear.len()).any(|window| window == clear));
    let again = import(&place, &[], &sasldb);
    assert_eq!(counts(&again), BTreeMap::from([("already_imported", 20)]));
}

/// The same users in the layouts of Fedora and others. Of the one who was deleted the octets are still in the first file.
#[test]
fn a_sasldb_of_cyrus_in_gdbm() {
    let gone = b"gone-ixpk";
    assert!(fs::read(fixture("sasldb2.gdbm")).unwrap().windows(gone.len()).any(|octets| octets == gone));
    for name in ["sasldb2.gdbm", "sasldb2-32.gdbm", "sasldb2-32lfs.gdbm", "sasldb2-numsync.gdbm"] {
        check_layout(name);
    }
}

#[test]
fn a_sasldb_of_cyrus_in_lmdb() {
    check_layout("sasldb2.lmdb");
}

fn check_layout(layout: &str) {
    let place = Place::new();
    let sasldb = place.fixture(layout);
    assert_eq!(counts(&import(&place, &[], &sasldb)), BTreeMap::from([("imported", 20)]), "{layout}");
    for (user, password) in users_of_fixture() {
        assert!(place.accepts(&user, &password), "{layout}: {user}");
    }
    assert!(!place.accepts("gone-ixpk@mail.example.org", "deleted"), "{layout}");
    // The list is that of the same users in Berkeley DB.
    let listed = |file: &Path| {
        let ran = feed(place.program(SASLDBLISTUSERS).arg("-f").arg(file), "").succeeded();
        let mut lines: Vec<_> = ran.out.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(listed(&sasldb), listed(&place.fixture("sasldb2.db")), "{layout}");
    assert_eq!(fs::read(&sasldb).unwrap(), fs::read(fixture(layout)).unwrap(), "{layout}: it is as it was");
}

/// libgdbm locks what it writes, and gives up at once where another has the lock.
#[test]
fn a_gdbm_sasldb_is_read_under_a_lock_that_is_not_kept() {
    let place = Place::new();
    let sasldb = place.fixture("sasldb2.gdbm");
    let writer = fs::File::open(&sasldb).unwrap();
    writer.lock().unwrap();
    let started = Instant::now();
    place.run(&["--wait", "1", "--import", name(&sasldb)]).failed(75, "another program is writing");
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert!(!place.store().exists());
    let waiting = thread::spawn(move || {
        thread::sleep(Duration::from_millis(300));
        writer.unlock().unwrap();
    });
    // Many users at a cost that takes a while: the lock is free long before they are done.
    place.configure(
        &configuration(&place.store(), "vm", &["scram-sha-256"])
            .replace("sha-256 = 4096", "sha-256 = 300000"),
    );
    let mut command = place.command();
    let mut child = command
        .args(["--import", name(&sasldb)])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    waiting.join().unwrap();
    let other = fs::File::open(&sasldb).unwrap();
    let mut was_free_while_it_ran = false;
    while child.try_wait().unwrap().is_none() {
        if other.try_lock().is_ok() && child.try_wait().unwrap().is_none() {
            was_free_while_it_ran = true;
            other.unlock().unwrap();
        }
        thread::sleep(Duration::from_millis(20));
    }
    assert!(child.wait().unwrap().success());
    assert!(was_free_while_it_ran);
    assert_eq!(place.listed().len(), 20);
}

/// `user@realm` and password of each user of the fixture.
fn users_of_fixture() -> Vec<(String, String)> {
    let text = fs::read_to_string(fixture("sasldb2.db.txt")).unwrap();
    text.lines()
        .map(|line| {
            let (key, password) = line.split_once('\t').unwrap();
            let parts: Vec<_> = key.split("\\x00").collect();
            (format!("{}@{}", parts[0], parts[1]), password.replace("\\x5c", "\\"))
        })
        .collect()
}

#[test]
fn an_unsafe_source_is_refused_and_nothing_is_made() {
    let place = Place::new();
    let sasldb = place.fixture("sasldb2.db");
    mode(&sasldb, 0o660);
    let ran = place.run(&["--import", name(&sasldb)]);
    ran.failed(77, "unsafe secret (group-writable)");
    assert!(ran.err.contains("    fix: chmod "), "{ran:?}");
    assert!(!place.store().exists());
    // As Debian has it, once its group may not write: an exception, by name.
    mode(&sasldb, 0o640);
    place.run(&["--import", name(&sasldb)]).failed(77, "group-readable");
    let exception =
        format!("[[file]]\npath = {:?}\nkind = \"secret\"\ngroup_readable = [\"root\"]\n", name(&sasldb));
    place.configure(&(configuration(&place.store(), "vm", &["scram-sha-256"]) + &exception));
    place.run(&["--import", name(&sasldb)]).succeeded();
}

#[test]
fn user_and_password_on_a_line() {
    let place = Place::new();
    let text = "# users\n\nalice:secret\nbob@Example.ORG: a:b \r\nalice:again\nnobody\nempty:\n\
                carol@example.org:x\ncafé:na\u{ef}ve\nraw:a\u{7}b\n";
    let source = place.write("users", text);
    let report = import(&place, &["-u", "given.example"], &source);
    assert_eq!(report["format"], "text");
    assert_eq!(
        counts(&report),
        BTreeMap::from([("imported", 5), ("raw", 1), ("duplicates", 1), ("failed", 2)]),
        "{report}"
    );
    assert_eq!(
        report["realms_that_differ_in_case"],
        json!({ "example.org": ["Example.ORG", "example.org"] })
    );
    let right = [
        ("alice@given.example", "secret"),
        ("bob@example.org", " a:b "),
        ("carol@example.org", "x"),
        ("café@given.example", "nai\u{308}ve"),
        ("raw@given.example", "a\u{7}b"),
    ];
    for (user, password) in right {
        assert!(place.accepts(user, password), "{user}");
    }
    assert!(!place.accepts("alice@given.example", "again"));
}

#[test]
fn what_cannot_be_imported_is_told_with_its_line() {
    let place = Place::new();
    let source = place.write("users", "alice:secret\nnobody\nempty:\nalice@VM:other\n");
    let ran = place.run(&["--import", name(&source)]);
    assert_eq!(ran.exit, Some(65));
    for line in [
        "saslpasswd: warning: not imported: line 2: there is no colon between user and password\n",
        "saslpasswd: warning: not imported: line 3: the password is empty\n",
        "saslpasswd: warning: alice@VM: skipped: there already in the realm spelled vm\n",
    ] {
        assert!(ran.err.contains(line), "no {line:?} in {ran:?}");
    }
    assert!(ran.out.contains("  realms that differ only in case: VM, vm\n"), "{ran:?}");
    assert!(!ran.err.contains("other"), "{ran:?}");
    assert!(place.accepts("alice", "secret") && !place.accepts("alice", "other"));
}

#[test]
fn a_passwd_file_of_dovecot() {
    let place = Place::keeping(&["argon2id", "scram-sha-256", "cram-md5", "digest-md5"]);
    let source = place.write("passwd", PASSWD_FILE);
    let report = import(&place, &[], &source);
    assert_eq!(report["format"], "passwd-file");
    assert_eq!(counts(&report), BTreeMap::from([("imported", 7), ("hashed", 6), ("failed", 2)]), "{report}");
    assert_eq!(report["unsupported"], json!({ "scheme MD5-CRYPT": 1, "scheme CRYPT $y$ (yescrypt)": 1 }));
    let kinds: Vec<_> = place
        .dumped(&place.store())
        .iter()
        .map(|user| {
            let verifiers = user["credentials"][0]["verifiers"].as_array().unwrap();
            let kinds: Vec<_> = verifiers.iter().map(|one| one["kind"].as_str().unwrap()).collect();
            format!("{} {}", user["user"].as_str().unwrap(), kinds.join(","))
        })
        .collect();
    assert_eq!(
        kinds,
        [
            "bcrypt foreign",
            "cram cram-md5",
            "plain argon2id,scram-sha-256,cram-md5,digest-md5",
            "scram scram-sha-256",
            "sha256 foreign",
            "sha512 foreign",
            "ssha foreign",
        ]
    );
    for user in ["plain", "sha256", "sha512", "cram", "bcrypt", "ssha"] {
        assert!(place.accepts(user, "secret"), "{user}");
        assert!(!place.accepts(user, "Secret"), "{user}");
    }
    // RFC 7677's example.
    assert!(place.accepts("scram", "pencil") && !place.accepts("scram", "secret"));
    // The next password makes them the policy's.
    place.set(&["ssha"], "secret");
    assert_eq!(place.shown("ssha")["weakest"]["strength"], "password-equivalent");
    assert_eq!(place.shown("sha512")["weakest"]["verifier"], "foreign");
}

/// The password is `secret` (of `scram`: `pencil`), by crypt(3), Dovecot's documentation and RFC 7677.
const PASSWD_FILE: &str = "\
# Dovecot\n\
plain:{PLAIN}secret:1000:1000::/home/plain:/bin/sh:userdb_mail=maildir\n\
sha256:{SHA256-CRYPT}$5$saltstring$C3o4O1TC6aRHF4FI.QSZMXtHbaj2gSXr4sUc/3NcUi.:::\n\
sha512:$6$saltstring$AIsRs/Ee56G/tC8MEHhvReZTfx8u3rXXMl6eYrjCG9ibix19DxoMBLogdTET5Ukw9Sf7eZTITsuk0Ry5qulYz.\n\
cram:{CRAM-MD5}cd3ba7deaad6e5ca23448ba42e379747a9e0f7f1fbc00c8a81bbaac395731b56\n\
bcrypt:{BLF-CRYPT}$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n\
ssha:{SSHA}1G904nLkTkGWjKNnQuB/hpWXC/hzYWx0c2FsdA==\n\
scram:{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\n\
old:{MD5-CRYPT}$1$abc$def\n\
yes:$y$j9T$abc$def\n";

#[test]
fn who_is_there_stays_unless_replaced() {
    let place = Place::new();
    place.set(&["alice"], "mine");
    let source = place.write("users", "alice:theirs\nbob:x\n");
    let rehearsed = import(&place, &["--dry-run"], &source);
    assert_eq!(counts(&rehearsed), BTreeMap::from([("imported", 1), ("existing", 1)]));
    assert_eq!(place.listed().len(), 1);
    assert_eq!(counts(&import(&place, &[], &source)), BTreeMap::from([("imported", 1), ("existing", 1)]));
    assert!(place.accepts("alice", "mine"));
    let replaced = import(&place, &["--replace"], &source);
    assert_eq!(counts(&replaced), BTreeMap::from([("imported", 2), ("replaced", 2)]));
    assert!(place.accepts("alice", "theirs") && !place.accepts("alice", "mine"));
}

#[test]
fn what_an_admin_has_ruled_outlasts_an_import_that_replaces() {
    let place = Place::keeping(&["argon2id", "plain"]);
    place.set(&["-n", "alice"], "mine");
    place.set(&["--keep", "scram-sha-256", "bob"], "mine");
    place.set(&["--label", "phone", "bob"], "device");
    place.run(&["--disable", "alice"]).succeeded();
    place.run(&["--expires", "2999-01-01", "bob"]).succeeded();
    let source = place.write("users", "alice:theirs\nbob:theirs\n");
    let report = import(&place, &["--replace"], &source);
    assert_eq!(counts(&report), BTreeMap::from([("imported", 2), ("replaced", 2)]));
    let (alice, bob) = (place.shown("alice"), place.shown("bob"));
    assert_eq!((&alice["verifiers"], &alice["plain"]), (&json!(["argon2id"]), &json!("never")));
    assert_eq!(alice["state"], "disabled");
    assert_eq!((&bob["verifiers"], &bob["keep"]), (&json!(["scram-sha-256"]), &json!(["scram-sha-256"])));
    assert_eq!(bob["credentials"][0]["expires"], "2999-01-01T00:00:00Z");
    assert_eq!(["mine", "theirs", "device"].map(|one| place.accepts("bob", one)), [false, true, true]);
}

#[test]
fn a_rehearsal_without_a_store_judges_and_makes_none() {
    let place = Place::new();
    let source = place.write("users", "alice:secret\nempty:\nraw:a\u{7}b\n");
    let report = import(&place, &["--dry-run"], &source);
    assert_eq!(counts(&report), BTreeMap::from([("imported", 2), ("raw", 1), ("failed", 1)]));
    assert!(!place.store().exists());
}

/// What a rehearsal says of each user, and what the import then does, is the same; with a store and without.
#[test]
fn a_rehearsal_says_what_the_import_does() {
    let text = "alice:one\nalice@Example.ORG:two\nalice@example.org:three\nalice@EXAMPLE.org:four\n\
                alice@Example.ORG:five\nempty:\nempty@VM:x\nbob:six\nbob@VM:seven\nbob:eight\nraw:a\u{7}b\n\
                alice@VM:nine\n";
    for (is_there, options) in [(false, &[][..]), (true, &[]), (true, &["--replace"])] {
        let place = Place::new();
        if is_there {
            place.set(&["bob"], "mine");
            place.set(&["alice@EXAMPLE.ORG"], "mine");
        }
        let source = place.write("users", text);
        let import = |rehearsal: &[&str]| {
            let ran =
                place.run(&[&["--format", "json", "--import", name(&source)], options, rehearsal].concat());
            let mut report = ran.json();
            report["dry_run"] = Value::Null;
            // Faults are told when the user's turn to be derived comes.
            let mut told: Vec<_> = ran.err.lines().map(str::to_owned).collect();
            told.sort();
            (ran.exit, told, report)
        };
        let rehearsed = import(&["--dry-run"]);
        assert_eq!(rehearsed, import(&[]), "{is_there} {options:?}");
        assert!(rehearsed.2["realm_case"].as_u64() >= Some(3), "{rehearsed:?}");
    }
}

#[test]
fn a_key_that_cyrus_loops_over_is_passed_over() {
    let Ok(db_load) = need::peer("db5.3_load") else { return };
    let place = Place::new();
    let records = [("dave\\00vm", "x"), ("alice\\00vm\\00userPassword", "secret"), ("a\\00b\\00c\\00d", "x")];
    let sasldb =
        load(&place, &db_load, "odd", records.iter().map(|(key, value)| format!(" {key}\n {value}\n")));
    let listed = feed(place.program(SASLDBLISTUSERS).arg(&sasldb), "").succeeded();
    assert_eq!(listed.out, "alice@vm: userPassword\n");
    assert_eq!(listed.err.matches("a key without exactly two NULs").count(), 2, "{listed:?}");
    let ran = place.run(&["--import", name(&sasldb)]);
    assert_eq!(ran.exit, Some(65));
    assert_eq!(ran.err.matches("a key without exactly two NULs").count(), 2, "{ran:?}");
    assert!(place.accepts("alice", "secret"));
}

#[test]
fn a_user_of_a_sasldb_whom_no_command_could_name() {
    let Ok(db_load) = need::peer("db5.3_load") else { return };
    let place = Place::new();
    // U+FF20 becomes an @ when it is prepared.
    let records = [("\\ef\\bc\\a0x\\00vm\\00userPassword", "x"), ("alice\\00vm\\00userPassword", "secret")];
    let sasldb =
        load(&place, &db_load, "odd", records.iter().map(|(key, value)| format!(" {key}\n {value}\n")));
    let ran = place.run(&["--import", name(&sasldb)]);
    assert_eq!(ran.exit, Some(65));
    assert!(ran.err.contains("name holds an @ once it is prepared"), "{ran:?}");
    assert_eq!(place.listed(), ["alice@vm: userPassword"]);
}

/// Only hashes with a salt are taken over; the others are counted by the name of their scheme.
#[test]
fn hashes_without_a_salt_are_refused_by_name() {
    let place = Place::new();
    let text = "alice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\nbob:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n\
                carol:{SHA256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=\ndave:{PLAIN}secret\n";
    let report = import(&place, &[], &place.write("passwd", text));
    assert_eq!(counts(&report), BTreeMap::from([("imported", 1), ("failed", 3)]), "{report}");
    assert_eq!(report["unsupported"], json!({ "scheme SHA": 2, "scheme SHA256": 1 }));
}

#[test]
fn a_sasldb_of_version_1() {
    let Ok(db_load) = need::peer("db5.3_load") else { return };
    let place = Place::keeping(&["argon2id", "cram-md5", "digest-md5"]);
    // Password `secret`: MD5("alice:vm:secret"), and the CRAM-MD5 states of the specification.
    let digest = "2ca89079562837f7ec7484b15193818e";
    let cram = "f1f7e0a98a0cc0fbc3aabb81561b7395dea73bcdcae5d6aaa48b44234797372e";
    let record = |key: &str, value: &str| format!(" {key}\n {}\n", hex(value));
    let records = [
        record("\\00\\00CRAM-MD5", "00000003"),
        record("\\00\\00DIGEST-MD5", "00000003"),
        record("alice\\00vm\\00DIGEST-MD5", digest),
        record("alice\\00vm\\00CRAM-MD5", cram),
        record("bob\\00vm\\00PLAIN-APOP", "0123456789abcdef0123456789abcdef00736563726574"),
    ];
    let sasldb = load(&place, &db_load, "sasldb", records);
    let report = import(&place, &[], &sasldb);
    assert_eq!(counts(&report), BTreeMap::from([("imported", 2), ("hashed", 1)]), "{report}");
    for user in ["alice", "bob"] {
        assert!(place.accepts(user, "secret"), "{user}");
        assert!(!place.accepts(user, "other"), "{user}");
    }
    assert_eq!(place.shown("alice")["verifiers"], json!(["cram-md5", "digest-md5"]));
    assert_eq!(place.listed(), ["alice@vm: userPassword", "bob@vm: userPassword"]);
}

/// Octets in hexadecimal digits, as `db_load` wants them.
fn hex(digits: &str) -> String {
    digits
        .as_bytes()
        .chunks(2)
        .fold(String::new(), |text, pair| text + "\\" + std::str::from_utf8(pair).unwrap())
}

/// A Berkeley DB hash of these records (` key\n value\n`), made by libdb's own tool.
fn load(place: &Place, db_load: &Path, file: &str, records: impl IntoIterator<Item = String>) -> PathBuf {
    let mut text = String::from("VERSION=3\nformat=print\ntype=hash\nHEADER=END\n");
    records.into_iter().for_each(|record| text.push_str(&record));
    text.push_str("DATA=END\n");
    let path = place.path(file);
    feed(Command::new(db_load).arg(&path), text).succeeded();
    mode(&path, 0o600);
    path
}

/// The users of the big import, number by number: several realms, names and passwords of several scripts.
fn user(number: usize) -> (String, String, String) {
    let realm = ["example.org", "mail.example.org", "r\u{e9}alm.example"][number % 3];
    let name = if number.is_multiple_of(7) {
        format!("\u{438}\u{432}\u{430}\u{43d}{number}")
    } else {
        format!("user{number}")
    };
    (name, realm.to_owned(), format!("p\u{e4}ss {number} word"))
}

/// A sasldb of the real saslpasswd2 with so many users: the first by the program itself, the others by libdb's own tools
/// into what it had made; all of them by the program in the long form.
fn sasldb(place: &Place, users: usize) -> Result<PathBuf, need::Missing> {
    let (saslpasswd2, db_dump, db_load) =
        (need::peer("saslpasswd2")?, need::peer("db5.3_dump")?, need::peer("db5.3_load")?);
    let path = place.path("sasldb2");
    let by_program = if need::full() { users } else { 50 };
    for number in 0..by_program {
        let (name, realm, password) = user(number);
        let mut command = Command::new(&saslpasswd2);
        feed(command.arg("-f").arg(&path).args(["-p", "-c", "-u", &realm, &name]), password).succeeded();
    }
    mode(&path, 0o600);
    if by_program == users {
        return Ok(path);
    }
    let dumped = Command::new(db_dump).arg("-p").arg(&path).output().unwrap();
    let mut text = String::from_utf8(dumped.stdout).unwrap().replace("DATA=END\n", "");
    for number in by_program..users {
        let (name, realm, password) = user(number);
        writeln!(text, " {}\\00{}\\00userPassword\n {}", printed(&name), printed(&realm), printed(&password))
            .unwrap();
    }
    text.push_str("DATA=END\n");
    let path = place.path("sasldb2.all");
    feed(Command::new(db_load).arg(&path), text).succeeded();
    mode(&path, 0o600);
    Ok(path)
}

/// As `db_load` with `format=print` reads it.
fn printed(text: &str) -> String {
    let shown = |octet: u8| match octet {
        b' '..=b'~' => char::from(octet).to_string(),
        _ => format!("\\{octet:02x}"),
    };
    text.bytes().map(shown).collect()
}

#[test]
fn ten_thousand_users_of_the_real_saslpasswd2() {
    const USERS: usize = 10_000;
    let place = Place::keeping(&["argon2id", "scram-sha-256"]);
    if need::full() {
        // The real costs, for everybody.
        place.configure(&format!("auth.realm = \"vm\"\nsecrets.path = {:?}\n", place.store()));
    }
    let Ok(sasldb) = sasldb(&place, USERS) else { return };
    let Ok(sasldblistusers2) = need::peer("sasldblistusers2") else { return };
    let report = import(&place, &[], &sasldb);
    assert_eq!(counts(&report), BTreeMap::from([("imported", USERS as u64)]));

    let theirs = feed(Command::new(sasldblistusers2).arg("-f").arg(&sasldb), "").succeeded().out;
    let mut theirs: Vec<_> = theirs.lines().map(str::to_owned).collect();
    let mut ours = place.listed();
    theirs.sort();
    ours.sort();
    assert_eq!(theirs.len(), USERS);
    assert_eq!(ours, theirs, "the same users and realms");

    check_passwords(&place, USERS);
    // Through the program too, for some.
    for number in (0..USERS).step_by(USERS / 20) {
        let (name, realm, password) = user(number);
        assert!(place.accepts(&format!("{name}@{realm}"), &password));
        assert!(!place.accepts(&format!("{name}@{realm}"), format!("{password}s")));
    }
}

/// Each right password is accepted, and a wrong one refused.
fn check_passwords(place: &Place, users: usize) {
    let trust = Trust::root().caller(Uid::effective());
    let store = SecretStore::open(&place.store(), &trust, Access::Read, Wait::default()).unwrap();
    let threads = thread::available_parallelism().unwrap().get();
    thread::scope(|scope| {
        for first in 0..threads {
            let store = &store;
            scope.spawn(move || {
                for number in (first..users).step_by(threads) {
                    check_password(store, number);
                }
            });
        }
    });
}

fn check_password(store: &SecretStore, number: usize) {
    let (name, realm, password) = user(number);
    let identity = Identity::parse(&format!("{name}@{realm}"), &Realm::prepare("").unwrap()).unwrap();
    let record = store.look_up(&identity).unwrap().unwrap().record;
    let verdict = |candidate: &str| {
        record.check(&Secret::copy_of(candidate.as_bytes()), &Occasion::at(Timestamp(0))).unwrap()
    };
    assert!(matches!(verdict(&password), Verdict::Right { .. }), "{identity}");
    assert_eq!(verdict(&format!("{password}s")), Verdict::Wrong, "{identity}");
}

#[test]
fn an_import_that_was_killed_is_run_again() {
    let place = Place::keeping(&["scram-sha-256"]);
    // Two seconds of work, however many cores share it, so that something is written and something is left.
    place.configure(
        &configuration(&place.store(), "vm", &["scram-sha-256"]).replace("sha-256 = 4096", "sha-256 = 40000"),
    );
    let count = 200 * thread::available_parallelism().unwrap().get();
    let users =
        (0..count).fold(String::new(), |text, number| text + &format!("user{number}:password {number}\n"));
    let source = place.write("users", users);
    let mut command = place.command();
    let mut child = command
        .args(["--import", name(&source)])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let imported = loop {
        let there = if place.store().exists() { place.listed().len() } else { 0 };
        if there > 0 {
            break there;
        }
        assert!(child.try_wait().unwrap().is_none(), "it was done before it could be killed");
        thread::sleep(Duration::from_millis(20));
    };
    child.kill().unwrap();
    child.wait().unwrap();
    let report = import(&place, &[], &source);
    let counts = counts(&report);
    let (before, now) =
        (counts.get("already_imported").copied().unwrap_or(0), counts.get("imported").copied().unwrap_or(0));
    assert!(before >= imported as u64, "{report}");
    assert_eq!(before + now, count as u64, "{report}");
    assert!(place.accepts("user0", "password 0"));
    let last = count - 1;
    assert!(place.accepts(&format!("user{last}"), format!("password {last}")));
}
