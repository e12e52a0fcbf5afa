//! Sources that need no corpus: drawn pictures through the encoders that are linked and those that are installed.

use std::path::Path;

use super::draw::{Drawing, landscape};
use super::group::Group;
use super::product::Product;
use super::sources::{Origin, Source};
use super::tools;

/// Which encoders make the drawn files.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Encoders {
    /// Those that are part of the project.
    Own,
    /// Also every one that is installed.
    Installed,
}

/// Every drawn source of the wanted groups. What has no encoder here is left out; the table tells how many there are.
pub fn drawn(groups: &[Group], seed: u64, product: &Product, others: Encoders) -> Vec<Source> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut made = Vec::new();
    let mut add = |name: &str, extension: &str, bytes: Vec<u8>| {
        if let Some(group) = Group::of(&bytes, extension).filter(|group| groups.contains(group)) {
            made.push(Source::new(
                group,
                &format!("drawn{seed}-{name}"),
                extension,
                bytes,
                Origin::Drawn,
                seed,
            ));
        }
    };
    let large = landscape(seed, 960, 720);
    let small = landscape(seed + 1, 400, 300);
    linked(&mut add, &large, &small);
    if others == Encoders::Installed {
        for (name, extension, bytes) in installed(folder.path(), &large, &small, groups, seed) {
            add(&name, extension, bytes);
        }
    }
    for (name, extension, bytes) in rendered(folder.path(), &large, product) {
        if extension == "jpeg" {
            add("bayer-preview", "dng", large.dng(Some(&bytes)));
        }
        add(&name, extension, bytes);
    }
    made
}

/// Through encoders that are linked.
fn linked(add: &mut impl FnMut(&str, &str, Vec<u8>), large: &Drawing, small: &Drawing) {
    use tiff::encoder::{Compression, DeflateLevel};
    add("adaptive", "png", large.png());
    add("small", "png", small.png());
    add("still", "gif", small.gif(1));
    add("moving", "gif", small.gif(6));
    add("plain", "tiff", small.tiff(Compression::Uncompressed));
    add("lzw", "tiff", large.tiff(Compression::Lzw));
    add("deflate", "tif", large.tiff(Compression::Deflate(DeflateLevel::Balanced)));
    add("packbits", "tif", small.tiff(Compression::Packbits));
    add("bayer", "dng", large.dng(None));
}

/// Stills and clips through installed programs: name, input (`large.png`, `small.png` ...), program and options.
const STILLS: [(&str, &str, &str, &str); 18] = [
    ("baseline", "large.ppm", "cjpeg", "-quality 90 -sample 2x2 -outfile OUT.jpg IN"),
    ("optimised-444", "large.ppm", "cjpeg", "-quality 85 -optimize -sample 1x1 -outfile OUT.jpg IN"),
    ("progressive", "large.ppm", "cjpeg", "-quality 88 -progressive -outfile OUT.jpg IN"),
    ("restart", "large.ppm", "cjpeg", "-quality 92 -sample 2x1 -restart 2 -outfile OUT.jpg IN"),
    ("grey", "large.ppm", "cjpeg", "-quality 80 -grayscale -outfile OUT.jpg IN"),
    ("low", "large.ppm", "cjpeg", "-quality 40 -outfile OUT.jpg IN"),
    ("mjpeg", "large.png", "ffmpeg", "-v error -y -i IN -q:v 3 OUT.jpg"),
    ("lossy", "large.png", "cwebp", "-quiet -q 80 IN -o OUT.webp"),
    ("partitions", "large.png", "cwebp", "-quiet -q 90 -partition_limit 0 -segments 4 -f 60 IN -o OUT.webp"),
    ("lossless", "small.png", "cwebp", "-quiet -lossless IN -o OUT.webp"),
    ("moving", "moving.gif", "gif2webp", "-quiet -lossy -q 70 IN -o OUT.webp"),
    ("lossy", "large.png", "heif-enc", "-q 60 IN -o OUT.heic"),
    ("fine", "small.png", "heif-enc", "-q 85 IN -o OUT.heic"),
    ("lossy", "large.png", "avifenc", "-s 9 --min 20 --max 30 IN OUT.avif"),
    ("fine", "small.png", "avifenc", "-s 9 --min 5 --max 15 -y 444 IN OUT.avif"),
    ("lossy", "large.png", "cjxl", "-e 4 -d 1.5 IN OUT.jxl --quiet"),
    ("lossless", "small.png", "cjxl", "-e 4 -d 0 IN OUT.jxl --quiet"),
    ("boxed", "small.png", "cjxl", "-e 4 -d 1 --container=1 IN OUT.jxl --quiet"),
];

