//! How fast the library's own files come from the disk, with the page cache out of the way.

use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::engine::Cancel;
use crate::engine::open::open_read;
use crate::engine::page_cache::{forget_cached, is_cached};
use crate::model::Measure;

use super::library::Library;

/// The most that is read in a row, and for how long.
const MOST: u64 = 512 << 20;
const SPAN: Duration = Duration::from_secs(6);
/// For how long single places are read, and how much of each.
const RANDOM_SPAN: Duration = Duration::from_secs(3);
const PLACE: usize = 4096;

/// What the storage gives.
#[derive(Clone, Debug, Default)]
pub struct Storage {
    /// Bytes a second of whole files, and how many bytes were read for it.
    pub sequential: Option<(f64, u64)>,
    /// Places a second, and how many were read.
    pub random: Option<(f64, u64)>,
    /// Files that the kernel kept in memory although it was asked to forget them.
    pub cached: u64,
}

impl Storage {
    /// The figures.
    pub fn measures(&self) -> Vec<Measure> {
        let rate = self.sequential.map(|(rate, bytes)| {
            Measure::new("storage.sequential", rate / 1e6, "MB/s")
                .with("read", bytes)
                .with("from_memory", self.cached)
        });
        let random = self.random.map(|(rate, reads)| {
            Measure::new("storage.random", rate, "reads/s").with("reads", reads).with("bytes", PLACE)
        });
        rate.into_iter().chain(random).collect()
    }
}

/// Reads samples of all kinds, whole and in places.
pub fn measure(library: &Library, cancel: &Cancel) -> Storage {
    let files: Vec<&PathBuf> = library.groups.values().flat_map(|group| &group.sample).collect();
    let mut storage = Storage::default();
    let begin = Instant::now();
    let mut block = vec![0; 1 << 20];
    let mut bytes = 0;
    for path in &files {
        if cancel.is_requested() || begin.elapsed() > SPAN || bytes > MOST {
            break;
        }
        let Ok((file, identity)) = open_read(path) else { continue };
        forget_cached(&file);
        storage.cached += u64::from(is_cached(&file, identity.size) == Some(true));
        let mut at = 0;
        while let Ok(count @ 1..) = file.read_at(&mut block, at) {
            at += count as u64;
        }
        bytes += at;
    }
    if bytes > 0 {
        storage.sequential = Some((bytes as f64 / begin.elapsed().as_secs_f64().max(1e-9), bytes));
    }
    storage.random = places(&files, cancel);
    storage
}

fn places(files: &[&PathBuf], cancel: &Cancel) -> Option<(f64, u64)> {
    let mut block = [0; PLACE];
    let (mut reads, mut spent, mut chance) = (0u64, Duration::ZERO, 1u64);
    let begin = Instant::now();
    'all: loop {
        let before = reads;
        for path in files {
            if cancel.is_requested() || begin.elapsed() > RANDOM_SPAN {
                break 'all;
            }
            let Ok((file, identity)) = open_read(path) else { continue };
            forget_cached(&file);
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (chance >> 11) % identity.size.max(1);
            let start = Instant::now();
            if file.read_at(&mut block, at - at % PLACE as u64).is_ok() {
                spent += start.elapsed();
                reads += 1;
            }
        }
        if reads == before {
            break;
        }
    }
    (reads > 0).then(|| (reads as f64 / spent.as_secs_f64().max(1e-9), reads))
}
