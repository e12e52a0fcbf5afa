//! HEIF, HEIC and AVIF: structure and slices by walks of ours, then a strict decode of the primary picture by libheif, or by FFmpeg
//! where that is tiles as phones write them.

mod colour;
mod second;
#[cfg(test)]
mod tests;
mod tiles;

use libheif_rs::{
    ColorSpace, DecodingOptions, HeifContext, HeifError, HeifErrorCode, HeifErrorSubCode, Image, ImageHandle,
    ItemId, LibHeif, RgbChroma,
};
use moxcms::{CicpColorPrimaries, CicpProfile, ColorProfile, MatrixCoefficients, TransferCharacteristics};

use crate::media::panorama::Panorama;
use crate::media::structure::bmff;
use crate::media::structure::heif::{self, Layout, Mosaic, Pictures};
use crate::media::{ColorModel, Limits, Pixels, Samples, Source, exif};
use crate::model::{DecodeError, DecoderId, Depth, Fault, MediaFormat, PixelSize};

use super::films::{self, Opinion};
use super::video::Video;
use super::{
    Examined, Format, FormatSpec, Target, Wanted, decoder_id, own_check, preview_bytes, samples,
    within_limits,
};

/// HEIF, HEIC and AVIF.
pub struct Heif;

static SPECS: [FormatSpec; 2] = [
    FormatSpec {
        format: MediaFormat::Heic,
        name: "HEIC, HEIF",
        extensions: &["heic", "heif", "hif", "heics", "heifs"],
        recognised_by: "file type box with a HEIF brand",
        proves: "every box and item lies inside the file, every HEVC slice of every item is read to its last bit and ends where its blocks end; of others the primary picture decodes; tracks as in films",
        blind_to: "wrong bytes inside a slice that end at the right bit all the same; what libheif alone refuses, which is `unverifiable` where pictures are made of it",
        preview: true,
    },
    FormatSpec {
        format: MediaFormat::Avif,
        name: "AVIF",
        extensions: &["avif", "avifs"],
        recognised_by: "file type box with an AVIF brand",
        proves: "every box and item lies inside the file, AV1 units fill their items, the primary picture decodes and, where FFmpeg has libaom, every tile ends where its data ends; frames of an animation decode",
        blind_to: "without libaom, wrong bytes inside a tile",
        preview: true,
    },
];

/// Items smaller than this are placeholders.
const PLACEHOLDER: u64 = 32;

/// Brands that promise a still picture or an image sequence, by ISO/IEC 23008-12 and AV1 Image File Format.
const HEIF_BRANDS: [&[u8; 4]; 16] = [
    b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"mif2", b"mif3",
    b"msf1", b"avci", b"avcs", b"jpeg", b"j2ki",
];

impl Format for Heif {
    fn specs(&self) -> &'static [FormatSpec] {
        &SPECS
    }

    fn decoder(&self) -> DecoderId {
        let [major, minor, patch] = LibHeif::new_checked().map_or([0; 3], |library| library.version());
        decoder_id("libheif", &format!("{major}.{minor}.{patch}"))
    }

    fn recognise(&self, head: &[u8], _source: &Source<'_>) -> Option<MediaFormat> {
        let brands = bmff::brands(head);
        let major = brands.first()?;
        let has = |wanted: &[u8; 4]| brands.iter().any(|brand| brand == wanted);
        if has(b"avif") || major == b"avis" {
            return Some(MediaFormat::Avif);
        }
        // Live photos and CR3 files may name HEIF brands beside their own; the first brand decides there.
        let first = HEIF_BRANDS.contains(&major);
        let among_generic = matches!(major, b"isom" | b"iso8" | b"unif" | b"MiHB" | b"MiHE")
            && (has(b"mif1") || has(b"heic"));
        (first || among_generic).then_some(MediaFormat::Heic)
    }

    fn estimate(&self, _format: MediaFormat, source: &Source<'_>, target: Target) -> u64 {
        heif::walk(source).map_or(0, |layout| {
            let mosaic = Mosaic::of(source, &layout.index).ok().flatten();
            needs(source, &layout, mosaic.as_ref(), target)
        })
    }

    fn reduced(&self, source: &Source<'_>, target: Target) -> Option<u64> {
        let Target::AtLeast(side) = target else { return None };
        let layout = heif::walk(source).ok()?;
        let mosaic = Mosaic::of(source, &layout.index).ok()??;
        Some(preview_bytes(mosaic.size, side))
    }

    fn examine(&self, format: MediaFormat, source: &Source<'_>, wanted: Wanted<'_>) -> Examined {
        let mut examined = Examined::by(self.decoder());
        if let Err(problem) = examine(format, source, wanted, &mut examined) {
            examined.problem = Some(problem);
        }
        examined
    }
}

