//! `gatepostd throttle`: who is held back because of failures, asked of the keeper through the opener, part by part; and
//! letting him go.

use std::net::IpAddr;

use cli::options::Common;
use cli::{Exit, Format, Io, Report, printable};
use serde_json::{Value, json};
use wire::{Held, Subject, Whom};

use crate::client::{MOST_ROWS, number, socket, table, time, too_many, word};
use crate::control::{Request, ask};
use crate::options::Reaching;

/// A part of the list as the opener hands it on.
pub(crate) fn page(held: &[Held], next: Option<u32>) -> Value {
    json!({"held": held.iter().map(object).collect::<Vec<_>>(), "next": next})
}

/// What became of a wish to forget.
pub(crate) fn forgotten(names: u32, still: &[Held]) -> Value {
    json!({"forgotten": names, "still": still.iter().map(object).collect::<Vec<_>>()})
}

#[expect(clippy::cast_precision_loss, reason = "numbers to be read")]
fn object(held: &Held) -> Value {
    let (kind, name) = match &held.subject {
        Subject::Address(address) => ("address", with_bits(*address, 32, 64)),
        Subject::Network(network) => ("network", with_bits(*network, 24, 48)),
        Subject::Identity(name) => ("identity", name.clone()),
    };
    json!({
        "kind": kind,
        "name": name,
        "failures": held.failures as f64 / 1000.0,
        "delay": f64::from(held.delay_ms) / 1000.0,
        "refused": held.refused,
        "ends": held.ends,
    })
}

fn with_bits(address: IpAddr, v4: u8, v6: u8) -> String {
    format!("{address}/{}", if address.is_ipv4() { v4 } else { v6 })
}

/// Shows them.
pub(crate) fn list(common: &Common, reaching: &Reaching, all: bool, io: &mut Io) -> Result<Exit, Report> {
    let socket = socket(common, reaching)?;
    let (mut from, mut found) = (0, Vec::new());
    for _ in 0..MOST_PARTS {
        let answer = ask(&socket, &Request::Throttled { from, all })?;
        found.extend(answer["held"].as_array().cloned().unwrap_or_default());
        if found.len() > MOST_ROWS {
            return Err(too_many(MOST_ROWS));
        }
        match answer["next"].as_u64().and_then(|next| u32::try_from(next).ok()) {
            Some(next) if next > from => from = next,
            _ => break,
        }
    }
    // The worst first.
    let failures = |held: &Value| held["failures"].as_f64().unwrap_or_default();
    found.sort_by(|one, other| failures(other).total_cmp(&failures(one)));
    if io.format() == Format::Json {
        found.iter().try_for_each(|held| io.out().json(held))?;
        return Ok(Exit::OK);
    }
    let rows: Vec<_> = found.iter().map(row).collect();
    io.out().text(printable::lines(&table(HEAD, &rows)))?;
    io.out().line(format_args!("{} {}", rows.len(), if all { "counted" } else { "held back" }))?;
    Ok(Exit::OK)
}

fn row(held: &Value) -> [String; COLUMNS] {
    let is_identity = word(&held["kind"]) == "identity";
    let delay = held["delay"].as_f64().unwrap_or_default();
    let now = match held["refused"].as_bool() {
        Some(true) => "refused".to_owned(),
        _ if delay == 0.0 => "free".to_owned(),
        _ => format!("waits {delay} s{}", if is_identity { ", strangers to it alone" } else { "" }),
    };
    let until = if now == "free" { "-".to_owned() } else { format!("for {}", time(&held["ends"])) };
    let failures = held["failures"].as_f64().unwrap_or_default();
    [word(&held["name"]).to_owned(), format!("{failures:.1}"), now, until]
}

