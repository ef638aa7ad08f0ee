//! What is held against what: a mechanism, and who is at the other end.

use credential::policy::{Recipe, Salts};
use credential::{Identity, Mechanism, ScramHash};
use sasl::client;
use sasl::server::Realms;
use sasl::{BindingKind, Channel, Requirements};
use tests::need::Missing;
use tests::peer::sasl::cyrus::Cyrus;
use tests::peer::sasl::gsasl::Gsasl;
use tests::peer::sasl::{Binding, Client, Conversation, Layer, Record, Server, Session};

use crate::cases::{Case, HOST, prepared};
use crate::world::{Site, cheap, client_settings, everything, realm};

/// What names the channel.
pub(crate) const CHANNEL: &[u8; 32] = b"this very channel and no other!!";

/// Who is at the other end, and which of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pair {
    ToCyrus,
    FromCyrus,
    ToGsasl,
    FromGsasl,
}

/// A mechanism, and with it a security layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) mechanism: Mechanism,
    /// The strength of its security layer, as Cyrus SASL counts.
    pub(crate) strength: u32,
}

/// The peers.
pub(crate) struct Peers {
    pub(crate) cyrus: Cyrus,
    pub(crate) gsasl: Gsasl,
}

impl Peers {
    pub(crate) fn find() -> Result<Self, Missing> {
        Ok(Self { cyrus: Cyrus::start()?, gsasl: Gsasl::find()? })
    }

    pub(crate) fn client(&self, pair: Pair, client: &Client) -> Conversation {
        if pair.is_cyrus() { self.cyrus.client(client) } else { self.gsasl.client(client) }
    }

    pub(crate) fn server(&self, pair: Pair, server: &Server) -> Conversation {
        if pair.is_cyrus() { self.cyrus.server(server) } else { self.gsasl.server(server) }
    }
}

impl Pair {
    pub(crate) const ALL: [Self; 4] = [Self::ToCyrus, Self::FromCyrus, Self::ToGsasl, Self::FromGsasl];

    pub(crate) fn is_cyrus(self) -> bool {
        matches!(self, Self::ToCyrus | Self::FromCyrus)
    }

    /// Whether we are the client.
    pub(crate) fn is_ours_client(self) -> bool {
        matches!(self, Self::ToCyrus | Self::ToGsasl)
    }

    /// How many users log in. Of GNU SASL each exchange is a process, and who has a layer has much to say.
    pub(crate) fn cases(self, row: Row) -> usize {
        match (self.is_cyrus(), row.strength) {
            (true, 0) => 96,
            (true, _) => 64,
            (false, _) => 24,
        }
    }

    /// Whether the peer has the mechanism on its side, and the layer.
    pub(crate) fn has(self, row: Row) -> bool {
        match row.mechanism {
            Mechanism::Scram(ScramHash::Sha512) | Mechanism::ScramPlus(ScramHash::Sha512) => self.is_cyrus(),
            Mechanism::External | Mechanism::Anonymous => self != Self::ToGsasl,
            Mechanism::DigestMd5 if row.strength > 0 => {
                self.is_cyrus() || self == Self::FromGsasl && row.strength == 1
            }
            _ => true,
        }
    }
}

/// The security layers of DIGEST-MD5 that Cyrus SASL has, by their strength. It offers `3des` too, and fails at it.
pub(crate) const LAYERS: [(u32, &str); 5] =
    [(1, "auth-int"), (40, "rc4-40"), (55, "des"), (56, "rc4-56"), (128, "rc4")];

impl Row {
    /// Without a layer of its own.
    pub(crate) const fn of(mechanism: Mechanism) -> Self {
        Self { mechanism, strength: 0 }
    }

    /// Everything that there is to be held against anything.
    pub(crate) fn all() -> Vec<Self> {
        let ours = Mechanism::ALL.into_iter().filter(|it| it.has_server());
        ours.flat_map(|mechanism| {
            let layers = LAYERS.iter().filter(move |_| mechanism == Mechanism::DigestMd5);
            let layers = layers.map(move |(strength, _)| Self { mechanism, strength: *strength });
            std::iter::once(Self::of(mechanism)).chain(layers)
        })
        .collect()
    }

    pub(crate) fn title(self) -> String {
        match LAYERS.iter().find(|(strength, _)| *strength == self.strength) {
            Some((_, layer)) => format!("{}, {layer}", self.mechanism),
            None => self.mechanism.to_string(),
        }
    }

    /// Whether both sides prove themselves.
    pub(crate) fn is_mutual(self) -> bool {
        self.is_scram() || self.mechanism == Mechanism::DigestMd5
    }

