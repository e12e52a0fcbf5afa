//! The end of an uncompressed merged picture held against the document's thumbnail.
//!
//! Planes stand one behind the other, so an end that was lost takes whole planes, and what is left is a picture, in other colours.
//! The thumbnail (Adobe's file format specification, resource 1036) stands near the begin of the file. Programs may keep an old
//! one. So it is believed where it shows what is left as it is, in levels; and where nothing is left of a document that says that
//! its merged picture is real, if it shows something else than one colour.

use crate::media::{Limits, Pixels, Samples, Target};

use super::super::jpeg;
use super::Header;
use super::Mode;

/// Bytes of one value at the end that are worth a look.
const TAIL: usize = 4096;
/// Cells along the longer side of the comparison.
const CELLS: usize = 32;
/// Cells on each side of the begin of the tail that it takes to believe the comparison.
const LEAST: usize = 64;
/// Mean difference in levels of 255 of what is left, at most, and of what is lost, at least.
const ALIKE: f32 = 8.0;
const UNLIKE: f32 = 32.0;
/// How many times more what is lost differs.
const TIMES: f32 = 4.0;
/// Standard deviation of what the thumbnail shows where all is lost.
const CONTRAST: f32 = 16.0;

/// What is known of a document.
pub struct Witness<'b> {
    /// The whole file.
    pub bytes: &'b [u8],
    /// Where the planes begin.
    pub planes: usize,
    /// JPEG data of the thumbnail.
    pub thumbnail: &'b [u8],
    /// The document says that its merged picture is real.
    pub real: bool,
}

/// Values of the thumbnail and of the merged picture at the same places.
#[derive(Default)]
struct Pairs(Vec<(f32, f32)>);

impl Pairs {
    fn difference(&self) -> f32 {
        self.0.iter().map(|(shown, own)| (shown - own).abs()).sum::<f32>() / self.0.len().max(1) as f32
    }

    fn contrast(&self) -> f32 {
        let count = self.0.len().max(1) as f32;
        let mean = self.0.iter().map(|pair| pair.0).sum::<f32>() / count;
        (self.0.iter().map(|pair| (pair.0 - mean).powi(2)).sum::<f32>() / count).sqrt()
    }
}

impl Witness<'_> {
    /// Where zeros (or FF) begin that go on to the end of the file, if the thumbnail shows a picture there.
    pub fn lost_end(&self, header: &Header, limits: &Limits) -> Option<usize> {
        let value = *self.bytes.last().filter(|&&value| matches!(value, 0 | 0xFF))?;
        let tail = self.bytes.iter().rev().take_while(|&&byte| byte == value).count();
        let start = self.bytes.len() - tail;
        if tail < TAIL || !matches!(header.mode, Mode::Rgb) || !matches!(header.depth, 8 | 16) {
            return None;
        }
        let shown = jpeg::picture(self.thumbnail, Target::Full, limits)?;
        let (left, lost) = self.pairs(header, &shown, start)?;
        let differs = lost.0.len() >= LEAST && lost.difference() >= UNLIKE;
        let believed = if left.0.is_empty() {
            self.real && lost.contrast() >= CONTRAST
        } else {
            left.0.len() >= LEAST
                && left.difference() <= ALIKE
                && lost.difference() >= TIMES * left.difference()
        };
        (differs && believed).then_some(start)
    }

    /// What is wholly before and wholly behind a place of the file.
    fn pairs(&self, header: &Header, shown: &Pixels, start: usize) -> Option<(Pairs, Pairs)> {
        let Samples::U8(samples) = &shown.samples else { return None };
        let (width, height) = (shown.size.width as usize, shown.size.height as usize);
        if shown.model.channels() != 3 || width == 0 || height == 0 {
            return None;
        }
        let (row, plane) = (header.row_bytes(), usize::try_from(header.plane_bytes()).ok()?);
        let sample = usize::from(header.depth / 8);
        let (columns, rows) = (width.min(CELLS), height.min(CELLS));
        let size = (header.size.width as usize, header.rows());
        let (mut left, mut lost) = (Pairs::default(), Pairs::default());
        for (channel, cell) in (0..3).flat_map(|channel| (0..columns * rows).map(move |cell| (channel, cell)))
        {
            let (x, y) = (cell % columns, cell / columns);
            let part =
                |side: usize, place: usize, count: usize| place * side / count..(place + 1) * side / count;
            let (across, down) = (part(size.0, x, columns), part(size.1, y, rows));
            let from = self.planes + channel * plane;
            let pairs = if from + down.end * row <= start {
                &mut left
            } else if from + down.start * row >= start {
                &mut lost
            } else {
                continue;
            };
            let shown = mean(part(width, x, columns), part(height, y, rows), |x, y| {
                samples.get((y * width + x) * 3 + channel).copied()
            });
            let own = mean(across, down, |x, y| self.bytes.get(from + y * row + x * sample).copied());
            pairs.0.extend(shown.zip(own));
        }
        Some((left, lost))
    }
}

