//! The options of `authcheck server`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use credential::Mechanism;
use smtp::address::{ForwardPath, ReversePath};

use super::look::{recipient, sender};
use super::place::Place;

/// What is asked of which server.
#[derive(Args, Clone, Debug)]
pub(crate) struct ServerOptions {
    /// The server: submission://HOST or HOST alone (port 587), smtp://HOST (25), submissions://HOST or smtps://HOST (465, TLS
    /// from the first octet), each with :PORT where it is another; unix:/PATH
    #[arg(value_name = "URL")]
    pub(crate) place: Place,

    /// Log in as this user; the password is asked for, or read from standard input
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,

    /// Ask to act for this identity
    #[arg(long, value_name = "IDENTITY", requires = "user")]
    pub(crate) authorize: Option<String>,

    /// Log in by this mechanism, and by none that is not named; may be repeated [default: each that the server offers and
    /// that works with a password]
    #[arg(long, value_name = "MECHANISM", requires = "user")]
    pub(crate) mechanism: Vec<Mechanism>,

    /// CAs, or the server's own certificate, by which it is verified
    #[arg(long, value_name = "FILE", default_value = SYSTEM_CA)]
    pub(crate) ca: PathBuf,

    /// The name that the certificate has to have [default: that of the URL]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// How long to wait for each answer
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub(crate) timeout: Duration,

    /// From whom the letter would be by which relaying is tried; none is ever sent
    #[arg(long, value_name = "ADDRESS", default_value = "<>", value_parser = sender)]
    pub(crate) mail_from: ReversePath,

    /// For whom it would be: an address that the server has nothing to do with
    #[arg(long, value_name = "ADDRESS", default_value = "authcheck@example.com", value_parser = recipient)]
    pub(crate) rcpt_to: ForwardPath,

    /// DANGEROUS: send the password itself (PLAIN, LOGIN) also in clear, or to a server that is not verified; whoever is on the
    /// way has it then
    #[arg(long, requires = "user")]
    pub(crate) send_password_unprotected: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds @ 1..=3600) => Ok(Duration::from_secs(seconds)),
        _ => Err("1 to 3600 seconds".to_owned()),
    }
}

/// Where Debian and others have the CAs of the system.
pub(crate) const SYSTEM_CA: &str = "/etc/ssl/certs/ca-certificates.crt";

/// What the exit of `authcheck server` says.
pub(crate) const EXITS: &str = "\
No message is ever sent: relaying is tried up to RCPT. A password is never an argument and never shown; what sends the password \
itself (PLAIN, LOGIN, XOAUTH2) is used only under TLS with a verified certificate. After two refusals and no success no further \
mechanism is tried, since each counts as guessing.\n\n\
Exit status: 0 no danger was found, and the login succeeded; 1 dangers were found; 64 the command line is wrong; 68 no such \
host; 69 nobody answers there, or we are not wanted; 75 it took too long, or try later; 76 what answers does not keep to the \
protocol; 77 the login was refused, by the server or by us.";
