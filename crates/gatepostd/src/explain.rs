//! `gatepostd explain`: which rule decides about a mail, and how. The front's own decisions, step by step, over the files
//! that the daemon would use; nothing is started.

use std::fmt::Write;

use cli::options::Common;
use cli::printable::lines;
use cli::{Exit, Format, Io, Report};
use config::{FileRole, Modifier};
use credential::{Identity, Realm};
use front::explain::{Explanation, Login, Mail, Maps, explain};
use front::may_relay::{Client, Name};
use front::queue::Maildirs;
use front::settings::{ListenerSettings, TlsUse};
use front::survey::NotSurveyed;
use sasl::{BindingKind, Channel};
use serde_json::{Value, json};
use smtp::address::Mailbox;
use smtp::server::Transport;

use crate::ground::Ground;
use crate::options::Explaining;

/// Explains one mail.
pub(crate) fn run(common: &Common, asked: &Explaining, io: &mut Io) -> Result<Exit, Report> {
    let ground = Ground::read(common).map_err(|findings| {
        let unknown = || Report::plain(Exit::CONFIG, "the configuration cannot be read");
        findings.refusal().unwrap_or_else(unknown)
    })?;
    let settings = front::Settings::of(&ground.config);
    let place = Place::of(&ground, &settings, asked)?;
    let user = asked.user.as_deref().map(|user| identity(&ground, user)).transpose()?;
    let mechanism = asked.mechanism.clone().or_else(|| place.offered.first().cloned());
    let mechanism = mechanism.unwrap_or_else(|| "PLAIN".to_owned());
    let mail = Mail {
        client: Client {
            address: asked.client,
            name: asked.name.as_deref().map_or(Name::None, Name::Confirmed),
        },
        login: user.as_deref().map(|identity| Login { identity, mechanism: &mechanism }),
        offered: &place.offered,
        transport: place.transport,
        from: &asked.from,
        to: &asked.to,
    };
    let maps = maps(&ground)?;
    let directory = &ground.config.delivery.maildirs;
    let maildirs = Maildirs::new(directory, ground.trust(directory));
    let has = |mailbox: &Mailbox| maildirs.has(mailbox).map_err(|error| error.to_string());
    let explanation = explain(&settings, place.listener, &maps, mail, &has);
    match io.format() {
        Format::Json => io.out().json(&object(&place, &mail, &explanation))?,
        Format::Text => io.out().text(text(&place, &mail, &explanation))?,
    }
    Ok(exit(&explanation))
}

/// Where the client comes in.
struct Place<'s> {
    listener: &'s ListenerSettings,
    transport: Transport,
    offered: Vec<String>,
    /// What is not offered, and why.
    left_out: Vec<(String, String)>,
}

impl<'s> Place<'s> {
    fn of(ground: &Ground, settings: &'s front::Settings, asked: &Explaining) -> Result<Self, Report> {
        let wanted = asked.listener.as_deref();
        let number = settings
            .listeners
            .iter()
            .position(|listener| wanted.is_none_or(|wanted| listener.name.eq_ignore_ascii_case(wanted)))
            .ok_or_else(|| no_listener(settings, wanted))?;
        let listener = &settings.listeners[number];
        let is_tls = asked.tls || listener.tls == TlsUse::Implicit;
        if is_tls && (ground.config.tls.certificate.is_none() || listener.tls == TlsUse::Never) {
            let cause = format!("there is no TLS at this listener: {}", listener.name);
            return Err(Report::new(Exit::USAGE, "--tls", cause));
        }
        let channel = if is_tls {
            Channel::layered(USUAL_BITS).with_binding(BindingKind::TlsExporter, [0; 32])
        } else {
            Channel::clear()
        };
        let keeper = keeper::Settings::of(&ground.config);
        let keeper = keeper.map_err(|error| Report::new(Exit::CONFIG, "auth.realm", error))?;
        let offer = keeper.listeners.get(number).map(|settings| settings.offer(&channel));
        let has_auth = ground.config.listen.get(number).is_some_and(|it| !it.has(Modifier::NoAuth));
        let offer = offer.filter(|_| has_auth);
        Ok(Self {
            listener,
            transport: if is_tls { Transport::Tls } else { Transport::Clear },
            offered: offer
                .iter()
                .flat_map(|offer| offer.mechanisms.iter().map(|one| one.name().to_owned()))
                .collect(),
            left_out: offer
                .iter()
                .flat_map(|offer| &offer.left_out)
                .map(|(mechanism, why)| (mechanism.name().to_owned(), why.to_string()))
                .collect(),
        })
    }

