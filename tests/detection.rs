//! Damaged copies of pictures that the project draws itself, judged by the real program.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod damage;
