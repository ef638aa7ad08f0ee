//! Which command may come now. Asked before a command's argument is looked at, in sendmail's order.

use crate::command::{self, Verb};
use crate::reply::Reply;

use super::{AuthRule, EtrnRule, HelloRule, Login, Logins, Session, StartTls, Transport, Welcome, words};

impl Session {
    /// Why a command may not come now.
    pub(super) fn out_of_turn(&self, verb: Verb, argument: &[u8]) -> Option<Reply> {
        if let Some(refusal) = self.not_welcome(verb) {
            return Some(refusal);
        }
        match verb {
            Verb::Mail => self.no_mail(),
            Verb::Rcpt => self.transaction.is_none().then(words::need_mail_before_rcpt),
            Verb::Data => self.no_data(),
            Verb::Auth => self.no_auth(),
            Verb::StartTls => self.no_tls(argument),
            Verb::Etrn if self.policy.etrn == EtrnRule::Refused => Some(words::not_allowed()),
            Verb::Expn => Some(words::not_allowed()),
            _ => None,
        }
    }

    fn not_welcome(&self, verb: Verb) -> Option<Reply> {
        match (&self.welcome, verb) {
            (Welcome::Open, _) | (_, Verb::Ehlo | Verb::Helo | Verb::Quit | Verb::Stray) => None,
            (Welcome::Refused(refusal), _) => Some(refusal.reply().clone()),
        }
    }

    fn no_mail(&self) -> Option<Reply> {
        if self.greeting.is_none() && self.policy.hello == HelloRule::BeforeMail {
            return Some(words::hello_first());
        }
        if self.transaction.is_some() {
            return Some(words::sender_already_given());
        }
        let lacks_auth = self.policy.auth == AuthRule::Required && self.login == Login::Nobody;
        lacks_auth.then(|| match self.offer.logins {
            Logins::Possible => words::authentication_required(),
            Logins::NotNow => words::nobody_can_log_in(),
        })
    }

    fn no_data(&self) -> Option<Reply> {
        match &self.transaction {
            None => Some(words::need_mail()),
            Some(transaction) if transaction.recipients == 0 => Some(words::need_rcpt()),
            Some(_) => None,
        }
    }

    fn no_auth(&self) -> Option<Reply> {
        if self.offer.mechanisms.is_empty() && self.offer.logins == Logins::Possible {
            return Some(words::auth_not_available());
        }
        if self.login == Login::Authenticated {
            return Some(words::already_authenticated());
        }
        self.transaction.is_some().then(words::auth_in_transaction)
    }

    fn no_tls(&self, argument: &[u8]) -> Option<Reply> {
        if command::nothing(argument).is_err() {
            return Some(words::no_parameters());
        }
        if self.transport == Transport::Tls {
            return Some(words::tls_already());
        }
        if self.offer.starttls == StartTls::NotOffered {
            return Some(words::tls_not_available());
        }
        self.transaction.is_some().then(words::tls_in_transaction)
    }
}
