//! CCITT Group 3 and Group 4 (ITU-T T.4 and T.6; TIFF 6.0 sections 10 and 11), strictly: every row has exactly the
//! picture's width, every code exists, the rows are all there.

use super::due::Slip;

/// How the rows are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// One-dimensional, every row at a whole byte, no end-of-line codes (compression 2).
    Rows,
    /// Group 3, one-dimensional.
    Group3,
    /// Group 3, a tag bit tells whether a row is coded against the one above.
    Group3Mixed,
    /// Group 4, every row coded against the one above.
    Group4,
}

/// Bits of an end-of-line code: eleven zeros and a one.
const EOL_BITS: u32 = 12;
/// Data behind the last row that may be padding.
const PADDING: usize = 8;

/// White runs of 0 to 63, then of 64 to 1728 in steps of 64: length and value of the code.
#[rustfmt::skip]
const WHITE: [(u8, u16); 91] = [
    (8, 0x35), (6, 0x7), (4, 0x7), (4, 0x8), (4, 0xb), (4, 0xc), (4, 0xe), (4, 0xf), (5, 0x13), (5, 0x14), (5, 0x7), (5, 0x8), (6, 0x8),
    (6, 0x3), (6, 0x34), (6, 0x35), (6, 0x2a), (6, 0x2b), (7, 0x27), (7, 0xc), (7, 0x8), (7, 0x17), (7, 0x3), (7, 0x4), (7, 0x28), (7, 0x2b),
    (7, 0x13), (7, 0x24), (7, 0x18), (8, 0x2), (8, 0x3), (8, 0x1a), (8, 0x1b), (8, 0x12), (8, 0x13), (8, 0x14), (8, 0x15), (8, 0x16), (8, 0x17),
    (8, 0x28), (8, 0x29), (8, 0x2a), (8, 0x2b), (8, 0x2c), (8, 0x2d), (8, 0x4), (8, 0x5), (8, 0xa), (8, 0xb), (8, 0x52), (8, 0x53), (8, 0x54),
    (8, 0x55), (8, 0x24), (8, 0x25), (8, 0x58), (8, 0x59), (8, 0x5a), (8, 0x5b), (8, 0x4a), (8, 0x4b), (8, 0x32), (8, 0x33), (8, 0x34), (5, 0x1b),
    (5, 0x12), (6, 0x17), (7, 0x37), (8, 0x36), (8, 0x37), (8, 0x64), (8, 0x65), (8, 0x68), (8, 0x67), (9, 0xcc), (9, 0xcd), (9, 0xd2), (9, 0xd3),
    (9, 0xd4), (9, 0xd5), (9, 0xd6), (9, 0xd7), (9, 0xd8), (9, 0xd9), (9, 0xda), (9, 0xdb), (9, 0x98), (9, 0x99), (9, 0x9a), (6, 0x18), (9, 0x9b),
];

/// Black runs of 0 to 63, then of 64 to 1728 in steps of 64.
#[rustfmt::skip]
const BLACK: [(u8, u16); 91] = [
    (10, 0x37), (3, 0x2), (2, 0x3), (2, 0x2), (3, 0x3), (4, 0x3), (4, 0x2), (5, 0x3), (6, 0x5), (6, 0x4), (7, 0x4), (7, 0x5), (7, 0x7),
    (8, 0x4), (8, 0x7), (9, 0x18), (10, 0x17), (10, 0x18), (10, 0x8), (11, 0x67), (11, 0x68), (11, 0x6c), (11, 0x37), (11, 0x28), (11, 0x17), (11, 0x18),
    (12, 0xca), (12, 0xcb), (12, 0xcc), (12, 0xcd), (12, 0x68), (12, 0x69), (12, 0x6a), (12, 0x6b), (12, 0xd2), (12, 0xd3), (12, 0xd4), (12, 0xd5), (12, 0xd6),
    (12, 0xd7), (12, 0x6c), (12, 0x6d), (12, 0xda), (12, 0xdb), (12, 0x54), (12, 0x55), (12, 0x56), (12, 0x57), (12, 0x64), (12, 0x65), (12, 0x52), (12, 0x53),
    (12, 0x24), (12, 0x37), (12, 0x38), (12, 0x27), (12, 0x28), (12, 0x58), (12, 0x59), (12, 0x2b), (12, 0x2c), (12, 0x5a), (12, 0x66), (12, 0x67), (10, 0xf),
    (12, 0xc8), (12, 0xc9), (12, 0x5b), (12, 0x33), (12, 0x34), (12, 0x35), (13, 0x6c), (13, 0x6d), (13, 0x4a), (13, 0x4b), (13, 0x4c), (13, 0x4d), (13, 0x72),
    (13, 0x73), (13, 0x74), (13, 0x75), (13, 0x76), (13, 0x77), (13, 0x52), (13, 0x53), (13, 0x54), (13, 0x55), (13, 0x5a), (13, 0x5b), (13, 0x64), (13, 0x65),
];

