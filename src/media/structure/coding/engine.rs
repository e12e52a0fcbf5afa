//! The arithmetic decoder that both standards share (H.264 9.3.1.2 and 9.3.3.2, H.265 9.3.2.5 and 9.3.4.3), exact in the
//! bits that it has taken.

#![allow(clippy::inline_always, reason = "a call for each bin would keep the decoder's state in memory")]

/// A context's state index and most probable symbol, `pStateIdx << 1 | valMPS`.
pub(in super::super) type State = u8;

/// The state that `preCtxState` stands for (H.264 9.3.1.1, H.265 9.3.2.2).
pub(in super::super) fn state_of(before: i32) -> State {
    let before = before.clamp(1, 126);
    let packed = if before <= 63 { (63 - before) << 1 } else { (before - 64) << 1 | 1 };
    u8::try_from(packed).unwrap_or(0)
}

/// Bits that are fetched before they are needed, at least.
pub(in super::super) const AHEAD: u32 = 16;

/// Decodes bins from the bytes of one slice segment.
///
/// `value` holds the 9 bits of `ivlOffset` and, below them, `ahead` bits that were fetched but not yet taken.
/// Behind the end it reads zeros; [`Engine::is_behind_end`] tells.
#[derive(Clone, Debug)]
pub(in super::super) struct Engine<'b> {
    bytes: &'b [u8],
    next: usize,
    value: u64,
    ahead: u32,
    range: u32,
}

impl<'b> Engine<'b> {
    /// Begins at the byte `from`.
    pub(in super::super) fn new(bytes: &'b [u8], from: usize) -> Self {
        let mut engine = Self { bytes, next: from, value: 0, ahead: 0, range: 510 };
        engine.start(from);
        engine
    }

    /// Initialises the engine anew at the byte `from` (H.264 9.3.1.2, H.265 9.3.2.5).
    pub(in super::super) fn start(&mut self, from: usize) {
        self.next = from;
        self.value = 0;
        self.ahead = 0;
        self.range = 510;
        self.fetch();
        self.ahead -= 9;
    }

    #[inline]
    fn fetch(&mut self) {
        self.value = self.value << 32 | u64::from(word(self.bytes, self.next));
        self.next = self.next.saturating_add(4);
        self.ahead += 32;
    }

    #[inline]
    fn refill(&mut self) {
        if self.ahead < AHEAD {
            self.fetch();
        }
    }

    /// Bits taken, counted from the first byte of the data.
    pub(in super::super) const fn position(&self) -> usize {
        self.next.saturating_mul(8).saturating_sub(self.ahead as usize)
    }

    /// Whether bits were taken that are not there.
    pub(in super::super) const fn is_behind_end(&self) -> bool {
        self.position() > self.bytes.len().saturating_mul(8)
    }

    /// The share of the range that the least probable symbol has.
    #[inline(always)]
    fn lps(&self, state: State) -> u32 {
        let row = usize::from(state & 127) << 2 | (self.range >> 6 & 3) as usize;
        LPS.get(row).copied().map_or(2, u32::from)
    }

    /// A bin with a context, whose state is updated (H.264 9.3.3.2.1, H.265 9.3.4.3.2).
    #[inline(always)]
    pub(in super::super) fn bin(&mut self, slot: &mut State) -> bool {
        self.refill();
        let state = *slot;
        let lps = self.lps(state);
        self.range -= lps;
        let scaled = u64::from(self.range) << self.ahead;
        if self.value < scaled {
            *slot = NEXT.get(usize::from(state & 127) << 1).copied().unwrap_or(0);
            let shift = u32::from(self.range < 256);
            self.range <<= shift;
            self.ahead -= shift;
            state & 1 == 1
        } else {
            *slot = NEXT.get(usize::from(state & 127) << 1 | 1).copied().unwrap_or(0);
            self.value -= scaled;
            let shift = lps.leading_zeros() - 23;
            self.range = lps << shift;
            self.ahead -= shift;
            state & 1 == 0
        }
    }

