//! Bits of a NAL unit's payload (H.264 7.3.1 and 9.1, H.265 7.3.1.1 and 9.2).

/// A NAL unit without its emulation prevention bytes, which remembers where they were.
#[derive(Debug)]
pub(in super::super) struct Rbsp {
    pub(in super::super) bytes: Vec<u8>,
    /// For every byte taken out, how many bytes were kept before it.
    removed: Vec<usize>,
}

impl Rbsp {
    /// Takes the third byte out of every `00 00 03`.
    pub(in super::super) fn of(unit: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(unit.len());
        let mut removed = Vec::new();
        let mut from = 0;
        while let Some(rest) = unit.get(from..) {
            let Some(place) = memchr::memmem::find(rest, b"\0\0\x03") else {
                bytes.extend_from_slice(rest);
                break;
            };
            bytes.extend_from_slice(rest.get(..place + 2).unwrap_or_default());
            removed.push(bytes.len());
            from += place + 3;
        }
        Self { bytes, removed }
    }

    /// Where the byte at `at` stands in the unit as stored.
    pub(in super::super) fn stored(&self, at: usize) -> usize {
        at + self.removed.partition_point(|&kept| kept <= at)
    }

    /// Where the stored byte `at` stands here; of a byte that was taken out, the next one's place.
    pub(in super::super) fn unstored(&self, at: usize) -> usize {
        let before = self.removed.iter().enumerate().take_while(|(index, kept)| **kept + index < at).count();
        at - before
    }
}

/// Reads bits, the most significant first. `None` at the end, and for numbers of no meaning.
#[derive(Clone, Debug)]
pub(in super::super) struct Bits<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Bits<'b> {
    pub(in super::super) const fn new(bytes: &'b [u8], from_byte: usize) -> Self {
        Self { bytes, at: from_byte * 8 }
    }

    /// Bits read, from the first byte on.
    pub(in super::super) const fn position(&self) -> usize {
        self.at
    }

    /// The next 32 bits; zeros behind the end.
    #[inline]
    pub(in super::super) fn peek(&self) -> u32 {
        let from = self.at / 8;
        let word = match self.bytes.get(from..).and_then(<[u8]>::first_chunk::<8>) {
            Some(&word) => u64::from_be_bytes(word),
            None => (0..8).fold(0, |word, index| {
                word << 8 | self.bytes.get(from.saturating_add(index)).copied().map_or(0, u64::from)
            }),
        };
        u32::try_from(word << (self.at % 8) >> 32).unwrap_or(0)
    }

    pub(in super::super) fn flag(&mut self) -> Option<bool> {
        let byte = *self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// `u(count)`, of up to 32 bits.
    #[inline]
    pub(in super::super) fn number(&mut self, count: u32) -> Option<u32> {
        let value = self.peek().checked_shr(u32::BITS - count).unwrap_or(0);
        self.skip(count as usize)?;
        Some(value)
    }

    pub(in super::super) fn skip(&mut self, count: usize) -> Option<()> {
        self.at = self.at.checked_add(count)?;
        (self.at <= self.bytes.len() * 8).then_some(())
    }

    /// `ue(v)` (9.2).
    pub(in super::super) fn ue(&mut self) -> Option<u32> {
        let zeros = self.peek().leading_zeros();
        if zeros > 31 {
            return None;
        }
        self.skip(zeros as usize + 1)?;
        Some((1u32 << zeros) - 1 + self.number(zeros)?)
    }

    /// `ue(v)` no larger than `most`.
    pub(in super::super) fn ue_to(&mut self, most: u32) -> Option<u32> {
        self.ue().filter(|&value| value <= most)
    }

    /// `se(v)` (9.2.2).
    pub(in super::super) fn se(&mut self) -> Option<i32> {
        let code = i32::try_from(self.ue()?).ok()?;
        Some(if code % 2 == 0 { -(code / 2) } else { code / 2 + 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emulation_prevention_is_taken_out_and_remembered() {
        let stored = b"\x01\0\0\x03\x01\0\0\x03\0\0\x03\x02";
        let rbsp = Rbsp::of(stored);
        assert_eq!(rbsp.bytes, b"\x01\0\0\x01\0\0\0\0\x02");
        assert_eq!([0, 2, 3, 5, 6, 8].map(|at| rbsp.stored(at)), [0, 2, 4, 6, 8, 11]);
        assert_eq!([0, 2, 4, 6, 8, 11].map(|at| rbsp.unstored(at)), [0, 2, 3, 5, 6, 8]);
    }

    #[test]
    fn exponential_golomb_codes() {
        // 1 010 011 00100 00101, then zeros to the end
        let mut bits = Bits::new(&[0b1010_0110, 0b0100_0010, 0b1000_0000], 0);
        assert_eq!((bits.ue(), bits.ue()), (Some(0), Some(1)));
        assert_eq!((bits.se(), bits.se(), bits.ue()), (Some(-1), Some(2), Some(4)));
        assert_eq!((bits.position(), bits.ue()), (17, None));
    }
}
