//! One file per family of formats, and the registry of them all.

use crate::model::{DecodeError, DecoderId, Depth, Fault, MediaFormat, Orientation, PixelSize};

use super::{Limits, Pixels, Reduce, Source};

pub mod bmp;
mod deadline;
mod ffmpeg;
pub mod films;
pub mod gif;
pub mod heif;
pub mod jp2;
pub mod jpeg;
pub mod jxl;
pub mod png;
pub mod psd;
pub mod raw;
mod samples;
pub mod svg;
#[cfg(test)]
mod testing;
pub mod tiff;
pub mod video;
pub mod webp;
pub mod xmp;

/// How thoroughly videos are looked at.
pub type VideoDepth = Depth;

/// What the caller wants besides the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// No pixels. Decoders may take any cheaper way that proves as much.
    None,
    /// Pixels whose shorter side is at least this long if the file has that many; decoders that can scale
    /// while decoding choose the smallest such scale, times the margin they need for fidelity.
    AtLeast(u32),
    /// Pixels at full resolution.
    Full,
}

/// What is wanted of one file, and what that may cost.
pub struct Wanted<'a> {
    /// How thoroughly to look.
    pub depth: Depth,
    /// What to give besides the verdict.
    pub target: Target,
    /// What it may cost.
    pub limits: &'a Limits,
    /// Who reduces the picture while it is decoded, where that can be done: the pixels are then those that it made.
    pub reduce: Option<&'a mut dyn Reduce>,
    /// Who gives leave to hold more than was estimated. Without one, more may be held.
    pub leave: Option<&'a mut dyn Leave>,
}

/// Gives leave to hold memory, where it shows on the way that more is needed than was estimated.
pub trait Leave {
    /// To hold so many bytes in place of those of [`Format::estimate`], for a picture that is reduced on the way to so many of them if it
    /// is ([`Format::reduced`]). May wait until there is room; whoever asks holds little besides the file by then. An error is the
    /// answer for the file: it needs more than there will ever be.
    fn hold(&mut self, bytes: u64, reduced: Option<u64>) -> Result<(), DecodeError>;
}

impl<'a> Wanted<'a> {
    /// With pixels as they are decoded.
    pub const fn new(depth: Depth, target: Target, limits: &'a Limits) -> Self {
        Self { depth, target, limits, reduce: None, leave: None }
    }

    /// Gets leave to hold so many bytes, for a picture as it is decoded.
    pub fn hold(&mut self, bytes: u64) -> Result<(), DecodeError> {
        self.leave.as_mut().map_or(Ok(()), |leave| leave.hold(bytes, None))
    }
}

/// One row of `docs/formats.md`.
pub struct FormatSpec {
    /// What it is called in reports.
    pub format: MediaFormat,
    /// Name for people, with variants.
    pub name: &'static str,
    /// File extensions, lower case, that promise this format.
    pub extensions: &'static [&'static str],
    /// How the bytes are recognised, in words.
    pub recognised_by: &'static str,
    /// What a clean answer proves at full depth, in words.
    pub proves: &'static str,
    /// What it cannot see, in words.
    pub blind_to: &'static str,
    /// Whether previews can be made.
    pub preview: bool,
}

/// What was learnt from one file.
#[derive(Debug)]
pub struct Examined {
    /// Who decoded.
    pub decoder: DecoderId,
    /// Size in pixels as shown (oriented), when the header tells.
    pub size: Option<PixelSize>,
    /// How to turn it upright.
    pub orientation: Orientation,
    /// The first thing that is wrong or impossible; `None` = sound at the depth asked for.
    pub problem: Option<DecodeError>,
    /// Who says so, where it is a check of ours and not the decoder: see [`own_check`].
    pub accuser: Option<DecoderId>,
    /// Oddities that are no damage, and second opinions.
    pub faults: Vec<Fault>,
    /// The picture, where it was asked for and could be made. May be there although `problem` is set.
    pub pixels: Option<Pixels>,
    /// Share of the picture's height, counted from the top, that is sound, where that can be told (0 to 1).
    pub sound_until: Option<f32>,
}

