//! Walkers of container and stream structure, without pixels.

pub mod gif;
pub mod jpeg;
pub mod png;
pub mod webp;
