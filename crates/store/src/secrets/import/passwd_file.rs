//! Dovecot passwd-file: `user:password:uid:gid:gecos:home:shell:extra fields`, trailing parts optional.
//!
//! The password is `{SCHEME}data`, or data in the default scheme, and holds no colon. Blank lines and lines that begin
//! with `#` are skipped. Everything behind the password is of no concern to authentication here and left out.

use std::io::Read;

use credential::dovecot::{self, DovecotError};
use credential::{Imported, Realm, Verifiers};

use crate::secrets::import::{ImportFault, ImportedUser, Material, Reason, from_lines, identity};

/// The scheme of passwords without braces, unless Dovecot is told otherwise.
pub const DEFAULT_SCHEME: &str = "CRYPT";

/// Reads the users of a passwd-file. A user without `@` is one of `default_realm`.
pub fn read(
    input: impl Read,
    default_realm: Realm,
    default_scheme: &str,
) -> impl Iterator<Item = Result<ImportedUser, ImportFault>> {
    from_lines(input, move |line| {
        let mut fields = line.split(|&octet| octet == b':');
        let identity = identity(fields.next().unwrap_or_default(), &default_realm)?;
        let field =
            fields.next().ok_or_else(|| Reason::Malformed("there is no password field".to_owned()))?;
        let material = match dovecot::parse(field, default_scheme)? {
            Imported::Password(secret) => Material::Clear(secret),
            Imported::Verifier(verifier) => Material::Verifiers(Verifiers::one(verifier)),
        };
        Ok((identity, material))
    })
}

impl From<DovecotError> for Reason {
    fn from(error: DovecotError) -> Self {
        match error {
            DovecotError::Unsupported(scheme) => Self::Unsupported(format!("scheme {scheme}")),
            other => Self::Malformed(other.to_string()),
        }
    }
}
