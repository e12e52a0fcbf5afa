//! From any decoded picture to 8-bit RGB in the colour space of the output, as libvips does it for Immich.
//!
//! - An RGB profile of the picture is obeyed (perceptual intent), also on grey pictures; a transform that changes nothing is left out.
//! - Without a profile the samples are kept as they are, whatever space the output claims: that is what Immich's pictures show.
//! - A profile of no use (broken, or of another colour model) counts as sRGB. Profiles of grey pictures are not looked at.
//! - CMYK goes to sRGB first, by its own profile or else by the one that libvips has for that.
//! - 16-bit samples are cut to 8 bits only at the end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use moxcms::{
    ColorProfile, DataColorSpace, Layout, RenderingIntent, Transform8BitExecutor, Transform16BitExecutor,
    TransformOptions,
};

use super::raster::{Picture, Raster};
use super::{RenderError, profile};
use crate::media::{ColorModel, Samples};
use crate::model::{Colorspace, PixelSize};

/// Transforms kept for the next pictures: a library has few cameras, and building one takes milliseconds.
const KEPT: usize = 6;

/// Converts colours, and remembers how for profiles seen before.
#[derive(Default)]
pub struct Colour {
    known: Vec<(Key, Change)>,
}

#[derive(Clone, PartialEq, Eq)]
struct Key {
    source: Source,
    alpha: bool,
    wide: bool,
    space: Colorspace,
}

/// The colours of a picture.
#[derive(Clone, PartialEq, Eq)]
enum Source {
    /// Those of the output: nothing to do.
    Same,
    /// sRGB, since its profile is of no use.
    Srgb,
    /// RGB by this profile (BLAKE3).
    Rgb(blake3::Hash),
    /// CMYK by this profile (BLAKE3).
    Cmyk(blake3::Hash),
}

/// A transform to RGB or RGBA of the same depth.
#[derive(Clone)]
enum Change {
    Nothing,
    Narrow(Arc<Transform8BitExecutor>),
    Wide(Arc<Transform16BitExecutor>),
}

impl Colour {
    /// The picture in `space`, 8-bit RGB or RGBA.
    pub fn convert(
        &mut self,
        raster: Raster,
        icc: Option<&[u8]>,
        space: Colorspace,
    ) -> Result<Picture, RenderError> {
        let size = raster.size();
        let grey = matches!(raster.model(), ColorModel::Gray | ColorModel::GrayAlpha);
        let raster = with_three_channels(raster)?;
        if raster.model() == ColorModel::Cmyk {
            return self.convert_cmyk(&raster, icc, space);
        }
        let parsed = icc.map(|icc| (icc, parse(icc)));
        let (source, from) = match parsed {
            None => (Source::Same, None),
            Some((icc, Some(parsed))) if parsed.color_space == DataColorSpace::Rgb => {
                (Source::Rgb(blake3::hash(icc)), Some(parsed))
            }
            // A grey picture's own profile: libvips spreads grey to RGB first, and then cannot use it.
            Some((_, Some(parsed))) if parsed.color_space == DataColorSpace::Gray && grey => {
                (Source::Same, None)
            }
            Some(_) => (Source::Srgb, None),
        };
        let alpha = raster.model().has_alpha();
        let samples = self.apply(raster, source, from.as_ref(), space)?;
        Ok(Picture { size, alpha, samples })
    }

    /// Through sRGB, by the picture's own profile or the built-in one; libvips compensates for no black point here.
    fn convert_cmyk(
        &mut self,
        raster: &Raster,
        icc: Option<&[u8]>,
        space: Colorspace,
    ) -> Result<Picture, RenderError> {
        let size = raster.size();
        let samples = match icc.map(|icc| self.apply_inks(raster, icc)) {
            Some(Ok(samples)) => samples,
            _ => self.apply_inks(raster, profile::default_cmyk())?,
        };
        let srgb = Raster::new(size, ColorModel::Rgb, Samples::U8(samples))?;
        let samples = self.apply(srgb, Source::Srgb, None, space)?;
        Ok(Picture { size, alpha: false, samples })
    }

    fn apply_inks(&mut self, raster: &Raster, icc: &[u8]) -> Result<Vec<u8>, RenderError> {
        let mut from = parse(icc)
            .filter(|from| from.color_space == DataColorSpace::Cmyk)
            .ok_or_else(|| failed("not a CMYK profile"))?;
        // The relative intent is wanted, but asked for by the other name: many profiles have one table only, that of the perceptual.
        if from.lut_a_to_b_colorimetric.is_some() {
            from.lut_a_to_b_perceptual = from.lut_a_to_b_colorimetric.take();
        }
        self.apply(raster.clone(), Source::Cmyk(blake3::hash(icc)), Some(&from), Colorspace::Srgb)
    }

