//! Whole sessions: conversations from `dialogues/*.talk`, each sent at once, in pieces, and octet by octet; and what holds
//! for any octets.
#![allow(clippy::disallowed_methods, reason = "conversations are read where they lie")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stderr, reason = "what made a test fail is to be told")]

#[path = "../../../../tests/fuzz/src/smtp"]
mod fuzzed {
    pub(crate) mod client;
    pub(crate) mod mailbox;
    pub(crate) mod server;
}
mod properties;
#[path = "../../../mapfile/tests/support/random.rs"]
mod random;
mod replay;
mod talk;
mod text;

/// Each conversation: the file where it stands, without its suffix, its number there from 1, its text.
fn conversations() -> Vec<(String, usize, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dialogues");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        let file = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let parts = text.split("\n====\n").map(str::to_owned);
        found.extend((1..).zip(parts).map(|(number, part)| (file.clone(), number, part)));
    }
    found
}

#[test]
fn every_conversation_goes_as_written() {
    let conversations = conversations();
    let mut faults = Vec::new();
    for (file, number, conversation) in &conversations {
        let fault = [usize::MAX, 7, 1].into_iter().find_map(|piece| talk::play(conversation, piece).err());
        faults.extend(fault.map(|fault| format!("{file}.talk, part {number}, {fault}")));
    }
    assert!(conversations.len() > 60, "{} conversations", conversations.len());
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}
