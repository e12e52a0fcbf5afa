//! Container formats, raws and videos against a corpus of real files with known expectations.
//!
//! The corpus is not part of the repository: `../shared/corpus` or `PHOTOFSCK_CORPUS`.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

use std::collections::BTreeMap;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use photofsck::media::{Limits, Source, Target, Wanted, probe};
use photofsck::model::{DamageClass, DecodeError, Depth, MediaFormat};

/// Limits of a small machine: hostile headers must not get further.
const LIMITS: Limits = Limits { max_pixels: 300_000_000, max_memory: 2 << 30, max_seconds: 60 };

struct Case {
    path: PathBuf,
    name: String,
    folder: String,
    expected: String,
}

fn corpus() -> Option<Vec<Case>> {
    let root = std::env::var_os("PHOTOFSCK_CORPUS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus"), PathBuf::from);
    let Ok(manifest) = std::fs::read_to_string(root.join("manifest.tsv")) else {
        eprintln!("NOT RUN: no corpus at {} (set PHOTOFSCK_CORPUS)", root.display());
        return None;
    };
    let mut lines = manifest.lines();
    let columns: Vec<&str> = lines.next().unwrap().split('\t').collect();
    let expected = columns.iter().position(|&column| column == "expected").unwrap();
    let cases = lines.map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        let name = (*fields.first().unwrap()).to_owned();
        Case {
            path: root.join(&name),
            folder: name.split('/').nth(1).unwrap().to_owned(),
            expected: (*fields.get(expected).unwrap()).to_owned(),
            name,
        }
    });
    Some(cases.collect())
}

/// What became of one file; `None` when another family took it.
fn look(case: &Case, ours: &[MediaFormat], depth: Depth) -> Option<(MediaFormat, Option<DecodeError>)> {
    let file = File::open(&case.path).unwrap();
    let len = file.metadata().unwrap().len();
    let bytes = std::fs::read(&case.path).unwrap();
    let extension = case.path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let (found, problem) = {
        let source = Source::new(&file, len, Some(&bytes), &extension);
        photofsck::media::formats::with_ffmpeg();
        let (family, format) = probe(&source)?;
        if !ours.contains(&format) {
            return None;
        }
        let looked = catch_unwind(AssertUnwindSafe(|| {
            family.examine(format, &source, Wanted::new(depth, Target::AtLeast(250), &LIMITS))
        }));
        match looked {
            Ok(examined) => {
                let hidden = examined.faults.iter().any(|fault| fault.error.damage().is_none());
                if examined.problem.is_none() && !hidden {
                    assert!(examined.pixels.is_some(), "{}: sound, but no picture", case.name);
                    assert!(examined.size.is_some(), "{}: sound, but no size", case.name);
                }
                (format, examined.problem)
            }
            Err(_) => (format, Some(DecodeError::Crashed { what: "panic".into() })),
        }
    };
    Some((found, problem))
}

#[derive(Default)]
struct Counts {
    visited: usize,
    broken: usize,
    noticed: usize,
}

/// Looks at every file of these formats: no sound file may be accused, and of the broken ones at least
/// `floors` must be noticed.
fn judge(ours: &[MediaFormat], at_least: usize, floors: &[(&str, usize)]) {
    let Some(cases) = corpus() else { return };
    let verbose = std::env::var_os("PHOTOFSCK_CORPUS_VERBOSE").is_some();
    let mut counts: BTreeMap<&str, Counts> = BTreeMap::new();
    let mut accused = Vec::new();
    for case in &cases {
        let Some((format, problem)) = look(case, ours, Depth::Keyframes) else { continue };
        let count = counts.entry(format.as_str()).or_default();
        count.visited += 1;
        let damage = problem.as_ref().and_then(DecodeError::damage);
        if case.expected == "broken" {
            count.broken += 1;
            count.noticed +=
                usize::from(matches!(damage, Some(DamageClass::Truncated | DamageClass::Malformed)));
        }
        if let Some(problem) = &problem
            && case.expected == "ok"
        {
            if damage.is_some() {
                accused.push(format!("{}: {problem}", case.name));
            } else {
                eprintln!("unverifiable {} ({format}): {problem}", case.name);
            }
        }
        if verbose && (case.expected != "ok" || problem.is_some()) {
            let words = problem.map_or_else(|| "sound".to_owned(), |problem| problem.to_string());
            eprintln!("{} {} {format} {}: {words}", case.expected, case.folder, case.name);
        }
    }
    for (format, count) in &counts {
        eprintln!(
            "{format}: {} visited, {} of {} broken noticed",
            count.visited, count.noticed, count.broken
        );
    }
    let visited: usize = counts.values().map(|count| count.visited).sum();
    assert!(accused.is_empty(), "sound files accused:\n{}", accused.join("\n"));
    assert!(visited >= at_least, "only {visited} files visited");
    for (format, floor) in floors {
        let noticed = counts.get(format).map_or(0, |count| count.noticed);
        assert!(noticed >= *floor, "{format}: only {noticed} broken files noticed, {floor} expected");
    }
}

#[test]
fn heif_and_avif() {
    // Of the other AVIF, an index that only libheif dislikes is unverifiable: FFmpeg shows the picture.
    judge(&[MediaFormat::Heic, MediaFormat::Avif], 230, &[("heic", 14), ("avif", 6)]);
}

#[test]
fn jpeg_xl() {
    judge(&[MediaFormat::Jxl], 41, &[]);
}

#[test]
fn jpeg_2000() {
    judge(&[MediaFormat::Jp2], 103, &[("jp2", 45)]);
}

#[test]
fn photoshop_and_svg() {
    judge(&[MediaFormat::Psd, MediaFormat::Svg], 35, &[("psd", 5)]);
}

#[test]
fn videos() {
    use MediaFormat as F;
    judge(
        &[F::Mp4, F::Mov, F::Matroska, F::Avi, F::MpegTs, F::MpegPs, F::Asf, F::Flv, F::Mxf],
        80,
        &[("mp4", 28), ("mov", 9)],
    );
}

#[test]
fn camera_raws() {
    judge(&[MediaFormat::Raw], 30, &[("raw", 7)]);
}

/// Raws made by a script from a photograph; `PHOTOFSCK_RAW_DIR` names their folder.
#[test]
fn made_raws() {
    let Some(folder) = std::env::var_os("PHOTOFSCK_RAW_DIR") else {
        eprintln!("NOT RUN: PHOTOFSCK_RAW_DIR names no folder of raws");
        return;
    };
    let mut visited = 0;
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let case = Case { path: entry.path(), folder: "raw".into(), expected: "ok".into(), name };
        if Path::new(&case.name).extension().is_some_and(|extension| extension == "tsv") {
            continue;
        }
        let (format, problem) = look(&case, &[MediaFormat::Raw], Depth::Keyframes).unwrap();
        assert_eq!((format, problem), (MediaFormat::Raw, None), "{}", case.name);
        let bytes = std::fs::read(&case.path).unwrap();
        let half = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(half.path(), bytes.get(..bytes.len() / 2).unwrap()).unwrap();
        let cut = Case { path: half.path().into(), ..case };
        let (_, problem) = look(&cut, &[MediaFormat::Raw], Depth::Keyframes).unwrap();
        assert!(problem.is_some(), "{}: half of it is sound", cut.name);
        visited += 1;
    }
    assert!(visited > 0, "an empty folder");
}
