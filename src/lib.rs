//! fsck for Immich photo libraries: the library behind the `photofsck` command.
//!
//! `ARCHITECTURE.md` describes the rooms and what each must not know.

pub mod bench;
pub mod catalog;
pub mod cli;
pub mod doctor;
pub mod engine;
pub mod immich;
pub mod media;
pub mod model;
pub mod render;
pub mod repair;
pub mod report;
pub mod web;
pub mod worker;
