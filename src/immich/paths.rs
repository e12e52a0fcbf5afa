//! Where the paths of the records lie on this host: prefix rules, longest first, on whole components.
//!
//! One database may hold several prefixes for one folder (`upload`, `/usr/src/app/upload`, `/data`, a custom
//! one): Immich changed its default location over time and rewrites old rows only on some occasions.
//! Paths are bytes and are compared as they are given; no link is resolved here.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::model::{AssetId, MapEntry, display_path};

use super::layout::{Folder, path_of};

/// One rule: records below `container` lie below `host`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Prefix in the records, without a slash at its end; empty for the root folder.
    container: Vec<u8>,
    /// The same folder here.
    host: PathBuf,
    /// Found by us, not named by a person.
    guessed: bool,
    /// Order in which it was found; the first is the preferred spelling of a folder.
    rank: u32,
}

/// What a person typed is not a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// No `=`.
    #[error("--map {0:?}: expected CONTAINER=HOST, for example --map /data=/srv/immich")]
    NoEquals(String),
    /// Nothing on one side of the `=`.
    #[error("--map {0:?}: the {1} side is empty; expected CONTAINER=HOST")]
    EmptySide(String, &'static str),
    /// The same container prefix twice, with different folders.
    #[error("--map names {container} twice: as {first} and as {second}")]
    Twice {
        /// The prefix.
        container: String,
        /// Its first folder.
        first: String,
        /// Its second folder.
        second: String,
    },
    /// `..` would make a prefix that no path has.
    #[error("--map {0:?}: write the container path without \"..\"")]
    DotDot(String),
}

/// A rule as a person or a compose file names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapRule {
    /// Prefix of paths in the records.
    pub container: PathBuf,
    /// The folder on this host.
    pub host: PathBuf,
}

impl MapRule {
    /// Reads `CONTAINER=HOST`, split at the first `=`.
    pub fn parse(text: &OsStr) -> Result<Self, MapError> {
        let shown = || text.to_string_lossy().into_owned();
        let bytes = text.as_bytes();
        let equals = memchr::memchr(b'=', bytes).ok_or_else(|| MapError::NoEquals(shown()))?;
        let (container, host) = bytes.split_at(equals);
        let host = host.strip_prefix(b"=").unwrap_or_default();
        if container.is_empty() {
            return Err(MapError::EmptySide(shown(), "container"));
        }
        if host.is_empty() {
            return Err(MapError::EmptySide(shown(), "host"));
        }
        if has_dot_dot(container) {
            return Err(MapError::DotDot(shown()));
        }
        Ok(Self { container: path_of(container), host: path_of(host) })
    }
}

/// The rules in force. See [`PathMap::build`].
#[derive(Clone, Debug, Default)]
pub struct PathMap {
    /// Longest container prefix first.
    rules: Vec<Rule>,
}

/// What the map is built from.
#[derive(Clone, Debug, Default)]
pub struct MapInputs<'a> {
    /// The media location on this host.
    pub media: Option<&'a Path>,
    /// Rules that a person gave (`--map`).
    pub user: &'a [MapRule],
    /// Rules read from a compose file.
    pub compose: &'a [MapRule],
    /// The media location that Immich remembers in its records.
    pub location: Option<&'a [u8]>,
    /// How often which media location prefix begins a path in the records; see [`PrefixCount`].
    pub prefixes: &'a [(Vec<u8>, u64)],
    /// The import paths of all external libraries.
    pub imports: &'a [Vec<u8>],
}

