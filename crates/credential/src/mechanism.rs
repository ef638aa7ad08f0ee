//! SASL mechanisms by name: which there are, in what order they are preferred, and what each of them offers. What they
//! say on the wire is the matter of `sasl`.

use std::fmt;
use std::str::FromStr;

use crate::policy::KindSet;
use crate::verifier::{ScramHash, VerifierKind};

/// A mechanism that we have, as a server, a client or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// SCRAM bound to the TLS channel (RFC 5802, RFC 7677).
    ScramPlus(ScramHash),
    /// SCRAM (RFC 5802, RFC 7677).
    Scram(ScramHash),
    /// The identity that the transport attests (RFC 4422, appendix A).
    External,
    /// RFC 2831, made historic by RFC 6331.
    DigestMd5,
    /// RFC 2195.
    CramMd5,
    /// A token of RFC 6750 (RFC 7628); as a client only.
    OauthBearer,
    /// The same in the form that came before RFC 7628; as a client only.
    Xoauth2,
    /// RFC 4616.
    Plain,
    /// User name and password asked for one by one; never standardised (draft-murchison-sasl-login).
    Login,
    /// RFC 4505.
    Anonymous,
}

/// What a mechanism is good for, as sendmail's AuthOptions ask for it (RFC 4422, section 6, speaks of the threats).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Property {
    /// `a`: withstands who changes or inserts octets.
    NoActive,
    /// `c`: hands the client's credentials to the server.
    PassCredentials,
    /// `d`: what is overheard is no help in guessing.
    NoDictionary,
    /// `f`: who breaks one session has not broken others.
    ForwardSecrecy,
    /// `m`: the server proves itself, too.
    Mutual,
    /// `p`: the password does not travel in clear text.
    NoPlaintext,
    /// `y`: somebody has logged in.
    NoAnonymous,
}

/// A set of [properties](Property).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PropertySet(u8);

/// A set of mechanisms, iterated in the order of preference.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MechanismSet(u16);

/// A name that is no mechanism's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no mechanism of Gatepost has this name: {0}")]
pub struct UnknownMechanism(
    /// The name, cut to a sensible length.
    pub String,
);

impl Mechanism {
    /// Every mechanism, the preferred first: bound to the channel, then SCRAM, then the rest; what sends the password
    /// itself last.
    pub const ALL: [Self; 14] = [
        Self::ScramPlus(ScramHash::Sha512),
        Self::ScramPlus(ScramHash::Sha256),
        Self::ScramPlus(ScramHash::Sha1),
        Self::Scram(ScramHash::Sha512),
        Self::Scram(ScramHash::Sha256),
        Self::Scram(ScramHash::Sha1),
        Self::External,
        Self::DigestMd5,
        Self::CramMd5,
        Self::OauthBearer,
        Self::Xoauth2,
        Self::Plain,
        Self::Login,
        Self::Anonymous,
    ];

    /// The longest name, in octets (RFC 4422, section 3.1).
    pub const MAX_NAME: usize = 20;

