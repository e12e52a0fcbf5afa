//! High dynamic range frames made fit for ordinary screens.
//!
//! Immich's filter for this is in its own build of FFmpeg only. This is the same curve from its published parts, and what stock
//! FFmpeg does with `zscale=t=linear:npl=100,tonemap=hable:desat=0:peak=100`:
//!
//! 1. codes to linear light, 1 = 100 cd/m² (ITU-R BT.2100: PQ, or HLG with the system gamma of a 1000 cd/m² screen);
//! 2. all three channels times `hable(m) / hable(100) / m`, `m` being the largest of them: hue stays, nothing is desaturated;
//! 3. BT.2020 primaries to BT.709, what lies outside cut off;
//! 4. the inverse of the BT.1886 curve (gamma 2.4) to 8 bits of full range;
//! 5. luma and colour differences of BT.709, which readers of JPEG take for those of BT.601: Immich's pictures show it so.

use ffmpeg_next::color::{Primaries, TransferCharacteristic};
use ffmpeg_next::frame;

/// A transfer curve that is tone mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Curve {
    /// SMPTE ST 2084.
    Pq,
    /// ARIB STD-B67.
    Hlg,
}

/// Largest light that is told apart: 10000 cd/m².
const PEAK: f32 = 100.0;
/// Steps between no light and full light of the screen.
const STEPS: u16 = 16_383;

/// BT.2020 to BT.709 primaries, linear light (ITU-R BT.2087 annex 1, inverted).
const TO_BT709: [[f32; 3]; 3] =
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]];

/// RGB to luma and differences by BT.709 (3.2), and back by BT.601 (2.5).
const THROUGH_JPEG: [[f32; 3]; 3] =
    [[0.9136, 0.0785, 0.0079], [-0.1050, 1.1722, -0.0671], [0.0096, 0.0322, 0.9582]];

/// How an HDR frame is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hdr {
    curve: Curve,
    wide_primaries: bool,
}

impl Hdr {
    /// What the frame says; `None` where it is an ordinary one.
    pub(super) fn of(frame: &frame::Video) -> Option<Self> {
        let curve = match frame.color_transfer_characteristic() {
            TransferCharacteristic::SMPTE2084 => Curve::Pq,
            TransferCharacteristic::ARIB_STD_B67 => Curve::Hlg,
            _ => return None,
        };
        Some(Self { curve, wide_primaries: frame.color_primaries() != Primaries::BT709 })
    }

    /// Makes RGB samples of such a frame those of an ordinary picture.
    pub(super) fn map(self, samples: &mut [u8]) {
        map(samples, self.curve, self.wide_primaries);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let byte = |value: f32| (value + 0.5).clamp(0.0, 255.0) as u8;
        for pixel in samples.as_chunks_mut::<3>().0 {
            *pixel = mix(&THROUGH_JPEG, pixel.map(f32::from)).map(byte);
        }
    }
}

fn mix(matrix: &[[f32; 3]; 3], colour: [f32; 3]) -> [f32; 3] {
    matrix.map(|row| row.iter().zip(colour).map(|(share, channel)| share * channel).sum())
}

/// Replaces the codes of RGB samples in a BT.2020 or BT.709 space by those of an ordinary BT.709 picture.
fn map(samples: &mut [u8], curve: Curve, wide_primaries: bool) {
    let light: Vec<f32> = (0..=255u8).map(|code| curve.light(f32::from(code) / 255.0)).collect();
    let scale: Vec<f32> = light.iter().map(|&light| gain(light)).collect();
    let codes: Vec<u8> = (0..=STEPS).map(|step| code(f32::from(step) / f32::from(STEPS))).collect();
    let at = |table: &[f32], sample: u8| table.get(usize::from(sample)).copied().unwrap_or(0.0);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let coded = |value: f32| {
        let step = (value.clamp(0.0, 1.0) * f32::from(STEPS) + 0.5) as usize;
        codes.get(step).copied().unwrap_or(u8::MAX)
    };
    for [red, green, blue] in samples.as_chunks_mut::<3>().0 {
        let scale = at(&scale, *red.max(green).max(blue));
        let lights = [*red, *green, *blue].map(|sample| at(&light, sample) * scale);
        let lights = if wide_primaries { mix(&TO_BT709, lights) } else { lights };
        [*red, *green, *blue] = lights.map(coded);
    }
}

impl Curve {
    /// Linear light of a code from 0 to 1, in hundreds of cd/m².
    fn light(self, code: f32) -> f32 {
        match self {
            Self::Pq => {
                let power = code.powf(1.0 / 78.843_75);
                let ratio = (power - 0.835_937_5).max(0.0) / (18.851_563 - 18.6875 * power);
                100.0 * ratio.powf(1.0 / 0.159_301_76)
            }
            Self::Hlg => {
                let scene = if code <= 0.5 {
                    code * code / 3.0
                } else {
                    (((code - 0.559_910_7) / 0.178_832_77).exp() + 0.284_668_92) / 12.0
                };
                10.0 * scene.powf(1.2)
            }
        }
    }
}

/// By what light is multiplied so that the curve of John Hable's "Uncharted 2" keeps all of it in range.
fn gain(light: f32) -> f32 {
    let hable = |x: f32| (x * (0.15 * x + 0.05) + 0.004) / (x * (0.15 * x + 0.5) + 0.06) - 0.02 / 0.3;
    if light > 1e-6 { hable(light) / hable(PEAK) / light } else { 0.0 }
}

/// The 8-bit code of linear light from 0 to 1.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 255.5")]
fn code(light: f32) -> u8 {
    (light.powf(1.0 / 2.4) * 255.0 + 0.5) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped(curve: Curve, codes: [u8; 3]) -> [u8; 3] {
        let mut samples = codes;
        map(&mut samples, curve, true);
        samples
    }

    #[test]
    fn light_of_known_codes() {
        let near = |found: f32, wanted: f32| (found - wanted).abs() < wanted * 0.01 + 1e-6;
        // SMPTE ST 2084: code 0.508 is 100 cd/m², 0.5806 is 203, full is 10000; ITU-R BT.2408: 75 % HLG is 203.
        for (curve, code, light) in [
            (Curve::Pq, 0.5081, 1.0),
            (Curve::Pq, 0.5807, 2.03),
            (Curve::Pq, 1.0, 100.0),
            (Curve::Pq, 0.0, 0.0),
            (Curve::Hlg, 0.75, 2.03),
            (Curve::Hlg, 1.0, 10.0),
            (Curve::Hlg, 0.0, 0.0),
        ] {
            let found = curve.light(code);
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
        // Figures of FFmpeg's own tonemap filter, `hable`, peak 100, no desaturation.
        assert_eq!(mapped(Curve::Pq, [255; 3]), [255; 3]);
        let [white, ..] = mapped(Curve::Pq, [148; 3]);
        assert!(white.abs_diff(174) <= 2, "203 cd/m²: {white}");
    }

    #[test]
    fn hues_stay_and_colours_outside_are_cut() {
        let [red, green, blue] = mapped(Curve::Pq, [150, 60, 60]);
        assert!(red > 150 && green < 60 && blue < 60, "{red} {green} {blue}");
        let [red, green, _] = mapped(Curve::Hlg, [0, 200, 0]);
        assert!(red == 0 && green > 150);
    }
}