impl PathMap {
    /// Puts the rules together: those of a person, then those of the compose file, then guesses for what
    /// these leave uncovered:
    ///  - every media location prefix that the records use, and the location they remember, is `media`;
    ///  - an import path of an external library is the same folder here, if there is such a folder.
    pub fn build(inputs: &MapInputs<'_>) -> Result<Self, MapError> {
        let mut map = Self::default();
        for rule in inputs.user {
            map.add_named(rule, false)?;
        }
        let user_rules = map.rules.len();
        for rule in inputs.compose {
            let container = normal(rule.container.as_os_str().as_bytes());
            let by_user = map.rules.iter().take(user_rules).any(|known| covers(&known.container, &container));
            if !by_user {
                map.push(container, rule.host.clone(), false);
            }
        }
        let named = map.rules.len();
        if let Some(media) = inputs.media {
            let mut guesses: Vec<(&[u8], u64)> =
                inputs.prefixes.iter().map(|(prefix, count)| (prefix.as_slice(), *count)).collect();
            guesses.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
            for prefix in inputs.location.into_iter().chain(guesses.into_iter().map(|(prefix, _)| prefix)) {
                map.guess(prefix, media.to_path_buf(), named);
            }
        }
        map.guess_mounts_below(inputs.location, named);
        for import in inputs.imports {
            let here = path_of(import);
            if import.starts_with(b"/") && normal(import) != b"" && !map.maps(import) && here.is_dir() {
                map.guess(import, here, named);
            }
        }
        map.rules.sort_by(|a, b| b.container.len().cmp(&a.container.len()).then(a.rank.cmp(&b.rank)));
        Ok(map)
    }

    fn add_named(&mut self, rule: &MapRule, guessed: bool) -> Result<(), MapError> {
        let container = normal(rule.container.as_os_str().as_bytes());
        if let Some(known) = self.rules.iter().find(|known| known.container == container) {
            if known.host == rule.host {
                return Ok(());
            }
            return Err(MapError::Twice {
                container: display_path(&rule.container),
                first: display_path(&known.host),
                second: display_path(&rule.host),
            });
        }
        self.push(container, rule.host.clone(), guessed);
        Ok(())
    }

    /// Adds a guess unless one of the first `named` rules covers it or it is there already.
    fn guess(&mut self, prefix: &[u8], host: PathBuf, named: usize) {
        let container = normal(prefix);
        let covered = self.rules.iter().take(named).any(|rule| covers(&rule.container, &container));
        if !covered && !has_dot_dot(&container) && !self.rules.iter().any(|rule| rule.container == container)
        {
            self.push(container, host, true);
        }
    }

    /// A folder of the media location that a named rule places elsewhere (`/data/thumbs=/ssd/thumbs`) lies there
    /// for records of every other location too.
    fn guess_mounts_below(&mut self, location: Option<&[u8]>, named: usize) {
        let guessed: Vec<Vec<u8>> =
            self.rules.iter().skip(named).map(|rule| rule.container.clone()).collect();
        let standard = STANDARD_LOCATIONS.iter().map(|known| known.as_bytes().to_vec());
        let locations: Vec<Vec<u8>> =
            guessed.iter().cloned().chain(location.map(normal)).chain(standard).collect();
        for rule in self.rules.iter().take(named).cloned().collect::<Vec<_>>() {
            let below = locations
                .iter()
                .filter(|location| covers(location, &rule.container))
                .filter_map(|location| rule.container.strip_prefix(location.as_slice()))
                .find(|below| !below.is_empty());
            let Some(below) = below else { continue };
            for prefix in &guessed {
                self.guess(&[prefix.as_slice(), below].concat(), rule.host.clone(), named);
            }
        }
    }

    fn push(&mut self, container: Vec<u8>, host: PathBuf, guessed: bool) {
        let rank = u32::try_from(self.rules.len()).unwrap_or(u32::MAX);
        if !self.rules.iter().any(|rule| rule.container == container) {
            self.rules.push(Rule { container, host, guessed, rank });
        }
    }

    /// Whether there are no rules at all.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The rules as they are shown: longest container prefix first.
    pub fn entries(&self) -> Vec<MapEntry> {
        self.rules
            .iter()
            .map(|rule| MapEntry {
                container: container_path(&rule.container),
                host: rule.host.clone(),
                guessed: rule.guessed,
            })
            .collect()
    }

    /// The folders on this host that rules lead to, without repetition.
    pub fn hosts(&self) -> Vec<&Path> {
        let mut hosts: Vec<&Path> = self.rules.iter().map(|rule| rule.host.as_path()).collect();
        hosts.sort_unstable();
        hosts.dedup();
        hosts
    }

    /// Whether some rule covers the path.
    pub fn maps(&self, record: &[u8]) -> bool {
        self.split(record).is_some()
    }

