//! Generated pictures as Immich makes them. Knows nothing of files or records.

use serde::{Deserialize, Serialize};

use crate::media::Pixels;
use crate::model::{Colorspace, ImageSettings, OutputSettings, PixelSize, Role};

/// One picture to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenderSpec {
    /// Preview, thumbnail or fullsize.
    pub role: Role,
    /// Format, size and quality.
    pub output: OutputSettings,
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
                Some(RenderSpec { role, output })
            })
            .collect();
        Self { outputs, preview_size: settings.preview.size, colorspace: settings.colorspace, thumbhash }
    }
}

/// One encoded picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rendered {
    /// Which one.
    pub role: Role,
    /// Its size.
    pub size: PixelSize,
    /// The encoded file.
    pub bytes: Vec<u8>,
}

/// What one job made.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RenderOutput {
    /// In the order of the job.
    pub pictures: Vec<Rendered>,
    /// 17 to 25 bytes.
    pub thumbhash: Option<Vec<u8>>,
    /// Whether the original has an alpha channel.
    pub transparent: bool,
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

/// Makes everything the job asks for from one decoded picture.
pub fn render(pixels: Pixels, job: &RenderJob) -> Result<RenderOutput, RenderError> {
    let _ = (pixels, job);
    Err(RenderError { step: "render".into(), what: "not there".into() })
}
