//! Users and groups: numbers as types, and their names as the host knows them. What they may do is not here.

use std::fmt;
use std::io;

use nix::unistd;

/// The number of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uid(pub u32);

impl Uid {
    /// The superuser.
    pub const ROOT: Self = Self(0);

    /// The user as whom this process acts.
    pub fn effective() -> Self {
        Self(rustix::process::geteuid().as_raw())
    }

    /// Whether this is the superuser.
    pub fn is_root(self) -> bool {
        self == Self::ROOT
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Gid(pub u32);

impl fmt::Display for Gid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A user: the number, and the name where the host knows one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The number, by which alone is decided.
    pub uid: Uid,
    /// The name, for people.
    pub name: Option<String>,
    /// The group that the account names as its own, where the host knows the account.
    pub group: Option<Gid>,
}

impl Account {
    /// The superuser.
    pub fn root() -> Self {
        Self { uid: Uid::ROOT, name: Some("root".to_owned()), group: Some(Gid(0)) }
    }

    /// The account of a number; without a name where the host knows none.
    pub fn by_uid(uid: Uid) -> Self {
        let known = unistd::User::from_uid(unistd::Uid::from_raw(uid.0)).ok().flatten();
        known.map_or(Self { uid, name: None, group: None }, Self::from_entry)
    }

    /// The account of a name, or of a decimal number (which need not be known to the host). `None`: no such account.
    ///
    /// # Errors
    /// When the host's user database could not be asked.
    pub fn by_name(name: &str) -> io::Result<Option<Self>> {
        match unistd::User::from_name(name)? {
            Some(entry) => Ok(Some(Self::from_entry(entry))),
            None => Ok(number(name).map(|uid| Self::by_uid(Uid(uid)))),
        }
    }

    fn from_entry(entry: unistd::User) -> Self {
        Self { uid: Uid(entry.uid.as_raw()), name: Some(entry.name), group: Some(Gid(entry.gid.as_raw())) }
    }

    /// The name, or the number where there is none: what `chown` takes.
    pub fn short(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.uid.to_string())
    }
}

/// `smmta (uid 105)`, or `uid 4242` where the host knows no name.
impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} (uid {})", self.uid),
            None => write!(f, "uid {}", self.uid),
        }
    }
}

/// A group: the number, and the name where the host knows one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The number, by which alone is decided.
    pub gid: Gid,
    /// The name, for people.
    pub name: Option<String>,
}

impl Group {
    /// The group of a number; without a name where the host knows none.
    pub fn by_gid(gid: Gid) -> Self {
        let known = unistd::Group::from_gid(unistd::Gid::from_raw(gid.0)).ok().flatten();
        Self { gid, name: known.map(|group| group.name) }
    }

    /// The group of a name, or of a decimal number (which need not be known to the host). `None`: no such group.
    ///
    /// # Errors
    /// When the host's group database could not be asked.
    pub fn by_name(name: &str) -> io::Result<Option<Self>> {
        match unistd::Group::from_name(name)? {
            Some(entry) => Ok(Some(Self { gid: Gid(entry.gid.as_raw()), name: Some(entry.name) })),
            None => Ok(number(name).map(|gid| Self::by_gid(Gid(gid)))),
        }
    }

    /// The name, or the number where there is none: what `chgrp` takes.
    pub fn short(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.gid.to_string())
    }
}

/// `smmsp (gid 106)`, or `gid 4242` where the host knows no name.
impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} (gid {})", self.gid),
            None => write!(f, "gid {}", self.gid),
        }
    }
}

/// The name of a user, or the number as text where the host knows none.
pub fn user_name(uid: Uid) -> String {
    Account::by_uid(uid).short()
}

/// The name of a group, or the number as text where the host knows none.
pub fn group_name(gid: Gid) -> String {
    Group::by_gid(gid).short()
}

/// A number of a user or group in digits alone; the highest stands for "leave it" in chown(2) and names nobody.
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    text.parse().ok().filter(|value| digits && *value != u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_found() {
        let root = Account::by_name("root").unwrap();
        assert_eq!(root.as_ref().map(|account| account.uid), Some(Uid::ROOT));
        assert_eq!(Account::by_name("0").unwrap().and_then(|account| account.name), Some("root".to_owned()));
        assert_eq!(Account::by_name("no such account").unwrap(), None);
        assert_eq!(Group::by_name("root").unwrap().map(|group| group.gid), Some(Gid(0)));
    }

    #[test]
    fn an_unknown_number_is_an_account_without_a_name() {
        let stranger = Account::by_name("3999999999").unwrap().unwrap();
        assert_eq!(stranger.to_string(), "uid 3999999999");
        assert_eq!(stranger.short(), "3999999999");
        assert_eq!(Account::root().to_string(), "root (uid 0)");
    }

    #[test]
    fn numbers_that_name_nobody() {
        for text in ["", "+0", "-1", "4294967295", "4294967296", "0x0", " 0"] {
            assert_eq!(number(text), None, "{text:?}");
        }
    }
}
