//! MAIL, RCPT and DATA: who may send what to whom, and the message on its way into the queue.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use smtp::address::{ForwardPath, Mailbox, ReversePath};
use smtp::command::{Body, Mail, Submitter};
use smtp::server::{Answer, AuthRule};
use wire::Login;

use super::Driver;
use crate::access::{Access, denied};
use crate::event::Event;
use crate::header::{HeaderScan, Received, ReceivedLogin, ReceivedUser};
use crate::may_relay::{self, Client, Decision, Facts, LoggedIn, Verdict};
use crate::names;
use crate::queue::{Destination, Draft, Envelope, Recipient};
use crate::senders::{Sender, SenderRules, is_same_identity};
use crate::settings::ReceivedUserRule;
use crate::site::Site;

/// From MAIL to the end of the message.
pub(super) struct Transaction {
    from: ReversePath,
    body: Body,
    submitter: Option<String>,
    /// As they were given.
    shown: Vec<String>,
    recipients: Vec<Recipient>,
    fate: Fate,
    state: State,
}

/// What becomes of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Wanted,
    /// It is taken and thrown away.
    Discarded,
}

enum State {
    Addressed,
    /// A message comes in, into the queue unless it is thrown away.
    ComingIn(Option<Draft>),
}

impl Transaction {
    pub(super) fn is_coming_in(&self) -> bool {
        matches!(self.state, State::ComingIn(_))
    }
}

impl Driver {
    pub(super) async fn mail(&mut self, mail: Mail) -> Answer {
        if self.lacks_login() {
            return Answer::Refused(denied(530, (7, 0), "Authentication required"));
        }
        // By what holds now: an entry may have been taken out since this session began.
        let site = self.begun.front.site();
        let name = self.begun.name(&*site.access).await;
        if name == names::Found::NotAsked {
            // An entry might turn it away, and a crowd that asks for names must not get it past that.
            self.begun.forget_question();
            return self.refuse("check_relay", &self.begun.client, name_comes_later());
        }
        let client = Client { address: self.begun.address, name: name.as_name() };
        let client = may_relay::client(client, &*site.access);
        if let Some(answer) = self.refused("check_relay", &self.begun.client, &client) {
            return answer;
        }
        let decision = may_relay::sender(&mail.from, &*site.access);
        if let Some(answer) = self.refused("check_mail", &mail.from.to_string(), &decision) {
            return answer;
        }
        let whose = self.whose(&site, |rules, sender, map| rules.envelope(&mail.from, sender, map));
        if let Some(answer) = self.refused("check_mail", &mail.from.to_string(), &whose) {
            return answer;
        }
        let is_discarded = [&client, &decision].iter().any(|it| it.verdict == Verdict::Discard);
        let fate = if is_discarded { Fate::Discarded } else { Fate::Wanted };
        self.transaction = Some(Box::new(Transaction {
            submitter: self.believed(mail.submitter),
            from: mail.from,
            body: mail.body,
            shown: Vec::new(),
            recipients: Vec::new(),
            fate,
            state: State::Addressed,
        }));
        Answer::Accepted
    }

    /// A door for those who have logged in is closed to ANONYMOUS, who is nobody.
    fn lacks_login(&self) -> bool {
        let is_somebody = self.login.as_ref().is_some_and(|login| login.is_somebody);
        self.begun.settings().policy.auth == AuthRule::Required && !is_somebody
    }

