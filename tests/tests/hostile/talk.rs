//! What a front that was taken over says to opener and keeper, and what it hears.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::fs::fstat;
use safefile::Packet;
use serde_json::Value;
use tests::house::House;
use tests::need;
use tests::peer::{Maps, until};
use wire::{
    Channel, Class, ExchangeId, FromOpener, Generation, ListenerId, MAX_MESSAGE, SecretOctets, SessionId,
    ToFront, ToKeeper, ToOpener, frame,
};

use super::intruder::{Taken, as_front, pid};

/// Numbers of files that are the front's: certificate, key, client_ca, client_map, access_map.
const ITS_OWN: [u16; 5] = [2, 3, 4, 5, 6];
/// The listener of the block that was read first: the opener counts from 1.
const FIRST: ListenerId = ListenerId(1);
/// The store, `default_auth_info`, and the first client-info map.
const OF_THE_KEEPER: [(u16, &str); 3] = [(0, "secrets.redb"), (1, "default-auth-info"), (64, "authinfo.db")];

#[test]
fn the_opener_hands_out_what_is_the_fronts_and_nothing_else() {
    let Ok(()) = need::root() else { return };
    let Ok(house) = house() else { return };
    let taken = Taken::of(&house);
    let numbers: Vec<u16> = OF_THE_KEEPER
        .iter()
        .map(|(number, _)| *number)
        .chain(0..600)
        .chain((0..16).map(|bit| !0 >> bit))
        .collect();
    let handed_out = as_front(|| {
        let mut handed_out = BTreeMap::new();
        for number in numbers {
            let (words, file) = ask(&taken, number);
            match (words, file) {
                (FromOpener::Opened { .. }, Some(file)) => {
                    handed_out.insert(number, fstat(file).unwrap());
                }
                (FromOpener::Refused { words, .. }, None) => {
                    assert!(!words.contains(&*house.path("").to_string_lossy()), "{number}: {words}");
                }
                (words, file) => panic!("{number}: {words:?}, {file:?}"),
            }
        }
        handed_out
    });
    assert_eq!(handed_out.keys().copied().collect::<Vec<_>>(), ITS_OWN);
    let secrets =
        [house.path("store/secrets.redb"), house.path("maps/authinfo.db"), house.path("default-auth-info")];
    for secret in secrets {
        let secret = rustix::fs::stat(&secret).unwrap();
        assert!(handed_out.values().all(|file| (file.st_dev, file.st_ino) != (secret.st_dev, secret.st_ino)));
    }
    for (number, name) in OF_THE_KEEPER {
        let line = format!("/{name}, file={number}\n");
        let line = until(&line, || {
            house.log().lines().find(|said| format!("{said}\n").ends_with(&line)).map(str::to_owned)
        });
        assert!(
            line.contains("the front has asked for a file that is not its own, and did not get it: "),
            "{line}"
        );
    }
}

#[test]
fn who_says_to_the_opener_what_cannot_be_said_is_killed_and_another_front_comes() {
    let Ok(()) = need::root() else { return };
    let Ok(house) = house() else { return };
    let keeper = pid(&house, "keeper");
    let mut open = wire::to_octets(&ToOpener::Open { request: 1, file: 2 }).unwrap().to_vec();
    open.push(0);
    for words in [b"\xff".as_slice(), b"no words at all", &open, &vec![0; MAX_MESSAGE + 1]] {
        let taken = Taken::of(&house);
        as_front(|| taken.opener.send(words, None).unwrap());
        until("its end", || taken.is_killed().then_some(()));
        drop(taken);
        assert_eq!(works_again(&house), keeper);
    }
}

#[test]
fn who_repeats_himself_to_the_opener_fills_neither_the_log_nor_the_ears_of_the_keeper() {
    let Ok(()) = need::root() else { return };
    let Ok(house) = house() else { return };
    let keeper = pid(&house, "keeper");
    let taken = Taken::of(&house);
    let words = [
        ToOpener::Alone,
        ToOpener::HoldsSecrets { generation: Generation(1), file: ITS_OWN[4] },
        ToOpener::HoldsSecrets { generation: Generation(u32::MAX), file: ITS_OWN[4] },
    ];
    as_front(|| {
        // What is said meanwhile is heard.
        for _ in 0..50 {
            for words in &words {
                let octets = wire::to_octets(words).unwrap();
                until("an opener that listens", || taken.opener.send(&octets, None).ok());
            }
        }
        ask(&taken, ITS_OWN[4]);
    });
    let log = house.log();
    assert_eq!(log.matches("the configuration is refused").count(), 1, "{log}");
    assert!(!taken.is_killed(), "{log}");
    assert_eq!((house.status()["generation"].clone(), pid(&house, "keeper")), (1.into(), keeper));
    drop(taken);
    assert_eq!(works_again(&house), keeper);
}