    /// The registered name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ScramPlus(ScramHash::Sha512) => "SCRAM-SHA-512-PLUS",
            Self::ScramPlus(ScramHash::Sha256) => "SCRAM-SHA-256-PLUS",
            Self::ScramPlus(ScramHash::Sha1) => "SCRAM-SHA-1-PLUS",
            Self::Scram(ScramHash::Sha512) => "SCRAM-SHA-512",
            Self::Scram(ScramHash::Sha256) => "SCRAM-SHA-256",
            Self::Scram(ScramHash::Sha1) => "SCRAM-SHA-1",
            Self::External => "EXTERNAL",
            Self::DigestMd5 => "DIGEST-MD5",
            Self::CramMd5 => "CRAM-MD5",
            Self::OauthBearer => "OAUTHBEARER",
            Self::Xoauth2 => "XOAUTH2",
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::Anonymous => "ANONYMOUS",
        }
    }

    /// Whether we have its server side.
    pub const fn has_server(self) -> bool {
        !matches!(self, Self::OauthBearer | Self::Xoauth2)
    }

    /// The verifier that its server side works with; `None` where any will do (PLAIN, LOGIN) or none is needed.
    pub const fn verifier(self) -> Option<VerifierKind> {
        match self {
            Self::Scram(hash) | Self::ScramPlus(hash) => Some(hash.kind()),
            Self::CramMd5 => Some(VerifierKind::CramMd5),
            Self::DigestMd5 => Some(VerifierKind::DigestMd5),
            Self::External
            | Self::OauthBearer
            | Self::Xoauth2
            | Self::Plain
            | Self::Login
            | Self::Anonymous => None,
        }
    }

    /// Whether a store that keeps `kinds` of each password can serve it. Clear text serves every mechanism.
    pub fn is_served_by(self, kinds: KindSet) -> bool {
        let has = |kind| kinds.contains(kind) || kinds.contains(VerifierKind::Plain);
        self.has_server() && self.verifier().is_none_or(has)
    }

    /// What it is good for. EXTERNAL and CRAM-MD5 are judged as Cyrus SASL judges them.
    pub fn properties(self) -> PropertySet {
        use Property::{Mutual, NoActive, NoAnonymous, NoDictionary, NoPlaintext, PassCredentials};
        let all: &[Property] = match self {
            Self::Scram(_) | Self::ScramPlus(_) => &[NoPlaintext, NoActive, NoAnonymous, Mutual],
            Self::External => &[NoPlaintext, NoAnonymous, NoDictionary],
            Self::DigestMd5 => &[NoPlaintext, NoAnonymous, Mutual],
            Self::CramMd5 => &[NoPlaintext, NoAnonymous],
            Self::Plain | Self::Login | Self::OauthBearer | Self::Xoauth2 => &[NoAnonymous, PassCredentials],
            Self::Anonymous => &[NoPlaintext],
        };
        all.iter().copied().collect()
    }

    /// Whether a client can say whom it wishes to act for.
    pub const fn has_authorization(self) -> bool {
        !matches!(self, Self::CramMd5 | Self::Login | Self::Anonymous)
    }

    /// The strongest security layer that it can negotiate, in bits of SSF.
    pub const fn max_ssf(self) -> u32 {
        match self {
            Self::DigestMd5 => 128,
            _ => 0,
        }
    }

    /// Its place in a set: that in the order of preference.
    fn bit(self) -> u16 {
        Self::ALL.iter().position(|mechanism| *mechanism == self).map_or(0, |place| 1 << place)
    }
}

/// By name, in either case.
impl FromStr for Mechanism {
    type Err = UnknownMechanism;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|mechanism| mechanism.name().eq_ignore_ascii_case(name));
        found.ok_or_else(|| UnknownMechanism(name.chars().take(Self::MAX_NAME).collect()))
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Property {
    /// Every property, in the order of the letters.
    pub const ALL: [Self; 7] = [
        Self::NoActive,
        Self::PassCredentials,
        Self::NoDictionary,
        Self::ForwardSecrecy,
        Self::Mutual,
        Self::NoPlaintext,
        Self::NoAnonymous,
    ];

    /// The letter of AuthOptions.
    pub const fn letter(self) -> char {
        match self {
            Self::NoActive => 'a',
            Self::PassCredentials => 'c',
            Self::NoDictionary => 'd',
            Self::ForwardSecrecy => 'f',
            Self::Mutual => 'm',
            Self::NoPlaintext => 'p',
            Self::NoAnonymous => 'y',
        }
    }
}

impl PropertySet {
    /// None.
    pub const EMPTY: Self = Self(0);

    /// The set with one more.
    #[must_use]
    pub const fn with(self, property: Property) -> Self {
        Self(self.0 | 1 << property as u8)
    }

    /// The set without one.
    #[must_use]
    pub const fn without(self, property: Property) -> Self {
        Self(self.0 & !(1 << property as u8))
    }

    /// Whether it has a property.
    pub const fn contains(self, property: Property) -> bool {
        self.0 & 1 << property as u8 != 0
    }

