//! Owner, group and mode of a new map. Pure; a map that is replaced keeps its own, never wider.

use safefile::Dress;

use super::source::Secrecy;
use crate::host::Ownership;

/// 0640, or 0600 for secrets; a group that the configuration lets read the map is its group, and reads secrets too.
pub(super) fn of(ownership: &Ownership, secrecy: Secrecy) -> Dress {
    let group = ownership.group.as_ref().map(|group| group.gid);
    let mode = match (secrecy, group) {
        (Secrecy::Secret, None) => OWNER_ALONE,
        _ => OWNER_AND_GROUP,
    };
    Dress { owner: ownership.owner.as_ref().map(|account| account.uid), group, mode }
}

const OWNER_ALONE: u32 = 0o600;
const OWNER_AND_GROUP: u32 = 0o640;

#[cfg(test)]
mod tests {
    use safefile::{Account, Gid, Group, Trust, Uid};

    use super::*;

    #[test]
    fn only_a_named_group_reads_secrets() {
        let account = Some(Account::by_uid(Uid(4242)));
        let group = Some(Group { gid: Gid(4343), name: None });
        let owned = |group: Option<Group>| Ownership { trust: Trust::root(), owner: account.clone(), group };
        let dressed = |group, mode| Dress { owner: Some(Uid(4242)), group, mode };
        assert_eq!(of(&owned(None), Secrecy::Open), dressed(None, 0o640));
        assert_eq!(of(&owned(None), Secrecy::Secret), dressed(None, 0o600));
        assert_eq!(of(&owned(group.clone()), Secrecy::Secret), dressed(Some(Gid(4343)), 0o640));
        assert_eq!(of(&owned(group), Secrecy::Open), dressed(Some(Gid(4343)), 0o640));
        let nobody = Ownership { trust: Trust::root(), owner: None, group: None };
        assert_eq!(of(&nobody, Secrecy::Open), Dress { owner: None, group: None, mode: 0o640 });
    }
}
