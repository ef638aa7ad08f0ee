//! Who a client certificate says that a client is. By this rule, and the first that says something wins: the first
//! rfc822Name, then the map of subjects, then the common name where the configuration lets it count. Only a certificate
//! that was verified says anything.

use tls::{ClientCertificate, ClientIdentity};

use crate::settings::CommonName;
use crate::site::Site;

pub(crate) fn identity(client: &ClientCertificate, site: &Site) -> Option<String> {
    let ClientCertificate::Verified(verified) = client else { return None };
    by_address(verified).or_else(|| by_map(verified, site)).or_else(|| by_name(verified, site))
}

fn by_address(verified: &ClientIdentity) -> Option<String> {
    verified.mail_addresses.first().cloned()
}

/// A map that cannot be read names nobody.
fn by_map(verified: &ClientIdentity, site: &Site) -> Option<String> {
    let found = site.client_map.look_up(&verified.subject).ok().flatten()?;
    Some(found.trim().to_owned()).filter(|name| !name.is_empty())
}

fn by_name(verified: &ClientIdentity, site: &Site) -> Option<String> {
    verified.common_name.clone().filter(|_| site.settings.common_name == CommonName::Counts)
}
