//! `gatepostd queue list`: what waits, read from the queue itself.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use cli::options::Common;
use cli::{Exit, Format, Io, Report, printable};
use front::queue::{Destination, Spool};
use safefile::display_path;
use serde_json::{Value, json};

use crate::client::{time, word};
use crate::ground::Ground;
use crate::sessions::moment;

/// Shows every message.
pub(crate) fn list(common: &Common, io: &mut Io) -> Result<Exit, Report> {
    let ground = Ground::read(common).map_err(|findings| {
        findings.refusal().unwrap_or_else(|| Report::plain(Exit::CONFIG, "the configuration cannot be read"))
    })?;
    let path = &ground.config.queue.directory;
    let spool = Spool::open(path, &ground.trust(path), 0)?;
    let failed = |error: io::Error| Report::new(Exit::IOERR, display_path(path), error);
    let ids = spool.ids().map_err(failed)?;
    for id in &ids {
        match message(&spool, id) {
            Ok(message) => show(&message, io)?,
            // It may have been delivered just now.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => io.warn(&Report::new(Exit::DATAERR, id, error)),
        }
    }
    if io.format() == Format::Text {
        io.out().line(format_args!("{} in the queue", ids.len()))?;
    }
    Ok(Exit::OK)
}

fn message(spool: &Spool, id: &str) -> io::Result<Value> {
    let stored = spool.message(id)?;
    let recipients = stored.envelope.recipients.iter().enumerate();
    let recipients = recipients.map(|(number, recipient)| {
        Ok(json!({
            "to": recipient.mailbox.to_string(),
            "local": recipient.destination == Destination::Local,
            "done": spool.is_done(id, number)?,
        }))
    });
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let last = spool.last_try(id).map(|last| json!({"at": last.at, "words": last.words.trim_end()}));
    Ok(json!({
        "id": id,
        "at": stored.envelope.at,
        "age": now.saturating_sub(stored.envelope.at),
        "size": stored.file.len().saturating_sub(stored.begins),
        "from": stored.envelope.from.to_string(),
        "login": stored.envelope.login,
        "recipients": recipients.collect::<io::Result<Vec<_>>>()?,
        "last": last,
    }))
}

fn show(message: &Value, io: &mut Io) -> Result<(), Report> {
    if io.format() == Format::Json {
        return io.out().json(message);
    }
    let line = format!(
        "{}  {} octets  {} old  from {}",
        word(&message["id"]),
        message["size"],
        time(&message["age"]),
        word(&message["from"])
    );
    io.out().line(printable::lines(&line))?;
    for recipient in message["recipients"].as_array().into_iter().flatten() {
        let state = match (recipient["done"].as_bool(), recipient["local"].as_bool()) {
            (Some(true), _) => "done",
            (_, Some(true)) => "waits for its Maildir",
            _ => "waits for another host",
        };
        io.out().line(printable::lines(&format!("    to {}: {state}", word(&recipient["to"]))))?;
    }
    if let Some(at) = message["last"]["at"].as_u64() {
        let words = word(&message["last"]["words"]).lines().filter(|line| !line.is_empty());
        for words in words {
            io.out().line(printable::lines(&format!("    tried at {}: {words}", moment(at))))?;
        }
    }
    Ok(())
}
