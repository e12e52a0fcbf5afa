//! Bits and prefix codes of makers' own compressions.

/// Reads bits, the highest of each byte first. Behind the end come zeros.
pub struct Bits<'b> {
    data: &'b [u8],
    at: usize,
    held: u64,
    count: u32,
    /// After FF comes a zero that is not data, as in JPEG.
    stuffed: bool,
}

impl<'b> Bits<'b> {
    pub const fn new(data: &'b [u8], stuffed: bool) -> Self {
        Self { data, at: 0, held: 0, count: 0, stuffed }
    }

    fn refill(&mut self) {
        while self.count <= 56 {
            let byte = self.data.get(self.at).copied().unwrap_or(0);
            self.held |= u64::from(byte) << (56 - self.count);
            self.count += 8;
            self.at += if self.stuffed && byte == 0xFF { 2 } else { 1 };
        }
    }

    /// The next bits, at most 32.
    pub fn peek(&mut self, bits: u32) -> u32 {
        if self.count < 32 {
            self.refill();
        }
        u32::try_from(self.held >> 32 >> (32 - bits)).unwrap_or(0)
    }

    /// Takes the next bits, at most 32.
    pub fn take(&mut self, bits: u32) -> u32 {
        let value = self.peek(bits);
        self.held <<= bits;
        self.count -= bits;
        value
    }

    /// A difference of so many bits, at most 16: the lower half of the values is negative (ITU-T T.81 F.2.2.1).
    pub fn signed(&mut self, bits: u32) -> i32 {
        let raw = self.take(bits).cast_signed();
        let half = 1 << bits >> 1;
        if raw < half { raw - 2 * half + 1 } else { raw }
    }

    /// Bytes that were begun. More than there are after reading beyond the end.
    pub const fn used(&self) -> usize {
        self.at - (self.count / 8) as usize
    }
}

/// A prefix code: how many codes have each length from 1 on, and the symbols in the order of their codes (T.81 annex C).
pub type Tree = ([u8; 16], &'static [u8]);

/// A code made ready for reading.
pub struct Codes {
    /// The longest code.
    bits: u32,
    /// Length and symbol by the next bits; a length of 0 where no code begins so.
    table: Vec<(u8, u8)>,
}

impl Codes {
    pub fn new(&(counts, symbols): &Tree) -> Self {
        let bits = counts.iter().rposition(|&count| count > 0).map_or(1, |longest| longest + 1);
        let mut table = Vec::with_capacity(1 << bits);
        let mut symbols = symbols.iter();
        for (length, &count) in (1u8..).zip(&counts) {
            for &symbol in symbols.by_ref().take(count.into()) {
                let same = 1usize << bits.saturating_sub(length.into());
                table.resize(table.len() + same, (length, symbol));
            }
        }
        table.resize(1 << bits, (0, 0));
        Self { bits: u32::try_from(bits).unwrap_or(16), table }
    }

    /// The next symbol, if any code begins like this.
    pub fn read(&self, bits: &mut Bits<'_>) -> Option<u8> {
        let next = bits.peek(self.bits) as usize;
        let &(length, symbol) = self.table.get(next).filter(|entry| entry.0 > 0)?;
        bits.take(length.into());
        Some(symbol)
    }
}
