//! The sizes of generated pictures: Immich's rules, rounded as libvips and FFmpeg round.

use crate::model::PixelSize;

/// Longest side of the picture a thumbhash is computed from.
pub const THUMBHASH_SIDE: u32 = 100;

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

    proptest! {
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
