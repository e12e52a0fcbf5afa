//! Small conversions of decoded samples that several decoders need.

use crate::media::{ColorModel, Samples};

/// Divides the colours of RGBA or grey-alpha samples by their alpha.
pub(super) fn straighten(samples: &mut Samples, channels: usize) {
    match samples {
        Samples::U8(samples) => {
            samples.chunks_exact_mut(channels).for_each(|pixel| straighten_pixel(pixel, 255));
        }
        Samples::U16(samples) => {
            samples.chunks_exact_mut(channels).for_each(|pixel| straighten_pixel(pixel, 65_535));
        }
    }
}

fn straighten_pixel<T: Copy + Into<u32> + TryFrom<u32>>(pixel: &mut [T], full: u32) {
    let Some((alpha, colours)) = pixel.split_last_mut() else { return };
    let alpha: u32 = (*alpha).into();
    if alpha == 0 || alpha == full {
        return;
    }
    for colour in colours {
        let value: u32 = (*colour).into();
        // At most 65535 * 65535 + 32767, which fits.
        let straight = ((value * full + alpha / 2) / alpha).min(full);
        if let Ok(straight) = T::try_from(straight) {
            *colour = straight;
        }
    }
}

/// Keeps the first of three equal colour channels, and alpha. Other pictures come back as they are.
pub(super) fn to_gray(samples: Samples, model: ColorModel) -> Result<(Samples, ColorModel), Samples> {
    let gray_model = match model {
        ColorModel::Rgb => ColorModel::Gray,
        ColorModel::Rgba => ColorModel::GrayAlpha,
        _ => return Err(samples),
    };
    let channels = model.channels();
    let gray = match &samples {
        Samples::U8(all) => gray_of(all, channels).map(Samples::U8),
        Samples::U16(all) => gray_of(all, channels).map(Samples::U16),
    };
    gray.map(|gray| (gray, gray_model)).ok_or(samples)
}

fn gray_of<T: Copy + PartialEq>(all: &[T], channels: usize) -> Option<Vec<T>> {
    let mut gray = Vec::with_capacity(all.len() / channels * (channels - 2));
    for pixel in all.chunks_exact(channels) {
        let [red, green, blue, rest @ ..] = pixel else { return None };
        if red != green || green != blue {
            return None;
        }
        gray.push(*red);
        gray.extend_from_slice(rest);
    }
    Some(gray)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn premultiplied_colours_come_back() {
        let mut samples = Samples::U8(vec![60, 30, 100, 128, 9, 9, 9, 0, 200, 100, 50, 100]);
        straighten(&mut samples, 4);
        assert_eq!(samples, Samples::U8(vec![120, 60, 199, 128, 9, 9, 9, 0, 255, 255, 128, 100]));
        let mut samples = Samples::U16(vec![30_000, 32_768]);
        straighten(&mut samples, 2);
        assert_eq!(samples, Samples::U16(vec![59_999, 32_768]));
    }

    #[test]
    fn only_grey_becomes_grey() {
        let grey = Samples::U8(vec![7, 7, 7, 1, 9, 9, 9, 2]);
        assert_eq!(
            to_gray(grey, ColorModel::Rgba),
            Ok((Samples::U8(vec![7, 1, 9, 2]), ColorModel::GrayAlpha))
        );
        let colour = Samples::U8(vec![7, 7, 8]);
        assert_eq!(to_gray(colour.clone(), ColorModel::Rgb), Err(colour));
    }
}
