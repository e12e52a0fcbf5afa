//! BMP.
//!
//! The `image` crate decodes; whether all rows are in the file is computed from the header.

use std::io::Cursor;
use std::ops::Range;

use image::codecs::bmp::BmpDecoder;
use image::error::ImageError;
use image::{ColorType, ImageDecoder};

use crate::media::structure::bmp::{Plain, Runs};
use crate::media::structure::holes::{Field, Hole, Sample};
use crate::media::structure::tail::metadata::Blank;
use crate::media::structure::tail::{LOST_TAIL, Rows, TORN_METADATA};
use crate::media::{ColorModel, Limits, Pixels, Samples, Source};
use crate::model::{DecodeError, DecoderId, Depth, MediaFormat, PixelSize};

use super::{Examined, Format, FormatSpec, Target, Wanted, decoder_id, own_check, within_limits};

/// The family.
pub struct Bmp;

static SPECS: &[FormatSpec] = &[FormatSpec {
    format: MediaFormat::Bmp,
    name: "BMP",
    extensions: &["bmp", "dib"],
    recognised_by: "BM and a header of a known length",
    proves: "header legal; all rows inside the file; run lengths end with the picture; no block that begins and ends with disk sectors breaks a picture of 24 or 32 bits, and none of zeros or FF another; no zeros or FF go on to the end of uncompressed rows from inside one where the picture has nothing like it, or as indexes without a colour, or in what fills up rows that are filled up otherwise",
    blind_to: "other wrong samples: uncompressed rows have nothing to check, and colour tables may have any colour",
    preview: true,
}];

/// Bytes before the header of the bitmap.
const FILE_HEADER: usize = 14;

/// The facts of the headers that tell where the rows are.
#[derive(Clone, Copy, Debug)]
struct Header {
    size: PixelSize,
    bits: u16,
    compression: u32,
    /// Where the rows begin.
    offset: u64,
    /// Bytes of rows, as the header says; 0 when it leaves that open.
    stored: u64,
    /// Colours of the palette, where there is one of a known length.
    colours: Option<usize>,
    /// What the header calls its colours.
    colorspace: Option<&'static str>,
}

impl Header {
    /// Reads the file header and any of the header versions since OS/2 1.x.
    fn read(head: &[u8]) -> Option<Self> {
        let u16_at = |at: usize| Some(u16::from_le_bytes(head.get(at..at + 2)?.try_into().ok()?));
        let i32_at = |at: usize| Some(i32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?));
        let u32_at = |at: usize| Some(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?));
        if !head.starts_with(b"BM") {
            return None;
        }
        let length = u32_at(14)?;
        let offset = u64::from(u32_at(10)?);
        match length {
            12 => {
                let size = PixelSize::new(u16_at(18)?.into(), u16_at(20)?.into());
                let (bits, compression, stored) = (u16_at(24)?, 0, 0);
                Some(Self { size, bits, compression, offset, stored, colours: None, colorspace: None })
            }
            16 | 40 | 52 | 56 | 64 | 108 | 124 => {
                // A negative height: the rows come from the top.
                let width = u32::try_from(i32_at(18)?).unwrap_or(0);
                let size = PixelSize::new(width, i32_at(22)?.unsigned_abs());
                let long = length > 16;
                let compression = if long { u32_at(30)? } else { 0 };
                let stored = if long { u64::from(u32_at(34)?) } else { 0 };
                let code = if length >= 108 { head.get(70..).and_then(<[u8]>::first_chunk) } else { None };
                let colorspace = code.copied().map(colorspace);
                let told = if long { u64::from(u32_at(46)?) } else { 0 };
                let there = offset.saturating_sub(u64::from(length) + FILE_HEADER as u64) / 4;
                let colours = usize::try_from(told).ok().filter(|_| told > 0 && told <= there);
                Some(Self { size, bits: u16_at(28)?, compression, offset, stored, colours, colorspace })
            }
            _ => None,
        }
    }

    /// Bytes that the rows take, when that is certain.
    fn rows(self) -> Option<u64> {
        match self.compression {
            0 | 3 | 6 => {
                let row = (u64::from(self.size.width) * u64::from(self.bits)).div_ceil(32) * 4;
                row.checked_mul(u64::from(self.size.height))
            }
            // Run lengths: what is there must be told by themselves.
            _ => None,
        }
    }

    /// The run lengths, if the rows are made of them.
    fn runs(self, bytes: &[u8]) -> Option<Runs<'_>> {
        let nibbles = match (self.compression, self.bits) {
            (1, 8) => false,
            (2, 4) => true,
            _ => return None,
        };
        let start = usize::try_from(self.offset).ok()?;
        let stored = usize::try_from(self.stored).unwrap_or(usize::MAX);
        Some(Runs { bytes, start, stored, nibbles, size: self.size })
    }

    /// A block of other content in uncompressed rows: anywhere where each colour has whole bytes, else at their end.
    fn hole(self, bytes: &[u8]) -> Option<Hole> {
        let start = usize::try_from(self.offset).ok()?;
        let end = start.checked_add(usize::try_from(self.rows()?).ok()?)?;
        let row = (end - start).checked_div(self.size.height as usize)?;
        let range = start..end;
        let unit = usize::from(self.bits.div_ceil(8));
        let whole_bytes = matches!((self.bits, self.compression), (24, 0) | (32, 0 | 3 | 6));
        let sample = Sample::High(8);
        let field =
            Field { bytes, range: range.clone(), above: row, row, unit: 1, left: unit, sample, phase: 0 };
        let hole = if whole_bytes { field.hole() } else { None };
        hole.or_else(|| {
            let (bits, width) = (self.bits.into(), self.size.width as usize);
            let plain = Plain { bytes, range: range.clone(), row, bits, width, colours: self.colours };
            let lost = Rows { bytes, range, row, unit }.lost_tail().or_else(|| plain.lost_end());
            let block = || {
                let at = plain.lost_block().filter(|_| !whole_bytes)?;
                Some(Hole { at, what: "a block of one value that begins inside a row" })
            };
            lost.map(|at| Hole { at, what: LOST_TAIL }).or_else(block)
        })
    }

    /// Where an embedded colour profile is (BITMAPV5HEADER), for those who count from the begin of the file.
    fn profile(head: &[u8]) -> Option<Range<u64>> {
        let u32_at = |at: usize| Some(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?));
        let embedded = u32_at(14)? == 124 && u32_at(70)? == 0x4D42_4544;
        let start = u64::from(u32_at(126)?);
        embedded.then_some(start..start + u64::from(u32_at(130)?))
    }

    /// Blank up to the end that took an embedded profile with them.
    fn lost_profile(bytes: &[u8]) -> Option<Hole> {
        let blank = Blank::of(bytes)?;
        let Range { start, end } = Self::profile(bytes)?;
        // Where the offset counts from the header, as it should, the last bytes are behind these.
        let range = usize::try_from(start).ok()?.checked_add(FILE_HEADER)?..usize::try_from(end).ok()?;
        blank.tear_profile(&range).then_some(Hole { at: blank.start, what: TORN_METADATA })
    }
}

