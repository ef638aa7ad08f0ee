//! A process of the daemon that is not the opener, as the opener holds it: started with an account of its own and nothing in
//! its environment, and spoken to without ever waiting for it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use safefile::{Account, Packet, Passage};
use wire::{FromOpener, Generation, MAX_MESSAGE, ToOpener};

use crate::role::Start;

/// One that runs.
#[derive(Debug)]
pub(crate) struct Worker {
    child: Child,
    passage: Passage,
    /// Which configuration it says to know.
    pub(crate) generation: Generation,
    /// Whether nothing more is heard from it.
    is_given_up: bool,
    complaints: Quota,
}

/// How many lines of the log somebody may cause by what it asks for.
#[derive(Debug, Default)]
struct Quota {
    since: Option<Instant>,
    used: u32,
}

/// What was heard.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A message.
    Words(ToOpener),
    /// Nothing now.
    Nothing,
    /// It has closed its end, or says what it cannot say.
    End,
}

impl Worker {
    /// Starts this same program in another role; `account` where it is to be another one than ours.
    ///
    /// By `/proc/self/exe`: what was installed meanwhile may speak other words.
    pub(crate) fn start(start: Start, account: Option<&Account>) -> io::Result<Self> {
        let (passage, theirs) = Passage::pair()?;
        rustix::io::ioctl_fionbio(&passage, true)?;
        let mut command = Command::new("/proc/self/exe");
        command
            .arg0(start.role.process())
            .args(["--role", start.role.word(), "--log", &start.style.words()])
            .args(["--trusted", &start.trusted.to_string()])
            .env_clear()
            // resolver(5): names are whole. Below the domains that resolv.conf(5) would search somebody else may give names.
            .env("LOCALDOMAIN", ".")
            .current_dir("/")
            .stdin(Stdio::from(theirs.as_fd().try_clone_to_owned()?))
            .stdout(Stdio::null());
        // Nobody but root types there: with another account, and no input of its own, it has no business to read it.
        match safefile::terminal_to_write() {
            Ok(None) => {}
            Ok(Some(terminal)) => drop(command.stderr(terminal)),
            Err(_) if account.is_none() => {}
            Err(_) => drop(command.stderr(Stdio::null())),
        }
        if let Some(account) = account {
            let group = account.group.ok_or_else(|| io::Error::other("the account has no group"))?;
            // Whoever is made another user by root loses root's other groups too (setgroups).
            command.uid(account.uid.0).gid(group.0);
        }
        let child = command.spawn()?;
        let (generation, complaints) = (Generation(0), Quota::default());
        Ok(Self { child, passage, generation, is_given_up: false, complaints })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Says something. Who has not listened for so long that there is no room left gets an error, and is given up.
    pub(crate) fn say(&self, words: &FromOpener, descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let octets = wire::to_octets(words).map_err(io::Error::other)?;
        self.passage.send(&octets, descriptor)
    }

    /// What it says, if it says something.
    pub(crate) fn hear(&self) -> Heard {
        if self.is_given_up {
            return Heard::Nothing;
        }
        match self.passage.receive(MAX_MESSAGE) {
            Ok(Packet { octets, .. }) if octets.is_empty() => Heard::End,
            Ok(Packet { octets, .. }) => wire::from_octets(&octets).map_or(Heard::End, Heard::Words),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Heard::Nothing,
            Err(_) => Heard::End,
        }
    }

    /// Whether something may be heard from it.
    pub(crate) fn is_talking(&self) -> bool {
        !self.is_given_up
    }

    /// Is not listened to any more; that it ends is seen to.
    pub(crate) fn give_up(&mut self) {
        self.is_given_up = true;
        self.kill();
    }

    /// Whether what it asks for in vain is to be logged once more.
    pub(crate) fn may_be_complained_of(&mut self, now: Instant) -> bool {
        self.complaints.take(now)
    }

    /// How it has ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    pub(crate) fn kill(&mut self) {
        // One that has ended already is seen where all that end are.
        let _ = self.child.kill();
    }
}

impl AsFd for Worker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.passage.as_fd()
    }
}

impl Quota {
    fn take(&mut self, now: Instant) -> bool {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= QUOTA_OF) {
            (self.since, self.used) = (Some(now), 0);
        }
        self.used = self.used.saturating_add(1);
        self.used <= QUOTA
    }
}

/// Nobody is left behind, whatever ends the opener.
impl Drop for Worker {
    fn drop(&mut self) {
        if self.ended().is_none() {
            self.kill();
            let _ = self.child.wait();
        }
    }
}

const QUOTA: u32 = 30;
const QUOTA_OF: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_again_and_again_does_not_fill_the_log() {
        let (mut quota, now) = (Quota::default(), Instant::now());
        assert_eq!((0..100).filter(|_| quota.take(now)).count(), QUOTA as usize);
        assert!(!quota.take(now + QUOTA_OF / 2) && quota.take(now + QUOTA_OF));
    }
}
