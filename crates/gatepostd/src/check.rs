//! `gatepostd check`: everything at once, and nothing is started.

use std::path::Path;

use cli::options::Common;
use cli::{Exit, Format, Io, Level, Report};
use config::{FileRole, Modifier};
use credential::Mechanism;
use front::survey::{self, NotSurveyed, Survey};
use sasl::server::Settings;
use sasl::{BindingKind, Channel};
use serde_json::json;

use crate::ground::{Findings, Ground};

mod certificate;

/// Says what is wrong, what had better be known, and what is offered.
pub(crate) fn run(common: &Common, io: &mut Io) -> Result<Exit, Report> {
    let (ground, findings) = match Ground::read(common) {
        Ok(ground) => {
            let mut findings = ground.examined();
            maps(&ground, &mut findings);
            certificate::examine(&ground, &mut findings);
            (Some(ground), findings)
        }
        Err(findings) => (None, findings),
    };
    let errors = findings.dangers.iter().chain(&findings.wrong);
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
        let (dangers, wrong) = (findings.dangers.len(), findings.wrong.len());
        io.out()
            .line(format_args!("{dangers} unsafe, {wrong} wrong, {} to be known", findings.remarks.len()))?;
    }
    Ok(exit(&findings))
}

fn say(report: &Report, level: Level, io: &mut Io) -> Result<(), Report> {
    match io.format() {
        Format::Text => io.out().text(report.to_text("gatepostd", level)),
        Format::Json => report.to_json("gatepostd", level).iter().try_for_each(|it| io.out().json(it)),
    }
}

/// What stands in the maps of the front. The daemon's first process does not read them, for it is root; who checks, does.
fn maps(ground: &Ground, findings: &mut Findings) {
    for (role, map) in ground.config.front_maps() {
        let path = map.file();
        match survey::look_into(map, &ground.trust(&path)) {
            Ok(found) => {
                let secret = found.client_info.as_ref().and_then(|_| ground.holds_secrets(role.index().0));
                findings.wrong.extend(secret);
                if role == FileRole::AccessMap {
                    findings.remarks.extend(access_remarks(&path, &found));
                }
            }
            // What is not opened is told already, component by component.
            Err(NotSurveyed::NotOpened(_)) => {}
            Err(NotSurveyed::NotRead(words)) => {
                let cause = format!("{}: {words}", role.key());
                findings.wrong.push(Report::new(Exit::DATAERR, safefile::display_path(&path), cause));
            }
        }
    }
}

/// What reads right in an access map, and does something else than is meant.
fn access_remarks(path: &Path, found: &Survey) -> Vec<Report> {
    let remark = |key: &String, cause: &str, why: &str| {
        let cause = format!("{}: {cause}", cli::printable::lines(key));
        Report::new(Exit::CONFIG, safefile::display_path(path), cause).because(why)
    };
    let from_relay = found.from_relay.as_ref().map(|key| {
        let why =
            "anybody can write any sender: who may relay logs in, or stands in the map as Connect:ADDRESS";
        remark(key, "From: RELAY lets nobody relay", why)
    });
    let quarantine = found.quarantine.as_ref().map(|key| {
        let why = "there is no place where mail is set aside for somebody to look at";
        remark(key, "QUARANTINE puts mail off (450), and does not take it", why)
    });
    from_relay.into_iter().chain(quarantine).collect()
}

/// What a client is offered at each listener before and after TLS, and why the rest is not.
fn offers(ground: &Ground, io: &mut Io) -> Result<(), Report> {
    let settings = keeper::Settings::of(&ground.config);
    let settings = settings.map_err(|error| Report::new(Exit::CONFIG, "auth.realm", error))?;
    let has_tls = ground.config.tls.certificate.is_some();
    for (listener, settings) in ground.config.listen.iter().zip(&settings.listeners) {
        if !listener.has(Modifier::ImplicitTls) {
            offer(&listener.name, "in clear", settings, &Channel::clear(), io)?;
        }
        if has_tls {
            let tls = Channel::layered(USUAL_BITS).with_binding(BindingKind::TlsExporter, [0; 32]);
            offer(&listener.name, "under TLS", settings, &tls, io)?;
        }
    }
    unknown(ground, io)?;
    if has_tls { Ok(()) } else { say(&no_tls(), Level::Warning, io) }
}

fn offer(name: &str, over: &str, settings: &Settings, channel: &Channel, io: &mut Io) -> Result<(), Report> {
    let offer = settings.offer(channel);
    let offered: Vec<_> = offer.mechanisms.iter().map(Mechanism::name).collect();
    let left_out = offer.left_out.iter().map(|(mechanism, why)| (mechanism.name(), why.to_string()));
    if io.format() == Format::Json {
        let left_out: Vec<_> =
            left_out.map(|(mechanism, why)| json!({"mechanism": mechanism, "why": why})).collect();
        return io
            .out()
            .json(&json!({"listener": name, "over": over, "mechanisms": offered, "left_out": left_out}));
    }
    io.out().line(format_args!("{name}: offered {over}: {}", or_none(&offered.join(" "))))?;
    left_out
        .into_iter()
        .try_for_each(|(mechanism, why)| io.out().line(format_args!("    left out: {mechanism}: {why}")))
}

/// Names that other servers know, and we do not.
fn unknown(ground: &Ground, io: &mut Io) -> Result<(), Report> {
    let names = ground.config.auth.mechanisms.iter().flatten().map(config::MechanismName::as_str);
    for name in names.filter(|name| name.parse::<Mechanism>().is_err()) {
        let report =
            Report::new(Exit::CONFIG, "auth.mechanisms", format_args!("Gatepost does not have {name}"));
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
    if !findings.dangers.is_empty() {
        Exit::code(1)
    } else if findings.wrong.is_empty() {
        Exit::OK
    } else {
        Exit::code(2)
    }
}

const USUAL_BITS: u32 = 256;
