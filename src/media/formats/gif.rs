//! GIF, animated or not.
//!
//! All blocks are walked and the data of every frame is read strictly by our own reader, which also makes the pixels of
//! the first frame. Immich treats GIFs as videos: their picture is the frame that the video filters choose, and our own
//! first frame only stands in where FFmpeg cannot choose one.

use crate::media::structure::gif::{self as structure, Frame, Greed, Outline};
use crate::media::{ColorModel, Light, Limits, Pixels, Samples, Source};
use crate::model::{DecodeError, DecoderId, Depth, Fault, MediaFormat, PixelSize};

use super::{Examined, Format, FormatSpec, Target, Wanted, decoder_id, films, video, within_limits};

/// The family.
pub struct Gif;

static SPECS: &[FormatSpec] = &[FormatSpec {
    format: MediaFormat::Gif,
    name: "GIF",
    extensions: &["gif"],
    recognised_by: "GIF87a or GIF89a",
    proves: "block structure sound; the data of every frame has only codes that exist and gives exactly its pixels",
    blind_to: "most changed codes that give as many pixels as before, and in small files all of them; wrong colours in colour tables, but for sectors lost from tables that come again; bytes after the trailer",
    preview: true,
}];

impl Format for Gif {
    fn specs(&self) -> &'static [FormatSpec] {
        SPECS
    }

    fn decoder(&self) -> DecoderId {
        decoder_id("photofsck-gif", "1")
    }

    fn recognise(&self, head: &[u8], _source: &Source<'_>) -> Option<MediaFormat> {
        (head.starts_with(b"GIF87a") || head.starts_with(b"GIF89a")).then_some(MediaFormat::Gif)
    }

    fn estimate(&self, _format: MediaFormat, source: &Source<'_>, target: Target) -> u64 {
        let mut head = [0; 13];
        let count = source.read_at(0, &mut head).unwrap_or(0);
        let screen = structure::walk(head.get(..count).unwrap_or_default()).screen;
        needs(screen, screen, target)
    }

    fn examine(&self, _format: MediaFormat, source: &Source<'_>, wanted: Wanted<'_>) -> Examined {
        let Wanted { depth, target, limits, .. } = wanted;
        let mut examined = Examined::by(self.decoder());
        let result =
            source.load(limits).and_then(|bytes| examine(&bytes, depth, target, limits, &mut examined));
        examined.problem = result.err();
        if let (Some(pixels), None) = (&mut examined.pixels, &examined.problem) {
            // Half the time, so that some is left to fall back.
            let limits = Limits { max_seconds: limits.max_seconds / 2, ..*limits };
            let chosen = films::needed().map(|films| films.shown_frame(source, MediaFormat::Gif, &limits));
            if let Some(Ok(chosen)) = chosen {
                *pixels = chosen;
            }
        }
        examined
    }
}

/// Canvas and indices of the first frame; the outline of a long animation; the frames that FFmpeg chooses from.
fn needs(screen: PixelSize, frame: PixelSize, target: Target) -> u64 {
    let choosing = if target == Target::None { 0 } else { video::choosing_memory(screen) };
    let pixels = if target == Target::None { 0 } else { screen.pixels() * 4 + frame.pixels() };
    pixels.saturating_add(choosing).saturating_add(4 << 20)
}

fn examine(
    bytes: &[u8],
    depth: Depth,
    target: Target,
    limits: &Limits,
    examined: &mut Examined,
) -> Result<(), DecodeError> {
    let mut outline = structure::walk(bytes);
    // Writers that leave the screen at 0 x 0 mean the first frame.
    if let (0, Some(first)) = (outline.screen.pixels(), outline.frames.first()) {
        outline.screen = first.size;
    }
    if outline.screen.pixels() > 0 {
        examined.size = Some(outline.screen);
    }
    if let Some(problem) = outline.problem.take() {
        return Err(problem);
    }
    if depth == Depth::Structure {
        return Ok(());
    }
    let largest = outline.frames.iter().map(|frame| frame.size).max_by_key(|size| size.pixels());
    within_limits(outline.screen, needs(outline.screen, largest.unwrap_or_default(), target), limits)?;
    within_limits(largest.unwrap_or_default(), 0, limits)?;
    let (mut oddity, mut greed) = (None, Greed::default());
    let mut overshoots = Vec::new();
    for (number, frame) in outline.frames.iter().enumerate() {
        let wanted = number == 0 && target != Target::None;
        let data = structure::read(bytes, frame, wanted, &mut greed)?;
        if data.surplus > 0 || data.extra > 0 {
            let (bytes, extra) = (data.surplus, data.extra);
            let what = format!("{bytes} bytes and {extra} pixels behind those of frame {number}");
            oddity = Some(DecodeError::malformed(what, frame.at as u64));
        }
        if data.overshoots(frame) {
            let what = format!("the codes of frame {number} give {} pixels more than it has", data.extra);
            overshoots.push(DecodeError::malformed(what, frame.at as u64));
        }
        if wanted {
            examined.pixels = Some(compose(bytes, &outline, frame, &data.indices));
        }
    }
    let tables: Vec<_> = outline.frames.iter().filter_map(|frame| frame.palette.clone()).collect();
    if let Some((number, lost)) = structure::lost_sector(bytes, &tables) {
        let what = format!(
            "{} bytes of colour table {number}, up to the edge of a disk sector, are others than in the tables beside it",
            lost.len()
        );
        return Err(DecodeError::malformed(what, lost.start as u64));
    }
    if let Some(at) = greed.broken_at() {
        let what = "LZW codes that no encoder would write here, in a file that has none of those elsewhere";
        return Err(DecodeError::malformed(what, at as u64));
    }
    if !outline.trailer {
        oddity = Some(DecodeError::truncated("the trailer is missing", bytes.len() as u64));
    }
    // More than half of several frames: the habit of their writer.
    let habit = overshoots.len() > 1 && overshoots.len() * 2 > outline.frames.len();
    if let Some(first) = overshoots.into_iter().next().filter(|_| !habit) {
        return Err(first);
    }
    let by = examined.decoder.clone();
    examined.faults.extend(oddity.map(|error| Fault { error, by }));
    Ok(())
}

