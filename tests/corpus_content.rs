//! Thumbhashes of real pictures: what Immich would record, against what the check sees in the preview, the thumbnail and the
//! original. No sound picture may be taken for another one; nearly every other one must be.
//!
//! The corpus is not part of the repository: it is looked for beside it, or where `PHOTOFSCK_CORPUS` says.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a panic is a failed test, and measurements are printed for whoever runs them"
)]

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use photofsck::media::{Limits, Pixels, Source, Target, probe};
use photofsck::model::{Colorspace, Depth, ImageSettings, MediaFormat, Role};
use photofsck::render::{Impression, RenderJob, Renderer};

const LIMITS: Limits = Limits { max_pixels: 60_000_000, max_memory: 1 << 30, max_seconds: 60 };

fn corpus() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = std::env::var_os("PHOTOFSCK_CORPUS")
        .map(PathBuf::from)
        .into_iter()
        .chain([here.join("../shared/corpus"), here.join("../../shared/corpus")]);
    folders.into_iter().find(|folder| folder.join("manifest.tsv").is_file())
}

fn decode(bytes: &[u8], extension: &str, target: Target) -> Option<(MediaFormat, Pixels)> {
    let file = tempfile::tempfile().unwrap();
    let source = Source::new(&file, bytes.len() as u64, Some(bytes), extension);
    let (family, format) = probe(&source)?;
    let examined = family.examine(format, &source, Depth::Keyframes, target, &LIMITS);
    Some((format, examined.pixels.filter(|_| examined.problem.is_none())?))
}

/// As the check sees a file.
fn impression(renderer: &mut Renderer, bytes: &[u8], extension: &str) -> Option<Impression> {
    let job = RenderJob::impression(Colorspace::P3);
    let (_, pixels) = decode(bytes, extension, Target::AtLeast(job.preview_size))?;
    Impression::of(&renderer.render(pixels, &job).ok()?.thumbhash?)
}

struct Measured {
    path: String,
    format: MediaFormat,
    recorded: Impression,
    preview: Impression,
    thumbnail: Impression,
    original: Impression,
}

/// What Immich would record of the picture and what the check sees of its files.
fn measure(path: &Path) -> Option<Measured> {
    let bytes = std::fs::read(path).ok()?;
    let extension = path.extension()?.to_string_lossy().to_lowercase();
    let mut renderer = Renderer::new();
    let settings = ImageSettings::default();
    let (format, pixels) = decode(&bytes, &extension, Target::AtLeast(settings.preview.size))?;
    let job = RenderJob::new(&settings, &[Role::Preview, Role::Thumbnail], true);
    let made = renderer.render(pixels, &job).ok()?;
    Some(Measured {
        path: path.display().to_string(),
        format,
        recorded: Impression::of(&made.thumbhash?)?,
        preview: impression(&mut renderer, &made.pictures[0].bytes, "jpeg")?,
        thumbnail: impression(&mut renderer, &made.pictures[1].bytes, "webp")?,
        original: impression(&mut renderer, &bytes, &extension)?,
    })
}

fn measure_all(root: &Path) -> Vec<Measured> {
    let manifest = std::fs::read_to_string(root.join("manifest.tsv")).unwrap();
    let sound: Vec<PathBuf> = manifest
        .lines()
        .map(|line| line.split('\t').next().unwrap())
        .filter(|path| path.starts_with("good/"))
        .map(|path| root.join(path))
        .collect();
    let (queue, done) = (Mutex::new(sound.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(path) = queue.lock().unwrap().next() else { break };
                    let measured = measure(path);
                    done.lock().unwrap().extend(measured);
                }
            });
        }
    });
    done.into_inner().unwrap()
}

fn percentile(sorted: &[f32], share: f64) -> f32 {
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}

fn told(what: &str, mut distances: Vec<f32>) {
    distances.sort_by(f32::total_cmp);
    let at = |share| percentile(&distances, share);
    eprintln!(
        "{what}: {} pictures, median {:.2}, 95 % {:.2}, 99 % {:.2}, worst {:.2}",
        distances.len(),
        at(0.5),
        at(0.95),
        at(0.99),
        at(1.0)
    );
}

#[test]
fn sound_pictures_are_near_and_others_far() {
    let Some(root) = corpus() else {
        eprintln!("NOT RUN: no corpus found; set PHOTOFSCK_CORPUS to its folder");
        return;
    };
    let all = measure_all(&root);
    assert!(all.len() > 500, "only {} pictures", all.len());
    let list = std::env::var_os("LIST").is_some();
    for transparent in [false, true] {
        let some = || all.iter().filter(|one| one.recorded.transparent == transparent);
        for (what, of) in [
            ("preview", (|one| &one.preview) as fn(&Measured) -> &Impression),
            ("thumbnail", |one| &one.thumbnail),
            ("original", |one| &one.original),
        ] {
            let distances = some().map(|one| one.recorded.distance(of(one))).collect();
            told(&format!("{what}, transparent: {transparent}"), distances);
            if list {
                for one in some().filter(|one| one.recorded.distance(of(one)) > 3.0) {
                    eprintln!(
                        "  {what} {:.1} {:.3} {} {}",
                        one.recorded.distance(of(one)),
                        one.recorded.likeness(of(one)),
                        one.format,
                        one.path
                    );
                }
            }
        }
    }
    let mut pairs = Vec::new();
    let mut alike = Vec::new();
    for (number, one) in all.iter().enumerate() {
        for other in all.iter().skip(number + 1) {
            pairs.push(one.recorded.distance(&other.preview));
            alike.push(one.recorded.likeness(&other.preview));
        }
    }
    for limit in [8.0, 12.0, 16.0, 20.0, 24.0] {
        let far = pairs.iter().filter(|distance| **distance > limit).count();
        eprintln!(
            "different pictures farther than {limit}: {:.2} %",
            far as f64 * 100.0 / pairs.len() as f64
        );
    }
    for limit in [0.5, 0.7, 0.8, 0.9, 0.95] {
        let low = alike.iter().filter(|likeness| **likeness < limit).count();
        eprintln!(
            "different pictures less alike than {limit}: {:.2} %",
            low as f64 * 100.0 / alike.len() as f64
        );
    }
}
