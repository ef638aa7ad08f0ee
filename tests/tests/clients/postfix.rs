//! Real Postfix as a client: it brings mail to a relayhost and logs in there. One Postfix has a service for each mechanism
//! and way; which of them brings a message, and with which login, follows from its sender.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::path::PathBuf;

use tests::need::Missing;
use tests::peer::client::Client;
use tests::peer::postfix::Host;
use tests::peer::world::Process;
use tests::peer::{Maps, until};

use super::programs::{ALL, Login, LogsIn, Outcome, Way};
use tests::house::{Door, House, PASSWORD, message};

/// A Postfix that runs, and takes mail for the daemon. The order of the fields is that of their end.
#[derive(Debug)]
pub(crate) struct Postfix {
    _daemon: Process,
    door: SocketAddrV4,
    journal: PathBuf,
    _host: Host,
}

impl Postfix {
    /// Starts it, for these users: with the password, and with another.
    pub(crate) fn start(house: &House, logins: &[(&str, &str)]) -> Result<Self, Missing> {
        let host = Host::new()?;
        std::fs::copy(house.path("cert.pem"), host.path("ca.pem")).unwrap();
        let (mut services, mut transports, mut passwords) = (String::new(), String::new(), String::new());
        for (mechanism, way) in MECHANISMS.iter().flat_map(|name| ALL.iter().map(move |way| (*name, *way))) {
            let at = house.at(if way == Way::Tls { Door::Tls } else { Door::Login });
            let service = service(mechanism, way);
            let options = match way {
                Way::Clear => "-o smtp_tls_security_level=none",
                Way::StartTls => VERIFIED,
                Way::Tls => "-o smtp_tls_security_level=verify -o smtp_tls_wrappermode=yes",
            };
            let filter = mechanism.to_lowercase();
            writeln!(
                services,
                "{service} unix - - n - - smtp -v\n  -o smtp_sasl_mechanism_filter={filter} {options}"
            )
            .unwrap();
            for (user, password) in logins {
                let sender = sender(&service, user, password);
                writeln!(transports, "{sender} {service}:[{}]:{}", at.ip(), at.port()).unwrap();
                writeln!(passwords, "{sender} {user}:{password}").unwrap();
            }
        }
        let maps = Maps::new(&host.path(""));
        maps.build("hash", &[], "transports", &transports);
        maps.build("hash", &[], "passwords", &passwords);
        let door = SocketAddrV4::new(ADDRESS, free_port());
        writeln!(
            services,
            "{door} inet n - n - - smtpd\ntlsmgr unix - - n 1000 1 tlsmgr\ndiscard unix - - n - - discard"
        )
        .unwrap();
        let daemon = host.start(MAIN, &services)?;
        until("Postfix to listen", || Client::connect(door, Ipv4Addr::LOCALHOST).ok());
        Ok(Self { _daemon: daemon, door, journal: host.path("journal"), _host: host })
    }

    /// What it wrote from there on, if it says what became of that message.
    fn delivery(&self, from: usize, id: &str) -> Option<Outcome> {
        let journal = std::fs::read(&self.journal).unwrap_or_default();
        let said = String::from_utf8_lossy(journal.get(from..)?).into_owned();
        let end = said.lines().find(|line| line.contains(id) && line.contains(" status="))?;
        let heard = said.lines().filter(|line| line.contains("]: < ")).collect::<Vec<_>>().join("\n");
        Some(Outcome { is_success: end.contains(" status=sent "), shown: format!("{heard}\n{end}\n") })
    }
}

impl LogsIn for Postfix {
    fn name(&self) -> &'static str {
        "Postfix"
    }

    fn mechanisms(&self) -> &'static [&'static str] {
        MECHANISMS
    }

    fn ways(&self) -> &'static [Way] {
        ALL
    }

    fn run(&self, _: &House, login: &Login<'_>) -> Outcome {
        let from = std::fs::metadata(&self.journal).map_or(0, |facts| facts.len());
        let mut client = Client::connect(self.door, Ipv4Addr::LOCALHOST).unwrap();
        let sender = sender(&service(login.mechanism, login.way), login.user, login.password);
        let text = message(login.subject) + ".";
        let mut said = String::new();
        for line in
            [&format!("MAIL FROM:<{sender}>"), &format!("RCPT TO:<{}>", login.recipient), "DATA", &text]
        {
            said = client.say(line);
            assert!(said.starts_with(['2', '3']), "{line}: {said}");
        }
        let id = said.rsplit(' ').next().unwrap().to_owned() + ": to=";
        until("a delivery of Postfix", || self.delivery(from.try_into().unwrap(), &id))
    }
}

fn service(mechanism: &str, way: Way) -> String {
    format!("{mechanism}-{way:?}").to_lowercase()
}

fn sender(service: &str, user: &str, password: &str) -> String {
    let is_right = if password == PASSWORD { "right" } else { "wrong" };
    format!("{service}.{user}.{is_right}@client.test")
}

fn free_port() -> u16 {
    TcpListener::bind((ADDRESS, 0)).unwrap().local_addr().unwrap().port()
}

const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 88, 2);

const MECHANISMS: &[&str] =
    &["PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"];

const VERIFIED: &str = "-o smtp_tls_security_level=verify";

/// Each sender has a transport and a login of its own. A login that is refused is the end of a message, and nobody is told.
const MAIN: &str = "\
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
default_transport = discard
sender_dependent_default_transport_maps = hash:/mnt/maps/transports
smtp_sender_dependent_authentication = yes
smtp_sasl_password_maps = hash:/mnt/maps/passwords
smtp_sasl_auth_soft_bounce = no
smtp_tls_CAfile = /mnt/ca.pem
smtp_tls_verify_cert_match = mail.example.org
";
