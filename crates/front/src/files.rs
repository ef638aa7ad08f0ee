//! The files of the front: certificate, key, maps. The opener opens them; when another file stands in a place, it is
//! taken up without a restart, and when one is unsafe or damaged, what was there is not used as if nothing had happened.

use std::io;
use std::path::Path;
use std::sync::Arc;

use config::{Config, DaemonFile, FileRole};
use safefile::{SafeFile, Stamp, Trust};
use tls::{ServerSetup, SetupError};

use crate::access::{Access, AccessTrouble, MapAccess, NoAccess};
use crate::event::{Event, Journal};
use crate::opener::{NotOpened, Opener};
use crate::survey::{self, Survey};

/// What was found in each place.
type Seen = Vec<(FileRole, Result<Stamp, NotOpened>)>;

/// What is made of the files.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) tls: Option<ServerSetup>,
    pub(crate) access: Arc<dyn Access>,
    pub(crate) client_map: Arc<dyn Access>,
    pub(crate) senders: Arc<dyn Access>,
}

/// The files of one configuration, watched.
pub(crate) struct Files {
    wanted: Vec<DaemonFile>,
    maps: Vec<(FileRole, config::MapName)>,
    trust: Trust,
    seen: Seen,
    /// What was complained about last, so that it is said once.
    complaint: Option<String>,
    /// The map that holds secrets, if one does.
    with_secrets: Option<FileRole>,
    /// Maps that were taken up, as they then were: a trouble with another file lets nobody walk over them again.
    taken: Vec<(FileRole, Stamp)>,
    parts: Parts,
}

/// Why a map cannot be used.
enum MapFault {
    /// Nobody can tell what is in it.
    Trouble(String),
    /// It holds client-info.
    HasSecrets(String),
}

/// A map that cannot be used: nobody can tell.
pub(crate) struct Unusable(pub(crate) AccessTrouble);

impl Access for Unusable {
    fn look_up(&self, _key: &str) -> Result<Option<String>, AccessTrouble> {
        Err(self.0.clone())
    }

    fn names_clients(&self) -> bool {
        false
    }
}

impl Files {
    /// The files that a configuration names for the front; `before` is what another one had, which is used on where a
    /// certificate cannot be taken up.
    pub(crate) fn of(config: &Config, trust: &Trust, before: Option<&Parts>) -> Self {
        let none: Arc<dyn Access> = Arc::new(NoAccess);
        let (access, client_map, senders) = (Arc::clone(&none), Arc::clone(&none), none);
        let nothing = Parts { tls: None, access, client_map, senders };
        let has_certificate = config.tls.certificate.is_some();
        let mut parts = before.cloned().unwrap_or(nothing);
        parts.tls = parts.tls.filter(|_| has_certificate);
        Self {
            wanted: config.daemon_files().into_iter().filter(|file| is_read(file.role)).collect(),
            maps: config.front_maps().into_iter().map(|(role, map)| (role, map.clone())).collect(),
            trust: trust.clone(),
            seen: Seen::new(),
            complaint: None,
            with_secrets: None,
            taken: Vec::new(),
            parts,
        }
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The map that holds secrets, if one does: no configuration that names it is taken up.
    pub(crate) fn with_secrets(&self) -> Option<FileRole> {
        self.with_secrets
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
        self.with_secrets = None;
        for (role, part) in [
            (FileRole::AccessMap, &mut self.parts.access),
            (FileRole::ClientMap, &mut self.parts.client_map),
            (FileRole::Senders, &mut self.parts.senders),
        ] {
            let name = self.maps.iter().find(|(known, _)| *known == role).map(|(_, name)| name);
            let answer = take(role);
            let stamp = answer.as_ref().and_then(|answer| answer.as_ref().ok()).map(SafeFile::stamp);
            let as_before = stamp.map(|stamp| (role, stamp));
            if as_before.as_ref().is_some_and(|it| self.taken.contains(it)) {
                continue;
            }
            let (map, fault) = map(answer, name);
            *part = map;
            self.taken.retain(|(taken, _)| *taken != role);
            self.taken.extend(as_before.filter(|_| fault.is_none()));
            if let Some(MapFault::HasSecrets(_)) = fault {
                self.with_secrets = Some(role);
            }
            complaints.extend(fault.map(|fault| fault.words().to_owned()));
        }
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
            | FileRole::Senders
    )
}

type Answer = Option<Result<SafeFile, NotOpened>>;

/// What TLS is made from, and what is wrong with the files for it.
///
/// Whoever is served goes on to be when certificate or key cannot be taken up: what was read of them was safe when it was
/// read, and without TLS mail would go in clear. The CA of clients is another matter, for it lets people in: it is always the
/// one of now, and when it cannot be trusted, nobody is asked for a certificate, and EXTERNAL is not offered.
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
            before.and_then(|before| match before.with_client_ca(client_ca.as_ref()) {
                Ok(setup) => Some(setup),
                Err(error) => {
                    faults.push(no_ca(&format!("{error}; {}", error.mend())));
                    before.with_client_ca(None).ok()
                }
            })
        }
    };
    (setup, faults)
}

