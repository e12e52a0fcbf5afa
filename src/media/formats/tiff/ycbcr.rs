//! Luma and colour differences of TIFF 6.0 section 21, full range.

use crate::media::structure::tiff::Page;

/// How colours are told from luma and differences.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ycbcr {
    /// Shares of red, green and blue in luma.
    shares: [f32; 3],
}

/// ITU-R BT.601: the default, and what JPEG always has.
const BT601: Ycbcr = Ycbcr { shares: [0.299, 0.587, 0.114] };

impl Ycbcr {
    /// By the coefficients of the page.
    pub fn of(page: &Page) -> Self {
        let own = if matches!(page.compression, 6 | 7) { None } else { page.luma_shares };
        own.and_then(Self::by).unwrap_or(BT601)
    }

    /// By shares of red, green and blue in luma; `None` where those mix no colour.
    fn by(shares: [[u32; 2]; 3]) -> Option<Self> {
        let shares = shares.map(|[part, whole]| part as f32 / whole as f32);
        shares.iter().all(|share| (0.01..1.0).contains(share)).then_some(Self { shares })
    }

    /// Red, green and blue of luma and differences that lie between 0 and `full`; what is out of range is not cut.
    pub fn rgb(self, [luma, blue, red]: [f32; 3], full: f32) -> [f32; 3] {
        let [of_red, of_green, of_blue] = self.shares;
        let grey = full * 128.0 / 255.0;
        let red = (2.0 - 2.0 * of_red).mul_add(red - grey, luma);
        let blue = (2.0 - 2.0 * of_blue).mul_add(blue - grey, luma);
        [red, (luma - of_red * red - of_blue * blue) / of_green, blue]
    }

    /// Makes 8-bit pixels of luma and differences red, green and blue.
    pub fn paint(self, samples: &mut [u8]) {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let byte = |value: f32| value.round().clamp(0.0, 255.0) as u8;
        for pixel in samples.as_chunks_mut::<3>().0 {
            *pixel = self.rgb(pixel.map(f32::from), 255.0).map(byte);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;

    const BT709: [[u32; 2]; 3] = [[1063, 5000], [447, 625], [361, 5000]];

    fn painted(by: Ycbcr, mut pixel: [u8; 3]) -> [u8; 3] {
        by.paint(&mut pixel);
        pixel
    }

    #[test]
    fn grey_is_grey_by_any_coefficients() {
        for by in [BT601, Ycbcr::by(BT709).unwrap()] {
            assert_eq!(painted(by, [77, 128, 128]), [77; 3]);
        }
    }

    #[test]
    fn pure_green_by_both_standards() {
        let green =
            |found: [u8; 3]| found.iter().zip([0, 255, 0]).all(|(found, wanted)| found.abs_diff(wanted) <= 2);
        assert!(green(painted(BT601, [150, 44, 21])));
        assert!(green(painted(Ycbcr::by(BT709).unwrap(), [182, 30, 12])));
    }

    #[test]
    fn coefficients_that_mix_nothing_do_not_count() {
        for shares in [[[1, 0]; 3], [[0, 1]; 3], [[5, 1]; 3]] {
            assert_eq!(Ycbcr::by(shares), None);
        }
    }
}
