//! The files of the front: certificate, key, maps. The opener opens them; when another file stands in a place, it is
//! taken up without a restart, and when one is unsafe or damaged, what was there is not used as if nothing had happened.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use config::{Config, DaemonFile, FileRole};
use safefile::{SafeFile, Stamp, Trust};
use store::maps::{self, Map, MapName};
use tls::{ServerSetup, SetupError};

use crate::access::{Access, AccessTrouble, NoAccess};
use crate::event::{Event, Journal};
use crate::opener::{NotOpened, Opener};

/// What was found in each place.
type Seen = Vec<(FileRole, Result<Stamp, NotOpened>)>;

/// What is made of the files.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) tls: Option<ServerSetup>,
    pub(crate) access: Arc<dyn Access>,
    pub(crate) client_map: Arc<dyn Access>,
}

/// The files of one configuration, watched.
pub(crate) struct Files {
    wanted: Vec<DaemonFile>,
    access_map: Option<config::MapName>,
    client_map: Option<config::MapName>,
    trust: Trust,
    seen: Seen,
    /// What was complained about last, so that it is said once.
    complaint: Option<String>,
    parts: Parts,
}

/// A map that cannot be used: nobody can tell.
struct Unusable(AccessTrouble);

impl Access for Unusable {
    fn look_up(&self, _key: &str) -> Result<Option<String>, AccessTrouble> {
        Err(self.0.clone())
    }
}

