//! What becomes of a mail, step by step: the decisions of a session, each with what was looked up for it and found, and the
//! reply that a client would get. The machine of `smtp` says the replies, as in a session; nobody is connected, nothing is
//! queued, and that somebody has logged in is taken for granted.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use safefile::Trust;
use smtp::address::{ForwardPath, Mailbox, ReversePath};
use smtp::server::{
    AfterAuth, Answer, AuthRule, Connection, Event, Logins, Offer, Session, StartTls, Transport, Welcome,
};

use crate::access::{Access, AccessTrouble, MapAccess, NoAccess, denied};
use crate::files::{Unusable, holds_secrets};
use crate::may_relay::{self, Client, Decision, Facts, LoggedIn, Name, Rule, Step as RelayStep, Verdict};
use crate::senders::Sender;
use crate::settings::{ClientNames, ListenerSettings, Settings};
use crate::survey::{self, NotSurveyed, Survey};

/// The maps that decide.
pub struct Maps {
    access: Box<dyn Access>,
    senders: Box<dyn Access>,
}

impl Maps {
    /// Opens what a configuration names. The person at the terminal asks; the front itself gets its maps from the opener.
    ///
    /// # Errors
    /// [`NotSurveyed`].
    pub fn open(
        access: Option<&config::MapName>,
        senders: Option<&config::MapName>,
        trust: impl Fn(&config::MapName) -> Trust,
    ) -> Result<Self, NotSurveyed> {
        let open = |name: Option<&config::MapName>| -> Result<Box<dyn Access>, NotSurveyed> {
            let Some(name) = name else { return Ok(Box::new(NoAccess)) };
            let map = survey::open(name, &trust(name))?;
            let survey = Survey::of(&*map)?;
            if survey.client_info.is_some() {
                // As the front: nothing of such a map is read.
                return Ok(Box::new(Unusable(AccessTrouble(holds_secrets(map.path())))));
            }
            Ok(Box::new(MapAccess { map, survey }))
        };
        Ok(Self { access: open(access)?, senders: open(senders)? })
    }

    /// Maps of another kind.
    pub fn of(access: Box<dyn Access>, senders: Box<dyn Access>) -> Self {
        Self { access, senders }
    }
}

/// A mail, and who sends it from where.
#[derive(Debug, Clone, Copy)]
pub struct Mail<'a> {
    /// The client. Its name is believed, where the configuration lets names be asked for at all.
    pub client: Client<'a>,
    /// Who has logged in.
    pub login: Option<Login<'a>>,
    /// The mechanisms that are offered.
    pub offered: &'a [String],
    /// Whether under TLS.
    pub transport: Transport,
    /// MAIL FROM, without its brackets; empty: the null sender.
    pub from: &'a str,
    /// RCPT TO, without its brackets.
    pub to: &'a str,
}

/// Somebody who has logged in.
#[derive(Debug, Clone, Copy)]
pub struct Login<'a> {
    /// For whom he acts, `user@realm`.
    pub identity: &'a str,
    /// The mechanism.
    pub mechanism: &'a str,
}

/// What is explained.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Explanation {
    /// In their order; the last one decided.
    pub steps: Vec<Step>,
    /// What the client was told last.
    pub reply: String,
    /// Whether the mail would be taken.
    pub is_accepted: bool,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its stable word: `connect`, `from`, `senders`, `to-rejection`, `login`, `domain`, `to`, `client`, `rest`, `maildir`.
    pub name: &'static str,
    /// What was looked up, in its order, and what was found.
    pub look_ups: Vec<(String, Option<String>)>,
    /// What it says; "goes on" where nothing.
    pub says: String,
}

/// A map that notes what is looked up.
struct Noted<'a> {
    map: &'a dyn Access,
    seen: &'a Seen,
}

/// Within one thread; [`Access`] asks for more than that.
#[derive(Default)]
struct Seen(std::sync::Mutex<Vec<(String, Option<String>)>>);

impl Access for Noted<'_> {
    fn look_up(&self, key: &str) -> Result<Option<String>, AccessTrouble> {
        let found = self.map.look_up(key)?;
        self.seen.lock().push((key.to_owned(), found.clone()));
        Ok(found)
    }

    fn names_clients(&self) -> bool {
        self.map.names_clients()
    }
}

impl Seen {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(String, Option<String>)>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn take(&self) -> Vec<(String, Option<String>)> {
        std::mem::take(&mut self.lock())
    }
}

/// Who answers the machine.
struct Judge<'a> {
    settings: &'a Settings,
    listener: &'a ListenerSettings,
    mail: Mail<'a>,
    access: Noted<'a>,
    senders: Noted<'a>,
    seen: &'a Seen,
    has_maildir: &'a dyn Fn(&Mailbox) -> Result<bool, String>,
    steps: RefCell<Vec<Step>>,
}

