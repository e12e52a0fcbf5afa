//! The marker structure of JPEG files (ITU-T T.81 annex B) and the metadata that Immich looks at.
//!
//! Entropy-coded data is only skipped here; its extent is recorded per scan.

use std::ops::Range;

use crate::model::{DecodeError, PixelSize};

/// Cameras leave a few bytes before a marker; up to so many are no damage.
pub const SPARE_BYTES: usize = 64;
/// More scans than any encoder writes.
const MAX_SCANS: usize = 1000;

const SOI: u8 = 0xD8;
const EOI: u8 = 0xD9;
const SOS: u8 = 0xDA;
const DNL: u8 = 0xDC;

/// What the frame header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The marker: 0xC0 baseline, 0xC2 progressive, 0xC3 lossless, 0xC9 and up arithmetic.
    pub marker: u8,
    /// Bits per sample.
    pub precision: u8,
    /// Size; a height of 0 is told later by a DNL marker.
    pub size: PixelSize,
    /// Identifier, horizontal and vertical sampling factor, quantisation table of each component.
    pub components: Vec<Component>,
}

/// One component of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Component {
    /// Identifier used by scans.
    pub id: u8,
    /// Horizontal sampling factor.
    pub h: u8,
    /// Vertical sampling factor.
    pub v: u8,
    /// Quantisation table.
    pub table: u8,
}

impl Frame {
    /// Whether all coefficients must be kept until the end: progressive, Huffman or arithmetic.
    pub const fn progressive(&self) -> bool {
        matches!(self.marker, 0xC2 | 0xC6 | 0xCA | 0xCE)
    }

    /// Whether samples are coded without loss.
    pub const fn lossless(&self) -> bool {
        matches!(self.marker, 0xC3 | 0xC7 | 0xCB | 0xCF)
    }

    /// The largest sampling factors, horizontal and vertical; at least 1.
    pub fn finest(&self) -> (u8, u8) {
        let largest =
            |factor: fn(&Component) -> u8| self.components.iter().map(factor).max().unwrap_or(1).max(1);
        (largest(|c| c.h), largest(|c| c.v))
    }

    /// Samples over all components, padded to whole MCUs.
    pub fn samples(&self) -> u64 {
        let (h_max, v_max) = self.finest();
        let (h_max, v_max) = (u64::from(h_max), u64::from(v_max));
        let columns = u64::from(self.size.width).div_ceil(8 * h_max);
        let rows = u64::from(self.size.height).div_ceil(8 * v_max);
        let blocks: u64 = self.components.iter().map(|c| u64::from(c.h) * u64::from(c.v)).sum();
        columns * rows * blocks * 64
    }
}

/// One scan: its header segment and its entropy-coded data, restart markers included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// Contents of the SOS segment.
    pub header: Range<usize>,
    /// The data up to the next marker that is no restart marker.
    pub data: Range<usize>,
}

/// A segment with a length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The marker's second byte.
    pub marker: u8,
    /// Contents, without marker and length.
    pub body: Range<usize>,
}

/// The outline of one picture.
#[derive(Debug, Default)]
pub struct Outline {
    /// All segments in order, scan headers included.
    pub segments: Vec<Segment>,
    /// The frame header.
    pub frame: Option<Frame>,
    /// The scans in order.
    pub scans: Vec<Scan>,
    /// The number of lines that a DNL segment tells (B.2.5); it counts where the frame header says 0.
    pub lines: Option<u32>,
    /// Whether the first scan holds all components: a sequential picture is then coded in one scan.
    pub interleaved: bool,
    /// Just after the EOI marker.
    pub end: Option<usize>,
    /// Bytes that belong to no segment: offset and count, up to [`SPARE_BYTES`] each.
    pub spare: Vec<(usize, usize)>,
    /// The first thing that is wrong, a missing EOI marker excepted.
    pub problem: Option<DecodeError>,
}

