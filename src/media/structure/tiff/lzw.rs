//! LZW (TIFF 6.0 section 13), strictly: no code beyond the table, and exactly the bytes that the rows need.
//!
//! Both kinds are read: codes from the highest bit with the early change of width, and the old kind of libtiff before
//! 1995, from the lowest bit without it.

use super::due::{Due, Slip};

const CLEAR: u32 = 256;
const END: u32 = 257;
const FIRST: u32 = 258;
const MOST_BITS: u32 = 12;
/// Without an end code, padding behind the last row.
const PADDING: usize = 4;

struct Codes<'a> {
    data: &'a [u8],
    at: usize,
    held: u64,
    count: u32,
    old: bool,
}

impl Codes<'_> {
    fn next(&mut self, width: u32) -> Option<u32> {
        while self.count < width {
            let byte = u64::from(*self.data.get(self.at)?);
            self.at += 1;
            self.held = if self.old { self.held | byte << self.count } else { self.held << 8 | byte };
            self.count += 8;
        }
        self.count -= width;
        let mask = (1u64 << width) - 1;
        let code = if self.old {
            let code = self.held & mask;
            self.held >>= width;
            code
        } else {
            let code = self.held >> self.count & mask;
            self.held &= (1 << self.count) - 1;
            code
        };
        u32::try_from(code).ok()
    }
}

/// Unpacks one strip. `out` is left with what could be read.
pub fn unpack(data: &[u8], due: &Due, out: &mut Vec<u8>) -> Result<(), Slip> {
    // libtiff tells the old kind by its first code, a clear code from the lowest bit.
    let old = matches!(data, [0, second, ..] if second & 1 == 1);
    let mut codes = Codes { data, at: 0, held: 0, count: 0, old };
    // Where each string stands in `out`, and its length: a new one is the last with the byte behind it.
    let mut table: Vec<(usize, usize)> = Vec::with_capacity(1 << MOST_BITS);
    let mut width = 9;
    let mut last: Option<(usize, usize)> = None;
    loop {
        if out.len() == due.most && data.len() - codes.at <= PADDING {
            break;
        }
        let Some(code) = codes.next(width) else { break };
        if code == END {
            break;
        }
        if code == CLEAR {
            (width, last) = (9, None);
            table.clear();
            continue;
        }
        let start = out.len();
        let known = code.checked_sub(FIRST).and_then(|index| table.get(index as usize)).copied();
        match (u8::try_from(code), known, last) {
            (Ok(byte), ..) => out.push(byte),
            (_, Some((from, len)), _) => out.extend_from_within(from..from + len),
            // The string that this very code makes.
            (_, None, Some((from, len))) if code == FIRST + count(&table) => {
                out.extend_from_within(from..from + len);
                let first = out.get(from).copied().unwrap_or(0);
                out.push(first);
            }
            _ => return Err(Slip::wrong("an LZW code beyond the table", codes.at)),
        }
        if out.len() > due.most {
            return Err(Slip::surplus(codes.at));
        }
        if let Some((from, len)) = last.filter(|_| FIRST + count(&table) < 1 << MOST_BITS) {
            table.push((from, len + 1));
            let full = (1 << width) - u32::from(!old);
            if FIRST + count(&table) >= full && width < MOST_BITS {
                width += 1;
            }
        }
        last = Some((start, out.len() - start));
    }
    if out.len() < due.least { Err(Slip::short(codes.at)) } else { Ok(()) }
}

fn count(table: &[(usize, usize)]) -> u32 {
    u32::try_from(table.len()).unwrap_or(u32::MAX)
}
