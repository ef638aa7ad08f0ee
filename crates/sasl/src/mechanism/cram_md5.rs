//! CRAM-MD5 (RFC 2195): the server sends a challenge, the client the HMAC-MD5 of it under the password.

use std::fmt::Write;
use std::sync::Arc;

use credential::verifier::CramMd5;
use credential::{Credential, Identity, Mechanism, Secret, Verifier, VerifierKind};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::client::{self, Receive, Supply};
use crate::server::{Answer, Failure, Outcome, Resolve, Respond, Settings, Start, Step};
use crate::wire::{hex, utf8};

pub(crate) fn serve(start: &Start<'_>, initial: Option<&[u8]>) -> Step {
    if initial.is_some() {
        return Step::Failed(Failure::Malformed("the server speaks first"));
    }
    let challenge = challenge(&start.entropy, &start.settings.host);
    let next = ExpectResponse { settings: Arc::clone(start.settings), challenge: challenge.clone() };
    Step::challenge(challenge, next)
}

/// RFC 2195, section 2, after the `msg-id` of RFC 822: digits, which here are all random, and the host.
fn challenge(entropy: &[u8; 32], host: &str) -> Vec<u8> {
    let number = |range: std::ops::Range<usize>| {
        entropy[range].iter().fold(0_u64, |number, octet| number << 8 | u64::from(*octet))
    };
    let mut text = String::with_capacity(2 * 20 + host.len() + 4);
    // A String takes everything.
    let _ = write!(text, "<{}.{}@{host}>", number(0..8), number(8..16));
    text.into_bytes()
}

struct ExpectResponse {
    settings: Arc<Settings>,
    challenge: Vec<u8>,
}

impl Respond for ExpectResponse {
    fn respond(self: Box<Self>, response: &[u8]) -> Step {
        Step::of(self.read(response))
    }
}

impl ExpectResponse {
    fn read(self, response: &[u8]) -> Result<Step, Failure> {
        let response = utf8(response).ok_or(Failure::Malformed("not UTF-8"))?;
        let (name, digest) = parse(response)?;
        let identity = self.settings.realms.identity(name)?;
        let exchange = ExpectRecord { challenge: self.challenge, identity: identity.clone(), digest };
        Ok(Step::lookup(identity, exchange))
    }
}

/// User name, a blank, 32 hexadecimal digits; the name may have blanks itself.
fn parse(response: &str) -> Result<(&str, [u8; 32]), Failure> {
    let (name, digits) =
        response.rsplit_once(' ').ok_or(Failure::Malformed("no blank between name and digest"))?;
    if name.is_empty() {
        return Err(Failure::Malformed("no user name"));
    }
    let mut digest: [u8; 32] =
        digits.as_bytes().try_into().map_err(|_| Failure::Malformed("digest has not 32 digits"))?;
    digest.make_ascii_lowercase();
    Ok((name, digest))
}

struct ExpectRecord {
    challenge: Vec<u8>,
    identity: Identity,
    digest: [u8; 32],
}

impl Resolve for ExpectRecord {
    fn resolve(self: Box<Self>, answer: &Answer<'_>) -> Step {
        Step::of(self.check(answer))
    }
}

impl ExpectRecord {
    /// Every credential that may be used is tried; where there is none, the decoy's, which nothing fits.
    fn check(self, answer: &Answer<'_>) -> Result<Step, Failure> {
        let mut decoys = answer.decoy.record().credentials().iter();
        let decoy = decoys.find_map(verifier).ok_or(Failure::NotServed)?;
        let mut is_served = false;
        let mut right = None;
        for credential in answer.usable() {
            let Some(verifier) = verifier(credential) else { continue };
            is_served = true;
            if self.fits(verifier) && right.is_none() {
                right = Some(credential.label.clone());
            }
        }
        if !is_served {
            self.fits(decoy);
            return Err(answer.failure_or(Failure::NoVerifier));
        }
        let credential = Some(right.ok_or(Failure::WrongPassword)?);
        let outcome = Outcome::of(Mechanism::CramMd5, answer.identity(self.identity));
        Ok(Step::Done(Box::new(Outcome { credential, ..outcome })))
    }

    /// Whether the digest was made with the password that a verifier is of.
    fn fits(&self, verifier: &Verifier) -> bool {
        let digest = match verifier {
            Verifier::CramMd5(cram) => cram.digest(&self.challenge),
            Verifier::Plain(plain) => CramMd5::derive(plain.secret().expose()).digest(&self.challenge),
            _ => return false,
        };
        hex(&digest)[..].ct_eq(&self.digest).into()
    }
}

/// What a credential has to tell by.
fn verifier(credential: &Credential) -> Option<&Verifier> {
    let get = |kind| credential.verifiers.get(kind);
    get(VerifierKind::CramMd5).or_else(|| get(VerifierKind::Plain))
}

