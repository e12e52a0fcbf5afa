//! `check` over a library in which nothing has changed since the last check, beside `find` over the same files.
//!
//!     cargo bench --bench warm_check                 ASSETS=50000 RUNS=3 DIR=/mnt/disk COLD=1
//!
//! Builds a library of 50 000 assets with three tiny files each, checks it once, and then measures checks that have
//! nothing to look at, against `find -type f` (names only) and `find -type f -printf '%s\n'` (which asks the system
//! about every file, as a check must). Library and catalog are kept for the next time; `COLD=1` begins with an empty
//! catalog. Timings decide nothing here; the promise (at most three times `find -printf`, at most 300 MiB) is checked
//! and told in the last line; it is about a million assets, since a fifth of a second goes to starting. What does
//! decide: no file was looked at.
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
use std::path::{Path, PathBuf};
use std::process::Command;

use library::{Cost, build, measure, median, sound};
use serde_json::Value;

mod library;

struct Library {
    root: PathBuf,
    media: PathBuf,
    dump: PathBuf,
}

impl Library {
    /// One check, and what it counted.
    fn check(&self) -> (Cost, Value) {
        let told = self.root.join("out.ndjson");
        let cost = measure(
            Command::new(env!("CARGO_BIN_EXE_photofsck"))
                .args(["check", "--progress", "never", "--media"])
                .arg(&self.media)
                .arg("--db")
                .arg(&self.dump)
                .arg("--state")
                .arg(self.root.join("state"))
                .arg("--json")
                .arg(&told),
        );
        assert_eq!(cost.exit, 0, "photofsck ended with {}", cost.exit);
        let text = fs::read_to_string(told).unwrap();
        (cost, serde_json::from_str(text.lines().last().unwrap()).unwrap())
    }
}

fn find(media: &Path, options: &[&str]) -> Cost {
    measure(Command::new("find").arg(media).args(["-type", "f"]).args(options))
}

fn main() {
    let setting =
        |name: &str, default: u64| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default);
    let (assets, runs) = (setting("ASSETS", 50_000), setting("RUNS", 3));
    let root =
        std::env::var_os("DIR").map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let root = root.join(format!("warm-{assets}"));
    println!("{assets} assets in {} (kept for the next time)", root.display());
    fs::create_dir_all(&root).unwrap();
    let (media, dump) = build(&root, assets, sound);
    let library = Library { root, media, dump };
    if setting("COLD", 0) == 1 {
        let _ = fs::remove_dir_all(library.root.join("state"));
    }
    let (cost, told) = library.check();
    println!(
        "first check: {} of {} files looked at, {:.2} s (CPU {:.2} s)",
        told["checked"], told["walked"], cost.wall, cost.cpu
    );

    let (mut ratios, mut peaks) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let names = find(&library.media, &[]);
        let sizes = find(&library.media, &["-printf", "%s\\n"]);
        let (own, told) = library.check();
        assert_eq!((&told["checked"], &told["bytes_read"]), (&0.into(), &0.into()), "{told}");
        assert_eq!(told["walked"], assets * 3);
        println!(
            "find {:.2} s, with sizes {:.2} s (CPU {:.2} s)   photofsck {:.2} s (CPU {:.2} s), {} MiB   ratio {:.2}, with sizes {:.2}",
            names.wall,
            sizes.wall,
            sizes.cpu,
            own.wall,
            own.cpu,
            own.peak / 1024,
            own.wall / names.wall,
            own.wall / sizes.wall,
        );
        ratios.push(own.wall / sizes.wall);
        peaks.push(own.peak as f64 / 1024.0);
    }
    let (ratio, peak) = (median(ratios), median(peaks));
    let kept = if ratio <= 3.0 && peak <= 300.0 { "kept" } else { "NOT kept" };
    println!("median ratio {ratio:.2} (at most 3), peak {peak:.0} MiB (at most 300): promise {kept}");
}
