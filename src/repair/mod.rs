//! What mends: a plan made of plain data, its execution, and the one store that writes files.
//!
//! [`plan`] decides from facts what may be made again; [`apply`] writes one made picture through a
//! [`store::FileStore`], has it decoded again and puts it in place; [`space`] says beforehand whether
//! there is room. [`original`] brings an original back, [`quarantine`] keeps what has to make room, by a
//! [`manifest`] from which [`undo`] puts it back; [`salvage`] saves the best picture of what is lost.
//! Nothing here knows decoders, records or threads.

pub mod apply;
pub mod manifest;
pub mod original;
pub mod plan;
pub mod quarantine;
pub mod salvage;
pub mod space;
pub mod store;
pub mod undo;
