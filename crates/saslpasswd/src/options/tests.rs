//! Command lines, and what they mean.

use super::*;

fn parse(arguments: &[&str]) -> Result<Options, Stop> {
    Options::parse("saslpasswd2", std::iter::once(&"saslpasswd2").chain(arguments).map(OsString::from))
}

fn list(arguments: &[&str]) -> Result<ListOptions, Stop> {
    ListOptions::parse("l", std::iter::once(&"l").chain(arguments).map(OsString::from))
}

fn task_of(arguments: &[&str]) -> Task {
    parse(arguments).unwrap_or_else(|stop| panic!("{arguments:?}: {stop:?}")).task
}

fn setting_of(arguments: &[&str]) -> Setting {
    match task_of(arguments) {
        Task::Set(_, setting) => setting,
        other => panic!("{arguments:?}: {other:?}"),
    }
}

fn misuse(arguments: &[&str]) -> String {
    match parse(arguments) {
        Err(Stop::Misused(text, _)) => text,
        other => panic!("{arguments:?}: {other:?}"),
    }
}

fn who(userid: &str) -> Who {
    Who { userid: userid.into(), realm: None }
}

#[test]
fn the_definitions_are_sound() {
    command().debug_assert();
    list_command().debug_assert();
}

#[test]
fn cyrus_letters_stand_anywhere_and_together() {
    let usual = ["-p", "-c", "-n", "-u", "r", "-f", "db", "alice"];
    let expected = parse(&usual).unwrap();
    assert_eq!(expected.store, Some("db".into()));
    let Task::Set(whose, setting) = &expected.task else { panic!("{expected:?}") };
    assert_eq!(*whose, Who { userid: "alice".into(), realm: Some("r".to_owned()) });
    assert_eq!(
        (setting.input, setting.creation, setting.plain),
        (Input::Pipe, Creation::Allowed, PlainRule::Never)
    );
    for same in [
        &["-pcn", "-ur", "-fdb", "alice"][..],
        &["alice", "-pcnur", "-f", "db"],
        &["-f", "other", "-p", "alice", "-cc", "-nfdb", "-u", "x", "-ur"],
        &["-p", "-c", "-n", "-u", "r", "-f", "db", "--", "alice"],
    ] {
        assert_eq!(parse(same).unwrap(), expected, "{same:?}");
    }
}

#[test]
fn a_password_is_set_unless_another_task_is_named() {
    let usual = setting_of(&["alice"]);
    let label = Label::main();
    assert_eq!(
        usual,
        Setting {
            input: Input::Ask,
            creation: Creation::Refused,
            plain: PlainRule::ByPolicy,
            label,
            keep: None,
            expires: None,
        }
    );
    assert_eq!(task_of(&["--", "-alice"]), Task::Set(who("-alice"), usual.clone()));
    assert_eq!(task_of(&[""]), Task::Set(who(""), usual.clone()));
    assert_eq!(task_of(&["-u", "", "alice"]), Task::Set(who("alice"), usual));
    assert_eq!(task_of(&["-d", "alice"]), Task::Delete(who("alice"), None));
    assert_eq!(task_of(&["-d", "-p", "-n", "alice"]), Task::Delete(who("alice"), None));
    assert_eq!(task_of(&["--verify", "-p", "alice"]), Task::Verify(who("alice"), Input::Pipe));
    assert_eq!(task_of(&["--list"]), Task::List);
    assert_eq!(task_of(&["--show", "alice"]), Task::Show(who("alice")));
    let phone: Label = "phone".parse().unwrap();
    let disabled = Task::State(who("alice"), Some(phone.clone()), State::Suspended);
    assert_eq!(task_of(&["--disable", "--label", "phone", "alice"]), disabled);
    assert_eq!(task_of(&["--enable", "alice"]), Task::State(who("alice"), None, State::Enabled));
    assert_eq!(setting_of(&["--label=phone", "alice"]).label, phone);
}

