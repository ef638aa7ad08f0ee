//! SASL mechanisms by name: which there are, and which verifier each needs. What they do is not known here.

use config::Config;
use credential::VerifierKind;

/// Whether Gatepost has this mechanism, by its name in upper case.
pub(crate) fn exists(name: &str) -> bool {
    MECHANISMS.iter().any(|(known, _)| *known == name)
}

/// The verifier without which a mechanism cannot be offered; PLAIN and LOGIN do with any.
pub(crate) fn needs(name: &str) -> Option<VerifierKind> {
    MECHANISMS.iter().find(|(known, _)| *known == name).and_then(|(_, kind)| *kind)
}

/// What `auth.mechanisms` asks for and does not get, and why. Clear text serves every mechanism.
pub(crate) fn left_out(config: &Config) -> impl Iterator<Item = String> {
    let keep = config.secrets.policy.keep;
    let asked = config.auth.mechanisms.iter().flatten();
    asked.filter_map(move |name| {
        let name = name.as_str();
        match needs(name) {
            _ if !exists(name) => Some(format!("auth.mechanisms: {name}: Gatepost does not have it")),
            Some(kind) if !keep.contains(kind) && !keep.contains(VerifierKind::Plain) => {
                Some(format!("auth.mechanisms: {name}: its verifier {kind} is not in secrets.keep"))
            }
            _ => None,
        }
    })
}

const MECHANISMS: &[(&str, Option<VerifierKind>)] = &[
    ("EXTERNAL", None),
    ("ANONYMOUS", None),
    ("PLAIN", None),
    ("LOGIN", None),
    ("CRAM-MD5", Some(VerifierKind::CramMd5)),
    ("DIGEST-MD5", Some(VerifierKind::DigestMd5)),
    ("SCRAM-SHA-1", Some(VerifierKind::ScramSha1)),
    ("SCRAM-SHA-1-PLUS", Some(VerifierKind::ScramSha1)),
    ("SCRAM-SHA-256", Some(VerifierKind::ScramSha256)),
    ("SCRAM-SHA-256-PLUS", Some(VerifierKind::ScramSha256)),
    ("SCRAM-SHA-512", Some(VerifierKind::ScramSha512)),
    ("SCRAM-SHA-512-PLUS", Some(VerifierKind::ScramSha512)),
];

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
