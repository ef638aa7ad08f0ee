//! What stands in the files of TLS: whether the front can use them, and whether clients will believe them.
//!
//! This reads the private key, as whoever runs the check: the files are opened as the daemon has them opened, safe or not at
//! all, and the process ends when it has said what it found. The opener itself never looks into them.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cli::{Exit, Report};
use safefile::{Kind, SafeFile, display_path};
use tls::ServerSetup;

use crate::ground::{Findings, Ground};
use crate::sessions::moment;

/// Adds what is wrong, and what had better be known. What cannot be opened is told of where files are audited.
pub(super) fn examine(ground: &Ground, findings: &mut Findings) {
    let tls = &ground.config.tls;
    let (Some(certificate), Some(key)) = (&tls.certificate, &tls.key) else { return };
    let open = |path: &Path, kind| SafeFile::open(path, kind, &ground.trust(path)).ok();
    let (Some(certificate), Some(key)) = (open(certificate, Kind::Certificate), open(key, Kind::PrivateKey))
    else {
        return;
    };
    let client_ca = tls.client_ca.as_ref().and_then(|path| open(path, Kind::Certificate));
    let setup = ServerSetup::new(&certificate, &key, client_ca.as_ref());
    match setup {
        Ok(setup) => {
            let said = Said {
                path: certificate.path(),
                host: ground.config.host_name.as_ref().map(config::Domain::as_str),
            };
            said.examine(&setup, SystemTime::now(), findings);
        }
        Err(error) => {
            let is_ca = client_ca.is_some_and(|ca| ca.path() == error.path());
            let why = if is_ca { NO_CA } else { NO_TLS };
            let report = Report::new(Exit::DATAERR, display_path(error.path()), &error);
            findings.wrong.push(report.because(why).mend(error.mend()));
        }
    }
}

/// The certificate, and the host for which it should be.
struct Said<'c> {
    path: &'c Path,
    host: Option<&'c str>,
}

impl Said<'_> {
    fn examine(&self, setup: &ServerSetup, now: SystemTime, findings: &mut Findings) {
        let report =
            |cause: String| Report::new(Exit::CONFIG, display_path(self.path), cause).because(NOT_BELIEVED);
        let day = |time: SystemTime| moment(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs());
        if setup.not_after() <= now {
            let cause = format!("the certificate has expired: {}", day(setup.not_after()));
            findings.wrong.push(report(cause).mend(RENEW));
        } else if setup.not_after() <= now + SOON {
            let cause = format!("the certificate expires soon: {}", day(setup.not_after()));
            findings.remarks.push(report(cause).mend(RENEW));
        }
        if setup.not_before() > now {
            let cause = format!("the certificate is not valid before {}", day(setup.not_before()));
            findings.wrong.push(report(cause).mend("set the clock of this host, or wait"));
        }
        match (setup.hosts(), self.host) {
            ([], _) => {
                let cause =
                    "the certificate names no host (no dNSName among its alternative names)".to_owned();
                findings.wrong.push(report(cause).mend(ANOTHER));
            }
            (hosts, Some(host)) if !hosts.iter().any(|name| is_for(name, host)) => {
                let cause =
                    format!("the certificate is for {}, and not for host_name: {host}", hosts.join(", "));
                findings.remarks.push(report(cause).mend(ANOTHER));
            }
            _ => {}
        }
    }
}

/// RFC 6125, section 6.4.3: a wildcard stands for one label, the first.
fn is_for(name: &str, host: &str) -> bool {
    match name.strip_prefix("*.") {
        Some(rest) => host.split_once('.').is_some_and(|(_, parent)| parent.eq_ignore_ascii_case(rest)),
        None => name.eq_ignore_ascii_case(host),
    }
}

const SOON: Duration = Duration::from_hours(14 * 24);
const NO_TLS: &str =
    "there is no TLS until it is mended: no STARTTLS, and at an implicit TLS port nobody is served";
const NO_CA: &str = "until it is mended no client is asked for a certificate, and EXTERNAL is not offered";
const NOT_BELIEVED: &str = "mail clients refuse to go on, or ask their users, who learn to say yes";
const RENEW: &str = "get a new one from its CA and put it in this place: it is taken up without a restart";
const ANOTHER: &str =
    "get one whose alternative names hold the name that mail clients are told to connect to";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_one_label() {
        for (name, host, expected) in [
            ("mail.example.org", "MAIL.example.org", true),
            ("*.example.org", "mail.example.org", true),
            ("*.example.org", "a.mail.example.org", false),
            ("*.example.org", "example.org", false),
            ("example.org", "mail.example.org", false),
        ] {
            assert_eq!(is_for(name, host), expected, "{name} {host}");
        }
    }
}
