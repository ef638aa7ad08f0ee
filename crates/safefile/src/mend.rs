//! Changes of owner and mode that make a component safe: as a command for a person, and carried out. What needs changing
//! is decided in `refusal`.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, Uid, XattrFlags, chmodat, chownat, getxattr, openat, setxattr};

use crate::account::Account;
use crate::acl::{self, Named, Perms};
use crate::facts::{ACL_ATTRIBUTE, Facts, XATTR_SIZE_MAX, name_in_proc};
use crate::quote::shell_quote;

/// A change of owner or mode that makes a component safe. It only ever takes access from those who are not trusted.
///
/// Its [`Display`](fmt::Display) is the command for a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mend {
    component: PathBuf,
    device: u64,
    inode: u64,
    change: Change,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    TakeFromGroup(Perms),
    TakeFromOthers(Perms),
    RemoveEntry(Named),
    Owner(Account),
    OwnerOfLink(Account),
}

impl Mend {
    pub(crate) fn new(component: &Path, facts: &Facts, change: Change) -> Self {
        Self { component: component.to_owned(), device: facts.device, inode: facts.inode, change }
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
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(CWD, &self.component, flags, Mode::empty())?;
        let facts = Facts::of(fd.as_fd(), None)?;
        if (facts.device, facts.inode) != (self.device, self.inode) {
            return Err(io::Error::new(io::ErrorKind::NotFound, "another file stands there by now"));
        }
        match &self.change {
            Change::TakeFromGroup(perms) => take(&fd, facts.mode, perms.bits() << 3),
            Change::TakeFromOthers(perms) => take(&fd, facts.mode, perms.bits()),
            Change::RemoveEntry(named) => remove_entry(&fd, *named),
            Change::Owner(account) | Change::OwnerOfLink(account) => give(&fd, account),
        }
    }
}

impl fmt::Display for Mend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = shell_quote(&self.component);
        match &self.change {
            Change::TakeFromGroup(perms) => write!(f, "chmod g-{} {path}", perms.letters()),
            Change::TakeFromOthers(perms) => write!(f, "chmod o-{} {path}", perms.letters()),
            // Without -n the mask would be made anew, and other entries that it cut would come to life.
            Change::RemoveEntry(named) => write!(f, "setfacl -n -x {named} {path}"),
            Change::Owner(account) => write!(f, "chown {} {path}", account.short()),
            Change::OwnerOfLink(account) => write!(f, "chown -h {} {path}", account.short()),
        }
    }
}

/// A descriptor that is only a path takes no fchmod; `/proc` has a name for the very file behind it.
fn take(fd: &OwnedFd, mode: u32, bits: u32) -> io::Result<()> {
    let left = Mode::from_raw_mode(mode & !bits);
    Ok(chmodat(CWD, name_in_proc(fd), left, AtFlags::empty())?)
}

fn give(fd: &OwnedFd, account: &Account) -> io::Result<()> {
    let owner = Uid::from_raw(account.uid.0);
    Ok(chownat(fd, "", Some(owner), None, AtFlags::EMPTY_PATH)?)
}

fn remove_entry(fd: &OwnedFd, named: Named) -> io::Result<()> {
    let name = name_in_proc(fd);
    let mut octets = vec![0; XATTR_SIZE_MAX];
    let length = getxattr(&*name, ACL_ATTRIBUTE, &mut octets)?;
    octets.truncate(length);
    let left = acl::without(&octets, named);
    Ok(setxattr(&*name, ACL_ATTRIBUTE, &left, XattrFlags::REPLACE)?)
}
