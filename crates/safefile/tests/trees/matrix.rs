//! The two matrices of what sendmail's own routine decides, and beside each verdict Gatepost's. Where one accepts what
//! the other refuses, the reason stands there.
//!
//! One row of the second matrix, the relative name, is in `process_wide.rs`: it changes the working directory.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use safefile::{Dress, Exception, Kind, OldFile, Replacement, SafeFile, Trust};
use tests::need;

use crate::ground::{
    Ground, MALLORY, ROOT, SMMSP, SMMTA, STAFF, account, acting_as, group, replacing_word, verdict, word,
};

/// What sendmail reads: SASL password files (plain; with GroupReadableSASLDBFile; with GroupWritableSASLDBFile too),
/// SASL's configuration and plug-ins, maps, DefaultAuthInfo, TLS keys, TLS certificates.
const COLUMNS: [(&str, Kind); 8] = [
    ("SASLDB", Kind::Secret),
    ("SASLDB+", Kind::Secret),
    ("SASLDB++", Kind::Secret),
    ("CONF", Kind::Configuration),
    ("MAP", Kind::Map),
    ("AUTHINFO", Kind::Secret),
    ("KEY", Kind::PrivateKey),
    ("CERT", Kind::Certificate),
];

/// One file in a safe directory.
struct Row {
    owner: u32,
    group: u32,
    modes: &'static [u32],
    /// ok, Group/World Readable/Writable, EA = permission denied.
    sendmail: [&'static str; 8],
    gatepost: [&'static str; 8],
    /// Why one accepts what the other refuses, by column.
    reasons: &'static [(&'static str, &'static str)],
}

const OWNER: &str = "sendmail does not ask who owns it; its owner can change it at any time";
const NOBODYS_GROUP: &str = "no exception lets a group write secrets";
const ANY_MAP: &str = "sendmail looks only at the path of a map; who may write the map decides on relaying";
const OBEYED: &str = "what the programs obey is written by nobody else, a group included";
const ROOTS_ALONE: &str = "what root obeys belongs to root alone, or the TrustedUser would be root";

const NOGROUP: u32 = 65534;
const NOBODY: u32 = 65534;
const GR: &str = "group-readable";
const WR: &str = "world-readable";
const GW: &str = "group-writable";
const WW: &str = "world-writable";
const SAFE: &str = "safe";
const EA: &str = "EACCES";
const OTHERS: [&str; 8] = ["owner"; 8];

const AS_ROOT: [Row; 11] = [
    Row {
        owner: ROOT,
        group: ROOT,
        modes: &[0o600, 0o400, 0o700],
        sendmail: ["ok"; 8],
        gatepost: [SAFE; 8],
        reasons: &[],
    },
    Row {
        owner: ROOT,
        group: ROOT,
        modes: &[0o640],
        sendmail: ["GR", "ok", "ok", "ok", "ok", "GR", "GR", "ok"],
        gatepost: [GR, SAFE, SAFE, SAFE, SAFE, GR, GR, SAFE],
        reasons: &[],
    },
    Row {
        owner: ROOT,
        group: SMMTA,
        modes: &[0o640, 0o440],
        sendmail: ["GR", "ok", "ok", "ok", "ok", "GR", "GR", "ok"],
        gatepost: [GR, SAFE, SAFE, SAFE, SAFE, GR, GR, SAFE],
        reasons: &[],
    },
    Row {
        owner: ROOT,
        group: ROOT,
        modes: &[0o644],
        sendmail: ["GR", "WR", "WR", "ok", "ok", "GR", "GR", "ok"],
        gatepost: [GR, WR, WR, SAFE, SAFE, GR, GR, SAFE],
        reasons: &[],
    },
    Row {
        owner: ROOT,
        group: ROOT,
        modes: &[0o604],
        sendmail: ["WR", "WR", "WR", "ok", "ok", "WR", "WR", "ok"],
        gatepost: [WR, WR, WR, SAFE, SAFE, WR, WR, SAFE],
        reasons: &[],
    },
    Row {
        owner: ROOT,
        group: ROOT,
        modes: &[0o660, 0o620],
        sendmail: ["GW", "GW", "ok", "ok", "ok", "GW", "GW", "GW"],
        gatepost: [GW; 8],
        reasons: &[("SASLDB++", NOBODYS_GROUP), ("CONF", OBEYED), ("MAP", ANY_MAP)],
    },
    Row {
        owner: ROOT,
        group: ROOT,
        modes: &[0o602],
        sendmail: ["WW", "WW", "WW", "WW", "ok", "WW", "WW", "WW"],
        gatepost: [WW; 8],
        reasons: &[("MAP", ANY_MAP)],
    },
    Row {
        owner: NOBODY,
        group: NOGROUP,
        modes: &[0o600, 0o400],
        sendmail: ["EA", "EA", "EA", "EA", "EA", "ok", "EA", "EA"],
        gatepost: OTHERS,
        reasons: &[("AUTHINFO", OWNER)],
    },
    Row {
        owner: SMMTA,
        group: SMMTA,
        modes: &[0o640],
        sendmail: ["GR", "EA", "EA", "EA", "EA", "GR", "GR", "EA"],
        gatepost: OTHERS,
        reasons: &[],
    },
    Row {
        owner: NOBODY,
        group: NOGROUP,
        modes: &[0o644],
        sendmail: ["GR", "WR", "WR", "ok", "ok", "GR", "GR", "EA"],
        gatepost: OTHERS,
        reasons: &[("CONF", OWNER), ("MAP", OWNER)],
    },
    Row {
        owner: NOBODY,
        group: ROOT,
        modes: &[0o640, 0o440],
        sendmail: ["GR", "ok", "ok", "ok", "ok", "GR", "GR", "EA"],
        gatepost: OTHERS,
        reasons: &[("SASLDB+", OWNER), ("SASLDB++", OWNER), ("CONF", OWNER), ("MAP", OWNER)],
    },
];

const OF_SMMSP: [&str; 8] = ["EA", "EA", "EA", "EA", "EA", "ok", "EA", "EA"];

/// smmta's and smmsp's own files while neither is the TrustedUser.
const OF_ACCOUNTS: [Row; 2] = [
    Row {
        owner: SMMTA,
        group: SMMTA,
        modes: &[0o600, 0o400],
        sendmail: OF_SMMSP,
        gatepost: OTHERS,
        reasons: &[("AUTHINFO", OWNER)],
    },
    Row {
        owner: SMMSP,
        group: SMMSP,
        modes: &[0o600, 0o400],
        sendmail: OF_SMMSP,
        gatepost: OTHERS,
        reasons: &[("AUTHINFO", OWNER)],
    },
];

const OF_THE_TRUSTED_USER: Row = Row {
    owner: SMMSP,
    group: SMMSP,
    modes: &[0o600, 0o400],
    sendmail: ["ok"; 8],
    gatepost: [SAFE, SAFE, SAFE, "owner", SAFE, SAFE, SAFE, SAFE],
    reasons: &[("CONF", ROOTS_ALONE)],
};

/// The daemon runs as smmta (RunAsUser), who is then also whom Gatepost calls the TrustedUser.
const AS_SMMTA: [Row; 10] = [
    Row {
        owner: ROOT,
        group: ROOT,
        modes: &[0o600, 0o400, 0o700],
        sendmail: ["EA"; 8],
        gatepost: [EA; 8],
        reasons: &[],
    },
    Row {
        owner: ROOT,
        group: ROOT,
        modes: &[0o640],
        sendmail: ["GR", "EA", "EA", "EA", "EA", "GR", "GR", "EA"],
        gatepost: [GR, EA, EA, EA, EA, GR, GR, EA],
        reasons: &[],
    },
    Row {
        owner: ROOT,
        group: ROOT,
        modes: &[0o644],
        sendmail: ["GR", "WR", "WR", "ok", "ok", "GR", "GR", "ok"],
        gatepost: [GR, WR, WR, SAFE, SAFE, GR, GR, SAFE],
        reasons: &[],
    },
    Row {
        owner: ROOT,
        group: SMMTA,
        modes: &[0o640, 0o440],
        sendmail: ["GR", "ok", "ok", "ok", "ok", "GR", "GR", "ok"],
        gatepost: [GR, SAFE, SAFE, SAFE, SAFE, GR, GR, SAFE],
        reasons: &[],
    },
    Row {
        owner: ROOT,
        group: ROOT,
        modes: &[0o660, 0o620],
        sendmail: ["GW", "GW", "EA", "EA", "EA", "GW", "GW", "GW"],
        gatepost: [GW; 8],
        reasons: &[],
    },
    Row {
        owner: SMMTA,
        group: SMMTA,
        modes: &[0o600, 0o400],
        sendmail: ["ok"; 8],
        gatepost: [SAFE, SAFE, SAFE, "owner", SAFE, SAFE, SAFE, SAFE],
        reasons: &[("CONF", ROOTS_ALONE)],
    },
    Row {
        owner: SMMTA,
        group: SMMTA,
        modes: &[0o640],
        sendmail: ["GR", "ok", "ok", "ok", "ok", "GR", "GR", "ok"],
        gatepost: [GR, SAFE, SAFE, "owner", SAFE, GR, GR, SAFE],
        reasons: &[("CONF", ROOTS_ALONE)],
    },
    Row { owner: SMMSP, group: SMMSP, modes: &[0o600], sendmail: ["EA"; 8], gatepost: OTHERS, reasons: &[] },
    Row {
        owner: NOBODY,
        group: NOGROUP,
        modes: &[0o600],
        sendmail: ["EA"; 8],
        gatepost: OTHERS,
        reasons: &[],
    },
    Row {
        owner: NOBODY,
        group: NOGROUP,
        modes: &[0o644],
        sendmail: ["GR", "WR", "WR", "ok", "ok", "GR", "GR", "EA"],
        gatepost: OTHERS,
        reasons: &[("CONF", OWNER), ("MAP", OWNER)],
    },
];

#[test]
fn modes_and_owners_as_root() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    for row in AS_ROOT.iter().chain(&OF_ACCOUNTS) {
        check(&ground, row, &Trust::root(), verdict);
    }
}

#[test]
fn modes_and_owners_as_root_with_a_trusted_user() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    let trust = Trust::root().trusted_user(account(SMMSP));
    for row in AS_ROOT.iter().chain([&OF_ACCOUNTS[0], &OF_THE_TRUSTED_USER]) {
        check(&ground, row, &trust, verdict);
    }
}

