//! Files that no record names, by the hundred thousand, in little memory.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::model::Role;

/// Number of a file in a [`LooseFiles`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LooseIdx(pub u32);

/// Paths with role and size. A path is stored as a folder that many share and the rest of its bytes; Immich's
/// `ab/cd` folders count as part of the rest, since hardly two files share one.
#[derive(Debug, Default)]
pub struct LooseFiles {
    folders: Vec<PathBuf>,
    numbers: HashMap<PathBuf, u32>,
    text: Vec<u8>,
    rows: Vec<Row>,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    at: u64,
    size: u64,
    folder: u32,
    length: u16,
    role: Role,
    external: bool,
    fresh: bool,
    day: u16,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loose {
    /// Its path on this host.
    pub path: PathBuf,
    /// What its path tells.
    pub role: Role,
    /// Bytes, when it was walked.
    pub size: u64,
    /// In an external library, outside the media location.
    pub external: bool,
    /// As an earlier run had left it: it needs no look.
    pub fresh: bool,
}

impl LooseFiles {
    /// Adds a file. Names longer than 64 KiB do not exist; `None` after four thousand million files.
    pub fn push(
        &mut self,
        dir: &Path,
        name: &OsStr,
        role: Role,
        size: u64,
        external: bool,
    ) -> Option<LooseIdx> {
        let (folder, nest) = split(dir);
        let number = if let Some(number) = self.numbers.get(folder) {
            *number
        } else {
            let number = u32::try_from(self.folders.len()).ok()?;
            self.folders.push(folder.to_path_buf());
            self.numbers.insert(folder.to_path_buf(), number);
            number
        };
        let idx = LooseIdx(u32::try_from(self.rows.len()).ok()?);
        let at = self.text.len();
        self.text.extend_from_slice(nest);
        if !nest.is_empty() {
            self.text.push(b'/');
        }
        self.text.extend_from_slice(name.as_bytes());
        let length = u16::try_from(self.text.len() - at).ok()?;
        self.rows.push(Row {
            at: at as u64,
            size,
            folder: number,
            length,
            role,
            external,
            fresh: false,
            day: 0,
        });
        Some(idx)
    }

    /// Notes that a file needs no look.
    pub fn mark_fresh(&mut self, LooseIdx(idx): LooseIdx) {
        if let Some(row) = self.rows.get_mut(idx as usize) {
            row.fresh = true;
        }
    }

    /// Notes that a file needs a look and was last sound on this day since 1970.
    pub fn mark_aged(&mut self, LooseIdx(idx): LooseIdx, day: u16) {
        if let Some(row) = self.rows.get_mut(idx as usize) {
            row.day = day;
        }
    }

    /// That day; 0 for a file of which nothing is known or that needs no look.
    pub fn day(&self, LooseIdx(idx): LooseIdx) -> u16 {
        self.rows.get(idx as usize).map_or(0, |row| row.day)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The numbers of all.
    pub fn indices(&self) -> impl Iterator<Item = LooseIdx> + use<> {
        (0..u32::try_from(self.rows.len()).unwrap_or(u32::MAX)).map(LooseIdx)
    }

    /// The role of one, without making its path.
    pub fn role(&self, LooseIdx(idx): LooseIdx) -> Role {
        self.rows.get(idx as usize).map_or(Role::Unknown, |row| row.role)
    }

    /// One of them; numbers come from this list.
    pub fn get(&self, LooseIdx(idx): LooseIdx) -> Option<Loose> {
        let row = self.rows.get(idx as usize)?;
        let at = usize::try_from(row.at).ok()?;
        let rest = self.text.get(at..at.checked_add(usize::from(row.length))?)?;
        let path = self.folders.get(row.folder as usize)?.join(OsStr::from_bytes(rest));
        Some(Loose { path, role: row.role, size: row.size, external: row.external, fresh: row.fresh })
    }
}

/// The folder to share, and the two levels `ab/cd` below it when it ends like that.
fn split(dir: &Path) -> (&Path, &[u8]) {
    let bytes = dir.as_os_str().as_bytes();
    match bytes.split_last_chunk::<6>() {
        Some((base, tail @ [b'/', a, b, b'/', c, d]))
            if !base.is_empty() && [a, b, c, d].iter().all(|byte| byte.is_ascii_alphanumeric()) =>
        {
            (Path::new(OsStr::from_bytes(base)), tail.get(1..).unwrap_or_default())
        }
        _ => (dir, b""),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test should panic")]
    use super::*;

    #[test]
    fn paths_come_back() {
        let mut files = LooseFiles::default();
        let paths: [(&str, &[u8]); 4] = [
            ("/m/thumbs/u/ab/cd", b"abcd.jpeg"),
            ("/m/thumbs/u/ab/ce", b"abce.jpeg"),
            ("/", b"x"),
            ("/m/\n", b"\xff\t"),
        ];
        for (dir, name) in paths {
            files.push(Path::new(dir), OsStr::from_bytes(name), Role::Preview, 7, false).unwrap();
        }
        for ((dir, name), idx) in paths.iter().zip(files.indices()) {
            assert_eq!(files.get(idx).unwrap().path, Path::new(dir).join(OsStr::from_bytes(name)));
        }
        assert_eq!(files.len(), 4);
        assert_eq!(files.folders.len(), 3);
        assert_eq!(files.get(LooseIdx(9)), None);
    }
}
