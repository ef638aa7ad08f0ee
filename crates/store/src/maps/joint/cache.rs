//! A file too large to be read whole: blocks of it, the last of which are kept.

use std::borrow::Cow;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use mapfile::PageSource;
use zeroize::Zeroizing;

use super::locked::LockedFile;

/// The octets of a file as it was when it was opened: the caller looks whether it still is.
pub(super) struct Cached {
    file: Arc<LockedFile>,
    octets: u64,
    /// Each block has one place, by its number.
    blocks: Mutex<Vec<Option<Block>>>,
}

#[derive(Clone)]
struct Block {
    number: u64,
    octets: Arc<Zeroizing<Vec<u8>>>,
}

impl Cached {
    pub(super) fn new(file: Arc<LockedFile>, octets: u64) -> Self {
        Self { file, octets, blocks: Mutex::new(vec![None; BLOCKS]) }
    }

    fn block(&self, number: u64) -> io::Result<Block> {
        let place = (number % BLOCKS as u64) as usize;
        let kept = self.blocks.lock().unwrap_or_else(PoisonError::into_inner)[place].clone();
        if let Some(block) = kept.filter(|block| block.number == number) {
            return Ok(block);
        }
        let start = number * BLOCK;
        let mut octets = Zeroizing::new(vec![0; BLOCK.min(self.octets.saturating_sub(start)) as usize]);
        self.file.read_exact_at(&mut octets, start)?;
        let block = Block { number, octets: Arc::new(octets) };
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)[place] = Some(block.clone());
        Ok(block)
    }
}

impl PageSource for Cached {
    fn length(&self) -> u64 {
        self.octets
    }

    fn read_at(&self, offset: u64, octets: usize) -> io::Result<Cow<'_, [u8]>> {
        let mut read = Vec::with_capacity(octets);
        if octets <= FEW && offset.checked_add(octets as u64).is_some_and(|end| end <= self.octets) {
            read.resize(octets, 0);
            self.file.read_exact_at(&mut read, offset)?;
            return Ok(Cow::Owned(read));
        }
        while read.len() < octets {
            let at = offset + read.len() as u64;
            let block = self.block(at / BLOCK)?;
            let rest = block.octets.get((at % BLOCK) as usize..).filter(|rest| !rest.is_empty());
            let rest = rest.ok_or(io::ErrorKind::UnexpectedEof)?;
            read.extend_from_slice(&rest[..rest.len().min(octets - read.len())]);
        }
        Ok(Cow::Owned(read))
    }
}

const BLOCK: u64 = 16 << 10;
/// So few are slots of a CDB, which lie anywhere: a block for each would drive all others out.
const FEW: usize = 256;
/// 16 MiB.
const BLOCKS: usize = 1 << 10;

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use safefile::{Kind, SafeFile, Trust, Uid};

    use super::*;
    use crate::maps::joint::Guard;
    use crate::wait::Wait;

    #[test]
    #[allow(clippy::disallowed_methods, reason = "the file is made for the test")]
    fn what_is_read_is_what_is_there_across_blocks_and_up_to_the_end() {
        let dir = ::tests::scratch::dir();
        let path = dir.path().join("f");
        let all: Vec<u8> = (0..3 * BLOCK as u32 + 5).map(|number| (number * 7 % 251) as u8).collect();
        std::fs::File::create(&path).unwrap().write_all(&all).unwrap();
        let trust = Trust::root().caller(Uid::effective());
        let file = SafeFile::open(&path, Kind::Map, &trust).unwrap();
        let file = Arc::new(LockedFile::new(file, Guard::Replaced, Wait::default()));
        let cached = Cached::new(file, all.len() as u64);
        let block = BLOCK as usize;
        for (at, octets) in
            [(0, 1), (0, 65_536.min(all.len())), (block - 3, 7), (all.len() - 5, 5), (block, block)]
        {
            assert_eq!(*cached.read_at(at as u64, octets).unwrap(), all[at..at + octets], "{at} {octets}");
        }
        let beyond = cached.read_at(all.len() as u64 - 1, 2).unwrap_err();
        assert_eq!(beyond.kind(), io::ErrorKind::UnexpectedEof);
    }
}
