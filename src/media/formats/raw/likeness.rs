//! The sensor data held against the camera's own preview: the only witness for codes that nobody follows to their end.
//!
//! Cameras crop, brighten and straighten their previews, and editors do more. So rows of cells are compared by
//! correlation, which knows no brightness and little of tone, over a range of shifts; and only one sharp-edged
//! band of rows that have nothing in common, in a picture whose other rows all agree, is evidence about the bytes.

use rawler::RawImageData;
use rawler::imgop::Rect;

use crate::media::{Limits, Pixels, Samples, Target};
use crate::model::PixelSize;

use super::super::jpeg;
use super::RawImage;

/// Cells of the coarse picture.
const COLUMNS: usize = 96;
const ROWS: usize = 64;
/// Cells by which the two may lie apart: crops, and lenses that the camera straightens.
const SHIFT: usize = 4;
/// Shorter side of a preview that is worth comparing, in pixels.
const LEAST_PREVIEW: u32 = 240;
/// Difference between the shapes of two pictures of the same field.
const SHAPE: f32 = 0.03;
/// Standard deviation along a row of the preview, in levels of 255, without which there is nothing to recognise.
const CONTRAST: f32 = 8.0;
/// Correlation from which rows are alike, and below which they have nothing in common.
const ALIKE: f32 = 0.8;
const UNLIKE: f32 = 0.5;
/// Rows of a band that is called damaged, and of agreeing ones that it takes to believe the comparison.
const LEAST_BAND: usize = 5;
const LEAST_ALIKE: usize = 12;

/// What the comparison says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Likeness {
    /// Nothing against the sensor data, or nothing to compare.
    Fine,
    /// They do not look alike, which has innocent reasons as well.
    Doubtful,
    /// A band of the sensor data is not this picture, from this share of its height on.
    Broken { from: f32, to: f32 },
}

/// Compares what was decoded with the smallest of the previews that is large enough and has the same shape.
pub(super) fn likeness(image: &RawImage, area: Rect, previews: &[&[u8]], limits: &Limits) -> Likeness {
    let Some(sensor) = sensor_cells(image, area) else { return Likeness::Fine };
    let wanted = PixelSize::new(super::side(area.d.w), super::side(area.d.h));
    let sized = previews.iter().filter_map(|data| Some((super::embedded::jpeg_size(data)?, *data)));
    let suited = sized.filter(|(size, _)| size.short_side() >= LEAST_PREVIEW && same_shape(*size, wanted));
    let Some((_, data)) = suited.min_by_key(|(size, _)| size.pixels()) else { return Likeness::Fine };
    let Some(preview) = jpeg::picture(data, Target::AtLeast(LEAST_PREVIEW), limits) else {
        return Likeness::Fine;
    };
    preview_cells(&preview).map_or(Likeness::Fine, |preview| compare(&sensor, &preview))
}

fn same_shape(one: PixelSize, other: PixelSize) -> bool {
    let shape = |size: PixelSize| size.width as f32 / size.height.max(1) as f32;
    (shape(one) / shape(other) - 1.0).abs() <= SHAPE
}

/// `ROWS` x `COLUMNS` means.
type Cells = Vec<[f32; COLUMNS]>;

const fn even(number: usize) -> usize {
    number & !1
}

/// Mean of each cell, as the square root of the light in it, which is near to what previews show. Cells have even sides and
/// begin at even places, so that each holds all colours of a Bayer mosaic alike.
fn sensor_cells(image: &RawImage, area: Rect) -> Option<Cells> {
    let RawImageData::Integer(values) = &image.data else { return None };
    let (cell_width, cell_height) = (even(area.d.w / COLUMNS), even(area.d.h / ROWS));
    if cell_width < 4 || cell_height < 4 {
        return None;
    }
    let black = image.blacklevel.as_vec();
    let black = black.iter().sum::<f32>() / black.len().max(1) as f32;
    let stride = image.width.checked_mul(image.cpp)?;
    let mut cells = Cells::with_capacity(ROWS);
    for row in 0..ROWS {
        let top = area.p.y + even(row * area.d.h / ROWS);
        let mut sums = [0u64; COLUMNS];
        for y in top..top + cell_height {
            let line = values.get(y.checked_mul(stride)?..)?.get(..stride)?;
            for (column, sum) in sums.iter_mut().enumerate() {
                let left = (area.p.x + even(column * area.d.w / COLUMNS)) * image.cpp;
                let cell = line.get(left..left + cell_width * image.cpp)?;
                *sum += cell.iter().map(|&value| u64::from(value)).sum::<u64>();
            }
        }
        let count = (cell_width * cell_height * image.cpp) as f32;
        cells.push(sums.map(|sum| (sum as f32 / count - black).max(0.0).sqrt()));
    }
    Some(cells)
}

