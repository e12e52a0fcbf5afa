//! Walkers of container and stream structure, without pixels.

pub mod av1;
pub mod bmff;
pub mod bmp;
pub mod codec;
mod coding;
pub mod ebml;
mod flaw;
pub mod gif;
pub mod h264;
pub mod heif;
pub mod hevc;
pub mod holes;
pub mod jp2;
pub mod jpeg;
pub mod jpeg_walk;
pub mod mp4;
pub mod png;
pub mod raw;
pub mod streams;
pub mod tail;
pub mod tiff;
pub mod vp8;
pub mod vp8l;
pub mod webp;
pub mod xml;

pub use flaw::{Flaw, equal_run};
