//! Logins beside real sendmail with its sasldb and real Postfix with Dovecot's auth: what one costs the whole server in
//! time of the processor, how fast they are when passwords are being checked beside them, and what a session holds that
//! waits. One login is: connect, EHLO, perhaps STARTTLS with a whole handshake and EHLO again, AUTH, QUIT.
//!
//! Clients and servers share the cores, so it is the time of the processor that is compared. What no server of our make
//! can do without is measured at a bare sink.

use std::sync::Arc;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rustls::ClientConfig;

use self::client::{Mechanism, Transport, Way};
use self::load::CONCURRENCY;
use self::report::{Figures, Row};
use self::server::{Ground, Server, free_port};
use crate::shell::{Outcome, step};

mod client;
mod load;
mod peers;
mod proof;
mod report;
mod server;
pub(crate) mod sink;
mod tree;

/// What is measured.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    runs: usize,
    sessions: usize,
}

/// Clients have to be as fast as servers: what measures is built as what is measured.
pub(super) fn run(runs: usize, sessions: usize) -> Outcome {
    crate::test::install_peers()?;
    let mut measure = super::program("xtask");
    step(measure.arg("measure-auth").arg(runs.to_string()).arg(sessions.to_string()))
}

pub(crate) fn measure(options: &Options) -> Outcome {
    let descriptors = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, most)| setrlimit(Resource::RLIMIT_NOFILE, most, most).map(|()| most));
    let descriptors = descriptors.map_err(|error| format!("descriptors: {error}"))?;
    if descriptors < options.sessions as u64 + DESCRIPTORS {
        return Err(format!("{} sessions want more than {descriptors} descriptors", options.sessions));
    }
    let place = tests::scratch::dir_for_others();
    let (ground, certificate) = Ground::new(place.path())?;
    let port = free_port()?;
    ground.fill(port)?;
    let bench = Bench { ground, port, tls: client::tls(&certificate)?, runs: options.runs };
    bench.logins()?;
    bench.beside_checks()?;
    for transport in [Transport::Clear, Transport::StartTls] {
        bench.sessions(options.sessions, transport)?;
    }
    Ok(())
}

struct Bench {
    ground: Ground,
    port: u16,
    tls: Arc<ClientConfig>,
    runs: usize,
}

impl Bench {
    /// All servers take turns, so that whatever else the machine does meets all alike.
    fn logins(&self) -> Outcome {
        let mut servers = vec![self.ground.gatepostd(self.port)?, self.ground.sink()?];
        servers.extend(peers::postfix(&self.ground)?);
        servers.extend(peers::sendmail(&self.ground)?);
        let mut rows: Vec<Row> = KINDS.iter().map(|(m, t)| Row::new(*m, *t, &servers)).collect();
        for row in &rows {
            for server in &servers {
                load::everybody(&self.way(server, row.mechanism, row.transport))?;
            }
        }
        for _ in 0..self.runs {
            for row in &mut rows {
                for (server, figures) in servers.iter().zip(&mut row.figures) {
                    measure_logins(
                        &self.way(server, row.mechanism, row.transport),
                        &server.roots(),
                        figures,
                    )?;
                }
            }
        }
        report::logins(&rows, self.runs);
        Ok(())
    }

    /// Logins that derive nothing, with and without clients that have passwords checked. A password that was right is
    /// recognised when it comes again, so each run has a daemon of its own, and each check another user.
    fn beside_checks(&self) -> Outcome {
        for mechanism in [Mechanism::CramMd5, Mechanism::ScramSha256] {
            let (mut free, mut pressed, mut checks) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..self.runs {
                let server = self.ground.gatepostd(self.port)?;
                let way = self.way(&server, mechanism, Transport::Clear);
                let plain = self.way(&server, Mechanism::Plain, Transport::Clear);
                load::everybody(&way)?;
                free.push(load::log_in(&way, CONCURRENCY, LASTING)?.per_second());
                let (done, passed) =
                    load::beside(&plain, CONCURRENCY, || load::log_in(&way, CONCURRENCY, LASTING));
                pressed.push(done?.per_second());
                checks.push(f64::from(passed) / LASTING.as_secs_f64());
            }
            report::beside_checks(mechanism, &free, &pressed, &checks);
        }
        Ok(())
    }

    /// What is there once is there before: a few sessions come first.
    fn sessions(&self, sessions: usize, transport: Transport) -> Outcome {
        let server = self.ground.gatepostd(self.port)?;
        let way = self.way(&server, Mechanism::ScramSha256, transport);
        load::everybody(&way)?;
        let first = load::hold(&way, CONCURRENCY)?;
        std::thread::sleep(SETTLING);
        let before = tree::memory(&server.roots())?;
        let held = load::hold(&way, sessions)?;
        std::thread::sleep(SETTLING);
        let after = tree::memory(&server.roots())?;
        report::memory(transport, held.len(), before, after);
        drop((first, held));
        Ok(())
    }

    fn way<'a>(&'a self, server: &'a Server, mechanism: Mechanism, transport: Transport) -> Way<'a> {
        let Server { door, signs, derived, .. } = server;
        Way { door: *door, mechanism, transport, tls: &self.tls, derived, signs: *signs }
    }
}

/// One client alone, then all of them.
fn measure_logins(way: &Way<'_>, roots: &[u32], figures: &mut Figures) -> Outcome {
    let alone = load::log_in(way, 1, ALONE)?;
    figures.alone.push(alone.took / alone.logins.max(1));
    std::thread::sleep(SETTLING);
    let before = tree::processor(roots)?;
    let done = load::log_in(way, CONCURRENCY, LASTING)?;
    std::thread::sleep(SETTLING);
    let spent = tree::processor(roots)?.saturating_sub(before);
    figures.processor.push(spent / done.logins.max(1));
    figures.rate.push(done.per_second());
    Ok(())
}

const KINDS: [(Mechanism, Transport); 4] = [
    (Mechanism::CramMd5, Transport::Clear),
    (Mechanism::ScramSha256, Transport::Clear),
    (Mechanism::CramMd5, Transport::StartTls),
    (Mechanism::ScramSha256, Transport::StartTls),
];
/// Long enough that the kernel's account of a hundredth of a second is no matter.
const LASTING: Duration = Duration::from_secs(2);
const ALONE: Duration = Duration::from_millis(400);
/// Processes that have ended are waited for, and what was given up is wiped.
const SETTLING: Duration = Duration::from_millis(150);
/// For everything but sessions.
const DESCRIPTORS: u64 = 200;
