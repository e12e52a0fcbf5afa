//! `photofsck bench` by hand: figures for the machine and for a library, kept, read back and compared.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is a failed test")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn bench(options: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_photofsck"))
        .arg("bench")
        .args(options)
        .current_dir(folder)
        .output()
        .unwrap()
}

/// Upload tree with two drawn pictures, and no previews.
fn library(folder: &Path) {
    let upload = folder.join("media/upload/11111111-1111-4111-8111-111111111111/22/22");
    std::fs::create_dir_all(&upload).unwrap();
    for (name, width) in [("a.png", 64_u32), ("b.png", 200)] {
        let mut out = Vec::new();
        let mut encoder = png::Encoder::new(&mut out, width, 50);
        encoder.set_color(png::ColorType::Rgb);
        let rows: Vec<u8> = (0..width * 50 * 3).map(|n| n.to_le_bytes()[0]).collect();
        encoder.write_header().unwrap().write_image_data(&rows).unwrap();
        std::fs::write(upload.join(name), out).unwrap();
    }
}

#[test]
fn a_library_is_measured_and_the_result_compared() {
    let folder = tempfile::tempdir().unwrap();
    library(folder.path());
    let first = bench(&["--media", "media", "--jobs", "2", "--out", "first.ndjson", "-q"], folder.path());
    assert!(first.status.success(), "{first:?}");
    let text = std::fs::read_to_string(folder.path().join("first.ndjson")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["type"], "run");
    assert_eq!(lines[0]["command"], "bench");
    let values: BTreeMap<&str, f64> = lines[1..]
        .iter()
        .map(|line| {
            assert_eq!(line["type"], "measure");
            (line["name"].as_str().unwrap(), line["value"].as_f64().unwrap())
        })
        .collect();
    for name in [
        "machine.processors",
        "machine.memory",
        "hash.sha1",
        "hash.blake3",
        "walk.jpeg",
        "decode.jpeg",
        "resize.preview",
        "encode.preview",
        "encode.thumbnail",
        "verify.drawn",
        "render.drawn",
        "walk.library",
        "storage.sequential",
        "storage.random",
        "verify.original.png",
        "render.original.png",
        "parallel.speedup",
        "recommend.jobs",
        "recommend.memory",
    ] {
        assert!(values.get(name).is_some_and(|value| *value > 0.0), "{name}: {values:?}");
    }
    assert!((values["library.original.png"] - 2.0).abs() < 0.1);
    assert!(values.contains_key("estimate.check") && values.contains_key("estimate.repair"));

    let second = bench(&["--against", "first.ndjson"], folder.path());
    assert!(second.status.success(), "{second:?}");
    let page = String::from_utf8(second.stdout).unwrap();
    assert!(page.starts_with("| measure | value | earlier | change | |\n"), "{page}");
    assert!(page.contains("| hash.sha1 |"), "{page}");
}

#[test]
fn what_cannot_be_measured_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let gone = bench(&["--against", "nothing.ndjson"], folder.path());
    let told = String::from_utf8(gone.stderr).unwrap();
    assert!(gone.status.code() == Some(8) && told.contains("--against nothing.ndjson"), "{told}");
    let nowhere = bench(&["--media", "nowhere"], folder.path());
    let told = String::from_utf8(nowhere.stderr).unwrap();
    assert!(nowhere.status.code() == Some(8) && told.contains("media location nowhere"), "{told}");
    assert!(!told.contains("measured"), "it is told before anything is measured: {told}");
}
