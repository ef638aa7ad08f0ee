//! `authcheck discover`: what mail servers left on this host that Gatepost would replace or meet. Reads for the report
//! only: nothing that is found here is obeyed or used.
//!
//! `follow` goes from the usual places to what is named there, by the readers of each program's files, which are pure
//! functions of text; `finds` keeps each path once and judges it.

mod contents;
mod dovecot;
mod exim;
mod finds;
mod follow;
mod host;
mod named;
mod postfix;
mod sasl;
mod sendmail;
mod sendmail_conf;

pub(crate) use contents::{ClearText, look};
pub(crate) use host::Host;
pub(crate) use named::{Bare, Contents};

use crate::judged::Judged;

/// Looks in the usual places of a host and judges what is there and what is named there.
pub(crate) fn discover(host: &Host<'_>) -> Vec<Judged> {
    let mut finds = finds::Finds::default();
    follow::sendmail(host, &mut finds);
    follow::cyrus_sasl(host, &mut finds);
    follow::postfix(host, &mut finds);
    follow::dovecot(host, &mut finds);
    follow::exim(host, &mut finds);
    finds.judge(host)
}
