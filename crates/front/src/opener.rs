//! The connection to the opener: what it says, and files that it is asked for.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;

use safefile::Passage;
use tokio::sync::mpsc;
use wire::{FromOpener, MAX_MESSAGE, ToOpener};

/// What the opener says, and what comes with it.
pub(crate) type Said = (FromOpener, Option<OwnedFd>);

pub(crate) struct Opener {
    passage: Arc<Passage>,
    inbox: mpsc::UnboundedReceiver<io::Result<Said>>,
    /// What came while a file was waited for.
    kept: VecDeque<Said>,
    next_request: u32,
}

/// Why a file was not opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotOpened {
    /// There is none.
    Missing(String),
    /// It is unsafe, or cannot be read.
    Refused(String),
}

impl Opener {
    /// Listens in a thread of its own, since the connection is read by waiting; it ends with the connection.
    pub(crate) fn new(passage: Passage) -> io::Result<Self> {
        let passage = Arc::new(passage);
        let (tell, inbox) = mpsc::unbounded_channel();
        let heard = Arc::clone(&passage);
        thread::Builder::new().name("opener".to_owned()).stack_size(STACK).spawn(move || {
            while let Some(said) = receive(&heard).transpose() {
                let is_last = said.is_err();
                if tell.send(said).is_err() || is_last {
                    return;
                }
            }
        })?;
        Ok(Self { passage, inbox, kept: VecDeque::new(), next_request: 0 })
    }

    /// The next that it says; none when it is gone.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Said>> {
        match self.kept.pop_front() {
            Some(said) => Ok(Some(said)),
            None => self.inbox.recv().await.transpose(),
        }
    }

    pub(crate) fn say(&self, words: &ToOpener) -> io::Result<()> {
        let octets = wire::to_octets(words).map_err(io::Error::other)?;
        self.passage.send(&octets, None)
    }

    /// Asks for a file of the configuration.
    pub(crate) async fn open(&mut self, file: u16) -> io::Result<Result<OwnedFd, NotOpened>> {
        let asked = self.next_request;
        self.next_request = asked.wrapping_add(1);
        self.say(&ToOpener::Open { request: asked, file })?;
        loop {
            let said = self.inbox.recv().await.transpose()?.ok_or(io::ErrorKind::UnexpectedEof)?;
            match said {
                (FromOpener::Opened { request }, Some(descriptor)) if request == asked => {
                    return Ok(Ok(descriptor));
                }
                (FromOpener::Refused { request, is_missing, words }, _) if request == asked => {
                    let why = if is_missing { NotOpened::Missing(words) } else { NotOpened::Refused(words) };
                    return Ok(Err(why));
                }
                // Of another request, which nobody waits for any more.
                (FromOpener::Opened { .. } | FromOpener::Refused { .. }, _) => {}
                said => self.kept.push_back(said),
            }
        }
    }
}

fn receive(passage: &Passage) -> io::Result<Option<Said>> {
    let packet = passage.receive(MAX_MESSAGE)?;
    if packet.octets.is_empty() {
        return Ok(None);
    }
    let said = wire::from_octets(&packet.octets).map_err(io::Error::other)?;
    Ok(Some((said, packet.descriptor)))
}

impl NotOpened {
    pub(crate) fn words(&self) -> &str {
        match self {
            Self::Missing(words) | Self::Refused(words) => words,
        }
    }
}

const STACK: usize = 128 << 10;
