//! A server with users, a client, and what passes between them: all in memory, with dice that are thrown by hand.

use std::sync::Arc;

use credential::policy::{Argon2Cost, Cost, Iterations, KindSet, Recipe, Salts};
use credential::{
    ChangedBy, Credential, Decoy, DecoyKey, Identity, Label, Mechanism, MechanismSet, Occasion, Password,
    Policy, Property, PropertySet, Realm, Record, Secret, ShapeCounts, Timestamp, derive,
};
use sasl::client::{self, ClearText, Login, Means};
use sasl::layer::{Cipher, Layers};
use sasl::server::{self, Answer, Realms};
use sasl::{BindingKind, Channel, Entropy, Requirements};

pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000);

/// A server: what it allows, who its users are, and a count of what it was asked for.
pub(crate) struct Site {
    pub(crate) settings: Arc<server::Settings>,
    pub(crate) users: Vec<Record>,
    pub(crate) key: DecoyKey,
    pub(crate) policy: Policy,
    pub(crate) tickets: Vec<server::Ticket>,
    /// How many records were looked up.
    pub(crate) lookups: usize,
}

/// How an exchange ended on both sides. The client is not told why it was refused.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) server: Result<Box<server::Outcome>, server::Failure>,
    pub(crate) client: Result<Box<client::Outcome>, client::Failure>,
    /// Every message in its order, the client's and the server's.
    pub(crate) messages: Vec<Vec<u8>>,
}

/// The cheapest that can be had: what a derivation costs is not the matter here.
pub(crate) fn cheap() -> Cost {
    let few = Iterations::new(8).unwrap();
    let argon2id = Argon2Cost::new(8, 1, 1).unwrap();
    Cost { argon2id, scram_sha_1: few, scram_sha_256: few, scram_sha_512: few }
}

pub(crate) fn kinds(names: &str) -> KindSet {
    names.replace(' ', ",").parse().unwrap()
}

pub(crate) fn realm(name: &str) -> Realm {
    Realm::prepare(name).unwrap()
}

pub(crate) fn identity(userid: &str) -> Identity {
    Identity::parse(userid, &realm("example.org")).unwrap()
}

pub(crate) fn everything() -> KindSet {
    kinds("argon2id scram-sha-1 scram-sha-256 scram-sha-512 cram-md5 digest-md5")
}

impl Site {
    /// A server of `example.org` that keeps a verifier of each kind and allows everything.
    pub(crate) fn new() -> Self {
        Self::keeping(everything())
    }

    pub(crate) fn keeping(keep: KindSet) -> Self {
        let settings = server::Settings {
            host: "mail.example.org".to_owned(),
            service: "smtp".to_owned(),
            realms: Realms::one(realm("example.org")),
            mechanisms: MechanismSet::ALL,
            keep,
            requirements: Requirements { properties: PropertySet::EMPTY, ..Requirements::default() },
            layers: layers(),
        };
        Self {
            settings: Arc::new(settings),
            users: Vec::new(),
            key: DecoyKey::new([9; 32]),
            policy: Policy { keep, cost: cheap() },
            tickets: Vec::new(),
            lookups: 0,
        }
    }

    pub(crate) fn change(&mut self, change: impl FnOnce(&mut server::Settings)) {
        let mut settings = (*self.settings).clone();
        change(&mut settings);
        self.settings = Arc::new(settings);
    }

    /// A user with the policy's verifiers of a password.
    pub(crate) fn with_user(mut self, userid: &str, password: &str) -> Self {
        let identity = identity(userid);
        let salts = Salts::from_random([self.users.len() as u8; Salts::OCTETS]);
        let recipe = Recipe::new(self.policy.cost, salts);
        self.add(identity, self.policy.keep, password, &recipe);
        self
    }

    pub(crate) fn add(
        &mut self,
        identity: Identity,
        kinds: KindSet,
        password: impl AsRef<[u8]>,
        recipe: &Recipe,
    ) {
        let credential = credential(&Label::main(), &identity, kinds, password, recipe);
        let mut record = Record::new(identity, NOW, ChangedBy::default());
        record.put(credential).unwrap();
        self.users.push(record);
    }

    pub(crate) fn user(&mut self, userid: &str) -> &mut Record {
        let identity = identity(userid);
        self.users.iter_mut().find(|record| record.identity().is_same(&identity)).unwrap()
    }

    pub(crate) fn decoy(&self, identity: &Identity) -> Decoy {
        let mut shapes = ShapeCounts::default();
        self.users.iter().for_each(|record| shapes.add(record));
        self.key.record_for(identity, &shapes, &self.policy)
    }

    /// Gives an exchange what it asks for, until it wants the client or has ended.
    pub(crate) fn settle(&mut self, mut step: server::Step) -> server::Step {
        loop {
            step = match step {
                server::Step::Lookup { identity, next } => {
                    self.lookups += 1;
                    let decoy = self.decoy(&identity);
                    let record = self.users.iter().find(|record| record.identity().is_same(&identity));
                    next.answer(&Answer { record, decoy: &decoy, occasion: Occasion::at(NOW) })
                }
                server::Step::Recall { nonce, next } => {
                    let place = self.tickets.iter().position(|ticket| ticket.nonce() == nonce);
                    next.answer(place.map(|place| self.tickets.remove(place)))
                }
                other => return other,
            }
        }
    }
}