/// Explains a mail at a listener. Whether an address has a Maildir the caller knows, or why nobody can tell.
pub fn explain(
    settings: &Settings,
    listener: &ListenerSettings,
    maps: &Maps,
    mail: Mail<'_>,
    has_maildir: &dyn Fn(&Mailbox) -> Result<bool, String>,
) -> Explanation {
    let seen = Seen::default();
    let identity = mail.login.map(|login| as_stored(login.identity));
    let login = mail.login.zip(identity.as_deref()).map(|(login, identity)| Login { identity, ..login });
    let mail = Mail { login, ..mail };
    let judge = Judge {
        settings,
        listener,
        mail,
        access: Noted { map: &*maps.access, seen: &seen },
        senders: Noted { map: &*maps.senders, seen: &seen },
        seen: &seen,
        has_maildir,
        steps: RefCell::default(),
    };
    let (reply, is_accepted) = judge.talk();
    Explanation { steps: judge.steps.into_inner(), reply, is_accepted }
}

/// In a session he has the spelling that the store has for him, which is not asked here: realms there are nearly always in
/// small letters, and in whatever letters the same.
fn as_stored(identity: &str) -> String {
    match identity.rsplit_once('@') {
        Some((user, realm)) => format!("{user}@{}", realm.to_ascii_lowercase()),
        None => identity.to_owned(),
    }
}

impl Judge<'_> {
    /// A session as far as RCPT; it ends with the first refusal.
    fn talk(&self) -> (String, bool) {
        let mut session = Session::new(Instant::now(), Arc::clone(&self.listener.policy), self.connection());
        // Whoever is not let in hears why behind the greeting.
        self.hear(&mut session);
        let mut reply = String::from("220");
        let login = self.mail.login.map(|login| format!("AUTH {} =", login.mechanism));
        let (from, to) = (format!("MAIL FROM:<{}>", self.mail.from), format!("RCPT TO:<{}>", self.mail.to));
        let lines = [Some("EHLO client.invalid".to_owned()), login, Some(from), Some(to)];
        for line in lines.into_iter().flatten() {
            if !reply.starts_with('2') {
                return (reply, false);
            }
            let line = format!("{}\r\n", line.replace(['\r', '\n'], " "));
            let mut rest = line.as_bytes();
            while !rest.is_empty() {
                let taken = session.receive(Instant::now(), rest);
                rest = &rest[taken..];
                reply = self.hear(&mut session);
                if taken == 0 {
                    break;
                }
            }
        }
        let is_accepted = reply.starts_with('2');
        (reply, is_accepted)
    }

    fn connection(&self) -> Connection {
        let offer = Offer {
            mechanisms: self.mail.offered.to_vec(),
            starttls: StartTls::NotOffered,
            ..Offer::default()
        };
        let nameless = Client { name: Name::None, ..self.mail.client };
        let mut decision = may_relay::client(nameless, &self.access);
        if decision.refusal().is_some() {
            self.seen.take();
            decision = may_relay::client(self.client(), &self.access);
        }
        // As in a session: the greeting of somebody who is not let in is for good, which trouble is not.
        let refusal = decision.refusal().filter(|_| !matches!(decision.rule, Rule::Trouble(_)));
        if refusal.is_some() || (decision.refusal().is_none() && self.client().name == Name::None) {
            self.note("connect", Some(&decision));
        }
        // MAIL asks again, by the name in any case.
        self.seen.take();
        let welcome = refusal.map_or(Welcome::Open, |refusal| Welcome::Refused(refusal.clone()));
        Connection {
            client: "client".to_owned(),
            transport: self.mail.transport,
            offer: Arc::new(offer),
            welcome,
        }
    }

    /// Answers what the machine asks, and gives the last line that it says.
    fn hear(&self, session: &mut Session) -> String {
        let mut said = Vec::new();
        loop {
            if let Some(event) = session.poll_event() {
                if let Some(answer) = self.answer(&event) {
                    // Each event above is a question, and each answer one to it.
                    let _ = session.answer(Instant::now(), answer);
                }
            } else if let Some(output) = session.poll_output() {
                said.extend_from_slice(&output);
            } else {
                let said = String::from_utf8_lossy(&said).into_owned();
                return said.lines().last().unwrap_or_default().to_owned();
            }
        }
    }

    fn answer(&self, event: &Event) -> Option<Answer> {
        match event {
            Event::Hello { .. } => Some(Answer::Accepted),
            Event::Auth { .. } => Some(Answer::Authenticated(AfterAuth::Plain)),
            Event::Mail(mail) => Some(self.sender(&mail.from)),
            Event::Recipient(to) => Some(self.recipient(to)),
            _ => None,
        }
    }

    fn sender(&self, from: &ReversePath) -> Answer {
        if self.listener.policy.auth == AuthRule::Required && self.identity().is_none() {
            return Answer::Refused(denied(530, (7, 0), "Authentication required"));
        }
        let decision = may_relay::client(self.client(), &self.access);
        if self.client().name == Name::None && decision.refusal().is_none() {
            self.seen.take();
        } else {
            self.note("connect", Some(&decision));
        }
        if let Some(refusal) = decision.refusal() {
            return Answer::Refused(refusal.clone());
        }
        let decision = may_relay::sender(from, &self.access);
        self.note("from", Some(&decision));
        if let Some(refusal) = decision.refusal() {
            return Answer::Refused(refusal.clone());
        }
        if self.mail.login.is_some() {
            let sender =
                Sender { identity: self.identity(), local_domains: &self.settings.relay.local_domains };
            let decision = self.settings.senders.envelope(from, sender, &self.senders);
            self.note("senders", Some(&decision));
            if let Some(refusal) = decision.refusal() {
                return Answer::Refused(refusal.clone());
            }
        }
        Answer::Accepted
    }

    fn recipient(&self, to: &ForwardPath) -> Answer {
        let login = self
            .mail
            .login
            .map(|login| LoggedIn { mechanism: login.mechanism, is_somebody: self.identity().is_some() });
        let facts = Facts {
            client: self.client(),
            login,
            logins: Logins::Possible,
            rules: &self.settings.relay,
            access: &self.access,
        };
        let mut is_decided = false;
        let decision = may_relay::recipient_by_steps(to, facts, &mut |step, decision| {
            is_decided |= decision.is_some();
            self.note(word(step), decision);
        });
        if !is_decided {
            self.note("rest", Some(&decision));
        }
        match decision.verdict {
            Verdict::Refuse(refusal) => Answer::Refused(refusal),
            Verdict::Local => self.maildir(to),
            _ => Answer::Accepted,
        }
    }

    fn maildir(&self, to: &ForwardPath) -> Answer {
        let mailbox = match to {
            ForwardPath::Mailbox(path) => Ok(path.mailbox.clone()),
            ForwardPath::Postmaster => {
                Mailbox::parse(format!("postmaster@{}", self.settings.host).as_bytes())
            }
        };
        let found =
            mailbox.map_err(|error| error.to_string()).and_then(|mailbox| (self.has_maildir)(&mailbox));
        let (says, answer) = match found {
            Ok(true) => ("there is one".to_owned(), Answer::Accepted),
            Ok(false) => {
                let refusal = denied(550, (1, 1), &format!("{to}... User unknown"));
                ("there is none".to_owned(), Answer::Refused(refusal))
            }
            Err(words) => {
                let refusal = denied(451, (3, 0), "Temporary system failure. Please try again later.");
                (format!("cannot be told: {words}"), Answer::Refused(refusal))
            }
        };
        self.steps.borrow_mut().push(Step { name: "maildir", look_ups: Vec::new(), says });
        answer
    }

    /// As the daemon knows it.
    fn client(&self) -> Client<'_> {
        match self.settings.client_names {
            ClientNames::Asked => self.mail.client,
            ClientNames::Never => Client { name: Name::None, ..self.mail.client },
        }
    }

    /// ANONYMOUS is nobody.
    fn identity(&self) -> Option<&str> {
        let login = self.mail.login.filter(|login| !login.mechanism.eq_ignore_ascii_case("ANONYMOUS"));
        login.map(|login| login.identity)
    }

    fn note(&self, name: &'static str, decision: Option<&Decision>) {
        let look_ups = self.seen.take();
        self.steps.borrow_mut().push(Step { name, look_ups, says: says(decision) });
    }
}

