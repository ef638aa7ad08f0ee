//! GDBM files of machines that are not at hand: every width and alignment of `off_t`, byte order, magic, and
//! signedness of characters. Section 8.4 of the format.

use std::collections::BTreeMap;

/// The machine and the library that make a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    pub(crate) magic: u32,
    pub(crate) big_endian: bool,
    /// Octets of an `off_t`.
    pub(crate) width: usize,
    /// Where a bucket has its bits, its elements, how long one is, and the least bucket.
    pub(crate) bucket: (usize, usize, usize, usize),
    pub(crate) signed: bool,
}

/// A record with the hash of its key.
type Hashed<'a> = (u32, &'a [u8], &'a [u8]);

/// Every machine that the format knows.
pub(crate) fn machines() -> Vec<Machine> {
    let (aligned, packed, narrow) = ((104, 112, 24, 136), (76, 84, 24, 108), (52, 60, 20, 80));
    let layouts = [
        (0x1357_9ACD, 4, narrow),
        (0x1357_9ACE, 8, aligned),
        (0x1357_9ACE, 8, packed),
        (0x1357_9ACE, 4, narrow),
        (0x1357_9ACF, 8, aligned),
        (0x1357_9ACF, 8, packed),
        (0x1357_9AD0, 4, narrow),
        (0x1357_9AD1, 8, aligned),
        (0x1357_9AD1, 8, packed),
    ];
    let mut machines = Vec::new();
    for (magic, width, bucket) in layouts {
        for (big_endian, signed) in [(false, true), (false, false), (true, true), (true, false)] {
            machines.push(Machine { magic, big_endian, width, bucket, signed });
        }
    }
    machines
}

impl Machine {
    /// A file of these records, with 2^`bits` buckets, and a directory that has two entries for each.
    pub(crate) fn file(&self, records: &[(&[u8], &[u8])], bits: u32) -> Vec<u8> {
        let directory_bits = bits + 1;
        let mut buckets: BTreeMap<u32, Vec<Hashed<'_>>> = BTreeMap::new();
        for &(key, value) in records {
            let hash = self.hash(key);
            buckets.entry(hash >> (31 - bits)).or_default().push((hash, key, value));
        }
        let mut file = vec![0; BLOCK + (self.width << directory_bits).next_multiple_of(BLOCK)];
        self.header(&mut file, directory_bits);
        for bucket in 0..1 << bits {
            let own = buckets.remove(&bucket).unwrap_or_default();
            let at = self.bucket(&mut file, bits, &own);
            for entry in 2 * bucket as usize..2 * bucket as usize + 2 {
                self.put_offset(&mut file, BLOCK + entry * self.width, at);
            }
        }
        file.resize(file.len().next_multiple_of(BLOCK), 0);
        file
    }

    /// How many elements a bucket has.
    pub(crate) fn elements(&self) -> usize {
        (BLOCK - self.bucket.3) / self.bucket.2 + 1
    }

    fn header(&self, file: &mut [u8], directory_bits: u32) {
        self.put(file, 0, self.magic);
        self.put(file, 4, BLOCK as u32);
        self.put_offset(file, 8, BLOCK);
        let rest =
            [(self.width << directory_bits) as u32, directory_bits, BLOCK as u32, self.elements() as u32];
        for (number, value) in rest.into_iter().enumerate() {
            self.put(file, 8 + self.width + 4 * number, value);
        }
    }

    fn bucket(&self, file: &mut Vec<u8>, bits: u32, records: &[Hashed<'_>]) -> usize {
        let (bits_at, elements_at, octets, _) = self.bucket;
        let at = file.len();
        file.resize(at + BLOCK, 0);
        self.put(file, at + bits_at, bits);
        self.put(file, at + bits_at + 4, records.len() as u32);
        let slot_at = |slot: usize| at + elements_at + slot * octets;
        (0..self.elements()).for_each(|slot| self.put(file, slot_at(slot), u32::MAX));
        for &(hash, key, value) in records {
            let mut slot = hash as usize % self.elements();
            while file[slot_at(slot)..slot_at(slot) + 4] != [0xff; 4] {
                slot = (slot + 1) % self.elements();
            }
            let element = slot_at(slot);
            self.put(file, element, hash);
            let start = key.len().min(4);
            file[element + 4..element + 4 + start].copy_from_slice(&key[..start]);
            let record = file.len();
            self.put_offset(file, element + 8, record);
            self.put(file, element + 8 + self.width, key.len() as u32);
            self.put(file, element + 12 + self.width, value.len() as u32);
            file.extend_from_slice(key);
            file.extend_from_slice(value);
        }
        at
    }

    fn hash(&self, key: &[u8]) -> u32 {
        let mut hash = 0x238F_13AF_u32.wrapping_mul(key.len() as u32);
        for (index, &octet) in key.iter().enumerate() {
            let minus = if self.signed && octet >= 0x80 { 256 } else { 0 };
            let octet = u32::from(octet).wrapping_sub(minus);
            hash = hash.wrapping_add(octet << (index * 5 % 24)) & 0x7FFF_FFFF;
        }
        hash.wrapping_mul(1_103_515_243).wrapping_add(12_345) & 0x7FFF_FFFF
    }

    fn put(&self, file: &mut [u8], at: usize, value: u32) {
        let octets = if self.big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
        file[at..at + 4].copy_from_slice(&octets);
    }

    fn put_offset(&self, file: &mut [u8], at: usize, value: usize) {
        let octets =
            if self.big_endian { (value as u64).to_be_bytes() } else { (value as u64).to_le_bytes() };
        let octets = if self.big_endian { &octets[8 - self.width..] } else { &octets[..self.width] };
        file[at..at + self.width].copy_from_slice(octets);
    }
}

/// The smallest.
pub(crate) const BLOCK: usize = 512;