/// Clips: name, extension, codec options of ffmpeg.
const CLIPS: [(&str, &str, &str); 8] = [
    ("h264", "mp4", "-c:v libx264 -preset veryfast -crf 24 -c:a aac"),
    ("h264-fast", "mp4", "-c:v libx264 -preset veryfast -tune fastdecode -crf 28 -movflags +faststart -an"),
    ("hevc", "mp4", "-c:v libx265 -preset ultrafast -x265-params log-level=none -tag:v hvc1 -an"),
    ("h264", "mov", "-c:v libx264 -preset veryfast -crf 26 -c:a pcm_s16le"),
    ("hevc", "mov", "-c:v libx265 -preset ultrafast -x265-params log-level=none -tag:v hvc1 -c:a aac"),
    ("h264", "mkv", "-c:v libx264 -preset veryfast -crf 24 -c:a aac"),
    ("vp9", "webm", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 600k -c:a libopus"),
    ("vp8", "webm", "-c:v libvpx -deadline realtime -cpu-used 8 -b:v 600k -an"),
];

fn installed(
    folder: &Path,
    large: &Drawing,
    small: &Drawing,
    groups: &[Group],
    seed: u64,
) -> Vec<(String, &'static str, Vec<u8>)> {
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(folder.join(name), bytes).expect("the temporary folder can be written");
    };
    write("large.png", &large.png());
    write("small.png", &small.png());
    write("moving.gif", &small.gif(6));
    let head = format!("P6\n{} {}\n255\n", large.width, large.height);
    write("large.ppm", &[head.as_bytes(), &large.rgb].concat());

    let mut made = Vec::new();
    for (name, input, program, options) in STILLS {
        let extension = options.split("OUT.").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or("bin");
        if !groups.iter().any(|group| group.may_end_in(extension)) {
            continue;
        }
        let out = folder.join("out").with_extension(extension);
        let _ = std::fs::remove_file(&out);
        let options = options.split(' ').map(|word| match word {
            "IN" => folder.join(input),
            word if word.starts_with("OUT.") => out.clone(),
            word => word.into(),
        });
        let _ = tools::run(program, |command| {
            command.args(options);
        });
        if let Ok(bytes) = std::fs::read(&out) {
            made.push((format!("{program}-{name}"), extension, bytes));
        }
    }
    if !groups.iter().any(|group| group.is_video()) {
        return made;
    }
    for (index, (name, extension, codecs)) in CLIPS.into_iter().enumerate() {
        if !groups.iter().any(|group| group.may_end_in(extension)) {
            continue;
        }
        let out = folder.join("clip").with_extension(extension);
        let pan =
            format!("crop=320:240:x='t*{}':y='t*30',noise=alls=5:allf=t:all_seed={seed}", 30 + 20 * index);
        let _ = tools::run("ffmpeg", |command| {
            command
                .args(["-v", "error", "-y", "-loop", "1", "-framerate", "25", "-i"])
                .arg(folder.join("large.png"))
                .args(["-f", "lavfi", "-i", "sine=frequency=440", "-t", "4", "-vf", &pan])
                .args(["-pix_fmt", "yuv420p", "-g", "25", "-threads", "1", "-fflags", "+bitexact"])
                .args(codecs.split(' '))
                .arg(&out);
        });
        if let Ok(bytes) = std::fs::read(&out) {
            made.push((format!("ffmpeg-{name}"), extension, bytes));
        }
        let _ = std::fs::remove_file(&out);
    }
    made
}

/// Previews and thumbnails as Immich makes them, by our own renderer.
fn rendered(folder: &Path, large: &Drawing, product: &Product) -> Vec<(String, &'static str, Vec<u8>)> {
    let input = folder.join("original.png");
    std::fs::write(&input, large.png()).expect("the temporary folder can be written");
    product.render(&input, folder)
}
