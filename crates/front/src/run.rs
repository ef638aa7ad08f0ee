//! The front's process: what the opener says is done, until it says that it is enough.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use config::{Config, HostAccounts};
use safefile::{Account, OpenError, Passage, Trust, Uid};
use tokio::runtime::Builder;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use wire::{Finding, FromOpener, Generation, ListenerId, Question, ToOpener};

use crate::event::{Event, Journal};
use crate::files::{Files, Parts};
use crate::opener::{Opener, Said};
use crate::queue::{Maildirs, Queue, Spool};
use crate::{Front, Keeper, Listening, Settings, Site};

/// Why the front has ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The opener is gone, or nobody understands it.
    #[error("the connection to the opener has failed: {0}")]
    Opener(#[source] io::Error),
    /// The first configuration has faults.
    #[error("{0}")]
    Configuration(String),
    /// The queue cannot be used.
    #[error("{0}")]
    Queue(#[from] OpenError),
    /// No thread, no socket, or no directory.
    #[error("the system refuses: {0}")]
    System(#[source] io::Error),
}

/// Runs until the opener says that it is enough, or is gone. Nobody is served before it has sent the configuration;
/// listening sockets and the connection to the keeper may come before or after, and again. Told of: that it is ready,
/// and now and then that it is alive.
///
/// `trust` is for files that the opener hands over: root and the TrustedUser. Queue and mailboxes belong to whom this
/// process runs as. [`process::prepare`](crate::process::prepare) comes before.
///
/// # Errors
/// [`RunError`].
pub fn run(opener: Passage, trust: &Trust, journal: Arc<dyn Journal>) -> Result<(), RunError> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(workers())
        .max_blocking_threads(BLOCKING)
        .enable_all()
        .build()
        .map_err(RunError::System)?;
    let served = runtime.block_on(async {
        let mut opener = Opener::new(opener).map_err(RunError::System)?;
        let Some(mut desk) = Desk::open(&mut opener, trust, journal).await? else { return Ok(()) };
        desk.work(&mut opener).await
    });
    // What is still there had its time.
    runtime.shutdown_timeout(Duration::from_secs(1));
    served
}

/// Everything that the opener's words bear on.
struct Desk<'t> {
    trust: &'t Trust,
    journal: Arc<dyn Journal>,
    front: Front,
    files: Files,
    generation: Generation,
    listeners: HashMap<ListenerId, JoinHandle<()>>,
    /// Since when there is no keeper, or since when another connection to it is waited for.
    alone: Instant,
    /// Whether what was sent last was taken. The sockets that come behind a configuration are its own, and of no use
    /// without it.
    taken: Taken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    Yes,
    No,
}

/// Whether more is to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    GoOn,
    End,
}

impl<'t> Desk<'t> {
    /// Waits for the first configuration; none when the opener wants an end before.
    async fn open(
        opener: &mut Opener,
        trust: &'t Trust,
        journal: Arc<dyn Journal>,
    ) -> Result<Option<Self>, RunError> {
        let mut early = Vec::new();
        loop {
            match opener.next().await.map_err(RunError::Opener)? {
                None | Some((FromOpener::ShutDown, _)) => return Ok(None),
                Some((words @ FromOpener::Configuration { .. }, _)) => {
                    let mut desk = Self::begin(opener, trust, journal, words).await?;
                    for said in early {
                        desk.hear(opener, said).await?;
                    }
                    return Ok(Some(desk));
                }
                Some(said) => early.push(said),
            }
        }
    }

