//! SVG through resvg: well-formed, and drawn at the size that is asked for. Nothing outside the file is looked at.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use resvg::tiny_skia::{Pixmap, PremultipliedColorU8, Transform};
use resvg::usvg::{self, ImageHrefResolver, Options, Tree, fontdb, roxmltree};

use crate::media::structure::xml;
use crate::media::{ColorModel, Limits, Pixels, Samples, Source};
use crate::model::{DecodeError, DecoderId, Depth, MediaFormat, PixelSize};

use super::{Examined, Format, FormatSpec, Target, Wanted, decoder_id, within_limits};

/// Scalable Vector Graphics.
pub struct Svg;

static SPECS: [FormatSpec; 1] = [FormatSpec {
    format: MediaFormat::Svg,
    name: "SVG",
    extensions: &["svg"],
    recognised_by: "the first element is `svg`",
    proves: "well-formed XML with a drawing that can be rendered",
    blind_to: "changed text and numbers that are still well-formed",
    preview: true,
}];

/// Drawings are text: more than this is no drawing.
const MAX_BYTES: u64 = 256 << 20;
/// Immich's decoder counts 72 dots to the inch for lengths such as `210mm`.
const DPI: f32 = 72.0;

/// Open since before the sandbox closed.
static FONT_FILES: OnceLock<Vec<File>> = OnceLock::new();
/// Read when a drawing comes: most workers never see one.
static FONTS: OnceLock<Arc<fontdb::Database>> = OnceLock::new();

/// Where distributions keep fonts, and which of them cover ordinary text.
const FONT_FOLDERS: [&str; 4] = [
    "/usr/share/fonts/truetype/dejavu",
    "/usr/share/fonts/truetype/liberation",
    "/usr/share/fonts/truetype/liberation2",
    "/usr/share/fonts/truetype/noto",
];
/// Enough for the Latin, Greek and Cyrillic faces of two families.
const MAX_FONT_BYTES: u64 = 12 << 20;

/// Opens the fonts for text in drawings: to be called before a sandbox closes. Without it, or without fonts in the usual places,
/// text is left out of the pictures.
fn open_fonts() {
    FONT_FILES.get_or_init(|| {
        let mut left = MAX_FONT_BYTES;
        FONT_FOLDERS.iter().flat_map(|folder| open_folder(Path::new(folder), &mut left)).collect()
    });
}

/// The fonts that were opened, read into memory.
fn fonts() -> Arc<fontdb::Database> {
    let read = || {
        let mut fonts = fontdb::Database::new();
        for file in FONT_FILES.get().into_iter().flatten() {
            let mut bytes = Vec::new();
            if file.take(MAX_FONT_BYTES).read_to_end(&mut bytes).is_ok() {
                fonts.load_font_data(bytes);
            }
        }
        name_families(&mut fonts);
        Arc::new(fonts)
    };
    Arc::clone(FONTS.get_or_init(read))
}

fn open_folder(folder: &Path, left: &mut u64) -> Vec<File> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort_unstable();
    let mut files = Vec::new();
    for path in paths {
        let usual = path.file_name().and_then(|name| name.to_str()).is_some_and(|name| {
            name.ends_with("tf")
                && (name.contains("Sans") || name.contains("Serif"))
                && !name.contains("Condensed")
        });
        let Ok(len) = path.metadata().map(|metadata| metadata.len()) else { continue };
        if usual
            && len <= *left
            && let Ok(file) = File::open(&path)
        {
            *left -= len;
            files.push(file);
        }
    }
    files
}

fn name_families(fonts: &mut fontdb::Database) {
    let has = |fonts: &fontdb::Database, name: &str| {
        fonts.faces().any(|face| face.families.iter().any(|(family, _)| family == name))
    };
    if let Some(sans) =
        ["Liberation Sans", "DejaVu Sans", "Noto Sans"].into_iter().find(|name| has(fonts, name))
    {
        fonts.set_sans_serif_family(sans);
        fonts.set_cursive_family(sans);
        fonts.set_fantasy_family(sans);
    }
    if let Some(serif) =
        ["Liberation Serif", "DejaVu Serif", "Noto Serif"].into_iter().find(|name| has(fonts, name))
    {
        fonts.set_serif_family(serif);
    }
    if let Some(mono) = ["DejaVu Sans Mono", "Noto Sans Mono"].into_iter().find(|name| has(fonts, name)) {
        fonts.set_monospace_family(mono);
    }
}

impl Format for Svg {
    fn specs(&self) -> &'static [FormatSpec] {
        &SPECS
    }

    fn decoder(&self) -> DecoderId {
        decoder_id("resvg", "0.49")
    }

    fn prepare(&self) {
        open_fonts();
    }

    fn recognise(&self, head: &[u8], _source: &Source<'_>) -> Option<MediaFormat> {
        first_element(head)
            .is_some_and(|name| name == b"svg" || name.ends_with(b":svg"))
            .then_some(MediaFormat::Svg)
    }

    fn estimate(&self, _format: MediaFormat, source: &Source<'_>, target: Target) -> u64 {
        // The tree takes a multiple of the text; the size is only known after parsing, so as much as a large
        // preview takes is assumed (canvas, layers of filters, our copy).
        let side = match target {
            Target::AtLeast(side) => u64::from(side),
            Target::None | Target::Full => 4096,
        };
        source.len().saturating_mul(24).saturating_add(side * side * 4 * 8).saturating_add(32 << 20)
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

/// The name of the first element behind declaration, comments and document type.
fn first_element(head: &[u8]) -> Option<&[u8]> {
    let mut rest = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    loop {
        rest = rest.trim_ascii_start();
        let inside = rest.strip_prefix(b"<")?;
        let (opens, closes): (&[u8], &[u8]) = match inside {
            [b'?', ..] => (b"?", b"?>"),
            [b'!', b'-', b'-', ..] => (b"!--", b"-->"),
            [b'!', ..] => (b"!", doctype_end(inside)),
            _ => {
                let end = inside
                    .iter()
                    .position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/'))?;
                return inside.get(..end);
            }
        };
        let body = inside.strip_prefix(opens)?;
        let end = memchr::memmem::find(body, closes)?;
        rest = body.get(end + closes.len()..)?;
    }
}

/// A document type with declarations of its own ends at `]>`.
fn doctype_end(inside: &[u8]) -> &'static [u8] {
    let bracket = memchr::memchr(b'[', inside);
    let angle = memchr::memchr(b'>', inside);
    if bracket.is_some_and(|bracket| angle.is_none_or(|angle| bracket < angle)) { b"]>" } else { b">" }
}

