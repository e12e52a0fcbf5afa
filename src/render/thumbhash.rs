//! The thumbhash: 17 to 25 bytes from which a client paints a placeholder, and by which two pictures are compared.

mod encode;

use super::RenderError;
use super::geometry::{THUMBHASH_SIDE, inside};
use super::raster::Picture;
use super::resize::{Fit, Resizer};

/// Hashes the picture, scaled to fit inside 100x100.
pub fn thumbhash(picture: &Picture, resizer: &mut Resizer) -> Result<Vec<u8>, RenderError> {
    let size = inside(picture.size, THUMBHASH_SIDE);
    let small = resizer.picture(picture, size, Fit::Inside)?;
    let rgba = if small.alpha {
        small.samples
    } else {
        small
            .samples
            .as_chunks::<3>()
            .0
            .iter()
            .flat_map(|&[red, green, blue]| [red, green, blue, 255])
            .collect()
    };
    let (width, height) = (size.width as usize, size.height as usize);
    if width > THUMBHASH_SIDE as usize || height > THUMBHASH_SIDE as usize || rgba.len() != width * height * 4
    {
        return Err(RenderError::new("thumbhash", "samples do not fit the size"));
    }
    Ok(encode::encode(width, height, &rgba))
}

/// Pictures are compared at this many columns and rows, whatever their shape.
const GRID: usize = 24;
/// The most cosines a thumbhash has along one side.
const WAVES: usize = 7;

/// What a thumbhash paints, on black where it is transparent, as JPEG previews are.
pub struct Impression {
    /// Red, green and blue, 0 to 255.
    points: Vec<[f32; 3]>,
    /// Whether any of it is transparent. Such hashes are coarser, and what is behind them is a guess.
    pub transparent: bool,
}

impl Impression {
    /// Paints a thumbhash; `None` when the bytes are too few to be one.
    ///
    /// The layout is that of the reference implementation: header of five bytes (six with alpha), then four bits for
    /// each factor of luminance, yellow-blue, red-green and alpha.
    pub fn of(hash: &[u8]) -> Option<Self> {
        let (&[h0, h1, h2, h3, h4], rest) = hash.split_first_chunk::<5>()?;
        let header24 = u32::from_le_bytes([h0, h1, h2, 0]);
        let header16 = u32::from(u16::from_le_bytes([h3, h4]));
        #[allow(clippy::cast_precision_loss, reason = "six bits")]
        let field = |header: u32, at: u32, bits: u32| ((header >> at) & ((1 << bits) - 1)) as f32;
        let transparent = header24 >> 23 != 0;
        let longest = if transparent { 5 } else { WAVES };
        let shortest = (header16 & 7) as usize;
        let (columns, rows) = if header16 >> 15 != 0 { (longest, shortest) } else { (shortest, longest) };
        let (alpha, rest) = if transparent {
            let (&header8, rest) = rest.split_first()?;
            ((f32::from(header8 & 15) / 15.0, f32::from(header8 >> 4) / 15.0), rest)
        } else {
            ((1.0, 0.0), rest)
        };
        let mut factors = rest.iter().flat_map(|byte| [byte & 15, byte >> 4]);
        let mut channel = |mean: f32, columns: usize, rows: usize, scale: f32| {
            paint(mean, columns.max(3), rows.max(3), scale, &mut factors)
        };
        let light = channel(field(header24, 0, 6) / 63.0, columns, rows, field(header24, 18, 5) / 31.0)?;
        // The reference decoder makes colours stronger by a quarter, to make up for quantisation.
        let yellow = channel(field(header24, 6, 6) / 31.5 - 1.0, 3, 3, field(header16, 3, 6) / 63.0 * 1.25)?;
        let red = channel(field(header24, 12, 6) / 31.5 - 1.0, 3, 3, field(header16, 9, 6) / 63.0 * 1.25)?;
        let alpha = if transparent { channel(alpha.0, 5, 5, alpha.1)? } else { vec![1.0; GRID * GRID] };
        let points = light
            .iter()
            .zip(yellow)
            .zip(red)
            .zip(alpha)
            .map(|(((light, p), q), alpha)| {
                let blue = light - 2.0 / 3.0 * p;
                let red = f32::midpoint(3.0 * light - blue, q);
                [red, red - q, blue].map(|value| value.clamp(0.0, 1.0) * alpha.clamp(0.0, 1.0) * 255.0)
            })
            .collect();
        Some(Self { points, transparent })
    }

