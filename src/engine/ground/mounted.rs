//! The mount table.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use crate::model::display_path;

/// One line of the mount table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where it is mounted.
    pub point: PathBuf,
    /// `ext4`, `nfs4`, `cifs`, ...
    pub kind: String,
    /// What is mounted.
    pub source: String,
    /// Options of the mount and of the file system.
    pub options: BTreeSet<String>,
}

impl Mount {
    /// Whether it is on another machine.
    pub fn is_remote(&self) -> bool {
        const REMOTE: [&str; 10] =
            ["nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "fuse.sshfs", "fuse.rclone"];
        REMOTE.contains(&self.kind.as_str())
    }

    /// Whether a call may wait for a server, or for a program, that does not answer any more.
    pub fn may_hang(&self) -> bool {
        const OTHERS: [&str; 5] = ["afs", "autofs", "lustre", "orangefs", "virtiofs"];
        self.is_remote() || self.kind.starts_with("fuse") || OTHERS.contains(&self.kind.as_str())
    }

    /// Whether files there have no owners and modes of their own.
    pub fn lacks_owners(&self) -> bool {
        ["vfat", "exfat", "ntfs", "ntfs3", "fuseblk", "cifs", "smb3", "smbfs", "9p", "drvfs"]
            .contains(&self.kind.as_str())
    }

    /// Whether nothing may be written there.
    pub fn read_only(&self) -> bool {
        self.options.contains("ro")
    }

    /// Kind, place and source.
    pub fn words(&self) -> String {
        format!(
            "{} at {} from {}",
            self.kind,
            display_path(&self.point),
            display_path(Path::new(&self.source))
        )
    }
}

/// Reads `/proc/self/mountinfo`: proc(5). Lines of another shape are left out.
pub fn table(text: &str) -> Vec<Mount> {
    text.lines().filter_map(line).collect()
}

fn line(line: &str) -> Option<Mount> {
    let (own, system) = line.split_once(" - ")?;
    let own: Vec<&str> = own.split(' ').collect();
    let mut system = system.split(' ');
    let (point, options) = (own.get(4)?, own.get(5)?);
    let (kind, source) = (system.next()?, system.next()?);
    let all = options.split(',').chain(system.next().unwrap_or_default().split(','));
    Some(Mount {
        point: unescape(point).into(),
        kind: kind.to_owned(),
        source: unescape(source).to_string_lossy().into_owned(),
        options: all.map(str::to_owned).collect(),
    })
}

/// `\040` is a space: octal for space, tab, newline and backslash.
fn unescape(text: &str) -> OsString {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        let octal =
            behind.get(..3).filter(|_| byte == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(code) => {
                out.push(code);
                rest = behind.get(3..).unwrap_or_default();
            }
            None => out.push(byte),
        }
    }
    OsString::from_vec(out)
}

/// The mount that a path is on: the deepest, and of several at one point the last.
pub fn of<'m>(path: &Path, mounts: &'m [Mount]) -> Option<&'m Mount> {
    let above = mounts.iter().filter(|mount| path.starts_with(&mount.point));
    above.max_by_key(|mount| mount.point.as_os_str().as_bytes().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
22 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw,errors=remount-ro
30 22 0:44 / /mnt/my\\040photos rw,relatime shared:2 - nfs4 nas:/photos rw,vers=4.2,hard
31 22 8:17 / /mnt/usb ro,relatime - exfat /dev/sdb1 rw,uid=0
nonsense
";

    #[test]
    fn the_mount_table_is_read() {
        let mounts = table(TABLE);
        assert_eq!(mounts.len(), 3);
        assert_eq!(mounts.iter().map(Mount::may_hang).collect::<Vec<_>>(), [false, true, false]);
        assert_eq!(of(Path::new("/mnt/my photos/x"), &mounts).map(|mount| mount.kind.as_str()), Some("nfs4"));
        assert_eq!(of(Path::new("/mnt/my photosx"), &mounts).map(|mount| mount.kind.as_str()), Some("ext4"));
        assert_eq!(unescape(r"a\134b\04"), OsString::from(r"a\b\04"));
    }
}
