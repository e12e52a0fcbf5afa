//! The colour space a generated picture is in, and its ICC profile.

use crate::media::Pixels;
use crate::model::Colorspace;

/// The ICC profile attached to generated pictures of this colour space (480 bytes each).
pub fn icc(space: Colorspace) -> &'static [u8] {
    match space {
        Colorspace::Srgb => include_bytes!("icc/srgb.icc"),
        Colorspace::P3 => include_bytes!("icc/p3.icc"),
    }
}

/// What CMYK without a profile of its own means: libvips' choice.
pub fn default_cmyk() -> &'static [u8] {
    include_bytes!("icc/cmyk.icc")
}

/// The colour space of everything generated from this picture: sRGB where Immich takes the original for sRGB, else `wide`.
pub fn output_space(pixels: &Pixels, wide: Colorspace) -> Colorspace {
    let description = pixels.icc.as_deref().filter(|_| !pixels.icc_unseen).and_then(description);
    if is_srgb(pixels.exif_colorspace.as_deref(), description.as_deref(), pixels.bits_per_sample) {
        Colorspace::Srgb
    } else {
        wide
    }
}

/// Immich's rule: names decide where there are any, else the depth.
fn is_srgb(exif_colorspace: Option<&str>, description: Option<&str>, bits_per_sample: u8) -> bool {
    let mut names =
        [exif_colorspace, description].into_iter().flatten().filter(|name| !name.is_empty()).peekable();
    if names.peek().is_some() {
        return names.any(|name| name.to_ascii_lowercase().contains("srgb"));
    }
    bits_per_sample == 8 || bits_per_sample == 0
}

/// The description of an ICC profile, as metadata readers show it: read on its own, since it also counts in profiles that are
/// otherwise of no use.
pub fn description(icc: &[u8]) -> Option<String> {
    let count = number(icc, 128)?.min(256);
    let tag = (0..count).map(|i| 132 + 12 * i).find(|&at| icc.get(at..at + 4) == Some(b"desc"))?;
    let (offset, length) = (number(icc, tag + 4)?, number(icc, tag + 8)?);
    let data = icc.get(offset..offset.checked_add(length)?)?;
    let text = match data.get(..4)? {
        b"desc" => {
            let length = number(data, 8)?;
            let ascii = data.get(12..12_usize.checked_add(length)?)?;
            String::from_utf8_lossy(ascii).into_owned()
        }
        b"mluc" => {
            let (length, offset) = (number(data, 20)?, number(data, 24)?);
            let (units, _) = data.get(offset..offset.checked_add(length)?)?.as_chunks::<2>();
            char::decode_utf16(units.iter().map(|&unit| u16::from_be_bytes(unit)))
                .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect()
        }
        _ => return None,
    };
    let text = text.trim_matches(['\0', ' ']).to_owned();
    (!text.is_empty()).then_some(text)
}

fn number(data: &[u8], at: usize) -> Option<usize> {
    let bytes = data.get(at..)?.first_chunk::<4>()?;
    usize::try_from(u32::from_be_bytes(*bytes)).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn immichs_rule() {
        let table = [
            (None, None, 8, true),
            (None, None, 16, false),
            (None, None, 1, false),
            (None, None, 0, true),
            (Some("sRGB"), None, 16, true),
            (Some("Uncalibrated"), None, 8, false),
            (Some("Uncalibrated"), Some("sRGB IEC61966-2.1"), 8, true),
            (Some("sRGB"), Some("Display P3"), 8, true),
            (None, Some("Display P3"), 8, false),
            (None, Some("Artifex sRGB Profile"), 16, true),
            (Some(""), None, 8, true),
        ];
        for (exif, profile, bits, wanted) in table {
            assert_eq!(is_srgb(exif, profile, bits), wanted, "{exif:?} {profile:?} {bits}");
        }
    }

    #[test]
    fn descriptions_of_both_profile_versions() {
        assert_eq!(description(icc(Colorspace::Srgb)).unwrap(), "sRGB");
        assert_eq!(description(icc(Colorspace::P3)).unwrap(), "sP3C");
        assert!(description(default_cmyk()).is_some());
        assert_eq!(icc(Colorspace::Srgb).len(), 480);
        assert_eq!(icc(Colorspace::P3).len(), 480);
    }

    #[test]
    fn broken_profiles_have_no_description() {
        let whole = icc(Colorspace::Srgb);
        for end in 0..whole.len() {
            let _ = description(whole.get(..end).unwrap());
        }
        let mut wild = whole.to_vec();
        for byte in wild.iter_mut().skip(128) {
            *byte = 0xff;
        }
        assert_eq!(description(&wild), None);
        assert_eq!(description(&[]), None);
    }
}
