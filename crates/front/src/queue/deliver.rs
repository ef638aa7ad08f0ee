//! From the queue to where it goes: local recipients to their Maildirs, at once and again later if there is trouble. Who cannot be
//! served in the time that a message may wait is given up, and its sender is told.

use std::fmt;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use safefile::OpenError;
use sha2::{Digest, Sha256};
use smtp::address::{Mailbox, ReversePath};
use smtp::command::Body;
use tokio::sync::Semaphore;

use super::carried::{Again, Carried};
use super::envelope::{Destination, Envelope, Recipient};
use super::maildir::Maildirs;
use super::patience::{Known, Missing, Origin};
use super::report::{GivenUp, Report};
use super::spool::{Spool, Stored};
use crate::event::{Event, Journal, Stat};
use crate::header::HeaderScan;

/// Accepted mail on its way.
pub struct Queue {
    spool: Arc<Spool>,
    maildirs: Maildirs,
    rules: RwLock<DeliveryRules>,
    journal: Arc<dyn Journal>,
    at_once: Semaphore,
    carried: Carried,
    missing: Missing,
}

/// What the queue goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRules {
    /// Our name.
    pub host: String,
    /// Whose mail is delivered here.
    pub local_domains: Vec<String>,
    /// How long it is tried to deliver a message.
    pub lifetime: Duration,
    /// How long a mailbox has to be found missing before it is taken for gone, and how long a message that lay in the queue
    /// at the start is tried at least, if its lifetime is not shorter.
    pub patience: Duration,
}

/// What is left to do for a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// Nothing: it is gone.
    Nothing,
    /// Nothing that could be done: it stays for a person to look at.
    Kept,
    /// Recipients at other hosts, until it has waited for too long.
    Elsewhere,
    /// Another try.
    Again,
}

/// What came of a try.
struct Tried {
    left: Left,
    /// When the message was accepted.
    accepted: u64,
    /// The name of a report that now lies in the queue.
    report: Option<String>,
}

impl Queue {
    /// A queue over its directory and mailboxes.
    pub fn new(
        spool: Spool,
        maildirs: Maildirs,
        rules: DeliveryRules,
        journal: Arc<dyn Journal>,
    ) -> Arc<Self> {
        let at_once = Semaphore::new(DELIVERIES_AT_ONCE);
        let (spool, rules) = (Arc::new(spool), RwLock::new(rules));
        let (carried, missing) = (Carried::default(), Missing::default());
        Arc::new(Self { spool, maildirs, rules, journal, at_once, carried, missing })
    }

    /// The directory.
    pub fn spool(&self) -> &Arc<Spool> {
        &self.spool
    }

    /// Takes nothing in with less room than so many octets, from now on.
    pub fn keep_free(&self, octets: u64) {
        self.spool.keep_free(octets);
    }

