//! The connection to the keeper: questions of many sessions on one stream, answers back to whoever asked.
//!
//! A question is written by who asks it, without a task between, and the answer wakes the asker alone. When the
//! connection ends, everybody who waits is told so at once; the opener brings another one, and until then a question
//! waits a moment for it.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::sync::{Notify, oneshot, watch};
use wire::frame::{self, Decoder};
use wire::{Channel, Class, ExchangeId, ListenerId, Login, Logins, ToFront, ToKeeper};
use zeroize::{Zeroize, Zeroizing};

use crate::event::{Event, Journal};
use crate::lock::lock;

/// How long a question waits for a keeper that is being started again.
const RECONNECT_WAIT: Duration = Duration::from_secs(5);

/// How long an answer may take. A password waits in a line for its check, so this is long; it only ends what would
/// never end.
const ANSWER_WAIT: Duration = Duration::from_mins(2);

/// How much may wait for a keeper that does not read, in octets. What would be more is not asked: the trouble is ours, and
/// the connection goes on.
const MOST_PENDING: usize = 8 << 20;

/// A message that is never left out, in octets: that a client does not go on.
const ALWAYS_TAKEN: usize = 32;

/// A handle; clones lead to the same connection.
#[derive(Clone)]
pub struct Keeper(Arc<Shared>);

/// What may be listed over a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offered {
    pub(crate) mechanisms: Arc<Vec<String>>,
    pub(crate) logins: Logins,
}

/// What the keeper makes of a message of a client.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Send this challenge.
    Challenge(Vec<u8>),
    /// It has logged in.
    LoggedIn(Box<Login>),
    /// It has not, and hears of it after a while.
    Refused { class: Class, hold: Duration },
}

/// An exchange, and with which connection it began. Another keeper knows nothing of it.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) id: ExchangeId,
    epoch: Option<u64>,
}

impl Exchange {
    /// One that nobody has heard of yet.
    pub(crate) fn new(id: ExchangeId) -> Self {
        Self { id, epoch: None }
    }
}

/// There is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Gone {
    /// The connection has ended; there may be another one.
    #[error("the keeper is gone")]
    Closed,
    /// There is none, or no answer in time.
    #[error("the keeper does not answer")]
    Silent,
}

struct Shared {
    journal: Arc<dyn Journal>,
    line: Mutex<Option<Arc<Line>>>,
    asked: Mutex<Asked>,
    is_there: watch::Sender<bool>,
}

/// One connection.
struct Line {
    /// As [`Asked::epoch`] was when it began.
    epoch: u64,
    stream: UnixStream,
    /// What the socket did not take at once.
    pending: Mutex<VecDeque<Zeroizing<Vec<u8>>>>,
    more: Notify,
}

#[derive(Default)]
struct Asked {
    /// Counts connections.
    epoch: u64,
    next_request: u32,
    exchanges: HashMap<ExchangeId, oneshot::Sender<Verdict>>,
    offers: HashMap<u32, (Option<OfferKey>, oneshot::Sender<Offered>)>,
    /// What was offered last, and whether it is still true.
    known: HashMap<OfferKey, (Offered, Truth)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Truth {
    Holds,
    Stale,
}

/// What an offer depends on. A client's certificate is not here: with one the keeper is asked each time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct OfferKey {
    listener: ListenerId,
    ssf: u32,
    has_exporter: bool,
    has_end_point: bool,
}

impl Keeper {
    /// A keeper that is not there yet.
    pub fn new(journal: Arc<dyn Journal>) -> Self {
        let (is_there, _) = watch::channel(false);
        Self(Arc::new(Shared { journal, line: Mutex::default(), asked: Mutex::default(), is_there }))
    }

    /// A connection to it, in the place of the one before.
    ///
    /// # Errors
    /// The descriptor is no socket.
    pub fn connect(&self, stream: StdUnixStream) -> io::Result<()> {
        stream.set_nonblocking(true)?;
        let stream = UnixStream::from_std(stream)?;
        let line = self.0.replace_by(stream);
        tokio::spawn(carry(Arc::clone(&self.0), line));
        Ok(())
    }

    /// What may be listed. Of a keeper that is gone for good, what it said last: who then tries to log in hears that
    /// the trouble is ours.
    pub(crate) async fn offers(&self, listener: ListenerId, channel: &Channel) -> Offered {
        let key = OfferKey::of(listener, channel);
        if let Some(known) = key.as_ref().and_then(|key| self.0.known(key, Truth::Holds)) {
            return known;
        }
        let mut offered = self.ask_offers(listener, channel, key.clone()).await;
        if offered == Err(Gone::Closed) {
            offered = self.ask_offers(listener, channel, key.clone()).await;
        }
        offered.unwrap_or_else(|_| {
            let known = key.and_then(|key| self.0.known(&key, Truth::Stale));
            let mechanisms = known.map(|known| known.mechanisms).unwrap_or_default();
            Offered { mechanisms, logins: Logins::NotNow }
        })
    }