    /// Root of the mean square of the differences, 0 to 255. Sound copies of a picture are nearer than 16, nearly all
    /// nearer than 8; of different pictures one pair in a hundred is nearer than 27.
    pub fn distance(&self, other: &Self) -> f32 {
        let squares = self.points.iter().zip(&other.points).flat_map(|(a, b)| {
            let [[r0, g0, b0], [r1, g1, b1]] = [a, b];
            [(r0 - r1).powi(2), (g0 - g1).powi(2), (b0 - b1).powi(2)]
        });
        #[allow(clippy::cast_precision_loss, reason = "a small constant")]
        let count = (GRID * GRID * 3) as f32;
        (squares.sum::<f32>() / count).sqrt()
    }

    /// Correlation of the colours about their means, -1 to 1: nearly blind to exposure and contrast, by which developers and
    /// versions of decoders differ. `None` where one of the pictures is of one tone, so that there is nothing to compare.
    pub fn likeness(&self, other: &Self) -> Option<f32> {
        #[allow(clippy::cast_precision_loss, reason = "a small constant")]
        let count = (GRID * GRID) as f32;
        let (mut both, mut own, mut others) = (0.0, 0.0, 0.0);
        for channel in 0..3 {
            let centred = |impression: &Self| -> Vec<f32> {
                let values = impression.points.iter().filter_map(|point| point.get(channel));
                let mean = values.clone().sum::<f32>() / count;
                values.map(|value| value - mean).collect()
            };
            for (a, b) in centred(self).into_iter().zip(centred(other)) {
                both += a * b;
                own += a * a;
                others += b * b;
            }
        }
        // Less than one level on the average is nothing but rounding.
        (own.min(others) > count * 3.0).then(|| both / (own * others).sqrt())
    }
}

/// One channel from its mean and its factors, in the order of the reference implementation; `None` when they run out.
fn paint(
    mean: f32,
    columns: usize,
    rows: usize,
    scale: f32,
    factors: &mut impl Iterator<Item = u8>,
) -> Option<Vec<f32>> {
    let mut points = vec![mean; GRID * GRID];
    for row in 0..rows {
        let mut column = usize::from(row == 0);
        while column * rows < columns * (rows - row) {
            let factor = (f32::from(factors.next()?) / 7.5 - 1.0) * scale * 2.0;
            let (across, down) = (wave(column), wave(row));
            for (line, down) in points.chunks_exact_mut(GRID).zip(down) {
                for (point, across) in line.iter_mut().zip(across) {
                    *point += factor * across * down;
                }
            }
            column += 1;
        }
    }
    Some(points)
}

