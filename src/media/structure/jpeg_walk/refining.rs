//! Further scans of a band (ITU-T T.81 G.1.2.3), each of which brings a bit of the coefficients.

use super::Slip;
use super::band::{Band, Blocks};
use super::bits::Bits;
use super::kept::Block;
use super::select::Select;
use super::tables::{Huffman, one};

/// Window of the look-up that reads a new coefficient of a refining scan with its code.
const REFINEMENT_BITS: u32 = 10;

/// Look-ups of a new AC coefficient of a refining scan (ITU-T T.81 G.1.2.3) together with its code, where both fit into the window.
pub struct Refinements([Refinement; 1 << REFINEMENT_BITS]);

/// One entry.
#[derive(Clone, Copy)]
struct Refinement {
    /// A bit that has as many places below it as there are zeros before the new one.
    place: u16,
    zeros: u8,
    /// In the lowest four bits those of code and sign, 0 where it has to be read otherwise; above, 1, -1, or 0 for sixteen zeros alone, of
    /// which this is the last.
    code: i8,
}

impl Refinement {
    const UNKNOWN: Self = Self::new(0, 0, 0);

    /// A new coefficient of this sign after so many zeros, at most 15, that takes so many bits, at most 15.
    const fn new(sign: i8, zeros: u8, bits: u8) -> Self {
        Self { place: 1 << zeros, zeros, code: sign << 4 | bits.cast_signed() }
    }

    const fn sign(self) -> i8 {
        self.code >> 4
    }

    const fn bits(self) -> u32 {
        (self.code & 15).cast_unsigned() as u32
    }

    const fn place(self) -> u64 {
        self.place as u64
    }

    const fn zeros(self) -> u32 {
        self.zeros as u32
    }
}

impl Refinements {
    pub fn new(huffman: &Huffman) -> Box<Self> {
        let mut refinements = Box::new(Self([Refinement::UNKNOWN; 1 << REFINEMENT_BITS]));
        for (window, entry) in (0u32..).zip(refinements.0.iter_mut()) {
            let ahead = window << (16 - REFINEMENT_BITS);
            if let Some((value @ -1..=1, zeros @ ..16, bits)) = one(huffman, 1, ahead, REFINEMENT_BITS) {
                *entry = Refinement::new(i8::try_from(value).unwrap_or(0), zeros, bits);
            }
        }
        refinements
    }

    #[inline]
    fn next(&self, bits: &Bits<'_>) -> Refinement {
        self.0.get(bits.peek(REFINEMENT_BITS) as usize).copied().unwrap_or(Refinement::UNKNOWN)
    }
}

/// With look-ups of its codes.
pub struct Refining<'t> {
    codes: &'t Refinements,
    /// The bits of the coefficients of the band.
    all: u64,
}

impl<'t> Refining<'t> {
    /// From one coefficient to another, both included.
    pub const fn new(codes: &'t Refinements, (from, to): (u32, u32)) -> Self {
        Self { codes, all: bits_of(from, to) }
    }
}

impl Blocks for Refining<'_> {
    fn passes(&self, nonzero: u64) -> bool {
        nonzero & self.all == 0
    }

    // The corrections of coefficients that were there before come between the codes.
    #[allow(clippy::inline_always, reason = "else the bits do not stay in registers")]
    #[inline(always)]
    fn block(
        &self,
        band: &mut Band<'_>,
        bits: &mut Bits<'_>,
        (mut nonzero, kept): (u64, &mut Block<'_>),
        select: impl Select,
    ) -> Result<u64, Slip> {
        let step = 1 << band.shift;
        let before = nonzero & self.all;
        let (mut index, mut zeros, mut more) = (band.from, !nonzero & self.all, Corrections::default());
        if !band.runs() {
            while index <= band.to {
                // What is fetched comes behind the look-up, which need not wait for it: there are always enough for one.
                let mut next = self.codes.next(bits);
                if next.bits() > 0 {
                    bits.skip(next.bits());
                } else {
                    bits.top_up();
                    let symbol = band.table.symbol(bits)?;
                    let zeros = symbol >> 4;
                    let sign = match symbol & 15 {
                        0 if zeros < 15 => {
                            band.begin_run(bits, zeros);
                            break;
                        }
                        0 => 0,
                        1 if bits.take(1) == 1 => 1,
                        1 => -1,
                        _ => return Err(Slip::Wrong("a refinement of more than one bit")),
                    };
                    next = Refinement::new(sign, zeros, 0);
                }
                // Enough for 32 corrections and the next look-up.
                bits.top_up();
                // The new one comes after so many zeros.
                let new = select.spread_one(next.place(), zeros);
                if new == 0 {
                    more.read(bits, (before & bits_of(index, band.to)).count_ones());
                    return Err(Slip::PAST_BAND);
                }
                let found = new.trailing_zeros();
                // All that were passed and are not zeros.
                more.read(bits, found - (index + next.zeros()));
                if next.sign() != 0 {
                    nonzero |= new;
                    kept.set(found, i16::from(next.sign()) * step);
                }
                zeros &= !(new | (new - 1));
                index = found + 1;
            }
        }
        if band.runs() {
            bits.refill();
            more.read(bits, (before & bits_of(index, band.to)).count_ones());
        }
        more.apply(kept, before, step, select);
        Ok(nonzero)
    }
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
            bits.top_up();
        }
        self.bits = self.bits << count | u64::from(bits.take(count));
        self.count += count;
    }

    /// Adds them to the coefficients that were there before.
    #[allow(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn apply(&self, kept: &mut Block<'_>, before: u64, step: i16, select: impl Select) {
        // The first one lowest; where there are none, nothing was there before either.
        let bits = (self.bits << ((64 - self.count) % 64)).reverse_bits();
        kept.enlarge(select.spread(bits, before & kept.all()), step);
    }
}

/// The bits of the coefficients from one index to another, both included.
const fn bits_of(from: u32, to: u32) -> u64 {
    if from > to { 0 } else { u64::MAX << from & u64::MAX >> (63 - to) }
}
