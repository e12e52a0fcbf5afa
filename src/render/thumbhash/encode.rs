//! Encoding of thumbhashes, with the arithmetic of the reference implementation, which is JavaScript's: in tiny pictures factors
//! lie just between two codes, and in `f32` they fall to the other side.

use std::f64::consts::PI;

/// Hashes `width * height` RGBA pixels; neither side may be zero.
pub fn encode(width: usize, height: usize, rgba: &[u8]) -> Vec<u8> {
    let pixels = rgba.as_chunks::<4>().0;
    let mean = mean(pixels);
    let transparent = mean.alpha < (width * height) as f64;
    let longest = if transparent { 5.0 } else { 7.0 };
    let steps = |side: usize| whole(longest * side as f64 / width.max(height) as f64).max(1);
    let (columns, rows) = (steps(width), steps(height));
    let planes = Planes::of(pixels, &mean);
    let channel =
        |samples: &[f64], columns: u32, rows: u32| Channel::of(samples, (width, height), columns, rows);
    let light = channel(&planes.light, columns.max(3), rows.max(3));
    let yellow = channel(&planes.yellow, 3, 3);
    let red = channel(&planes.red, 3, 3);

    let landscape = width > height;
    let first = whole(63.0 * light.mean)
        | whole(31.5 + 31.5 * yellow.mean) << 6
        | whole(31.5 + 31.5 * red.mean) << 12
        | whole(31.0 * light.scale) << 18
        | u32::from(transparent) << 23;
    let second = if landscape { rows } else { columns }
        | whole(63.0 * yellow.scale) << 3
        | whole(63.0 * red.scale) << 9
        | u32::from(landscape) << 15;
    let mut hash: Vec<u8> = first.to_le_bytes().into_iter().take(3).collect();
    hash.extend(second.to_le_bytes().into_iter().take(2));
    let mut channels = vec![light, yellow, red];
    if transparent {
        let alpha = channel(&planes.alpha, 5, 5);
        hash.push(byte(whole(15.0 * alpha.mean) | whole(15.0 * alpha.scale) << 4));
        channels.push(alpha);
    }
    let codes: Vec<u32> =
        channels.iter().flat_map(|channel| &channel.factors).map(|factor| whole(15.0 * factor)).collect();
    hash.extend(codes.chunks(2).map(|pair| byte(pair.iter().rev().fold(0, |both, code| both << 4 | code))));
    hash
}

/// The mean colour, weighted by alpha, and the sum of alpha.
struct Mean {
    colour: [f64; 3],
    alpha: f64,
}

fn mean(pixels: &[[u8; 4]]) -> Mean {
    let mut mean = Mean { colour: [0.0; 3], alpha: 0.0 };
    for &[red, green, blue, alpha] in pixels {
        let alpha = f64::from(alpha) / 255.0;
        for (sum, sample) in mean.colour.iter_mut().zip([red, green, blue]) {
            *sum += alpha / 255.0 * f64::from(sample);
        }
        mean.alpha += alpha;
    }
    if mean.alpha > 0.0 {
        mean.colour = mean.colour.map(|sum| sum / mean.alpha);
    }
    mean
}

/// Luminance, yellow against blue, red against green, and alpha.
#[derive(Default)]
struct Planes {
    light: Vec<f64>,
    yellow: Vec<f64>,
    red: Vec<f64>,
    alpha: Vec<f64>,
}

impl Planes {
    /// What is transparent is laid over the mean colour.
    fn of(pixels: &[[u8; 4]], mean: &Mean) -> Self {
        let mut planes = Self::default();
        for &[red, green, blue, alpha] in pixels {
            let alpha = f64::from(alpha) / 255.0;
            let over = |mean: f64, sample: u8| mean * (1.0 - alpha) + alpha / 255.0 * f64::from(sample);
            let [mean_red, mean_green, mean_blue] = mean.colour;
            let (red, green, blue) = (over(mean_red, red), over(mean_green, green), over(mean_blue, blue));
            planes.light.push((red + green + blue) / 3.0);
            planes.yellow.push(f64::midpoint(red, green) - blue);
            planes.red.push(red - green);
            planes.alpha.push(alpha);
        }
        planes
    }
}

/// A channel as its cosine transform tells it.
struct Channel {
    mean: f64,
    /// The other factors, 0.5 being none.
    factors: Vec<f64>,
    /// The largest of them before that.
    scale: f64,
}

impl Channel {
    fn of(samples: &[f64], (width, height): (usize, usize), columns: u32, rows: u32) -> Self {
        let wave = |side: usize, half_waves: u32| -> Vec<f64> {
            (0..side).map(|at| (PI / side as f64 * f64::from(half_waves) * (at as f64 + 0.5)).cos()).collect()
        };
        let (mut mean, mut factors, mut scale) = (0.0, Vec::new(), 0.0_f64);
        for row in 0..rows {
            let down = wave(height, row);
            for column in (0..columns).take_while(|column| column * rows < columns * (rows - row)) {
                let across = wave(width, column);
                let mut sum = 0.0;
                for (line, down) in samples.chunks(width.max(1)).zip(&down) {
                    for (sample, across) in line.iter().zip(&across) {
                        sum += sample * across * down;
                    }
                }
                let factor = sum / (width * height) as f64;
                if row == 0 && column == 0 {
                    mean = factor;
                } else {
                    factors.push(factor);
                    scale = scale.max(factor.abs());
                }
            }
        }
        if scale > 0.0 {
            for factor in &mut factors {
                *factor = 0.5 + 0.5 / scale * *factor;
            }
        }
        Self { mean, factors, scale }
    }
}

/// JavaScript's rounding, halves up, of numbers that are not negative but for errors of the arithmetic.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small numbers; saturates")]
fn whole(value: f64) -> u32 {
    (value + 0.5).floor() as u32
}

fn byte(value: u32) -> u8 {
    value.to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hashes of the reference implementation in JavaScript.
    #[test]
    fn hashes_of_the_reference_implementation() {
        let ramp = |count: u32, alpha: fn(u32) -> u32| -> Vec<u8> {
            (0..count).flat_map(|at| [at * 7, at * 13, at * 29, alpha(at)]).map(byte).collect()
        };
        let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('?');
        let hex = |hash: Vec<u8>| -> String {
            hash.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
        };
        for &(width, height, wanted) in HASHES {
            let pixels = u32::try_from(width * height).unwrap_or(0);
            assert_eq!(hex(encode(width, height, &ramp(pixels, |_| 255))), wanted, "{width}x{height}");
        }
        assert_eq!(hex(encode(9, 5, &ramp(45, |at| at * 5))), FAINT);
    }

    const HASHES: &[(usize, usize, &str)] = &[
        (1, 1, "000802070000000000000000000000000000000000000000"),
        (3, 1, "44f7092a8273780c8888088c8c87cf78f8"),
        (1, 7, "0cd619710808848b88878777f78b78bf88"),
        (100, 1, "def73d09847777878888088802888b70f8"),
        (2, 100, "dff7010902776418887380038566a09808"),
        (3, 3, "90d52147067678098488788788888878888ba0f8888a8f08"),
        (17, 31, "dff701040084779a5885c62a7052d8f6d16707"),
        (100, 75, "1f0802058058b96e53422095953b22c5890359288f"),
    ];
    const FAINT: &str = "a0f785338836d0968995d18f3845870a86778078877878";
}
