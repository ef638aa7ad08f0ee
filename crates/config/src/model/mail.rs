//! What becomes of mail: who may send as whom, where it waits, where it is delivered.

use std::path::PathBuf;
use std::time::Duration;

use crate::words::Senders;

/// `[submission]`: mail of somebody who has logged in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Submission {
    /// `senders`: which addresses an identity may use; any by default, as in sendmail.
    pub senders: Senders,
    /// `received_user`: whether Received says who it was; not by default, as in sendmail.
    pub received_user: bool,
}

/// `[queue]`: where accepted mail waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// `directory`, which belongs to the front.
    pub directory: PathBuf,
    /// `min_free`, in octets: with less room on its filesystem mail is put off (452); sendmail's MinFreeBlocks.
    pub min_free: u64,
    /// `lifetime`: how long it is tried to deliver a message before its sender is told; sendmail's Timeout.queuereturn.
    pub lifetime: Duration,
}

/// `[delivery]`: mail for a local address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// `maildirs`: the directory with a Maildir for each address. It belongs to the front.
    ///
    /// Not below /var/mail, which distributions let the group `mail` write: who may rename a Maildir there gets the
    /// mail. Nor below /var/lib/gatepost, where the front may not even look.
    pub maildirs: PathBuf,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            directory: PathBuf::from("/var/spool/gatepost"),
            min_free: 64 << 20,
            lifetime: Duration::from_hours(5 * 24),
        }
    }
}

impl Default for Delivery {
    fn default() -> Self {
        Self { maildirs: PathBuf::from("/var/lib/gatepost-front/mail") }
    }
}
