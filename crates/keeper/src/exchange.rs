//! The keeper without I/O: messages of the front, results of checks, the time and random octets go in; [`Effect`]s come out.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Instant;

use credential::{Identity, Mechanism, MechanismSet, Occasion};
use sasl::Entropy;
use sasl::server::{self, AwaitRecord, AwaitResponse, Failure, Principal, Step};
use wire::{
    Channel, Class, ExchangeId, Finding as Found, ListenerId, Login, Logins, Question, SecretOctets,
    SessionId, ToFront, ToKeeper,
};
use zeroize::Zeroizing;

use crate::attempt::{Attempt, anonymous, told_as};
use crate::check::{Check, Checked, Finding, Work, password_of};
use crate::event::{AuthResult, Event, Outcome, Proof};
use crate::inquiry;
use crate::lately::Lately;
use crate::line::Line;
use crate::nearest::{self, Nearest};
use crate::now::Now;
use crate::pace::{Admission, Pace, wide};
use crate::proxy::acting_for;
use crate::renewal::Renewal;
use crate::settings::Settings;
use crate::shelf::{Records, Shelf};
use crate::tickets::Tickets;

/// Everything that happens between the front and the store.
pub struct Keeper<R> {
    settings: Settings,
    shelf: Shelf<R>,
    pace: Pace,
    lately: Lately,
    tickets: Tickets,
    nearest: Nearest,
    sessions: HashMap<SessionId, Session>,
    line: Line<Waiting>,
    running: HashMap<u64, Attempt>,
    /// How many attempts there were.
    attempts: u64,
    effects: VecDeque<Effect>,
}

/// What is to be done.
pub enum Effect {
    /// Tell the front.
    Send(ToFront),
    /// Carry this out on another thread, and say what came of it ([`Keeper::checked`]). There are never more of them at
    /// once than [`checks`](crate::Bounds::checks).
    Check(Box<Check>),
    /// Carry this out when there is time, or not at all.
    Renew(Box<Renewal>),
    /// Log this.
    Tell(Event),
}

/// What a session waits for.
struct Session {
    attempt: Attempt,
    state: State,
}

enum State {
    /// The client.
    Response(AwaitResponse),
    /// A check, which knows the attempt by its number.
    Checking,
}

/// A check that has to wait.
struct Waiting {
    attempt: Attempt,
    work: Work,
    since: Instant,
}

impl<R: Records> Keeper<R> {
    /// Begins, with nothing under way. The key is random, for the life of this process.
    pub fn new(settings: Settings, records: R, pace: Pace, key: Zeroizing<[u8; 32]>) -> Self {
        Self {
            line: Line::new(settings.bounds.waiting),
            settings,
            shelf: Shelf::new(records),
            pace,
            lately: Lately::new(key),
            tickets: Tickets::default(),
            nearest: Nearest::default(),
            sessions: HashMap::new(),
            running: HashMap::new(),
            attempts: 0,
            effects: VecDeque::new(),
        }
    }

    /// What is to be done, in order. To be asked after each call of another function until there is nothing left.
    pub fn next_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// The front has said something. `entropy` is fresh with each message.
    pub fn handle(&mut self, message: ToKeeper, now: &Now, entropy: Entropy) {
        match message {
            ToKeeper::Offer { request, listener, channel } => self.offer(request, listener, &channel, now),
            ToKeeper::Begin { exchange, listener, channel, client, mechanism, initial } => {
                let attempt = self.attempt(exchange, listener, client, &mechanism);
                self.begin(attempt, &channel, initial.as_ref(), now, entropy);
            }
            ToKeeper::Respond { exchange, octets } => self.respond(exchange, &octets, now),
            ToKeeper::Cancel { exchange } if self.is_current(exchange) => self.cancel(exchange.session),
            // Another one has taken its place, and it was told of.
            ToKeeper::Cancel { .. } => {}
        }
    }

    /// A check has been carried out.
    pub fn checked(&mut self, checked: Checked, now: &Now) {
        if let Some(attempt) = self.running.remove(&checked.number) {
            let step = self.result(&attempt, checked, now);
            if self.is_awaited(&attempt) {
                self.sessions.remove(&attempt.exchange.session);
                self.advance(attempt, step, now);
            } else {
                self.found_too_late(&attempt, step, now);
            }
        }
        self.start_checks(now);
    }

