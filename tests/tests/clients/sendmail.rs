//! Real sendmail as a client: it brings mail to its smarthost, and logs in there by its authinfo map. Each run is a message.

use std::fs::File;
use std::path::PathBuf;

use tempfile::TempDir;
use tests::need::{self, Missing};
use tests::peer::Maps;
use tests::peer::sendmail::{configure, host, view};
use tests::peer::world::World;
use tests::scratch;

use super::programs::{Login, LogsIn, Outcome, Way, outcome};
use tests::house::{Door, House, message};

/// A sendmail with a configuration in which it finds our daemon.
#[derive(Debug)]
pub(crate) struct Sendmail {
    program: PathBuf,
    world: World,
    maps: Maps,
    place: TempDir,
    /// `AuthMaxBits`: how strong a layer it takes.
    max_bits: u32,
}

impl Sendmail {
    pub(crate) fn start(house: &House) -> Result<Self, Missing> {
        Self::configured(house, "")
    }

    /// It shows this certificate.
    pub(crate) fn with_certificate(house: &House, [certificate, key]: [PathBuf; 2]) -> Result<Self, Missing> {
        let more = format!(
            "define(`confCACERT', `{}')\ndefine(`confCLIENT_CERT', `{}')\ndefine(`confCLIENT_KEY', `{}')\n",
            house.path("cert.pem").display(),
            certificate.display(),
            key.display()
        );
        Self::configured(house, &more)
    }

    /// With more lines in its configuration.
    fn configured(house: &House, more: &str) -> Result<Self, Missing> {
        let (program, m4) = (need::peer("sendmail")?, need::peer("m4")?);
        need::file("/usr/share/sendmail/cf/m4/cf.m4")?;
        need::library("sasl2/libplain.so")?;
        let place = scratch::dir();
        let door = house.at(Door::Login);
        let world =
            view(place.path(), &format!("{} {SMARTHOST}\n127.0.0.1 gate.test localhost\n", door.ip()))?;
        let maps = Maps::new(place.path());
        maps.build("hash", &[], "access", &format!("Try_TLS:{SMARTHOST} NO\n"));
        let shown = place.path().display();
        for (way, feature) in [
            (Way::Clear, format!("FEATURE(`access_db', `hash -T<TMPF> {shown}/maps/access')\n")),
            (Way::StartTls, String::new()),
        ] {
            let source = format!(
                "{}{more}define(`SMART_HOST', `relay:{SMARTHOST}')\ndefine(`RELAY_MAILER_ARGS', `TCP $h {}')\n\
                 {feature}FEATURE(`authinfo', `hash {shown}/maps/authinfo')\nMAILER(`smtp')\n",
                host(place.path()),
                door.port(),
            );
            configure(&m4, &place.path().join(configuration(way)), &source);
        }
        Ok(Self { program, world, maps, place, max_bits: 0 })
    }

    /// The same, taking layers of up to so many bits.
    pub(crate) fn with_layers(self, max_bits: u32) -> Self {
        Self { max_bits, ..self }
    }
}

impl LogsIn for Sendmail {
    fn name(&self) -> &'static str {
        "sendmail"
    }

    fn mechanisms(&self) -> &'static [&'static str] {
        &["PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"]
    }

    /// As a client it does not know TLS that begins with the connection.
    fn ways(&self) -> &'static [Way] {
        &[Way::Clear, Way::StartTls]
    }

    /// One message, delivered while we wait; nobody is told of a failure. Whom the
    /// server does not let in tries it without a login, which is another matter: of a refused login only that is shown.
    fn run(&self, _: &House, login: &Login<'_>) -> Outcome {
        let Login { user, password, mechanism, .. } = login;
        let entry = format!(
            "AuthInfo:{SMARTHOST}\t\"U:{user}\" \"I:{user}\" \"P:{password}\" \"R:example.org\" \"M:{mechanism}\"\n"
        );
        self.maps.build("hash", &[], "authinfo", &entry);
        let mut command = self.world.tool(&self.program).unwrap();
        command.arg("-C").arg(self.place.path().join(configuration(login.way)));
        command.args(["-v", "-odi", "-oeq", "-O", &format!("AuthMaxBits={}", self.max_bits)]);
        command.args(["-f", "alice@example.org", login.recipient]);
        // It takes lines as a program on this host writes them.
        let text = self.place.path().join("message");
        std::fs::write(&text, message(login.subject).replace('\r', "")).unwrap();
        command.stdin(File::open(text).unwrap());
        let mut done = outcome(&mut command);
        done.is_success = done.shown.contains("... Sent (");
        if !done.is_success
            && let Some((login, _)) = done.shown.split_once(">>> MAIL")
        {
            done.shown = login.to_owned();
        }
        done
    }
}

/// The daemon's own name.
const SMARTHOST: &str = "mail.example.org";

fn configuration(way: Way) -> &'static str {
    if way == Way::Clear { "clear.cf" } else { "starttls.cf" }
}
