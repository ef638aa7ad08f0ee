//! The whole policy, as one pure function: what a component says of itself, and whom one trusts, to what is wrong with
//! it. No file, no name of a user, no clock: every account can be tested without being that account.

use std::path::Path;

use crate::account::Gid;
use crate::acl::{Acl, Named, Perms};
use crate::facts::{Facts, FileType};
use crate::kind::{Kind, Role};
use crate::mount::Mount;
use crate::rule::Rule;
use crate::trust::{Exception, Trust};

/// What is wrong with a component, and the exceptions without which more would be.
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
    /// The entry of the access list that breaks it, where one does.
    pub entry: Option<Grant>,
}

/// An entry of an access list that allows too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Whom it is for.
    pub who: Named,
    /// What it really allows.
    pub allows: Perms,
    /// What of that breaks no rule at all: setfacl(1) sets an entry and takes nothing from it, so whatever mends one
    /// breach has to mend the others.
    pub harmless: Perms,
}

/// Judges one component of the path of a file of this kind; `path` is the component's real path, by which exceptions
/// name directories.
pub fn judge(kind: Kind, role: Role, path: &Path, facts: &Facts, trust: &Trust) -> Judgement {
    let mut bench = Bench { kind, path, facts, trust, judgement: Judgement::default() };
    if bench.is_strange() {
        bench.breaks(Rule::ForeignFilesystem);
        return bench.judgement;
    }
    match role {
        Role::Link => bench.link(),
        Role::Directory => bench.directory(),
        Role::Last if kind == Kind::SecretDirectory => bench.secret_directory(),
        Role::Last => bench.file(),
    }
    bench.settle();
    bench.judgement
}

/// The bits of a mode that a file of this kind and group may have; what is new or replaced never gets others.
pub fn permitted_mode(kind: Kind, gid: Gid, trust: &Trust) -> u32 {
    let group_reads = kind.may_have_exceptions() && trust.exceptions().iter().any(|one| lets_read(one, gid));
    match kind {
        Kind::SecretDirectory if group_reads => 0o750,
        _ if kind.is_secret() && group_reads => 0o740,
        _ if kind.is_secret() => 0o700,
        _ => 0o755,
    }
}

/// One component before the judge, and what has been found so far.
struct Bench<'a> {
    kind: Kind,
    path: &'a Path,
    facts: &'a Facts,
    trust: &'a Trust,
    judgement: Judgement,
}

impl Bench<'_> {
    /// Nothing that such a filesystem says is worth looking at.
    fn is_strange(&self) -> bool {
        matches!(self.facts.mount, Mount::Fuse(uid) if !self.trust.may_own(self.kind, uid))
    }

    /// What a link says cannot be changed, only replaced by who may write its directory, which is judged by itself. Its
    /// owner is who made it, or to whom somebody with that right gave it.
    fn link(&mut self) {
        if !self.trust.may_own(self.kind, self.facts.uid) {
            self.breaks(Rule::LinkOwner);
        }
    }

    fn directory(&mut self) {
        if self.facts.file_type != FileType::Directory {
            return self.breaks(Rule::NotDirectory);
        }
        self.directory_owner();
        let path = self.path;
        self.access(Perms::WRITE, DIRECTORY_WRITERS, |exception, gid| lets_write(exception, path, gid));
    }

    fn secret_directory(&mut self) {
        self.directory();
        if self.facts.file_type == FileType::Directory {
            self.access(Perms::READ.or(Perms::EXECUTE), READERS, lets_read);
        }
    }

    fn file(&mut self) {
        if self.facts.file_type != FileType::Regular {
            return self.breaks(Rule::NotRegular);
        }
        if !self.trust.may_own(self.kind, self.facts.uid) {
            self.breaks(Rule::Owner);
        }
        self.access(Perms::WRITE, WRITERS, |_, _| false);
        if self.kind.is_secret() {
            self.access(Perms::READ, READERS, lets_read);
        }
        // One without any name was replaced in this moment: who opens it looks again.
        if self.facts.links > 1 && self.kind != Kind::Program {
            self.breaks(Rule::HardLink);
        }
    }

    fn directory_owner(&mut self) {
        if self.trust.may_own(self.kind, self.facts.uid) {
            return;
        }
        let (path, uid) = (self.path, self.facts.uid);
        let given = |exception: &Exception| matches!(exception, Exception::DirOwner { dir, owner } if dir == path && owner.uid == uid);
        if !self.is_excepted(given) {
            self.breaks(Rule::DirectoryOwner);
        }
    }

    /// Looks at everybody beside the owner who has any of these rights. A group is a group, whoever is in it today.
    fn access(&mut self, rights: Perms, rules: Rules, lets: impl Fn(&Exception, Gid) -> bool) {
        let gid = self.facts.gid;
        if self.facts.group_perms().has_any(rights) && !self.is_excepted(|exception| lets(exception, gid)) {
            self.breaks(rules.group);
        }
        if self.facts.other_perms().has_any(rights) {
            self.breaks(rules.world);
        }
        let named: Vec<_> = self.facts.acl.iter().flat_map(Acl::named).collect();
        for (who, allows) in named.into_iter().filter(|(_, perms)| perms.has_any(rights)) {
            let is_harmless = match who {
                Named::User(uid) => self.trust.may_own(self.kind, uid),
                Named::Group(gid) => self.is_excepted(|exception| lets(exception, gid)),
            };
            if !is_harmless {
                let grant = Grant { who, allows, harmless: allows.without(rights) };
                self.judgement.breaches.push(Breach { rule: rules.named, entry: Some(grant) });
            }
        }
    }

    /// Each breach of one entry has looked at its own rights: what is harmless is so to all of them.
    fn settle(&mut self) {
        let grants: Vec<Grant> = self.judgement.breaches.iter().filter_map(|breach| breach.entry).collect();
        for grant in self.judgement.breaches.iter_mut().filter_map(|breach| breach.entry.as_mut()) {
            let same = grants.iter().filter(|other| other.who == grant.who);
            grant.harmless = same.fold(grant.harmless, |harmless, other| harmless.and(other.harmless));
        }
    }

    fn is_excepted(&mut self, fits: impl Fn(&Exception) -> bool) -> bool {
        if !self.kind.may_have_exceptions() {
            return false;
        }
        let Some(exception) = self.trust.exceptions().iter().find(|exception| fits(exception)) else {
            return false;
        };
        if !self.judgement.excepted.contains(exception) {
            self.judgement.excepted.push(exception.clone());
        }
        true
    }

    fn breaks(&mut self, rule: Rule) {
        self.judgement.breaches.push(Breach { rule, entry: None });
    }
}

fn lets_read(exception: &Exception, gid: Gid) -> bool {
    matches!(exception, Exception::GroupReadable(group) if group.gid == gid)
}

fn lets_write(exception: &Exception, path: &Path, gid: Gid) -> bool {
    matches!(exception, Exception::GroupWritableDir { dir, group } if dir == path && group.gid == gid)
}

/// The rule that a right breaks, by who has it.
#[derive(Clone, Copy)]
struct Rules {
    group: Rule,
    world: Rule,
    named: Rule,
}

const DIRECTORY_WRITERS: Rules = Rules {
    group: Rule::GroupWritableDirectory,
    world: Rule::WorldWritableDirectory,
    named: Rule::AclWritableDirectory,
};
const WRITERS: Rules =
    Rules { group: Rule::GroupWritable, world: Rule::WorldWritable, named: Rule::AclWritable };
const READERS: Rules =
    Rules { group: Rule::GroupReadable, world: Rule::WorldReadable, named: Rule::AclReadable };

#[cfg(test)]
mod tests;
