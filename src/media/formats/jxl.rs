//! JPEG XL through jxl-oxide: boxes first, then every frame rendered.

use std::error::Error;

use jxl_oxide::{
    AllocTracker, ExtraChannelType, InitializeResult, JxlImage, JxlThreadPool, PixelFormat, Render,
    UninitializedJxlImage,
};

use crate::media::panorama::Panorama;
use crate::media::structure::bmff;
use crate::media::{ColorModel, Limits, Pixels, Samples, Source, exif, magic};
use crate::model::{DecodeError, DecoderId, Depth, Fault, MediaFormat, Orientation, PixelSize};

use super::{Examined, Format, FormatSpec, Target, Wanted, decoder_id, samples, within_limits};

/// JPEG XL, bare or in a container.
pub struct Jxl;

static SPECS: [FormatSpec; 1] = [FormatSpec {
    format: MediaFormat::Jxl,
    name: "JPEG XL",
    extensions: &["jxl"],
    recognised_by: "FF 0A, or the JXL signature box",
    proves: "every box lies inside the file, all frames are complete and decode",
    blind_to: "wrong bytes in metadata boxes",
    preview: true,
}];

const CONTAINER: &[u8] = b"\0\0\0\x0cJXL \r\n\x87\n";
/// Header, profile and preview are looked for in this many bytes when memory is estimated.
const HEADER_REACH: usize = 1 << 20;

impl Format for Jxl {
    fn specs(&self) -> &'static [FormatSpec] {
        &SPECS
    }

    fn decoder(&self) -> DecoderId {
        decoder_id("jxl-oxide", "0.12")
    }

    fn recognise(&self, head: &[u8], _source: &Source<'_>) -> Option<MediaFormat> {
        (head.starts_with(b"\xff\x0a") || head.starts_with(CONTAINER)).then_some(MediaFormat::Jxl)
    }

    fn estimate(&self, _format: MediaFormat, source: &Source<'_>, _target: Target) -> u64 {
        let mut head = vec![0; HEADER_REACH.min(usize::try_from(source.len()).unwrap_or(HEADER_REACH))];
        let Ok(count) = source.read_at(0, &mut head) else { return 0 };
        let head = head.get(..count).unwrap_or_default();
        match start(head, &Limits::default()) {
            Ok(Some(image)) => memory(&image),
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

fn examine(
    source: &Source<'_>,
    depth: Depth,
    target: Target,
    limits: &Limits,
    examined: &mut Examined,
) -> Result<(), DecodeError> {
    if magic::head(source)?.starts_with(CONTAINER) {
        walk_boxes(source, examined)?;
    }
    let bytes = source.load(limits)?;
    let incomplete = || DecodeError::truncated("the codestream is not complete", source.len());
    let mut image = start(&bytes, limits)?.ok_or_else(incomplete)?;
    let size = PixelSize::new(image.width(), image.height());
    examined.size = Some(size);
    within_limits(size, memory(&image), limits)?;
    if !image.is_loading_done() {
        return Err(incomplete());
    }
    if let Err(error) = image.finalize() {
        // Metadata boxes only: the picture is all there.
        let error = DecodeError::malformed(format!("metadata: {error}"), None);
        examined.faults.push(Fault { error, by: examined.decoder.clone() });
    }
    if depth == Depth::Structure && target == Target::None {
        return Ok(());
    }
    for index in 0..image.num_loaded_keyframes() {
        let render = image.render_frame(index).map_err(|error| failure(error.as_ref()))?;
        if index == 0 && target != Target::None {
            examined.pixels = Some(pixels(&image, &render)?);
        }
    }
    Ok(())
}

/// A trailer behind the codestream is harmless, a box that is cut off is not.
fn walk_boxes(source: &Source<'_>, examined: &mut Examined) -> Result<(), DecodeError> {
    let mut has_codestream = false;
    for found in bmff::top_level(source) {
        match found {
            Ok(found) => has_codestream |= matches!(&found.kind, b"jxlc" | b"jxlp"),
            Err(error @ DecodeError::Io { .. }) => return Err(error),
            Err(error) if has_codestream && !names_known_box(&error) => {
                examined.faults.push(Fault { error, by: examined.decoder.clone() });
            }
            Err(error) => return Err(error),
        }
    }
    if has_codestream { Ok(()) } else { Err(DecodeError::malformed("no codestream box", None)) }
}

/// Whether a box of JPEG XL (ISO/IEC 18181-2 9) is the one that is cut off; any other is text or a file that was appended.
fn names_known_box(error: &DecodeError) -> bool {
    const KNOWN: [&str; 8] = ["jxlc", "jxlp", "jxli", "jxll", "jbrd", "Exif", "xml ", "brob"];
    matches!(error, DecodeError::Truncated { what, .. } if KNOWN.iter().any(|kind| what.contains(&format!("'{kind}'"))))
}

/// Feeds all bytes; `None` when they end inside the header.
fn start(bytes: &[u8], limits: &Limits) -> Result<Option<JxlImage>, DecodeError> {
    let ceiling = usize::try_from(limits.max_memory).unwrap_or(usize::MAX);
    let mut uninit: UninitializedJxlImage = JxlImage::builder()
        .pool(JxlThreadPool::none())
        .alloc_tracker(AllocTracker::with_limit(ceiling))
        .build_uninit();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, _) = rest.split_at(rest.len().min(64 << 10));
        let consumed = uninit.feed_bytes(piece).map_err(|error| failure(error.as_ref()))?;
        rest = rest.get(consumed..).unwrap_or_default();
        match uninit.try_init().map_err(|error| failure(error.as_ref()))? {
            InitializeResult::NeedMoreData(same) => uninit = same,
            InitializeResult::Initialized(mut image) => {
                feed(&mut image, rest)?;
                return Ok(Some(image));
            }
        }
        if consumed == 0 {
            break;
        }
    }
    Ok(None)
}

