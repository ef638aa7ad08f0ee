//! The queue directory. A message is one file: its [envelope](super::envelope), then its octets. It is written beside
//! (`ID.new`), synced, renamed (`ID.mail`), and the directory is synced: then, and not before, it was accepted. What a
//! crash leaves of one that was not is removed when the queue is taken up again. `ID.done-N` says that the recipient N
//! (counted from 0) was served or given up; `ID.last` when it was tried last in vain and why: a line with the seconds since
//! the epoch, then what went wrong, for a person.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use safefile::{Kind, OpenError, SafeDir, SafeFile, Trust};

use super::envelope::{Envelope, MAX_OCTETS};
use crate::event::{Event, Journal};
use crate::header::{Claims, HeaderScan};
use crate::lock::lock;

/// The queue directory, open.
#[derive(Debug)]
pub struct Spool {
    dir: SafeDir,
    trust: Trust,
    /// When the directory was judged last, and what is wrong with it.
    judged: Mutex<Option<(Instant, Option<String>)>>,
    min_free: AtomicU64,
    counter: AtomicU16,
}

/// A message that is coming in. Dropped without having been committed, nothing is left of it.
#[derive(Debug)]
pub struct Draft {
    spool: Arc<Spool>,
    id: String,
    file: Option<File>,
    scan: HeaderScan,
    /// What is not written yet.
    waiting: Vec<u8>,
    size: u64,
    fault: Option<io::Error>,
}

/// A message that lies in the queue.
#[derive(Debug)]
pub struct Stored {
    /// Who sends it to whom.
    pub envelope: Envelope,
    /// The file.
    pub file: SafeFile,
    /// Where in the file its octets begin.
    pub begins: u64,
}

/// When a message was tried last, and why in vain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastTry {
    /// Seconds since the epoch.
    pub at: u64,
    /// A line for each recipient.
    pub words: String,
}

