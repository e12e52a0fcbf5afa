//! Huffman tables (ITU-T T.81 annex C) and quantisation tables as the walk needs them.

use std::ops::RangeInclusive;

use super::Slip;
use super::bits::{Bits, magnitude};
use super::samples::{Blocks, Steps};

/// Codes of up to so many bits are found by one look-up.
const FAST_BITS: u32 = 9;
/// Window of the look-up that passes over several coefficients at once.
const RUN_BITS: u32 = 12;

/// Window of the look-ups that read a DC difference with its code.
const DIFFERENCE_BITS: u32 = 12;
/// Window of the look-ups that begin a block: smaller, so that all tables of a picture fit into half of a first-level cache.
const BEGIN_BITS: u32 = 10;
/// Window of the look-up that reads one AC coefficient with its code.
const COEFFICIENT_BITS: u32 = 11;

/// One Huffman table.
pub struct Huffman {
    /// Symbol and length of the code that these bits begin with; length 0: longer, or none.
    fast: [(u8, u8); 1 << FAST_BITS],
    /// Per length: codes of at most this length are below this, when written with 16 bits.
    limit: [u32; 17],
    /// Per length: what to add to a code of this length for the index of its symbol.
    offset: [i32; 17],
    symbols: [u8; 256],
    /// A code has only ones: no DCT encoder does it, and common decoders refuse it (the code is reserved as a prefix).
    pub all_ones: bool,
}

impl Huffman {
    /// From the counts of codes per length and the symbols of a DHT segment. `None` when there are more codes than fit.
    pub fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Box<Self>> {
        let mut table = Box::new(Self {
            fast: [(0, 0); 1 << FAST_BITS],
            limit: [0; 17],
            offset: [0; 17],
            symbols: [0; 256],
            all_ones: false,
        });
        table.symbols.get_mut(..symbols.len())?.copy_from_slice(symbols);
        let (mut code, mut index) = (0u32, 0usize);
        for (length, &count) in (1u32..).zip(counts) {
            *table.offset.get_mut(length as usize)? = i32::try_from(index).ok()? - code.cast_signed();
            for _ in 0..count {
                if length <= FAST_BITS {
                    let shift = FAST_BITS - length;
                    let from = (code << shift) as usize;
                    let entry = (*symbols.get(index)?, u8::try_from(length).ok()?);
                    table.fast.get_mut(from..from + (1 << shift))?.fill(entry);
                }
                code += 1;
                index += 1;
            }
            if code > 1 << length {
                return None;
            }
            table.all_ones |= count > 0 && code == 1 << length;
            *table.limit.get_mut(length as usize)? = code << (16 - length);
            code <<= 1;
        }
        Some(table)
    }

    /// Symbol and length of the code at the top of 16 bits.
    #[inline]
    fn find(&self, ahead: u32) -> Option<(u8, u32)> {
        let (symbol, length) = self.fast.get((ahead >> (16 - FAST_BITS)) as usize).copied()?;
        if length > 0 { Some((symbol, length.into())) } else { self.find_long(ahead) }
    }

    fn find_long(&self, ahead: u32) -> Option<(u8, u32)> {
        (FAST_BITS + 1..=16).find_map(|length| {
            let limit = self.limit.get(length as usize).copied()?;
            let offset = self.offset.get(length as usize).copied()?;
            let index = (ahead >> (16 - length)).cast_signed() + offset;
            (ahead < limit)
                .then(|| self.symbols.get(usize::try_from(index).ok()?).copied())?
                .map(|symbol| (symbol, length))
        })
    }

    /// The symbol of a short code, with the length of that, if the next one is such.
    #[inline]
    pub fn short(&self, bits: &Bits<'_>) -> Option<(u8, u32)> {
        let (symbol, length) = self.fast.get(bits.peek(FAST_BITS) as usize).copied()?;
        (length > 0).then_some((symbol, length.into()))
    }

