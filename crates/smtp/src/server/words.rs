//! Every sentence that the server says by itself, in sendmail's words where it has them.
//!
//! Never said: a version, an octet of an AUTH command, and what a client sent that was no command (after a refused
//! AUTH that is often the password). sendmail echoes the last two.

use crate::address::AddressError;
use crate::command::{ArgumentFault, HostFault, Parameter};
use crate::line::Bare;
use crate::reply::Reply;

use super::AuthFailure;

pub(super) fn welcome(host: &str) -> Reply {
    Reply::bare(220, &format!("{host} ESMTP Gatepost"))
}

/// RFC 5321 section 3.1: a host that takes no mail from this client says so at once.
pub(super) fn not_welcome(host: &str) -> Reply {
    Reply::bare(554, &format!("{host} ESMTP not accepting messages"))
}

pub(super) fn hello(host: &str, client: &str) -> Reply {
    Reply::bare(250, &format!("{host} Hello {client}, pleased to meet you"))
}

pub(super) fn host(fault: HostFault, verb: &str) -> Reply {
    match fault {
        HostFault::Missing => Reply::ours(501, (0, 0), &format!("{verb} requires domain address")),
        HostFault::Invalid => Reply::ours(501, (0, 0), "Invalid domain name"),
    }
}

pub(super) fn hello_first() -> Reply {
    Reply::ours(503, (0, 0), "Polite people say HELO first")
}

pub(super) fn sender_already_given() -> Reply {
    Reply::ours(503, (5, 0), "Sender already specified")
}

pub(super) fn authentication_required() -> Reply {
    Reply::ours(530, (7, 0), "Authentication required")
}

/// Instead of it, where nobody can.
pub(super) fn nobody_can_log_in() -> Reply {
    Reply::ours(451, (3, 0), "Nobody can log in now. Please try again later.")
}

pub(super) fn need_mail_before_rcpt() -> Reply {
    Reply::ours(503, (0, 0), "Need MAIL before RCPT")
}

pub(super) fn need_mail() -> Reply {
    Reply::ours(503, (0, 0), "Need MAIL command")
}

pub(super) fn need_rcpt() -> Reply {
    Reply::ours(503, (0, 0), "Need RCPT (recipient)")
}

pub(super) fn sender_ok(path: &str) -> Reply {
    Reply::ours(250, (1, 0), &format!("{path}... Sender ok"))
}

pub(super) fn recipient_ok(path: &str) -> Reply {
    Reply::ours(250, (1, 5), &format!("{path}... Recipient ok"))
}

pub(super) fn too_many_recipients() -> Reply {
    Reply::ours(452, (5, 3), "Too many recipients")
}

/// What is wrong with MAIL or RCPT, told by the side that the address is on.
pub(super) fn argument(fault: &ArgumentFault, side: Side) -> Reply {
    match fault {
        ArgumentFault::NotWanted => no_parameters(),
        ArgumentFault::Keyword => {
            Reply::ours(501, (5, 2), &format!("Syntax error in parameters scanning \"{}\"", side.keyword()))
        }
        ArgumentFault::Address(fault) => address(*fault, side),
        ArgumentFault::Unrecognized(name) => {
            Reply::ours(555, (5, 4), &format!("{name} parameter unrecognized"))
        }
        ArgumentFault::Duplicate(parameter) => {
            Reply::ours(501, (5, 0), &format!("Duplicate {} parameter", parameter.name()))
        }
        ArgumentFault::NoValue(Parameter::Auth) => Reply::ours(501, (5, 2), "AUTH= requires a value"),
        ArgumentFault::NoValue(parameter) => {
            Reply::ours(501, (5, 2), &format!("{} requires a value", parameter.name()))
        }
        ArgumentFault::BadValue(parameter) => {
            Reply::ours(501, (5, 4), &format!("Syntax error in {} parameter value", parameter.name()))
        }
    }
}