    fn apply(
        &mut self,
        raster: Raster,
        source: Source,
        from: Option<&ColorProfile>,
        space: Colorspace,
    ) -> Result<Vec<u8>, RenderError> {
        let wide = matches!(raster.samples(), Samples::U16(_));
        let key = Key { source, alpha: raster.model().has_alpha(), wide, space };
        let change = self.change(key, from)?;
        let count = picture_len(raster.size(), raster.model().has_alpha());
        Ok(match (raster.into_samples(), change) {
            (Samples::U8(samples), Change::Narrow(transform)) => {
                let mut converted = vec![0; count];
                transform.transform(&samples, &mut converted).map_err(failed)?;
                converted
            }
            (Samples::U16(samples), Change::Wide(transform)) => {
                let mut converted = vec![0; count];
                transform.transform(&samples, &mut converted).map_err(failed)?;
                narrow(&converted)
            }
            (Samples::U8(samples), _) => samples,
            (Samples::U16(samples), _) => narrow(&samples),
        })
    }

    /// Finds or builds the transform. RGB profiles that cannot be used count as sRGB, CMYK ones are an error.
    fn change(&mut self, key: Key, from: Option<&ColorProfile>) -> Result<Change, RenderError> {
        if let Some((_, change)) = self.known.iter().find(|(known, _)| *known == key) {
            return Ok(change.clone());
        }
        let change = match (&key.source, from) {
            (Source::Same, _) => Change::Nothing,
            (Source::Cmyk(_), Some(from)) => {
                build(from, &key).ok_or_else(|| failed("the CMYK profile cannot be used"))?
            }
            (_, from) => from
                .and_then(|from| build_rgb(from, &key))
                .or_else(|| build_rgb(&parse(profile::icc(Colorspace::Srgb))?, &key))
                .unwrap_or(Change::Nothing),
        };
        if self.known.len() >= KEPT {
            self.known.remove(0);
        }
        self.known.push((key, change.clone()));
        Ok(change)
    }
}

/// A transform between RGB profiles; one that changes no colour by more than a step is left out.
fn build_rgb(from: &ColorProfile, key: &Key) -> Option<Change> {
    let change = build(from, &Key { alpha: false, wide: false, ..key.clone() })?;
    let Change::Narrow(transform) = &change else { return None };
    let levels = [0_u8, 16, 48, 96, 144, 192, 224, 255];
    let colours =
        |r: u8| levels.into_iter().flat_map(move |g| levels.into_iter().flat_map(move |b| [r, g, b]));
    let probe: Vec<u8> = levels.into_iter().flat_map(colours).collect();
    let mut found = vec![0; probe.len()];
    catch_unwind(AssertUnwindSafe(|| transform.transform(&probe, &mut found))).ok()?.ok()?;
    if probe.iter().zip(&found).all(|(a, b)| a.abs_diff(*b) <= 1) {
        return Some(Change::Nothing);
    }
    if !key.alpha && !key.wide { Some(change) } else { build(from, key) }
}

fn build(from: &ColorProfile, key: &Key) -> Option<Change> {
    let options = TransformOptions {
        rendering_intent: RenderingIntent::Perceptual,
        allow_use_cicp_transfer: false,
        ..TransformOptions::default()
    };
    let source = if matches!(key.source, Source::Cmyk(_)) || key.alpha { Layout::Rgba } else { Layout::Rgb };
    let target = if key.alpha { Layout::Rgba } else { Layout::Rgb };
    // Profiles come from files: a panic of the colour library on one of them must not cost the picture.
    catch_unwind(AssertUnwindSafe(|| {
        let to = parse(profile::icc(key.space))?;
        if key.wide {
            from.create_transform_16bit(source, &to, target, options).ok().map(Change::Wide)
        } else {
            from.create_transform_8bit(source, &to, target, options).ok().map(Change::Narrow)
        }
    }))
    .ok()
    .flatten()
}

fn parse(icc: &[u8]) -> Option<ColorProfile> {
    catch_unwind(|| ColorProfile::new_from_slice(icc).ok()).ok().flatten()
}

/// Grey as RGB; other models as they are.
fn with_three_channels(raster: Raster) -> Result<Raster, RenderError> {
    let model = match raster.model() {
        ColorModel::Gray => ColorModel::Rgb,
        ColorModel::GrayAlpha => ColorModel::Rgba,
        _ => return Ok(raster),
    };
    let samples = match raster.samples() {
        Samples::U8(samples) => Samples::U8(spread(samples, model)),
        Samples::U16(samples) => Samples::U16(spread(samples, model)),
    };
    Raster::new(raster.size(), model, samples)
}

fn spread<T: Copy>(samples: &[T], to: ColorModel) -> Vec<T> {
    if to.has_alpha() {
        samples.as_chunks::<2>().0.iter().flat_map(|&[grey, alpha]| [grey, grey, grey, alpha]).collect()
    } else {
        samples.iter().flat_map(|&grey| [grey; 3]).collect()
    }
}

/// The upper 8 bits, as libvips does it.
fn narrow(samples: &[u16]) -> Vec<u8> {
    samples.iter().map(|sample| sample.to_be_bytes()[0]).collect()
}

fn picture_len(size: PixelSize, alpha: bool) -> usize {
    size.width as usize * size.height as usize * if alpha { 4 } else { 3 }
}

fn failed(error: impl std::fmt::Display) -> RenderError {
    RenderError::new("colour", error.to_string())
}
