//! What previews look like, held by heart: small drawn files (`testdata/make_small.py`) through the decoders and the renderer, the
//! result decoded again. How near that comes to the tools that Immich uses is measured by `scripts/compare-render`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is a failed test")]

use std::fs::File;
use std::path::Path;

use photofsck::media::{Limits, Samples, Source, Target, Wanted, probe};
use photofsck::model::{Depth, ImageFormat, ImageSettings, PixelSize, Role};
use photofsck::render::{RenderJob, RenderOutput, render};

/// A picture: width, height, and RGB.
type Shown = (u32, u32, Vec<u8>);

/// Decodes everything, or as much of it as `target` asks.
fn decode(bytes: &[u8], extension: &str, target: Target) -> photofsck::media::Pixels {
    let file = File::open("/dev/null").unwrap();
    let source = Source::new(&file, bytes.len() as u64, Some(bytes), extension);
    photofsck::media::formats::with_ffmpeg();
    let (family, format) = probe(&source).unwrap();
    let limits = Limits { max_pixels: 1 << 24, max_memory: 1 << 30, max_seconds: 60 };
    let examined = family.examine(format, &source, Wanted::new(Depth::Full, target, &limits));
    assert_eq!(examined.problem, None);
    examined.pixels.unwrap()
}

fn made(name: &str, settings: &ImageSettings) -> RenderOutput {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/edges").join(name);
    let bytes = std::fs::read(&path).unwrap();
    let extension = path.extension().unwrap().to_str().unwrap();
    let job = RenderJob::new(settings, &[Role::Preview, Role::Thumbnail], true);
    render(decode(&bytes, extension, Target::AtLeast(settings.preview.size)), &job).unwrap()
}

/// The preview, decoded again.
fn preview(name: &str) -> Shown {
    let output = made(name, &ImageSettings::default());
    let pixels = decode(&output.pictures[0].bytes, "jpeg", Target::Full);
    let Samples::U8(samples) = pixels.samples else { panic!("a preview of 16 bits") };
    (pixels.size.width, pixels.size.height, samples)
}

/// The colours in the middle of the four quarters: above left, above right, below left, below right.
fn quarters((width, height, samples): &Shown) -> [[u8; 3]; 4] {
    [(1, 1), (3, 1), (1, 3), (3, 3)].map(|(x, y)| {
        let at = ((height * y / 4 * width + width * x / 4) * 3) as usize;
        [samples[at], samples[at + 1], samples[at + 2]]
    })
}

const DRAWN: [(char, [u8; 3]); 4] =
    [('R', [200, 40, 40]), ('G', [40, 180, 60]), ('B', [40, 60, 200]), ('.', [128, 128, 128])];

fn near(found: [u8; 3], wanted: [u8; 3], tolerance: u8) -> bool {
    found.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) <= tolerance)
}

/// Size, and the quarters as letters; `?` is a colour that was not drawn.
fn layout(name: &str) -> String {
    let shown = preview(name);
    let letter =
        |found| DRAWN.iter().find(|(_, drawn)| near(found, *drawn, 8)).map_or('?', |(letter, _)| *letter);
    let letters: String = quarters(&shown).into_iter().map(letter).collect();
    format!("{}x{} {letters}", shown.0, shown.1)
}

#[test]
fn heic_is_turned_and_mirrored_as_its_properties_say() {
    for (name, wanted) in [
        ("plain", "64x48 RGB."),
        ("irot-1", "48x64 G.RB"),
        ("irot-2", "64x48 .BGR"),
        ("irot-3", "48x64 BR.G"),
        ("imir-0", "64x48 B.RG"),
        ("imir-1", "64x48 GR.B"),
        ("irot-1-imir-0", "48x64 RBG."),
        ("ten-bits", "64x48 RGB."),
    ] {
        assert_eq!(layout(&format!("{name}.heic")), wanted, "{name}");
    }
}

#[test]
fn videos_are_turned_and_keep_their_colours() {
    for (name, wanted) in [
        ("plain", "64x48 RGB."),
        // As ffmpeg turns them: its `rotate=90` writes a matrix that turns to the left.
        ("turned-90", "48x64 G.RB"),
        ("turned-180", "64x48 .BGR"),
        ("turned-270", "48x64 BR.G"),
        ("full-range", "64x48 RGB."),
        // Immich looks at samples, not at the shape of pixels.
        ("oblong-pixels", "64x48 RGB."),
    ] {
        assert_eq!(layout(&format!("{name}.mp4")), wanted, "{name}");
    }
}

#[test]
fn odd_sides_of_videos_become_even() {
    let output = made("odd.avi", &ImageSettings::default());
    let sizes: Vec<_> = output.pictures.iter().map(|made| (made.size.width, made.size.height)).collect();
    assert_eq!(sizes, [(1910, 1440), (332, 250)]);
    assert_eq!(layout("odd.avi"), "1910x1440 RGB.");
}

#[test]
fn the_frame_behind_a_change_of_scene_is_shown() {
    for name in ["two-scenes.mp4", "two-scenes.gif"] {
        let shown = preview(name);
        assert_eq!((shown.0, shown.1), (64, 48), "{name}");
        for colour in quarters(&shown) {
            assert!(near(colour, [32, 64, 192], 8), "{name}: {colour:?}");
        }
    }
}

/// The matrix of JPEG is another than that of the video, and FFmpeg hands the samples on as they are: so do we.
#[test]
fn colours_are_those_that_a_jpeg_of_the_samples_shows() {
    let found = quarters(&preview("bt709.mp4"));
    let wanted = [[186, 23, 42], [51, 203, 64], [43, 53, 194], [128, 128, 128]];
    for (found, wanted) in found.into_iter().zip(wanted) {
        assert!(near(found, wanted, 8), "{found:?}, wanted {wanted:?}");
    }
}

