//! Pixel sizes of generated pictures against what Immich can make of their original (`immich.md` 4.2). Pure.
//!
//! Stills are scaled so that the shorter side has the length in the settings, and never enlarged; a thumbnail is a second
//! reduction of the preview. Settings change, and old files stay: any length that an administrator may have chosen is
//! possible. What no setting explains is another shape, more pixels than the original has, or a side shorter than anybody
//! would choose (a thumbnail in the place of a preview). Without the original's own size nothing is said.
//!
//! Shape and upper limit are not held against originals that Immich develops (camera raws crop their borders, embedded
//! previews have shapes of their own) or draws (SVG), nor against videos and GIFs (pixels that are not square, odd
//! sides that are enlarged). A picture that lies on its side is let pass: versions differ in whose orientation counts.

use crate::immich::layout::{MediaClass, class_of};
use crate::immich::records::{AssetKind, AssetView};
use crate::model::{ImageSettings, PixelSize, Role};

/// Nobody sets previews or full-size pictures to a shorter side than this; Immich's own choices begin at 720.
const LEAST_LARGE: u32 = 480;
/// The same for thumbnails, whose choices begin at 200.
const LEAST_SMALL: u32 = 100;
/// Roundings of both sides, twice, in pixels of the longer side for a square picture.
const ROUNDING: f64 = 2.0;

/// What is wrong with a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// No setting makes it of this original; why, in words.
    Impossible(&'static str),
    /// Another setting than the present one made it; the shorter side that the present one gives.
    OtherSetting(u32),
}

/// The asset, as far as sizes depend on it.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Size of the original as it is shown.
    pub original: PixelSize,
    /// Pictures have its shape and not more pixels.
    pub strict: bool,
}

impl Shape {
    /// What an original of this size allows.
    pub fn of(asset: &AssetView<'_>, original: PixelSize) -> Self {
        let name = asset.name.to_ascii_lowercase();
        let drawn = name.ends_with(b".svg") || name.ends_with(b".gif");
        let class = class_of(asset.name);
        let still = matches!(class, Some(MediaClass::WebImage | MediaClass::OtherImage));
        Self { original, strict: asset.kind == AssetKind::Image && still && !drawn }
    }
}

/// Compares the size of one generated picture. `edited` pictures may be a part of the original, of any shape.
pub fn misfit(
    shape: Shape,
    role: Role,
    edited: bool,
    made: PixelSize,
    settings: &ImageSettings,
) -> Option<Misfit> {
    let Shape { original, strict } = shape;
    let (side, least) = match role {
        Role::Preview => (Some(settings.preview.size), LEAST_LARGE),
        Role::Thumbnail => (Some(settings.thumbnail.size), LEAST_SMALL),
        Role::Fullsize => (None, LEAST_LARGE),
        _ => return None,
    };
    if original.pixels() == 0 || made.pixels() == 0 {
        return None;
    }
    if strict && long_side(made) > long_side(original).saturating_add(2) {
        return Some(Misfit::Impossible("it is larger than its original"));
    }
    if edited {
        return None;
    }
    if strict && !same_shape(original, made) {
        return Some(Misfit::Impossible("its sides are in another proportion than those of its original"));
    }
    let least = least.min(side.unwrap_or(least)).min(original.short_side());
    // One pixel less is rounding.
    if made.short_side().saturating_add(1) < least {
        return Some(Misfit::Impossible("it is smaller than any setting makes it"));
    }
    let now = side?.min(original.short_side());
    (strict && made.short_side().abs_diff(now) > 1).then_some(Misfit::OtherSetting(now))
}

fn long_side(size: PixelSize) -> u32 {
    size.width.max(size.height)
}

