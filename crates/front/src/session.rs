//! One client, from its first octet to its last: the machine of `smtp` asks, and here it is answered.
//!
//! The machine goes as far as it can, what it has to say is gathered and sent in one piece, and only then is anything
//! waited for. `pipe` has the octets, `login` the exchanges, `mail` senders, recipients and messages.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sasl::layer::LayerKeys;
use smtp::server::{
    self, Answer, ClosedBy, Connection, Event as Asked, Layer, Logins, Offer, Session, StartTls, Transport,
    Welcome,
};
use tokio::sync::watch;
use wire::{Channel, Login, SessionId};

use crate::access::{Access, denied};
use crate::event::{Event, Peer};
use crate::identity::identity;
use crate::keeper::Exchange;
use crate::live::{Doing, Entry};
use crate::may_relay::{self, Client, Name, Rule, Verdict};
use crate::names::{self, Found};
use crate::settings::{AuthUse, ClientNames, ListenerSettings, TlsUse};
use crate::site::{Front, Phase, Seat, Site};
use crate::socket::Socket;

mod login;
mod mail;
mod pipe;

use mail::Transaction;
use pipe::{Broken, Pipe};

/// A client that has been let in.
pub(crate) struct Arrival {
    pub(crate) front: Front,
    pub(crate) site: Arc<Site>,
    pub(crate) seat: Seat,
    pub(crate) entry: Entry,
    pub(crate) listener: Arc<ListenerSettings>,
    pub(crate) session: SessionId,
    pub(crate) address: Option<IpAddr>,
    pub(crate) client: String,
    pub(crate) socket: Socket,
}

/// Serves a client to the end.
pub(crate) async fn run(arrival: Arrival) {
    let Arrival { front, site, seat, entry, listener, session: id, address, client, socket } = arrival;
    let phase = front.phase();
    let pipe = Pipe::new(socket);
    let mut begun = Begun { front, site, entry, listener, id, address, client, name: None, pipe, phase };
    let by = match begun.greet().await {
        Ok(session) => {
            let mut driver = Driver::new(begun, session);
            let by = driver.drive().await;
            driver.end();
            begun = driver.begun;
            by
        }
        Err(broken) => Err(broken),
    };
    begun.note_end(by);
    drop(seat);
}

/// What a session is before its first word.
struct Begun {
    front: Front,
    site: Arc<Site>,
    /// How others see it.
    entry: Entry,
    listener: Arc<ListenerSettings>,
    id: SessionId,
    address: Option<IpAddr>,
    client: String,
    /// The question for its name, once something needed it.
    name: Option<names::Question>,
    pipe: Pipe,
    phase: watch::Receiver<Phase>,
}

struct Driver {
    begun: Begun,
    session: Session,
    /// The name in EHLO.
    hello: String,
    login: Option<Arc<Login>>,
    exchange: Option<Exchange>,
    /// How many exchanges there were.
    turns: u32,
    /// A layer that begins behind the reply that is being sent.
    layer: Option<Box<LayerKeys>>,
    transaction: Option<Box<Transaction>>,
    closed: Option<ClosedBy>,
    told_end: bool,
}

impl Begun {
    /// The handshake, where TLS comes first; then the machine that greets.
    async fn greet(&mut self) -> Result<Session, Broken> {
        let policy = Arc::clone(&self.settings().policy);
        let mut transport = Transport::Clear;
        if self.settings().tls == TlsUse::Implicit {
            self.begin_tls(policy.limits.handshake_wait).await?;
            transport = Transport::Tls;
        }
        let welcome = self.welcome().await;
        let connection =
            Connection { client: self.client.clone(), transport, offer: self.offer().await, welcome };
        self.entry.does(Doing::Ready);
        Ok(Session::new(Instant::now(), policy, connection))
    }

