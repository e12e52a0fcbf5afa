//! Everything that knows Immich: paths, schemas, records, settings, mounts.

pub mod compose;
pub mod layout;
pub mod mounts;
pub mod paths;
pub mod records;
pub mod schema;
pub mod settings;
