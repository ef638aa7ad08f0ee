//! `authcheck discover` on a host that has everything at once, with the files that Debian's packages bring.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::tree::Tree;

const HOST: &str = r#"
host  etc/mail/sendmail.cf                 root:root   0644
file  etc/mail/default-auth-info           root:root   0600  relay\nrelay\nhunter1\n
copy  etc/mail/authinfo                    root:root   0644  authinfo
copy  etc/mail/authinfo.db                 root:mail   0640  authinfo.db
copy  etc/mail/access.db                   root:root   0644  access.db
file  etc/mail/access                      root:root   0644  AuthInfo:x "U:a" "P:hunter2"\n
file  etc/mail/tls/sendmail-common.key     root:mail   0640  x
dir   etc/mail/auth                        root:mail   0750
copy  etc/mail/auth/client-info.db         root:root   0644  authinfo.db
copy  etc/sasldb2                          root:mail   0660  sasldb2.db
copy  etc/sasldb                           root:root   0600  sasldb2.gdbm
host  etc/sasl2/Sendmail.conf              root:root   0664
file  usr/lib/sasl2/Sendmail.conf          root:root   0644  mech_list: PLAIN\n
file  usr/lib/m68k-linux-gnu/libsasl2.so.2 root:root   0644  x
file  usr/lib/m68k-linux-gnu/sasl2/libplain.so nobody:nogroup 0644 x
file  usr/sbin/sendmail                    root:root   0755  x
host  etc/postfix/main.cf                  root:root   0644
host  etc/postfix/sasl/smtpd.conf          root:root   0644
file  etc/postfix/sasl_passwd              root:root   0600  [mail.isp.example]:587 alice:hunter3\n
file  etc/postfix/master.cf                root:root   0644  relay unix - - y - - smtp\n\t-o smtp_tls_key_file=ROOTLESS\n
host  etc/dovecot/dovecot.conf             root:root   0644
host  etc/dovecot/conf.d/10-auth.conf      root:root   0644
host  etc/dovecot/conf.d/10-ssl.conf       root:root   0644
host  etc/dovecot/conf.d/auth-passwdfile.conf.ext root:root 0644
file  etc/dovecot/users                    root:mail   0640  alice:{PLAIN}hunter4\nbob:{SHA512-CRYPT}$6$x$y\n
file  etc/dovecot/private/dovecot.key      root:root   0600  x
host  etc/exim4/passwd.client              root:mail   0640
file  etc/exim4/passwd                     root:root   0600  alice:$1$x$y:hunter5\nbob:$1$x$y:\n
"#;

/// The verdict of each path, its kind, and the words of its findings.
type Verdicts = BTreeMap<String, (String, String, Vec<String>)>;

fn discovered(tree: &Tree) -> (Verdicts, Vec<Value>, Option<i32>) {
    let output = tree.authcheck("discover --root ROOT --format json");
    let out = tree.unrooted(&output.stdout);
    assert_eq!(tree.unrooted(&output.stderr), "");
    let objects: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let verdicts: Verdicts = objects
        .iter()
        .map(|object| {
            let rules =
                object["findings"].as_array().unwrap().iter().map(|found| text(&found["rule"])).collect();
            (text(&object["path"]), (text(&object["verdict"]), text(&object["kind"]), rules))
        })
        .collect();
    assert_eq!(verdicts.len(), objects.len(), "a path was said twice");
    (verdicts, objects, output.status.code())
}

