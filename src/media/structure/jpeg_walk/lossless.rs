//! Samples coded without loss (ITU-T T.81 annex H, Huffman): differences from a prediction.

use super::bits::Bits;
use super::tables::Huffman;
use super::{Coding, Slip};

/// One component of a lossless scan.
pub struct Part<'t> {
    /// Samples of each unit.
    pub samples: usize,
    pub table: &'t Huffman,
}

/// A scan of one or more components.
pub struct Lossless<'t> {
    pub parts: Vec<Part<'t>>,
    /// Old versions of one maker's software write 16 bits after the category 16, which has none.
    pub long_16: bool,
    /// What the samples are, where each unit holds one of each component.
    pub picture: Option<Picture>,
}

impl Coding for Lossless<'_> {
    const TELLING: bool = false;

    fn restart(&mut self) -> Result<(), Slip> {
        if let Some(picture) = &mut self.picture {
            picture.restart();
        }
        Ok(())
    }

    fn unit(&mut self, bits: &mut Bits<'_>) -> Result<(), Slip> {
        for (component, part) in self.parts.iter().enumerate() {
            for _ in 0..part.samples {
                bits.refill();
                let difference = match part.table.symbol(bits)? {
                    size @ 0..=15 => bits.signed(size.into()),
                    16 => {
                        bits.skip(if self.long_16 { 16 } else { 0 });
                        32768
                    }
                    _ => return Err(Slip::Wrong("a difference out of range")),
                };
                if let Some(picture) = &mut self.picture {
                    picture.add(component, difference)?;
                }
            }
        }
        if let Some(picture) = &mut self.picture {
            picture.advance();
        }
        Ok(())
    }
}

/// The samples of one row and the one above, to see that all are inside the precision.
pub struct Picture {
    /// The predictor of H.1.2.1, 1 to 7.
    predictor: u8,
    /// What the first sample is predicted as.
    middle: i32,
    /// The first value that a sample cannot have.
    end: i32,
    components: usize,
    /// Rows of interleaved components.
    row: Vec<u16>,
    above: Vec<u16>,
    column: usize,
    across: usize,
    /// No row above: at the start and after restart markers.
    first_row: bool,
}

impl Picture {
    /// `None` for parameters that the standard does not have.
    pub fn new(predictor: u8, precision: u8, shift: u8, across: usize, components: usize) -> Option<Self> {
        let depth = precision.checked_sub(shift).filter(|depth| (1..=16).contains(depth))?;
        let samples = across.checked_mul(components)?;
        (1..=7).contains(&predictor).then(|| Self {
            predictor,
            middle: 1 << (depth - 1),
            end: 1 << depth,
            components,
            row: vec![0; samples],
            above: vec![0; samples],
            column: 0,
            across,
            first_row: true,
        })
    }

    fn restart(&mut self) {
        // Intervals hold whole rows (H.1.1); where they do not, nothing is certain about the prediction.
        self.first_row = true;
    }

    fn add(&mut self, component: usize, difference: i32) -> Result<(), Slip> {
        let at = self.column * self.components + component;
        let get = |row: &[u16], at: usize| i32::from(row.get(at).copied().unwrap_or(0));
        let before = at.checked_sub(self.components);
        let prediction = match (before, self.first_row) {
            (None, true) => self.middle,
            (None, false) => get(&self.above, at),
            (Some(before), true) => get(&self.row, before),
            (Some(before), false) => {
                let a = get(&self.row, before);
                let (b, c) = if self.predictor == 1 {
                    (0, 0)
                } else {
                    (get(&self.above, at), get(&self.above, before))
                };
                match self.predictor {
                    1 => a,
                    2 => b,
                    3 => c,
                    4 => a + b - c,
                    5 => a + ((b - c) >> 1),
                    6 => b + ((a - c) >> 1),
                    _ => (a + b) >> 1,
                }
            }
        };
        // Modulo 65536 (H.1.2.1).
        let sample = (prediction + difference) & 0xFFFF;
        if sample >= self.end {
            return Err(Slip::Wrong("a sample out of range"));
        }
        if let Some(place) = self.row.get_mut(at) {
            *place = u16::try_from(sample).unwrap_or(0);
        }
        Ok(())
    }

    fn advance(&mut self) {
        self.column += 1;
        if self.column == self.across {
            self.column = 0;
            self.first_row = false;
            std::mem::swap(&mut self.row, &mut self.above);
        }
    }
}