    /// Time has passed: to be called about once a second, so that a store that was mended is found, and one that has become
    /// unsafe is not offered.
    pub fn tick(&mut self, now: &Now) {
        self.attend(now);
        self.start_checks(now);
    }

    /// Other settings are in force: for what begins from now on.
    pub fn configure(&mut self, settings: Settings, now: &Now) {
        self.pace.configure(settings.throttle.clone());
        self.settings = settings;
        self.shelf.forget_attention();
        self.attend(now);
        self.send(ToFront::OffersChanged);
    }

    /// Somebody who administers the daemon asks.
    pub fn inquire(&mut self, question: &Question, now: &Now) -> Found {
        inquiry::answer(&mut self.pace, &self.settings.realm, question, now.instant)
    }

    /// The front is gone, and all its sessions with it.
    pub fn front_left(&mut self) {
        let sessions: Vec<_> = self.sessions.keys().copied().collect();
        for session in sessions {
            self.cancel(session);
        }
    }

    /// Whether anything is under way.
    pub fn is_busy(&self) -> bool {
        !self.sessions.is_empty() || !self.running.is_empty()
    }

    /// From where users have logged in, to be written: if there is news.
    pub fn take_places(&mut self) -> Option<Zeroizing<Vec<u8>>> {
        self.pace.places_mut().take_changes()
    }

    fn offer(&mut self, request: u32, listener: ListenerId, channel: &Channel, now: &Now) {
        let is_usable = self.attend(now);
        let settings = self.settings.of_listener(listener);
        let nothing = server::Offer { mechanisms: MechanismSet::EMPTY, left_out: Vec::new() };
        let offer = settings.map_or(nothing, |settings| settings.offer(&channel.into()));
        let named = |(mechanism, why): &(Mechanism, sasl::LeftOut)| (mechanism.to_string(), why.to_string());
        let mut left_out: Vec<_> = offer.left_out.iter().map(named).collect();
        let mut mechanisms: Vec<_> = offer.mechanisms.iter().map(|it| it.to_string()).collect();
        let mut logins = Logins::Possible;
        if !is_usable && !mechanisms.is_empty() {
            let why = "the store cannot be used";
            left_out.extend(mechanisms.drain(..).map(|mechanism| (mechanism, why.to_owned())));
            logins = Logins::NotNow;
        }
        self.send(ToFront::Offered { request, mechanisms, left_out, logins });
    }

    fn attempt(
        &mut self,
        exchange: ExchangeId,
        listener: ListenerId,
        client: Option<IpAddr>,
        mechanism: &str,
    ) -> Attempt {
        self.attempts += 1;
        let known = Some(mechanism).filter(|name| name.len() <= Mechanism::MAX_NAME);
        let known = known.and_then(|name| name.parse::<Mechanism>().ok());
        let shown = || mechanism.chars().filter(char::is_ascii_graphic).take(Mechanism::MAX_NAME).collect();
        Attempt {
            number: self.attempts,
            exchange,
            client: client.map(|client| client.to_canonical()),
            mechanism: known.map_or_else(shown, |known| known.to_string()),
            known,
            settings: self.settings.of_listener(listener).cloned(),
            identity: None,
        }
    }

    fn begin(
        &mut self,
        attempt: Attempt,
        channel: &Channel,
        initial: Option<&SecretOctets>,
        now: &Now,
        entropy: Entropy,
    ) {
        self.cancel(attempt.exchange.session);
        if self.pace.admit_client(attempt.client, now.instant) == Admission::Later {
            return self.later(&attempt, now);
        }
        if !self.attend(now) || self.sessions.len() >= self.settings.bounds.exchanges {
            return self.temporary(&attempt);
        }
        // A session may outlive the block that it came by: it is not for us to guess what would be offered there.
        let Some(settings) = &attempt.settings else { return self.temporary(&attempt) };
        let Some(mechanism) = attempt.known else {
            return self.refuse(&attempt, Class::NotOffered, Outcome::NotOffered, 0);
        };
        let initial = initial.map(SecretOctets::expose);
        let step = server::begin(mechanism, initial, settings, &channel.into(), entropy);
        self.advance(attempt, Some(step), now);
    }