/// The first frame on the empty canvas, which is white where colours without alpha are taken, as FFmpeg's is.
fn compose(bytes: &[u8], outline: &Outline, frame: &Frame, indices: &[u8]) -> Pixels {
    let palette = frame.palette.clone().or_else(|| outline.palette.clone());
    let palette = palette.and_then(|range| bytes.get(range)).unwrap_or_default();
    let (width, height) = (outline.screen.width as usize, outline.screen.height as usize);
    let columns = frame.size.width as usize;
    let mut canvas = [255, 255, 255, 0].repeat(width * height);
    for (stored, row) in indices.chunks_exact(columns).enumerate() {
        let y = usize::from(frame.top) + shown_row(stored, frame);
        let x = usize::from(frame.left);
        if y >= height || x >= width {
            continue;
        }
        let start = (y * width + x) * 4;
        let end = (y + 1) * width * 4;
        let places = canvas.get_mut(start..end).unwrap_or_default().chunks_exact_mut(4);
        for (place, &index) in places.zip(row) {
            let at = usize::from(index) * 3;
            if let (Some(&[r, g, b]), false) = (palette.get(at..at + 3), frame.transparent == Some(index)) {
                place.copy_from_slice(&[r, g, b, 255]);
            }
        }
    }
    let opaque = canvas.chunks_exact(4).all(|pixel| pixel.last() == Some(&255));
    let samples = if opaque {
        canvas.chunks_exact(4).flat_map(|pixel| pixel.iter().take(3).copied()).collect()
    } else {
        canvas
    };
    Pixels {
        video_frame: Some(Light::Ordinary),
        ..Pixels::new(
            outline.screen,
            if opaque { ColorModel::Rgb } else { ColorModel::Rgba },
            Samples::U8(samples),
        )
    }
}

