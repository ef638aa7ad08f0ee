//! A keeper that plays a part: it answers the front's messages as the test says.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::thread;

use wire::frame::{self, Decoder};
use wire::{Class, ExchangeId, Login, SecretOctets, ToFront, ToKeeper};
use zeroize::Zeroizing;

/// What a keeper answers.
pub(crate) type Part = Box<dyn FnMut(&ToKeeper) -> Vec<ToFront> + Send>;

/// The other end of the front's connection, and what was heard there.
#[derive(Clone)]
pub(crate) struct Heard(Arc<Mutex<Vec<String>>>);

/// Plays a part in a thread, until the front hangs up.
pub(crate) fn play(mut part: Part) -> (UnixStream, Heard) {
    let (theirs, mut ours) = UnixStream::pair().unwrap();
    let heard = Heard(Arc::default());
    let log = heard.clone();
    thread::spawn(move || {
        let mut decoder = Decoder::default();
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = ours.read(&mut buffer) {
            decoder.feed(&buffer[..count]);
            while let Some(message) = decoder.next::<ToKeeper>().unwrap() {
                log.0.lock().unwrap().push(format!("{message:?}"));
                let mut out = Zeroizing::default();
                for answer in part(&message) {
                    frame::push(&answer, &mut out).unwrap();
                }
                if ours.write_all(&out).is_err() {
                    return;
                }
            }
        }
    });
    (theirs, heard)
}

impl Heard {
    /// How many messages of a kind came.
    pub(crate) fn count(&self, kind: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|message| message.starts_with(kind)).count()
    }

    /// The last message of a kind.
    pub(crate) fn last(&self, kind: &str) -> String {
        let heard = self.0.lock().unwrap();
        heard.iter().rev().find(|message| message.starts_with(kind)).cloned().unwrap_or_default()
    }
}

/// PLAIN and LOGIN for alice, whose password is pencil; PLAIN only under TLS.
pub(crate) fn alices() -> Part {
    let mut user = None;
    Box::new(move |message| match message {
        ToKeeper::Offer { request, channel, .. } => {
            let names: &[&str] = if channel.ssf > 0 { &["LOGIN", "PLAIN"] } else { &["LOGIN"] };
            vec![ToFront::Offered {
                request: *request,
                mechanisms: names.iter().map(|name| (*name).to_owned()).collect(),
                left_out: Vec::new(),
                logins: wire::Logins::Possible,
            }]
        }
        ToKeeper::Begin { exchange, mechanism, initial, .. } if mechanism.eq_ignore_ascii_case("PLAIN") => {
            let initial = initial.as_ref().map(|octets| octets.expose().to_vec()).unwrap_or_default();
            vec![verdict(*exchange, "PLAIN", initial == b"\0alice\0pencil")]
        }
        ToKeeper::Begin { exchange, .. } => vec![challenge(*exchange, "Username:")],
        ToKeeper::Respond { exchange, octets } => match user.take() {
            None => {
                user = Some(octets.expose().to_vec());
                vec![challenge(*exchange, "Password:")]
            }
            Some(name) => vec![verdict(*exchange, "LOGIN", name == b"alice" && octets.expose() == b"pencil")],
        },
        ToKeeper::Cancel { .. } => {
            user = None;
            Vec::new()
        }
    })
}

pub(crate) fn challenge(exchange: ExchangeId, text: &str) -> ToFront {
    ToFront::Challenge { exchange, octets: text.as_bytes().to_vec() }
}

pub(crate) fn verdict(exchange: ExchangeId, mechanism: &str, is_right: bool) -> ToFront {
    if is_right {
        ToFront::LoggedIn { exchange, login: login(mechanism, None) }
    } else {
        ToFront::Refused { exchange, class: Class::Refused, hold_ms: 0 }
    }
}

pub(crate) fn login(mechanism: &str, layer: Option<SecretOctets>) -> Login {
    Login {
        authentication: "alice@gate.test".to_owned(),
        authorization: "alice@gate.test".to_owned(),
        mechanism: mechanism.to_owned(),
        ssf: u32::from(layer.is_some()),
        layer,
        is_somebody: mechanism != "ANONYMOUS",
    }
}