    /// Whether who has logged in may send as he says; whoever has not is nobody's business here.
    fn whose(
        &self,
        site: &Site,
        ask: impl FnOnce(&SenderRules, Sender<'_>, &dyn Access) -> Decision,
    ) -> Decision {
        let Some(login) = &self.login else { return may_relay::accepted() };
        let identity = login.is_somebody.then_some(login.authorization.as_str());
        let sender = Sender { identity, local_domains: &site.settings.relay.local_domains };
        ask(&site.settings.senders, sender, &*site.senders)
    }

    /// RFC 4954, section 5: AUTH= is believed of who has logged in, of himself. Whoever else is named is forgotten, and
    /// the mail is taken nevertheless.
    fn believed(&self, submitter: Option<Submitter>) -> Option<String> {
        let (Some(Submitter::Named(name)), Some(login)) = (submitter, &self.login) else { return None };
        let known = [&login.authentication, &login.authorization];
        known.into_iter().find(|known| login.is_somebody && is_same_identity(&name, known, "")).cloned()
    }

    pub(super) async fn recipient(&mut self, to: ForwardPath) -> Answer {
        let site = self.begun.front.site();
        let name = self.begun.name(&*site.access).await;
        let facts = Facts {
            client: Client { address: self.begun.address, name: name.as_name() },
            login: self.login.as_deref().map(as_logged_in),
            logins: self.session.logins(),
            rules: &site.settings.relay,
            access: &*site.access,
        };
        let decision = may_relay::recipient(&to, facts);
        let shown = to.to_string();
        if let Some(answer) = self.refused("check_rcpt", &shown, &decision) {
            return answer;
        }
        let Some(mailbox) = mailbox_of(to, &site.settings.host) else {
            return Answer::Refused(denied(550, (1, 1), &format!("{shown}... User unknown")));
        };
        let destination = match decision.verdict {
            Verdict::Discard => None,
            Verdict::Local => match self.has_mailbox(&mailbox, &shown).await {
                Ok(()) => Some(Destination::Local),
                Err(answer) => return answer,
            },
            _ => Some(Destination::Relay),
        };
        self.add(shown, destination.map(|destination| Recipient { mailbox, destination }));
        Answer::Accepted
    }

    fn add(&mut self, shown: String, recipient: Option<Recipient>) {
        let Some(transaction) = &mut self.transaction else { return };
        transaction.shown.push(shown);
        // Whoever is named twice gets it once.
        let known = &transaction.recipients;
        let is_new = |recipient: &Recipient| !known.iter().any(|other| other.is_same(recipient));
        let recipient = recipient.filter(is_new);
        transaction.recipients.extend(recipient);
    }

    async fn has_mailbox(&self, mailbox: &Mailbox, shown: &str) -> Result<(), Answer> {
        match self.begun.front.queue().has_mailbox(mailbox.clone()).await {
            Ok(true) => Ok(()),
            Ok(false) => {
                let words = format!("{shown}... User unknown");
                Err(self.refuse("check_rcpt", shown, denied(550, (1, 1), &words)))
            }
            Err(error) => {
                self.begun.front.journal().note(&Event::FileUnusable { words: &error.to_string() });
                Err(Answer::Refused(denied(451, (3, 0), "Temporary system failure. Please try again later.")))
            }
        }
    }

    pub(super) async fn begin_message(&mut self) -> Answer {
        let Some(mut transaction) = self.transaction.take() else { return try_later() };
        let is_wanted = transaction.fate == Fate::Wanted && !transaction.recipients.is_empty();
        let draft = if is_wanted { self.draft(&transaction).await.map(Some) } else { Ok(None) };
        match draft {
            Ok(draft) => {
                transaction.state = State::ComingIn(draft);
                self.transaction = Some(transaction);
                Answer::Accepted
            }
            Err(error) => {
                self.transaction = Some(transaction);
                self.not_queued(&error)
            }
        }
    }

    async fn draft(&self, transaction: &Transaction) -> io::Result<Draft> {
        let spool = self.begun.front.queue().spool().clone();
        let at = SystemTime::now();
        let id = spool.new_id(at);
        let envelope = self.envelope(transaction, at);
        let fields = self.received(transaction, &id, at);
        let scan = match &self.login {
            Some(_) => HeaderScan::submission(at, &id, &self.begun.site.settings.host).keeping_senders(),
            None => HeaderScan::nothing(),
        };
        blocking(move || spool.draft(id, &envelope, &fields, scan)).await?
    }

    fn envelope(&self, transaction: &Transaction, at: SystemTime) -> Envelope {
        Envelope {
            at: at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
            from: transaction.from.clone(),
            body: transaction.body,
            submitter: transaction.submitter.clone(),
            login: self.login.as_ref().map(|login| login.authentication.clone()),
            recipients: transaction.recipients.clone(),
        }
    }

    fn received(&self, transaction: &Transaction, id: &str, at: SystemTime) -> String {
        let settings = &self.begun.site.settings;
        let user = |login: &'_ Login| settings.received_user == ReceivedUserRule::Shown && login.is_somebody;
        let login = self.login.as_deref().map(|login| ReceivedLogin {
            ssf: login.ssf,
            user: user(login).then_some(ReceivedUser {
                authentication: &login.authentication,
                submitter: transaction.submitter.as_deref(),
                mechanism: &login.mechanism,
            }),
        });
        let only_recipient = match transaction.shown.as_slice() {
            [only] => Some(only.as_str()),
            _ => None,
        };
        let client = match self.begun.name_now() {
            Some(name) => format!("{name} {}", self.begun.client),
            None => self.begun.client.clone(),
        };
        let received = Received {
            hello: if self.hello.is_empty() { "unknown" } else { &self.hello },
            client: &client,
            login,
            host: &settings.host,
            protocol: self.session.protocol(),
            id,
            tls: self.begun.pipe.facts(),
            only_recipient,
            at,
        };
        received.field()
    }

    pub(super) async fn piece(&mut self, octets: &[u8]) {
        let Some(transaction) = &mut self.transaction else { return };
        let State::ComingIn(draft) = &mut transaction.state else { return };
        let Some(coming) = draft else { return };
        coming.push(octets);
        if coming.wants_writing() {
            let taken = draft.take();
            *draft = blocking(move || {
                taken.map(|mut draft| {
                    draft.write_out();
                    draft
                })
            })
            .await
            .ok()
            .flatten();
            // Without its draft a message would seem to be one that is thrown away.
            if draft.is_none() {
                transaction.state = State::Addressed;
            }
        }
    }

    pub(super) async fn end_message(&mut self) -> Answer {
        let Some(transaction) = self.transaction.take() else { return try_later() };
        let Transaction { from, recipients, state, .. } = *transaction;
        let State::ComingIn(draft) = state else { return try_later() };
        let journal = self.begun.front.journal();
        let from = from.to_string();
        let Some(mut draft) = draft else {
            journal.note(&Event::Discarded { peer: self.begun.peer(), from: &from });
            return Answer::Accepted;
        };
        let site = self.begun.front.site();
        let whose = self.whose(&site, |rules, sender, map| rules.header(draft.end(), sender, map));
        if let Some(answer) = self.refused("check_header", &from, &whose) {
            return answer;
        }
        let (id, size) = (draft.id().to_owned(), draft.size());
        if let Err(error) = blocking(move || draft.commit()).await.flatten() {
            return self.not_queued(&error);
        }
        journal.note(&Event::Accepted {
            peer: self.begun.peer(),
            id: &id,
            from: &from,
            size,
            recipients: recipients.len(),
            protocol: &self.session.protocol().to_string(),
            authentication: self.login.as_ref().map(|login| login.authentication.as_str()),
        });
        self.begun.front.queue().carry_on(id.clone());
        Answer::AcceptedAs(id)
    }

    fn not_queued(&self, error: &io::Error) -> Answer {
        self.begun.front.journal().note(&Event::NotQueued { peer: self.begun.peer(), error });
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Answer::Refused(denied(452, (3, 1), "Insufficient disk space; try again later"))
            }
            _ => try_later(),
        }
    }

    fn refused(&self, ruleset: &'static str, argument: &str, decision: &Decision) -> Option<Answer> {
        let refusal = decision.refusal()?;
        self.begun.front.journal().note(&Event::Refused {
            peer: self.begun.peer(),
            ruleset,
            argument,
            reply: &refusal.reply().to_string(),
            rule: Some(&decision.rule),
            authentication: self.login.as_ref().map(|login| login.authentication.as_str()),
        });
        Some(Answer::Refused(refusal.clone()))
    }

    fn refuse(&self, ruleset: &'static str, argument: &str, refusal: smtp::Refusal) -> Answer {
        let reply = refusal.reply().to_string();
        let peer = self.begun.peer();
        self.begun.front.journal().note(&Event::Refused {
            peer,
            ruleset,
            argument,
            reply: &reply,
            rule: None,
            authentication: self.login.as_ref().map(|login| login.authentication.as_str()),
        });
        Answer::Refused(refusal)
    }
}

/// Where waiting for a disk holds up nobody else.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)
}

fn as_logged_in(login: &Login) -> LoggedIn<'_> {
    LoggedIn { mechanism: &login.mechanism, is_somebody: login.is_somebody }
}

/// `<Postmaster>` is somebody here.
fn mailbox_of(to: ForwardPath, host: &str) -> Option<Mailbox> {
    match to {
        ForwardPath::Mailbox(path) => Some(path.mailbox),
        ForwardPath::Postmaster => Mailbox::parse(format!("postmaster@{host}").as_bytes()).ok(),
    }
}

fn name_comes_later() -> smtp::Refusal {
    denied(451, (4, 3), "The name of your address cannot be looked up now. Please try again later.")
}

fn try_later() -> Answer {
    Answer::Refused(denied(451, (3, 0), "Temporary system failure. Please try again later."))
}