fn feed(image: &mut JxlImage, mut rest: &[u8]) -> Result<(), DecodeError> {
    while !rest.is_empty() && !image.is_loading_done() {
        let consumed = image.feed_bytes(rest).map_err(|error| failure(error.as_ref()))?;
        if consumed == 0 {
            break;
        }
        rest = rest.get(consumed..).unwrap_or_default();
    }
    Ok(())
}

/// jxl-oxide keeps 32-bit samples per channel, some channels more than once, and we our copy.
fn memory(image: &JxlImage) -> u64 {
    let header = image.image_header();
    let channels = 3 + header.metadata.ec_info.len() as u64;
    PixelSize::new(image.width(), image.height())
        .pixels()
        .saturating_mul(channels * 4 * 4 + 8)
        .saturating_add(16 << 20)
}

fn failure(error: &(dyn Error + 'static)) -> DecodeError {
    let what = error.to_string();
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<std::io::Error>()
            && io.kind() == std::io::ErrorKind::UnexpectedEof
        {
            return DecodeError::truncated(what, None);
        }
        let words = inner.to_string();
        if words.starts_with("not supported")
            || words.contains("not supported by")
            || words.contains("profile conformance")
        {
            return DecodeError::unsupported(what);
        }
        if words.contains("llocat") {
            return DecodeError::limit(what, "memory");
        }
        cause = inner.source();
    }
    DecodeError::malformed(what, None)
}

fn pixels(image: &JxlImage, render: &Render) -> Result<Pixels, DecodeError> {
    let metadata = &image.image_header().metadata;
    let format = image.pixel_format();
    let model = match format {
        PixelFormat::Gray => ColorModel::Gray,
        PixelFormat::Graya => ColorModel::GrayAlpha,
        PixelFormat::Rgb => ColorModel::Rgb,
        PixelFormat::Rgba => ColorModel::Rgba,
        PixelFormat::Cmyk | PixelFormat::Cmyka => ColorModel::Cmyk,
    };
    // Four inks with alpha have no place in a preview: alpha is left out there.
    let mut stream = if format == PixelFormat::Cmyka { render.stream_no_alpha() } else { render.stream() };
    if stream.channels() as usize != model.channels() {
        return Err(DecodeError::unsupported(format!("{} channels for {format:?}", stream.channels())));
    }
    let size = PixelSize::new(stream.width(), stream.height());
    let count = usize::try_from(size.pixels()).unwrap_or(usize::MAX).saturating_mul(model.channels());
    let bits = metadata.bit_depth.bits_per_sample();
    let mut samples = if bits <= 8 {
        let mut buffer = vec![0u8; count];
        stream.write_to_buffer(&mut buffer);
        Samples::U8(buffer)
    } else {
        let mut buffer = vec![0u16; count];
        stream.write_to_buffer(&mut buffer);
        Samples::U16(buffer)
    };
    if model == ColorModel::Cmyk {
        // JPEG XL counts light, not ink.
        match &mut samples {
            Samples::U8(samples) => samples.iter_mut().for_each(|sample| *sample = !*sample),
            Samples::U16(samples) => samples.iter_mut().for_each(|sample| *sample = !*sample),
        }
    }
    let premultiplied = metadata
        .ec_info
        .iter()
        .any(|info| matches!(info.ty, ExtraChannelType::Alpha { alpha_associated: true }));
    if model.has_alpha() && premultiplied {
        samples::straighten(&mut samples, model.channels());
    }
    let facts = image.aux_boxes().first_exif().ok().and_then(|found| {
        if let jxl_oxide::AuxBoxData::Data(block) = found { Some(exif::read(block.payload())) } else { None }
    });
    let panorama = match image.aux_boxes().first_xml() {
        jxl_oxide::AuxBoxData::Data(packet) => Panorama::read(packet),
        _ => None,
    };
    Ok(Pixels {
        size,
        full_size: size,
        model,
        samples,
        orientation: Orientation::UPRIGHT,
        icc: Some(image.rendered_icc()).filter(|icc| !icc.is_empty()),
        // ExifTool reads no more of the codestream than its size.
        icc_unseen: true,
        exif_colorspace: facts.and_then(|facts| facts.colorspace),
        bits_per_sample: 0,
        panorama,
        video_frame: None,
    })
}
