//! Who can read a file, said in words. A pure function of what the walk saw: modes, access lists, and the directories that
//! let nobody else in.

use safefile::account::{group_name, user_name};
use safefile::acl::Perms;
use safefile::{Audit, Component, Role};

/// Who can read what the path leads to: `root and group sasl`, `everybody`, `everybody whom /etc/mail/auth lets in`.
/// Empty where the walk did not come to its end.
pub(crate) fn readers(audit: &Audit) -> String {
    let Some(last) = audit.last() else { return String::new() };
    if last.facts.other_perms().has_any(Perms::READ) {
        return everybody(audit);
    }
    let mut readers = vec!["root".to_owned()];
    if !last.facts.uid.is_root() {
        readers.push(user_name(last.facts.uid));
    }
    if last.facts.group_perms().has_any(Perms::READ) {
        readers.push(format!("group {}", group_name(last.facts.gid)));
    }
    readers.extend(named(last));
    joined(&readers)
}

/// Whom the access list of the file lets read it beside owner and group.
fn named(last: &Component) -> impl Iterator<Item = String> {
    let entries = last.facts.acl.iter().flat_map(safefile::acl::Acl::named);
    entries
        .filter(|(_, perms)| perms.has_any(Perms::READ))
        .map(|(who, _)| who.to_string().replacen(':', " ", 1))
}

/// Everybody, as far as no directory on the way keeps others out; the first that does is named.
fn everybody(audit: &Audit) -> String {
    let mut directories = audit.components.iter().filter(|component| component.role == Role::Directory);
    let closed = directories.find(|directory| !directory.facts.other_perms().has_any(Perms::EXECUTE));
    match closed {
        Some(directory) => format!("everybody whom {} lets in", safefile::display_path(&directory.path)),
        None => "everybody on this host".to_owned(),
    }
}

fn joined(readers: &[String]) -> String {
    match readers {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use safefile::{Facts, FileType, Gid, Kind, Mount, Reached, Uid};

    use super::*;

    fn component(path: &str, role: Role, (uid, gid, mode): (u32, u32, u32)) -> Component {
        let file_type = if role == Role::Directory { FileType::Directory } else { FileType::Regular };
        Component {
            path: PathBuf::from(path),
            role,
            facts: Facts {
                file_type,
                uid: Uid(uid),
                gid: Gid(gid),
                mode,
                links: 1,
                device: 1,
                inode: 1,
                size: 1,
                acl: None,
                mount: Mount::Kernel,
                target: None,
            },
            findings: Vec::new(),
            exceptions: Vec::new(),
            is_mount: false,
        }
    }

    #[test]
    fn modes_and_directories_say_who_reads() {
        for (directory, file, expected) in [
            (0o755, (0, 0, 0o600), "root"),
            (0o755, (0, 8, 0o640), "root and group mail"),
            (0o755, (1, 8, 0o640), "root, daemon and group mail"),
            (0o755, (1, 8, 0o604), "everybody on this host"),
            (0o750, (0, 0, 0o644), "everybody whom /etc/auth lets in"),
            (0o750, (0, 8, 0o640), "root and group mail"),
            (0o755, (3_999_999_999, 3_999_999_998, 0o440), "root, 3999999999 and group 3999999998"),
        ] {
            let components = vec![
                component("/", Role::Directory, (0, 0, 0o755)),
                component("/etc/auth", Role::Directory, (0, 0, directory)),
                component("/etc/auth/file", Role::Last, file),
            ];
            let path = PathBuf::from("/etc/auth/file");
            let audit = Audit { path, kind: Kind::Secret, components, reached: Reached::End };
            assert_eq!(readers(&audit), expected, "{directory:o} {file:?}");
        }
    }
}
