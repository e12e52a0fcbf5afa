//! Which file systems are the folders on, do they answer, and may they be written to?

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::case::{Case, PATIENCE, Place, Reach};
use super::opinion::{Opinion, cannot_tell, quoted};
pub use crate::engine::ground::mounted::{Mount, of, table};
use crate::immich::layout::Folder;
use crate::model::display_path;
use crate::report::ndjson::Answer;

pub const WHAT: [&str; 3] = [
    "Does each folder's disk or share answer, and is it mounted for writing?",
    "the mount table, whether each folder answers within ten seconds, stale handles, file systems without owners, the \
     database's folder",
    "nothing",
];

/// A folder and what it is on.
struct Fact {
    place: Place,
    mount: Option<Mount>,
    device: Option<u64>,
}

pub fn answer(case: &Case) -> Answer {
    let mounts = match std::fs::read_to_string("/proc/self/mountinfo") {
        Ok(text) => table(&text),
        Err(error) => return cannot_tell("mounts", format!("/proc/self/mountinfo: {error}")),
    };
    let facts = case.places.iter().map(|place| fact(place, &mounts)).collect::<Vec<_>>();
    let database = case.known_compose().and_then(|compose| compose.database_folder.clone());
    let database = database.and_then(|folder| Some((folder.clone(), of(&folder, &mounts)?.clone())));
    judge(&facts, database.as_ref())
}

/// The links of a folder that hangs are not followed: that would hang too.
fn fact(place: &Place, mounts: &[Mount]) -> Fact {
    let hangs = place.reach == Reach::Hangs;
    let real = if hangs { None } else { place.path.canonicalize().ok() };
    let mount = of(real.as_deref().unwrap_or(&place.path), mounts).cloned();
    let device = if hangs { None } else { place.path.metadata().ok().map(|metadata| metadata.dev()) };
    Fact { place: place.clone(), mount, device }
}

fn judge(facts: &[Fact], database: Option<&(PathBuf, Mount)>) -> Answer {
    let mut opinion = Opinion::default();
    for fact in facts {
        trouble(fact, &mut opinion);
    }
    if let Some((folder, mount)) = database
        && mount.is_remote()
    {
        opinion.problem(
            format!("the database keeps its files on a network share: {} ({})", display_path(folder), mount.words()),
            "move DB_DATA_LOCATION to a local disk: PostgreSQL loses data on shares, and Immich does not support it",
        );
    }
    let here: Vec<&Fact> = facts.iter().filter(|fact| fact.place.reach == Reach::Open).collect();
    let mut kinds: Vec<String> =
        here.iter().filter_map(|fact| fact.mount.as_ref()).map(Mount::words).collect();
    kinds.sort();
    kinds.dedup();
    if !kinds.is_empty() {
        let devices: BTreeSet<u64> =
            here.iter().filter(|fact| fact.place.folder.is_some()).filter_map(|fact| fact.device).collect();
        let disks = match devices.len() {
            0 | 1 => "Immich's folders are on one file system".to_owned(),
            several => format!(
                "Immich's folders are on {several} file systems, so the storage template copies files instead of renaming them"
            ),
        };
        opinion.saw(format!("{disks}: {}", kinds.join(", ")));
    }
    for fact in &here {
        if let (Some(Folder::Upload), Some(mount)) = (fact.place.folder, &fact.mount)
            && mount.lacks_owners()
        {
            opinion.saw(format!(
                "{} has no owners and modes of its own: whoever mounts it decides them (uid=, gid=, umask=)",
                mount.kind
            ));
        }
    }
    if opinion.is_empty() {
        opinion.doubt("none of Immich's folders is here (see location)");
    }
    opinion.answer("mounts")
}