#[test]
fn the_keeper_has_no_word_for_a_record_and_tells_nobody_of_the_attempts_of_others() {
    let Ok(()) = need::root() else { return };
    let Ok(house) = house() else { return };
    let keeper = pid(&house, "keeper");
    let mut taken = Taken::of(&house);
    let heard = as_front(|| {
        let mut talk = Talk::new(&mut taken);
        for number in (0..200).chain([u64::MAX]) {
            talk.say(&respond(SessionId(number)));
            talk.say(&ToKeeper::Cancel { exchange: first(SessionId(number)) });
        }
        talk.is_answered(&[]);
        // An attempt of this session is begun; another session does not go on with it, nor does this one twice.
        talk.say(&begin(SessionId(1)));
        let ToFront::Challenge { exchange, .. } = talk.hear() else { panic!("no challenge") };
        assert_eq!(exchange, first(SessionId(1)));
        talk.say(&respond(SessionId(2)));
        talk.is_answered(&[]);
        talk.say(&respond(SessionId(1)));
        talk.say(&respond(SessionId(1)));
        talk.is_answered(&[(1, Some(Class::Malformed))]);
        talk.heard
    });
    nothing_of_the_store_is_in(&house, &heard);
    // Words that do not exist, one of which would be "give me the record of alice", and one that is too long. There are few
    // of them, since each costs a front, and the next comes later and later.
    let too_long = u32::try_from(MAX_MESSAGE + 1).unwrap().to_le_bytes().to_vec();
    let words = [framed(b"\x04\x05alice"), framed(b"\xff"), framed(b""), too_long];
    for (before, words) in words.into_iter().enumerate() {
        drop(taken);
        assert_eq!(works_again(&house), keeper);
        taken = Taken::of(&house);
        let mut heard = Vec::new();
        as_front(|| {
            taken.keeper.write_all(&words).unwrap();
            taken.keeper.read_to_end(&mut heard).unwrap();
        });
        assert_eq!(heard, b"", "{words:?}");
        let line = "the front has said what it cannot say, and is not listened to any more";
        until(line, || (house.log().matches(line).count() == before + 1).then_some(()));
    }
    drop(taken);
    assert_eq!(works_again(&house), keeper, "the keeper has gone on all the time");
}

#[test]
fn thousands_of_attempts_fill_nothing_but_their_own_places() {
    let Ok(()) = need::root() else { return };
    let Ok(house) = house() else { return };
    let keeper = pid(&house, "keeper");
    let mut taken = Taken::of(&house);
    let heard = as_front(|| {
        let mut talk = Talk::new(&mut taken);
        let (mut begun, mut put_off) = (0_u64, 0_u64);
        for thousand in 0..20 {
            for number in 0..1000 {
                talk.say(&begin(SessionId(1000 * thousand + number)));
            }
            for _ in 0..1000 {
                match talk.hear() {
                    ToFront::Challenge { .. } => begun += 1,
                    ToFront::Refused { class: Class::Temporary, .. } => put_off += 1,
                    other => panic!("{other:?}"),
                }
            }
        }
        assert_eq!((begun, put_off), (16_384, 20_000 - 16_384));
        // Who gives his place up makes room for one more.
        talk.say(&ToKeeper::Cancel { exchange: first(SessionId(7)) });
        talk.say(&begin(SessionId(30_000)));
        assert!(matches!(talk.hear(), ToFront::Challenge { .. }));
        talk.heard
    });
    nothing_of_the_store_is_in(&house, &heard);
    drop(taken);
    assert_eq!(works_again(&house), keeper);
}

/// A daemon with every kind of secret.
fn house() -> Result<House, need::Missing> {
    House::furnished(|place, text| {
        let maps = Maps::new(place);
        maps.build("hash", &[], "authinfo", "AuthInfo:smarthost.test\t\"U:relay\" \"P:a secret\"\n");
        maps.build("hash", &[], "access", "To:relayed.test\tRELAY\n");
        maps.build("hash", &["-t", "\t"], "clients", "CN=laptop\talice\n");
        std::fs::write(place.join("default-auth-info"), "relay\nrelay\na secret\n").unwrap();
        tests::house::mode(&place.join("default-auth-info"), 0o600);
        for secret in ["maps/authinfo.db", "default-auth-info"] {
            tests::house::give_to_keeper(&place.join(secret));
        }
        let at = place.display();
        let tls = format!("[tls]\nclient_ca = \"{at}/cert.pem\"\nclient_map = \"hash:{at}/maps/clients\"\n");
        let rest = text
            .replace("[tls]\n", &tls)
            .replace("[auth]\n", "[auth]\nmechanisms = \"EXTERNAL PLAIN SCRAM-SHA-256\"\n");
        format!(
            "access_map = \"hash:{at}/maps/access\"\n{rest}[client_info]\nmaps = [\"hash:{at}/maps/authinfo\"]\n\
             default_auth_info = \"{at}/default-auth-info\"\n"
        )
    })
}