#[test]
fn modes_and_owners_as_an_account() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    let trust = Trust::root().trusted_user(account(SMMTA));
    let as_smmta =
        |path: &Path, kind: Kind, trust: &Trust| acting_as(SMMTA, SMMTA, || verdict(path, kind, trust));
    for row in &AS_SMMTA {
        check(&ground, row, &trust, as_smmta);
    }
}

fn check(ground: &Ground, row: &Row, trust: &Trust, verdict: impl Fn(&Path, Kind, &Trust) -> String) {
    for mode in row.modes {
        let path = ground.file("f", row.owner, row.group, *mode);
        for (index, (column, kind)) in COLUMNS.iter().enumerate() {
            let context = format!("{column}, {}:{} {mode:o}", row.owner, row.group);
            let trust = if column.ends_with('+') {
                trust.clone().except(Exception::GroupReadable(group(row.group)))
            } else {
                trust.clone()
            };
            assert_eq!(verdict(&path, *kind, &trust), row.gatepost[index], "{context}");
            let differs = (row.sendmail[index] == "ok") != (row.gatepost[index] == "safe");
            let reason = row.reasons.iter().find(|(named, _)| named == column);
            assert_eq!(reason.is_some(), differs, "{context}: a reason, and only where the verdicts differ");
        }
        fs::remove_file(path).unwrap();
    }
}

