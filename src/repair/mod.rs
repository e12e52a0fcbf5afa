//! What mends: a plan made of plain data, its execution, and the one store that writes files.
//!
//! [`plan`] decides from facts what may be made again; [`apply`] writes one made picture through a
//! [`store::FileStore`], has it decoded again and puts it in place; [`space`] says beforehand whether
//! there is room. Nothing here knows decoders, records or threads.

pub mod apply;
pub mod plan;
pub mod space;
pub mod store;
