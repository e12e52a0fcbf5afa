//! The same inside of a library whose records name what is not what it seems.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::BUDGET;
use super::bombs::{self, seed};
use super::run::{Told, watched};

const USER: &str = "11111111-2222-3333-4444-555555555555";

/// A media location and a dump that names its originals.
struct Library {
    folder: tempfile::TempDir,
    rows: String,
    count: u8,
}

impl Library {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["upload", "library", "thumbs", "encoded-video", "profile", "backups"] {
            fs::create_dir_all(folder.path().join("media").join(name)).unwrap();
        }
        Self { folder, rows: String::new(), count: 0 }
    }

    /// A row for an original with this extension; gives the path where it belongs.
    fn original(&mut self, extension: &str) -> PathBuf {
        self.count += 1;
        let n = self.count;
        let id = format!("{n:02x}000000-0000-4000-8000-0000000000{n:02x}");
        let below = format!("upload/{USER}/{n:02x}/00/{id}.{extension}");
        writeln!(
            self.rows,
            "IMAGE\t{id}\t{USER}\t/data/{below}\ta.{extension}\t\\\\x{}\tsha1\tf\ttimeline\t\\N",
            "00".repeat(20)
        )
        .unwrap();
        let path = self.folder.path().join("media").join(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn check(&self) -> Told {
        let dump = format!(
            "--\n-- PostgreSQL database dump\n--\n\n\
            COPY public.asset (type, id, \"ownerId\", \"originalPath\", \"originalFileName\", checksum, \"checksumAlgorithm\", \"isExternal\", visibility, thumbhash) FROM stdin;\n\
            {}\\.\n\
            COPY public.asset_file (\"assetId\", type, path, \"isEdited\") FROM stdin;\n\\.\n\
            COPY public.integrity_report (id) FROM stdin;\n\\.\n\
            --\n-- PostgreSQL database dump complete\n--\n\n",
            self.rows
        );
        let file = self.folder.path().join("dump.sql");
        fs::write(&file, dump).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_photofsck"));
        command.args(["check", "--items", "--media"]).arg(self.folder.path().join("media"));
        command.arg("--db").arg(file).arg("--state").arg(self.folder.path().join("state"));
        watched(command, BUDGET)
    }
}

fn is_told(told: &Told, path: &Path, codes: &[&str]) {
    let found = told.codes_of(path);
    assert!(found.iter().any(|code| codes.contains(code)), "{}: {found:?}, {}", path.display(), told.text);
}

#[test]
fn records_that_name_traps() {
    let mut library = Library::new();
    for _ in 0..12 {
        fs::write(library.original("png"), seed("png/rgb.png")).unwrap();
    }
    let fifo = library.original("jpg");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let socket = library.original("jpg");
    // The path of a socket may not be long.
    drop(UnixListener::bind(library.folder.path().join("socket")).unwrap());
    fs::rename(library.folder.path().join("socket"), &socket).unwrap();
    let folder = library.original("jpg");
    fs::create_dir(&folder).unwrap();
    let circle = library.original("jpg");
    symlink(circle.file_name().unwrap(), &circle).unwrap();
    let dangling = library.original("jpg");
    symlink("/nowhere/at/all.jpg", &dangling).unwrap();
    let device = library.original("jpg");
    symlink("/dev/zero", &device).unwrap();
    let outside = library.original("png");
    fs::write(library.folder.path().join("outside.png"), seed("png/alpha.png")).unwrap();
    symlink(library.folder.path().join("outside.png"), &outside).unwrap();
    let bomb = library.original("png");
    let zeros = bombs::media().into_iter().find(|bomb| bomb.name == "zeros-without-end.png").unwrap();
    fs::write(&bomb, zeros.bytes).unwrap();

    let told = library.check();
    let count = |key: &str| told.number(key);
    assert_eq!(count("walked"), count("checked") + count("skipped") + count("errors"), "{}", told.text);
    assert_eq!(told.exit & !4, 0, "{} {}", told.exit, told.text);
    for path in [&fifo, &socket, &folder, &circle, &dangling, &device] {
        is_told(&told, path, &["original.missing", "original.unreadable", "original.unverifiable"]);
    }
    is_told(&told, &bomb, &["original.checksum-mismatch", "original.unverifiable", "original.malformed"]);
    // It is not what the records say, and it was read: through a link, but that is how some keep their pictures.
    is_told(&told, &outside, &["original.checksum-mismatch"]);
}