    fn respond(&mut self, exchange: ExchangeId, octets: &SecretOctets, now: &Now) {
        if !self.is_current(exchange) {
            // Its exchange has ended in the meantime, and it has been told so.
            return;
        }
        match self.sessions.remove(&exchange.session) {
            Some(Session { attempt, state: State::Response(waiting) })
                if attempt.proves_later() && !waiting.is_last() && !self.is_admitted(&attempt, now) =>
            {
                self.later(&attempt, now);
            }
            Some(Session { attempt, state: State::Response(waiting) }) if waiting.is_costly() => {
                self.queue(attempt, Work::Response(waiting, octets.clone()), now);
            }
            Some(Session { attempt, state: State::Response(waiting) }) => {
                let step = waiting.respond(octets.expose());
                self.advance(attempt, Some(step), now);
            }
            // Nobody has asked it anything.
            Some(Session { attempt, state: State::Checking }) => self.malformed(&attempt),
            None => {}
        }
    }

    fn is_current(&self, exchange: ExchangeId) -> bool {
        self.sessions.get(&exchange.session).is_some_and(|it| it.attempt.exchange == exchange)
    }

    /// Whether a proof is looked at now. Who has not said yet who it is brings none.
    fn is_admitted(&mut self, attempt: &Attempt, now: &Now) -> bool {
        let Some(identity) = &attempt.identity else { return true };
        self.pace.admit(attempt.client, identity, now.instant) != Admission::Later
    }

    fn cancel(&mut self, session: SessionId) {
        match self.sessions.remove(&session) {
            // What comes of its check is told when that is done, whoever is there to hear it.
            Some(Session { attempt, state: State::Checking })
                if self.running.contains_key(&attempt.number) => {}
            Some(Session { attempt, state: State::Response(waiting) }) if waiting.is_last() => {
                self.given_up(&attempt, Proof::Right);
            }
            Some(Session { attempt, .. }) => self.given_up(&attempt, Proof::None),
            None => {}
        }
    }

    /// The client gave up. Whoever does that behind a right proof has not logged in, and knows the password.
    fn given_up(&mut self, attempt: &Attempt, proof: Proof) {
        self.tell(Event::Auth(AuthResult { proof, ..attempt.result(Outcome::Cancelled, None) }));
    }

    /// What came of a check when its client was gone: who hangs up before he is told has guessed all the same.
    fn found_too_late(&mut self, attempt: &Attempt, step: Option<Step>, now: &Now) {
        match step {
            Some(Step::Done(_)) => self.given_up(attempt, Proof::Right),
            Some(Step::Challenge { next, .. }) if next.is_last() => self.given_up(attempt, Proof::Right),
            Some(Step::Failed(failure)) => {
                let (class, outcome) = told_as(&failure);
                if class == Class::Refused {
                    self.pace.failed(attempt.client, attempt.identity.as_ref(), now.instant);
                }
                self.tell(Event::Auth(attempt.result(outcome, Some(failure))));
            }
            _ => self.given_up(attempt, Proof::None),
        }
    }

    /// Does what an exchange wishes, until it waits for somebody or has ended. `None`: nobody knows how to go on.
    fn advance(&mut self, mut attempt: Attempt, step: Option<Step>, now: &Now) {
        let Some(mut step) = step else { return self.temporary(&attempt) };
        loop {
            step = match step {
                Step::Challenge { octets, next } => return self.challenge(attempt, octets, next),
                Step::Recall { nonce, next } => {
                    let lasting = self.settings.reauthentication;
                    next.answer(self.tickets.take(&nonce, lasting, now.instant))
                }
                Step::Lookup { identity, next } => {
                    attempt.identity = Some(identity);
                    match self.look_up(&attempt, next, now) {
                        Some(step) => step,
                        None => return,
                    }
                }
                Step::Done(outcome) => return self.done(&attempt, *outcome, now),
                Step::Failed(failure) => return self.failed(&attempt, failure, now),
            }
        }
    }

