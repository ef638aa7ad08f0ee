//! Which keys a server's exchange goes on with: a user's, or a decoy's that nobody can have.

use credential::policy::Iterations;
use credential::verifier::ScramKey;
use credential::{Credential, Label, ScramHash, Verifier, VerifierKind};
use subtle::ConstantTimeEq;

use crate::server::{Answer, Failure};

/// Salt, iterations, and the keys that a proof is held against.
pub(super) struct Keys {
    pub(super) salt: Vec<u8>,
    pub(super) iterations: u32,
    pairs: Vec<Pair>,
    /// Why no proof will do, with the keys of a decoy.
    decoy: Option<Failure>,
}

/// The keys of one credential.
struct Pair {
    label: Label,
    stored_key: ScramKey,
    server_key: ScramKey,
}

impl Keys {
    /// Those of every credential that may be used: they share salt and iterations. Where there is none, the decoy's.
    ///
    /// A store whose policy keeps clear text in place of the keys derives them here, for everybody alike, with a salt that
    /// belongs to the name; keys that single users have all the same are passed over then, since they would show.
    pub(super) fn of(hash: ScramHash, answer: &Answer<'_>) -> Result<Self, Failure> {
        let source = match answer.decoy.scram_by_plain(hash) {
            Some((iterations, salt)) => Source::Plain(iterations, salt.octets()),
            None => Source::Stored,
        };
        let usable = answer.record.iter().flat_map(|record| record.credentials());
        let usable = usable.filter(|credential| credential.is_usable_on(&answer.occasion));
        if let Some(keys) = source.keys(hash, usable) {
            return Ok(keys);
        }
        let decoy = source.keys(hash, answer.decoy.record().credentials()).ok_or(Failure::NotServed)?;
        Ok(Self { decoy: Some(answer.failure_or(Failure::NoVerifier)), ..decoy })
    }

    /// RFC 5802, section 3: holds a client's proof against each credential, and signs with the keys of the right one.
    pub(super) fn check(
        self,
        hash: ScramHash,
        proof: &ScramKey,
        auth_message: &[u8],
    ) -> Result<(Label, ScramKey), Failure> {
        let mut right = None;
        for pair in self.pairs {
            let client_signature = hash.hmac(&pair.stored_key, auth_message);
            let client_key = proof.xor(&client_signature);
            let fits: bool = hash.digest(&client_key).ct_eq(&pair.stored_key).into();
            if fits && right.is_none() {
                right = Some((pair.label, hash.hmac(&pair.server_key, auth_message)));
            }
        }
        match self.decoy {
            Some(failure) => Err(failure),
            None => right.ok_or(Failure::WrongPassword),
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
    fn keys<'c>(
        &self,
        hash: ScramHash,
        credentials: impl IntoIterator<Item = &'c Credential>,
    ) -> Option<Keys> {
        let mut keys: Option<Keys> = None;
        for credential in credentials {
            let Some((salt, iterations, pair)) = self.pair(hash, credential) else { continue };
            let fresh =
                || Keys { salt: salt.to_vec(), iterations, pairs: Vec::with_capacity(1), decoy: None };
            keys.get_or_insert_with(fresh).pairs.push(pair);
        }
        keys
    }

    fn pair<'c>(&'c self, hash: ScramHash, credential: &'c Credential) -> Option<(&'c [u8], u32, Pair)> {
        let label = credential.label.clone();
        match self {
            Self::Stored => {
                let Some(Verifier::Scram(scram)) = credential.verifiers.get(hash.kind()) else { return None };
                let (stored_key, server_key) = (scram.stored_key().clone(), scram.server_key().clone());
                Some((
                    scram.salt().octets(),
                    scram.iterations().get(),
                    Pair { label, stored_key, server_key },
                ))
            }
            Self::Plain(iterations, salt) => {
                let Some(Verifier::Plain(plain)) = credential.verifiers.get(VerifierKind::Plain) else {
                    return None;
                };
                let keys = hash.client_keys(iterations.get(), salt, plain.secret().expose());
                let pair = Pair { label, stored_key: keys.stored_key, server_key: keys.server_key };
                Some((salt, iterations.get(), pair))
            }
        }
    }
}
