//! Why TLS cannot be set up: which file, what is wrong with it, and what mends it.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

use safefile::{SafeFile, display_path, shell_quote};

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A file could not be read, or is longer than any such file.
    #[error("{source}: {}", display_path(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no certificate in the file.
    #[error("no certificate in PEM form: {}", display_path(path))]
    NoCertificate {
        /// The file.
        path: PathBuf,
        /// Whether it looks like the binary form.
        is_der: bool,
    },
    /// There is no certificate in the file that is to hold those of CAs.
    #[error("no certificate in PEM form: {}", display_path(path))]
    NoCa {
        /// The file.
        path: PathBuf,
        /// Whether it looks like the binary form.
        is_der: bool,
    },
    /// A certificate cannot be used.
    #[error("certificate {number} cannot be used ({what}): {}", display_path(path))]
    BadCertificate {
        /// The file.
        path: PathBuf,
        /// Which of its certificates, from 1.
        number: usize,
        /// What is wrong.
        what: String,
    },
    /// The file's PEM form is damaged.
    #[error("damaged PEM form ({what}): {}", display_path(path))]
    BadPem {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// There is no private key in the file.
    #[error("no private key in PEM form: {}", display_path(path))]
    NoKey {
        /// The file.
        path: PathBuf,
        /// Whether it looks like the binary form.
        is_der: bool,
    },
    /// The key is encrypted, and nobody is there to type its passphrase.
    #[error("private key is encrypted with a passphrase: {}", display_path(path))]
    EncryptedKey {
        /// The file.
        path: PathBuf,
    },
    /// The key cannot be used.
    #[error("private key cannot be used ({what}): {}", display_path(path))]
    BadKey {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Something of the library's own failed.
    #[error("TLS cannot be set up: {what}")]
    Unusable {
        /// What.
        what: String,
    },
    /// Certificate and key do not belong together.
    #[error(
        "private key {} does not belong to the first certificate of {}",
        display_path(key),
        display_path(path)
    )]
    Mismatch {
        /// The file of the certificate.
        path: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
}

impl SetupError {
    /// The file with which something is wrong; of two that do not fit, the certificate's.
    pub fn path(&self) -> &Path {
        match self {
            Self::Read { path, .. }
            | Self::NoCertificate { path, .. }
            | Self::NoCa { path, .. }
            | Self::BadCertificate { path, .. }
            | Self::BadPem { path, .. }
            | Self::NoKey { path, .. }
            | Self::EncryptedKey { path }
            | Self::BadKey { path, .. }
            | Self::Mismatch { path, .. } => path,
            Self::Unusable { .. } => Path::new(""),
        }
    }

    /// What mends it: a command where there is one, else what has to stand in the file.
    pub fn mend(&self) -> String {
        let path = shell_quote(self.path());
        match self {
            Self::Read { .. } => "name a readable file in PEM form".to_owned(),
            Self::NoCertificate { is_der: true, .. } | Self::NoCa { is_der: true, .. } => {
                format!("openssl x509 -inform DER -in {path} -out {path}.pem, and name {path}.pem")
            }
            Self::NoCertificate { .. } => {
                "name the file with the server's certificate and those of its CAs (often fullchain.pem)"
                    .to_owned()
            }
            Self::NoCa { .. } => {
                "name a file with the certificates of the CAs, in PEM form, that vouch for users".to_owned()
            }
            Self::BadCertificate { .. } | Self::BadPem { .. } => {
                format!(
                    "openssl x509 -in {path} -noout -text shows what stands in it; get it from its CA again"
                )
            }
            Self::NoKey { is_der: true, .. } => {
                format!(
                    "(umask 077; openssl pkey -inform DER -in {path} -out {path}.pem), and name {path}.pem"
                )
            }
            Self::NoKey { .. } => "name the file with the private key (often privkey.pem)".to_owned(),
            Self::EncryptedKey { .. } => {
                format!("(umask 077; openssl pkey -in {path} -out {path}.clear), and name {path}.clear")
            }
            Self::BadKey { .. } => {
                "use a key of RSA (2048 to 8192 bits), P-256, P-384 or Ed25519, and a certificate for it"
                    .to_owned()
            }
            Self::Unusable { .. } => "none is known: this is a fault of the program".to_owned(),
            Self::Mismatch { key, .. } => format!(
                "compare openssl x509 -in {path} -noout -pubkey and openssl pkey -in {} -pubout; the server's own \
                 certificate stands before those of its CAs",
                shell_quote(key),
            ),
        }
    }

    /// The same of a file of CAs.
    pub(crate) fn of_ca(self) -> Self {
        match self {
            Self::NoCertificate { path, is_der } => Self::NoCa { path, is_der },
            other => other,
        }
    }

    pub(crate) fn bad_certificate(file: &SafeFile, at: usize, what: &impl Display) -> Self {
        Self::BadCertificate { path: file.path().to_owned(), number: at + 1, what: what.to_string() }
    }

    pub(crate) fn bad_pem(file: &SafeFile, what: &impl Display) -> Self {
        Self::BadPem { path: file.path().to_owned(), what: what.to_string() }
    }
}
