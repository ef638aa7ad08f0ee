//! The drivers, proved on the peers themselves: what their descriptions say of a peer is seen here.

use super::cyrus::Cyrus;
use super::gsasl::Gsasl;
use super::*;

/// Mechanisms that both peers have on both sides.
const COMMON: [&str; 6] = ["PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"];

struct Peers {
    cyrus: Cyrus,
    gsasl: Gsasl,
}

impl Peers {
    fn find() -> Option<Self> {
        Some(Self { cyrus: Cyrus::start().ok()?, gsasl: Gsasl::find().ok()? })
    }

    fn client(&self, who: char, client: &Client) -> Conversation {
        if who == 'c' { self.cyrus.client(client) } else { self.gsasl.client(client) }
    }

    fn server(&self, who: char, server: &Server) -> Conversation {
        if who == 'c' { self.cyrus.server(server) } else { self.gsasl.server(server) }
    }

    /// Client and server, each of Cyrus (`c`) or GNU SASL (`g`).
    fn exchange(&self, pair: &str, client: &Client, server: &Server) -> Ends {
        let mut sides = pair.chars();
        let mut client = self.client(sides.next().unwrap(), client);
        let mut server = self.server(sides.next().unwrap(), server);
        exchange(&mut client, &mut server)
    }

    fn agree(&self, pair: &str, mechanism: &str, name: &str, password: &str) -> bool {
        let (client, server) =
            (Client::new(mechanism, name, password), Server::new(mechanism, name, password));
        well(&self.exchange(pair, &client, &server))
    }
}

fn well(ends: &Ends) -> bool {
    matches!((&ends.client, &ends.server), (Turn::Done(_), Turn::Done(_)))
}

fn bound(name: &str, data: &str, critical: bool) -> Session {
    let binding = Binding { name: name.to_owned(), data: data.into(), critical };
    Session { binding: Some(binding), ..Session::default() }
}

fn with_layer(layer: Layer) -> Session {
    Session { layer, ..Session::default() }
}

#[test]
fn each_peer_lets_the_other_in_and_nobody_with_a_wrong_password() {
    let Some(peers) = Peers::find() else { return };
    for mechanism in COMMON {
        for pair in ["cg", "gc", "cc", "gg"] {
            let server = Server::new(mechanism, "alice", "pencil");
            let ends = peers.exchange(pair, &Client::new(mechanism, "alice", "pencil"), &server);
            assert!(well(&ends), "{mechanism} {pair}: {ends:?}");
            if pair.ends_with('c') {
                assert_eq!(ends.server.done().authentication_id.as_deref(), Some(b"alice".as_slice()));
            }
            let ends = peers.exchange(pair, &Client::new(mechanism, "alice", "pencils"), &server);
            let failure = ends.server.failure();
            assert!(pair.ends_with('g') || failure.code == Some(-13), "{mechanism} {pair}: {failure:?}");
        }
    }
}

#[test]
fn cyrus_has_larger_hashes_and_gsasl_says_that_it_has_not() {
    let Some(peers) = Peers::find() else { return };
    for mechanism in ["SCRAM-SHA-224", "SCRAM-SHA-384", "SCRAM-SHA-512"] {
        assert!(peers.agree("cc", mechanism, "alice", "pencil"), "{mechanism}");
        assert!(
            peers
                .server('g', &Server::new(mechanism, "", ""))
                .step(None)
                .failure()
                .text
                .contains("mechanism")
        );
        assert!(
            peers
                .client('g', &Client::new(mechanism, "", ""))
                .step(None)
                .failure()
                .text
                .contains("mechanism")
        );
    }
}

#[test]
fn data_go_through_every_layer_of_cyrus_and_changed_data_do_not() {
    let Some(peers) = Peers::find() else { return };
    for strength in [1, 40, 55, 56, 128] {
        let session = with_layer(Layer::of(strength));
        let client = Client { session: session.clone(), ..Client::new("DIGEST-MD5", "alice", "pencil") };
        let server = Server { session, ..Server::new("DIGEST-MD5", "alice", "pencil") };
        let (mut client, mut server) = (peers.client('c', &client), peers.server('c', &server));
        let ends = exchange(&mut client, &mut server);
        assert_eq!((ends.client.done().ssf, ends.server.done().ssf), (strength, strength));
        for data in ["a", "some more of it", "\0\r\n", &"long ".repeat(5000)] {
            let packet = client.encode(data.as_bytes()).unwrap();
            assert_eq!(server.decode(&packet).unwrap(), data.as_bytes());
            let packet = server.encode(data.as_bytes()).unwrap();
            assert_eq!(client.decode(&packet).unwrap(), data.as_bytes());
        }
        assert_eq!(client.encode(&[]).unwrap_err().code, Some(-7));
        let mut packet = client.encode(b"hello").unwrap();
        packet[5] ^= 1;
        assert_eq!(server.decode(&packet).unwrap_err().code, Some(-1), "strength {strength}");
    }
}

