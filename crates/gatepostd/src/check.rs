//! `gatepostd check`: everything at once, and nothing is started.

use cli::options::Common;
use cli::{Exit, Format, Io, Level, Report};
use credential::Mechanism;
use sasl::Channel;
use serde_json::json;

use crate::ground::{Findings, Ground};

/// Says what is wrong, what had better be known, and what is offered.
pub(crate) fn run(common: &Common, io: &mut Io) -> Result<Exit, Report> {
    let (ground, findings) = match Ground::read(common) {
        Ok(ground) => {
            let findings = ground.examined();
            (Some(ground), findings)
        }
        Err(findings) => (None, findings),
    };
    let errors = findings.unsafe_.iter().chain(&findings.wrong);
    for (report, level) in errors
        .map(|report| (report, Level::Error))
        .chain(findings.remarks.iter().map(|report| (report, Level::Warning)))
    {
        say(report, level, io)?;
    }
    if let Some(ground) = &ground {
        offers(ground, io)?;
        processes(ground, io)?;
    }
    if io.format() == Format::Text {
        let (unsafe_, wrong) = (findings.unsafe_.len(), findings.wrong.len());
        io.out().line(format_args!(
            "{unsafe_} unsafe, {wrong} wrong, {} to be known",
            findings.remarks.len()
        ))?;
    }
    Ok(exit(&findings))
}

fn say(report: &Report, level: Level, io: &mut Io) -> Result<(), Report> {
    match io.format() {
        Format::Text => io.out().text(report.to_text("gatepostd", level)),
        Format::Json => report.to_json("gatepostd", level).iter().try_for_each(|it| io.out().json(it)),
    }
}

/// What a client is offered before and after TLS, and why the rest is not.
fn offers(ground: &Ground, io: &mut Io) -> Result<(), Report> {
    let settings = keeper::Settings::of(&ground.config)
        .map_err(|error| Report::new(Exit::CONFIG, "auth.realm", error))?;
    let has_tls = ground.config.tls.certificate.is_some();
    let tls = Channel::layered(USUAL_BITS).with_binding(sasl::BindingKind::TlsExporter, [0; 32]);
    let channels = [("in clear", Channel::clear()), ("under TLS", tls)];
    for (where_, channel) in channels.into_iter().take(if has_tls { 2 } else { 1 }) {
        let offer = settings.common.offer(&channel);
        let offered: Vec<_> = offer.mechanisms.iter().map(Mechanism::name).collect();
        if io.format() == Format::Json {
            let left_out: Vec<_> = offer
                .left_out
                .iter()
                .map(|(mechanism, why)| json!({"mechanism": mechanism.name(), "why": why.to_string()}))
                .collect();
            io.out().json(&json!({"offer": where_, "mechanisms": offered, "left_out": left_out}))?;
            continue;
        }
        io.out().line(format_args!("offered {where_}: {}", or_none(&offered.join(" "))))?;
        for (mechanism, why) in &offer.left_out {
            io.out().line(format_args!("    left out: {}: {why}", mechanism.name()))?;
        }
    }
    unknown(ground, io)?;
    if has_tls { Ok(()) } else { say(&no_tls(), Level::Warning, io) }
}

/// Names that other servers know, and we do not.
fn unknown(ground: &Ground, io: &mut Io) -> Result<(), Report> {
    let names = ground.config.auth.mechanisms.iter().flatten().map(config::MechanismName::as_str);
    for name in names.filter(|name| name.parse::<Mechanism>().is_err()) {
        let report = Report::new(Exit::CONFIG, "auth.mechanisms", format_args!("Gatepost does not have {name}"));
        say(&report, Level::Warning, io)?;
    }
    Ok(())
}

fn processes(ground: &Ground, io: &mut Io) -> Result<(), Report> {
    let (keeper, front) = (&ground.accounts.keeper, &ground.accounts.front);
    match io.format() {
        Format::Text => io.out().line(format_args!("the keeper runs as {keeper}, the front as {front}")),
        Format::Json => io.out().json(&json!({"keeper": keeper.to_string(), "front": front.to_string()})),
    }
}

fn no_tls() -> Report {
    Report::new(Exit::CONFIG, "tls.certificate", "no certificate and key are named: there is no STARTTLS")
        .because("only mechanisms that are safe without TLS are offered, and mail can be read on its way")
}

fn or_none(names: &str) -> &str {
    if names.is_empty() { "nothing" } else { names }
}

/// As authcheck's.
fn exit(findings: &Findings) -> Exit {
    if !findings.unsafe_.is_empty() {
        Exit::code(1)
    } else if findings.wrong.is_empty() {
        Exit::OK
    } else {
        Exit::code(2)
    }
}

const USUAL_BITS: u32 = 256;
