//! Pictures in layouts that the `tiff` crate does not show: odd numbers of bits, packed YCbCr, CIE L*a*b*.

use crate::media::structure::tiff::{Chunk, Page};
use crate::media::{ColorModel, Samples};
use crate::model::DecodeError;

use super::ycbcr::Ycbcr;

/// A picture that is put together from its strips and tiles. Samples have 16 bits meanwhile.
pub struct Raster<'p> {
    page: &'p Page,
    big_endian: bool,
    samples: Vec<u16>,
}

/// Samples with more bits than this are cut to their upper 16.
const MOST_BITS: u32 = 32;

impl<'p> Raster<'p> {
    /// An empty picture, if its kind can be shown.
    pub fn new(page: &'p Page, big_endian: bool) -> Result<Self, DecodeError> {
        let bits = page.bits();
        let even =
            bits.iter().all(|&bits| Some(&bits) == page.bits().first() && (1..=MOST_BITS).contains(&bits));
        let shown = match page.photometric {
            0 | 1 | 3 => page.samples >= 1,
            2 | 8 | 9 => page.samples >= 3,
            // Planes of their own are subsampled each for itself.
            6 => page.samples == 3 && page.first_bits() == 8 && !page.planar,
            5 => page.samples >= 4,
            _ => false,
        };
        if !even || !shown || page.sample_format == 3 || !matches!(page.predictor, 0..=2) {
            return Err(DecodeError::unsupported(format!(
                "TIFF pictures of {} samples of {} bits, colours {}",
                page.samples,
                page.first_bits(),
                page.photometric
            )));
        }
        let count = usize::try_from(page.size.pixels()).ok().and_then(|count| count.checked_mul(bits.len()));
        let count = count.ok_or_else(|| DecodeError::limit("samples of a TIFF picture", "memory"))?;
        Ok(Self { page, big_endian, samples: vec![0; count] })
    }

    /// Puts an unpacked strip or tile in its place.
    pub fn place(&mut self, chunk: &Chunk, bytes: &[u8]) {
        if let Some(blocks) = self.page.packed_subsampling() {
            self.place_blocks(chunk, bytes, blocks);
            return;
        }
        let channels = if self.page.planar { 1 } else { self.page.samples as usize };
        let columns = chunk.size.width as usize;
        for (row, packed) in (chunk.row..self.page.size.height).zip(bytes.chunks(chunk.row_bytes.max(1))) {
            let mut values = self.values(packed, columns * channels);
            if self.page.predictor == 2 {
                self.sum_up(&mut values, channels);
            }
            for (column, pixel) in (chunk.column..self.page.size.width).zip(values.chunks(channels)) {
                for (channel, &value) in pixel.iter().enumerate() {
                    self.put(row, column, chunk.plane + channel, self.widen(value));
                }
            }
        }
    }

    fn put(&mut self, row: u32, column: u32, channel: usize, value: u16) {
        let pixel = row as usize * self.page.size.width as usize + column as usize;
        if let Some(place) = self.samples.get_mut(pixel * self.page.samples as usize + channel) {
            *place = value;
        }
    }

    /// The samples of a row. Whole bytes are in the file's order, other numbers of bits are packed from the highest.
    fn values(&self, packed: &[u8], count: usize) -> Vec<u32> {
        let bits = self.page.first_bits();
        if bits >= 16 && bits.is_multiple_of(8) {
            let number = |bytes: &[u8]| {
                let fold = |value: u32, &byte: &u8| value << 8 | u32::from(byte);
                if self.big_endian { bytes.iter().fold(0, fold) } else { bytes.iter().rev().fold(0, fold) }
            };
            return packed.chunks_exact(bits as usize / 8).take(count).map(number).collect();
        }
        let turn = self.page.fill_order == 2 && self.page.compression == 1;
        let (mut out, mut held, mut have) = (Vec::with_capacity(count), 0u64, 0u32);
        for &byte in packed {
            let byte = if turn { byte.reverse_bits() } else { byte };
            held = held << 8 | u64::from(byte);
            have += 8;
            while have >= bits && out.len() < count {
                have -= bits;
                out.push(u32::try_from(held >> have & ((1 << bits) - 1)).unwrap_or(u32::MAX));
            }
            held &= (1 << have) - 1;
        }
        out
    }

    /// Undoes horizontal differences (TIFF 6.0 section 14).
    fn sum_up(&self, values: &mut [u32], channels: usize) {
        let mask = u32::MAX >> (32 - self.page.first_bits());
        for at in channels..values.len() {
            let before = values.get(at - channels).copied().unwrap_or(0);
            if let Some(value) = values.get_mut(at) {
                *value = value.wrapping_add(before) & mask;
            }
        }
    }

    /// To the whole range of 16 bits. Indices into a colour table stay, signed samples are moved up by half.
    fn widen(&self, value: u32) -> u16 {
        let bits = self.page.first_bits();
        let max = u32::MAX >> (32 - bits);
        let value = match self.page.photometric {
            3 => return u16::try_from(value).unwrap_or(u16::MAX),
            // The colour differences of L*a*b* are signed by themselves.
            8 => value,
            _ if self.page.sample_format == 2 => value ^ 1 << (bits - 1),
            _ => value,
        };
        let scaled = (u64::from(value) * 65_535 + u64::from(max) / 2) / u64::from(max);
        u16::try_from(scaled).unwrap_or(u16::MAX)
    }

