//! Photoshop documents: the merged picture at the end of the file, by a reader of our own.
//!
//! Layout by Adobe's file format specification: header, colour mode data, image resources, layers, merged picture.

mod search;
#[cfg(test)]
mod tests;
mod witness;

use std::io::Read;

use flate2::read::ZlibDecoder;

use crate::media::structure::bmff::{be16, be32, be64};
use crate::media::structure::holes::Hole;
use crate::media::{ColorModel, Limits, Pixels, Samples, Source, exif};
use crate::model::{DecodeError, DecoderId, Depth, Fault, MediaFormat, Orientation, PixelSize};

use super::{Examined, Format, FormatSpec, Target, Wanted, decoder_id, own_check, within_limits};
use search::Search;

/// PSD and PSB.
pub struct Psd;

static SPECS: [FormatSpec; 1] = [FormatSpec {
    format: MediaFormat::Psd,
    name: "Photoshop (PSD, PSB)",
    extensions: &["psd", "psb"],
    recognised_by: "8BPS",
    proves: "all sections lie inside the file, every row of the merged picture unpacks to its exact length; no block that begins and ends with disk sectors breaks an uncompressed one, and its end is what the thumbnail shows where that is needed to tell",
    blind_to: "layers; other wrong bytes in an uncompressed merged picture",
    preview: true,
}];

const THUMBNAIL: u16 = 1036;
const ICC: u16 = 1039;
const VERSION_INFO: u16 = 1057;
const EXIF: u16 = 1058;

impl Format for Psd {
    fn specs(&self) -> &'static [FormatSpec] {
        &SPECS
    }

    fn decoder(&self) -> DecoderId {
        decoder_id("psd", env!("CARGO_PKG_VERSION"))
    }

    fn recognise(&self, head: &[u8], _source: &Source<'_>) -> Option<MediaFormat> {
        (head.starts_with(b"8BPS\0\x01") || head.starts_with(b"8BPS\0\x02")).then_some(MediaFormat::Psd)
    }

    fn estimate(&self, _format: MediaFormat, source: &Source<'_>, _target: Target) -> u64 {
        let mut head = [0; 26];
        match source.read_at(0, &mut head) {
            Ok(26) => Header::read(&head).map_or(0, |header| header.memory()),
            _ => 0,
        }
    }

    fn examine(&self, _format: MediaFormat, source: &Source<'_>, wanted: Wanted<'_>) -> Examined {
        let Wanted { depth, target, limits, .. } = wanted;
        let mut examined = Examined::by(self.decoder());
        if let Err(problem) = examine(source, depth, target, limits, &mut examined) {
            examined.problem = Some(problem);
        }
        examined
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Bitmap,
    Gray,
    Indexed,
    Rgb,
    Cmyk,
    Multichannel,
    Lab,
}

#[derive(Clone, Copy, Debug)]
struct Header {
    large: bool,
    channels: usize,
    size: PixelSize,
    depth: u16,
    mode: Mode,
}

impl Header {
    fn read(head: &[u8]) -> Result<Self, DecodeError> {
        let field = |at: usize| {
            be32(head, at).ok_or_else(|| DecodeError::truncated("header", Some(head.len() as u64)))
        };
        let short = |at: usize| {
            be16(head, at).ok_or_else(|| DecodeError::truncated("header", Some(head.len() as u64)))
        };
        let large = short(4)? == 2;
        let (channels, height, width, depth, mode) =
            (short(12)?, field(14)?, field(18)?, short(22)?, short(24)?);
        let longest = if large { 300_000 } else { 30_000 };
        // The specification says 56; writers go a little further.
        if !(1..=99).contains(&channels)
            || !(1..=longest).contains(&width)
            || !(1..=longest).contains(&height)
        {
            let what = format!("{channels} channels of {width} x {height} pixels");
            return Err(DecodeError::malformed(what, 12));
        }
        let mode = match mode {
            0 => Mode::Bitmap,
            1 | 8 => Mode::Gray, // duotone is drawn as its grey channel
            2 => Mode::Indexed,
            3 => Mode::Rgb,
            4 => Mode::Cmyk,
            7 => Mode::Multichannel,
            9 => Mode::Lab,
            other => return Err(DecodeError::malformed(format!("colour mode {other}"), 24)),
        };
        if !matches!(depth, 1 | 8 | 16 | 32) || (depth == 1) != (mode == Mode::Bitmap) {
            return Err(DecodeError::malformed(format!("{depth} bits per channel in {mode:?} mode"), 22));
        }
        Ok(Self { large, channels: usize::from(channels), size: PixelSize::new(width, height), depth, mode })
    }

