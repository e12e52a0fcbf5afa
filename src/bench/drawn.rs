//! A picture that is the same on every machine: light and shade of all sizes, and grain.

use crate::media::{ColorModel, Pixels, Samples};
use crate::model::PixelSize;

/// 12 megapixels, the usual size of a phone's pictures.
pub const SIZE: PixelSize = PixelSize { width: 4000, height: 3000 };

/// The picture as a decoder gives it, in any size.
pub fn pixels(size: PixelSize) -> Pixels {
    let (width, height) = (size.width, size.height);
    let waves: Vec<(f32, f32)> = (0..width.max(height)).map(wave).collect();
    let at = |index: u32| waves.get(index as usize).copied().unwrap_or_default();
    let mut samples = Vec::with_capacity(width as usize * height as usize * 3);
    let mut grain = 1u32;
    for y in 0..height {
        let (slow_y, fast_y) = at(y);
        for x in 0..width {
            let (slow_x, fast_x) = at(x);
            grain = grain.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (grain >> 28) as f32;
            let light = 128.0 + 70.0 * slow_x * slow_y + 25.0 * fast_x * fast_y + noise;
            samples.extend([light, light * 0.9 + 10.0 * slow_y, light * 0.8 + 20.0 * slow_x].map(level));
        }
    }
    Pixels::new(size, ColorModel::Rgb, Samples::U8(samples))
}

/// Slow and fast changes along one side.
fn wave(at: u32) -> (f32, f32) {
    let at = at as f32;
    let slow = (at / 310.0).sin() + 0.5 * (at / 97.0).sin();
    let fast = (at / 11.3).sin() + 0.7 * (at / 4.1).sin();
    (slow / 1.5, fast / 1.7)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
fn level(value: f32) -> u8 {
    value.clamp(0.0, 255.0) as u8
}
