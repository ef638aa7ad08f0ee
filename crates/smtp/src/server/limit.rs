//! How much of everything, and how long: the limits, and the tally that is held against them.
//!
//! A command that comes too often is first held back, each time twice as long, as sendmail does; then the session ends.
//! Guessing over many sessions is not seen from here.

use std::time::Duration;

use crate::command::Verb;

/// Everything that bounds a session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Octets of a command line, with CRLF. RFC 5321 section 4.5.3.1.4 asks for 512, the parameters of MAIL for some 600
    /// more; sendmail's MAXLINE is 2048. Who sends more is cut off.
    pub command_line: usize,
    /// Octets of an AUTH command, of a response to a challenge, and of a challenge, with CRLF. RFC 4954 section 4:
    /// 12288.
    pub auth_line: usize,
    /// Octets of such a line that are read and dropped once it is too long; with more the session ends. Ours.
    pub overlong: usize,
    /// Octets that are taken in while an answer is awaited (pipelined commands), and the greatest piece of a message.
    /// Never less than the longest line. Ours.
    pub held: usize,
    /// Recipients of one message. RFC 5321 section 4.5.3.1.8 asks for 100; sendmail's MaxRecipientsPerMessage is
    /// unlimited.
    pub recipients: u32,
    /// Commands in a session. Ours, as sendmail has none: a session is not for ever.
    pub commands: u32,
    /// Octets that come in during a session. Ours.
    pub octets: u64,
    /// Commands that are none. sendmail's MAXBADCOMMANDS is 25; the next one is answered 421.
    pub bad_commands: u32,
    /// Refusals of any kind since the last message that was accepted. Ours.
    pub refusals: u32,
    /// AUTH commands before they are held back. sendmail takes the number of mechanisms plus one; RFC 4954 section 4
    /// asks for at least 3 tries.
    pub auths: u32,
    /// EHLO and HELO since the session began, or TLS or a security layer did. sendmail's MAXHELOCOMMANDS.
    pub hellos: u32,
    /// VRFY and EXPN. sendmail's MAXVRFYCOMMANDS.
    pub verifications: u32,
    /// ETRN. sendmail's MAXETRNCOMMANDS.
    pub etrns: u32,
    /// NOOP. sendmail's MAXNOOPCOMMANDS.
    pub noops: u32,
    /// The longest time for which a command is held back. sendmail's MAXTIMEOUT is 4 minutes.
    pub longest_delay: Duration,
    /// How long a client may take to finish a line. RFC 5321 section 4.5.3.2.7: 5 minutes.
    pub line_wait: Duration,
    /// How long nothing may come while a message is sent. RFC 5321 section 4.5.3.2.5 gives the client 3 minutes for
    /// each part; this is the server's 5.
    pub data_wait: Duration,
    /// How long a message may take as a whole, however it trickles. sendmail's Timeout.datablock, though that is for
    /// each part.
    pub message_wait: Duration,
    /// How long a TLS handshake may take. Ours.
    pub handshake_wait: Duration,
    /// How long a session may take as a whole. Ours.
    pub session_wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            command_line: 2048,
            auth_line: 12288,
            overlong: 65536,
            held: 16384,
            recipients: 1000,
            commands: 100_000,
            octets: 16 << 30,
            bad_commands: 25,
            refusals: 100,
            auths: 7,
            hellos: 3,
            verifications: 6,
            etrns: 8,
            noops: 20,
            longest_delay: Duration::from_mins(4),
            line_wait: Duration::from_mins(5),
            data_wait: Duration::from_mins(5),
            message_wait: Duration::from_hours(1),
            handshake_wait: Duration::from_mins(2),
            session_wait: Duration::from_hours(24),
        }
    }
}

impl Limits {
    /// How many octets are ever held: RFC 5321 lines are the least.
    pub(super) fn buffer(&self) -> usize {
        self.held.max(self.command_line).max(self.auth_line).max(512)
    }

    fn of(&self, kind: Kind) -> u32 {
        match kind {
            Kind::Hello => self.hellos,
            Kind::Verification => self.verifications,
            Kind::Etrn => self.etrns,
            Kind::Noop => self.noops,
            Kind::Auth => self.auths,
        }
    }
}

