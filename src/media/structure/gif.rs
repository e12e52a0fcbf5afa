//! GIF files block by block (GIF89a), and a strict reading of their LZW data.

use std::ops::Range;

mod greed;
mod tables;

pub use greed::Greed;
pub use tables::lost_sector;

use crate::model::{DecodeError, PixelSize};

/// Codes are never longer than this.
const MAX_BITS: u32 = 12;
/// More frames than any animation has.
const MAX_FRAMES: usize = 100_000;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Offset of its descriptor.
    pub at: usize,
    /// Columns to the left of it.
    pub left: u16,
    /// Rows above it.
    pub top: u16,
    /// Its size.
    pub size: PixelSize,
    /// Rows come in four passes.
    pub interlaced: bool,
    /// Its own colours, three bytes each.
    pub palette: Option<Range<usize>>,
    /// The index that is transparent.
    pub transparent: Option<u8>,
    /// Bits of a colour index.
    pub code_size: u8,
    /// The sub-blocks of its data.
    pub blocks: Vec<Range<usize>>,
}

/// The outline of a file.
#[derive(Debug, Default)]
pub struct Outline {
    /// Size of the canvas.
    pub screen: PixelSize,
    /// Colours of frames that have none of their own.
    pub palette: Option<Range<usize>>,
    /// All frames in order.
    pub frames: Vec<Frame>,
    /// Whether the trailer is there.
    pub trailer: bool,
    /// The first thing that is wrong.
    pub problem: Option<DecodeError>,
}

/// Walks all blocks up to the trailer; what follows it is not looked at.
pub fn walk(bytes: &[u8]) -> Outline {
    let mut outline = Outline::default();
    if let Err(error) = outline.fill(bytes) {
        outline.problem = Some(error);
    }
    outline
}

impl Outline {
    fn fill(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        let header = take(bytes, 0, 13, "the header")?;
        let [.., w0, w1, h0, h1, flags, _background, _aspect] = *header else {
            return Err(DecodeError::truncated("the header", 0));
        };
        self.screen = PixelSize::new(le16(w0, w1), le16(h0, h1));
        let mut at = 13;
        self.palette = palette(bytes, &mut at, flags)?;
        let mut transparent = None;
        loop {
            match bytes.get(at) {
                // All that is missing is the trailer, and the pictures are whole.
                None if !self.frames.is_empty() => return Ok(()),
                None => {
                    return Err(DecodeError::truncated("the file ends before the first frame", at as u64));
                }
                Some(0x3B) => {
                    self.trailer = true;
                    break;
                }
                Some(0x21) => {
                    let (start, label) = (at, take(bytes, at, 2, "an extension")?.last().copied());
                    at += 2;
                    let blocks = sub_blocks(bytes, &mut at)?;
                    unheard_of(label, &blocks, start)?;
                    let control = blocks.first().filter(|_| label == Some(0xF9));
                    if let Some(&[flags, _, _, index, ..]) =
                        control.and_then(|block| bytes.get(block.clone()))
                    {
                        transparent = (flags & 1 == 1).then_some(index);
                    }
                }
                Some(0x2C) => {
                    let frame = frame(bytes, &mut at, transparent.take())?;
                    self.frames.push(frame);
                    if self.frames.len() > MAX_FRAMES {
                        return Err(DecodeError::limit("frames of one GIF", format!("{MAX_FRAMES} frames")));
                    }
                }
                Some(other) => {
                    let what = format!("a block of unknown kind {other:02x}");
                    return Err(DecodeError::malformed(what, at as u64));
                }
            }
        }
        if self.frames.is_empty() {
            return Err(DecodeError::malformed("no picture before the trailer", at as u64));
        }
        Ok(())
    }
}

const fn le16(low: u8, high: u8) -> u32 {
    u16::from_le_bytes([low, high]) as u32
}

