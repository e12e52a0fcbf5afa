//! Thumbhashes of real pictures: what Immich would record, against what the check sees in the preview, the thumbnail and the
//! original. No sound picture may be taken for another one; nearly every other one must be.
//!
//! The corpus is not part of the repository: it is looked for beside it, or where `PHOTOFSCK_CORPUS` says. Every third picture is taken, all with
//! `PHOTOFSCK_CORPUS_WHOLE=1`.
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

use photofsck::engine::content;
use photofsck::media::{Limits, Pixels, Source, Target, Wanted, probe};
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
    photofsck::media::formats::with_ffmpeg();
    let (family, format) = probe(&source)?;
    let examined = family.examine(format, &source, Wanted::new(Depth::Keyframes, target, &LIMITS));
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
    // Smaller pictures are not compared, and originals of other formats are no witnesses.
    if pixels.full_size.short_side() < 64 {
        return None;
    }
    let job = RenderJob::new(&settings, &[Role::Preview, Role::Thumbnail], true);
    let made = renderer.render(pixels, &job).ok()?;
    let hash = made.thumbhash?;
    Some(Measured {
        path: path.display().to_string(),
        recorded: Impression::of(&hash)?,
        preview: impression(&mut renderer, &made.pictures[0].bytes, "jpeg")?,
        thumbnail: impression(&mut renderer, &made.pictures[1].bytes, "webp")?,
        original: if content::is_witness(format) {
            impression(&mut renderer, &bytes, &extension)?
        } else {
            Impression::of(&hash)?
        },
    })
}

/// Every so many pictures.
fn measure_all(root: &Path, step: usize) -> Vec<Measured> {
    let manifest = std::fs::read_to_string(root.join("manifest.tsv")).unwrap();
    let sound: Vec<PathBuf> = manifest
        .lines()
        .map(|line| line.split('\t').next().unwrap())
        .filter(|path| path.starts_with("good/"))
        .map(|path| root.join(path))
        .step_by(step)
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
    let step = if std::env::var_os("PHOTOFSCK_CORPUS_WHOLE").is_some() { 1 } else { 3 };
    let all = measure_all(&root, step);
    assert!(all.len() > 600 / step, "only {} pictures", all.len());
    let different = |one: &Impression, other: &Impression| content::differ(one, other);
    let mut accused = Vec::new();
    for transparent in [false, true] {
        let some = || all.iter().filter(|one| one.recorded.transparent == transparent);
        for (what, of) in [
            ("preview", (|one| &one.preview) as fn(&Measured) -> &Impression),
            ("thumbnail", |one| &one.thumbnail),
            ("original", |one| &one.original),
        ] {
            told(
                &format!("{what}, transparent: {transparent}"),
                some().map(|one| one.recorded.distance(of(one))).collect(),
            );
            accused.extend(
                some()
                    .filter(|one| different(&one.recorded, of(one)))
                    .map(|one| format!("{what} {} {:.1}", one.path, one.recorded.distance(of(one)))),
            );
        }
    }
    let (mut pairs, mut far, mut apart) = (0u32, 0u32, 0u32);
    for (number, one) in all.iter().enumerate() {
        for other in all.iter().skip(number + 1) {
            pairs += 1;
            far += u32::from(one.recorded.distance(&other.preview) > 16.0);
            apart += u32::from(different(&one.recorded, &other.preview));
        }
    }
    let share = |count: u32| f64::from(count) * 100.0 / f64::from(pairs);
    eprintln!(
        "of {pairs} pairs {:.2} % are farther apart than 16, {:.2} % are told apart",
        share(far),
        share(apart)
    );
    assert_eq!(accused, Vec::<String>::new(), "sound, and called another picture");
    // The corpus holds some pictures several times, in several formats.
    assert!(share(apart) > 96.0, "{:.2} %", share(apart));
}
