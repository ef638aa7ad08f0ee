//! `gatepostd sessions`: who is connected, asked of the front through the opener, part by part.

use cli::options::Common;
use cli::{Exit, Format, Io, Report, printable};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use wire::{SessionFacts, SessionId};

use crate::client::{MOST_ROWS, number, socket, table, too_many, word};
use crate::control::{Request, ask};
use crate::options::Reaching;

/// A part of the list as the opener hands it on.
pub(crate) fn page(sessions: &[SessionFacts], next: Option<SessionId>) -> Value {
    let sessions: Vec<_> = sessions.iter().map(object).collect();
    json!({"sessions": sessions, "next": next.map(|next| next.0)})
}

fn object(facts: &SessionFacts) -> Value {
    let tls = facts.tls.as_ref();
    let login = facts.login.as_ref();
    json!({
        "session": facts.session.to_string(),
        "since": facts.since,
        "listener": facts.listener,
        "client": facts.client,
        "tls": tls.map(|tls| json!({"version": tls.version, "cipher": tls.cipher})),
        "login": login.map(|login| json!({
            "authentication": login.authentication,
            "authorization": login.authorization,
            "mechanism": login.mechanism,
            "ssf": login.ssf,
        })),
        "state": facts.state,
        "messages": facts.messages,
    })
}

/// Shows all of them.
pub(crate) fn list(common: &Common, reaching: &Reaching, io: &mut Io) -> Result<Exit, Report> {
    let socket = socket(common, reaching)?;
    let (mut after, mut rows) = (0, Vec::new());
    for _ in 0..MOST_PARTS {
        let answer = ask(&socket, &Request::Sessions { after })?;
        for session in answer["sessions"].as_array().into_iter().flatten() {
            match io.format() {
                Format::Json => io.out().json(session)?,
                Format::Text if rows.len() < MOST_ROWS => rows.push(row(session)),
                Format::Text => return Err(too_many(rows.len())),
            }
        }
        match answer["next"].as_u64() {
            Some(next) if next > after => after = next,
            _ => break,
        }
    }
    if io.format() == Format::Text {
        let count = rows.len();
        io.out().text(printable::lines(&table(HEAD, &rows)))?;
        io.out().line(format_args!("{count} sessions"))?;
    }
    Ok(Exit::OK)
}

fn row(session: &Value) -> [String; COLUMNS] {
    let tls = match &session["tls"] {
        Value::Null => "none".to_owned(),
        tls => format!("{} {}", word(&tls["version"]), word(&tls["cipher"])),
    };
    [
        word(&session["session"]).to_owned(),
        moment(number(&session["since"])),
        word(&session["listener"]).to_owned(),
        word(&session["client"]).to_owned(),
        tls,
        who(&session["login"]),
        word(&session["state"]).to_owned(),
        number(&session["messages"]).to_string(),
    ]
}

fn who(login: &Value) -> String {
    if login.is_null() {
        return "nobody".to_owned();
    }
    let (is, acts) = (word(&login["authentication"]), word(&login["authorization"]));
    let for_whom = if is == acts { String::new() } else { format!(" for {acts}") };
    let layer = match number(&login["ssf"]) {
        0 => String::new(),
        bits => format!(" bits={bits}"),
    };
    format!("{is}{for_whom} by {}{layer}", word(&login["mechanism"]))
}

/// In UTC.
pub(crate) fn moment(seconds: u64) -> String {
    let time =
        i64::try_from(seconds).ok().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_else(|| seconds.to_string())
}

/// Parts of a list, however many more the process that knows says there are.
const MOST_PARTS: usize = 65_536;
const COLUMNS: usize = 8;
const HEAD: [&str; COLUMNS] = ["SESSION", "SINCE", "LISTENER", "CLIENT", "TLS", "USER", "STATE", "MAILS"];

#[cfg(test)]
mod tests {
    use wire::{Security, SessionLogin};

    use super::*;

    #[test]
    fn a_session_is_a_line() {
        let facts = SessionFacts {
            session: SessionId(31),
            since: 1_795_423_059,
            listener: "MSA".to_owned(),
            client: "[192.0.2.1]".to_owned(),
            tls: Some(Security {
                version: "TLSv1.3".to_owned(),
                cipher: "TLS_AES_128_GCM_SHA256".to_owned(),
            }),
            login: Some(SessionLogin {
                authentication: "list@example.org".to_owned(),
                authorization: "alice@example.org".to_owned(),
                mechanism: "DIGEST-MD5".to_owned(),
                ssf: 128,
            }),
            state: "data".to_owned(),
            messages: 2,
        };
        let bare = SessionFacts { tls: None, login: None, session: SessionId(32), ..facts.clone() };
        let page = page(&[facts, bare], Some(SessionId(32)));
        assert_eq!(page["next"], 32);
        let rows: Vec<_> = page["sessions"].as_array().unwrap().iter().map(row).collect();
        let text = table(HEAD, &rows);
        let lines: Vec<Vec<_>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0][0..2], ["SESSION", "SINCE"]);
        assert_eq!(lines[1][0..3], ["1f", "2026-11-23T08:37:39Z", "MSA"]);
        assert!(text.contains("list@example.org for alice@example.org by DIGEST-MD5 bits=128"), "{text}");
        assert!(text.contains("none  ") && text.contains("nobody  "), "{text}");
    }
}
