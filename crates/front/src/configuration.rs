//! What gatepost.toml means to the front: the one place that knows the words of both.

use std::sync::Arc;

use config::words::{BareLineEnds, Modifier, Senders};
use config::{Auth, Config, Listener};
use smtp::LineEnds;
use smtp::server::{AuthEquals, AuthRule, EtrnRule, HelloRule, Limits, Policy};
use wire::ListenerId;

use crate::may_relay::{RelayRules, TrustedMechanisms};
use crate::senders::SenderRules;
use crate::settings::{
    AuthUse, ClientNames, CommonName, ListenerSettings, QueueSettings, ReceivedUserRule, Settings, TlsUse,
};

impl Settings {
    /// What a configuration means. The host is asked for its name where the configuration does not say it.
    pub fn of(config: &Config) -> Self {
        let host = config.host_name();
        let names = |domains: std::collections::BTreeSet<config::words::Domain>| {
            domains.iter().map(|domain| domain.as_str().to_owned()).collect()
        };
        Self {
            listeners: (0..)
                .map(ListenerId)
                .zip(&config.listen)
                .map(|(id, listener)| Arc::new(of_listener(id, listener, &host)))
                .collect(),
            relay: RelayRules {
                host: host.clone(),
                local_domains: names(config.local_domains()),
                relay_domains: names(config.relay_domains.clone()),
                trusted: trusted(&config.auth),
            },
            received_user: if config.submission.received_user {
                ReceivedUserRule::Shown
            } else {
                ReceivedUserRule::Hidden
            },
            common_name: if config.tls.common_name { CommonName::Counts } else { CommonName::Ignored },
            senders: senders(config),
            client_names: if config.client_names { ClientNames::Asked } else { ClientNames::Never },
            connections_per_address: config.throttle.max_connections_per_address,
            queue: QueueSettings {
                directory: config.queue.directory.clone(),
                min_free: config.queue.min_free,
                lifetime: config.queue.lifetime,
                maildirs: config.delivery.maildirs.clone(),
            },
            host,
        }
    }
}

fn senders(config: &Config) -> SenderRules {
    match &config.submission.senders {
        Senders::Any => SenderRules::Any,
        Senders::Own => SenderRules::Own,
        Senders::Map(_) => SenderRules::Map { default_realm: config.realm() },
    }
}

fn trusted(auth: &Auth) -> TrustedMechanisms {
    auth.trusted_mechanisms.as_ref().map_or(TrustedMechanisms::Offered, |names| {
        TrustedMechanisms::Named(names.iter().map(|name| name.as_str().to_owned()).collect())
    })
}

fn of_listener(id: ListenerId, listener: &Listener, host: &str) -> ListenerSettings {
    let has = |modifier| listener.has(modifier);
    ListenerSettings {
        id,
        name: listener.name.clone(),
        policy: Arc::new(Policy {
            host: host.to_owned(),
            limits: limits(&listener.limits),
            line_ends: match listener.bare_line_ends {
                BareLineEnds::Refuse => LineEnds::Strict,
                BareLineEnds::Normalise => LineEnds::Normalised,
            },
            auth: if has(Modifier::RequireAuth) { AuthRule::Required } else { AuthRule::Optional },
            // Nothing is queued for hosts that call, so nobody is told that he may.
            etrn: if has(Modifier::NoEtrn) { EtrnRule::Refused } else { EtrnRule::Unable },
            hello: HelloRule::BeforeMail,
        }),
        max_message_size: listener.limits.max_message_size,
        auth_equals: if listener.auth_equals { AuthEquals::On } else { AuthEquals::Off },
        auth: if has(Modifier::NoAuth) { AuthUse::Never } else { AuthUse::Offered },
        tls: match () {
            () if has(Modifier::ImplicitTls) => TlsUse::Implicit,
            () if has(Modifier::NoStartTls) => TlsUse::Never,
            () => TlsUse::StartTls,
        },
        max_connections: listener.limits.max_connections,
    }
}

fn limits(said: &config::Limits) -> Limits {
    Limits {
        recipients: said.max_recipients,
        line_wait: said.command_timeout,
        data_wait: said.datablock_timeout,
        message_wait: said.message_timeout,
        handshake_wait: said.starttls_timeout,
        session_wait: said.session_timeout,
        ..Limits::default()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use config::HostAccounts;

    use super::*;

    fn read(text: &str) -> Settings {
        Settings::of(&Config::parse(Path::new("/x"), text.as_bytes(), &HostAccounts).unwrap())
    }

    #[test]
    fn an_empty_file_asks_for_auth_and_relays_for_nobody() {
        let settings = read("host_name = \"mail.gate.test\"");
        let listener = &settings.listeners[0];
        assert_eq!((settings.listeners.len(), listener.name.as_str()), (1, "MSA"));
        assert_eq!((listener.policy.auth, listener.tls), (AuthRule::Required, TlsUse::StartTls));
        assert_eq!(listener.policy.line_ends, LineEnds::Strict);
        assert_eq!(settings.relay.local_domains, ["mail.gate.test"]);
        assert!(settings.relay.relay_domains.is_empty());
        assert_eq!(settings.relay.trusted, TrustedMechanisms::Offered);
        assert_eq!(settings.received_user, ReceivedUserRule::Hidden);
    }

    #[test]
    fn each_modifier_has_its_meaning() {
        let tls = "[tls]\ncertificate = \"/etc/c.pem\"\nkey = \"/etc/k.pem\"";
        let listener =
            |line: &str| read(&format!("[[listen]]\nport = 25\n{line}\n{tls}")).listeners.remove(0);
        assert_eq!(listener("").policy.auth, AuthRule::Optional);
        assert_eq!(listener("modifiers = \"a\"").policy.auth, AuthRule::Required);
        assert_eq!(listener("modifiers = \"A\"").auth, AuthUse::Never);
        assert_eq!(listener("modifiers = \"E\"").policy.etrn, EtrnRule::Refused);
        assert_eq!(listener("").policy.etrn, EtrnRule::Unable);
        assert_eq!(listener("modifiers = \"S\"").tls, TlsUse::Never);
        assert_eq!(listener("modifiers = \"s\"").tls, TlsUse::Implicit);
        assert_eq!(listener("bare_line_ends = \"normalise\"").policy.line_ends, LineEnds::Normalised);
        assert_eq!(listener("auth_equals = true").auth_equals, AuthEquals::On);
        let limited = listener("command_timeout = \"1m\"");
        assert_eq!(limited.policy.limits.line_wait, Duration::from_mins(1));
    }

    #[test]
    fn senders_and_names_are_what_the_words_say() {
        let senders = |text: &str| read(&format!("host_name = \"h.test\"\n{text}")).senders;
        assert_eq!(senders(""), SenderRules::Any);
        assert_eq!(senders("[submission]\nsenders = \"own\""), SenderRules::Own);
        let map = "[submission]\nsenders = \"hash:/x\"";
        assert_eq!(senders(map), SenderRules::Map { default_realm: "h.test".to_owned() });
        let realm = format!("{map}\n[auth]\nrealm = \"gate.test\"");
        assert_eq!(senders(&realm), SenderRules::Map { default_realm: "gate.test".to_owned() });
        assert_eq!(read("").client_names, ClientNames::Asked);
        assert_eq!(read("client_names = false").client_names, ClientNames::Never);
    }
}
