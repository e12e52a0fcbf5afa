//! Everything that knows Immich: paths, schemas, records, settings, mounts.

pub mod compose;
mod database;
pub mod layout;
pub mod mounts;
pub mod paths;
pub mod records;
pub mod register;
pub mod schema;
pub mod settings;
pub mod vitals;