#[test]
fn cyrus_offers_3des_and_fails_at_it() {
    let Some(peers) = Peers::find() else { return };
    let session = with_layer(Layer::of(112));
    let client = Client { session: session.clone(), ..Client::new("DIGEST-MD5", "alice", "pencil") };
    let server = Server { session, ..Server::new("DIGEST-MD5", "alice", "pencil") };
    let (mut client, mut server) = (peers.client('c', &client), peers.server('c', &server));
    let ends = exchange(&mut client, &mut server);
    assert!(String::from_utf8_lossy(&ends.server.message()).contains("cipher=\"3des\""));
    assert!(ends.client.failure().text.contains("failed to init cipher '3des'"));
    assert_eq!(client.encode(b"too late").unwrap_err().code, Some(-6));
}

#[test]
fn gsasl_as_a_client_has_integrity_and_no_more() {
    let Some(peers) = Peers::find() else { return };
    let client =
        |layer| Client { session: with_layer(layer), ..Client::new("DIGEST-MD5", "alice", "pencil") };
    let server =
        |layer| Server { session: with_layer(layer), ..Server::new("DIGEST-MD5", "alice", "pencil") };
    let mut ours = peers.client('g', &client(Layer::INTEGRITY));
    let mut theirs = peers.server('c', &server(Layer::INTEGRITY));
    assert!(well(&exchange(&mut ours, &mut theirs)));
    for line in ["hello\r\n", "\r\n", "and more\r\n"] {
        let packet = ours.encode(line.as_bytes()).unwrap();
        assert_eq!(theirs.decode(&packet).unwrap(), line.as_bytes());
        let packet = theirs.encode(line.as_bytes()).unwrap();
        assert_eq!(ours.decode(&packet).unwrap(), line.as_bytes());
    }
    let mut packet = theirs.encode(b"hello\r\n").unwrap();
    packet[5] ^= 1;
    assert!(ours.decode(&packet).unwrap_err().text.contains("Integrity error"));
    let ends = peers.exchange("gc", &client(Layer::of(128)), &server(Layer::of(128)));
    assert!(ends.client.failure().text.contains("Error authenticating user"));
}

#[test]
fn bindings_bind() {
    let Some(peers) = Peers::find() else { return };
    let login = |pair: &str, mechanism: &str, name: &str, data: &str| {
        let client =
            Client { session: bound(name, "the channel", true), ..Client::new(mechanism, "alice", "pencil") };
        let server = Server { session: bound(name, data, true), ..Server::new(mechanism, "alice", "pencil") };
        peers.exchange(pair, &client, &server)
    };
    for mechanism in ["SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"] {
        for name in ["tls-exporter", "tls-unique"] {
            for pair in ["cc", "cg", "gc", "gg"] {
                assert!(well(&login(pair, mechanism, name, "the channel")), "{mechanism} {name} {pair}");
                login(pair, mechanism, name, "the Channel").server.failure();
            }
        }
        assert!(well(&login("cc", mechanism, "tls-server-end-point", "the channel")));
        login("cg", mechanism, "tls-server-end-point", "the channel").server.failure();
        login("gc", mechanism, "tls-server-end-point", "the channel").client.failure();
    }
    let code = |data| login("cc", "SCRAM-SHA-512-PLUS", "tls-exporter", data).server.failure().code;
    assert_eq!((code("the Channel"), code("another")), (Some(-5), Some(-5)));
}

#[test]
fn a_client_says_what_it_knows_of_bindings() {
    let Some(peers) = Peers::find() else { return };
    let flag = |mechanisms: &str, session: Session| {
        let client = Client { session, ..Client::new(mechanisms, "alice", "pencil") };
        peers.client('c', &client).step(None).message()[0]
    };
    let session = |critical| bound("tls-exporter", "the channel", critical);
    assert_eq!(flag("SCRAM-SHA-256", session(false)), b'n');
    assert_eq!(flag("SCRAM-SHA-256 PLAIN", session(false)), b'y');
    assert_eq!(flag("SCRAM-SHA-256 SCRAM-SHA-256-PLUS", session(false)), b'p');
    assert_eq!(flag("SCRAM-SHA-256", session(true)), b'p');
    let server = |critical| Server { session: session(critical), ..Server::default() };
    assert!(peers.cyrus.offers(&server(true)).iter().all(|name| name.ends_with("-PLUS")));
    assert!(peers.cyrus.offers(&server(false)).contains(&"PLAIN".to_owned()));
    for (flag, is_taken) in [("n,,", true), ("y,,", false)] {
        let server = Server { session: session(false), ..Server::new("SCRAM-SHA-256", "alice", "pencil") };
        let turn = peers.server('g', &server).step(Some(format!("{flag}n=alice,r=abcdefgh").as_bytes()));
        assert_eq!(matches!(turn, Turn::Message(_)), is_taken, "{turn:?}");
    }
}