fn trouble(fact: &Fact, opinion: &mut Opinion) {
    let name = fact.place.name();
    let mount = fact.mount.as_ref();
    let on = mount.map_or_else(|| "an unknown file system".to_owned(), Mount::words);
    let point = mount.map_or_else(|| quoted(&fact.place.path), |mount| quoted(&mount.point));
    let again = format!("sudo umount -l {point} && sudo mount {point}, then docker compose restart");
    match &fact.place.reach {
        Reach::Open => {
            if let Some(mount) = mount.filter(|mount| mount.read_only() && fact.place.folder.is_some()) {
                opinion.problem(
                    format!("{name} is mounted read-only ({})", mount.words()),
                    format!(
                        "look into dmesg first: a file system with errors is remounted so, and needs fsck. Else: \
                         sudo mount -o remount,rw {point}"
                    ),
                );
            }
        }
        Reach::Hangs => opinion.problem(
            format!("{name} did not answer within {} seconds ({on})", PATIENCE.as_secs()),
            if mount.is_some_and(Mount::is_remote) {
                format!("is the server of that share up and reachable? Then {again}")
            } else {
                "the disk does not answer: look into dmesg and at its cable and power before anything else"
                    .to_owned()
            },
        ),
        Reach::Closed(Some(libc::ESTALE), _) => {
            opinion.problem(
                format!("{name}: stale file handle ({on}): the share was replaced at its server"),
                again,
            );
        }
        Reach::Closed(Some(libc::ENOTCONN | libc::ECONNABORTED), why) => {
            opinion.problem(
                format!("{name}: {why} ({on}): the program that serves this mount has ended"),
                again,
            );
        }
        Reach::Closed(
            Some(libc::EHOSTDOWN | libc::EHOSTUNREACH | libc::ETIMEDOUT | libc::ENETUNREACH),
            why,
        ) => {
            opinion.problem(
                format!("{name}: {why} ({on}): the share's server is not reached"),
                format!("start that server or mend the network, then {again}"),
            );
        }
        Reach::Closed(Some(libc::EIO), why) => opinion.problem(
            format!("{name}: {why} ({on}): the disk cannot be read"),
            "look into dmesg and smartctl -a of the disk, and copy what can be read before anything else",
        ),
        Reach::Closed(Some(libc::ENOENT), _) if fact.place.folder.is_none() => opinion.problem(
            format!("{name} is not there"),
            "mount its disk or share, or say with --map where it is on this host",
        ),
        // Immich's own folders that are not there are told by location.
        Reach::Closed(Some(libc::ENOENT), _) => {}
        Reach::Closed(_, why) => opinion.doubt(format!("{name}: {why}; run photofsck as root")),
    }
}

/// The mount that a folder is on, links followed.
pub fn here(path: &Path) -> Option<Mount> {
    let text = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    of(&path.canonicalize().ok()?, &table(&text)).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::testing::{fine, problem, unknown};

    const TABLE: &str = "\
22 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw,errors=remount-ro
30 22 0:44 / /mnt/my\\040photos rw,relatime shared:2 - nfs4 nas:/photos rw,vers=4.2,hard
31 22 8:17 / /mnt/usb ro,relatime - exfat /dev/sdb1 rw,uid=0
nonsense
";

    fn fact(path: &str, folder: Option<Folder>, reach: Reach) -> Fact {
        let place = Place { folder, path: path.into(), reach };
        let mount = of(&place.path, &table(TABLE)).cloned();
        Fact { place, mount, device: Some(1) }
    }

    fn told(path: &str, reach: Reach) -> Answer {
        judge(&[fact(path, Some(Folder::Thumbs), reach)], None)
    }

    #[test]
    fn each_trouble_has_its_remedy() {
        fine(&told("/srv/thumbs", Reach::Open), "on one file system: ext4 at / from /dev/sda2");
        problem(
            &told("/mnt/usb/thumbs", Reach::Open),
            "mounted read-only (exfat at /mnt/usb",
            "remount,rw /mnt/usb",
        );
        let answer = told("/mnt/my photos/thumbs", Reach::Hangs);
        problem(&answer, "did not answer within 10 seconds (nfs4", "umount -l '/mnt/my photos'");
        problem(&told("/srv/thumbs", Reach::Hangs), "did not answer", "look into dmesg");
        let closed = |errno| told("/mnt/my photos/thumbs", Reach::Closed(Some(errno), "words".to_owned()));
        problem(&closed(libc::ESTALE), "stale file handle", "umount -l");
        problem(&closed(libc::ENOTCONN), "has ended", "umount -l");
        problem(&closed(libc::EHOSTDOWN), "is not reached", "start that server");
        problem(&closed(libc::EIO), "cannot be read", "smartctl");
        unknown(&closed(libc::EACCES), "run photofsck as root");
        let gone = Reach::Closed(Some(libc::ENOENT), String::new());
        problem(&judge(&[fact("/films", None, gone)], None), "external library /films is not there", "--map");
    }

    #[test]
    fn a_read_only_external_library_is_normal_and_a_database_on_a_share_is_not() {
        let films = fact("/mnt/usb/films", None, Reach::Open);
        fine(&judge(&[films], None), "exfat at /mnt/usb");
        let mount = of(Path::new("/mnt/my photos/db"), &table(TABLE)).cloned();
        let database = mount.map(|mount| ("/mnt/my photos/db".into(), mount));
        let upload = fact("/srv/upload", Some(Folder::Upload), Reach::Open);
        problem(&judge(&[upload], database.as_ref()), "on a network share", "DB_DATA_LOCATION");
    }
}
