//! The bits of one scan (ITU-T T.81 F.2.2.5): stuffed zero bytes are taken out, markers end the supply.

use super::Slip;
use crate::media::structure::jpeg::SPARE_BYTES;

/// No step of a walk takes more bits than this between two refills.
const ENOUGH: i32 = 32;

/// Reads the entropy-coded data of a scan, restart interval by restart interval.
///
/// Bits past the end of the supply mean nothing; [`Bits::exhausted`] then tells that too much was taken.
#[derive(Clone, Copy)]
pub struct Bits<'a> {
    /// All of it.
    data: &'a [u8],
    /// What has not been fetched.
    rest: &'a [u8],
    /// The next bits, first bit on top. Below `count` bits there may be bits that come again.
    held: u64,
    count: i32,
}

/// A place in the supply to come back to.
#[derive(Clone, Copy)]
pub struct Mark {
    /// How many bytes had not been fetched.
    rest: usize,
    held: u64,
    count: i32,
}

impl<'a> Bits<'a> {
    pub const fn new(data: &'a [u8]) -> Self {
        Self { data, rest: data, held: 0, count: 0 }
    }

    #[inline]
    pub const fn mark(&self) -> Mark {
        Mark { rest: self.rest.len(), held: self.held, count: self.count }
    }

    /// Goes on at a mark in the same data.
    #[allow(clippy::inline_always, reason = "as below")]
    #[inline(always)]
    pub fn resume(data: &'a [u8], mark: Mark) -> Self {
        let rest = data.get(data.len().saturating_sub(mark.rest)..).unwrap_or_default();
        Self { data, rest, held: mark.held, count: mark.count }
    }

    /// The same bits from a mark on.
    #[allow(clippy::inline_always, reason = "a call would keep the bits out of registers")]
    #[inline(always)]
    pub fn back_to(&self, mark: Mark) -> Self {
        Self::resume(self.data, mark)
    }

    #[inline]
    fn advance(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    /// To be called before every step.
    #[inline]
    pub fn refill(&mut self) {
        if self.count < ENOUGH {
            self.fill();
        }
    }

    /// The same, for steps of which several together take no more: always, which costs less than to ask whether.
    #[inline]
    pub fn top_up(&mut self) {
        self.fill();
    }

    #[inline]
    fn fill(&mut self) {
        // Bits that are already held come again, and are the same. With less than none held, the marker comes, and it does not matter.
        let bytes = ((63 - self.count) >> 3).cast_unsigned() & 7;
        match self.rest.first_chunk::<8>().map(|word| u64::from_be_bytes(*word)) {
            Some(word) if !has_ones(word, bytes) => {
                self.held |= word >> (self.count & 63);
                self.advance(bytes as usize);
                // What bytes * 8 adds.
                self.count |= 0b11_1000;
            }
            // By value, so that the caller's copy can stay in registers.
            _ => *self = self.filled_bytewise(),
        }
    }

    #[inline(never)]
    fn filled_bytewise(mut self) -> Self {
        while self.count < 56 {
            let (byte, length) = match *self.rest {
                [0xFF, 0, ..] => (0xFF, 2),
                [0xFF, ..] | [] => break,
                [byte, ..] => (byte, 1),
            };
            self.advance(length);
            self.held |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
        self
    }

    /// The next bits, at most 32, on the right.
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "at most 32 bits are left")]
    pub const fn peek(&self, bits: u32) -> u32 {
        (self.held >> 32 >> (32 - bits)) as u32
    }

    #[inline]
    pub const fn skip(&mut self, bits: u32) {
        self.held <<= bits;
        self.count -= bits.cast_signed();
    }

    /// The same, and goes on behind them.
    #[inline]
    pub const fn take(&mut self, bits: u32) -> u32 {
        let value = self.peek(bits);
        self.skip(bits);
        value
    }

    /// A number of a magnitude category (F.2.2.1).
    #[inline]
    pub const fn signed(&mut self, size: u32) -> i32 {
        magnitude(self.take(size), size)
    }

    /// Whether more bits were taken than there are before the next marker.
    #[inline]
    pub const fn exhausted(&self) -> bool {
        self.count < 0
    }

    /// Whether a step could have taken more bits than there are before the next marker.
    pub fn nearly_exhausted(&mut self) -> bool {
        self.refill();
        self.count < ENOUGH
    }

    /// Whether less than a byte is left before the next marker. Right after a refill only.
    pub const fn at_marker(&self) -> bool {
        self.count < 8
    }

    /// Whether the bits up to the next byte are all ones, as padding should be (F.1.2.3), or all zeros, or none.
    pub const fn padding_is_even(&self) -> bool {
        self.padding_is_ones() || self.peek(self.padding()) == 0
    }

