//! Turning pictures upright: the eight EXIF orientations.

use crate::model::{Orientation, PixelSize};

/// Columns of the target that are filled together: keeps what a rotation reads in the cache.
const BLOCK: usize = 64;

/// Writes the pixels of `source` upright into `target`. `size` is that of `source`; `target` has as many pixels, with the sides
/// exchanged where the orientation transposes. Slices of another length than `size` says are filled as far as they go.
pub fn upright<P: Copy>(source: &[P], size: PixelSize, orientation: Orientation, target: &mut [P]) {
    let (width, height) = (size.width as usize, size.height as usize);
    if width == 0 || height == 0 {
        return;
    }
    let (last_x, last_y) = (width - 1, (height - 1) * width);
    // Target pixel (x, y) is source pixel `start + x * step.0 + y * step.1`; a falling step has `true`.
    let (start, step_x, step_y) = match orientation.exif() {
        2 => (last_x, (1, true), (width, false)),
        3 => (last_y + last_x, (1, true), (width, true)),
        4 => (last_y, (1, false), (width, true)),
        5 => (0, (width, false), (1, false)),
        6 => (last_y, (width, true), (1, false)),
        7 => (last_y + last_x, (width, true), (1, true)),
        8 => (last_x, (width, false), (1, true)),
        _ => (0, (1, false), (width, false)),
    };
    let target_width = if orientation.transposes() { height } else { width };
    let walk = |from: usize, (step, falling): (usize, bool), count: usize| {
        if falling { from.saturating_sub(step * count) } else { from + step * count }
    };
    for block in (0..target_width).step_by(BLOCK) {
        for (y, row) in target.chunks_mut(target_width).enumerate() {
            let first = walk(walk(start, step_y, y), step_x, block);
            for (x, pixel) in row.iter_mut().skip(block).take(BLOCK).enumerate() {
                if let Some(&value) = source.get(walk(first, step_x, x)) {
                    *pixel = value;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "tests"
    )]
    use super::*;

    fn turn<P: Copy + Default>(source: &[P], width: u32, height: u32, exif: u32) -> Vec<P> {
        let mut target = vec![P::default(); source.len()];
        upright(source, PixelSize::new(width, height), Orientation::from_exif(exif).unwrap(), &mut target);
        target
    }

    #[test]
    fn all_eight_orientations_of_a_small_picture() {
        // a b c
        // d e f
        let source = *b"abcdef";
        let wanted: [&[u8; 6]; 8] =
            [b"abcdef", b"cbafed", b"fedcba", b"defabc", b"adbecf", b"daebfc", b"fcebda", b"cfbead"];
        for (exif, wanted) in (1..).zip(wanted) {
            assert_eq!(&turn(&source, 3, 2, exif), wanted, "orientation {exif}");
        }
    }

    #[test]
    fn larger_pictures_agree_with_the_definition_for_any_pixel_type() {
        let (width, height) = (131_u32, 70_u32);
        let pixel = |x: u32, y: u32| [x as u16 * 400, y as u16, 7];
        let source: Vec<[u16; 3]> =
            (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| pixel(x, y)).collect();
        for exif in 1..=8 {
            let turned = turn(&source, width, height, exif);
            let out_width = if exif >= 5 { height } else { width };
            for (i, &found) in turned.iter().enumerate() {
                let (x, y) = (i as u32 % out_width, i as u32 / out_width);
                let (right, bottom) = (width - 1, height - 1);
                let (sx, sy) = match exif {
                    1 => (x, y),
                    2 => (right - x, y),
                    3 => (right - x, bottom - y),
                    4 => (x, bottom - y),
                    5 => (y, x),
                    6 => (y, bottom - x),
                    7 => (right - y, bottom - x),
                    _ => (right - y, x),
                };
                assert_eq!(found, pixel(sx, sy), "orientation {exif} at {x},{y}");
            }
        }
    }

    #[test]
    fn lengths_that_do_not_fit_do_no_harm() {
        let mut target = vec![0_u8; 5];
        upright(&[1, 2, 3], PixelSize::new(2, 3), Orientation::from_exif(6).unwrap(), &mut target);
        upright(&[], PixelSize::new(0, 3), Orientation::from_exif(8).unwrap(), &mut target);
    }
}
