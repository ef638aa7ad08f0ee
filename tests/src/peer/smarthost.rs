//! The server elsewhere, to which the peers bring mail: it wants a login, takes any, and remembers all.

use std::io::{BufRead, BufReader, Result, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::PATIENCE;

/// The server, and what it was told.
#[derive(Debug)]
pub struct Smarthost {
    port: u16,
    told: Arc<Told>,
}

/// A message that was delivered here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// The mechanism of the login.
    pub mechanism: String,
    /// Who logged in.
    pub user: String,
    /// With which password.
    pub password: String,
    /// For whom the message is.
    pub recipient: String,
}

#[derive(Debug, Default)]
struct Told {
    deliveries: Mutex<Vec<Delivery>>,
    another: Condvar,
    ends: AtomicBool,
}

impl Smarthost {
    /// Starts a server at 127.0.0.1.
    ///
    /// # Panics
    /// When there is no port for it.
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("the address of a listener").port();
        let told = Arc::new(Told::default());
        let shared = Arc::clone(&told);
        std::thread::spawn(move || serve(&listener, &shared));
        Self { port, told }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Waits for the message to this recipient.
    ///
    /// # Panics
    /// When none comes.
    pub fn delivery_to(&self, recipient: &str) -> Delivery {
        let deliveries = self.told.deliveries.lock().expect("deliveries");
        let has_it = |all: &[Delivery]| all.iter().any(|one| one.recipient == recipient);
        let (deliveries, _) = self
            .told
            .another
            .wait_timeout_while(deliveries, PATIENCE, |all| !has_it(all))
            .expect("deliveries");
        let found = deliveries.iter().find(|one| one.recipient == recipient);
        found.unwrap_or_else(|| panic!("no message to {recipient}, but {deliveries:?}")).clone()
    }
}

impl Drop for Smarthost {
    fn drop(&mut self) {
        self.told.ends.store(true, Ordering::Relaxed);
        // It looks at that when somebody comes.
        let _ = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)));
    }
}

fn serve(listener: &TcpListener, told: &Arc<Told>) {
    for stream in listener.incoming().flatten() {
        if told.ends.load(Ordering::Relaxed) {
            return;
        }
        let told = Arc::clone(told);
        // A peer that breaks off has told what it had to tell.
        std::thread::spawn(move || Session::new(stream)?.run(&told));
    }
}

struct Session {
    stream: BufReader<TcpStream>,
    now: Delivery,
}

impl Session {
    fn new(stream: TcpStream) -> Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), now: Delivery::default() })
    }

    fn run(mut self, told: &Told) -> Result<()> {
        self.say("220 smarthost.test ESMTP")?;
        while let Some(line) = self.hear()? {
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match verb.to_ascii_uppercase().as_str() {
                "EHLO" => self.say("250-smarthost.test\r\n250 AUTH PLAIN LOGIN")?,
                "AUTH" => self.login(rest)?,
                "QUIT" => return self.say("221 2.0.0 goodbye"),
                "HELO" | "RSET" => self.say("250 2.0.0 well")?,
                _ if self.now.mechanism.is_empty() => self.say("530 5.7.0 log in first")?,
                "RCPT" => {
                    let address = rest.split(['<', '>']).nth(1).unwrap_or_default();
                    address.clone_into(&mut self.now.recipient);
                    self.say("250 2.1.5 well")?;
                }
                "DATA" => self.take(told)?,
                _ => self.say("250 2.0.0 well")?,
            }
        }
        Ok(())
    }

    /// `PLAIN` with or without its answer, or `LOGIN` and its two questions.
    fn login(&mut self, words: &str) -> Result<()> {
        let (mechanism, first) = words.split_once(' ').unwrap_or((words, ""));
        let (user, password) = if mechanism.eq_ignore_ascii_case("LOGIN") {
            (self.ask("Username:")?, self.ask("Password:")?)
        } else {
            let all = if first.is_empty() { self.ask("")? } else { decode(first) };
            let mut words = all.splitn(3, '\0').skip(1).map(ToOwned::to_owned);
            (words.next().unwrap_or_default(), words.next().unwrap_or_default())
        };
        self.now =
            Delivery { mechanism: mechanism.to_ascii_uppercase(), user, password, ..Delivery::default() };
        self.say("235 2.7.0 welcome")
    }

    fn ask(&mut self, question: &str) -> Result<String> {
        self.say(&format!("334 {}", STANDARD.encode(question)))?;
        Ok(decode(&self.hear()?.unwrap_or_default()))
    }

    fn take(&mut self, told: &Told) -> Result<()> {
        self.say("354 go ahead")?;
        while self.hear()?.is_some_and(|line| line != ".") {}
        told.deliveries.lock().expect("deliveries").push(self.now.clone());
        told.another.notify_all();
        self.say("250 2.0.0 taken")
    }

    fn say(&mut self, line: &str) -> Result<()> {
        self.stream.get_mut().write_all(format!("{line}\r\n").as_bytes())
    }

    fn hear(&mut self) -> Result<Option<String>> {
        let mut line = String::new();
        let count = self.stream.read_line(&mut line)?;
        Ok((count > 0).then(|| line.trim_end().to_owned()))
    }
}

fn decode(text: &str) -> String {
    STANDARD.decode(text).map(|octets| String::from_utf8_lossy(&octets).into_owned()).unwrap_or_default()
}