/// Runs of 1792 to 2560 in steps of 64, of both colours.
#[rustfmt::skip]
const LONG: [(u8, u16); 13] = [
    (11, 0x8), (11, 0xc), (11, 0xd), (12, 0x12), (12, 0x13), (12, 0x14), (12, 0x15), (12, 0x16), (12, 0x17), (12, 0x1c), (12, 0x1d), (12, 0x1e), (12, 0x1f),
];

/// Run lengths by the next 13 bits: bits of the code, 0 where there is none, and the run.
struct Codes {
    white: Vec<(u8, u16)>,
    black: Vec<(u8, u16)>,
}

const LOOK: u32 = 13;

impl Codes {
    fn new() -> Self {
        Self { white: Self::table(&WHITE), black: Self::table(&BLACK) }
    }

    fn table(codes: &[(u8, u16)]) -> Vec<(u8, u16)> {
        let mut table = vec![(0, 0); 1 << LOOK];
        for (&(bits, code), index) in codes.iter().chain(&LONG).zip(0u16..) {
            let run = if index < 64 { index } else { (index - 63) * 64 };
            let shift = LOOK - u32::from(bits);
            let from = usize::from(code) << shift;
            if let Some(places) = table.get_mut(from..from + (1 << shift)) {
                places.fill((bits, run));
            }
        }
        table
    }
}

struct Bits<'a> {
    data: &'a [u8],
    /// Position in bits.
    at: usize,
}

impl Bits<'_> {
    /// The next bits, at most 24; zeros behind the end.
    fn peek(&self, count: u32) -> u32 {
        let first = self.at / 8;
        let word = (0..4).fold(0u32, |word, index| {
            word << 8 | u32::from(self.data.get(first + index).copied().unwrap_or(0))
        });
        let word = word << (self.at % 8);
        word >> (32 - count)
    }

    const fn skip(&mut self, count: u32) {
        self.at += count as usize;
    }

    fn left(&self) -> usize {
        (self.data.len() * 8).saturating_sub(self.at)
    }

    fn ended(&self) -> bool {
        self.at > self.data.len() * 8
    }

    /// Skips fill and an end-of-line code, if that is what comes.
    fn end_of_line(&mut self) -> bool {
        let mut probe = self.at;
        let bit = |at: usize| self.data.get(at / 8).map(|byte| byte >> (7 - at % 8) & 1);
        let mut zeros = 0u32;
        loop {
            match bit(probe) {
                Some(0) => zeros += 1,
                Some(_) if zeros >= EOL_BITS - 1 => {
                    self.at = probe + 1;
                    return true;
                }
                _ => return false,
            }
            probe += 1;
        }
    }
}

/// Unpacks `rows` rows of `width` pixels, black as 1, each at a whole byte.
pub fn unpack(data: &[u8], scheme: Scheme, width: u32, rows: u32, out: &mut Vec<u8>) -> Result<(), Slip> {
    let mut reader = Reader { bits: Bits { data, at: 0 }, codes: Codes::new(), width, above: Vec::new() };
    for row in 0..rows {
        if let Some(end) = reader.begin_row(scheme, row)? {
            return end;
        }
        let flat = match scheme {
            Scheme::Rows | Scheme::Group3 => true,
            Scheme::Group4 => false,
            Scheme::Group3Mixed => {
                let flat = reader.bits.peek(1) == 1;
                reader.bits.skip(1);
                flat
            }
        };
        let changes = if flat { reader.flat_row() } else { reader.row_against_above() }?;
        if reader.bits.ended() {
            return Err(Slip::short(data.len()));
        }
        draw(&changes, width, out);
        reader.above = changes;
        if scheme == Scheme::Rows {
            reader.bits.at = reader.bits.at.next_multiple_of(8);
        }
    }
    let rest = data.len().saturating_sub(reader.bits.at.div_ceil(8));
    if rest > PADDING && !reader.bits.end_of_line() {
        return Err(Slip::surplus(reader.bits.at / 8));
    }
    Ok(())
}

struct Reader<'a> {
    bits: Bits<'a>,
    codes: Codes,
    width: u32,
    /// Where colour changes in the row above, beginning with the first black pixel.
    above: Vec<u32>,
}

type EarlyEnd = Result<(), Slip>;