/// Bytes that are held where nothing is wrong: those of the walk, and of tiles where pixels are wanted; libheif's where it has to decode.
fn needs(source: &Source<'_>, layout: &Layout, mosaic: Option<&Mosaic>, target: Target) -> u64 {
    let is_hevc = |kind: &bmff::Kind| matches!(kind, b"hvc1" | b"hev1");
    let pixels = match (target, mosaic) {
        _ if layout.has_track || layout.is_mini || !layout.item_types.iter().any(is_hevc) => None,
        (Target::None, _) => Some(0),
        (_, mosaic) => mosaic.map(|mosaic| tiles::memory(mosaic, target)),
    };
    // One coded picture and its bits, and what is known of its blocks.
    let walk =
        source.len().saturating_mul(2).saturating_add(layout.largest.pixels() / 4).saturating_add(4 << 20);
    // The walk is over when pixels are made.
    pixels.map_or_else(|| memory(layout, source), |pixels| pixels.max(walk))
}

/// What libheif takes: planes, tiles, the interleaved picture and our copy of it, in bytes.
fn memory(layout: &Layout, source: &Source<'_>) -> u64 {
    // Measured with libheif 1.23, our copy of the picture included. A picture in one piece is in the decoder's own
    // frames beside libheif's planes; tiles are small.
    let per_pixel = match (layout.deep, layout.item_types.contains(b"grid")) {
        (false, _) => 10,
        (true, true) => 14,
        (true, false) => 28,
    };
    let pixels = if layout.is_mini { source.len().saturating_mul(64) } else { layout.largest.pixels() };
    pixels.saturating_mul(per_pixel).saturating_add(16 << 20)
}

fn examine(
    format: MediaFormat,
    source: &Source<'_>,
    mut wanted: Wanted<'_>,
    examined: &mut Examined,
) -> Result<(), DecodeError> {
    let Wanted { depth, target, limits, .. } = wanted;
    let layout = heif::walk(source).inspect_err(|_| examined.accuser = Some(own_check("HEIF walk")))?;
    if let Some(trailing) = layout.trailing.clone() {
        examined.faults.push(Fault { error: trailing, by: own_check("HEIF walk") });
    }
    if !layout.has_items && !layout.is_mini {
        // An image sequence without a still picture is a film in all but name.
        *examined = Video.examine(format, source, Wanted::new(depth, target, limits));
        if let Some(pixels) = examined.pixels.as_mut() {
            pixels.video_frame = None;
        }
        return examined.problem.take().map_or(Ok(()), Err);
    }
    if layout.largest.pixels() > 0 {
        within_limits(layout.largest, 0, limits)?;
    }
    let mosaic = if target == Target::None { None } else { mosaic(source, &layout)? };
    let pictures = walk_pictures(source, &layout, depth, examined)?;
    if layout.has_track {
        walk_track(source, depth, limits, examined)?;
    }
    let walked = pictures.not_followed.is_none() && !pictures.shown.is_empty();
    // Slices that were read to their last bit prove more than a decoder could, whose word would count for nothing against them.
    let is_hevc =
        |id: &u32| layout.index.item(*id).is_some_and(|item| matches!(&item.kind, b"hvc1" | b"hev1"));
    let proven = walked && target == Target::None && pictures.shown.iter().all(is_hevc);
    wanted.depth = if proven { Depth::Structure } else { depth };
    let depth = wanted.depth;
    let outcome = libheif(source, &layout, mosaic.filter(|_| walked), &mut wanted, examined);
    let opinion = |id: u32| opinion(source, &layout, id);
    if let Err(error) = outcome {
        if error.damage().is_some() {
            // Another decoder will be asked; without room for it nobody confirms what one alone says.
            wanted.hold(memory(&layout, source))?;
        }
        return Err(second::weigh(error, walked, pictures.shown.iter().copied().map(opinion)));
    }
    if depth == Depth::Structure {
        return Ok(());
    }
    let is_av1 = |id: &u32| layout.index.item(*id).is_some_and(|item| item.kind == *b"av01");
    for id in pictures.shown.into_iter().filter(is_av1) {
        if let Opinion::Refused(by) = opinion(id) {
            examined.accuser = Some(by);
            let at = layout.index.item(id).and_then(|item| item.extents.first()).map(|&(offset, _)| offset);
            return Err(DecodeError::malformed(format!("item {id}: its AV1 tiles are corrupt"), at));
        }
    }
    Ok(())
}