/// Mean luma of each cell.
fn preview_cells(preview: &Pixels) -> Option<Cells> {
    let Samples::U8(samples) = &preview.samples else { return None };
    let channels = preview.model.channels();
    let (width, height) = (preview.size.width as usize, preview.size.height as usize);
    if !matches!(channels, 1 | 3) || width < COLUMNS || height < ROWS {
        return None;
    }
    let mut cells = Cells::with_capacity(ROWS);
    for row in 0..ROWS {
        let (top, bottom) = (row * height / ROWS, (row + 1) * height / ROWS);
        let mut sums = [(0u64, 0u64); COLUMNS];
        for line in samples.chunks_exact(width * channels).take(bottom).skip(top) {
            for (x, pixel) in line.chunks_exact(channels).enumerate() {
                let (sum, count) = sums.get_mut(x * COLUMNS / width)?;
                *sum += match pixel {
                    [red, green, blue] => {
                        (77 * u64::from(*red) + 150 * u64::from(*green) + 29 * u64::from(*blue)) >> 8
                    }
                    _ => u64::from(*pixel.first()?),
                };
                *count += 1;
            }
        }
        cells.push(sums.map(|(sum, count)| sum as f32 / count.max(1) as f32));
    }
    Some(cells)
}

/// How a row of the sensor data stands to the preview.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row {
    /// The preview shows nothing there that could be recognised.
    Plain,
    Alike,
    Unlike,
    Between,
}

fn compare(sensor: &Cells, preview: &Cells) -> Likeness {
    let (sensor, preview) = (centred(sensor), centred(preview));
    let rows: Vec<Row> = (0..sensor.len()).map(|row| judge_row(&sensor, &preview, row)).collect();
    let count = |wanted: Row| rows.iter().filter(|&&row| row == wanted).count();
    let (alike, unlike, between) = (count(Row::Alike), count(Row::Unlike), count(Row::Between));
    let is_off = |row: &Row| matches!(row, Row::Unlike | Row::Between);
    let (Some(first), Some(last)) = (rows.iter().position(is_off), rows.iter().rposition(is_off)) else {
        return Likeness::Fine;
    };
    let whole = rows.get(first..=last).is_some_and(|band| !band.contains(&Row::Alike));
    let sharp = is_sharp(rows.get(..first).unwrap_or_default().iter().rev())
        && is_sharp(rows.get(last + 1..).unwrap_or_default().iter());
    if unlike >= LEAST_BAND.max(between) && alike >= LEAST_ALIKE && whole && sharp {
        return Likeness::Broken { from: first as f32 / ROWS as f32, to: (last + 1) as f32 / ROWS as f32 };
    }
    if unlike > alike / 8 { Likeness::Doubtful } else { Likeness::Fine }
}

/// Each row without its mean: how light falls off towards the ground says nothing.
fn centred(cells: &Cells) -> Cells {
    cells.iter().map(|row| row.map(|value| value - mean(row))).collect()
}

/// Whether rows agree from the edge of the band on, but for the one that the edge goes through.
fn is_sharp<'r>(mut beside: impl Iterator<Item = &'r Row>) -> bool {
    let nearest = [beside.next(), beside.next()];
    nearest == [None, None] || nearest.into_iter().flatten().any(|&row| row == Row::Alike)
}

/// Judges a row together with its neighbours.
fn judge_row(sensor: &Cells, preview: &Cells, row: usize) -> Row {
    let nearest = row.clamp(1, sensor.len().saturating_sub(2).max(1));
    let around = |cells: &Cells, row: usize| cells.get(row.checked_sub(1)?..row + 2).map(<[_]>::to_vec);
    let (Some(ours), Some(theirs)) = (around(sensor, nearest), preview.get(row)) else { return Row::Plain };
    if deviation(theirs) < CONTRAST {
        return Row::Plain;
    }
    let near = (row.saturating_sub(SHIFT)..=row + SHIFT).filter_map(|row| around(preview, row));
    let best = near.map(|theirs| best_correlation(&ours, &theirs)).fold(0.0, f32::max);
    if best >= ALIKE {
        Row::Alike
    } else if best < UNLIKE {
        Row::Unlike
    } else {
        Row::Between
    }
}

/// The highest correlation of some rows over all shifts along them.
fn best_correlation(ours: &Cells, theirs: &Cells) -> f32 {
    let shifted = (0..=2 * SHIFT).map(|shift| {
        let (mut product, mut one, mut other) = (0.0, 0.0, 0.0);
        for (ours, theirs) in ours.iter().zip(theirs) {
            let theirs = theirs.iter().skip(SHIFT.saturating_sub(shift));
            for (a, b) in ours.iter().skip(shift.saturating_sub(SHIFT)).zip(theirs) {
                product += a * b;
                one += a * a;
                other += b * b;
            }
        }
        let spread = f32::sqrt(one * other);
        if spread > f32::EPSILON { product / spread } else { 0.0 }
    });
    shifted.fold(0.0, f32::max)
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len().max(1) as f32
}