impl Reader<'_> {
    /// What stands before a row. Gives an answer where the data says that no more rows come.
    fn begin_row(&mut self, scheme: Scheme, row: u32) -> Result<Option<EarlyEnd>, Slip> {
        let early = || Some(Err(Slip::NotFollowed("fewer rows than the picture has, ended properly".into())));
        match scheme {
            Scheme::Rows => Ok(None),
            Scheme::Group4 => Ok(if self.bits.peek(24) == 0x00_1001 { early() } else { None }),
            Scheme::Group3 | Scheme::Group3Mixed => {
                let found = self.bits.end_of_line();
                if scheme == Scheme::Group3Mixed && !found && row > 0 {
                    return Err(self.wrong("a row without an end-of-line code"));
                }
                // Two in a row are the return to control. A tag bit may stand between.
                let mut ahead = Bits { data: self.bits.data, at: self.bits.at };
                if scheme == Scheme::Group3Mixed {
                    ahead.skip(1);
                }
                Ok(if found && ahead.peek(EOL_BITS) == 1 { early() } else { None })
            }
        }
    }

    fn wrong(&self, what: &str) -> Slip {
        if self.bits.left() == 0 {
            Slip::short(self.bits.data.len())
        } else {
            Slip::wrong(what, self.bits.at / 8)
        }
    }

    /// One run: make-up codes and a terminating code.
    fn run(&mut self, black: bool) -> Result<u32, Slip> {
        let mut sum = 0u32;
        loop {
            let ahead = self.bits.peek(LOOK) as usize;
            let table = if black { &self.codes.black } else { &self.codes.white };
            let (bits, run) = table.get(ahead).copied().unwrap_or_default();
            if bits == 0 {
                return Err(self.wrong("a run length code that does not exist"));
            }
            self.bits.skip(bits.into());
            sum = sum.saturating_add(run.into());
            if sum > self.width {
                return Err(self.wrong("a row longer than the picture is wide"));
            }
            if run < 64 {
                return Ok(sum);
            }
        }
    }

    fn flat_row(&mut self) -> Result<Vec<u32>, Slip> {
        let mut changes = Vec::new();
        let (mut at, mut black) = (0u32, false);
        while at < self.width {
            at = at.saturating_add(self.run(black)?);
            if at > self.width {
                return Err(self.wrong("a row longer than the picture is wide"));
            }
            changes.push(at);
            black = !black;
        }
        Ok(changes)
    }

    /// T.6: pass, horizontal and vertical modes.
    fn row_against_above(&mut self) -> Result<Vec<u32>, Slip> {
        let width = i64::from(self.width);
        let mut changes: Vec<u32> = Vec::new();
        // a0 stands before the first pixel at the start.
        let (mut at, mut black, mut above) = (-1i64, false, 0usize);
        while at < width {
            // b1: the next change above of the other colour.
            above = above.saturating_sub(2) / 2 * 2 + usize::from(black);
            while i64::from(self.change_above(above)) <= at && i64::from(self.change_above(above)) < width {
                above += 2;
            }
            let next = i64::from(self.change_above(above));
            let ahead = self.bits.peek(7);
            let (bits, delta) = match ahead {
                0b100_0000.. => (1, Some(0)),
                0b011_0000.. => (3, Some(1)),
                0b010_0000.. => (3, Some(-1)),
                0b001_0000.. => (3, None),
                0b000_1000.. => (4, None),
                0b000_0110.. => (6, Some(2)),
                0b000_0100.. => (6, Some(-2)),
                0b000_0011 => (7, Some(3)),
                0b000_0010 => (7, Some(-3)),
                0b000_0001 => return Err(self.wrong("an extension that the directory does not announce")),
                _ => return Err(self.wrong("a mode code that does not exist")),
            };
            self.bits.skip(bits);
            match delta {
                Some(delta) => {
                    let to = next + delta;
                    if to < at.max(0) || to > width {
                        return Err(self.wrong("a colour change outside the row"));
                    }
                    changes.push(u32::try_from(to).unwrap_or(0));
                    at = to;
                    black = !black;
                }
                None if bits == 4 => at = i64::from(self.change_above(above + 1)),
                None => {
                    let first = at.max(0) + i64::from(self.run(black)?);
                    let second = first + i64::from(self.run(!black)?);
                    if second > width {
                        return Err(self.wrong("a row longer than the picture is wide"));
                    }
                    changes.extend([first, second].map(|change| u32::try_from(change).unwrap_or(0)));
                    at = second;
                }
            }
            // A row of nothing but codes of no length would never end.
            if changes.len() > self.width as usize * 2 + 16 {
                return Err(self.wrong("more colour changes than pixels"));
            }
        }
        Ok(changes)
    }

    fn change_above(&self, index: usize) -> u32 {
        self.above.get(index).copied().unwrap_or(self.width).min(self.width)
    }
}

fn draw(changes: &[u32], width: u32, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + width.div_ceil(8) as usize, 0);
    for pair in changes.chunks(2) {
        let from = pair.first().copied().unwrap_or(width);
        let to = pair.get(1).copied().unwrap_or(width).min(width);
        for at in from..to {
            if let Some(byte) = out.get_mut(start + (at / 8) as usize) {
                *byte |= 0x80 >> (at % 8);
            }
        }
    }
}
