//! WebP files chunk by chunk (RIFF, and the WebP container specification, RFC 9649 section 2).

use std::ops::Range;

use crate::model::{DecodeError, PixelSize};

use super::{Flaw, vp8, vp8l};

/// More frames than any animation has.
const MAX_FRAMES: usize = 100_000;

/// One picture: a still, or a frame of an animation.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Picture {
    /// Where its chunks stand, alpha chunk included: what the decoder gets.
    pub data: Range<usize>,
    /// Contents of its VP8 or VP8L chunk.
    pub payload: Range<usize>,
    /// Contents of the ALPH chunk before it.
    pub alpha: Option<Range<usize>>,
    /// Columns to the left of it on the canvas.
    pub left: u32,
    /// Rows above it.
    pub top: u32,
    /// Its size, by its own header.
    pub size: PixelSize,
    /// Coded without loss.
    pub lossless: bool,
}

/// A flaw, and the name of the check that found it.
pub type Finding = (&'static str, Flaw);

impl Picture {
    /// Walks the coded data to the end, as far as they are there.
    pub fn walk(&self, bytes: &[u8]) -> Result<(), Finding> {
        let data = bytes.get(self.payload.start..self.payload.end.min(bytes.len())).unwrap_or_default();
        let whole = data.len() == self.payload.len();
        let at = self.payload.start as u64;
        if self.lossless {
            return vp8l::walk(data, at, whole).map_err(|flaw| ("VP8L walk", flaw));
        }
        vp8::walk(data, at, whole).map_err(|flaw| ("VP8 walk", flaw))?;
        let Some(alpha) = &self.alpha else { return Ok(()) };
        let data = bytes.get(alpha.clone()).unwrap_or_default();
        walk_alpha(data, alpha.start as u64, self.size).map_err(|flaw| ("WebP alpha walk", flaw))
    }
}

/// The alpha plane of a lossy picture (RFC 9649 section 2.7.1.2).
fn walk_alpha(data: &[u8], at: u64, size: PixelSize) -> Result<(), Flaw> {
    let wrong = |what| Err(DecodeError::malformed(what, at).into());
    let Some((header, data)) = data.split_first() else { return wrong("an empty ALPH chunk") };
    // Preprocessing above 1 and the reserved bits.
    if header & 0b1110_0000 != 0 {
        return wrong("an ALPH chunk of a kind that does not exist");
    }
    match header & 0b11 {
        // A writer may count the byte that fills up to an even length.
        0 => match (data.len() as u64).checked_sub(size.pixels()) {
            None => wrong("the alpha plane is too short"),
            Some(0 | 1) => Ok(()),
            Some(_) => wrong("data is left over behind the alpha plane"),
        },
        1 => vp8l::walk_alpha(data, at + 1, size.width, size.height),
        _ => wrong("an ALPH chunk of a compression that does not exist"),
    }
}

/// The outline of a file.
#[derive(Debug, Default)]
pub struct Outline {
    /// Size of the canvas, or of the only picture.
    pub canvas: PixelSize,
    /// The pictures in order.
    pub pictures: Vec<Picture>,
    /// Several pictures were promised.
    pub animated: bool,
    /// ICC profile.
    pub icc: Option<Range<usize>>,
    /// EXIF block.
    pub exif: Option<Range<usize>>,
    /// XMP packet.
    pub xmp: Option<Range<usize>>,
    /// The picture in whose data the file ends, which is not among the others.
    pub cut: Option<Picture>,
    /// The first thing that is wrong.
    pub problem: Option<DecodeError>,
}

/// Walks all chunks that the RIFF header claims; what follows is not looked at.
pub fn walk(bytes: &[u8]) -> Outline {
    let mut outline = Outline::default();
    if let Err(error) = outline.fill(bytes) {
        outline.problem = Some(error);
    }
    outline
}

/// Size of the canvas by the first chunk's header, which is all that the first 64 bytes of a file are needed for.
pub fn canvas(head: &[u8]) -> Option<PixelSize> {
    let kind: [u8; 4] = head.get(12..16)?.try_into().ok()?;
    let data = head.get(20..)?;
    if &kind == b"VP8X" {
        let mut outline = Outline::default();
        outline.extended(data.get(..10)?, 12).ok()?;
        return Some(outline.canvas);
    }
    picture(head, &Chunk { kind, at: 12, body: 20..head.len() }).ok().map(|picture| picture.size)
}

struct Chunk {
    kind: [u8; 4],
    at: usize,
    body: Range<usize>,
}

impl Outline {
    fn fill(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        let claimed = u32_at(bytes, 4).ok_or_else(|| DecodeError::truncated("the RIFF header", 0))? as usize;
        let end = claimed.saturating_add(8);
        if bytes.len() < 12 || claimed < 4 {
            return Err(DecodeError::truncated("the RIFF header", bytes.len() as u64));
        }
        let mut extended = false;
        let mut alpha = None;
        let mut at = 12;
        let result = loop {
            if at + 8 > end.min(bytes.len()) {
                break Ok(());
            }
            let chunk = match chunk(bytes, at, end) {
                Ok(chunk) => chunk,
                Err(error) => {
                    if !self.animated && self.pictures.is_empty() {
                        self.cut = cut_picture(bytes, at, alpha);
                    }
                    break Err(error);
                }
            };
            if at == 12 && !matches!(&chunk.kind, b"VP8 " | b"VP8L" | b"VP8X") {
                break Err(DecodeError::malformed("the first chunk is neither a picture nor VP8X", 12));
            }
            let picture_before = !self.pictures.is_empty();
            let data = bytes.get(chunk.body.clone()).unwrap_or_default();
            match &chunk.kind {
                b"VP8X" if at == 12 => {
                    extended = true;
                    if let Err(error) = self.extended(data, chunk.at) {
                        break Err(error);
                    }
                }
                b"ICCP" => self.icc = Some(chunk.body.clone()),
                b"EXIF" => self.exif = Some(chunk.body.clone()),
                b"XMP " => self.xmp = Some(chunk.body.clone()),
                b"ALPH" => alpha = Some(chunk.body.clone()),
                // The alpha of a still stands before its picture.
                b"VP8 " | b"VP8L" if !self.animated && self.pictures.is_empty() => {
                    match picture(bytes, &chunk) {
                        Ok(picture) => {
                            if !extended {
                                self.canvas = picture.size;
                            }
                            if self.canvas != picture.size {
                                let what = "the canvas and its only picture differ in size";
                                break Err(DecodeError::malformed(what, chunk.at as u64));
                            }
                            self.pictures.push(Picture {
                                data: 0..chunk.body.end,
                                alpha: alpha.take(),
                                ..picture
                            });
                        }
                        Err(error) => break Err(error),
                    }
                }
                b"ANMF" if self.animated => match animation_frame(bytes, &chunk, self.canvas) {
                    Ok(picture) if self.pictures.len() < MAX_FRAMES => self.pictures.push(picture),
                    Ok(_) => break Err(DecodeError::limit("frames", format!("{MAX_FRAMES} frames"))),
                    Err(error) => break Err(error),
                },
                _ => {}
            }
            if extended && !self.animated && !picture_before && chunk.body.end + (chunk.body.len() & 1) > end
            {
                break Err(DecodeError::malformed(
                    "a chunk's padding is outside its container",
                    chunk.at as u64,
                ));
            }
            // Chunks begin at even offsets.
            at = chunk.body.end + (chunk.body.len() & 1);
        };
        if end > bytes.len() {
            return Err(DecodeError::Truncated {
                what: "the RIFF container".into(),
                offset: Some(bytes.len() as u64),
                expected: Some(end as u64),
                found: Some(bytes.len() as u64),
            });
        }
        result?;
        if self.pictures.is_empty() {
            return Err(DecodeError::malformed("no picture in the container", 12));
        }
        Ok(())
    }

    fn extended(&mut self, data: &[u8], at: usize) -> Result<(), DecodeError> {
        let &[flags, _, _, _, w0, w1, w2, h0, h1, h2] = data else {
            return Err(DecodeError::malformed("the VP8X chunk is not 10 bytes long", at as u64));
        };
        self.animated = flags & 2 != 0;
        self.canvas = PixelSize::new(le24(w0, w1, w2) + 1, le24(h0, h1, h2) + 1);
        if self.canvas.pixels() > u64::from(u32::MAX) {
            return Err(DecodeError::malformed("a canvas larger than any can be", at as u64));
        }
        Ok(())
    }
}

const fn le24(low: u8, middle: u8, high: u8) -> u32 {
    u32::from_le_bytes([low, middle, high, 0])
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// The chunk at `at`, inside a container that ends at `end`.
fn chunk(bytes: &[u8], at: usize, end: usize) -> Result<Chunk, DecodeError> {
    let wrong = |what: &str| DecodeError::malformed(what, at as u64);
    let kind: [u8; 4] =
        bytes.get(at..at + 4).and_then(|kind| kind.try_into().ok()).ok_or_else(|| wrong("a chunk header"))?;
    if !kind.iter().all(|byte| (0x20..0x7F).contains(byte)) {
        return Err(wrong("no chunk header where one is due"));
    }
    let length = u32_at(bytes, at + 4).ok_or_else(|| wrong("a chunk header"))? as usize;
    let stop = (at + 8).saturating_add(length);
    if stop > end {
        return Err(wrong("a chunk is longer than its container"));
    }
    if stop > bytes.len() {
        return Err(DecodeError::Truncated {
            what: format!("chunk {}", String::from_utf8_lossy(&kind)),
            offset: Some(at as u64),
            expected: Some(stop as u64),
            found: Some(bytes.len() as u64),
        });
    }
    Ok(Chunk { kind, at, body: at + 8..stop })
}

/// Reads the header of a VP8 or VP8L chunk (RFC 6386 section 9.1; RFC 9649 section 3.4).
fn picture(bytes: &[u8], chunk: &Chunk) -> Result<Picture, DecodeError> {
    let data = bytes.get(chunk.body.clone()).unwrap_or_default();
    let lossless = &chunk.kind == b"VP8L";
    let size = if lossless {
        match data.get(..5) {
            Some(&[0x2F, a, b, c, d]) => {
                let bits = u32::from_le_bytes([a, b, c, d]);
                Some(PixelSize::new((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1))
            }
            _ => None,
        }
    } else {
        match data.get(3..10) {
            // A frame that is not to be shown is no picture.
            Some(&[0x9D, 0x01, 0x2A, w0, w1, h0, h1]) if data.first().is_some_and(|tag| tag & 0x10 != 0) => {
                let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3FFF);
                Some(PixelSize::new(side(w0, w1), side(h0, h1)))
            }
            _ => None,
        }
    };
    let size = size.filter(|size| size.pixels() > 0).ok_or_else(|| {
        DecodeError::malformed("no picture header in the VP8 or VP8L chunk", chunk.body.start as u64)
    })?;
    let data = chunk.at..chunk.body.end;
    Ok(Picture { data, payload: chunk.body.clone(), alpha: None, left: 0, top: 0, size, lossless })
}

/// The picture whose chunk begins at `at` and goes past the end of the file.
fn cut_picture(bytes: &[u8], at: usize, alpha: Option<Range<usize>>) -> Option<Picture> {
    let kind: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
    let length = u32_at(bytes, at + 4)? as usize;
    let here = picture(bytes, &Chunk { kind, at, body: at + 8..bytes.len() }).ok();
    here.filter(|_| matches!(&kind, b"VP8 " | b"VP8L")).map(|picture| Picture {
        payload: at + 8..(at + 8).saturating_add(length),
        alpha,
        ..picture
    })
}

fn animation_frame(bytes: &[u8], frame: &Chunk, canvas: PixelSize) -> Result<Picture, DecodeError> {
    let wrong = |what: &str| DecodeError::malformed(what, frame.at as u64);
    let header = bytes.get(frame.body.clone()).and_then(|body| body.first_chunk::<16>());
    let Some(&[x0, x1, x2, y0, y1, y2, w0, w1, w2, h0, h1, h2, ..]) = header else {
        return Err(wrong("an ANMF chunk is too short"));
    };
    let (left, top) = (le24(x0, x1, x2) * 2, le24(y0, y1, y2) * 2);
    let size = PixelSize::new(le24(w0, w1, w2) + 1, le24(h0, h1, h2) + 1);
    if left + size.width > canvas.width || top + size.height > canvas.height {
        return Err(wrong("an animation's frame outside the canvas"));
    }
    let start = frame.body.start + 16;
    let mut alpha = None;
    let mut at = start;
    while at + 8 <= frame.body.end {
        let inner = chunk(bytes, at, frame.body.end)?;
        match &inner.kind {
            b"VP8 " | b"VP8L" => {
                let found = picture(bytes, &inner)?;
                if found.size != size {
                    return Err(wrong("an animation's frame and its picture differ in size"));
                }
                return Ok(Picture { data: start..inner.body.end, alpha, left, top, ..found });
            }
            b"ALPH" => alpha = Some(inner.body.clone()),
            _ if at == start => return Err(wrong("an animation's frame does not begin with its picture")),
            _ => {}
        }
        at = inner.body.end + (inner.body.len() & 1);
    }
    Err(wrong("an ANMF chunk without a picture"))
}

#[cfg(test)]
mod tests;