#[test]
fn a_list_and_an_end_go_along_with_a_password_or_stand_alone() {
    let list: KindSet = "argon2id,plain".parse().unwrap();
    assert_eq!(task_of(&["--keep", "plain,argon2id", "a"]), Task::Keep(who("a"), Some(list)));
    assert_eq!(task_of(&["--keep", "policy", "a"]), Task::Keep(who("a"), None));
    let end = Timestamp(1_000_000_000);
    assert_eq!(
        task_of(&["--expires", "2001-09-09T01:46:40Z", "a"]),
        Task::Expires(who("a"), None, Some(end))
    );
    assert_eq!(task_of(&["--expires", "never", "a"]), Task::Expires(who("a"), None, None));
    for with in ["-c", "-p", "-n"] {
        let setting = setting_of(&[with, "--keep", "policy", "--expires", "never", "a"]);
        assert_eq!((setting.keep, setting.expires), (Some(Rule::Lifted), Some(Rule::Lifted)), "{with}");
    }
    let setting = setting_of(&["-p", "--keep", "argon2id,plain", "a"]);
    assert_eq!(setting.keep, Some(Rule::Is(list)));
}

#[test]
fn whole_stores_are_moved() {
    let source = |format, realm: Option<&str>, present| {
        Task::Import(Source { file: "f".into(), format, realm: realm.map(str::to_owned), present })
    };
    assert_eq!(task_of(&["--import", "f"]), source(None, None, Present::Stay));
    let full = ["--import", "f", "--from", "passwd-file", "-u", "r", "--replace"];
    assert_eq!(task_of(&full), source(Some(import::Format::PasswdFile), Some("r"), Present::Replaced));
    assert_eq!(task_of(&["--export", "f"]), Task::Export("f".into()));
    assert_eq!(task_of(&["--dump", "f"]), Task::Dump("f".into()));
    assert_eq!(task_of(&["--load=f", "--replace"]), Task::Load("f".into(), Present::Replaced));
    assert_eq!(task_of(&["--backup", "f"]), Task::Backup("f".into()));
}

#[test]
fn the_rest_has_defaults() {
    let options = parse(&["alice"]).unwrap();
    assert_eq!((options.wait, options.app.as_str()), (Duration::from_secs(5), "saslpasswd"));
    assert_eq!((options.effect, options.format), (Effect::Change, Format::Text));
    let given = [
        "--wait",
        "0",
        "-a",
        "web",
        "--dry-run",
        "--format",
        "json",
        "--config",
        "c",
        "--trusted-user",
        "m",
        "x",
    ];
    let options = parse(&given).unwrap();
    assert_eq!((options.wait, options.app.as_str()), (Duration::ZERO, "web"));
    assert_eq!((options.effect, options.format), (Effect::Rehearse, Format::Json));
    assert_eq!((options.config, options.trusted_user), (Some("c".into()), Some("m".to_owned())));
}

#[test]
fn versions_are_told_at_once_and_help_is_no_error() {
    for arguments in [&["-v"][..], &["-v", "-z"], &["-cv"], &["-h", "-v"], &["alice", "bob", "-v"]] {
        assert_eq!(parse(arguments), Err(Stop::Versions), "{arguments:?}");
    }
    assert_eq!(list(&["-v", "-z"]), Err(Stop::Versions));
    assert!(matches!(parse(&["--help"]), Err(Stop::Shown(text)) if text.contains("--verify")));
    assert!(matches!(parse(&["--version"]), Err(Stop::Shown(text)) if text.starts_with("saslpasswd ")));
    assert!(matches!(list(&["--help"]), Err(Stop::Shown(text)) if text.contains("userPassword")));
}

