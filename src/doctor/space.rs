//! Is there room for new pictures, in bytes and in files?

use std::os::unix::fs::MetadataExt as _;

use rustix::fs::statvfs;

use super::case::{Case, Reach};
use super::opinion::{Opinion, cannot_tell};
use crate::immich::layout::Folder;
use crate::report::ndjson::Answer;
use crate::report::words;

pub const WHAT: [&str; 3] = [
    "Is there room for new pictures on each disk?",
    "free bytes and free inodes of each folder's file system, by what a user other than root may take",
    "nothing",
];

/// Less is a problem: an upload of a film alone can be larger.
const LEAST_BYTES: u64 = 2 << 30;
/// A part of all inodes; below it files cannot be made although bytes are free.
const LEAST_INODES: u64 = 100;

/// One file system.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Room {
    /// Folders on it.
    folders: Vec<String>,
    device: u64,
    free: u64,
    size: u64,
    /// 0 where the file system does not count them (btrfs, network shares).
    inodes: u64,
    free_inodes: u64,
    /// Whether Immich writes to it.
    written: bool,
}

pub fn answer(case: &Case) -> Answer {
    let mut rooms: Vec<Room> = Vec::new();
    let mut opinion = Opinion::default();
    for place in case.places.iter().filter(|place| place.reach == Reach::Open) {
        let found =
            std::fs::metadata(&place.path).and_then(|metadata| Ok((metadata.dev(), statvfs(&place.path)?)));
        match found {
            Err(error) => opinion.doubt(format!("{}: {error}", place.name())),
            Ok((device, told)) => match rooms.iter_mut().find(|room| room.device == device) {
                Some(room) => {
                    room.folders.push(short(place.folder, &place.name()));
                    room.written |= place.folder.is_some();
                }
                None => rooms.push(Room {
                    folders: vec![short(place.folder, &place.name())],
                    device,
                    free: told.f_bavail.saturating_mul(told.f_frsize),
                    size: told.f_blocks.saturating_mul(told.f_frsize),
                    inodes: told.f_files,
                    free_inodes: told.f_favail,
                    written: place.folder.is_some(),
                }),
            },
        }
    }
    if rooms.is_empty() {
        return cannot_tell("space", "no folder of Immich's can be looked into");
    }
    judge(&rooms, opinion)
}

fn short(folder: Option<Folder>, name: &str) -> String {
    folder.map_or_else(|| name.to_owned(), |folder| folder.as_str().to_owned())
}

fn judge(rooms: &[Room], mut opinion: Opinion) -> Answer {
    for room in rooms {
        let on = words::list(&room.folders);
        let inodes = room.inodes > 0 && room.free_inodes < room.inodes / LEAST_INODES;
        if room.written && room.free < LEAST_BYTES {
            opinion.problem(
                format!("{} of {} left for {on}", words::bytes(room.free), words::bytes(room.size)),
                format!(
                    "make room on that disk: empty Immich's trash, remove old dumps from backups, or move {on} to a larger one; \
                     pictures that were cut short by a full disk are found and made again by photofsck repair"
                ),
            );
        } else if room.written && inodes {
            opinion.problem(
                format!("{} of {} inodes left for {on}, although bytes are free", room.free_inodes, room.inodes),
                "remove small files that are not needed, or move thumbs to a file system made for more files (mkfs.ext4 -i)",
            );
        } else {
            opinion.saw(format!("{} of {} free for {on}", words::bytes(room.free), words::bytes(room.size)));
        }
    }
    opinion.answer("space")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::testing::{fine, problem};

    #[test]
    fn bytes_and_inodes_run_out_apart() {
        let room = Room {
            folders: vec!["upload".to_owned(), "thumbs".to_owned()],
            device: 1,
            free: 100 << 30,
            size: 200 << 30,
            inodes: 1000,
            free_inodes: 500,
            written: true,
        };
        let judge = |room: Room| judge(&[room], Opinion::default());
        fine(&judge(room.clone()), "100 GiB of 200 GiB free for upload and thumbs");
        problem(&judge(Room { free: 1 << 20, ..room.clone() }), "1.0 MiB of 200 GiB left", "make room");
        problem(&judge(Room { free_inodes: 3, ..room.clone() }), "3 of 1000 inodes left", "mkfs.ext4 -i");
        // btrfs counts no inodes, and what is only read need not have room.
        fine(&judge(Room { inodes: 0, free_inodes: 0, ..room.clone() }), "free");
        fine(&judge(Room { free: 0, written: false, ..room }), "0 B of 200 GiB free");
    }
}