    fn row_bytes(&self) -> usize {
        (self.size.width as usize * usize::from(self.depth)).div_ceil(8)
    }

    fn rows(&self) -> usize {
        self.size.height as usize
    }

    fn plane_bytes(&self) -> u64 {
        self.row_bytes() as u64 * u64::from(self.size.height)
    }

    /// All planes unpacked, and the interleaved picture.
    fn memory(&self) -> u64 {
        self.plane_bytes()
            .saturating_mul(self.channels as u64)
            .saturating_add(self.size.pixels() * 8)
            .saturating_add(1 << 20)
    }
}

/// The bytes that are left to read.
struct Cursor<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Cursor<'b> {
    fn take(&mut self, len: usize, what: &str) -> Result<&'b [u8], DecodeError> {
        let end = self.at.saturating_add(len);
        let taken = self.bytes.get(self.at..end).ok_or_else(|| DecodeError::Truncated {
            what: what.into(),
            offset: Some(self.at as u64),
            expected: Some(end as u64),
            found: Some(self.bytes.len() as u64),
        })?;
        self.at = end;
        Ok(taken)
    }

    /// A section with its length before it.
    fn section(&mut self, large: bool, what: &str) -> Result<&'b [u8], DecodeError> {
        let len = if large {
            be64(self.take(8, what)?, 0).unwrap_or(0)
        } else {
            be32(self.take(4, what)?, 0).map_or(0, u64::from)
        };
        self.take(usize::try_from(len).unwrap_or(usize::MAX), what)
    }
}

/// What the image resources tell about the merged picture.
#[derive(Default)]
struct Resources<'b> {
    icc: Option<Vec<u8>>,
    facts: exif::Facts,
    merged: Option<bool>,
    /// JPEG data.
    thumbnail: Option<&'b [u8]>,
}

impl<'b> Resources<'b> {
    /// Broken resources say nothing about the picture: what can be read is taken.
    fn read(section: &'b [u8]) -> Self {
        let mut found = Self::default();
        let mut rest = section;
        while let Some((id, data, behind)) = resource(rest) {
            match id {
                ICC => found.icc = Some(data.to_vec()).filter(|icc| !icc.is_empty()),
                VERSION_INFO => found.merged = data.get(4).map(|&flag| flag != 0),
                EXIF => found.facts = exif::read(data),
                // Behind the sizes.
                THUMBNAIL => found.thumbnail = data.get(28..),
                _ => {}
            }
            rest = behind;
        }
        found
    }
}

fn resource(rest: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let id = be16(rest, 4)?;
    let name = (usize::from(*rest.get(6)?) + 1).next_multiple_of(2);
    let len = usize::try_from(be32(rest, 6 + name)?).ok()?;
    let start = 10 + name;
    let data = rest.get(start..start.checked_add(len)?)?;
    Some((id, data, rest.get(start + len.next_multiple_of(2)..).unwrap_or_default()))
}

