//! The keeper's process: one loop over the connections to front and opener and the results of checks. One thread drives
//! all exchanges; nothing in the loop waits for anybody.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use config::{Config, HostAccounts};
use credential::Timestamp;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use safefile::{Passage, Trust};
use wire::{FromOpener, Generation, ListenerId, MAX_MESSAGE, ToKeeper, ToOpener, WireError, frame};
use zeroize::{Zeroize, Zeroizing};

use crate::event::Event;
use crate::exchange::{Effect, Keeper};
use crate::now::Now;
use crate::pace::{Pace, PaceKey, Places};
use crate::place_file::PlaceFile;
use crate::settings::Settings;
use crate::shelf::LiveStore;
use crate::workers::{Checkers, Chore, Upkeep};

/// Who is told what happens; called from several threads.
pub type Observer = Arc<dyn Fn(Event) + Send + Sync>;

/// Why the keeper has ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The opener is gone, or nobody understands it.
    #[error("the connection to the opener has failed: {0}")]
    Opener(#[source] io::Error),
    /// The first configuration has faults.
    #[error("{0}")]
    Configuration(String),
    /// No thread, no random octets, or no way to wait.
    #[error("the system refuses: {0}")]
    System(#[source] io::Error),
}

/// Runs until the opener says that it is enough, or is gone. Nothing is answered before it has sent the configuration; the
/// connection to the front may come before or after, and again whenever there is a new front. Told of: that it is ready, and
/// now and then that it is alive.
///
/// `trust` is for the store and what lies beside it: root and the TrustedUser, who is the one that this process runs as.
/// [`process::prepare`](crate::process::prepare) comes before.
pub fn run(opener: &Passage, trust: &Trust, observer: &Observer) -> Result<(), RunError> {
    let mut front = None;
    loop {
        match receive(opener)? {
            Some((FromOpener::Configuration { generation, path, text, listeners }, _)) => {
                let (config, settings) = read(&path, &text, listeners).map_err(RunError::Configuration)?;
                observer(configured(generation, &config));
                let mut desk = Desk::open(opener, trust, observer, settings, generation)?;
                front.map_or(Ok(()), |descriptor| desk.join(descriptor))?;
                return desk.work();
            }
            Some((FromOpener::Peer, Some(descriptor))) => front = Some(descriptor),
            None | Some((FromOpener::ShutDown, _)) => return Ok(()),
            Some(_) => {}
        }
    }
}

/// Everything that the loop has to do with.
struct Desk<'o> {
    opener: &'o Passage,
    observer: &'o Observer,
    trust: &'o Trust,
    keeper: Keeper<LiveStore>,
    dice: Dice,
    checkers: Checkers,
    upkeep: Upkeep,
    front: Option<Front>,
    store: PathBuf,
    generation: Generation,
    ticked: Instant,
    told: Instant,
    /// Places that nobody had time to write yet.
    unwritten: Option<(PlaceFile, Zeroizing<Vec<u8>>)>,
    written: Instant,
    /// Until when what is under way may take to end.
    ending: Option<Instant>,
}

/// The connection to the front.
struct Front {
    stream: UnixStream,
    decoder: frame::Decoder,
    /// Where what is read comes first.
    heard: Zeroizing<Vec<u8>>,
    out: Zeroizing<Vec<u8>>,
}

/// Which of what was waited for is there.
struct Ready {
    opener: bool,
    checkers: bool,
    front: bool,
}

impl<'o> Desk<'o> {
    fn open(
        opener: &'o Passage,
        trust: &'o Trust,
        observer: &'o Observer,
        settings: Settings,
        generation: Generation,
    ) -> Result<Self, RunError> {
        let records = LiveStore::new(trust.clone());
        let upkeep = Upkeep::start(records.shared(), Arc::clone(observer)).map_err(RunError::System)?;
        let checkers = Checkers::start(settings.bounds.checks).map_err(RunError::System)?;
        let places = places(&PlaceFile::of_store(&settings.store, trust), observer)?;
        let now = Instant::now();
        let pace = Pace::new(settings.throttle.clone(), PaceKey::new(random()?), places, now);
        let store = settings.store.clone();
        let keeper = Keeper::new(settings, records, pace, Zeroizing::new(random()?));
        let desk = Self {
            opener,
            observer,
            trust,
            keeper,
            dice: Dice::new()?,
            checkers,
            upkeep,
            front: None,
            store,
            generation,
            ticked: now,
            told: now,
            unwritten: None,
            written: now,
            ending: None,
        };
        desk.say(&ToOpener::Ready)?;
        desk.say(&ToOpener::Alive(generation))?;
        Ok(desk)
    }

