//! Bits, lowest first (RFC 9649 section 3.3).

/// Reads bits. Behind the end of the data it reads zeros and remembers that it did.
#[derive(Clone, Copy)]
pub struct BitReader<'a> {
    data: &'a [u8],
    /// First byte that `window` does not have.
    at: usize,
    window: u64,
    held: u32,
}

impl<'a> BitReader<'a> {
    pub const fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, window: 0, held: 0 }
    }

    /// Makes the next 32 bits, or more, available to [`Self::peek`].
    #[inline]
    pub fn fill(&mut self) {
        if self.held >= 32 {
            return;
        }
        let word = self.data.get(self.at..).and_then(|rest| rest.first_chunk::<4>());
        let word = word.map_or_else(|| last(self.data, self.at), |bytes| u32::from_le_bytes(*bytes));
        self.window |= u64::from(word) << self.held;
        self.at += 4;
        self.held += 32;
    }

    /// The bits that come next, the first the lowest.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
    pub const fn peek(&self) -> u32 {
        self.window as u32
    }

    /// Goes past bits that were looked at.
    #[inline]
    pub const fn skip(&mut self, bits: u32) {
        self.window >>= bits;
        self.held = self.held.saturating_sub(bits);
    }

    /// A number of up to 24 bits.
    #[inline]
    pub fn read(&mut self, bits: u32) -> u32 {
        self.fill();
        let value = self.peek() & ((1 << bits) - 1);
        self.skip(bits);
        value
    }

    /// One bit.
    pub fn flag(&mut self) -> bool {
        self.read(1) != 0
    }

    /// Bits read so far.
    fn position(&self) -> usize {
        self.at * 8 - self.held as usize
    }

    /// Bytes read so far, the last maybe in part.
    pub fn bytes(&self) -> usize {
        self.position().div_ceil(8)
    }

    /// Whether more was read than there is.
    #[inline]
    pub fn overrun(&self) -> bool {
        self.at > self.data.len() && self.position() > self.data.len() * 8
    }

    /// The whole bytes that were not read.
    pub fn rest(&self) -> &'a [u8] {
        self.data.get(self.bytes()..).unwrap_or_default()
    }
}

#[cold]
fn last(data: &[u8], at: usize) -> u32 {
    data.get(at..).unwrap_or_default().iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte))
}
