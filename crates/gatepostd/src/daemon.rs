//! The opener's life: one loop, one thread, which waits for nobody in particular. What is to be done about processes is
//! `supervise`'s to say; here it is done.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cli::options::Common;
use cli::{Exit, Report};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::Mode;
use serde_json::{Value, json};
use wire::{FromOpener, Generation, Question, SessionId, ToOpener};

use crate::control::{self, Control, Request, Ticket};
use crate::ground::Ground;
use crate::journal::{Journal, Line, Priority, Style};
use crate::listen::{self, Sockets};
use crate::made::{self, PidFile};
use crate::notify::Notify;
use crate::open;
use crate::role::{Role, Start};
use crate::signals::{Signals, Wish};
use crate::supervise::{Action, Ending, Event, Supervisor};
use crate::worker::{Heard, Worker};

mod generations;
mod inquiry;
mod reload;

use generations::Generations;
use reload::Standing;

/// Runs until somebody wants it to end, or does not begin.
pub(crate) fn run(common: &Common) -> Result<Exit, Report> {
    let common = rooted(common)?;
    let ground = Ground::read(&common);
    let ground = ground.map_err(|findings| findings.refusal().unwrap_or_else(reload::unknown_fault))?;
    let findings = ground.examined();
    let journal = Journal::new("gatepostd", Style::of(&ground.config));
    reload::tell_remarks(&journal, &findings.remarks);
    findings.refusal().map_or(Ok(()), Err)?;
    std::env::set_current_dir("/").map_err(|error| Report::new(Exit::OSERR, "/", error))?;
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let mut daemon = Daemon::open(common, ground, journal)?;
    let ending = daemon.work();
    daemon.close();
    match (ending, daemon.refusal) {
        (Ending::Wanted, _) => Ok(Exit::OK),
        (Ending::NeverReady(_), Some(refusal)) => Err(refusal),
        (Ending::NeverReady(role), None) => {
            let cause = format!("the {role} did not come so far as to be ready: the log says why");
            Err(Report::plain(Exit::UNAVAILABLE, cause))
        }
    }
}

/// The way to the configuration as it is here: it is read again, and from / by then.
fn rooted(common: &Common) -> Result<Common, Report> {
    let config = common.config.as_deref().map(std::path::absolute).transpose();
    let config = config.map_err(|error| Report::new(Exit::OSERR, "--config", error))?;
    Ok(Common { config, ..common.clone() })
}

struct Daemon {
    common: Common,
    ground: Ground,
    standing: Standing,
    /// With what was in force before, as long as the front may be at it.
    generations: Generations<(Ground, Sockets)>,
    sockets: Sockets,
    /// Every unix socket that was made for a listener and still has its name.
    named: BTreeSet<PathBuf>,
    signals: Signals,
    /// Away only while it is being served.
    control: Option<Control>,
    /// How many questions were handed on.
    inquiries: u32,
    pid_file: PidFile,
    notify: Notify,
    journal: Journal,
    supervisor: Supervisor,
    keeper: Option<Worker>,
    front: Option<Worker>,
    /// What was last said of a file that somebody asked for in vain.
    complaints: HashMap<(Role, u16), Line>,
    started: Instant,
    ending: Option<Ending>,
    /// Why the front could not begin.
    refusal: Option<Report>,
}

impl Daemon {
    /// Whoever finds a control socket in use ends before it has taken anything from the one that runs.
    fn open(common: Common, ground: Ground, journal: Journal) -> Result<Self, Report> {
        let signals = Signals::take().map_err(|error| Report::new(Exit::OSERR, "signals", error))?;
        let control = Control::listen(&ground.config.control_socket, ground.own_trust())?;
        made::fronts_directories(&ground)?;
        let sockets = Sockets::default();
        let sockets = sockets.following(std::iter::empty(), &ground.config.listen, ground.own_trust());
        let sockets = sockets.map_err(reload::all)?;
        let pid_file = PidFile::write(&ground.config.pid_file, ground.own_trust())?;
        Ok(Self {
            common,
            standing: Standing::of(&ground.config),
            named: sockets.names().map(Path::to_owned).collect(),
            ground,
            generations: Generations::new(),
            sockets,
            signals,
            control: Some(control),
            inquiries: 0,
            pid_file,
            notify: Notify::of_environment(),
            journal,
            supervisor: Supervisor::default(),
            keeper: None,
            front: None,
            complaints: HashMap::new(),
            started: Instant::now(),
            ending: None,
            refusal: None,
        })
    }

