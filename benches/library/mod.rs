//! A synthetic library of any size with its dump, and how long a command takes: what the benches share.
#![allow(dead_code, reason = "each bench uses its own part")]

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha1::{Digest as _, Sha1};

const OWNER: &str = "00000000-0000-4000-8000-000000000001";

/// Sixteen bytes that look random and are the same every time (SplitMix64).
fn uuid(number: u64, salt: u64) -> String {
    let mix = |mut z: u64| {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let high = mix(number.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(salt));
    let low = mix(high ^ salt);
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        (low >> 48) & 0xfff,
        low & 0xffff_ffff_ffff
    )
}

fn nested(folder: &str, name: &str) -> String {
    format!("{folder}/{OWNER}/{}/{}/{name}", &name[..2], &name[2..4])
}

fn put(media: &Path, relative: &str, bytes: &[u8]) {
    let path = media.join(relative);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// The bytes of one asset's files.
pub struct Files {
    pub original: Vec<u8>,
    pub preview: Vec<u8>,
    pub thumbnail: Vec<u8>,
    /// What the records say of the original.
    pub sha1: [u8; 20],
}

/// A grey JPEG of 8 by 8 pixels.
const JPEG: [u8; 159] = hex(
    b"ffd8ffe000104a46494600010100000100010000ffdb0043001b12141714111b1716171e1c1b2028422b28252528513a3d304260\
      5565645f555d5b6a7899816a7190735b5d85b586909ea3abadab6780bcc9baa6c799a8aba4ffc0000b080008000801011100ffc4\
      0014000100000000000000000000000000000000ffc40014100100000000000000000000000000000000ffda0008010100003f00\
      3fffd9",
);
/// A grey WebP of 8 by 8 pixels.
const WEBP: [u8; 38] = hex(b"524946461e000000574542505650384c110000002f07c001000750c00216b0ff8188e87f0000");

const fn hex<const N: usize>(text: &[u8]) -> [u8; N] {
    const fn digit(byte: u8) -> u8 {
        if byte <= b'9' { byte - b'0' } else { byte - b'a' + 10 }
    }
    assert!(text.len() == 2 * N);
    let (mut bytes, mut at) = ([0; N], 0);
    while at < N {
        bytes[at] = digit(text[2 * at]) << 4 | digit(text[2 * at + 1]);
        at += 1;
    }
    bytes
}

/// Sound pictures; a comment makes each original one of its own.
pub fn sound(number: u64) -> Files {
    let (start, rest) = JPEG.split_at(2);
    let original = [start, b"\xff\xfe\0\x0a", &number.to_be_bytes(), rest].concat();
    let sha1 = Sha1::digest(&original).into();
    Files { original, preview: JPEG.to_vec(), thumbnail: WEBP.to_vec(), sha1 }
}

/// Builds the library below `root` unless it is there: its media location and the dump.
pub fn build(root: &Path, assets: u64, files: impl Fn(u64) -> Files) -> (PathBuf, PathBuf) {
    let media = root.join("media");
    let dump = root.join("dump.sql.gz");
    if dump.exists() {
        return (media, dump);
    }
    let mut rows = (String::new(), String::new(), String::new());
    for number in 0..assets {
        use std::fmt::Write as _;
        let asset = uuid(number, 1);
        let original = nested("upload", &format!("{}.jpg", uuid(number, 2)));
        let preview = nested("thumbs", &format!("{asset}_preview.jpeg"));
        let thumbnail = nested("thumbs", &format!("{asset}_thumbnail.webp"));
        let files = files(number);
        put(&media, &original, &files.original);
        put(&media, &preview, &files.preview);
        put(&media, &thumbnail, &files.thumbnail);
        let sha1 = files.sha1.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        writeln!(
            rows.0,
            "{asset}\t{OWNER}\tIMAGE\t/data/{original}\t\\\\x{sha1}\tsha1\tf\t\\N\ttimeline\tIMG_{number}.jpg\tf\t\\N\tactive"
        )
        .unwrap();
        writeln!(rows.1, "{asset}\t{}", files.original.len()).unwrap();
        for (kind, path) in [("preview", &preview), ("thumbnail", &thumbnail)] {
            writeln!(
                rows.2,
                "{}\t{asset}\t{kind}\t/data/{path}\tf\tf\tf",
                uuid(number, 3 + kind.len() as u64)
            )
            .unwrap();
        }
    }
    let part = root.join("dump.part");
    let mut out = GzEncoder::new(BufWriter::new(File::create(&part).unwrap()), Compression::default());
    out.write_all(b"--\n-- PostgreSQL database dump\n--\n\n").unwrap();
    let mut table = |name: &str, columns: &str, rows: &str| {
        write!(out, "COPY public.{name} ({columns}) FROM stdin;\n{rows}\\.\n\n").unwrap();
    };
    table(
        "asset",
        r#"id, "ownerId", type, "originalPath", checksum, "checksumAlgorithm", "isExternal", "libraryId", visibility, "originalFileName", "isOffline", "deletedAt", status"#,
        &rows.0,
    );
    table("asset_exif", r#""assetId", "fileSizeInByte""#, &rows.1);
    table(
        "asset_file",
        r#"id, "assetId", type, path, "isEdited", "isProgressive", "isTransparent""#,
        &rows.2,
    );
    table("integrity_report", "id, type, path", "");
    table("person", r#"id, "ownerId", "thumbnailPath""#, "");
    table("system_metadata", "key, value", "MediaLocation\t{\"location\": \"/data\"}\n");
    table(
        "\"user\"",
        r#"id, email, "storageLabel", "profileImagePath""#,
        &format!("{OWNER}\ta@example.org\t\\N\t\n"),
    );
    out.write_all(b"--\n-- PostgreSQL database dump complete\n--\n\n").unwrap();
    out.finish().unwrap().flush().unwrap();
    fs::rename(part, &dump).unwrap();
    (media, dump)
}

/// What one command took.
pub struct Cost {
    /// Wall seconds.
    pub wall: f64,
    /// CPU seconds, those of its children included.
    pub cpu: f64,
    pub exit: i32,
    /// Peak resident memory, KiB.
    pub peak: u64,
}

/// Runs a command and says nothing of what it prints.
pub fn measure(command: &mut Command) -> Cost {
    let start = Instant::now();
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the command starts");
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    let mut peak = 0;
    let before = children_cpu();
    let status = loop {
        if let Some((_, status)) =
            rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::NOHANG).unwrap()
        {
            break status;
        }
        let text = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let kib = text
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
        peak = peak.max(kib.unwrap_or(0));
        std::thread::sleep(std::time::Duration::from_millis(5));
    };
    let code = std::process::ExitStatus::from_raw(status.as_raw()).code().unwrap_or(-1);
    Cost { wall: start.elapsed().as_secs_f64(), cpu: children_cpu() - before, exit: code, peak }
}

/// CPU seconds of all children that have ended.
fn children_cpu() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks = |index: usize| fields[index].parse::<f64>().unwrap();
    (ticks(13) + ticks(14)) / 100.0
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