/// Our own look at what the items hold.
fn walk_pictures(
    source: &Source<'_>,
    layout: &Layout,
    depth: Depth,
    examined: &mut Examined,
) -> Result<Pictures, DecodeError> {
    let check = if layout.item_types.contains(b"av01") { "AV1 unit walk" } else { "HEVC walk" };
    let mut pictures = heif::pictures(source, &layout.index, depth != Depth::Structure)
        .inspect_err(|_| examined.accuser = Some(own_check("HEIF walk")))?;
    if let Some(damage) = pictures.damage.take() {
        examined.accuser = Some(own_check(check));
        examined.sound_until = pictures.sound_until;
        return Err(damage);
    }
    Ok(pictures)
}

/// The frames of an animation, which lie in a track as those of a film do. What cannot be said of them says nothing of the still picture.
fn walk_track(
    source: &Source<'_>,
    depth: Depth,
    limits: &Limits,
    examined: &mut Examined,
) -> Result<(), DecodeError> {
    let depth = if depth == Depth::Structure { depth } else { Depth::Full };
    let track = Video.examine(MediaFormat::Mp4, source, Wanted::new(depth, Target::None, limits));
    match track.problem {
        Some(damage) if damage.damage().is_some() => {
            examined.accuser = Some(track.accuser.unwrap_or(track.decoder));
            Err(damage)
        }
        _ => Ok(()),
    }
}

fn opinion(source: &Source<'_>, layout: &Layout, id: u32) -> Opinion {
    let stream = heif::plain_stream(source, &layout.index, id);
    match (layout.index.item(id), stream) {
        (Some(item), Ok(Some(stream))) => films::needed()
            .map_or(Opinion::None, |films| films.opinion(item.kind, &stream, memory(layout, source))),
        _ => Opinion::None,
    }
}

/// The primary picture as tiles for FFmpeg, if it is such a one.
fn mosaic(source: &Source<'_>, layout: &Layout) -> Result<Option<Mosaic>, DecodeError> {
    let mosaic = Mosaic::of(source, &layout.index)?;
    // Asked for before anything is done in vain.
    if mosaic.is_some() && films::needed().is_none() {
        return Err(DecodeError::unsupported("HEVC tiles, which FFmpeg decodes"));
    }
    Ok(mosaic)
}

/// What libheif makes of the primary picture; a mosaic of sound tiles is described by it and decoded by FFmpeg.
fn libheif(
    source: &Source<'_>,
    layout: &Layout,
    mosaic: Option<Mosaic>,
    wanted: &mut Wanted<'_>,
    examined: &mut Examined,
) -> Result<(), DecodeError> {
    let Wanted { depth, target, limits, .. } = *wanted;
    let bytes = source.load(limits)?;
    let library = LibHeif::new_checked().map_err(|error| failure(&error, layout))?;
    let context = open(&bytes, layout)?;
    let handle = context.primary_image_handle().map_err(|error| failure(&error, layout))?;
    let size = PixelSize::new(handle.width(), handle.height());
    examined.size = Some(size);
    if depth == Depth::Structure && target == Target::None {
        return Ok(());
    }
    within_limits(size, 0, limits)?;
    let mosaic = mosaic.filter(|mosaic| mosaic.shown() == size && !handle.has_alpha_channel());
    if let (Some(mosaic), Some(matrix), Some(films)) = (mosaic, matrix(&handle), films::needed())
        && let Some(pixels) =
            tiles::decode(source, &layout.index, &mosaic, matrix, films, wanted.reduce.take())
    {
        examined.pixels = Some(described(pixels, &handle));
        return Ok(());
    }
    within_limits(size, memory(layout, source), limits)?;
    wanted.hold(memory(layout, source))?;
    let image = decode(&library, &handle, layout)?;
    if target != Target::None {
        examined.pixels = Some(pixels(&image, &handle)?);
    }
    Ok(())
}

fn open<'b>(bytes: &'b [u8], layout: &Layout) -> Result<HeifContext<'b>, DecodeError> {
    ceilings::raise();
    let mut context = HeifContext::new().map_err(|error| failure(&error, layout))?;
    context.set_max_decoding_threads(0);
    context.read_bytes(bytes).map_err(|error| failure(&error, layout))?;
    Ok(context)
}

