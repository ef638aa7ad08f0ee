use proptest::prelude::*;

use super::*;

/// A response with every directive that must be there; `more` stands in front.
fn response(more: &str) -> String {
    format!(
        "{more}username=\"u\",nonce=\"n\",cnonce=\"c\",nc=00000001,digest-uri=\"smtp/h\",response={}",
        "0".repeat(32)
    )
}

fn challenge(more: &str) -> String {
    format!("{more}nonce=\"n\",algorithm=md5-sess")
}

/// The first directive, if every one can be read.
fn first(text: &str) -> Result<Option<String>, Fault> {
    let mut directives = Directives { rest: text.as_bytes() };
    let shown = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    let first = directives.next()?.map(|(name, value)| shown(name) + "\n" + &shown(&value));
    while directives.next()?.is_some() {}
    Ok(first)
}

#[test]
fn directives_are_tokens_or_quoted_with_space_and_empty_elements_anywhere() {
    for (text, expected) in [
        ("", None),
        (" ,,\t\r\n, ", None),
        ("a=b", Some(("a", "b"))),
        ("  a =\r\n b  , c=d ,,", Some(("a", "b"))),
        (",a=\"\"", Some(("a", ""))),
        (r#"a="b,c=d" , e=f"#, Some(("a", "b,c=d"))),
        (r#"a="\"\\\b""#, Some(("a", r#""\b"#))),
        (r#"a="b\\",c="d""#, Some(("a", r"b\"))),
        ("a=\"\u{fc}\t\"", Some(("a", "\u{fc}\t"))),
        ("rc4-40=x.y+z", Some(("rc4-40", "x.y+z"))),
    ] {
        let expected = expected.map(|(name, value)| format!("{name}\n{value}"));
        assert_eq!(first(text), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_no_list_of_directives_is_refused() {
    for text in [
        "a",
        "a=",
        "=b",
        "a=b c",
        "a=b=c",
        "a b=c",
        "a=\"b",
        "a=\"b\\",
        "a=\"b\\\"",
        "a=\"b\"c",
        "a=\"b\"\"c\"",
        "a=b;c=d",
        "a=\u{fc}",
        "a=\"\0\"",
        "a=\"\x1b\"",
        "a=\"\\\0\"",
        "a=\"\x7f\"",
        "\0",
        "\"a\"=b",
        "a=(b)",
    ] {
        assert!(first(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_response_has_defaults_and_every_case() {
    let text = response("");
    let parsed = Response::parse(text.as_bytes()).unwrap();
    assert_eq!((parsed.protection, parsed.max_buffer, parsed.charset), (None, 65536, Charset::NotSaid));
    assert!(parsed.realm.is_none() && parsed.authorization.is_none());
    assert_eq!(parsed.count, Count { digits: *b"00000001", value: 1 });

    let text = format!(
        "USERNAME=u , Realm=\"\",NONCE=n,CNonce=c,NC=0000aBcD,QOP=AUTH-CONF,Cipher=\"RC4-40\",MaxBuf=00017,\
         CharSet=UTF-8,Digest-URI=\"smtp/h\",Response=\"{}\",authzid=\"\",auth-param=x,auth-param=y,",
        "aF".repeat(16)
    );
    let parsed = Response::parse(text.as_bytes()).unwrap();
    let cipher = Protection::Confidentiality(Cipher::Rc4With40);
    assert_eq!((parsed.protection, parsed.max_buffer), (Some(cipher), 17));
    assert_eq!((parsed.charset, parsed.count.value), (Charset::Utf8, 0xabcd));
    assert_eq!((parsed.realm.as_deref(), parsed.authorization.as_deref()), (Some(&b""[..]), Some(&b""[..])));
    assert_eq!(parsed.proof, *b"afafafafafafafafafafafafafafafaf");
}

#[test]
fn what_is_no_response_is_refused() {
    let whole = response("");
    for missing in ["username=\"u\"", "nonce=\"n\"", "cnonce=\"c\"", "nc=00000001", "digest-uri=\"smtp/h\""] {
        assert!(Response::parse(whole.replacen(missing, "", 1).as_bytes()).is_err(), "without {missing}");
    }
    let proof = format!("response={}", "0".repeat(32));
    assert!(Response::parse(whole.replace(&proof, "").as_bytes()).is_err());
    assert!(Response::parse(b"").is_err());
    for more in [
        "username=u,",
        "nonce=n,",
        "cnonce=c,",
        "nc=00000001,",
        "digest-uri=\"smtp/h\",",
        &format!("{proof},"),
        "realm=a,realm=b,",
        "qop=auth,qop=auth,",
        "cipher=des,cipher=des,",
        "maxbuf=100,MAXBUF=100,",
        "charset=utf-8,charset=utf-8,",
        "authzid=a,authzid=b,",
        "charset=iso-8859-1,",
        "qop=\"auth,auth-int\",",
        "qop=auth-foo,",
        "qop=\"\",",
        "qop=auth-conf,",
        "qop=auth-conf,cipher=aes,",
        "maxbuf=16,",
        "maxbuf=16777216,",
        "maxbuf=99999999999,",
        "maxbuf=+100,",
        "maxbuf=\"\",",
        "maxbuf=1e5,",
    ] {
        assert!(Response::parse(response(more).as_bytes()).is_err(), "{more}");
    }
    for (right, wrong) in [
        ("nc=00000001", "nc=1"),
        ("nc=00000001", "nc=000000001"),
        ("nc=00000001", "nc=0000000g"),
        ("nc=00000001", "nc=+0000001"),
        ("username=\"u\"", "username=\"\""),
        ("cnonce=\"c\"", "cnonce=\"\""),
        ("response=0", "response="),
        ("response=0", "response=00"),
    ] {
        assert!(Response::parse(whole.replacen(right, wrong, 1).as_bytes()).is_err(), "{wrong}");
    }
}

#[test]
fn a_challenge_has_defaults_and_what_is_unknown_is_passed_over() {
    let text = challenge("");
    let parsed = Challenge::parse(text.as_bytes()).unwrap();
    assert_eq!(parsed.qops, Qops { auth: true, integrity: false, confidentiality: false });
    assert!(parsed.realms.is_empty() && parsed.ciphers.is_empty());
    assert_eq!((parsed.max_buffer, parsed.charset), (65536, Charset::NotSaid));

    let text = challenge(
        "realm=\"a \\\"b\\\"\",realm=c,qop=\"auth-conf , x,AUTH-INT\",cipher=\"rc4,aes,DES\",stale=false,\
         maxbuf=1000,charset=utf-8,opaque=x,opaque=y,",
    );
    let parsed = Challenge::parse(text.as_bytes()).unwrap();
    assert_eq!(parsed.realms, [&b"a \"b\""[..], b"c"]);
    assert_eq!(parsed.qops, Qops { auth: false, integrity: true, confidentiality: true });
    assert_eq!(parsed.ciphers, [Cipher::Rc4, Cipher::Des]);
    assert_eq!((parsed.max_buffer, parsed.charset), (1000, Charset::Utf8));
}

#[test]
fn what_is_no_challenge_is_refused() {
    for text in [
        "",
        "nonce=\"n\"",
        "algorithm=md5-sess",
        "nonce=\"\",algorithm=md5-sess",
        "nonce=\"n\",algorithm=md5",
        "nonce=\"n\",algorithm=\"md5-sess,md5\"",
    ] {
        assert!(Challenge::parse(text.as_bytes()).is_err(), "{text}");
    }
    for more in [
        "nonce=n,",
        "algorithm=md5-sess,",
        "qop=auth,qop=auth,",
        "cipher=des,cipher=des,",
        "stale=true,stale=true,",
        "maxbuf=100,maxbuf=100,",
        "maxbuf=1,",
        "charset=utf-8,charset=utf-8,",
        "charset=latin1,",
    ] {
        assert!(Challenge::parse(challenge(more).as_bytes()).is_err(), "{more}");
    }
}

#[test]
fn the_last_message_holds_one_rspauth() {
    assert_eq!(rspauth(b"x=y,RSPAUTH=\"abc\""), Ok(Some(Cow::Borrowed(&b"abc"[..]))));
    assert_eq!(rspauth(b"nonce=x"), Ok(None));
    assert!(rspauth(b"rspauth=a,rspauth=a").is_err());
    assert!(rspauth(b"rspauth").is_err());
}

#[test]
fn names_are_utf8_where_they_can_be() {
    let latin1 = b"J\xfcrgen";
    assert_eq!(Charset::NotSaid.read(latin1), Ok(Cow::Borrowed("J\u{fc}rgen")));
    assert_eq!(Charset::NotSaid.read("J\u{fc}rgen".as_bytes()), Ok(Cow::Borrowed("J\u{fc}rgen")));
    assert_eq!(Charset::Utf8.read("J\u{fc}rgen".as_bytes()), Ok(Cow::Borrowed("J\u{fc}rgen")));
    assert!(Charset::Utf8.read(latin1).is_err());
    assert_eq!(Charset::Utf8.write("J\u{fc}rgen").as_deref(), Some("J\u{fc}rgen".as_bytes()));
    assert_eq!(Charset::NotSaid.write("J\u{fc}rgen").as_deref(), Some(&latin1[..]));
    assert_eq!(Charset::NotSaid.write("\u{20ac}"), None);
}

#[test]
fn counts_have_eight_digits() {
    for (value, digits) in
        [(1, b"00000001"), (0x1f, b"0000001f"), (0x89ab_cdef, b"89abcdef"), (u32::MAX, b"ffffffff")]
    {
        assert_eq!(Count::new(value), Count { digits: *digits, value });
        assert_eq!(Count::of(digits), Ok(Count::new(value)));
    }
}

#[test]
fn a_challenge_is_short_enough_for_any_client_however_many_realms_there_are() {
    let layers = Layers { max_buffer: u32::MAX, ciphers: Cipher::ALL.to_vec() };
    let offer = Offer { nonce: &"n".repeat(44), layers: &layers, strengths: &(0..=u32::MAX) };
    let realms: Vec<String> = (0..300).map(|number| format!("realm-{number}.example.org")).collect();
    let text = offer.write(realms.iter().map(String::as_str), Stale::Yes);
    assert!(text.len() < 2048, "{}", text.len());
    let parsed = Challenge::parse(&text).unwrap();
    assert!(parsed.realms.len() > 50 && *parsed.realms[0] == *b"realm-0.example.org");
    assert_eq!((parsed.ciphers.as_slice(), parsed.max_buffer), (&Cipher::ALL[..], Layers::MOST_BUFFER));
}

proptest! {
    #[test]
    fn a_response_is_read_as_it_was_written(
        names in prop::collection::vec("[^\\x00-\\x1f\\x7f]{1,20}", 3),
        nonce in "[ -~]{1,40}",
        (has_realm, has_authorization) in any::<(bool, bool)>(),
        layer in 0_usize..7,
        value in 1_u32..,
    ) {
        let ciphers = Cipher::ALL.map(|cipher| Some(Protection::Confidentiality(cipher)));
        let protection = [None, Some(Protection::Integrity)].into_iter().chain(ciphers).nth(layer).unwrap();
        let [username, realm, authorization] = [0, 1, 2].map(|place: usize| names[place].as_bytes());
        let reply = Reply {
            username,
            realm: has_realm.then_some(Cow::Borrowed(realm)),
            authorization: has_authorization.then_some(authorization),
            nonce: nonce.as_bytes(),
            cnonce: &nonce,
            count: Count::new(value),
            protection,
            max_buffer: 1000,
            charset: Charset::Utf8,
            uri: &nonce,
            proof: b"0123456789abcdef0123456789abcdef",
        };
        let octets = reply.write();
        let read = Response::parse(&octets).unwrap();
        prop_assert_eq!(&*read.username, username);
        prop_assert_eq!(read.realm.as_deref(), has_realm.then_some(realm));
        prop_assert_eq!(read.authorization.as_deref(), has_authorization.then_some(authorization));
        prop_assert_eq!([&*read.nonce, &*read.cnonce, &*read.uri], [nonce.as_bytes(); 3]);
        prop_assert_eq!((read.protection, read.count.value), (protection, value));
        prop_assert_eq!(read.max_buffer, if protection.is_some() { 1000 } else { 65536 });
        prop_assert_eq!(&read.proof, reply.proof);
    }

    #[test]
    fn arbitrary_octets_never_panic(
        octets in prop::collection::vec(any::<u8>(), 0..200),
        text in "([a-z-]{1,10}[ =]{0,2}(\"[^\"]{0,5}\"?|[a-z0-9]{0,5}),?){0,8}",
    ) {
        for octets in [&octets, text.as_bytes()] {
            let _ = Challenge::parse(octets);
            let _ = Response::parse(octets);
            let _ = rspauth(octets);
        }
    }
}
