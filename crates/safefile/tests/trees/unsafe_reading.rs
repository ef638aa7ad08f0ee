//! Reading what is unsafe, only to report on it.

use std::fs;

use safefile::{Kind, OpenError, Trust, Verdict, open_unsafe_for_audit};
use tests::need;

use crate::ground::{Ground, MALLORY, ROOT, word};

#[test]
fn what_is_unsafe_can_be_reported_on() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    ground.dir("d", MALLORY, MALLORY, 0o777);
    let path = ground.file("d/main.cf", MALLORY, MALLORY, 0o666);
    let read = |limit| open_unsafe_for_audit(&path, Kind::Configuration, &Trust::root(), limit).unwrap();
    assert_eq!(read(9).contents.as_deref(), Some(&b"d/main.cf"[..]));
    assert_eq!(read(8).contents, None, "longer than the limit");
    assert_eq!(read(9).audit.verdict(), Verdict::Unsafe);
    fs::set_permissions(ground.at("d"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    assert_eq!(read(9).audit.findings().count(), 4);
}

#[test]
fn what_is_no_file_is_not_read() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    ground.dir("d", ROOT, ROOT, 0o755);
    ground.link("loop", "loop");
    ground.link("to-fifo", "fifo");
    ground.fifo("fifo");
    for (name, expected) in [
        ("d", "EISDIR"),
        ("fifo", "not-regular"),
        ("to-fifo", "not-regular"),
        ("none", "missing"),
        ("loop", "a path of so many symbolic links, or a loop of them, leads nowhere"),
    ] {
        let result = open_unsafe_for_audit(&ground.at(name), Kind::Configuration, &Trust::root(), 100);
        let found: Result<(), OpenError> = result.map(drop);
        assert_eq!(word(found), expected, "{name}");
    }
}
