//! Every rule says how it is mended; what a command mends is safe afterwards, and nobody got more access than before.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use safefile::Rule;
use serde_json::Value;

use crate::tree::Tree;

/// A rule, the kind and the tree that breaks it at `ROOT/way/file`.
const MENDED: &[(Rule, &str, &str)] = &[
    (Rule::DirectoryOwner, "map", "dir way nobody:nogroup 0755\nfile way/file root:root 0644"),
    (Rule::GroupWritableDirectory, "secret", "dir way root:mail 0775\nfile way/file root:root 0600"),
    (Rule::WorldWritableDirectory, "secret", "dir way root:root 0757\nfile way/file root:root 0600"),
    (
        Rule::AclWritableDirectory,
        "secret",
        "dir way root:root 0755\nacl way user:nobody:rwx\nfile way/file root:root 0600",
    ),
    (
        Rule::LinkOwner,
        "map",
        "dir way root:root 0755\nfile target root:root 0644\nlink way/file nobody:nogroup ROOT/target",
    ),
    (Rule::Owner, "secret", "dir way root:root 0755\nfile way/file nobody:nogroup 0600"),
    (Rule::GroupWritable, "map", "dir way root:root 0755\nfile way/file root:mail 0664"),
    (Rule::WorldWritable, "certificate", "dir way root:root 0755\nfile way/file root:root 0646"),
    (
        Rule::AclWritable,
        "map",
        "dir way root:root 0755\nfile way/file root:root 0644\nacl way/file group:mail:rw",
    ),
    (Rule::GroupReadable, "secret", "dir way root:root 0755\nfile way/file root:mail 0640"),
    (Rule::WorldReadable, "private-key", "dir way root:root 0755\nfile way/file root:root 0604"),
    (
        Rule::AclReadable,
        "secret",
        "dir way root:root 0755\nfile way/file root:root 0600\nacl way/file user:nobody:r",
    ),
];

/// A rule that no command mends without losing something: what it says instead.
const BY_HAND: &[(Rule, &str, &str, &str)] = &[
    (
        Rule::WorldWritableDirectory,
        "secret",
        "dir way root:root 1777\nfile way/file root:root 0600",
        "keep the file elsewhere",
    ),
    (
        Rule::NotRegular,
        "secret",
        "dir way root:root 0755\nfifo way/file root:root 0600",
        "name a regular file",
    ),
    (
        Rule::NotDirectory,
        "secret-directory",
        "dir way root:root 0755\nfile way/file root:root 0600",
        "name a directory",
    ),
    (
        Rule::TooManyLinks,
        "secret",
        "dir way root:root 0755\nlink way/file root:root file",
        "by its real path",
    ),
    (
        Rule::HardLink,
        "secret",
        "dir way root:root 0755\nfile way/file root:root 0600\nname other way/file",
        "find / -samefile",
    ),
];

/// Rules that an audit of a file at rest does not meet: tests of safefile do.
const ELSEWHERE: &[Rule] =
    &[Rule::ForeignFilesystem, Rule::WorkingDirectory, Rule::ReplacesLink, Rule::Changed];

#[test]
fn every_rule_is_mended_by_its_command_and_stays_so() {
    if tests::need::root().is_err() || tests::need::peer("setfacl").is_err() {
        return;
    }
    for (rule, kind, lines) in MENDED {
        let tree = Tree::of(lines);
        let before = modes(tree.root());
        let line = format!("files --kind {kind} --format json ROOT/way/file");

        let found = finding(&tree, &line, *rule);
        let fix = found["fix"].as_str().unwrap_or_default();
        assert!(["chmod ", "chown ", "setfacl "].iter().any(|word| fix.starts_with(word)), "{rule}: {fix}");

        let applied = tree.authcheck(&format!("{line} --fix=apply --yes"));
        assert_eq!(applied.status.code(), Some(0), "{rule}: {}", tree.unrooted(&applied.stderr));
        assert!(
            tree.unrooted(&applied.stderr).contains(&fix.replace(tree.root().to_str().unwrap(), "ROOT")),
            "{rule}"
        );
        assert_eq!(tree.authcheck(&line).status.code(), Some(0), "{rule} is not mended for good");
        for (path, (mode, after)) in before.iter().zip(modes(tree.root())).map(|(b, a)| (&b.0, (b.1, a.1))) {
            assert_eq!(after & !mode, 0, "{rule} widened {path} from {mode:o} to {after:o}");
        }
    }
}

