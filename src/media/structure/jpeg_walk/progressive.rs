//! Blocks of progressive pictures (ITU-T T.81 annex G): some coefficients, or some bits of them, in each scan.

use std::hint::select_unpredictable;

use super::bits::{Bits, magnitude};
use super::kept::{Block, Kept, Places};
use super::levels::saturated;
use super::tables::{Coefficients, Huffman, Range, Refinements};
use super::{Coding, Slip};

/// One component of a scan of DC coefficients.
pub struct FirstPart<'t> {
    /// Blocks of each unit.
    pub blocks: usize,
    pub table: &'t Huffman,
    pub range: &'t Range,
    /// The DC coefficient of the block before.
    pub last: i32,
    /// What is kept of it, and where its blocks lie.
    pub kept: Option<(&'t mut Kept, Places)>,
}

/// A first scan of DC coefficients (G.1.2.1), which lack `shift` bits after it.
pub struct FirstDc<'t> {
    pub parts: Vec<FirstPart<'t>>,
    pub shift: u8,
    pub rows: RowPlaces,
}

/// Where rows of units begin in the data.
pub struct RowPlaces {
    across: usize,
    column: usize,
    places: Vec<usize>,
}

impl RowPlaces {
    /// Of so many units each.
    pub const fn new(across: usize) -> Self {
        Self { across, column: 0, places: Vec::new() }
    }

    /// To be called before each unit.
    #[inline]
    fn begin_unit(&mut self, bits: &Bits<'_>) {
        if self.column == 0 {
            self.places.push(bits.place());
            self.column = self.across;
        }
        self.column -= 1;
    }

    pub fn all(self) -> Vec<usize> {
        self.places
    }
}

impl Coding for FirstDc<'_> {
    const TELLING: bool = false;

    fn restart(&mut self) -> Result<(), Slip> {
        for part in &mut self.parts {
            part.last = 0;
        }
        Ok(())
    }

    fn unit(&mut self, bits: &mut Bits<'_>) -> Result<(), Slip> {
        self.rows.begin_unit(bits);
        for part in &mut self.parts {
            for number in 0..part.blocks {
                bits.refill();
                part.range.read_dc(bits, part.table, &mut part.last, self.shift)?;
                if let Some((kept, places)) = &mut part.kept {
                    kept.block(places.of(number)).set(0, saturated(part.last << self.shift));
                }
            }
            if let Some((_, places)) = &mut part.kept {
                places.go_on();
            }
        }
        Ok(())
    }
}

/// One component of a later scan of DC coefficients.
pub struct MorePart<'t> {
    /// Blocks of each unit, at most 16.
    pub blocks: u32,
    /// What is kept of it, and where its blocks lie.
    pub kept: Option<(&'t mut Kept, Places)>,
}

/// A later scan of DC coefficients: one bit for each block.
pub struct MoreDc<'t> {
    pub parts: Vec<MorePart<'t>>,
    pub shift: u8,
}

impl Coding for MoreDc<'_> {
    const TELLING: bool = false;

    fn restart(&mut self) -> Result<(), Slip> {
        Ok(())
    }

    fn unit(&mut self, bits: &mut Bits<'_>) -> Result<(), Slip> {
        for part in &mut self.parts {
            bits.refill();
            let more = bits.take(part.blocks);
            let Some((kept, places)) = &mut part.kept else { continue };
            for (number, bit) in (0..part.blocks).rev().enumerate() {
                kept.block(places.of(number)).refine_dc(more >> bit & 1 == 1, self.shift);
            }
            places.go_on();
        }
        Ok(())
    }
}

/// Blocks of a long run of empty ones.
const LONG: u32 = 32;

/// A scan of AC coefficients of one component.
pub struct Band<'t> {
    pub table: &'t Huffman,
    pub range: &'t Range,
    /// The band, both ends included.
    pub from: u32,
    pub to: u32,
    /// Bits that later scans add.
    pub shift: u8,
    /// Blocks that follow without new coefficients.
    pub run: u32,
    /// How many there were in the last run of such.
    pub ran: u32,
    /// Which coefficients of each block are not zero, in rows of `stride` blocks, `across` of them coded.
    pub nonzero: &'t mut [u64],
    pub kept: Option<&'t mut Kept>,
    pub stride: usize,
    pub across: usize,
    /// The next block.
    pub column: usize,
    pub row: usize,
    /// There was nothing but padding left for the last one, behind a long run of empty ones.
    pub starved: bool,
}