fn examine(
    source: &Source<'_>,
    depth: Depth,
    target: Target,
    limits: &Limits,
    examined: &mut Examined,
) -> Result<(), DecodeError> {
    let bytes = source.load(limits)?;
    let mut cursor = Cursor { bytes: &bytes, at: 0 };
    let header = Header::read(cursor.take(26, "header")?)?;
    examined.size = Some(header.size);
    within_limits(header.size, header.memory(), limits)?;
    let palette = cursor.section(false, "colour mode data")?;
    let section = cursor.section(false, "image resources")?;
    let chain = cursor.at - section.len()..cursor.at;
    let resources = Resources::read(section);
    let orientation = resources.facts.orientation.unwrap_or(Orientation::UPRIGHT);
    examined.orientation = orientation;
    if orientation.transposes() {
        examined.size = Some(header.size.transposed());
    }
    let layers = cursor.section(header.large, "layers")?;
    if header.mode == Mode::Indexed && palette.len() < 768 {
        return Err(DecodeError::malformed("palette of an indexed picture is shorter than 768 bytes", 26));
    }
    if cursor.at == bytes.len() && !layers.is_empty() {
        return Err(DecodeError::truncated("the merged picture is not there", Some(bytes.len() as u64)));
    }
    if depth == Depth::Structure && target == Target::None {
        return Ok(());
    }
    let search = Search { bytes: &bytes, header: &header, resources: &resources, chain, start: cursor.at };
    let planes = planes(&header, &mut cursor)?;
    if let Some(Hole { at, what }) = search.hole(limits) {
        examined.accuser = Some(own_check("search for foreign blocks"));
        return Err(DecodeError::malformed(what, at as u64));
    }
    if resources.merged == Some(false) {
        return Err(DecodeError::unsupported("saved without a merged picture (maximize compatibility off)"));
    }
    if target == Target::None {
        return Ok(());
    }
    if let Some(merged) = Merged::of(&header, layers) {
        examined.pixels = Some(merged.pixels(&header, &planes, palette, resources));
    } else {
        // Sound all the same: that it cannot be shown says nothing about the bytes.
        let error = DecodeError::unsupported(format!("{:?} pictures cannot be shown", header.mode));
        examined.faults.push(Fault { error, by: examined.decoder.clone() });
    }
    Ok(())
}

/// All planes of the merged picture, one behind the other.
fn planes(header: &Header, cursor: &mut Cursor<'_>) -> Result<Vec<u8>, DecodeError> {
    let compression = be16(cursor.take(2, "merged picture")?, 0).unwrap_or(u16::MAX);
    let start = cursor.at;
    let total = usize::try_from(header.plane_bytes()).unwrap_or(usize::MAX).saturating_mul(header.channels);
    match compression {
        0 => Ok(cursor.take(total, "merged picture, uncompressed")?.to_vec()),
        1 => unpack_rows(header, cursor, total),
        2 | 3 => {
            let packed = cursor.bytes.get(start..).unwrap_or_default();
            let mut planes = Vec::new();
            ZlibDecoder::new(packed).take(total as u64).read_to_end(&mut planes).map_err(|error| {
                DecodeError::malformed(format!("merged picture: {error}"), Some(start as u64))
            })?;
            if planes.len() < total {
                return Err(DecodeError::truncated("merged picture, zip", Some(start as u64)));
            }
            if compression == 3 {
                predict(header, &mut planes);
            }
            Ok(planes)
        }
        other => Err(DecodeError::malformed(
            format!("compression {other} of the merged picture"),
            Some(start as u64),
        )),
    }
}

fn unpack_rows(header: &Header, cursor: &mut Cursor<'_>, total: usize) -> Result<Vec<u8>, DecodeError> {
    let count = header.rows() * header.channels;
    let width = if header.large { 4 } else { 2 };
    let table = cursor.take(count * width, "row lengths of the merged picture")?;
    let mut planes = Vec::with_capacity(total);
    for entry in table.chunks_exact(width) {
        let len =
            if header.large { be32(entry, 0).unwrap_or(0) } else { be16(entry, 0).map_or(0, u32::from) };
        let start = cursor.at as u64;
        let packed = cursor.take(len as usize, "row of the merged picture")?;
        let filled = planes.len() + header.row_bytes();
        unpack_bits(packed, filled, &mut planes);
        if planes.len() != filled {
            return Err(DecodeError::malformed("a packed row has the wrong length", Some(start)));
        }
    }
    Ok(planes)
}