#[test]
fn one_acts_for_another_where_the_server_says_so() {
    let Some(peers) = Peers::find() else { return };
    let session = Session { external: Some("alice".to_owned()), external_ssf: 256, ..Session::default() };
    for mechanism in ["PLAIN", "DIGEST-MD5", "SCRAM-SHA-256", "EXTERNAL"] {
        for pair in ["cc", "gc"] {
            let client = |whom: &str| Client {
                authorization_id: Some(whom.into()),
                session: session.clone(),
                ..Client::new(mechanism, "alice", "pencil")
            };
            let server = |proxy| Server {
                proxy,
                session: session.clone(),
                ..Server::new(mechanism, "alice", "pencil")
            };
            assert!(well(&peers.exchange(pair, &client("alice"), &server(None))), "{mechanism} {pair}");
            let done = peers.exchange(pair, &client("bob"), &server(Some(true))).server.done();
            assert_eq!(done.authentication_id.as_deref(), Some(b"alice".as_slice()));
            assert_eq!(done.authorization_id.as_deref(), Some(b"bob".as_slice()));
            let code = |proxy| peers.exchange(pair, &client("bob"), &server(proxy)).server.failure().code;
            assert_eq!((code(None), code(Some(false))), (Some(-13), Some(-14)), "{mechanism} {pair}");
        }
    }
}

#[test]
fn who_is_known_from_below_and_who_is_not_known_at_all() {
    let Some(peers) = Peers::find() else { return };
    assert_eq!(peers.client('c', &Client::new("EXTERNAL", "", "")).step(None).failure().code, Some(-4));
    assert_eq!(peers.server('c', &Server::new("EXTERNAL", "", "")).step(None).failure().code, Some(-4));
    for pair in ["cc", "gc"] {
        let client = Client { authorization_id: Some(b"trace".to_vec()), ..Client::new("ANONYMOUS", "", "") };
        let ends = peers.exchange(pair, &client, &Server::new("ANONYMOUS", "", ""));
        assert!(ends.client.message().starts_with(b"trace"));
        assert_eq!(ends.server.done().authentication_id.as_deref(), Some(b"anonymous".as_slice()));
    }
    for mechanism in ["EXTERNAL", "ANONYMOUS"] {
        let mut server = peers.server('g', &Server::new(mechanism, "", ""));
        assert_eq!(server.step(None), Turn::Message(Vec::new()));
        server.step(Some(b"somebody")).failure();
    }
}

#[test]
fn one_name_is_two_users_in_two_realms() {
    let Some(peers) = Peers::find() else { return };
    for mechanism in COMMON {
        let server = Server {
            realm: Some(b"one".to_vec()),
            users: vec![
                Record::password("alice", Some(b"one"), "first"),
                Record::password("alice", Some(b"two"), "second"),
            ],
            ..Server::new(mechanism, "", "")
        };
        let code = |name: &str, password: &str| {
            let ends = peers.exchange("cc", &Client::new(mechanism, name, password), &server);
            if well(&ends) { Some(0) } else { ends.server.failure().code }
        };
        assert_eq!((code("alice", "first"), code("alice", "second")), (Some(0), Some(-13)), "{mechanism}");
        assert_eq!(
            (code("alice@two", "second"), code("alice@two", "first")),
            (Some(0), Some(-13)),
            "{mechanism}"
        );
        assert_eq!(code("bob", "first"), Some(-20), "{mechanism}");
    }
}

/// The realm in what a client says to a challenge that offers these.
fn chosen(client: &mut Conversation, realms: &str) -> Option<String> {
    assert_eq!(client.step(None), Turn::Waits);
    let challenge = format!("{realms}nonce=\"abc\",qop=\"auth\",algorithm=md5-sess,charset=utf-8");
    let response = String::from_utf8(client.step(Some(challenge.as_bytes())).message()).unwrap();
    response
        .split(',')
        .find_map(|word| Some(word.trim().strip_prefix("realm=")?.trim_matches('"').to_owned()))
}

