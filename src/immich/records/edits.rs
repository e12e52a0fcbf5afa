//! One row of a user's edits.

use serde_json::Value;

use super::views::Edit;
use crate::model::{Area, Orientation, PixelSize};

/// Reads an edit. What is not understood wholly is [`Edit::Other`]: pictures made of half an edit would be wrong.
pub(super) fn read(action: &[u8], parameters: &[u8]) -> Edit {
    let Ok(parameters) = serde_json::from_slice::<Value>(parameters) else { return Edit::Other };
    let edit = match action {
        b"crop" => crop(&parameters).map(Edit::Crop),
        b"rotate" => turn(&parameters).map(Edit::Turn),
        b"mirror" => mirror(&parameters).map(Edit::Turn),
        _ => None,
    };
    edit.unwrap_or(Edit::Other)
}

/// Rounded as JavaScript does.
fn crop(parameters: &Value) -> Option<Area> {
    let number = |key: &str| {
        let rounded = (parameters.get(key)?.as_f64()? + 0.5).floor();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and in range")]
        (0.0..=f64::from(u32::MAX)).contains(&rounded).then_some(rounded as u32)
    };
    let size = PixelSize::new(number("width")?, number("height")?);
    let area = Area { left: number("x")?, top: number("y")?, size };
    (size.width > 0 && size.height > 0).then_some(area)
}

/// Clockwise, in degrees.
fn turn(parameters: &Value) -> Option<Orientation> {
    let angle = parameters.get("angle")?.as_f64()?;
    let exif = [(0.0, 1), (90.0, 6), (180.0, 3), (270.0, 8)];
    let turned = angle.rem_euclid(360.0);
    let (_, exif) = exif.into_iter().find(|(quarter, _)| (turned - quarter).abs() < 1e-9)?;
    Orientation::from_exif(exif)
}

/// `horizontal` exchanges left and right.
fn mirror(parameters: &Value) -> Option<Orientation> {
    match parameters.get("axis")?.as_str()? {
        "horizontal" => Orientation::from_exif(2),
        "vertical" => Orientation::from_exif(4),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn plain_edits_are_understood_and_others_are_not_guessed() {
        let turned = |exif| Edit::Turn(Orientation::from_exif(exif).unwrap());
        let area = Area { left: 11, top: 3, size: PixelSize::new(400, 301) };
        for (action, parameters, wanted) in [
            ("crop", r#"{"x": 10.5, "y": 3.49, "width": 400, "height": 300.5}"#, Edit::Crop(area)),
            ("crop", r#"{"x": -2, "y": 3, "width": 400, "height": 300}"#, Edit::Other),
            ("crop", r#"{"x": 2, "y": 3, "width": 0.2, "height": 300}"#, Edit::Other),
            ("crop", r#"{"x": 2, "y": 3, "width": 1e300, "height": 300}"#, Edit::Other),
            ("crop", r#"{"x": 2, "y": 3, "width": 10}"#, Edit::Other),
            ("rotate", r#"{"angle": 0}"#, turned(1)),
            ("rotate", r#"{"angle": 90}"#, turned(6)),
            ("rotate", r#"{"angle": 180.0}"#, turned(3)),
            ("rotate", r#"{"angle": -90}"#, turned(8)),
            ("rotate", r#"{"angle": 7.5}"#, Edit::Other),
            ("rotate", r#"{"angle": "90"}"#, Edit::Other),
            ("mirror", r#"{"axis": "horizontal"}"#, turned(2)),
            ("mirror", r#"{"axis": "vertical"}"#, turned(4)),
            ("mirror", r#"{"axis": "both"}"#, Edit::Other),
            ("filter", r#"{"angle": 90}"#, Edit::Other),
            ("rotate", "", Edit::Other),
            ("rotate", "[1", Edit::Other),
        ] {
            assert_eq!(read(action.as_bytes(), parameters.as_bytes()), wanted, "{action} {parameters}");
        }
    }
}