/// Forgets.
pub(crate) fn clear(
    common: &Common,
    reaching: &Reaching,
    named: Option<&str>,
    io: &mut Io,
) -> Result<Exit, Report> {
    let whom = named
        .map_or(Ok(Whom::Everybody), |name| whom(name).map_err(|why| Report::new(Exit::USAGE, name, why)))?;
    let answer = ask(&socket(common, reaching)?, &Request::Forget { whom })?;
    if io.format() == Format::Json {
        io.out().json(&answer)?;
        return Ok(Exit::OK);
    }
    let line = match (number(&answer["forgotten"]), named) {
        (0, Some(name)) => format!("{name}: nothing is counted"),
        (_, Some(name)) => format!("{name}: forgotten"),
        (count, None) => format!("{count} networks and identities: forgotten"),
    };
    io.out().line(printable::lines(&line))?;
    for held in answer["still"].as_array().into_iter().flatten() {
        let name = printable::octets(word(&held["name"]));
        let report = Report::new(Exit::OK, name, "the network around it is still held back");
        io.warn(&report.mend(format!("gatepostd throttle clear {name}")));
    }
    Ok(Exit::OK)
}

/// Failures are counted by networks of four sizes, and by nothing else.
fn whom(name: &str) -> Result<Whom, String> {
    let (address, bits) = match name.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (name, None),
    };
    let Ok(address) = address.parse::<IpAddr>() else { return Ok(Whom::Identity(name.to_owned())) };
    let address = address.to_canonical();
    match (address.is_ipv4(), bits) {
        (_, None) | (true, Some("32")) | (false, Some("64" | "128")) => Ok(Whom::Address(address)),
        (true, Some("24")) | (false, Some("48")) => Ok(Whom::Network(address)),
        _ => Err("failures are counted by /32 and /24 of IPv4, /64 and /48 of IPv6".to_owned()),
    }
}

/// Parts of a list, however many more the process that knows says there are.
const MOST_PARTS: usize = 65_536;
const COLUMNS: usize = 4;
const HEAD: [&str; COLUMNS] = ["WHO", "FAILURES", "NOW", "IF NOTHING IS ADDED"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_network_of_a_size_that_counts_or_an_identity() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        for (name, expected) in [
            ("192.0.2.1", Some(Whom::Address(address("192.0.2.1")))),
            ("::ffff:192.0.2.1", Some(Whom::Address(address("192.0.2.1")))),
            ("192.0.2.0/24", Some(Whom::Network(address("192.0.2.0")))),
            ("192.0.2.0/16", None),
            ("2001:db8::1/64", Some(Whom::Address(address("2001:db8::1")))),
            ("2001:db8::/48", Some(Whom::Network(address("2001:db8::")))),
            ("2001:db8::/24", None),
            ("alice@example.org", Some(Whom::Identity("alice@example.org".to_owned()))),
            ("a/24", Some(Whom::Identity("a/24".to_owned()))),
        ] {
            assert_eq!(whom(name).ok(), expected, "{name}");
        }
    }

    #[test]
    fn who_is_held_back_is_a_line() {
        let held =
            |subject, delay_ms, refused| Held { subject, failures: 12_345, delay_ms, refused, ends: 90 };
        let network: IpAddr = "2001:db8::".parse().unwrap();
        let page = page(
            &[
                held(Subject::Network(network), 30_000, true),
                held(Subject::Identity("nobody@example.org".to_owned()), 250, false),
                held(Subject::Address(network), 0, false),
            ],
            Some(7),
        );
        assert_eq!((&page["next"], &page["held"][0]["kind"]), (&7.into(), &"network".into()));
        let rows: Vec<_> = page["held"].as_array().unwrap().iter().map(row).collect();
        assert_eq!(rows[0], ["2001:db8::/48", "12.3", "refused", "for 1 min"]);
        assert_eq!(
            rows[1],
            ["nobody@example.org", "12.3", "waits 0.25 s, strangers to it alone", "for 1 min"]
        );
        assert_eq!(rows[2], ["2001:db8::/64", "12.3", "free", "-"]);
    }
}
