//! From the usual places to the files that are named there: one function for each program that may be installed.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use safefile::{Kind, shell_quote};

use super::finds::Finds;
use super::host::{Host, Names};
use super::named::{Bare, Contents, Named};
use super::sendmail::Cf;
use super::{dovecot, exim, postfix, sasl, sendmail_conf};
use crate::judged::{Note, NoteWord};

/// sendmail: its cf files, what they name, and the usual places of its client's secrets.
pub(crate) fn sendmail(host: &Host<'_>, finds: &mut Finds) {
    for path in sasl::CF_FILES.iter().map(Path::new) {
        if let Some(text) = finds.text(host, path, Contents::Opaque, "sendmail's configuration") {
            cf_file(host, finds, path, &Cf::read(&text));
        }
    }
    for (path, contents) in sasl::CLIENT_SECRETS {
        finds.usual(host, path, Kind::Secret, *contents, "passwords of sendmail's client");
    }
    for path in sasl::ACCESS {
        finds.usual(host, path, Kind::Map, Contents::AuthInfo, "access map");
    }
    for path in sasl::SENDMAILS {
        finds.usual(host, path, Kind::Program, Contents::Opaque, "sendmail");
    }
}

/// Cyrus SASL: libraries, plug-ins, sasldbs, and the file that sendmail's SASL obeys.
pub(crate) fn cyrus_sasl(host: &Host<'_>, finds: &mut Finds) {
    for path in sasl::SASLDBS {
        finds.usual(host, path, Kind::Secret, Contents::Sasldb, "sasldb");
    }
    let plug_ins = libraries(host, finds);
    application(host, finds, &sasl::application_files("Sendmail", &plug_ins), Reader::Sendmail);
}

/// Postfix: main.cf, master.cf, what they name, and the file that its SASL obeys.
pub(crate) fn postfix(host: &Host<'_>, finds: &mut Finds) {
    let (main_cf, master_cf) = (Path::new("/etc/postfix/main.cf"), Path::new("/etc/postfix/master.cf"));
    let what = "Postfix's configuration";
    let Some(text) = finds.text(host, main_cf, Contents::PostfixMain, what) else { return };
    let master = finds.text(host, master_cf, Contents::Opaque, what).unwrap_or_default();
    let main = postfix::Main::read(&text).with_master(&master);
    for (path, followed) in [(main_cf, main.names()), (master_cf, main.names_of_master())] {
        followed.files.into_iter().for_each(|named| finds.named(host, path, named));
        for (name, line) in followed.endless {
            finds.not_looked_at(path, &format!("line {line}, {name}: {ENDLESS}"));
        }
    }
    let Some(name) = main.sasl_application() else { return };
    let moved = main.sasl_directory().map(|directory| Path::new(&directory).join(format!("{name}.conf")));
    let debian = Path::new("/etc/postfix/sasl").join(format!("{name}.conf"));
    let first = moved.into_iter().chain([debian]);
    let files: Vec<PathBuf> = first.chain(sasl::application_files(&name, &[])).collect();
    application(host, finds, &files, Reader::Postfix);
}

