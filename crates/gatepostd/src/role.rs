//! The processes that are not root: this same binary, started again by the opener with its [`Passage`] as standard input.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clap::ValueEnum;
use cli::{Exit, Report};
use config::Owner;
use keeper::run::Observer;
use nix::sys::signal::SigSet;
use nix::unistd::setsid;
use safefile::{Account, Passage, Trust, Uid};

use crate::journal::{Journal, Line, Priority, Style};
use crate::lines;

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
pub(crate) enum Role {
    /// Holds the store.
    Keeper,
    /// Holds the network.
    Front,
}

impl Role {
    /// In the order in which they are started.
    pub(crate) const ALL: [Self; 2] = [Self::Keeper, Self::Front];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Keeper => "keeper",
            Self::Front => "front",
        }
    }

    /// The name of the process.
    pub(crate) const fn process(self) -> &'static str {
        match self {
            Self::Keeper => "gatepostd-keeper",
            Self::Front => "gatepostd-front",
        }
    }

    /// Which files it may have opened.
    pub(crate) const fn owner(self) -> Owner {
        match self {
            Self::Keeper => Owner::Keeper,
            Self::Front => Owner::Front,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What one of them is told at its start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    pub(crate) role: Role,
    pub(crate) style: Style,
    /// The TrustedUser, to whom files may belong that the opener hands over.
    pub(crate) trusted: Uid,
}

/// Is one of them, until the opener says that it is enough.
pub(crate) fn run(start: Start) -> Result<Exit, Report> {
    let journal = Journal::new(start.role.process(), start.style);
    // What somebody types at our terminal is for the opener to pass on; and who has a terminal as his own may type into it
    // (TIOCSTI), which the front must not do at root's.
    let _ = setsid();
    // The opener reads its signals from a descriptor, and a mask is inherited.
    let _ = SigSet::empty().thread_set_mask();
    let passage = io::stdin().as_fd().try_clone_to_owned().map(Passage::of);
    let ended = match passage {
        Ok(passage) => be(start, passage, journal),
        Err(error) => Err(error.to_string()),
    };
    ended.map(|()| Exit::OK).or_else(|words| {
        journal.write(&Line::new(Priority::Critical, 0, words));
        Ok(Exit::UNAVAILABLE)
    })
}

fn be(start: Start, opener: Passage, journal: Journal) -> Result<(), String> {
    let trust = Trust::root().trusted_user(Account::by_uid(start.trusted));
    match start.role {
        Role::Keeper => {
            keeper::process::prepare().map_err(|error| error.to_string())?;
            let teller = Teller(Mutex::new(journal));
            let observer: Observer = Arc::new(move |event| teller.tell_keepers(&event));
            keeper::run(&opener, &trust, &observer).map_err(|error| error.to_string())
        }
        Role::Front => {
            front::process::prepare().map_err(|error| error.to_string())?;
            front::run(opener, &trust, Arc::new(Teller(Mutex::new(journal))))
                .map_err(|error| error.to_string())
        }
    }
}

/// The log, which follows the configuration.
struct Teller(Mutex<Journal>);

impl Teller {
    fn tell_keepers(&self, event: &keeper::Event) {
        if let keeper::Event::Configured { log_level, log_format, .. } = event {
            self.journal().follow(*log_level, *log_format);
        }
        self.write(&lines::of_keeper(event));
    }

    /// Nobody else waits while a line is written.
    fn write(&self, line: &Line) {
        let journal = *self.journal();
        journal.write(line);
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl front::event::Journal for Teller {
    fn note(&self, event: &front::event::Event<'_>) {
        if let front::event::Event::Configured { log_level, log_format, .. } = event {
            self.journal().follow(*log_level, *log_format);
        }
        let journal = *self.journal();
        if journal.wants(lines::level_of_front(event)) {
            journal.write(&lines::of_front(event));
        }
    }
}