/// PackBits: stops when the row is full or the input ends; leaves too much or too little when the data is wrong.
fn unpack_bits(mut packed: &[u8], filled: usize, out: &mut Vec<u8>) {
    while let Some((&control, rest)) = packed.split_first() {
        if out.len() >= filled {
            // Some writers pad rows to an even length.
            return;
        }
        packed = match control {
            0..=127 => {
                let run = rest.get(..usize::from(control) + 1).unwrap_or(rest);
                out.extend_from_slice(run);
                rest.get(run.len()..).unwrap_or_default()
            }
            128 => rest,
            129.. => {
                let Some((&value, rest)) = rest.split_first() else { return };
                out.resize(out.len() + 257 - usize::from(control), value);
                rest
            }
        };
    }
}

/// Undoes the difference coding of rows.
fn predict(header: &Header, planes: &mut [u8]) {
    for row in planes.chunks_exact_mut(header.row_bytes().max(1)) {
        match header.depth {
            16 => {
                let mut last = 0u16;
                for pair in row.chunks_exact_mut(2) {
                    last = last.wrapping_add(be16(pair, 0).unwrap_or(0));
                    pair.copy_from_slice(&last.to_be_bytes());
                }
            }
            32 => predict_float(row),
            _ => {
                let mut last = 0u8;
                for byte in row {
                    last = last.wrapping_add(*byte);
                    *byte = last;
                }
            }
        }
    }
}

/// Float rows hold all first bytes, then all second bytes and so on, difference coded over the whole row.
fn predict_float(row: &mut [u8]) {
    let mut last = 0u8;
    for byte in row.iter_mut() {
        last = last.wrapping_add(*byte);
        *byte = last;
    }
    let shuffled = row.to_vec();
    let count = row.len() / 4;
    for (index, value) in row.chunks_exact_mut(4).enumerate() {
        for (part, byte) in value.iter_mut().enumerate() {
            *byte = shuffled.get(part * count + index).copied().unwrap_or(0);
        }
    }
}

/// How the planes make a picture.
struct Merged {
    model: ColorModel,
    colours: usize,
    alpha: bool,
}

impl Merged {
    fn of(header: &Header, layers: &[u8]) -> Option<Self> {
        let colours = match header.mode {
            Mode::Bitmap | Mode::Gray | Mode::Indexed => 1,
            Mode::Rgb => 3,
            Mode::Cmyk => 4,
            // Planes of spot colours: ImageMagick, which reads PSD for Immich, shows the first three as red, green and blue.
            Mode::Multichannel => header.channels.min(3),
            Mode::Lab => return None,
        };
        // A negative layer count says that the first extra channel is the transparency of the merged picture.
        let prefix = if header.large { 8 } else { 4 };
        let transparent = be16(layers, prefix).is_some_and(|count| count & 0x8000 != 0);
        let alpha = transparent && header.channels > colours && matches!(header.mode, Mode::Gray | Mode::Rgb);
        let model = match (header.mode, alpha) {
            (Mode::Bitmap | Mode::Gray, false) => ColorModel::Gray,
            (Mode::Multichannel, _) if colours == 1 => ColorModel::Gray,
            (Mode::Gray, true) => ColorModel::GrayAlpha,
            (Mode::Rgb, true) => ColorModel::Rgba,
            (Mode::Cmyk, _) => ColorModel::Cmyk,
            _ => ColorModel::Rgb,
        };
        (header.channels >= colours).then_some(Self { model, colours, alpha })
    }

    fn pixels(&self, header: &Header, planes: &[u8], palette: &[u8], resources: Resources<'_>) -> Pixels {
        let samples = match header.mode {
            Mode::Bitmap => bitmap(header, planes),
            Mode::Indexed => indexed(header, planes, palette),
            _ => self.interleave(header, planes, resources.icc.is_some()),
        };
        Pixels {
            orientation: resources.facts.orientation.unwrap_or(Orientation::UPRIGHT),
            icc: resources.icc,
            exif_colorspace: resources.facts.colorspace,
            bits_per_sample: u8::try_from(header.depth).unwrap_or(8),
            ..Pixels::new(header.size, self.model, samples)
        }
    }