/// Dovecot: its configuration with everything that it includes, and the files with passwords that are named.
pub(crate) fn dovecot(host: &Host<'_>, finds: &mut Finds) {
    let first = PathBuf::from("/etc/dovecot/dovecot.conf");
    let mut waiting = vec![first.clone()];
    let mut read = HashSet::new();
    while let Some(path) = waiting.pop() {
        if read.contains(&path) {
            continue;
        }
        if read.len() == INCLUDE_LIMIT {
            finds.not_followed(host, &first, &path);
            break;
        }
        read.insert(path.clone());
        let text = finds.text(host, &path, Contents::Dovecot, "Dovecot's configuration");
        let Some(conf) = text.as_deref().map(dovecot::read) else { continue };
        conf.names.into_iter().for_each(|named| finds.named(host, &path, named));
        for (file, line) in conf.variable {
            let contents = Contents::PasswdFile { bare: Bare::Hashed };
            let named = Named::holding(&file, Kind::Secret, contents, line, "passdb");
            finds.named(host, &path, named);
            finds.not_looked_at(Path::new(&file), VARIABLE);
        }
        let directory = path.parent().unwrap_or(Path::new("/"));
        // The last one put in is read next: reversed, the order is that of the files.
        for pattern in conf.includes.iter().rev() {
            let pattern = directory.join(pattern);
            match included(host, &pattern) {
                Some(files) => waiting.extend(files),
                None => finds.not_followed(host, &path, &pattern),
            }
        }
    }
    for path in ["/etc/dovecot/users", "/etc/dovecot/passwd"] {
        let contents = Contents::PasswdFile { bare: Bare::Hashed };
        finds.usual(host, path, Kind::Secret, contents, "Dovecot's usual passwd-file");
    }
}

/// Exim, as Debian has it.
pub(crate) fn exim(host: &Host<'_>, finds: &mut Finds) {
    for (path, kind, contents) in exim::PLACES {
        finds.usual(host, path, *kind, *contents, "exim4");
    }
}

fn cf_file(host: &Host<'_>, finds: &mut Finds, path: &Path, cf: &Cf) {
    cf.names().into_iter().for_each(|named| finds.named(host, path, named));
    if let Some((user, line)) = cf.trusted_user() {
        let text = format!("line {line} lets {user} own what sendmail reads; judged here without that");
        let answer = format!("authcheck discover --trusted-user {}", shell_quote(user));
        finds.note(path, Note::new(NoteWord::Trusted, text).answered(answer));
    }
    for (word, line) in cf.loosened() {
        let text = format!("line {line}, DontBlameSendmail {word}: sendmail accepts what Gatepost refuses");
        finds.note(path, Note::new(NoteWord::Loosened, text));
    }
    if let (Some((file, option)), Some(ruleset)) = (cf.default_auth_info(), cf.authinfo_ruleset()) {
        let text = format!(
            "{} has an authinfo ruleset (line {ruleset}), so sendmail never reads the DefaultAuthInfo of line {option}: the file is dead",
            safefile::display_path(&host.at(path)),
        );
        finds.note(Path::new(file), Note::new(NoteWord::Dead, text));
    }
}

/// libsasl and its plug-ins, in every library directory; the plug-in directories are the answer.
fn libraries(host: &Host<'_>, finds: &mut Finds) -> Vec<PathBuf> {
    let mut plug_in_directories = Vec::new();
    for top in sasl::LIBRARY_DIRECTORIES.iter().map(PathBuf::from) {
        let names = listed(host, finds, &top, "libsasl2.so");
        let machines: Vec<_> =
            names.iter().filter(|name| sasl::is_machine(name)).map(|name| top.join(name)).collect();
        for directory in machines.into_iter().chain([top]) {
            let names = listed(host, finds, &directory, "libsasl2.so");
            for name in names.iter().filter(|name| sasl::is_libsasl(name)) {
                finds.usual(host, directory.join(name), Kind::Program, Contents::Opaque, "libsasl");
            }
            plug_in_directories.extend(["sasl2", "sasl"].map(|name| directory.join(name)));
        }
    }
    plug_in_directories.retain(|directory| plug_ins(host, finds, directory));
    plug_in_directories
}

/// The plug-ins of one directory; whether there is such a directory.
fn plug_ins(host: &Host<'_>, finds: &mut Finds, directory: &Path) -> bool {
    for name in listed(host, finds, directory, "libplain.so").iter().filter(|name| sasl::is_plug_in(name)) {
        finds.usual(host, directory.join(name), Kind::Program, Contents::Opaque, "plug-in of libsasl");
    }
    host.has(directory)
}