/// Whose address it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Side {
    Sender,
    Recipient,
}

impl Side {
    fn keyword(self) -> &'static str {
        match self {
            Self::Sender => "FROM",
            Self::Recipient => "TO",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Sender => "sender",
            Self::Recipient => "recipient",
        }
    }

    /// RFC 3463: X.1.7 is a bad sender's address, X.1.3 a bad destination's.
    fn syntax(self) -> (u16, u16) {
        match self {
            Self::Sender => (1, 7),
            Self::Recipient => (1, 3),
        }
    }
}

fn address(fault: AddressError, side: Side) -> Reply {
    let word = side.word();
    match fault {
        // RFC 6531 section 3.5.
        AddressError::NotAscii => {
            Reply::ours(553, (6, 7), &format!("Non-ASCII {word} address requires SMTPUTF8"))
        }
        AddressError::NoDomain => {
            Reply::ours(553, side.syntax(), &format!("Domain name required for {word} address"))
        }
        _ => Reply::ours(501, side.syntax(), &format!("Syntax error in {word} address")),
    }
}

pub(super) fn too_large(most: u64) -> Reply {
    Reply::ours(552, (2, 3), &format!("Message size exceeds fixed maximum message size ({most})"))
}

pub(super) fn begin_data() -> Reply {
    Reply::bare(354, "Enter mail, end with \".\" on a line by itself")
}

pub(super) fn message_accepted() -> Reply {
    Reply::ours(250, (0, 0), "Message accepted for delivery")
}

pub(super) fn message_accepted_as(name: &str) -> Reply {
    Reply::ours(250, (0, 0), &format!("{name} Message accepted for delivery"))
}

pub(super) fn reset() -> Reply {
    Reply::ours(250, (0, 0), "Reset state")
}

pub(super) fn fine() -> Reply {
    Reply::ours(250, (0, 0), "OK")
}

pub(super) fn farewell(host: &str) -> Reply {
    Reply::ours(221, (0, 0), &format!("{host} closing connection"))
}

/// RFC 5321 section 7.3: neither yes nor no.
pub(super) fn cannot_verify() -> Reply {
    Reply::ours(252, (5, 2), "Cannot VRFY user; try RCPT to attempt delivery")
}

pub(super) fn not_allowed() -> Reply {
    Reply::ours(502, (7, 0), "Sorry, we do not allow this operation")
}

pub(super) fn cannot_queue(node: &str) -> Reply {
    Reply::ours(458, (3, 3), &format!("Unable to queue messages for node {node}"))
}

pub(super) fn help(topic: &[u8]) -> Reply {
    if !topic.trim_ascii().is_empty() {
        return Reply::ours(504, (3, 0), "HELP topic unknown");
    }
    Reply::ours(214, (0, 0), "Topics:")
        .and("    HELO    EHLO    MAIL    RCPT    DATA")
        .and("    RSET    NOOP    QUIT    HELP    VRFY")
        .and("    EXPN    ETRN    AUTH    STARTTLS")
        .and("End of HELP info")
}

pub(super) fn parameter_required() -> Reply {
    Reply::ours(500, (5, 2), "Parameter required")
}

pub(super) fn queuing(node: &str) -> Reply {
    Reply::ours(250, (0, 0), &format!("Queuing for node {node} started"))
}

pub(super) fn unrecognized() -> Reply {
    Reply::ours(500, (5, 1), "Command unrecognized")
}

pub(super) fn no_parameters() -> Reply {
    Reply::ours(501, (5, 2), "Syntax error (no parameters allowed)")
}

pub(super) fn tls_not_available() -> Reply {
    Reply::ours(503, (5, 0), "TLS not available")
}

pub(super) fn tls_already() -> Reply {
    Reply::ours(454, (3, 3), "TLS not available after start")
}

pub(super) fn tls_in_transaction() -> Reply {
    Reply::ours(503, (5, 0), "TLS not permitted during a mail transaction")
}