    fn work(&mut self) -> Ending {
        self.greet();
        let actions = self.supervisor.begin();
        self.perform(actions);
        loop {
            if let Some(ending) = self.ending {
                return ending;
            }
            self.wait();
            self.hear_signals();
            for role in Role::ALL {
                self.hear(role);
            }
            for role in Role::ALL {
                self.reap(role);
            }
            self.serve();
            let now = Instant::now();
            self.notify.alive(now);
            let actions = self.supervisor.tick(now);
            self.perform(actions);
            self.look_for_overdue(now);
        }
    }

    fn greet(&self) {
        let accounts = &self.ground.accounts;
        let line = Line::new(Priority::Notice, 1, "started")
            .with("version", env!("CARGO_PKG_VERSION"))
            .with("listening", self.sockets.places().join(" "))
            .with("keeper", &accounts.keeper)
            .with("front", &accounts.front);
        self.journal.write(&line);
        if !self.ground.is_divided() {
            let text = format!(
                "not started by root: opener, keeper and front all run as {}, and nothing keeps the network from the store",
                accounts.keeper
            );
            self.journal.write(&Line::new(Priority::Warning, 0, text));
        }
    }

    /// Until something has happened, or it is time for something.
    fn wait(&self) {
        let mut waiting = vec![PollFd::new(&self.signals, PollFlags::IN)];
        let control = self.control.iter().flat_map(Control::descriptors);
        waiting.extend(control.map(|it| PollFd::from_borrowed_fd(it, PollFlags::IN)));
        let workers = [&self.keeper, &self.front].into_iter().flatten().filter(|worker| worker.is_talking());
        waiting.extend(workers.map(|worker| PollFd::from_borrowed_fd(worker.as_fd(), PollFlags::IN)));
        let control = self.control.as_ref().and_then(Control::deadline);
        let until = [self.supervisor.deadline(), control].into_iter().flatten().min();
        let now = Instant::now();
        let pause = until.map_or(TICK, |until| until.saturating_duration_since(now).min(TICK));
        let pause = Timespec { tv_sec: 0, tv_nsec: i64::from(pause.subsec_nanos()) };
        // Whatever it says, all of them are looked at now.
        let _ = poll(&mut waiting, Some(&pause));
    }

    fn hear_signals(&mut self) {
        while let Some(wish) = self.signals.next() {
            match wish {
                Wish::Reload => drop(self.reload()),
                Wish::End => {
                    self.journal.write(&Line::new(Priority::Notice, 1, "ending"));
                    self.notify.stopping();
                    self.on(Event::Stop);
                }
                // It is looked after in any case.
                Wish::Reap => {}
            }
        }
    }

    /// At most so many messages at a time: the other one has a right to be heard, too.
    fn hear(&mut self, role: Role) {
        for _ in 0..MOST_MESSAGES {
            let Some(worker) = self.worker(role).as_mut() else { return };
            match worker.hear() {
                Heard::Nothing => return,
                // Maps and the want of a keeper are the front's.
                Heard::Words(ToOpener::HoldsSecrets { .. } | ToOpener::Alone) if role != Role::Front => {
                    worker.give_up();
                    return;
                }
                Heard::Words(ToOpener::Ready) => {
                    self.on(Event::Ready(role));
                    if self.supervisor.restarts(role) > 0 {
                        self.notify.status(&self.words());
                    }
                }
                Heard::Words(ToOpener::Alive(generation)) => {
                    worker.generation = generation;
                    if role == Role::Front {
                        self.generations.taken(generation);
                        self.remove_old_names();
                    }
                    self.on(Event::Alive(role));
                }
                Heard::Words(ToOpener::Open { request, file }) => self.open_for(role, request, file),
                Heard::Words(ToOpener::HoldsSecrets { generation, file }) => {
                    self.refused(role, generation, file);
                }
                Heard::Words(ToOpener::Alone) => self.on(Event::Alone),
                Heard::Words(ToOpener::Found { request, finding }) => {
                    self.hand_back(Ticket { role, request }, &finding);
                }
                Heard::End => {
                    worker.give_up();
                    return;
                }
            }
        }
    }

    fn open_for(&mut self, role: Role, request: u32, index: u16) {
        let (answer, complaint) = open::answer(&self.ground, role, request, index);
        self.complain_of(role, index, complaint);
        let open::Answer { words, file } = answer;
        self.say(role, &words, file.as_ref().map(AsFd::as_fd));
    }

