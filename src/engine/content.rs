//! What the files of an asset show, held against each other. Pure: thumbhashes in, opinions out.
//!
//! Witnesses are the thumbhash in the records (R), the original (O) and the generated pictures of one set (P, and its siblings
//! T). Two of them disagree when their thumbhashes are farther apart than [`OTHER`] and what they show is not laid
//! out alike either: a decoder's exposure or a newer way of scaling changes tones, never shapes. One witness alone accuses nobody whom
//! another one supports.
//!
//! | R and P | O | siblings | answer |
//! |---|---|---|---|
//! | agree | not asked, or agrees | any | fits |
//! | agree, farther apart than 8 and not quite alike | any | one is nearer to R than 4 | P: hint, partly another picture |
//! | agree | differs, its checksum matches or was not compared | any | fits (a checksum is better evidence) |
//! | agree | differs, no checksum | any | **original: wrong content**: it is not what Immich took in; nothing is made from it |
//! | differ | agrees with P | any | original: hint, the thumbhash in the records is out of date (`--register sql` writes it) |
//! | differ | agrees with R | any | **P: wrong content** |
//! | differ | differs from both | one agrees with R | **P: wrong content**; O too if it has no checksum |
//! | differ | differs from both | none, one agrees with P | P: hint, cannot be told who is right |
//! | differ | differs from both | none | **P: wrong content**: neither records nor original know it |
//! | differ | none | one agrees with R | **P: wrong content** |
//! | differ | none | none, one agrees with P | P: hint, the thumbhash in the records is out of date, or all are wrong |
//! | differ | none | none | **P: wrong content** |
//! | no R | agrees with P, or none | any | fits |
//! | no R | differs from P | one agrees with O | **P: wrong content** |
//! | no R | differs from P | none | fits: one opinion against another |
//!
//! - R of an edited asset is of its edited set (`immich.md` 4.3): that is compared with R alone, and the unedited set with O.
//! - O is a witness where both decode alike: stills that Immich itself does not develop, see [`is_witness`]. Videos, camera raws,
//!   animations and drawings are none: what Immich picked or developed is not what we would. Their pictures are
//!   compared with R and with each other.
//! - O is asked (decoded for it) where it has no checksum, and where something disagrees. With a matching checksum it is right
//!   by definition. A damaged, missing or unreadable original is no witness.
//! - The trash lowers what is found to info, like everything about generated files.
//! - Alpha: Immich hashes it, JPEG previews have black in its place. All are compared as on black; `corpus_content` measures it.
//! - Panoramas, any shape: both are painted on one square grid.
//! - Faces, transcodes, avatars, hidden motion videos: nothing is recorded of what they show.

use crate::immich::layout::{MediaClass, class_of};
use crate::immich::records::{AssetKind, AssetView};
use crate::model::MediaFormat;
use crate::render::Impression;

/// Two pictures farther apart than this are different pictures, unless shapes say otherwise. Distance alone accuses sound
/// pictures: contrast is told in 31 steps, and one step more or less of a flat picture is a distance of 20.
pub const OTHER: f32 = 24.0;
/// The same where one of them is of one tone, so that shapes cannot say anything.
const OTHER_TONE: f32 = 32.0;
/// The same where transparency was put on black in one of them.
const OTHER_FLATTENED: f32 = 48.0;
/// Farther than this from the records, while a sibling is at hand that is not, is worth a look.
const NEAR: f32 = 8.0;
/// A sibling that is nearer than this is like what was recorded.
const SAME: f32 = 4.0;
/// Colours that correlate at least so well are of one picture in other tones.
const ALIKE: f32 = 0.85;
/// The same where transparency was put on black in one of them.
const FLATTENED_ALIKE: f32 = 0.5;
/// What is less alike than this is not wholly the same, tones aside.
const ALIKE_IN_PART: f32 = 0.93;

/// One generated picture.
pub struct Picture {
    /// Of the set that shows the edited picture.
    pub edited: bool,
    /// What it shows.
    pub shows: Impression,
}

/// The original, where it is a witness.
pub struct Original {
    /// What it shows.
    pub shows: Impression,
    /// The checksum in the records matches, or accuses it already.
    pub settled: bool,
}

/// Everything that is known of what one asset's files show.
#[derive(Default)]
pub struct Scene {
    /// The thumbhash in the records.
    pub recorded: Option<Impression>,
    /// The asset is edited, and with it the thumbhash.
    pub edited: bool,
    /// The original.
    pub original: Option<Original>,
    /// The generated pictures that could be looked at.
    pub pictures: Vec<Picture>,
}

