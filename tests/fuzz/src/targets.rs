//! What the SASL targets do, by their names: `sasl_server_` or `sasl_client_` and a mechanism, `sasl_layer_` and what
//! protects. The fuzzer and the replay of the corpus (`crates/sasl/tests/replay.rs`) both run this.
//!
//! A seed of an exchange is what the other side says, message by message, with an octet 0xFF between: no UTF-8 has it, so
//! that real messages can be written down as they are. A server reads an empty first message as "no initial response" and
//! `=` as an empty one (RFC 4954, section 4). What is left when an exchange has ended well begins another. To a client the
//! first octet of each message says what it is:
//!
//! | octet | what follows |
//! | --- | --- |
//! | `+` | a challenge |
//! | `=` | data that go with success |
//! | `.` | nothing: success without data, as at the end of the seed |
//! | `-` | nothing: a refusal |
//! | another | the rest of a challenge that begins with it |
//!
//! A seed of a layer is its packets, as they follow each other on the connection.

use std::fmt;

use credential::Mechanism;
use sasl::layer::{Cipher, Protection};

mod client;
pub(crate) mod layer;
mod server;

/// Stands between two messages.
pub(crate) const BETWEEN: u8 = 0xff;

/// Whose user all seeds know the password of.
pub(crate) const USER: &str = "user";
pub(crate) const PASSWORD: &str = "pencil";

/// A password that is in no seed.
const ANOTHER: &str = "neither this nor anything like it";

/// One function that takes whatever octets there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// A server's exchange, which hears a client.
    Server(Mechanism),
    /// A client's exchange, which hears a server.
    Client(Mechanism),
    /// The receiving half of a layer.
    Layer(Protection),
}

impl Target {
    /// Each of them.
    pub(crate) fn all() -> Vec<Self> {
        let servers = Mechanism::ALL.into_iter().filter(|mechanism| mechanism.has_server()).map(Self::Server);
        let clients = Mechanism::ALL.into_iter().map(Self::Client);
        let ciphers = Cipher::ALL.into_iter().map(Protection::Confidentiality);
        let layers = std::iter::once(Protection::Integrity).chain(ciphers).map(Self::Layer);
        servers.chain(clients).chain(layers).collect()
    }

    /// The target of a name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|target| target.to_string() == name)
    }

    /// Takes these octets, and tells whether it all went well: a login, or packets and nothing else.
    ///
    /// # Panics
    /// Where somebody is let in or believed who must not be, or something grows without bound: that is what is looked for.
    pub(crate) fn run(self, octets: &[u8]) -> bool {
        match self {
            Self::Server(mechanism) => server::run(mechanism, octets),
            Self::Client(mechanism) => client::run(mechanism, octets),
            Self::Layer(protection) => layer::run(protection, octets),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (side, what) = match self {
            Self::Server(mechanism) => ("server", mechanism.name()),
            Self::Client(mechanism) => ("client", mechanism.name()),
            Self::Layer(Protection::Integrity) => ("layer", "integrity"),
            Self::Layer(Protection::Confidentiality(cipher)) => ("layer", cipher.name()),
        };
        write!(f, "sasl_{side}_{}", what.to_ascii_lowercase().replace('-', "_"))
    }
}

/// What is told of a failure goes into a log: one line.
fn look_at_failure(failure: &impl fmt::Display) {
    let shown = failure.to_string();
    assert!(!shown.chars().any(char::is_control), "a control character in {shown:?}");
    assert!(shown.len() < 4096, "a failure of {} octets", shown.len());
}