/// Walks the picture that begins at the start of `bytes`. Offsets count from there.
pub fn walk(bytes: &[u8]) -> Outline {
    let mut outline = Outline::default();
    if let Err(error) = outline.fill(bytes) {
        outline.problem = Some(error);
    }
    outline
}

/// Whether what looks like a marker belongs to the bytes that some cameras leave before the end: `gap` is where those may begin, `after`
/// is behind it.
///
/// The EOI marker comes soon, and the marker is one that files do not have there, or would begin a segment that passes over the end and
/// is not followed by a marker.
fn is_spare(bytes: &[u8], gap: usize, marker: u8, after: usize) -> bool {
    let near = bytes.get(gap..).unwrap_or_default();
    let Some(end) = near.windows(2).take(SPARE_BYTES + 2).position(|pair| pair == [0xFF, EOI]) else {
        return false;
    };
    match marker {
        EOI | 0x01 | 0xD0..=0xD7 => false,
        SOI | 0x02..=0xBF => true,
        _ => segment_body(bytes, after, marker)
            .map_or(true, |body| body.end > gap + end && bytes.get(body.end) != Some(&0xFF)),
    }
}

impl Outline {
    fn fill(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        if !bytes.starts_with(&[0xFF, SOI]) {
            return Err(DecodeError::malformed("no SOI marker at the start", 0));
        }
        let mut at = 2;
        loop {
            let Some((marker, after)) = self.next_marker(bytes, at)? else {
                return self.ended_early(bytes);
            };
            at = after;
            match marker {
                EOI => {
                    self.end = Some(at);
                    return self.complete(bytes);
                }
                // TEM and stray restart markers have no length.
                0x01 | 0xD0..=0xD7 => {}
                SOI => {
                    return Err(DecodeError::malformed(
                        "a second SOI marker inside the picture",
                        at as u64 - 2,
                    ));
                }
                _ => {
                    let body = segment_body(bytes, at, marker)?;
                    at = body.end;
                    self.segments.push(Segment { marker, body: body.clone() });
                    match marker {
                        0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => self.frame(bytes, &body)?,
                        DNL => {
                            let lines = bytes.get(body).and_then(<[u8]>::first_chunk);
                            self.lines = lines.map(|lines| u16::from_be_bytes(*lines).into());
                        }
                        SOS => {
                            if self.scans.is_empty() {
                                let count = bytes.get(body.start).copied().map(usize::from);
                                self.interleaved = count == self.frame.as_ref().map(|f| f.components.len());
                            }
                            let end = scan_end(bytes, at);
                            self.scans.push(Scan { header: body, data: at..end });
                            at = end;
                            if self.frame.is_none() {
                                return Err(DecodeError::malformed(
                                    "a scan before the frame header",
                                    at as u64,
                                ));
                            }
                            if self.scans.len() > MAX_SCANS {
                                return Err(DecodeError::limit(
                                    "scans of one JPEG",
                                    format!("{MAX_SCANS} scans"),
                                ));
                            }
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    /// The next marker at or after `at` and the offset behind it; `None` at the end of the file.
    fn next_marker(&mut self, bytes: &[u8], at: usize) -> Result<Option<(u8, usize)>, DecodeError> {
        let mut from = at;
        loop {
            let Some(found) = memchr::memchr(0xFF, bytes.get(from..).unwrap_or_default()) else {
                return Ok(None);
            };
            let first = from + found;
            let fill =
                bytes.get(first..).unwrap_or_default().iter().take_while(|&&byte| byte == 0xFF).count();
            match bytes.get(first + fill) {
                None => return Ok(None),
                Some(0) => from = first + fill + 1,
                Some(&marker) if !self.scans.is_empty() && is_spare(bytes, at, marker, first + fill + 1) => {
                    from = first + fill + 1;
                }
                Some(&marker) => {
                    let spare = first - at;
                    if spare > SPARE_BYTES && !self.scans.is_empty() {
                        return Err(DecodeError::malformed(
                            format!("{spare} bytes that belong to nothing before marker ff{marker:02x}"),
                            at as u64,
                        ));
                    }
                    if spare > 0 {
                        self.spare.push((at, spare));
                    }
                    return Ok(Some((marker, first + fill + 1)));
                }
            }
        }
    }

    fn frame(&mut self, bytes: &[u8], body: &Range<usize>) -> Result<(), DecodeError> {
        let offset = body.start as u64;
        if self.frame.is_some() {
            return Err(DecodeError::malformed("a second frame header", offset));
        }
        let marker = self.segments.last().map_or(0, |segment| segment.marker);
        let short = || DecodeError::malformed("the frame header is too short", offset);
        let data = bytes.get(body.clone()).unwrap_or_default();
        let [precision, h1, h0, w1, w0, count, rest @ ..] = data else { return Err(short()) };
        let components: Vec<Component> = rest
            .chunks_exact(3)
            .take(usize::from(*count))
            .filter_map(|chunk| match chunk {
                [id, factors, table] => {
                    Some(Component { id: *id, h: factors >> 4, v: factors & 15, table: *table })
                }
                _ => None,
            })
            .collect();
        if components.len() != usize::from(*count) || components.is_empty() {
            return Err(short());
        }
        if components.iter().any(|c| !(1..=4).contains(&c.h) || !(1..=4).contains(&c.v)) {
            return Err(DecodeError::malformed("sampling factors outside 1 to 4", offset));
        }
        let size = PixelSize::new(
            u32::from(u16::from_be_bytes([*w1, *w0])),
            u32::from(u16::from_be_bytes([*h1, *h0])),
        );
        if size.width == 0 {
            return Err(DecodeError::malformed("a width of 0", offset));
        }
        self.frame = Some(Frame { marker, precision: *precision, size, components });
        Ok(())
    }

    /// The file ended where a marker was expected: only when scans are there can the EOI be all that is missing.
    fn ended_early(&self, bytes: &[u8]) -> Result<(), DecodeError> {
        if self.scans.is_empty() {
            return Err(DecodeError::truncated("the file ends before the first scan", bytes.len() as u64));
        }
        Ok(())
    }

    fn complete(&self, bytes: &[u8]) -> Result<(), DecodeError> {
        let end = self.end.unwrap_or(bytes.len()) as u64;
        if self.frame.is_none() {
            return Err(DecodeError::malformed("the picture ends without a frame header", end));
        }
        if self.scans.is_empty() {
            return Err(DecodeError::malformed("the picture ends without a scan", end));
        }
        Ok(())
    }

    /// Contents of the segments with this marker that begin with `tag`, tag removed.
    pub fn tagged<'a>(
        &'a self,
        bytes: &'a [u8],
        marker: u8,
        tag: &'a [u8],
    ) -> impl Iterator<Item = (usize, &'a [u8])> + 'a {
        self.segments.iter().filter(move |segment| segment.marker == marker).filter_map(move |segment| {
            let body = bytes.get(segment.body.clone())?.strip_prefix(tag)?;
            Some((segment.body.start + tag.len(), body))
        })
    }

    /// The ICC profile, put together from its APP2 pieces (ICC.1 annex B.4); nothing if a piece is lacking.
    pub fn icc(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut pieces: Vec<(u8, &[u8])> = self
            .tagged(bytes, 0xE2, b"ICC_PROFILE\0")
            .filter_map(|(_, body)| match body {
                [number, _count, rest @ ..] => Some((*number, rest)),
                _ => None,
            })
            .collect();
        pieces.sort_by_key(|(number, _)| *number);
        let whole = pieces.iter().zip(1u8..).all(|((number, _), expected)| *number == expected);
        (whole && !pieces.is_empty())
            .then(|| pieces.iter().flat_map(|(_, piece)| piece.iter().copied()).collect())
    }

    /// Whether Adobe's APP14 marker is there: four-channel files with it store ink inverted.
    pub fn adobe(&self, bytes: &[u8]) -> bool {
        self.tagged(bytes, 0xEE, b"Adobe").next().is_some()
    }

    /// The EXIF block.
    pub fn exif<'a>(&'a self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        self.tagged(bytes, 0xE1, b"Exif\0").next().map(|(_, body)| body.get(1..).unwrap_or_default())
    }

    /// The XMP packet (XMP specification part 3, 1.1.3).
    pub fn xmp<'a>(&'a self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        self.tagged(bytes, 0xE1, b"http://ns.adobe.com/xap/1.0/\0").next().map(|(_, body)| body)
    }

    /// Further pictures named by a multi-picture index (CIPA DC-007), as ranges of the file; the first picture,
    /// entries of size 0 and nonsense are left out.
    pub fn further_pictures(&self, bytes: &[u8]) -> Vec<Range<u64>> {
        self.tagged(bytes, 0xE2, b"MPF\0")
            .next()
            .and_then(|(offset, body)| mpf_entries(body, offset as u64))
            .unwrap_or_default()
    }
}

/// Body of the segment whose length field is at `at`.
fn segment_body(bytes: &[u8], at: usize, marker: u8) -> Result<Range<usize>, DecodeError> {
    let length = match bytes.get(at..at + 2) {
        Some(&[high, low]) => usize::from(u16::from_be_bytes([high, low])),
        _ => return Err(DecodeError::truncated(format!("segment ff{marker:02x}"), bytes.len() as u64)),
    };
    if length < 2 {
        return Err(DecodeError::malformed(
            format!("segment ff{marker:02x} with a length of {length}"),
            at as u64,
        ));
    }
    let end = at + length;
    if end > bytes.len() {
        return Err(DecodeError::Truncated {
            what: format!("segment ff{marker:02x}"),
            offset: Some(at as u64),
            expected: Some(end as u64),
            found: Some(bytes.len() as u64),
        });
    }
    Ok(at + 2..end)
}

/// Where the entropy-coded data that begins at `at` ends: at a marker that is no restart marker, or at the end of the file.
fn scan_end(bytes: &[u8], at: usize) -> usize {
    let data = bytes.get(at..).unwrap_or_default();
    for found in memchr::memchr_iter(0xFF, data) {
        match data.get(found + 1) {
            Some(0x00 | 0xFF | 0xD0..=0xD7) => {}
            Some(_) => return at + found,
            None => return at + data.len(),
        }
    }
    at + data.len()
}

fn mpf_entries(body: &[u8], offset: u64) -> Option<Vec<Range<u64>>> {
    let big_endian = match body.get(..4)? {
        b"II\x2a\0" => false,
        b"MM\0\x2a" => true,
        _ => return None,
    };
    let u16_at = |at: usize| -> Option<u16> {
        let raw = body.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if big_endian { u16::from_be_bytes(raw) } else { u16::from_le_bytes(raw) })
    };
    let u32_at = |at: usize| -> Option<u32> {
        let raw = body.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if big_endian { u32::from_be_bytes(raw) } else { u32::from_le_bytes(raw) })
    };
    let ifd = u32_at(4)? as usize;
    let count = u16_at(ifd)?;
    let mut pictures = Vec::new();
    for index in 0..usize::from(count).min(64) {
        let entry = ifd.checked_add(2 + index * 12)?;
        // 0xB002: the MP entries, 16 bytes each: attribute, size, offset, dependents.
        if u16_at(entry)? != 0xB002 {
            continue;
        }
        let bytes = u32_at(entry.checked_add(4)?)? as usize;
        let table = u32_at(entry.checked_add(8)?)? as usize;
        for number in 0..(bytes / 16).min(64) {
            let at = table.checked_add(number * 16)?;
            let size = u64::from(u32_at(at.checked_add(4)?)?);
            let start = u64::from(u32_at(at.checked_add(8)?)?);
            if size > 0 && start > 0 {
                pictures.push(offset + start..offset + start + size);
            }
        }
    }
    Some(pictures)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is a failed test")]

    use super::*;

    /// A grey 8 x 8 picture: headers as the standard wants them, two bytes of scan.
    fn tiny() -> Vec<u8> {
        let mut out = vec![0xFF, 0xD8];
        out.extend([0xFF, 0xC0, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0]);
        out.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0]);
        out.extend([0x12, 0xFF, 0x00, 0x34]);
        out.extend([0xFF, 0xD9]);
        out
    }

