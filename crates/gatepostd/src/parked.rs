//! In the place of a front: it takes what the opener gives and serves nobody. The listening sockets stay open.

use std::io;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use safefile::Passage;
use wire::{FromOpener, Generation, MAX_MESSAGE, ToOpener};

/// Until the opener says that it is enough, or is gone.
pub(crate) fn run(opener: &Passage) -> io::Result<()> {
    let mut generation = Generation(0);
    loop {
        let pause = Timespec { tv_sec: BETWEEN_SIGNS_OF_LIFE.as_secs().cast_signed(), tv_nsec: 0 };
        if poll(&mut [PollFd::new(opener, PollFlags::IN)], Some(&pause))? == 0 {
            say(opener, ToOpener::Alive(generation))?;
            continue;
        }
        let packet = opener.receive(MAX_MESSAGE)?;
        if packet.octets.is_empty() {
            return Ok(());
        }
        match wire::from_octets(&packet.octets).map_err(io::Error::other)? {
            FromOpener::ShutDown => return Ok(()),
            FromOpener::Configuration { generation: new, .. } => {
                if generation == Generation(0) {
                    say(opener, ToOpener::Ready)?;
                }
                generation = new;
                say(opener, ToOpener::Alive(generation))?;
            }
            _ => {}
        }
    }
}

fn say(opener: &Passage, words: ToOpener) -> io::Result<()> {
    opener.send(&wire::to_octets(&words).map_err(io::Error::other)?, None)
}

const BETWEEN_SIGNS_OF_LIFE: Duration = Duration::from_secs(10);
