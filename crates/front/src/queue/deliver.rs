//! From the queue to where it goes: local recipients to their Maildirs, at once and again later if there is trouble.

use std::fmt;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::sync::Arc;
use std::time::Duration;

use safefile::OpenError;
use smtp::address::Mailbox;
use tokio::sync::Semaphore;

use super::envelope::{Destination, Recipient};
use super::maildir::Maildirs;
use super::spool::{Spool, Stored};
use crate::event::{Event, Journal, Stat};

/// Accepted mail on its way.
pub struct Queue {
    spool: Arc<Spool>,
    maildirs: Maildirs,
    host: String,
    journal: Arc<dyn Journal>,
    at_once: Semaphore,
}

/// What is left to do for a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// Nothing: it is gone.
    Nothing,
    /// Recipients at other hosts.
    Elsewhere,
    /// Another try.
    Again,
}

impl Queue {
    /// A queue over its directory and mailboxes.
    pub fn new(spool: Spool, maildirs: Maildirs, host: String, journal: Arc<dyn Journal>) -> Arc<Self> {
        let at_once = Semaphore::new(DELIVERIES_AT_ONCE);
        Arc::new(Self { spool: Arc::new(spool), maildirs, host, journal, at_once })
    }

    /// The directory.
    pub fn spool(&self) -> &Arc<Spool> {
        &self.spool
    }

    /// After a start: goes on with what lies in the queue.
    ///
    /// # Errors
    /// As readdir(3).
    pub fn take_up(self: &Arc<Self>) -> io::Result<()> {
        let ids = self.spool.take_up(&*self.journal)?;
        self.journal.note(&Event::QueueTakenUp { messages: ids.len() });
        for id in ids {
            self.carry_on(id);
        }
        Ok(())
    }

    /// Delivers a message that lies in the queue, now and as long as it takes.
    pub fn carry_on(self: &Arc<Self>, id: String) {
        tokio::spawn(Arc::clone(self).carry(id));
    }

    /// Whether an address is served here.
    pub(crate) async fn has_mailbox(self: &Arc<Self>, mailbox: Mailbox) -> Result<bool, OpenError> {
        let queue = Arc::clone(self);
        let asked = tokio::task::spawn_blocking(move || queue.maildirs.has(&mailbox));
        // Only where it panicked or the process ends; then nothing is served.
        asked.await.unwrap_or(Ok(false))
    }

    async fn carry(self: Arc<Self>, id: String) {
        let mut pause = FIRST_PAUSE;
        while self.try_once(id.clone()).await == Left::Again {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn try_once(self: &Arc<Self>, id: String) -> Left {
        let Ok(_turn) = self.at_once.acquire().await else { return Left::Again };
        let queue = Arc::clone(self);
        tokio::task::spawn_blocking(move || queue.deliver(&id)).await.unwrap_or(Left::Again)
    }

    fn deliver(&self, id: &str) -> Left {
        match self.spool.message(id) {
            Ok(stored) => self.deliver_stored(id, &stored),
            Err(error) => {
                self.journal.note(&Event::QueueDamaged { file: id, what: &error.to_string() });
                if error.kind() == io::ErrorKind::InvalidData { Left::Elsewhere } else { Left::Again }
            }
        }
    }

    fn deliver_stored(&self, id: &str, stored: &Stored) -> Left {
        let recipients = &stored.envelope.recipients;
        let mut left = Left::Nothing;
        for (number, recipient) in recipients.iter().enumerate() {
            let served = self.serve(id, stored, number);
            if let Some(stat) = served.stat() {
                let to = format!("<{}>", recipient.mailbox);
                self.journal.note(&Event::Delivery { id, to: &to, stat });
            }
            left = left.and(served.left());
        }
        if left == Left::Nothing
            && let Err(error) = self.spool.remove(id, recipients.len())
        {
            self.journal.note(&Event::QueueDamaged { file: id, what: &error.to_string() });
        }
        left
    }

    fn serve(&self, id: &str, stored: &Stored, number: usize) -> Served {
        let recipients = &stored.envelope.recipients;
        let recipient = &recipients[number];
        let is_alone = recipients.len() == 1;
        if recipient.destination == Destination::Relay {
            return Served::Elsewhere;
        }
        match self.spool.is_done(id, number) {
            _ if is_alone => {}
            Ok(true) => return Served::Before,
            Ok(false) => {}
            Err(error) => return Served::Failed(error.to_string()),
        }
        let name = format!("{}.Q{id}R{number}.{}", stored.envelope.at, file_name(&self.host));
        let delivered = self
            .maildirs
            .deliver(&recipient.mailbox, &name, |out| copy(stored, recipient, out))
            .and_then(|_| if is_alone { Ok(()) } else { self.spool.mark_done(id, number) });
        delivered.map_or_else(|error| Served::Failed(error.to_string()), |()| Served::Now)
    }
}

enum Served {
    Now,
    Before,
    Elsewhere,
    Failed(String),
}

impl Served {
    fn left(&self) -> Left {
        match self {
            Self::Now | Self::Before => Left::Nothing,
            Self::Elsewhere => Left::Elsewhere,
            Self::Failed(_) => Left::Again,
        }
    }

    fn stat(&self) -> Option<Stat<'_>> {
        match self {
            Self::Now => Some(Stat::Sent),
            Self::Before => None,
            Self::Elsewhere => Some(Stat::Deferred("waits for its host")),
            Self::Failed(error) => Some(Stat::Deferred(error)),
        }
    }
}

impl Left {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Again, _) | (_, Self::Again) => Self::Again,
            (Self::Elsewhere, _) | (_, Self::Elsewhere) => Self::Elsewhere,
            _ => Self::Nothing,
        }
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("spool", &self.spool).finish_non_exhaustive()
    }
}

/// The message as a Maildir has it: the sender above, and LF at the end of each line.
fn copy(stored: &Stored, recipient: &Recipient, out: &mut impl Write) -> io::Result<()> {
    write!(out, "Return-Path: {}\nDelivered-To: {}\n", stored.envelope.from, recipient.mailbox)?;
    // A descriptor of its own: the offset belongs to this copy.
    let mut file = stored.file.as_file().try_clone()?;
    file.seek(SeekFrom::Start(stored.begins))?;
    let mut lines = BufReader::with_capacity(64 << 10, file);
    loop {
        let octets = lines.fill_buf()?;
        if octets.is_empty() {
            return Ok(());
        }
        let count = octets.len();
        // A CR stands only before a LF: whatever else came was refused or normalised.
        octets.split(|&octet| octet == b'\r').try_for_each(|part| out.write_all(part))?;
        lines.consume(count);
    }
}

/// A host name as part of a file name.
fn file_name(host: &str) -> String {
    host.replace(['/', ':'], "_")
}

const DELIVERIES_AT_ONCE: usize = 4;
const FIRST_PAUSE: Duration = Duration::from_secs(15);
const LONGEST_PAUSE: Duration = Duration::from_mins(15);
