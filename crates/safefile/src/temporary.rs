//! Temporary files beside the ones that they will replace: their names, who is still at work on one, and the removal of
//! those that nobody is at work on any more.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, fchmod, flock, fstat, unlinkat};
use rustix::io::Errno;
use rustix::process::{Pid, getpid, test_kill_process};

use crate::dir::{drop_inherited_acl, entries};
use crate::facts::FileType;
use crate::walk::Place;

/// A temporary file of mode 0600; removed when dropped, unless it was given its final name.
///
/// That somebody is at work on it is told by a shared flock, held through a second open file description (`keeper`), so
/// that the first one can be given away. While it is given away the lock is let go of, since the new owner may want one
/// of its own; then only the process number and the age tell.
#[derive(Debug)]
pub(crate) struct Temporary {
    place: Place,
    name: OsString,
    file: Option<File>,
    keeper: OwnedFd,
    has_final_name: bool,
}

impl Temporary {
    /// Makes one for a file of this name in this directory, and removes those that were left behind for it.
    pub(crate) fn make(place: Place, for_name: &OsStr) -> io::Result<Self> {
        sweep(&place, for_name);
        let mut left = ATTEMPTS;
        loop {
            left -= 1;
            let name = name_for(for_name);
            live().push(name.clone());
            match create(&place, &name) {
                Ok((file, keeper)) => {
                    return Ok(Self { place, name, file: Some(file), keeper, has_final_name: false });
                }
                Err(errno) => {
                    forget(&name);
                    if left == 0 || !matches!(errno, Errno::EXIST | Errno::NOENT | Errno::AGAIN) {
                        return Err(errno.into());
                    }
                }
            }
        }
    }

    /// The directory it is in.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Its name there.
    pub(crate) fn name(&self) -> &OsStr {
        &self.name
    }

    /// The file, for writing, unless it was given away.
    pub(crate) fn file(&self) -> Option<&File> {
        self.file.as_ref()
    }

    /// Gives the file away.
    pub(crate) fn take_file(&mut self) -> Option<File> {
        let file = self.file.take()?;
        // A lock that cannot be let go of was never there.
        let _ = flock(&self.keeper, FlockOperation::Unlock);
        Some(file)
    }

    /// The second descriptor, for reading; not to be handed out.
    pub(crate) fn keeper(&self) -> &OwnedFd {
        &self.keeper
    }

    /// It is no temporary any more.
    pub(crate) fn has_its_final_name(&mut self) {
        self.has_final_name = true;
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.has_final_name {
            // What cannot be removed now is swept by the next one.
            let _ = unlinkat(&self.place, &self.name, AtFlags::empty());
        }
        forget(&self.name);
    }
}

/// A name that nobody has used: random, by the keys that the standard library draws from the system for its maps. It
/// need not be secret, for it is opened exclusively.
pub(crate) fn unique(for_name: impl AsRef<OsStr>) -> OsString {
    name_for(for_name.as_ref())
}

fn name_for(name: &OsStr) -> OsString {
    let random = RandomState::new().hash_one(SystemTime::now());
    let mut octets = prefix(name);
    octets.extend(format!("{}.{random:016x}{SUFFIX}", getpid().as_raw_nonzero()).bytes());
    OsString::from_vec(octets)
}

/// Shortened, so that a long name still has room for the rest.
fn prefix(name: &OsStr) -> Vec<u8> {
    let name = name.as_bytes();
    let name = name.get(..LONGEST_NAME).unwrap_or(name);
    [PREFIX.as_bytes(), name, b"."].concat()
}

fn create(place: &Place, name: &OsStr) -> Result<(File, OwnedFd), Errno> {
    let private = Mode::RUSR | Mode::WUSR;
    let fd = place.open(name, OFlags::CREATE | OFlags::EXCL | OFlags::RDWR, private)?;
    match prepare(place, name, &fd, private) {
        Ok(keeper) => Ok((File::from(fd), keeper)),
        Err(errno) => {
            let _ = unlinkat(place, name, AtFlags::empty());
            Err(errno)
        }
    }
}

/// The umask may have taken even the owner's rights, and the directory given others by its default access list.
fn prepare(place: &Place, name: &OsStr, fd: &OwnedFd, private: Mode) -> Result<OwnedFd, Errno> {
    drop_inherited_acl(fd)?;
    fchmod(fd, private)?;
    let keeper = place.open(name, OFlags::RDONLY, Mode::empty())?;
    lock(&keeper)?;
    let (made, kept) = (fstat(fd)?, fstat(&keeper)?);
    if made.st_ino == kept.st_ino && kept.st_nlink == 1 { Ok(keeper) } else { Err(Errno::AGAIN) }
}

