//! From bytes to a verdict: recognising formats, checking structure, decoding.
//!
//! Knows nothing of Immich and opens no files: everything comes in through [`Source`].

pub mod exif;
pub mod formats;
pub mod hash;
pub(crate) mod lanes;
pub mod magic;
pub mod panorama;
mod pixels;
pub mod probe;
pub mod quick;
pub mod retag;
mod rows;
mod source;
pub mod structure;

pub use formats::{Examined, Format, FormatSpec, Leave, REGISTRY, Target, VideoDepth, Wanted};
pub use hash::{Digests, Hasher};
pub use pixels::{ColorModel, Curve, Light, Pixels, Samples};
pub use probe::probe;
pub use rows::{Coming, Outlet, Reduce, Rows, Whole};
pub use source::{Limits, Source};