    async fn begin(
        opener: &mut Opener,
        trust: &'t Trust,
        journal: Arc<dyn Journal>,
        words: FromOpener,
    ) -> Result<Self, RunError> {
        let Configured { generation, config, settings } =
            read(words).map_err(|(_, words)| RunError::Configuration(words))?;
        let mut files = Files::of(&config, trust, None);
        files.look(opener, &*journal).await.map_err(RunError::Opener)?;
        // Who cannot go back to another configuration serves with what is right in this one, unless the opener ends it.
        tell_secrets(opener, generation, &files)?;
        let queue = queue(&config, &settings, trust, &journal)?;
        let keeper = Keeper::new(Arc::clone(&journal));
        let front = Front::new(site(settings, &files), keeper, queue, Arc::clone(&journal));
        front.queue().take_up().map_err(RunError::System)?;
        journal.note(&configured(generation, &config));
        opener.say(&ToOpener::Ready).map_err(RunError::Opener)?;
        opener.say(&ToOpener::Alive(generation)).map_err(RunError::Opener)?;
        Ok(Self {
            trust,
            journal,
            front,
            files,
            generation,
            listeners: HashMap::new(),
            alone: Instant::now(),
            taken: Taken::Yes,
        })
    }

    async fn work(&mut self, opener: &mut Opener) -> Result<(), RunError> {
        let mut look = interval(BETWEEN_LOOKS);
        let mut sign = interval(BETWEEN_SIGNS_OF_LIFE);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                said = opener.next() => {
                    let Some(said) = said.map_err(RunError::Opener)? else { break };
                    if self.hear(opener, said).await? == Next::End {
                        break;
                    }
                }
                _ = look.tick() => self.look(opener).await?,
                _ = sign.tick() => {
                    opener.say(&ToOpener::Alive(self.generation)).map_err(RunError::Opener)?;
                }
            }
        }
        self.finish().await;
        Ok(())
    }

    async fn hear(&mut self, opener: &mut Opener, said: Said) -> Result<Next, RunError> {
        match said {
            (words @ FromOpener::Configuration { .. }, _) => self.configure(opener, words).await?,
            (FromOpener::Inquire { request, question }, _) => {
                let finding = self.answer(&question);
                opener.say(&ToOpener::Found { request, finding }).map_err(RunError::Opener)?;
            }
            (FromOpener::Listener(listener), Some(descriptor)) if self.taken == Taken::Yes => {
                self.listen(listener, descriptor)?;
            }
            (FromOpener::Peer, Some(descriptor)) => {
                self.front.keeper().connect(descriptor.into()).map_err(RunError::System)?;
            }
            (FromOpener::ShutDown, _) => return Ok(Next::End),
            // A file that nobody waits for any more, or words without what should come with them.
            _ => {}
        }
        Ok(Next::GoOn)
    }

    /// Another socket of a listener takes the place of the one before.
    fn listen(&mut self, listener: ListenerId, descriptor: OwnedFd) -> Result<(), RunError> {
        let listening = Listening::of(descriptor).map_err(RunError::System)?;
        let serving = self.front.listen(listener, listening).map_err(RunError::System)?;
        if let Some(before) = self.listeners.insert(listener, serving) {
            before.abort();
        }
        Ok(())
    }

    /// Another configuration. One with faults changes nothing: the opener has shown them before it came here.
    async fn configure(&mut self, opener: &mut Opener, words: FromOpener) -> Result<(), RunError> {
        let Configured { generation, config, settings } = match read(words) {
            Ok(read) => read,
            Err((generation, words)) => {
                self.taken = Taken::No;
                self.journal.note(&Event::NotConfigured { generation, words: &words });
                return Ok(());
            }
        };
        let mut files = Files::of(&config, self.trust, Some(self.files.parts()));
        files.look(opener, &*self.journal).await.map_err(RunError::Opener)?;
        self.taken = tell_secrets(opener, generation, &files)?;
        if self.taken == Taken::No {
            let words = "a map of the front holds secrets";
            self.journal.note(&Event::NotConfigured { generation, words });
            return Ok(());
        }
        // All sockets of this configuration come behind it.
        self.listeners.drain().for_each(|(_, serving)| serving.abort());
        self.front.queue().follow(settings.delivery());
        self.front.queue().keep_free(settings.queue.min_free);
        self.front.replace_site(site(settings, &files));
        self.files = files;
        self.generation = generation;
        self.journal.note(&configured(generation, &config));
        opener.say(&ToOpener::Alive(generation)).map_err(RunError::Opener)
    }

    async fn look(&mut self, opener: &mut Opener) -> Result<(), RunError> {
        self.look_for_keeper(opener)?;
        let is_new = self.files.look(opener, &*self.journal).await.map_err(RunError::Opener)?;
        if is_new {
            let settings = self.front.site().settings.clone();
            self.front.replace_site(site(settings, &self.files));
        }
        Ok(())
    }

    /// Sessions stay, and whoever logs in meanwhile is put off. When both processes are alive and only their connection has
    /// ended, the opener does not know.
    fn look_for_keeper(&mut self, opener: &Opener) -> Result<(), RunError> {
        if self.front.keeper().is_there() {
            self.alone = Instant::now();
        } else if self.alone.elapsed() > WITHOUT_KEEPER {
            self.alone = Instant::now();
            opener.say(&ToOpener::Alone).map_err(RunError::Opener)?;
        }
        Ok(())
    }

    fn answer(&self, question: &Question) -> Finding {
        match question {
            Question::Sessions { after } => self.front.register().page(*after),
            _ => Finding::Nothing("the front counts no failures".to_owned()),
        }
    }

    /// Messages that are coming in may be finished, within bounds.
    async fn finish(&self) {
        self.front.shut_down();
        let end = Instant::now() + TO_THE_END;
        while self.front.sessions() > 0 && Instant::now() < end {
            sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Whether a configuration may be taken up; if not, the opener hears of it.
fn tell_secrets(opener: &Opener, generation: Generation, files: &Files) -> Result<Taken, RunError> {
    let Some(role) = files.with_secrets() else { return Ok(Taken::Yes) };
    let words = ToOpener::HoldsSecrets { generation, file: role.index().0 };
    opener.say(&words).map_err(RunError::Opener)?;
    Ok(Taken::No)
}

fn configured(generation: Generation, config: &Config) -> Event<'static> {
    Event::Configured { generation, log_level: config.log_level, log_format: config.log_format }
}

/// A configuration that has no faults.
struct Configured {
    generation: Generation,
    config: Config,
    settings: Settings,
}

fn read(words: FromOpener) -> Result<Configured, (Generation, String)> {
    let FromOpener::Configuration { generation, path, text, listeners } = words else {
        return Err((Generation(0), "no configuration".to_owned()));
    };
    let config = Config::parse(Path::new(&path), text.as_bytes(), &HostAccounts);
    let config = config.map_err(|faults| (generation, faults.to_string()))?;
    let settings = Settings::of(&config);
    Ok(Configured { generation, config, settings: settings.numbered(&listeners) })
}

fn site(settings: Settings, files: &Files) -> Site {
    let Parts { tls, access, client_map, senders } = files.parts().clone();
    Site { settings, tls, access, client_map, senders }
}

/// Queue and mailboxes are opened by the front itself, for they are its own and nobody else's. Where they are changes
/// only with a restart: mail lies there.
fn queue(
    config: &Config,
    settings: &Settings,
    trust: &Trust,
    journal: &Arc<dyn Journal>,
) -> Result<Arc<Queue>, RunError> {
    let own = Account::by_uid(Uid::effective());
    let trust_of = |path: &Path| config.trust_beside(path, trust.clone(), Some(&own));
    let said = &settings.queue;
    let spool = Spool::open(&said.directory, &trust_of(&said.directory), said.min_free)?;
    let maildirs = Maildirs::new(&said.maildirs, trust_of(&said.maildirs));
    Ok(Queue::new(spool, maildirs, settings.delivery(), Arc::clone(journal)))
}

/// More than four have nothing to do: what takes long is done by the keeper, or by the disk.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(4)
}

const BLOCKING: usize = 32;
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
const BETWEEN_SIGNS_OF_LIFE: Duration = Duration::from_secs(10);
const TO_THE_END: Duration = Duration::from_secs(20);
/// Longer than it takes to see that a keeper has ended, and to start another.
const WITHOUT_KEEPER: Duration = Duration::from_secs(5);
