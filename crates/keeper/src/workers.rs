//! The threads beside the one that drives exchanges: some that check passwords, and one for what may wait.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use credential::{ChangedBy, Salts};
use rustix::event::{EventfdFlags, eventfd};
use rustix::process::setpriority_process;
use safefile::{Account, Uid};
use zeroize::Zeroizing;

use crate::check::{Check, Checked};
use crate::event::Event;
use crate::place_file::PlaceFile;
use crate::renewal::{Renewal, Renewed};
use crate::run::Observer;
use crate::shelf::SharedStore;

/// Threads that check passwords. They end when this is dropped.
pub(crate) struct Checkers {
    jobs: Option<Sender<Check>>,
    waiting: Arc<Mutex<Receiver<Check>>>,
    results: Receiver<Checked>,
    sender: Sender<Checked>,
    bell: Arc<Bell>,
    threads: Vec<JoinHandle<()>>,
}

/// Something that a thread rings and the loop of another hears.
struct Bell(OwnedFd);

impl Checkers {
    pub(crate) fn start(number: usize) -> io::Result<Self> {
        let (jobs, waiting) = mpsc::channel();
        let (sender, results) = mpsc::channel();
        let waiting = Arc::new(Mutex::new(waiting));
        let bell = Arc::new(Bell(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?));
        let (jobs, threads) = (Some(jobs), Vec::new());
        let mut checkers = Self { jobs, waiting, results, sender, bell, threads };
        while checkers.threads.len() < number {
            checkers.start_one()?;
        }
        Ok(checkers)
    }

    /// Sees to it that so many are there, and says how many of them are to be used. Those that are too many wait, until they
    /// are wanted again.
    pub(crate) fn have(&mut self, number: usize) -> usize {
        while self.threads.len() < number && self.start_one().is_ok() {}
        number.min(self.threads.len())
    }

    fn start_one(&mut self) -> io::Result<()> {
        let (waiting, sender) = (Arc::clone(&self.waiting), self.sender.clone());
        let bell = Arc::clone(&self.bell);
        let name = format!("check {}", self.threads.len());
        let thread = thread::Builder::new().name(name).spawn(move || work(&waiting, &sender, &bell))?;
        self.threads.push(thread);
        Ok(())
    }

    /// Hands a check to a thread. The keeper gives no more of them at once than there are threads.
    pub(crate) fn give(&self, check: Check) {
        if let Some(jobs) = &self.jobs {
            // Only a keeper without threads has nobody to give it to.
            let _ = jobs.send(check);
        }
    }

    /// Takes a result, and hears the bell no more until there is another.
    pub(crate) fn take(&self) -> Option<Checked> {
        self.bell.hush();
        self.results.try_recv().ok()
    }
}

impl AsFd for Checkers {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.0.as_fd()
    }
}

impl Drop for Checkers {
    fn drop(&mut self) {
        self.jobs = None;
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

impl Bell {
    fn ring(&self) {
        // Fails only where it has been rung 2^64 times.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    fn hush(&self) {
        let _ = rustix::io::read(&self.0, &mut [0; 8]);
    }
}

fn work(jobs: &Mutex<Receiver<Check>>, results: &Sender<Checked>, bell: &Bell) {
    be_patient();
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        if results.send(job.carry_out()).is_err() {
            return;
        }
        bell.ring();
    }
}

/// On Linux a nice value is the thread's own. Where it fails this thread is as urgent as everything else.
fn be_patient() {
    let _ = setpriority_process(None, PATIENT);
}

/// What may wait, or be left undone.
pub(crate) enum Chore {
    /// A record is to be brought to the policy.
    Renew(Box<Renewal>),
    /// Places are to be written.
    Write(PlaceFile, Zeroizing<Vec<u8>>),
}

/// The thread for what may wait. It ends when this is dropped, after what it has begun.
pub(crate) struct Upkeep {
    chores: Option<SyncSender<Chore>>,
    thread: Option<JoinHandle<()>>,
}

impl Upkeep {
    pub(crate) fn start(store: SharedStore, observer: Observer) -> io::Result<Self> {
        let (chores, waiting) = mpsc::sync_channel(MOST_CHORES);
        let thread = thread::Builder::new().name("upkeep".to_owned()).spawn(move || {
            be_patient();
            for chore in waiting {
                if let Some(event) = carry_out(chore, &store) {
                    observer(event);
                }
            }
        })?;
        Ok(Self { chores: Some(chores), thread: Some(thread) })
    }

    /// Hands over a chore, or gives it back where there are too many.
    pub(crate) fn give(&self, chore: Chore) -> Option<Chore> {
        let Some(chores) = &self.chores else { return Some(chore) };
        match chores.try_send(chore) {
            Ok(()) => None,
            Err(TrySendError::Full(chore) | TrySendError::Disconnected(chore)) => Some(chore),
        }
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.chores = None;
        drop(self.thread.take().map(JoinHandle::join));
    }
}

fn carry_out(chore: Chore, store: &SharedStore) -> Option<Event> {
    match chore {
        Chore::Renew(renewal) => renew(*renewal, store),
        Chore::Write(file, octets) => {
            let words = file.write(&octets).err()?.to_string();
            Some(Event::PlacesUnusable { words })
        }
    }
}

fn renew(renewal: Renewal, store: &SharedStore) -> Option<Event> {
    let store = store.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
    let mut salts = [0; Salts::OCTETS];
    getrandom::fill(&mut salts).ok()?;
    let (identity, label) = (renewal.identity().clone(), renewal.label().clone());
    let by = ChangedBy::new(&Account::by_uid(Uid::effective()).short(), "gatepostd").unwrap_or_default();
    match renewal.carry_out(&store, &Salts::from_random(salts), by) {
        Ok(Renewed::Made(made)) => Some(Event::Renewed { identity, label, made }),
        Ok(Renewed::AsItWas | Renewed::Overtaken) => None,
        Err(error) => Some(Event::NotRenewed { identity, words: error.to_string() }),
    }
}

/// The nice value of who derives from passwords: what every login needs, and most of them need nothing else, goes first. A
/// quarter of each processor is left to the checks however much else there is.
const PATIENT: i32 = 5;

/// Renewals that wait, each with a record and a password; of more, the next login tries again.
const MOST_CHORES: usize = 64;
