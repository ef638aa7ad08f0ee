//! `gatepostd status` and `gatepostd reload`: asks the daemon that runs, and shows what it says. What other questions share
//! stands here too.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cli::options::Common;
use cli::printable::octets;
use cli::{Exit, Format, Io, Level, Report};
use serde_json::Value;

use crate::control::{Request, ask};
use crate::ground::Ground;
use crate::options::Reaching;

/// How it is.
pub(crate) fn status(common: &Common, reaching: &Reaching, io: &mut Io) -> Result<Exit, Report> {
    let answer = ask(&socket(common, reaching)?, &Request::Status)?;
    match io.format() {
        Format::Json => io.out().json(&answer)?,
        Format::Text => io.out().text(status_text(&answer))?,
    }
    Ok(Exit::OK)
}

/// Reads its configuration again.
pub(crate) fn reload(common: &Common, reaching: &Reaching, io: &mut Io) -> Result<Exit, Report> {
    let socket = socket(common, reaching)?;
    let mut answer = ask(&socket, &Request::Reload)?;
    if answer["refused"].is_null() {
        answer["refused"] = not_taken(&socket, &answer["generation"])?;
    }
    let faults = answer["refused"].as_array().cloned().unwrap_or_default();
    if io.format() == Format::Json {
        io.out().json(&answer)?;
        return Ok(if faults.is_empty() { Exit::OK } else { Exit::CONFIG });
    }
    for remark in answer["remarks"].as_array().into_iter().flatten() {
        io.warn(&report(remark));
    }
    if let Some(report) = faults.iter().map(report).reduce(Report::and) {
        return Err(
            Report::plain(Exit::CONFIG, "the configuration is refused, the one before stays").and(report)
        );
    }
    io.out().line(format_args!("configuration {} is in force", number(&answer["generation"])))?;
    Ok(Exit::OK)
}

/// Waits until the front has taken a configuration; if it does not, why. A front that is just being started again takes
/// it then.
fn not_taken(socket: &Path, generation: &Value) -> Result<Value, Report> {
    let request = Request::Fate { generation: u32::try_from(number(generation)).unwrap_or(0) };
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        let mut answer = ask(socket, &request)?;
        match word(&answer["fate"]) {
            "taken" => return Ok(Value::Null),
            "refused" => return Ok(answer["refused"].take()),
            "overtaken" => {
                return Err(untaken("another reload came before the front had taken it", generation));
            }
            _ => std::thread::sleep(BETWEEN_LOOKS),
        }
    }
    Err(untaken("the front has not taken it yet", generation))
}

fn untaken(cause: &str, generation: &Value) -> Report {
    let subject = format_args!("configuration {}", number(generation)).to_string();
    Report::new(Exit::TEMPFAIL, subject, cause).mend("gatepostd status")
}

/// The configuration says where; one that is broken does not, and then somebody has to.
pub(crate) fn socket(common: &Common, reaching: &Reaching) -> Result<PathBuf, Report> {
    if let Some(path) = &reaching.control {
        return Ok(path.clone());
    }
    let ground = Ground::read(common).map_err(|findings| {
        let report = Report::plain(Exit::CONFIG, "no configuration says where the daemon listens")
            .mend(format!("say it, as --control {}", config::Config::default().control_socket.display()));
        findings.refusal().into_iter().fold(report, Report::and)
    })?;
    Ok(ground.config.control_socket)
}

fn status_text(answer: &Value) -> String {
    let mut text = format!(
        "gatepostd {}, process {}, up {}, configuration {} of {}\n",
        octets(word(&answer["version"])),
        number(&answer["pid"]),
        time(&answer["uptime"]),
        number(&answer["generation"]),
        octets(word(&answer["configuration"])),
    );
    for place in answer["listening"].as_array().into_iter().flatten() {
        text.extend(["listening  ", &octets(word(place)).to_string(), "\n"]);
    }
    let processes = answer["processes"].as_array().into_iter().flatten();
    processes.for_each(|process| text.push_str(&process_text(process, &answer["generation"])));
    let refused = &answer["refused"];
    if !refused.is_null() {
        let number = number(&refused["generation"]).to_string();
        text.extend(["refused    configuration ", &number, ", and the one before stays\n"]);
        let faults = refused["faults"].as_array().into_iter().flatten();
        faults.for_each(|fault| text.push_str(&report(fault).to_text("gatepostd", Level::Error)));
    }
    cli::printable::lines(&text)
}

