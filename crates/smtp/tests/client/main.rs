//! Whole sessions of a client: conversations from `dialogues/*.talk`, with the server's octets at once, in pieces, and octet
//! by octet; and what holds for any octets.
#![allow(clippy::disallowed_methods, reason = "conversations are read where they lie")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

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
