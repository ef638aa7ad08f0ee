//! Where Cyrus SASL and sendmail keep what matters here on the systems that exist: libraries, plug-ins, programs, sasldbs, and
//! the search for an application's file. Places only: nothing is opened.

use std::path::{Path, PathBuf};

use super::named::Contents;

/// sasldb of SASLv1 and v2, as Debian, Red Hat, the BSDs and others put it.
pub(crate) const SASLDBS: &[&str] = &[
    "/etc/sasldb",
    "/etc/sasldb.db",
    "/etc/sasldb2",
    "/etc/sasldb2.db",
    "/etc/sasl2/sasldb2",
    "/usr/local/etc/sasldb2",
    "/usr/local/etc/sasldb2.db",
    "/var/lib/sasl/sasldb2",
    "/var/lib/sasl2/sasl.db",
    "/var/spool/postfix/etc/sasldb2",
];

/// The files of sendmail's AUTH client that its documentation and its admins name, whether or not a cf names them.
pub(crate) const CLIENT_SECRETS: &[(&str, Contents)] = &[
    ("/etc/mail/default-auth-info", Contents::DefaultAuthInfo),
    ("/etc/mail/auth/auth-info", Contents::DefaultAuthInfo),
    ("/etc/mail/auth/auth-info.db", Contents::AuthInfo),
    ("/etc/mail/auth/client-info", Contents::AuthInfo),
    ("/etc/mail/auth/client-info.db", Contents::AuthInfo),
    ("/etc/mail/authinfo", Contents::AuthInfo),
    ("/etc/mail/authinfo.db", Contents::AuthInfo),
];

/// The access map, which may hold `AuthInfo:` entries too.
pub(crate) const ACCESS: &[&str] = &["/etc/mail/access", "/etc/mail/access.db"];

/// The configuration of sendmail.
pub(crate) const CF_FILES: &[&str] = &["/etc/mail/sendmail.cf", "/etc/mail/submit.cf", "/etc/sendmail.cf"];

/// The sendmail binary under its names.
pub(crate) const SENDMAILS: &[&str] =
    &["/usr/sbin/sendmail", "/usr/lib/sendmail", "/usr/libexec/sendmail/sendmail", "/usr/sbin/sendmail-mta"];

/// Directories that have libraries in them; each may have one more level, named by the machine (`x86_64-linux-gnu`).
pub(crate) const LIBRARY_DIRECTORIES: &[&str] = &["/usr/lib", "/usr/lib64", "/usr/local/lib"];

/// Directories where an application's file is looked for, in Cyrus' order; `plug_ins` are the plug-in directories that
/// were found. The first directory that has the file wins.
pub(crate) fn application_files(application: &str, plug_ins: &[PathBuf]) -> Vec<PathBuf> {
    let fixed = ["/etc/sasl2", "/etc/sasl"].map(PathBuf::from);
    let last = ["/usr/lib/sasl2", "/usr/local/lib/sasl2", "/usr/lib/sasl"].map(PathBuf::from);
    let mut directories: Vec<PathBuf> = Vec::new();
    for directory in fixed.iter().chain(plug_ins).chain(&last) {
        if !directories.contains(directory) {
            directories.push(directory.clone());
        }
    }
    let name = format!("{application}.conf");
    directories.into_iter().map(|directory| directory.join(&name)).collect()
}

/// Whether a directory below a library directory is that of a machine: `x86_64-linux-gnu`, `arm-linux-gnueabihf`.
pub(crate) fn is_machine(name: &str) -> bool {
    name.contains("-linux-") && !name.contains(".so")
}

/// Whether a file in a library directory is libsasl, of either version.
pub(crate) fn is_libsasl(name: &str) -> bool {
    ["libsasl2.so", "libsasl.so"].iter().any(|library| name.starts_with(library))
}

/// Whether a file in a plug-in directory is one that libsasl loads.
pub(crate) fn is_plug_in(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "so")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_is_cyrus_search_and_names_no_place_twice() {
        let plug_ins = ["/usr/lib/x86_64-linux-gnu/sasl2", "/usr/lib/sasl2"].map(PathBuf::from);
        let files: Vec<_> = application_files("Sendmail", &plug_ins);
        let files: Vec<_> = files.iter().map(|file| file.to_str().unwrap()).collect();
        assert_eq!(
            files,
            [
                "/etc/sasl2/Sendmail.conf",
                "/etc/sasl/Sendmail.conf",
                "/usr/lib/x86_64-linux-gnu/sasl2/Sendmail.conf",
                "/usr/lib/sasl2/Sendmail.conf",
                "/usr/local/lib/sasl2/Sendmail.conf",
                "/usr/lib/sasl/Sendmail.conf",
            ]
        );
    }

    #[test]
    fn libraries_are_told_by_their_names() {
        for (name, machine, libsasl, plug_in) in [
            ("x86_64-linux-gnu", true, false, false),
            ("ld-linux-x86-64.so.2", false, false, false),
            ("libsasl2.so.2.0.25", false, true, false),
            ("libsasl2.so", false, true, true),
            ("libplain.so", false, false, true),
            ("libplain.so.2", false, false, false),
            ("berkeley_db.txt", false, false, false),
        ] {
            assert_eq!(
                (is_machine(name), is_libsasl(name), is_plug_in(name)),
                (machine, libsasl, plug_in),
                "{name}"
            );
        }
    }
}