#[test]
fn everything_that_is_there_and_named_is_judged() {
    if tests::need::root().is_err() {
        return;
    }
    let tree = Tree::of(HOST);
    let (verdicts, _, exit) = discovered(&tree);
    assert_eq!(exit, Some(1));
    for (path, verdict, kind, rules) in [
        ("etc/mail/sendmail.cf", "safe", "configuration", "note-trusted-user note-loosened note-loosened"),
        ("etc/mail/default-auth-info", "safe", "secret", "note-clear-text note-dead"),
        ("etc/mail/authinfo.db", "unsafe", "secret", "group-readable note-clear-text"),
        ("etc/mail/authinfo", "unsafe", "secret", "group-readable world-readable note-clear-text"),
        ("etc/mail/access.db", "safe", "map", ""),
        ("etc/mail/access", "unsafe", "secret", "group-readable world-readable note-clear-text"),
        ("etc/mail/virtusertable.db", "safe", "map", "note-missing"),
        ("etc/mail/tls/sendmail-common.key", "unsafe", "private-key", "group-readable"),
        ("etc/mail/tls/sendmail-server.crt", "safe", "certificate", "note-missing"),
        ("etc/mail/auth/client-info.db", "unsafe", "secret", "group-readable world-readable note-clear-text"),
        ("etc/sasldb2", "unsafe", "secret", "group-writable group-readable note-clear-text"),
        ("etc/sasldb", "safe", "secret", "note-clear-text"),
        ("usr/lib/sasl2/Sendmail.conf", "safe", "configuration", "note-dead"),
        ("usr/lib/m68k-linux-gnu/libsasl2.so.2", "safe", "program", ""),
        ("usr/lib/m68k-linux-gnu/sasl2/libplain.so", "unsafe", "program", "owner"),
        ("usr/sbin/sendmail", "safe", "program", ""),
        ("etc/postfix/main.cf", "safe", "configuration", ""),
        ("etc/postfix/master.cf", "safe", "configuration", ""),
        ("etc/postfix/sasl_passwd", "safe", "secret", "note-clear-text"),
        ("etc/postfix/sasl_passwd.db", "safe", "secret", "note-missing"),
        ("etc/postfix/sender_passwd", "safe", "secret", "note-missing"),
        ("etc/ssl/private/ssl-cert-snakeoil.key", "safe", "private-key", "note-missing"),
        ("etc/dovecot/dovecot.conf", "safe", "configuration", ""),
        ("etc/dovecot/conf.d/auth-passwdfile.conf.ext", "safe", "configuration", ""),
        ("etc/dovecot/users", "unsafe", "secret", "group-readable note-clear-text"),
        ("etc/dovecot/private/dovecot.key", "safe", "private-key", ""),
        ("etc/exim4/passwd.client", "unsafe", "secret", "group-readable note-clear-text"),
        ("etc/exim4/passwd", "safe", "secret", "note-clear-text"),
    ] {
        let rules: Vec<String> = rules.split_ascii_whitespace().map(str::to_owned).collect();
        let found = verdicts.get(&format!("ROOT/{path}")).unwrap_or_else(|| panic!("{path} was not found"));
        assert_eq!(*found, (verdict.to_owned(), kind.to_owned(), rules), "{path}");
    }
}

#[test]
fn clear_text_is_counted_and_whoever_reads_it_is_named() {
    if tests::need::root().is_err() {
        return;
    }
    let tree = Tree::of(HOST);
    let out = tree.unrooted(&tree.authcheck("discover --root ROOT").stdout);
    for line in [
        "clear text: 20 passwords in clear text; root and group mail can read them",
        "saslpasswd --import ROOT/etc/sasldb2",
        // Another one, in GDBM.
        "clear text: 20 passwords in clear text; root can read them",
        "saslpasswd --import ROOT/etc/sasldb\n",
        // The scratch directory stands below a home directory that lets nobody in.
        "clear text: 7 passwords in clear text; everybody whom /",
        "clear text: 1 password in clear text; root can read it",
        "clear text: 2 passwords in clear text; root and group mail can read them",
        "saslpasswd --import ROOT/etc/dovecot/users",
    ] {
        assert!(out.contains(line), "{line}\n{out}");
    }
}

#[test]
fn no_password_is_ever_shown() {
    if tests::need::root().is_err() {
        return;
    }
    let tree = Tree::of(HOST);
    for line in
        ["discover --root ROOT", "discover --root ROOT --format json", "discover --root ROOT --fix -v"]
    {
        let output = tree.authcheck(line);
        for octets in [&output.stdout, &output.stderr] {
            let said = tree.unrooted(octets);
            for secret in ["hunter", "exim-secret", "exim:secret", "dvjihmxragqo607212", "c2VjcmV0"] {
                assert!(!said.contains(secret), "{line} shows {secret}");
            }
        }
    }
}

#[test]
fn a_dead_default_auth_info_is_said_to_be_dead() {
    if tests::need::root().is_err() {
        return;
    }
    let tree = Tree::of(HOST);
    let (_, objects, _) = discovered(&tree);
    let object = objects.iter().find(|object| object["path"] == "ROOT/etc/mail/default-auth-info").unwrap();
    let why = object["findings"][1]["why"].as_str().unwrap();
    assert!(
        why.contains("ROOT/etc/mail/sendmail.cf has an authinfo ruleset") && why.contains("dead"),
        "{why}"
    );

    let alive = Tree::of(
        "file etc/mail/sendmail.cf root:root 0644 O DefaultAuthInfo=/etc/mail/default-auth-info\\n\n\
         file etc/mail/default-auth-info root:root 0600 a\\na\\nb\\n",
    );
    let (verdicts, ..) = discovered(&alive);
    assert_eq!(verdicts["ROOT/etc/mail/default-auth-info"].2, ["note-clear-text"]);
}

