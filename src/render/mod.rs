//! Generated pictures as Immich makes them. Knows nothing of files or records.
//!
//! Everything comes from one buffer, as in Immich: the decoded picture is brought to preview size, into the colour space of the
//! output and upright; preview, thumbnail and thumbhash are made from that. When a full-size picture is wanted too, the
//! buffer is the whole picture. Video frames are scaled for each output on their own, tone mapped after that if they are of a high
//! dynamic range, and carry no profile.
//!
//! Edited sets and faces are parts of the picture at full resolution: cut out, converted, turned upright, and only then scaled.

mod colour;
mod crop;
mod encode;
pub mod geometry;
mod horizontal;
mod kernel;
mod linear;
mod lower;
mod orient;
mod profile;
mod raster;
mod reduce;
mod resize;
mod thumbhash;
mod tone;
mod vertical;
mod weights;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::media::{Light, Pixels};
use crate::model::{
    Colorspace, Edits, FaceBox, ImageFormat, ImageSettings, Orientation, OutputSettings, PixelSize, Role,
    ToneMap,
};

pub use reduce::Reducer;
pub use thumbhash::Impression;

use colour::Colour;
use encode::{Attached, Chroma};
use geometry::{FACE_SIDE, THUMBHASH_SIDE};
use raster::{Picture, Raster};
use resize::{Fit, Resizer};
use tone::Tone;

/// One picture to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenderSpec {
    /// Preview, thumbnail, fullsize or person.
    pub role: Role,
    /// Format, size and quality.
    pub output: OutputSettings,
    /// What of the original it shows.
    pub view: View,
}

impl RenderSpec {
    fn needs_full_size(&self) -> bool {
        self.role == Role::Fullsize || self.view != View::Whole
    }

    /// The thumbnail of a person: a JPEG, never progressive, with the quality of other thumbnails.
    pub fn face(settings: &ImageSettings, face: FaceBox) -> Self {
        let quality = settings.thumbnail.quality;
        let output =
            OutputSettings { format: ImageFormat::Jpeg, size: FACE_SIDE, quality, progressive: false };
        Self { role: Role::Person, output, view: View::Face(face) }
    }
}

/// What a picture shows of its original.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum View {
    /// All of it.
    #[default]
    Whole,
    /// What a user's edits leave.
    Edited(Edits),
    /// A square around a face.
    Face(FaceBox),
}

/// Everything to make from one original.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenderJob {
    /// The pictures.
    pub outputs: Vec<RenderSpec>,
    /// Immich derives everything from one buffer of this size, whichever outputs are wanted.
    pub preview_size: u32,
    /// Colour space of pictures that are not sRGB.
    pub colorspace: Colorspace,
    /// Whether the thumbhash is wanted.
    pub thumbhash: bool,
    /// Whether pictures are reduced in linear light, as servers newer than 3.1 do, from the whole picture.
    pub linear_light: bool,
    /// Of raws, whether the camera's own picture inside is taken where it is not smaller than the preview.
    pub prefer_embedded: bool,
    /// How HDR films are shown.
    pub tone_map: ToneMap,
}

impl RenderJob {
    /// The job that makes these roles with these settings.
    pub fn new(settings: &ImageSettings, roles: &[Role], thumbhash: bool) -> Self {
        let outputs = roles
            .iter()
            .filter_map(|&role| {
                let output = match role {
                    Role::Preview => settings.preview,
                    Role::Thumbnail => settings.thumbnail,
                    Role::Fullsize => settings.fullsize,
                    _ => return None,
                };
                Some(RenderSpec { role, output, view: View::Whole })
            })
            .collect();
        Self {
            outputs,
            preview_size: settings.preview.size,
            colorspace: settings.colorspace,
            thumbhash,
            linear_light: settings.linear_light,
            prefer_embedded: settings.extract_embedded,
            tone_map: settings.tone_map,
        }
    }
}

/// Shorter side of the buffer that a thumbhash is made from where it is all that is wanted.
const IMPRESSION_SIZE: u32 = THUMBHASH_SIDE;

impl RenderJob {
    /// Whether the pictures that show everything are made from the whole picture: Immich reduces nothing where that is
    /// wanted too, or before it changes to linear light.
    fn keeps_whole(&self) -> bool {
        let wanted = |spec: &RenderSpec| spec.role == Role::Fullsize && spec.view == View::Whole;
        self.linear_light || self.outputs.iter().any(wanted)
    }

    /// The job that makes the thumbhash and nothing else, for comparison: cheap, since decoders reduce on their own.
    ///
    /// Of a generated picture, whose colours are what they are, `colorspace` is P3: that changes nothing.
    pub fn impression(colorspace: Colorspace) -> Self {
        Self {
            outputs: Vec::new(),
            preview_size: IMPRESSION_SIZE,
            colorspace,
            thumbhash: true,
            linear_light: false,
            prefer_embedded: false,
            tone_map: ToneMap::default(),
        }
    }