impl Format for Bmp {
    fn specs(&self) -> &'static [FormatSpec] {
        SPECS
    }

    fn decoder(&self) -> DecoderId {
        decoder_id("image-bmp", "0.25")
    }

    fn recognise(&self, head: &[u8], _source: &Source<'_>) -> Option<MediaFormat> {
        Header::read(head).map(|_| MediaFormat::Bmp)
    }

    fn estimate(&self, _format: MediaFormat, source: &Source<'_>, _target: Target) -> u64 {
        let mut head = [0; 64];
        let count = source.read_at(0, &mut head).unwrap_or(0);
        Header::read(head.get(..count).unwrap_or_default()).map_or(1 << 20, |header| needs(header.size))
    }

    fn examine(&self, _format: MediaFormat, source: &Source<'_>, wanted: Wanted<'_>) -> Examined {
        let Wanted { depth, target, limits, .. } = wanted;
        let mut examined = Examined::by(self.decoder());
        let result =
            source.load(limits).and_then(|bytes| examine(&bytes, depth, target, limits, &mut examined));
        examined.problem = result.err();
        examined
    }
}

fn needs(size: PixelSize) -> u64 {
    size.pixels() * 4 + (1 << 20)
}

fn examine(
    bytes: &[u8],
    depth: Depth,
    target: Target,
    limits: &Limits,
    examined: &mut Examined,
) -> Result<(), DecodeError> {
    let header =
        Header::read(bytes).ok_or_else(|| DecodeError::truncated("the header", bytes.len() as u64))?;
    if header.size.pixels() == 0 || !matches!(header.bits, 1 | 2 | 4 | 8 | 16 | 24 | 32 | 64) {
        let PixelSize { width, height } = header.size;
        let what = format!("{width} x {height} pixels of {} bits", header.bits);
        return Err(DecodeError::malformed(what, 18));
    }
    examined.size = Some(header.size);
    let rows = header.rows().map(|rows| rows.saturating_add(header.offset));
    for (what, end) in
        [("the rows", rows), ("the colour profile", Header::profile(bytes).map(|profile| profile.end))]
    {
        if let Some(end) = end.filter(|&end| end > bytes.len() as u64) {
            return Err(DecodeError::Truncated {
                what: what.into(),
                offset: Some(bytes.len() as u64),
                expected: Some(end),
                found: Some(bytes.len() as u64),
            });
        }
    }
    if let Some(runs) = header.runs(bytes) {
        runs.check().inspect_err(|_| examined.accuser = Some(own_check("walk over run lengths")))?;
    }
    if depth == Depth::Structure {
        return Ok(());
    }
    within_limits(header.size, needs(header.size), limits)?;
    if let Some(Hole { at, what }) = header.hole(bytes).or_else(|| Header::lost_profile(bytes)) {
        examined.accuser = Some(own_check("search for foreign blocks"));
        return Err(DecodeError::malformed(what, at as u64));
    }
    let pixels = decode(bytes, &header)?;
    if target != Target::None {
        examined.pixels = Some(pixels);
    }
    Ok(())
}

