//! The thumbhash: 17 to 25 bytes from which a client paints a placeholder.

use super::RenderError;
use super::geometry::{THUMBHASH_SIDE, inside};
use super::raster::Picture;
use super::resize::{Fit, Resizer};

/// Hashes the picture, scaled to fit inside 100x100.
pub fn thumbhash(picture: &Picture, resizer: &mut Resizer) -> Result<Vec<u8>, RenderError> {
    let size = inside(picture.size, THUMBHASH_SIDE);
    let small = resizer.picture(picture, size, Fit::Inside)?;
    let rgba = if small.alpha {
        small.samples
    } else {
        small
            .samples
            .as_chunks::<3>()
            .0
            .iter()
            .flat_map(|&[red, green, blue]| [red, green, blue, 255])
            .collect()
    };
    let (width, height) = (size.width as usize, size.height as usize);
    if width > THUMBHASH_SIDE as usize || height > THUMBHASH_SIDE as usize || rgba.len() != width * height * 4
    {
        return Err(RenderError::new("thumbhash", "samples do not fit the size"));
    }
    Ok(thumbhash::rgba_to_thumb_hash(width, height, &rgba))
}
