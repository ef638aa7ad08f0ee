//! SASL mechanisms by the names in a configuration: which we can offer, and which verifier each needs.

use config::Config;
use credential::{Mechanism, VerifierKind};

/// Whether Gatepost can offer this mechanism.
pub(crate) fn exists(name: &str) -> bool {
    known(name).is_some()
}

/// The verifier without which a mechanism cannot be offered; PLAIN and LOGIN do with any.
pub(crate) fn needs(name: &str) -> Option<VerifierKind> {
    known(name).and_then(Mechanism::verifier)
}

/// What `auth.mechanisms` asks for and does not get, and why.
pub(crate) fn left_out(config: &Config) -> impl Iterator<Item = String> {
    let keep = config.secrets.policy.keep;
    let asked = config.auth.mechanisms.iter().flatten();
    asked.filter_map(move |name| {
        let Some(mechanism) = known(name.as_str()) else {
            return Some(format!("auth.mechanisms: {name}: Gatepost does not have it"));
        };
        let kind = mechanism.verifier().filter(|_| !mechanism.is_served_by(keep))?;
        Some(format!("auth.mechanisms: {name}: its verifier {kind} is not in secrets.keep"))
    })
}

fn known(name: &str) -> Option<Mechanism> {
    name.parse().ok().filter(|mechanism: &Mechanism| mechanism.has_server())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_said_with_its_reason() {
        for (toml, expected) in [
            ("", vec![]),
            ("[auth]\nmechanisms = [\"PLAIN\", \"SCRAM-SHA-256\"]", vec![]),
            ("[auth]\nmechanisms = [\"GSSAPI\"]", vec!["auth.mechanisms: GSSAPI: Gatepost does not have it"]),
            (
                "[auth]\nmechanisms = [\"CRAM-MD5\"]",
                vec!["auth.mechanisms: CRAM-MD5: its verifier cram-md5 is not in secrets.keep"],
            ),
            ("[auth]\nmechanisms = [\"CRAM-MD5\"]\n[secrets]\nkeep = [\"plain\"]", vec![]),
        ] {
            let config = Config::parse("/x".as_ref(), toml.as_bytes(), &config::HostAccounts).unwrap();
            assert_eq!(left_out(&config).collect::<Vec<_>>(), expected, "{toml}");
        }
    }
}