    /// The same without a branch: for bins that nothing depends on at once, since a processor cannot foretell them.
    #[inline(always)]
    pub(in super::super) fn flag(&mut self, slot: &mut State) -> bool {
        self.refill();
        let state = *slot;
        let lps = self.lps(state);
        let mps = self.range - lps;
        let scaled = u64::from(mps) << self.ahead;
        let is_lps = self.value >= scaled;
        self.value -= scaled & u64::from(is_lps).wrapping_neg();
        let range = mps ^ ((mps ^ lps) & u32::from(is_lps).wrapping_neg());
        let shift = range.leading_zeros() - 23;
        self.range = range << shift;
        self.ahead -= shift;
        let which = usize::from(state & 127) << 1 | usize::from(is_lps);
        *slot = NEXT.get(which).copied().unwrap_or(0);
        (state & 1 == 1) ^ is_lps
    }

    /// A bin without a context (H.264 9.3.3.2.3, H.265 9.3.4.3.4).
    #[inline]
    pub(in super::super) fn bypass(&mut self) -> bool {
        self.refill();
        self.ahead -= 1;
        let scaled = u64::from(self.range) << self.ahead;
        let is_one = self.value >= scaled;
        self.value -= scaled & u64::from(is_one).wrapping_neg();
        is_one
    }

    /// `count` such bins, up to 32, as one number.
    #[inline]
    pub(in super::super) fn bypasses(&mut self, count: u32) -> u32 {
        if count > AHEAD {
            let first = self.bypasses(count - AHEAD);
            return first << AHEAD | self.bypasses(AHEAD);
        }
        let bins = self.peek_bypasses() >> (AHEAD - count);
        self.take_bypasses(count, bins);
        bins
    }

    /// The next [`AHEAD`] bins without a context, the first one in the highest bit. They stay.
    ///
    /// Each of them doubles the offset and takes the range away where it fits: that is a long division.
    #[inline]
    pub(in super::super) fn peek_bypasses(&mut self) -> u32 {
        self.refill();
        u32::try_from(self.value >> (self.ahead - AHEAD)).unwrap_or(u32::MAX) / self.range
    }

    /// Takes the first `count` of them (up to [`AHEAD`]), which are `bins`.
    #[inline]
    pub(in super::super) fn take_bypasses(&mut self, count: u32, bins: u32) {
        self.ahead -= count;
        self.value -= (u64::from(bins) * u64::from(self.range)) << self.ahead;
    }

    /// A bin before the end of something (H.264 9.3.3.2.2.3, H.265 9.3.4.3.5). After a 1 the last bit taken is the stop or alignment bit.
    #[inline]
    pub(in super::super) fn terminate(&mut self) -> bool {
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

    /// After [`Engine::terminate`] gave 1: where the next byte begins, if the last bit taken is 1. What fills its byte is
    /// not looked at: x264 hides bits there.
    pub(in super::super) fn stopped_end(&self) -> Option<usize> {
        let end = self.position();
        let last = end.checked_sub(1)?;
        let byte = *self.bytes.get(last / 8)?;
        (byte >> (7 - last % 8) & 1 == 1).then_some(end.div_ceil(8))
    }

    /// The same where zeros must fill that byte, as in HEVC
    /// (`byte_alignment`, `rbsp_slice_segment_trailing_bits`).
    pub(in super::super) fn aligned_end(&self) -> Option<usize> {
        let end = self.position();
        let last = end.checked_sub(1)?;
        let byte = *self.bytes.get(last / 8)?;
        (byte << (last % 8) == 0x80).then_some(end.div_ceil(8))
    }
}

/// Four bytes from `at` on, with zeros behind the end.
#[inline]
fn word(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..)
        .and_then(<[u8]>::first_chunk)
        .map_or_else(|| last_word(bytes, at), |&word| u32::from_be_bytes(word))
}

#[cold]
#[inline(never)]
fn last_word(bytes: &[u8], at: usize) -> u32 {
    (0..4)
        .fold(0, |word, index| word << 8 | bytes.get(at.saturating_add(index)).copied().map_or(0, u32::from))
}

