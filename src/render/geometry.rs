//! The sizes of generated pictures and the parts that they show: Immich's rules, rounded as libvips, FFmpeg and JavaScript
//! round.

use crate::model::{Area, FaceBox, Orientation, PixelSize};

/// Longest side of the picture a thumbhash is computed from.
pub const THUMBHASH_SIDE: u32 = 100;
/// Side of a person's thumbnail. Immich has no setting for it.
pub const FACE_SIDE: u32 = 250;

/// The square that a person's thumbnail shows of an upright picture: 1.1 times the longer side of the face around its middle,
/// less where that would reach over an edge. `None` where nothing is left of it.
pub fn face_square(face: FaceBox, picture: PixelSize) -> Option<Area> {
    let (middle_x, half_width) = middle(face.from.0, face.to.0, picture.width, face.picture.0);
    let (middle_y, half_height) = middle(face.from.1, face.to.1, picture.height, face.picture.1);
    let wanted = (half_width.max(half_height) * 1.1).floor();
    let last = |length: u32| f64::from(length) - 1.0;
    let half = [wanted, middle_x, middle_y, last(picture.width) - middle_x, last(picture.height) - middle_y]
        .into_iter()
        .fold(f64::INFINITY, f64::min);
    if half < 1.0 {
        return None;
    }
    let side = whole(half * 2.0);
    Some(Area { left: whole(middle_x - half), top: whole(middle_y - half), size: PixelSize::new(side, side) })
}

/// The middle of one side of a face, rounded as JavaScript does, and half its length, in pixels of the other picture.
fn middle(from: u16, to: u16, length: u32, found_in: u16) -> (f64, f64) {
    let scale = f64::from(length) / f64::from(found_in.max(1));
    let half = scale * (f64::from(to) - f64::from(from)) / 2.0;
    ((scale * f64::from(from) + half + 0.5).floor(), half)
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a whole number that is a place in a picture"
)]
fn whole(place: f64) -> u32 {
    place as u32
}

/// Several turns as one, the first of them first.
pub fn combined(turns: impl IntoIterator<Item = Orientation>) -> Orientation {
    let product = turns.into_iter().fold(matrix(Orientation::UPRIGHT), |[e, f, g, h], turn| {
        let [a, b, c, d] = matrix(turn);
        [a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h]
    });
    let all = (1..=8).filter_map(Orientation::from_exif);
    all.into_iter().find(|turn| matrix(*turn) == product).unwrap_or(Orientation::UPRIGHT)
}

/// Row by row: to which side columns and rows go.
const fn matrix(turn: Orientation) -> [i8; 4] {
    match turn.exif() {
        2 => [-1, 0, 0, 1],
        3 => [-1, 0, 0, -1],
        4 => [1, 0, 0, -1],
        5 => [0, 1, 1, 0],
        6 => [0, -1, 1, 0],
        7 => [0, -1, -1, 0],
        8 => [0, 1, -1, 0],
        _ => [1, 0, 0, 1],
    }
}

/// Whether columns and rows of the turned picture run against those that they come from.
pub fn runs_backwards(turn: Orientation) -> (bool, bool) {
    let [a, b, c, d] = matrix(turn);
    (a + b < 0, c + d < 0)
}

/// The size at which the shorter side is `side` ("fit outside"): proportional, rounded to nearest, never enlarged, never zero.
///
/// The sides of panoramas are not limited: 10000x1000 keeps its size at a `side` of 1440.
pub fn outside(size: PixelSize, side: u32) -> PixelSize {
    shrink(size, size.short_side(), side)
}

/// The size at which the longer side is `side` ("fit inside"): proportional, rounded to nearest, never enlarged, never zero.
pub fn inside(size: PixelSize, side: u32) -> PixelSize {
    shrink(size, size.width.max(size.height), side)
}