fn take<'a>(bytes: &'a [u8], at: usize, count: usize, what: &str) -> Result<&'a [u8], DecodeError> {
    bytes.get(at..at + count).ok_or_else(|| DecodeError::Truncated {
        what: what.into(),
        offset: Some(at as u64),
        expected: Some((at + count) as u64),
        found: Some(bytes.len() as u64),
    })
}

fn palette(bytes: &[u8], at: &mut usize, flags: u8) -> Result<Option<Range<usize>>, DecodeError> {
    if flags & 0x80 == 0 {
        return Ok(None);
    }
    let start = *at;
    let length = 3usize << ((flags & 7) + 1);
    take(bytes, start, length, "a colour table")?;
    *at += length;
    Ok(Some(start..start + length))
}

fn sub_blocks(bytes: &[u8], at: &mut usize) -> Result<Vec<Range<usize>>, DecodeError> {
    let mut blocks = Vec::new();
    loop {
        let length = take(bytes, *at, 1, "a data block")?.first().copied().map_or(0, usize::from);
        *at += 1;
        if length == 0 {
            return Ok(blocks);
        }
        take(bytes, *at, length, "a data block")?;
        blocks.push(*at..*at + length);
        *at += length;
    }
}

/// Of the extensions that are not in the standard (GIF89a, 23 to 26) only short ones are passed over: a long one is a picture
/// whose beginning was hit.
fn unheard_of(label: Option<u8>, blocks: &[Range<usize>], start: usize) -> Result<(), DecodeError> {
    const LONGEST: usize = 255;
    let length: usize = blocks.iter().map(Range::len).sum();
    match label {
        None | Some(0x01 | 0xF9 | 0xFE | 0xFF) => Ok(()),
        Some(_) if length <= LONGEST => Ok(()),
        Some(label) => {
            let what = format!("{length} bytes of an extension {label:02x}, which GIF does not have");
            Err(DecodeError::malformed(what, start as u64))
        }
    }
}

fn frame(bytes: &[u8], at: &mut usize, transparent: Option<u8>) -> Result<Frame, DecodeError> {
    let start = *at;
    let descriptor = take(bytes, start, 10, "a frame's descriptor")?;
    let [_, l0, l1, t0, t1, w0, w1, h0, h1, flags] = *descriptor else {
        return Err(DecodeError::truncated("a frame's descriptor", start as u64));
    };
    *at += 10;
    let size = PixelSize::new(le16(w0, w1), le16(h0, h1));
    if size.pixels() == 0 {
        return Err(DecodeError::malformed("a frame without pixels", start as u64));
    }
    let palette = palette(bytes, at, flags)?;
    let code_size = take(bytes, *at, 1, "a frame's data")?.first().copied().unwrap_or(0);
    if !(1..=8).contains(&code_size) {
        return Err(DecodeError::malformed(format!("a code size of {code_size} bits"), *at as u64));
    }
    *at += 1;
    let blocks = sub_blocks(bytes, at)?;
    Ok(Frame {
        at: start,
        left: u16::from_le_bytes([l0, l1]),
        top: u16::from_le_bytes([t0, t1]),
        size,
        interlaced: flags & 0x40 != 0,
        palette,
        transparent,
        code_size,
        blocks,
    })
}

/// What reading a frame's data told.
#[derive(Debug, Default)]
pub struct Pixels {
    /// Colour indices in stored order, when they were wanted.
    pub indices: Vec<u8>,
    /// Bytes of data behind the end code.
    pub surplus: usize,
    /// Pixels that the codes give beyond the last of the frame.
    pub extra: usize,
    /// The last pixel of the frame stands inside the run of a code.
    pub torn: bool,
    /// Codes that were read.
    pub codes: usize,
    /// The end code was not there.
    pub no_end_code: bool,
}

/// Pixels for which there is room before the first is read.
const RESERVE: usize = 1 << 20;

