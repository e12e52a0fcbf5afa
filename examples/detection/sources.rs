//! The sound files from which damaged copies are made: a varied choice of real ones, and drawn ones.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use super::damage::Rng;
use super::group::Group;
use super::product::Product;

/// Where a source comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A folder of real files.
    Corpus,
    /// Drawn by the project.
    Drawn,
    /// A preview or thumbnail that the project made of a real file.
    Rendered,
}

impl Origin {
    /// The word in the table.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Corpus => "real",
            Self::Drawn => "drawn",
            Self::Rendered => "rendered",
        }
    }
}

/// One sound file.
pub struct Source {
    pub group: Group,
    /// Unique, and fit for a file name.
    pub name: String,
    pub extension: String,
    pub bytes: Vec<u8>,
    pub origin: Origin,
    /// The seed by which it was chosen and is damaged.
    pub seed: u64,
}

impl Source {
    /// A source under a name that other sources may have in another group.
    pub fn new(group: Group, name: &str, extension: &str, bytes: Vec<u8>, origin: Origin, seed: u64) -> Self {
        let fit = |c: char| if c.is_ascii_alphanumeric() || ".-".contains(c) { c } else { '_' };
        Self {
            group,
            name: name.chars().map(fit).collect(),
            extension: extension.to_lowercase(),
            bytes,
            origin,
            seed,
        }
    }
}

/// A real file that may be chosen.
struct Candidate {
    path: PathBuf,
    extension: String,
    /// Camera or program, and the collection it comes from: chosen files should differ in it.
    maker: String,
}

/// Larger files would take most of the time, and tell little more.
const LARGEST: u64 = 3 << 20;
const LARGEST_RAW: u64 = 5 << 20;
/// Smaller ones have no room for a block.
const SMALLEST: u64 = 3 << 10;

/// A choice of at most `count` files for each group from folders of real files, different for each seed.
pub fn choose(folders: &[PathBuf], groups: &[Group], count: usize, seed: u64) -> Vec<Source> {
    let mut candidates: Vec<Candidate> = folders.iter().flat_map(|folder| candidates(folder)).collect();
    candidates.sort_by(|a, b| a.path.cmp(&b.path));
    Rng::new(seed, &["sources"]).shuffle(&mut candidates);
    let mut by_group: BTreeMap<Group, Vec<(Candidate, Vec<u8>)>> = BTreeMap::new();
    for candidate in candidates {
        let Ok(bytes) = std::fs::read(&candidate.path) else { continue };
        let Some(group) = Group::of(&bytes, &candidate.extension) else { continue };
        let raw = matches!(group, Group::RawPacked | Group::RawPlain);
        let largest = if raw { LARGEST_RAW } else { LARGEST };
        let fits = (SMALLEST..=largest).contains(&(bytes.len() as u64));
        if fits && groups.contains(&group) {
            by_group.entry(group).or_default().push((candidate, bytes));
        }
    }
    let mut chosen = Vec::new();
    for (group, mut files) in by_group {
        // First one of each maker, then more of the same.
        let mut met = HashSet::new();
        files.sort_by_cached_key(|(candidate, _)| !met.insert(candidate.maker.clone()));
        for (candidate, bytes) in files.into_iter().take(count) {
            let stem = candidate.path.file_stem().map(|name| name.to_string_lossy().into_owned());
            let name = stem.unwrap_or_default();
            chosen.push(Source::new(group, &name, &candidate.extension, bytes, Origin::Corpus, seed));
        }
    }
    chosen
}

/// The files of a folder: with a manifest, those that are said to be sound, else all.
fn candidates(folder: &Path) -> Vec<Candidate> {
    let extension = |path: &Path| path.extension().map(|name| name.to_string_lossy().to_lowercase());
    let manifest = std::fs::read_to_string(folder.join("manifest.tsv")).unwrap_or_default();
    let mut lines = manifest.lines();
    let columns: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
    let column = |name: &str| columns.iter().position(|&column| column == name);
    let (Some(path), Some(expected)) = (column("path"), column("expected")) else {
        return walkdir::WalkDir::new(folder)
            .into_iter()
            .filter_map(|entry| Some(entry.ok()?.into_path()))
            .filter(|path| path.is_file())
            .filter_map(|path| {
                Some(Candidate { extension: extension(&path)?, maker: path.display().to_string(), path })
            })
            .collect();
    };
    let (camera, source) = (column("camera_or_software"), column("source"));
    lines
        .map(|line| line.split('\t').collect::<Vec<&str>>())
        .filter(|cells| cells.get(expected) == Some(&"ok"))
        .filter(|cells| cells.get(path).is_some_and(|path| path.starts_with("good/")))
        .filter_map(|cells| {
            let path = folder.join(cells.get(path)?);
            let cell =
                |column: Option<usize>| column.and_then(|index| cells.get(index)).copied().unwrap_or("");
            let maker = if cell(camera).is_empty() { cell(source) } else { cell(camera) };
            Some(Candidate { extension: extension(&path)?, maker: maker.to_owned(), path })
        })
        .collect()
}

/// Every file that a corpus says is sound.
pub fn all_good(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = candidates(folder).into_iter().map(|candidate| candidate.path).collect();
    paths.sort();
    paths
}

/// Previews and thumbnails of some of the chosen pictures.
pub fn rendered(chosen: &[Source], groups: &[Group], count: usize, product: &Product) -> Vec<Source> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let originals =
        chosen.iter().filter(|source| source.group == Group::Jpeg && source.origin == Origin::Corpus);
    let mut made = Vec::new();
    for original in originals.take(count) {
        let input = folder.path().join("original").with_extension(&original.extension);
        std::fs::write(&input, &original.bytes).expect("the temporary folder can be written");
        for (role, extension, bytes) in product.render(&input, folder.path()) {
            if let Some(group) = Group::of(&bytes, extension).filter(|group| groups.contains(group)) {
                let name = format!("{role}-of-{}", original.name);
                made.push(Source::new(group, &name, extension, bytes, Origin::Rendered, original.seed));
            }
        }
    }
    made
}