    #[test]
    fn finds_frame_scan_and_end() {
        let bytes = tiny();
        let outline = walk(&bytes);
        assert_eq!(outline.problem, None);
        assert_eq!(outline.frame.as_ref().unwrap().size, PixelSize::new(8, 8));
        assert_eq!(outline.frame.unwrap().samples(), 64);
        assert_eq!(bytes[outline.scans[0].data.clone()], [0x12, 0xFF, 0, 0x34]);
        assert_eq!(outline.end, Some(bytes.len()));
    }

    #[test]
    fn trailers_and_fill_bytes_are_harmless() {
        let mut bytes = tiny();
        bytes.extend(b"a motion photo follows");
        bytes.splice(2..2, [0xFF, 0xFF]);
        let outline = walk(&bytes);
        assert_eq!(outline.problem, None);
        assert!(outline.end.unwrap() < bytes.len());
    }

    #[test]
    fn spare_bytes_that_look_like_a_marker_are_harmless_before_the_end_only() {
        let padded = |marker: u8, count: usize| {
            let mut bytes = tiny();
            let end = bytes.len() - 2;
            bytes.splice(end..end, [vec![0xFF, marker], vec![7; count]].concat());
            bytes
        };
        // Reserved, one that nothing can have there, and some whose segment would pass over the end.
        for marker in [0x09, SOI, 0xC4, 0xCD, 0xE1, SOS] {
            let bytes = padded(marker, 20);
            let outline = walk(&bytes);
            assert_eq!((outline.problem, outline.end), (None, Some(bytes.len())), "{marker:02x}");
            assert_eq!(outline.spare, [(bytes.len() - 24, 22)], "{marker:02x}");
            assert!(walk(&padded(marker, 200)).problem.is_some(), "{marker:02x}");
        }
        // A segment is one, with the end of a picture in it too.
        let mut bytes = tiny();
        let end = bytes.len() - 2;
        bytes.splice(end..end, [0xFF, 0xFE, 0, 6, 1, 0xFF, EOI, 2]);
        let outline = walk(&bytes);
        assert_eq!((outline.problem, outline.end), (None, Some(bytes.len())));
        assert_eq!(outline.segments.last().map(|segment| segment.marker), Some(0xFE));
        // Before the picture it stands for nothing, as ever.
        let mut bytes = tiny();
        bytes.splice(2..2, [0xFF, 0x09, 7, 7]);
        assert!(walk(&bytes).problem.is_some());
    }

    #[test]
    fn every_prefix_lacks_its_end() {
        let bytes = tiny();
        for end in 0..bytes.len() {
            let outline = walk(&bytes[..end]);
            assert!(outline.problem.is_some() || outline.end.is_none(), "{end}");
        }
    }

    #[test]
    fn a_segment_past_the_end_is_truncated() {
        let error = walk(&[0xFF, 0xD8, 0xFF, 0xE1, 0x40, 0, 1, 2]).problem.unwrap();
        assert!(
            matches!(error, DecodeError::Truncated { expected: Some(16388), found: Some(8), .. }),
            "{error:?}"
        );
    }

    #[test]
    fn profile_pieces_in_any_order() {
        let mut bytes = vec![0xFF, 0xD8];
        for (number, text) in [(2u8, b"BB"), (1, b"AA")] {
            bytes.extend([0xFF, 0xE2, 0, 18]);
            bytes.extend(b"ICC_PROFILE\0");
            bytes.extend([number, 2]);
            bytes.extend(text);
        }
        bytes.extend(&tiny()[2..]);
        assert_eq!(walk(&bytes).icc(&bytes).unwrap(), b"AABB");
    }
}
