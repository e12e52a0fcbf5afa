//! Parts of pictures: what a face or a user's edits leave of the original.

use serde::{Deserialize, Serialize};

use super::media::{Orientation, PixelSize};

/// A rectangle in whole pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Area {
    /// Columns left of it.
    pub left: u32,
    /// Rows above it.
    pub top: u32,
    /// Columns and rows.
    pub size: PixelSize,
}

impl Area {
    /// All of a picture.
    pub const fn whole(size: PixelSize) -> Self {
        Self { left: 0, top: 0, size }
    }

    /// Whether it is not empty and lies inside a picture of this size.
    pub fn is_inside(self, picture: PixelSize) -> bool {
        let fits = |from: u32, length: u32, all: u32| {
            length > 0 && from.checked_add(length).is_some_and(|end| end <= all)
        };
        fits(self.left, self.size.width, picture.width) && fits(self.top, self.size.height, picture.height)
    }

    /// An area of an upright picture of this size, where it is stored before it is turned by `orientation`.
    #[must_use]
    pub fn stored(self, upright: PixelSize, orientation: Orientation) -> Self {
        let Self { left, top, size } = self;
        let right = upright.width.saturating_sub(left.saturating_add(size.width));
        let bottom = upright.height.saturating_sub(top.saturating_add(size.height));
        let (left, top) = match orientation.exif() {
            2 => (right, top),
            3 => (right, bottom),
            4 => (left, bottom),
            5 => (top, left),
            6 => (top, right),
            7 => (bottom, right),
            8 => (bottom, left),
            _ => (left, top),
        };
        Self { left, top, size: if orientation.transposes() { size.transposed() } else { size } }
    }
}

/// A face, in pixels of the picture in which it was found: the upright preview, or what a person or the file's metadata said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FaceBox {
    /// Size of that picture.
    pub picture: (u16, u16),
    /// Left and top edge.
    pub from: (u16, u16),
    /// Right and bottom edge.
    pub to: (u16, u16),
}

impl FaceBox {
    /// From recorded numbers. Edges beyond the picture are taken for its own, as Immich does; `None` for a picture without pixels
    /// or with a side above 65535, which no preview has.
    pub fn new(picture: (i64, i64), from: (i64, i64), to: (i64, i64)) -> Option<Self> {
        let side = |length: i64| u16::try_from(length).ok().filter(|&side| side > 0);
        let (width, height) = (side(picture.0)?, side(picture.1)?);
        let clamped = |at: i64, end: u16| u16::try_from(at.clamp(0, i64::from(end))).unwrap_or(end);
        let point = |(x, y): (i64, i64)| (clamped(x, width), clamped(y, height));
        Some(Self { picture: (width, height), from: point(from), to: point(to) })
    }
}

/// What a user's edits make of an upright picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Edits {
    /// The part that is kept; `None` = all.
    pub crop: Option<Area>,
    /// How that part is turned and mirrored.
    pub turn: Orientation,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn areas_are_found_where_they_are_stored() {
        // the pixel that is at 1,2 of an upright 10x20 picture
        let area = Area { left: 1, top: 2, size: PixelSize::new(3, 4) };
        let upright = PixelSize::new(10, 20);
        let wanted = [(1, 2), (6, 2), (6, 14), (1, 14), (2, 1), (2, 6), (14, 6), (14, 1)];
        for (exif, (left, top)) in (1..).zip(wanted) {
            let stored = area.stored(upright, Orientation::from_exif(exif).unwrap());
            let size = if exif > 4 { PixelSize::new(4, 3) } else { PixelSize::new(3, 4) };
            assert_eq!(stored, Area { left, top, size }, "orientation {exif}");
        }
        assert!(area.is_inside(upright) && Area::whole(upright).is_inside(upright));
        for (left, top, width, height) in [(8, 2, 3, 4), (1, 17, 3, 4), (1, 2, 0, 4), (u32::MAX, 2, 3, 4)] {
            assert!(!Area { left, top, size: PixelSize::new(width, height) }.is_inside(upright));
        }
    }

    #[test]
    fn boxes_need_a_picture_and_stay_in_it() {
        for picture in [(0, 10), (10, 0), (-5, 10), (70_000, 10)] {
            assert_eq!(FaceBox::new(picture, (0, 0), (9, 9)), None);
        }
        let found = FaceBox::new((10, 20), (i64::MIN, 5), (i64::MAX, 99)).unwrap();
        assert_eq!((found.from, found.to), ((0, 5), (10, 20)));
    }
}
