//! Parts of pictures: what a face or a user's edits leave of the original.

use super::encode::{self, Attached, Chroma};
use super::geometry::{self, THUMBHASH_SIDE, runs_backwards};
use super::raster::{Picture, Raster};
use super::resize::Fit;
use super::{
    Refused, RenderError, RenderJob, RenderOutput, RenderSpec, Rendered, Renderer, View, profile, thumbhash,
};
use crate::media::{Pixels, Samples};
use crate::model::{Area, Colorspace, Edits, Orientation, PixelSize, Role};

/// A decoded picture at full resolution, from which parts are cut.
struct Uncut {
    raster: Raster,
    upright: PixelSize,
    orientation: Orientation,
    icc: Option<Vec<u8>>,
}

impl Renderer {
    /// Makes the pictures that show parts. The pixels are as before afterwards.
    pub(super) fn parts(
        &mut self,
        pixels: &mut Pixels,
        job: &RenderJob,
        output: &mut RenderOutput,
    ) -> Result<(), RenderError> {
        let mut specs = job.outputs.iter().filter(|spec| spec.view != View::Whole).peekable();
        if specs.peek().is_none() {
            return Ok(());
        }
        if pixels.size != pixels.full_size {
            let what = "decoded at less than full resolution, of which parts were wanted";
            return Err(RenderError::new("input", what));
        }
        let space = profile::output_space(pixels, job.colorspace);
        let samples = std::mem::replace(&mut pixels.samples, Samples::U8(Vec::new()));
        let uncut = Uncut {
            raster: Raster::new(pixels.size, pixels.model, samples)?,
            upright: pixels.oriented_full_size(),
            orientation: pixels.orientation,
            icc: pixels.icc.clone(),
        };
        let mut edited = None;
        for spec in specs {
            let made = match spec.view {
                // Immich asks no metadata here: faces are always in the wide space.
                View::Face(face) => geometry::face_square(face, uncut.upright)
                    .ok_or_else(|| RenderError::new("crop", "nothing of the face is inside the picture"))
                    .and_then(|square| self.part(&uncut, square, job.colorspace))
                    .and_then(|part| self.scaled(&part, (job, spec), job.colorspace, Orientation::UPRIGHT)),
                View::Edited(edits) => self
                    .edited(&mut edited, &uncut, edits, space)
                    .and_then(|part| self.scaled(part, (job, spec), space, edits.turn)),
                View::Whole => continue,
            };
            match made {
                Ok(picture) => output.pictures.push(picture),
                Err(error) => output.refused.push(Refused { role: spec.role, view: spec.view, error }),
            }
        }
        if let (true, Some((edits, part))) = (job.thumbhash, edited) {
            output.edited_thumbhash = Some(self.edited_thumbhash(&part, edits.turn)?);
        }
        pixels.samples = uncut.raster.into_samples();
        Ok(())
    }

    /// What the crop leaves, made once for all pictures of the set.
    fn edited<'a>(
        &mut self,
        made: &'a mut Option<(Edits, Picture)>,
        uncut: &Uncut,
        edits: Edits,
        space: Colorspace,
    ) -> Result<&'a Picture, RenderError> {
        let part = match made.take().filter(|(before, _)| *before == edits) {
            Some((_, part)) => part,
            None => self.part(uncut, edits.crop.unwrap_or(Area::whole(uncut.upright)), space)?,
        };
        Ok(&made.insert((edits, part)).1)
    }

    /// An area of the upright picture, 8-bit RGB or RGBA in the output's colours.
    fn part(&mut self, uncut: &Uncut, area: Area, space: Colorspace) -> Result<Picture, RenderError> {
        let part = cut(&uncut.raster, area.stored(uncut.upright, uncut.orientation))?;
        Ok(super::upright(self.colour.convert(part, uncut.icc.as_deref(), space)?, uncut.orientation))
    }

    /// Scaled, turned, encoded.
    fn scaled(
        &mut self,
        part: &Picture,
        (job, spec): (&RenderJob, &RenderSpec),
        space: Colorspace,
        turn: Orientation,
    ) -> Result<Rendered, RenderError> {
        let side = if spec.role == Role::Fullsize { u32::MAX } else { spec.output.size };
        let size = geometry::outside(part.size, side);
        encode::check(size, spec.output)?;
        let picture = turned(self.sized(part, size, Fit::Outside, job.linear_light)?.into_owned(), turn);
        let chroma = Chroma::of_quality(spec.output.quality);
        let attached = Attached { icc: Some(profile::icc(space)), panorama: None };
        let bytes = encode::encode(&picture, spec.output, chroma, attached)?;
        Ok(Rendered { role: spec.role, view: spec.view, size: picture.size, bytes })
    }

    fn edited_thumbhash(&mut self, part: &Picture, turn: Orientation) -> Result<Vec<u8>, RenderError> {
        let size = geometry::inside(part.size, THUMBHASH_SIDE);
        let small = turned(self.resizer.picture(part, size, Fit::Inside)?, turn);
        thumbhash::thumbhash(&small, &mut self.resizer)
    }
}

