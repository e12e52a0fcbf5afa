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

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use library::{Files, build, measure, median};

mod library;

/// A header and an end, which is all that a quick check reads.
fn files(number: u64) -> Files {
    let jpeg = [b"\xff\xd8\xff\xdb\0\x04\0\0".as_slice(), b"\xff\xd9"].concat();
    let webp = [b"RIFF".as_slice(), &12u32.to_le_bytes(), b"WEBPVP8 \0\0\0\0"].concat();
    let mut sha1 = [0; 20];
    sha1[12..].copy_from_slice(&number.to_be_bytes());
    Files { original: jpeg.clone(), preview: jpeg, thumbnail: webp, sha1 }
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
    let (media, dump) = build(&root, assets, files);

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
        assert!(matches!(own.exit, 0 | 4), "photofsck ended with {}", own.exit);
        // The first round warms the caches.
        if run == 0 {
            continue;
        }
        let ratio = own.wall / (find.wall + zcat.wall);
        println!(
            "find {:.2} s + zcat {:.2} s (CPU {:.2} s)   photofsck {:.2} s (CPU {:.2} s), {} MiB   ratio {ratio:.2}",
            find.wall,
            zcat.wall,
            find.cpu + zcat.cpu,
            own.wall,
            own.cpu,
            own.peak / 1024
        );
        ratios.push(ratio);
        peaks.push(own.peak as f64 / 1024.0);
    }
    let (ratio, peak) = (median(ratios), median(peaks));
    let kept = if ratio <= 4.0 && peak <= 250.0 { "kept" } else { "NOT kept" };
    println!("median ratio {ratio:.2} (at most 4), peak {peak:.0} MiB (at most 250): promise {kept}");
}
