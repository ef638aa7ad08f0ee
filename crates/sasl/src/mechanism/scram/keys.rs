//! Which keys a server's exchange goes on with: a user's, or a decoy's that nobody can have.

use credential::policy::Iterations;
use credential::verifier::ScramKey;
use credential::{Credential, Label, ScramHash, Secret, Verifier as Stored, VerifierKind};
use subtle::ConstantTimeEq;

use crate::server::{Answer, Failure};

/// Salt, iterations, and what a proof is held against.
pub(super) struct Keys {
    pub(super) salt: Vec<u8>,
    pub(super) iterations: u32,
    kept: Vec<Kept>,
    /// Why no proof will do: these are the keys of a decoy, or of somebody who may not log in.
    refused: Option<Failure>,
}

/// What one credential has to tell by.
struct Kept {
    label: Label,
    verifier: Verifier,
}

enum Verifier {
    /// StoredKey and ServerKey.
    Keys(ScramKey, ScramKey),
    /// The password, to make them of when a proof has come.
    Plain(Secret),
}

impl Keys {
    /// Those of every credential that may be used: they share salt and iterations. Where there is none, those of the
    /// credentials that may not be, which look as they always do; where there is none of these either, the decoy's.
    ///
    /// A store whose policy keeps clear text in place of the keys has them made of it, for everybody alike, with a salt
    /// that belongs to the name; keys that single users have all the same are passed over then, since they would show.
    pub(super) fn of(hash: ScramHash, answer: &Answer<'_>) -> Result<Self, Failure> {
        let source = match answer.decoy.scram_by_plain(hash) {
            Some((iterations, salt)) => Source::Plain(iterations, salt.octets()),
            None => Source::Stored,
        };
        // First of all, so that a store that serves the mechanism no longer says so whoever is asked for.
        let decoys = answer.decoy.record().credentials();
        if !decoys.iter().any(|credential| source.serves(hash, credential)) {
            return Err(Failure::NotServed);
        }
        if let Some(keys) = source.keys(hash, answer.usable()) {
            return Ok(keys);
        }
        let refused = Some(answer.failure_or(Failure::NoVerifier));
        let locked_out = source.keys(hash, answer.credentials());
        let keys = locked_out.or_else(|| source.keys(hash, decoys)).ok_or(Failure::NotServed)?;
        Ok(Self { refused, ..keys })
    }

    /// Whether a proof costs a derivation.
    pub(super) fn is_costly(&self) -> bool {
        self.kept.iter().any(|kept| matches!(kept.verifier, Verifier::Plain(_)))
    }

    /// RFC 5802, section 3: holds a client's proof against each credential, and signs with the keys of the right one.
    pub(super) fn check(
        self,
        hash: ScramHash,
        proof: &ScramKey,
        auth_message: &[u8],
    ) -> Result<(Label, ScramKey), Failure> {
        let mut right = None;
        for kept in self.kept {
            let (stored_key, server_key) = kept.verifier.keys(hash, self.iterations, &self.salt);
            let client_signature = hash.hmac(&stored_key, auth_message);
            let client_key = proof.xor(&client_signature);
            let fits: bool = hash.digest(&client_key).ct_eq(&stored_key).into();
            if fits && right.is_none() {
                right = Some((kept.label, hash.hmac(&server_key, auth_message)));
            }
        }
        match self.refused {
            Some(failure) => Err(failure),
            None => right.ok_or(Failure::WrongPassword),
        }
    }
}

impl Verifier {
    /// StoredKey and ServerKey.
    fn keys(self, hash: ScramHash, iterations: u32, salt: &[u8]) -> (ScramKey, ScramKey) {
        match self {
            Self::Keys(stored_key, server_key) => (stored_key, server_key),
            Self::Plain(password) => {
                let keys = hash.client_keys(iterations, salt, password.expose());
                (keys.stored_key, keys.server_key)
            }
        }
    }
}

/// Where keys come from, in one store for all users.
enum Source<'a> {
    /// They are kept.
    Stored,
    /// They are made of the clear text, with these iterations and this salt.
    Plain(Iterations, &'a [u8]),
}

impl Source<'_> {
    /// Whether a credential has what keys come from.
    fn serves(&self, hash: ScramHash, credential: &Credential) -> bool {
        let kind = match self {
            Self::Stored => hash.kind(),
            Self::Plain(..) => VerifierKind::Plain,
        };
        credential.verifiers.get(kind).is_some()
    }

    fn keys<'c>(
        &self,
        hash: ScramHash,
        credentials: impl IntoIterator<Item = &'c Credential>,
    ) -> Option<Keys> {
        let mut keys: Option<Keys> = None;
        for credential in credentials {
            let Some((salt, iterations, verifier)) = self.verifier(hash, credential) else { continue };
            let fresh =
                || Keys { salt: salt.to_vec(), iterations, kept: Vec::with_capacity(1), refused: None };
            let kept = Kept { label: credential.label.clone(), verifier };
            keys.get_or_insert_with(fresh).kept.push(kept);
        }
        keys
    }

    fn verifier<'c>(
        &'c self,
        hash: ScramHash,
        credential: &'c Credential,
    ) -> Option<(&'c [u8], u32, Verifier)> {
        match self {
            Self::Stored => {
                let Some(Stored::Scram(scram)) = credential.verifiers.get(hash.kind()) else { return None };
                let keys = Verifier::Keys(scram.stored_key().clone(), scram.server_key().clone());
                Some((scram.salt().octets(), scram.iterations().get(), keys))
            }
            Self::Plain(iterations, salt) => {
                let Some(Stored::Plain(plain)) = credential.verifiers.get(VerifierKind::Plain) else {
                    return None;
                };
                let password = Secret::copy_of(plain.secret().expose());
                Some((salt, iterations.get(), Verifier::Plain(password)))
            }
        }
    }
}
