//! What H.264 and HEVC have in common: the bits of a unit's payload, and the arithmetic decoder.

pub(super) mod bits;
pub(super) mod engine;