/// The size of a picture made from a video frame (or GIF) of this upright size.
///
/// A frame with even sides whose shorter one is at most `side` is left as it is. Any other frame is scaled so that the shorter
/// side is `side` (made even) and the longer one even and proportional; a small frame with an odd side is therefore
/// enlarged, which is what Immich's filter does.
pub fn video(size: PixelSize, side: u32) -> PixelSize {
    let target = (side & !1).max(2);
    let odd = size.width % 2 == 1 || size.height % 2 == 1;
    if size.short_side() == 0 || (!odd && size.short_side() <= target) {
        return size;
    }
    let other = |long: u32, short: u32| {
        divide_rounded(target, long, short.saturating_mul(2)).clamp(1, u32::MAX / 2) * 2
    };
    if size.height > size.width {
        PixelSize::new(target, other(size.height, size.width))
    } else {
        PixelSize::new(other(size.width, size.height), target)
    }
}

/// The size at which libvips reads a JPEG that is to be fitted inside a square of `side`: reduced by 2, 4 or 8, without what is left at
/// the edges of less than a pixel.
pub fn read_reduced(size: PixelSize, side: u32) -> PixelSize {
    let longest = size.width.max(size.height);
    let factor = [8, 4, 2].into_iter().find(|factor| longest >= side.saturating_mul(*factor)).unwrap_or(1);
    PixelSize::new((size.width / factor).max(1), (size.height / factor).max(1))
}

fn shrink(size: PixelSize, reference: u32, side: u32) -> PixelSize {
    if reference <= side {
        return size;
    }
    let scaled = |length: u32| divide_rounded(length, side, reference).max(1);
    PixelSize::new(scaled(size.width), scaled(size.height))
}