#[test]
fn clients_choose_among_realms() {
    let Some(peers) = Peers::find() else { return };
    let table = [
        // Offered, ordered, what Cyrus takes, what GNU SASL takes.
        ("realm=\"one\",realm=\"two\",", None, Some("one"), Some("one")),
        ("realm=\"one\",realm=\"two\",", Some("two"), Some("two"), Some("two")),
        ("realm=\"one\",realm=\"two\",", Some("new"), Some("new"), Some("new")),
        ("realm=\"one\",realm=\"two\",", Some(""), Some(""), Some("one")),
        ("realm=\"one\",", Some("new"), Some("one"), Some("new")),
        ("realm=\"\",", None, Some(""), Some("")),
        ("", Some("new"), Some("mail.example"), Some("new")),
        ("", None, Some("mail.example"), None),
    ];
    for (offered, ordered, cyrus, gsasl) in table {
        let client =
            Client { realm: ordered.map(Into::into), ..Client::new("DIGEST-MD5", "alice", "pencil") };
        assert_eq!(
            chosen(&mut peers.client('c', &client), offered).as_deref(),
            cyrus,
            "{offered} {ordered:?}"
        );
        assert_eq!(
            chosen(&mut peers.client('g', &client), offered).as_deref(),
            gsasl,
            "{offered} {ordered:?}"
        );
    }
    let server = Server { realm: Some(Vec::new()), ..Server::new("DIGEST-MD5", "alice", "pencil") };
    assert_eq!(peers.server('c', &server).step(None).failure().code, Some(-7));
}

#[test]
fn names_and_passwords_of_every_kind() {
    let Some(peers) = Peers::find() else { return };
    // Each as a name and as a password; with whom it does not work.
    let harmless = ["a,b", "a=b", "a=2Cb", "a:b", "a@b", "-x", "a b", "\u{3b1}\u{3b2}"];
    for text in harmless {
        for mechanism in COMMON {
            for pair in ["cc", "cg", "gc"] {
                assert!(peers.agree(pair, mechanism, text, "pencil"), "{mechanism} {pair} name {text}");
                assert!(peers.agree(pair, mechanism, "alice", text), "{mechanism} {pair} password {text}");
            }
        }
    }
    let table = [
        // GNU SASL does not quote in DIGEST-MD5, and Cyrus does.
        ("DIGEST-MD5", "a\"b", "pencil", [true, false, false]),
        ("DIGEST-MD5", "a\\b", "pencil", [true, false, false]),
        ("DIGEST-MD5", "alice", "a\"\\b", [true, true, true]),
        // It converts passwords alone; Cyrus converts all, and its server takes all as they are too.
        ("DIGEST-MD5", "gr\u{fc}n", "pencil", [true, false, true]),
        ("DIGEST-MD5", "alice", "gr\u{fc}n", [true, true, true]),
        ("DIGEST-MD5", "gr\u{fc}n", "gr\u{fc}n", [true, false, false]),
        // It prepares with SASLprep what Cyrus takes as it is.
        ("PLAIN", "\u{2168}", "\u{2168}", [true, true, true]),
        ("CRAM-MD5", "alice", "\u{2168}", [true, false, false]),
        ("CRAM-MD5", "\u{2168}", "pencil", [true, true, false]),
        ("SCRAM-SHA-256", "alice", "\u{2168}", [true, false, false]),
        ("SCRAM-SHA-256", "\u{2168}", "pencil", [true, true, false]),
        ("DIGEST-MD5", "\u{2168}", "\u{2168}", [true, true, true]),
        ("PLAIN", "alice", "\u{7}", [true, false, true]),
        ("LOGIN", "alice", "\u{7}", [true, true, true]),
        ("SCRAM-SHA-256", "alice", "\u{7}", [true, false, false]),
        // Cyrus has no empty passwords where they are hashed, and no blanks around names.
        ("PLAIN", "alice", "", [true, true, true]),
        ("SCRAM-SHA-256", "alice", "", [false, true, false]),
        ("CRAM-MD5", " a b ", "pencil", [false, true, false]),
        ("CRAM-MD5", " a ", "pencil", [false, false, false]),
    ];
    for (mechanism, name, password, works) in table {
        let seen = ["cc", "cg", "gc"].map(|pair| peers.agree(pair, mechanism, name, password));
        assert_eq!(seen, works, "{mechanism} {name:?} {password:?}");
    }
}