    async fn welcome(&mut self) -> Welcome {
        let access = Arc::clone(&self.site.access);
        let client = Client { address: self.address, name: Name::None };
        let mut decision = may_relay::client(client, &*access);
        if decision.refusal().is_some() && !matches!(decision.rule, Rule::Trouble(_)) {
            let name = self.name(&*access).await;
            decision = may_relay::client(Client { name: name.as_name(), ..client }, &*access);
        }
        match &decision.verdict {
            // The greeting of somebody who is not let in is 554, which is for good; MAIL asks once more.
            Verdict::Refuse(_) if matches!(decision.rule, Rule::Trouble(_)) => Welcome::Open,
            Verdict::Refuse(refusal) => {
                self.front.journal().note(&Event::Refused {
                    peer: self.peer(),
                    ruleset: "check_relay",
                    argument: &self.client,
                    reply: &refusal.reply().to_string(),
                    rule: Some(&decision.rule),
                    authentication: None,
                });
                Welcome::Refused(refusal.clone())
            }
            _ => Welcome::Open,
        }
    }

    async fn begin_tls(&mut self, wait: Duration) -> Result<(), Broken> {
        let Some(setup) = self.site.tls.clone() else { return Err(Broken::Gone) };
        let done = tokio::time::timeout(wait, self.pipe.begin_tls(&setup)).await;
        let done = done.unwrap_or(Err(Broken::Gone));
        match (&done, self.pipe.facts()) {
            (Ok(()), Some(facts)) => {
                self.entry.has_tls(facts);
                self.front.journal().note(&Event::TlsBegun { peer: self.peer(), facts });
            }
            (Err(why), _) => {
                let why = &why.to_string();
                self.front.journal().note(&Event::TlsFailed { peer: self.peer(), why });
            }
            _ => {}
        }
        done
    }

    /// What EHLO lists now.
    async fn offer(&self) -> Arc<Offer> {
        let settings = self.settings();
        let (mechanisms, logins) = match settings.auth {
            AuthUse::Never => (Vec::new(), Logins::Possible),
            AuthUse::Offered => {
                let offered = self.front.keeper().offers(self.listener.id, &self.channel()).await;
                (offered.mechanisms.as_ref().clone(), logins(offered.logins))
            }
        };
        let has_tls = self.site.tls.is_some() && settings.tls == TlsUse::StartTls;
        // Where a layer of SASL is, a handshake would have to go beside it.
        let is_possible = has_tls && !self.pipe.has_layer();
        Arc::new(Offer {
            mechanisms,
            logins,
            auth_equals: settings.auth_equals,
            starttls: if is_possible { StartTls::Offered } else { StartTls::NotOffered },
            size: Some(settings.max_message_size),
        })
    }

    /// What the keeper hears of the transport.
    fn channel(&self) -> Channel {
        let Some(facts) = self.pipe.facts() else { return Channel::default() };
        // What a CA vouched for does not count any more when it is taken out of its file, or nobody can trust that.
        let site = self.front.site();
        let (then, now) = (&self.site.tls, &site.tls);
        let is_vouched_for = now.as_ref().zip(then.as_ref()).is_some_and(|(now, then)| now.believes_as(then));
        Channel {
            ssf: facts.bits,
            identity: identity(&facts.client, &site).filter(|_| is_vouched_for),
            exporter: facts.exporter,
            end_point: facts.end_point.clone(),
        }
    }

    fn settings(&self) -> &ListenerSettings {
        &self.listener
    }

    /// Asks for the client's name, if nobody has; the answer is not waited for.
    fn ask_name(&mut self) {
        if let (None, Some(address), ClientNames::Asked) =
            (&self.name, self.address, self.site.settings.client_names)
        {
            self.name = Some(self.front.names().ask(address));
        }
    }

    /// The client's name, as far as it may decide something: where no entry of the map means a name, nobody waits for it.
    async fn name(&mut self, access: &dyn Access) -> Found {
        self.ask_name();
        match &mut self.name {
            Some(question) if access.names_clients() => question.wait().await,
            _ => Found::Nothing,
        }
    }

