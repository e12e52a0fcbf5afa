//! May the container's user read and write what it has to? Asked of the very files that the sample holds.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::case::{Case, Place, Reach};
use super::mounts::{self, Mount};
use super::opinion::{Opinion, cannot_tell, quoted};
use crate::immich::layout::Folder;
use crate::model::{Role, display_path};
use crate::report::ndjson::Answer;
use crate::report::words;

pub const WHAT: [&str; 3] = [
    "May the container's user read the originals and write Immich's folders?",
    "owner, group, mode and ACL of Immich's folders, of the sampled files and of the folders above them, for that user",
    "the user: user: or PUID of the compose file, or the socket of Docker or Podman; best as root",
];

/// Whom the server runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct User {
    id: u32,
    group: u32,
}

/// What the user has to be able to do with a file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Want {
    /// Read the file, or list and enter the folder.
    Read,
    /// That and change it.
    Write,
}

/// A file or folder.
#[derive(Clone, Debug)]
struct Fact {
    path: PathBuf,
    /// The place it belongs to, by number.
    place: usize,
    is_folder: bool,
    mode: u32,
    owner: u32,
    group: u32,
    /// More people may be let in than the mode says.
    has_acl: bool,
    want: Want,
}

impl Fact {
    /// By owner, group and mode alone: path_resolution(7). Root may do everything.
    fn allows(&self, user: User) -> bool {
        let class = if self.owner == user.id {
            6
        } else if self.group == user.group {
            3
        } else {
            0
        };
        let read = 4 | u32::from(self.is_folder);
        let needed = match self.want {
            Want::Read => read,
            Want::Write => read | 2,
        };
        user.id == 0 || self.mode >> class & needed == needed
    }
}

/// What was found of one place.
struct Finding<'f> {
    refused: Vec<&'f Fact>,
    doubtful: usize,
}

pub fn answer(case: &Case) -> Answer {
    let (facts, mut closed) = gather(case);
    let user = match user(case) {
        Ok(user) => user,
        Err(why) => {
            closed.doubt(why);
            if !facts.is_empty() {
                owners(&facts, &case.places, &mut closed);
            }
            return closed.answer("permissions");
        }
    };
    if facts.is_empty() {
        return cannot_tell("permissions", "no folder of Immich's can be looked into");
    }
    let mount = |place: &Place| (place.reach == Reach::Open).then(|| mounts::here(&place.path)).flatten();
    let mounts: Vec<Option<Mount>> = case.places.iter().map(mount).collect();
    judge(user, &facts, &case.places, &mounts, closed)
}

/// The server's user by its container, else by the compose file; both without a word about it mean root.
fn user(case: &Case) -> Result<User, String> {
    let named = match (case.server(), case.known_compose()) {
        (Some(server), _) => server.user.clone(),
        (None, Some(compose)) => compose.user.clone().unwrap_or_default(),
        (None, None) => {
            return Err("neither a compose folder nor the server's container tells whom the server runs as"
                .to_owned());
        }
    };
    parse(&named).ok_or_else(|| format!("the server's user {named:?} is a name that only its image knows"))
}

fn parse(text: &str) -> Option<User> {
    let (id, group) = text.split_once(':').unwrap_or((text, ""));
    let number = |text: &str| match text {
        "" | "root" => Some(0),
        number => number.parse().ok(),
    };
    Some(User { id: number(id)?, group: number(group)? })
}

/// The folders themselves, and the sampled files with the folders above them. What this process may not look at is a doubt.
fn gather(case: &Case) -> (Vec<Fact>, Opinion) {
    let mut wanted: BTreeMap<PathBuf, (usize, Want)> = BTreeMap::new();
    for (number, place) in case.places.iter().enumerate() {
        if place.reach != Reach::Hangs {
            let want = if place.folder.is_some() { Want::Write } else { Want::Read };
            wanted.insert(place.path.clone(), (number, want));
        }
    }
    for file in &case.sample().files {
        let Some(path) = &file.path else { continue };
        let within = case.places.iter().enumerate().filter(|(_, place)| path.starts_with(&place.path));
        let Some((number, place)) = within.max_by_key(|(_, place)| place.path.as_os_str().len()) else {
            continue;
        };
        if place.reach == Reach::Hangs {
            continue;
        }
        // Immich writes pictures over, and only reads originals.
        let want = if file.role == Role::Original { Want::Read } else { Want::Write };
        for above in path.ancestors().take_while(|above| *above != place.path) {
            wanted.entry(above.to_path_buf()).or_insert((number, want));
        }
    }
    let mut facts = Vec::new();
    let mut doubts = Opinion::default();
    let mut closed = 0;
    for (path, (place, want)) in wanted {
        match fact(&path, place, want) {
            Ok(fact) => facts.push(fact),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => closed += 1,
            Err(_) => {}
        }
    }
    if closed > 0 {
        doubts.doubt(format!("photofsck itself may not look at {closed} files and folders: run it as root"));
    }
    (facts, doubts)
}

