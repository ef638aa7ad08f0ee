//! The rules by their stable words, and for each the sentence that says why it matters. When a rule applies is
//! `judge`'s to say.

use std::fmt;

/// What a component can fail. The word of a rule never changes: logs are searched for it, reports in JSON carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Rule {
    /// A directory on the way belongs to a stranger.
    DirectoryOwner,
    /// A directory on the way is writable by its group.
    GroupWritableDirectory,
    /// A directory on the way is writable by everybody.
    WorldWritableDirectory,
    /// A directory on the way is writable by somebody whom its access list names.
    AclWritableDirectory,
    /// A symbolic link on the way belongs to a stranger.
    LinkOwner,
    /// More symbolic links than a path may have, or a loop of them.
    TooManyLinks,
    /// The filesystem is a program of a stranger (FUSE).
    ForeignFilesystem,
    /// The working directory, from which a relative path starts, is not where its path leads.
    WorkingDirectory,
    /// Not a regular file.
    NotRegular,
    /// Not a directory.
    NotDirectory,
    /// To be replaced, and a symbolic link.
    ReplacesLink,
    /// The file belongs to a stranger.
    Owner,
    /// The file is writable by its group.
    GroupWritable,
    /// The file is writable by everybody.
    WorldWritable,
    /// The file is writable by somebody whom its access list names.
    AclWritable,
    /// A secret is readable by its group.
    GroupReadable,
    /// A secret is readable by everybody.
    WorldReadable,
    /// A secret is readable by somebody whom its access list names.
    AclReadable,
    /// The file has more names than the one that was looked at.
    HardLink,
    /// The file was another one each time it was looked at.
    Changed,
}

impl Rule {
    /// Every rule, in the order in which a component is judged.
    pub const ALL: [Self; 20] = [
        Self::DirectoryOwner,
        Self::GroupWritableDirectory,
        Self::WorldWritableDirectory,
        Self::AclWritableDirectory,
        Self::LinkOwner,
        Self::TooManyLinks,
        Self::ForeignFilesystem,
        Self::WorkingDirectory,
        Self::NotRegular,
        Self::NotDirectory,
        Self::ReplacesLink,
        Self::Owner,
        Self::GroupWritable,
        Self::WorldWritable,
        Self::AclWritable,
        Self::GroupReadable,
        Self::WorldReadable,
        Self::AclReadable,
        Self::HardLink,
        Self::Changed,
    ];

    /// The stable word, kebab-case.
    pub fn word(self) -> &'static str {
        self.row().0
    }

    /// One sentence: what somebody could do.
    pub fn why(self) -> &'static str {
        self.row().1
    }

    fn row(self) -> (&'static str, &'static str) {
        match self {
            Self::DirectoryOwner => {
                ("directory-owner", "the owner of a directory can put another file in the place of any in it")
            }
            Self::GroupWritableDirectory => (
                "group-writable-directory",
                "any member of the group can put another file in the place of any in this directory",
            ),
            Self::WorldWritableDirectory => (
                "world-writable-directory",
                "anybody can put files of their own into this directory, sticky bit or not",
            ),
            Self::AclWritableDirectory => (
                "acl-writable-directory",
                "whom the access list names can put another file in the place of any in this directory",
            ),
            Self::LinkOwner => {
                ("link-owner", "a link that a stranger made leads where the stranger wanted it to lead")
            }
            Self::TooManyLinks => {
                ("too-many-links", "a path of so many symbolic links, or a loop of them, leads nowhere")
            }
            Self::ForeignFilesystem => (
                "foreign-filesystem",
                "a user's program answers for this filesystem: owners, modes and contents are what it says",
            ),
            Self::WorkingDirectory => (
                "working-directory",
                "a relative path starts in a directory that was moved, removed or covered by a mount",
            ),
            Self::NotRegular => {
                ("not-regular", "only a regular file has contents that stay as they were judged")
            }
            Self::NotDirectory => ("not-directory", "a directory is needed here"),
            Self::ReplacesLink => (
                "replaces-link",
                "a new file would take the place of the link and leave the file behind it as it was",
            ),
            Self::Owner => ("owner", "the owner of a file can change what it says and who may read it"),
            Self::GroupWritable => {
                ("group-writable", "any member of the group can change what the file says")
            }
            Self::WorldWritable => ("world-writable", "anybody can change what the file says"),
            Self::AclWritable => ("acl-writable", "whom the access list names can change what the file says"),
            Self::GroupReadable => ("group-readable", "any member of the group can read the secrets in it"),
            Self::WorldReadable => ("world-readable", "anybody can read the secrets in it"),
            Self::AclReadable => ("acl-readable", "whom the access list names can read the secrets in it"),
            Self::HardLink => (
                "hard-link",
                "the file has another name, maybe in a directory where others read, replace or keep it",
            ),
            Self::Changed => ("changed", "the file was replaced again and again while it was being opened"),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_word_is_its_own_and_kebab_case() {
        let words: HashSet<_> = Rule::ALL.into_iter().map(Rule::word).collect();
        assert_eq!(words.len(), Rule::ALL.len());
        for word in words {
            assert!(word.bytes().all(|octet| octet.is_ascii_lowercase() || octet == b'-'), "{word}");
        }
    }
}