    /// Lets the next that needs the name ask again.
    fn forget_question(&mut self) {
        self.name = None;
    }

    /// The name, if it is there and leads back.
    fn name_now(&self) -> Option<String> {
        match self.name.as_ref()?.now()? {
            Found::Confirmed(name) => Some(name),
            Found::Nothing | Found::Unknown | Found::NotAsked => None,
        }
    }

    fn peer(&self) -> Peer<'_> {
        Peer { session: self.id, listener: &self.settings().name, client: &self.client }
    }

    fn note_end(&self, by: Result<Option<ClosedBy>, Broken>) {
        if let Err(Broken::Layer(why)) = &by {
            self.front.journal().note(&Event::LayerFailed { peer: self.peer(), why: *why });
        }
        self.front.journal().note(&Event::Closed { peer: self.peer(), by: by.ok().flatten() });
    }
}

/// Whether anything was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Done,
    Stuck,
}

impl Driver {
    fn new(begun: Begun, session: Session) -> Self {
        Self {
            begun,
            session,
            hello: String::new(),
            login: None,
            exchange: None,
            turns: 0,
            layer: None,
            transaction: None,
            closed: None,
            told_end: false,
        }
    }

    async fn drive(&mut self) -> Result<Option<ClosedBy>, Broken> {
        loop {
            if self.step().await? == Step::Done {
                continue;
            }
            self.flush().await?;
            if let Some(layer) = self.session.awaits_layer() {
                self.begin_layer(layer).await?;
            } else if self.closed.is_some() {
                self.begun.pipe.say_the_end()?;
                self.flush().await?;
                return Ok(self.closed);
            } else {
                self.wait().await?;
            }
        }
    }

    /// The session is over, however it ended.
    fn end(&mut self) {
        if let Some(exchange) = self.exchange.take() {
            self.begun.front.keeper().cancel(exchange.id);
        }
    }

    async fn step(&mut self) -> Result<Step, Broken> {
        if let Some(asked) = self.session.poll_event() {
            self.handle(asked).await?;
            return Ok(Step::Done);
        }
        if let Some(output) = self.session.poll_output() {
            self.begun.pipe.say(&output)?;
            if self.begun.pipe.is_full() {
                self.flush().await?;
            }
            return Ok(Step::Done);
        }
        Ok(self.feed())
    }

    fn feed(&mut self) -> Step {
        let pipe = &mut self.begun.pipe;
        if pipe.plain().is_empty() {
            if !pipe.has_ended() || std::mem::replace(&mut self.told_end, true) {
                return Step::Stuck;
            }
            self.session.end_of_input(Instant::now());
            return Step::Done;
        }
        match self.session.receive(Instant::now(), pipe.plain()) {
            0 => Step::Stuck,
            count => {
                pipe.consume(count);
                Step::Done
            }
        }
    }

    /// For the client, for time to pass, or for the end of the front.
    async fn wait(&mut self) -> Result<(), Broken> {
        let finishing = *self.begun.phase.borrow() == Phase::Finishing;
        if finishing && !self.has_message() {
            self.session.shut_down(Instant::now());
            return Ok(());
        }
        let deadline = self.session.poll_timeout();
        let may_read = self.begun.pipe.plain().is_empty() && !self.begun.pipe.has_ended();
        let Begun { pipe, phase, .. } = &mut self.begun;
        tokio::select! {
            ready = pipe.readable(), if may_read => {
                ready?;
                pipe.read()?;
            }
            () = until(deadline) => self.session.expire(Instant::now()),
            _ = phase.wait_for(|phase| *phase == Phase::Finishing), if !finishing => {}
        }
        Ok(())
    }

    /// Whether octets of a message are coming in: it may be finished.
    fn has_message(&self) -> bool {
        self.transaction.as_ref().is_some_and(|transaction| transaction.is_coming_in())
    }