#[test]
fn the_words_of_sendmail_conf_are_answered_with_lines_of_gatepost_toml() {
    if tests::need::root().is_err() {
        return;
    }
    let tree = Tree::of(
        "file etc/sasl2/Sendmail.conf root:root 0644 pwcheck_method:auxprop\\nauxprop_plugin:sasldb\\n\
         mech_list:PLAIN\\nsasldb_path:/srv/sasldb2\\nlog_level:5\\nbroken\\n\n\
         copy srv/sasldb2 root:root 0600 sasldb2.db",
    );
    let (verdicts, objects, exit) = discovered(&tree);
    assert_eq!(exit, Some(0));
    assert_eq!(verdicts["ROOT/srv/sasldb2"].2, ["note-clear-text"], "sasldb_path is followed");
    let conf = objects.iter().find(|object| object["path"] == "ROOT/etc/sasl2/Sendmail.conf").unwrap();
    let findings = conf["findings"].as_array().unwrap();
    assert_eq!(findings[0]["rule"], "note-broken");
    let answers: Vec<(&str, Option<&str>)> =
        findings[1..].iter().map(|found| (found["why"].as_str().unwrap(), found["fix"].as_str())).collect();
    let words = ["pwcheck_method", "auxprop_plugin", "mech_list", "sasldb_path", "log_level"];
    for (word, (why, _)) in words.iter().zip(&answers) {
        assert!(why.contains(word), "{word}: {why}");
    }
    let lines: Vec<_> = answers.iter().map(|(_, fix)| fix.unwrap_or_default()).collect();
    let path = "secrets.path = \"/var/lib/gatepost/secrets.redb\"";
    assert_eq!(lines, [path, "", "auth.mechanisms = [\"PLAIN\"]", "", "log_level = 13"]);
    assert!(answers[1].0.ends_with("; said above: secrets.path"), "{}", answers[1].0);
}

/// What is told of all files of a host, in its order, is one configuration.
#[test]
fn all_answers_together_are_a_gatepost_toml() {
    if tests::need::root().is_err() {
        return;
    }
    let words = "pwcheck_method:saslauthd\\nauxprop_plugin:sasldb\\nmech_list:CRAM-MD5 PLAIN\\nsasldb_path:/x\\nlog_level:5";
    let tree = Tree::of(&format!(
        "file etc/sasl2/Sendmail.conf root:root 0644 {words}\n\
         file etc/postfix/main.cf root:root 0644\nfile etc/postfix/sasl/smtpd.conf root:root 0644 {words}"
    ));
    let (_, objects, _) = discovered(&tree);
    let findings = objects.iter().flat_map(|object| object["findings"].as_array().unwrap());
    let answers = findings.filter(|found| found["rule"] == "note-equivalent");
    let lines: Vec<_> = answers.filter_map(|found| found["fix"].as_str()).collect();
    assert_eq!(lines.join("\n").lines().count(), 4, "{lines:?}");
    std::fs::write(tree.at("gatepost.toml"), lines.join("\n")).unwrap();
    let output = tree.authcheck("config ROOT/gatepost.toml --format json");
    let out = tree.unrooted(&output.stdout);
    let first: Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&first["verdict"], &first["findings"]),
        (&"safe".into(), &Value::Array(Vec::new())),
        "{lines:?}"
    );
}

#[test]
fn an_unsafe_sendmail_conf_is_one_that_sendmail_may_not_read() {
    if tests::need::root().is_err() {
        return;
    }
    let tree = Tree::of("file etc/sasl2/Sendmail.conf root:root 0646 mech_list:PLAIN\\n");
    let (verdicts, ..) = discovered(&tree);
    assert!(verdicts["ROOT/etc/sasl2/Sendmail.conf"].2.contains(&"note-loosened".to_owned()), "{verdicts:?}");
}

