//! Changes seeds in the ways in which parsers fail: bits, numbers that lie, blocks moved, lost, doubled, foreign.

/// An endless row of numbers and what is made of it.
pub struct Mutator {
    state: u64,
    longest: usize,
}

/// Numbers at the edges of what a field may say.
const EDGES: [u64; 14] = [
    0,
    1,
    2,
    7,
    8,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0xffff_ffff_ffff_ffff,
];

impl Mutator {
    pub const fn new(seed: u64, longest: usize) -> Self {
        Self { state: seed, longest }
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 when there is none.
    fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { usize::try_from(self.next() % end as u64).unwrap() }
    }

    /// A length that is more often small.
    fn length(&mut self, most: usize) -> usize {
        let bound = match self.below(4) {
            0 => 4,
            1 => 16,
            2 => 256,
            _ => most,
        };
        self.below(bound.min(most)) + 1
    }

    /// A seed, changed in one to eight places.
    pub fn change(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut data = seeds[self.below(seeds.len())].clone();
        let changes = 1 << self.below(4);
        for _ in 0..changes {
            self.change_once(&mut data, seeds);
        }
        data.truncate(self.longest);
        data
    }

    fn change_once(&mut self, data: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        if data.is_empty() {
            data.push(0);
        }
        let at = self.below(data.len());
        let run = self.length(data.len() - at).min(data.len() - at);
        match self.below(14) {
            0 | 1 => data[at] ^= 1 << self.below(8),
            2 => data[at] = self.next().to_le_bytes()[0],
            3..=5 => self.change_number(data, at),
            6 => data.truncate(at),
            7 => drop(data.drain(at..at + run)),
            8 => data[at..at + run].fill(*[0, 0xff, b'(', b'<'].get(self.below(4)).unwrap()),
            9 => {
                let copy = data[at..at + run].to_vec();
                let times = 1 + self.below(4);
                let to = self.below(data.len());
                for _ in 0..times {
                    data.splice(to..to, copy.iter().copied());
                }
            }
            10 => {
                let copy = data[at..at + run].to_vec();
                let to = self.below(data.len() - run + 1);
                data[to..to + run].copy_from_slice(&copy);
            }
            11 => {
                let other = &seeds[self.below(seeds.len())];
                let from = self.below(other.len());
                let rest = &other[from..];
                let count = self.length(rest.len().max(1)).min(rest.len());
                data.splice(at..at, rest[..count].iter().copied());
            }
            12 => {
                let other = &seeds[self.below(seeds.len())];
                let from = at.min(other.len());
                data.truncate(at);
                data.extend(&other[from..]);
            }
            _ => data[at..at + run].reverse(),
        }
    }

    /// A number of 1, 2, 4 or 8 bytes becomes one at an edge, one near what it was, or the length of the file.
    fn change_number(&mut self, data: &mut [u8], at: usize) {
        let width = 1 << self.below(4);
        let length = data.len() as u64;
        let Some(field) = data.get_mut(at..at + width) else { return };
        let big_endian = self.below(2) == 0;
        let mut wide = [0u8; 8];
        if big_endian {
            wide[8 - width..].copy_from_slice(field);
        } else {
            wide[..width].copy_from_slice(field);
        }
        let old = if big_endian { u64::from_be_bytes(wide) } else { u64::from_le_bytes(wide) };
        let near = (self.next() % 9).wrapping_sub(4);
        let new = match self.below(6) {
            0 => old.wrapping_add(near),
            1 => old.wrapping_mul(2),
            2 => length.wrapping_add(near),
            3 => (length - at as u64).wrapping_add(near),
            _ => EDGES[self.below(EDGES.len())],
        };
        if big_endian {
            field.copy_from_slice(&new.to_be_bytes()[8 - width..]);
        } else {
            field.copy_from_slice(&new.to_le_bytes()[..width]);
        }
    }
}

/// Names inputs (FNV-1a).
pub fn digest(data: &[u8]) -> u64 {
    data.iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