    fn work(mut self) -> Result<(), RunError> {
        self.keeper.tick(&now());
        self.carry_out();
        while !self.has_ended() {
            let ready = self.wait()?;
            if ready.opener && !self.hear_opener()? {
                break;
            }
            if ready.checkers {
                while let Some(checked) = self.checkers.take() {
                    self.keeper.checked(checked, &now());
                }
            }
            if ready.front {
                self.hear_front()?;
            }
            self.pass_time()?;
            self.carry_out();
            self.speak_to_front();
        }
        self.end();
        Ok(())
    }

    fn has_ended(&self) -> bool {
        self.ending.is_some_and(|end| Instant::now() >= end || !self.is_under_way())
    }

    fn is_under_way(&self) -> bool {
        let has_more_to_say = self.front.as_ref().is_some_and(|front| !front.out.is_empty());
        self.front.is_some() && (self.keeper.is_busy() || has_more_to_say)
    }

    fn wait(&self) -> Result<Ready, RunError> {
        let mut waiting =
            vec![PollFd::new(self.opener, PollFlags::IN), PollFd::new(&self.checkers, PollFlags::IN)];
        if let Some(front) = &self.front {
            waiting.push(PollFd::new(&front.stream, front.wishes()));
        }
        let pause = TICK.saturating_sub(self.ticked.elapsed());
        let pause = Timespec { tv_sec: 0, tv_nsec: i64::from(pause.min(LONGEST_PAUSE).subsec_nanos()) };
        match poll(&mut waiting, Some(&pause)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(RunError::System(errno.into())),
        }
        let there = |index: usize| waiting.get(index).is_some_and(|it: &PollFd<'_>| !it.revents().is_empty());
        Ok(Ready { opener: there(0), checkers: there(1), front: there(2) })
    }

    /// Whether the opener has more to say, ever.
    fn hear_opener(&mut self) -> Result<bool, RunError> {
        match receive(self.opener)? {
            None => return Ok(false),
            Some((FromOpener::Configuration { generation, path, text, listeners }, _)) => {
                self.configure(generation, &path, &text, listeners)?;
            }
            Some((FromOpener::Inquire { request, question }, _)) => {
                let finding = self.keeper.inquire(&question, &now());
                self.say(&ToOpener::Found { request, finding })?;
            }
            Some((FromOpener::Peer, Some(descriptor))) => self.join(descriptor)?,
            Some((FromOpener::ShutDown, _)) => self.ending = Some(Instant::now() + TO_THE_END),
            // The keeper asks for no file, and has no listener.
            Some(_) => {}
        }
        Ok(true)
    }

    fn configure(
        &mut self,
        generation: Generation,
        path: &str,
        text: &str,
        listeners: Vec<ListenerId>,
    ) -> Result<(), RunError> {
        let event = match read(path, text, listeners) {
            Ok((config, mut settings)) => {
                // Where the system has no more threads, those that are there have to do.
                settings.bounds.checks = self.checkers.have(settings.bounds.checks);
                self.store.clone_from(&settings.store);
                self.keeper.configure(settings, &now());
                self.generation = generation;
                self.say(&ToOpener::Alive(generation))?;
                configured(generation, &config)
            }
            Err(words) => Event::NotConfigured { generation, words },
        };
        (self.observer)(event);
        Ok(())
    }

    /// A front has come, perhaps in the place of one that is no more.
    fn join(&mut self, descriptor: OwnedFd) -> Result<(), RunError> {
        self.leave(false);
        let stream = UnixStream::from(descriptor);
        stream.set_nonblocking(true).map_err(RunError::System)?;
        self.front = Some(Front {
            stream,
            decoder: frame::Decoder::default(),
            heard: Zeroizing::new(vec![0; AT_ONCE]),
            out: Zeroizing::default(),
        });
        (self.observer)(Event::FrontJoined);
        Ok(())
    }

    fn leave(&mut self, malformed: bool) {
        if self.front.take().is_some() {
            self.keeper.front_left();
            (self.observer)(Event::FrontLeft { malformed });
        }
    }

    fn hear_front(&mut self) -> Result<(), RunError> {
        let Some(front) = &mut self.front else { return Ok(()) };
        if !front.hear().unwrap_or(false) {
            self.leave(false);
            return Ok(());
        }
        while let Some(front) = &mut self.front {
            match front.decoder.next::<ToKeeper>() {
                Ok(Some(message)) => self.keeper.handle(message, &now(), self.dice.throw()?),
                Ok(None) => return Ok(()),
                Err(WireError::Malformed | WireError::TooLong) => self.leave(true),
            }
        }
        Ok(())
    }

    fn pass_time(&mut self) -> Result<(), RunError> {
        if self.ticked.elapsed() < TICK {
            return Ok(());
        }
        self.ticked = Instant::now();
        self.keeper.tick(&now());
        if self.written.elapsed() >= BETWEEN_WRITES {
            self.written = Instant::now();
            self.write_places();
        }
        if self.told.elapsed() >= BETWEEN_SIGNS_OF_LIFE {
            self.told = Instant::now();
            self.say(&ToOpener::Alive(self.generation))?;
        }
        Ok(())
    }

    fn carry_out(&mut self) {
        while let Some(effect) = self.keeper.next_effect() {
            match effect {
                Effect::Send(message) => {
                    let Some(front) = &mut self.front else { continue };
                    // A challenge of ours is never as long as a message may be.
                    if frame::push(&message, &mut front.out).is_err() {
                        self.leave(false);
                    }
                }
                Effect::Check(check) => self.checkers.give(*check),
                Effect::Renew(renewal) => drop(self.upkeep.give(Chore::Renew(renewal))),
                Effect::Tell(event) => (self.observer)(event),
            }
        }
    }

    fn speak_to_front(&mut self) {
        if self.front.as_mut().is_some_and(|front| front.speak().is_err()) {
            self.leave(false);
            self.carry_out();
        }
    }

    fn write_places(&mut self) {
        if let Some(octets) = self.keeper.take_places() {
            self.unwritten = Some((PlaceFile::of_store(&self.store, self.trust), octets));
        }
        if let Some((file, octets)) = self.unwritten.take()
            && let Some(Chore::Write(file, octets)) = self.upkeep.give(Chore::Write(file, octets))
        {
            self.unwritten = Some((file, octets));
        }
    }

    fn end(mut self) {
        self.leave(false);
        self.carry_out();
        self.write_places();
    }

    /// Says something to the opener, unless it does not listen: nothing here waits for it.
    fn say(&self, words: &ToOpener) -> Result<(), RunError> {
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut listens = [PollFd::new(self.opener, PollFlags::OUT)];
        if !matches!(poll(&mut listens, Some(&at_once)), Ok(1..)) {
            return Ok(());
        }
        let octets = wire::to_octets(words).map_err(|error| RunError::Opener(io::Error::other(error)))?;
        match self.opener.send(&octets, None) {
            // That it is gone is seen where it is listened to.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(RunError::Opener(error)),
            _ => Ok(()),
        }
    }
}

impl Front {
    /// Who does not take the answers is not listened to.
    fn wishes(&self) -> PollFlags {
        let hears = if self.out.len() < MOST_UNSAID { PollFlags::IN } else { PollFlags::empty() };
        if self.out.is_empty() { hears } else { hears | PollFlags::OUT }
    }

