//! Which client is tried with what: a table that is held against what ran (`login.rs`), and here against what the clients
//! say of themselves, so that none of it falls out in silence.

use std::collections::BTreeSet;
use std::process::Command;

use tests::need;

use super::programs::{Way, offered};
use tests::house::{Door, House};

/// A login that is to be seen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tried {
    pub(crate) client: String,
    pub(crate) mechanism: String,
    pub(crate) way: Way,
}

const TABLE: &str = "\
swaks       PLAIN LOGIN CRAM-MD5 DIGEST-MD5: Clear StartTls Tls
curl        PLAIN LOGIN CRAM-MD5 DIGEST-MD5: Clear StartTls Tls
msmtp       PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256: Clear StartTls Tls
smtplib     PLAIN LOGIN CRAM-MD5: Clear StartTls Tls
nodemailer  PLAIN LOGIN CRAM-MD5: Clear StartTls Tls
gsasl       PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256: Clear StartTls
gsasl       SCRAM-SHA-1-PLUS SCRAM-SHA-256-PLUS: StartTls
sendmail    PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-512: Clear StartTls
Postfix     PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-512: Clear StartTls Tls
";

/// How clients say what they have. The others do not say it. That of Cyrus SASL is true of sendmail and Postfix.
const ASKED: [(&str, &[&str], &[&str]); 5] = [
    ("swaks", &["swaks", "--support"], &["swaks"]),
    ("msmtp", &["msmtp", "--version"], &["msmtp"]),
    ("gsasl", &["gsasl", "--client-mechanisms"], &["gsasl"]),
    ("Cyrus SASL", &["saslpluginviewer", "-c"], &["sendmail", "Postfix"]),
    ("smtplib", &["python3", "-c", "import smtplib; print(' '.join(dir(smtplib.SMTP)))"], &["smtplib"]),
];

#[test]
fn each_client_is_tried_with_every_mechanism_that_it_and_the_daemon_have() {
    let Ok(house) = House::start() else { return };
    let Ok(offered) = offered(&house, Door::Open, &["-tls"]) else { return };
    for (what, command, clients) in ASKED {
        let Ok(program) = need::peer(command[0]) else { continue };
        let said = Command::new(program).args(&command[1..]).output().unwrap();
        let said = [said.stdout, said.stderr].map(|part| String::from_utf8_lossy(&part).to_uppercase());
        // smtplib has methods, like auth_cram_md5; swaks has one word for two.
        let said = said.concat().replace("BASIC AUTH", "PLAIN LOGIN").replace("AUTH_", "").replace('_', "-");
        let words: BTreeSet<&str> = said.split_whitespace().collect();
        let common: BTreeSet<&str> =
            offered.iter().map(String::as_str).filter(|name| words.contains(name)).collect();
        for client in clients {
            let table = table();
            let of_it = table.iter().filter(|tried| tried.client == *client);
            let tried: BTreeSet<&str> = of_it.map(|tried| &*tried.mechanism).collect();
            assert_eq!(tried, common, "{client}, by what {what} says");
        }
    }
}

/// What the table says.
pub(crate) fn table() -> BTreeSet<Tried> {
    let mut all = BTreeSet::new();
    for line in TABLE.lines() {
        let (names, ways) = line.split_once(": ").unwrap();
        let mut names = names.split_whitespace();
        let client = names.next().unwrap();
        for mechanism in names {
            for way in ways.split(' ') {
                let way =
                    [Way::Clear, Way::StartTls, Way::Tls].into_iter().find(|one| format!("{one:?}") == way);
                all.insert(Tried::new(client, mechanism, way.unwrap()));
            }
        }
    }
    all
}

impl Tried {
    pub(crate) fn new(client: &str, mechanism: &str, way: Way) -> Self {
        Self { client: client.to_owned(), mechanism: mechanism.to_owned(), way }
    }
}
