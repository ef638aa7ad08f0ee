//! Who may act for whom: oneself always, others by `[[auth.proxy]]` (sendmail's trust_auth and Local_trust_auth).

use config::Auth;
use credential::{AuthorizationId, Identity};

/// For whom somebody acts who wishes to act for this one (`None`: for himself); `None`: he may not.
///
/// The name is read as that of an identity is: without a realm, it means somebody of the realm of who asks.
pub(crate) fn acting_for(
    identity: &Identity,
    wish: Option<&AuthorizationId>,
    auth: &Auth,
) -> Option<Identity> {
    let Some(wish) = wish else { return Some(identity.clone()) };
    if wish.is_of(identity) {
        return Some(identity.clone());
    }
    let other = Identity::parse(wish.as_str(), &identity.realm).ok()?;
    auth.may_act_for(identity, &other).then_some(other)
}

#[cfg(test)]
mod tests {
    use config::{ActsFor, ProxyRule};
    use credential::Realm;

    use super::*;

    fn who(userid: &str) -> Identity {
        Identity::parse(userid, &Realm::prepare("example.org").unwrap()).unwrap()
    }

    #[test]
    fn oneself_always_and_others_by_a_rule() {
        let everybody = ActsFor::Everybody(Realm::prepare("example.ORG").unwrap());
        let proxies = vec![
            ProxyRule { authentication: who("list"), may_act_for: vec![everybody] },
            ProxyRule {
                authentication: who("bob@example.net"),
                may_act_for: vec![ActsFor::Identity(who("info"))],
            },
        ];
        let auth = Auth { proxies, ..Auth::default() };
        for (user, wish, acting) in [
            ("alice", "", Some("alice@example.org")),
            ("alice", "alice", Some("alice@example.org")),
            ("alice", "alice@EXAMPLE.org", Some("alice@example.org")),
            ("alice", "bob", None),
            ("alice", "alice@example.net", None),
            ("list", "bob", Some("bob@example.org")),
            ("list", "bob@example.net", None),
            ("list@example.net", "bob@example.org", None),
            ("bob@example.net", "info@example.org", Some("info@example.org")),
            ("bob@example.net", "info", None),
        ] {
            let wish = AuthorizationId::prepare(wish).unwrap();
            let found = acting_for(&who(user), wish.as_ref(), &auth).map(|it| it.to_string());
            assert_eq!(found.as_deref(), acting, "{user} {wish:?}");
        }
    }
}
