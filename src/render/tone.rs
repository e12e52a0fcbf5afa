//! High dynamic range frames made fit for ordinary screens.
//!
//! Immich has its own build of FFmpeg do this (jellyfin-ffmpeg, 7.1.4 in Immich 3.1) with
//! `tonemapx=tonemap=hable:desat=0:p=bt709:t=bt709:m=bt709:r=pc:peak=100`, or another curve by its setting `ffmpeg.tonemap`. That
//! filter, from its published parts:
//!
//! 1. codes to linear light: PQ (ITU-R BT.2100) with 1 = 203 cd/m², or HLG with the system gamma of a 1000 cd/m² screen,
//!    per channel, and 1 = 200 cd/m²;
//! 2. all three channels times `curve(m) / m`, `m` being the largest of them, so that hue stays; `peak` counts in tenths: light
//!    of 10 becomes 1;
//! 3. BT.2020 primaries to BT.709, what lies outside cut off;
//! 4. the inverse of the BT.1886 curve (gamma 2.4), full range;
//! 5. luma and colour differences of BT.709, which readers of JPEG take for those of BT.601: Immich's pictures show it so.
//!
//! The curves, `p` being that peak, and each 1 at it:
//!
//! - hable, of John Hable's "Uncharted 2": `h(x) / h(p)`, `h(x) = (x (0.15 x + 0.05) + 0.004) / (x (0.15 x + 0.5) + 0.06) - 1/15`;
//! - mobius: `x` up to `j = 0.3`, then `(b + j)² / (b - a) · (x + a) / (x + b)`, which goes on from there without a bend, where
//!   `a = -j² (p - 1) / (j² - 2 j + p)` and `b = (j² - 2 j p + p) / (p - 1)`;
//! - reinhard: `x / (x + 1) · (p + 1) / p`.
//!
//! With `disabled` none of this is done: codes are shown as they are, dull, by luma and colour differences of BT.2020.
//!
//! Pictures are reduced before that, as codes of 16 bits. Three things are not copied: some builds of the filter compute the second and
//! third channel of step 3 with the results of the first and second instead of their light (at most a few per cent, in saturated
//! colours), all of them average colour over 2x2 pixels on the way, and FFmpeg dithers frames to 8 bits to choose one, and keeps it so.

use super::RenderError;
use super::raster::{Picture, Raster};
use crate::media::{ColorModel, Curve, Samples};
use crate::model::ToneMap;

/// The light that is shown as white, in units of step 1.
const PEAK: f32 = 10.0;
/// Steps between no light and full light of the screen.
const STEPS: u16 = 16_383;

type Matrix = [[f32; 3]; 3];

/// BT.2020 to BT.709 primaries, linear light (ITU-R BT.2087 annex 1, inverted).
const TO_BT709: Matrix = [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]];

/// RGB to luma and differences by BT.709 (3.2), and back by BT.601 (2.5).
const THROUGH_JPEG: Matrix = [[0.9136, 0.0785, 0.0079], [-0.1050, 1.1722, -0.0671], [0.0096, 0.0322, 0.9582]];

/// The same, from BT.2020.
const BT2020_THROUGH_JPEG: Matrix =
    [[0.9637, 0.0334, 0.0029], [-0.0463, 1.1304, -0.084], [0.0153, 0.0394, 0.9453]];

/// How codes are made those of an ordinary picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tone {
    /// The curve that Immich is set to.
    pub map: ToneMap,
    /// From codes to light.
    pub curve: Curve,
    /// The primaries are those of BT.2020.
    pub wide_primaries: bool,
}

impl Tone {
    /// What ordinary screens show of RGB codes of 16 bits.
    pub fn show(self, codes: &Raster) -> Result<Picture, RenderError> {
        let (Samples::U16(samples), ColorModel::Rgb) = (codes.samples(), codes.model()) else {
            return Err(RenderError::new("tone", "not RGB of 16 bits"));
        };
        let pixels = samples.as_chunks::<3>().0;
        let samples = match self.map {
            ToneMap::Disabled => self.dull(pixels),
            _ => self.mapped(pixels),
        };
        Ok(Picture { size: codes.size(), alpha: false, samples })
    }

    /// Codes as they are.
    fn dull(self, pixels: &[[u16; 3]]) -> Vec<u8> {
        let matrix = if self.wide_primaries { BT2020_THROUGH_JPEG } else { THROUGH_JPEG };
        let shown = |codes: &[u16; 3]| mix(&matrix, codes.map(|code| f32::from(code) / 257.0)).map(byte);
        pixels.iter().flat_map(shown).collect()
    }