impl Pixels {
    /// Whether the codes contradict the size of their frame: they go on beyond its last pixel, in the middle of a run or up to
    /// a proper end, and not to the end of some row, as in a frame that was cut by its header alone.
    ///
    /// A run of pixels of another length than before shows so, in every second case: in the others pixels are missing.
    /// Short streams may come from anybody's hand and are left alone.
    pub const fn overshoots(&self, frame: &Frame) -> bool {
        let whole_rows = (self.extra as u64).is_multiple_of(frame.size.width as u64);
        let meant = self.torn || (!self.no_end_code && self.surplus <= 1);
        self.extra > 0 && meant && !whole_rows && self.codes >= PROOF
    }
}

/// Codes of a stream that is long enough to be a program's work.
const PROOF: usize = 200;

/// Reads all LZW data of a frame. Every code must exist, and the codes must give all pixels. Keeps the indices only if
/// `keep` is set; `greed` learns of every code.
pub fn read(bytes: &[u8], frame: &Frame, keep: bool, greed: &mut Greed) -> Result<Pixels, DecodeError> {
    let mut lzw = Lzw::new(u32::from(frame.code_size), greed.take_successors());
    let pixels = read_codes(bytes, frame, keep, &mut lzw, greed);
    greed.end(lzw.successors);
    pixels
}

fn read_codes(
    bytes: &[u8],
    frame: &Frame,
    keep: bool,
    lzw: &mut Lzw,
    greed: &mut Greed,
) -> Result<Pixels, DecodeError> {
    let wanted = usize::try_from(frame.size.pixels()).unwrap_or(usize::MAX);
    let mut out = Pixels::default();
    if keep {
        // The size is only what the header says; beyond this the data has to prove it.
        out.indices.reserve_exact(wanted.min(RESERVE));
    }
    let mut done = 0usize;
    let (mut bits, mut count) = (0u32, 0u32);
    let total: usize = frame.blocks.iter().map(Range::len).sum();
    let mut used = 0;
    for (offset, &byte) in
        frame.blocks.iter().flat_map(|block| block.clone().zip(bytes.get(block.clone()).unwrap_or_default()))
    {
        bits |= u32::from(byte) << count;
        count += 8;
        used += 1;
        while count >= lzw.width {
            let code = bits & ((1 << lzw.width) - 1);
            bits >>= lzw.width;
            count -= lzw.width;
            match lzw.step(code) {
                Step::Clear => greed.end_table(),
                Step::Run(length) => {
                    greed.code(lzw.pair.take(), offset);
                    if keep && done < wanted {
                        lzw.write(code, length, wanted, &mut out.indices);
                    }
                    out.codes += 1;
                    out.torn |= done < wanted && done + length > wanted;
                    done += length;
                }
                Step::End if done < wanted => {
                    let what = format!("a frame's data ends after {done} of {wanted} pixels");
                    return Err(DecodeError::malformed(what, offset as u64));
                }
                Step::End => {
                    out.surplus = total - used;
                    out.extra = done - wanted;
                    return Ok(out);
                }
                Step::Wrong if done >= wanted => {
                    out.surplus = total - used;
                    out.extra = done - wanted;
                    out.no_end_code = true;
                    return Ok(out);
                }
                Step::Wrong => {
                    let what = format!("a code that cannot be, after {done} of {wanted} pixels of a frame");
                    return Err(DecodeError::malformed(what, offset as u64));
                }
            }
        }
    }
    if done < wanted {
        let end = frame.blocks.last().map_or(frame.at, |block| block.end);
        let what = format!("a frame's data ends after {done} of {wanted} pixels");
        return Err(DecodeError::malformed(what, end as u64));
    }
    out.extra = done - wanted;
    out.no_end_code = true;
    Ok(out)
}

enum Step {
    Clear,
    /// So many pixels.
    Run(usize),
    End,
    Wrong,
}

