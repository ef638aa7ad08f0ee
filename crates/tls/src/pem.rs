//! Certificates and keys as they stand in files: PEM (RFC 7468), read to a limit.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use safefile::SafeFile;
use zeroize::Zeroizing;

use crate::setup_error::SetupError;

/// The longest file of certificates, in octets. All the CAs of the web's browsers take less than 256 KiB.
const MAX_CERTIFICATES: u64 = 1 << 20;

/// The longest file with a key, in octets: it may hold the certificates, too.
const MAX_KEY: u64 = 256 << 10;

/// All certificates of a file, in their order, at least one. What else stands in it is passed over.
pub(crate) fn certificates(file: &SafeFile) -> Result<Vec<CertificateDer<'static>>, SetupError> {
    // A key may stand beside them.
    let text = read(file, MAX_CERTIFICATES)?;
    let found = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| SetupError::bad_pem(file, &error))?;
    if found.is_empty() {
        return Err(SetupError::NoCertificate { path: file.path().to_owned(), is_der: is_der(&text) });
    }
    Ok(found)
}

/// The first key of a file. The file's text is wiped; of what is decoded, the result is the caller's to wipe.
pub(crate) fn key(file: &SafeFile) -> Result<PrivateKeyDer<'static>, SetupError> {
    let text = read(file, MAX_KEY)?;
    let path = || file.path().to_owned();
    match PrivateKeyDer::pem_slice_iter(&text).next() {
        Some(Ok(key)) => Ok(key),
        _ if is_encrypted(&text) => Err(SetupError::EncryptedKey { path: path() }),
        // What the reader complains of may be a line of the key: it is not repeated.
        Some(Err(_)) => Err(SetupError::BadKey { path: path(), what: "its PEM form is damaged".into() }),
        None => Err(SetupError::NoKey { path: path(), is_der: is_der(&text) }),
    }
}

fn read(file: &SafeFile, limit: u64) -> Result<Zeroizing<Vec<u8>>, SetupError> {
    let read = file.read_whole(limit).map(Zeroizing::new);
    read.map_err(|source| SetupError::Read { path: file.path().to_owned(), source })
}

/// RFC 5958 in its PEM form, and OpenSSL's older one (`Proc-Type: 4,ENCRYPTED`).
fn is_encrypted(text: &[u8]) -> bool {
    const MARK: &[u8] = b"ENCRYPTED";
    text.windows(MARK.len()).any(|window| window == MARK)
}

/// A SEQUENCE whose length takes octets of its own: what OpenSSL writes with `-outform DER`.
fn is_der(octets: &[u8]) -> bool {
    matches!(octets, [0x30, 0x81..=0x84, ..])
}
