//! Figures as lines: what was measured, beside whom, and whether it is as it has to be. Nothing here fails: a judgement
//! that depends on the machine is for whoever reads it.

use std::time::Duration;

use super::client::{Mechanism, Transport};
use super::server::Server;
use crate::bench::{median, milliseconds};

/// Logins by one mechanism over one transport, at each server: ours, the sink, the peers.
pub(super) struct Row {
    pub(super) mechanism: Mechanism,
    pub(super) transport: Transport,
    pub(super) figures: Vec<Figures>,
}

/// At one server, run by run.
pub(super) struct Figures {
    server: &'static str,
    /// Of the whole server, for each login.
    pub(super) processor: Vec<Duration>,
    /// Logins in a second.
    pub(super) rate: Vec<f64>,
    /// The time on the clock, where nobody else logs in.
    pub(super) alone: Vec<Duration>,
}

impl Row {
    pub(super) fn new(mechanism: Mechanism, transport: Transport, servers: &[Server]) -> Self {
        let empty = |server: &Server| Figures {
            server: server.name,
            processor: Vec::new(),
            rate: Vec::new(),
            alone: Vec::new(),
        };
        Self { mechanism, transport, figures: servers.iter().map(empty).collect() }
    }
}

pub(super) fn logins(rows: &[Row], runs: usize) {
    println!(
        "\n== logins: the whole server's processor time for each, of 1,000 users, 16 at once (medians of {runs} runs)"
    );
    for row in rows {
        println!("   {} {}", row.mechanism.name(), row.transport.name());
        let ours = row.figures.first().map(|figures| median(&figures.processor)).unwrap_or_default();
        for (place, figures) in row.figures.iter().enumerate() {
            let processor = median(&figures.processor);
            let ratio = ours.as_secs_f64() / processor.as_secs_f64();
            let judged = match (place, row.transport) {
                (0, _) => String::new(),
                (1, Transport::Clear) => at_most(ratio, 1.5),
                (1, Transport::StartTls) => at_most(ratio, 1.25),
                _ if figures.server.contains("Dovecot") => at_most(ratio, 0.5),
                _ => format!("ours {ratio:.2} of it"),
            };
            let (processor, alone) = (milliseconds(processor), milliseconds(median(&figures.alone)));
            let (server, rate) = (figures.server, middle(&figures.rate));
            println!("      {server:18} {processor:6.3} ms  {rate:6.0}/s  alone {alone:6.2} ms  {judged}");
        }
    }
}

pub(super) fn beside_checks(mechanism: Mechanism, free: &[f64], pressed: &[f64], checks: &[f64]) {
    let (name, runs, checks) = (mechanism.name(), free.len(), middle(checks));
    println!(
        "\n== {name} in clear, 16 at once, while 16 others have argon2id checked (medians of {runs} runs)"
    );
    let (free, pressed) = (middle(free), middle(pressed));
    let kept = pressed / free;
    let met = met(kept >= 0.5);
    println!(
        "   {free:.0}/s without, {pressed:.0}/s with {checks:.0} checks/s: {kept:.2} kept (at least 0.50: {met})"
    );
}

/// In KiB.
pub(super) fn memory(transport: Transport, sessions: usize, before: u64, after: u64) {
    let transport_name = transport.name();
    println!("\n== {sessions} sessions that have logged in and wait, {transport_name}: PSS of all processes");
    let [grown, sessions] = [after.saturating_sub(before), sessions as u64]
        .map(|number| u32::try_from(number).unwrap_or(u32::MAX));
    let of_each = f64::from(grown) / f64::from(sessions.max(1));
    let most = if transport == Transport::Clear { 20.0 } else { 40.0 };
    let met = met(of_each <= most);
    println!("   {before} KiB before, {after} KiB with them: {of_each:.1} KiB each (at most {most}: {met})");
}

fn at_most(ratio: f64, most: f64) -> String {
    format!("ours {ratio:.2} of it (at most {most}: {})", met(ratio <= most))
}

fn met(is_met: bool) -> &'static str {
    if is_met { "met" } else { "MISSED" }
}

fn middle(figures: &[f64]) -> f64 {
    let mut figures = figures.to_vec();
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

impl Mechanism {
    fn name(self) -> &'static str {
        match self {
            Self::CramMd5 => "CRAM-MD5",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::Plain => "PLAIN",
        }
    }
}

impl Transport {
    fn name(self) -> &'static str {
        match self {
            Self::Clear => "in clear",
            Self::StartTls => "under STARTTLS",
        }
    }
}
