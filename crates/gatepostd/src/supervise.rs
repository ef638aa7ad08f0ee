//! When keeper and front are started, connected, ended: events and the time go in, actions come out. Nothing here is a
//! process, a socket or a clock.

use std::time::{Duration, Instant};

use crate::role::Role;

/// What has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// The process runs; the configuration was sent to it.
    Up(Role),
    /// It says that it is ready.
    Ready(Role),
    /// It says that it is alive.
    Alive(Role),
    /// It has ended, or could not be started.
    Left(Role),
    /// It cannot do with the configuration.
    Refused(Role),
    /// Keeper and front have lost their connection to each other.
    Alone,
    /// Somebody wants the daemon to end.
    Stop,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start the process; [`Event::Up`] or [`Event::Left`] follows.
    Start(Role),
    /// Give both ends of a new connection to keeper and front.
    Connect,
    /// Tell it to finish what it does, and to end.
    ShutDown(Role),
    /// It has not ended, or does not speak any more: kill it.
    Kill(Role),
    /// Tell whoever started the daemon that it is ready.
    TellReady,
    /// Nothing is left to be done.
    Finish(Ending),
}

/// How the daemon ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// As somebody wanted it.
    Wanted,
    /// This one did not come so far as to be ready.
    NeverReady(Role),
}

/// Who is where, and what follows from it.
#[derive(Debug, Default)]
pub(crate) struct Supervisor {
    keeper: Post,
    front: Post,
    was_ready: bool,
    stopping: Option<Stopping>,
    /// When they were last connected because one of them wished for it.
    connected: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Stopping {
    ending: Ending,
    /// When patience ends; `None`: it has ended.
    until: Option<Instant>,
}

/// The place of one process, whether or not somebody is there.
#[derive(Debug, Default)]
struct Post {
    state: State,
    /// How often it has ended of late without being told to.
    failures: u32,
    restarts: u32,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    /// Nobody has been here.
    #[default]
    Empty,
    /// It is being started.
    Starting,
    Up(Up),
    /// It is started again at this time.
    Resting(Instant),
    /// It is not started again.
    Done,
}

#[derive(Debug, Clone, Copy)]
struct Up {
    since: Instant,
    is_ready: bool,
    /// When it last said that it is alive, if it ever did.
    alive: Option<Instant>,
    is_killed: bool,
}

impl Supervisor {
    /// The keeper comes first: a front without it could only put everybody off.
    pub(crate) fn begin(&mut self) -> Vec<Action> {
        self.keeper.start(Role::Keeper).into_iter().collect()
    }

    /// What is to be done now that this has happened.
    pub(crate) fn handle(&mut self, event: Event, now: Instant) -> Vec<Action> {
        match event {
            Event::Up(role) => self.is_up(role, now),
            Event::Ready(role) => self.is_ready(role),
            Event::Alive(role) => {
                if let State::Up(up) = &mut self.post(role).state {
                    up.alive = Some(now);
                }
                Vec::new()
            }
            Event::Left(role) => self.has_left(role, now),
            // Who has worked before goes on with what is right.
            Event::Refused(_) if self.was_ready || self.stopping.is_some() => Vec::new(),
            Event::Refused(role) => self.stop(Ending::NeverReady(role), now),
            Event::Alone => self.connect_again(now),
            Event::Stop if self.stopping.is_some() => self.kill_all(),
            Event::Stop => self.stop(Ending::Wanted, now),
        }
    }

    /// What is to be done because time has passed.
    pub(crate) fn tick(&mut self, now: Instant) -> Vec<Action> {
        if let Some(stopping) = self.stopping {
            let is_over = stopping.until.is_some_and(|until| now >= until);
            return if is_over { self.kill_all() } else { Vec::new() };
        }
        let posts = [(Role::Keeper, &mut self.keeper), (Role::Front, &mut self.front)];
        posts.into_iter().filter_map(|(role, post)| post.tick(role, now)).collect()
    }

    /// How often a process was started again.
    pub(crate) fn restarts(&self, role: Role) -> u32 {
        self.look(role).restarts
    }

    /// Since when it runs, and whether it is ready.
    pub(crate) fn up(&self, role: Role) -> Option<(Instant, bool)> {
        match self.look(role).state {
            State::Up(up) => Some((up.since, up.is_ready)),
            _ => None,
        }
    }

