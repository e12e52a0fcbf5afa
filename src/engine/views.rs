//! What the generated files of an asset show of it.

use crate::immich::layout::{MediaClass, class_of};
use crate::immich::records::{AssetKind, AssetView, Edit, RecordIndex};
use crate::model::{Edits, ImageSettings, Role};
use crate::render::{View, geometry};

use super::reconcile::units::UnitFile;

/// What a file shows, or why only Immich can make it.
pub fn shown(
    index: &RecordIndex,
    asset: &AssetView<'_>,
    file: &UnitFile,
    settings: &ImageSettings,
) -> Result<View, &'static str> {
    match (file.role, file.portrait) {
        (Role::Person, Some(portrait)) => Ok(View::Face(portrait.face)),
        (Role::Video, _) => {
            Err("a transcode; left to Immich's own job (Administration, Jobs, Transcode Videos)")
        }
        _ if file.edited => edits(index, asset, settings).map(View::Edited),
        _ => Ok(View::Whole),
    }
}

/// The edits of an asset as one, where they are plain.
fn edits(
    index: &RecordIndex,
    asset: &AssetView<'_>,
    settings: &ImageSettings,
) -> Result<Edits, &'static str> {
    let gif = asset.name.to_ascii_lowercase().ends_with(b".gif");
    if asset.kind != AssetKind::Image || gif {
        return Err("edits of something that moves; left to Immich's own job (refresh thumbnails)");
    }
    // Immich takes such a crop out of a reduced picture, in pixels of the full one.
    if settings.extract_embedded && class_of(asset.name) == Some(MediaClass::Raw) {
        return Err("edits of a camera's own preview; left to Immich's own job (refresh thumbnails)");
    }
    let (mut crop, mut turns, mut count) = (None, Vec::new(), 0);
    for edit in index.edits_of(asset.idx) {
        count += 1;
        match edit {
            Edit::Crop(area) if crop.is_none() => crop = Some(area),
            Edit::Turn(turn) => turns.push(turn),
            Edit::Crop(_) | Edit::Other => {
                return Err(
                    "its edits are more than a crop, quarter turns and mirrors; left to Immich's own job (refresh thumbnails)",
                );
            }
        }
    }
    if count == 0 {
        return Err("the records hold no edits of it; left to Immich's own job (refresh thumbnails)");
    }
    Ok(Edits { crop, turn: geometry::combined(turns) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::immich::records::{AssetInput, IndexBuilder};
    use crate::model::{Area, AssetId, Orientation, PixelSize};

    fn of(
        name: &str,
        kind: AssetKind,
        edits: &[Edit],
        settings: &ImageSettings,
    ) -> Result<Edits, &'static str> {
        let id = AssetId([7; 16]);
        let mut builder = IndexBuilder::new();
        let asset =
            builder.asset(&AssetInput { id, kind, name: name.as_bytes(), ..AssetInput::default() }).unwrap();
        for (sequence, edit) in (0..9).zip(edits).collect::<Vec<_>>().into_iter().rev() {
            builder.edit(id, sequence, *edit).unwrap();
        }
        let index = builder.finish();
        super::edits(&index, &index.asset(asset), settings)
    }

    #[test]
    fn plain_edits_become_one() {
        let settings = ImageSettings::default();
        let turn = |exif| Orientation::from_exif(exif).unwrap();
        let area = Area { left: 1, top: 2, size: PixelSize::new(3, 4) };
        let plain = [Edit::Crop(area), Edit::Turn(turn(2)), Edit::Turn(turn(6))];
        let image = |edits: &[Edit]| of("a.jpg", AssetKind::Image, edits, &settings);
        assert_eq!(image(&plain), Ok(Edits { crop: Some(area), turn: turn(7) }));
        assert_eq!(image(&plain[1..2]), Ok(Edits { crop: None, turn: turn(2) }));
        assert!(image(&[Edit::Crop(area), Edit::Crop(area)]).unwrap_err().contains("more than a crop"));
        assert!(image(&[Edit::Turn(turn(6)), Edit::Other]).unwrap_err().contains("more than a crop"));
        assert!(image(&[]).unwrap_err().contains("no edits"));
        assert!(of("a.GIF", AssetKind::Image, &plain, &settings).unwrap_err().contains("moves"));
        assert!(of("a.mp4", AssetKind::Video, &plain, &settings).unwrap_err().contains("moves"));
        let embedded = ImageSettings { extract_embedded: true, ..settings };
        assert!(of("a.NEF", AssetKind::Image, &plain, &settings).is_ok());
        assert!(of("a.NEF", AssetKind::Image, &plain, &embedded).unwrap_err().contains("camera"));
        assert!(of("a.jpg", AssetKind::Image, &plain, &embedded).is_ok());
    }
}
