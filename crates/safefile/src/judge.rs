//! The whole policy, as one pure function: what a component says of itself, and whom one trusts, to what is wrong with
//! it. No file, no name of a user, no clock: every account can be tested without being that account.

use std::path::Path;

use crate::acl::{Named, Perms};
use crate::facts::Facts;
use crate::kind::{Kind, Role};
use crate::rule::Rule;
use crate::trust::{Exception, Trust};

/// What is wrong with a component, and what would be if the configuration had no exception for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// What is wrong, in the order in which it is reported. Empty: safe.
    pub breaches: Vec<Breach>,
    /// The exceptions that were needed.
    pub excepted: Vec<Exception>,
}

/// A rule that a component breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The rule.
    pub rule: Rule,
    /// Whose entry in the access list breaks it, and what it allows.
    pub entry: Option<(Named, Perms)>,
}

/// Judges one component of the path of a file of this kind; `path` is the component's real path, by which exceptions
/// name directories.
pub fn judge(kind: Kind, role: Role, path: &Path, facts: &Facts, trust: &Trust) -> Judgement {
    let _ = (kind, role, path, facts, trust);
    unimplemented!()
}