/// One that is coded in one of two ways, with the look-ups of that: each has a loop of its own.
pub struct Ac<'t, T> {
    pub fast: &'t T,
    pub band: Band<'t>,
}

/// A first scan (G.1.2.2).
type FirstAc<'t> = Ac<'t, Coefficients>;
/// A refining one (G.1.2.3).
type MoreAc<'t> = Ac<'t, Refinements>;

/// What is different in them.
trait Blocks {
    /// Whether nothing is coded for a block, in a run of empty ones, that has these coefficients.
    fn passes(&self, nonzero: u64) -> bool;

    /// Follows the codes of a block; gives which coefficients are not zero then.
    fn block(&mut self, bits: &mut Bits<'_>, place: usize, nonzero: u64) -> Result<u64, Slip>;
}

impl<T> Coding for Ac<'_, T>
where
    Self: Blocks,
{
    const TELLING: bool = false;

    fn restart(&mut self) -> Result<(), Slip> {
        if self.band.run > 0 {
            return Err(Slip::Wrong("a run of empty blocks past its end"));
        }
        Ok(())
    }

    fn starved(&self) -> bool {
        self.band.starved
    }

    #[inline]
    fn unit(&mut self, shared: &mut Bits<'_>) -> Result<(), Slip> {
        // A copy of its own, which stays in registers.
        let mut bits = *shared;
        bits.refill();
        let place = self.band.begin_block(&bits);
        let nonzero = self.band.nonzero.get(place).copied().unwrap_or(0);
        let found = if self.band.run > 0 && self.passes(nonzero) {
            self.band.run -= 1;
            Ok(nonzero)
        } else {
            self.block(&mut bits, place, nonzero)
        };
        *shared = bits;
        if let Some(nonzero) = self.band.nonzero.get_mut(place) {
            *nonzero = found?;
        }
        Ok(())
    }
}

impl Band<'_> {
    /// Goes to the next block; gives its place.
    #[allow(clippy::inline_always, reason = "a part of the loop over all units")]
    #[inline(always)]
    fn begin_block(&mut self, bits: &Bits<'_>) -> usize {
        self.starved = self.run == 0 && self.ran >= LONG && bits.at_marker() && bits.padding_is_ones();
        let place = self.row * self.stride + self.column;
        self.column += 1;
        if self.column == self.across {
            self.column = 0;
            self.row += 1;
        }
        place
    }
}

/// The length of a run of blocks without further coefficients, this one included.
fn end_of_band(bits: &mut Bits<'_>, exponent: u8) -> u32 {
    (1 << exponent) + bits.take(exponent.into())
}

impl Blocks for FirstAc<'_> {
    fn passes(&self, _: u64) -> bool {
        true
    }

    #[allow(clippy::inline_always, reason = "else the bits do not stay in registers")]
    #[inline(always)]
    fn block(&mut self, bits: &mut Bits<'_>, place: usize, mut nonzero: u64) -> Result<u64, Slip> {
        let mut kept = self.band.kept.as_mut().map(|kept| kept.block(place));
        let mut index = self.band.from;
        while index <= self.band.to {
            bits.refill();
            let next = self.fast.next(bits);
            let at = index + u32::from(next.zeros);
            if next.bits > 0 && at <= self.band.to {
                bits.skip(next.bits.into());
                // Sixteen zeros have no value.
                nonzero |= u64::from(next.value != 0) << at;
                if let Some(kept) = &mut kept {
                    kept.set(at, next.value << self.band.shift);
                }
                index = at + 1;
                continue;
            }
            if next.ends() {
                bits.skip(next.bits.into());
                break;
            }
            let symbol = self.band.table.symbol(bits)?;
            let (zeros, size) = (symbol >> 4, symbol & 15);
            if size == 0 && zeros < 15 {
                self.band.ran = end_of_band(bits, zeros);
                self.band.run = self.band.ran - 1;
                break;
            }
            index += u32::from(zeros);
            if size == 0 && index <= self.band.to {
                index += 1;
                continue;
            }
            if index > self.band.to {
                return Err(Slip::PAST_BAND);
            }
            let value = magnitude(bits.peek(size.into()), size.into());
            self.band.range.read_ac(bits, index, size, self.band.shift)?;
            if let Some(kept) = &mut kept {
                kept.set(index, saturated(value << self.band.shift));
            }
            nonzero |= 1 << index;
            index += 1;
        }
        Ok(nonzero)
    }
}