#[test]
fn misuse_shows_the_usage_and_what_was_wrong() {
    let rows: [(&[&str], &str); 24] = [
        (&[], ""),
        (&["alice", "bob"], ""),
        (&["-h"], ""),
        (&["-?"], ""),
        (&["-c", "-d", "alice"], ""),
        (&["-d", "-c", "alice"], ""),
        (&["--verify"], ""),
        (&["-z", "alice"], "invalid option -- 'z'\n"),
        (&["alice", "-f"], "option requires an argument -- 'f'\n"),
        (&["--list", "alice"], "this task takes no userid\n"),
        (&["--list", "--show", "alice"], "only one task at a time\n"),
        (&["-d", "--verify", "alice"], "only one task at a time\n"),
        (
            &["--keep", "policy", "--expires", "never", "alice"],
            "only one task at a time, unless a password is set (-p)\n",
        ),
        (&["-c", "--disable", "alice"], "-c means nothing here\n"),
        (&["--verify", "--keep", "plain", "alice"], "--keep means nothing here\n"),
        (&["--show", "--label", "phone", "alice"], "--label means nothing here\n"),
        (&["--from", "text", "alice"], "--from means nothing here\n"),
        (&["--list", "--dry-run"], "--dry-run means nothing here\n"),
        (&["--dump", "-"], "this takes a file"),
        (&["--export", "f", "--import", "f"], "only one task at a time\n"),
        (&["--keep", "md5", "alice"], "--keep: no verifier has this name: md5 (known: "),
        (&["--keep", "foreign", "alice"], "--keep: foreign hashes come by import only"),
        (&["--expires", "soon", "alice"], "--expires takes a date"),
        (&["--label", " phone", "alice"], "a label is 1 to 64 octets"),
    ];
    for (arguments, complaint) in rows {
        let text = misuse(arguments);
        let complaint =
            if complaint.is_empty() { String::new() } else { format!("saslpasswd2: {complaint}") };
        assert!(text.starts_with(&complaint), "{arguments:?}: {text}");
        let usage = text.find("saslpasswd2: usage: saslpasswd2 [-v] [-c [-p] [-n]] [-d] [-a appname]");
        assert!(usage.is_some_and(|at| complaint.is_empty() == (at == 0)), "{arguments:?}: {text}");
    }
    for arguments in [&["-a", "x/y", "alice"][..], &["-a", "x/y", "-v"], &["-ax/y", "-a", "ok", "alice"]] {
        assert_eq!(misuse(arguments), "appname must not contain /\n", "{arguments:?}");
    }
    assert!(parse(&["--", "-a=x/y"]).is_ok());
    assert!(
        misuse(&["--wait", "soon", "alice"])
            .starts_with("saslpasswd2: invalid value 'soon' for '--wait <SECONDS>'")
    );
    assert!(misuse(&["--lsit"]).starts_with("saslpasswd2: unexpected argument '--lsit' found"));
}

#[test]
fn a_task_of_ours_that_is_misused_is_told_in_our_numbers() {
    let grammar = |arguments: &[&str]| match parse(arguments) {
        Err(Stop::Misused(_, grammar)) => grammar,
        other => panic!("{arguments:?}: {other:?}"),
    };
    let ours: [&[&str]; 10] = [
        &["--verify"],
        &["--verify", "--wait", "x", "alice"],
        &["--verify", "alice@vm", "extra"],
        &["--verify", "--label", "main", "alice"],
        &["--verfy", "alice"],
        &["--list", "extra"],
        &["--import"],
        &["--import=", "-z"],
        &["--expires", "2027-1-31", "alice"],
        &["-z", "--dump", "f"],
    ];
    for arguments in ours {
        assert_eq!(grammar(arguments), Grammar::Ours, "{arguments:?}");
    }
    let cyrus: [&[&str]; 6] = [
        &[],
        &["-c", "-d", "alice"],
        &["--config", "f", "-z"],
        &["--wait", "x", "alice"],
        &["-a", "x/y", "--label=phone", "alice"],
        &["alice", "bob", "--", "--verify"],
    ];
    for arguments in cyrus {
        assert_eq!(grammar(arguments), Grammar::Cyrus, "{arguments:?}");
    }
}

#[test]
fn lists_name_one_file_or_none() {
    let file = |arguments: &[&str]| list(arguments).map(|options| options.file);
    assert_eq!(file(&[]), Ok(None));
    assert_eq!(file(&["db"]), Ok(Some("db".into())));
    assert_eq!(file(&["-f", "db"]), Ok(Some("db".into())));
    for empty in [&[""][..], &["-f", ""], &["-f", "a", "-f", ""]] {
        assert_eq!(file(empty), Ok(None), "{empty:?}");
    }
    assert_eq!(parse(&["-f", "", "alice"]).map(|options| options.store), Ok(None));
    for arguments in [&["a", "b"][..], &["-f", "a", "b"], &["", ""], &["-h"]] {
        assert!(
            matches!(file(arguments), Err(Stop::Misused(text, _)) if text.starts_with("l: usage: l [-v] [[-f] file]"))
        );
    }
    for arguments in [&["-f"][..], &["-z"], &["--list"]] {
        let Err(Stop::Misused(text, Grammar::Cyrus)) = file(arguments) else { panic!("{arguments:?}") };
        assert!(text.contains("usage") && text.ends_with("Unrecognized command line option\n"), "{text}");
    }
}
