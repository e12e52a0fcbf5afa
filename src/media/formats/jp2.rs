//! JPEG 2000 through hayro-jpeg2000: boxes and tile-parts first, then a strict decode.

use std::ops::Range;

use hayro_jpeg2000::{
    ColorSpace, DecodeError as HayroError, DecodeSettings, DecodedImage, DecoderContext, DecodingError,
    FormatError, Image, MarkerError, TileError, ValidationError,
};

use crate::media::structure::bmff;
use crate::media::structure::jp2::{self, Found, Header};
use crate::media::{ColorModel, Limits, Pixels, Samples, Source, exif};
use crate::model::{DecodeError, DecoderId, Depth, Fault, MediaFormat};

use super::{Examined, Format, FormatSpec, Target, Wanted, decoder_id, own_check, within_limits};

/// JPEG 2000, bare or in JP2 and JPX boxes.
pub struct Jp2;

static SPECS: [FormatSpec; 1] = [FormatSpec {
    format: MediaFormat::Jp2,
    name: "JPEG 2000",
    extensions: &["jp2", "j2k", "j2c", "jpx", "jpf", "jpc"],
    recognised_by: "the JP2 signature box, or the SOC and SIZ markers",
    proves: "every box and tile-part lies inside the file, all tiles are there, every packet ends where the next begins, all code-blocks decode, and use up their bytes as those of encoders do",
    blind_to: "wrong bytes in code-blocks that happen to fit; packed packet headers, changes of progression and other parts of the standard are only decoded",
    preview: true,
}];

impl Format for Jp2 {
    fn specs(&self) -> &'static [FormatSpec] {
        &SPECS
    }

    fn decoder(&self) -> DecoderId {
        decoder_id("hayro-jpeg2000", "0.5")
    }

    fn recognise(&self, head: &[u8], _source: &Source<'_>) -> Option<MediaFormat> {
        let boxed = head.starts_with(b"\0\0\0\x0cjP  \r\n\x87\n");
        (boxed || head.starts_with(b"\xff\x4f\xff\x51")).then_some(MediaFormat::Jp2)
    }

    fn estimate(&self, _format: MediaFormat, source: &Source<'_>, _target: Target) -> u64 {
        jp2::header(source).map_or(0, |header| memory(&header))
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

/// Coefficients and samples are 32 bits wide, each held about twice, and our copy.
fn memory(header: &Header) -> u64 {
    let samples = header.size.pixels().saturating_mul(u64::from(header.components));
    samples
        .saturating_mul(4 * 3 + 2)
        .saturating_add(header.tiles.saturating_mul(4096))
        .saturating_add(16 << 20)
}

fn examine(
    source: &Source<'_>,
    depth: Depth,
    target: Target,
    limits: &Limits,
    examined: &mut Examined,
) -> Result<(), DecodeError> {
    let header = jp2::walk(source)?;
    examined.size = Some(header.size);
    if header.lacks_end {
        let error =
            DecodeError::truncated("no end-of-codestream marker, but all tiles are there", source.len());
        examined.faults.push(Fault { error, by: examined.decoder.clone() });
    }
    within_limits(header.size, memory(&header), limits)?;
    if depth == Depth::Structure && target == Target::None {
        return Ok(());
    }
    let bytes = source.load(limits)?;
    let strict = DecodeSettings { strict: true, ..DecodeSettings::default() };
    let lenient = DecodeSettings::default();
    let found = jp2::inspect(&bytes, codestream(&header));
    if let Some(Found { error, .. }) = found.as_ref().filter(|found| found.certain) {
        examined.accuser = Some(own_check("walk over code-blocks"));
        return Err(error.clone());
    }
    let decoded = match decode(&bytes, strict, target, &header) {
        // Boxes and packets are sound by our own walk; strictness about them beyond that is an oddity.
        Err(
            error @ Failure::Hayro(
                HayroError::Format(FormatError::InvalidBox) | HayroError::Tile(TileError::Invalid),
            ),
        ) => {
            if let Some(Found { error, .. }) = found.filter(|_| lacks_packets(&bytes, &header)) {
                return Err(misfit(error, decode(&bytes, lenient, Target::None, &header).is_ok()));
            }
            examined.faults.push(Fault { error: error.into(), by: examined.decoder.clone() });
            decode(&bytes, lenient, target, &header)
        }
        decoded => decoded,
    };
    examined.pixels = decoded?.map(|pixels| Pixels { exif_colorspace: colorspace(source), ..pixels });
    Ok(())
}

/// What begins a box with an EXIF block, by two writers.
const EXIF_BOXES: [&[u8; 16]; 2] =
    [b"JpgTiffExif->JP2", b"\x05\x37\xcd\xab\x9d\x0c\x44\x31\xa7\x2a\xfa\x56\x1f\x2a\x11\x3e"];

/// ColorSpace as ExifTool tells it: EXIF's, else that of the colour specification.
fn colorspace(source: &Source<'_>) -> Option<String> {
    let boxes = || bmff::top_level(source).flatten();
    let exif = boxes().filter(|found| &found.kind == b"uuid").find_map(|found| {
        let content = found.read(source, 1 << 20)?;
        let block = EXIF_BOXES.iter().find_map(|start| content.strip_prefix(start.as_slice()))?;
        exif::read(block).colorspace
    });
    exif.or_else(|| {
        let header = boxes().find(|found| &found.kind == b"jp2h")?;
        let mut specifications = header.children(source, 0).flatten().filter(|found| &found.kind == b"colr");
        specifications.find_map(|found| enumerated(&found.read(source, 16)?)).map(str::to_owned)
    })
}

/// The name of an enumerated colour space (ISO/IEC 15444-2 M.11.7.3).
fn enumerated(specification: &[u8]) -> Option<&'static str> {
    const ENUMERATED: u8 = 1;
    if specification.first() != Some(&ENUMERATED) {
        return None;
    }
    Some(match bmff::be32(specification, 3)? {
        12 => "CMYK",
        16 => "sRGB",
        17 => "Grayscale",
        18 => "sYCC",
        20 => "e-sRGB",
        _ => "Unknown",
    })
}

