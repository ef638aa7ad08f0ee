//! Accepted mail: what was answered 250 lies in the queue, and leaves it when it is delivered.
//!
//! `spool` is the directory and what is in it, `maildir` the mailboxes, `deliver` the way between them, `patience` when that is
//! given up, `carried` who is on the way now, `report` what a sender gets of a message that could not be delivered. What is for
//! other hosts waits.

mod carried;
pub mod deliver;
pub mod envelope;
pub mod maildir;
mod patience;
mod report;
pub mod spool;

pub use deliver::{DeliveryRules, Queue};
pub use envelope::{Destination, Envelope, Recipient};
pub use maildir::Maildirs;
pub use spool::{Draft, LastTry, Spool};