    /// Begins an exchange. A keeper that ends before it has answered knew nothing that the next one does not, so the
    /// next one is asked, once.
    pub(crate) async fn begin(&self, exchange: &mut Exchange, message: &ToKeeper) -> Result<Verdict, Gone> {
        match self.ask(exchange, message).await {
            Err(Gone::Closed) => {
                exchange.epoch = None;
                self.ask(exchange, message).await
            }
            answered => answered,
        }
    }

    /// Asks what becomes of a message of a client.
    pub(crate) async fn ask(&self, exchange: &mut Exchange, message: &ToKeeper) -> Result<Verdict, Gone> {
        self.wait_for_it().await?;
        let answered = lock(&self.0.asked).expect_verdict(exchange)?;
        let sent = self.0.send(message, exchange.epoch);
        let verdict = match sent {
            Ok(()) => within(answered).await,
            Err(gone) => Err(gone),
        };
        if verdict.is_err() {
            lock(&self.0.asked).exchanges.remove(&exchange.id);
        }
        verdict
    }

    /// The client does not go on.
    pub(crate) fn cancel(&self, exchange: ExchangeId) {
        lock(&self.0.asked).exchanges.remove(&exchange);
        // A keeper that is gone has forgotten it.
        let _ = self.0.send(&ToKeeper::Cancel { exchange }, None);
    }

    async fn ask_offers(
        &self,
        listener: ListenerId,
        channel: &Channel,
        key: Option<OfferKey>,
    ) -> Result<Offered, Gone> {
        self.wait_for_it().await?;
        let (answer, answered) = oneshot::channel();
        let (request, epoch) = lock(&self.0.asked).expect_offer(key, answer);
        let question = ToKeeper::Offer { request, listener, channel: channel.clone() };
        let sent = self.0.send(&question, Some(epoch));
        let offered = match sent {
            Ok(()) => within(answered).await,
            Err(gone) => Err(gone),
        };
        if offered.is_err() {
            lock(&self.0.asked).offers.remove(&request);
        }
        offered
    }

    /// Whether there is a connection now.
    pub(crate) fn is_there(&self) -> bool {
        *self.0.is_there.borrow()
    }

    async fn wait_for_it(&self) -> Result<(), Gone> {
        if self.is_there() {
            return Ok(());
        }
        let mut is_there = self.0.is_there.subscribe();
        match tokio::time::timeout(RECONNECT_WAIT, is_there.wait_for(|is_there| *is_there)).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Gone::Silent),
        }
    }
}

async fn within<T>(answered: oneshot::Receiver<T>) -> Result<T, Gone> {
    match tokio::time::timeout(ANSWER_WAIT, answered).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err(Gone::Closed),
        Err(_) => Err(Gone::Silent),
    }
}

impl Shared {
    /// From now on nothing that is said on the connection of before is an answer.
    fn replace_by(&self, stream: UnixStream) -> Arc<Line> {
        let mut current = lock(&self.line);
        let epoch = lock(&self.asked).forget();
        let line = Arc::new(Line { epoch, stream, pending: Mutex::default(), more: Notify::new() });
        *current = Some(Arc::clone(&line));
        drop(current);
        self.is_there.send_replace(true);
        self.journal.note(&Event::KeeperConnected);
        line
    }

    fn known(&self, key: &OfferKey, least: Truth) -> Option<Offered> {
        let asked = lock(&self.asked);
        let (offered, truth) = asked.known.get(key)?;
        (*truth == Truth::Holds || least == Truth::Stale).then(|| offered.clone())
    }

    /// Not on another connection than the one on which the answer is expected.
    fn send(&self, message: &ToKeeper, epoch: Option<u64>) -> Result<(), Gone> {
        let line = lock(&self.line).clone().ok_or(Gone::Closed)?;
        if epoch.is_some_and(|epoch| epoch != line.epoch) {
            return Err(Gone::Closed);
        }
        let mut octets = Zeroizing::default();
        frame::push(message, &mut octets).map_err(|_| Gone::Silent)?;
        line.send(octets).inspect_err(|gone| {
            if *gone == Gone::Closed {
                self.lost(&line);
            }
        })
    }

    /// A connection has ended, unless another one is there already.
    fn lost(&self, line: &Arc<Line>) {
        let lost = lock(&self.line).take_if(|current| Arc::ptr_eq(current, line));
        if lost.is_some() {
            lock(&self.asked).forget();
            self.is_there.send_replace(false);
            self.journal.note(&Event::KeeperGone);
        }
    }

    fn take(&self, epoch: u64, message: ToFront) {
        if lock(&self.asked).epoch != epoch {
            return;
        }
        match message {
            ToFront::Offered { request, mechanisms, left_out, logins } => {
                self.offered(request, Offered { mechanisms: Arc::new(mechanisms), logins }, &left_out);
            }
            ToFront::OffersChanged => lock(&self.asked).offers_changed(),
            ToFront::Challenge { exchange, octets } => self.answer(exchange, Verdict::Challenge(octets)),
            ToFront::LoggedIn { exchange, login } => {
                self.answer(exchange, Verdict::LoggedIn(Box::new(login)));
            }
            ToFront::Refused { exchange, class, hold_ms } => {
                let hold = Duration::from_millis(hold_ms.into());
                self.answer(exchange, Verdict::Refused { class, hold });
            }
        }
    }