    /// Where a path of the records lies here; `None` when no rule covers it, and for paths with `..`
    /// components, which Immich does not write and which could lead anywhere.
    pub fn to_host(&self, record: &Path) -> Option<PathBuf> {
        self.host_of(record.as_os_str().as_bytes())
    }

    /// [`Self::to_host`] for bytes.
    pub fn host_of(&self, record: &[u8]) -> Option<PathBuf> {
        let (rule, rest) = self.split(record)?;
        Some(join(&rule.host, rest))
    }

    fn split<'r>(&self, record: &'r [u8]) -> Option<(&Rule, &'r [u8])> {
        let record = record.strip_prefix(b"./").unwrap_or(record);
        if has_dot_dot(record) {
            return None;
        }
        self.rules.iter().find_map(|rule| {
            let rest = record.strip_prefix(rule.container.as_slice())?;
            (rest.is_empty() || rest.starts_with(b"/")).then(|| (rule, trim_start_slashes(rest)))
        })
    }

    /// How the records spell a path of this host, best spelling first: those rules that lead to it, the
    /// deepest folder first, then in the order in which the rules were found (a person's, the compose
    /// file's, Immich's own location, the most frequent). Empty when no rule leads here.
    pub fn record_spellings(&self, host: &Path) -> Vec<Vec<u8>> {
        let mut found: Vec<(usize, u32, Vec<u8>)> = Vec::new();
        for rule in &self.rules {
            let Ok(rest) = host.strip_prefix(&rule.host) else { continue };
            let rest = rest.as_os_str().as_bytes();
            let mut spelling = rule.container.clone();
            if !rest.is_empty() {
                spelling.push(b'/');
                spelling.extend_from_slice(rest);
            }
            // A longer rule may lead this spelling elsewhere: then the folder here is hidden by a mount.
            if self.split(&spelling).is_some_and(|(winner, _)| winner.rank == rule.rank) {
                found.push((usize::MAX - rule.host.as_os_str().len(), rule.rank, spelling));
            }
        }
        found.sort();
        found.into_iter().map(|(_, _, spelling)| spelling).collect()
    }

    /// How new rows should spell a path of this host.
    pub fn to_record(&self, host: &Path) -> Option<PathBuf> {
        let spelling = self.record_spellings(host).into_iter().next()?;
        Some(container_path(&spelling))
    }
}

/// The locations Immich has used by default, newest first.
pub const STANDARD_LOCATIONS: [&str; 3] = ["/data", "/usr/src/app/upload", "upload"];

/// Counts which media location prefixes the records use. Fed with folders (or files), it recognises
/// Immich's own folders by the user id that follows them.
#[derive(Clone, Debug, Default)]
pub struct PrefixCount {
    found: BTreeMap<Vec<u8>, u64>,
    /// `.../library/<label>/...`: the label is free text, so these count only for prefixes found otherwise,
    /// or when there is nothing better.
    library: BTreeMap<Vec<u8>, u64>,
}

impl PrefixCount {
    /// Counts `count` files below the folder (or one file) `record`.
    pub fn add(&mut self, record: &[u8], count: u64) {
        let record = record.strip_prefix(b"./").unwrap_or(record);
        if let Some((prefix, sure)) = media_prefix(record) {
            let counts = if sure { &mut self.found } else { &mut self.library };
            if let Some(known) = counts.get_mut(prefix) {
                *known += count;
            } else {
                counts.insert(prefix.to_vec(), count);
            }
        }
    }

    /// The prefixes with their counts, most frequent first.
    pub fn finish(self) -> Vec<(Vec<u8>, u64)> {
        let mut found = self.found;
        let nothing_sure = found.is_empty();
        for (prefix, count) in self.library {
            let standard = STANDARD_LOCATIONS.iter().any(|known| known.as_bytes() == prefix);
            if nothing_sure || standard || found.contains_key(&prefix) {
                *found.entry(prefix).or_default() += count;
            }
        }
        let mut list: Vec<_> = found.into_iter().collect();
        list.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        list
    }
}

