//! High dynamic range frames made fit for ordinary screens.
//!
//! Immich has its own build of FFmpeg do this (jellyfin-ffmpeg, 7.1.4 in Immich 3.1) with
//! `tonemapx=tonemap=hable:desat=0:p=bt709:t=bt709:m=bt709:r=pc:peak=100`. That filter, from its published parts:
//!
//! 1. codes to linear light: PQ (ITU-R BT.2100) with 1 = 203 cd/m², or HLG with the system gamma of a 1000 cd/m² screen,
//!    per channel, and 1 = 200 cd/m²;
//! 2. all three channels times `curve(m) / m`, `m` being the largest of them, so that hue stays; `peak` counts in tenths: light
//!    of 10 becomes 1;
//! 3. BT.2020 primaries to BT.709, what lies outside cut off;
//! 4. the inverse of the BT.1886 curve (gamma 2.4), full range;
//! 5. luma and colour differences of BT.709, which readers of JPEG take for those of BT.601: Immich's pictures show it so.
//!
//! Pictures are reduced before that, as codes. Two things are not copied: some builds of the filter compute the second and third
//! channel of step 3 with the results of the first and second instead of their light (at most a few per cent, in saturated
//! colours), and all of them average colour over 2x2 pixels on the way.

use super::raster::Picture;
use crate::media::Curve;

/// The light that is shown as white, in units of step 1.
const PEAK: f32 = 10.0;
/// Steps between no light and full light of the screen.
const STEPS: u16 = 16_383;

type Matrix = [[f32; 3]; 3];

/// BT.2020 to BT.709 primaries, linear light (ITU-R BT.2087 annex 1, inverted).
const TO_BT709: Matrix = [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]];

/// RGB to luma and differences by BT.709 (3.2), and back by BT.601 (2.5).
const THROUGH_JPEG: Matrix = [[0.9136, 0.0785, 0.0079], [-0.1050, 1.1722, -0.0671], [0.0096, 0.0322, 0.9582]];

/// Makes codes of PQ or HLG those of an ordinary picture.
pub fn map(picture: &mut Picture, curve: Curve, wide_primaries: bool) {
    let light: Vec<f32> = (0..=255u8).map(|code| self::light(curve, f32::from(code) / 255.0)).collect();
    let scale: Vec<f32> = light.iter().map(|&light| gain(light)).collect();
    let codes: Vec<f32> = (0..=STEPS).map(|step| code(f32::from(step) / f32::from(STEPS))).collect();
    let at = |table: &[f32], sample: u8| table.get(usize::from(sample)).copied().unwrap_or(0.0);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let coded = |value: f32| {
        let step = (value.clamp(0.0, 1.0) * f32::from(STEPS) + 0.5) as usize;
        codes.get(step).copied().unwrap_or(255.0)
    };
    each_pixel(picture, |[red, green, blue]| {
        let scale = at(&scale, red.max(green).max(blue));
        let lights = [red, green, blue].map(|sample| at(&light, sample) * scale);
        let lights = if wide_primaries { mix(&TO_BT709, lights) } else { lights };
        mix(&THROUGH_JPEG, lights.map(coded))
    });
}

fn each_pixel(picture: &mut Picture, change: impl Fn([u8; 3]) -> [f32; 3]) {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let byte = |value: f32| (value + 0.5).clamp(0.0, 255.0) as u8;
    let channels = picture.channels();
    for pixel in picture.samples.chunks_exact_mut(channels) {
        if let [red, green, blue, ..] = pixel {
            [*red, *green, *blue] = change([*red, *green, *blue]).map(byte);
        }
    }
}

fn mix(matrix: &Matrix, colour: [f32; 3]) -> [f32; 3] {
    matrix.map(|row| row.iter().zip(colour).map(|(share, channel)| share * channel).sum())
}

/// Linear light of a code from 0 to 1, in the units of step 1.
fn light(curve: Curve, code: f32) -> f32 {
    match curve {
        Curve::Pq => {
            let power = code.powf(1.0 / 78.843_75);
            let ratio = (power - 0.835_937_5).max(0.0) / (18.851_563 - 18.6875 * power);
            10_000.0 / 203.0 * ratio.powf(1.0 / 0.159_301_76)
        }
        Curve::Hlg => {
            let scene = if code <= 0.5 {
                code * code / 3.0
            } else {
                (((code - 0.559_910_7) / 0.178_832_77).exp() + 0.284_668_92) / 12.0
            };
            1000.0 / 200.0 * scene.powf(1.2)
        }
    }
}

/// By what light is multiplied so that the curve of John Hable's "Uncharted 2" keeps all of it in range.
fn gain(light: f32) -> f32 {
    let hable = |x: f32| (x * (0.15 * x + 0.05) + 0.004) / (x * (0.15 * x + 0.5) + 0.06) - 0.02 / 0.3;
    if light > 1e-6 { hable(light) / hable(PEAK) / light } else { 0.0 }
}

/// The code, 0 to 255, of linear light from 0 to 1.
fn code(light: f32) -> f32 {
    light.powf(1.0 / 2.4) * 255.0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "a panic is a failed test")]

    use super::*;
    use crate::model::PixelSize;

    fn mapped(curve: Curve, codes: [u8; 3]) -> [u8; 3] {
        let mut picture = Picture { size: PixelSize::new(1, 1), alpha: false, samples: codes.to_vec() };
        map(&mut picture, curve, true);
        [picture.samples[0], picture.samples[1], picture.samples[2]]
    }

    #[test]
    fn light_of_known_codes() {
        let near = |found: f32, wanted: f32| (found - wanted).abs() < wanted * 0.01 + 1e-6;
        // SMPTE ST 2084: code 0.508 is 100 cd/m², 0.5806 is 203, full is 10000; ITU-R BT.2408: 75 % HLG is 203.
        for (curve, code, light) in [
            (Curve::Pq, 0.5081, 100.0 / 203.0),
            (Curve::Pq, 0.5807, 1.0),
            (Curve::Pq, 1.0, 10_000.0 / 203.0),
            (Curve::Pq, 0.0, 0.0),
            (Curve::Hlg, 0.75, 203.0 / 200.0),
            (Curve::Hlg, 1.0, 5.0),
            (Curve::Hlg, 0.0, 0.0),
        ] {
            let found = self::light(curve, code);
            assert!(near(found, light), "{curve:?} {code}: {found} {light}");
        }
    }

    #[test]
    fn greys_stay_grey_and_in_order() {
        for curve in [Curve::Pq, Curve::Hlg] {
            let mut before = 0;
            for code in 0..=255 {
                let [red, green, blue] = mapped(curve, [code; 3]);
                assert!(
                    red.abs_diff(green) <= 1 && green.abs_diff(blue) <= 1,
                    "{code}: {red} {green} {blue}"
                );
                assert!(green >= before, "{curve:?} {code}");
                before = green;
            }
            assert_eq!(mapped(curve, [0; 3]), [0; 3]);
        }
        assert_eq!(mapped(Curve::Pq, [255; 3]), [255; 3]);
    }

    #[test]
    fn hues_stay_and_colours_outside_are_cut() {
        // Red of 150, grey of 60: far outside of BT.709, so that green and blue are 0 before step 5.
        let [red, green, blue] = mapped(Curve::Pq, [150, 60, 60]);
        assert!(red > 150 && green == 0 && blue < 5, "{red} {green} {blue}");
        let [red, green, _] = mapped(Curve::Hlg, [0, 200, 0]);
        assert!(red < 20 && green > 150);
    }
}
