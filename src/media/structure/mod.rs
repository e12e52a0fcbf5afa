//! Walkers of container and stream structure, without pixels.

pub mod bmff;
pub mod gif;
pub mod heif;
pub mod jp2;
pub mod jpeg;
pub mod jpeg_scan;
pub mod png;
pub mod tiff;
pub mod webp;
pub mod xml;
