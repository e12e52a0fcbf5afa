//! The rooms of ARCHITECTURE.md and the arrows between them, held against the code.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

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

/// The paths that a `use` names, braces taken apart.
fn paths(tree: &str, prefix: &str, found: &mut Vec<String>) {
    let tree = tree.trim();
    let Some((head, group)) = tree.split_once('{') else {
        let name =
            tree.split(" as ").next().unwrap_or_default().trim_end_matches("self").trim_end_matches("::");
        found.push(format!("{prefix}{name}").trim_end_matches("::").to_owned());
        return;
    };
    let (mut depth, mut start) = (0, 0);
    let group = group.trim_end().trim_end_matches('}');
    for (at, byte) in group.bytes().enumerate().chain([(group.len(), b',')]) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 0 => {
                if !group[start..at].trim().is_empty() {
                    paths(&group[start..at], &format!("{prefix}{head}"), found);
                }
                start = at + 1;
            }
            _ => {}
        }
    }
}

/// The modules that the code of a module uses, but for those above and below it.
fn neighbours(own: &str, code: &str, modules: &BTreeMap<String, PathBuf>) -> BTreeSet<String> {
    let mut named = Vec::new();
    for part in code.split("\nuse ").skip(1).chain(code.split("\npub use ").skip(1)) {
        paths(part.split(';').next().unwrap_or_default(), "", &mut named);
    }
    let mut found = BTreeSet::new();
    for path in named {
        let mut steps: Vec<&str> = path.split("::").map(str::trim).collect();
        let mut full: Vec<&str> = match steps.first() {
            Some(&"crate") => Vec::new(),
            Some(&("super" | "self")) => own.split("::").collect(),
            _ => continue,
        };
        while let Some(&("crate" | "super" | "self")) = steps.first() {
            if steps.remove(0) == "super" {
                full.pop();
            }
        }
        full.extend(steps);
        let target = (1..=full.len()).rev().map(|count| full[..count].join("::"));
        let Some(target) = target.into_iter().find(|name| modules.contains_key(name)) else { continue };
        let near = |a: &str, b: &str| a == b || a.starts_with(&format!("{b}::"));
        if !near(&target, own) && !near(own, &target) {
            found.insert(target);
        }
    }
    found
}

#[test]
fn no_files_name_each_other_in_a_circle() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut modules = BTreeMap::new();
    for file in files {
        let name = file.strip_prefix(&src).unwrap().with_extension("").to_str().unwrap().replace('/', "::");
        let name = name.trim_end_matches("::mod").to_owned();
        if !name.ends_with("tests") && !name.contains("tests::") {
            modules.insert(name, file);
        }
    }
    let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, file) in &modules {
        let text = format!("\n{}", fs::read_to_string(file).unwrap());
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        arrows.insert(name.clone(), neighbours(name, code, &modules));
    }
    assert!(arrows.len() > 200 && arrows.values().map(BTreeSet::len).sum::<usize>() > 600);
    // Whoever uses nobody that is left is on the ground and taken away; what remains goes round.
    loop {
        let ground: Vec<String> = arrows
            .iter()
            .filter(|(_, uses)| uses.iter().all(|used| !arrows.contains_key(used)))
            .map(|(name, _)| name.clone())
            .collect();
        if ground.is_empty() {
            break;
        }
        for name in ground {
            arrows.remove(&name);
        }
    }
    let circles: Vec<String> = arrows
        .iter()
        .map(|(name, uses)| {
            let uses: Vec<_> = uses.iter().filter(|used| arrows.contains_key(*used)).collect();
            format!("{name} -> {uses:?}")
        })
        .collect();
    assert!(circles.is_empty(), "in circles, or above them:\n{}", circles.join("\n"));
}
