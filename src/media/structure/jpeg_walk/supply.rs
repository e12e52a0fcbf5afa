//! A scan that is followed unit by unit, for whoever makes pixels of the coefficients.

use super::bits::Bits;
use super::samples::natural;
use super::sequential::Sequential;
use super::{Slip, Units, Way};

/// One scan on its way.
pub struct Supply<'d, 's, 't> {
    bits: Bits<'d>,
    coding: &'s mut Sequential<'t>,
    way: Way,
    wrong: Option<(usize, Slip)>,
}

impl<'d, 's, 't> Supply<'d, 's, 't> {
    pub const fn new(bits: Bits<'d>, coding: &'s mut Sequential<'t>, way: Way) -> Self {
        Self { bits, coding, way, wrong: None }
    }

    /// Follows what nobody asked for; gives the bits behind the last unit, and the unit that is wrong.
    pub fn finish(mut self) -> (Bits<'d>, Result<(), (usize, Slip)>) {
        let mut blocks = [[0; 64]; 10];
        while self.next(&mut blocks) {}
        (self.bits, self.wrong.map_or(Ok(()), Err))
    }
}

impl Units for Supply<'_, '_, '_> {
    // Apart from what makes pixels, so that the bits stay in registers.
    #[inline(never)]
    fn next(&mut self, blocks: &mut [[i16; 64]]) -> bool {
        if self.wrong.is_some() || !self.way.goes_on() {
            return false;
        }
        let unit = self.coding.unit_into(&mut self.bits, blocks);
        self.wrong =
            self.way.step(&mut self.bits, self.coding, unit.map(|()| 1).map_err(|slip| (0, slip))).err();
        self.wrong.is_none()
    }

    fn steps(&self, component: usize) -> Option<[u16; 64]> {
        self.coding.parts.get(component)?.range.steps().map(natural)
    }
}
