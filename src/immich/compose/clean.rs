//! Paths of compose files without `..`.

use std::path::{Component, Path, PathBuf};

/// The path without `..`, taken out by its text alone: so does Docker Compose, whatever links there are.
pub(super) fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        let above = clean.components().next_back();
        if matches!((part, above), (Component::ParentDir, Some(Component::Normal(_)))) {
            clean.pop();
        } else if !matches!((part, above), (Component::ParentDir, Some(Component::RootDir))) {
            clean.push(part);
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_above_are_taken_out() {
        for (given, expected) in [
            ("/srv/compose/../media", "/srv/media"),
            ("compose/./../media/", "media"),
            ("../media", "../media"),
            ("a/../../media", "../media"),
            ("/../media", "/media"),
            ("/srv/media", "/srv/media"),
        ] {
            assert_eq!(clean(Path::new(given)), Path::new(expected), "{given}");
        }
    }
}