/// Asks for the file of this number.
fn ask(taken: &Taken, number: u16) -> (FromOpener, Option<std::os::fd::OwnedFd>) {
    let request = 0x1000_0000 + u32::from(number);
    taken.opener.send(&wire::to_octets(&ToOpener::Open { request, file: number }).unwrap(), None).unwrap();
    loop {
        let Packet { octets, descriptor } = taken.opener.receive(MAX_MESSAGE).unwrap();
        let words: FromOpener = wire::from_octets(&octets).unwrap();
        // What the front had asked for itself comes, too.
        match &words {
            FromOpener::Opened { request: of } | FromOpener::Refused { request: of, .. }
                if *of == request =>
            {
                return (words, descriptor);
            }
            _ => {}
        }
    }
}

/// A conversation with the keeper.
struct Talk<'t> {
    taken: &'t mut Taken,
    decoder: frame::Decoder,
    heard: Vec<u8>,
}

impl<'t> Talk<'t> {
    fn new(taken: &'t mut Taken) -> Self {
        Self { taken, decoder: frame::Decoder::default(), heard: Vec::new() }
    }

    fn say(&mut self, words: &ToKeeper) {
        self.taken.keeper.write_all(&framed(&wire::to_octets(words).unwrap())).unwrap();
    }

    /// The next that it says, but for what concerns no session.
    fn hear(&mut self) -> ToFront {
        loop {
            match self.decoder.next().unwrap() {
                Some(ToFront::OffersChanged) => {}
                Some(words) => return words,
                None => {
                    let mut octets = [0; 4096];
                    let count = self.taken.keeper.read(&mut octets).unwrap();
                    assert!(count > 0, "the keeper has hung up");
                    self.decoder.feed(&octets[..count]);
                    self.heard.extend_from_slice(&octets[..count]);
                }
            }
        }
    }

    /// It is there, and has said these refusals and nothing else before it says what it offers.
    fn is_answered(&mut self, refusals: &[(u64, Option<Class>)]) {
        self.say(&ToKeeper::Offer { request: 77, listener: FIRST, channel: Channel::default() });
        let mut said = Vec::new();
        loop {
            match self.hear() {
                ToFront::Offered { request: 77, .. } => break,
                ToFront::Refused { exchange, class, .. } => said.push((exchange.session.0, Some(class))),
                _ => said.push((0, None)),
            }
        }
        assert_eq!(said, refusals);
    }
}

/// SCRAM-SHA-256 of alice.
fn begin(session: SessionId) -> ToKeeper {
    ToKeeper::Begin {
        exchange: first(session),
        listener: FIRST,
        channel: Channel::default(),
        client: None,
        mechanism: "SCRAM-SHA-256".to_owned(),
        initial: Some(SecretOctets::copy_of(b"n,,n=alice,r=abcdefghijklmnop")),
    }
}

/// The first login of a session.
fn first(session: SessionId) -> ExchangeId {
    ExchangeId { session, turn: 1 }
}

fn respond(session: SessionId) -> ToKeeper {
    ToKeeper::Respond { exchange: first(session), octets: SecretOctets::copy_of(b"what nobody asked for") }
}

fn framed(words: &[u8]) -> Vec<u8> {
    [&u32::try_from(words.len()).unwrap().to_le_bytes(), words].concat()
}

/// Another front is there, and alice comes in; the number of the keeper's process.
fn works_again(house: &House) -> rustix::process::Pid {
    until("alice, by another front", || {
        let mut client = house.try_to_speak(tests::house::Door::Open).ok()?;
        let said = client.try_to_say("AUTH PLAIN AGFsaWNlAGNvcnJlY3QgaG9yc2U=").ok()?;
        said.starts_with("235 ").then_some(())
    });
    pid(house, "keeper")
}

/// Nothing that the store keeps of anybody, as a dump shows it, is among these octets.
fn nothing_of_the_store_is_in(house: &House, heard: &[u8]) {
    let dump = house.path("dump");
    house.saslpasswd(&["--dump", dump.to_str().unwrap()], "");
    let text = std::fs::read_to_string(&dump).unwrap();
    let mut secrets = Vec::new();
    for line in text.lines() {
        let object: Value = serde_json::from_str(line).unwrap();
        secrets.extend(object["decoy-key"].as_str().map(|text| STANDARD.decode(text).unwrap()));
        let credentials = object["credentials"].as_array().into_iter().flatten();
        for verifier in credentials.flat_map(|one| one["verifiers"].as_array().unwrap()) {
            let keys = ["stored-key", "server-key", "states", "h-a1"];
            let octets = keys.iter().filter_map(|key| verifier[key].as_str());
            secrets.extend(octets.map(|text| STANDARD.decode(text).unwrap()));
            secrets.extend(verifier["phc"].as_str().map(|text| text.as_bytes().to_vec()));
        }
    }
    assert!(secrets.len() > 10 && !heard.is_empty(), "{text}");
    for secret in secrets {
        assert!(!heard.windows(secret.len()).any(|part| part == secret));
    }
}