    fn interleave(&self, header: &Header, planes: &[u8], has_icc: bool) -> Samples {
        let channels = self.model.channels();
        let kept =
            planes.chunks_exact(usize::try_from(header.plane_bytes()).unwrap_or(usize::MAX)).take(channels);
        let invert = header.mode == Mode::Cmyk; // stored as light, not ink
        let count = usize::try_from(header.size.pixels()).unwrap_or(0) * channels;
        if header.depth == 8 {
            // No plane is no ink.
            let mut out = vec![u8::MAX; count];
            for (channel, plane) in kept.enumerate() {
                let places = out.iter_mut().skip(channel).step_by(channels);
                places.zip(plane).for_each(|(place, &value)| *place = if invert { !value } else { value });
            }
            if self.alpha {
                out.chunks_exact_mut(channels).for_each(|pixel| remove_white(pixel, 255));
            }
            return Samples::U8(out);
        }
        let mut out = vec![u16::MAX; count];
        let width = usize::from(header.depth / 8);
        for (channel, plane) in kept.enumerate() {
            let is_alpha = self.alpha && channel == self.colours;
            let places = out.iter_mut().skip(channel).step_by(channels);
            for (place, value) in places.zip(plane.chunks_exact(width)) {
                let value = match width {
                    2 => be16(value, 0).unwrap_or(0),
                    // Floats are linear light; without a profile that says so they are given sRGB's curve.
                    _ => from_float(f32::from_bits(be32(value, 0).unwrap_or(0)), !has_icc && !is_alpha),
                };
                *place = if invert { !value } else { value };
            }
        }
        if self.alpha {
            out.chunks_exact_mut(channels).for_each(|pixel| remove_white(pixel, 65_535));
        }
        Samples::U16(out)
    }
}

/// The merged colours are mixed with white where they are transparent: takes the white out again.
fn remove_white<T: Copy + Into<i64> + TryFrom<i64>>(pixel: &mut [T], full: i64) {
    let Some((alpha, colours)) = pixel.split_last_mut() else { return };
    let alpha: i64 = (*alpha).into();
    if alpha == 0 || alpha == full {
        return;
    }
    for colour in colours {
        let mixed: i64 = (*colour).into();
        let pure = ((mixed - (full - alpha)) * full / alpha).clamp(0, full);
        if let Ok(pure) = T::try_from(pure) {
            *colour = pure;
        }
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the type")]
fn from_float(value: f32, curve: bool) -> u16 {
    let value = if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) };
    let value = match (curve, value <= 0.003_130_8) {
        (false, _) => value,
        (true, true) => value * 12.92,
        (true, false) => 1.055 * value.powf(1.0 / 2.4) - 0.055,
    };
    (value * 65_535.0 + 0.5) as u16
}

fn bitmap(header: &Header, planes: &[u8]) -> Samples {
    let width = header.size.width as usize;
    let rows = planes.chunks_exact(header.row_bytes().max(1)).take(header.rows());
    let bits = |row: &[u8]| -> Vec<u8> {
        let all = row
            .iter()
            .flat_map(|&byte| (0..8).rev().map(move |bit| if byte >> bit & 1 == 1 { 0 } else { 255 }));
        all.take(width).collect()
    };
    Samples::U8(rows.flat_map(bits).collect())
}

fn indexed(header: &Header, planes: &[u8], palette: &[u8]) -> Samples {
    let plane = planes.get(..usize::try_from(header.plane_bytes()).unwrap_or(0)).unwrap_or_default();
    let colour = |index: u8, part: usize| palette.get(part * 256 + usize::from(index)).copied().unwrap_or(0);
    Samples::U8(
        plane.iter().flat_map(|&index| [colour(index, 0), colour(index, 1), colour(index, 2)]).collect(),
    )
}