#[test]
fn a_shell_may_run_what_fix_prints() {
    if tests::need::root().is_err() || tests::need::peer("setfacl").is_err() {
        return;
    }
    for (rule, kind, lines) in MENDED {
        let tree = Tree::of(lines);
        let line = format!("files --kind {kind} ROOT/way/file");
        let printed = tree.authcheck(&format!("{line} --fix"));
        assert_eq!(printed.status.code(), Some(1), "{rule}: what is unsafe stays unsafe until it is mended");
        let script = tree.at("mend.sh");
        fs::write(&script, &printed.stdout).unwrap();
        let ran = std::process::Command::new("sh").arg("-e").arg(&script).status().unwrap();
        assert!(ran.success(), "{rule}: {}", tree.unrooted(&printed.stdout));
        assert_eq!(
            tree.authcheck(&line).status.code(),
            Some(0),
            "{rule}: {}",
            tree.unrooted(&printed.stdout)
        );
    }
}

/// Whoever may name a file does not name what root's shell runs.
#[test]
fn a_name_is_no_command() {
    if tests::need::root().is_err() {
        return;
    }
    for name in ["x\n';touch owned;'", "x\u{1}\\';touch owned;'", "$(touch owned)\n", "x'`touch owned`\u{1}"]
    {
        let tree = Tree::of("");
        let file = tree.at(name);
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let authcheck = |options: &[&str]| {
            let mut authcheck = std::process::Command::new(env!("CARGO_BIN_EXE_authcheck"));
            authcheck.args(["files", "--kind", "secret"]).args(options).arg(&file).output().unwrap()
        };
        for shell in ["sh", "bash"] {
            let script = authcheck(&["--fix"]).stdout;
            assert_eq!(script.split(|octet| *octet == b'\n').count(), 3, "one line for each command");
            fs::write(tree.at("mend"), script).unwrap();
            let ran =
                std::process::Command::new(shell).arg("mend").current_dir(tree.root()).status().unwrap();
            assert!(ran.success() && !tree.at("owned").exists(), "{shell}: {name:?}");
            assert_eq!(authcheck(&[]).status.code(), Some(0), "{shell}: {name:?} is mended");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        }
    }
}

#[test]
fn what_no_command_mends_is_left_alone_and_said() {
    if tests::need::root().is_err() {
        return;
    }
    for (rule, kind, lines, words) in BY_HAND {
        let tree = Tree::of(lines);
        let line = format!("files --kind {kind} --format json ROOT/way/file");
        let found = finding(&tree, &line, *rule);
        assert_eq!(found["fix"], Value::Null, "{rule}: a program may run what stands there");
        assert!(found["why"].as_str().unwrap_or_default().contains(words), "{rule}: {found}");
        let before = modes(tree.root());
        assert_eq!(tree.authcheck(&format!("{line} --fix=apply --yes")).status.code(), Some(1), "{rule}");
        assert_eq!(modes(tree.root()), before, "{rule}");
        let printed = tree.authcheck(&format!("files --kind {kind} ROOT/way/file --fix"));
        let printed = tree.unrooted(&printed.stdout);
        assert!(
            printed.lines().all(|line| line.starts_with("# ")) && printed.contains(words),
            "{rule}: {printed}"
        );
    }
}

#[test]
fn no_rule_was_forgotten() {
    let met = MENDED.iter().map(|(rule, ..)| *rule).chain(BY_HAND.iter().map(|(rule, ..)| *rule));
    let met: BTreeSet<Rule> = met.chain(ELSEWHERE.iter().copied()).collect();
    assert_eq!(met, BTreeSet::from(Rule::ALL));
}