    fn challenge(&mut self, attempt: Attempt, octets: Vec<u8>, next: AwaitResponse) {
        let exchange = attempt.exchange;
        self.sessions.insert(exchange.session, Session { attempt, state: State::Response(next) });
        self.send(ToFront::Challenge { exchange, octets });
    }

    /// Answers a look-up; `None` where the exchange has ended by it, or has to wait for a check.
    fn look_up(&mut self, attempt: &Attempt, next: AwaitRecord, now: &Now) -> Option<Step> {
        let identity = attempt.identity.as_ref()?;
        if !attempt.proves_later()
            && self.pace.admit(attempt.client, identity, now.instant) == Admission::Later
        {
            self.later(attempt, now);
            return None;
        }
        let occasion = Occasion { now: now.time, from: attempt.client };
        let found = match self.shelf.look_up(identity, &self.settings.policy, occasion, now.instant) {
            Ok(found) => found,
            Err(news) => {
                let news = news.map(|words| Effect::Tell(Event::StoreTrouble { words }));
                self.effects.extend(news);
                self.temporary(attempt);
                return None;
            }
        };
        match next.into_password(found.answer().record) {
            Ok(waiting) => {
                let known = found.stored.as_ref().and_then(|stored| {
                    self.lately.recognise(stored, waiting.password(), &occasion, now.instant)
                });
                if let Some(label) = known {
                    return Some(waiting.judge(Ok(label)));
                }
                self.queue(attempt.clone(), Work::Password(waiting, Box::new(found)), now);
                None
            }
            Err(next) => Some(next.answer(&found.answer())),
        }
    }

    fn queue(&mut self, attempt: Attempt, work: Work, now: &Now) {
        let session = Session { attempt: attempt.clone(), state: State::Checking };
        self.sessions.insert(attempt.exchange.session, session);
        let lane = attempt.client.map(wide);
        let waiting = Waiting { attempt, work, since: now.instant };
        if let Some(out) = self.line.join(lane, waiting) {
            self.give_up(&out.attempt);
        }
        self.start_checks(now);
    }

    fn start_checks(&mut self, now: &Now) {
        while self.running.len() < self.settings.bounds.checks {
            let Some(Waiting { attempt, work, since }) = self.line.next() else { return };
            if now.instant.saturating_duration_since(since) > self.settings.bounds.patience {
                self.give_up(&attempt);
            } else if self.is_awaited(&attempt) {
                let number = attempt.number;
                self.running.insert(number, attempt);
                self.effects.push_back(Effect::Check(Box::new(Check { number, work })));
            }
        }
    }

    fn is_awaited(&self, attempt: &Attempt) -> bool {
        let session = self.sessions.get(&attempt.exchange.session);
        session.is_some_and(|it| it.attempt.number == attempt.number)
    }

    /// A check that is waited for in vain.
    fn give_up(&mut self, attempt: &Attempt) {
        if self.is_awaited(attempt) {
            self.sessions.remove(&attempt.exchange.session);
            self.temporary(attempt);
        }
    }

    fn result(&mut self, attempt: &Attempt, checked: Checked, now: &Now) -> Option<Step> {
        let (waiting, verdict) = match checked.result {
            Finding::Verdict(waiting, Ok(verdict)) => (waiting, verdict),
            Finding::Verdict(_, Err(error)) => return Some(Step::Failed(error.into())),
            Finding::Step(step) => return Some(step),
            Finding::Lost => return None,
        };
        // Whoever has left meanwhile has not logged in.
        if let Ok(label) = &verdict
            && self.is_awaited(attempt)
            && let Some(stored) = checked.found.and_then(|found| found.stored)
        {
            self.lately.remember(&stored, waiting.password(), label, now.instant);
            let password = || password_of(&waiting);
            let renewal = Renewal::of(stored, label.clone(), password, &self.settings.policy, now.time);
            self.effects.extend(renewal.map(|it| Effect::Renew(Box::new(it))));
        }
        Some(waiting.judge(verdict))
    }