/// One tree, with a file of root's, mode 0600, at its end.
struct Situation {
    what: &'static str,
    build: fn(&Ground) -> PathBuf,
    except: fn(&Ground) -> Vec<Exception>,
    /// Reading: sendmail's verdict for SASLDB, MAP, AUTHINFO and KEY; for makemap: building.
    sendmail: [&'static str; 2],
    gatepost: [&'static str; 2],
    /// Why one accepts what the other refuses: reading, building.
    reasons: [Option<&'static str>; 2],
}

const STICKY: &str = "a sticky bit keeps others from removing a file, not from putting one there first";
const MAKEMAP_WARNS: &str = "makemap only warns of a directory where anybody may replace what it builds";
const DIRECTORY_OWNER: &str = "sendmail never looks at the owner of a directory, who may replace all in it";
const REAL_PATH: &str = "sendmail does not walk to where a last link leads";
const SECOND_NAME: &str = "the other name may lie where others read or keep the file";

const GWD: &str = "group-writable-directory";
const WWD: &str = "world-writable-directory";

fn nothing(_: &Ground) -> Vec<Exception> {
    Vec::new()
}

fn group_of_dir(ground: &Ground) -> Vec<Exception> {
    vec![Exception::GroupWritableDir { dir: ground.at("d"), group: group(STAFF) }]
}

fn owner_of_dir(ground: &Ground) -> Vec<Exception> {
    vec![Exception::DirOwner { dir: ground.at("d"), owner: account(SMMTA) }]
}

fn in_dir(ground: &Ground, owner: u32, mode: u32) -> PathBuf {
    ground.dir("d", owner, STAFF, mode);
    ground.secret("d/f")
}

fn with_second_name(ground: &Ground, mode: u32) -> PathBuf {
    let path = in_dir(ground, ROOT, mode);
    fs::hard_link(&path, ground.at("second")).unwrap();
    path
}

fn link_to_dir(ground: &Ground, place: u32, target: u32) -> PathBuf {
    ground.dir("place", ROOT, STAFF, place);
    in_dir(ground, ROOT, target);
    ground.link("place/l", "../d");
    ground.at("place/l/f")
}

const SITUATIONS: [Situation; 30] = [
    Situation {
        what: "directory 0755",
        build: |ground| in_dir(ground, ROOT, 0o755),
        except: nothing,
        sendmail: ["ok", "ok"],
        gatepost: [SAFE, SAFE],
        reasons: [None, None],
    },
    Situation {
        what: "directory 0775",
        build: |ground| in_dir(ground, ROOT, 0o775),
        except: nothing,
        sendmail: ["gwd", "ok"],
        gatepost: [GWD, GWD],
        reasons: [None, Some(MAKEMAP_WARNS)],
    },
    Situation {
        what: "directory 0775, named (sendmail: all of them, GroupWritableDirPathSafe)",
        build: |ground| in_dir(ground, ROOT, 0o775),
        except: group_of_dir,
        sendmail: ["ok", "ok"],
        gatepost: [SAFE, SAFE],
        reasons: [None, None],
    },
    Situation {
        what: "directory 0777",
        build: |ground| in_dir(ground, ROOT, 0o777),
        except: nothing,
        sendmail: ["wwd", "ok"],
        gatepost: [GWD, GWD],
        reasons: [None, Some(MAKEMAP_WARNS)],
    },
    Situation {
        what: "directory 1777",
        build: |ground| in_dir(ground, ROOT, 0o1777),
        except: nothing,
        sendmail: ["wwd", "ok"],
        gatepost: [GWD, GWD],
        reasons: [None, Some(MAKEMAP_WARNS)],
    },
    Situation {
        what: "directory 1777, TrustStickyBit",
        build: |ground| in_dir(ground, ROOT, 0o1777),
        except: nothing,
        sendmail: ["ok", "ok"],
        gatepost: [GWD, GWD],
        reasons: [Some(STICKY), Some(STICKY)],
    },
    Situation {
        what: "directory 1775, TrustStickyBit",
        build: |ground| in_dir(ground, ROOT, 0o1775),
        except: nothing,
        sendmail: ["ok", "ok"],
        gatepost: [GWD, GWD],
        reasons: [Some(STICKY), Some(STICKY)],
    },
    Situation {
        what: "directory 0777, named (sendmail: GroupWritableDirPathSafe)",
        build: |ground| in_dir(ground, ROOT, 0o777),
        except: group_of_dir,
        sendmail: ["wwd", "ok"],
        gatepost: [WWD, WWD],
        reasons: [None, Some(MAKEMAP_WARNS)],
    },
    Situation {
        what: "an ancestor 0777, the directory itself 0755",
        build: |ground| {
            ground.dir("a", ROOT, ROOT, 0o777);
            ground.dir("a/d", ROOT, ROOT, 0o755);
            ground.secret("a/d/f")
        },
        except: nothing,
        sendmail: ["wwd", "ok"],
        gatepost: [GWD, GWD],
        reasons: [None, Some(MAKEMAP_WARNS)],
    },
    Situation {
        what: "directory of another user, 0755",
        build: |ground| in_dir(ground, SMMTA, 0o755),
        except: nothing,
        sendmail: ["ok", "ok"],
        gatepost: ["directory-owner", "directory-owner"],
        reasons: [Some(DIRECTORY_OWNER), Some(DIRECTORY_OWNER)],
    },
    Situation {
        what: "directory of another user, 0755, named",
        build: |ground| in_dir(ground, SMMTA, 0o755),
        except: owner_of_dir,
        sendmail: ["ok", "ok"],
        gatepost: [SAFE, SAFE],
        reasons: [None, None],
    },
    Situation {
        what: "directory of another user, 0700 (SASLDB, MAP: EA; AUTHINFO, KEY: ok)",
        build: |ground| in_dir(ground, SMMTA, 0o700),
        except: nothing,
        sendmail: ["EA", "EA"],
        gatepost: ["directory-owner", "directory-owner"],
        reasons: [None, None],
    },
    Situation {
        what: "directory of the TrustedUser, 0700",
        build: |ground| in_dir(ground, SMMSP, 0o700),
        except: nothing,
        sendmail: ["EA", "EA"],
        gatepost: [SAFE, SAFE],
        reasons: [Some("root may search it by privilege"), Some("root may search it by privilege")],
    },
    Situation {
        what: "directory of another user, group root, 0710",
        build: |ground| {
            ground.dir("d", SMMTA, ROOT, 0o710);
            ground.secret("d/f")
        },
        except: nothing,
        sendmail: ["ok", "ok"],
        gatepost: ["directory-owner", "directory-owner"],
        reasons: [Some(DIRECTORY_OWNER), Some(DIRECTORY_OWNER)],
    },
    Situation {
        what: "last link in a safe directory",
        build: |ground| {
            in_dir(ground, ROOT, 0o755);
            ground.link("l", "d/f")
        },
        except: nothing,
        sendmail: ["ok", "SL"],
        gatepost: [SAFE, "replaces-link"],
        reasons: [None, None],
    },
    Situation {
        what: "last link in a 0777 directory",
        build: |ground| {
            ground.dir("d", ROOT, ROOT, 0o777);
            ground.secret("f");
            ground.link("d/l", "../f")
        },
        except: nothing,
        sendmail: ["wwd", "SL"],
        gatepost: [GWD, GWD],
        reasons: [None, None],
    },
    Situation {
        what: "last link in a safe directory, into a 0777 directory",
        build: |ground| {
            in_dir(ground, ROOT, 0o777);
            ground.link("l", ground.at("d/f"))
        },
        except: nothing,
        sendmail: ["ok", "SL"],
        gatepost: [GWD, "replaces-link"],
        reasons: [Some(REAL_PATH), None],
    },
    Situation {
        what: "two links in a row, the last into a 0777 directory",
        build: |ground| {
            in_dir(ground, ROOT, 0o777);
            ground.link("l", "d/f");
            ground.link("k", "l")
        },
        except: nothing,
        sendmail: ["ok", "SL"],
        gatepost: [GWD, "replaces-link"],
        reasons: [Some(REAL_PATH), None],
    },
    Situation {
        what: "a stranger's link in a safe directory",
        build: |ground| {
            in_dir(ground, ROOT, 0o755);
            ground.foreign_link("l", "d/f", MALLORY)
        },
        except: nothing,
        sendmail: ["ok", "SL"],
        gatepost: ["link-owner", "replaces-link"],
        reasons: [Some("a link leads where who made it wanted it to lead"), None],
    },
    Situation {
        what: "two names, directory 0755",
        build: |ground| with_second_name(ground, 0o755),
        except: nothing,
        sendmail: ["ok", "HL"],
        gatepost: ["hard-link", "hard-link"],
        reasons: [Some(SECOND_NAME), None],
    },
    Situation {
        what: "two names, directory 0777",
        build: |ground| with_second_name(ground, 0o777),
        except: nothing,
        sendmail: ["wwd", "HL"],
        gatepost: [GWD, GWD],
        reasons: [None, None],
    },
    Situation {
        what: "directory reached through a link",
        build: |ground| link_to_dir(ground, 0o755, 0o755),
        except: nothing,
        sendmail: ["ok", "ok"],
        gatepost: [SAFE, SAFE],
        reasons: [None, None],
    },
    Situation {
        what: "0777 directory reached through a link",
        build: |ground| link_to_dir(ground, 0o755, 0o777),
        except: nothing,
        sendmail: ["wwd", "ok"],
        gatepost: [GWD, GWD],
        reasons: [None, Some(MAKEMAP_WARNS)],
    },
    Situation {
        what: "directory reached through a link in a 0777 directory",
        build: |ground| link_to_dir(ground, 0o777, 0o755),
        except: nothing,
        sendmail: ["wwd", "ok"],
        gatepost: [GWD, GWD],
        reasons: [None, Some(MAKEMAP_WARNS)],
    },
    Situation {
        what: "/a/../d/f with /a 0777",
        build: |ground| {
            in_dir(ground, ROOT, 0o755);
            ground.dir("a", ROOT, ROOT, 0o777);
            ground.at("a/../d/f")
        },
        except: nothing,
        sendmail: ["wwd", "ok"],
        gatepost: [GWD, GWD],
        reasons: [None, Some(MAKEMAP_WARNS)],
    },
    Situation {
        what: "a link to itself",
        build: |ground| ground.link("l", "l"),
        except: nothing,
        sendmail: ["ELOOP", "SL"],
        gatepost: ["too-many-links", "replaces-link"],
        reasons: [None, None],
    },
    Situation {
        what: "missing file, safe directory",
        build: |ground| ground.at("f"),
        except: nothing,
        sendmail: ["ENOENT", "ok"],
        gatepost: ["missing", SAFE],
        reasons: [None, None],
    },
    Situation {
        what: "missing file, 0777 directory",
        build: |ground| ground.dir("d", ROOT, ROOT, 0o777).join("f"),
        except: nothing,
        sendmail: ["wwd", "ok"],
        gatepost: [GWD, GWD],
        reasons: [None, Some(MAKEMAP_WARNS)],
    },
    Situation {
        what: "a directory in place of the file (SASLDB: no rule against it)",
        build: |ground| ground.dir("f", ROOT, ROOT, 0o755),
        except: nothing,
        sendmail: ["REG", "REG"],
        gatepost: ["not-regular", "not-regular"],
        reasons: [None, None],
    },
    Situation {
        what: "a named pipe in place of the file (SASLDB: no rule against it)",
        build: |ground| ground.fifo("f"),
        except: nothing,
        sendmail: ["REG", "REG"],
        gatepost: ["not-regular", "not-regular"],
        reasons: [None, None],
    },
];

const TO_NULL: Situation = Situation {
    what: "a link to /dev/null (SASLDB: GW)",
    build: |ground| ground.link("l", "/dev/null"),
    except: nothing,
    sendmail: ["REG", "SL"],
    gatepost: ["not-regular", "replaces-link"],
    reasons: [None, None],
};

#[test]
fn directories_and_links() {
    let Ok(()) = need::root() else { return };
    for situation in SITUATIONS.iter().chain([&TO_NULL]) {
        let ground = Ground::new();
        let path = (situation.build)(&ground);
        let trust = Trust::root().trusted_user(account(SMMSP));
        let trust = (situation.except)(&ground).into_iter().fold(trust, Trust::except);
        for kind in [Kind::Map, Kind::Secret, Kind::PrivateKey] {
            assert_eq!(verdict(&path, kind, &trust), situation.gatepost[0], "{}, {kind}", situation.what);
        }
        assert_eq!(build(&path, &trust), situation.gatepost[1], "{}, building", situation.what);
        for (sendmail, (gatepost, reason)) in
            situation.sendmail.iter().zip(situation.gatepost.iter().zip(situation.reasons))
        {
            let differs = (*sendmail == "ok") != (*gatepost == "safe");
            assert_eq!(reason.is_some(), differs, "{}: a reason where the verdicts differ", situation.what);
        }
    }
}

/// Another user's private directory, to a daemon that runs as an account of its own.
#[test]
fn another_users_directory_as_an_account() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    let path = in_dir(&ground, MALLORY, 0o700);
    let trust = Trust::root().trusted_user(account(SMMTA));
    let found = acting_as(SMMTA, SMMTA, || word(SafeFile::open(&path, Kind::Map, &trust).map(drop)));
    assert_eq!(found, "directory-owner", "sendmail: EA");
}

fn build(path: &Path, trust: &Trust) -> String {
    let dress = Dress { owner: None, group: None, mode: 0o640 };
    let result = Replacement::begin(path, Kind::Map, trust, dress).and_then(|mut new| {
        new.write_all(b"built").unwrap();
        new.commit(OldFile::Leave)
    });
    replacing_word(result.map(drop))
}