    /// The next symbol. Takes at most 16 bits.
    #[inline]
    pub fn symbol(&self, bits: &mut Bits<'_>) -> Result<u8, Slip> {
        let (symbol, length) = self.find(bits.peek(16)).ok_or(Slip::Wrong("a code that does not exist"))?;
        bits.skip(length);
        Ok(symbol)
    }
}

/// Look-ups of a DC difference together with its code, where both fit into the window: the difference, and in the lowest four bits
/// how many bits it takes.
pub struct Differences([i16; 1 << DIFFERENCE_BITS]);

impl Differences {
    pub fn new(huffman: &Huffman) -> Box<Self> {
        let mut differences = Box::new(Self([0; 1 << DIFFERENCE_BITS]));
        for (window, entry) in (0u32..).zip(differences.0.iter_mut()) {
            let ahead = window << (16 - DIFFERENCE_BITS);
            let Some((size, length)) = huffman.find(ahead) else { continue };
            let taken = length + u32::from(size);
            if taken <= DIFFERENCE_BITS {
                let value = magnitude(ahead >> (16 - taken) & ((1 << size) - 1), size.into());
                *entry = i16::try_from(value << 4 | taken.cast_signed()).unwrap_or(0);
            }
        }
        differences
    }

    /// The difference, and how many bits it takes; 0 bits where it has to be read otherwise.
    #[inline]
    pub fn next(&self, bits: &Bits<'_>) -> (i32, u32) {
        self.of(bits.peek(DIFFERENCE_BITS))
    }

    fn of(&self, window: u32) -> (i32, u32) {
        let entry = i32::from(self.0.get(window as usize).copied().unwrap_or(0));
        (entry >> 4, (entry & 15).cast_unsigned())
    }
}

/// Look-ups of an AC coefficient of a sequential block together with its code, and of a second one, where they fit into the window.
pub struct Coefficients([Coefficient; 1 << COEFFICIENT_BITS]);

/// One entry: the value, the zeros before it, and the bits of both; 0 bits where it has to be read otherwise. The end of the block is
/// 64 zeros, 16 zeros alone are 15 and a zero.
#[derive(Clone, Copy)]
pub struct Coefficient {
    pub value: i16,
    pub zeros: u8,
    pub bits: u8,
    /// The next one, which is never 16 zeros alone; 0 without zeros before it where that is not known.
    pub second: i16,
    /// The zeros before that, 64 for the end of the block.
    pub between: u8,
    /// The bits of both.
    pub both: u8,
}

impl Coefficient {
    const UNKNOWN: Self = Self { value: 0, zeros: 0, bits: 0, second: 0, between: 0, both: 0 };

    /// Whether the block ends.
    pub const fn ends(self) -> bool {
        self.zeros == 64
    }

    /// Whether it ends behind the first coefficient.
    pub const fn ends_then(self) -> bool {
        self.between == 64
    }
}

impl Coefficients {
    /// For coefficients of at most `safe` bits.
    pub fn new(huffman: &Huffman, safe: u8) -> Box<Self> {
        let mut coefficients = Box::new(Self([Coefficient::UNKNOWN; 1 << COEFFICIENT_BITS]));
        for (window, entry) in (0u32..).zip(coefficients.0.iter_mut()) {
            let ahead = window << (16 - COEFFICIENT_BITS);
            let Some((value, zeros, bits)) = one(huffman, safe, ahead, COEFFICIENT_BITS) else { continue };
            *entry = Coefficient { value, zeros, bits, both: bits, ..Coefficient::UNKNOWN };
            if zeros == 64 {
                continue;
            }
            let (ahead, left) = (ahead << bits & 0xFFFF, COEFFICIENT_BITS - u32::from(bits));
            if let Some((second, between, more)) = one(huffman, safe, ahead, left)
                && (second != 0 || between == 64)
            {
                *entry = Coefficient { second, between, both: bits + more, ..*entry };
            }
        }
        coefficients
    }

    #[inline]
    pub fn next(&self, bits: &Bits<'_>) -> Coefficient {
        self.0.get(bits.peek(COEFFICIENT_BITS) as usize).copied().unwrap_or(Coefficient::UNKNOWN)
    }
}