#[test]
fn salts_counts_and_secrets_of_scram() {
    let Some(peers) = Peers::find() else { return };
    let server = Server {
        salt: Some(b"a salt".to_vec()),
        iterations: Some(5000),
        ..Server::new("SCRAM-SHA-256", "a", "b")
    };
    let first = |who| {
        let first = peers.server(who, &server).step(Some(b"n,,n=a,r=abc")).message();
        String::from_utf8(first).unwrap()
    };
    assert!(first('g').ends_with(",s=YSBzYWx0,i=5000"));
    assert!(first('c').ends_with(",i=5000") && !first('c').contains("YSBzYWx0"));
    // RFC 7677, section 3.
    let secret = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:\
                  wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
    let record = Record { property: "authPassword".to_owned(), ..Record::password("user", None, secret) };
    let server = Server { users: vec![record], ..Server::new("SCRAM-SHA-256", "", "") };
    assert!(well(&peers.exchange("gc", &Client::new("SCRAM-SHA-256", "user", "pencil"), &server)));
}

#[test]
fn what_is_said_first_and_last() {
    let Some(peers) = Peers::find() else { return };
    for who in ['c', 'g'] {
        let mut client = peers.client(who, &Client { held_back: true, ..Client::new("PLAIN", "a", "b") });
        assert_eq!(client.step(None), Turn::Waits);
        assert_eq!(client.step(Some(&[])).done().message.as_deref(), Some(b"\0a\0b".as_slice()));
    }
    let server = Server { success_data: true, ..Server::new("SCRAM-SHA-256", "alice", "pencil") };
    let ends = peers.exchange("gc", &Client::new("SCRAM-SHA-256", "alice", "pencil"), &server);
    assert!(ends.server.message().starts_with(b"v="));
    ends.client.done();
}

#[test]
fn a_second_login_may_be_shorter() {
    let Ok(cyrus) = Cyrus::with_options(&[("reauth_timeout", "10")]) else { return };
    let first = |again| {
        let client = Client { again, ..Client::new("DIGEST-MD5", "alice", "pencil") };
        let mut client = cyrus.client(&client);
        let mut server = cyrus.server(&Server::new("DIGEST-MD5", "alice", "pencil"));
        let first = client.step(None);
        match &first {
            Turn::Message(message) => {
                let rspauth = server.step(Some(message)).message();
                client.step(Some(&rspauth)).done();
                server.step(Some(&[])).done();
            }
            _ => assert!(well(&exchange(&mut client, &mut server))),
        }
        first
    };
    assert_eq!(first(false), Turn::Waits);
    assert!(String::from_utf8(first(true).message()).unwrap().contains("nc=00000002"));
    assert_eq!(first(false), Turn::Waits);
}

#[test]
fn what_cyrus_offers_depends_on_flags_and_strengths() {
    let Ok(cyrus) = Cyrus::start() else { return };
    let offers = |session| cyrus.offers(&Server { session, ..Server::default() });
    let all = offers(Session::default());
    assert_eq!(all.first().map(String::as_str), Some("SCRAM-SHA-512"));
    assert!(!all.contains(&"EXTERNAL".to_owned()));
    let no_plaintext = offers(Session { flags: 0x0001, ..Session::default() });
    assert!(!no_plaintext.iter().any(|name| name == "PLAIN" || name == "LOGIN"));
    assert_eq!(offers(with_layer(Layer::of(56))), ["DIGEST-MD5"]);
    let below = Session { external_ssf: 256, ..with_layer(Layer::of(56)) };
    assert!(offers(below).contains(&"PLAIN".to_owned()));
}

#[test]
fn hundreds_of_exchanges_fit_in_one_process() {
    let Ok(cyrus) = Cyrus::start() else { return };
    let (client, server) =
        (Client::new("CRAM-MD5", "alice", "pencil"), Server::new("CRAM-MD5", "alice", "pencil"));
    for _ in 0..10 {
        let mut sides: Vec<_> = (0..32).map(|_| (cyrus.client(&client), cyrus.server(&server))).collect();
        for (client, server) in &mut sides {
            assert!(well(&exchange(client, server)));
        }
    }
}

#[test]
fn a_peer_that_hangs_is_named_and_gone() {
    let mut command = Command::new("sh");
    command.args(["-c", "echo a grievance >&2; exec sleep 600"]);
    let mut talker = Talker::start(command, b"");
    std::thread::sleep(Duration::from_millis(100));
    let heard = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        talker.hear_within(Duration::from_millis(100))
    }));
    let said = heard.unwrap_err().downcast::<String>().unwrap();
    assert!(said.contains("a grievance"), "{said}");
    assert!(talker.child.try_wait().unwrap().is_some());
}
