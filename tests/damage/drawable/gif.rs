//! Other colours in the tables of a GIF, and other codes in its data.

use std::collections::HashSet;
use std::ops::Range;

/// Where the parts of a GIF are.
struct Parts {
    tables: Vec<Range<usize>>,
    frames: Vec<Frame>,
}

struct Frame {
    pixels: usize,
    code_size: u32,
    /// The blocks of its data, without their lengths.
    blocks: Vec<Range<usize>>,
}

/// Whether a copy differs in colours and codes alone, and its codes are those that the textbook's encoder writes.
///
/// Any three bytes are a colour. A code that was changed may leave a picture of as many pixels; an encoder takes the longest run that its
/// table has, so it is its codes unless the table has a code for some run together with the next pixel.
pub fn is_drawable(sound: &[u8], copy: &[u8]) -> bool {
    let Some(parts) = Parts::of(copy) else { return false };
    if sound.len() != copy.len() {
        return false;
    }
    let changed = |range: &Range<usize>| sound[range.clone()] != copy[range.clone()];
    let mut same = sound.to_vec();
    let blocks = parts.frames.iter().flat_map(|frame| &frame.blocks);
    for range in parts.tables.iter().chain(blocks) {
        same[range.clone()].copy_from_slice(&copy[range.clone()]);
    }
    let mut frames = parts.frames.iter().filter(|frame| frame.blocks.iter().any(changed));
    sound != copy && same == copy && frames.all(|frame| frame.is_textbook(copy))
}

impl Parts {
    fn of(bytes: &[u8]) -> Option<Self> {
        let mut parts = Self { tables: Vec::new(), frames: Vec::new() };
        if !bytes.starts_with(b"GIF8") {
            return None;
        }
        let mut at = parts.table(*bytes.get(10)?, 13);
        loop {
            match *bytes.get(at)? {
                0x21 => at = blocks(bytes, at + 2)?.1,
                0x2C => {
                    let word = |place: usize| {
                        Some(usize::from(u16::from_le_bytes(*bytes.get(place..)?.first_chunk()?)))
                    };
                    let pixels = word(at + 5)? * word(at + 7)?;
                    let data = parts.table(*bytes.get(at + 9)?, at + 10);
                    let code_size = u32::from(*bytes.get(data)?);
                    if !(2..=8).contains(&code_size) {
                        return None;
                    }
                    let (blocks, end) = blocks(bytes, data + 1)?;
                    parts.frames.push(Frame { pixels, code_size, blocks });
                    at = end;
                }
                0x3B => break,
                _ => return None,
            }
        }
        parts.tables.iter().all(|table| table.end <= bytes.len()).then_some(parts)
    }

    /// Notes the colour table that these flags announce; gives where it ends.
    fn table(&mut self, flags: u8, at: usize) -> usize {
        if flags & 0x80 == 0 {
            return at;
        }
        let end = at + (6 << (flags & 7));
        self.tables.push(at..end);
        end
    }
}

/// Blocks from a place on, and where they end.
fn blocks(bytes: &[u8], mut at: usize) -> Option<(Vec<Range<usize>>, usize)> {
    let mut blocks = Vec::new();
    loop {
        let length = usize::from(*bytes.get(at)?);
        let block = at + 1..at + 1 + length;
        at = block.end;
        if length == 0 {
            return Some((blocks, at));
        }
        bytes.get(block.clone())?;
        blocks.push(block);
    }
}

impl Frame {
    /// Whether the codes give exactly the pixels, and an encoder would have written no others.
    fn is_textbook(&self, bytes: &[u8]) -> bool {
        let data: Vec<u8> = self.blocks.iter().flat_map(|block| &bytes[block.clone()]).copied().collect();
        let clear = 1 << self.code_size;
        let mut bits = data.iter().flat_map(|byte| (0..8).map(move |bit| usize::from(byte >> bit & 1)));
        // Of each code its first pixel and its length.
        let mut runs: Vec<(usize, usize)> = Vec::new();
        let mut pairs = HashSet::new();
        let (mut before, mut pixels) = (None, 0);
        loop {
            if runs.is_empty() {
                runs.extend((0..clear + 2).map(|pixel| (pixel, 1)));
            }
            let width = runs.len().ilog2().min(11) + 1;
            let code = (0..width).try_fold(0, |code, bit| Some(code | bits.next()? << bit));
            match code {
                None => return false,
                Some(code) if code == clear => {
                    runs.clear();
                    pairs.clear();
                    before = None;
                }
                Some(code) if code == clear + 1 => return pixels == self.pixels && bits.count() < 16,
                Some(code) => {
                    let whole: Option<&(usize, usize)> = before.and_then(|before: usize| runs.get(before));
                    let Some((first, _)) = runs.get(code).or(whole).copied() else { return false };
                    if let (Some(before), Some(&(start, length))) = (before, whole) {
                        if pairs.contains(&(before, first)) || code > runs.len() {
                            return false;
                        }
                        if runs.len() < 4096 {
                            pairs.insert((before, first));
                            runs.push((start, length + 1));
                        }
                    }
                    let Some((_, length)) = runs.get(code) else { return false };
                    pixels += length;
                    before = Some(code);
                }
            }
        }
    }
}