/// A filesystem without locks is no reason to fail.
fn lock(keeper: &OwnedFd) -> Result<(), Errno> {
    match flock(keeper, FlockOperation::NonBlockingLockShared) {
        Err(Errno::AGAIN) => Err(Errno::AGAIN),
        _ => Ok(()),
    }
}

/// Removes what earlier makers of this file left behind. Whatever cannot be looked at is left to whoever can.
fn sweep(place: &Place, for_name: &OsStr) {
    let prefix = prefix(for_name);
    for entry in entries(place).unwrap_or_default() {
        let maker = maker(&prefix, &entry.name);
        if let Some(maker) = maker.filter(|_| entry.file_type == FileType::Regular) {
            let _ = remove_if_abandoned(place, &entry.name, maker);
        }
    }
}

/// The process that made it, by its name.
fn maker(prefix: &[u8], name: &OsStr) -> Option<i32> {
    let rest = name.as_bytes().strip_prefix(prefix)?.strip_suffix(SUFFIX.as_bytes())?;
    let (pid, random) = std::str::from_utf8(rest).ok()?.split_once('.')?;
    let is_random = random.len() == 16 && random.bytes().all(|octet| octet.is_ascii_hexdigit());
    let is_number = pid.bytes().all(|octet| octet.is_ascii_digit());
    pid.parse().ok().filter(|_| is_random && is_number)
}

fn remove_if_abandoned(place: &Place, name: &OsStr, maker: i32) -> Result<(), Errno> {
    let fd = place.open(name, OFlags::RDONLY, Mode::empty())?;
    let stat = fstat(&fd)?;
    if flock(&fd, FlockOperation::NonBlockingLockExclusive) == Err(Errno::AGAIN) {
        return Ok(());
    }
    if is_abandoned(name, maker, stat.st_ctime) {
        unlinkat(place, name, AtFlags::empty())?;
    }
    Ok(())
}

/// Nobody has a lock on it; but one who has given the file away has none for moments.
fn is_abandoned(name: &OsStr, maker: i32, changed: i64) -> bool {
    match Pid::from_raw(maker) {
        Some(maker) if maker == getpid() => !live().iter().any(|mine| mine == name),
        Some(maker) if test_kill_process(maker) != Err(Errno::SRCH) => age(changed) > PATIENCE,
        _ => true,
    }
}

fn age(changed: i64) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(Duration::from_secs(u64::try_from(changed).unwrap_or_default()))
}

fn live() -> MutexGuard<'static, Vec<OsString>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn forget(name: &OsStr) {
    live().retain(|mine| mine != name);
}

/// The temporaries of this process, which need no lock to be known.
static LIVE: Mutex<Vec<OsString>> = Mutex::new(Vec::new());
const PREFIX: &str = ".gatepost-";
const SUFFIX: &str = ".tmp";
/// Of the 255 octets that a name may have.
const LONGEST_NAME: usize = 200;
const ATTEMPTS: u32 = 8;
/// How long a maker that is alive may go without a lock. It is a few moments before and after a library has the file;
/// after this time the number of the process belongs to another one.
const PATIENCE: Duration = Duration::from_mins(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_maker_and_its_file() {
        let own = getpid().as_raw_nonzero().get();
        for (name, for_name, expected) in [
            (name_for(OsStr::new("a.db")), "a.db", Some(own)),
            (name_for(OsStr::new("a.db")), "a", None),
            (name_for(OsStr::new("a")), "a.db", None),
            (OsString::from(".gatepost-a.1.0123456789abcdef.tmp"), "a", Some(1)),
            (OsString::from(".gatepost-a.+1.0123456789abcdef.tmp"), "a", None),
            (OsString::from(".gatepost-a.1.0123456789abcde.tmp"), "a", None),
            (OsString::from(".gatepost-a.1.0123456789abcdex.tmp"), "a", None),
            (OsString::from("gatepost-a.1.0123456789abcdef.tmp"), "a", None),
        ] {
            assert_eq!(maker(&prefix(OsStr::new(for_name)), &name), expected, "{name:?} for {for_name}");
        }
    }

    #[test]
    fn the_longest_name_has_room() {
        let longest = OsString::from("n".repeat(255));
        let name = name_for(&longest);
        assert!(name.len() <= 255);
        assert!(maker(&prefix(&longest), &name).is_some());
    }

    #[test]
    fn only_a_dead_or_forgotten_maker_abandons() {
        let name = OsStr::new("no temporary of this process");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed();
        let own = getpid().as_raw_nonzero().get();
        assert!(is_abandoned(name, own, now));
        assert!(!is_abandoned(name, 1, now));
        assert!(is_abandoned(name, 1, now - 601));
        assert!(is_abandoned(name, i32::MAX, now));
        assert!(is_abandoned(name, 0, now));
    }
}