/// Copies an area out of samples that are still as the file stores them.
pub fn cut(raster: &Raster, area: Area) -> Result<Raster, RenderError> {
    if !area.is_inside(raster.size()) {
        let (all, part) = (raster.size(), area.size);
        let what = format!(
            "{}x{} pixels at {},{} are not inside a picture of {}x{}",
            part.width, part.height, area.left, area.top, all.width, all.height
        );
        return Err(RenderError::new("crop", what));
    }
    let samples = match raster.samples() {
        Samples::U8(samples) => Samples::U8(copied(samples, raster, area)),
        Samples::U16(samples) => Samples::U16(copied(samples, raster, area)),
    };
    Raster::new(area.size, raster.model(), samples)
}

fn copied<T: Copy>(samples: &[T], raster: &Raster, area: Area) -> Vec<T> {
    let channels = raster.model().channels();
    let (line, left, width) = (raster.size().width as usize, area.left as usize, area.size.width as usize);
    let rows = samples.chunks_exact((line * channels).max(1)).skip(area.top as usize);
    let mut part = Vec::with_capacity(width * area.size.height as usize * channels);
    for row in rows.take(area.size.height as usize) {
        part.extend_from_slice(row.get(left * channels..(left + width) * channels).unwrap_or_default());
    }
    part
}

/// Turns a finished picture as libvips' affine transform does it for Immich: along each side that runs backwards everything is
/// one pixel late, so that the first line is black and the last one is lost.
pub fn turned(picture: Picture, turn: Orientation) -> Picture {
    if turn == Orientation::UPRIGHT {
        return picture;
    }
    let mut picture = super::upright(picture, turn);
    let channels = picture.channels();
    let line = picture.size.width as usize * channels;
    let (columns, rows) = runs_backwards(turn);
    if columns {
        for row in picture.samples.chunks_exact_mut(line.max(1)) {
            late(row, channels, channels);
        }
    }
    if rows {
        late(&mut picture.samples, line, channels);
    }
    picture
}