/// What was counted so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    commands: u32,
    octets: u64,
    bad_commands: u32,
    refusals: u32,
    paced: [u32; 5],
}

/// Whether it goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Pace {
    GoOn,
    /// After this time.
    Wait(Duration),
    /// The session ends.
    Enough,
}

/// Commands that are held back when they come too often.
#[derive(Clone, Copy)]
enum Kind {
    Hello,
    Verification,
    Etrn,
    Noop,
    Auth,
}

impl Tally {
    pub(super) fn octets(&mut self, count: usize, limits: &Limits) -> Pace {
        self.octets = self.octets.saturating_add(count as u64);
        enough(self.octets > limits.octets)
    }

    pub(super) fn command(&mut self, limits: &Limits) -> Pace {
        self.commands += 1;
        enough(self.commands > limits.commands)
    }

    pub(super) fn bad_command(&mut self, limits: &Limits) -> Pace {
        self.bad_commands += 1;
        enough(self.bad_commands > limits.bad_commands)
    }

    pub(super) fn refusal(&mut self, limits: &Limits) -> Pace {
        self.refusals += 1;
        enough(self.refusals > limits.refusals)
    }

    pub(super) fn message_accepted(&mut self) {
        self.refusals = 0;
    }

    /// TLS or a security layer begins: the client has to greet again.
    pub(super) fn begin_anew(&mut self) {
        self.paced[Kind::Hello as usize] = 0;
    }

    /// From the limit on a command waits, 1 second at first; at twice the limit it is enough.
    pub(super) fn pace(&mut self, verb: Verb, limits: &Limits) -> Pace {
        let Some(kind) = kind(verb) else { return Pace::GoOn };
        let count = &mut self.paced[kind as usize];
        *count += 1;
        let limit = limits.of(kind);
        match count.checked_sub(limit) {
            None => Pace::GoOn,
            Some(over) if over >= limit => Pace::Enough,
            Some(over) => {
                let delay = Duration::from_secs(1_u64.checked_shl(over).unwrap_or(u64::MAX));
                Pace::Wait(delay.min(limits.longest_delay))
            }
        }
    }
}

fn enough(is_enough: bool) -> Pace {
    if is_enough { Pace::Enough } else { Pace::GoOn }
}

fn kind(verb: Verb) -> Option<Kind> {
    match verb {
        Verb::Ehlo | Verb::Helo => Some(Kind::Hello),
        Verb::Vrfy | Verb::Expn => Some(Kind::Verification),
        Verb::Etrn => Some(Kind::Etrn),
        Verb::Noop => Some(Kind::Noop),
        Verb::Auth => Some(Kind::Auth),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_comes_too_often_waits_twice_as_long_each_time() {
        let limits = Limits::default();
        let mut tally = Tally::default();
        let paces: Vec<Pace> = (1..=14).map(|_| tally.pace(Verb::Auth, &limits)).collect();
        let wait = |seconds| Pace::Wait(Duration::from_secs(seconds));
        assert_eq!(paces[..6], [Pace::GoOn; 6]);
        assert_eq!(
            paces[6..],
            [wait(1), wait(2), wait(4), wait(8), wait(16), wait(32), wait(64), Pace::Enough]
        );
        assert_eq!(tally.pace(Verb::Noop, &limits), Pace::GoOn);
    }

    #[test]
    fn the_delay_has_an_end() {
        let limits = Limits { noops: 100, ..Limits::default() };
        let mut tally = Tally::default();
        let last = (1..200).map(|_| tally.pace(Verb::Noop, &limits)).last();
        assert_eq!(last, Some(Pace::Wait(Duration::from_mins(4))));
    }

    #[test]
    fn greeting_again_behind_a_layer_is_no_guessing() {
        let limits = Limits::default();
        let mut tally = Tally::default();
        for _ in 0..4 {
            assert_eq!(tally.pace(Verb::Ehlo, &limits), Pace::GoOn);
            assert_eq!(tally.pace(Verb::Helo, &limits), Pace::GoOn);
            tally.begin_anew();
        }
    }
}