impl Blocks for MoreAc<'_> {
    fn passes(&self, nonzero: u64) -> bool {
        nonzero & band(self.band.from, self.band.to) == 0
    }

    // The corrections of coefficients that were there before come between the codes.
    #[allow(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn block(&mut self, bits: &mut Bits<'_>, place: usize, mut nonzero: u64) -> Result<u64, Slip> {
        let mut kept = self.band.kept.as_mut().map(|kept| kept.block(place));
        let (all, step) = (band(self.band.from, self.band.to), 1 << self.band.shift);
        let before = nonzero & all;
        let (mut index, mut run, mut more) = (self.band.from, self.band.run, Corrections::default());
        while run == 0 && index <= self.band.to {
            // Enough for a code, a sign and 32 corrections.
            bits.top_up();
            let mut next = self.fast.next(bits);
            if next.bits > 0 {
                bits.skip(next.bits.into());
            } else {
                let symbol = self.band.table.symbol(bits)?;
                next.zeros = symbol >> 4;
                match symbol & 15 {
                    0 if next.zeros < 15 => {
                        run = end_of_band(bits, next.zeros);
                        self.band.ran = run;
                        break;
                    }
                    0 => {}
                    1 => next.sign = if bits.take(1) == 1 { 1 } else { -1 },
                    _ => return Err(Slip::Wrong("a refinement of more than one bit")),
                }
            }
            // The new one comes after so many zeros.
            let free = nth(!nonzero & all & u64::MAX << index, next.zeros);
            if free == 0 {
                more.read(bits, (before & band(index, self.band.to)).count_ones());
                return Err(Slip::PAST_BAND);
            }
            let found = free.trailing_zeros();
            // All that were passed and are not zeros.
            more.read(bits, found - index - u32::from(next.zeros));
            if next.sign != 0 {
                nonzero |= free & free.wrapping_neg();
                if let Some(kept) = &mut kept {
                    kept.set(found, i16::from(next.sign) * step);
                }
            }
            index = found + 1;
        }
        if run > 0 {
            run -= 1;
            bits.refill();
            more.read(bits, (before & band(index, self.band.to)).count_ones());
        }
        self.band.run = run;
        if let Some(kept) = &mut kept {
            more.apply(kept, before, step);
        }
        Ok(nonzero)
    }
}

/// The bits of a word without so many of its lowest ones.
#[allow(clippy::inline_always, reason = "as above")]
#[inline(always)]
fn nth(mut bits: u64, number: u8) -> u64 {
    // Mostly there are few: without a branch for each.
    let less = |bits: u64| bits & bits.wrapping_sub(1);
    let (one, two) = (less(bits), less(less(bits)));
    let three = less(two);
    let even = select_unpredictable(number & 2 == 0, bits, two);
    let odd = select_unpredictable(number & 2 == 0, one, three);
    bits = select_unpredictable(number & 1 == 0, even, odd);
    for _ in 0..number >> 2 {
        bits = less(less(less(less(bits))));
    }
    bits
}

/// The bits that a refining scan brings for the coefficients of a block that are there already, a bit each.
#[derive(Default)]
struct Corrections {
    /// The last one lowest.
    bits: u64,
    count: u32,
}

impl Corrections {
    /// Reads some, at least 32 of which have to be there.
    #[allow(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn read(&mut self, bits: &mut Bits<'_>, mut count: u32) {
        if count > 32 {
            self.bits = self.bits << 32 | u64::from(bits.take(32));
            self.count += 32;
            count -= 32;
            bits.refill();
        }
        self.bits = self.bits << count | u64::from(bits.take(count));
        self.count += count;
    }

    /// Adds them to the coefficients that were there before.
    #[allow(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn apply(&self, kept: &mut Block<'_>, before: u64, step: i16) {
        let mut left = before & band(0, kept.last());
        // The first one on top; where there are none, none is left either.
        let mut bits = (self.bits << ((64 - self.count) % 64)).cast_signed();
        while left != 0 {
            // Which bit comes cannot be foreseen: a branch would cost more.
            let mask = bits >> 63;
            kept.enlarge(left.trailing_zeros(), step & mask as i16);
            left &= left - 1;
            bits <<= 1;
        }
    }
}

/// The bits of the coefficients from one index to another, both included.
const fn band(from: u32, to: u32) -> u64 {
    if from > to { 0 } else { u64::MAX << from & u64::MAX >> (63 - to) }
}