/// The part of a record's path before Immich's own folder, and whether a user id behind that proves it.
pub fn media_prefix(record: &[u8]) -> Option<(&[u8], bool)> {
    let mut library = None;
    let mut start = 0usize;
    while let Some(rest) = record.get(start..) {
        let end = memchr::memchr(b'/', rest).map_or(record.len(), |slash| start + slash);
        let component = record.get(start..end).unwrap_or_default();
        let prefix = record.get(..start.saturating_sub(1)).filter(|_| start > 0);
        let next = record.get(end + 1..).unwrap_or_default();
        if let (Some(folder), Some(prefix)) = (Folder::from_name(component), prefix) {
            let next = next.split(|&byte| byte == b'/').next().unwrap_or_default();
            if AssetId::parse(next).is_some() {
                return Some((prefix, true));
            }
            if folder == Folder::Library && library.is_none() && !next.is_empty() {
                library = Some((prefix, false));
            }
        }
        start = end + 1;
    }
    library
}

/// Paths that no rule covers, by prefix, with how many there are and one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unmapped {
    groups: BTreeMap<Vec<u8>, UnmappedGroup>,
}

/// One unmapped prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnmappedGroup {
    /// Files of live assets below it.
    pub files: u64,
    /// Files of assets that the records call offline or trashed.
    pub resting: u64,
    /// One of them.
    pub example: Vec<u8>,
}

impl Unmapped {
    /// Notes one path. `imports` are the import paths of external libraries: the best name for a group.
    pub fn add(&mut self, record: &[u8], resting: bool, imports: &[Vec<u8>]) {
        let prefix = imports
            .iter()
            .map(|import| normal(import))
            .filter(|import| !import.is_empty() && covers(import, record))
            .max_by_key(Vec::len)
            .or_else(|| media_prefix(record).filter(|(_, sure)| *sure).map(|(prefix, _)| prefix.to_vec()))
            .unwrap_or_else(|| first_components(record, 2).to_vec());
        let group = self.groups.entry(prefix).or_insert_with(|| UnmappedGroup {
            files: 0,
            resting: 0,
            example: record.to_vec(),
        });
        if resting {
            group.resting += 1;
        } else {
            group.files += 1;
        }
    }

    /// Takes over what another one has noted.
    pub fn merge(&mut self, other: Self) {
        for (prefix, group) in other.groups {
            match self.groups.entry(prefix) {
                Entry::Vacant(free) => {
                    free.insert(group);
                }
                Entry::Occupied(known) => {
                    let known = known.into_mut();
                    known.files += group.files;
                    known.resting += group.resting;
                }
            }
        }
    }

    /// The groups by prefix.
    pub fn groups(&self) -> impl Iterator<Item = (PathBuf, &UnmappedGroup)> {
        self.groups.iter().map(|(prefix, group)| (container_path(prefix), group))
    }

    /// Whether everything could be mapped.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }
}

fn container_path(container: &[u8]) -> PathBuf {
    if container.is_empty() { PathBuf::from("/") } else { path_of(container) }
}

/// Without slashes at the end and without a leading `./`; the root folder becomes empty.
fn normal(path: &[u8]) -> Vec<u8> {
    let path = path.strip_prefix(b"./").unwrap_or(path);
    let end = path.iter().rposition(|&byte| byte != b'/').map_or(0, |last| last + 1);
    path.get(..end).unwrap_or_default().to_vec()
}

/// Whether `path` is `prefix` or lies below it. An empty prefix is the root folder.
fn covers(prefix: &[u8], path: &[u8]) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.starts_with(b"/") || (rest.is_empty() && !path.is_empty()))
}

fn has_dot_dot(path: &[u8]) -> bool {
    // The search is skipped for nearly all paths: they have no two dots in a row.
    memchr::memmem::find(path, b"..").is_some() && path.split(|&byte| byte == b'/').any(|part| part == b"..")
}

fn trim_start_slashes(path: &[u8]) -> &[u8] {
    let start = path.iter().position(|&byte| byte != b'/').unwrap_or(path.len());
    path.get(start..).unwrap_or_default()
}

