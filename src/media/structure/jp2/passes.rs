//! The coding passes of a code-block (ISO/IEC 15444-1 annex D), read for what they use of their codewords.
//!
//! Any bytes decode to something. But how many are read for a given number of passes follows from the symbols: what an encoder wrote is used up
//! to within a few bytes, other bytes are as good as never.

use super::mq::{Context, Decoder};

/// Modes of code-blocks (table A.19).
const RESET: u8 = 2;
const CAUSAL: u8 = 8;
const SYMBOLS: u8 = 32;

const SIGNIFICANT: u8 = 1;
const VISITED: u8 = 2;
const REFINED: u8 = 4;
const NEGATIVE: u8 = 8;

const RUN: usize = 17;
const UNIFORM: usize = 18;

/// Which neighbours count in a sub-band.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Smooth, or with edges across.
    Low,
    /// Edges along (HL).
    HighX,
    /// Both (HH).
    HighXY,
}

/// Bits of a codeword, arithmetic-coded or as they are.
pub enum Code<'a> {
    /// By annex C.
    Arithmetic(Decoder<'a>),
    /// With a zero stuffed in behind each FF.
    Raw(Raw<'a>),
}

/// Bits as they are.
pub struct Raw<'a> {
    bytes: &'a [u8],
    at: usize,
    left: u8,
    beyond: usize,
}

impl<'a> Code<'a> {
    /// Begins a codeword segment.
    pub fn new(bytes: &'a [u8], raw: bool) -> Self {
        if raw {
            Self::Raw(Raw { bytes, at: 0, left: 0, beyond: 0 })
        } else {
            Self::Arithmetic(Decoder::new(bytes))
        }
    }

    /// Bytes that were asked for beyond the end, and those that were not looked at.
    pub const fn rest(&self) -> (usize, usize) {
        match self {
            Self::Arithmetic(decoder) => (decoder.beyond, decoder.unread()),
            Self::Raw(raw) => (raw.beyond, raw.bytes.len().saturating_sub(raw.at)),
        }
    }

    fn symbol(&mut self, context: &mut Context) -> bool {
        match self {
            Self::Arithmetic(decoder) => decoder.symbol(context),
            Self::Raw(raw) => raw.bit(),
        }
    }
}

impl Raw<'_> {
    fn bit(&mut self) -> bool {
        if self.left == 0 {
            let stuffed = self.at > 0 && self.bytes.get(self.at - 1) == Some(&0xFF);
            self.left = if stuffed { 7 } else { 8 };
            self.beyond += usize::from(self.at >= self.bytes.len());
            self.at += 1;
        }
        self.left -= 1;
        self.bytes.get(self.at - 1).is_none_or(|byte| byte >> self.left & 1 == 1)
    }
}

/// What is known of a code-block's coefficients.
pub struct Coefficients {
    kind: Kind,
    modes: u8,
    width: usize,
    height: usize,
    /// One more at each side.
    flags: Vec<u8>,
    contexts: [Context; 19],
    /// A mark behind a cleanup pass was wrong.
    pub bad_mark: bool,
}

/// Significant neighbours.
#[derive(Clone, Copy, Default)]
struct Around {
    across: u8,
    along: u8,
    corners: u8,
}

impl Coefficients {
    /// Before the first pass.
    pub fn new(kind: Kind, modes: u8, width: usize, height: usize) -> Self {
        let flags = vec![0; (width + 2) * (height + 2)];
        Self { kind, modes, width, height, flags, contexts: fresh(), bad_mark: false }
    }

    /// Reads the pass with this number, counted from the first of the code-block.
    pub fn pass(&mut self, number: u32, code: &mut Code<'_>) {
        match number % 3 {
            1 => self.each(|all, place, causal| all.propagate(place, causal, code)),
            2 => self.each(|all, place, causal| all.refine(place, causal, code)),
            _ => self.clean(code),
        }
        if self.modes & RESET != 0 {
            self.contexts = fresh();
        }
    }

    /// Visits all places in stripes of four rows; the flag says that the row below is not to be looked at.
    fn each(&mut self, mut visit: impl FnMut(&mut Self, usize, bool)) {
        for top in (0..self.height).step_by(4) {
            for column in 0..self.width {
                for row in top..(top + 4).min(self.height) {
                    let (place, causal) = (self.place(column, row), self.is_causal(row));
                    visit(self, place, causal);
                }
            }
        }
    }

    const fn place(&self, column: usize, row: usize) -> usize {
        (row + 1) * (self.width + 2) + column + 1
    }

    const fn is_causal(&self, row: usize) -> bool {
        self.modes & CAUSAL != 0 && row % 4 == 3
    }

    fn flag(&self, place: usize) -> u8 {
        self.flags.get(place).copied().unwrap_or(0)
    }

    fn set(&mut self, place: usize, flag: u8) {
        if let Some(flags) = self.flags.get_mut(place) {
            *flags |= flag;
        }
    }

    fn symbol(&mut self, context: usize, code: &mut Code<'_>) -> bool {
        self.contexts.get_mut(context).is_some_and(|context| code.symbol(context))
    }