    /// A client that does not read holds nobody up for longer than one that does not write.
    async fn flush(&mut self) -> Result<(), Broken> {
        if !self.begun.pipe.has_output() {
            return Ok(());
        }
        let wait = self.begun.settings().policy.limits.line_wait;
        tokio::time::timeout(wait, self.begun.pipe.flush()).await.unwrap_or(Err(Broken::Gone))
    }

    /// What was said so far is sent before something that may take long.
    async fn flush_before_waiting(&mut self) -> Result<(), Broken> {
        if let Some(output) = self.session.poll_output() {
            self.begun.pipe.say(&output)?;
        }
        self.flush().await
    }

    async fn begin_layer(&mut self, layer: Layer) -> Result<(), Broken> {
        match (layer, self.layer.take()) {
            (Layer::Tls, _) => {
                let wait = self.begun.settings().policy.limits.handshake_wait;
                self.begun.begin_tls(wait).await?;
                // RFC 3207, section 4.2: nothing that was learnt before is believed.
                self.login = None;
                self.begun.entry.has_logged_in(None);
                self.hello.clear();
            }
            (Layer::Sasl, Some(keys)) => self.begun.pipe.begin_layer(*keys),
            // A layer begins only behind keys.
            (Layer::Sasl, None) => return Err(Broken::Gone),
        }
        let offer = self.begun.offer().await;
        self.session.layered(Instant::now(), offer);
        Ok(())
    }

    async fn handle(&mut self, asked: Asked) -> Result<(), Broken> {
        match asked {
            Asked::Piece(octets) => {
                Box::pin(self.piece(&octets)).await;
                return Ok(());
            }
            Asked::AuthEnded(_) => self.end(),
            Asked::Reset => self.transaction = None,
            Asked::Closed(by) => {
                self.transaction = None;
                self.closed = Some(by);
            }
            question => {
                let answer = self.decide(question).await?;
                self.answer(answer);
            }
        }
        self.begun.entry.does(self.doing());
        Ok(())
    }

    /// What it is doing between two questions.
    fn doing(&self) -> Doing {
        match &self.transaction {
            _ if self.exchange.is_some() => Doing::Auth,
            Some(transaction) if transaction.is_coming_in() => Doing::Data,
            Some(_) => Doing::Mail,
            None => Doing::Ready,
        }
    }

    async fn decide(&mut self, question: Asked) -> Result<Answer, Broken> {
        Ok(match question {
            Asked::Hello { name, .. } => {
                self.hello = name;
                let offer = self.begun.offer().await;
                self.session.offer(offer);
                Answer::Accepted
            }
            Asked::Auth { mechanism, initial } => {
                self.begun.entry.does(Doing::Auth);
                self.flush_before_waiting().await?;
                Box::pin(self.begin_login(mechanism, initial)).await
            }
            Asked::Response(octets) => Box::pin(self.respond(&octets)).await,
            Asked::Mail(mail) => Box::pin(self.mail(mail)).await,
            Asked::Recipient(to) => Box::pin(self.recipient(to)).await,
            Asked::Data => Box::pin(self.begin_message()).await,
            Asked::MessageEnd => {
                let answer = Box::pin(self.end_message()).await;
                if matches!(answer, Answer::Accepted | Answer::AcceptedAs(_)) {
                    self.begun.entry.has_accepted();
                }
                answer
            }
            // Nothing waits here for a host that calls.
            Asked::Etrn(node) => {
                Answer::Refused(denied(458, (3, 3), &format!("Unable to queue messages for node {node}")))
            }
            // STARTTLS; what is no question is not brought here.
            _ => Answer::Accepted,
        })
    }

    fn answer(&mut self, answer: Answer) {
        // What was asked is open until it is answered, and each answer above is one to its question.
        let answered: Result<(), server::NotAsked> = self.session.answer(Instant::now(), answer);
        debug_assert!(answered.is_ok(), "an answer to no question");
    }
}

fn logins(said: wire::Logins) -> Logins {
    match said {
        wire::Logins::Possible => Logins::Possible,
        wire::Logins::NotNow => Logins::NotNow,
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