    /// Whether the original has to be decoded at full resolution.
    pub fn needs_full_size(&self) -> bool {
        self.linear_light || self.outputs.iter().any(RenderSpec::needs_full_size)
    }

    /// The job without the pictures that need full resolution, and those.
    pub fn without_full_size(&self) -> (Self, Vec<RenderSpec>) {
        let (large, outputs) = self.outputs.iter().copied().partition(RenderSpec::needs_full_size);
        (Self { outputs, ..self.clone() }, large)
    }
}

/// One encoded picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rendered {
    /// Which one.
    pub role: Role,
    /// What it shows.
    pub view: View,
    /// Its size.
    pub size: PixelSize,
    /// The encoded file.
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
}

/// What one job made.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RenderOutput {
    /// Each told by its role and view.
    pub pictures: Vec<Rendered>,
    /// Parts that could not be made, each for a reason of its own.
    pub refused: Vec<Refused>,
    /// Of all of the picture; 17 to 25 bytes.
    pub thumbhash: Option<Vec<u8>>,
    /// Of the edited picture, which is the one that Immich records, where an edited picture was made.
    pub edited_thumbhash: Option<Vec<u8>>,
    /// Whether the original has an alpha channel.
    pub transparent: bool,
}

/// A part of an original that could not be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Which picture.
    pub role: Role,
    /// What it should have shown.
    pub view: View,
    /// Why not.
    pub error: RenderError,
}

/// A picture could not be made from sound pixels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{step}: {what}")]
pub struct RenderError {
    /// Which step refused.
    pub step: String,
    /// What it said.
    pub what: String,
}

impl RenderError {
    fn new(step: &str, what: impl Into<String>) -> Self {
        Self { step: step.to_owned(), what: what.into() }
    }
}

/// What the pictures that show everything are made from.
enum Base {
    /// Upright and in the colours of the output.
    Ready(Picture),
    /// Codes for a high dynamic range, in their own depth: made fit for ordinary screens after they are reduced.
    Bright(Raster, Tone),
}

/// Renders pictures one after another. Keeps scratch memory and colour transforms, so a worker should have one for its lifetime.
#[derive(Default)]
pub struct Renderer {
    resizer: Resizer,
    colour: Colour,
}

impl Renderer {
    /// A renderer that knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reduces pictures for a job while they are decoded.
    pub const fn reducer<'r>(&'r mut self, job: &'r RenderJob) -> Reducer<'r> {
        Reducer::new(&mut self.resizer, job)
    }

    /// Makes everything the job asks for from one decoded picture.
    ///
    /// The picture may have been reduced while decoding, as long as it is still as large as the largest output; sizes are
    /// computed from `full_size`.
    pub fn render(&mut self, mut pixels: Pixels, job: &RenderJob) -> Result<RenderOutput, RenderError> {
        let mut output = RenderOutput::default();
        self.parts(&mut pixels, job, &mut output)?;
        if job.thumbhash || job.outputs.iter().any(|spec| spec.view == View::Whole) {
            self.whole(pixels, job, &mut output)?;
        }
        Ok(output)
    }

    /// Makes the pictures that show everything.
    fn whole(
        &mut self,
        mut pixels: Pixels,
        job: &RenderJob,
        output: &mut RenderOutput,
    ) -> Result<(), RenderError> {
        let upright = pixels.oriented_full_size();
        let video = pixels.video_frame.is_some();
        let has_alpha = pixels.model.has_alpha() && !video;
        let space = profile::output_space(&pixels, job.colorspace);
        let specs = || job.outputs.iter().filter(|spec| spec.view == View::Whole);
        let panorama = pixels.panorama.take();
        let full = video || job.keeps_whole();
        let base_size = if full { upright } else { geometry::outside(upright, job.preview_size) };
        let base = match pixels.video_frame {
            Some(Light::Hdr { curve, wide_primaries }) => {
                let tone = Tone { map: job.tone_map, curve, wide_primaries };
                Base::Bright(Raster::try_from(pixels)?, tone)
            }
            _ => Base::Ready(self.base(pixels, base_size, space)?),
        };

        let icc = (!video).then(|| profile::icc(space));
        let fit = if video { Fit::Fill } else { Fit::Outside };
        output.transparent = has_alpha;
        for spec in specs() {
            let size = match (spec.role, video) {
                (Role::Fullsize, _) => base_size,
                (_, true) => geometry::video(base_size, spec.output.size),
                (_, false) => geometry::outside(base_size, spec.output.size),
            };
            encode::check(size, spec.output)?;
            let chroma = if video { Chroma::Quarter } else { Chroma::of_quality(spec.output.quality) };
            let panorama = panorama.as_ref().filter(|_| spec.role != Role::Thumbnail);
            let attached = Attached { icc, panorama };
            let picture = self.shown(&base, size, fit, job.linear_light && !video)?;
            let settings = if video { film_settings(spec.output, size) } else { spec.output };
            let bytes = encode::encode(&picture, settings, chroma, attached)?;
            output.pictures.push(Rendered { role: spec.role, view: spec.view, size, bytes });
        }
        if job.thumbhash {
            // That of a film is made from its preview, as that is read.
            let size = if video {
                geometry::read_reduced(geometry::video(base_size, job.preview_size), THUMBHASH_SIDE)
            } else {
                base_size
            };
            let picture = self.shown(&base, size, fit, false)?;
            output.thumbhash = Some(thumbhash::thumbhash(&picture, &mut self.resizer)?);
        }
        Ok(())
    }

