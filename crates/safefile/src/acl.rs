//! POSIX access lists: the octets of the attribute `system.posix_acl_access` to entries. Pure; reading the attribute
//! is the walk's work, and what an entry means for safety is `judge`'s.
//!
//! Format (Linux, `include/uapi/linux/posix_acl_xattr.h`): version 2 as u32, then entries of 8 octets: tag u16,
//! permissions u16, id u32; all little-endian.

use std::fmt;

use crate::account::{Gid, Group, Uid, user_name};

/// Read, write, search or execute; as the octal digit of a mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Perms(u8);

impl Perms {
    /// Read: 4.
    pub const READ: Self = Self(4);
    /// Write: 2.
    pub const WRITE: Self = Self(2);
    /// Search or execute: 1.
    pub const EXECUTE: Self = Self(1);
    /// All three: 7.
    pub const ALL: Self = Self(7);

    /// The lowest three bits of a number.
    pub fn from_bits(bits: u32) -> Self {
        Self((bits & 7) as u8)
    }

    /// What both have.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What either has.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is here and not among the others.
    #[must_use]
    pub fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// As the octal digit of a mode.
    pub fn bits(self) -> u32 {
        self.0.into()
    }

    /// The letters of `rwx` that are here, as chmod(1) takes them.
    pub fn letters(self) -> String {
        LETTERS.iter().filter(|(bit, _)| self.0 & bit != 0).map(|(_, letter)| letter).collect()
    }

    /// Whether any of the others is here.
    pub fn has_any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// `rwx` with `-` for what is missing.
impl fmt::Display for Perms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (bit, letter) in LETTERS {
            write!(f, "{}", if self.0 & bit == 0 { '-' } else { letter })?;
        }
        Ok(())
    }
}

/// Whom a named entry is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Named {
    /// One user beside the owner.
    User(Uid),
    /// One group beside the owning group.
    Group(Gid),
}

/// As `setfacl` takes it: `user:nobody`, `group:mail`.
impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(uid) => write!(f, "user:{}", user_name(*uid)),
            Self::Group(gid) => write!(f, "group:{}", Group::by_gid(*gid).short()),
        }
    }
}

/// An access list: what the mode cannot say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl {
    named: Vec<(Named, Perms)>,
    owning_group: Perms,
    mask: Perms,
}

impl Acl {
    /// Reads the octets of the attribute.
    ///
    /// # Errors
    /// [`BadAcl`] when they are none that the kernel writes.
    pub fn parse(octets: &[u8]) -> Result<Self, BadAcl> {
        let (version, entries) = octets.split_at_checked(4).ok_or(BadAcl::Length(octets.len()))?;
        if version != VERSION {
            return Err(BadAcl::Version);
        }
        if entries.len() % ENTRY != 0 {
            return Err(BadAcl::Length(octets.len()));
        }
        let mut acl = Self { named: Vec::new(), owning_group: Perms::default(), mask: Perms::ALL };
        for entry in entries.chunks_exact(ENTRY) {
            acl.take(entry)?;
        }
        Ok(acl)
    }

    /// What each named user and group may really do: the entry, cut by the mask.
    pub fn named(&self) -> impl Iterator<Item = (Named, Perms)> + '_ {
        self.named.iter().map(|(who, perms)| (*who, perms.and(self.mask)))
    }

    /// What the owning group may really do. The mode shows the mask in its place.
    pub fn owning_group(&self) -> Perms {
        self.owning_group.and(self.mask)
    }

    fn take(&mut self, entry: &[u8]) -> Result<(), BadAcl> {
        let [tag_low, tag_high, perms, perms_high, id @ ..] = entry else {
            return Err(BadAcl::Length(entry.len()));
        };
        if *perms > 7 || *perms_high != 0 {
            return Err(BadAcl::Perms(u16::from_le_bytes([*perms, *perms_high])));
        }
        let perms = Perms::from_bits(u32::from(*perms));
        let id = u32::from_le_bytes(id.try_into().map_err(|_| BadAcl::Length(entry.len()))?);
        match u16::from_le_bytes([*tag_low, *tag_high]) {
            USER_OBJ | OTHER => {} // the mode says the same
            USER => self.named.push((Named::User(Uid(id)), perms)),
            GROUP_OBJ => self.owning_group = perms,
            GROUP => self.named.push((Named::Group(Gid(id)), perms)),
            MASK => self.mask = perms,
            tag => return Err(BadAcl::Tag(tag)),
        }
        Ok(())
    }
}

