//! Messages of Immich, PostgreSQL and Redis that are known from its code and its users' reports, each with where it was seen.
//!
//! Texts change with versions: only parts that have stayed are looked for, and nothing is concluded from their absence.

/// One message.
pub struct Known {
    /// All of these are in the line.
    pub parts: &'static [&'static str],
    /// What it means.
    pub means: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// Where it was seen: numbers are issues of immich-app/immich.
    pub seen: &'static str,
}

const fn known(
    parts: &'static [&'static str],
    seen: &'static str,
    means: &'static str,
    remedy: &'static str,
) -> Known {
    Known { parts, means, remedy, seen }
}

/// The more special ones first: a line counts for the first that it fits.
pub const KNOWN: &[Known] = &[
    known(
        &["Failed to read", ".immich"],
        "#12401, #20963",
        "one of Immich's folders lacks its marker or cannot be read, and the server does not start",
        "mount the right disk at that folder (see location); only if it is the right one, put an empty file .immich into it",
    ),
    known(
        &["Failed to write", ".immich"],
        "#12630",
        "the server may not write to one of its folders, and does not start",
        "see permissions and mounts: the folder has to belong to the container's user and be mounted for writing",
    ),
    known(
        &["Failed to create", ".immich"],
        "#21449",
        "the server may not make one of its folders, and does not start",
        "see permissions: the media location has to belong to the container's user",
    ),
    known(
        &["EACCES: permission denied"],
        "#2391, #21449",
        "the server may not read or write a file",
        "see permissions for the command",
    ),
    known(
        &["EPERM: operation not permitted"],
        "#8371",
        "the file system does not let the server change times or modes of files, as network shares often do",
        "mount the share with the container's user as owner (uid= and gid= of SMB), or as NFS without root_squash",
    ),
    known(
        &["EROFS"],
        "errno(3)",
        "a folder is mounted read-only",
        "see mounts; look for the reason in dmesg, a failing disk is remounted so",
    ),
    known(&["ENOSPC"], "errno(3)", "a disk is full", "see space"),
    known(&["No space left on device"], "PostgreSQL, Redis", "a disk is full", "see space"),
    known(
        &["EIO: i/o error"],
        "#19997",
        "the disk or the network share cannot deliver a file",
        "look at dmesg and smartctl -a of the disk before anything else, and copy what can be read",
    ),
    known(
        &["ESTALE"],
        "errno(3)",
        "the network share was replaced at the server, and the container still holds the old one",
        "mount the share again, then docker compose restart",
    ),
    known(
        &["Unable to send file", "ENOENT"],
        "#12625, #12472",
        "a picture that the database names is not on the disk",
        "photofsck repair makes it again; Immich's own job Missing does not notice it",
    ),
    known(
        &["ENOENT: no such file or directory", "thumbs/"],
        "#12625, #14876",
        "a picture that the database names is not on the disk",
        "photofsck repair makes it again; Immich's own job Missing does not notice it",
    ),
    known(
        &["Input file is missing"],
        "sharp's message",
        "an original that the database names is not there",
        "see symptom and location; photofsck check says which ones",
    ),
    known(
        &["unsupported image format"],
        "#21233",
        "Immich cannot decode an original: it is damaged, or of a kind that it does not take",
        "photofsck check says which ones and whether they are damaged",
    ),
    known(
        &["premature end"],
        "#27716, #25202",
        "an original ends too early",
        "photofsck check says which ones; photofsck repair --originals-from brings them back from a backup",
    ),
    known(
        &["corrupt header"],
        "#11030, #8510",
        "an original is damaged",
        "photofsck check says which ones; photofsck repair --originals-from brings them back from a backup",
    ),
    known(
        &["JavaScript heap out of memory"],
        "V8's message",
        "the server ran out of memory",
        "see machine; Administration, Settings, Job Settings: lower the concurrency",
    ),
    known(
        &["WORKER TIMEOUT"],
        "imagegenius/docker-immich#636",
        "machine learning does not answer in time",
        "see machine; lower the concurrency of smart search and faces, or give it more memory. Thumbnails do not need it",
    ),
    known(
        &["Machine learning request", "failed"],
        "#18139, #20023",
        "the server does not reach machine learning; thumbnails do not need it, search and faces do",
        "is immich_machine_learning up and of the same version (see containers)? Is IMMICH_MACHINE_LEARNING_URL right?",
    ),
    known(
        &["vchord must be loaded via shared_preload_libraries"],
        "#18432, #31186",
        "the database has VectorChord installed and does not load it",
        "use the database image of Immich's own compose file; else shared_preload_libraries = 'vchord.so' in postgresql.conf",
    ),
    known(
        &["Failed to activate", "extension"],
        "#18439",
        "the database lacks the extension for vectors, or its user may not activate it",
        "use the database image of Immich's own compose file, or install VectorChord and let a superuser CREATE EXTENSION",
    ),
    known(
        &["This most likely means the extension was downgraded"],
        "#19313",
        "the database holds a newer version of its extension than the server has",
        "use a database image with the version that the message names, or a newer one",
    ),
    known(
        &["extension \"", "\" is not available"],
        "arter97/immich-native#31",
        "the database image lacks an extension that Immich needs",
        "use the database image of Immich's own compose file",
    ),
    known(
        &["password authentication failed"],
        "#6362, #16643",
        "the database refuses the password",
        "DB_PASSWORD counts only when the database is made: set it back to the first one, or ALTER USER ... PASSWORD",
    ),
    known(
        &["getaddrinfo ENOTFOUND"],
        "#14896, #2931",
        "the server does not find another container by its name",
        "DB_HOSTNAME and REDIS_HOSTNAME have to be the names of services in the compose file; is that container up?",
    ),
    known(
        &["getaddrinfo EAI_AGAIN"],
        "Node's message",
        "names are not resolved inside Docker's network",
        "is the other container up? Else docker compose down and docker compose up -d make the network again",
    ),
    known(
        &["database files are incompatible with server"],
        "PostgreSQL's message",
        "the database was made by another major version of PostgreSQL",
        "go back to the former image, dump, and restore into a new database folder: a major version is not upgraded in place",
    ),
    known(
        &["could not locate a valid checkpoint record"],
        "PostgreSQL's message",
        "the database is damaged",
        "stop it, copy its folder as it is, and restore the newest dump of backups/ into a new one (see backups)",
    ),
    known(
        &["invalid page in block"],
        "PostgreSQL's message",
        "the database is damaged on the disk",
        "look at dmesg and the disk; restore the newest dump from before the first such line (see backups)",
    ),
    known(
        &["data directory", "has wrong ownership"],
        "PostgreSQL's message",
        "the database's folder belongs to another user",
        "give it back to the user that the message names; on network shares and NTFS that cannot be done: use a local disk",
    ),
    known(
        &["MISCONF"],
        "#3525",
        "Redis cannot write its file and takes no more jobs",
        "see space; make the folder of its volume writable for it, or run it without saving",
    ),
    known(
        &["column", "does not exist"],
        "#12472",
        "server and database are of different versions: a migration is missing, or the server was put back to an older one",
        "run one version of all containers, the newest that has started before (see database and containers)",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_message_is_hidden_by_one_before_it() {
        for (place, later) in KNOWN.iter().enumerate() {
            let line = later.parts.join(" ");
            let first = KNOWN.iter().position(|known| known.parts.iter().all(|part| line.contains(part)));
            assert_eq!(first, Some(place), "{line}");
        }
    }
}