impl Spool {
    /// Opens the directory, whose whole path is judged. With less than `min_free` octets free on its filesystem nothing
    /// is taken in.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(path: &Path, trust: &Trust, min_free: u64) -> Result<Self, OpenError> {
        let dir = SafeDir::open(path, Kind::SecretDirectory, trust)?;
        let (judged, counter) = (Mutex::default(), AtomicU16::new(0));
        Ok(Self { dir, trust: trust.clone(), judged, min_free: AtomicU64::new(min_free), counter })
    }

    /// Asks for so many free octets from now on.
    pub(crate) fn keep_free(&self, octets: u64) {
        self.min_free.store(octets, Ordering::Relaxed);
    }

    /// Whether the directory is still one that nobody else can write to: its path is walked anew, unless that was done
    /// within the last second. What was said then is said again.
    fn judge(&self) -> io::Result<()> {
        let mut judged = lock(&self.judged);
        if judged.as_ref().is_none_or(|(at, _)| at.elapsed() >= BETWEEN) {
            let found = SafeDir::open(self.dir.path(), Kind::SecretDirectory, &self.trust);
            *judged = Some((Instant::now(), found.err().map(|error| error.to_string())));
        }
        match judged.as_ref().and_then(|(_, fault)| fault.clone()) {
            Some(words) => Err(io::Error::other(words)),
            None => Ok(()),
        }
    }

    /// A name that no message has had: the time, and a number.
    pub(crate) fn new_id(&self, at: SystemTime) -> String {
        let micros = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        format!("{micros:013X}{:04X}", self.counter.fetch_add(1, Ordering::Relaxed))
    }

    /// Begins to take a message in. Of the fields that are added, those at the top are given here.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] where there is little room; else as open(2).
    pub(crate) fn draft(
        self: &Arc<Self>,
        id: String,
        envelope: &Envelope,
        fields: &str,
        scan: HeaderScan,
    ) -> io::Result<Draft> {
        self.judge()?;
        if self.dir.free_octets()? < self.min_free.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let file = self.dir.create_file(named(&id, NEW).as_ref())?;
        let waiting = format!("{envelope}{fields}").into_bytes();
        Ok(Draft { spool: Arc::clone(self), id, file: Some(file), scan, waiting, size: 0, fault: None })
    }

    /// The messages that lie in it, the oldest first.
    ///
    /// # Errors
    /// As readdir(3).
    pub fn ids(&self) -> io::Result<Vec<String>> {
        Ok(self.names()?.iter().filter_map(|name| name.strip_suffix(MAIL)).map(str::to_owned).collect())
    }

    /// After a start: removes what was never accepted, and what is left of messages that are gone; tells the others.
    ///
    /// # Errors
    /// As readdir(3).
    pub(crate) fn take_up(&self, journal: &dyn Journal) -> io::Result<Vec<String>> {
        let ids = self.ids()?;
        for name in self.names()? {
            let owner = name.split_once(DONE).map(|(id, _)| id).or_else(|| name.strip_suffix(LAST));
            let is_orphan = owner.is_some_and(|id| ids.binary_search(&id.to_owned()).is_err());
            if name.ends_with(NEW) || is_orphan {
                self.remove_name(&name, journal);
            } else if owner.is_none() && !name.ends_with(MAIL) {
                journal.note(&Event::QueueDamaged { file: &name, what: "no file of the queue" });
            }
        }
        Ok(ids)
    }

    /// Opens a message.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] where the file holds something else; else as open(2).
    pub fn message(&self, id: &str) -> io::Result<Stored> {
        let file = self.dir.open_file(named(id, MAIL).as_ref(), Kind::Secret).map_err(in_words)?;
        let mut head = Vec::new();
        loop {
            let before = head.len();
            head.resize(before + HEAD, 0);
            let count = file.read_at(&mut head[before..], before as u64)?;
            head.truncate(before + count);
            match Envelope::parse(&head) {
                Ok((envelope, begins)) => return Ok(Stored { envelope, file, begins: begins as u64 }),
                Err(_) if count == HEAD && head.len() < MAX_OCTETS => {}
                Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            }
        }
    }

    /// Whether a recipient was served.
    ///
    /// # Errors
    /// As open(2).
    pub fn is_done(&self, id: &str, recipient: usize) -> io::Result<bool> {
        match self.dir.open_file(marker(id, recipient).as_ref(), Kind::Secret) {
            Ok(_) => Ok(true),
            Err(error) if error.is_missing() => Ok(false),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    /// When a message was tried last, and why in vain; none where it was not, or nobody could write it down.
    pub fn last_try(&self, id: &str) -> Option<LastTry> {
        let file = self.dir.open_file(named(id, LAST).as_ref(), Kind::Secret).ok()?;
        let text = String::from_utf8(file.read_whole(MOST_WORDS as u64 + 64).ok()?).ok()?;
        let (at, words) = text.split_once('\n')?;
        Some(LastTry { at: at.parse().ok()?, words: words.to_owned() })
    }

    /// Writes that down. It is for whoever looks: nothing depends on it, so nothing is synced, and trouble is of no matter.
    pub(crate) fn note_last_try(&self, id: &str, at: u64, words: &str) {
        let name = named(id, LAST);
        let words: String = words.chars().take(MOST_WORDS / 4).collect();
        let _ = self.dir.remove_file(name.as_ref());
        let _ = self.dir.create_file(name.as_ref()).and_then(|mut file| write!(file, "{at}\n{words}"));
    }

    /// The header of a message with the CRLF of its last line, or as much of it as a report holds.
    pub(crate) fn header(stored: &Stored) -> io::Result<Vec<u8>> {
        let mut header = vec![0; MOST_HEADER];
        let mut length = 0;
        loop {
            let count = stored.file.read_at(&mut header[length..], stored.begins + length as u64)?;
            length += count;
            let end = memchr::memmem::find(&header[..length], b"\r\n\r\n").map(|end| end + 2);
            let whole = || memchr::memmem::rfind(&header[..length], b"\r\n").map_or(0, |end| end + 2);
            if let Some(end) = end.or_else(|| (count == 0).then(whole)) {
                header.truncate(end);
                return Ok(header);
            }
        }
    }

    /// A recipient was served, and is not to be served again.
    pub(crate) fn mark_done(&self, id: &str, recipient: usize) -> io::Result<()> {
        match self.dir.create_file(marker(id, recipient).as_ref()) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => self.dir.sync(),
        }
    }

    /// Everybody was served. That the name is gone need not be durable: at worst somebody is served twice.
    pub(crate) fn remove(&self, id: &str, recipients: usize) -> io::Result<()> {
        self.dir.remove_file(named(id, MAIL).as_ref())?;
        let _ = self.dir.remove_file(named(id, LAST).as_ref());
        if recipients > 1 {
            for recipient in 0..recipients {
                // Those that stay are swept at the next start.
                let _ = self.dir.remove_file(marker(id, recipient).as_ref());
            }
        }
        Ok(())
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let entries = self.dir.entries()?.into_iter();
        Ok(entries.map(|entry| entry.name.to_string_lossy().into_owned()).collect())
    }

    fn remove_name(&self, name: &str, journal: &dyn Journal) {
        if let Err(error) = self.dir.remove_file(OsStr::new(name)) {
            journal.note(&Event::QueueDamaged { file: name, what: &error.to_string() });
        }
    }
}