/// Packets that do not fit: damage where nobody can read them; doubt where decoders of everyday use show a picture without a word.
fn misfit(error: DecodeError, shown: bool) -> DecodeError {
    if shown {
        DecodeError::unsupported(format!("packets that do not fit, though they decode: {error}"))
    } else {
        error
    }
}

/// Where the codestream is.
fn codestream(header: &Header) -> Range<usize> {
    let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
    place(header.codestream.start)..place(header.codestream.end)
}

/// Whether the decoder does not come to terms with the packets either, whatever the boxes around them are like.
fn lacks_packets(bytes: &[u8], header: &Header) -> bool {
    let strict = DecodeSettings { strict: true, ..DecodeSettings::default() };
    let bare = bytes.get(codestream(header)).unwrap_or_default();
    matches!(
        decode(bare, strict, Target::None, header),
        Err(Failure::Hayro(HayroError::Tile(TileError::Invalid)))
    )
}

/// Why a decode ended.
enum Failure {
    Hayro(HayroError),
    Ours(DecodeError),
}

impl From<HayroError> for Failure {
    fn from(error: HayroError) -> Self {
        Self::Hayro(error)
    }
}

impl From<Failure> for DecodeError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Hayro(error) => in_our_words(error),
            Failure::Ours(error) => error,
        }
    }
}

fn decode(
    bytes: &[u8],
    settings: DecodeSettings,
    target: Target,
    header: &Header,
) -> Result<Option<Pixels>, Failure> {
    let image = Image::new(bytes, &settings)?;
    let mut context = DecoderContext::default();
    let decoded = image.decode(&mut context)?;
    if target == Target::None {
        return Ok(None);
    }
    // Where boxes do not tell what all components are, strictness makes inks of colours with alpha.
    let colours = Image::new(bytes, &DecodeSettings::default())?;
    pixels(&colours, &decoded, header).map(Some).map_err(Failure::Ours)
}

fn in_our_words(error: HayroError) -> DecodeError {
    let what = error.to_string();
    match error {
        HayroError::Format(FormatError::Unsupported)
        | HayroError::Marker(MarkerError::Unsupported)
        | HayroError::Validation(ValidationError::TooManyChannels)
        | HayroError::Color(_) => DecodeError::unsupported(what),
        HayroError::Validation(ValidationError::ImageTooLarge) => {
            DecodeError::limit(what, "hayro-jpeg2000's own")
        }
        HayroError::Decoding(DecodingError::UnexpectedEof) => DecodeError::truncated(what, None),
        _ => DecodeError::malformed(what, None),
    }
}

fn pixels(image: &Image<'_>, decoded: &DecodedImage<'_>, header: &Header) -> Result<Pixels, DecodeError> {
    let components = decoded.components();
    let (colours, icc) = match image.color_space() {
        ColorSpace::Icc { profile, num_channels } => (*num_channels, Some(profile.clone())),
        other => (other.num_channels(), None),
    };
    let model = match (colours, image.has_alpha()) {
        (1, false) => ColorModel::Gray,
        (1, true) => ColorModel::GrayAlpha,
        (3, false) => ColorModel::Rgb,
        (3, true) => ColorModel::Rgba,
        // Without boxes nobody says that these are inks.
        (4, _) if header.codestream.start == 0 => ColorModel::Rgba,
        (4, _) => ColorModel::Cmyk,
        _ => return Err(DecodeError::unsupported(format!("{colours} colour channels"))),
    };
    let kept = components
        .get(..model.channels())
        .ok_or_else(|| DecodeError::unsupported(format!("{} components for {model:?}", components.len())))?;
    let count = usize::try_from(header.size.pixels()).unwrap_or(usize::MAX);
    if kept.iter().any(|component| component.samples().len() < count) {
        return Err(DecodeError::unsupported("components of unequal size"));
    }
    let samples = if header.bits <= 8 {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the type")]
        Samples::U8(interleave(kept, count, 255.0, |value| value as u8))
    } else {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the type")]
        Samples::U16(interleave(kept, count, 65_535.0, |value| value as u16))
    };
    Ok(Pixels {
        icc,
        // ExifTool tells the depth by a name that Immich does not ask for.
        bits_per_sample: 0,
        ..Pixels::new(header.size, model, samples)
    })
}

fn interleave<T: Copy + Default>(
    components: &[hayro_jpeg2000::ComponentData],
    count: usize,
    full: f32,
    convert: impl Fn(f32) -> T,
) -> Vec<T> {
    let channels = components.len();
    let mut out = vec![T::default(); count * channels];
    for (channel, component) in components.iter().enumerate() {
        let top = (1u64 << component.bit_depth().min(32)) - 1;
        let scale = full / top.max(1) as f32;
        let places = out.iter_mut().skip(channel).step_by(channels);
        for (place, sample) in places.zip(component.samples()) {
            *place = convert((sample * scale + 0.5).clamp(0.0, full));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_spaces_have_exiftools_names() {
        assert_eq!(enumerated(&[1, 0, 0, 0, 0, 0, 16]), Some("sRGB"));
        assert_eq!(enumerated(&[1, 0, 0, 0, 0, 0, 17]), Some("Grayscale"));
        assert_eq!(enumerated(&[2, 0, 0, 0, 0, 0, 16]), None);
        assert_eq!(enumerated(&[1, 0, 0, 0, 0]), None);
    }
}
