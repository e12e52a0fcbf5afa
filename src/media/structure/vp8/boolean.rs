//! The boolean entropy decoder (RFC 6386 section 7), and the question whether it ends where its encoder did.

use std::cmp::Ordering;

/// Bits that an encoder may leave behind the last symbol's interval: the flush of section 7.3 writes four bytes, libvpx
/// codes 32 bits of zero, libwebp 9 to 17; and the last partition is filled up to an even length.
const MAX_UNREAD_BITS: usize = 48;

/// Reads booleans of given probability. Behind the end of the data it reads zeros and remembers that it did.
#[derive(Clone, Copy)]
pub struct BoolDecoder<'a> {
    data: &'a [u8],
    /// First byte that `value` does not have.
    at: usize,
    /// The data from the current place on, less the bottom of the interval: 8 + `bits` bits.
    value: u64,
    /// Width of the interval, 128 to 255.
    range: u32,
    bits: i32,
    overrun: bool,
}

/// How the data of a partition and what was read from it fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As an encoder leaves it.
    Fits,
    /// The data ends before the last symbol.
    TooShort,
    /// Data is left over.
    TooLong,
    /// What follows the last symbol was not written by an encoder that had come to its end.
    OutOfStep,
}

impl<'a> BoolDecoder<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, value: 0, range: 255, bits: -8, overrun: false }
    }

    #[inline]
    fn load(&mut self) {
        if let Some(bytes) = self.data.get(self.at..self.at + 8).and_then(|bytes| bytes.first_chunk::<8>()) {
            self.value = (self.value << 56) | (u64::from_be_bytes(*bytes) >> 8);
            self.at += 7;
            self.bits += 56;
        } else {
            let byte = self.data.get(self.at).copied();
            self.overrun |= byte.is_none();
            self.value = self.value << 8 | u64::from(byte.unwrap_or(0));
            self.at += 1;
            self.bits += 8;
        }
    }

    /// One boolean that is false with a probability of `probability` / 256.
    #[inline]
    pub fn get(&mut self, probability: u8) -> bool {
        if self.bits < 0 {
            self.load();
        }
        let split = 1 + (((self.range - 1) * u32::from(probability)) >> 8);
        let bottom = u64::from(split) << self.bits;
        let set = self.value >= bottom;
        if set {
            self.value -= bottom;
            self.range -= split;
        } else {
            self.range = split;
        }
        // 1 to 255, and a byte's top bit is bit 7.
        let shift = self.range.leading_zeros() - 24;
        self.range <<= shift;
        self.bits -= shift.cast_signed();
        set
    }

    /// One boolean of even chances.
    #[inline]
    pub fn flag(&mut self) -> bool {
        self.get(128)
    }

    /// One boolean of even chances that no one wants to know. Without a branch: nothing predicts signs.
    #[inline]
    pub fn skip_flag(&mut self) {
        if self.bits < 0 {
            self.load();
        }
        let split = self.range.div_ceil(2);
        let bottom = u64::from(split) << self.bits;
        // All ones where the boolean is false; the value has less than 63 bits.
        let mask = (self.value.wrapping_sub(bottom).cast_signed() >> 63).cast_unsigned();
        self.value -= bottom & !mask;
        self.range = self.range - split + ((2 * split - self.range) & u32::from(mask != 0));
        let shift = self.range.leading_zeros() - 24;
        self.range <<= shift;
        self.bits -= shift.cast_signed();
    }

    /// An unsigned number, its highest bit first.
    pub fn literal(&mut self, bits: u32) -> u32 {
        (0..bits).fold(0, |value, _| value << 1 | u32::from(self.flag()))
    }

    /// A flag, and behind it, where it is set, a number with its sign; whose value no one here wants.
    pub fn skip_optional(&mut self, bits: u32) {
        if self.flag() {
            self.literal(bits + 1);
        }
    }

    /// Whether more was read than there is.
    pub const fn overrun(&self) -> bool {
        self.overrun
    }

    /// Bytes of which at least one bit has been shifted out.
    pub fn position(&self) -> usize {
        (self.data.len() * 8).saturating_sub(self.unread()).div_ceil(8)
    }

    /// Bits that were not shifted out yet.
    fn unread(&self) -> usize {
        let held = usize::try_from(self.bits + 8).unwrap_or(0);
        (self.data.len() + 8)
            .saturating_sub(self.at)
            .saturating_mul(8)
            .saturating_add(held)
            .saturating_sub(64)
    }

    /// To be asked after the last symbol.
    ///
    /// An encoder ends by writing out the bottom of its interval, to the last bit that is set in it, and zeros: by the
    /// flush of section 7.3, or by coding zeros of even chances, which leave the bottom where it is. What a decoder holds
    /// is the difference to that bottom, so after the last symbol it holds zero, and only zeros follow.
    /// One that writes the shortest string inside the interval instead has no whole byte left over.
    pub fn end(&self) -> End {
        if self.overrun {
            return End::TooShort;
        }
        let unread = self.unread();
        let zeros =
            self.value == 0 && self.data.get(self.at..).unwrap_or_default().iter().all(|byte| *byte == 0);
        match (unread.cmp(&MAX_UNREAD_BITS), zeros) {
            (Ordering::Greater, _) => End::TooLong,
            (_, true) => End::Fits,
            (_, false) if unread < 8 => End::Fits,
            (_, false) => End::OutOfStep,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a panic is a failed test"
    )]

    use proptest::prelude::*;

    use super::*;

    /// The encoder of section 7.3.
    struct Encoder {
        out: Vec<u8>,
        range: u32,
        bottom: u32,
        bits: i32,
    }

    impl Encoder {
        fn new() -> Self {
            Self { out: Vec::new(), range: 255, bottom: 0, bits: 24 }
        }

        fn carry(&mut self) {
            for byte in self.out.iter_mut().rev() {
                *byte = byte.wrapping_add(1);
                if *byte != 0 {
                    break;
                }
            }
        }

        fn put(&mut self, probability: u8, set: bool) {
            let split = 1 + (((self.range - 1) * u32::from(probability)) >> 8);
            if set {
                let (bottom, carry) = self.bottom.overflowing_add(split);
                self.bottom = bottom;
                assert!(!carry, "the bottom holds 25 bits");
                self.range -= split;
            } else {
                self.range = split;
            }
            while self.range < 128 {
                self.range <<= 1;
                if self.bottom & (1 << 31) != 0 {
                    self.carry();
                }
                self.bottom <<= 1;
                self.bits -= 1;
                if self.bits == 0 {
                    self.out.push((self.bottom >> 24) as u8);
                    self.bottom &= (1 << 24) - 1;
                    self.bits = 8;
                }
            }
        }

        fn flush(mut self) -> Vec<u8> {
            let count = self.bits;
            let mut value = self.bottom;
            if value & 1u32.checked_shl(32 - count as u32).unwrap_or(0) != 0 {
                self.carry();
            }
            value <<= count & 7;
            (0..count >> 3).for_each(|_| value <<= 8);
            self.out.extend(value.to_be_bytes());
            self.out
        }
    }

    fn decode<'a>(data: &'a [u8], symbols: &[(u8, bool)]) -> (bool, BoolDecoder<'a>) {
        let mut reader = BoolDecoder::new(data);
        let same = symbols.iter().all(|(p, set)| reader.get(*p) == *set);
        (same, reader)
    }

    proptest! {
        #[test]
        fn both_known_ways_to_end_fit(
            symbols in prop::collection::vec((1u8.., any::<bool>()), 0..600),
            zeros in any::<bool>(),
        ) {
            let mut encoder = Encoder::new();
            for (probability, set) in &symbols {
                encoder.put(*probability, *set);
            }
            if zeros {
                (0..32).for_each(|_| encoder.put(128, false));
            }
            let data = encoder.flush();
            // libvpx only codes the zeros; here, four more bytes are flushed.
            let end = data.len() - if zeros { 4 } else { 0 };
            let (same, reader) = decode(&data[..end], &symbols);
            prop_assert!(same);
            prop_assert_eq!(reader.end(), End::Fits);
            let longer = [&data[..end], &[0; 8]].concat();
            prop_assert_eq!(decode(&longer, &symbols).1.end(), End::TooLong);
            let longer = [&data[..end], &[1]].concat();
            prop_assert_eq!(decode(&longer, &symbols).1.end(), End::OutOfStep);
        }

        #[test]
        fn data_that_end_early_are_too_short(symbols in prop::collection::vec((1u8.., any::<bool>()), 100..300)) {
            let mut encoder = Encoder::new();
            for (probability, set) in &symbols {
                encoder.put(*probability, *set);
            }
            let data = encoder.flush();
            let (_, reader) = decode(&data, &symbols);
            let needed = reader.position();
            prop_assert_eq!(decode(&data[..needed - 1], &symbols).1.end(), End::TooShort);
        }
    }
}
