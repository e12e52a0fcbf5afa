//! The rooms of ARCHITECTURE.md and the arrows between them, held against the code.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What each room may use besides itself and `model`.
const ALLOWED: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("media", &[]),
    ("render", &["media"]),
    ("worker", &["media", "render"]),
    ("web", &[]),
    ("immich", &["web"]),
    ("catalog", &[]),
    ("repair", &["render"]),
    ("report", &[]),
    ("engine", &["immich", "worker", "repair", "catalog", "report", "render", "media"]),
    ("bench", &["engine", "immich", "worker", "render", "media"]),
    ("doctor", &["engine", "immich", "media", "report", "web"]),
    ("cli", &["bench", "doctor", "engine", "report", "catalog", "immich", "web"]),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Rooms named after `crate::`, one level of braces included.
fn used(text: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        let names = match rest.strip_prefix('{') {
            Some(group) => group.split('}').next().unwrap_or_default().to_owned(),
            None => rest.chars().take_while(|ch| ch.is_alphanumeric() || *ch == '_').collect(),
        };
        for name in names.split(',') {
            let name: String =
                name.trim().chars().take_while(|ch| ch.is_alphanumeric() || *ch == '_').collect();
            rooms.insert(name);
        }
    }
    rooms
}

#[test]
fn arrows_point_one_way() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let allowed: BTreeMap<_, _> = ALLOWED.iter().copied().collect();
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut checked = 0;
    let mut wrong = Vec::new();
    for file in &files {
        let relative = file.strip_prefix(&src).unwrap();
        let room =
            relative.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs");
        let Some(may) = allowed.get(room) else { continue };
        checked += 1;
        for target in used(&fs::read_to_string(file).unwrap()) {
            if target != room
                && target != "model"
                && allowed.contains_key(target.as_str())
                && !may.contains(&target.as_str())
            {
                wrong.push(format!("{} uses {target}", relative.display()));
            }
        }
    }
    assert!(checked > 40, "only {checked} files were looked at");
    assert!(wrong.is_empty(), "arrows against ARCHITECTURE.md:\n{}", wrong.join("\n"));
}

#[test]
fn only_reports_and_mains_print() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut wrong = Vec::new();
    for file in &files {
        let relative = file.strip_prefix(&src).unwrap().to_string_lossy().into_owned();
        let prints = ["println!(", "eprintln!(", "print!(", "eprint!("];
        let text = fs::read_to_string(file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        // A worker's standard error goes to its parent.
        let may =
            relative.starts_with("report/") || ["main.rs", "worker/serve.rs"].contains(&relative.as_str());
        if !may && !relative.ends_with("tests.rs") && prints.iter().any(|print| code.contains(print)) {
            wrong.push(relative);
        }
    }
    assert!(wrong.is_empty(), "these print: {wrong:?}");
}