pub(super) fn ready_for_tls() -> Reply {
    Reply::ours(220, (0, 0), "Ready to start TLS")
}

pub(super) fn auth_not_available() -> Reply {
    Reply::ours(503, (3, 3), "AUTH not available")
}

pub(super) fn already_authenticated() -> Reply {
    Reply::ours(503, (5, 0), "Already Authenticated")
}

pub(super) fn auth_in_transaction() -> Reply {
    Reply::ours(503, (5, 0), "AUTH not permitted during a mail transaction")
}

pub(super) fn mechanism_required() -> Reply {
    Reply::ours(501, (5, 2), "AUTH mechanism must be specified")
}

/// sendmail shows 32 characters of the name.
pub(super) fn mechanism_not_available(name: &str) -> Reply {
    let name: String = name.chars().take(32).collect();
    Reply::ours(504, (3, 3), &format!("AUTH mechanism {name} not available"))
}

/// RFC 4954 section 4 wants 5.5.2 (sendmail: 5.5.4).
pub(super) fn initial_not_base64() -> Reply {
    Reply::ours(501, (5, 2), "cannot BASE64 decode initial response")
}

/// As above.
pub(super) fn response_not_base64() -> Reply {
    Reply::ours(501, (5, 2), "cannot decode AUTH parameter")
}

/// RFC 4954 section 4. sendmail would take the rest of the line for the next command.
pub(super) fn auth_line_too_long() -> Reply {
    Reply::ours(500, (5, 6), "Authentication exchange line is too long")
}

pub(super) fn auth_cancelled() -> Reply {
    Reply::ours(501, (0, 0), "AUTH aborted")
}

pub(super) fn authenticated() -> Reply {
    Reply::ours(235, (0, 0), "OK Authenticated")
}

pub(super) fn challenge_too_long() -> Reply {
    Reply::ours(454, (5, 4), "Internal error: unable to encode64")
}

pub(super) fn auth_failed(failure: AuthFailure) -> Reply {
    match failure {
        AuthFailure::Credentials => Reply::ours(535, (7, 0), "authentication failed"),
        AuthFailure::Temporary => Reply::ours(454, (7, 0), "Temporary authentication failure"),
        AuthFailure::Later => Reply::ours(454, (3, 0), "Please try again later"),
        AuthFailure::TooWeak => Reply::ours(534, (7, 9), "Authentication mechanism is too weak"),
        AuthFailure::EncryptionRequired => {
            Reply::ours(538, (7, 11), "Encryption required for requested authentication mechanism")
        }
    }
}

pub(super) fn too_many_bad_commands(host: &str) -> Reply {
    Reply::ours(421, (7, 0), &format!("{host} Too many bad commands; closing connection"))
}

pub(super) fn too_much(host: &str) -> Reply {
    Reply::ours(421, (7, 0), &format!("{host} Too much in one session; closing connection"))
}

pub(super) fn command_too_long(host: &str, client: &str) -> Reply {
    Reply::ours(421, (7, 0), &format!("{host} Command too long, possible attack {client}"))
}

pub(super) fn open_proxy(host: &str, client: &str) -> Reply {
    Reply::ours(421, (7, 0), &format!("{host} Rejecting open proxy {client}"))
}

/// Postfix's code for the same: the session ends, and not for now.
pub(super) fn bare_line_end(host: &str, bare: Bare) -> Reply {
    let octet = match bare {
        Bare::Cr => "CR",
        Bare::Lf => "LF",
    };
    Reply::ours(521, (5, 2), &format!("{host} Bare {octet} received; closing connection"))
}

pub(super) fn timeout(host: &str) -> Reply {
    Reply::ours(421, (4, 2), &format!("{host} Timeout waiting for input; closing connection"))
}

pub(super) fn shutting_down(host: &str) -> Reply {
    Reply::ours(421, (3, 2), &format!("{host} Service not available; closing connection"))
}