    /// Files are asked for again and again: what was said of one is said once, until it is something else.
    fn complain_of(&mut self, role: Role, index: u16, complaint: Option<Line>) {
        let Some(line) = complaint else {
            self.complaints.remove(&(role, index));
            return;
        };
        let is_news = self.complaints.get(&(role, index)) != Some(&line);
        let worker = self.worker(role).as_mut();
        if is_news && worker.is_some_and(|worker| worker.may_be_complained_of(Instant::now())) {
            self.journal.write(&line);
            if self.complaints.len() < MOST_COMPLAINTS {
                self.complaints.insert((role, index), line);
            }
        }
    }

    fn reap(&mut self, role: Role) {
        let Some(status) = self.worker(role).as_mut().and_then(Worker::ended) else { return };
        *self.worker(role) = None;
        if role == Role::Front {
            self.generations.front_has_left();
        }
        self.control.iter_mut().for_each(|control| control.has_left(role));
        let is_well = self.supervisor.is_stopping() && status.success();
        let (priority, level) = if is_well { (Priority::Info, 9) } else { (Priority::Critical, 0) };
        self.journal
            .write(&Line::new(priority, level, format!("the {role} has ended")).with("status", status));
        if !self.supervisor.is_stopping() {
            self.notify.status(&format!("the {role} is being started again; {}", self.words()));
        }
        self.on(Event::Left(role));
    }

    fn serve(&mut self) {
        let Some(mut control) = self.control.take() else { return };
        control.serve(Instant::now(), |request| match request {
            Request::Status => control::Answer::Now(self.status()),
            Request::Reload => control::Answer::Now(match self.reload() {
                Ok(remarks) => json!({"generation": self.generations.current().0, "remarks": remarks}),
                Err(faults) => json!({"generation": self.generations.current().0, "refused": faults}),
            }),
            Request::Fate { generation } => control::Answer::Now(self.fate(Generation(generation))),
            Request::Sessions { after } => {
                self.hand_on(Role::Front, Question::Sessions { after: SessionId(after) })
            }
            Request::Throttled { from, all } => self.hand_on(Role::Keeper, Question::Throttled { from, all }),
            Request::Forget { whom } => self.hand_on(Role::Keeper, Question::Forget(whom)),
        });
        self.control = Some(control);
    }

    fn on(&mut self, event: Event) {
        let actions = self.supervisor.handle(event, Instant::now());
        self.perform(actions);
    }

    fn perform(&mut self, actions: Vec<Action>) {
        let mut left = VecDeque::from(actions);
        while let Some(action) = left.pop_front() {
            match action {
                Action::Start(role) => {
                    let event = self.start(role);
                    left.extend(self.supervisor.handle(event, Instant::now()));
                }
                Action::Connect => self.connect(),
                Action::ShutDown(role) => self.say(role, &FromOpener::ShutDown, None),
                Action::Kill(role) => self.kill(role),
                Action::TellReady => {
                    self.journal.write(&Line::new(Priority::Notice, 1, "ready"));
                    self.notify.ready(&self.words());
                }
                Action::Finish(ending) => self.ending = Some(ending),
            }
        }
    }

    fn start(&mut self, role: Role) -> Event {
        let account = match role {
            Role::Keeper => &self.ground.accounts.keeper,
            Role::Front => &self.ground.accounts.front,
        };
        let account = Some(account).filter(|_| self.ground.is_divided());
        let start = Start { role, style: self.journal.style(), trusted: self.ground.accounts.keeper.uid };
        match Worker::start(start, account) {
            Ok(worker) => {
                let line = Line::new(Priority::Info, 8, format!("the {role} is started"));
                self.journal.write(&line.with_number("child", worker.id()));
                if role == Role::Front {
                    self.standing.maildirs.clone_from(&self.ground.config.delivery.maildirs);
                }
                *self.worker(role) = Some(worker);
                self.configure(role);
                Event::Up(role)
            }
            Err(error) => {
                let line = Line::new(Priority::Critical, 0, format!("the {role} cannot be started: {error}"));
                self.journal.write(&line);
                Event::Left(role)
            }
        }
    }

    /// Takes the names of unix sockets away at which nobody listens any more. While the front has not taken what is in force,
    /// what it goes by may be put back.
    fn remove_old_names(&mut self) {
        if self.generations.all_kept().next().is_some() {
            return;
        }
        let (sockets, trust) = (&self.sockets, self.ground.own_trust());
        self.named.retain(|path| {
            let is_listened_at = sockets.names().any(|name| name == path);
            if !is_listened_at {
                listen::remove_name(path, trust);
            }
            is_listened_at
        });
    }

