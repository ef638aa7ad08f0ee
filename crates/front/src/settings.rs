//! What the front has to know, free of how it is written in a file.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use smtp::server::{AuthEquals, Policy};
use wire::ListenerId;

use crate::may_relay::RelayRules;
use crate::queue::DeliveryRules;
use crate::queue::deliver::PATIENCE;
use crate::senders::SenderRules;

/// Everything that one version of the configuration says to the front.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Our own name.
    pub host: String,
    /// Each `[[listen]]` block, in their order.
    pub listeners: Vec<Arc<ListenerSettings>>,
    /// Who may relay.
    pub relay: RelayRules,
    /// Whether Received says who has logged in.
    pub received_user: ReceivedUserRule,
    /// Whether the common name of a client certificate is an identity.
    pub common_name: CommonName,
    /// From which addresses who has logged in may send.
    pub senders: SenderRules,
    /// Whether names of clients are asked for.
    pub client_names: ClientNames,
    /// How many connections one address may have at the same time.
    pub connections_per_address: u32,
    /// Where accepted mail waits.
    pub queue: QueueSettings,
}

impl Settings {
    /// With the numbers that the opener gave to the listeners, in the order of the configuration.
    #[must_use]
    pub fn numbered(mut self, numbers: &[ListenerId]) -> Self {
        for (listener, number) in self.listeners.iter_mut().zip(numbers) {
            Arc::make_mut(listener).id = *number;
        }
        self
    }

    /// What the queue goes by.
    pub fn delivery(&self) -> DeliveryRules {
        DeliveryRules {
            host: self.host.clone(),
            local_domains: self.relay.local_domains.clone(),
            lifetime: self.queue.lifetime,
            patience: PATIENCE,
        }
    }

    /// A listener by its number; `None`: there is no such listener, or not any more.
    pub fn listener(&self, number: ListenerId) -> Option<&Arc<ListenerSettings>> {
        self.listeners.iter().find(|listener| listener.id == number)
    }
}

/// What holds for one listener.
#[derive(Debug, Clone)]
pub struct ListenerSettings {
    /// Its number, which stays the same wherever it stands in the configuration.
    pub id: ListenerId,
    /// Its name in the log.
    pub name: String,
    /// How a session goes.
    pub policy: Arc<Policy>,
    /// The octets that a message may have.
    pub max_message_size: u64,
    /// Whether EHLO says `AUTH=` too.
    pub auth_equals: AuthEquals,
    /// Whether there is AUTH.
    pub auth: AuthUse,
    /// How TLS begins.
    pub tls: TlsUse,
    /// How many connections at the same time.
    pub max_connections: u32,
}

/// Whether there is AUTH at a listener (modifier `A`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthUse {
    /// What is possible is offered.
    Offered,
    /// None.
    Never,
}

/// How TLS begins at a listener (modifiers `s` and `S`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsUse {
    /// STARTTLS, where there is a certificate.
    StartTls,
    /// With the first octet.
    Implicit,
    /// Never.
    Never,
}

/// Whether Received says who has logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceivedUserRule {
    /// It does not: the recipient need not know the account.
    Hidden,
    /// It does.
    Shown,
}

/// Whether the common name of a client certificate is an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommonName {
    /// It is only a name.
    Ignored,
    /// It is one, where the certificate has no mail address and the map does not say another.
    Counts,
}

/// Whether the resolver is asked for names of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientNames {
    /// It is, where something needs one.
    Asked,
    /// Clients have addresses only.
    Never,
}

/// Where mail waits, and where it is delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSettings {
    /// The queue directory.
    pub directory: PathBuf,
    /// Octets that have to be free on its filesystem.
    pub min_free: u64,
    /// How long it is tried to deliver a message.
    pub lifetime: Duration,
    /// The directory of the Maildirs.
    pub maildirs: PathBuf,
}
