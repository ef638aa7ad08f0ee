//! Why a server could not be looked at any further, as a report with its exit.

use std::io;

use cli::{Exit, Report};
use smtp::client::{CannotSend, ClosedBy};
use tls::client::ClientError;

/// Why it goes no further.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The host has no address.
    NoHost(io::Error),
    /// Nobody answers there.
    Unreachable(io::Error),
    /// The session ended, by whomever.
    Ended(ClosedBy),
    /// There is no TLS with this server.
    Tls(ClientError),
    /// The connection broke.
    Broken(io::Error),
    /// The server refused what the rest depends on.
    Refused(String),
    /// The same, and it may be otherwise another time (a reply of 4xx).
    Later(String),
    /// Something of ours, to be said as it is.
    Ours(Report),
}

impl Trouble {
    /// As it is said of a server.
    pub(crate) fn report(self, server: &impl std::fmt::Display) -> Report {
        let new = |exit, cause: &dyn std::fmt::Display| Report::new(exit, server, cause);
        match self {
            Self::Ours(report) => report,
            Self::NoHost(error) => new(Exit::NOHOST, &error),
            Self::Unreachable(error) => new(Exit::UNAVAILABLE, &error)
                .because("nobody answers there, or something on the way does not let us through"),
            Self::Broken(error) => new(Exit::TEMPFAIL, &error),
            Self::Refused(words) => new(Exit::UNAVAILABLE, &words),
            Self::Later(words) => new(Exit::TEMPFAIL, &words),
            Self::Tls(error @ ClientError::NotTls) => new(Exit::PROTOCOL, &error)
                .because("TLS from the first octet is for port 465; elsewhere it begins with STARTTLS")
                .mend("authcheck server submission://HOST:PORT"),
            Self::Tls(error @ ClientError::BadName) => new(Exit::USAGE, &error),
            Self::Tls(error) => new(Exit::PROTOCOL, &error),
            Self::Ended(by) => {
                let report = new(exit(&by), &by);
                match by {
                    ClosedBy::Timeout { .. } => report.mend("--timeout SECONDS waits longer"),
                    _ => report,
                }
            }
        }
    }
}

fn exit(by: &ClosedBy) -> Exit {
    match by {
        ClosedBy::Fault { .. } => Exit::PROTOCOL,
        _ => Exit::TEMPFAIL,
    }
}

impl From<Report> for Trouble {
    fn from(report: Report) -> Self {
        Self::Ours(report)
    }
}

impl From<ClientError> for Trouble {
    fn from(error: ClientError) -> Self {
        Self::Tls(error)
    }
}

/// What is said when is ours to know.
impl From<CannotSend> for Trouble {
    fn from(error: CannotSend) -> Self {
        Self::Ours(Report::plain(Exit::SOFTWARE, error))
    }
}
