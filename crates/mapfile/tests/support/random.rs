//! Random numbers that are the same in each run: xorshift64*.

pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`, which is at least 1.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as usize;
        high % end
    }

    /// Flips a bit at this place, or puts a number there that is likely to hurt, or one from elsewhere.
    #[allow(dead_code, reason = "not every suite damages files")]
    pub(crate) fn alter(&mut self, octets: &mut [u8], at: usize) {
        match self.below(4) {
            0 => octets[at] = [0, 1, 0x7f, 0x80, 0xff][self.below(5)],
            1 => {
                let other = self.below(octets.len());
                octets[at] = octets[other];
            }
            _ => octets[at] ^= 1 << self.below(8),
        }
    }

    /// One time in forty cuts the file off somewhere.
    #[allow(dead_code, reason = "not every suite damages files")]
    pub(crate) fn cut(&mut self, octets: &mut Vec<u8>) {
        if self.below(40) == 0 {
            octets.truncate(self.below(octets.len()));
        }
    }
}
