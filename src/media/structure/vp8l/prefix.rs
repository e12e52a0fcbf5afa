//! Prefix codes (RFC 9649 section 3.7.2).

use super::bits::BitReader;

/// Codes up to this length are looked up, longer ones are searched for.
const ROOT_BITS: u32 = 9;
/// No code is longer.
const MAX_LENGTH: usize = 15;
/// In which order the lengths of the code lengths' own code stand.
const LENGTH_ORDER: [usize; 19] = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
/// The length that a repetition repeats where none came before.
const FIRST_LENGTH: u8 = 8;

/// A prefix code, ready to be read.
pub struct PrefixCode {
    /// By the next bits: symbol and length of the code, or length 0 where the code is longer than the table's index.
    root: Vec<(u16, u8)>,
    mask: u32,
    /// By length above that of the root: the first code of this length, and where its symbols begin and end in `sorted`.
    long: Vec<Long>,
    sorted: Vec<u16>,
    /// The only symbol, which takes no bits.
    only: Option<u16>,
}

#[derive(Clone, Copy)]
struct Long {
    length: u8,
    first: u32,
    count: u32,
    symbols: usize,
}

impl PrefixCode {
    /// Reads a code over symbols below `alphabet`. `None` when it is none: symbols out of range, no symbol at all, or code
    /// lengths that do not fill the tree.
    pub fn read(bits: &mut BitReader<'_>, alphabet: usize) -> Option<Self> {
        let mut lengths = vec![0; alphabet];
        if bits.flag() {
            let two = bits.flag();
            let width = if bits.flag() { 8 } else { 1 };
            *lengths.get_mut(bits.read(width) as usize)? = 1;
            if two {
                *lengths.get_mut(bits.read(8) as usize)? = 1;
            }
        } else {
            let mut own = [0; 19];
            let count = bits.read(4) as usize + 4;
            for place in LENGTH_ORDER.iter().take(count) {
                *own.get_mut(*place)? = u8::try_from(bits.read(3)).ok()?;
            }
            Self::new(&own)?.lengths(bits, &mut lengths)?;
        }
        Self::new(&lengths)
    }

    /// Reads code lengths that are coded with this code.
    fn lengths(&self, bits: &mut BitReader<'_>, lengths: &mut [u8]) -> Option<()> {
        let mut codes = lengths.len();
        if bits.flag() {
            let width = 2 + 2 * bits.read(3);
            codes = 2 + bits.read(width) as usize;
            if codes > lengths.len() {
                return None;
            }
        }
        let (mut symbol, mut previous) = (0, FIRST_LENGTH);
        for _ in 0..codes {
            if symbol >= lengths.len() {
                break;
            }
            let (length, repeat) = match self.symbol(bits) {
                16 => (previous, 3 + bits.read(2) as usize),
                17 => (0, 3 + bits.read(3) as usize),
                18 => (0, 11 + bits.read(7) as usize),
                length => (u8::try_from(length).ok()?, 1),
            };
            if length != 0 {
                previous = length;
            }
            lengths.get_mut(symbol..symbol + repeat)?.fill(length);
            symbol += repeat;
        }
        Some(())
    }

