//! What a sender gets of a message that could not be delivered: a report of RFC 3464 in a multipart/report (RFC 6522), with the
//! header of the message and nothing else of it. What went wrong inside of this host is in the log, and not in here.

use std::fmt::Write as _;
use std::time::SystemTime;

use smtp::address::Mailbox;

use crate::header::date;

/// Why a recipient is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GivenUp {
    /// The address had a mailbox when the message was accepted, and has none any more.
    Gone,
    /// It was tried for as long as a message may wait.
    Expired,
}

/// A report that is to be made.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    /// Our name.
    pub(crate) host: &'a str,
    /// The name of the report in the queue.
    pub(crate) id: &'a str,
    /// When the message was accepted.
    pub(crate) arrived: SystemTime,
    pub(crate) now: SystemTime,
    /// To whom the report goes.
    pub(crate) to: &'a Mailbox,
    pub(crate) failed: &'a [(&'a Mailbox, GivenUp)],
    /// The header of the message, with CRLF at the end of each line.
    pub(crate) header: &'a [u8],
}

impl GivenUp {
    /// RFC 3463.
    pub(crate) const fn status(self) -> &'static str {
        match self {
            Self::Gone => "5.1.1",
            Self::Expired => "5.4.7",
        }
    }

    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Gone => "there is no mailbox of this name any more",
            Self::Expired => "it could not be delivered in the time that a message may wait",
        }
    }
}

impl Report<'_> {
    /// The message, with CRLF at the end of each line.
    pub(crate) fn octets(&self) -> Vec<u8> {
        let boundary = self.boundary();
        // Of what the header is, whatever BODY= said.
        let encoding = if self.header.is_ascii() { "7bit" } else { "8bit" };
        let mut text = self.head(&boundary, encoding);
        // No text fails to be written into a String.
        let _ = write!(
            text,
            "--{boundary}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n{}",
            self.words()
        );
        let _ = write!(
            text,
            "\r\n--{boundary}\r\nContent-Type: message/delivery-status\r\n\r\n{}",
            self.status()
        );
        let _ = write!(
            text,
            "\r\n--{boundary}\r\nContent-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
        );
        let mut octets = text.into_bytes();
        octets.extend_from_slice(self.header);
        octets.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        octets
    }

    fn head(&self, boundary: &str, encoding: &str) -> String {
        let Self { host, id, to, .. } = self;
        format!(
            "From: Mail Delivery System <MAILER-DAEMON@{host}>\r\nTo: <{to}>\r\n\
             Subject: Undelivered mail returned to sender\r\nDate: {}\r\nMessage-ID: <{id}@{host}>\r\n\
             Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"{boundary}\"\r\n\
             Content-Transfer-Encoding: {encoding}\r\n\r\n",
            date(self.now)
        )
    }

    fn words(&self) -> String {
        let mut text = format!(
            "This is the mail system of {}.\r\n\r\nA message that it accepted could not be delivered to:\r\n\r\n",
            self.host
        );
        for (mailbox, why) in self.failed {
            let _ = write!(text, "    <{mailbox}>\r\n        {}\r\n", why.words());
        }
        text + "\r\nIt is not tried any more. The header of the message is below.\r\n"
    }

    fn status(&self) -> String {
        let mut text =
            format!("Reporting-MTA: dns; {}\r\nArrival-Date: {}\r\n", self.host, date(self.arrived));
        for (mailbox, why) in self.failed {
            let _ = write!(
                text,
                "\r\nFinal-Recipient: rfc822; {mailbox}\r\nAction: failed\r\nStatus: {}\r\nLast-Attempt-Date: {}\r\n",
                why.status(),
                date(self.now)
            );
        }
        text
    }

    /// One that does not stand in the header, whoever wrote that.
    fn boundary(&self) -> String {
        let with = |number: u32| format!("=_{}.{number}", self.id);
        let is_free = |boundary: &String| memchr::memmem::find(self.header, boundary.as_bytes()).is_none();
        (0..=u32::MAX).map(with).find(is_free).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_report_is_what_rfc_3464_says_and_the_header_cannot_end_its_part() {
        let mailbox = |text: &str| Mailbox::parse(text.as_bytes()).unwrap();
        let (to, gone, late) = (mailbox("alice@gate.test"), mailbox("bob@gate.test"), mailbox("u@far.test"));
        let header = b"From: x\r\nX: --=_7B0.0--\r\nSubject: na\xefve\r\n";
        let mut report = Report {
            host: "mail.gate.test",
            id: "7B0",
            arrived: UNIX_EPOCH,
            now: UNIX_EPOCH + Duration::from_hours(24),
            to: &to,
            failed: &[(&gone, GivenUp::Gone), (&late, GivenUp::Expired)],
            header,
        };
        let text = String::from_utf8_lossy(&report.octets()).into_owned();
        for words in [
            "To: <alice@gate.test>\r\n",
            "report-type=delivery-status;\r\n\tboundary=\"=_7B0.1\"\r\n",
            "Auto-Submitted: auto-replied\r\n",
            "\r\nReporting-MTA: dns; mail.gate.test\r\nArrival-Date: Thu, 1 Jan 1970 00:00:00 +0000\r\n\r\nFinal-Recipient: rfc822; bob@gate.test\r\nAction: failed\r\nStatus: 5.1.1\r\n",
            "\r\n\r\nFinal-Recipient: rfc822; u@far.test\r\nAction: failed\r\nStatus: 5.4.7\r\n",
            "Content-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: 8bit\r\n\r\nFrom: x\r\n",
        ] {
            assert!(text.contains(words), "{words:?} in {text}");
        }
        assert_eq!(text.matches("\r\n--=_7B0.1\r\n").count(), 3);
        assert!(text.ends_with("\r\n--=_7B0.1--\r\n"));
        report.header = b"Subject: naive\r\n";
        let plain = String::from_utf8(report.octets()).unwrap();
        assert!(plain.contains("Content-Transfer-Encoding: 7bit\r\n") && !plain.contains("8bit"), "{plain}");
        assert!(text.replace("\r\n", "").bytes().all(|octet| octet != b'\n' && octet != b'\r'));
    }
}