/// An access list that cannot be understood; the file counts as unsafe then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAcl {
    /// Not a version and whole entries.
    #[error("access list of impossible length: {0}")]
    Length(usize),
    /// Not version 2.
    #[error("access list of an unknown version")]
    Version,
    /// A tag that is none of the six.
    #[error("access list with an unknown tag: {0:#x}")]
    Tag(u16),
    /// Permissions beyond rwx.
    #[error("access list with unknown permissions: {0:#x}")]
    Perms(u16),
}

/// The octets of an access list in which the entry of this user or group allows no more than this. The entry stays: who
/// has none falls to what the owning group or everybody may do, which may be more. So does the mask, and nobody gains.
pub(crate) fn narrowed(octets: &[u8], named: Named, harmless: Perms) -> Vec<u8> {
    let (tag, id) = match named {
        Named::User(uid) => (USER, uid.0),
        Named::Group(gid) => (GROUP, gid.0),
    };
    let mut left = octets.to_vec();
    for entry in left.get_mut(VERSION.len()..).unwrap_or_default().chunks_exact_mut(ENTRY) {
        if entry.starts_with(&tag.to_le_bytes()) && entry.ends_with(&id.to_le_bytes()) {
            entry[2] &= harmless.0;
        }
    }
    left
}

const LETTERS: [(u8, char); 3] = [(4, 'r'), (2, 'w'), (1, 'x')];
const VERSION: [u8; 4] = [2, 0, 0, 0];
const ENTRY: usize = 8;
const USER_OBJ: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OBJ: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn octets(entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let mut octets = VERSION.to_vec();
        for (tag, perms, id) in entries {
            octets.extend(tag.to_le_bytes());
            octets.extend(perms.to_le_bytes());
            octets.extend(id.to_le_bytes());
        }
        octets
    }

    #[test]
    fn the_mask_cuts_named_entries_and_the_owning_group() {
        let acl = Acl::parse(&octets(&[
            (USER_OBJ, 6, u32::MAX),
            (USER, 7, 65534),
            (GROUP_OBJ, 6, u32::MAX),
            (GROUP, 2, 8),
            (MASK, 4, u32::MAX),
            (OTHER, 0, u32::MAX),
        ]))
        .unwrap();
        assert_eq!(acl.owning_group(), Perms::READ);
        let named: Vec<_> = acl.named().collect();
        assert_eq!(named, [(Named::User(Uid(65534)), Perms::READ), (Named::Group(Gid(8)), Perms::default())]);
    }

    #[test]
    fn octets_that_no_kernel_writes_are_refused() {
        for (octets, expected) in [
            (vec![], BadAcl::Length(0)),
            (vec![2, 0, 0], BadAcl::Length(3)),
            (vec![1, 0, 0, 0], BadAcl::Version),
            (vec![2, 0, 0, 0, 1], BadAcl::Length(5)),
            (octets(&[(0x40, 0, 0)]), BadAcl::Tag(0x40)),
            (octets(&[(USER, 8, 0)]), BadAcl::Perms(8)),
            (octets(&[(USER, 0x100, 0)]), BadAcl::Perms(0x100)),
        ] {
            assert_eq!(Acl::parse(&octets), Err(expected), "{octets:?}");
        }
    }

    proptest! {
        #[test]
        fn no_octets_make_it_panic(octets in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Acl::parse(&octets);
            let mut led = VERSION.to_vec();
            led.extend(octets);
            let _ = Acl::parse(&led);
        }
    }
}
