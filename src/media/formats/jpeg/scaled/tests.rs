//! Every size of block against the formula.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "a panic is a failed test"
)]

use super::super::super::testing::noise;
use super::*;
use crate::media::Whole;
use crate::media::structure::jpeg::Component;
use crate::model::PixelSize;

/// Blocks of noise, weaker towards higher frequencies; some are flat, some have one direction only.
struct Made {
    given: usize,
    blocks: Vec<[i16; 64]>,
    steps: [u16; 64],
}

impl Made {
    fn new(count: usize) -> Self {
        let grain = noise(count * 64);
        let block = |number: usize| {
            std::array::from_fn(|at| {
                let value = i16::from(grain[number * 64 + at]) - 128;
                let fall = 1 + (at % 8 + at / 8) as i16 * 3;
                match number % 5 {
                    0 if at > 0 => 0,
                    1 if at % 8 > 0 => 0,
                    2 if at / 8 > 0 => 0,
                    _ => value / fall,
                }
            })
        };
        Self {
            given: 0,
            blocks: (0..count).map(block).collect(),
            steps: std::array::from_fn(|at| 3 + at as u16 % 7),
        }
    }
}

impl Units for Made {
    fn next(&mut self, blocks: &mut [[i16; 64]]) -> bool {
        let Some(next) = self.blocks.get(self.given..self.given + blocks.len()) else { return false };
        blocks.copy_from_slice(next);
        self.given += blocks.len();
        true
    }

    fn steps(&self, _component: usize) -> Option<[u16; 64]> {
        Some(self.steps)
    }
}

/// The sample of a block at a place of so many across and down (A.3.3), centred at 0.
fn sample(made: &Made, block: usize, (x, y): (usize, usize), (across, down): (usize, usize)) -> f64 {
    let wave = |number: usize, place: usize, places: usize| {
        let scale = if number == 0 { 0.5_f64.sqrt() } else { 1.0 };
        let angle = ((2 * place + 1) * number) as f64 * std::f64::consts::PI / (2 * places) as f64;
        scale * angle.cos() / 2.0
    };
    let mut sum = 0.0;
    for v in 0..down.min(8) {
        for u in 0..across.min(8) {
            let at = v * 8 + u;
            let value = f64::from(made.blocks[block][at]) * f64::from(made.steps[at]);
            sum += value * wave(u, x, across) * wave(v, y, down);
        }
    }
    sum
}

#[test]
fn every_scale_and_sampling_follows_the_formula() {
    let (mut compared, mut sum) = (0, 0.0);
    for factors in [&[(1, 1)][..], &[(1, 1); 3], &[(2, 1), (1, 1), (1, 1)], &[(2, 2), (1, 1), (1, 1)]] {
        let (h_max, v_max) = factors[0];
        // Nineteen units across: a whole batch, and a part of one.
        let (across, down) = (19, 2);
        let per_unit: usize = factors.iter().map(|(h, v)| h * v).sum();
        let components = factors.iter().map(|&(h, v)| Component { id: 1, h: h as u8, v: v as u8, table: 0 });
        let size = PixelSize::new((across * h_max * 8 - 3) as u32, (down * v_max * 8 - 2) as u32);
        let frame = Frame { marker: 0xC0, precision: 8, size, components: components.collect() };
        for eighths in 1..=8 {
            let mut made = Made::new(across * down * per_unit);
            let scaled = Scaled::new(&frame, eighths, &made).unwrap();
            let (width, height) = scaled.size();
            assert_eq!(width, (size.width as usize * eighths).div_ceil(8));
            let channels = factors.len();
            let mut whole = Whole::new(width * channels, height).unwrap();
            scaled.decode(&mut made, &mut whole).unwrap();
            let pixels = whole.finish().unwrap();
            for y in 0..height {
                for x in 0..width {
                    let (unit_wide, unit_high) = (eighths * h_max, eighths * v_max);
                    let unit = y / unit_high * across + x / unit_wide;
                    let mut first = unit * per_unit;
                    let mut samples = Vec::new();
                    for &(h, v) in factors {
                        let places = (unit_wide / h, unit_high / v);
                        let (x, y) = (x % unit_wide, y % unit_high);
                        let block = first + y / places.1 * h + x / places.0;
                        samples.push(sample(&made, block, (x % places.0, y % places.1), places));
                        first += h * v;
                    }
                    let expected = match *samples.as_slice() {
                        [y, cb, cr] => {
                            vec![y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb]
                        }
                        _ => samples,
                    };
                    let at = (y * width + x) * channels;
                    for (expected, &found) in expected.iter().zip(&pixels[at..]) {
                        let expected = (expected + 128.0).clamp(0.0, 255.0);
                        let off = (expected - f64::from(found)).abs();
                        assert!(off < 1.2, "{expected} {found} at {x}, {y}");
                        sum += off;
                        compared += 1;
                    }
                }
            }
        }
    }
    assert!(compared > 100_000, "{compared}");
    // Rounding alone is a quarter of a level off.
    assert!(sum / f64::from(compared) < 0.27, "{}", sum / f64::from(compared));
}

#[test]
fn what_lacks_units_ends_early() {
    let component = Component { id: 1, h: 1, v: 1, table: 0 };
    let frame =
        Frame { marker: 0xC0, precision: 8, size: PixelSize::new(80, 80), components: vec![component] };
    let mut made = Made::new(99);
    let scaled = Scaled::new(&frame, 5, &made).unwrap();
    let mut whole = Whole::new(50, 50).unwrap();
    scaled.decode(&mut made, &mut whole).unwrap();
    assert_eq!(whole.finish(), None);
    let four = Frame { components: vec![component; 4], ..frame };
    assert!(Scaled::new(&four, 5, &made).is_none());
}