/// Against whom a picture was compared, and how far apart they are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Apart {
    /// From the thumbhash in the records, where that counts.
    pub records: Option<f32>,
    /// From the original, where that was asked.
    pub original: Option<f32>,
}

/// What is to be said of one file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Opinion {
    /// Nothing against it.
    Fits,
    /// A sound picture of something else.
    Other(Apart),
    /// Most of it is as recorded.
    Partly(Apart),
    /// The files agree, and the thumbhash in the records is of something else.
    Stale(Apart),
    /// No two witnesses agree that could settle it.
    Unclear(Apart),
}

impl Opinion {
    /// Whether it is an accusation.
    pub const fn accuses(self) -> bool {
        matches!(self, Self::Other(_))
    }
}

/// What is to be said of all files.
#[derive(Debug, PartialEq)]
pub struct Opinions {
    /// Of the original.
    pub original: Opinion,
    /// Of the pictures, in their order.
    pub pictures: Vec<Opinion>,
}

/// Whether these are two different pictures.
///
/// A hash with alpha beside one without is a hint of what was flattened, no more, and where there is only one tone there are no
/// shapes to compare: only a large difference counts there.
pub fn differ(one: &Impression, other: &Impression) -> bool {
    let distance = one.distance(other);
    match one.likeness(other) {
        None => distance > OTHER_TONE,
        Some(likeness) if one.transparent == other.transparent => distance > OTHER && likeness < ALIKE,
        Some(likeness) => distance > OTHER_FLATTENED && likeness < FLATTENED_ALIKE,
    }
}

/// Whether `one` is a picture like `other` but for a part.
fn differs_in_part(one: &Impression, other: &Impression) -> bool {
    let alike = one.likeness(other).is_none_or(|likeness| likeness >= ALIKE_IN_PART);
    one.transparent == other.transparent && one.distance(other) > NEAR && !alike
}

/// A distance as it is told.
pub fn rounded(distance: f32) -> f64 {
    (f64::from(distance) * 10.0).round() / 10.0
}

impl Scene {
    /// Whether something disagrees, so that the original has to be asked.
    pub fn is_disputed(&self) -> bool {
        self.pictures.iter().enumerate().any(|(number, picture)| match self.reference(picture) {
            Some(recorded) => differ(&picture.shows, recorded),
            None => self.siblings(number).any(|sibling| differ(&picture.shows, &sibling.shows)),
        })
    }

    /// The numbers of the pictures that may turn out to be of something else.
    pub fn suspects(&self) -> impl Iterator<Item = usize> + '_ {
        let pictures = self.pictures.iter().enumerate();
        pictures.filter_map(|(number, picture)| match self.reference(picture) {
            Some(recorded) => differ(&picture.shows, recorded).then_some(number),
            None => {
                self.siblings(number).any(|sibling| differ(&picture.shows, &sibling.shows)).then_some(number)
            }
        })
    }

    /// The opinions on all files, by the table above.
    pub fn opinions(&self) -> Opinions {
        let pictures: Vec<_> = (0..self.pictures.len()).map(|number| self.picture(number)).collect();
        let original = self.original(&pictures);
        Opinions { original, pictures }
    }

    /// The records' thumbhash, if it is of the set that this picture belongs to.
    fn reference(&self, picture: &Picture) -> Option<&Impression> {
        self.recorded.as_ref().filter(|_| picture.edited == self.edited)
    }

    /// The other pictures of the same set.
    fn siblings(&self, number: usize) -> impl Iterator<Item = &Picture> {
        let edited = self.pictures.get(number).map(|picture| picture.edited);
        let others = self.pictures.iter().enumerate();
        others
            .filter(move |(other, picture)| *other != number && Some(picture.edited) == edited)
            .map(|(_, picture)| picture)
    }

    fn picture(&self, number: usize) -> Opinion {
        let Some(picture) = self.pictures.get(number) else { return Opinion::Fits };
        let shows = &picture.shows;
        let original = self.original.as_ref().filter(|_| !picture.edited).map(|original| &original.shows);
        let recorded = self.reference(picture);
        let apart = Apart {
            records: recorded.map(|recorded| shows.distance(recorded)),
            original: original.map(|original| shows.distance(original)),
        };
        let supported = |witness: &Impression| self.siblings(number).any(|one| !differ(&one.shows, witness));
        match (recorded, original) {
            (Some(recorded), _) if !differ(shows, recorded) => {
                let nearer = self.siblings(number).any(|one| one.shows.distance(recorded) < SAME);
                let partly = nearer && differs_in_part(shows, recorded);
                if partly { Opinion::Partly(apart) } else { Opinion::Fits }
            }
            (Some(_), Some(original)) if !differ(shows, original) => Opinion::Stale(apart),
            (Some(recorded), Some(original)) if !differ(recorded, original) => Opinion::Other(apart),
            (Some(recorded), _) if supported(recorded) => Opinion::Other(apart),
            (Some(_), Some(_)) if supported(shows) => Opinion::Unclear(apart),
            (Some(_), None) if supported(shows) => Opinion::Stale(apart),
            (Some(_), _) => Opinion::Other(apart),
            (None, Some(original)) if differ(shows, original) && supported(original) => Opinion::Other(apart),
            (None, _) => Opinion::Fits,
        }
    }

    fn original(&self, pictures: &[Opinion]) -> Opinion {
        let (Some(original), Some(recorded)) = (&self.original, &self.recorded) else { return Opinion::Fits };
        if self.edited || !differ(&original.shows, recorded) {
            return Opinion::Fits;
        }
        let apart = Apart { records: Some(original.shows.distance(recorded)), original: None };
        if pictures.iter().any(|opinion| matches!(opinion, Opinion::Stale(_))) {
            return Opinion::Stale(apart);
        }
        let as_recorded = |picture: &Picture| !picture.edited && !differ(&picture.shows, recorded);
        if !original.settled && self.pictures.iter().any(as_recorded) {
            return Opinion::Other(apart);
        }
        Opinion::Fits
    }
}