/// Where a stored row is shown: interlaced frames come in four passes.
fn shown_row(stored: usize, frame: &Frame) -> usize {
    if !frame.interlaced {
        return stored;
    }
    let height = frame.size.height as usize;
    let mut before = 0;
    for (first, step) in [(0usize, 8), (4, 8), (2, 4), (1, 2)] {
        let rows = height.saturating_sub(first).div_ceil(step);
        if stored < before + rows {
            return first + (stored - before) * step;
        }
        before += rows;
    }
    stored
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is a failed test")]

    use super::super::testing::{examine_bytes, noise, prefixes};
    use super::*;

    fn encode(interlaced: bool, transparent: Option<u8>, frames: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let palette: Vec<u8> = (0..=255u8).flat_map(|n| [n, 255 - n, n / 2]).collect();
        let mut encoder = gif::Encoder::new(&mut out, 40, 30, &palette).unwrap();
        for _ in 0..frames {
            let indices = noise(40 * 30);
            let mut frame = gif::Frame::from_indexed_pixels(40, 30, indices, transparent);
            frame.interlaced = interlaced;
            encoder.write_frame(&frame).unwrap();
        }
        drop(encoder);
        out
    }

    #[test]
    fn pixels_of_the_first_frame() {
        let bytes = encode(false, None, 3);
        let pixels = examine_bytes(&Gif, &bytes, Target::Full).unwrap();
        let expected: Vec<u8> = noise(40 * 30).iter().flat_map(|&n| [n, 255 - n, n / 2]).collect();
        assert_eq!((pixels.model, &pixels.samples), (ColorModel::Rgb, &Samples::U8(expected)));
        assert_eq!(pixels.video_frame, Some(Light::Ordinary));
    }

    #[test]
    fn the_frame_behind_a_change_of_scene_is_taken() {
        let mut bytes = Vec::new();
        let mut encoder = gif::Encoder::new(&mut bytes, 40, 30, &[0, 0, 0, 250, 120, 60]).unwrap();
        for index in [0, 1] {
            for _ in 0..12 {
                let mut frame = gif::Frame::from_indexed_pixels(40, 30, vec![index; 40 * 30], None);
                frame.delay = 10;
                encoder.write_frame(&frame).unwrap();
            }
        }
        drop(encoder);
        let pixels = examine_bytes(&Gif, &bytes, Target::Full).unwrap();
        assert_eq!(pixels.samples, Samples::U8([250, 120, 60].repeat(40 * 30)));
    }

    #[test]
    fn interlaced_rows_agree_with_the_gif_crate() {
        let bytes = encode(true, Some(7), 1);
        let mut examined = Examined::by(Gif.decoder());
        examine(&bytes, Depth::Full, Target::Full, &Limits::default(), &mut examined).unwrap();
        let pixels = examined.pixels.unwrap();
        let mut options = gif::DecodeOptions::new();
        options.set_color_output(gif::ColorOutput::RGBA);
        let mut decoder = options.read_info(&bytes[..]).unwrap();
        let frame = decoder.read_next_frame().unwrap().unwrap();
        let Samples::U8(samples) = &pixels.samples else { panic!("8 bits expected") };
        assert_eq!(pixels.model, ColorModel::Rgba);
        for (ours, theirs) in samples.chunks_exact(4).zip(frame.buffer.chunks_exact(4)) {
            assert_eq!(ours[3], theirs[3]);
            assert!(ours[3] == 0 || ours == theirs);
        }
    }

    #[test]
    fn no_prefix_is_sound_but_the_one_without_trailer() {
        let bytes = encode(false, None, 1);
        prefixes(&Gif, &bytes, bytes.len() - 1);
        assert!(examine_bytes(&Gif, &bytes[..bytes.len() - 1], Target::None).is_ok());
    }

    #[test]
    fn lost_and_zeroed_data_is_noticed() {
        let bytes = encode(false, None, 2);
        let middle = bytes.len() / 2;
        let mut lost = bytes.clone();
        lost.drain(middle..middle + 100);
        assert!(examine_bytes(&Gif, &lost, Target::None).is_err());
        let mut zeroed = bytes;
        zeroed[middle..middle + 200].fill(0);
        assert!(examine_bytes(&Gif, &zeroed, Target::None).is_err());
    }

    #[test]
    fn long_extensions_that_gif_does_not_have_are_pictures_lost() {
        let bytes = encode(false, None, 1);
        let (trailer, before) = bytes.split_last().unwrap();
        let with = |label: u8, blocks: usize| {
            let mut extended = [before, &[0x21, label]].concat();
            (0..blocks).for_each(|_| extended.extend_from_slice(&[&[200], [7; 200].as_slice()].concat()));
            extended.extend_from_slice(&[0, *trailer]);
            examine_bytes(&Gif, &extended, Target::None)
        };
        assert!(with(0x59, 1).is_ok());
        assert!(with(0x59, 2).is_err_and(|error| error.damage().is_some()));
        assert!(with(0xFE, 2).is_ok());
    }

    #[test]
    fn a_run_beyond_the_last_pixel_is_damage_and_whole_rows_are_a_habit() {
        // The same data under a smaller size: the last run is cut, by some pixels or by a row.
        let bytes = encode(false, None, 1);
        let at = structure::walk(&bytes).frames[0].at;
        let resized = |width: u8, height: u8| {
            let mut resized = bytes.clone();
            resized[at + 5] = width;
            resized[at + 7] = height;
            examine_bytes(&Gif, &resized, Target::None)
        };
        assert!(resized(40, 29).is_ok() && resized(30, 30).is_ok());
        let runs = encode_runs(1199);
        assert!(examine_bytes(&Gif, &encode_runs(1200), Target::None).is_ok());
        assert!(matches!(examine_bytes(&Gif, &runs, Target::None), Err(DecodeError::Malformed { .. })));
    }

    /// Noise, and a run of one colour at the end; the descriptor says so many pixels in one row.
    fn encode_runs(pixels: u16) -> Vec<u8> {
        let mut out = Vec::new();
        let palette: Vec<u8> = (0..=255u8).flat_map(|n| [n, 255 - n, n / 2]).collect();
        let mut encoder = gif::Encoder::new(&mut out, 1200, 1, &palette).unwrap();
        let mut indices = noise(1200);
        indices[1150..].fill(7);
        encoder.write_frame(&gif::Frame::from_indexed_pixels(1200, 1, indices, None)).unwrap();
        drop(encoder);
        let at = structure::walk(&out).frames[0].at;
        out[at + 5..at + 7].copy_from_slice(&pixels.to_le_bytes());
        out
    }
}
