//! The host's full name, which is the realm of every user who is named without one, unless `auth.realm` says otherwise.
//!
//! One function for tools and daemon. saslpasswd2 takes the host name as gethostname(2) has it, while sendmail and the
//! SASL library look users up under the full name: users made with one are not found by the other, the commonest
//! failure in the field. Here both sides take the full name, so on a host whose host name is short a user made by
//! saslpasswd2 without `-u` has another realm than one made here; an import keeps the realm it finds.

use nix::unistd::gethostname;

/// The canonical name that the resolver has for the host name (`hostname -f`); the host name itself where the resolver
/// knows no better. Asks the resolver: on a host that is not in its own `/etc/hosts` that may take its time.
pub fn default_realm() -> String {
    let host = gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let canonical = canonical_name(&host);
    full_name(&host, canonical.as_deref()).to_owned()
}

fn canonical_name(host: &str) -> Option<String> {
    let hints = dns_lookup::AddrInfoHints { flags: AI_CANONNAME, ..dns_lookup::AddrInfoHints::default() };
    let mut found = dns_lookup::getaddrinfo(Some(host), None, Some(hints)).ok()?;
    found.find_map(|entry| entry.ok()?.canonname)
}

/// Which of the two is the full name: the canonical one where it has a domain and is not the loopback's.
fn full_name<'n>(host: &'n str, canonical: Option<&'n str>) -> &'n str {
    let host = host.trim_end_matches('.');
    let canonical = canonical.map(|name| name.trim_end_matches('.'));
    match canonical {
        Some(name) if name.contains('.') && !is_loopback(name) => name,
        _ if host.is_empty() => "localhost",
        _ => host,
    }
}

fn is_loopback(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("localhost.") || name.ends_with(".localhost") || name.parse::<std::net::IpAddr>().is_ok()
}

/// `AI_CANONNAME` of `<netdb.h>`: ask for the canonical name.
const AI_CANONNAME: i32 = 2;

#[cfg(test)]
mod tests {
    use super::{default_realm, full_name};

    #[test]
    fn the_full_name_has_a_domain_where_there_is_one() {
        let rows = [
            ("mail", Some("mail.example.org"), "mail.example.org"),
            ("mail", Some("mail.example.org."), "mail.example.org"),
            ("mail.example.org", Some("mail.example.org"), "mail.example.org"),
            ("mail.example.org", Some("localhost"), "mail.example.org"),
            ("mail.example.org", Some("localhost.localdomain"), "mail.example.org"),
            ("mail.example.org", Some("mail"), "mail.example.org"),
            ("mail.example.org", None, "mail.example.org"),
            ("mail", Some("127.0.1.1"), "mail"),
            ("mail", None, "mail"),
            ("", None, "localhost"),
        ];
        for (host, canonical, full) in rows {
            assert_eq!(full_name(host, canonical), full, "{host} {canonical:?}");
        }
    }

    #[test]
    fn this_host_has_a_name() {
        assert!(!default_realm().is_empty());
    }
}