    /// Reads what is there, as far as it fits; `false`: there will be no more.
    fn hear(&mut self) -> io::Result<bool> {
        if !self.wishes().contains(PollFlags::IN) {
            return Ok(true);
        }
        match self.stream.read(&mut self.heard) {
            Ok(0) => Ok(false),
            Ok(count) => {
                self.decoder.feed(&self.heard[..count]);
                self.heard[..count].zeroize();
                Ok(true)
            }
            Err(error) if is_passing(&error) => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn speak(&mut self) -> io::Result<()> {
        let mut said = 0;
        while said < self.out.len() {
            match self.stream.write(&self.out[said..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => said += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        self.out.copy_within(said.., 0);
        let left = self.out.len() - said;
        self.out.truncate(left);
        Ok(())
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// What the opener says, and what comes with it; `None`: it is gone.
fn receive(opener: &Passage) -> Result<Option<(FromOpener, Option<OwnedFd>)>, RunError> {
    let packet = match opener.receive(MAX_MESSAGE) {
        // It has left without hearing us out.
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
        packet => packet.map_err(RunError::Opener)?,
    };
    if packet.octets.is_empty() {
        return Ok(None);
    }
    let message = wire::from_octets(&packet.octets);
    let message = message.map_err(|error| RunError::Opener(io::Error::other(error)))?;
    Ok(Some((message, packet.descriptor)))
}

fn read(path: &str, text: &str, listeners: Vec<ListenerId>) -> Result<(Config, Settings), String> {
    let config = Config::parse(Path::new(path), text.as_bytes(), &HostAccounts);
    let config = config.map_err(|faults| faults.to_string())?;
    let settings = Settings::of(&config)
        .map_err(|error| format!("the host's name is no realm, and auth.realm says none: {error}"))?;
    Ok((config, settings.numbered(listeners)))
}

fn configured(generation: Generation, config: &Config) -> Event {
    Event::Configured { generation, log_level: config.log_level, log_format: config.log_format }
}

/// What is remembered from before; else nothing, with a key of its own.
fn places(file: &PlaceFile, observer: &Observer) -> Result<Places, RunError> {
    let found = file.read().unwrap_or_else(|error| {
        observer(Event::PlacesUnusable { words: error.to_string() });
        None
    });
    found.map_or_else(|| Ok(Places::new(PaceKey::new(random()?))), Ok)
}

fn now() -> Now {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Now { instant: Instant::now(), time: Timestamp(time) }
}

fn random<const N: usize>() -> Result<[u8; N], RunError> {
    let mut octets = [0; N];
    getrandom::fill(&mut octets).map_err(|error| RunError::System(io::Error::other(error)))?;
    Ok(octets)
}

/// Random octets for each message, drawn for several of them at once: to ask the system takes longer than most of what
/// is done with them.
struct Dice {
    drawn: Zeroizing<[u8; 512]>,
    thrown: usize,
}

impl Dice {
    fn new() -> Result<Self, RunError> {
        Ok(Self { drawn: Zeroizing::new(random()?), thrown: 0 })
    }

    /// Never the same twice, and not kept.
    fn throw(&mut self) -> Result<[u8; 32], RunError> {
        if self.thrown == self.drawn.len() {
            *self = Self::new()?;
        }
        let mut octets = [0; 32];
        let next = &mut self.drawn[self.thrown..self.thrown + octets.len()];
        octets.copy_from_slice(next);
        next.zeroize();
        self.thrown += octets.len();
        Ok(octets)
    }
}

const TICK: Duration = Duration::from_secs(1);
/// Below a second, so that its nanoseconds are all of it.
const LONGEST_PAUSE: Duration = Duration::from_millis(999);
/// How old what is remembered of places may be after a crash.
const BETWEEN_WRITES: Duration = Duration::from_mins(1);
const BETWEEN_SIGNS_OF_LIFE: Duration = Duration::from_secs(10);
const TO_THE_END: Duration = Duration::from_secs(5);
/// Octets that wait for the front to take them, before it is not listened to any more.
const MOST_UNSAID: usize = 1 << 20;
const AT_ONCE: usize = 64 * 1024;
