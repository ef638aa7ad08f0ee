//! A login, as often as it takes until there is an answer.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use credential::{Mechanism, MechanismSet, PropertySet, Secret};
use sasl::client::{Choice, ClearText, Login, Means, Settings, Step, begin};
use sasl::layer::Layers;
use sasl::{Channel, Entropy, Requirements};
use tests::house::Door;
use tests::peer::client::Client;

use super::Stage;

/// What is logged in by: each finds the password in another verifier, or in another way.
pub(crate) const MECHANISMS: [&str; 5] = ["PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-256"];

/// What the server made of a login.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// 235
    In,
    /// 535
    Out,
}

/// Logs in; whoever is put off comes again.
pub(crate) fn verdict(stage: &Stage, mechanism: &str, user: &str, password: &str) -> Verdict {
    let end = Instant::now() + LONGEST;
    loop {
        let began = Instant::now();
        let answer = connect(stage).and_then(|mut client| answer(&mut client, mechanism, user, password));
        match answer {
            Ok(said) if said.starts_with("235 ") => return Verdict::In,
            Ok(said) if said == "535 5.7.0 authentication failed" => return Verdict::Out,
            Ok(said) => {
                assert!(said.starts_with("454 4.") || said.starts_with("421 4."), "{mechanism}: {said}");
            }
            Err(error) => assert!(stage.killer.may_have_ended(began), "{mechanism}: {error}"),
        }
        assert!(Instant::now() < end, "{user} is put off for ever");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Connects, which succeeds whatever happens, and is greeted. Where that does not come the front has been killed.
pub(crate) fn connect(stage: &Stage) -> std::io::Result<Client> {
    let stream = TcpStream::connect(stage.house.at(Door::Login)).expect("nobody who connects is refused");
    Client::over(stream)
}

/// The last answer to an exchange.
fn answer(client: &mut Client, mechanism: &str, user: &str, password: &str) -> std::io::Result<String> {
    let mechanism = mechanism.parse().unwrap();
    let mut step = begin(Choice::of(mechanism), &settings(mechanism, user), &Channel::clear(), entropy());
    let mut first = format!("AUTH {mechanism}");
    loop {
        let (octets, next) = match step {
            Step::Secret(asked) => {
                step = asked.supply(&Secret::copy_of(password.as_bytes()));
                continue;
            }
            Step::Send { octets, next } => (octets, Some(next)),
            Step::Done(_) => (None, None),
            Step::Failed(failure) => panic!("{mechanism}: {failure}"),
        };
        let words = octets.map(|octets| STANDARD.encode(&*octets));
        let line = [std::mem::take(&mut first), words.unwrap_or_default()];
        let line = line.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        let said = client.try_to_say(line)?;
        let (Some(challenge), Some(next)) = (said.strip_prefix("334 "), next) else { return Ok(said) };
        step = next.challenge(&STANDARD.decode(challenge).unwrap());
    }
}

fn settings(mechanism: Mechanism, user: &str) -> Arc<Settings> {
    Arc::new(Settings {
        login: Login { authentication: user.as_bytes().to_vec(), authorization: None, realm: None },
        means: Means::of(mechanism),
        service: "smtp".to_owned(),
        host: "mail.example.org".to_owned(),
        port: None,
        mechanisms: MechanismSet::EMPTY.with(mechanism),
        requirements: Requirements { properties: PropertySet::EMPTY, ..Requirements::default() },
        clear_text: ClearText::Anywhere,
        iterations: Settings::ITERATIONS,
        layers: Layers::none(),
    })
}

/// Different each time is all that a client's nonce has to be here.
fn entropy() -> Entropy {
    static USED: AtomicU64 = AtomicU64::new(1);
    let mut entropy = [0; 32];
    entropy[..8].copy_from_slice(&USED.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    entropy
}

/// Every rest that a process may have, and more.
const LONGEST: Duration = Duration::from_mins(2);