    /// What is in this set and not in the other.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The properties, in the order of their letters.
    pub fn iter(self) -> impl Iterator<Item = Property> {
        Property::ALL.into_iter().filter(move |property| self.contains(*property))
    }
}

impl FromIterator<Property> for PropertySet {
    fn from_iter<I: IntoIterator<Item = Property>>(properties: I) -> Self {
        properties.into_iter().fold(Self::EMPTY, Self::with)
    }
}

impl MechanismSet {
    /// None.
    pub const EMPTY: Self = Self(0);

    /// All that we have.
    pub const ALL: Self = Self((1 << Mechanism::ALL.len()) - 1);

    /// The set with one more.
    #[must_use]
    pub fn with(self, mechanism: Mechanism) -> Self {
        Self(self.0 | mechanism.bit())
    }

    /// The set without one.
    #[must_use]
    pub fn without(self, mechanism: Mechanism) -> Self {
        Self(self.0 & !mechanism.bit())
    }

    /// Whether a mechanism is in it.
    pub fn contains(self, mechanism: Mechanism) -> bool {
        self.0 & mechanism.bit() != 0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The mechanisms, the preferred first.
    pub fn iter(self) -> impl Iterator<Item = Mechanism> {
        Mechanism::ALL.into_iter().filter(move |mechanism| self.contains(*mechanism))
    }
}

impl FromIterator<Mechanism> for MechanismSet {
    fn from_iter<I: IntoIterator<Item = Mechanism>>(mechanisms: I) -> Self {
        mechanisms.into_iter().fold(Self::EMPTY, Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mechanism_has_a_name_and_a_place_of_its_own() {
        for (index, mechanism) in Mechanism::ALL.into_iter().enumerate() {
            assert_eq!(mechanism.name().to_lowercase().parse(), Ok(mechanism));
            assert!(mechanism.name().len() <= Mechanism::MAX_NAME);
            assert_eq!(mechanism.bit(), 1 << index, "the order of preference is that of the bits");
        }
        assert_eq!(MechanismSet::ALL.iter().collect::<Vec<_>>(), Mechanism::ALL);
        assert_eq!("GSSAPI".parse::<Mechanism>(), Err(UnknownMechanism("GSSAPI".to_owned())));
    }

    /// What sendmail offered in clear for each letter, measured on 8.17 with Cyrus SASL 2.1.28.
    #[test]
    fn letters_leave_what_sendmail_leaves() {
        let clear = "SCRAM-SHA-256 SCRAM-SHA-1 EXTERNAL DIGEST-MD5 CRAM-MD5 PLAIN LOGIN";
        for (property, left) in [
            (Property::NoPlaintext, "SCRAM-SHA-256 SCRAM-SHA-1 EXTERNAL DIGEST-MD5 CRAM-MD5"),
            (Property::NoAnonymous, clear),
            (Property::NoActive, "SCRAM-SHA-256 SCRAM-SHA-1"),
            (Property::NoDictionary, "EXTERNAL"),
            (Property::ForwardSecrecy, ""),
            (Property::Mutual, "SCRAM-SHA-256 SCRAM-SHA-1 DIGEST-MD5"),
            (Property::PassCredentials, "PLAIN LOGIN"),
        ] {
            let all = clear.split(' ').map(|name| name.parse::<Mechanism>().unwrap());
            let names: Vec<_> =
                all.filter(|it| it.properties().contains(property)).map(Mechanism::name).collect();
            assert_eq!(names.join(" "), left, "{}", property.letter());
        }
    }

    #[test]
    fn clear_text_serves_every_mechanism_that_has_a_server() {
        let plain = KindSet::EMPTY.with(VerifierKind::Plain);
        for mechanism in Mechanism::ALL {
            assert_eq!(mechanism.is_served_by(plain), mechanism.has_server(), "{mechanism}");
        }
        let cram = KindSet::EMPTY.with(VerifierKind::CramMd5);
        assert!(Mechanism::CramMd5.is_served_by(cram) && !Mechanism::DigestMd5.is_served_by(cram));
    }
}