/// The coefficient at the begin of these 16 bits, the zeros before it and the bits of both, if the first `known` bits tell them.
pub fn one(huffman: &Huffman, safe: u8, ahead: u32, known: u32) -> Option<(i16, u8, u8)> {
    let (symbol, length) = huffman.find(ahead)?;
    let size = u32::from(symbol & 15);
    let taken = length + size;
    if taken > known || size > safe.into() || size == 0 && !matches!(symbol, 0 | 0xF0) {
        return None;
    }
    let value = magnitude(ahead >> (16 - taken) & ((1 << size) - 1), size);
    let zeros = if symbol == 0 { 64 } else { symbol >> 4 };
    Some((i16::try_from(value).ok()?, zeros, u8::try_from(taken).ok()?))
}

/// Look-ups that pass over as many whole AC coefficients of a sequential block as the window shows, as long as none of them
/// can be out of range.
pub struct Runs([Run; 1 << RUN_BITS]);

/// One entry: the bits to skip lowest, where a shift takes them from; above, how far that is in the block: the coefficients passed, and
/// one more where it ends; on top, whether it ends.
#[derive(Clone, Copy)]
pub struct Run(u16);

impl Run {
    /// The next symbol has to be looked at alone: no block is as long.
    const UNKNOWN: Self = Self(0x7F << 6);
    const ENDS: u16 = 1 << 15;

    /// What this window shows, as long as coefficients of so many bits are no matter, each so many places behind the first one.
    fn of(huffman: &Huffman, window: Window, safe: impl Fn(u32, u8) -> bool) -> Self {
        let (mut bits, mut passed, mut ends) = (0, 0, 0);
        while bits < window.bits && ends == 0 {
            let ahead = (window.shown << bits & ((1 << window.bits) - 1)) << (16 - window.bits);
            let Some((symbol, length)) = huffman.find(ahead) else { break };
            if bits + length > window.bits {
                break;
            }
            let (zeros, size) = (u32::from(symbol >> 4), symbol & 15);
            match symbol {
                0 => (ends, passed) = (Self::ENDS, passed + 1),
                0xF0 if passed < 32 => passed += 16,
                _ if size == 0 || passed > 32 || !safe(passed + zeros, size) => break,
                _ => passed += zeros + 1,
            }
            bits += length + u32::from(size);
        }
        Self(u16::try_from(passed << 6 | bits).unwrap_or(0) | ends)
    }

    /// The same behind a DC difference of so many bits.
    fn behind(self, bits: u32) -> Self {
        Self(self.0 + (1 << 6) + u16::try_from(bits).unwrap_or(0))
    }

    pub const fn bits(self) -> u32 {
        (self.0 & 63) as u32
    }

    /// More than there are in a block where that is not known.
    pub const fn passed(self) -> u32 {
        (self.0 >> 6 & 0x7F) as u32
    }

    pub const fn ends(self) -> bool {
        self.0 & Self::ENDS != 0
    }
}

/// The next bits, and how many those are.
#[derive(Clone, Copy)]
struct Window {
    shown: u32,
    bits: u32,
}

impl Runs {
    /// For coefficients of at most `safe` bits.
    pub fn new(huffman: &Huffman, safe: u8) -> Box<Self> {
        let mut runs = Box::new(Self([Run::UNKNOWN; 1 << RUN_BITS]));
        for (shown, entry) in (0u32..).zip(runs.0.iter_mut()) {
            let run = Run::of(huffman, Window { shown, bits: RUN_BITS }, |_, size| size <= safe);
            if run.bits() > 0 {
                *entry = run;
            }
        }
        runs
    }

    #[inline]
    pub fn next(&self, bits: &Bits<'_>) -> Run {
        self.0.get(bits.peek(RUN_BITS) as usize).copied().unwrap_or(Run::UNKNOWN)
    }
}

/// Look-ups that begin a block: the DC difference, and as many whole AC coefficients behind it as the window shows, as long as none of
/// them is loud or can be out of range.
pub struct Begins([Begin; 1 << BEGIN_BITS]);

