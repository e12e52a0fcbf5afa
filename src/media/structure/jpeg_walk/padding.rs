//! How the last bytes before markers are padded. Encoders do it in one way throughout, with ones (ITU-T T.81 F.1.2.3): where all but a few
//! restart intervals end so, those few were not read to the bit where they were written.

use super::bits::{Bits, Mark};

/// So many ones are no chance.
const HABIT: u32 = 24;
/// How many times more intervals have to be padded with ones than otherwise.
const TIMES: u32 = 8;

/// The padding of the intervals of a scan.
#[derive(Default)]
pub struct Padding {
    /// How many are padded with ones, and with how many of those.
    ones: u32,
    bits: u32,
    /// How many are padded otherwise.
    others: u32,
    /// Units before the end of the first one, and the place.
    first: Option<(usize, Mark)>,
}

impl Padding {
    /// Notes what is left of the last byte of one that ends behind so many units.
    pub fn note(&mut self, mut bits: Bits<'_>, units: usize) {
        bits.refill();
        if bits.padding_is_ones() {
            self.ones += 1;
            self.bits += bits.padding();
        } else {
            self.others += 1;
            self.first.get_or_insert((units, bits.mark()));
        }
    }

    /// Where the habit of the encoder is broken: behind how many units, and at which place.
    pub fn broken(&self) -> Option<(usize, Mark)> {
        self.first.filter(|_| self.bits >= HABIT && self.ones >= TIMES * self.others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the habit is broken by intervals that end, four bits before the end of a byte, with these.
    fn broken(ends: impl IntoIterator<Item = u8>) -> Option<usize> {
        let mut padding = Padding::default();
        for (units, end) in (1..).zip(ends) {
            let byte = [end];
            let mut bits = Bits::new(&byte);
            bits.refill();
            bits.skip(4);
            padding.note(bits, units);
        }
        padding.broken().map(|(units, _)| units)
    }

    #[test]
    fn few_intervals_that_end_otherwise_are_told() {
        let ends = |count: usize, others: &[usize]| -> Vec<u8> {
            (1..=count).map(|number| if others.contains(&number) { 0xA6 } else { 0xAF }).collect()
        };
        assert_eq!(broken(ends(40, &[])), None);
        assert_eq!(broken(ends(40, &[7])), Some(7));
        assert_eq!(broken(ends(40, &[7, 39])), Some(7));
        // Too few to tell, and an encoder that has no habit.
        assert_eq!(broken(ends(6, &[3])), None);
        assert_eq!(broken(ends(40, &[7, 9, 11, 13, 15])), None);
    }
}
