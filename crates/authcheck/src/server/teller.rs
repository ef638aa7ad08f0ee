//! What is told while it happens: each command and each reply as one would see them with telnet, what is known of TLS, and
//! at the end what was found. For a person as text, for a program as one JSON object on a line.
//!
//! JSON: `{"step": "connected"|"sent"|"heard"|"known", "text"}`, of `heard` also `"code"`; `{"finding", "severity":
//! "danger"|"note", "what", "why", "fix"}`; `{"login", "outcome": "let in"|"refused"|"later"|"not tried"|"failed", "code",
//! "why"}`; at the end `{"server", "dangers", "notes", "clear", "tls", "certificate"}`.

use std::time::SystemTime;

use cli::{Format, Io, Report};
use serde_json::{Value, json};
use smtp::{Code, Reply};
use tls::client::ServerFacts;

/// Says what happens.
pub(crate) struct Teller<'a> {
    io: &'a mut Io,
    is_verbose: bool,
    is_brief: bool,
}

impl<'a> Teller<'a> {
    /// `is_verbose`: nothing is left out.
    pub(crate) fn new(io: &'a mut Io, is_verbose: bool) -> Self {
        Self { io, is_verbose, is_brief: false }
    }

    /// Steps that were shown once already are not shown from here on.
    pub(crate) fn be_brief(&mut self) {
        self.is_brief = !self.is_verbose;
    }

    /// They are.
    pub(crate) fn show_all(&mut self) {
        self.is_brief = false;
    }

    /// Says something, each time to its own kind of reader.
    pub(crate) fn tell(&mut self, text: &str, object: &Value) -> Result<(), Report> {
        if self.is_brief {
            return Ok(());
        }
        match self.io.format() {
            Format::Text => self.io.out().line(cli::printable::lines(text))?,
            Format::Json => self.io.out().json(object)?,
        }
        // It is to be seen when it happens, in a pipe too.
        self.io.out().flushed()
    }

    pub(crate) fn connected(&mut self, to: &str) -> Result<(), Report> {
        self.tell(&format!("connected to {to}"), &json!({"step": "connected", "text": to}))
    }

    /// A command without its secrets.
    pub(crate) fn sent(&mut self, command: &str) -> Result<(), Report> {
        self.tell(&format!("    > {command}"), &json!({"step": "sent", "text": command}))
    }

    pub(crate) fn heard(&mut self, reply: &Reply) -> Result<(), Report> {
        let text = reply.to_string().replace('\r', "");
        let shown: Vec<_> = text.lines().map(|line| format!("    < {line}")).collect();
        self.tell(&shown.join("\n"), &json!({"step": "heard", "code": reply.code().number(), "text": text}))
    }

    /// A challenge: what it says is between the mechanism and the server.
    pub(crate) fn challenged(&mut self, code: Code, octets: usize) -> Result<(), Report> {
        let text = format!("{code} (a challenge of {octets} octets)");
        self.tell(&format!("    < {text}"), &json!({"step": "heard", "code": code.number(), "text": text}))
    }

    pub(crate) fn known(&mut self, text: &str) -> Result<(), Report> {
        self.tell(&format!("    = {text}"), &json!({"step": "known", "text": text}))
    }

    pub(crate) fn shook_hands(&mut self, facts: &ServerFacts) -> Result<(), Report> {
        self.known(&format!("{} {} ({} bits)", facts.version.name(), facts.cipher, facts.bits))?;
        self.known(&certificate(facts))
    }
}

/// The certificate in one line.
pub(crate) fn certificate(facts: &ServerFacts) -> String {
    let certificate = &facts.certificate;
    let doubts: Vec<_> = facts.verdict.doubts().iter().map(ToString::to_string).collect();
    let verdict = if doubts.is_empty() {
        "verified".to_owned()
    } else {
        format!("NOT VERIFIED: {}", doubts.join("; "))
    };
    let names = match certificate.names.as_slice() {
        [] => "no host".to_owned(),
        names => names.join(" "),
    };
    format!(
        "certificate for {names} from {}, {}, until {}: {verdict}",
        certificate.issuer,
        certificate.key,
        date(certificate.not_after)
    )
}

/// The same for a program.
pub(crate) fn certificate_object(facts: &ServerFacts) -> Value {
    let certificate = &facts.certificate;
    json!({
        "version": facts.version.name(),
        "cipher": facts.cipher,
        "bits": facts.bits,
        "verified": facts.verdict.is_verified(),
        "doubts": facts.verdict.doubts().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "names": certificate.names,
        "key": certificate.key,
        "not_before": date(certificate.not_before),
        "not_after": date(certificate.not_after),
    })
}

/// The day, in UTC.
pub(crate) fn date(time: SystemTime) -> String {
    time::OffsetDateTime::from(time).date().to_string()
}