/// Whether both sides may be roundings of one reduction of the original, upright or on its side.
fn same_shape(original: PixelSize, made: PixelSize) -> bool {
    let ratio = f64::from(long_side(original)) / f64::from(original.short_side().max(1));
    let exact = f64::from(made.short_side()) * ratio;
    // Half a pixel of the shorter side is so many times more of the longer one.
    let tolerance = ROUNDING + ratio;
    (f64::from(long_side(made)) - exact).abs() <= tolerance
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::render::geometry::{inside, outside, video};

    fn told(original: (u32, u32), role: Role, made: (u32, u32)) -> Option<Misfit> {
        let shape = Shape { original: PixelSize::new(original.0, original.1), strict: true };
        misfit(shape, role, false, PixelSize::new(made.0, made.1), &ImageSettings::default())
    }

    #[test]
    fn sizes_that_immich_gives_fit() {
        // Measured with sharp.
        for (original, preview, thumbnail) in [
            ((4000, 3000), (1920, 1440), (333, 250)),
            ((3000, 4000), (1440, 1920), (250, 333)),
            ((4001, 2999), (1921, 1440), (334, 250)),
            ((5472, 3648), (2160, 1440), (375, 250)),
            ((800, 600), (800, 600), (333, 250)),
            ((1441, 1439), (1441, 1439), (250, 250)),
            ((2000, 1441), (1999, 1440), (347, 250)),
            ((10000, 1000), (10000, 1000), (2500, 250)),
            ((6000, 251), (6000, 251), (5976, 250)),
            ((1, 1), (1, 1), (1, 1)),
            ((40, 3000), (40, 3000), (40, 3000)),
        ] {
            assert_eq!(told(original, Role::Preview, preview), None, "{original:?}");
            assert_eq!(told(original, Role::Thumbnail, thumbnail), None, "{original:?}");
            assert_eq!(told(original, Role::Fullsize, original), None, "{original:?}");
        }
    }

    #[test]
    fn what_no_setting_makes() {
        let impossible = |original, role, made| match told(original, role, made) {
            Some(Misfit::Impossible(why)) => why,
            other => unreachable!("{other:?}"),
        };
        assert!(impossible((4000, 3000), Role::Preview, (1440, 1440)).contains("proportion"));
        assert!(impossible((4000, 3000), Role::Thumbnail, (375, 250)).contains("proportion"));
        assert!(impossible((1000, 750), Role::Preview, (1920, 1440)).contains("larger"));
        assert!(impossible((4000, 3000), Role::Preview, (333, 250)).contains("smaller"));
        assert!(impossible((4000, 3000), Role::Fullsize, (333, 250)).contains("smaller"));
        assert!(impossible((4000, 3000), Role::Thumbnail, (64, 48)).contains("smaller"));
    }

    #[test]
    fn other_settings_explain_other_sizes() {
        assert_eq!(told((4000, 3000), Role::Preview, (1440, 1080)), Some(Misfit::OtherSetting(1440)));
        assert_eq!(told((4000, 3000), Role::Preview, (2880, 2160)), Some(Misfit::OtherSetting(1440)));
        assert_eq!(told((4000, 3000), Role::Thumbnail, (267, 200)), Some(Misfit::OtherSetting(250)));
        // A full-size picture from a camera's own preview.
        assert_eq!(told((4000, 3000), Role::Fullsize, (1920, 1440)), None);
        // An old preview that lies on its side.
        assert_eq!(told((4000, 3000), Role::Preview, (1440, 1920)), None);
    }

    #[test]
    fn developed_and_edited_pictures_have_shapes_of_their_own() {
        let settings = ImageSettings::default();
        let raw = Shape { original: PixelSize::new(6024, 4024), strict: false };
        let at = |role, width, height| misfit(raw, role, false, PixelSize::new(width, height), &settings);
        assert_eq!(at(Role::Preview, 1616, 1080), None);
        assert_eq!(at(Role::Fullsize, 6048, 4032), None);
        assert!(matches!(at(Role::Preview, 160, 120), Some(Misfit::Impossible(_))));
        let crop = Shape { original: PixelSize::new(4000, 3000), strict: true };
        let at = |width, height| misfit(crop, Role::Preview, true, PixelSize::new(width, height), &settings);
        assert_eq!(at(300, 1200), None);
        assert!(matches!(at(5000, 1440), Some(Misfit::Impossible(_))));
    }

    proptest! {
        #[test]
        fn whatever_immich_makes_under_any_setting_is_possible(
            width in 1_u32..12_000, height in 1_u32..12_000, preview in 480_u32..4000, thumbnail in 100_u32..1000,
        ) {
            let original = PixelSize::new(width, height);
            let large = outside(original, preview);
            let small = outside(large, thumbnail);
            let shape = Shape { original, strict: true };
            for (role, made) in [(Role::Preview, large), (Role::Thumbnail, small), (Role::Fullsize, original)] {
                let told = misfit(shape, role, false, made, &ImageSettings::default());
                prop_assert!(!matches!(told, Some(Misfit::Impossible(_))), "{role} {original:?} {made:?} {told:?}");
            }
            let clip = Shape { original, strict: false };
            for (role, made) in [(Role::Preview, video(original, preview)), (Role::Thumbnail, video(original, thumbnail))] {
                prop_assert_eq!(misfit(clip, role, false, made, &ImageSettings::default()), None);
            }
        }

        #[test]
        fn an_edited_picture_is_never_larger(width in 1_u32..9000, height in 1_u32..9000, side in 1_u32..3000) {
            let original = PixelSize::new(width, height);
            let shape = Shape { original, strict: true };
            prop_assert_eq!(misfit(shape, Role::Preview, true, inside(original, side), &ImageSettings::default()), None);
        }
    }
}