pub(crate) fn connect(start: client::Start) -> client::Step {
    client::Step::wait(ExpectChallenge { start })
}

struct ExpectChallenge {
    start: client::Start,
}

impl Receive for ExpectChallenge {
    fn receive(self: Box<Self>, challenge: &[u8]) -> client::Step {
        if challenge.is_empty() {
            return client::Step::Failed(client::Failure::Malformed("empty challenge"));
        }
        if self.start.settings.login.authorization.is_some() {
            return client::Step::Failed(client::Failure::Unsayable("an authorization identity"));
        }
        client::Step::secret(AskedForPassword { start: self.start, challenge: challenge.to_vec() })
    }
}

struct AskedForPassword {
    start: client::Start,
    challenge: Vec<u8>,
}

impl Supply for AskedForPassword {
    fn supply(self: Box<Self>, secret: &Secret) -> client::Step {
        let name = &self.start.settings.login.authentication;
        let digest = CramMd5::derive(&client::prepared(secret)).digest(&self.challenge);
        let mut response = Zeroizing::new(Vec::with_capacity(name.len() + 33));
        response.extend_from_slice(name);
        response.push(b' ');
        response.extend_from_slice(&hex(&digest)[..]);
        client::Step::send(response, client::ExpectSuccess::one_sided(Mechanism::CramMd5))
    }
}

#[cfg(test)]
mod tests {
    use credential::policy::{Cost, KindSet, Policy};
    use credential::{
        ChangedBy, DecoyKey, Label, Occasion, Realm, Record, ShapeCounts, Timestamp, Verifiers,
    };

    use super::*;

    const CHALLENGE: &[u8] = b"<1896.697170952@postoffice.reston.mci.net>";
    const PASSWORD: &[u8] = b"tanstaaftanstaaf";

    fn check(response: &str) -> Result<String, Failure> {
        let realm = Realm::prepare("postoffice.reston.mci.net").unwrap();
        let identity = Identity::parse("tim", &realm).unwrap();
        let verifiers = Verifiers::one(Verifier::CramMd5(CramMd5::derive(PASSWORD)));
        let mut record = Record::new(identity.clone(), Timestamp(0), ChangedBy::default());
        record.put(Credential::new(Label::main(), verifiers, false, Timestamp(0))).unwrap();
        let policy = Policy { keep: KindSet::EMPTY.with(VerifierKind::CramMd5), cost: Cost::default() };
        let decoy = DecoyKey::new([1; 32]).record_for(&identity, &ShapeCounts::default(), &policy);
        let (name, digest) = parse(response)?;
        let exchange = ExpectRecord { challenge: CHALLENGE.to_vec(), identity, digest };
        let occasion = Occasion::at(Timestamp(0));
        match Box::new(exchange).resolve(&Answer { record: Some(&record), decoy: &decoy, occasion }) {
            Step::Done(_) => Ok(name.to_owned()),
            Step::Failed(failure) => Err(failure),
            other => panic!("{other:?}"),
        }
    }

    /// RFC 2195, section 2.
    #[test]
    fn the_server_takes_what_stands_in_the_rfc() {
        let wrong = Err(Failure::WrongPassword);
        for (response, expected) in [
            ("tim b913a602c7eda7a495b4e6e7334d3890", Ok("tim".to_owned())),
            ("tim B913A602C7EDA7A495B4E6E7334D3890", Ok("tim".to_owned())),
            ("a b  c b913a602c7eda7a495b4e6e7334d3890", Ok("a b  c".to_owned())),
            ("tim b913a602c7eda7a495b4e6e7334d3891", wrong.clone()),
            ("tim b913a602c7eda7a495b4e6e7334d389X", wrong),
        ] {
            assert_eq!(check(response), expected, "{response}");
        }
        for malformed in
            ["tim", "", "tim ", " b913a602c7eda7a495b4e6e7334d3890", "tim b913a602c7eda7a495b4e6e7334d38901"]
        {
            assert!(matches!(check(malformed), Err(Failure::Malformed(_))), "{malformed}");
        }
    }

    #[test]
    fn the_client_says_what_stands_in_the_rfc() {
        let digest = CramMd5::derive(PASSWORD).digest(CHALLENGE);
        assert_eq!(&hex(&digest)[..], b"b913a602c7eda7a495b4e6e7334d3890");
    }

    #[test]
    fn a_challenge_is_all_random_digits_and_the_host() {
        assert_eq!(challenge(&[1; 32], "a.example"), b"<72340172838076673.72340172838076673@a.example>");
        let mut other = [1; 32];
        other[15] = 2;
        assert_ne!(challenge(&other, "a.example"), challenge(&[1; 32], "a.example"));
    }
}
