//! Recognising formats by content.

/// How many bytes of a file's beginning the match rules see.
pub const HEAD_LEN: usize = 4096;