fn decode(library: &LibHeif, handle: &ImageHandle, layout: &Layout) -> Result<Image, DecodeError> {
    let mut options =
        DecodingOptions::new().ok_or_else(|| DecodeError::limit("libheif's decoding options", "memory"))?;
    // A tile that does not decode is an error, not a hole.
    options.set_strict_decoding(true);
    let deep = handle.luma_bits_per_pixel() > 8;
    let chroma = match (deep, handle.has_alpha_channel()) {
        (false, false) => RgbChroma::Rgb,
        (false, true) => RgbChroma::Rgba,
        (true, false) => RgbChroma::HdrRgbLe,
        (true, true) => RgbChroma::HdrRgbaLe,
    };
    library.decode(handle, ColorSpace::Rgb(chroma), Some(options)).map_err(|error| failure(&error, layout))
}

/// libheif's words as ours. Only [`HeifErrorCode::InvalidInput`] and decoders that choke say anything about the bytes.
fn failure(error: &HeifError, layout: &Layout) -> DecodeError {
    use HeifErrorCode as Code;
    use HeifErrorSubCode as Sub;
    let what = error.message.clone();
    match (error.code, error.sub_code) {
        (Code::MemoryAllocationError, _) | (_, Sub::SecurityLimitExceeded) => {
            DecodeError::limit(what, "libheif's security limits")
        }
        (
            Code::UnsupportedFileType
            | Code::UnsupportedFeature
            | Code::PluginLoadingError
            | Code::UsageError,
            _,
        )
        | (
            _,
            Sub::UnsupportedCodec
            | Sub::UnsupportedImageType
            | Sub::UnsupportedDataVersion
            | Sub::UnsupportedColorConversion
            | Sub::UnsupportedItemConstructionMethod
            | Sub::UnsupportedBitDepth
            | Sub::UnsupportedHeaderCompressionMethod
            | Sub::UnsupportedGenericCompressionMethod
            | Sub::UnsupportedEssentialProperty
            | Sub::UnsupportedParameter
            | Sub::NoMatchingDecoderInstalled,
        ) => DecodeError::unsupported(what),
        (Code::InvalidInput | Code::DecoderPluginError, Sub::EndOfData) => DecodeError::truncated(what, None),
        (Code::DecoderPluginError, _) if layout.beyond_main => {
            DecodeError::unsupported(format!("HEVC beyond the Main profiles: {what}"))
        }
        (Code::DecoderPluginError, _) if layout.largest_item < PLACEHOLDER => {
            DecodeError::unsupported(format!("an item too small to hold a picture: {what}"))
        }
        // libheif 1.23 gives up on some pictures with a crop that it decodes without one.
        (Code::DecoderPluginError, Sub::Unspecified) if layout.has_crop => {
            DecodeError::unsupported(format!("a cropped picture: {what}"))
        }
        // The alpha of an image sequence is a track, which the index of items may name all the same.
        (Code::InvalidInput, Sub::NonExistingItemReferenced) if layout.has_track => {
            DecodeError::unsupported(what)
        }
        (Code::InvalidInput | Code::DecoderPluginError, _) => DecodeError::malformed(what, None),
        _ => DecodeError::unsupported(format!("libheif: {what}")),
    }
}

fn pixels(image: &Image, handle: &ImageHandle) -> Result<Pixels, DecodeError> {
    let plane = image
        .planes()
        .interleaved
        .ok_or_else(|| DecodeError::unsupported("libheif gave no interleaved picture"))?;
    let size = PixelSize::new(plane.width, plane.height);
    let has_alpha = handle.has_alpha_channel();
    let model = if has_alpha { ColorModel::Rgba } else { ColorModel::Rgb };
    let deep = plane.bits_per_pixel > 8;
    let row_bytes = plane.width as usize * model.channels() * if deep { 2 } else { 1 };
    let rows = plane
        .data
        .chunks(plane.stride.max(1))
        .take(plane.height as usize)
        .filter_map(|row| row.get(..row_bytes));
    let mut samples = if deep {
        let shift = u32::from(16 - plane.bits_per_pixel.min(16));
        let mut wide = Vec::with_capacity(row_bytes / 2 * plane.height as usize);
        for row in rows {
            wide.extend(row.as_chunks::<2>().0.iter().map(|&pair| widen(pair, shift, plane.bits_per_pixel)));
        }
        Samples::U16(wide)
    } else {
        let mut packed = Vec::with_capacity(row_bytes * plane.height as usize);
        rows.for_each(|row| packed.extend_from_slice(row));
        Samples::U8(packed)
    };
    if has_alpha && handle.is_premultiplied_alpha() {
        samples::straighten(&mut samples, model.channels());
    }
    Ok(described(Pixels::new(size, model, samples), handle))
}