fn fact(path: &Path, place: usize, want: Want) -> io::Result<Fact> {
    let metadata = fs::metadata(path)?;
    let mut nothing: [u8; 0] = [];
    // An empty buffer asks for the length alone.
    let has_acl =
        rustix::fs::getxattr(path, "system.posix_acl_access", &mut nothing).is_ok_and(|length| length > 0);
    Ok(Fact {
        path: path.to_path_buf(),
        place,
        is_folder: metadata.is_dir(),
        mode: metadata.mode(),
        owner: metadata.uid(),
        group: metadata.gid(),
        has_acl,
        want,
    })
}

fn judge(
    user: User,
    facts: &[Fact],
    places: &[Place],
    mounts: &[Option<Mount>],
    mut opinion: Opinion,
) -> Answer {
    if user.id == 0 && mounts.iter().flatten().any(Mount::is_remote) {
        opinion.doubt(
            "a share's server may take root for nobody (root_squash of NFS), which cannot be seen from here; its log says \
             EACCES then",
        );
    }
    let mut clean = true;
    for (number, place) in places.iter().enumerate() {
        let finding = find(user, facts, number);
        if finding.doubtful > 0 {
            opinion.doubt(format!(
                "{} below {} have an ACL that may let the user in",
                words::counted(finding.doubtful as u64, "file", "files"),
                place.name()
            ));
        }
        let Some(first) = finding.refused.first() else { continue };
        clean = false;
        opinion.problem(
            format!(
                "user {}:{} of the server may not {} {} below {}, for example {} ({}:{}, mode {:o})",
                user.id,
                user.group,
                if first.want == Want::Write { "write" } else { "read" },
                words::counted(finding.refused.len() as u64, "file or folder", "files and folders"),
                place.name(),
                display_path(&first.path),
                first.owner,
                first.group,
                first.mode & 0o7777
            ),
            match mounts.get(number).and_then(Option::as_ref).filter(|mount| mount.lacks_owners()) {
                Some(mount) => format!(
                    "files there get their owner when {} is mounted: mount it with uid={},gid={} in /etc/fstab",
                    quoted(&mount.point),
                    user.id,
                    user.group
                ),
                None => command(user, place, &finding.refused),
            },
        );
    }
    if clean {
        let who = if user.id == 0 { "root".to_owned() } else { format!("user {}:{}", user.id, user.group) };
        opinion.saw(format!(
            "the server runs as {who}, who may use all {} looked at",
            words::counted(facts.len() as u64, "file or folder", "files and folders")
        ));
    }
    opinion.answer("permissions")
}

fn find(user: User, facts: &[Fact], place: usize) -> Finding<'_> {
    let refused = facts.iter().filter(|fact| fact.place == place && !fact.allows(user));
    let (doubtful, refused): (Vec<&Fact>, Vec<&Fact>) = refused.partition(|fact| fact.has_acl);
    Finding { refused, doubtful: doubtful.len() }
}

/// What gives the user just what it needs: Immich's own folders become its own; others' files are opened for reading only.
fn command(user: User, place: &Place, refused: &[&Fact]) -> String {
    let folder = quoted(&place.path);
    let User { id, group } = user;
    let all = |fits: &dyn Fn(&Fact) -> bool| refused.iter().all(|fact| fits(fact));
    if place.folder.is_some() {
        let chmod = format!("sudo chmod -R u+rwX {folder}");
        return if all(&|fact| fact.owner == id) {
            chmod
        } else {
            format!("sudo chown -R {id}:{group} {folder} && {chmod}")
        };
    }
    if all(&|fact| fact.owner == id) {
        format!("sudo chmod -R u+rX {folder}")
    } else if all(&|fact| fact.group == group) {
        format!("sudo chmod -R g+rX {folder}")
    } else {
        format!(
            "sudo chgrp -R {group} {folder} && sudo chmod -R g+rX {folder}; it stays its owner's, and Immich may read it"
        )
    }
}