fn no_ca(words: &str) -> String {
    format!("{words}; no client is asked for a certificate, and EXTERNAL is not offered")
}

/// The map, or one that nobody can look into and why.
fn map(answer: Answer, name: Option<&config::MapName>) -> (Arc<dyn Access>, Option<MapFault>) {
    let (Some(answer), Some(name)) = (answer, name) else { return (Arc::new(NoAccess), None) };
    let file = answer.map_err(|not| MapFault::Trouble(not.words().to_owned()));
    match file.and_then(|file| open_map(file, name)) {
        Ok(map) => (Arc::new(map), None),
        Err(fault) => (Arc::new(Unusable(AccessTrouble(fault.words().to_owned()))), Some(fault)),
    }
}

/// Passwords of other servers do not belong into a map that the process with the network reads.
fn open_map(file: SafeFile, name: &config::MapName) -> Result<MapAccess, MapFault> {
    let trouble = |error: store::maps::MapError| MapFault::Trouble(error.to_string());
    let map = survey::open_judged(file, name).map_err(trouble)?;
    let survey = Survey::of(&*map).map_err(trouble)?;
    if survey.client_info.is_none() {
        return Ok(MapAccess { map, survey });
    }
    Err(MapFault::HasSecrets(holds_secrets(map.path())))
}

/// Why the map is not used, as log and explanations say it.
pub(crate) fn holds_secrets(path: &Path) -> String {
    let path = safefile::display_path(path);
    format!(
        "the map holds secrets (AuthInfo:), which belong into a map of their own (gatepostd check says how): {path}"
    )
}

impl MapFault {
    fn words(&self) -> &str {
        match self {
            Self::Trouble(words) | Self::HasSecrets(words) => words,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "tests make the files")]

    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use rcgen::{BasicConstraints, CertificateParams, CertifiedKey, IsCa, KeyPair};
    use safefile::{Kind, Uid};

    use super::*;

    /// Whatever is wrong with certificate or key, who is let in by a CA follows from the file of now.
    #[test]
    fn a_broken_key_keeps_no_ca_in_force() {
        let dir = ::tests::scratch::dir();
        let file = |name: &str, text: &str, kind| -> Answer {
            let path = dir.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            Some(Ok(SafeFile::open(&path, kind, &Trust::root().caller(Uid::effective())).unwrap()))
        };
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(vec!["mail.gate.test".to_owned()]).unwrap();
        let authority = || {
            let mut parameters = CertificateParams::default();
            parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            parameters.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
        };
        let (one, other, good) = (authority(), authority(), signing_key.serialize_pem());
        let made = |before, key: &str, ca: Option<&str>| {
            let certificate = file("cert.pem", &cert.pem(), Kind::Certificate);
            let key = file("key.pem", key, Kind::PrivateKey);
            let ca = ca.and_then(|ca| file("ca.pem", ca, Kind::Certificate));
            let (setup, faults) = set_up(before, (certificate, key), ca);
            (setup.unwrap(), faults.join("; "))
        };
        let (with_one, faults) = made(None, &good, Some(&one));
        assert_eq!(faults, "");
        for (ca, is_believed, asks) in [
            (Some(one.as_str()), true, true),
            (Some(other.as_str()), false, true),
            (Some("nothing"), false, false),
            (None, false, false),
        ] {
            let (setup, faults) = made(Some(with_one.clone()), "nothing", ca);
            assert!(faults.contains("key.pem; ") && faults.contains("stays in use"), "{faults}");
            assert_eq!(faults.contains("ca.pem"), ca == Some("nothing"), "{faults}");
            assert_eq!(
                (setup.believes_as(&with_one), setup.asks_for_certificates()),
                (is_believed, asks),
                "{ca:?}"
            );
        }
    }
}