    /// The configuration and, for the front, all listening sockets of it.
    fn configure(&mut self, role: Role) {
        let words = FromOpener::Configuration {
            generation: self.generations.current(),
            path: self.ground.config.path.display().to_string(),
            text: self.ground.text.clone(),
            listeners: self.sockets.iter().map(|(id, _)| id).collect(),
        };
        self.say(role, &words, None);
        if role == Role::Front {
            self.generations.sent(Instant::now());
            let sockets = self.sockets.iter().map(|(id, socket)| (id, socket.try_clone_to_owned()));
            for (id, socket) in sockets.collect::<Vec<_>>() {
                match socket {
                    Ok(socket) => {
                        let words = FromOpener::Listener(id);
                        self.say(role, &words, Some(socket.as_fd()));
                    }
                    Err(error) => {
                        let text = format!("a listening socket cannot be given to the front: {error}");
                        self.journal.write(&Line::new(Priority::Critical, 0, text));
                    }
                }
            }
        }
    }

    fn connect(&mut self) {
        match UnixStream::pair() {
            Ok((one, other)) => {
                self.say(Role::Keeper, &FromOpener::Peer, Some(one.as_fd()));
                self.say(Role::Front, &FromOpener::Peer, Some(other.as_fd()));
            }
            Err(error) => {
                let text = format!("keeper and front cannot be connected: {error}");
                self.journal.write(&Line::new(Priority::Critical, 0, text));
                // A start is another try.
                self.kill(Role::Front);
            }
        }
    }

    fn kill(&mut self, role: Role) {
        if let Some(worker) = self.worker(role) {
            worker.kill();
            let text = format!("the {role} did not end, or says nothing any more: it is killed");
            self.journal.write(&Line::new(Priority::Critical, 0, text));
        }
    }

    fn say(&mut self, role: Role, words: &FromOpener, descriptor: Option<std::os::fd::BorrowedFd<'_>>) {
        let Some(worker) = self.worker(role) else { return };
        if let Err(error) = worker.say(words, descriptor) {
            worker.give_up();
            let text = format!("the {role} does not listen, and is killed: {error}");
            self.journal.write(&Line::new(Priority::Critical, 0, text));
        }
    }

    fn status(&self) -> Value {
        let processes: Vec<_> = Role::ALL.into_iter().map(|role| self.process(role)).collect();
        json!({
            "pid": std::process::id(),
            "version": env!("CARGO_PKG_VERSION"),
            "uptime": self.started.elapsed().as_secs(),
            "configuration": self.ground.config.path.display().to_string(),
            "generation": self.generations.current().0,
            "listening": self.sockets.places(),
            "processes": processes,
            "refused": self.generations.refusal().map(|refusal| json!({
                "generation": refusal.generation.0,
                "faults": refusal.faults,
            })),
        })
    }

    fn process(&self, role: Role) -> Value {
        let (worker, account) = match role {
            Role::Keeper => (&self.keeper, &self.ground.accounts.keeper),
            Role::Front => (&self.front, &self.ground.accounts.front),
        };
        let up = self.supervisor.up(role);
        json!({
            "role": role.word(),
            "account": account.to_string(),
            "pid": worker.as_ref().map(Worker::id),
            "uptime": up.map(|(since, _)| since.elapsed().as_secs()),
            "ready": up.is_some_and(|(_, is_ready)| is_ready),
            "restarts": self.supervisor.restarts(role),
            "generation": worker.as_ref().map(|worker| worker.generation.0),
        })
    }

    /// What a service manager shows.
    fn words(&self) -> String {
        format!(
            "listening on {}; configuration {}",
            self.sockets.places().join(" "),
            self.generations.current().0
        )
    }

    fn worker(&mut self, role: Role) -> &mut Option<Worker> {
        match role {
            Role::Keeper => &mut self.keeper,
            Role::Front => &mut self.front,
        }
    }

    fn close(&mut self) {
        self.control.take().into_iter().for_each(Control::close);
        self.pid_file.remove();
        self.named.iter().for_each(|path| listen::remove_name(path, self.ground.own_trust()));
        self.journal.write(&Line::new(Priority::Notice, 1, "ended"));
    }
}

/// Below a second, so that its nanoseconds are all of it.
const TICK: Duration = Duration::from_millis(999);
const MOST_MESSAGES: usize = 64;
const MOST_COMPLAINTS: usize = 256;