    fn mapped(self, pixels: &[[u16; 3]]) -> Vec<u8> {
        let light: Vec<f32> =
            (0..=u16::MAX).map(|code| light(self.curve, f32::from(code) / 65_535.0)).collect();
        let scale: Vec<f32> = light.iter().map(|&light| gain(self.map, light)).collect();
        let codes: Vec<f32> = (0..=STEPS).map(|step| code(f32::from(step) / f32::from(STEPS))).collect();
        let at = |table: &[f32], sample: u16| table.get(usize::from(sample)).copied().unwrap_or(0.0);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let coded = |value: f32| {
            let step = (value.clamp(0.0, 1.0) * f32::from(STEPS) + 0.5) as usize;
            codes.get(step).copied().unwrap_or(255.0)
        };
        let shown = |&[red, green, blue]: &[u16; 3]| {
            let scale = at(&scale, red.max(green).max(blue));
            let lights = [red, green, blue].map(|sample| at(&light, sample) * scale);
            let lights = if self.wide_primaries { mix(&TO_BT709, lights) } else { lights };
            mix(&THROUGH_JPEG, lights.map(coded)).map(byte)
        };
        pixels.iter().flat_map(shown).collect()
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
fn byte(value: f32) -> u8 {
    (value + 0.5).clamp(0.0, 255.0) as u8
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

/// By what light is multiplied so that all of it up to the peak comes into range.
fn gain(tone_map: ToneMap, light: f32) -> f32 {
    let mapped = match tone_map {
        ToneMap::Hable => hable(light) / hable(PEAK),
        ToneMap::Mobius => mobius(light),
        ToneMap::Reinhard => light / (light + 1.0) * (PEAK + 1.0) / PEAK,
        ToneMap::Disabled => light,
    };
    if light > 1e-6 { mapped / light } else { 0.0 }
}

fn hable(x: f32) -> f32 {
    (x * (0.15 * x + 0.05) + 0.004) / (x * (0.15 * x + 0.5) + 0.06) - 0.02 / 0.3
}

fn mobius(x: f32) -> f32 {
    const J: f32 = 0.3;
    if x <= J {
        return x;
    }
    let a = -J * J * (PEAK - 1.0) / (J * J - 2.0 * J + PEAK);
    let b = (J * J - 2.0 * J * PEAK + PEAK) / (PEAK - 1.0);
    (b + J) * (b + J) / (b - a) * (x + a) / (x + b)
}

/// The code, 0 to 255, of linear light from 0 to 1.
fn code(light: f32) -> f32 {
    light.powf(1.0 / 2.4) * 255.0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is a failed test")]

    use super::*;
    use crate::model::PixelSize;

    /// One pixel of 8-bit codes.
    fn shown(map: ToneMap, curve: Curve, codes: [u8; 3]) -> [u8; 3] {
        let samples = Samples::U16(codes.map(|code| u16::from(code) * 257).to_vec());
        let codes = Raster::new(PixelSize::new(1, 1), ColorModel::Rgb, samples).unwrap();
        let picture = Tone { map, curve, wide_primaries: true }.show(&codes).unwrap();
        [picture.samples[0], picture.samples[1], picture.samples[2]]
    }

    fn mapped(curve: Curve, codes: [u8; 3]) -> [u8; 3] {
        shown(ToneMap::Hable, curve, codes)
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

    /// Computed by hand, to four digits.
    #[test]
    fn curves_have_the_values_of_their_formulas() {
        for (tone_map, values) in [
            (ToneMap::Hable, [(0.2, 0.0762), (1.0, 0.3125), (4.0, 0.7323), (10.0, 1.0)]),
            (ToneMap::Mobius, [(0.2, 0.2), (1.0, 0.6631), (4.0, 0.9267), (10.0, 1.0)]),
            (ToneMap::Reinhard, [(0.2, 0.1833), (1.0, 0.55), (4.0, 0.88), (10.0, 1.0)]),
        ] {
            for (light, wanted) in values {
                let found = light * gain(tone_map, light);
                assert!((found - wanted).abs() < 2e-4, "{tone_map:?} {light}: {found}, wanted {wanted}");
            }
            assert!((gain(tone_map, 0.0)).abs() < 1e-9);
        }
    }

    /// 203 cd/m² (code 148 of PQ is 0.998 of it): 255 times the power 1/2.4 of what the curves make of that.
    #[test]
    fn white_of_a_film_is_as_bright_as_the_setting_says() {
        for (tone_map, wanted) in [
            (ToneMap::Hable, 157),
            (ToneMap::Mobius, 215),
            (ToneMap::Reinhard, 199),
            (ToneMap::Disabled, 148),
        ] {
            for found in shown(tone_map, Curve::Pq, [148; 3]) {
                assert!(found.abs_diff(wanted) <= 1, "{tone_map:?}: {found}, wanted {wanted}");
            }
        }
    }

    #[test]
    fn without_a_curve_colours_are_those_of_the_samples() {
        // Y = 0.2627 R + 0.678 G + 0.0593 B = 111.5, Cb = (B - Y) / 1.8814 = -16.8, Cr = (R - Y) / 1.4746 = 60;
        // by BT.601 R = Y + 1.402 Cr, G = Y - 0.3441 Cb - 0.7141 Cr, B = Y + 1.772 Cb.
        let found = shown(ToneMap::Disabled, Curve::Hlg, [200, 80, 80]);
        let near = |(found, wanted): (&u8, u8)| found.abs_diff(wanted) <= 1;
        assert!(found.iter().zip([196, 74, 82]).all(near), "{found:?}");
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
        // Computed apart, in floating point; the negative light of green and red is cut before step 5.
        for (curve, codes, wanted) in
            [(Curve::Pq, [150, 60, 60], [181, 0, 11]), (Curve::Hlg, [0, 200, 0], [14, 208, 6])]
        {
            let found = mapped(curve, codes);
            let near = found.iter().zip(wanted).all(|(found, wanted)| found.abs_diff(wanted) <= 1);
            assert!(near, "{curve:?} {codes:?}: {found:?}, wanted {wanted:?}");
        }
    }
}