    /// Blocks of luma samples with one pair of colour differences (TIFF 6.0 section 21).
    fn place_blocks(&mut self, chunk: &Chunk, bytes: &[u8], [across, down]: [u32; 2]) {
        let luma = (across * down) as usize;
        for (line, blocks) in (0u32..).zip(bytes.chunks(chunk.row_bytes.max(1))) {
            for (place, block) in (0u32..).zip(blocks.chunks_exact(luma + 2)) {
                let (colours, lumas) = (block.get(luma..).unwrap_or_default(), block.iter().take(luma));
                for (index, &value) in (0u32..).zip(lumas) {
                    let row = chunk.row + line * down + index / across;
                    let column = chunk.column + place * across + index % across;
                    if row >= self.page.size.height || column >= self.page.size.width {
                        continue;
                    }
                    for (channel, &value) in std::iter::once(&value).chain(colours).enumerate() {
                        self.put(row, column, channel, u16::from(value) * 257);
                    }
                }
            }
        }
    }

    /// The picture, in our order and range.
    pub fn finish(self) -> (ColorModel, Samples) {
        let page = self.page;
        let total = page.samples as usize;
        let (colours, model, with_alpha) = match page.photometric {
            0 | 1 => (1, ColorModel::Gray, ColorModel::GrayAlpha),
            5 => (4, ColorModel::Cmyk, ColorModel::Cmyk),
            _ => (3, ColorModel::Rgb, ColorModel::Rgba),
        };
        let stored = if page.photometric == 3 { 1 } else { colours };
        let alpha = matches!(page.extra_sample, Some(1 | 2)) && total > stored && model != with_alpha;
        let ycbcr = Ycbcr::of(page);
        let mut out = Vec::with_capacity(self.samples.len() / total.max(1) * (colours + usize::from(alpha)));
        for pixel in self.samples.chunks_exact(total.max(1)) {
            let stored_colours = pixel.get(..stored).unwrap_or_default();
            match (page.photometric, stored_colours) {
                (0, &[grey]) => out.push(u16::MAX - grey),
                (3, &[index]) => out.extend(palette(page, index)),
                (6, &[luma, blue, red]) => {
                    out.extend(ycbcr.rgb([luma, blue, red].map(f32::from), 65_535.0).map(clamp));
                }
                (8, &[l, a, b]) => out.extend(from_lab(l, a.cast_signed().into(), b.cast_signed().into())),
                (9, &[l, a, b]) => out.extend(from_lab(l, f32::from(a) - 32_896.0, f32::from(b) - 32_896.0)),
                (_, colours) => out.extend_from_slice(colours),
            }
            if alpha {
                out.extend(pixel.get(stored));
            }
        }
        let model = if alpha { with_alpha } else { model };
        if page.first_bits() <= 8 {
            (model, Samples::U8(out.into_iter().map(|value| value.to_be_bytes()[0]).collect()))
        } else {
            (model, Samples::U16(out))
        }
    }
}

fn palette(page: &Page, index: u16) -> [u16; 3] {
    let colours = page.palette.len() / 3;
    [0, 1, 2].map(|part| page.palette.get(part * colours + usize::from(index)).copied().unwrap_or(0))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
fn clamp(value: f32) -> u16 {
    value.round().clamp(0.0, 65_535.0) as u16
}

/// CIE L*a*b* under D50 to sRGB. `a` and `b` are in 256ths.
#[allow(clippy::many_single_char_names, reason = "the colour spaces' own names")]
fn from_lab(l: u16, a: f32, b: f32) -> [u16; 3] {
    let y = (f32::from(l) / 655.35 + 16.0) / 116.0;
    let cube = |t: f32| if t > 6.0 / 29.0 { t.powi(3) } else { (t - 4.0 / 29.0) * 108.0 / 841.0 };
    let (x, y, z) = (0.9642 * cube(y + a / (256.0 * 500.0)), cube(y), 0.8249 * cube(y - b / (256.0 * 200.0)));
    // XYZ under D50 to linear sRGB, Bradford adaptation included.
    let linear = [
        3.1339 * x - 1.6169 * y - 0.4906 * z,
        -0.9788 * x + 1.9161 * y + 0.0335 * z,
        0.0719 * x - 0.2290 * y + 1.4052 * z,
    ];
    linear.map(|value| {
        let value = value.clamp(0.0, 1.0);
        let curved = if value <= 0.003_130_8 { value * 12.92 } else { 1.055 * value.powf(1.0 / 2.4) - 0.055 };
        clamp(curved * 65_535.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neutral_lab_is_grey() {
        let [red, green, blue] = from_lab(u16::MAX, 0.0, 0.0);
        assert!([red, green, blue].iter().all(|&value| value > 65_200), "{red} {green} {blue}");
        let [red, green, blue] = from_lab(0x8000, 0.0, 0.0);
        assert!(red.abs_diff(green) < 200 && blue.abs_diff(green) < 200, "{red} {green} {blue}");
        let [red, green, _] = from_lab(0x8000, 60.0 * 256.0, 0.0);
        assert!(red > green);
    }
}