    /// Whether a password is hashed, and not sent.
    pub(crate) fn hashes(self) -> bool {
        self.is_mutual() || self.mechanism == Mechanism::CramMd5
    }

    pub(crate) fn is_digest(self) -> bool {
        self.mechanism == Mechanism::DigestMd5
    }

    pub(crate) fn is_scram(self) -> bool {
        matches!(self.mechanism, Mechanism::Scram(_) | Mechanism::ScramPlus(_))
    }

    pub(crate) fn is_bound(self) -> bool {
        matches!(self.mechanism, Mechanism::ScramPlus(_))
    }

    pub(crate) fn has_authorization(self) -> bool {
        self.mechanism.has_authorization()
    }

    /// The channel as we see it.
    pub(crate) fn channel(self, case: &Case, data: &[u8]) -> Channel {
        let channel = if self.strength > 0 { Channel::clear() } else { Channel::layered(256) };
        match self.mechanism {
            Mechanism::ScramPlus(_) => channel.with_binding(BindingKind::TlsExporter, data),
            Mechanism::External => channel.with_identity(case.userid()),
            _ => channel,
        }
    }

    /// The same, as the peer sees it.
    pub(crate) fn session(self, case: &Case) -> Session {
        let binding = Binding { name: "tls-exporter".to_owned(), data: CHANNEL.to_vec(), critical: false };
        let is_external = self.mechanism == Mechanism::External;
        Session {
            host: HOST.to_owned(),
            layer: if self.strength > 0 { Layer::of(self.strength) } else { Layer::NONE },
            binding: self.is_bound().then_some(binding),
            external: is_external.then(|| case.userid()),
            external_ssf: if is_external { 256 } else { 0 },
            ..Session::default()
        }
    }

    /// A client of the peer.
    pub(crate) fn their_client(self, case: &Case, password: &[u8]) -> Client {
        let authorization = case.authorization().filter(|_| self.has_authorization());
        Client {
            authorization_id: authorization.map(String::into_bytes),
            realm: case.beside.map(Into::into),
            session: self.session(case),
            ..Client::new(self.mechanism.name(), case.userid(), password)
        }
    }

    /// A server of the peer, which has a user of the same name in another realm too.
    pub(crate) fn their_server(self, case: &Case) -> Server {
        let elsewhere = Record::password(&case.name, Some(b"elsewhere.example"), &case.wrong);
        let user = Record::password(&case.name, Some(case.realm().as_bytes()), &case.password);
        Server {
            users: vec![user, elsewhere],
            realm: case.home.told().map(Into::into),
            proxy: case.proxy().filter(|_| self.has_authorization()),
            iterations: Some(if case.name.len().is_multiple_of(4) { 4096 } else { 100 }),
            session: self.session(case),
            ..Server::new(self.mechanism.name(), "", "")
        }
    }

    /// Our client.
    pub(crate) fn our_client(self, case: &Case) -> client::Settings {
        let authorization = case.authorization().filter(|_| self.has_authorization());
        let mut settings = client_settings(self.mechanism, &case.userid(), authorization.as_deref());
        HOST.clone_into(&mut settings.host);
        settings.login.realm = case.beside.map(Into::into);
        self.set_strength(&mut settings.requirements);
        settings
    }

    fn set_strength(self, requirements: &mut Requirements) {
        (requirements.min_ssf, requirements.max_ssf) = (self.strength, self.strength);
    }

    /// Our server, likewise with a user of the same name in another realm.
    pub(crate) fn our_server(self, case: &Case) -> Site {
        let mut site = Site::new();
        site.change(|settings| {
            HOST.clone_into(&mut settings.host);
            let others = ["elsewhere.example"].into_iter().chain(case.beside).map(realm).collect();
            settings.realms = Realms { default: realm(case.home.realm()), others };
            self.set_strength(&mut settings.requirements);
        });
        if let Some(identity) = case.identity() {
            let elsewhere = Identity::new(identity.user.clone(), realm("elsewhere.example"));
            add(&mut site, identity, &case.password, 1);
            add(&mut site, elsewhere, &case.wrong, 2);
        }
        site
    }
}

/// Verifiers of each kind, as an import makes them: octets that cannot be prepared are taken as they are.
pub(crate) fn add(site: &mut Site, identity: Identity, password: &[u8], salt: u8) {
    let recipe = Recipe::new(cheap(), Salts::from_random([salt; Salts::OCTETS]));
    debug_assert!(!prepared(password).is_empty());
    site.add(identity, everything(), password, &recipe);
}