/// `rangeTabLPS` (H.264 table 9-44, H.265 table 9-46).
#[rustfmt::skip]
const RANGE_LPS: [[u8; 4]; 64] = [
    [128, 176, 208, 240], [128, 167, 197, 227], [128, 158, 187, 216], [123, 150, 178, 205], [116, 142, 169, 195],
    [111, 135, 160, 185], [105, 128, 152, 175], [100, 122, 144, 166], [95, 116, 137, 158], [90, 110, 130, 150],
    [85, 104, 123, 142], [81, 99, 117, 135], [77, 94, 111, 128], [73, 89, 105, 122], [69, 85, 100, 116],
    [66, 80, 95, 110], [62, 76, 90, 104], [59, 72, 86, 99], [56, 69, 81, 94], [53, 65, 77, 89],
    [51, 62, 73, 85], [48, 59, 69, 80], [46, 56, 66, 76], [43, 53, 63, 72], [41, 50, 59, 69],
    [39, 48, 56, 65], [37, 45, 54, 62], [35, 43, 51, 59], [33, 41, 48, 56], [32, 39, 46, 53],
    [30, 37, 43, 50], [29, 35, 41, 48], [27, 33, 39, 45], [26, 31, 37, 43], [24, 30, 35, 41],
    [23, 28, 33, 39], [22, 27, 32, 37], [21, 26, 30, 35], [20, 24, 29, 33], [19, 23, 27, 31],
    [18, 22, 26, 30], [17, 21, 25, 28], [16, 20, 23, 27], [15, 19, 22, 25], [14, 18, 21, 24],
    [14, 17, 20, 23], [13, 16, 19, 22], [12, 15, 18, 21], [12, 14, 17, 20], [11, 14, 16, 19],
    [11, 13, 15, 18], [10, 12, 15, 17], [10, 12, 14, 16], [9, 11, 13, 15], [9, 11, 12, 14],
    [8, 10, 12, 14], [8, 9, 11, 13], [7, 9, 11, 12], [7, 9, 10, 12], [7, 8, 10, 11],
    [6, 8, 9, 11], [6, 7, 9, 10], [6, 7, 8, 9], [2, 2, 2, 2],
];

/// `transIdxLPS` (H.264 table 9-45, H.265 table 9-47).
#[rustfmt::skip]
const TRANS_LPS: [u8; 64] = [
    0, 0, 1, 2, 2, 4, 4, 5, 6, 7, 8, 9, 9, 11, 11, 12, 13, 13, 15, 15, 16, 16, 18, 18, 19, 19, 21, 21, 22, 22, 23, 24,
    24, 25, 26, 26, 27, 27, 28, 29, 29, 30, 30, 30, 31, 32, 32, 33, 33, 33, 34, 34, 35, 35, 35, 36, 36, 36, 37, 37,
    37, 38, 38, 63,
];

/// [`RANGE_LPS`] by packed state and `qRangeIdx`.
static LPS: [u8; 512] = lps();
/// The packed state by that of before and whether the least probable symbol came.
static NEXT: [u8; 256] = next();

#[allow(clippy::indexing_slicing, reason = "runs in the compiler")]
const fn lps() -> [u8; 512] {
    let mut table = [0; 512];
    let mut index = 0;
    while index < 512 {
        table[index] = RANGE_LPS[index >> 3][index & 3];
        index += 1;
    }
    table
}

#[allow(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "runs in the compiler")]
const fn next() -> [u8; 256] {
    let mut table = [0; 256];
    let mut state = 0;
    while state < 128 {
        let most = state as u8 & 1;
        table[state << 1] = if state >> 1 >= 62 { state as u8 } else { state as u8 + 2 };
        // At the lowest probability the two change places.
        let symbol = if state < 2 { most ^ 1 } else { most };
        table[state << 1 | 1] = TRANS_LPS[state >> 1] << 1 | symbol;
        state += 1;
    }
    table
}
