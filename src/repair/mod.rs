//! What writes.
