//! Every mechanism with every peer, by the hundred; and the table in the crate's documentation that says so.

use std::collections::BTreeMap;
use std::fmt::Write;

use credential::{AuthorizationId, Mechanism};
use sasl::client::Choice;
use sasl::server::{self, Principal};
use tests::peer::sasl::{Conversation, Turn};

use crate::cases::{Acting, Case};
use crate::drive::{AsClient, AsServer, as_client, as_server};
use crate::exceptions::{Exception, trimmed};
use crate::layers::Talk;
use crate::row::{CHANNEL, Pair, Peers, Row};

/// What came of the logins of one mechanism with one peer.
#[derive(Debug, Default, Clone)]
struct Tally {
    let_in: usize,
    refused: usize,
    exceptions: BTreeMap<Exception, usize>,
}

const OTHER_CHANNEL: &[u8; 32] = b"another channel, somebody's own!";

#[test]
fn every_mechanism_with_every_peer() {
    if Peers::find().is_err() {
        return;
    }
    let columns = std::thread::scope(|scope| {
        let threads = Pair::ALL.map(|pair| scope.spawn(move || column(pair)));
        threads.map(|thread| thread.join().unwrap())
    });
    let table = table(&columns);
    print!("{table}");
    every_exception_is_met(&columns);
    let documentation = documentation();
    assert!(documentation.contains(&table), "src/lib.rs has another table than this:\n{table}");
    let text = documentation.replace('\n', " ");
    for exception in Exception::ALL {
        assert!(text.contains(exception.reason()), "src/lib.rs does not tell that {}", exception.reason());
    }
}

/// What the crate says of itself.
fn documentation() -> String {
    let lines = include_str!("../../src/lib.rs").lines().filter_map(|line| line.strip_prefix("//!"));
    lines.fold(String::new(), |text, line| text + line.trim_start() + "\n")
}

/// One peer, by every mechanism that it has.
fn column(pair: Pair) -> Vec<Option<Tally>> {
    let peers = Peers::find().unwrap();
    let rows = Row::all();
    rows.into_iter().map(|row| pair.has(row).then(|| cell(&peers, pair, row))).collect()
}

fn cell(peers: &Peers, pair: Pair, row: Row) -> Tally {
    let mut tally = Tally::default();
    for number in 0..pair.cases(row) {
        let case = Case::of(&format!("{} {pair:?}", row.title()), number, row.is_digest());
        let exception = Exception::of(pair, row, &case);
        let meeting = Meeting { peers, pair, row, case: &case };
        meeting.log_in(exception);
        match exception {
            None => tally.let_in += 1,
            Some(exception) => {
                *tally.exceptions.entry(exception).or_default() += 1;
                tally.refused += 1;
            }
        }
        tally.refused += meeting.fail_to_log_in();
    }
    tally
}

/// A case, and whom it meets.
struct Meeting<'a> {
    peers: &'a Peers,
    pair: Pair,
    row: Row,
    case: &'a Case,
}