fn process_text(process: &Value, current: &Value) -> String {
    let state = match (&process["pid"], process["ready"].as_bool()) {
        (Value::Null, _) => "is not there".to_owned(),
        (pid, Some(true)) => format!("process {pid}, up {}", time(&process["uptime"])),
        (pid, _) => format!("process {pid}, not ready yet"),
    };
    let behind = match process["generation"].as_u64() {
        // A process that has just been started has none yet.
        Some(generation) if generation != 0 && generation != number(current) => {
            format!(", with configuration {generation} still")
        }
        _ => String::new(),
    };
    let (role, account) = (octets(word(&process["role"])), octets(word(&process["account"])));
    let (role, restarts) = (role.to_string(), number(&process["restarts"]));
    format!("{role:<9}  {state}, as {account}, {restarts} restarts{behind}\n")
}

/// A trouble as the daemon tells it.
fn report(object: &Value) -> Report {
    let report = Report::new(Exit::CONFIG, word(&object["subject"]), word(&object["cause"]));
    let report = match object["why"].as_str() {
        Some(why) => report.because(why),
        None => report,
    };
    object["fix"].as_array().into_iter().flatten().filter_map(Value::as_str).fold(report, Report::mend)
}

pub(crate) fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

pub(crate) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

pub(crate) fn time(seconds: &Value) -> String {
    let seconds = number(seconds);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, ..) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// More than anybody reads, of a process that may say whatever it likes.
pub(crate) fn too_many(rows: usize) -> Report {
    Report::plain(Exit::UNAVAILABLE, format_args!("the list does not end: more than {rows} rows"))
}

/// Lines of columns that are as wide as what stands in them. What a stranger has named himself stays in its cell.
pub(crate) fn table<const COLUMNS: usize>(head: [&str; COLUMNS], rows: &[[String; COLUMNS]]) -> String {
    let shown = |row: &[String; COLUMNS]| row.each_ref().map(|cell| octets(cell).to_string());
    let rows: Vec<_> = rows.iter().map(shown).collect();
    let wide = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].len()]).max().unwrap_or_default()
    };
    let widths: [usize; COLUMNS] = std::array::from_fn(wide);
    let line = |cells: [&str; COLUMNS]| {
        let cells = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        format!("{}\n", line.trim_end())
    };
    let rows = rows.iter().map(|row| line(std::array::from_fn(|column| row[column].as_str())));
    std::iter::once(line(head)).chain(rows).collect()
}

/// Twice what throttle.max_entries usually is, and more sessions than there are.
pub(crate) const MOST_ROWS: usize = 1 << 20;
/// A map of millions of entries is read in seconds.
const PATIENCE: Duration = Duration::from_mins(1);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_person_reads_how_it_is() {
        let answer = json!({
            "pid": 70, "version": "0.1.0", "uptime": 90_061, "configuration": "/etc/x", "generation": 2,
            "listening": ["*:587"],
            "processes": [
                {"role": "keeper", "account": "gatepost (uid 100)", "pid": 71, "uptime": 59, "ready": true, "restarts": 1},
                {"role": "front", "account": "x\u{1b}\n", "pid": null, "uptime": null, "ready": false, "restarts": 0, "generation": 1},
            ],
            "refused": {"generation": 3, "faults": [{"subject": "/etc/access", "cause": "secrets", "fix": ["mend it"]}]},
        });
        assert_eq!(
            status_text(&answer),
            "gatepostd 0.1.0, process 70, up 1 d 1 h, configuration 2 of /etc/x\n\
             listening  *:587\n\
             keeper     process 71, up 59 s, as gatepost (uid 100), 1 restarts\n\
             front      is not there, as x\\x1b\\n, 0 restarts, with configuration 1 still\n\
             refused    configuration 3, and the one before stays\n\
             gatepostd: /etc/access: secrets\n    fix: mend it\n"
        );
    }

    #[test]
    fn nobody_makes_rows_of_a_table_by_his_name() {
        let rows = [["a\nb\u{1b}[2J".to_owned(), "c\\d\u{202e}".to_owned()]];
        let text = table(["WHO", "WHAT"], &rows);
        assert_eq!(text, "WHO          WHAT\na\\nb\\x1b[2J  c\\\\d\\u{202e}\n");
    }
}