    /// Goes by other rules from now on.
    pub fn follow(&self, rules: DeliveryRules) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = rules;
    }

    /// After a start: goes on with what lies in the queue.
    ///
    /// # Errors
    /// As readdir(3).
    pub fn take_up(self: &Arc<Self>) -> io::Result<()> {
        let ids = self.spool.take_up(&*self.journal)?;
        self.journal.note(&Event::QueueTakenUp { messages: ids.len() });
        for id in ids {
            self.begin(id, Origin::Found);
        }
        Ok(())
    }

    /// Delivers a message that was put into the queue, now and as long as it takes.
    pub fn carry_on(self: &Arc<Self>, id: String) {
        self.begin(id, Origin::TakenIn);
    }

    fn begin(self: &Arc<Self>, id: String, origin: Origin) {
        if self.carried.take(&id) {
            tokio::spawn(Arc::clone(self).carry(id, Known::now(origin)));
        }
    }

    /// Whether an address is served here.
    pub(crate) async fn has_mailbox(self: &Arc<Self>, mailbox: Mailbox) -> Result<bool, OpenError> {
        let queue = Arc::clone(self);
        let asked = tokio::task::spawn_blocking(move || queue.maildirs.has(&mailbox));
        // Only where it panicked or the process ends; then nothing is served.
        asked.await.unwrap_or(Ok(false))
    }

    async fn carry(self: Arc<Self>, id: String, known: Known) {
        let mut pause = FIRST_PAUSE;
        loop {
            let tried = self.try_once(id.clone(), known).await;
            tried.report.into_iter().for_each(|report| self.carry_on(report));
            match tried.left {
                Left::Nothing | Left::Kept => match self.carried.put_down(&id) {
                    Again::Yes => {}
                    Again::No => return,
                },
                Left::Elsewhere => self.wait_for_expiry(tried.accepted, known).await,
                Left::Again => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// A reload may change how long that is.
    async fn wait_for_expiry(&self, accepted: u64, known: Known) {
        loop {
            let left = self.time_left(accepted, known);
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LONGEST_PAUSE)).await;
        }
    }

    fn time_left(&self, accepted: u64, known: Known) -> Duration {
        let rules = self.rules();
        known.time_left(age(accepted), rules.lifetime, rules.patience, Instant::now())
    }

    async fn try_once(self: &Arc<Self>, id: String, known: Known) -> Tried {
        let again = Tried { left: Left::Again, accepted: 0, report: None };
        let Ok(_turn) = self.at_once.acquire().await else { return again };
        let queue = Arc::clone(self);
        tokio::task::spawn_blocking(move || queue.deliver(&id, known)).await.unwrap_or(again)
    }

    fn deliver(&self, id: &str, known: Known) -> Tried {
        let nothing_done = |left| Tried { left, accepted: 0, report: None };
        match self.spool.message(id) {
            Ok(stored) => self.deliver_stored(id, &stored, known),
            // Somebody has taken it away.
            Err(error) if error.kind() == io::ErrorKind::NotFound => nothing_done(Left::Nothing),
            Err(error) => {
                self.journal.note(&Event::QueueDamaged { file: id, what: &error.to_string() });
                let is_damaged = error.kind() == io::ErrorKind::InvalidData;
                nothing_done(if is_damaged { Left::Kept } else { Left::Again })
            }
        }
    }

    fn deliver_stored(&self, id: &str, stored: &Stored, known: Known) -> Tried {
        let recipients = &stored.envelope.recipients;
        let is_too_late = self.time_left(stored.envelope.at, known).is_zero();
        let numbers = 0..recipients.len();
        let served: Vec<_> = numbers.map(|number| self.serve(id, stored, number, is_too_late)).collect();
        let mut tried = Tried { left: Left::Nothing, accepted: stored.envelope.at, report: None };
        let (mut given_up, mut trouble) = (Vec::new(), String::new());
        for ((number, recipient), served) in recipients.iter().enumerate().zip(&served) {
            let to = format!("<{}>", recipient.mailbox);
            if let Some(stat) = served.stat() {
                trouble.extend(stat.trouble().map(|words| format!("{to}: {words}\n")));
                self.journal.note(&Event::Delivery { id, to: &to, stat });
            }
            match served {
                Served::GivenUp(why) => given_up.push((number, *why)),
                served => tried.left = tried.left.and(served.left()),
            }
        }
        if !given_up.is_empty() {
            let left = self.report(id, stored, &given_up, &mut tried.report);
            tried.left = tried.left.and(left);
        }
        if tried.left != Left::Nothing {
            self.spool.note_last_try(id, seconds(SystemTime::now()), &trouble);
        } else if let Err(error) = self.spool.remove(id, recipients.len()) {
            self.journal.note(&Event::QueueDamaged { file: id, what: &error.to_string() });
        }
        tried
    }

    fn serve(&self, id: &str, stored: &Stored, number: usize, is_too_late: bool) -> Served {
        let recipients = &stored.envelope.recipients;
        let recipient = &recipients[number];
        let is_alone = recipients.len() == 1;
        match self.spool.is_done(id, number) {
            _ if is_alone => {}
            Ok(true) => return Served::Before,
            Ok(false) => {}
            Err(error) => return Served::Failed(error.to_string()),
        }
        if recipient.destination == Destination::Relay {
            return if is_too_late { Served::GivenUp(GivenUp::Expired) } else { Served::Elsewhere };
        }
        let name = format!("{}.Q{id}R{number}.{}", stored.envelope.at, file_name(&self.rules().host));
        let delivered = self.maildirs.deliver(&recipient.mailbox, &name, |out| copy(stored, recipient, out));
        if delivered.is_ok() {
            self.missing.forget(&recipient.mailbox);
        }
        match delivered {
            Ok(_) if is_alone => Served::Now,
            Ok(_) => self.spool.mark_done(id, number).map_or_else(Served::failed, |()| Served::Now),
            Err(_) if self.is_gone(&recipient.mailbox) => Served::GivenUp(GivenUp::Gone),
            Err(_) if is_too_late => Served::GivenUp(GivenUp::Expired),
            Err(error) => Served::failed(error),
        }
    }

    /// Whether a mailbox has been missing for so long that nobody waits for it any more: a filesystem may be mounted again.
    fn is_gone(&self, mailbox: &Mailbox) -> bool {
        if matches!(self.maildirs.has(mailbox), Ok(false)) {
            return self.missing.note(mailbox, Instant::now()) >= self.rules().patience;
        }
        self.missing.forget(mailbox);
        false
    }

    /// Tells the sender of those who are given up, and only then notes that nothing is left to be done for them: a crash in
    /// between makes a second report, and never none.
    fn report(
        &self,
        id: &str,
        stored: &Stored,
        given_up: &[(usize, GivenUp)],
        made: &mut Option<String>,
    ) -> Left {
        let recipients = &stored.envelope.recipients;
        let failed: Vec<_> =
            given_up.iter().map(|(number, why)| (&recipients[*number].mailbox, *why)).collect();
        let Some(to) = self.whom_to_tell(stored, &failed) else {
            self.journal.note(&Event::Kept { id });
            return Left::Kept;
        };
        let name = report_name(id, given_up);
        let marked = self.put_report(&name, stored, &to, &failed).and_then(|()| {
            *made = Some(name.clone());
            self.journal.note(&Event::Reported { id, report: &name, to: &format!("<{}>", to.mailbox) });
            let numbers = given_up.iter().map(|(number, _)| *number).filter(|_| recipients.len() > 1);
            numbers.into_iter().try_for_each(|number| self.spool.mark_done(id, number))
        });
        match marked {
            Ok(()) => Left::Nothing,
            Err(error) => {
                self.journal.note(&Event::QueueDamaged { file: &name, what: &error.to_string() });
                Left::Again
            }
        }
    }

    fn put_report(
        &self,
        name: &str,
        stored: &Stored,
        to: &Recipient,
        failed: &[(&Mailbox, GivenUp)],
    ) -> io::Result<()> {
        let now = SystemTime::now();
        let report = Report {
            host: &self.rules().host,
            id: name,
            arrived: UNIX_EPOCH + Duration::from_secs(stored.envelope.at),
            now,
            to: &to.mailbox,
            failed,
            header: &Spool::header(stored)?,
        };
        let octets = report.octets();
        let envelope = Envelope {
            at: seconds(now),
            from: ReversePath::Null,
            body: if octets.is_ascii() { Body::SevenBit } else { Body::EightBitMime },
            submitter: None,
            login: None,
            recipients: vec![to.clone()],
        };
        let mut draft = self.spool.draft(name.to_owned(), &envelope, "", HeaderScan::nothing())?;
        draft.push(&octets);
        match draft.commit() {
            // It was made before a crash, or before a mark could not be made.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            committed => committed,
        }
    }

    /// The sender; of what has none, which is never bounced, the postmaster, if he has a Maildir and is not the one who
    /// cannot be reached.
    fn whom_to_tell(&self, stored: &Stored, failed: &[(&Mailbox, GivenUp)]) -> Option<Recipient> {
        let rules = self.rules();
        if let ReversePath::Mailbox(path) = &stored.envelope.from {
            let mailbox = path.mailbox.clone();
            let domain = mailbox.domain.to_string();
            let is_local = rules.local_domains.iter().any(|local| local.eq_ignore_ascii_case(&domain));
            let destination = if is_local { Destination::Local } else { Destination::Relay };
            return Some(Recipient { mailbox, destination });
        }
        let domains = std::iter::once(&rules.host).chain(&rules.local_domains);
        let postmasters =
            domains.filter_map(|domain| Mailbox::parse(format!("postmaster@{domain}").as_bytes()).ok());
        let mailbox = postmasters.into_iter().find(|postmaster| {
            let is_failed = failed.iter().any(|(mailbox, _)| *mailbox == postmaster);
            !is_failed && matches!(self.maildirs.has(postmaster), Ok(true))
        })?;
        Some(Recipient { mailbox, destination: Destination::Local })
    }

    fn rules(&self) -> DeliveryRules {
        self.rules.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

enum Served {
    Now,
    Before,
    Elsewhere,
    GivenUp(GivenUp),
    Failed(String),
}

impl Served {
    fn failed(error: impl fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }

    fn left(&self) -> Left {
        match self {
            Self::Now | Self::Before | Self::GivenUp(_) => Left::Nothing,
            Self::Elsewhere => Left::Elsewhere,
            Self::Failed(_) => Left::Again,
        }
    }

    fn stat(&self) -> Option<Stat<'_>> {
        match self {
            Self::Now => Some(Stat::Sent),
            Self::Before => None,
            Self::Elsewhere => Some(Stat::Deferred("waits for its host")),
            Self::GivenUp(why) => Some(Stat::GivenUp { status: why.status(), words: why.words() }),
            Self::Failed(error) => Some(Stat::Deferred(error)),
        }
    }
}

impl Left {
    fn and(self, other: Self) -> Self {
        [Self::Again, Self::Elsewhere, Self::Kept]
            .into_iter()
            .find(|left| [self, other].contains(left))
            .unwrap_or(Self::Nothing)
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// A clock that was turned back makes nothing older.
fn age(accepted: u64) -> Duration {
    Duration::from_secs(seconds(SystemTime::now()).saturating_sub(accepted))
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

/// The name of a report says of what message it tells and of which recipients, all of them: that of others is another one.
fn report_name(id: &str, given_up: &[(usize, GivenUp)]) -> String {
    let mut numbers = Sha256::new();
    for (number, _) in given_up {
        numbers.update((*number as u64).to_be_bytes());
    }
    let digest = numbers.finalize();
    digest[..DIGEST].iter().fold(format!("{id}B"), |name, octet| format!("{name}{octet:02X}"))
}

/// A host name as part of a file name.
fn file_name(host: &str) -> String {
    host.replace(['/', ':'], "_")
}

const DELIVERIES_AT_ONCE: usize = 4;
/// Octets of it; a message has few reports.
const DIGEST: usize = 8;
const FIRST_PAUSE: Duration = Duration::from_secs(15);
const LONGEST_PAUSE: Duration = Duration::from_mins(15);
/// What [`DeliveryRules::patience`] is, but for tests.
pub(crate) const PATIENCE: Duration = Duration::from_hours(1);