/// A cosine with so many half waves over the grid.
fn wave(half_waves: usize) -> [f32; GRID] {
    #[allow(clippy::cast_precision_loss, reason = "small numbers")]
    std::array::from_fn(|at| {
        (std::f32::consts::PI / GRID as f32 * (at as f32 + 0.5) * half_waves as f32).cos()
    })
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "tests"
    )]

    use proptest::prelude::*;

    use super::*;

    /// Waves of light and colour that depend on the seed; `alpha` fades them out to the right.
    fn hash(seed: u32, width: usize, height: usize, alpha: bool) -> Vec<u8> {
        let mut rgba = Vec::new();
        for y in 0..height {
            for x in 0..width {
                let (u, v) = (x as f32 / width as f32, y as f32 / height as f32);
                let turn = seed as f32;
                let value = |phase: f32| {
                    ((3.0 * u * (turn * 0.7 + phase).sin() + 4.0 * v * (turn + phase).cos()).sin() * 110.0
                        + 128.0) as u8
                };
                let clear = if alpha { (255.0 * (1.0 - u)) as u8 } else { 255 };
                rgba.extend([value(0.0), value(0.4), value(0.9), clear]);
            }
        }
        thumbhash::rgba_to_thumb_hash(width, height, &rgba)
    }

    /// The reference decoder's picture at the grid's points, on black.
    fn reference(hash: &[u8]) -> Vec<[f32; 3]> {
        let (width, height, rgba) = thumbhash::thumb_hash_to_rgba(hash).unwrap();
        let value = |x: usize, y: usize, channel: usize| {
            let at = (y.min(height - 1) * width + x.min(width - 1)) * 4;
            f32::from(rgba[at + channel]) * f32::from(rgba[at + 3]) / 255.0
        };
        let place = |number: usize, side: usize| {
            let exact = ((number as f32 + 0.5) / GRID as f32 * side as f32 - 0.5).max(0.0);
            (exact as usize, exact.fract())
        };
        let mut points = Vec::new();
        for ((y, down), (x, across)) in
            (0..GRID * GRID).map(|at| (place(at / GRID, height), place(at % GRID, width)))
        {
            points.push([0, 1, 2].map(|channel| {
                let mix = |a: f32, b: f32, share: f32| a + (b - a) * share;
                let upper = mix(value(x, y, channel), value(x + 1, y, channel), across);
                let lower = mix(value(x, y + 1, channel), value(x + 1, y + 1, channel), across);
                mix(upper, lower, down)
            }));
        }
        points
    }

    #[test]
    fn paints_what_the_reference_decoder_paints() {
        for seed in 0..20 {
            for (width, height, alpha) in
                [(100, 75, false), (60, 100, false), (100, 100, true), (100, 20, true)]
            {
                let hash = hash(seed, width, height, alpha);
                let impression = Impression::of(&hash).unwrap();
                assert_eq!(impression.transparent, alpha);
                let points = reference(&hash);
                let other = Impression { points, transparent: alpha };
                // What is left comes from interpolation between few points, and of 8 bits.
                let distance = impression.distance(&other);
                assert!(distance < 3.0, "{seed} {width}x{height}: {distance}");
                assert!(impression.likeness(&other).is_some_and(|likeness| likeness > 0.99));
            }
        }
    }

    #[test]
    fn other_pictures_are_far_and_the_same_is_near() {
        let of = |seed| Impression::of(&hash(seed, 100, 75, false)).unwrap();
        assert!(of(1).distance(&of(1)) < f32::EPSILON);
        assert!(of(1).distance(&of(4)) > 16.0, "{}", of(1).distance(&of(4)));
        assert!(of(1).likeness(&of(1)).is_some_and(|likeness| likeness > 0.999));
    }

    #[test]
    fn one_tone_resembles_nothing() {
        let flat = [90, 90, 90, 255].repeat(100 * 75);
        let grey = Impression::of(&thumbhash::rgba_to_thumb_hash(100, 75, &flat)).unwrap();
        let other = Impression::of(&hash(3, 100, 75, false)).unwrap();
        assert_eq!(grey.likeness(&other), None);
    }

    proptest! {
        #[test]
        fn any_bytes_paint_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Some(impression) = Impression::of(&bytes) {
                prop_assert_eq!(impression.points.len(), GRID * GRID);
                prop_assert!(impression.points.iter().flatten().all(|value| (0.0..=255.0).contains(value)));
                prop_assert!(impression.distance(&impression) < f32::EPSILON);
            }
            prop_assert_eq!(Impression::of(&bytes).is_some(), thumbhash::thumb_hash_to_rgba(&bytes).is_ok());
        }
    }
}