#[test]
fn a_whole_tree_is_mended_from_the_root_downwards() {
    if tests::need::root().is_err() || tests::need::peer("setfacl").is_err() {
        return;
    }
    let tree = Tree::of(
        "dir etc daemon:daemon 0777\ndir etc/mail nobody:mail 0775\nfile etc/mail/authinfo nobody:mail 0666 x\n\
         acl etc/mail/authinfo user:daemon:rw\nacl etc/mail group:news:rwx",
    );
    let line = "files --kind secret ROOT/etc/mail/authinfo";
    assert_eq!(tree.authcheck(line).status.code(), Some(1));
    let applied = tree.authcheck(&format!("{line} --fix=apply --yes"));
    assert_eq!(applied.status.code(), Some(0), "{}", tree.unrooted(&applied.stdout));
    let ran = tree.unrooted(&applied.stderr);
    let depths: Vec<usize> = ran.lines().map(|line| line.matches('/').count()).collect();
    assert!(depths.is_sorted(), "a file was mended before its directory:\n{ran}");
    assert_eq!(fs::read(tree.at("etc/mail/authinfo")).unwrap(), b"x", "the contents are nobody's business");
}

#[test]
fn nobody_to_ask_is_a_usage_error_and_nothing_happens() {
    if tests::need::root().is_err() {
        return;
    }
    let tree = Tree::of("file secret root:root 0644");
    let asked = tree.authcheck("files --kind secret ROOT/secret --fix=apply");
    assert_eq!(asked.status.code(), Some(64));
    assert!(tree.unrooted(&asked.stderr).contains("--yes"));
    assert_eq!(fs::metadata(tree.at("secret")).unwrap().permissions().mode() & 0o7777, 0o644);
}

/// The lines for gatepost.toml are what the configuration takes, whatever the path, and excuse all that they are for,
/// however the path is spelled then.
#[test]
fn the_other_way_out_is_a_configuration() {
    if tests::need::root().is_err() {
        return;
    }
    for (lines, path) in [
        ("dir a\"]b root:root 0755\nfile a\"]b/f root:mail 0640", "ROOT/a\"]b/f"),
        ("dir a\\=b mail:mail 0755\nfile a\\=b/f root:root 0600", "ROOT/a\\=b/f"),
        ("dir d root:mail 0775\nfile d/f root:root 0600", "d/f"),
        ("dir d root:mail 0775\nfile d/f root:root 0600", "./d/../d//f"),
        ("dir d root:mail 0775\nfile d/f root:root 0600\nlink d/l root:root f", "ROOT/d/l"),
        ("dir a mail:mail 0755\ndir a/b news:mail 0775\nfile a/b/f root:mail 0640", "a/b/f"),
    ] {
        let tree = Tree::of(lines);
        let toml = toml(&tree, &format!("--kind secret {path}"));
        assert_eq!(toml.matches("[[file]]").count(), 1, "{path}: {toml}");
        assert!(!toml.contains(".."), "{path}: {toml}");
        fs::write(tree.at("gatepost.toml"), toml).unwrap();
        let absolute = tree.at(&path.replace("ROOT/", "")).display().to_string();
        for spelling in [path, &absolute] {
            let excused = tree.authcheck(&format!("--config ROOT/gatepost.toml files {spelling}"));
            assert_eq!(excused.status.code(), Some(0), "{spelling}: {excused:?}");
            assert!(tree.unrooted(&excused.stdout).contains("named by gatepost.toml"), "{spelling}");
            assert!(tree.unrooted(&excused.stderr).is_empty(), "{spelling}: {excused:?}");
        }
    }
}

/// What is named by the configuration is that file by any other spelling too, and no other file is.
#[test]
fn a_file_that_is_named_is_known_however_it_is_spelled() {
    if tests::need::root().is_err() {
        return;
    }
    let tree = Tree::of(
        "file gatepost.toml root:root 0644 [[file]]\\npath = \"ROOT/mail/info\"\\nkind = \"secret\"\\ngroup_readable = [\"mail\"]\\n\n\
         file mail/info root:mail 0640\nfile mail/other root:mail 0640\nlink elsewhere/info root:root ../mail/info",
    );
    for (path, exit) in [
        ("mail/info", 0),
        ("mail/../mail/info", 0),
        ("ROOT/mail/../mail/info", 0),
        ("elsewhere/info", 0),
        ("ROOT/elsewhere/info", 0),
        ("mail/other", 1),
        ("elsewhere/../mail/other", 1),
    ] {
        let said = tree.authcheck(&format!("--config gatepost.toml files {path}"));
        assert_eq!(said.status.code(), Some(exit), "{path}: {}", tree.unrooted(&said.stdout));
    }
}

