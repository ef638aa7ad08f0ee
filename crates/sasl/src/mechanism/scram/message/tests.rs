use super::*;

#[test]
fn a_client_first_message_has_its_parts_in_order() {
    for (text, flag, authorization, username, nonce) in [
        ("n,,n=user,r=abc", Flag::Unable, None, "user", "abc"),
        ("y,a=x=2Cy,n=u=3D,r=abc,x=1,y=", Flag::Unused, Some("x,y"), "u=", "abc"),
        ("p=tls-exporter,,n=,r=a", Flag::Bound("tls-exporter"), None, "", "a"),
    ] {
        let first = ClientFirst::parse(text).unwrap();
        assert_eq!(first.header.flag, flag, "{text}");
        assert_eq!(first.header.authorization.as_deref(), authorization, "{text}");
        assert_eq!((&*first.username, first.nonce), (username, nonce), "{text}");
        assert_eq!(format!("{}{}", first.header.text, first.bare), text);
    }
}

#[test]
fn what_is_no_client_first_message_is_refused() {
    for text in [
        "",
        "n",
        "n,",
        "n,,",
        "n,,n=user",
        "n,,r=abc,n=user",
        "n,,n=user,r=",
        "n,,n=user,r=a b",
        "x,,n=user,r=abc",
        "n,user,n=user,r=abc",
        "n,a=x=,n=user,r=abc",
        "n,,n=us=41er,r=abc",
        "n,,n=user,r=abc,",
        "n,,n=user,r=abc,xx",
        "n,,n=user,r=abc,1=x",
        "p,,n=user,r=abc",
        "N,,n=user,r=abc",
        "n,,N=user,r=abc",
        "n,,n=user,r=\u{e4}",
    ] {
        assert!(matches!(ClientFirst::parse(text), Err(Fault::Grammar(_))), "{text}");
    }
    let long = format!("n,,n=user,r={}", "a".repeat(MAX_NONCE + 1));
    assert!(ClientFirst::parse(&long).is_err());
    assert_eq!(ClientFirst::parse("n,,m=x,n=user,r=abc").unwrap_err(), Fault::MandatoryExtension);
}

#[test]
fn a_server_first_message_is_read_strictly() {
    let first = ServerFirst::parse("r=abcdef,s=QUI=,i=4096,x=y").unwrap();
    assert_eq!((first.nonce, first.salt.as_slice(), first.iterations), ("abcdef", &b"AB"[..], 4096));
    for text in [
        "",
        "r=abc",
        "r=abc,s=QUI=",
        "r=abc,s=QUI,i=1",
        "r=abc,s=,i=1",
        "r=abc,s=QUI=,i=",
        "r=abc,s=QUI=,i=01",
        "r=abc,s=QUI=,i=-1",
        "r=abc,s=QUI=,i=+1",
        "r=abc,s=QUI=,i=1 ",
        "s=QUI=,r=abc,i=1",
        "r=,s=QUI=,i=1",
        "r=abc,s=QUI=,i=99999999999999999999",
    ] {
        assert!(matches!(ServerFirst::parse(text), Err(Fault::Grammar(_))), "{text}");
    }
    assert_eq!(ServerFirst::parse("m=x,r=abc,s=QUI=,i=1").unwrap_err(), Fault::MandatoryExtension);
}

#[test]
fn a_client_final_message_ends_with_its_proof() {
    let last = ClientFinal::parse("c=biws,r=abc,x=1,p=QUI=").unwrap();
    assert_eq!(last.without_proof, "c=biws,r=abc,x=1");
    assert_eq!((last.binding, last.nonce, last.proof.as_slice()), ("biws", "abc", &b"AB"[..]));
    for text in ["", "c=biws,r=abc", "c=biws,r=abc,p=QUI", "r=abc,p=QUI=", "c=biws,r=abc,p=QUI=,x=1"] {
        assert!(matches!(ClientFinal::parse(text), Err(Fault::Grammar(_))), "{text}");
    }
}

#[test]
fn a_server_final_message_signs_or_refuses() {
    assert!(matches!(ServerFinal::parse("v=QUI="), Ok(ServerFinal::Signature(octets)) if *octets == *b"AB"));
    assert!(matches!(ServerFinal::parse("e=other-error,x=1"), Ok(ServerFinal::Error("other-error"))));
    for text in ["", "v=", "v=QUI", "v=QUI=,", "x=1,v=QUI="] {
        let parsed = ServerFinal::parse(text);
        let is_empty = matches!(&parsed, Ok(ServerFinal::Signature(octets)) if octets.is_empty());
        assert!(parsed.is_err() || is_empty, "{text}");
    }
}
