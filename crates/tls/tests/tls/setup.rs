//! What the files must hold, and what is said of those that do not.

use std::time::{Duration, SystemTime};

use safefile::Kind;
use tls::{ServerSetup, SetupError};

use crate::world::{Ca, Files, Leaf, server_name};

/// The fault of a certificate, a key and a CA, and a piece of what is said to mend it.
fn check(certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>, ca: Option<&str>, fault: &str, mend: &str) {
    let files = Files::new();
    let certificate = files.write("cert.pem", certificate, Kind::Certificate);
    let key = files.write("key.pem", key, Kind::PrivateKey);
    let ca = ca.map(|ca| files.write("ca.pem", ca, Kind::Certificate));
    let error = ServerSetup::new(&certificate, &key, ca.as_ref()).unwrap_err();
    let said = error.to_string().replace(files.path("").to_str().unwrap(), "");
    assert!(said.contains(fault), "{said:?} is not {fault:?}");
    assert!(error.mend().contains(mend), "{:?} is not {mend:?}", error.mend());
    assert!(files.path(error.path().file_name().unwrap().to_str().unwrap()) == error.path());
}

#[test]
fn each_fault_names_its_file_and_what_mends_it() {
    let ca = Ca::new("CA");
    let Leaf { pem, key } = ca.issue(&server_name());
    let other = ca.issue(&server_name());
    let damaged = pem.replacen("MII", "M!I", 1);
    check("", &key, None, "no certificate in PEM form: cert.pem", "fullchain.pem");
    check("garbage\n", &key, None, "no certificate in PEM form: cert.pem", "fullchain.pem");
    check(crate::world::der(&pem), &key, None, "no certificate in PEM form: cert.pem", "-inform DER");
    check(&damaged, &key, None, "damaged PEM form", "openssl x509");
    check(cut(&pem), &key, None, "certificate 1 cannot be used", "openssl x509");
    check(format!("{pem}{}", cut(&pem)), &key, None, "certificate 2 cannot be used", "openssl x509");
    check(&pem, "", None, "no private key in PEM form: key.pem", "privkey.pem");
    check(&pem, &pem, None, "no private key in PEM form: key.pem", "privkey.pem");
    check(&pem, key.replacen("MIG", "M!G", 1), None, "private key cannot be used", "P-256");
    check(&pem, &other.key, None, "private key key.pem does not belong", "openssl pkey -in");
    check(
        format!("{}{pem}", ca.pem),
        &key,
        None,
        "does not belong to the first certificate",
        "before those of its CAs",
    );
    check(&pem, &key, Some("garbage"), "no certificate in PEM form: ca.pem", "certificates of the CAs");
    check(&pem, &key, Some(&cut(&ca.pem)), "certificate 1 cannot be used", "openssl x509");
    check(
        &pem,
        &key,
        Some(&other.pem),
        "certificate 1 cannot be used (it is not that of a CA)",
        "openssl x509",
    );
    check("x".repeat(1 << 21), &key, None, "file too large: cert.pem", "PEM");
}

#[test]
fn an_encrypted_key_is_called_so_in_either_form() {
    let pem = Ca::new("CA").issue(&server_name()).pem;
    let newer = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let older = "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nMIIB\n\
                 -----END EC PRIVATE KEY-----\n";
    for key in [newer, older] {
        check(&pem, key, None, "encrypted with a passphrase: key.pem", "umask 077; openssl pkey");
    }
}

#[test]
fn a_damaged_key_is_not_repeated() {
    let Leaf { pem, key } = Ca::new("CA").issue(&server_name());
    let files = Files::new();
    let error = files.set_up(&Leaf { pem, key: key.replacen("MIG", "M!G", 1) }, None).unwrap_err();
    assert!(matches!(&error, SetupError::BadKey { .. }), "{error:?}");
    let line = key.lines().nth(1).unwrap();
    assert!(!format!("{error:?} {error}").contains(&line[8..16]));
}

#[test]
fn the_day_of_expiry_is_told_and_nothing_is_refused() {
    let (ca, files) = (Ca::new("CA"), Files::new());
    let mut parameters = server_name();
    parameters.not_before = rcgen::date_time_ymd(2000, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(2001, 9, 9);
    let setup = files.set_up(&ca.issue(&parameters), None).unwrap();
    assert_eq!(setup.not_after(), SystemTime::UNIX_EPOCH + Duration::from_hours(277_776));
    assert!(!format!("{setup:?}").contains("KEY"));
}

#[test]
fn one_file_may_hold_key_and_certificates() {
    let (ca, files) = (Ca::new("CA"), Files::new());
    let Leaf { pem, key } = ca.issue(&server_name());
    let both = format!("{key}{pem}{}", ca.pem);
    files.set_up(&Leaf { pem: both.clone(), key: both }, Some(&ca)).unwrap();
}

/// The PEM form is in order, what is in it is not.
fn cut(pem: &str) -> String {
    let lines: Vec<_> = pem.lines().collect();
    format!("{}\n{}\n{}\n", lines[0], lines[1], lines[lines.len() - 1])
}