/// One entry: the difference, and what is passed with it.
#[derive(Clone, Copy)]
pub struct Begin {
    pub difference: i16,
    pub run: Run,
}

impl Begins {
    pub fn new(differences: &Differences, ac: &Huffman, range: &Range) -> Box<Self> {
        let mut begins = Box::new(Self([Begin::UNKNOWN; 1 << BEGIN_BITS]));
        for (window, entry) in (0u32..).zip(begins.0.iter_mut()) {
            let (difference, taken) = differences.of(window << (DIFFERENCE_BITS - BEGIN_BITS));
            let (1..=BEGIN_BITS, Ok(difference)) = (taken, i16::try_from(difference)) else { continue };
            let left = BEGIN_BITS - taken;
            let behind = Window { shown: window & ((1 << left) - 1), bits: left };
            let run = Run::of(ac, behind, |at, size| range.is_quiet(1 + at as usize, size));
            *entry = Begin { difference, run: run.behind(taken) };
        }
        begins
    }

    #[inline]
    pub fn next(&self, bits: &Bits<'_>) -> Begin {
        self.0.get(bits.peek(BEGIN_BITS) as usize).copied().unwrap_or(Begin::UNKNOWN)
    }
}

impl Begin {
    const UNKNOWN: Self = Self { difference: 0, run: Run::UNKNOWN };
}

/// Blocks with a larger dequantised AC coefficient are looked at as samples, in 8 bits.
const LOUD: i32 = 500;

/// The largest quantised coefficients that samples of a precision can give.
///
/// A dequantised coefficient of 8-bit samples lies between -1024 and 1024 (A.3.3); an encoder that rounds as it likes
/// comes out less than one quantisation step above.
pub struct Range {
    /// Magnitudes in zig-zag order.
    most: [i32; 64],
    /// Per coefficient: numbers of so many bits are neither outside nor loud.
    quiet: [u8; 64],
    /// Every AC coefficient of so many bits is inside, and where steps are small not loud.
    pub fast_size: u8,
    steps: Option<Steps>,
    blocks: Option<Blocks>,
    /// Half of the range of samples.
    half: u16,
    loud: i32,
    /// Magnitude categories (tables F.1 and F.2, for 8 and 12 bits).
    dc_sizes: u8,
    ac_sizes: u8,
}

impl Range {
    /// Without a table only the magnitude categories are limits.
    pub fn new(steps: Option<&Steps>, precision: u8) -> Self {
        let extra = precision.saturating_sub(8).min(8);
        let (dc_sizes, ac_sizes) = (11 + extra, 10 + extra);
        let (mut most, mut quiet) = ([i32::MAX; 64], [ac_sizes; 64]);
        let (mut fast_size, mut loudest) = (ac_sizes, 0);
        let loud = LOUD << extra;
        for ((most, quiet), &step) in most.iter_mut().zip(&mut quiet).zip(steps.into_iter().flatten()) {
            let step = i32::from(step);
            // A step of 0 makes everything 0.
            let Some(value) = ((1024 << extra) + step).checked_div(step) else { continue };
            // The category of a number is its length in bits.
            let size = |most: i32| ac_sizes.min((most + 1).ilog2().try_into().unwrap_or(0));
            *most = value;
            *quiet = size(loud / step);
            fast_size = fast_size.min(size(value));
            loudest = loudest.max(*quiet);
        }
        if steps.is_some() {
            fast_size = fast_size.min(loudest);
        }
        let half = 128 << extra;
        let blocks = steps.map(|steps| Blocks::new(steps, f32::from(half)));
        Self { most, quiet, fast_size, steps: steps.copied(), blocks, half, loud, dc_sizes, ac_sizes }
    }

    /// The quantisation table, for pictures of 8 bits per sample.
    pub fn steps(&self) -> Option<&Steps> {
        self.steps.as_ref().filter(|_| self.half == 128)
    }

    /// Whether an encoder can have made this block (quantised, in natural order).
    pub fn possible(&self, block: &[i16; 64]) -> bool {
        self.blocks.as_ref().is_none_or(|blocks| blocks.has(block))
    }

