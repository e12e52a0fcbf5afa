//! PNG and APNG files chunk by chunk (PNG specification, third edition), with every checksum and every compressed stream.

use std::ops::Range;

use flate2::{Decompress, FlushDecompress, Status};

use crate::model::{DecodeError, PixelSize};

/// What every PNG file begins with.
pub const SIGNATURE: &[u8; 8] = b"\x89PNG\r\n\x1a\n";
/// Image data behind the last row that is still looked at.
const SURPLUS: u64 = 1 << 16;

/// The IHDR chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Size of the picture.
    pub size: PixelSize,
    /// Bits per sample or palette index.
    pub depth: u8,
    /// Colour type: 0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGB with alpha.
    pub color: u8,
    /// Adam7 interlacing.
    pub interlaced: bool,
}

impl Header {
    /// Channels in the file.
    pub const fn channels(self) -> u64 {
        match self.color {
            2 => 3,
            4 => 2,
            6 => 4,
            _ => 1,
        }
    }

    /// Bytes of one row without its filter byte.
    fn row_bytes(self, width: u64) -> u64 {
        (width * self.channels() * u64::from(self.depth)).div_ceil(8)
    }

    /// Bytes that the compressed stream of a picture of this size must give.
    fn raw_bytes(self, size: PixelSize) -> u64 {
        let (width, height) = (u64::from(size.width), u64::from(size.height));
        if !self.interlaced {
            return height * (1 + self.row_bytes(width));
        }
        // First column and row and the steps of the seven passes.
        [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
            .iter()
            .map(|&(x, y, dx, dy): &(u64, u64, u64, u64)| {
                let columns = width.saturating_sub(x).div_ceil(dx);
                let rows = height.saturating_sub(y).div_ceil(dy);
                if columns == 0 { 0 } else { rows * (1 + self.row_bytes(columns)) }
            })
            .sum()
    }
}

/// What an uncompressed XMP packet begins with.
const XMP_KEYWORD: &[u8] = b"XML:com.adobe.xmp\0\0\0\0\0";

/// One compressed picture: the default image or a frame of an animation.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Picture {
    size: PixelSize,
    /// Compressed data, in order.
    pieces: Vec<Range<usize>>,
}

/// The outline of a file.
#[derive(Debug, Default)]
pub struct Outline {
    /// The header, when there is a legal one.
    pub header: Option<Header>,
    /// The EXIF block.
    pub exif: Option<Range<usize>>,
    /// The XMP packet, where it stands uncompressed.
    pub xmp: Option<Range<usize>>,
    /// Whether the palette or colour key makes pixels transparent.
    pub transparency: bool,
    /// Apple's variant for its own devices, which no other decoder reads.
    pub apple: bool,
    /// The first thing that is wrong.
    pub problem: Option<DecodeError>,
    /// Wrong, but without meaning for the picture.
    pub oddities: Vec<DecodeError>,
    pictures: Vec<Picture>,
}

/// Walks all chunks up to IEND and checks their checksums. What follows IEND is not looked at.
pub fn walk(bytes: &[u8]) -> Outline {
    let mut outline = Outline::default();
    if let Err(error) = outline.fill(bytes) {
        outline.problem = Some(error);
    }
    outline
}

