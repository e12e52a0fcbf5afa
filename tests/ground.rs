//! Disks that are unmounted and shares that hang while a run goes on: real ones, in a mount namespace of the test's own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::zombie_processes,
    reason = "tests"
)]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;

#[path = "../benches/library/mod.rs"]
mod library;

const ASSETS: u64 = 12;

struct Lab {
    folder: tempfile::TempDir,
    media: PathBuf,
    dump: PathBuf,
}

/// What a run said.
struct Told {
    status: i32,
    lines: Vec<Value>,
    output: String,
}

impl Lab {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (media, dump) = library::build(folder.path(), ASSETS, library::sound);
        Self { folder, media, dump }
    }

    /// Runs a script in a namespace where it may mount; `None` where that is not allowed. `photofsck` is a check of the library
    /// at `$media`, and `$json` what it says.
    fn script(&self, script: &str) -> Option<Told> {
        let json = self.folder.path().join("out.ndjson");
        let _ = fs::remove_file(&json);
        let run = |script: &str| -> Output {
            Command::new("unshare")
                .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
                .env("program", env!("CARGO_BIN_EXE_photofsck"))
                .env("PHOTOFSCK_WORKER", env!("CARGO_BIN_EXE_photofsck-worker"))
                .env("PHOTOFSCK_IO", "normal")
                .env("media", &self.media)
                .env("dump", &self.dump)
                .env("state", self.folder.path().join("state"))
                .env("json", &json)
                .output()
                .unwrap()
        };
        let may = run("mount -t tmpfs none \"$media\" && test -c /dev/fuse");
        if !may.status.success() {
            eprintln!("NOT TESTED HERE: nothing may be mounted: {}", String::from_utf8_lossy(&may.stderr));
            return None;
        }
        let photofsck = r#"photofsck() {
            "$program" check --media "$media" --db "$dump" --state "$state" --json "$json" --items \
                --progress never --jobs 1 "$@"
        }
        "#;
        let output = run(&format!("{photofsck}{script}"));
        let lines = fs::read_to_string(&json).unwrap_or_default();
        Some(Told {
            status: output.status.code().unwrap(),
            lines: lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
            output: format!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            ),
        })
    }
}

impl Told {
    fn of(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.lines.iter().filter(move |line| line["type"] == kind)
    }

    fn summary(&self) -> &Value {
        self.lines.last().filter(|line| line["type"] == "summary").expect("a summary")
    }

    /// The finding with this code; nothing may be called missing.
    fn only(&self, code: &str) -> &Value {
        let codes: Vec<_> = self.of("finding").map(|finding| finding["code"].as_str().unwrap()).collect();
        assert!(codes.iter().all(|code| !code.ends_with(".missing")), "{codes:?}\n{}", self.output);
        assert_eq!(codes.iter().filter(|found| **found == code).count(), 1, "{codes:?}\n{}", self.output);
        self.of("finding").find(|finding| finding["code"] == code).unwrap()
    }
}

#[test]
fn a_disk_that_is_unmounted_in_the_middle_ends_the_run_and_nothing_is_missing() {
    let lab = Lab::new();
    let slowly = r#"
        mkdir "$media.disk" "$media.point" && mount -t tmpfs none "$media.disk" || exit 99
        cp -a "$media/." "$media.disk/" || exit 99
        disk=$media.disk media=$media.point
        mount --bind "$disk" "$media" || exit 99
        photofsck --max-rate 500 & run=$!
        for i in $(seq 300); do
            test "$(grep -c '"type":"item"' "$json" 2>/dev/null)" -ge 4 2>/dev/null && break
            sleep 0.1
        done
        umount -l "$media"
        wait $run
        first=$?
        mount --bind "$disk" "$media"
        all=$json json=$json.again
        photofsck || exit 98
        json=$all
        exit $first
    "#;
    let Some(told) = lab.script(slowly) else { return };
    assert_eq!(told.status & 8, 8, "{}", told.output);
    let finding = told.only("mount.gone");
    let media = lab.media.display().to_string() + ".point";
    assert!(finding["path"].as_str().unwrap().starts_with(&media), "{finding}");
    let summary = told.summary();
    assert_eq!(summary["complete"], false, "{summary}");
    let checked = summary["checked"].as_u64().unwrap();
    assert!((4..3 * ASSETS).contains(&checked), "{summary}");
    // What was looked at counts: the next run, with the disk there again, goes on from there.
    let again = fs::read_to_string(lab.folder.path().join("out.ndjson.again")).unwrap();
    let again: Value = serde_json::from_str(again.lines().last().unwrap()).unwrap();
    assert_eq!((&again["complete"], &again["walked"]), (&Value::Bool(true), &(3 * ASSETS).into()), "{again}");
    // A file that was written at the very moment at which it was looked at is looked at again.
    assert!(again["skipped_reasons"]["verified-before"].as_u64().unwrap() > 0, "{again}");
}

#[test]
fn a_share_that_hangs_is_named_and_the_run_goes_on_elsewhere() {
    let lab = Lab::new();
    // A file system whose program never answers.
    let hangs = |options: &str| {
        format!(
            r#"exec 3<>/dev/fuse
            mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 nas:/photos "$media/upload" || exit 99
            photofsck --patience 1s {options} 3<&-"#
        )
    };
    for options in ["", "--quick"] {
        let begun = Instant::now();
        let Some(told) = lab.script(&hangs(options)) else { return };
        assert!(begun.elapsed() < Duration::from_mins(1), "it waits for one call only");
        assert_eq!(told.status, 8, "{}", told.output);
        let finding = told.only("mount.hangs");
        assert_eq!(finding["path"].as_str(), Some(&*lab.media.join("upload").display().to_string()));
        assert!(finding["evidence"]["share"].as_str().unwrap().contains("nas:/photos"), "{finding}");
        assert!(told.output.contains("does not answer"), "{}", told.output);
        let summary = told.summary();
        assert_eq!(
            (&summary["complete"], summary["checked"].as_u64()),
            (&Value::Bool(false), Some(2 * ASSETS))
        );
        assert_eq!(told.of("item").filter(|item| item["role"] == "original").count(), 0);
    }
    // Where the library itself is on it there is nothing to go on with.
    let all = hangs("").replace("$media/upload", "$media");
    let told = lab.script(&all).unwrap();
    assert_eq!(told.status & 8, 8, "{}", told.output);
    told.only("mount.hangs");
}