    /// When something has to be done at the latest, if nothing happens.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let rests = Role::ALL.iter().filter_map(|role| match self.look(*role).state {
            State::Resting(until) => Some(until),
            _ => None,
        });
        rests.chain(self.stopping.and_then(|stopping| stopping.until)).min()
    }

    /// Whether the daemon is ending.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.is_some()
    }

    fn is_up(&mut self, role: Role, now: Instant) -> Vec<Action> {
        let up = Up { since: now, is_ready: false, alive: None, is_killed: false };
        self.post(role).state = State::Up(up);
        if self.stopping.is_some() {
            return vec![Action::ShutDown(role)];
        }
        self.connect()
    }

    /// Where one of them is missing, its start will.
    fn connect(&self) -> Vec<Action> {
        let are_both_up = Role::ALL.iter().all(|role| self.up(*role).is_some());
        are_both_up.then_some(Action::Connect).into_iter().collect()
    }

    /// A front that asks for nothing else would fill the keeper's ears with connections.
    fn connect_again(&mut self, now: Instant) -> Vec<Action> {
        let is_soon = |last: Instant| now.saturating_duration_since(last) < BETWEEN_CONNECTIONS;
        if self.connected.is_some_and(is_soon) {
            return Vec::new();
        }
        let actions = self.connect();
        if !actions.is_empty() {
            self.connected = Some(now);
        }
        actions
    }

    fn is_ready(&mut self, role: Role) -> Vec<Action> {
        let State::Up(up) = &mut self.post(role).state else { return Vec::new() };
        up.is_ready = true;
        if self.stopping.is_some() || self.was_ready {
            return Vec::new();
        }
        if role == Role::Keeper {
            return self.front.start(Role::Front).into_iter().collect();
        }
        self.was_ready = Role::ALL.iter().all(|role| self.up(*role).is_some_and(|(_, is_ready)| is_ready));
        self.was_ready.then_some(Action::TellReady).into_iter().collect()
    }

    fn has_left(&mut self, role: Role, now: Instant) -> Vec<Action> {
        if let Some(stopping) = self.stopping {
            self.post(role).state = State::Done;
            if self.is_empty() {
                return vec![Action::Finish(stopping.ending)];
            }
            let keeper = Role::Keeper;
            return self.up(keeper).map(|_| Action::ShutDown(keeper)).into_iter().collect();
        }
        if !self.was_ready {
            self.post(role).state = State::Done;
            return self.stop(Ending::NeverReady(role), now);
        }
        self.post(role).rest(now);
        Vec::new()
    }

    fn stop(&mut self, ending: Ending, now: Instant) -> Vec<Action> {
        self.stopping = Some(Stopping { ending, until: Some(now + PATIENCE) });
        for role in Role::ALL {
            let post = self.post(role);
            if matches!(post.state, State::Empty | State::Resting(_)) {
                post.state = State::Done;
            }
        }
        if self.is_empty() {
            return vec![Action::Finish(ending)];
        }
        // Who sends the last of his mail may have to log in for it.
        let last = [Role::Front, Role::Keeper].into_iter().find(|role| self.up(*role).is_some());
        last.map(Action::ShutDown).into_iter().collect()
    }

    fn kill_all(&mut self) -> Vec<Action> {
        if let Some(stopping) = &mut self.stopping {
            stopping.until = None;
        }
        Role::ALL.into_iter().filter(|role| self.up(*role).is_some()).map(Action::Kill).collect()
    }

    fn is_empty(&self) -> bool {
        Role::ALL.iter().all(|role| matches!(self.look(*role).state, State::Done | State::Empty))
    }

    fn look(&self, role: Role) -> &Post {
        match role {
            Role::Keeper => &self.keeper,
            Role::Front => &self.front,
        }
    }

    fn post(&mut self, role: Role) -> &mut Post {
        match role {
            Role::Keeper => &mut self.keeper,
            Role::Front => &mut self.front,
        }
    }
}

impl Post {
    fn start(&mut self, role: Role) -> Option<Action> {
        if !matches!(self.state, State::Empty | State::Resting(_)) {
            return None;
        }
        self.state = State::Starting;
        Some(Action::Start(role))
    }

    /// What ends at once, again and again, is started less and less often.
    fn rest(&mut self, now: Instant) {
        let was_steady = matches!(self.state, State::Up(up) if now.duration_since(up.since) >= STEADY);
        self.failures = if was_steady { 0 } else { self.failures };
        let delay = FIRST_REST.saturating_mul(1 << self.failures.min(16)).min(LONGEST_REST);
        self.failures = self.failures.saturating_add(1);
        self.state = State::Resting(now + delay);
    }

