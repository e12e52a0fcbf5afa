//! Codes of variable length (H.264 9.2), written as the standard's tables have them.

use super::super::coding::bits::Bits;

/// A table of codes, found by the zeros that they begin with and the three bits behind the first one.
pub(super) struct Vlc([[u16; 8]; 16]);

impl Vlc {
    /// The codes of the values 0, 1, 2 and so on; `-` where a value has none. No code has more than 15 zeros in front,
    /// nor more than three bits behind its first one.
    #[allow(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "runs in the compiler")]
    const fn new(codes: &str) -> Self {
        let text = codes.as_bytes();
        let mut table = [[0; 8]; 16];
        let (mut at, mut value) = (0, 0);
        while at < text.len() {
            if text[at] == b'-' || text[at] == b' ' {
                value += (text[at] == b' ') as u16;
                at += 1;
                continue;
            }
            let (start, mut zeros, mut behind) = (at, 0, 0);
            while at < text.len() && text[at] != b' ' {
                if text[at] == b'0' && zeros == at - start {
                    zeros += 1;
                } else if at - start > zeros {
                    behind = behind << 1 | (text[at] - b'0') as usize;
                }
                at += 1;
            }
            let len = at - start;
            let entry = (len as u16) << 8 | value;
            // A code of zeros only stands for all that begins with so many.
            let all_zeros = zeros == len;
            let spare = if all_zeros { 3 } else { 3 - (len - zeros - 1) };
            let mut row = zeros;
            while row < if all_zeros { 16 } else { zeros + 1 } {
                let mut column = 0;
                while column < 1 << spare {
                    table[row][behind << spare | column] = entry;
                    column += 1;
                }
                row += 1;
            }
        }
        Self(table)
    }

    /// The value of the next code. `None`: no code begins so, or the data ends.
    #[inline]
    pub(super) fn read(&self, bits: &mut Bits<'_>) -> Option<usize> {
        let word = bits.peek();
        let zeros = word.leading_zeros().min(15);
        let column = (word << (zeros + 1) >> 29) as usize;
        let entry = *self.0.get(zeros as usize)?.get(column)?;
        let len = usize::from(entry >> 8);
        bits.skip(len).filter(|()| len > 0)?;
        Some(usize::from(entry & 255))
    }
}

/// `coeff_token` for `nC` below 2, 4 and 8: four times `TotalCoeff` and `TrailingOnes` (table 9-5).
pub(super) static COEFF_TOKEN: [Vlc; 3] = [
    Vlc::new(
        "1 - - - 000101 01 - - 00000111 000100 001 - 000000111 00000110 0000101 00011 0000000111 000000110 00000101 \
        000011 00000000111 0000000110 000000101 0000100 0000000001111 00000000110 0000000101 00000100 0000000001011 \
        0000000001110 00000000101 000000100 0000000001000 0000000001010 0000000001101 0000000100 00000000001111 \
        00000000001110 0000000001001 00000000100 00000000001011 00000000001010 00000000001101 0000000001100 \
        000000000001111 000000000001110 00000000001001 00000000001100 000000000001011 000000000001010 000000000001101 \
        00000000001000 0000000000001111 000000000000001 000000000001001 000000000001100 0000000000001011 \
        0000000000001110 0000000000001101 000000000001000 0000000000000111 0000000000001010 0000000000001001 \
        0000000000001100 0000000000000100 0000000000000110 0000000000000101 0000000000001000",
    ),
    Vlc::new(
        "11 - - - 001011 10 - - 000111 00111 011 - 0000111 001010 001001 0101 00000111 000110 000101 0100 00000100 \
        0000110 0000101 00110 000000111 00000110 00000101 001000 00000001111 000000110 000000101 000100 00000001011 \
        00000001110 00000001101 0000100 000000001111 00000001010 00000001001 000000100 000000001011 000000001110 \
        000000001101 00000001100 000000001000 000000001010 000000001001 00000001000 0000000001111 0000000001110 \
        0000000001101 000000001100 0000000001011 0000000001010 0000000001001 0000000001100 0000000000111 00000000001011 \
        0000000000110 0000000001000 00000000001001 00000000001000 00000000001010 0000000000001 00000000000111 \
        00000000000110 00000000000101 00000000000100",
    ),
    Vlc::new(
        "1111 - - - 001111 1110 - - 001011 01111 1101 - 001000 01100 01110 1100 0001111 01010 01011 1011 0001011 01000 \
        01001 1010 0001001 001110 001101 1001 0001000 001010 001001 1000 00001111 0001110 0001101 01101 00001011 \
        00001110 0001010 001100 000001111 00001010 00001101 0001100 000001011 000001110 00001001 00001100 000001000 \
        000001010 000001101 00001000 0000001101 000000111 000001001 000001100 0000001001 0000001100 0000001011 \
        0000001010 0000000101 0000001000 0000000111 0000000110 0000000001 0000000100 0000000011 0000000010",
    ),
];