impl Draft {
    /// The name that it will have.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Octets of the message so far, as they came.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Takes octets of the message. They are written when [`Draft::wants_writing`].
    pub(crate) fn push(&mut self, octets: &[u8]) {
        self.size += octets.len() as u64;
        if self.fault.is_none() {
            self.scan.pass(octets, &mut self.waiting);
        }
    }

    /// Whether so much waits that [`Draft::write_out`] had better be called where waiting does no harm.
    pub(crate) fn wants_writing(&self) -> bool {
        self.waiting.len() >= CHUNK
    }

    /// Writes what waits. A fault is kept until the end, when the client can be told.
    pub(crate) fn write_out(&mut self) {
        let Some(file) = &mut self.file else { return };
        let written = if self.fault.is_none() { file.write_all(&self.waiting) } else { Ok(()) };
        self.fault = self.fault.take().or(written.err());
        self.waiting.clear();
    }

    /// Nothing more comes: what its header says of its senders is known.
    pub(crate) fn end(&mut self) -> Claims<'_> {
        self.scan.finish(&mut self.waiting);
        self.scan.claims()
    }

    /// Makes it durable, and one that was accepted.
    ///
    /// # Errors
    /// As the file system says, now or earlier; nothing is left then.
    pub(crate) fn commit(mut self) -> io::Result<()> {
        self.scan.finish(&mut self.waiting);
        self.write_out();
        let file = self.file.take().ok_or(io::ErrorKind::Other)?;
        if let Some(fault) = self.fault.take() {
            self.file = Some(file);
            return Err(fault);
        }
        let named = self.spool.judge().and_then(|()| file.sync_all()).and_then(|()| self.give_name());
        if named.is_err() {
            self.file = Some(file);
        }
        named
    }

    fn give_name(&self) -> io::Result<()> {
        let (new, mail) = (named(&self.id, NEW), named(&self.id, MAIL));
        let dir = &self.spool.dir;
        dir.move_file(new.as_ref(), dir, mail.as_ref())?;
        dir.sync().inspect_err(|_| {
            // It will be refused: if it stays in spite of that, it comes twice, which is better than not at all.
            let _ = dir.remove_file(mail.as_ref());
        })
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.file.is_some() {
            // What cannot be removed now is removed at the next start.
            let _ = self.spool.dir.remove_file(named(&self.id, NEW).as_ref());
        }
    }
}

fn in_words(error: OpenError) -> io::Error {
    let kind = if error.is_missing() { io::ErrorKind::NotFound } else { io::ErrorKind::Other };
    io::Error::new(kind, error)
}

fn named(id: &str, suffix: &str) -> String {
    format!("{id}{suffix}")
}

fn marker(id: &str, recipient: usize) -> String {
    format!("{id}{DONE}{recipient}")
}

/// "Before every open", for a process that lives long.
const BETWEEN: Duration = Duration::from_secs(1);
const NEW: &str = ".new";
const MAIL: &str = ".mail";
const DONE: &str = ".done-";
const LAST: &str = ".last";
/// Octets of what is said of a try.
const MOST_WORDS: usize = 16 << 10;
/// Octets of a header that go into a report.
const MOST_HEADER: usize = 64 << 10;
const CHUNK: usize = 64 << 10;
const HEAD: usize = 16 << 10;