#[test]
fn a_library_directory_that_others_may_write_is_shown() {
    if tests::need::root().is_err() {
        return;
    }
    let tree =
        Tree::of("dir usr/lib/sasl2 root:root 0757\nfile usr/lib/sasl2/libevil.so nobody:nogroup 0755 x");
    let (verdicts, _, exit) = discovered(&tree);
    assert_eq!(exit, Some(1));
    let found = verdicts.get("ROOT/usr/lib/sasl2/libplain.so").unwrap();
    assert_eq!(
        (found.0.as_str(), found.2.as_slice()),
        ("unsafe", &["world-writable-directory".to_owned(), "note-missing".to_owned()][..])
    );
}

/// What an include names is looked at, or it is said that it was not.
#[test]
fn an_include_that_was_not_followed_is_not_safe() {
    if tests::need::root().is_err() {
        return;
    }
    for (pattern, lines, verdict) in [
        ("conf.d/*.conf", "dir etc/dovecot/conf.d root:root 0775", "unsafe"),
        ("conf.d/[0-9]*.conf", "", "error"),
        ("conf.*/a.conf", "", "error"),
        ("gone/*.conf", "", ""),
        ("dovecot.conf", "", ""),
    ] {
        let tree = Tree::of(&format!(
            "file etc/dovecot/dovecot.conf root:root 0644 !include {pattern}\\n\n\
             file etc/dovecot/conf.d/1.conf root:root 0644 x\n{lines}"
        ));
        let (verdicts, _, exit) = discovered(&tree);
        let found = verdicts.get(&format!("ROOT/etc/dovecot/{pattern}"));
        let expected = if pattern == "dovecot.conf" { "safe" } else { verdict };
        assert_eq!(found.map_or("", |found| found.0.as_str()), expected, "{pattern}");
        assert_eq!(exit == Some(0), verdict.is_empty(), "{pattern}");
    }
}

/// What can be named in endless ways, or is named in a way that is not gone after, is not taken for safe.
#[test]
fn what_was_not_followed_is_said() {
    if tests::need::root().is_err() {
        return;
    }
    for (file, lines, verdict, path) in [
        (
            "etc/dovecot/dovecot.conf",
            "passdb {\\n driver = passwd-file\\n args = scheme=PLAIN /etc/dovecot/%d/users\\n}\\n",
            "error",
            "etc/dovecot/%d/users",
        ),
        (
            "etc/dovecot/dovecot.conf",
            "passdb {\\n driver = passwd-file\\n args = \"scheme=PLAIN /etc/users\"\\n}\\n",
            "unsafe",
            "etc/users",
        ),
        (
            "etc/postfix/main.cf",
            "a = $b$b\\nb = $c$c\\nc = $d$d$d$d\\nd = $e$e$e$e$e$e$e$e\\ne = $f$f$f$f$f$f$f$f$f$f$f$f$f$f\\nf = $g$g$g$g$g$g$g\\n\
             g = $h$h$h$h$h$h$h$h$h$h$h$h\\nsmtp_sasl_password_maps = hash:/etc/$a\\n",
            "error",
            "etc/postfix/main.cf",
        ),
        (
            "etc/postfix/main.cf",
            "smtp_sasl_password_maps = unionmap:{texthash:/etc/users}\\n",
            "unsafe",
            "etc/users",
        ),
        ("etc/postfix/main.cf", "virtual_alias_maps = mysql:/etc/users\\n", "unsafe", "etc/users"),
    ] {
        let tree = Tree::of(&format!(
            "file {file} root:root 0644 {lines}\n\
             file etc/users root:root 0644 alice bob:secret\\nalice:secret\\npassword = secret\\n"
        ));
        let (verdicts, objects, exit) = discovered(&tree);
        let found = verdicts.get(&format!("ROOT/{path}")).unwrap_or_else(|| panic!("{path}: {verdicts:?}"));
        assert_eq!(found.0, verdict, "{lines}: {objects:?}");
        assert_eq!(exit, Some(if verdict == "error" { 2 } else { 1 }), "{lines}");
        assert!(verdict == "error" || found.2.contains(&"note-clear-text".to_owned()), "{lines}: {found:?}");
    }
}