/// The names in a directory of programs. Where they are not to be had or not safe to go by, what everybody knows to be there is audited in
/// their place, which shows what is wrong with the directory.
fn listed(host: &Host<'_>, finds: &mut Finds, directory: &Path, example: &str) -> Vec<String> {
    match host.names(directory, Kind::Program) {
        Names::Listed(names) => names,
        Names::Unknown => {
            let named = Named::plain(directory.join(example), Kind::Program, 1, "libraries");
            finds.named(host, directory, named);
            Vec::new()
        }
    }
}

/// Whose SASL obeys an application's file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reader {
    /// sendmail, which passes over a file that it finds unsafe.
    Sendmail,
    /// Postfix, which does not look.
    Postfix,
}

/// An application's file of Cyrus SASL: the first that exists counts, and its words are answered.
fn application(host: &Host<'_>, finds: &mut Finds, files: &[PathBuf], reader: Reader) {
    let mut found: Option<&Path> = None;
    for path in files {
        let what = if reader == Reader::Sendmail { "SASL for sendmail" } else { "SASL for Postfix" };
        let Some(text) = finds.text(host, path, Contents::SaslConfiguration, what) else { continue };
        if let Some(first) = found {
            let text = format!("{} is found first", safefile::display_path(&host.at(first)));
            finds.note(path, Note::new(NoteWord::Dead, text));
            continue;
        }
        found = Some(path);
        if reader == Reader::Sendmail {
            finds.if_unsafe(path, Note::new(NoteWord::Loosened, PASSED_OVER));
        }
        let (words, refused) = sendmail_conf::read(&text);
        for named in sendmail_conf::names(&words) {
            finds.named(host, path, named);
        }
        for line in refused {
            let text = format!("line {line} is not `word: value`, so libsasl refuses to start");
            finds.note(path, Note::new(NoteWord::Broken, text));
        }
        for answer in sendmail_conf::answers(&words) {
            let (lines, again) = finds.first_said(answer.toml);
            let mut text = format!("line {}, {}: {}", answer.line, answer.given, answer.meaning);
            if !again.is_empty() {
                text.extend(["; said above: ", &again.join(", ")]);
            }
            finds.note(path, Note::new(NoteWord::Equivalent, text).answered(lines));
        }
    }
}

/// The files that one `!include` names, the last first. A `*` may stand in the last component, as everybody writes it;
/// `None` for another pattern, and where the directory cannot be gone by.
fn included(host: &Host<'_>, pattern: &Path) -> Option<Vec<PathBuf>> {
    let (Some(parent), Some(name)) = (pattern.parent(), pattern.file_name().and_then(|name| name.to_str()))
    else {
        return Some(Vec::new());
    };
    let is_glob = |text: &str| text.contains(['*', '?', '[', '{']);
    let (before, after) = match name.split_once('*') {
        _ if is_glob(&parent.to_string_lossy()) => return None,
        None if is_glob(name) => return None,
        None => return Some(vec![pattern.to_owned()]),
        Some((before, after)) if is_glob(before) || is_glob(after) => return None,
        Some(parts) => parts,
    };
    let Names::Listed(names) = host.names(parent, Kind::Configuration) else { return None };
    let fits = |name: &&String| {
        let is_shown = !name.starts_with('.') || before.starts_with('.');
        is_shown
            && name.len() >= before.len() + after.len()
            && name.starts_with(before)
            && name.ends_with(after)
    };
    Some(names.iter().filter(fits).rev().map(|name| parent.join(name)).collect())
}

const PASSED_OVER: &str = "sendmail passes over a file that it finds unsafe too, and goes on with the defaults: every \
                           mechanism, the default sasldb";

const VARIABLE: &str = "names a file for each user or domain, and none of them was looked at";

const ENDLESS: &str = "expands to more than can be looked at, so what it names was not";

/// How many files of Dovecot are read: an include that names itself ends there.
const INCLUDE_LIMIT: usize = 200;