/// The depth that Immich takes from ExifTool's BitDepth, that of a pixel: a third of it where that is a whole number and not less than 8.
fn bits_told(bits: u16) -> u8 {
    let told = if bits >= 24 && bits.is_multiple_of(3) { bits / 3 } else { bits };
    u8::try_from(told).unwrap_or(u8::MAX)
}

/// The name of a colour space in ExifTool's words, from headers of version 4 on.
fn colorspace(code: [u8; 4]) -> &'static str {
    match &code {
        b"BGRs" => "sRGB",
        b" niW" => "Windows Color Space",
        b"KNIL" => "Linked Color Profile",
        b"DEBM" => "Embedded Color Profile",
        [0, 0, 0, 0] => "Calibrated RGB",
        _ => "Unknown",
    }
}

fn decode(bytes: &[u8], header: &Header) -> Result<Pixels, DecodeError> {
    let mut decoder = BmpDecoder::new(Cursor::new(bytes)).map_err(|error| refused(&error))?;
    let (width, height) = decoder.dimensions();
    let model = match decoder.color_type() {
        ColorType::L8 => ColorModel::Gray,
        ColorType::Rgb8 => ColorModel::Rgb,
        ColorType::Rgba8 => ColorModel::Rgba,
        other => return Err(DecodeError::unsupported(format!("a BMP that decodes to {other:?}"))),
    };
    let icc = decoder.icc_profile().ok().flatten();
    let length = usize::try_from(decoder.total_bytes())
        .map_err(|_| DecodeError::limit("a BMP picture", "the address space"))?;
    let mut samples = vec![0; length];
    decoder.read_image(&mut samples).map_err(|error| refused(&error))?;
    let size = PixelSize::new(width, height);
    Ok(Pixels {
        icc,
        exif_colorspace: header.colorspace.map(str::to_owned),
        bits_per_sample: bits_told(header.bits),
        ..Pixels::new(size, model, Samples::U8(samples))
    })
}

/// The crate's errors: kinds of BMP that it does not know are no damage.
fn refused(error: &ImageError) -> DecodeError {
    let text = error.to_string();
    match error {
        ImageError::Unsupported(_) => DecodeError::unsupported(text),
        ImageError::Limits(_) => DecodeError::limit(text, "the decoder's own"),
        ImageError::IoError(_) => DecodeError::truncated(format!("the picture data ({text})"), None),
        _ if ["Unknown image compression", "bit count", "top-down"]
            .iter()
            .any(|part| text.contains(part)) =>
        {
            DecodeError::unsupported(text)
        }
        _ => DecodeError::malformed(text, None),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is a failed test")]

    use super::super::testing::{examine_bytes, noise, prefixes};
    use super::*;

    fn encode(width: u32, height: u32) -> Vec<u8> {
        let mut out = Vec::new();
        let samples = noise((width * height * 3) as usize);
        image::codecs::bmp::BmpEncoder::new(&mut out)
            .encode(&samples, width, height, image::ExtendedColorType::Rgb8)
            .unwrap();
        out
    }

    #[test]
    fn pixels_come_back() {
        let pixels = examine_bytes(&Bmp, &encode(13, 7), Target::Full).unwrap();
        assert_eq!(pixels.samples, Samples::U8(noise(13 * 7 * 3)));
    }

    #[test]
    fn depth_and_colours_are_told_as_exiftool_tells_them() {
        assert_eq!([1, 4, 8, 16, 24, 32].map(bits_told), [1, 4, 8, 16, 8, 32]);
        assert_eq!(examine_bytes(&Bmp, &encode(13, 7), Target::Full).unwrap().exif_colorspace, None);
        let mut header = [0; 74];
        header[..2].copy_from_slice(b"BM");
        header[14] = 108;
        header[70..].copy_from_slice(b"BGRs");
        assert_eq!(Header::read(&header).unwrap().colorspace, Some("sRGB"));
    }

    #[test]
    fn a_foreign_sector_is_noticed() {
        let (width, height) = (300u32, 60u32);
        let grain = noise((width * height * 3) as usize);
        let soft = |at: usize| u8::try_from(90 + at / 40 % 23).unwrap_or(0) + grain[at] % 6;
        let samples: Vec<u8> = (0..grain.len()).map(soft).collect();
        let mut bytes = Vec::new();
        image::codecs::bmp::BmpEncoder::new(&mut bytes)
            .encode(&samples, width, height, image::ExtendedColorType::Rgb8)
            .unwrap();
        assert!(examine_bytes(&Bmp, &bytes, Target::Full).is_ok());
        bytes[20_480..20_992].copy_from_slice(&noise(512));
        assert!(matches!(examine_bytes(&Bmp, &bytes, Target::Full), Err(DecodeError::Malformed { .. })));
    }

    #[test]
    fn no_prefix_is_sound() {
        let bytes = encode(13, 7);
        prefixes(&Bmp, &bytes, bytes.len());
    }
}
