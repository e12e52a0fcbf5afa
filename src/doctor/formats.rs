//! Are there pictures and films of kinds that Immich does not take?

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::case::{Case, Reach};
use super::opinion::{Opinion, cannot_tell, shown};
use crate::immich::layout::{Folder, class_of};
use crate::model::display_path;
use crate::report::ndjson::Answer;
use crate::report::words;

pub const WHAT: [&str; 3] = [
    "Are there pictures or films that Immich does not take, so that it never shows them?",
    "the names of up to 100,000 files in upload, library and the external libraries",
    "nothing",
];

/// Names are read until then.
const MOST: u64 = 100_000;

/// Pictures and films by their extension that Immich leaves out.
const PICTURES: [&str; 20] = [
    "ai", "apng", "asf", "divx", "dv", "emf", "eps", "exr", "f4v", "heics", "ico", "j2k", "jfif", "jp2k",
    "ogv", "pcx", "rm", "tga", "wdp", "xcf",
];

/// What was walked.
#[derive(Debug, Default)]
struct Facts {
    files: u64,
    /// Whether the walk ended at [`MOST`].
    cut: bool,
    /// Extension, in lower case: how many, and one of them.
    unknown: BTreeMap<String, (u64, PathBuf)>,
}

pub fn answer(case: &Case) -> Answer {
    let own = |folder: Option<Folder>| matches!(folder, None | Some(Folder::Upload | Folder::Library));
    let open = case.places.iter().filter(|place| own(place.folder) && place.reach == Reach::Open);
    let mut facts = Facts::default();
    let mut roots = 0;
    for place in open {
        roots += 1;
        walk(&place.path, &mut facts);
    }
    if roots == 0 {
        return cannot_tell(
            "formats",
            "neither upload nor library nor an external library can be looked into",
        );
    }
    judge(&facts)
}

fn walk(root: &Path, facts: &mut Facts) {
    let hidden = |name: &OsStr| name.as_bytes().starts_with(b".");
    let entries = WalkDir::new(root).into_iter();
    let entries = entries.filter_entry(|entry| entry.depth() == 0 || !hidden(entry.file_name()));
    for entry in entries.flatten().filter(|entry| entry.file_type().is_file()) {
        if facts.files >= MOST {
            facts.cut = true;
            return;
        }
        facts.files += 1;
        if class_of(entry.file_name().as_bytes()).is_none() {
            let extension = Path::new(entry.file_name()).extension().map(OsStr::to_string_lossy);
            let extension = extension.unwrap_or_default().to_ascii_lowercase();
            facts.unknown.entry(extension).or_insert_with(|| (0, entry.into_path())).0 += 1;
        }
    }
}

fn judge(facts: &Facts) -> Answer {
    let mut opinion = Opinion::default();
    let name = |extension: &str| {
        if extension.is_empty() {
            "without an extension".to_owned()
        } else {
            format!(".{}", shown(extension, 20))
        }
    };
    let mut rest = Vec::new();
    for (extension, (number, example)) in &facts.unknown {
        if PICTURES.contains(&extension.as_str()) {
            opinion.problem(
                format!(
                    "Immich does not take {}: {}, for example {}",
                    name(extension),
                    words::counted(*number, "file", "files"),
                    display_path(example)
                ),
                "convert copies of them (to JPEG, PNG or MP4), or rename those that are JPEG under another name (.jfif to .jpg)",
            );
        } else {
            rest.push((*number, name(extension)));
        }
    }
    let looked = words::counted(facts.files, "file", "files");
    let cut = if facts.cut { " (the rest was not looked at)" } else { "" };
    rest.sort_by(|a, b| b.cmp(a));
    if rest.is_empty() {
        let others = if facts.unknown.is_empty() { "all" } else { "all others" };
        opinion.saw(format!("Immich takes {others} of {looked}{cut}"));
    } else {
        let list: Vec<String> =
            rest.iter().take(8).map(|(number, name)| format!("{number} {name}")).collect();
        opinion.saw(format!("of {looked}{cut} Immich leaves out what is no picture: {}", list.join(", ")));
    }
    opinion.answer("formats")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::testing::{fine, problem};

    #[test]
    fn names_are_sorted_by_what_immich_takes() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let told = || {
            let mut facts = Facts::default();
            walk(folder.path(), &mut facts);
            judge(&facts)
        };
        std::fs::write(folder.path().join("a.JPG"), "")?;
        std::fs::write(folder.path().join(".hidden"), "")?;
        fine(&told(), "Immich takes all of 1 file");
        std::fs::write(folder.path().join("list.txt"), "")?;
        fine(&told(), "of 2 files Immich leaves out what is no picture: 1 .txt");
        std::fs::write(folder.path().join("b.JFIF"), "")?;
        problem(&told(), "does not take .jfif: 1 file", ".jfif to .jpg");
        Ok(())
    }
}