pub(crate) fn credential(
    label: &Label,
    identity: &Identity,
    kinds: KindSet,
    password: impl AsRef<[u8]>,
    recipe: &Recipe,
) -> Credential {
    let password = Password::import(&Secret::copy_of(password.as_ref())).unwrap();
    let verifiers = derive(kinds, identity, &password, recipe).unwrap();
    Credential::new(label.clone(), verifiers, password.is_raw(), NOW)
}

pub(crate) fn layers() -> Layers {
    let ciphers = vec![Cipher::Rc4, Cipher::TripleDes, Cipher::Rc4With56, Cipher::Des, Cipher::Rc4With40];
    Layers { max_buffer: 65536, ciphers }
}

/// A TLS channel that both sides see alike.
pub(crate) fn tls() -> Channel {
    Channel::layered(256).with_binding(BindingKind::TlsExporter, [0x5a; 32]).with_identity("user@example.org")
}

/// A client of that server.
pub(crate) fn client_settings(
    mechanism: Mechanism,
    userid: &str,
    authorization: Option<&str>,
) -> client::Settings {
    client::Settings {
        login: Login {
            authentication: userid.as_bytes().to_vec(),
            authorization: authorization.map(|id| id.as_bytes().to_vec()),
            realm: None,
        },
        means: Means::of(mechanism),
        service: "smtp".to_owned(),
        host: "mail.example.org".to_owned(),
        port: Some(587),
        mechanisms: MechanismSet::EMPTY.with(mechanism),
        requirements: Requirements { properties: PropertySet::EMPTY, ..Requirements::default() },
        clear_text: ClearText::Anywhere,
        iterations: 1..=1_000_000,
        layers: layers(),
    }
}

/// Random octets that are the same each time, and differ from side to side.
pub(crate) fn dice(number: u8) -> Entropy {
    std::array::from_fn(|place| number.wrapping_mul(41).wrapping_add(place as u8 * 7))
}

/// One login from beginning to end.
pub(crate) fn log_in(
    site: &mut Site,
    mechanism: Mechanism,
    userid: &str,
    password: &str,
    authorization: Option<&str>,
) -> Ended {
    let settings = client_settings(mechanism, userid, authorization);
    exchange(site, mechanism, &settings, password.as_bytes(), [&tls(), &tls()], |_, _| {})
}

/// One login, with both sides' views of the channel, and somebody in between who may alter each message; told which it
/// is, counted from 0.
pub(crate) fn exchange(
    site: &mut Site,
    mechanism: Mechanism,
    settings: &client::Settings,
    secret: &[u8],
    channels: [&Channel; 2],
    mut between: impl FnMut(usize, &mut Vec<u8>),
) -> Ended {
    let offer = site.settings.offer(channels[1]);
    let names: Vec<_> = offer.mechanisms.iter().map(Mechanism::name).collect();
    let choice = settings.choose(names.iter().copied(), channels[0]).unwrap();
    assert_eq!(choice.mechanism(), mechanism);
    let settings = Arc::new(settings.clone());
    let mut client = client::begin(choice, &settings, channels[0], dice(1));
    let mut server: Option<server::AwaitResponse> = None;
    let mut messages: Vec<Vec<u8>> = Vec::new();
    let mut pass = |octets: &[u8], messages: &mut Vec<Vec<u8>>| {
        let mut octets = octets.to_vec();
        between(messages.len(), &mut octets);
        messages.push(octets.clone());
        octets
    };
    loop {
        let (octets, next) = match client {
            client::Step::Secret(next) => {
                client = next.supply(&Secret::copy_of(secret));
                continue;
            }
            client::Step::Send { octets, next } => (octets, next),
            client::Step::Done(_) => panic!("done before the server was"),
            client::Step::Failed(failure) => {
                return Ended {
                    server: Err(server::Failure::Malformed("cancelled")),
                    client: Err(failure),
                    messages,
                };
            }
        };
        let octets = octets.map(|octets| pass(&octets, &mut messages));
        let step = match server.take() {
            None => server::begin(mechanism, octets.as_deref(), &site.settings, channels[1], dice(2)),
            Some(waiting) => waiting.respond(octets.as_deref().unwrap()),
        };
        match site.settle(step) {
            server::Step::Challenge { octets, next: waiting } => {
                server = Some(waiting);
                client = next.challenge(&pass(&octets, &mut messages));
            }
            server::Step::Done(outcome) => {
                let client = match next.success(None) {
                    client::Step::Done(outcome) => Ok(outcome),
                    client::Step::Failed(failure) => Err(failure),
                    other => panic!("after success: {other:?}"),
                };
                return Ended { server: Ok(outcome), client, messages };
            }
            server::Step::Failed(failure) => {
                return Ended { server: Err(failure), client: Err(next.refused()), messages };
            }
            other => panic!("not settled: {other:?}"),
        }
    }
}

/// Every mechanism by which a user logs in with a password.
pub(crate) fn with_password() -> Vec<Mechanism> {
    let all = Mechanism::ALL.into_iter();
    all.filter(|it| it.has_server() && Means::of(*it) == Means::Password).collect()
}

pub(crate) fn requirements(letters: &str) -> Requirements {
    let wanted = |property: &Property| letters.contains(property.letter());
    let properties = Property::ALL.into_iter().filter(wanted).collect();
    Requirements { properties, ..Requirements::default() }
}