    /// The canonical code of these lengths, which has to be complete.
    fn new(lengths: &[u8]) -> Option<Self> {
        let mut counts = [0u32; MAX_LENGTH + 1];
        for length in lengths {
            *counts.get_mut(usize::from(*length))? += 1;
        }
        counts[0] = 0;
        let mut sorted: Vec<u16> = Vec::with_capacity(lengths.len());
        for length in 1..=u8::try_from(MAX_LENGTH).ok()? {
            if counts.get(usize::from(length)).is_some_and(|count| *count > 0) {
                let symbols = (0u16..).zip(lengths).filter(|(_, l)| **l == length);
                sorted.extend(symbols.map(|(symbol, _)| symbol));
            }
        }
        if let [only] = *sorted {
            return Some(Self { root: Vec::new(), mask: 0, long: Vec::new(), sorted, only: Some(only) });
        }
        let longest = u32::try_from(counts.iter().rposition(|count| *count > 0)?).ok()?;
        let root_bits = longest.min(ROOT_BITS);
        let mut root = vec![(0, 0); 1 << root_bits];
        let mut long = Vec::new();
        let (mut code, mut symbols) = (0u32, 0);
        for (length, count) in (1u32..).zip(counts.iter().skip(1).copied()).take(longest as usize) {
            code <<= 1;
            // More codes than the tree has room for.
            if code + count > 1 << length {
                return None;
            }
            let end = symbols + count as usize;
            if length <= root_bits {
                for (code, symbol) in (code..).zip(sorted.get(symbols..end)?) {
                    let start = (code.reverse_bits() >> (32 - length)) as usize;
                    for entry in root.iter_mut().skip(start).step_by(1 << length) {
                        *entry = (*symbol, u8::try_from(length).ok()?);
                    }
                }
            } else if count > 0 {
                long.push(Long { length: u8::try_from(length).ok()?, first: code, count, symbols });
            }
            code += count;
            symbols = end;
        }
        let complete = code == 1 << longest;
        complete.then_some(Self { root, mask: (1 << root_bits) - 1, long, sorted, only: None })
    }

    /// Reads a symbol of up to 15 bits, of which enough have to be there: see [`BitReader::fill`].
    #[inline]
    pub fn symbol_of_filled(&self, bits: &mut BitReader<'_>) -> u16 {
        if let Some(only) = self.only {
            return only;
        }
        let next = bits.peek();
        let (symbol, length) = match self.root.get((next & self.mask) as usize) {
            Some(&(symbol, length)) if length > 0 => (symbol, length),
            _ => self.long_symbol(next.reverse_bits()),
        };
        bits.skip(u32::from(length));
        symbol
    }

    /// Reads a symbol.
    #[inline]
    pub fn symbol(&self, bits: &mut BitReader<'_>) -> u16 {
        bits.fill();
        self.symbol_of_filled(bits)
    }

    fn long_symbol(&self, next: u32) -> (u16, u8) {
        for long in &self.long {
            let place = (next >> (32 - u32::from(long.length))).wrapping_sub(long.first);
            if place < long.count {
                let symbol = self.sorted.get(long.symbols + place as usize);
                return (symbol.copied().unwrap_or_default(), long.length);
            }
        }
        // Not reached with a complete code.
        (0, 0)
    }

    /// Memory that it holds.
    pub fn bytes(&self) -> usize {
        self.root.capacity() * size_of::<(u16, u8)>()
            + self.sorted.capacity() * size_of::<u16>()
            + self.long.capacity() * size_of::<Long>()
            + size_of::<Self>()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;

    #[test]
    fn only_complete_codes_are_codes() {
        assert!(PrefixCode::new(&[1, 1]).is_some());
        assert!(PrefixCode::new(&[0, 3]).is_some(), "one symbol, whatever its length");
        assert!(PrefixCode::new(&[1, 2]).is_none());
        assert!(PrefixCode::new(&[1, 2, 2]).is_some());
        assert!(PrefixCode::new(&[1, 1, 1]).is_none());
        assert!(PrefixCode::new(&[0, 0]).is_none());
    }

    #[test]
    fn codes_of_all_lengths_are_read() {
        // 1, 2, ... 15, 15 bits: all ones but the last.
        let lengths: Vec<u8> = (1..=15).chain([15]).collect();
        let code = PrefixCode::new(&lengths).unwrap();
        for symbol in 0..15u16 {
            let word = (1u32 << symbol) - 1;
            let data = word.to_le_bytes();
            let mut bits = BitReader::new(&data);
            assert_eq!(code.symbol(&mut bits), symbol);
            assert_eq!(bits.bytes(), usize::from(symbol + 1).div_ceil(8));
        }
    }
}