impl Files {
    /// The files that a configuration names for the front; `before` is what another one had, which is used on where a
    /// certificate cannot be taken up.
    pub(crate) fn of(config: &Config, trust: &Trust, before: Option<&Parts>) -> Self {
        let nothing = Parts { tls: None, access: Arc::new(NoAccess), client_map: Arc::new(NoAccess) };
        let has_certificate = config.tls.certificate.is_some();
        let mut parts = before.cloned().unwrap_or(nothing);
        parts.tls = parts.tls.filter(|_| has_certificate);
        Self {
            wanted: config.daemon_files().into_iter().filter(|file| is_read(file.role)).collect(),
            access_map: config.access_map.clone(),
            client_map: config.tls.client_map.clone(),
            trust: trust.clone(),
            seen: Seen::new(),
            complaint: None,
            parts,
        }
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Looks at every file; whether anything was made anew.
    ///
    /// # Errors
    /// The opener is gone.
    pub(crate) async fn look(&mut self, opener: &mut Opener, journal: &dyn Journal) -> io::Result<bool> {
        let mut opened = Vec::new();
        for file in &self.wanted {
            let answer = opener.open(file.index.0).await?;
            opened.push((file.role, answer.and_then(|descriptor| self.judge(file, descriptor))));
        }
        let stamp = |file: &SafeFile| file.stamp();
        let seen: Seen = opened
            .iter()
            .map(|(role, file)| (*role, file.as_ref().map(stamp).map_err(Clone::clone)))
            .collect();
        if seen == self.seen && self.complaint.is_none() {
            return Ok(false);
        }
        self.seen = seen;
        self.make(opened, journal);
        Ok(true)
    }

    fn judge(&self, file: &DaemonFile, descriptor: std::os::fd::OwnedFd) -> Result<SafeFile, NotOpened> {
        let trust = file.exceptions.iter().cloned().fold(self.trust.clone(), Trust::except);
        let received = SafeFile::received(&file.path, file.kind, &trust, descriptor);
        received.map_err(|error| NotOpened::Refused(error.to_string()))
    }

    fn make(&mut self, opened: Vec<(FileRole, Result<SafeFile, NotOpened>)>, journal: &dyn Journal) {
        let mut opened = opened;
        let mut take = |wanted| {
            let at = opened.iter().position(|(role, _)| *role == wanted)?;
            Some(opened.swap_remove(at).1)
        };
        let mut complaints = Vec::new();
        let (tls, faults) = set_up(
            self.parts.tls.take(),
            (take(FileRole::Certificate), take(FileRole::Key)),
            take(FileRole::ClientCa),
        );
        self.parts.tls = tls;
        complaints.extend(faults);
        let (access, fault) = map(take(FileRole::AccessMap), self.access_map.as_ref());
        self.parts.access = access;
        complaints.extend(fault);
        let (client_map, fault) = map(take(FileRole::ClientMap), self.client_map.as_ref());
        self.parts.client_map = client_map;
        complaints.extend(fault);
        self.complain(&complaints, journal);
    }

    fn complain(&mut self, complaints: &[String], journal: &dyn Journal) {
        let complaint = (!complaints.is_empty()).then(|| complaints.join("; "));
        if let Some(words) = complaint.as_ref().filter(|_| complaint != self.complaint) {
            journal.note(&Event::FileUnusable { words });
        }
        self.complaint = complaint;
    }
}

/// What the front reads; queue and mailboxes it opens itself, for they are its own.
fn is_read(role: FileRole) -> bool {
    matches!(
        role,
        FileRole::Certificate
            | FileRole::Key
            | FileRole::ClientCa
            | FileRole::AccessMap
            | FileRole::ClientMap
    )
}

type Answer = Option<Result<SafeFile, NotOpened>>;

/// What TLS is made from, and what is wrong with the files for it.
///
/// Whoever is served goes on to be when certificate or key cannot be taken up: what was read of them was safe when it was
/// read, and without TLS mail would go in clear. The CA of clients is another matter, for it lets people in: when it cannot
/// be trusted, nobody is asked for a certificate, and EXTERNAL is not offered.
fn set_up(
    before: Option<ServerSetup>,
    (certificate, key): (Answer, Answer),
    client_ca: Answer,
) -> (Option<ServerSetup>, Vec<String>) {
    let (Some(certificate), Some(key)) = (certificate, key) else { return (None, Vec::new()) };
    let mut faults = Vec::new();
    let words = |not: NotOpened| not.words().to_owned();
    let client_ca = client_ca.and_then(|file| file.map_err(|not| faults.push(no_ca(not.words()))).ok());
    let pair = certificate.map_err(words).and_then(|certificate| Ok((certificate, key.map_err(words)?)));
    let made = pair.and_then(|(certificate, key)| {
        let made = ServerSetup::new(&certificate, &key, client_ca.as_ref());
        let said = |error: SetupError| format!("{error}; {}", error.mend());
        match (made, &client_ca) {
            (Err(error), Some(ca)) if error.path() == ca.path() => {
                faults.push(no_ca(&said(error)));
                ServerSetup::new(&certificate, &key, None).map_err(said)
            }
            (made, _) => made.map_err(said),
        }
    });
    let setup = match made {
        Ok(setup) => Some(setup),
        Err(fault) => {
            let stays =
                if before.is_some() { "what was read before stays in use" } else { "there is no TLS" };
            faults.push(format!("{fault}; {stays}"));
            let is_trusted = client_ca.is_some();
            before.and_then(|before| {
                let asks = before.asks_for_certificates();
                if asks && !is_trusted { before.without_client_ca().ok() } else { Some(before) }
            })
        }
    };
    (setup, faults)
}

fn no_ca(words: &str) -> String {
    format!("{words}; no client is asked for a certificate, and EXTERNAL is not offered")
}

/// The map, or one that nobody can look into and why.
fn map(answer: Answer, name: Option<&config::MapName>) -> (Arc<dyn Access>, Option<String>) {
    let (Some(answer), Some(name)) = (answer, name) else { return (Arc::new(NoAccess), None) };
    match answer.map_err(|not| not.words().to_owned()).and_then(|file| open_map(file, name)) {
        Ok(map) => (Arc::new(map), None),
        Err(words) => (Arc::new(Unusable(AccessTrouble(words.clone()))), Some(words)),
    }
}

fn open_map(file: SafeFile, name: &config::MapName) -> Result<Box<dyn Map>, String> {
    let map_type = name.map_type().map(str::parse).transpose();
    let map_type = map_type.map_err(|error: maps::NameError| error.to_string())?;
    let name = MapName { map_type, name: PathBuf::from(name.path()) };
    let map = maps::open_judged(file, &name).map_err(|error| error.to_string())?;
    match has_client_info(&*map) {
        Ok(false) => Ok(map),
        Ok(true) => Err(format!(
            "the map holds secrets (AuthInfo:), which belong into a map of their own: {}",
            safefile::display_path(map.path())
        )),
        Err(error) => Err(error.to_string()),
    }
}

/// Passwords of other servers in a map that the process with the network reads.
fn has_client_info(map: &dyn Map) -> Result<bool, maps::MapError> {
    for record in map.records() {
        let key = record?.key;
        if key.get(..TAG.len()).is_some_and(|tag| tag.eq_ignore_ascii_case(TAG)) {
            return Ok(true);
        }
    }
    Ok(false)
}

const TAG: &[u8] = b"AuthInfo:";