/// A directory above files of two kinds is accepted for each as what it is, and all that is told is one configuration.
#[test]
fn what_accepts_a_map_makes_no_map_of_a_secret() {
    if tests::need::root().is_err() {
        return;
    }
    let tree = Tree::of(
        "dir mail daemon:mail 0755\ncopy mail/access.db root:root 0644 access.db\n\
         copy mail/virtusertable.db root:root 0644 access.db\ncopy mail/authinfo.db root:mail 0640 authinfo.db",
    );
    let paths = "ROOT/mail/access.db ROOT/mail/virtusertable.db ROOT/mail/authinfo.db";
    let toml = toml(&tree, paths);
    assert_eq!(toml.matches("[[file]]").count(), 2, "once for the maps, once for the secret: {toml}");
    fs::write(tree.at("gatepost.toml"), &toml).unwrap();
    let excused = tree.authcheck(&format!("--config gatepost.toml files {paths}"));
    let out = tree.unrooted(&excused.stdout);
    assert!(out.contains("safe    map           ROOT/mail/access.db"), "{toml}{out}");
    assert!(out.contains("safe    secret        ROOT/mail/authinfo.db"), "{toml}{out}");
}

/// All lines for gatepost.toml that are told of some files, in their order.
fn toml(tree: &Tree, files: &str) -> String {
    let said = tree.authcheck(&format!("files {files}"));
    assert_eq!(said.status.code(), Some(1), "{files}");
    let said = String::from_utf8(said.stdout).unwrap();
    let lines = said.lines().filter_map(|line| line.strip_prefix("            "));
    lines
        .filter(|line| line.starts_with("[[") || line.contains(" = "))
        .flat_map(|line| [line, "\n"])
        .collect()
}

/// On a path of a stranger's nothing is changed that the stranger may have chosen, however often rounds are run.
#[test]
fn a_stranger_does_not_choose_what_is_mended() {
    if tests::need::root().is_err() {
        return;
    }
    for (what, lines, line) in [
        (
            "a link of theirs",
            "link way/file nobody:nogroup ROOT/passwd\nfile passwd root:root 0644",
            "files --kind secret ROOT/way/file",
        ),
        (
            "a link in their directory",
            "dir way nobody:nogroup 0755\nlink way/file root:root ROOT/passwd\nfile passwd root:root 0644",
            "files --kind secret ROOT/way/file",
        ),
        (
            "a second name",
            "dir way nobody:nogroup 0755\nfile passwd root:root 0644\nname way/file passwd",
            "files --kind secret ROOT/way/file",
        ),
        (
            "a configuration of theirs",
            "file etc/postfix/main.cf nobody:nogroup 0644 smtp_sasl_password_maps=texthash:/passwd\\n\n\
             file passwd root:root 0644",
            "discover --root ROOT",
        ),
    ] {
        let tree = Tree::of(lines);
        let printed = tree.authcheck(&format!("{line} --fix"));
        let printed = tree.unrooted(&printed.stdout);
        let commands = printed.lines().filter(|line| !line.starts_with('#'));
        assert!(!commands.into_iter().any(|line| line.contains("passwd")), "{what}: {printed}");
        assert!(printed.contains("# "), "{what}: {printed}");
        assert_eq!(tree.authcheck(&format!("{line} --fix=apply --yes")).status.code(), Some(1), "{what}");
        let mode = fs::metadata(tree.at("passwd")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o644, "{what}");
    }
}

fn finding(tree: &Tree, line: &str, rule: Rule) -> Value {
    let output = tree.authcheck(line);
    assert_eq!(output.status.code(), Some(1), "{rule}: {}", tree.unrooted(&output.stdout));
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["verdict"], "unsafe", "{rule}");
    let findings = object["findings"].as_array().unwrap();
    let found = findings.iter().find(|found| found["rule"] == rule.word());
    found.unwrap_or_else(|| panic!("{rule} was not found: {object}")).clone()
}

/// The mode of everything in a tree, links left out, with the group's bits of an access list as the mask.
fn modes(root: &Path) -> Vec<(String, u32)> {
    let mut modes = Vec::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(path) = waiting.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        if !metadata.is_symlink() {
            modes.push((path.display().to_string(), metadata.mode() & 0o7777));
        }
    }
    modes.sort();
    modes
}
