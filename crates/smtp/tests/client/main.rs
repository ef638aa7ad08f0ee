//! Whole sessions of a client: conversations from `dialogues/*.talk`, with the server's octets at once, in pieces, and octet
//! by octet; and what holds for any octets.
#![allow(clippy::disallowed_methods, reason = "conversations are read where they lie")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[allow(unreachable_pub, reason = "for the fuzzer it is public")]
#[path = "../../../../tests/fuzz/src/smtp/client.rs"]
mod fuzzed;
mod properties;
mod talk;
#[path = "../server/text.rs"]
mod text;

#[test]
fn every_conversation_goes_as_written() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/client/dialogues");
    let mut faults = Vec::new();
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for (number, conversation) in text.split("\n====\n").enumerate() {
            count += 1;
            let fault =
                [usize::MAX, 7, 1].into_iter().find_map(|piece| talk::play(conversation, piece).err());
            faults.extend(fault.map(|fault| format!("{}, part {}, {fault}", path.display(), number + 1)));
        }
    }
    assert!(count >= 30, "{count} conversations");
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

#[test]
fn every_seed_of_the_fuzzer_ends_well_whole_and_damaged() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fuzz/corpus/smtp_client");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let seed = std::fs::read(entry.unwrap().path()).unwrap();
        fuzzed::client(&seed);
        for place in 0..seed.len() {
            fuzzed::client(&seed[..place]);
            let mut damaged = seed.clone();
            damaged[place] ^= 0x11;
            fuzzed::client(&damaged);
        }
        count += 1;
    }
    assert!(count >= 8, "{count} seeds");
}
