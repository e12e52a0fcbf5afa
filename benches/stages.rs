//! The stages of the work one by one, and whole files: hash, walk, decode, reduce, encode, thumbhash, a dump, walk and records of a
//! library, a file through a worker.
//!
//!     cargo bench --bench stages -- [FILTER]
//!
//! Pictures are drawn, the same on every machine. For comparisons with other programs: `scripts/bench-peers`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::zombie_processes,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a bench program"
)]

use std::fs::File;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};

use photofsck::media::formats::jpeg;
use photofsck::media::structure::{jpeg as markers, jpeg_walk};
use photofsck::media::{ColorModel, Limits, Pixels, Samples, Target, hash};
use photofsck::model::{Depth, ImageFormat, ImageSettings, PixelSize, Role};
use photofsck::render::{RenderJob, Renderer};
use photofsck::worker::{HashWish, Job, PoolConfig, Unlimited, WorkerPool};

#[path = "library/mod.rs"]
mod library;

const LARGE: PixelSize = PixelSize { width: 4000, height: 3000 };
const PREVIEW: PixelSize = PixelSize { width: 1920, height: 1440 };
const ASSETS: u64 = 5000;

fn main() {
    divan::main();
}

/// Light, shade and grain.
fn drawn(size: PixelSize) -> Pixels {
    let mut grain = 1u32;
    let level = |x: u32, y: u32, grain: u32| {
        let light = 128.0 + 80.0 * (x as f32 / 310.0).sin() * (y as f32 / 97.0).cos();
        (light + 20.0 * (x as f32 / 4.1).sin() + (grain >> 28) as f32) as u8
    };
    let mut samples = Vec::with_capacity(size.pixels() as usize * 3);
    for y in 0..size.height {
        for x in 0..size.width {
            grain = grain.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let light = level(x, y, grain);
            samples.extend([light, light / 2 + 60, 255 - light]);
        }
    }
    Pixels::new(size, ColorModel::Rgb, Samples::U8(samples))
}

/// As a phone would store it.
fn photo() -> &'static [u8] {
    static PHOTO: OnceLock<Vec<u8>> = OnceLock::new();
    PHOTO.get_or_init(|| {
        let mut settings = ImageSettings::default();
        settings.fullsize.quality = 92;
        settings.fullsize.format = ImageFormat::Jpeg;
        let job = RenderJob::new(&settings, &[Role::Fullsize], false);
        let mut made = Renderer::new().render(drawn(LARGE), &job).unwrap();
        made.pictures.remove(0).bytes
    })
}

/// A small library, removed when the program ends.
fn made_library() -> &'static (tempfile::TempDir, PathBuf, PathBuf) {
    static LIBRARY: OnceLock<(tempfile::TempDir, PathBuf, PathBuf)> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let (media, dump) = library::build(folder.path(), ASSETS, library::sound);
        (folder, media, dump)
    })
}

#[divan::bench(args = [(true, false), (false, true), (true, true)])]
fn hash_sha1_blake3(bencher: Bencher, (sha1, blake3): (bool, bool)) {
    let bytes = photo();
    bencher.counter(BytesCount::of_slice(bytes)).bench(|| hash::of_bytes(bytes, sha1, blake3));
}

#[divan::bench]
fn walk_jpeg(bencher: Bencher) {
    let bytes = photo();
    bencher.counter(BytesCount::of_slice(bytes)).bench(|| jpeg_walk::walk(bytes, &markers::walk(bytes)));
}

#[divan::bench(args = [Target::Full, Target::AtLeast(1440), Target::AtLeast(250)])]
fn decode_jpeg(bencher: Bencher, target: Target) {
    let bytes = photo();
    bencher
        .counter(BytesCount::of_slice(bytes))
        .bench(|| jpeg::picture(bytes, target, &Limits::default()).unwrap());
}

fn rendering(bencher: Bencher, size: PixelSize, roles: &[Role]) {
    // A job without pictures makes the thumbhash.
    let job = RenderJob::new(&ImageSettings::default(), roles, roles.is_empty());
    let mut renderer = Renderer::new();
    bencher.with_inputs(|| drawn(size)).bench_local_values(|pixels| renderer.render(pixels, &job).unwrap());
}

#[divan::bench]
fn resize_and_thumbhash(bencher: Bencher) {
    rendering(bencher, LARGE, &[]);
}

#[divan::bench]
fn encode_preview(bencher: Bencher) {
    rendering(bencher, PREVIEW, &[Role::Preview]);
}

#[divan::bench]
fn encode_thumbnail(bencher: Bencher) {
    rendering(bencher, PREVIEW, &[Role::Thumbnail]);
}

#[divan::bench]
fn read_dump(bencher: Bencher) {
    let (_, _, dump) = made_library();
    let bytes = std::fs::read(dump).unwrap();
    let read = || {
        photofsck::immich::records::read_dump(&bytes[..], "dump.sql.gz", String::new(), &mut |_| ()).unwrap()
    };
    bencher.counter(ItemsCount::new(ASSETS)).bench(read);
}

/// Records, walk and reconciliation, by a whole program; no file is decoded.
#[divan::bench(sample_count = 10)]
fn reconcile(bencher: Bencher) {
    let (folder, media, dump) = made_library();
    bencher.counter(ItemsCount::new(ASSETS)).bench(|| {
        let mut run = std::process::Command::new(env!("CARGO_BIN_EXE_photofsck"));
        run.args(["check", "--quick", "--progress", "never", "--media"]).arg(media).arg("--db").arg(dump);
        run.arg("--state").arg(folder.path().join("state")).output().unwrap()
    });
}

/// A whole file: both hashes, verdict, preview, thumbnail, thumbhash.
#[divan::bench]
fn item_through_a_worker(bencher: Bencher) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, photo()).unwrap();
    let mut config = PoolConfig::new(1 << 30);
    config.program = Some(env!("CARGO_BIN_EXE_photofsck-worker").into());
    let pool = WorkerPool::new(config).unwrap();
    let mut worker = pool.worker();
    let job = Job {
        id: 1,
        extension: "jpg".to_owned(),
        depth: Depth::Full,
        hashes: HashWish { sha1: true, blake3: true },
        render: Some(RenderJob::new(&ImageSettings::default(), &[Role::Preview, Role::Thumbnail], true)),
        render_damaged: false,
        direct: false,
        rate: None,
        patience: None,
        limits: Limits::default(),
    };
    let open = File::open(file.path()).unwrap();
    bencher
        .bench_local(|| worker.examine(&open, &job, &Unlimited(1 << 30), &AtomicBool::new(false)).unwrap());
}