/// Passwords of databases, of a static driver and of a key are found wherever Dovecot has them.
#[test]
fn other_passwords_of_dovecot_are_found() {
    if tests::need::root().is_err() {
        return;
    }
    let tree = Tree::of(
        "file etc/dovecot/dovecot.conf root:root 0644 !include *.conf\\npassdb {\\n driver = sql\\n args = /etc/sql.ext\\n}\\n\
         userdb {\\n driver = ldap\\n args = /etc/ldap.ext\\n}\\npassdb {\\n driver = dict\\n args = /etc/dict.ext\\n}\\n\n\
         file etc/dovecot/static.conf root:root 0644 passdb {\\n driver = static\\n args = password=hunter\\n}\\n\n\
         file etc/dovecot/key.conf root:root 0600 ssl_key_password = hunter\\n\n\
         file etc/dovecot/file.conf root:root 0644 ssl_key_password = </etc/gone\\n\n\
         file etc/sql.ext root:root 0644 connect = host=x password=hunter\\n\n\
         file etc/ldap.ext root:root 0600 dnpass = hunter\\n\n\
         file etc/dict.ext root:root 0644 uri = proxy::x\\n",
    );
    let (verdicts, objects, exit) = discovered(&tree);
    assert_eq!(exit, Some(1));
    for (path, verdict, kind, rules) in [
        ("dovecot/dovecot.conf", "safe", "configuration", ""),
        ("dovecot/static.conf", "unsafe", "secret", "group-readable world-readable note-clear-text"),
        ("dovecot/key.conf", "safe", "secret", "note-clear-text"),
        ("dovecot/file.conf", "safe", "configuration", ""),
        ("gone", "safe", "secret", "note-missing"),
        ("sql.ext", "unsafe", "secret", "group-readable world-readable note-clear-text"),
        ("ldap.ext", "safe", "secret", "note-clear-text"),
        ("dict.ext", "unsafe", "secret", "group-readable world-readable"),
    ] {
        let (found, as_kind, words) = &verdicts[&format!("ROOT/etc/{path}")];
        let said = (found.as_str(), as_kind.as_str(), words.join(" "));
        assert_eq!(said, (verdict, kind, rules.to_owned()), "{path}");
    }
    let all: String = objects.iter().map(Value::to_string).collect();
    assert!(!all.contains("hunter"), "{all}");
}

#[test]
fn what_other_files_say_does_not_command_the_terminal() {
    if tests::need::root().is_err() {
        return;
    }
    let tree = Tree::of(
        "file etc/sasl2/Sendmail.conf root:root 0644 mech_list:\x1b[2J\\nlog_level:\x1b]0;x\x07\\nsasldb_path:/\x1bx\\n\n\
         file etc/mail/sendmail.cf root:root 0644 K\x1b[31m hash /etc/m\x1bx\\nO TrustedUser=\x1b[0m\\n",
    );
    let output = tree.authcheck("discover --root ROOT --verbose");
    assert!(!output.stdout.is_empty());
    let controls = output.stdout.iter().filter(|octet| octet.is_ascii_control() && **octet != b'\n').count();
    assert_eq!(controls, 0, "{}", tree.unrooted(&output.stdout).escape_debug());
}

#[test]
fn a_host_without_any_of_it_is_safe() {
    if tests::need::root().is_err() {
        return;
    }
    let (verdicts, _, exit) = discovered(&Tree::of("dir etc root:root 0755"));
    assert_eq!((verdicts.len(), exit), (0, Some(0)));
}

#[test]
fn fifos_loops_and_directories_in_its_way_do_not_stop_it() {
    if tests::need::root().is_err() {
        return;
    }
    let tree = Tree::of(
        "fifo etc/sasldb2 root:root 0600\nlink etc/mail/sendmail.cf root:root sendmail.cf\n\
         dir etc/postfix/main.cf root:root 0755\nfifo etc/dovecot/dovecot.conf root:root 0600\n\
         file etc/exim4/passwd.client root:root 0600 a:b:c",
    );
    let (verdicts, _, exit) = discovered(&tree);
    assert_eq!(exit, Some(1));
    assert_eq!(verdicts["ROOT/etc/sasldb2"].2, ["not-regular"]);
    assert_eq!(verdicts["ROOT/etc/mail/sendmail.cf"].2, ["too-many-links", "failed", "failed"]);
    assert_eq!(verdicts["ROOT/etc/dovecot/dovecot.conf"].2, ["not-regular", "failed"]);
    assert_eq!(verdicts["ROOT/etc/postfix/main.cf"].2, ["not-regular", "failed"]);
    assert_eq!(verdicts["ROOT/etc/exim4/passwd.client"].2, ["note-clear-text"]);
}
