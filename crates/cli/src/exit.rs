//! The number a program leaves behind: the sysexits words that mail programs already speak, and any other number for
//! the programs whose peers use small ones. What the words mean for one program is that program's business.

use std::fmt;
use std::process::ExitCode;

/// The exit status of a program, 0 to 255.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Exit(u8);

impl Exit {
    /// Everything was done as asked.
    pub const OK: Self = Self(0);
    /// The command was used wrongly (`EX_USAGE`).
    pub const USAGE: Self = Self(64);
    /// The input was wrong in some way (`EX_DATAERR`).
    pub const DATAERR: Self = Self(65);
    /// An input file does not exist or cannot be read (`EX_NOINPUT`).
    pub const NOINPUT: Self = Self(66);
    /// A named user does not exist (`EX_NOUSER`).
    pub const NOUSER: Self = Self(67);
    /// A named host does not exist (`EX_NOHOST`).
    pub const NOHOST: Self = Self(68);
    /// Something that is needed is not to be had (`EX_UNAVAILABLE`).
    pub const UNAVAILABLE: Self = Self(69);
    /// A fault of the program itself (`EX_SOFTWARE`).
    pub const SOFTWARE: Self = Self(70);
    /// A fault of the system, such as no more processes (`EX_OSERR`).
    pub const OSERR: Self = Self(71);
    /// A file of the system is missing or wrong (`EX_OSFILE`).
    pub const OSFILE: Self = Self(72);
    /// An output file cannot be made (`EX_CANTCREAT`).
    pub const CANTCREAT: Self = Self(73);
    /// Reading or writing failed (`EX_IOERR`).
    pub const IOERR: Self = Self(74);
    /// It may work later; try again (`EX_TEMPFAIL`).
    pub const TEMPFAIL: Self = Self(75);
    /// The other side said what the protocol does not allow (`EX_PROTOCOL`).
    pub const PROTOCOL: Self = Self(76);
    /// It is not permitted; an unsafe file is of this kind (`EX_NOPERM`).
    pub const NOPERM: Self = Self(77);
    /// The configuration is wrong (`EX_CONFIG`).
    pub const CONFIG: Self = Self(78);

    /// Any other number, for programs whose scripts expect another program's statuses (saslpasswd2's 1, 4, 7).
    pub const fn code(code: u8) -> Self {
        Self(code)
    }

    /// The number.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The word of `<sysexits.h>`, where the number has one.
    pub fn word(self) -> Option<&'static str> {
        WORDS.iter().find(|(exit, _)| *exit == self).map(|(_, word)| *word)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.0)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.word() {
            Some(word) => write!(f, "{} ({word})", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Debug for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Exit({self})")
    }
}

const WORDS: [(Exit, &str); 16] = [
    (Exit::OK, "EX_OK"),
    (Exit::USAGE, "EX_USAGE"),
    (Exit::DATAERR, "EX_DATAERR"),
    (Exit::NOINPUT, "EX_NOINPUT"),
    (Exit::NOUSER, "EX_NOUSER"),
    (Exit::NOHOST, "EX_NOHOST"),
    (Exit::UNAVAILABLE, "EX_UNAVAILABLE"),
    (Exit::SOFTWARE, "EX_SOFTWARE"),
    (Exit::OSERR, "EX_OSERR"),
    (Exit::OSFILE, "EX_OSFILE"),
    (Exit::CANTCREAT, "EX_CANTCREAT"),
    (Exit::IOERR, "EX_IOERR"),
    (Exit::TEMPFAIL, "EX_TEMPFAIL"),
    (Exit::PROTOCOL, "EX_PROTOCOL"),
    (Exit::NOPERM, "EX_NOPERM"),
    (Exit::CONFIG, "EX_CONFIG"),
];

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn words_are_those_of_sysexits() {
        assert_eq!(Exit::USAGE.to_string(), "64 (EX_USAGE)");
        assert_eq!(Exit::CONFIG.number(), 78);
        assert_eq!(Exit::code(75), Exit::TEMPFAIL);
        assert_eq!(Exit::code(7).to_string(), "7");
        assert_eq!(Exit::code(7).word(), None);
    }
}
