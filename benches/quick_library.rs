//! `check --quick` over a library of 200 000 assets (600 000 tiny files) beside what the machine needs to list
//! the same files and unpack the same dump: `find -type f -printf '%s\n'` plus `zcat | wc -c`.
//!
//!     cargo bench --bench quick_library              ASSETS=20000 RUNS=3 DIR=/mnt/disk
//!
//! Prints wall and CPU seconds, the ratio and the peak memory of photofsck. Timings decide nothing here; the
//! promise (at most four times, at most 250 MiB) is checked and told in the last line.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::zombie_processes,
    reason = "a bench program"
)]

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use flate2::Compression;
use flate2::write::GzEncoder;

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

fn build(root: &Path, assets: u64) -> (PathBuf, PathBuf) {
    let media = root.join("media");
    let dump = root.join("dump.sql.gz");
    if dump.exists() {
        return (media, dump);
    }
    let jpeg = [b"\xff\xd8\xff\xdb\0\x04\0\0".as_slice(), b"\xff\xd9"].concat();
    let webp = [b"RIFF".as_slice(), &12u32.to_le_bytes(), b"WEBPVP8 \0\0\0\0"].concat();
    let mut rows = (String::new(), String::new(), String::new());
    for number in 0..assets {
        use std::fmt::Write as _;
        let asset = uuid(number, 1);
        let original = nested("upload", &format!("{}.jpg", uuid(number, 2)));
        let preview = nested("thumbs", &format!("{asset}_preview.jpeg"));
        let thumbnail = nested("thumbs", &format!("{asset}_thumbnail.webp"));
        put(&media, &original, &jpeg);
        put(&media, &preview, &jpeg);
        put(&media, &thumbnail, &webp);
        writeln!(
            rows.0,
            "{asset}\t{OWNER}\tIMAGE\t/data/{original}\t\\\\x{number:040x}\tsha1\tf\t\\N\ttimeline\tIMG_{number}.jpg\tf\t\\N\tactive"
        )
        .unwrap();
        writeln!(rows.1, "{asset}\t{}", jpeg.len()).unwrap();
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

/// Wall and CPU seconds, exit status and peak memory in KiB of one command.
fn measure(command: &mut Command) -> (f64, f64, i32, u64) {
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
    (start.elapsed().as_secs_f64(), children_cpu() - before, code, peak)
}

/// CPU seconds of all children that have ended.
fn children_cpu() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks = |index: usize| fields[index].parse::<f64>().unwrap();
    (ticks(13) + ticks(14)) / 100.0
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let setting =
        |name: &str, default: u64| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default);
    let (assets, runs) = (setting("ASSETS", 200_000), setting("RUNS", 3));
    let root =
        std::env::var_os("DIR").map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let root = root.join(format!("quick-{assets}"));
    println!("building {assets} assets in {} (kept for the next time)", root.display());
    fs::create_dir_all(&root).unwrap();
    let (media, dump) = build(&root, assets);

    let (mut ratios, mut peaks) = (Vec::new(), Vec::new());
    for run in 0..=runs {
        let find = measure(Command::new("find").arg(&media).args(["-type", "f", "-printf", "%s\\n"]));
        let zcat = measure(Command::new("sh").args(["-c", "zcat \"$0\" | wc -c"]).arg(&dump));
        let state = root.join("state");
        let own = measure(
            Command::new(env!("CARGO_BIN_EXE_photofsck"))
                .args(["check", "--quick", "--progress", "never", "--media"])
                .arg(&media)
                .arg("--db")
                .arg(&dump)
                .arg("--state")
                .arg(&state),
        );
        assert!(matches!(own.2, 0 | 4), "photofsck ended with {}", own.2);
        // The first round warms the caches.
        if run == 0 {
            continue;
        }
        let ratio = own.0 / (find.0 + zcat.0);
        println!(
            "find {:.2} s + zcat {:.2} s (CPU {:.2} s)   photofsck {:.2} s (CPU {:.2} s), {} MiB   ratio {ratio:.2}",
            find.0,
            zcat.0,
            find.1 + zcat.1,
            own.0,
            own.1,
            own.3 / 1024
        );
        ratios.push(ratio);
        peaks.push(own.3 as f64 / 1024.0);
    }
    let (ratio, peak) = (median(ratios), median(peaks));
    let kept = if ratio <= 4.0 && peak <= 250.0 { "kept" } else { "NOT kept" };
    println!("median ratio {ratio:.2} (at most 4), peak {peak:.0} MiB (at most 250): promise {kept}");
}