impl Examined {
    /// Nothing found yet.
    pub fn by(decoder: DecoderId) -> Self {
        Self {
            decoder,
            size: None,
            orientation: Orientation::UPRIGHT,
            problem: None,
            accuser: None,
            faults: Vec::new(),
            pixels: None,
            sound_until: None,
        }
    }
}

/// A family of formats that one decoder handles.
pub trait Format: Sync {
    /// Its rows of the table.
    fn specs(&self) -> &'static [FormatSpec];

    /// Which decoder, with its version at run time.
    fn decoder(&self) -> DecoderId;

    /// Whether this program has what it takes: see [`films`].
    fn ready(&self) -> bool {
        true
    }

    /// Loads whatever the decoder takes from files (plug-ins, fonts): called once, before the process gives up
    /// the right to open anything.
    fn prepare(&self) {}

    /// Whether the bytes are one of ours. `head` holds the first bytes of the file (up to
    /// [`super::magic::HEAD_LEN`]); `source` may be read for formats that need more.
    fn recognise(&self, head: &[u8], source: &Source<'_>) -> Option<MediaFormat>;

    /// An upper bound for the memory that `examine` will hold, in bytes, from the header alone and cheap.
    /// The whole file in memory is already counted by the caller.
    fn estimate(&self, format: MediaFormat, source: &Source<'_>, target: Target) -> u64;

    /// Bytes of the pixels that are given, as RGB, where the decoder that `estimate` is about reduces them to the size of the preview on
    /// the way.
    fn reduced(&self, _source: &Source<'_>, _target: Target) -> Option<u64> {
        None
    }

    /// Looks at the whole file at the depth asked for, and decodes what the target needs in the same pass.
    ///
    /// Never panics on bad data on purpose; panics of third-party code are caught by the caller.
    fn examine(&self, format: MediaFormat, source: &Source<'_>, wanted: Wanted<'_>) -> Examined;
}

/// All families, in the order in which they are asked: camera raws built on TIFF come before TIFF itself.
#[rustfmt::skip]
pub static REGISTRY: &[&dyn Format] = &[
    &jpeg::Jpeg,
    &raw::Raw,
    &png::Png,
    &gif::Gif,
    &webp::Webp,
    &bmp::Bmp,
    &heif::Heif,
    &jxl::Jxl,
    &jp2::Jp2,
    &psd::Psd,
    &svg::Svg,
    &video::Video,
    &xmp::Xmp,
    // Camera raws that are built on TIFF stand before it.
    &tiff::Tiff,
];

/// Brings FFmpeg into this program: whatever calls this is linked to it.
pub fn with_ffmpeg() {
    films::install(&ffmpeg::Ffmpeg);
}

/// A decoder's identity: the library's version and ours, since our own checks are part of every verdict.
pub fn decoder_id(name: &str, version: &str) -> DecoderId {
    DecoderId { name: name.into(), version: format!("{version} (photofsck {})", env!("CARGO_PKG_VERSION")) }
}

/// The identity of a check of ours, for example `photofsck JPEG walk`.
pub fn own_check(what: &str) -> DecoderId {
    DecoderId { name: format!("photofsck {what}"), version: env!("CARGO_PKG_VERSION").into() }
}

/// Refuses a picture that is larger than the limits allow, before anything is allocated for it.
/// `bytes` is all that decoding it will hold.
pub fn within_limits(size: PixelSize, bytes: u64, limits: &Limits) -> Result<(), DecodeError> {
    let PixelSize { width, height } = size;
    if size.pixels() > limits.max_pixels {
        return Err(DecodeError::limit(
            format!("a picture of {width} x {height} pixels"),
            format!("{} pixels", limits.max_pixels),
        ));
    }
    if bytes > limits.max_memory {
        return Err(DecodeError::limit(
            format!("decoding {width} x {height} pixels takes about {} MiB", bytes.div_ceil(1 << 20)),
            format!("{} MiB for one file (--memory)", limits.max_memory >> 20),
        ));
    }
    Ok(())
}

/// Bytes of a picture of this shape whose shorter side is that long, as RGB, or smaller.
fn preview_bytes(size: PixelSize, side: u32) -> u64 {
    let (long, short) = (size.width.max(size.height), size.short_side().max(1));
    let pixels =
        u64::from(side).saturating_mul(u64::from(side)).saturating_mul(u64::from(long)) / u64::from(short);
    pixels.min(size.pixels()).saturating_mul(3)
}

/// The text of `docs/formats.md`, from the registry.
pub fn table_markdown() -> String {
    let mut out = String::from(
        "# Formats\n\n\
         Formats are told apart by content; the extension only says what a name promises. A clean answer means what its\n\
         column says, for the whole file unless `--quick` was given; with a recorded checksum every change is noticed.\n\
         What a decoder does not support, or what is over a limit, is `unverifiable`, never `damaged`. The version of the\n\
         decoder that spoke is in every finding (`by`) and in the catalog.\n\n\
         This page is generated: `PHOTOFSCK_BLESS=1 cargo test formats_page` writes it anew.\n\n\
         | format | file names | recognised by | decoder | a clean answer means | not noticed | previews |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for family in REGISTRY {
        let decoder = decoder_cell(&family.decoder());
        for spec in family.specs() {
            let names: Vec<String> = spec.extensions.iter().map(|name| format!(".{name}")).collect();
            let cells = [
                spec.name,
                &names.join(" "),
                spec.recognised_by,
                &decoder,
                spec.proves,
                spec.blind_to,
                if spec.preview { "yes" } else { "no" },
            ];
            out.push_str("| ");
            out.push_str(&cells.map(|cell| cell.replace('|', "\\|")).join(" | "));
            out.push_str(" |\n");
        }
    }
    out
}

/// Decoder and version; what the system brings is named without, since this page is the same everywhere.
fn decoder_cell(decoder: &DecoderId) -> String {
    if decoder.name.starts_with("FFmpeg") {
        return format!("{} of the system, 5.1 or newer", decoder.name);
    }
    let version = decoder.version.split(" (").next().unwrap_or_default();
    format!("{} {version}", decoder.name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;
    use crate::media::probe;

    /// With the system's libheif the page would name another version.
    #[cfg(feature = "embedded-libheif")]
    #[test]
    fn formats_page() {
        let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/formats.md");
        let text = table_markdown();
        if std::env::var_os("PHOTOFSCK_BLESS").is_some() {
            std::fs::write(&page, &text).unwrap();
        }
        assert!(
            std::fs::read_to_string(&page).unwrap_or_default() == text,
            "docs/formats.md is not what the registry says; run this test with PHOTOFSCK_BLESS=1"
        );
    }

    #[test]
    fn names_that_promise_a_format() {
        assert!(probe::name_agrees("insp", MediaFormat::Jpeg));
        assert!(probe::name_agrees("jpe", MediaFormat::Jpeg));
        assert!(!probe::name_agrees("jpg", MediaFormat::Png));
        assert!(probe::name_agrees("unheard-of", MediaFormat::Png));
        assert!(probe::name_agrees("", MediaFormat::Png));
    }

    #[test]
    fn every_row_is_filled_and_extensions_are_lower_case() {
        for spec in REGISTRY.iter().flat_map(|family| family.specs()) {
            assert!(!spec.extensions.is_empty(), "{}", spec.name);
            for text in [spec.name, spec.recognised_by, spec.proves, spec.blind_to] {
                assert!(!text.is_empty(), "{}", spec.name);
            }
            for extension in spec.extensions {
                assert!(
                    extension.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()),
                    "{extension}"
                );
            }
        }
    }

    #[test]
    fn too_large_is_a_limit() {
        let limits = Limits { max_pixels: 100, max_memory: 1000, max_seconds: 1 };
        assert!(within_limits(PixelSize::new(10, 10), 1000, &limits).is_ok());
        assert!(within_limits(PixelSize::new(10, 11), 0, &limits).is_err());
        assert!(within_limits(PixelSize::new(10, 10), 1001, &limits).is_err());
    }
}
