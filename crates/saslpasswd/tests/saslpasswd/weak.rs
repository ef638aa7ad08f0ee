//! Verifiers of other servers that are weaker than any of ours: they are taken over, said to be weak, and nothing of ours is
//! made like them.

use crate::place::Place;

/// "secret", with a single iteration and a salt of one octet.
const WEAK: &str = "{SCRAM-SHA-256}1,QQ==,onikZ200pw06I5zlD0H6Dri6d/R6GPulYEUeTHvN4TY=,J2DVZMSysy2/42bQAyt31oY2s1PG7TXVfQOxu4IBN24=";

#[test]
fn a_weak_verifier_hands_its_weakness_down_to_no_other_password() {
    let place = Place::new();
    let users = place.write("passwd", format!("alice:{WEAK}\n"));
    place.run(&["--import", users.to_str().unwrap()]).succeeded();
    assert!(place.accepts("alice", "secret"));
    assert!(place.run(&["--show", "alice"]).succeeded().out.contains("but a guess costs next to nothing"));

    let ran = place.feed(&["-p", "--label", "phone", "alice"], "other");
    ran.failed(1, "the scram-sha-256 verifier of another credential is too weak");
    assert!(ran.err.contains("saslpasswd --label main USERID"), "{ran:?}");
    assert!(!place.accepts("alice", "other"));
    place.feed(&["-p", "--label", "main", "alice"], "secret").succeeded();
    place.feed(&["-p", "--label", "phone", "alice"], "other").succeeded();
    assert!(place.accepts("alice", "secret") && place.accepts("alice", "other"));
    assert!(place.run(&["--show", "alice"]).succeeded().out.contains("every guess costs"));
}
