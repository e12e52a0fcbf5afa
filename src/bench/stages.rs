//! Single stages on the drawn picture, one thread: hash, walk, decode, resize, encode, thumbhash.

use super::clock;
use super::drawn;
use crate::engine::{Cancel, RunError};
use crate::media::formats::{Target, jpeg};
use crate::media::hash::Hasher;
use crate::media::structure::{jpeg as markers, jpeg_walk};
use crate::media::{Limits, Pixels};
use crate::model::{ImageFormat, ImageSettings, Measure, Role};
use crate::render::{RenderError, RenderJob, Renderer, geometry};

/// Bytes that are hashed in one turn.
const HASHED: u32 = 32 << 20;

/// The drawn picture as a JPEG of a phone's quality.
pub fn drawn_jpeg() -> Result<Vec<u8>, RunError> {
    encoded(drawn::pixels(drawn::SIZE), 92).map_err(|error| failed(&error))
}

fn encoded(pixels: Pixels, quality: u8) -> Result<Vec<u8>, RenderError> {
    let mut settings = ImageSettings::default();
    settings.fullsize.quality = quality;
    settings.fullsize.format = ImageFormat::Jpeg;
    let made = crate::render::render(pixels, &RenderJob::new(&settings, &[Role::Fullsize], false))?;
    made.pictures
        .into_iter()
        .next()
        .map(|picture| picture.bytes)
        .ok_or(RenderError { step: "encode".into(), what: "no picture was made".into() })
}

fn failed(error: &RenderError) -> RunError {
    RunError::io(format!("the drawn picture: {error}"))
}

/// Measures each stage for about a second.
pub fn measure(cancel: &Cancel) -> Result<Vec<Measure>, RunError> {
    let mut found = Vec::new();
    let noise: Vec<u8> = (0..HASHED).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    for (name, sha1, blake3) in [("hash.sha1", true, false), ("hash.blake3", false, true)] {
        let (seconds, turns) = clock::median(cancel, || {
            let mut hasher = Hasher::new(sha1, blake3);
            hasher.update(&noise);
            std::hint::black_box(hasher.finish());
            Ok::<(), RunError>(())
        })?;
        found.push(rate(name, f64::from(HASHED) / 1e6, seconds, "MB/s", turns));
    }
    drop(noise);
    let file = drawn_jpeg()?;
    let (seconds, turns) = clock::median(cancel, || {
        std::hint::black_box(jpeg_walk::walk(&file, &markers::walk(&file)));
        Ok::<(), RunError>(())
    })?;
    found.push(rate("walk.jpeg", file.len() as f64 / 1e6, seconds, "MB/s", turns));
    let megapixels = drawn::SIZE.pixels() as f64 / 1e6;
    let settings = ImageSettings::default();
    let target = Target::AtLeast(settings.preview.size);
    let limits = Limits::default();
    let (seconds, turns) = clock::median(cancel, || {
        jpeg::picture(&file, target, &limits)
            .map(drop)
            .ok_or_else(|| RunError::io("the drawn JPEG does not decode"))
    })?;
    found.push(
        rate("decode.jpeg", megapixels, seconds, "MP/s", turns).with("scaled_for", settings.preview.size),
    );
    let pixels = jpeg::picture(&file, target, &limits)
        .ok_or_else(|| RunError::io("the drawn JPEG does not decode"))?;
    found.extend(rendering(&pixels, &settings, cancel)?);
    Ok(found)
}

/// Resizing what the decoder gives, and encoding what is as large as a preview.
fn rendering(pixels: &Pixels, settings: &ImageSettings, cancel: &Cancel) -> Result<Vec<Measure>, RunError> {
    let mut renderer = Renderer::new();
    let mut time = |name: &str, pixels: &Pixels, roles: &[Role]| {
        // A job without pictures makes the thumbhash, which costs next to nothing beside the reduction to preview size.
        let job = RenderJob::new(settings, roles, roles.is_empty());
        let (seconds, turns) =
            clock::median_with(cancel, || pixels.clone(), |pixels| renderer.render(pixels, &job).map(drop))
                .map_err(|error| failed(&error))?;
        Ok::<Measure, RunError>(
            Measure::new(name, seconds * 1000.0, "ms").with("from", size(pixels)).with("turns", turns),
        )
    };
    let preview = geometry::outside(drawn::SIZE, settings.preview.size);
    let small = drawn::pixels(preview);
    Ok(vec![
        time("resize.preview", pixels, &[])?,
        time("encode.preview", &small, &[Role::Preview])?.with("format", settings.preview.format.extension()),
        time("encode.thumbnail", &small, &[Role::Thumbnail])?
            .with("format", settings.thumbnail.format.extension()),
    ])
}

fn size(pixels: &Pixels) -> String {
    format!("{}x{}", pixels.size.width, pixels.size.height)
}

fn rate(name: &str, amount: f64, seconds: f64, unit: &str, turns: usize) -> Measure {
    Measure::new(name, amount / seconds.max(1e-9), unit).with("turns", turns)
}