impl Outline {
    fn fill(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        let mut at = SIGNATURE.len();
        // The default image; frames of an animation follow it.
        let mut default = Vec::new();
        loop {
            let (kind, body) = chunk(bytes, at)?;
            let end = body.end + 4;
            if let Err(error) = check_crc(bytes, at, &kind, &body) {
                // Lower case: the picture can be shown without it.
                if kind.first().is_some_and(u8::is_ascii_lowercase) && &kind != b"fdAT" && &kind != b"fcTL" {
                    self.oddities.push(error);
                } else {
                    return Err(error);
                }
            }
            let data = bytes.get(body.clone()).unwrap_or_default();
            match &kind {
                b"IHDR" => self.header(data, at)?,
                b"CgBI" => self.apple = true,
                b"IEND" => break,
                _ if self.header.is_none() && !self.apple => {
                    return Err(DecodeError::malformed("the first chunk is not IHDR", at as u64));
                }
                b"IDAT" => default.push(body.clone()),
                b"eXIf" => self.exif = Some(body.clone()),
                // Compression flag and method, no language, no translated keyword (XMP specification part 3, 1.1.5).
                b"iTXt" if data.starts_with(XMP_KEYWORD) => {
                    self.xmp = Some(body.start + XMP_KEYWORD.len()..body.end);
                }
                b"tRNS" => self.transparency = true,
                b"fcTL" => self.frame(data, !default.is_empty()),
                b"fdAT" => {
                    let piece = (body.start + 4).min(body.end)..body.end;
                    match self.pictures.last_mut() {
                        Some(picture) => picture.pieces.push(piece),
                        None => self.oddities.push(DecodeError::malformed("fdAT before any fcTL", at as u64)),
                    }
                }
                _ => {}
            }
            at = end;
        }
        let Some(header) = self.header else {
            return Err(DecodeError::malformed("no IHDR chunk", at as u64));
        };
        if default.is_empty() {
            return Err(DecodeError::malformed("no IDAT chunk", at as u64));
        }
        self.pictures.insert(0, Picture { size: header.size, pieces: default });
        Ok(())
    }

    fn header(&mut self, data: &[u8], at: usize) -> Result<(), DecodeError> {
        let wrong = |what: &str| Err(DecodeError::malformed(what, at as u64));
        let [w3, w2, w1, w0, h3, h2, h1, h0, depth, color, compression, filter, interlace] = *data else {
            return wrong("the IHDR chunk has a wrong length");
        };
        if self.header.is_some() {
            return wrong("a second IHDR chunk");
        }
        let size = PixelSize::new(u32::from_be_bytes([w3, w2, w1, w0]), u32::from_be_bytes([h3, h2, h1, h0]));
        if size.width == 0 || size.height == 0 || size.width > 1 << 31 || size.height > 1 << 31 {
            return wrong("IHDR: width or height outside 1 to 2^31");
        }
        let legal = match color {
            0 => matches!(depth, 1 | 2 | 4 | 8 | 16),
            3 => matches!(depth, 1 | 2 | 4 | 8),
            2 | 4 | 6 => matches!(depth, 8 | 16),
            _ => false,
        };
        if !legal || compression != 0 || filter != 0 || interlace > 1 {
            return wrong("IHDR: no such colour type, depth, compression, filter or interlacing");
        }
        self.header = Some(Header { size, depth, color, interlaced: interlace == 1 });
        Ok(())
    }

    /// A frame of an animation. The one before the image data describes the default image.
    fn frame(&mut self, data: &[u8], after_default: bool) {
        if let (true, Some(&[w3, w2, w1, w0, h3, h2, h1, h0])) = (after_default, data.get(4..12)) {
            let size =
                PixelSize::new(u32::from_be_bytes([w3, w2, w1, w0]), u32::from_be_bytes([h3, h2, h1, h0]));
            self.pictures.push(Picture { size, pieces: Vec::new() });
        }
    }

    /// Decompresses the data of all pictures, keeping nothing: each stream must be sound and give all rows. The
    /// caller has checked the size against its limits.
    pub fn inflate_all(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        let Some(header) = self.header else { return Ok(()) };
        for (number, picture) in self.pictures.iter().enumerate() {
            if number > 0 && (picture.pieces.is_empty() || picture.size.pixels() > header.size.pixels()) {
                let what = format!("frame {number} of the animation has no data or an impossible size");
                self.oddities.push(DecodeError::malformed(what, None));
                continue;
            }
            if let Some(oddity) = inflate(bytes, picture, header, number)? {
                self.oddities.push(oddity);
            }
        }
        Ok(())
    }
}

