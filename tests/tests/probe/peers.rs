//! At real sendmail and Postfix: what their administrators left open is named.

use tests::peer::Maps;
use tests::peer::postfix::Postfix;
use tests::peer::sendmail::Sendmail;
use tests::peer::smarthost::Smarthost;

use crate::{dangers, probe_json};

/// sendmail takes its own host for trusted, whatever its access map says: from here it is open.
#[test]
fn a_sendmail_that_relays_for_us_and_tells_who_is_there_is_named() {
    let smarthost = Smarthost::start();
    let fill = |maps: &Maps| {
        maps.build("hash", &[], "access", "Connect:192.0.2.1\tRELAY\n");
        maps.build("hash", &[], "authinfo", "AuthInfo:nobody.test\t\"U:nobody\" \"P:none\"\n");
    };
    let Ok(sendmail) = Sendmail::start("hash", &smarthost, fill) else { return };
    let (exit, objects) = probe_json(&[&format!("smtp://{}", sendmail.door())], "");
    let found = dangers(&objects);
    assert_eq!(exit, 1, "{objects:?}");
    assert!(found.contains(&"open-relay") && found.contains(&"vrfy-tells"), "{objects:?}");
}

#[test]
fn a_postfix_that_relays_for_us_and_has_no_tls_is_named() {
    let smarthost = Smarthost::start();
    let fill = |maps: &Maps, kind: &str| {
        let access = if kind == "hash" { "127.0.0.1\tOK\n" } else { "192.0.2.1\tOK\n" };
        maps.build(kind, &[], &format!("access-{kind}"), access);
        maps.build(kind, &[], &format!("passwords-{kind}"), "nobody.test\tnobody:none\n");
    };
    let Ok(postfix) = Postfix::start(&smarthost, fill) else { return };
    for (kind, is_open) in [("hash", true), ("cdb", false)] {
        let url = format!("smtp://{}", postfix.door(kind));
        let (exit, objects) = probe_json(&[&url, "--mail-from", "a@sender.test"], "");
        let found = dangers(&objects);
        assert_eq!((exit, found.contains(&"open-relay")), (1, is_open), "{objects:?}");
        assert!(found.contains(&"no-tls"), "{objects:?}");
    }
}
