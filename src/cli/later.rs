//! What the command line has and this version cannot do. It is refused before any work begins.

/// Refuses `doctor`.
pub fn doctor() -> String {
    "photofsck doctor is not part of this version yet: `photofsck check --quick` finds wrong mounts, missing files and wrong paths"
        .to_owned()
}
