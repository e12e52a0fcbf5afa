//! Everything that knows Immich: paths, schemas, records, settings, mounts.

pub mod records;