/// The same of chroma DC, of 4:2:0 and 4:2:2.
pub(super) static COEFF_TOKEN_DC: [Vlc; 2] = [
    Vlc::new(
        "01 - - - 000111 1 - - 000100 000110 001 - 000011 0000011 0000010 000101 000010 00000011 00000010 0000000",
    ),
    Vlc::new(
        "1 - - - 0001111 01 - - 0001110 0001101 001 - 000000111 0001100 0001011 00001 000000110 000000101 0001010 000001 \
        0000000111 0000000110 000000100 0001001 00000000111 00000000110 0000000101 0001000 000000000111 000000000110 \
        00000000101 0000000100 0000000000111 000000000101 000000000100 00000000100",
    ),
];

/// `total_zeros` by `TotalCoeff` from 1 on (tables 9-7 and 9-8).
pub(super) static TOTAL_ZEROS: [Vlc; 15] = [
    Vlc::new(
        "1 011 010 0011 0010 00011 00010 000011 000010 0000011 0000010 00000011 00000010 000000011 000000010 000000001",
    ),
    Vlc::new("111 110 101 100 011 0101 0100 0011 0010 00011 00010 000011 000010 000001 000000"),
    Vlc::new("0101 111 110 101 0100 0011 100 011 0010 00011 00010 000001 00001 000000"),
    Vlc::new("00011 111 0101 0100 110 101 100 0011 011 0010 00010 00001 00000"),
    Vlc::new("0101 0100 0011 111 110 101 100 011 0010 00001 0001 00000"),
    Vlc::new("000001 00001 111 110 101 100 011 010 0001 001 000000"),
    Vlc::new("000001 00001 101 100 011 11 010 0001 001 000000"),
    Vlc::new("000001 0001 00001 011 11 10 010 001 000000"),
    Vlc::new("000001 000000 0001 11 10 001 01 00001"),
    Vlc::new("00001 00000 001 11 10 01 0001"),
    Vlc::new("0000 0001 001 010 1 011"),
    Vlc::new("0000 0001 01 1 001"),
    Vlc::new("000 001 1 01"),
    Vlc::new("00 01 1"),
    Vlc::new("0 1"),
];

/// The same of chroma DC of 4:2:0 (table 9-9 a).
pub(super) static TOTAL_ZEROS_420: [Vlc; 3] =
    [Vlc::new("1 01 001 000"), Vlc::new("1 01 00"), Vlc::new("1 0")];

/// The same of chroma DC of 4:2:2 (table 9-9 b).
pub(super) static TOTAL_ZEROS_422: [Vlc; 7] = [
    Vlc::new("1 010 011 0010 0011 0001 00001 00000"),
    Vlc::new("000 01 001 100 101 110 111"),
    Vlc::new("000 001 01 10 110 111"),
    Vlc::new("110 00 01 10 111"),
    Vlc::new("00 01 10 11"),
    Vlc::new("00 01 1"),
    Vlc::new("0 1"),
];

/// `run_before` by `zerosLeft` from 1 on, 7 for more (table 9-10).
pub(super) static RUN_BEFORE: [Vlc; 7] = [
    Vlc::new("1 0"),
    Vlc::new("1 01 00"),
    Vlc::new("11 10 01 00"),
    Vlc::new("11 10 01 001 000"),
    Vlc::new("11 10 011 010 001 000"),
    Vlc::new("11 000 001 011 010 101 100"),
    Vlc::new(
        "111 110 101 100 011 010 001 0001 00001 000001 0000001 00000001 000000001 0000000001 00000000001",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read() {
        // 1, 01, 0000 0000 0000 1000 of `nC` 0
        let mut bits = Bits::new(&[0b1010_0000, 0b0000_0001, 0b0000_0000, 0], 0);
        let mut read = || COEFF_TOKEN.first().and_then(|table| table.read(&mut bits));
        assert_eq!([read(), read(), read()], [Some(0), Some(5), Some(67)]);
        assert_eq!(read(), None);
    }

    #[test]
    fn every_table_can_be_read_to_its_last_value() {
        for zeros in 1..=15usize {
            let table = TOTAL_ZEROS.get(zeros - 1);
            let found: std::collections::BTreeSet<usize> = (0..=u16::MAX)
                .filter_map(|word| table?.read(&mut Bits::new(&word.to_be_bytes(), 0)))
                .collect();
            assert_eq!(found.len(), 17 - zeros);
        }
    }
}