/// Kind and body of the chunk at `at`.
fn chunk(bytes: &[u8], at: usize) -> Result<([u8; 4], Range<usize>), DecodeError> {
    let end = bytes.len();
    let ended = |expected: usize| DecodeError::Truncated {
        what: "a chunk of the PNG file".into(),
        offset: Some(at as u64),
        expected: Some(expected as u64),
        found: Some(end as u64),
    };
    let Some(&[l3, l2, l1, l0, a, b, c, d]) = bytes.get(at..at + 8) else { return Err(ended(at + 12)) };
    let kind = [a, b, c, d];
    let length = u32::from_be_bytes([l3, l2, l1, l0]) as usize;
    if !kind.iter().all(u8::is_ascii_alphabetic) || length > i32::MAX as usize {
        return Err(DecodeError::malformed("no chunk header where one is due", at as u64));
    }
    if at + 12 + length > end {
        return Err(ended(at + 12 + length));
    }
    Ok((kind, at + 8..at + 8 + length))
}

fn check_crc(bytes: &[u8], at: usize, kind: &[u8], body: &Range<usize>) -> Result<(), DecodeError> {
    let mut crc = flate2::Crc::new();
    crc.update(bytes.get(at + 4..body.end).unwrap_or_default());
    if bytes.get(body.end..body.end + 4) == Some(&crc.sum().to_be_bytes()) {
        return Ok(());
    }
    let name = String::from_utf8_lossy(kind);
    Err(DecodeError::malformed(format!("the checksum of chunk {name} is wrong"), at as u64))
}

/// Decompresses one picture. Data behind the last row is an oddity.
fn inflate(
    bytes: &[u8],
    picture: &Picture,
    header: Header,
    number: usize,
) -> Result<Option<DecodeError>, DecodeError> {
    let expected = header.raw_bytes(picture.size);
    let name = if number == 0 { "the image data".into() } else { format!("the data of frame {number}") };
    let mut stream = Decompress::new(true);
    let mut out = vec![0u8; 1 << 16];
    for piece in &picture.pieces {
        let mut input = bytes.get(piece.clone()).unwrap_or_default();
        loop {
            let (before_in, before_out) = (stream.total_in(), stream.total_out());
            let status = stream.decompress(input, &mut out, FlushDecompress::None).map_err(|error| {
                DecodeError::malformed(
                    format!("{name}: {error} after {} of {expected} bytes", stream.total_out()),
                    piece.start as u64,
                )
            })?;
            let used = usize::try_from(stream.total_in() - before_in).unwrap_or(usize::MAX);
            input = input.get(used..).unwrap_or_default();
            let total = stream.total_out();
            match status {
                Status::StreamEnd if total < expected => {
                    let what =
                        format!("{name}: the compressed stream ends after {total} of {expected} bytes");
                    return Err(DecodeError::malformed(what, piece.end as u64));
                }
                Status::StreamEnd if total == expected => return Ok(None),
                _ if status == Status::StreamEnd || total > expected + SURPLUS => {
                    return Ok(Some(DecodeError::malformed(
                        format!("{name}: more than {expected} bytes"),
                        None,
                    )));
                }
                _ if input.is_empty() && total - before_out < out.len() as u64 => break,
                _ if used == 0 && total == before_out => break,
                _ => {}
            }
        }
    }
    let total = stream.total_out();
    if total >= expected {
        // All rows are there; only the end of the stream with its checksum is not.
        return Err(DecodeError::malformed(format!("{name}: the compressed stream has no end"), None));
    }
    let end = picture.pieces.last().map_or(0, |piece| piece.end as u64);
    Err(DecodeError::truncated(format!("{name} after {total} of {expected} bytes"), end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_length_of_interlaced_pictures() {
        let header = Header { size: PixelSize::new(1, 1), depth: 1, color: 0, interlaced: true };
        assert_eq!(header.raw_bytes(PixelSize::new(1, 1)), 2);
        // Seven passes of an 8 x 8 grey picture: 1+1+2+4+8+16+32 samples in 1+1+1+2+2+4+4 rows.
        let grey = Header { depth: 8, ..header };
        assert_eq!(grey.raw_bytes(PixelSize::new(8, 8)), 64 + 15);
    }
}