/// Moves samples back by `by`, and fills what that leaves with opaque black.
fn late(samples: &mut [u8], by: usize, channels: usize) {
    let kept = samples.len().saturating_sub(by);
    samples.copy_within(..kept, samples.len() - kept);
    for pixel in samples.chunks_exact_mut(channels).take(by / channels) {
        pixel.fill(0);
        if let [_, _, _, alpha] = pixel {
            *alpha = u8::MAX;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "tests")]
    use super::super::tests::{decode_jpeg, picture};
    use super::*;
    use crate::media::ColorModel;
    use crate::model::{FaceBox, ImageSettings, OutputSettings};

    fn turn(exif: u32) -> Orientation {
        Orientation::from_exif(exif).unwrap()
    }

    #[test]
    fn an_area_is_copied_in_every_model() {
        for (model, channels) in [(ColorModel::Gray, 1), (ColorModel::Rgb, 3), (ColorModel::Cmyk, 4)] {
            let pixels = (0..20_u8).flat_map(|pixel| (0..channels).map(move |channel| pixel * 10 + channel));
            let raster = Raster::new(PixelSize::new(5, 4), model, Samples::U8(pixels.collect())).unwrap();
            let part = cut(&raster, Area { left: 1, top: 2, size: PixelSize::new(2, 2) }).unwrap();
            let wanted = [11, 12, 16, 17_u8];
            let wanted =
                wanted.iter().flat_map(|pixel| (0..channels).map(move |channel| pixel * 10 + channel));
            assert_eq!(part.samples(), &Samples::U8(wanted.collect()), "{model:?}");
            assert!(cut(&raster, Area { left: 4, top: 2, size: PixelSize::new(2, 2) }).is_err());
            assert!(cut(&raster, Area { left: 4, top: 2, size: PixelSize::new(0, 2) }).is_err());
        }
    }

    /// Black and white columns in turn: half of the light, which is 188, or the middle of the codes, which is 128.
    #[test]
    fn parts_are_reduced_in_linear_light_where_the_whole_is() {
        let size = PixelSize::new(600, 600);
        let board = (0..size.pixels()).flat_map(|at| [if at % 2 == 0 { 0 } else { u8::MAX }; 3]);
        let board: Vec<u8> = board.collect();
        let settings = ImageSettings::default();
        let face = FaceBox::new((600, 600), (50, 50), (550, 550)).unwrap();
        let area = Area { left: 20, top: 20, size: PixelSize::new(500, 400) };
        let edits = Edits { crop: Some(area), turn: Orientation::UPRIGHT };
        let output = OutputSettings { size: 100, ..settings.preview };
        let edited = RenderSpec { role: Role::Preview, output, view: View::Edited(edits) };
        for (linear_light, wanted) in [(true, 188), (false, 128)] {
            let outputs = vec![RenderSpec::face(&settings, face), edited];
            let job = RenderJob { outputs, linear_light, ..RenderJob::new(&settings, &[], false) };
            let board = picture(size, ColorModel::Rgb, Samples::U8(board.clone()), 8);
            let made = Renderer::new().render(board, &job).unwrap();
            assert_eq!((made.pictures.len(), made.refused.len()), (2, 0));
            for part in made.pictures {
                let (size, rgb) = decode_jpeg(&part.bytes);
                let middle = ((size.height / 2 * size.width + size.width / 2) * 3) as usize;
                let middle = rgb.get(middle).copied().unwrap();
                assert!(middle.abs_diff(wanted) <= 12, "{:?}: {middle}, wanted {wanted}", part.role);
            }
        }
    }

    #[test]
    fn pictures_are_turned_as_libvips_turns_them() {
        // Measured with sharp: a picture of 3x2 pixels, 0 for the black line.
        let grey = |values: &[u8]| values.iter().flat_map(|&value| [value; 3]).collect::<Vec<_>>();
        let table: [(u32, &[u8]); 8] = [
            (1, &[1, 2, 3, 4, 5, 6]),
            (2, &[0, 3, 2, 0, 6, 5]),
            (3, &[0, 0, 0, 0, 6, 5]),
            (4, &[0, 0, 0, 4, 5, 6]),
            (5, &[1, 4, 2, 5, 3, 6]),
            (6, &[0, 4, 0, 5, 0, 6]),
            (7, &[0, 0, 0, 6, 0, 5]),
            (8, &[0, 0, 3, 6, 2, 5]),
        ];
        for (exif, wanted) in table {
            let picture =
                Picture { size: PixelSize::new(3, 2), alpha: false, samples: grey(&[1, 2, 3, 4, 5, 6]) };
            assert_eq!(turned(picture, turn(exif)).samples, grey(wanted), "orientation {exif}");
        }
        let picture =
            Picture { size: PixelSize::new(1, 2), alpha: true, samples: vec![9, 8, 7, 6, 5, 4, 3, 2] };
        assert_eq!(turned(picture, turn(4)).samples, [0, 0, 0, 255, 5, 4, 3, 2]);
    }
}
