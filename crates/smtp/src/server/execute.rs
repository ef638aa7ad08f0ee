//! A command from its line to its reply or question, and what the caller's answer makes of it. AUTH is carried on in
//! `dialogue.rs`, DATA in `message.rs`.

use zeroize::Zeroizing;

use crate::command::{self, Greeting, Mail, Verb};
use crate::extension::Extension;
use crate::line::LineFault;
use crate::reply::Reply;

use super::limit::Pace;
use super::state::{Question, State, Transaction};
use super::words::Side;
use super::{
    Answer, AuthEquals, ClosedBy, EtrnRule, Event, Layer, Progress, Session, StartTls, Transport, Turn,
    Welcome, words,
};

impl Session {
    /// The next command, if its line is there.
    pub(super) fn read_command(&mut self) -> Progress {
        let limits = &self.policy.limits;
        let (command, auth) = (limits.command_line, limits.auth_line);
        let most = |start: &[u8]| if command::is_auth(start) { auth } else { command };
        match self.input.line(self.policy.line_ends, most) {
            Ok(None) => return Progress::Stuck,
            Ok(Some(line)) => self.begin(line),
            Err(LineFault::Bare(bare)) => self.bare_line_end(bare),
            Err(LineFault::TooLong) => self.command_too_long(),
        }
        Progress::Made
    }

    /// A command that was held back; it has been counted.
    pub(super) fn execute_held(&mut self, line: &[u8]) {
        self.clock.restart();
        let (verb, argument) = command::split(line);
        self.execute(verb, argument);
    }

    /// What an answer makes of its question.
    pub(super) fn answered(&mut self, question: Question, answer: Answer) {
        match (question, answer) {
            (Question::Auth, answer) => self.auth_answered(answer),
            (Question::Message, answer) => self.message_answered(&answer),
            (_, Answer::Refused(refusal)) => self.refuse(&refusal),
            (Question::Hello(greeting), _) => self.greeted(greeting),
            (Question::Mail { path }, _) => {
                self.transaction = Some(Transaction::default());
                self.say(&words::sender_ok(&path));
            }
            (Question::Recipient { path }, _) => self.recipient_accepted(&path),
            (Question::Data, _) => self.begin_data(),
            (Question::StartTls, _) => self.hand_over(&words::ready_for_tls(), Layer::Tls),
            (Question::Etrn { node }, _) => self.say(&words::queuing(&node)),
        }
    }

    /// The reply that is the last one outside the layer. What the client sent ahead of it could have been put there by
    /// anybody on the way (RFC 3207 section 4.2, RFC 4954 section 4).
    pub(super) fn hand_over(&mut self, reply: &Reply, layer: Layer) {
        self.input.clear();
        self.say(reply);
        self.expect(State::Handover(layer));
    }

    fn command_too_long(&mut self) {
        if command::is_auth(self.input.held()) {
            self.state = State::Overlong { dropped: 0 };
        } else {
            self.line_too_long();
        }
    }

    pub(super) fn line_too_long(&mut self) {
        let reply = words::command_too_long(&self.policy.host, &self.client);
        self.say_last(&reply, ClosedBy::LineTooLong);
    }

    /// Counts a command, decides whether it may come now, and does it now or later.
    fn begin(&mut self, line: Zeroizing<Vec<u8>>) {
        self.clock.restart();
        if self.tally.command(&self.policy.limits) == Pace::Enough {
            return self.say_last(&words::too_much(&self.policy.host), ClosedBy::TooMuch);
        }
        let (verb, argument) = command::split(&line);
        let turn = std::mem::replace(&mut self.turn, Turn::Later);
        if verb == Verb::Stray && turn == Turn::First {
            let reply = words::open_proxy(&self.policy.host, &self.client);
            return self.say_last(&reply, ClosedBy::Stray);
        }
        if let Some(refusal) = self.out_of_turn(verb, argument) {
            return self.say(&refusal);
        }
        match self.tally.pace(verb, &self.policy.limits) {
            Pace::GoOn => self.execute(verb, argument),
            Pace::Wait(delay) => self.hold_back(delay, line),
            Pace::Enough => self.too_many_bad_commands(),
        }
    }

    fn hold_back(&mut self, delay: std::time::Duration, line: Zeroizing<Vec<u8>>) {
        match self.clock.now.checked_add(delay) {
            Some(until) => self.state = State::HeldBack { until, line },
            None => self.too_many_bad_commands(),
        }
    }

    fn too_many_bad_commands(&mut self) {
        self.say_last(&words::too_many_bad_commands(&self.policy.host), ClosedBy::TooMuch);
    }

