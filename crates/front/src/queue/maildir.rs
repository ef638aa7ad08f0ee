//! Mailboxes: a Maildir for each address below one directory, which belongs to the front and is nobody's home.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use safefile::{Dress, Kind, OpenError, SafeDir, Trust};
use smtp::address::{Domain, Mailbox};

/// The directory of the Maildirs.
#[derive(Debug, Clone)]
pub struct Maildirs {
    base: PathBuf,
    trust: Trust,
}

/// What came of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// It is there now.
    Now,
    /// It was there already: the last try was cut off behind it.
    Before,
}

impl Maildirs {
    /// Maildirs below a directory. Nothing is opened yet.
    pub fn new(base: &Path, trust: Trust) -> Self {
        Self { base: base.to_owned(), trust }
    }

    /// Whether an address has one.
    ///
    /// # Errors
    /// [`OpenError`]: unsafe, or the system refused.
    pub fn has(&self, mailbox: &Mailbox) -> Result<bool, OpenError> {
        let Some(path) = self.path(mailbox) else { return Ok(false) };
        match SafeDir::open(&path, Kind::SecretDirectory, &self.trust) {
            Ok(_) => Ok(true),
            Err(error) if error.is_missing() => {
                // Is it this one that is missing, or all of them?
                SafeDir::open(&self.base, Kind::SecretDirectory, &self.trust).map(|_| false)
            }
            Err(error) => Err(error),
        }
    }

    /// Writes a message beside, syncs it, and gives it its name; the same name a second time is no second message.
    ///
    /// # Errors
    /// As the file system says; an address without a Maildir is [`io::ErrorKind::NotFound`].
    pub fn deliver(
        &self,
        mailbox: &Mailbox,
        name: &str,
        write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> io::Result<Delivered> {
        let path = self.path(mailbox).ok_or(io::ErrorKind::NotFound)?;
        let _exists = SafeDir::open(&path, Kind::SecretDirectory, &self.trust).map_err(io::Error::other)?;
        let part = |part: &str| self.part(&path.join(part));
        let (tmp, new) = (part("tmp")?, part("new")?);
        part("cur")?;
        let name = OsStr::new(name);
        // A try that was cut off has left a part of it.
        let _ = tmp.remove_file(name);
        let mut file = BufWriter::with_capacity(BUFFER, tmp.create_file(name)?);
        let written = write(&mut file).and_then(|()| file.into_inner()?.sync_all());
        match written.and_then(|()| tmp.move_file(name, &new, name)) {
            Ok(()) => new.sync().map(|()| Delivered::Now),
            Err(error) => {
                let _ = tmp.remove_file(name);
                if error.kind() == io::ErrorKind::AlreadyExists { Ok(Delivered::Before) } else { Err(error) }
            }
        }
    }

    fn part(&self, path: &Path) -> io::Result<SafeDir> {
        let dress = Dress { owner: None, group: None, mode: 0o700 };
        SafeDir::create(path, Kind::SecretDirectory, &self.trust, &dress).map_err(io::Error::other)
    }

    fn path(&self, mailbox: &Mailbox) -> Option<PathBuf> {
        directory_name(mailbox).map(|name| self.base.join(name))
    }
}

/// `user@domain` in lower case. An address that would lead elsewhere, or is written with quotation marks, has none.
fn directory_name(mailbox: &Mailbox) -> Option<String> {
    let Domain::Name(domain) = &mailbox.domain else { return None };
    let local = mailbox.local.as_str();
    let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"._-+=&~#$'*?^{}|`".contains(&octet);
    let starts_well = local.bytes().next().is_some_and(|first| first != b'.');
    let is_good = starts_well && local.bytes().all(is_plain) && domain.len() + local.len() < MAX_NAME;
    is_good.then(|| format!("{local}@{domain}").to_ascii_lowercase())
}

/// What a file name may have, and a little less.
const MAX_NAME: usize = 250;
const BUFFER: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_directory_or_none() {
        let name = |text: &str| directory_name(&Mailbox::parse(text.as_bytes()).unwrap());
        assert_eq!(name("Alice.B+x@Gate.TEST").as_deref(), Some("alice.b+x@gate.test"));
        for none in
            ["../x@gate.test", "a/b@gate.test", "\"..\"@gate.test", "\".a\"@gate.test", "\"a b\"@gate.test"]
        {
            assert!(Mailbox::parse(none.as_bytes()).is_err() || name(none).is_none(), "{none}");
        }
        assert_eq!(name("a@[192.0.2.1]"), None);
        assert_eq!(name("a%b@gate.test"), None);
    }
}
