//! The arithmetic decoder (H.265 9.3.2.5, 9.3.4.3), exact in the bits that it has taken.

use super::tables::{CONTEXTS, INIT, LPS, NEXT_LPS, NEXT_MPS};

/// Probability states and Rice statistics: what wavefronts and dependent slice segments hand over (9.3.2.4).
#[derive(Clone, Debug)]
pub(super) struct Contexts {
    /// State index and most probable symbol, `pStateIdx << 1 | valMps`.
    states: [u8; CONTEXTS],
    /// `StatCoeff`.
    pub(super) rice: [u8; 4],
}

impl Contexts {
    /// At the start of a slice of intra pictures (9.3.2.2, `initType` 0).
    pub(super) fn new(qp: i32) -> Self {
        let states = INIT.map(|value| {
            let value = i32::from(value);
            let (slope, offset) = ((value >> 4) * 5 - 45, ((value & 15) << 3) - 16);
            let state = (((slope * qp.clamp(0, 51)) >> 4) + offset).clamp(1, 126);
            let packed = if state <= 63 { (63 - state) << 1 } else { (state - 64) << 1 | 1 };
            u8::try_from(packed).unwrap_or(0)
        });
        Self { states, rice: [0; 4] }
    }
}

/// Decodes bins from the bytes of one slice segment.
///
/// `value` holds the 9 bits of `ivlOffset` and, below them, `ahead` bits that were fetched but not yet taken.
/// Behind the end it reads zeros; [`Cabac::is_behind_end`] tells.
#[derive(Debug)]
pub(super) struct Cabac<'b> {
    bytes: &'b [u8],
    next: usize,
    value: u64,
    ahead: u32,
    range: u32,
    pub(super) contexts: Contexts,
}

impl<'b> Cabac<'b> {
    /// Begins at the byte `from`.
    pub(super) fn new(bytes: &'b [u8], from: usize, contexts: Contexts) -> Self {
        let mut cabac = Self { bytes, next: from, value: 0, ahead: 0, range: 510, contexts };
        cabac.start(from);
        cabac
    }

    /// Initialises the engine anew at the byte `from` (9.3.2.5); contexts stay.
    pub(super) fn start(&mut self, from: usize) {
        self.next = from;
        self.value = 0;
        self.ahead = 0;
        self.range = 510;
        self.fetch();
        self.ahead -= 9;
    }

    fn fetch(&mut self) {
        let word = match self.bytes.get(self.next..).and_then(<[u8]>::first_chunk::<4>) {
            Some(&word) => u32::from_be_bytes(word),
            None => (0..4).fold(0, |word, index| {
                word << 8 | self.bytes.get(self.next.saturating_add(index)).copied().map_or(0, u32::from)
            }),
        };
        self.next = self.next.saturating_add(4);
        self.value = self.value << 32 | u64::from(word);
        self.ahead += 32;
    }

    #[inline]
    fn refill(&mut self) {
        if self.ahead < 16 {
            self.fetch();
        }
    }

    /// Bits taken, counted from the first byte of the data.
    pub(super) const fn position(&self) -> usize {
        self.next.saturating_mul(8).saturating_sub(self.ahead as usize)
    }

    /// Whether bits were taken that are not there.
    pub(super) const fn is_behind_end(&self) -> bool {
        self.position() > self.bytes.len().saturating_mul(8)
    }

    /// A bin with the context `index` (9.3.4.3.2).
    #[inline]
    pub(super) fn bin(&mut self, index: u8) -> bool {
        self.refill();
        let Some(slot) = self.contexts.states.get_mut(usize::from(index)) else { return false };
        let state = *slot;
        let row = usize::from(state & 127) << 2 | (self.range >> 6 & 3) as usize;
        let lps = u32::from(LPS.get(row).copied().unwrap_or(2));
        self.range -= lps;
        let scaled = u64::from(self.range) << self.ahead;
        if self.value < scaled {
            *slot = NEXT_MPS.get(usize::from(state)).copied().unwrap_or(0);
            let shift = u32::from(self.range < 256);
            self.range <<= shift;
            self.ahead -= shift;
            state & 1 == 1
        } else {
            *slot = NEXT_LPS.get(usize::from(state)).copied().unwrap_or(0);
            self.value -= scaled;
            let shift = lps.leading_zeros() - 23;
            self.range = lps << shift;
            self.ahead -= shift;
            state & 1 == 0
        }
    }

    /// A bin without a context (9.3.4.3.4).
    #[inline]
    pub(super) fn bypass(&mut self) -> bool {
        self.bypasses(1) == 1
    }

    /// `count` such bins, up to 32, as one number.
    #[inline]
    pub(super) fn bypasses(&mut self, count: u32) -> u32 {
        let mut bins = 0;
        let mut left = count;
        while left > 0 {
            self.refill();
            let now = left.min(16);
            for _ in 0..now {
                self.ahead -= 1;
                let scaled = u64::from(self.range) << self.ahead;
                let is_one = self.value >= scaled;
                self.value -= if is_one { scaled } else { 0 };
                bins = bins << 1 | u32::from(is_one);
            }
            left -= now;
        }
        bins
    }

    /// A bin before the end of something (9.3.4.3.5). After a 1 the last bit taken is the stop or alignment bit.
    #[inline]
    pub(super) fn terminate(&mut self) -> bool {
        self.refill();
        self.range -= 2;
        let scaled = u64::from(self.range) << self.ahead;
        if self.value >= scaled {
            return true;
        }
        let shift = u32::from(self.range < 256);
        self.range <<= shift;
        self.ahead -= shift;
        false
    }

    /// After [`Cabac::terminate`] gave 1: where the next byte begins, if the last bit taken is 1 and zeros fill its byte
    /// (`byte_alignment`, `rbsp_slice_segment_trailing_bits`).
    pub(super) fn aligned_end(&self) -> Option<usize> {
        let end = self.position();
        let last = end.checked_sub(1)?;
        let byte = *self.bytes.get(last / 8)?;
        (byte << (last % 8) == 0x80).then_some(end.div_ceil(8))
    }
}