    /// The base at a size, for ordinary screens.
    fn shown<'a>(
        &mut self,
        base: &'a Base,
        size: PixelSize,
        fit: Fit,
        linear_light: bool,
    ) -> Result<Cow<'a, Picture>, RenderError> {
        match base {
            Base::Ready(picture) => self.sized(picture, size, fit, linear_light),
            Base::Bright(codes, tone) if codes.size() == size => tone.show(codes).map(Cow::Owned),
            Base::Bright(codes, tone) => tone.show(&self.resizer.raster(codes, size, fit)?).map(Cow::Owned),
        }
    }

    /// A picture at another size, or itself.
    fn sized<'a>(
        &mut self,
        picture: &'a Picture,
        size: PixelSize,
        fit: Fit,
        linear_light: bool,
    ) -> Result<Cow<'a, Picture>, RenderError> {
        Ok(if size == picture.size {
            Cow::Borrowed(picture)
        } else if linear_light {
            Cow::Owned(linear::resize(&mut self.resizer, picture, size, fit)?)
        } else {
            Cow::Owned(self.resizer.picture(picture, size, fit)?)
        })
    }

    /// The buffer that everything is made from: upright, of the given size, 8-bit RGB or RGBA in the output's colours.
    fn base(&mut self, pixels: Pixels, size: PixelSize, space: Colorspace) -> Result<Picture, RenderError> {
        let (orientation, video, icc) =
            (pixels.orientation, pixels.video_frame.is_some(), pixels.icc.clone());
        let reduced = pixels.size != pixels.full_size;
        let stored = if orientation.transposes() { size.transposed() } else { size };
        let mut raster = Raster::try_from(pixels)?;
        let found = raster.size();
        if reduced && (found.width < stored.width || found.height < stored.height) {
            let what = format!(
                "decoded at {}x{}, which is too small for a picture of {}x{}",
                found.width, found.height, stored.width, stored.height
            );
            return Err(RenderError::new("input", what));
        }
        // Reduced before anything else: the fewer pixels, the cheaper the other steps.
        if found != stored {
            raster = self.resizer.raster(&raster, stored, if video { Fit::Fill } else { Fit::Outside })?;
        }
        let picture = self.colour.convert(raster, icc.as_deref(), space)?;
        let picture = if video { picture.without_alpha() } else { picture };
        Ok(upright(picture, orientation))
    }
}

/// How a film's picture of this size is encoded. Immich leaves the quality to FFmpeg, which has bits to spare for small JPEGs (libjpeg's
/// 86 to 90) and is coarser than any setting with large ones.
fn film_settings(output: OutputSettings, size: PixelSize) -> OutputSettings {
    const SMALL: u64 = 640 * 480;
    const QUALITY: u8 = 90;
    let fine = output.format == ImageFormat::Jpeg && size.pixels() <= SMALL;
    if fine { OutputSettings { quality: output.quality.max(QUALITY), ..output } } else { output }
}

/// Turns a picture by its orientation.
fn upright(picture: Picture, orientation: Orientation) -> Picture {
    if orientation == Orientation::UPRIGHT {
        return picture;
    }
    let size = if orientation.transposes() { picture.size.transposed() } else { picture.size };
    let mut samples = vec![0; picture.samples.len()];
    if picture.alpha {
        let (source, target) = (picture.samples.as_chunks::<4>().0, samples.as_chunks_mut::<4>().0);
        orient::upright(source, picture.size, orientation, target);
    } else {
        let (source, target) = (picture.samples.as_chunks::<3>().0, samples.as_chunks_mut::<3>().0);
        orient::upright(source, picture.size, orientation, target);
    }
    Picture { size, alpha: picture.alpha, samples }
}

/// Makes everything the job asks for from one decoded picture, with a renderer of its own.
pub fn render(pixels: Pixels, job: &RenderJob) -> Result<RenderOutput, RenderError> {
    Renderer::new().render(pixels, job)
}
