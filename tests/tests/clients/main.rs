//! The daemon as it is installed, its users made by saslpasswd, and the mail programs that people have: they log in, and
//! what they send lies in a Maildir.
#![allow(clippy::disallowed_methods, reason = "mail and configurations are looked at as any program would")]
#![allow(clippy::unwrap_used, reason = "what fails in a test is to be seen")]

mod external;
mod login;
mod postfix;
mod programs;
mod relay;
mod sendmail;
mod table;
