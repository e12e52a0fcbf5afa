//! Damaged copies of pictures that the project draws itself, judged by the real program: the small sister of
//! `cargo run --release --example detection`, made of the same parts.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a panic is a failed test, and a skipped test must say so"
)]
#![allow(dead_code, reason = "the example has more use for its parts")]

#[path = "../examples/detection/cases.rs"]
mod cases;
mod damage;
#[path = "../examples/detection/draw.rs"]
mod draw;
#[path = "../examples/detection/group.rs"]
mod group;
#[path = "../examples/detection/labels.rs"]
mod labels;
#[path = "../examples/detection/made.rs"]
mod made;
#[path = "../examples/detection/peers.rs"]
mod peers;
#[path = "../examples/detection/product.rs"]
mod product;
#[path = "../examples/detection/sources.rs"]
mod sources;
#[path = "../examples/detection/store.rs"]
mod store;
#[path = "../examples/detection/table.rs"]
mod table;
#[path = "../examples/detection/tools.rs"]
mod tools;

use std::collections::BTreeMap;

use cases::{Measured, Settings};

use damage::{Block, Label, Oddity, Operator};
use group::Group;
use made::Encoders;
use product::Product;
use store::Store;

/// What CI has time for.
const GROUPS: [Group; 5] = [Group::Jpeg, Group::Png, Group::Gif, Group::Webp, Group::TiffPacked];

/// No flipped bits: in a GIF, one code can become another of the same length, which no check of the file alone can tell.
fn operators() -> Vec<Operator> {
    let damage = [
        Operator::Truncated(50),
        Operator::TruncatedLast100,
        Operator::Block(Block::Zero, 512),
        Operator::Block(Block::Foreign, 4096),
        Operator::Block(Block::Lost, 4096),
        Operator::ZeroHalf,
        Operator::Empty,
    ];
    damage.into_iter().chain(Oddity::ALL.map(Operator::Odd)).collect()
}

#[test]
fn drawn_pictures_keep_the_promises() {
    if tools::find("ffmpeg").is_none() {
        eprintln!("NOT RUN: the labels need ffmpeg");
        assert!(std::env::var_os("CI").is_none(), "ffmpeg has to be there in CI");
        return;
    }
    let product = Product::at(env!("CARGO_BIN_EXE_photofsck").into(), 2).unwrap();
    let sources = made::drawn(&GROUPS, 7, &product, Encoders::Own);
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        operators: operators(),
        all_sizes: false,
        rounds: 1,
        peers: None,
        jobs: 2,
        folder: folder.path().to_owned(),
        keep: false,
    };
    let store = Store::open(None);
    let mut measured = Measured::default();
    for group in GROUPS {
        cases::measure(group, &sources, &settings, &product, &store, &mut measured).unwrap();
    }

    let left: Vec<_> = measured.left_out.iter().map(|left| (&left.source, &left.why)).collect();
    assert!(left.is_empty(), "every drawn picture is sound and can be shown: {left:?}");
    assert_eq!(measured.sources.values().sum::<usize>(), 9, "{:?}", measured.sources);
    let mut labels: BTreeMap<Label, usize> = BTreeMap::new();
    for case in &measured.cases {
        *labels.entry(case.label).or_default() += 1;
    }
    let visited = |label: Label| labels.get(&label).copied().unwrap_or(0);
    assert!(visited(Label::Must) >= 60, "{labels:?}");
    assert!(visited(Label::MustNot) >= 50, "{labels:?}");

    let accused: Vec<_> =
        table::accused(&measured).iter().map(|case| (&case.source, case.operator.name())).collect();
    assert!(accused.is_empty(), "harmless, but called damaged: {accused:?}");
    let missed: Vec<String> = GROUPS.iter().map(|&group| table::misses(&measured, group)).collect();
    for promise in table::promises(&measured) {
        assert!(
            promise.kept(),
            "{}: {} of {} found, {} % promised\n{}",
            promise.what,
            promise.found,
            promise.of,
            promise.floor,
            missed.concat()
        );
    }
}

/// Light and shade of all sizes in all rows.
fn waves(width: usize, height: usize) -> draw::Drawing {
    let mut rgb = Vec::with_capacity(width * height * 3);
    for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y as f64, x as f64))) {
        let value = (1..6).map(|octave| {
            let scale = f64::from(octave * octave) / 150.0;
            (x * scale + (y * scale * 1.3).sin() * 2.0).sin() * (y * scale * 0.9).cos()
        });
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let value = value.sum::<f64>().mul_add(30.0, 128.0).clamp(0.0, 255.0) as u8;
        rgb.extend([value, value, value / 2]);
    }
    draw::Drawing { width, height, rgb }
}

/// Rows of the sensor that belong somewhere else: sound data by every rule but that the camera's preview shows other things.
#[test]
fn sensor_data_that_is_not_its_preview_is_found() {
    let product = Product::at(env!("CARGO_BIN_EXE_photofsck").into(), 1).unwrap();
    let drawing = waves(960, 720);
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("original.png");
    std::fs::write(&input, drawing.png()).unwrap();
    let rendered = product.render(&input, folder.path());
    let (_, _, preview) = rendered.iter().find(|(_, extension, _)| *extension == "jpeg").unwrap();
    let judge = |name: &str, bytes: &[u8]| {
        let file = folder.path().join(name);
        std::fs::write(&file, bytes).unwrap();

        let run = std::process::Command::new(env!("CARGO_BIN_EXE_photofsck"))
            .args(["verify", "--progress", "never", "--json", "-"])
            .arg(&file)
            .output()
            .unwrap();
        String::from_utf8(run.stdout).unwrap()
    };
    let other_rows = |mut raw: Vec<u8>| {
        let row = 960 * 2;
        raw.copy_within(8 + 200 * row..8 + 360 * row, 8 + 500 * row);
        raw
    };

    let with = drawing.dng(Some(preview));
    let without = drawing.dng(None);
    assert!(judge("sound.dng", &with).contains(r#""verdict":"decodable""#));
    let told = judge("without.dng", &other_rows(without));
    assert!(told.contains(r#""verdict":"decodable""#), "nothing else can tell: {told}");
    let told = judge("with.dng", &other_rows(with));
    assert!(told.contains(r#""verdict":"damaged""#), "{told}");
    assert!(told.contains("raw against preview"), "{told}");
}