/// The same pixels with all that the file says of them.
fn described(pixels: Pixels, handle: &ImageHandle) -> Pixels {
    let Pixels { mut model, mut samples, .. } = pixels;
    let mut icc = icc(handle);
    let facts = metadata(handle);
    // A grey profile describes one channel; libheif spreads it over three.
    if icc.as_ref().is_some_and(|icc| icc.get(16..20) == Some(b"GRAY")) {
        match samples::to_gray(samples, model) {
            Ok((gray, gray_model)) => (samples, model) = (gray, gray_model),
            Err(colored) => (samples, icc) = (colored, None),
        }
    }
    Pixels {
        model,
        samples,
        icc,
        exif_colorspace: facts.colorspace,
        bits_per_sample: handle.luma_bits_per_pixel(),
        panorama: panorama(handle),
        ..pixels
    }
}

/// What the container says that Y, Cb and Cr are made of (ITU-T H.273, 8.3): 2 for nothing, `None` for what does not use the full range.
fn matrix(handle: &ImageHandle) -> Option<u16> {
    match handle.color_profile_nclx() {
        None => Some(2),
        Some(told) if told.full_range_flag() == 1 => u16::try_from(told.matrix_coefficients() as u32).ok(),
        Some(_) => None,
    }
}

/// A little-endian sample of `bits` bits spread over 16.
fn widen(pair: [u8; 2], shift: u32, bits: u8) -> u16 {
    let value = u16::from_le_bytes(pair);
    (value << shift) | value.checked_shr(u32::from(bits) - shift).unwrap_or(0)
}

/// The embedded profile, or one made from the coded description where that is no sRGB.
///
/// Descriptions of HDR transfer curves are left out: Immich's decoder ignores them too.
fn icc(handle: &ImageHandle) -> Option<Vec<u8>> {
    if let Some(raw) = handle.color_profile_raw() {
        return Some(raw.data);
    }
    let nclx = handle.color_profile_nclx()?;
    let primaries = match nclx.color_primaries() as u32 {
        9 => CicpColorPrimaries::Bt2020,
        12 => CicpColorPrimaries::Smpte432,
        _ => return None,
    };
    let transfer = match nclx.transfer_characteristics() as u32 {
        1 | 6 | 14 | 15 => TransferCharacteristics::Bt709,
        2 | 13 => TransferCharacteristics::Srgb,
        _ => return None,
    };
    let profile = ColorProfile::new_from_cicp(CicpProfile {
        color_primaries: primaries,
        transfer_characteristics: transfer,
        matrix_coefficients: MatrixCoefficients::Identity,
        full_range: true,
    });
    profile.encode().ok()
}

fn metadata(handle: &ImageHandle) -> exif::Facts {
    let mut ids = [ItemId::default(); 1];
    if handle.metadata_block_ids(&mut ids, b"Exif") == 0 {
        return exif::Facts::default();
    }
    let [id] = ids;
    let Ok(block) = handle.metadata(id) else { return exif::Facts::default() };
    // ISO/IEC 23008-12 A.2.1: four bytes say how far the TIFF header is away.
    let skip = bmff::be32(&block, 0).and_then(|skip| usize::try_from(skip).ok()?.checked_add(4));
    skip.and_then(|skip| block.get(skip..)).map(exif::read).unwrap_or_default()
}

fn panorama(handle: &ImageHandle) -> Option<Panorama> {
    let mut ids = [ItemId::default(); 8];
    let count = handle.metadata_block_ids(&mut ids, b"mime");
    let packet = |&id: &ItemId| handle.metadata(id).ok().and_then(|packet| Panorama::read(&packet));
    ids.iter().take(count).find_map(packet)
}

/// libheif's ceilings for one picture's index.
#[allow(
    unsafe_code,
    reason = "libheif-rs copies these limits in the layout of one libheif version, which another reads past its end"
)]
mod ceilings {
    use std::sync::Once;

    use libheif_sys as lh;

    static RAISED: Once = Once::new();

    /// Raises the ceilings that refuse sound pictures: phones write more tiles and references than the defaults allow.
    /// Size and memory are bounded by our own limits.
    pub(super) fn raise() {
        RAISED.call_once(|| {
            // SAFETY: the function returns the address of a mutable static of libheif that lives as long as the
            // process. It is written once, before this process makes any context, and the fields written belong to
            // the first version of the structure, which all later ones begin with.
            unsafe {
                let limits = lh::heif_get_global_security_limits().cast_mut();
                if let Some(limits) = limits.as_mut() {
                    limits.max_items = 1 << 16;
                    limits.max_children_per_box = 1 << 16;
                    limits.max_iloc_extents_per_item = 1 << 16;
                    limits.max_size_entity_group = 1 << 16;
                }
            }
        });
    }
}
