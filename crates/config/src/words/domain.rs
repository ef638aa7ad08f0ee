//! Domains of mail, and networks.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A domain (RFC 5321, section 4.1.2), kept in lower case. International ones stand here as they do in the DNS, `xn--`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(String);

/// Addresses that begin alike: `192.0.2.0/24`, `2001:db8::/32`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// Why a text is no domain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DomainError {
    /// An address, or a part of one, as sendmail's class R may have it.
    #[error("not a domain but an address: {0}")]
    Address(String),
    /// Not ASCII.
    #[error("not a domain as the DNS has it, xn-- and so on: {0:?}")]
    International(String),
    /// Anything else.
    #[error("not a domain: {0:?}")]
    Malformed(String),
}

/// Why a text is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Not an address, or not with a length behind it.
    #[error("not a network like \"192.0.2.0/24\", \"2001:db8::/32\" or one address: {0:?}")]
    Malformed(String),
    /// Bits beyond the length are set.
    #[error("address has bits beyond /{bits}, is one address meant or the whole network: {text}")]
    LooseBits {
        /// What was written.
        text: String,
        /// The length.
        bits: u8,
    },
    /// A length of 0.
    #[error("network holds every address there is: {0}")]
    Everything(String),
}

impl Domain {
    /// The domain.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a name is this domain itself, in any case of letters.
    pub fn is(&self, name: &str) -> bool {
        self.0.eq_ignore_ascii_case(name)
    }

    /// Whether a name is this domain or below it.
    pub fn holds(&self, name: &str) -> bool {
        let Some(above) = name.len().checked_sub(self.0.len()) else { return false };
        let (front, end) = (&name.as_bytes()[..above], &name.as_bytes()[above..]);
        end.eq_ignore_ascii_case(self.0.as_bytes()) && (front.is_empty() || front.ends_with(b"."))
    }

    /// Whether it has one label only.
    pub fn is_top(&self) -> bool {
        !self.0.contains('.')
    }
}

impl FromStr for Domain {
    type Err = DomainError;

    fn from_str(text: &str) -> Result<Self, DomainError> {
        let is_number = |label: &str| !label.is_empty() && label.bytes().all(|octet| octet.is_ascii_digit());
        let inner = text.trim_start_matches('[').trim_end_matches(']');
        if inner.parse::<IpAddr>().is_ok() || text.split('.').all(is_number) {
            return Err(DomainError::Address(text.to_owned()));
        }
        if !text.is_ascii() {
            return Err(DomainError::International(text.to_owned()));
        }
        if text.len() <= LONGEST_DOMAIN && text.split('.').all(is_label) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(DomainError::Malformed(text.to_owned()))
        }
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Network {
    /// Whether an address is in it. An IPv4 address in IPv6's clothes is the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                same_bits(u128::from(own.to_bits()) << 96, u128::from(other.to_bits()) << 96, self.bits)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => same_bits(own.to_bits(), other.to_bits(), self.bits),
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let malformed = || NetworkError::Malformed(text.to_owned());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| malformed())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let is_number = |bits: &str| bits.bytes().all(|octet| octet.is_ascii_digit());
        let bits = match bits {
            Some(bits) if is_number(bits) => bits.parse::<u8>().ok(),
            Some(_) => None,
            None => Some(most),
        };
        let bits = bits.filter(|bits| *bits <= most).ok_or_else(malformed)?;
        if bits == 0 {
            return Err(NetworkError::Everything(text.to_owned()));
        }
        if has_bits_beyond(address, bits) {
            return Err(NetworkError::LooseBits { text: text.to_owned(), bits });
        }
        Ok(Self { address, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

fn is_label(label: &str) -> bool {
    let fits = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    (1..=63).contains(&label.len())
        && label.bytes().all(fits)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// The first `bits` of both; at least one.
fn same_bits(one: u128, other: u128, bits: u8) -> bool {
    (one ^ other).leading_zeros() >= u32::from(bits)
}

fn has_bits_beyond(address: IpAddr, bits: u8) -> bool {
    match address {
        IpAddr::V4(address) => address.to_bits().checked_shl(u32::from(bits)).unwrap_or(0) != 0,
        IpAddr::V6(address) => address.to_bits().checked_shl(u32::from(bits)).unwrap_or(0) != 0,
    }
}

/// RFC 5321, section 4.5.3.1.2.
const LONGEST_DOMAIN: usize = 255;

#[cfg(test)]
mod tests {
    use super::{Domain, DomainError, Network, NetworkError};

    #[test]
    fn domains_are_those_of_the_dns() {
        for (text, kept) in [
            ("Example.ORG", "example.org"),
            ("localhost", "localhost"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ] {
            assert_eq!(text.parse::<Domain>().unwrap().as_str(), kept);
        }
        let long = format!("{}.org", "a".repeat(64));
        for wrong in
            ["", ".", ".org", "org.", "a..b", "-a.org", "a-.org", "a b.org", "a@b.org", "*.org", &long]
        {
            assert_eq!(wrong.parse::<Domain>(), Err(DomainError::Malformed(wrong.to_owned())));
        }
        for address in ["192.0.2.1", "192.0.2", "10", "[192.0.2.1]", "2001:db8::1", "[2001:db8::1]"] {
            assert_eq!(address.parse::<Domain>(), Err(DomainError::Address(address.to_owned())));
        }
        assert!(matches!("b\u{fc}cher.example".parse::<Domain>(), Err(DomainError::International(_))));
    }

    #[test]
    fn a_domain_holds_what_is_below_it_by_whole_labels() {
        let domain: Domain = "example.org".parse().unwrap();
        for (name, is, holds) in [
            ("example.org", true, true),
            ("EXAMPLE.org", true, true),
            ("a.Example.Org", false, true),
            ("badexample.org", false, false),
            ("example.org.", false, false),
            ("org", false, false),
            ("\u{e4}example.org", false, false),
        ] {
            assert_eq!((domain.is(name), domain.holds(name)), (is, holds), "{name}");
        }
    }

    #[test]
    fn networks_hold_their_addresses() {
        for (network, address, within) in [
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("192.0.2.0/24", "::ffff:192.0.2.9", true),
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.0", false),
            ("128.0.0.0/1", "200.0.0.1", true),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("2001:db8::1", "2001:db8::1", true),
            ("2001:db8::/32", "192.0.2.1", false),
        ] {
            let parsed: Network = network.parse().unwrap();
            assert_eq!(parsed.contains(address.parse().unwrap()), within, "{network} {address}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for wrong in
            ["", "192.0.2.0/33", "192.0.2.0/", "192.0.2.0/+24", "192.0.2/24", "::/129", "example.org"]
        {
            assert_eq!(wrong.parse::<Network>(), Err(NetworkError::Malformed(wrong.to_owned())));
        }
        assert!(matches!("192.0.2.1/24".parse::<Network>(), Err(NetworkError::LooseBits { bits: 24, .. })));
        assert!(matches!("2001:db8::1/64".parse::<Network>(), Err(NetworkError::LooseBits { bits: 64, .. })));
        assert!(matches!("::/0".parse::<Network>(), Err(NetworkError::Everything(_))));
    }
}