fn deviation(values: &[f32]) -> f32 {
    let mean = mean(values);
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / values.len().max(1) as f32).sqrt()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "a panic is a failed test")]

    use super::*;

    /// A field of light of many sizes of detail, 0 to 1, that goes on beyond the picture.
    fn light(seed: f32, x: f32, y: f32) -> f32 {
        let waves = (1..7).map(|octave| {
            let scale = 1.7f32.powi(octave);
            (x * scale + seed + (y * scale * 1.3 + seed * 2.0).sin() * 1.5).sin()
                * (y * scale * 0.9 - seed * 3.0).cos()
        });
        (waves.sum::<f32>() / 6.0).mul_add(0.9, 0.5).clamp(0.0, 1.0)
    }

    /// Cells of what `at` says about places from 0 to 1.
    fn cells(at: impl Fn(f32, f32) -> f32) -> Cells {
        let cell = |row: usize, column: usize| {
            at((column as f32 + 0.5) / COLUMNS as f32, (row as f32 + 0.5) / ROWS as f32)
        };
        (0..ROWS).map(|row| std::array::from_fn(|column| cell(row, column))).collect()
    }

    fn sensor(seed: f32) -> Cells {
        cells(|x, y| light(seed, x * 3.0, y * 2.0).sqrt() * 60.0)
    }

    /// A camera's picture: an S curve, darker corners, and places moved by `warp`.
    fn preview(seed: f32, warp: impl Fn(f32, f32) -> (f32, f32)) -> Cells {
        cells(|x, y| {
            let (moved_x, moved_y) = warp(x - 0.5, y - 0.5);
            let value = light(seed, (moved_x + 0.5) * 3.0, (moved_y + 0.5) * 2.0).powf(0.45);
            let corner = 1.0 - 0.5 * ((x - 0.5).powi(2) + (y - 0.5).powi(2));
            (value * value * (3.0 - 2.0 * value)) * corner * 255.0
        })
    }

    #[test]
    fn a_straightened_cropped_or_moved_preview_accuses_nobody() {
        for seed in 0..12 {
            let seed = seed as f32 * 0.77;
            let same = preview(seed, |x, y| (x, y));
            assert_eq!(compare(&sensor(seed), &same), Likeness::Fine, "seed {seed}");
            for strength in [0.02, 0.05, 0.1, 0.2, 0.4] {
                let warped = preview(seed, |x, y| {
                    let factor = 1.0 - strength * (0.5 - x * x - y * y);
                    (x * factor, y * factor)
                });
                let cropped = preview(seed, |x, y| (x * (1.0 - strength), y * (1.0 - strength)));
                let moved = preview(seed, |x, y| (x + strength / 4.0, y - strength / 4.0));
                for picture in [warped, cropped, moved] {
                    let answer = compare(&sensor(seed), &picture);
                    assert!(
                        !matches!(answer, Likeness::Broken { .. }),
                        "seed {seed}, {strength}: {answer:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn another_picture_is_doubtful_and_no_more() {
        for seed in 0..40 {
            let other = preview(seed as f32 * 0.77 + 40.0, |x, y| (x, y));
            let answer = compare(&sensor(seed as f32 * 0.77), &other);
            assert_eq!(answer, Likeness::Doubtful, "seed {seed}");
        }
    }

    #[test]
    fn bands_that_are_not_the_picture_are_found() {
        let mut found = 0;
        for seed in 0..40 {
            let seed = seed as f32 * 0.77;
            let picture = preview(seed, |x, y| (x * 0.98, y * 0.98));
            let mut noise = 17u32;
            let mut broken = [sensor(seed), sensor(seed), sensor(seed)];
            for row in 30..ROWS {
                for column in 0..COLUMNS {
                    noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let moved = broken[2][row][(column + 37) % COLUMNS];
                    broken[0][row][column] = 0.0;
                    broken[1][row][column] = (noise >> 16) as f32 / 1024.0;
                    if row < 50 {
                        broken[2][row - 20][column] = moved;
                    }
                }
            }
            for cells in &broken {
                if let Likeness::Broken { from, to } = compare(cells, &picture) {
                    assert!(from >= 9.0 / ROWS as f32 && to > from, "{from} to {to}");
                    found += 1;
                }
            }
        }
        assert!(found > 80, "only {found} of 120 broken bands were found");
    }

    #[test]
    fn a_plain_wall_says_nothing() {
        let wall = cells(|_, _| 30.0);
        assert_eq!(compare(&wall, &wall), Likeness::Fine);
        assert_eq!(compare(&sensor(1.0), &wall), Likeness::Fine);
    }
}
