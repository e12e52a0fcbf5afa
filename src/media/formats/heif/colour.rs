//! From Y, Cb and Cr to RGB, as libheif does it for pictures of 8 bits that use their full range: chroma is not smoothed where it is
//! enlarged.

#![allow(clippy::inline_always, reason = "else not compiled for the vector instructions of its caller")]

use multiversion::multiversion;

/// Bits behind the point of the factors.
const FRACTION: u32 = 8;
/// Chroma samples that are worked on at once.
const CHUNK: usize = 16;

/// What chroma adds to luma, in 256ths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matrix {
    red_by_cr: i32,
    green_by_cb: i32,
    green_by_cr: i32,
    blue_by_cb: i32,
}

impl Matrix {
    /// By the number that ITU-T H.273 has for it; `None` for others than are made of luma like this.
    #[allow(clippy::cast_possible_truncation, reason = "less than a thousand")]
    pub fn numbered(number: u16) -> Option<Self> {
        let (red, blue) = match number {
            1 => (0.2126, 0.0722),
            // Unspecified: as in JFIF.
            2 | 5 | 6 => (0.299, 0.114),
            9 => (0.2627, 0.0593),
            _ => return None,
        };
        let green = 1.0 - red - blue;
        let fixed = |factor: f64| (factor * f64::from(1 << FRACTION)).round() as i32;
        Some(Self {
            red_by_cr: fixed(2.0 * (1.0 - red)),
            green_by_cb: fixed(-2.0 * blue * (1.0 - blue) / green),
            green_by_cr: fixed(-2.0 * red * (1.0 - red) / green),
            blue_by_cb: fixed(2.0 * (1.0 - blue)),
        })
    }

    /// One row of RGB, as long as `out` is; chroma has half as many samples.
    pub fn row(self, luma: &[u8], chroma: [&[u8]; 2], out: &mut [u8]) {
        row(self, luma, chroma, out);
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn row(matrix: Matrix, luma: &[u8], [cb, cr]: [&[u8]; 2], out: &mut [u8]) {
    let (chunks, rest) = out.as_chunks_mut::<{ 6 * CHUNK }>();
    let (luma_chunks, luma_rest) = luma.as_chunks::<{ 2 * CHUNK }>();
    let (cb_chunks, cr_chunks) = (cb.as_chunks::<CHUNK>().0, cr.as_chunks::<CHUNK>().0);
    let count = chunks.len();
    for (((out, luma), cb), cr) in chunks.iter_mut().zip(luma_chunks).zip(cb_chunks).zip(cr_chunks) {
        pixels(matrix, luma, cb, cr, out);
    }
    // The end of the row, in a chunk of its own.
    let (mut last_luma, mut last_cb, mut last_cr) = ([0; 2 * CHUNK], [0; CHUNK], [0; CHUNK]);
    let mut last = [0; 6 * CHUNK];
    let behind = |samples: &'_ [u8]| samples.len().saturating_sub(count * CHUNK);
    let luma_rest = luma_chunks.get(count).map_or(luma_rest, |chunk| chunk.as_slice());
    last_luma.iter_mut().zip(luma_rest).for_each(|(to, from)| *to = *from);
    for (to, chroma) in [(&mut last_cb, cb), (&mut last_cr, cr)] {
        let from = chroma.len() - behind(chroma);
        to.iter_mut().zip(chroma.get(from..).unwrap_or_default()).for_each(|(to, from)| *to = *from);
    }
    pixels(matrix, &last_luma, &last_cb, &last_cr, &mut last);
    rest.iter_mut().zip(last).for_each(|(to, from)| *to = from);
}

#[inline(always)]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
fn pixels(
    matrix: Matrix,
    luma: &[u8; 2 * CHUNK],
    cb: &[u8; CHUNK],
    cr: &[u8; CHUNK],
    out: &mut [u8; 6 * CHUNK],
) {
    let offsets = |by_cb: i32, by_cr: i32| {
        let mut offsets = [0_i16; CHUNK];
        for ((offset, &cb), &cr) in offsets.iter_mut().zip(cb).zip(cr) {
            let sum = (i32::from(cb) - 128) * by_cb + (i32::from(cr) - 128) * by_cr;
            *offset = ((sum + (1 << (FRACTION - 1))) >> FRACTION) as i16;
        }
        offsets
    };
    let (red, green) = (offsets(0, matrix.red_by_cr), offsets(matrix.green_by_cb, matrix.green_by_cr));
    let blue = offsets(matrix.blue_by_cb, 0);
    // A pixel in a word each, then without the gaps.
    let mut words = [0_u32; 2 * CHUNK];
    let chroma = red.iter().zip(&green).zip(&blue);
    let pairs = words.as_chunks_mut::<2>().0.iter_mut().zip(luma.as_chunks::<2>().0);
    for ((pair, luma), ((red, green), blue)) in pairs.zip(chroma) {
        for (word, &luma) in pair.iter_mut().zip(luma) {
            let sample = |offset: i16| u32::from((i16::from(luma) + offset).clamp(0, 255) as u8);
            *word = sample(*red) | sample(*green) << 8 | sample(*blue) << 16;
        }
    }
    for (four, out) in words.as_chunks::<4>().0.iter().zip(out.as_chunks_mut::<12>().0) {
        let [first, second, third, fourth] = *four;
        let packed = [first | second << 24, second >> 8 | third << 16, third >> 16 | fourth << 8];
        for (bytes, word) in out.as_chunks_mut::<4>().0.iter_mut().zip(packed) {
            *bytes = word.to_le_bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "a panic is a failed test"
    )]

    use super::*;

    /// The same by the words of the standard.
    fn plain(red: f64, blue: f64, [y, cb, cr]: [u8; 3]) -> [f64; 3] {
        let (y, cb, cr) = (f64::from(y), f64::from(cb) - 128.0, f64::from(cr) - 128.0);
        let (r, b) = (y + 2.0 * (1.0 - red) * cr, y + 2.0 * (1.0 - blue) * cb);
        [r, (y - red * r - blue * b) / (1.0 - red - blue), b].map(|sample| sample.clamp(0.0, 255.0))
    }

    #[test]
    fn rows_of_any_length_have_the_colours_of_the_standard() {
        let noise = |seed: usize, length: usize| -> Vec<u8> {
            (0..length).map(|n| ((n + seed) * 7919 % 251 + n % 5) as u8).collect()
        };
        for (number, red, blue) in [(1, 0.2126, 0.0722), (2, 0.299, 0.114), (9, 0.2627, 0.0593)] {
            let matrix = Matrix::numbered(number).unwrap();
            for width in [1, 2, 15, 32, 33, 64, 97, 130] {
                let (luma, cb, cr) =
                    (noise(1, width), noise(5, width.div_ceil(2)), noise(9, width.div_ceil(2)));
                let mut out = vec![0; 3 * width];
                matrix.row(&luma, [&cb, &cr], &mut out);
                for x in 0..width {
                    let wanted = plain(red, blue, [luma[x], cb[x / 2], cr[x / 2]]);
                    for channel in 0..3 {
                        let off = (wanted[channel] - f64::from(out[3 * x + channel])).abs();
                        assert!(off <= 1.0, "matrix {number}, {x} of {width}: {wanted:?} {off}");
                    }
                }
            }
        }
        assert_eq!(Matrix::numbered(0), None);
    }
}
