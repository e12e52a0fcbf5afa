//! The Lanczos3 kernel.

/// Half its width, in pixels of the smaller picture.
pub(super) const RADIUS: f64 = 3.0;

/// sinc(x) sinc(x / 3), where sinc(x) is sin(πx) / πx. With t = πx / 3 and sin 3t = 3 sin t - 4 sin³ t that takes one sine, and one that
/// need not be exact to the last bit: weights have at most 16 bits. Strips would else spend more time on weights than on pixels.
pub(super) fn lanczos3(x: f64) -> f64 {
    const TERMS: [f64; 7] =
        [-1.0 / 210.0, -1.0 / 156.0, -1.0 / 110.0, -1.0 / 72.0, -1.0 / 42.0, -1.0 / 20.0, -1.0 / 6.0];
    let t = x.abs() * (std::f64::consts::PI / 3.0);
    if t < 1e-9 {
        return 1.0;
    }
    if t >= std::f64::consts::PI {
        return 0.0;
    }
    // sin t up to a quarter of the circle, by its series: the first term left out is below 1e-11.
    let a = t.min(std::f64::consts::PI - t);
    let b = a * a;
    let sine = a * TERMS.iter().fold(1.0, |sum, term| 1.0 + b * term * sum);
    let square = sine * sine;
    square * (3.0 - 4.0 * square) / (3.0 * t * t)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_lanczos3() {
        let sinc = |x: f64| {
            if x == 0.0 { 1.0 } else { (x * std::f64::consts::PI).sin() / (x * std::f64::consts::PI) }
        };
        for step in -3200..=3200 {
            let x = f64::from(step) / 1000.0;
            let wanted = if x.abs() < 3.0 { sinc(x) * sinc(x / 3.0) } else { 0.0 };
            assert!((lanczos3(x) - wanted).abs() < 1e-10, "{x}");
        }
    }
}