    /// Whether every number of so many bits can be the coefficient at this place, and is not loud. The place is below 64.
    #[inline]
    pub fn is_quiet(&self, at: usize, size: u8) -> bool {
        self.quiet.get(at).is_some_and(|&quiet| size <= quiet)
    }

    /// No AC coefficient of a band that has at most so many bits is outside, when so many more come behind them.
    pub fn safe(&self, band: RangeInclusive<usize>, shift: u8) -> u8 {
        let most = self.most.get(band).and_then(|band| band.iter().min()).map_or(0, |most| most >> shift);
        self.ac_sizes.min((most.saturating_add(1)).ilog2().try_into().unwrap_or(0))
    }

    /// Reads the value of an AC coefficient, which lacks `shift` bits; tells whether it is loud. Takes at most 16 bits.
    #[inline]
    pub fn read_ac(&self, bits: &mut Bits<'_>, index: u32, size: u8, shift: u8) -> Result<bool, Slip> {
        let at = index as usize;
        if shift == 0 && self.is_quiet(at, size) {
            bits.skip(size.into());
            return Ok(false);
        }
        if size > self.ac_sizes {
            return Err(Slip::Wrong("an AC coefficient out of range"));
        }
        let value = bits.signed(size.into()).abs() << shift;
        if value > self.most.get(at).copied().unwrap_or(i32::MAX) {
            return Err(Slip::Wrong("an AC coefficient out of range"));
        }
        let step = self.steps.as_ref().and_then(|steps| steps.get(at));
        Ok(step.is_some_and(|&step| value.saturating_mul(step.into()) > self.loud))
    }

    /// Reads a DC difference of coefficients that lack `shift` bits and adds it. Takes at most 32 bits.
    #[inline]
    pub fn read_dc(&self, bits: &mut Bits<'_>, table: &Huffman, dc: &mut i32, shift: u8) -> Result<(), Slip> {
        let difference = self.read_difference(bits, table)?;
        self.add_dc(dc, difference, shift)
    }

    /// Reads a DC difference. Takes at most 32 bits.
    pub fn read_difference(&self, bits: &mut Bits<'_>, table: &Huffman) -> Result<i32, Slip> {
        let size = table.symbol(bits)?;
        if !self.has_dc_size(size) {
            return Err(Slip::Wrong("a DC difference out of range"));
        }
        Ok(bits.signed(size.into()))
    }

    /// Whether a DC difference can have so many bits.
    #[inline]
    pub const fn has_dc_size(&self, size: u8) -> bool {
        size <= self.dc_sizes
    }

    /// Whether this can be a DC coefficient.
    #[inline]
    pub const fn has_dc(&self, dc: i32) -> bool {
        let [most, ..] = self.most;
        dc.unsigned_abs() <= most.unsigned_abs()
    }

