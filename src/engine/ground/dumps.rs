//! Dumps on a share: every call on them is waited for as long as for any other file there.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::shares::{Shares, Stuck};
use super::{Ground, Handle};
use crate::immich::records::{Direct, Files, Opened};

impl Files for Ground {
    fn list(&self, folder: &Path) -> io::Result<Vec<(PathBuf, Option<SystemTime>)>> {
        self.shares.follow(folder);
        let own = folder.to_path_buf();
        self.ask(folder, move |_| Direct.list(&own)).unwrap_or_else(|stuck| Err(told(&stuck)))
    }

    fn open_whole(&self, path: &Path) -> io::Result<Opened> {
        self.shares.follow(path);
        let own = path.to_path_buf();
        let opened = self.ask(path, move |_| Direct::file(&own));
        let (file, modified) = opened.unwrap_or_else(|stuck| Err(told(&stuck)))?;
        if !self.may_hang(path) {
            return Ok(Opened { stream: Box::new(file), modified });
        }
        let asked = Asked {
            shares: Arc::clone(&self.shares),
            path: path.to_path_buf(),
            file: Handle::new(file, true),
            block: Vec::new(),
        };
        Ok(Opened { stream: Box::new(asked), modified })
    }
}

fn told(stuck: &Stuck) -> io::Error {
    io::Error::other(stuck.to_string())
}

/// A file whose every read is made where it can be left behind.
struct Asked {
    shares: Arc<Shares>,
    path: PathBuf,
    file: Handle,
    block: Vec<u8>,
}

impl Read for Asked {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let (own, mut block) = (self.file.again()?, std::mem::take(&mut self.block));
        block.resize(out.len(), 0);
        let answer = self.shares.ask(&self.path, move |_| {
            let mut file: &File = &own;
            let read = file.read(&mut block);
            (block, read)
        });
        let (block, read) = answer.map_err(|stuck| told(&stuck))?;
        let read = read?;
        if let (Some(to), Some(from)) = (out.get_mut(..read), block.get(..read)) {
            to.copy_from_slice(from);
        }
        self.block = block;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::io::Write as _;
    use std::time::Duration;

    use super::*;
    use crate::engine::Cancel;
    use crate::engine::ground::mounted::table;
    use crate::immich::records::{find_newest_dump, recent_complete_dump};

    const DUMP: &str = "--\n-- PostgreSQL database dump\n--\nCOPY public.asset (id) FROM stdin;\n\\.\n\n\
                        --\n-- PostgreSQL database dump complete\n--\n\n";

    fn ground(nas: &Path, patience: Duration) -> Ground {
        let text = format!(
            "1 0 8:2 / / rw - ext4 /dev/sda rw\n2 1 0:4 / {} rw - nfs4 server:/p rw\n",
            nas.display()
        );
        Ground::on(table(&text), patience, &Cancel::new())
    }

    #[test]
    fn what_answers_is_read_whole() {
        let media = tempfile::tempdir().unwrap();
        let real = media.path().canonicalize().unwrap();
        let backups = real.join("backups");
        std::fs::create_dir(&backups).unwrap();
        let rows = "1\n".repeat(300_000);
        let long = DUMP.replace("stdin;\n", &format!("stdin;\n{rows}"));
        std::fs::write(backups.join("immich-db-backup-20260112T020000-v2.sql"), &long).unwrap();
        let ground = ground(&real, Duration::from_mins(2));
        assert!(ground.may_hang(&backups));
        let mut text = String::new();
        let path = backups.join("immich-db-backup-20260112T020000-v2.sql");
        ground.open_whole(&path).unwrap().stream.read_to_string(&mut text).unwrap();
        assert!(text == long);
        assert_eq!(ground.open_whole(&backups).map(drop).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        let since = "2026-01-10T00:00:00Z".parse().unwrap();
        assert_eq!(recent_complete_dump(&ground, &backups, since).unwrap(), path);
    }

    /// A pipe that nobody writes to stands for a server that is gone.
    #[test]
    fn one_that_stops_in_the_middle_is_passed_over() {
        let media = tempfile::tempdir().unwrap();
        let real = media.path().canonicalize().unwrap();
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"--\n-- PostgreSQL database dump\n").unwrap();
        let ground = ground(&real, Duration::from_millis(80));
        let file = File::from(std::os::fd::OwnedFd::from(reader));
        let path = real.join("dump.sql");
        let shares = Arc::clone(&ground.shares);
        let mut asked = Asked { shares, path, file: Handle::new(file, true), block: Vec::new() };
        let mut text = Vec::new();
        let error = asked.read_to_end(&mut text).unwrap_err().to_string();
        assert!(error.contains("nfs4 at") && error.contains("does not answer"), "{error}");
        assert!(ground.has_hung());
        // The share is not asked for anything else until it comes back.
        let found = find_newest_dump(&ground, &real, &mut |_| ());
        assert!(found.records.is_none());
        assert!(found.skipped.iter().any(|why| why.contains("does not answer")), "{:?}", found.skipped);
        drop(writer);
    }
}
