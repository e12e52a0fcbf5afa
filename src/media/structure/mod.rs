//! Walkers of container and stream structure, without pixels.

pub mod bmff;
pub mod gif;
pub mod heif;
pub mod jp2;
pub mod jpeg;
pub mod png;