fn join(host: &Path, rest: &[u8]) -> PathBuf {
    if rest.is_empty() {
        return host.to_path_buf();
    }
    let mut path = Vec::with_capacity(host.as_os_str().len() + 1 + rest.len());
    path.extend_from_slice(host.as_os_str().as_bytes());
    if path.last() != Some(&b'/') {
        path.push(b'/');
    }
    path.extend_from_slice(rest);
    PathBuf::from(std::ffi::OsString::from_vec(path))
}

/// The first `count` folders of a path, never its last component.
fn first_components(path: &[u8], count: usize) -> &[u8] {
    let skip = usize::from(path.starts_with(b"/"));
    let mut end = 0;
    for slash in memchr::memchr_iter(b'/', path).filter(|&at| at >= skip).take(count) {
        end = slash;
    }
    path.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test should panic")]
    use proptest::prelude::*;

    use super::*;

    const USER: &str = "9a1b2c3d-0000-4000-8000-00000000000f";

    fn rule(text: &str) -> MapRule {
        MapRule::parse(OsStr::new(text)).unwrap()
    }

    fn map(user: &[&str], media: Option<&str>, prefixes: &[&str]) -> PathMap {
        let user: Vec<_> = user.iter().map(|text| rule(text)).collect();
        let prefixes: Vec<_> = prefixes.iter().map(|p| (p.as_bytes().to_vec(), 1)).collect();
        PathMap::build(&MapInputs {
            media: media.map(Path::new),
            user: &user,
            prefixes: &prefixes,
            ..MapInputs::default()
        })
        .unwrap()
    }

    fn host(map: &PathMap, record: &str) -> Option<String> {
        map.to_host(Path::new(record)).map(|p| p.to_str().unwrap().to_owned())
    }

    #[test]
    fn rules_are_read_or_refused() {
        assert_eq!(rule("/data=/srv/a=b").host, Path::new("/srv/a=b"));
        for (text, word) in
            [("/data", "CONTAINER=HOST"), ("=/x", "container"), ("/x=", "host"), ("/a/../b=/x", "..")]
        {
            let error = MapRule::parse(OsStr::new(text)).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
        let twice = [rule("/data/=/a"), rule("/data=/b")];
        let inputs = MapInputs { user: &twice, ..MapInputs::default() };
        assert!(matches!(PathMap::build(&inputs), Err(MapError::Twice { .. })));
    }

    #[test]
    fn several_prefixes_lead_to_one_folder() {
        let map = map(&[], Some("/m"), &["/data", "/usr/src/app/upload", "upload"]);
        assert_eq!(host(&map, "/data/thumbs/x").as_deref(), Some("/m/thumbs/x"));
        assert_eq!(host(&map, "/usr/src/app/upload/upload/x").as_deref(), Some("/m/upload/x"));
        assert_eq!(host(&map, "upload/upload/x").as_deref(), Some("/m/upload/x"));
        assert_eq!(host(&map, "./upload/library/x").as_deref(), Some("/m/library/x"));
        assert_eq!(host(&map, "/database/x"), None);
        assert_eq!(host(&map, "/data/../etc/passwd"), None);
        assert_eq!(host(&map, "/data/a..b").as_deref(), Some("/m/a..b"));
        assert_eq!(map.record_spellings(Path::new("/m/thumbs/x")).len(), 3);
    }

    #[test]
    fn the_longest_prefix_wins_and_people_win_over_guesses() {
        let map = map(&["/data/thumbs=/ssd/thumbs", "/ext=/nas"], Some("/m"), &["/data", "/ext/inner"]);
        assert_eq!(host(&map, "/data/thumbs/a").as_deref(), Some("/ssd/thumbs/a"));
        assert_eq!(host(&map, "/data/thumbsx/a").as_deref(), Some("/m/thumbsx/a"));
        assert_eq!(host(&map, "/ext/inner/a").as_deref(), Some("/nas/inner/a"));
        // Below the mount point of a longer rule nothing belongs to the records.
        assert_eq!(map.to_record(Path::new("/m/thumbs/a")), None);
        assert_eq!(map.to_record(Path::new("/ssd/thumbs/a")), Some(PathBuf::from("/data/thumbs/a")));
        assert_eq!(map.to_record(Path::new("/nas")), Some(PathBuf::from("/ext")));
    }

    #[test]
    fn a_folder_on_another_disk_is_there_for_every_spelling() {
        let map = map(&["/data/thumbs=/ssd/thumbs"], Some("/m"), &["/data", "upload"]);
        assert_eq!(host(&map, "upload/thumbs/a").as_deref(), Some("/ssd/thumbs/a"));
        assert_eq!(host(&map, "upload/upload/a").as_deref(), Some("/m/upload/a"));
    }

    #[test]
    fn the_location_immich_remembers_is_the_preferred_spelling() {
        let prefixes = [(b"upload".to_vec(), 900), (b"/data".to_vec(), 10)];
        let map = PathMap::build(&MapInputs {
            media: Some(Path::new("/m")),
            location: Some(b"/data/"),
            prefixes: &prefixes,
            ..MapInputs::default()
        })
        .unwrap();
        assert_eq!(map.to_record(Path::new("/m/upload/x")), Some(PathBuf::from("/data/upload/x")));
        assert!(map.entries().iter().all(|entry| entry.guessed));
    }

    #[test]
    fn import_paths_are_guessed_only_when_they_are_here() {
        let dir = tempfile::tempdir().unwrap();
        let here = dir.path().as_os_str().as_bytes().to_vec();
        let imports = [here.clone(), b"/no/such/folder/at/all".to_vec(), b"/".to_vec()];
        let map = PathMap::build(&MapInputs { imports: &imports, ..MapInputs::default() }).unwrap();
        assert_eq!(map.entries().len(), 1);
        assert!(map.maps(&[&here[..], b"/a.jpg"].concat()));
        assert!(!map.maps(b"/no/such/folder/at/all/a.jpg"));
    }

    #[test]
    fn prefixes_are_found_in_the_records() {
        let mut count = PrefixCount::default();
        count.add(format!("/data/thumbs/{USER}/aa/bb").as_bytes(), 5);
        count.add(format!("upload/upload/{USER}/aa/bb").as_bytes(), 7);
        count.add(format!("/mnt/library/immich/profile/{USER}").as_bytes(), 1);
        count.add(b"/data/library/anna/2024", 3);
        count.add(b"/nas/library/anna/2024", 3);
        count.add(b"/photos/holiday", 99);
        let found = count.finish();
        assert_eq!(
            found,
            [(b"/data".to_vec(), 8), (b"upload".to_vec(), 7), (b"/mnt/library/immich".to_vec(), 1)]
        );
    }

    #[test]
    fn unmapped_paths_are_grouped() {
        let mut unmapped = Unmapped::default();
        let imports = [b"/nas/photos/".to_vec()];
        unmapped.add(b"/nas/photos/2001/a.jpg", false, &imports);
        unmapped.add(b"/nas/photos/2002/b.jpg", true, &imports);
        unmapped.add(format!("/old/place/upload/{USER}/a.jpg").as_bytes(), false, &imports);
        unmapped.add(b"/x/y/z/a.jpg", false, &imports);
        let groups: Vec<_> = unmapped.groups().collect();
        assert_eq!(groups.len(), 3);
        assert_eq!(groups[0].0, Path::new("/nas/photos"));
        assert_eq!((groups[0].1.files, groups[0].1.resting), (1, 1));
        assert_eq!(groups[1].0, Path::new("/old/place"));
        assert_eq!(groups[2].0, Path::new("/x/y"));
    }

    proptest! {
        #[test]
        fn a_spelling_leads_back(rest in "([a-z ]{1,5}/){0,3}[a-z ]{0,5}", rules in prop::collection::btree_map("(/[ab]{1,2}){1,3}", "(/[cd]{1,2}){1,3}", 1..5)) {
            let user: Vec<_> = rules.iter().map(|(c, h)| rule(&format!("{c}={h}"))).collect();
            let map = PathMap::build(&MapInputs { user: &user, ..MapInputs::default() }).unwrap();
            for container in rules.keys() {
                let record = format!("{container}/{rest}");
                let here = map.to_host(Path::new(&record)).unwrap();
                for spelling in map.record_spellings(&here) {
                    prop_assert_eq!(map.host_of(&spelling).unwrap(), here.clone());
                }
                prop_assert!(!map.record_spellings(&here).is_empty());
            }
        }
    }
}