impl Meeting<'_> {
    /// With everything right. Whoever is let in, and has a layer, talks.
    fn log_in(&self, exception: Option<Exception>) {
        let (mut peer, password) = (self.peer(&self.case.password), &self.case.password);
        let keys = if self.pair.is_ours_client() {
            let met = self.to(&mut peer, password, CHANNEL);
            if exception.is_some() {
                self.shut_out_ours(&met);
            } else {
                self.let_in_ours(&met);
            }
            met.ours.ok().and_then(|outcome| outcome.layer)
        } else {
            let met = self.from(&mut peer, CHANNEL);
            if exception.is_some() {
                self.shut_out_theirs(&met);
            } else {
                self.let_in_theirs(&met);
            }
            met.ours.ok().and_then(|outcome| outcome.layer)
        };
        assert_eq!(keys.is_some(), self.row.strength > 0 && exception.is_none(), "{self}");
        if let Some(keys) = keys {
            Talk::new(keys, peer, self.pair).hold(&self.to_string());
        }
    }

    /// With something wrong; in how many ways.
    fn fail_to_log_in(&self) -> usize {
        let mut ways = 0;
        if self.row.mechanism.verifier().is_some() || self.is_clear() {
            self.shut_out(&self.case.wrong, CHANNEL);
            ways += 1;
        }
        if self.row.is_bound() {
            self.shut_out(&self.case.password, OTHER_CHANNEL);
            ways += 1;
        }
        ways
    }

    fn is_clear(&self) -> bool {
        matches!(self.row.mechanism, Mechanism::Plain | Mechanism::Login)
    }

    fn shut_out(&self, password: &[u8], channel: &[u8]) {
        let mut peer = self.peer(password);
        if self.pair.is_ours_client() {
            self.shut_out_ours(&self.to(&mut peer, password, channel));
        } else {
            self.shut_out_theirs(&self.from(&mut peer, channel));
        }
    }

    /// The other side, with a password if it is the client.
    fn peer(&self, password: &[u8]) -> Conversation {
        let Self { peers, pair, row, case } = *self;
        if pair.is_ours_client() {
            return peers.server(pair, &row.their_server(case));
        }
        let mut client = row.their_client(case, password);
        if row.mechanism == Mechanism::Anonymous {
            client.authorization_id = Some(case.name.clone().into_bytes());
        }
        peers.client(pair, &client)
    }

    /// Our client at their server.
    fn to(&self, server: &mut Conversation, password: &[u8], data: &[u8]) -> AsClient {
        let Self { row, case, .. } = *self;
        let mut settings = row.our_client(case);
        if row.mechanism == Mechanism::Anonymous {
            settings.login.authentication = case.name.clone().into_bytes();
        }
        as_client(Choice::of(row.mechanism), &settings, password, &row.channel(case, data), server)
    }

    /// Their client at our server.
    fn from(&self, client: &mut Conversation, data: &[u8]) -> AsServer {
        let Self { row, case, .. } = *self;
        as_server(&mut row.our_server(case), row.mechanism, &row.channel(case, data), client)
    }

    fn let_in_ours(&self, met: &AsClient) {
        let (Ok(ours), Turn::Done(theirs)) = (&met.ours, &met.theirs) else { panic!("{self}: {met:?}") };
        assert_eq!((ours.mechanism, ours.ssf), (self.row.mechanism, theirs.ssf), "{self}");
        assert_eq!(ours.is_mutual, self.row.is_mutual(), "{self}");
        if self.pair.is_cyrus() {
            let text = |octets: &Option<Vec<u8>>| String::from_utf8(octets.clone().unwrap()).unwrap();
            let (who, whom) = self.told_by_cyrus();
            assert_eq!(
                (text(&theirs.authentication_id), text(&theirs.authorization_id)),
                (who, whom),
                "{self}"
            );
        }
    }

    /// Who has logged in and as whom, as a server of Cyrus SASL tells it.
    fn told_by_cyrus(&self) -> (String, String) {
        let Self { row, case, .. } = self;
        if row.mechanism == Mechanism::Anonymous {
            let nobody = case.home.canonical("anonymous");
            return (nobody.clone(), nobody);
        }
        let who = case.home.canonical(trimmed(&case.userid()));
        let whom = case.authorization().filter(|_| row.has_authorization());
        let whom = whom.map_or_else(|| who.clone(), |whom| case.home.canonical(trimmed(&whom)));
        (who, whom)
    }

    fn let_in_theirs(&self, met: &AsServer) {
        let (Ok(ours), Turn::Done(theirs)) = (&met.ours, &met.theirs) else { panic!("{self}: {met:?}") };
        assert_eq!((ours.mechanism, ours.ssf), (self.row.mechanism, theirs.ssf), "{self}");
        if let Principal::Anonymous { trace } = &ours.principal {
            let is_trace = if self.pair.is_cyrus() {
                trace.starts_with(&format!("{}@", self.case.name))
            } else {
                *trace == self.case.name
            };
            assert!(is_trace, "{self}: {trace}");
            return;
        }
        assert_eq!(ours.principal, Principal::User(self.case.identity().unwrap()), "{self}");
        self.acts_for(ours);
    }

    /// Who acts for himself may say so, or leave it out.
    fn acts_for(&self, ours: &server::Outcome) {
        let told = ours.authorization.as_ref();
        match &self.case.acting {
            Acting::Other(other, _) if self.row.has_authorization() => {
                assert_eq!(told, AuthorizationId::prepare(other).unwrap().as_ref(), "{self}");
            }
            _ => {
                let identity = self.case.identity().unwrap();
                assert!(told.is_none_or(|told| told.is_of(&identity)), "{self}: {told:?}");
            }
        }
    }

    fn shut_out_ours(&self, met: &AsClient) {
        assert!(met.ours.is_err() && !matches!(met.theirs, Turn::Done(_)), "{self}: {met:?}");
    }

    /// A client that asks for no proof is not told by us that it has failed; one that does sees it.
    fn shut_out_theirs(&self, met: &AsServer) {
        let is_deceived = self.row.is_mutual() && matches!(met.theirs, Turn::Done(_));
        assert!(met.ours.is_err() && !is_deceived, "{self}: {met:?}");
    }
}

impl std::fmt::Display for Meeting<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let password = String::from_utf8_lossy(&self.case.password);
        write!(f, "{} {:?} {:?} {password:?}", self.row.title(), self.pair, self.case)
    }
}

/// As the documentation has it: how many were let in, and how many were not.
fn table(columns: &[Vec<Option<Tally>>; 4]) -> String {
    let mut table = "| mechanism | Cyrus SASL as server | as client | GNU SASL as server | as client |\n\
                     | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for (number, row) in Row::all().iter().enumerate() {
        write!(table, "| {} |", row.title()).unwrap();
        for column in columns {
            match &column[number] {
                None => table.push_str(" - |"),
                Some(Tally { let_in, refused, .. }) => write!(table, " {let_in} + {refused} |").unwrap(),
            }
        }
        table.push('\n');
    }
    table
}

/// One that nobody meets any more is none.
fn every_exception_is_met(columns: &[Vec<Option<Tally>>; 4]) {
    let tallies = || columns.iter().flatten().flatten();
    for exception in Exception::ALL {
        let met: usize = tallies().filter_map(|tally| tally.exceptions.get(&exception)).sum();
        println!("{met} times: {}", exception.reason());
        assert!(met > 0, "{exception:?}");
    }
}