    fn execute(&mut self, verb: Verb, argument: &[u8]) {
        match verb {
            Verb::Ehlo => self.hello(Greeting::Ehlo, argument),
            Verb::Helo => self.hello(Greeting::Helo, argument),
            Verb::Auth => self.auth(argument),
            Verb::Mail => self.mail(argument),
            Verb::Rcpt => self.rcpt(argument),
            Verb::Data => self.without_argument(argument, |me| me.ask(Question::Data, Event::Data)),
            Verb::Rset => self.without_argument(argument, |me| {
                me.reset();
                me.say(&words::reset());
            }),
            Verb::Quit => self.without_argument(argument, Self::quit),
            Verb::Noop => self.say(&words::fine()),
            Verb::Vrfy if argument.is_empty() => self.say(&words::parameter_required()),
            Verb::Vrfy => self.say(&words::cannot_verify()),
            Verb::Expn => self.say(&words::not_allowed()),
            Verb::Help => self.say(&words::help(argument)),
            Verb::Etrn => self.etrn(argument),
            Verb::StartTls => self.ask(Question::StartTls, Event::StartTls),
            Verb::Stray | Verb::Unknown => self.unrecognized(),
        }
    }

    fn unrecognized(&mut self) {
        match self.tally.bad_command(&self.policy.limits) {
            Pace::Enough => self.too_many_bad_commands(),
            _ => self.say(&words::unrecognized()),
        }
    }

    fn without_argument(&mut self, argument: &[u8], go: impl FnOnce(&mut Self)) {
        match command::nothing(argument) {
            Ok(()) => go(self),
            Err(_) => self.say(&words::no_parameters()),
        }
    }

    fn quit(&mut self) {
        self.say_last(&words::farewell(&self.policy.host), ClosedBy::Quit);
    }

    /// RFC 5321 section 4.1.4: a greeting that is taken also resets.
    fn hello(&mut self, greeting: Greeting, argument: &[u8]) {
        let verb = if greeting == Greeting::Ehlo { "EHLO" } else { "HELO" };
        match command::host_name(argument) {
            Ok(name) => {
                self.reset();
                self.ask(Question::Hello(greeting), Event::Hello { greeting, name });
            }
            Err(fault) => self.say(&words::host(fault, verb)),
        }
    }

    fn greeted(&mut self, greeting: Greeting) {
        self.greeting = Some(greeting);
        let mut reply = words::hello(&self.policy.host, &self.client);
        if greeting == Greeting::Ehlo {
            for extension in self.extensions() {
                reply = reply.and(&extension.to_string());
            }
        }
        self.say(&reply);
    }

    /// In the order in which sendmail lists them.
    fn extensions(&self) -> Vec<Extension> {
        if matches!(self.welcome, Welcome::Refused(_)) {
            return vec![Extension::EnhancedStatusCodes];
        }
        let offer = &self.offer;
        let mut list = vec![Extension::EnhancedStatusCodes, Extension::Pipelining, Extension::EightBitMime];
        list.push(Extension::Size(offer.size));
        if self.policy.etrn == EtrnRule::Asked {
            list.push(Extension::Etrn);
        }
        if !offer.mechanisms.is_empty() {
            list.push(Extension::Auth(offer.mechanisms.clone()));
            if offer.auth_equals == AuthEquals::On {
                list.push(Extension::AuthEquals(offer.mechanisms.clone()));
            }
        }
        if offer.starttls == StartTls::Offered && self.transport == Transport::Clear {
            list.push(Extension::StartTls);
        }
        list.push(Extension::Help);
        list
    }

    fn mail(&mut self, argument: &[u8]) {
        match command::mail(argument) {
            Err(fault) => self.say(&words::argument(&fault, Side::Sender)),
            Ok(mail) => match self.too_large(&mail) {
                Some(most) => self.say(&words::too_large(most)),
                None => self.ask(Question::Mail { path: mail.from.to_string() }, Event::Mail(mail)),
            },
        }
    }

    /// RFC 1870 section 6.1: what is announced as too large is refused before it is sent.
    fn too_large(&self, mail: &Mail) -> Option<u64> {
        self.offer.size.filter(|most| mail.size.is_some_and(|size| size > *most))
    }

    fn rcpt(&mut self, argument: &[u8]) {
        let recipients = self.transaction.as_ref().map_or(0, |transaction| transaction.recipients);
        match command::rcpt(argument) {
            Err(fault) => self.say(&words::argument(&fault, Side::Recipient)),
            Ok(_) if recipients >= self.policy.limits.recipients => self.say(&words::too_many_recipients()),
            Ok(to) => self.ask(Question::Recipient { path: to.to_string() }, Event::Recipient(to)),
        }
    }

    fn recipient_accepted(&mut self, path: &str) {
        if let Some(transaction) = &mut self.transaction {
            transaction.recipients += 1;
        }
        self.say(&words::recipient_ok(path));
    }

    fn etrn(&mut self, argument: &[u8]) {
        match command::etrn(argument) {
            Some(node) if self.policy.etrn == EtrnRule::Unable => self.say(&words::cannot_queue(&node)),
            Some(node) => self.ask(Question::Etrn { node: node.clone() }, Event::Etrn(node)),
            None => self.say(&words::parameter_required()),
        }
    }
}
