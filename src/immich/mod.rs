//! Everything that knows Immich: paths, schemas, records, settings, mounts.

pub mod layout;
pub mod paths;
pub mod records;
pub mod schema;
pub mod settings;