    fn offered(&self, request: u32, offered: Offered, left_out: &[(String, String)]) {
        let mut asked = lock(&self.asked);
        let Some((key, answer)) = asked.offers.remove(&request) else { return };
        if let Some(key) = key {
            // On the one stream whatever comes behind OffersChanged was said behind it.
            asked.known.insert(key, (offered.clone(), Truth::Holds));
        }
        drop(asked);
        self.journal.note(&Event::Offered { mechanisms: &offered.mechanisms, left_out });
        // Who asked may be gone.
        let _ = answer.send(offered);
    }

    fn answer(&self, exchange: ExchangeId, verdict: Verdict) {
        let asker = lock(&self.asked).exchanges.remove(&exchange);
        if let Some(asker) = asker {
            // One that was given up has sent Cancel.
            let _ = asker.send(verdict);
        }
    }
}

impl Asked {
    fn expect_offer(&mut self, key: Option<OfferKey>, answer: oneshot::Sender<Offered>) -> (u32, u64) {
        let request = self.next_request;
        self.next_request = request.wrapping_add(1);
        self.offers.insert(request, (key, answer));
        (request, self.epoch)
    }

    fn expect_verdict(&mut self, exchange: &mut Exchange) -> Result<oneshot::Receiver<Verdict>, Gone> {
        if *exchange.epoch.get_or_insert(self.epoch) != self.epoch {
            return Err(Gone::Closed);
        }
        let (answer, answered) = oneshot::channel();
        self.exchanges.insert(exchange.id, answer);
        Ok(answered)
    }

    /// A connection has ended or begun: no answer comes any more, and what was offered has to be asked anew.
    fn forget(&mut self) -> u64 {
        self.epoch += 1;
        self.exchanges.clear();
        self.offers.clear();
        self.offers_changed();
        self.epoch
    }

    fn offers_changed(&mut self) {
        self.known.values_mut().for_each(|(_, truth)| *truth = Truth::Stale);
    }
}

impl OfferKey {
    fn of(listener: ListenerId, channel: &Channel) -> Option<Self> {
        let Channel { ssf, identity, exporter, end_point } = channel;
        identity.is_none().then_some(Self {
            listener,
            ssf: *ssf,
            has_exporter: exporter.is_some(),
            has_end_point: end_point.is_some(),
        })
    }
}

impl Line {
    fn send(&self, mut octets: Zeroizing<Vec<u8>>) -> Result<(), Gone> {
        let mut pending = lock(&self.pending);
        if pending.is_empty() {
            match self.stream.try_write(&octets) {
                Ok(sent) if sent == octets.len() => return Ok(()),
                Ok(sent) => octets = Zeroizing::new(octets[sent..].to_vec()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Err(Gone::Closed),
            }
        }
        // What was begun has to be finished, or the next message is taken for its end.
        let is_small = octets.len() <= ALWAYS_TAKEN;
        if !is_small
            && !pending.is_empty()
            && pending.iter().map(|octets| octets.len()).sum::<usize>() > MOST_PENDING
        {
            return Err(Gone::Silent);
        }
        pending.push_back(octets);
        self.more.notify_one();
        Ok(())
    }

    /// Sends what waits.
    async fn drain(&self) -> io::Result<()> {
        loop {
            if lock(&self.pending).is_empty() {
                self.more.notified().await;
            }
            self.stream.writable().await?;
            self.push_on()?;
        }
    }

    fn push_on(&self) -> io::Result<()> {
        let mut pending = lock(&self.pending);
        while let Some(first) = pending.front_mut() {
            match self.stream.try_write(first) {
                Ok(sent) if sent == first.len() => drop(pending.pop_front()),
                Ok(sent) => *first = Zeroizing::new(first[sent..].to_vec()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn read(&self, shared: &Shared) -> io::Result<()> {
        let mut decoder = Decoder::default();
        loop {
            self.stream.readable().await?;
            if !self.read_some(&mut decoder)? {
                return Ok(());
            }
            let malformed = |error: wire::WireError| io::Error::other(error);
            while let Some(message) = decoder.next().map_err(malformed)? {
                shared.take(self.epoch, message);
            }
        }
    }

    /// False at the end.
    fn read_some(&self, decoder: &mut Decoder) -> io::Result<bool> {
        let mut buffer = [0; 4 << 10];
        match self.stream.try_read(&mut buffer) {
            Ok(0) => Ok(false),
            Ok(count) => {
                decoder.feed(&buffer[..count]);
                // Keys of security layers were in it.
                buffer[..count].zeroize();
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
            Err(error) => Err(error),
        }
    }
}

/// Until the connection ends, for whatever reason.
async fn carry(shared: Arc<Shared>, line: Arc<Line>) {
    tokio::select! {
        _ = line.read(&shared) => {}
        _ = line.drain() => {}
    }
    shared.lost(&line);
}