    fn done(&mut self, attempt: &Attempt, outcome: server::Outcome, now: &Now) {
        let exchange = attempt.exchange;
        let login = match &outcome.principal {
            Principal::Anonymous { .. } => anonymous(outcome.mechanism),
            Principal::User(identity) => {
                let wish = outcome.authorization.as_ref();
                let Some(acting) = acting_for(identity, wish, &self.settings.auth) else {
                    let wish = wish.map(ToString::to_string);
                    self.tell(Event::Auth(AuthResult {
                        authorization: wish,
                        ..attempt.result(Outcome::NotPermitted, None)
                    }));
                    return self.send(ToFront::Refused { exchange, class: Class::Refused, hold_ms: 0 });
                };
                self.pace.logged_in(attempt.client, identity, now.day());
                Login {
                    authentication: identity.to_string(),
                    authorization: acting.to_string(),
                    mechanism: outcome.mechanism.to_string(),
                    ssf: outcome.ssf,
                    layer: outcome.layer.map(|keys| SecretOctets::copy_of(&keys.to_octets()[..])),
                    is_somebody: true,
                }
            }
        };
        if let Some(ticket) = outcome.ticket {
            self.tickets.keep(ticket, self.settings.reauthentication, now.instant);
        }
        let other = Some(&login.authorization).filter(|it| **it != login.authentication).cloned();
        let result = attempt.result(Outcome::Ok, None);
        self.tell(Event::Auth(AuthResult { authorization: other, ssf: login.ssf, ..result }));
        self.send(ToFront::LoggedIn { exchange, login });
    }

    fn failed(&mut self, attempt: &Attempt, failure: Failure, now: &Now) {
        let (class, outcome) = told_as(&failure);
        let hold = match class {
            Class::Refused => {
                milliseconds(self.pace.failed(attempt.client, attempt.identity.as_ref(), now.instant))
            }
            _ => 0,
        };
        self.send(ToFront::Refused { exchange: attempt.exchange, class, hold_ms: hold });
        let nearest = self.nearest_to(attempt, class, now).filter(|_| failure == Failure::NoSuchUser);
        self.tell(Event::Auth(AuthResult { nearest, ..attempt.result(outcome, Some(failure)) }));
    }

    fn nearest_to(&mut self, attempt: &Attempt, class: Class, now: &Now) -> Option<Identity> {
        let identity = attempt.identity.as_ref().filter(|_| class == Class::Refused)?;
        if !self.nearest.has_time(now.instant) {
            return None;
        }
        let names = nearest::names(identity, attempt.settings.as_deref()?, &self.settings.hosts);
        // All of them are looked up, whoever is found first.
        let found: Vec<_> = names.into_iter().filter(|name| self.shelf.has(name, now.instant)).collect();
        found.into_iter().next()
    }

    fn temporary(&mut self, attempt: &Attempt) {
        self.refuse(attempt, Class::Temporary, Outcome::Temporary, 0);
    }

    fn malformed(&mut self, attempt: &Attempt) {
        self.refuse(attempt, Class::Malformed, Outcome::Malformed, 0);
    }

    fn later(&mut self, attempt: &Attempt, now: &Now) {
        let hold = milliseconds(self.pace.hold(attempt.client, now.instant));
        self.refuse(attempt, Class::Later, Outcome::Later, hold);
    }

    /// Refuses before the exchange itself has said anything.
    fn refuse(&mut self, attempt: &Attempt, class: Class, outcome: Outcome, hold: u32) {
        self.tell_result(attempt, outcome);
        self.send(ToFront::Refused { exchange: attempt.exchange, class, hold_ms: hold });
    }

    /// Looks at the store; whether it may be used.
    fn attend(&mut self, now: &Now) -> bool {
        let was_usable = self.shelf.is_usable();
        let news = self.shelf.attend(&self.settings.store, now.instant);
        self.effects.extend(news.map(Effect::Tell));
        if was_usable != self.shelf.is_usable() {
            self.send(ToFront::OffersChanged);
        }
        self.shelf.is_usable()
    }

    fn tell_result(&mut self, attempt: &Attempt, outcome: Outcome) {
        self.tell(Event::Auth(attempt.result(outcome, None)));
    }

    fn tell(&mut self, event: Event) {
        self.effects.push_back(Effect::Tell(event));
    }

    fn send(&mut self, message: ToFront) {
        self.effects.push_back(Effect::Send(message));
    }
}

fn milliseconds(time: std::time::Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}