    fn around(&self, place: usize, causal: bool) -> Around {
        let row = self.width + 2;
        let one = |place: usize| self.flag(place) & SIGNIFICANT;
        let below = |place: usize| if causal { 0 } else { one(place) };
        Around {
            across: one(place - 1) + one(place + 1),
            along: one(place - row) + below(place + row),
            corners: one(place - row - 1)
                + one(place - row + 1)
                + below(place + row - 1)
                + below(place + row + 1),
        }
    }

    /// Table D.1.
    const fn significance(&self, around: Around) -> usize {
        let Around { across, along, corners } = around;
        let (h, v) = if matches!(self.kind, Kind::HighX) { (along, across) } else { (across, along) };
        if matches!(self.kind, Kind::HighXY) {
            return match (corners, h + v) {
                (3.., _) => 8,
                (2, 1..) => 7,
                (2, 0) => 6,
                (1, 2..) => 5,
                (1, 1) => 4,
                (1, 0) => 3,
                (0, 2..) => 2,
                (0, sum) => sum as usize,
            };
        }
        match (h, v, corners) {
            (2.., _, _) => 8,
            (1, 1.., _) => 7,
            (1, 0, 1..) => 6,
            (1, 0, 0) => 5,
            (0, 2.., _) => 4,
            (0, 1, _) => 3,
            (0, 0, 2..) => 2,
            (0, 0, corners) => corners as usize,
        }
    }

    /// Makes a coefficient significant and reads its sign (table D.3).
    fn sign(&mut self, place: usize, causal: bool, code: &mut Code<'_>) {
        let row = self.width + 2;
        let one = |place: usize| match self.flag(place) & (SIGNIFICANT | NEGATIVE) {
            SIGNIFICANT => 1i8,
            0 | NEGATIVE => 0,
            _ => -1,
        };
        let below = if causal { 0 } else { one(place + row) };
        let across = (one(place - 1) + one(place + 1)).clamp(-1, 1);
        let along = (one(place - row) + below).clamp(-1, 1);
        let (context, turned) = match (across, along) {
            (1, 1) => (13, false),
            (1, 0) => (12, false),
            (1, _) => (11, false),
            (0, 1) => (10, false),
            (0, 0) => (9, false),
            (0, _) => (10, true),
            (_, 1) => (11, true),
            (_, 0) => (12, true),
            _ => (13, true),
        };
        let raw = matches!(code, Code::Raw(_));
        let negative = self.symbol(context, code) ^ (turned && !raw);
        self.set(place, SIGNIFICANT | if negative { NEGATIVE } else { 0 });
    }

    fn propagate(&mut self, place: usize, causal: bool, code: &mut Code<'_>) {
        if self.flag(place) & SIGNIFICANT != 0 {
            return;
        }
        let context = self.significance(self.around(place, causal));
        if context == 0 {
            return;
        }
        if self.symbol(context, code) {
            self.sign(place, causal, code);
        }
        self.set(place, VISITED);
    }

    fn refine(&mut self, place: usize, causal: bool, code: &mut Code<'_>) {
        let flags = self.flag(place);
        if flags & (SIGNIFICANT | VISITED) != SIGNIFICANT {
            return;
        }
        let context = if flags & REFINED != 0 {
            16
        } else {
            let Around { across, along, corners } = self.around(place, causal);
            if across + along + corners > 0 { 15 } else { 14 }
        };
        self.symbol(context, code);
        self.set(place, REFINED);
    }

    fn clean(&mut self, code: &mut Code<'_>) {
        for top in (0..self.height).step_by(4) {
            for column in 0..self.width {
                self.clean_column(column, top, code);
            }
        }
        if self.modes & SYMBOLS != 0 {
            let mark: [bool; 4] = std::array::from_fn(|_| self.symbol(UNIFORM, code));
            self.bad_mark |= mark != [true, false, true, false];
        }
        for flags in &mut self.flags {
            *flags &= !VISITED;
        }
    }

    fn clean_column(&mut self, column: usize, top: usize, code: &mut Code<'_>) {
        let mut rows = top..(top + 4).min(self.height);
        let untouched = |row: usize| {
            let place = self.place(column, row);
            self.flag(place) & (SIGNIFICANT | VISITED) == 0
                && self.significance(self.around(place, self.is_causal(row))) == 0
        };
        if rows.len() == 4 && rows.clone().all(untouched) {
            if !self.symbol(RUN, code) {
                return;
            }
            let high = usize::from(self.symbol(UNIFORM, code));
            let first = top + high * 2 + usize::from(self.symbol(UNIFORM, code));
            self.sign(self.place(column, first), self.is_causal(first), code);
            rows.start = first + 1;
        }
        for row in rows {
            let (place, causal) = (self.place(column, row), self.is_causal(row));
            if self.flag(place) & (SIGNIFICANT | VISITED) != 0 {
                continue;
            }
            let context = self.significance(self.around(place, causal));
            if self.symbol(context, code) {
                self.sign(place, causal, code);
            }
        }
    }
}

/// Table D.7.
fn fresh() -> [Context; 19] {
    std::array::from_fn(|number| match number {
        0 => Context::starting(4),
        RUN => Context::starting(3),
        UNIFORM => Context::starting(46),
        _ => Context::default(),
    })
}