    /// Adds a DC difference of coefficients that lack `shift` bits.
    #[inline]
    pub fn add_dc(&self, dc: &mut i32, difference: i32, shift: u8) -> Result<(), Slip> {
        *dc += difference;
        // The bits that are lacking may bring a negative value nearer to zero.
        let lowest = (*dc << shift) + (1 << shift) - 1;
        let [most, ..] = self.most;
        if *dc << shift > most || lowest < -most {
            return Err(Slip::Wrong("a DC coefficient out of range"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;

    /// Codes 0, 10, 110, 1110 for these symbols.
    fn four(symbols: [u8; 4]) -> Box<Huffman> {
        let mut counts = [0; 16];
        counts[..4].fill(1);
        Huffman::new(&counts, &symbols).unwrap()
    }

    #[test]
    fn overfull_codes_are_refused_and_codes_of_ones_noticed() {
        let mut counts = [0; 16];
        counts[0] = 2;
        assert!(Huffman::new(&counts, &[1, 2]).unwrap().all_ones);
        counts[1] = 1;
        assert!(Huffman::new(&counts, &[1, 2, 3]).is_none());
        assert!(!four([1, 2, 3, 4]).all_ones);
    }

    #[test]
    fn short_and_long_codes() {
        let mut counts = [1; 16];
        counts[15] = 2;
        let symbols: Vec<u8> = (0..17).collect();
        let table = Huffman::new(&counts, &symbols).unwrap();
        assert_eq!(table.find(0b0111_1111_1111_1111), Some((0, 1)));
        assert_eq!(table.find(0b1111_1111_1101_0000), Some((10, 11)));
        assert_eq!(table.find(0xFFFE), Some((15, 16)));
        assert_eq!(table.find(0xFFFF), Some((16, 16)));
        let table = four([9, 8, 7, 6]);
        assert_eq!(table.find(0b1110 << 12), Some((6, 4)));
        assert_eq!(table.find(0b1111 << 12), None);
    }

    #[test]
    fn several_coefficients_in_one_look_up() {
        // 0: one bit after no zeros; 10: end of block; 110: two bits after three zeros.
        let table = four([0x01, 0x00, 0x32, 0xF0]);
        let runs = Runs::new(&table, 4);
        let look = |byte: u8| {
            let mut bits = Bits::new(std::slice::from_ref(&byte));
            bits.refill();
            let run = runs.next(&bits);
            (run.bits(), run.passed(), run.ends())
        };
        // 0 1, 0 0, 10.
        assert_eq!(look(0b0100_1000), (6, 3, true));
        // 110 11, 10.
        assert_eq!(look(0b1101_1100), (7, 5, true));
        // With a limit of one bit the second kind is to be looked at alone.
        let narrow = Runs::new(&table, 1);
        let mut bits = Bits::new(&[0b1101_1100]);
        bits.refill();
        assert!(narrow.next(&bits).passed() > 64);
    }

    #[test]
    fn two_coefficients_in_one_look_up() {
        // As above, and 1110: 16 zeros.
        let table = four([0x01, 0x00, 0x32, 0xF0]);
        let look = |word: u16, safe: u8| {
            let data = word.to_be_bytes();
            let mut bits = Bits::new(&data);
            bits.refill();
            let next = Coefficients::new(&table, safe).next(&bits);
            ((next.value, next.zeros, next.bits), (next.second, next.between, next.both))
        };
        // 0 1, 110 11, then 0.
        assert_eq!(look(0b0111_0110_0000_0000, 4), ((1, 0, 2), (3, 3, 7)));
        // 0 0, 10.
        assert_eq!(look(0b0010_0000_0000_0000, 4), ((-1, 0, 2), (0, 64, 4)));
        // 1110, 0 1.
        assert_eq!(look(0b1110_0100_0000_0000, 4), ((0, 15, 4), (1, 0, 6)));
        // 16 zeros are left for the next look-up, and so is what the window does not show.
        assert_eq!(look(0b0111_1000_0000_0000, 4), ((1, 0, 2), (0, 0, 2)));
        assert_eq!(look(0b1101_1110_1111_0110, 4), ((3, 3, 5), (3, 3, 10)));
        // The end alone, and what is too large to be safe.
        assert_eq!(look(0b1001_0000_0000_0000, 4), ((0, 64, 2), (0, 0, 2)));
        assert_eq!(look(0b0111_0110_0000_0000, 1), ((1, 0, 2), (0, 0, 2)));
    }

    #[test]
    fn ranges_follow_the_quantisation() {
        let mut steps = [1; 64];
        steps[5] = 100;
        let range = Range::new(Some(&steps), 8);
        assert_eq!(range.most[5], 11);
        assert_eq!((range.quiet[1], range.quiet[5], range.fast_size), (8, 2, 3));
        // 11 is inside, 12 is not.
        for (data, sound) in
            [([0b1011_0000], true), ([0b1100_0000], false), ([0b0011_0000], false), ([0b0100_0000], true)]
        {
            let mut bits = Bits::new(&data);
            bits.refill();
            assert_eq!(range.read_ac(&mut bits, 5, 4, 0).is_ok(), sound, "{data:?}");
        }
    }
}
