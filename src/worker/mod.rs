//! Decoding in processes that may die: protocol, child, parent.

pub mod protocol;
