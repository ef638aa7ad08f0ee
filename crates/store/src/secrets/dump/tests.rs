use proptest::prelude::*;

use super::*;
use crate::secrets::sample;

const HEADER: &str = concat!(
    r#"{"gatepost-dump":1,"created":1700000000,"#,
    r#""decoy-key":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="}"#
);

const ALICE: &str = concat!(
    r#"{"user":"alice","realm":"Example.ORG","keep":["plain"],"plain":"by-policy","created":7,"changed":8,"#,
    r#""changed-by":{"who":"root","app":"saslpasswd"},"credentials":[{"label":"main","state":"enabled","#,
    r#""expires":null,"raw":false,"created":7,"changed":8,"networks":["192.0.2.0/24"],"#,
    r#""verifiers":[{"kind":"plain","password":"c2VjcmV0"}]}]}"#
);

const CREDENTIAL: &str = concat!(
    r#"{"label":"main","state":"enabled","expires":null,"raw":false,"created":7,"changed":8,"#,
    r#""networks":["192.0.2.0/24"],"verifiers":[{"kind":"plain","password":"c2VjcmV0"}]}"#
);
const PLAIN: &str = r#"{"kind":"plain","password":"c2VjcmV0"}"#;

fn read(lines: &[&str]) -> Result<Vec<Record>, DumpFault> {
    let text = lines.join("\n");
    Dump::begin(text.as_bytes())?.collect()
}

proptest! {
    #[test]
    fn there_and_back(record in sample::record()) {
        let line = json::user_line(&record).unwrap();
        prop_assert!(!line.contains(&b'\n'));
        let Ok(json::Line::User(back)) = json::parse_line(&line) else { panic!("not read back") };
        prop_assert!(sample::same(&record, &back));
    }

    #[test]
    fn arbitrary_lines_never_panic(line in "[\\[\\]{}\":,a-z0-9\\\\ -]{0,80}") {
        let _ = json::parse_line(line.as_bytes());
        let _ = json::parse_header(line.as_bytes());
    }
}

#[test]
fn the_form_is_promised() {
    let dump = Dump::begin(HEADER.as_bytes()).unwrap();
    assert_eq!(dump.header().created, Timestamp(1_700_000_000));
    assert_eq!(dump.header().decoy_key.expose(), &[7; 32]);
    assert_eq!(&*json::header_line(dump.header()).unwrap(), HEADER.as_bytes());
    let records = read(&[HEADER, ALICE, r#"{"end":1}"#]).unwrap();
    assert_eq!(records[0].identity().to_string(), "alice@Example.ORG");
    assert_eq!(&*json::user_line(&records[0]).unwrap(), ALICE.as_bytes());
    assert_eq!(&*json::end_line(1).unwrap(), br#"{"end":1}"#);
}

#[test]
fn faults_name_line_and_cause() {
    let alice = |from: &str, to: &str| {
        assert!(ALICE.contains(from), "{from}");
        ALICE.replacen(from, to, 1)
    };
    let (recased, bob) = (alice("Example.ORG", "EXAMPLE.org"), alice("alice", "bob"));
    let networks = vec!["\"192.0.2.0/24\""; 300].join(",");
    let many_networks = bob.replace("\"192.0.2.0/24\"", &networks);
    let rows = [
        (vec![""], 1, "the dump is empty"),
        (vec!["", HEADER], 1, "not a dump"),
        (vec!["alice:secret"], 1, "not a dump"),
        (vec![ALICE], 1, "not a dump"),
        (vec![r#"{"gatepost-dump":2,"anything":1}"#], 1, "version 2"),
        (vec![HEADER], 2, "cut off"),
        (vec![HEADER, ALICE], 3, "cut off"),
        (vec![HEADER, ALICE, r#"{"end":2}"#], 3, "has 1 users"),
        (vec![HEADER, r#"{"end":0}"#, ALICE], 3, "follows the end"),
        (vec![HEADER, "", r#"{"end":0}"#], 2, "column"),
        (vec![HEADER, ALICE, ALICE, r#"{"end":2}"#], 3, "twice or out of order: alice@Example.ORG"),
        (vec![HEADER, ALICE, &recased, r#"{"end":2}"#], 3, "twice or out of order: alice@EXAMPLE.org"),
        (vec![HEADER, &bob, ALICE, r#"{"end":2}"#], 3, "twice or out of order: alice@Example.ORG"),
        (vec![HEADER, "{}"], 2, "missing field `user`"),
        (vec![HEADER, r#"{"end":0,"more":1}"#], 2, "unknown field `more`"),
        (vec![HEADER, ALICE, &many_networks], 3, "bob@Example.ORG: the list of networks has 300 parts"),
    ];
    let altered = [
        ("\"user\"", "\"usre\"", "unknown field `usre`"),
        ("\"keep\":[\"plain\"],", "", "missing field `keep`"),
        ("\"expires\":null,", "", "missing field `expires`"),
        ("[\"plain\"]", "[\"md4\"]", "unknown verifier: md4"),
        ("\"kind\":\"plain\"", "\"kind\":\"md4\"", "unknown verifier: md4"),
        ("\"kind\":\"plain\"", "\"kind\":\"plain\",\"states\":\"\"", "field of another kind"),
        ("\"kind\":\"plain\"", "\"kind\":\"cram-md5\"", "states is missing"),
        ("c2VjcmV0", "c2VjcmV", "not base64"),
        ("192.0.2.0/24", "192.0.2.1/24", "bits set"),
        ("\"main\"", "\"\"", "label"),
        ("alice", "a@b", "name holds an @"),
        ("alice", "a\u{ff20}b", "name holds an @"),
        ("[\"plain\"]", "[]", "keep: the list of verifiers is empty"),
        ("[\"plain\"]", "[\"foreign\"]", "keep: foreign hashes come by import only"),
        (CREDENTIAL, "", "the user has no credential"),
        (PLAIN, "", "the credential has no verifier: main"),
        ("\"by-policy\"", "\"never\"", "plain is never to be kept"),
        ("c2VjcmV0", "", "the password is empty"),
        ("c2VjcmV0", "YQBi", "the password holds a NUL"),
        ("c2VjcmV0", &"YWFh".repeat(1366), "the password is longer than 4096 octets"),
        ("\"created\":7", "\"created\":-7", "not in the form"),
    ];
    for (lines, line, what) in rows {
        let fault = read(&lines).unwrap_err();
        assert!(fault.line == line && fault.what.contains(what), "{lines:?}: {fault}");
    }
    for (from, to, what) in altered {
        let fault = read(&[HEADER, &alice(from, to), r#"{"end":1}"#]).unwrap_err();
        assert!(fault.line == 2 && fault.what.contains(what), "{from} to {to}: {fault}");
    }
}

#[test]
fn a_fault_does_not_repeat_a_secret() {
    for (from, to) in [("\"c2VjcmV0\"", "c2VjcmV0"), ("\"enabled\"", "\"c2VjcmV0\""), ("8,", "\"c2VjcmV0\",")]
    {
        let fault = read(&[HEADER, &ALICE.replacen(from, to, 1)]).unwrap_err();
        assert!(!fault.to_string().contains("c2VjcmV0"), "{fault}");
    }
}

#[test]
fn nothing_comes_after_a_fault() {
    let text = [HEADER, "{}", ALICE, r#"{"end":1}"#].join("\n");
    let mut dump = Dump::begin(text.as_bytes()).unwrap();
    assert!(dump.next().unwrap().is_err());
    assert!(dump.next().is_none());
}
