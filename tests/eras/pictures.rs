//! Originals, drawn and encoded here, and their previews as `photofsck render` makes them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use photofsck::media::{ColorModel, Pixels, Samples};
use photofsck::model::{Edits, ImageFormat, ImageSettings, OutputSettings, PixelSize, Role};
use photofsck::render::{RenderJob, View, render};
use serde_json::Value;

/// Small enough for the debug build, larger than a thumbnail.
const SIZE: PixelSize = PixelSize { width: 360, height: 270 };

/// A picture that no other `seed` has: a slope of colour and a grid of tiles.
fn samples(seed: u8) -> Vec<u8> {
    let seed = u32::from(seed) * 37;
    let mut samples = Vec::new();
    for y in 0..SIZE.height {
        for x in 0..SIZE.width {
            let tile = (x / 24).wrapping_mul(31) ^ (y / 18).wrapping_mul(17) ^ seed;
            let sample = |value: u32| u8::try_from(value % 256).unwrap();
            samples.extend([
                sample((x + seed) * 200 / SIZE.width),
                sample(tile * 5 % 128 + y / 4),
                sample(y * 220 / SIZE.height),
            ]);
        }
    }
    samples
}

fn pixels(seed: u8) -> Pixels {
    Pixels::new(SIZE, ColorModel::Rgb, Samples::U8(samples(seed)))
}

pub fn jpeg(seed: u8) -> Vec<u8> {
    let fullsize = OutputSettings { format: ImageFormat::Jpeg, size: 0, quality: 90, progressive: false };
    let settings = ImageSettings { fullsize, ..ImageSettings::default() };
    let job = RenderJob::new(&settings, &[Role::Fullsize], false);
    render(pixels(seed), &job).unwrap().pictures.remove(0).bytes
}

/// What Immich makes of an original when these edits are made: preview, thumbnail and full-size picture, as JPEG.
pub fn edited(seed: u8, edits: Edits) -> [(&'static str, Vec<u8>); 3] {
    let roles = [Role::Preview, Role::Thumbnail, Role::Fullsize];
    let mut job = RenderJob::new(&ImageSettings::default(), &roles, false);
    for spec in &mut job.outputs {
        (spec.output.format, spec.view) = (ImageFormat::Jpeg, View::Edited(edits));
    }
    let mut made = render(pixels(seed), &job).unwrap().pictures.into_iter();
    ["preview", "thumbnail", "fullsize"].map(|kind| (kind, made.next().unwrap().bytes))
}

pub fn png(seed: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, SIZE.width, SIZE.height);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&samples(seed)).unwrap();
    writer.finish().unwrap();
    bytes
}

/// One second of a test pattern, which needs the program `ffmpeg`.
pub fn video(folder: &Path) -> Vec<u8> {
    let path = folder.join("clip.mp4");
    let pattern = "testsrc2=size=320x240:rate=12:duration=1";
    let made = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-y", "-f", "lavfi", "-i", pattern])
        .args(["-c:v", "mpeg4", "-q:v", "5", "-bitexact"])
        .arg(&path)
        .status()
        .expect("the program ffmpeg makes the test video");
    assert!(made.success());
    fs::read(path).unwrap()
}

/// What Immich makes of one original.
pub struct Generated {
    pub preview: Vec<u8>,
    pub thumbnail: Vec<u8>,
}

/// What Immich makes of each of these files.
pub fn generate(originals: &[PathBuf], folder: &Path) -> BTreeMap<PathBuf, Generated> {
    let output = Command::new(env!("CARGO_BIN_EXE_photofsck"))
        .args(["render", "--json", "-", "--progress", "never", "--out"])
        .arg(folder)
        .args(originals)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let items = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let items: BTreeMap<_, _> = items
        .filter(|line| line["type"] == "item")
        .map(|item| {
            let read = |key: &str| fs::read(item[key].as_str().unwrap()).unwrap();
            let made = Generated { preview: read("preview"), thumbnail: read("thumbnail") };
            (PathBuf::from(item["path"].as_str().unwrap()), made)
        })
        .collect();
    assert_eq!(items.len(), originals.len());
    items
}
