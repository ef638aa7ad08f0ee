//! Changes of owner and mode that make a component safe: as a command for a person, and carried out. What needs changing
//! is decided in `refusal`.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, XattrFlags, chmodat, chownat, getxattr, setxattr};

use crate::account::{Account, Uid};
use crate::acl::{self, Named, Perms};
use crate::facts::{ACL_ATTRIBUTE, Facts, FileType, XATTR_SIZE_MAX, name_in_proc};
use crate::kind::Role;
use crate::mount::Mount;
use crate::quote::shell_quote;
use crate::walk::{End, Fault, Walk};

/// A change of owner or mode that makes a component safe. It only ever takes access from those who are not trusted.
///
/// Its [`Display`](fmt::Display) is the command for a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mend {
    component: PathBuf,
    device: u64,
    inode: u64,
    file_type: FileType,
    /// Who owned it when it was judged.
    owner: Uid,
    change: Change,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    TakeFromGroup(Perms),
    TakeFromOthers(Perms),
    /// An entry of the access list is left these rights at most.
    Narrow(Named, Perms),
    Owner(Account),
    OwnerOfLink(Account),
}

impl Mend {
    pub(crate) fn new(component: &Path, facts: &Facts, change: Change) -> Self {
        let (device, inode, file_type, owner) = (facts.device, facts.inode, facts.file_type, facts.uid);
        Self { component: component.to_owned(), device, inode, file_type, owner, change }
    }

    /// What is to be changed, by its real path.
    pub fn component(&self) -> &Path {
        &self.component
    }

    /// Makes the change, on the very file that was judged and no other: a command that names a path could be led
    /// elsewhere by whoever may write the directory.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when something else stands at that path by now; else what the system says.
    pub fn apply(&self) -> io::Result<()> {
        let (fd, facts) = find(&self.component)?;
        if !self.is_meant(&facts) {
            return Err(another());
        }
        match &self.change {
            Change::TakeFromGroup(perms) => take(&fd, facts.mode, perms.bits() << 3),
            Change::TakeFromOthers(perms) => take(&fd, facts.mode, perms.bits()),
            Change::Narrow(named, harmless) => narrow(&fd, *named, *harmless),
            Change::Owner(account) | Change::OwnerOfLink(account) => give(&fd, account),
        }
    }

    /// The number of a file that was removed is soon another file's, so what it is and who owned it count too. Another
    /// owner is one whom a mend before this one set.
    fn is_meant(&self, facts: &Facts) -> bool {
        let by_mend = match &self.change {
            Change::Owner(account) | Change::OwnerOfLink(account) => facts.uid == account.uid,
            Change::TakeFromGroup(_) | Change::TakeFromOthers(_) | Change::Narrow(..) => true,
        };
        (facts.device, facts.inode, facts.file_type) == (self.device, self.inode, self.file_type)
            && (by_mend || facts.uid == self.owner)
    }
}

impl fmt::Display for Mend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = shell_quote(&self.component);
        match &self.change {
            Change::TakeFromGroup(perms) => write!(f, "chmod g-{} {path}", perms.letters()),
            Change::TakeFromOthers(perms) => write!(f, "chmod o-{} {path}", perms.letters()),
            // Without -n the mask would be made anew, and other entries that it cut would come to life.
            Change::Narrow(named, harmless) => {
                write!(f, "setfacl -n -m {} {path}", shell_quote(format!("{named}:{harmless}")))
            }
            Change::Owner(account) => write!(f, "chown {} {path}", shell_quote(account.short())),
            Change::OwnerOfLink(account) => {
                write!(f, "chown -h {} {path}", shell_quote(account.short()))
            }
        }
    }
}

/// Walks there. A real path has no links on it, so whoever put one there since wants to lead elsewhere; nor is a user's
/// program asked that might never answer.
fn find(component: &Path) -> io::Result<(OwnedFd, Facts)> {
    let mut walk = Walk::begin(component.parent().unwrap_or(component)).map_err(Fault::into_io)?;
    while let Some(step) = walk.step().map_err(Fault::into_io)? {
        let is_strange = matches!(step.facts.mount, Mount::Fuse(uid) if !uid.is_root());
        if is_strange || step.role == Role::Link {
            return Err(another());
        }
    }
    let End::Directory(place) = walk.end() else { return Err(another()) };
    match component.file_name() {
        Some(name) => place.look(name, component, true).map_err(Fault::into_io),
        None => Ok((place.as_fd().try_clone_to_owned()?, place.facts().clone())),
    }
}

fn another() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "another file stands there by now")
}

/// A descriptor that is only a path takes no fchmod; `/proc` has a name for the very file behind it.
fn take(fd: &OwnedFd, mode: u32, bits: u32) -> io::Result<()> {
    let left = Mode::from_raw_mode(mode & !bits);
    Ok(chmodat(CWD, name_in_proc(fd), left, AtFlags::empty())?)
}

fn give(fd: &OwnedFd, account: &Account) -> io::Result<()> {
    let owner = rustix::fs::Uid::from_raw(account.uid.0);
    Ok(chownat(fd, "", Some(owner), None, AtFlags::EMPTY_PATH)?)
}

fn narrow(fd: &OwnedFd, named: Named, harmless: Perms) -> io::Result<()> {
    let name = name_in_proc(fd);
    let mut octets = vec![0; XATTR_SIZE_MAX];
    let length = getxattr(&*name, ACL_ATTRIBUTE, &mut octets)?;
    octets.truncate(length);
    let left = acl::narrowed(&octets, named, harmless);
    Ok(setxattr(&*name, ACL_ATTRIBUTE, &left, XattrFlags::REPLACE)?)
}