/// Without a user: whose the files are, so that an odd one out shows.
fn owners(facts: &[Fact], places: &[Place], opinion: &mut Opinion) {
    for (number, place) in places.iter().enumerate() {
        let mut counts: BTreeMap<(u32, u32), usize> = BTreeMap::new();
        for fact in facts.iter().filter(|fact| fact.place == number) {
            *counts.entry((fact.owner, fact.group)).or_default() += 1;
        }
        if counts.len() > 1 && place.folder.is_some_and(|folder| folder != Folder::Backups) {
            let list: Vec<String> = counts
                .iter()
                .map(|((owner, group), number)| format!("{number} to {owner}:{group}"))
                .collect();
            opinion.doubt(format!(
                "files below {} belong to several users ({})",
                place.name(),
                words::list(&list)
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::testing::{fine, problem};

    const USER: User = User { id: 1000, group: 100 };

    fn fact(owner: u32, group: u32, mode: u32, want: Want) -> Fact {
        Fact {
            path: "/srv/thumbs/a".into(),
            place: 0,
            is_folder: mode & 0o40000 != 0,
            mode,
            owner,
            group,
            has_acl: false,
            want,
        }
    }

    fn told(folder: Option<Folder>, fact: Fact) -> Answer {
        let place = Place { folder, path: "/srv/my thumbs".into(), reach: Reach::Open };
        judge(USER, &[fact], &[place], &[None], Opinion::default())
    }

    #[test]
    fn modes_are_read_as_the_kernel_does() {
        for (owner, group, mode, want, allowed) in [
            (1000, 0, 0o600, Want::Write, true),
            (0, 100, 0o640, Want::Read, true),
            (0, 100, 0o640, Want::Write, false),
            (0, 0, 0o644, Want::Read, true),
            // The owner's class counts, although others are let in.
            (1000, 0, 0o044, Want::Read, false),
            // A folder that can be listed and not entered is of no use.
            (0, 0, 0o40744, Want::Read, false),
            (0, 0, 0o40755, Want::Read, true),
        ] {
            assert_eq!(
                fact(owner, group, mode, want).allows(USER),
                allowed,
                "{owner}:{group} {mode:o} {want:?}"
            );
        }
        assert!(fact(5, 5, 0, Want::Write).allows(User { id: 0, group: 0 }));
    }

    #[test]
    fn the_command_gives_no_more_than_is_needed() {
        let thumbs = Some(Folder::Thumbs);
        fine(&told(thumbs, fact(1000, 100, 0o644, Want::Write)), "user 1000:100, who may use");
        let answer = told(thumbs, fact(0, 0, 0o600, Want::Write));
        problem(
            &answer,
            "may not write 1 file or folder",
            "sudo chown -R 1000:100 '/srv/my thumbs' && sudo chmod -R u+rwX",
        );
        let answer = told(thumbs, fact(1000, 100, 0o444, Want::Write));
        assert_eq!(answer.remedy, "sudo chmod -R u+rwX '/srv/my thumbs'");
        for (owner, group, expected) in [
            (1000, 5, "sudo chmod -R u+rX '/srv/my thumbs'"),
            (5, 100, "sudo chmod -R g+rX '/srv/my thumbs'"),
            (5, 5, "sudo chgrp -R 100 '/srv/my thumbs' && sudo chmod -R g+rX"),
        ] {
            let answer = told(None, fact(owner, group, 0o000, Want::Read));
            problem(&answer, "may not read", expected);
            assert!(!answer.remedy.contains("777"), "{answer:?}");
        }
    }

    #[test]
    fn where_files_have_no_owners_the_mount_is_named() {
        let place =
            Place { folder: Some(Folder::Thumbs), path: "/mnt/nas/thumbs".into(), reach: Reach::Open };
        let mounts = [mounts::table("1 2 0:1 / /mnt/nas rw - cifs //nas/x rw,uid=0\n").pop()];
        let answer = judge(USER, &[fact(0, 0, 0o40755, Want::Write)], &[place], &mounts, Opinion::default());
        problem(&answer, "may not write", "mount it with uid=1000,gid=100");
    }

    #[test]
    fn users_are_read_as_compose_writes_them() {
        assert_eq!(parse("1000:100"), Some(USER));
        assert_eq!(parse(""), Some(User { id: 0, group: 0 }));
        assert_eq!(parse("33"), Some(User { id: 33, group: 0 }));
        assert_eq!(parse("node"), None);
    }

    #[test]
    fn an_acl_is_a_doubt() {
        let acl = Fact { has_acl: true, ..fact(0, 0, 0o600, Want::Write) };
        let answer = told(Some(Folder::Thumbs), acl);
        assert!(answer.evidence.contains("have an ACL"), "{answer:?}");
    }
}