/// `a * b / c`, halves up; saturates, and is 0 when `c` is.
fn divide_rounded(a: u32, b: u32, c: u32) -> u32 {
    let (a, b, c) = (u64::from(a), u64::from(b), u64::from(c));
    let quotient = (a * b).saturating_add(c / 2).checked_div(c).unwrap_or(0);
    u32::try_from(quotient).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn previews_are_read_reduced() {
        for (found, wanted) in
            [("1440x1838", "180x229"), ("640x360", "160x90"), ("199x10", "199x10"), ("5x3000", "1x375")]
        {
            assert_eq!(read_reduced(size(found), 100), size(wanted), "{found}");
        }
        // Fitted inside then, as sharp does it.
        assert_eq!(inside(size("180x229"), 100), size("79x100"));
    }

    fn size(text: &str) -> PixelSize {
        let (width, height) = text.split_once('x').unwrap();
        PixelSize::new(width.parse().unwrap(), height.parse().unwrap())
    }

    #[test]
    fn stills_have_the_sizes_that_immich_gives_them() {
        // original, preview at 1440, thumbnail at 250, thumbhash picture: measured with sharp
        let table = [
            ("4000x3000", "1920x1440", "333x250", "100x75"),
            ("3000x4000", "1440x1920", "250x333", "75x100"),
            ("4001x2999", "1921x1440", "334x250", "100x75"),
            ("5472x3648", "2160x1440", "375x250", "100x67"),
            ("800x600", "800x600", "333x250", "100x75"),
            ("1441x1439", "1441x1439", "250x250", "100x100"),
            ("1441x1441", "1440x1440", "250x250", "100x100"),
            ("2000x1441", "1999x1440", "347x250", "100x72"),
            ("10000x1000", "10000x1000", "2500x250", "100x10"),
            ("6000x251", "6000x251", "5976x250", "100x4"),
            ("1500x20000", "1440x19200", "250x3333", "8x100"),
            ("2401x5951", "1440x3569", "250x620", "40x100"),
            ("251x250", "251x250", "251x250", "100x100"),
            ("1x1", "1x1", "1x1", "1x1"),
            ("3x1", "3x1", "3x1", "3x1"),
            ("1x5000", "1x5000", "1x5000", "1x100"),
            ("2x3000", "2x3000", "2x3000", "1x100"),
            ("20000x1", "20000x1", "20000x1", "100x1"),
        ];
        for (original, preview, thumbnail, hash) in table {
            let made = outside(size(original), 1440);
            assert_eq!(made, size(preview), "preview of {original}");
            assert_eq!(outside(made, 250), size(thumbnail), "thumbnail of {original}");
            assert_eq!(inside(made, THUMBHASH_SIDE), size(hash), "thumbhash of {original}");
        }
    }

    #[test]
    fn video_frames_get_even_sides() {
        let table = [
            ("1920x1080", 1440, "1920x1080"),
            ("1920x1080", 250, "444x250"),
            ("1080x1920", 250, "250x444"),
            ("3840x2160", 1440, "2560x1440"),
            ("1080x1080", 250, "250x250"),
            ("640x480", 251, "334x250"),
            ("321x240", 1440, "1926x1440"),
            ("99x201", 250, "250x508"),
            ("320x240", 1440, "320x240"),
            ("1x1", 250, "250x250"),
            ("100000x300", 250, "83334x250"),
        ];
        for (frame, side, wanted) in table {
            assert_eq!(video(size(frame), side), size(wanted), "{frame} at {side}");
        }
    }

    #[test]
    fn absurd_sizes_do_not_overflow() {
        let huge = PixelSize::new(u32::MAX, u32::MAX);
        assert_eq!(outside(huge, 1440), PixelSize::new(1440, 1440));
        assert_eq!(outside(PixelSize::new(0, 10), 5), PixelSize::new(0, 10));
        let _ = video(PixelSize::new(u32::MAX, 1), u32::MAX);
        let _ = video(PixelSize::new(0, 7), 0);
        assert_eq!(outside(huge, 0), PixelSize::new(1, 1));
    }

    fn face(picture: (i64, i64), from: (i64, i64), to: (i64, i64)) -> FaceBox {
        FaceBox::new(picture, from, to).unwrap()
    }

    fn square(area: Option<Area>) -> (u32, u32, u32) {
        let area = area.unwrap();
        assert_eq!(area.size.width, area.size.height);
        (area.left, area.top, area.size.width)
    }

    #[test]
    fn faces_are_shown_as_immich_shows_them() {
        // computed with Immich's own formula: face, original, left and top and side of the square
        let preview = (1920, 1440);
        let table = [
            (face(preview, (600, 400), (800, 700)), (1920, 1440), (535, 385, 330)),
            (face(preview, (600, 400), (800, 700)), (4000, 3000), (1115, 803, 686)),
            (face(preview, (601, 403), (802, 699)), (4001, 2999), (1123, 809, 678)),
            (face((1440, 1920), (300, 500), (700, 900)), (3000, 4000), (584, 1000, 916)),
            // at the edges, and beyond them
            (face(preview, (0, 0), (200, 300)), (1920, 1440), (0, 50, 200)),
            (face(preview, (-50, -20), (200, 300)), (1920, 1440), (0, 50, 200)),
            (face(preview, (1800, 1300), (1920, 1440)), (1920, 1440), (1801, 1311, 118)),
            (face(preview, (1800, 1300), (2500, 1999)), (1920, 1440), (1801, 1311, 118)),
            (face(preview, (0, 0), (1920, 1440)), (1920, 1440), (241, 1, 1438)),
            // another shape than that in which it was found
            (face((1000, 1000), (100, 100), (300, 200)), (2000, 500), (325, 0, 150)),
        ];
        for (found, (width, height), wanted) in table {
            let area = face_square(found, PixelSize::new(width, height));
            assert_eq!(square(area), wanted, "{found:?} in {width}x{height}");
        }
    }

    #[test]
    fn boxes_without_a_face_show_nothing() {
        let picture = PixelSize::new(1920, 1440);
        for (from, to) in [
            ((100, 100), (100, 100)),
            ((100, 100), (101, 100)),
            ((3000, 3000), (4000, 4000)),
            ((-9, -9), (0, 0)),
            ((300, 300), (200, 200)),
        ] {
            assert_eq!(face_square(face((1920, 1440), from, to), picture), None, "{from:?} {to:?}");
        }
        assert_eq!(face_square(face((10, 10), (0, 0), (9, 9)), PixelSize::new(1, 1)), None);
        assert_eq!(face_square(face((10, 10), (0, 0), (9, 9)), PixelSize::default()), None);
    }

    fn turn(exif: u32) -> Orientation {
        Orientation::from_exif(exif).unwrap()
    }

    #[test]
    fn turns_act_one_after_the_other() {
        // as Immich's matrices and libvips have it
        let (quarter, half, third, across, down) = (turn(6), turn(3), turn(8), turn(2), turn(4));
        let table: [(&[Orientation], u8); 9] = [
            (&[], 1),
            (&[quarter], 6),
            (&[quarter, quarter], 3),
            (&[quarter, third], 1),
            (&[quarter, across], 5),
            (&[across, quarter], 7),
            (&[third, down], 5),
            (&[down, third], 7),
            (&[half, across, quarter], 5),
        ];
        for (turns, wanted) in table {
            assert_eq!(combined(turns.iter().copied()).exif(), wanted, "{turns:?}");
        }
        assert_eq!(runs_backwards(quarter), (true, false));
        assert_eq!(runs_backwards(half), (true, true));
        assert_eq!(runs_backwards(third), (false, true));
        assert_eq!(runs_backwards(turn(5)), (false, false));
    }

    proptest! {
        #[test]
        fn the_square_of_a_face_lies_in_the_picture_around_its_middle(
            picture in (1_i64..3000, 1_i64..3000), from in (-100_i64..3100, -100_i64..3100), to in (-100_i64..3100, -100_i64..3100),
            width in 1_u32..9000, height in 1_u32..9000,
        ) {
            let found = face(picture, from, to);
            let original = PixelSize::new(width, height);
            let Some(area) = face_square(found, original) else { return Ok(()) };
            prop_assert!(area.is_inside(original), "{found:?} {area:?}");
            prop_assert_eq!(area.size.width, area.size.height);
            let scale = f64::from(width) / f64::from(found.picture.0);
            let wanted = scale * (f64::from(found.from.0) + f64::from(found.to.0)) / 2.0;
            prop_assert!((f64::from(area.left + area.size.width / 2) - wanted).abs() <= 0.5 + 1e-6);
        }

        #[test]
        fn stills_are_proportional_and_never_enlarged(width in 1_u32..60_000, height in 1_u32..60_000, side in 1_u32..4000) {
            let original = PixelSize::new(width, height);
            for (made, reference) in [(outside(original, side), width.min(height)), (inside(original, side), width.max(height))] {
                prop_assert!(made.width >= 1 && made.height >= 1);
                prop_assert!(made.width <= width && made.height <= height);
                if reference > side {
                    let scale = f64::from(side) / f64::from(reference);
                    for (length, from) in [(made.width, width), (made.height, height)] {
                        let exact = (f64::from(from) * scale).max(1.0);
                        prop_assert!((f64::from(length) - exact).abs() <= 0.5 + 1e-6, "{length} for {exact}");
                    }
                } else {
                    prop_assert_eq!(made, original);
                }
            }
            prop_assert_eq!(outside(original, side).short_side(), width.min(height).min(side));
        }

        #[test]
        fn video_sides_are_even_and_proportional(width in 1_u32..9000, height in 1_u32..9000, side in 2_u32..3000) {
            let made = video(PixelSize::new(width, height), side);
            prop_assert!(made.width >= 2 && made.height >= 2);
            prop_assert!(made.width.is_multiple_of(2) && made.height.is_multiple_of(2));
            let ratio = f64::from(width.max(height)) / f64::from(width.min(height));
            let exact = f64::from(made.short_side()) * ratio;
            prop_assert!((f64::from(made.width.max(made.height)) - exact).abs() <= 1.0 + 1e-6);
        }
    }
}