fn examine(
    source: &Source<'_>,
    depth: Depth,
    target: Target,
    limits: &Limits,
    examined: &mut Examined,
) -> Result<(), DecodeError> {
    if source.len() > MAX_BYTES {
        return Err(DecodeError::limit(
            format!("a drawing of {} bytes", source.len()),
            format!("{MAX_BYTES} bytes"),
        ));
    }
    let bytes = source.load(limits)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        if xml::declares_encoding(&bytes) {
            return DecodeError::unsupported("text in another encoding than UTF-8");
        }
        DecodeError::malformed("text is not UTF-8", Some(error.valid_up_to() as u64))
    })?;
    let parsing = roxmltree::ParsingOptions { allow_dtd: true, nodes_limit: 1_000_000, ..Default::default() };
    let document =
        roxmltree::Document::parse_with_options(text, parsing).map_err(|error| xml_failure(&error, text))?;
    if depth == Depth::Structure && target == Target::None {
        return Ok(());
    }
    let tree = Tree::from_xmltree(&document, &options()).map_err(|error| match error {
        usvg::Error::ParsingFailed(error) => xml_failure(&error, text),
        other => DecodeError::unsupported(other.to_string()),
    })?;
    let size = whole(tree.size().width(), tree.size().height());
    examined.size = Some(size);
    let scale = match target {
        Target::AtLeast(side) => (f64::from(side) / f64::from(size.short_side().max(1))).min(1.0),
        // Drawing proves little beyond parsing, so a small picture will do.
        Target::None => (256.0 / f64::from(size.short_side().max(1))).min(1.0),
        Target::Full => 1.0,
    };
    let drawn = PixelSize::new(scaled(size.width, scale), scaled(size.height, scale));
    within_limits(drawn, drawn.pixels().saturating_mul(4 * 8), limits)?;
    let pixels = draw(&tree, size, drawn)?;
    examined.pixels = (target != Target::None).then_some(pixels);
    Ok(())
}

/// Whether this word stands before the first element, where XML declares.
fn declared(text: &[u8], word: &[u8]) -> bool {
    let mut end = 0;
    while let Some(open) = text.get(end..).and_then(|rest| memchr::memchr(b'<', rest)) {
        end += open + 1;
        if !matches!(text.get(end), Some(b'?' | b'!')) {
            break;
        }
    }
    memchr::memmem::find(text.get(..end).unwrap_or_default(), word).is_some()
}

fn options() -> Options<'static> {
    Options {
        dpi: DPI,
        fontdb: fonts(),
        image_href_resolver: ImageHrefResolver {
            resolve_data: ImageHrefResolver::default_data_resolver(),
            resolve_string: Box::new(|_, _| None),
        },
        ..Options::default()
    }
}

fn xml_failure(error: &roxmltree::Error, text: &str) -> DecodeError {
    use roxmltree::Error as Xml;
    let what = format!("XML: {error}");
    let ends = text.len() as u64;
    match error {
        Xml::UnexpectedEndOfStream | Xml::UnclosedRootNode => DecodeError::truncated(what, Some(ends)),
        Xml::NodesLimitReached | Xml::EntityReferenceLoop(_) => DecodeError::limit(what, "1000000 nodes"),
        // What is declared outside of the file is not looked at (XML 1.0, 4.1: Entity Declared).
        Xml::UnknownEntityReference(..)
            if declared(text.as_bytes(), b"SYSTEM") || declared(text.as_bytes(), b"PUBLIC") =>
        {
            DecodeError::unsupported(what)
        }
        Xml::DtdDetected => DecodeError::unsupported(what),
        _ => DecodeError::malformed(what, None),
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rounded and clamped")]
fn whole(width: f32, height: f32) -> PixelSize {
    let side = |length: f32| length.round().clamp(1.0, 1e9) as u32;
    PixelSize::new(side(width), side(height))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "scale is at most 1")]
fn scaled(side: u32, scale: f64) -> u32 {
    ((f64::from(side) * scale).round() as u32).max(1)
}

fn draw(tree: &Tree, full_size: PixelSize, size: PixelSize) -> Result<Pixels, DecodeError> {
    let mut canvas = Pixmap::new(size.width, size.height).ok_or_else(|| {
        DecodeError::limit(format!("{} x {} pixels", size.width, size.height), "the canvas")
    })?;
    let transform = Transform::from_scale(
        size.width as f32 / tree.size().width(),
        size.height as f32 / tree.size().height(),
    );
    resvg::render(tree, transform, &mut canvas.as_mut());
    let samples = canvas.pixels().iter().map(PremultipliedColorU8::demultiply);
    let samples =
        samples.flat_map(|pixel| [pixel.red(), pixel.green(), pixel.blue(), pixel.alpha()]).collect();
    Ok(Pixels { full_size, ..Pixels::new(size, ColorModel::Rgba, Samples::U8(samples)) })
}
