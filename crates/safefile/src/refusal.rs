//! What is said of an unsafe component: what was found, why it matters, what mends it. The decision is `judge`'s.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::account::{Account, Gid, Group, Uid};
use crate::acl::{Named, Perms};
use crate::facts::FileType;
use crate::kind::{Kind, Role};
use crate::rule::Rule;

/// Why a path was refused: the first finding on the way.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The path as it was given.
    pub path: PathBuf,
    /// What it was to be opened as.
    pub kind: Kind,
    /// The component, by its real path.
    pub component: PathBuf,
    /// What the component is to the path.
    pub role: Role,
    /// What is wrong with it.
    pub finding: Finding,
}

/// One thing that is wrong with one component.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The rule that it breaks.
    pub rule: Rule,
    /// What was found.
    pub found: Found,
    /// One sentence: what somebody could do.
    pub why: &'static str,
    /// What mends it.
    pub fix: Fix,
}

/// What was found, with names for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Regular file, directory, link ...
    pub file_type: FileType,
    /// The owner.
    pub owner: Account,
    /// The owning group.
    pub group: Group,
    /// The mode without the type: twelve bits.
    pub mode: u32,
    /// What a link says.
    pub target: Option<PathBuf>,
    /// The entry of the access list that matters here, as getfacl(1) writes it: `user:nobody:rwx`.
    pub entry: Option<String>,
}

/// What mends a finding. At least one of the two is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// The command; it never gives anybody more access than they had.
    pub command: Option<Mend>,
    /// Another way, or what to do where no command can: a line of the configuration, or a sentence.
    pub otherwise: Option<String>,
}

/// A change of owner or mode that makes a component safe. Its [`Display`](fmt::Display) is the command for a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mend {
    pub(crate) component: PathBuf,
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) change: Change,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    TakeFromGroup(Perms),
    TakeFromOthers(Perms),
    RemoveEntry(Named),
    Owner(Account),
    OwnerOfLink(Account),
}

impl Mend {
    /// Makes the change, on the very file that was judged and no other, and only ever takes access away.
    ///
    /// # Errors
    /// When something else stands at that path by now, or the system refuses.
    pub fn apply(&self) -> io::Result<()> {
        unimplemented!()
    }
}

impl fmt::Display for Mend {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        unimplemented!()
    }
}

impl fmt::Display for Fix {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        unimplemented!()
    }
}

impl fmt::Display for Found {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        unimplemented!()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        unimplemented!()
    }
}