/// Mean over a rectangle; `None` of nothing.
fn mean(
    across: std::ops::Range<usize>,
    down: std::ops::Range<usize>,
    value: impl Fn(usize, usize) -> Option<u8>,
) -> Option<f32> {
    let count = across.len() * down.len();
    let places = down.flat_map(|y| across.clone().map(move |x| (x, y)));
    let sum: u64 = places.map(|(x, y)| value(x, y).map_or(0, u64::from)).sum();
    (count > 0).then(|| sum as f32 / count as f32)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "a panic is a failed test")]

    use turbojpeg_sys::TJPF_TJPF_RGB;

    use super::super::super::jpeg::tests::compress;
    use super::*;
    use crate::model::PixelSize;

    const SIDE: usize = 64;
    const PLANE: usize = SIDE * SIDE;
    const PLANES: usize = 100;

    /// Hills in three colours.
    fn scene(x: usize, y: usize, channel: usize) -> u8 {
        let hill = 40 + x * y / 32 + channel * 20;
        u8::try_from(hill.min(250)).unwrap_or(0)
    }

    /// The thumbnail, half as large, of what is drawn.
    fn thumbnail(draw: fn(usize, usize, usize) -> u8) -> Vec<u8> {
        let places = (0..SIDE / 2).flat_map(|y| (0..SIDE / 2).map(move |x| (x * 2, y * 2)));
        let samples: Vec<u8> =
            places.flat_map(|(x, y)| [0, 1, 2].map(|channel| draw(x, y, channel))).collect();
        compress(&samples, SIDE / 2, SIDE / 2, TJPF_TJPF_RGB, &[])
    }

    fn document() -> Vec<u8> {
        let mut bytes = vec![7; PLANES];
        let places = (0..3).flat_map(|channel| (0..PLANE).map(move |at| (at % SIDE, at / SIDE, channel)));
        bytes.extend(places.map(|(x, y, channel)| scene(x, y, channel)));
        bytes
    }

    fn look(bytes: &[u8], thumbnail: &[u8], real: bool) -> Option<usize> {
        let size = PixelSize::new(64, 64);
        let header = Header { large: false, channels: 3, size, depth: 8, mode: Mode::Rgb };
        Witness { bytes, planes: PLANES, thumbnail, real }.lost_end(&header, &Limits::default())
    }

    #[test]
    fn lost_planes_are_found() {
        let shown = thumbnail(scene);
        assert_eq!(look(&document(), &shown, true), None);
        // One plane is left, one and a half, none.
        for (start, real) in [(PLANES + PLANE, false), (PLANES + PLANE * 3 / 2, false), (PLANES - 8, true)] {
            let mut lost = document();
            lost[start..].fill(0);
            assert_eq!(look(&lost, &shown, real), Some(start));
        }
    }

    #[test]
    fn thumbnails_that_show_something_else_tell_nothing() {
        let mut red = document();
        red[PLANES + PLANE..].fill(0);
        let mut black = red.clone();
        black[PLANES - 8..].fill(0);
        let other = thumbnail(|x, y, channel| 250 - scene(x, y, channel));
        let white = thumbnail(|_, _, _| 255);
        // A red picture, and one that is black or transparent.
        let only_red = thumbnail(|x, y, channel| if channel == 0 { scene(x, y, 0) } else { 0 });
        for (bytes, shown, real) in
            [(&red, &other, true), (&red, &only_red, true), (&black, &white, true), (&black, &other, false)]
        {
            assert_eq!(look(bytes, shown, real), None);
        }
    }
}