/// The code table.
struct Lzw {
    code_size: u32,
    width: u32,
    previous: Option<u16>,
    table: Vec<Entry>,
    /// For each code and index, the code of both, if there is one: an entry that says so tells, so what is left of other tables does not
    /// matter.
    successors: Vec<u16>,
    /// The code before the last one and the first index of that have a code of their own, this one among the successors.
    pair: Option<u16>,
}

/// What a code stands for.
#[derive(Clone, Copy, Default)]
struct Entry {
    prefix: u16,
    first: u8,
    last: u8,
    /// In pixels.
    length: u16,
    /// How many entries have it as their prefix, and how many others had the prefix of this one before.
    successors: u16,
    number: u16,
}

impl Lzw {
    fn new(code_size: u32, mut successors: Vec<u16>) -> Self {
        let mut table: Vec<Entry> = Vec::with_capacity(1 << MAX_BITS);
        let roots = 1u32 << code_size;
        table.extend((0..roots).map(|root| {
            let root = u8::try_from(root).unwrap_or(u8::MAX);
            Entry { prefix: u16::MAX, first: root, last: root, length: 1, ..Entry::default() }
        }));
        // The clear code and the end code.
        table.extend([Entry { prefix: u16::MAX, ..Entry::default() }; 2]);
        successors.resize(1 << (MAX_BITS + 8), 0);
        Self { code_size, width: code_size + 1, previous: None, table, successors, pair: None }
    }

    fn step(&mut self, code: u32) -> Step {
        let clear = 1u32 << self.code_size;
        if code == clear {
            self.table.truncate(clear as usize + 2);
            self.table.iter_mut().for_each(|entry| entry.successors = 0);
            self.width = self.code_size + 1;
            self.previous = None;
            return Step::Clear;
        }
        if code == clear + 1 {
            return Step::End;
        }
        let known = self.table.get(code as usize).copied();
        if let Some(previous) = self.previous {
            let Some(&Entry { first, .. }) = self.table.get(usize::from(previous)) else {
                return Step::Wrong;
            };
            let next = self.table.len();
            // The code may be the one that is being defined.
            let last = match known {
                Some(known) => known.first,
                None if code as usize == next => first,
                None => return Step::Wrong,
            };
            self.pair = self.successor(previous, last).map(|entry| entry.number);
            if next < 1 << MAX_BITS {
                self.define(previous, last);
                if next + 1 == 1 << self.width && self.width < MAX_BITS {
                    self.width += 1;
                }
            } else if known.is_none() {
                return Step::Wrong;
            }
        } else if known.is_none() || code > clear {
            return Step::Wrong;
        }
        self.previous = u16::try_from(code).ok();
        self.table.get(code as usize).map_or(Step::Wrong, |entry| Step::Run(usize::from(entry.length)))
    }

    /// The code of a run and the index behind it.
    fn successor(&self, prefix: u16, last: u8) -> Option<&Entry> {
        let code = *self.successors.get(usize::from(prefix) << 8 | usize::from(last))?;
        self.table.get(usize::from(code)).filter(|entry| entry.prefix == prefix && entry.last == last)
    }

    fn define(&mut self, prefix: u16, last: u8) {
        let next = self.table.len();
        let Some(run) = self.table.get_mut(usize::from(prefix)) else { return };
        let (first, length, number) = (run.first, run.length.saturating_add(1), run.successors);
        run.successors += 1;
        self.table.push(Entry { prefix, first, last, length, successors: 0, number });
        let place = self.successors.get_mut(usize::from(prefix) << 8 | usize::from(last));
        if let (Some(place), Ok(next)) = (place, u16::try_from(next)) {
            *place = next;
        }
    }

    fn write(&self, code: u32, length: usize, wanted: usize, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + length, 0);
        let mut at = code as usize;
        for place in out.get_mut(start..).unwrap_or_default().iter_mut().rev() {
            let Some(&Entry { prefix, last, .. }) = self.table.get(at) else { break };
            *place = last;
            at = usize::from(prefix);
        }
        out.truncate(wanted);
    }
}
