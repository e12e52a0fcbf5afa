//! Walkers of container and stream structure, without pixels.

pub mod jpeg;
