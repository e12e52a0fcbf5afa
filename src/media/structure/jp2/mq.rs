//! The arithmetic decoder of JPEG 2000 (ISO/IEC 15444-1 annex C), which knows how much it has read.

/// Probability of the less probable symbol, next states after the more and the less probable one, and whether the two change
/// places (table C.2).
const STATES: [(u16, u8, u8, bool); 47] = [
    (0x5601, 1, 1, true),
    (0x3401, 2, 6, false),
    (0x1801, 3, 9, false),
    (0x0AC1, 4, 12, false),
    (0x0521, 5, 29, false),
    (0x0221, 38, 33, false),
    (0x5601, 7, 6, true),
    (0x5401, 8, 14, false),
    (0x4801, 9, 14, false),
    (0x3801, 10, 14, false),
    (0x3001, 11, 17, false),
    (0x2401, 12, 18, false),
    (0x1C01, 13, 20, false),
    (0x1601, 29, 21, false),
    (0x5601, 15, 14, true),
    (0x5401, 16, 14, false),
    (0x5101, 17, 15, false),
    (0x4801, 18, 16, false),
    (0x3801, 19, 17, false),
    (0x3401, 20, 18, false),
    (0x3001, 21, 19, false),
    (0x2801, 22, 19, false),
    (0x2401, 23, 20, false),
    (0x2201, 24, 21, false),
    (0x1C01, 25, 22, false),
    (0x1801, 26, 23, false),
    (0x1601, 27, 24, false),
    (0x1401, 28, 25, false),
    (0x1201, 29, 26, false),
    (0x1101, 30, 27, false),
    (0x0AC1, 31, 28, false),
    (0x09C1, 32, 29, false),
    (0x08A1, 33, 30, false),
    (0x0521, 34, 31, false),
    (0x0441, 35, 32, false),
    (0x02A1, 36, 33, false),
    (0x0221, 37, 34, false),
    (0x0141, 38, 35, false),
    (0x0111, 39, 36, false),
    (0x0085, 40, 37, false),
    (0x0049, 41, 38, false),
    (0x0025, 42, 39, false),
    (0x0015, 43, 40, false),
    (0x0009, 44, 41, false),
    (0x0005, 45, 42, false),
    (0x0001, 45, 43, false),
    (0x5601, 46, 46, false),
];

/// An adaptive probability.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context {
    state: u8,
    symbol: bool,
}

impl Context {
    /// Begins in a state of table C.2.
    pub const fn starting(state: u8) -> Self {
        Self { state, symbol: false }
    }
}

/// The decoder.
pub struct Decoder<'a> {
    bytes: &'a [u8],
    at: usize,
    code: u32,
    interval: u32,
    count: u32,
    /// Bytes that were asked for behind the last.
    pub beyond: usize,
}

impl<'a> Decoder<'a> {
    /// Begins a codeword.
    pub fn new(bytes: &'a [u8]) -> Self {
        let mut decoder = Self { bytes, at: 0, code: 0, interval: 0x8000, count: 0, beyond: 0 };
        decoder.code = u32::from(decoder.byte(0)) << 16;
        decoder.fill();
        decoder.code <<= 7;
        decoder.count -= 7;
        decoder
    }

    /// Bytes that were not looked at.
    pub const fn unread(&self) -> usize {
        self.bytes.len().saturating_sub(self.at + 1)
    }

    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0xFF)
    }

    fn fill(&mut self) {
        let (now, next) = (self.byte(self.at), self.byte(self.at + 1));
        if self.at + 1 >= self.bytes.len() {
            self.beyond += 1;
        }
        if now == 0xFF && next > 0x8F {
            self.code += 0xFF00;
            self.count = 8;
            return;
        }
        self.at += 1;
        if now == 0xFF {
            self.code += u32::from(next) << 9;
            self.count = 7;
        } else {
            self.code += u32::from(next) << 8;
            self.count = 8;
        }
    }

    /// The next symbol.
    pub fn symbol(&mut self, context: &mut Context) -> bool {
        let &(less, after_more, after_less, switch) =
            STATES.get(usize::from(context.state)).unwrap_or(&STATES[46]);
        let less = u32::from(less);
        self.interval -= less;
        let low = (self.code >> 16) < less;
        let is_less = if low {
            let exchanged = self.interval < less;
            self.interval = less;
            !exchanged
        } else {
            self.code -= less << 16;
            if self.interval & 0x8000 != 0 {
                return context.symbol;
            }
            self.interval < less
        };
        let symbol = context.symbol ^ is_less;
        if is_less {
            context.symbol ^= switch;
            context.state = after_less;
        } else {
            context.state = after_more;
        }
        while self.interval & 0x8000 == 0 {
            if self.count == 0 {
                self.fill();
            }
            self.interval <<= 1;
            self.code <<= 1;
            self.count -= 1;
        }
        symbol
    }
}