fn word(step: RelayStep) -> &'static str {
    match step {
        RelayStep::Rejection => "to-rejection",
        RelayStep::Login => "login",
        RelayStep::Domain => "domain",
        RelayStep::Map => "to",
        RelayStep::Client => "client",
    }
}

fn says(decision: Option<&Decision>) -> String {
    let Some(decision) = decision.filter(|decision| decision.verdict != Verdict::Accept) else {
        return "goes on".to_owned();
    };
    let verdict = match &decision.verdict {
        Verdict::Accept => "goes on",
        Verdict::Local => "local",
        Verdict::Relay => "relayed",
        Verdict::Discard => "taken and thrown away",
        Verdict::Refuse(_) => "refused",
    };
    match &decision.rule {
        Rule::Trouble(trouble) => format!("{verdict}, by {}: {}", rule_words(&decision.rule), trouble.0),
        rule => format!("{verdict}, by {}", rule_words(rule)),
    }
}

/// A rule, as log and explanations name it.
pub fn rule_words(rule: &Rule) -> String {
    match rule {
        Rule::Key(key) => format!("access map, {key}"),
        Rule::Trouble(_) => "access map, which cannot be read".to_owned(),
        Rule::TrustedMechanism => "trusted mechanism".to_owned(),
        Rule::LocalDomain => "local domain".to_owned(),
        Rule::RelayDomain(domain) => format!("relay domain, {domain}"),
        Rule::NameUnknown => "access map, and the client's name is not known now".to_owned(),
        Rule::Senders(by) => format!("submission.senders, {by}"),
        Rule::Nothing => "nothing speaks for it".to_owned(),
    }
}