    /// Whether the bits up to the next byte are all ones, or none.
    pub const fn padding_is_ones(&self) -> bool {
        let bits = self.padding();
        self.peek(bits) + 1 == 1 << bits
    }

    /// How many bits there are up to the next byte.
    pub const fn padding(&self) -> u32 {
        (self.count & 7).cast_unsigned()
    }

    /// About where the next bit is in the data.
    pub fn place(&self) -> usize {
        let at = self.data.len() - self.rest.len();
        at.saturating_sub(usize::try_from(self.count / 8).unwrap_or(0))
    }

    /// Skips to the next marker; gives the number of bytes that were left before it.
    pub fn seek_marker(&mut self) -> usize {
        let mut left = usize::try_from(self.count / 8).unwrap_or(0);
        self.count = 0;
        self.held = 0;
        while let [byte, after @ ..] = self.rest {
            let next = after.first();
            if *byte == 0xFF && next.is_some_and(|&next| next != 0 && next != 0xFF) {
                break;
            }
            // Fill bytes belong to the marker.
            left += usize::from(*byte != 0xFF || next == Some(&0));
            self.rest = after;
        }
        left
    }

    /// Passes the restart marker of this number (0 to 7), which has to be the next thing.
    pub fn restart(&mut self, number: u8) -> Result<(), Slip> {
        if self.seek_marker() > SPARE_BYTES {
            return Err(Slip::Wrong("data left over before a restart marker"));
        }
        match *self.rest {
            [_, marker, ref after @ ..] if marker == 0xD0 | number => {
                self.rest = after;
                Ok(())
            }
            [_, _, ..] => Err(Slip::Wrong("a restart marker out of order")),
            _ => Err(Slip::Ended),
        }
    }

    /// Bytes that are left after the last unit, restart markers included.
    pub fn left_over(&mut self) -> usize {
        let left = self.seek_marker();
        left + self.rest.len()
    }
}

/// The number of a magnitude category that these bits stand for (F.2.2.1).
#[inline]
pub const fn magnitude(bits: u32, size: u32) -> i32 {
    let (raw, half) = (bits.cast_signed(), 1i32 << size >> 1);
    if raw < half { raw - 2 * half + 1 } else { raw }
}

/// Whether some of the first bytes of a word, at most 8, may be 0xFF: all of those are found, and some 0xFE before one.
#[inline]
const fn has_ones(word: u64, bytes: u32) -> bool {
    const LOWEST: u64 = u64::MAX / 0xFF;
    let found = (!word).wrapping_sub(LOWEST) & word & LOWEST << 7;
    found != 0 && found.leading_zeros() < 8 * bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "a panic is a failed test")]

    use super::*;

    #[test]
    fn stuffed_bytes_are_taken_out_and_markers_end_the_supply() {
        let mut bits = Bits::new(&[0xAB, 0xFF, 0x00, 0xCD, 0xFF, 0xD0, 0x12, 0x34]);
        bits.refill();
        assert_eq!((bits.take(8), bits.take(12), bits.take(4)), (0xAB, 0xFFC, 0xD));
        assert!(!bits.exhausted());
        bits.refill();
        assert_eq!(bits.take(3), 0);
        assert!(bits.exhausted());
        assert!(bits.restart(0).is_ok());
        bits.refill();
        assert_eq!(bits.take(16), 0x1234);
        assert!(!bits.exhausted());
    }

    #[test]
    fn long_supplies_read_as_byte_by_byte() {
        let data: Vec<u8> = (0..2000u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect();
        let mut stuffed = Vec::new();
        for &byte in &data {
            stuffed.push(byte);
            if byte == 0xFF {
                stuffed.push(0);
            }
        }
        let mut bits = Bits::new(&stuffed);
        let mut position = 0usize;
        for step in (1..=16u32).cycle() {
            if position + step as usize > data.len() * 8 {
                break;
            }
            bits.refill();
            let expected = (position..position + step as usize).fold(0, |sum, bit| {
                sum << 1 | u32::from(data.get(bit / 8).map_or(0, |byte| byte >> (7 - bit % 8) & 1))
            });
            assert_eq!(bits.take(step), expected, "at bit {position}");
            position += step as usize;
        }
        assert!(bits.place() + 3 >= stuffed.len());
    }

    #[test]
    fn magnitude_categories() {
        let mut bits = Bits::new(&[0b0001_1000, 0]);
        bits.refill();
        assert_eq!((bits.signed(0), bits.signed(3), bits.signed(2)), (0, -7, 3));
    }
}