    /// Why a mechanism is not offered, where that is known.
    fn why_not(&self, mechanism: &str) -> Option<&str> {
        let left_out = self.left_out.iter().find(|(name, _)| name.eq_ignore_ascii_case(mechanism));
        left_out.map(|(_, why)| why.as_str())
    }

    fn over(&self) -> &'static str {
        match self.transport {
            Transport::Clear => "in clear",
            Transport::Tls => "under TLS",
        }
    }
}

fn no_listener(settings: &front::Settings, wanted: Option<&str>) -> Report {
    let names: Vec<_> = settings.listeners.iter().map(|listener| listener.name.as_str()).collect();
    let cause =
        format!("no listener has this name (there are: {}): {:?}", names.join(", "), wanted.unwrap_or(""));
    Report::new(Exit::USAGE, "--listener", cause)
}

/// As the store would name him.
fn identity(ground: &Ground, user: &str) -> Result<String, Report> {
    let wrong = |error: &dyn std::fmt::Display| Report::new(Exit::USAGE, "--user", error);
    let realm = Realm::prepare(&ground.config.realm()).map_err(|error| wrong(&error))?;
    let identity = Identity::parse(user, &realm).map_err(|error| wrong(&error))?;
    Ok(identity.to_string())
}

fn maps(ground: &Ground) -> Result<Maps, Report> {
    let named = ground.config.front_maps();
    let map = |wanted| named.iter().find(|(role, _)| *role == wanted).map(|(_, map)| *map);
    let (access, senders) = (map(FileRole::AccessMap), map(FileRole::Senders));
    Maps::open(access, senders, |map| ground.trust(&map.file())).map_err(|error| match error {
        NotSurveyed::NotOpened(words) => Report::plain(Exit::NOPERM, words).mend("gatepostd check"),
        NotSurveyed::NotRead(words) => Report::plain(Exit::DATAERR, words),
    })
}

fn text(place: &Place<'_>, mail: &Mail<'_>, explanation: &Explanation) -> String {
    let mut out = String::new();
    // A String takes everything.
    let _ = writeln!(out, "{:<13} {}, {}", "listener", place.listener.name, place.over());
    if let Some(login) = mail.login {
        let _ = write!(out, "{:<13} {} by {}", "logged in", login.identity, login.mechanism);
        match place.why_not(login.mechanism) {
            Some(why) => _ = writeln!(out, ", which is not offered: {why}"),
            None => out.push('\n'),
        }
    }
    for step in &explanation.steps {
        let _ = writeln!(out, "{:<13} {}", step.name, step.says);
        for (key, value) in &step.look_ups {
            let value = value.as_deref().unwrap_or("-");
            let _ = writeln!(out, "{:<13}   {key}: {value}", "");
        }
    }
    let _ = writeln!(out, "{:<13} {}", "reply", explanation.reply);
    lines(&out)
}

fn object(place: &Place<'_>, mail: &Mail<'_>, explanation: &Explanation) -> Value {
    let steps: Vec<_> = explanation
        .steps
        .iter()
        .map(|step| {
            let look_up = |(key, value): &(String, Option<String>)| json!({"key": key, "value": value});
            let look_ups: Vec<_> = step.look_ups.iter().map(look_up).collect();
            json!({"step": step.name, "look_ups": look_ups, "says": step.says})
        })
        .collect();
    json!({
        "listener": place.listener.name,
        "over": place.over(),
        "user": mail.login.map(|login| login.identity),
        "mechanism": mail.login.map(|login| login.mechanism),
        "not_offered": mail.login.and_then(|login| place.why_not(login.mechanism)),
        "steps": steps,
        "reply": explanation.reply,
        "accepted": explanation.is_accepted,
    })
}

fn exit(explanation: &Explanation) -> Exit {
    match explanation.reply.bytes().next() {
        _ if explanation.is_accepted => Exit::OK,
        Some(b'4') => Exit::TEMPFAIL,
        _ => Exit::code(1),
    }
}

const USUAL_BITS: u32 = 256;
