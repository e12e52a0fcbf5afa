//! WebP files chunk by chunk (RIFF, and the WebP container specification).

use std::ops::Range;

use crate::model::{DecodeError, PixelSize};

/// More frames than any animation has.
const MAX_FRAMES: usize = 100_000;

/// One picture: a still, or a frame of an animation.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Picture {
    /// Where its chunks stand, alpha chunk included: what the decoder gets.
    pub data: Range<usize>,
    /// Contents of its VP8 or VP8L chunk.
    pub payload: Range<usize>,
    /// Columns to the left of it on the canvas.
    pub left: u32,
    /// Rows above it.
    pub top: u32,
    /// Its size, by its own header.
    pub size: PixelSize,
    /// Coded without loss.
    pub lossless: bool,
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
        outline.extended(data, 12).ok()?;
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
        let mut at = 12;
        let result = loop {
            if at + 8 > end.min(bytes.len()) {
                break Ok(());
            }
            let chunk = match chunk(bytes, at, end) {
                Ok(chunk) => chunk,
                Err(error) => break Err(error),
            };
            let data = bytes.get(chunk.body.clone()).unwrap_or_default();
            match &chunk.kind {
                b"VP8X" => {
                    extended = true;
                    if let Err(error) = self.extended(data, chunk.at) {
                        break Err(error);
                    }
                }
                b"ICCP" => self.icc = Some(chunk.body.clone()),
                b"EXIF" => self.exif = Some(chunk.body.clone()),
                // The alpha of a still stands before its picture.
                b"VP8 " | b"VP8L" if !self.animated && self.pictures.is_empty() => {
                    match picture(bytes, &chunk) {
                        Ok(picture) => {
                            if !extended {
                                self.canvas = picture.size;
                            }
                            self.pictures.push(Picture { data: 0..chunk.body.end, ..picture });
                        }
                        Err(error) => break Err(error),
                    }
                }
                b"ANMF" => match animation_frame(bytes, &chunk) {
                    Ok(picture) if self.pictures.len() < MAX_FRAMES => self.pictures.push(picture),
                    Ok(_) => break Err(DecodeError::limit("frames", format!("{MAX_FRAMES} frames"))),
                    Err(error) => break Err(error),
                },
                _ => {}
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
        let Some(&[flags, _, _, _, w0, w1, w2, h0, h1, h2]) = data.get(..10) else {
            return Err(DecodeError::malformed("the VP8X chunk is too short", at as u64));
        };
        self.animated = flags & 2 != 0;
        self.canvas = PixelSize::new(le24(w0, w1, w2) + 1, le24(h0, h1, h2) + 1);
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
            Some(&[0x9D, 0x01, 0x2A, w0, w1, h0, h1]) => {
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
    Ok(Picture { data, payload: chunk.body.clone(), left: 0, top: 0, size, lossless })
}

fn animation_frame(bytes: &[u8], frame: &Chunk) -> Result<Picture, DecodeError> {
    let wrong = |what: &str| DecodeError::malformed(what, frame.at as u64);
    let header = bytes.get(frame.body.clone()).and_then(|body| body.get(..16));
    let Some(&[x0, x1, x2, y0, y1, y2, ..]) = header else {
        return Err(wrong("an ANMF chunk is too short"));
    };
    let start = frame.body.start + 16;
    let mut at = start;
    while at + 8 <= frame.body.end {
        let inner = chunk(bytes, at, frame.body.end)?;
        if matches!(&inner.kind, b"VP8 " | b"VP8L") {
            let (left, top) = (le24(x0, x1, x2) * 2, le24(y0, y1, y2) * 2);
            return Ok(Picture { data: start..inner.body.end, left, top, ..picture(bytes, &inner)? });
        }
        at = inner.body.end + (inner.body.len() & 1);
    }
    Err(wrong("an ANMF chunk without a picture"))
}
