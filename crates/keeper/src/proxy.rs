//! Who may act for whom: oneself always, others by rules of the configuration (sendmail's trust_auth and Local_trust_auth).

use credential::{AuthorizationId, Identity, Realm};

/// Some users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// One.
    User(Identity),
    /// Everybody of a realm.
    Realm(Realm),
    /// Everybody.
    Anybody,
}

/// These users may act for those.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Who may.
    pub who: Whom,
    /// For whom.
    pub acts_for: Whom,
}

impl Whom {
    fn is(&self, identity: &Identity) -> bool {
        match self {
            Self::User(user) => user.is_same(identity),
            Self::Realm(realm) => realm.as_str().eq_ignore_ascii_case(identity.realm.as_str()),
            Self::Anybody => true,
        }
    }
}

/// For whom somebody acts who wishes to act for this one (`None`: for himself); `None`: he may not.
///
/// The name is read as that of an identity is: without a realm, it means somebody of the realm of who asks.
pub fn acting_for(identity: &Identity, wish: Option<&AuthorizationId>, rules: &[Rule]) -> Option<Identity> {
    let Some(wish) = wish else { return Some(identity.clone()) };
    if wish.is_of(identity) {
        return Some(identity.clone());
    }
    let other = Identity::parse(wish.as_str(), &identity.realm).ok()?;
    rules.iter().any(|rule| rule.who.is(identity) && rule.acts_for.is(&other)).then_some(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(userid: &str) -> Identity {
        Identity::parse(userid, &Realm::prepare("example.org").unwrap()).unwrap()
    }

    #[test]
    fn oneself_always_and_others_by_a_rule() {
        let rules = [
            Rule {
                who: Whom::User(who("list")),
                acts_for: Whom::Realm(Realm::prepare("example.ORG").unwrap()),
            },
            Rule { who: Whom::User(who("root")), acts_for: Whom::Anybody },
            Rule {
                who: Whom::Realm(Realm::prepare("example.net").unwrap()),
                acts_for: Whom::User(who("info")),
            },
        ];
        for (user, wish, acting) in [
            ("alice", "", Some("alice@example.org")),
            ("alice", "alice", Some("alice@example.org")),
            ("alice", "alice@EXAMPLE.org", Some("alice@example.org")),
            ("alice", "bob", None),
            ("alice", "alice@example.net", None),
            ("list", "bob", Some("bob@example.org")),
            ("list", "bob@example.net", None),
            ("list@example.net", "bob@example.org", None),
            ("root", "bob@example.net", Some("bob@example.net")),
            ("bob@example.net", "info@example.org", Some("info@example.org")),
            ("bob@example.net", "info", None),
            ("root", "a@b@c", Some("a@b@c")),
        ] {
            let wish = AuthorizationId::prepare(wish).unwrap();
            let found = acting_for(&who(user), wish.as_ref(), &rules).map(|it| it.to_string());
            assert_eq!(found.as_deref(), acting, "{user} {wish:?}");
        }
    }
}