/// Figures of the five steps in `render/tone.rs`, computed apart and seen through a JPEG, of the codes drawn: 150, 120, 110 and so on.
#[test]
fn hdr_videos_are_tone_mapped() {
    let wanted = [
        ("pq.mp4", [[179, 77, 81], [14, 190, 91], [35, 107, 182], [120, 120, 120]]),
        ("hlg.mp4", [[123, 81, 80], [52, 127, 86], [70, 93, 125], [96, 96, 96]]),
    ];
    for (name, wanted) in wanted {
        let shown = preview(name);
        assert_eq!((shown.0, shown.1), (64, 48), "{name}");
        for (found, wanted) in quarters(&shown).into_iter().zip(wanted) {
            assert!(near(found, wanted, 10), "{name}: {found:?}, wanted {wanted:?}");
        }
    }
}

#[test]
fn spheres_stay_spheres() {
    const TAGS: [&[u8]; 3] = [
        b"<GPano:ProjectionType>equirectangular<",
        b"<GPano:PoseHeadingDegrees>12.5<",
        b"<GPano:FullPanoWidthPixels>3200<",
    ];
    let has = |file: &[u8], text: &[u8]| file.windows(text.len()).any(|part| part == text);
    let mut settings = ImageSettings::default();
    for format in [ImageFormat::Jpeg, ImageFormat::Webp] {
        settings.preview.format = format;
        let output = made("sphere.jpg", &settings);
        for tag in TAGS {
            assert!(has(&output.pictures[0].bytes, tag), "{format:?}: no {}", tag.escape_ascii());
        }
        assert!(!has(&output.pictures[1].bytes, b"GPano"), "Immich gives no properties to thumbnails");
        let shown = decode(&output.pictures[0].bytes, format.extension(), Target::Full);
        assert_eq!((shown.size.width, shown.size.height), (64, 32));
        assert!(shown.icc.is_some() && shown.panorama.is_some());
    }
}

/// The program itself, with every setting that an administrator can change.
#[test]
fn the_settings_of_immich_are_obeyed() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("image.json");
    let settings = r#"{"preview":{"format":"webp","size":24,"quality":60},"thumbnail":{"format":"jpeg","size":12,"progressive":true},
        "fullsize":{"enabled":true,"format":"jpeg","quality":95},"colorspace":"srgb","linearLight":true}"#;
    std::fs::write(&config, settings).unwrap();
    let originals = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/edges");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_photofsck"))
        .arg("render")
        .args([originals.join("irot-1.heic"), originals.join("sphere.jpg")])
        .args(["--json", "-", "--progress", "never", "--jobs", "1", "--image-config"])
        .arg(&config)
        .arg("--out")
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let items: Vec<_> = lines.filter(|line| line["type"] == "item").collect();
    assert_eq!(items.len(), 2);
    let made = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    let size = |name: &str| {
        let shown = decode(&made(name), name.rsplit('.').next().unwrap(), Target::Full).size;
        (shown.width, shown.height)
    };
    assert_eq!(size("irot-1.heic_preview.webp"), (24, 32));
    assert_eq!(size("irot-1.heic_thumbnail.jpeg"), (12, 16));
    assert_eq!(size("irot-1.heic_fullsize.jpeg"), (48, 64));
    assert_eq!(size("sphere.jpg_preview.webp"), (48, 24));
    let progressive = [0xff, 0xc2];
    assert!(made("irot-1.heic_thumbnail.jpeg").windows(2).any(|marker| marker == progressive));
    // Browsers show JPEG as it is: no full-size picture of it.
    assert!(!folder.path().join("sphere.jpg_fullsize.jpeg").exists());
    for item in items {
        let heic = item["path"].as_str().unwrap().ends_with("heic");
        assert_eq!(item.get("fullsize").is_some(), heic, "{item}");
    }
}

/// Where the camera's own picture is shown, its file is the full-size picture: not encoded anew, only turned as the raw says.
#[test]
fn the_cameras_own_picture_is_the_full_size_one() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("image.json");
    let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/edges/camera.dng");
    let raw = std::fs::read(&original).unwrap();
    let made = |settings: &str| {
        std::fs::write(&config, settings).unwrap();
        let mut run = std::process::Command::new(env!("CARGO_BIN_EXE_photofsck"));
        run.arg("render").arg(&original).arg("--image-config").arg(&config).arg("--out").arg(folder.path());
        let output = run.args(["--progress", "never", "--jobs", "1"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::read(folder.path().join("camera.dng_fullsize.jpeg")).unwrap()
    };
    let copied = |file: &[u8]| raw.windows(400).any(|part| file.ends_with(part));
    let own = made(r#"{"preview":{"size":30},"fullsize":{"enabled":true},"extractEmbedded":true}"#);
    assert!(copied(&own));
    assert_eq!(decode(&own, "jpeg", Target::Full).oriented_full_size(), PixelSize::new(30, 40));
    // Too small for a preview, or not asked for: developed.
    for settings in [
        r#"{"preview":{"size":31},"fullsize":{"enabled":true},"extractEmbedded":true}"#,
        r#"{"preview":{"size":30},"fullsize":{"enabled":true}}"#,
    ] {
        let developed = made(settings);
        assert!(!copied(&developed));
        assert_eq!(decode(&developed, "jpeg", Target::Full).size, PixelSize::new(48, 64));
    }
}