    fn tick(&mut self, role: Role, now: Instant) -> Option<Action> {
        match &mut self.state {
            State::Resting(until) if now >= *until => {
                self.restarts = self.restarts.saturating_add(1);
                self.start(role)
            }
            State::Up(up) if up.is_silent(now) => {
                up.is_killed = true;
                Some(Action::Kill(role))
            }
            _ => None,
        }
    }
}

impl Up {
    fn is_silent(&self, now: Instant) -> bool {
        let last = if self.is_ready { self.alive } else { Some(self.since) };
        !self.is_killed && last.is_some_and(|last| now.saturating_duration_since(last) >= SILENCE)
    }
}

const FIRST_REST: Duration = Duration::from_millis(100);
const LONGEST_REST: Duration = Duration::from_secs(30);
/// Who has run for so long did not fail because of how it was started.
const STEADY: Duration = Duration::from_mins(1);
/// Both say every ten seconds that they are alive.
const SILENCE: Duration = Duration::from_mins(1);
/// The front waits for so long, too, before it asks again.
const BETWEEN_CONNECTIONS: Duration = Duration::from_secs(5);
/// How long what is under way may take: 20 seconds at the front, 5 at the keeper behind it. The unit waits for 40.
const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use Role::{Front, Keeper};

    use super::*;

    struct Rehearsal {
        supervisor: Supervisor,
        now: Instant,
    }

    impl Rehearsal {
        fn started() -> Self {
            let (supervisor, now) = (Supervisor::default(), Instant::now());
            let mut it = Self { supervisor, now };
            assert_eq!(it.supervisor.begin(), [Action::Start(Keeper)]);
            assert_eq!(it.on(Event::Up(Keeper)), []);
            assert_eq!(it.on(Event::Ready(Keeper)), [Action::Start(Front)]);
            assert_eq!(it.on(Event::Up(Front)), [Action::Connect]);
            assert_eq!(it.on(Event::Ready(Front)), [Action::TellReady]);
            it
        }

        fn on(&mut self, event: Event) -> Vec<Action> {
            self.supervisor.handle(event, self.now)
        }

        fn after(&mut self, time: Duration) -> Vec<Action> {
            self.now += time;
            self.supervisor.tick(self.now)
        }
    }

    #[test]
    fn who_crashes_comes_back_and_is_connected_anew() {
        for (role, other) in [(Keeper, Front), (Front, Keeper)] {
            let mut it = Rehearsal::started();
            assert_eq!(it.on(Event::Left(role)), []);
            assert_eq!(it.after(FIRST_REST), [Action::Start(role)]);
            assert_eq!(it.on(Event::Up(role)), [Action::Connect]);
            assert_eq!(it.on(Event::Ready(role)), []);
            assert_eq!((it.supervisor.restarts(role), it.supervisor.restarts(other)), (1, 0));
        }
    }

    #[test]
    fn who_lost_the_other_is_connected_anew_unless_the_other_is_gone() {
        let mut it = Rehearsal::started();
        assert_eq!(it.on(Event::Alone), [Action::Connect]);
        it.on(Event::Left(Keeper));
        assert_eq!(it.on(Event::Alone), []);
        assert_eq!(it.after(FIRST_REST), [Action::Start(Keeper)]);
        assert_eq!(it.on(Event::Alone), []);
        assert_eq!(it.on(Event::Up(Keeper)), [Action::Connect]);
    }

    #[test]
    fn who_asks_for_connections_again_and_again_gets_few() {
        let mut it = Rehearsal::started();
        let count = (0..100).map(|_| it.on(Event::Alone).len()).sum::<usize>();
        assert_eq!(count, 1);
        it.after(BETWEEN_CONNECTIONS / 2);
        assert_eq!(it.on(Event::Alone), []);
        it.after(BETWEEN_CONNECTIONS / 2);
        assert_eq!(it.on(Event::Alone), [Action::Connect]);
        // A start is no wish of the front's.
        it.on(Event::Left(Keeper));
        it.after(FIRST_REST);
        assert_eq!(it.on(Event::Up(Keeper)), [Action::Connect]);
    }

    #[test]
    fn who_crashes_again_and_again_waits_longer_and_longer_until_he_has_been_well_for_a_while() {
        let mut it = Rehearsal::started();
        for rest in [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000] {
            it.on(Event::Left(Keeper));
            assert_eq!(it.after(Duration::from_millis(rest - 1)), []);
            assert_eq!(it.after(Duration::from_millis(1)), [Action::Start(Keeper)]);
            it.on(Event::Up(Keeper));
        }
        it.on(Event::Ready(Keeper));
        it.after(STEADY);
        it.on(Event::Left(Keeper));
        assert_eq!(it.after(FIRST_REST), [Action::Start(Keeper)]);
        // It cannot even be started.
        assert_eq!(it.on(Event::Left(Keeper)), []);
        assert_eq!(it.after(2 * FIRST_REST), [Action::Start(Keeper)]);
    }

    #[test]
    fn who_says_nothing_any_more_is_killed_once() {
        let mut it = Rehearsal::started();
        it.on(Event::Alive(Keeper));
        assert_eq!(it.after(SILENCE / 2), []);
        it.on(Event::Alive(Keeper));
        assert_eq!(it.after(SILENCE / 2), []);
        assert_eq!(it.after(SILENCE / 2), [Action::Kill(Keeper)]);
        assert_eq!(it.after(SILENCE), []);
        assert_eq!(it.on(Event::Left(Keeper)), []);
        assert_eq!(it.after(FIRST_REST), [Action::Start(Keeper)]);
    }

    #[test]
    fn who_is_told_to_end_has_time_for_it_but_not_for_ever() {
        let mut it = Rehearsal::started();
        assert_eq!(it.on(Event::Stop), [Action::ShutDown(Front)]);
        assert_eq!(it.after(PATIENCE / 2), []);
        assert_eq!(it.on(Event::Left(Front)), [Action::ShutDown(Keeper)]);
        assert_eq!(it.after(PATIENCE), [Action::Kill(Keeper)]);
        assert_eq!(it.after(PATIENCE), []);
        assert_eq!(it.on(Event::Left(Keeper)), [Action::Finish(Ending::Wanted)]);
        let mut it = Rehearsal::started();
        it.on(Event::Stop);
        assert_eq!(it.on(Event::Stop), [Action::Kill(Keeper), Action::Kill(Front)], "asked twice");
    }

    #[test]
    fn a_daemon_that_ends_does_not_wait_for_who_is_not_there() {
        let mut it = Rehearsal::started();
        it.on(Event::Left(Keeper));
        assert_eq!(it.on(Event::Stop), [Action::ShutDown(Front)]);
        assert_eq!(it.after(FIRST_REST), [], "nobody is started any more");
        assert_eq!(it.on(Event::Left(Front)), [Action::Finish(Ending::Wanted)]);
    }

    #[test]
    fn a_start_that_fails_ends_the_daemon() {
        let (mut supervisor, now) = (Supervisor::default(), Instant::now());
        supervisor.begin();
        supervisor.handle(Event::Up(Keeper), now);
        let actions = supervisor.handle(Event::Left(Keeper), now);
        assert_eq!(actions, [Action::Finish(Ending::NeverReady(Keeper))]);

        let mut supervisor = Supervisor::default();
        supervisor.begin();
        supervisor.handle(Event::Up(Keeper), now);
        supervisor.handle(Event::Ready(Keeper), now);
        assert_eq!(supervisor.handle(Event::Left(Front), now), [Action::ShutDown(Keeper)]);
        let actions = supervisor.handle(Event::Left(Keeper), now);
        assert_eq!(actions, [Action::Finish(Ending::NeverReady(Front))]);
    }

    #[test]
    fn a_configuration_that_is_refused_ends_a_start_and_nothing_else() {
        let mut it = Rehearsal::started();
        assert_eq!(it.on(Event::Refused(Front)), []);
        let (mut supervisor, now) = (Supervisor::default(), Instant::now());
        supervisor.begin();
        for event in [Event::Up(Keeper), Event::Ready(Keeper), Event::Up(Front)] {
            supervisor.handle(event, now);
        }
        assert_eq!(supervisor.handle(Event::Refused(Front), now), [Action::ShutDown(Front)]);
        assert_eq!(supervisor.handle(Event::Ready(Front), now), [], "it is too late");
        assert_eq!(supervisor.handle(Event::Left(Front), now), [Action::ShutDown(Keeper)]);
        let actions = supervisor.handle(Event::Left(Keeper), now);
        assert_eq!(actions, [Action::Finish(Ending::NeverReady(Front))]);
    }
}