/// Whether the original of this asset can be a witness, by what the records call it.
pub fn may_testify(asset: &AssetView<'_>) -> bool {
    let class = class_of(asset.name);
    let animated = asset.name.to_ascii_lowercase().ends_with(b".gif");
    asset.kind == AssetKind::Image
        && !animated
        && matches!(class, Some(MediaClass::WebImage | MediaClass::OtherImage))
}

/// Whether an original of this format is one: formats that everybody decodes to the same picture.
pub const fn is_witness(format: MediaFormat) -> bool {
    matches!(
        format,
        MediaFormat::Jpeg
            | MediaFormat::Png
            | MediaFormat::Webp
            | MediaFormat::Bmp
            | MediaFormat::Heic
            | MediaFormat::Avif
            | MediaFormat::Jxl
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture that no other number has; `tone` changes its light and not its shapes, `patch` a corner of it.
    fn hash(number: u8, tone: f32, patch: u8) -> Impression {
        let mut rgba = Vec::new();
        for y in 0..60_u8 {
            for x in 0..80_u8 {
                let (u, v) = (f32::from(x) / 80.0, f32::from(y) / 60.0);
                let turn = f32::from(number) * 1.7;
                let wave = (7.0 * u * turn.sin() + 8.0 * v * turn.cos() + turn).sin() * 0.4 + 0.5;
                let wave = if x < patch && y < patch { 0.5 } else { wave };
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 255")]
                let value = (wave.powf(tone) * 255.0) as u8;
                rgba.extend([value, value / 2 + number * 9, 255 - value, 255]);
            }
        }
        let made = thumbhash::rgba_to_thumb_hash(80, 60, &rgba);
        Impression::of(&made).unwrap_or_else(|| unreachable!("it was just made"))
    }

    fn shown(number: u8) -> Impression {
        hash(number, 1.0, 0)
    }

    struct Asset(Scene);

    impl Asset {
        fn recorded(number: u8) -> Self {
            Self(Scene { recorded: Some(shown(number)), ..Scene::default() })
        }

        fn unrecorded() -> Self {
            Self(Scene::default())
        }

        fn picture(mut self, shows: Impression) -> Self {
            self.0.pictures.push(Picture { edited: false, shows });
            self
        }

        fn original(mut self, number: u8, settled: bool) -> Self {
            self.0.original = Some(Original { shows: shown(number), settled });
            self
        }

        /// One letter for each opinion, the original's first.
        fn told(&self) -> String {
            let Opinions { original, pictures } = self.0.opinions();
            std::iter::once(original)
                .chain(pictures)
                .map(|opinion| match opinion {
                    Opinion::Fits => '.',
                    Opinion::Other(_) => 'O',
                    Opinion::Partly(_) => 'p',
                    Opinion::Stale(_) => 's',
                    Opinion::Unclear(_) => 'u',
                })
                .collect()
        }
    }

    #[test]
    fn different_numbers_are_different_pictures() {
        for one in 1..8 {
            assert!(!differ(&shown(one), &shown(one)));
            for other in (1..8).filter(|other| *other != one) {
                let (a, b) = (shown(one), shown(other));
                assert!(differ(&a, &b), "{one} {other}: {} {:?}", a.distance(&b), a.likeness(&b));
            }
        }
    }

    #[test]
    fn the_table_row_by_row() {
        let rows: [(&str, Asset, &str); 17] = [
            ("all agree", Asset::recorded(1).picture(shown(1)).picture(shown(1)).original(1, true), "..."),
            ("nobody asked", Asset::recorded(1).picture(shown(1)), ".."),
            ("replaced, checksum", Asset::recorded(1).picture(shown(1)).original(2, true), ".."),
            ("replaced, none", Asset::recorded(1).picture(shown(1)).original(2, false), "O."),
            ("stale", Asset::recorded(1).picture(shown(2)).picture(shown(2)).original(2, true), "sss"),
            ("stale, none", Asset::recorded(1).picture(shown(2)).original(2, false), "ss"),
            ("swapped", Asset::recorded(1).picture(shown(2)).original(1, true), ".O"),
            ("one swapped", Asset::recorded(1).picture(shown(2)).picture(shown(1)).original(1, true), ".O."),
            ("all differ", Asset::recorded(1).picture(shown(2)).original(3, false), ".O"),
            (
                "all differ, sibling",
                Asset::recorded(1).picture(shown(2)).picture(shown(1)).original(3, false),
                "OO.",
            ),
            ("unclear", Asset::recorded(1).picture(shown(2)).picture(shown(2)).original(3, true), ".uu"),
            ("video", Asset::recorded(1).picture(shown(2)).picture(shown(1)), ".O."),
            ("video, alone", Asset::recorded(1).picture(shown(2)), ".O"),
            ("video, stale", Asset::recorded(1).picture(shown(2)).picture(shown(2)), ".ss"),
            ("no records", Asset::unrecorded().picture(shown(1)).picture(shown(2)), "..."),
            (
                "no records, swapped",
                Asset::unrecorded().picture(shown(1)).picture(shown(2)).original(1, true),
                "..O",
            ),
            ("no records, against one", Asset::unrecorded().picture(shown(1)).original(2, true), ".."),
        ];
        for (name, asset, expected) in rows {
            assert_eq!(asset.told(), expected, "{name}");
        }
    }

    #[test]
    fn other_tones_are_no_other_picture() {
        let dark = || hash(1, 2.6, 0);
        assert!(dark().distance(&shown(1)) > OTHER, "{}", dark().distance(&shown(1)));
        assert_eq!(Asset::recorded(1).picture(dark()).original(1, false).told(), "..");
    }

    #[test]
    fn a_part_that_is_missing_is_a_hint_if_a_sibling_has_it() {
        let partly = |patch: &u8| {
            let patched = hash(1, 1.0, *patch);
            differs_in_part(&patched, &shown(1)) && !differ(&patched, &shown(1))
        };
        let patch = (4..60).find(partly).unwrap_or_else(|| unreachable!("no patch is just so large"));
        let patched = || hash(1, 1.0, patch);
        assert_eq!(Asset::recorded(1).picture(patched()).picture(shown(1)).told(), ".p.");
        assert_eq!(Asset::recorded(1).picture(patched()).told(), "..");
        assert!(!Asset::recorded(1).picture(patched()).0.is_disputed());
    }

    #[test]
    fn the_records_know_the_edited_set_of_an_edited_asset() {
        let mut asset = Asset::recorded(2).picture(shown(1)).picture(shown(1)).original(1, true);
        asset.0.edited = true;
        asset.0.pictures.push(Picture { edited: true, shows: shown(2) });
        assert!(!asset.0.is_disputed());
        assert_eq!(asset.told(), "....");
        asset.0.pictures.push(Picture { edited: true, shows: shown(3) });
        assert!(asset.0.is_disputed());
        assert_eq!(asset.0.suspects().collect::<Vec<_>>(), [3]);
        assert_eq!(asset.told(), "....O");
        // An unedited picture that slipped into the other set.
        let mut asset = Asset::recorded(2).picture(shown(1)).picture(shown(4)).original(1, true);
        asset.0.edited = true;
        assert!(asset.0.is_disputed());
        assert_eq!(asset.told(), "..O");
    }
}
