//! A made-up run, told in every form.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::collect::Collected;
use super::ndjson::{FindingLine, ItemLine, Ndjson, RepairLine, RunLine, SummaryLine, to_text};
use super::text::Page;
use super::*;
use crate::model::{
    AssetId, CheckedCount, Code, Event, Evidence, Finding, ItemReport, MapEntry, Measure, MediaFormat,
    PixelSize, RecordsInfo, RepairAction, RepairEvent, RepairStatus, Role, RunInfo, SkipReason, Verdict,
    What,
};

const HOSTILE: &[u8] = b"/media/upload/a\x1b]52;c;x\x07\n\xff.jpg";

fn asset() -> AssetId {
    AssetId::parse(b"0d5bba40-7b5c-4e6a-9f0e-1c2d3e4f5a6b").unwrap()
}

fn run_info(command: &str) -> RunInfo {
    RunInfo {
        run_id: "20260302-120000-1".into(),
        started_at: "2026-03-02T12:00:00Z".into(),
        command: command.into(),
        media: Some("/media".into()),
        records: Some(RecordsInfo {
            source: "dump /media/backups/immich-db-backup-1.sql.gz".into(),
            era: "E5".into(),
            assets: 1234,
            as_of: Some("2026-03-02T02:00:00Z".into()),
        }),
        map: vec![MapEntry { container: "/usr/src/app/upload".into(), host: "/media".into(), guessed: true }],
        notes: vec![
            "decoders are confined by seccomp, no_new_privs, rlimits; this kernel has no Landlock".into(),
        ],
        idle: false,
    }
}

fn item(role: Role, verdict: Verdict, path: &Path) -> Event {
    let mut item = ItemReport::new(path.to_owned(), role);
    item.format = MediaFormat::Jpeg;
    item.verdict = Some(verdict);
    item.bytes = 4_000_000;
    item.bytes_read = 4_000_000;
    Event::Checked(Box::new(item))
}

fn damaged() -> Finding {
    let mut finding = Finding::new(Code::File(Role::Original, What::Truncated))
        .at(PathBuf::from(OsStr::from_bytes(HOSTILE)))
        .seen(
            Evidence::new()
                .with("seen", "ends too early: scan data")
                .with("damaged_part", "lower 40 %")
                .with("found_sha1", "00ff"),
        )
        .advise("restore it from a backup; until then its preview may be the best copy left");
    finding.asset = Some(asset());
    finding.record_path = Some("/usr/src/app/upload/a.jpg".into());
    finding
}

fn missing_preview(number: u32) -> Finding {
    Finding::new(Code::File(Role::Preview, What::Missing))
        .at(format!("/media/thumbs/u/{number}-preview.jpeg"))
        .seen(Evidence::new().with("registered", true))
}

fn regenerate(number: u32, status: RepairStatus, reason: &str) -> RepairEvent {
    RepairEvent {
        action: RepairAction::Regenerate,
        role: Role::Preview,
        path: format!("/media/thumbs/u/{number}-preview.jpeg").into(),
        asset: Some(asset()),
        status,
        reason: reason.into(),
        bytes: (status == RepairStatus::Done).then_some(123_456),
    }
}

/// The events of a run with something of everything.
fn events(command: &str) -> Vec<Event> {
    let mut events = vec![Event::Run(run_info(command)), Event::Walked(30)];
    for number in 0..9 {
        events.push(item(
            Role::Original,
            Verdict::Verified,
            Path::new(&format!("/media/upload/{number}.jpg")),
        ));
        events.push(Event::Finding(Box::new(missing_preview(number))));
    }
    events.push(item(Role::Original, Verdict::Damaged, Path::new(OsStr::from_bytes(HOSTILE))));
    events.push(Event::Finding(Box::new(damaged())));
    let files = [((Role::Sidecar, None), 10)].into();
    events.push(Event::CheckedMany(CheckedCount { files, ..CheckedCount::default() }));
    events.push(Event::Skipped { reason: SkipReason::VerifiedBefore, count: 7 });
    events.push(Event::Skipped { reason: SkipReason::Backup, count: 2 });
    events.push(Event::EntryError(Box::new(
        Finding::new(Code::File(Role::Unknown, What::Unreadable))
            .at("/media/library/closed")
            .seen(Evidence::new().with("seen", "Permission denied").with("errno", 13)),
    )));
    if command == "repair" {
        for number in 0..7 {
            events.push(Event::Repair(regenerate(number, RepairStatus::Done, "")));
        }
        events.push(Event::Repair(regenerate(7, RepairStatus::Failed, "no space left on device")));
        events.push(Event::Repair(regenerate(8, RepairStatus::Skipped, "the original is damaged")));
    }
    events
}

fn told(command: &'static str, verbosity: Verbosity, outcome: Outcome, events: &[Event]) -> String {
    let scope = Scope { repairing: command == "repair", ..Scope::default() };
    let mut summary = Summary::new(Policy::default(), scope);
    let mut collected = Collected::default();
    for event in events {
        summary.take(event);
        collected.take(event, false);
    }
    summary.close(outcome, 12.34);
    let page = Page {
        summary: &summary,
        collected: &collected,
        command,
        verbosity,
        files: vec![("Full report", "report.ndjson".into())],
        again: Some("photofsck report --state /srv/state".into()),
        width: 100,
        now: "2026-03-02T12:00:00Z".parse().unwrap(),
    };
    anstream::adapter::strip_str(&page.render()).to_string()
}

#[test]
fn a_check_reads_well() {
    insta::assert_snapshot!(told("check", Verbosity::Normal, Outcome::Complete, &events("check")));
}

#[test]
fn a_repair_reads_well() {
    insta::assert_snapshot!(told("repair", Verbosity::Normal, Outcome::Complete, &events("repair")));
}

#[test]
fn quiet_is_the_verdict_and_errors() {
    insta::assert_snapshot!(told("check", Verbosity::Quiet, Outcome::Complete, &events("check")));
}

#[test]
fn first_lines() {
    let first = |command, outcome, events: &[Event]| {
        told(command, Verbosity::Quiet, outcome, events).lines().next().unwrap_or_default().to_owned()
    };
    let sound = [
        Event::Run(run_info("check")),
        Event::Walked(1),
        item(Role::Original, Verdict::Verified, Path::new("/a")),
    ];
    let nothing = [Event::Run(run_info("check"))];
    let mut no_records = run_info("check");
    no_records.records = None;
    let unrecorded =
        [Event::Run(no_records), Event::Walked(1), item(Role::Original, Verdict::Decodable, Path::new("/a"))];
    let three = [
        Event::Walked(3),
        item(Role::Unknown, Verdict::Decodable, Path::new("/a")),
        item(Role::Unknown, Verdict::Damaged, Path::new("/b")),
        item(Role::Unknown, Verdict::Unverifiable, Path::new("/c")),
        Event::Finding(Box::new(Finding::new(Code::File(Role::Unknown, What::Unverifiable)).at("/c"))),
    ];
    let lines = [
        first("check", Outcome::Complete, &sound),
        first("check", Outcome::Cancelled, &sound),
        first("check", Outcome::Complete, &nothing),
        first("check", Outcome::Complete, &unrecorded),
        first("check", Outcome::Failed("/media has no .immich file".into()), &nothing),
        first("verify", Outcome::Complete, &three),
        first("verify", Outcome::Complete, &three[..2]),
        first("verify", Outcome::Complete, &[]),
        first("render", Outcome::Complete, &three),
    ];
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn the_lines_of_a_report() {
    let mut rendered = ItemReport::new("/in/a.heic".into(), Role::Original);
    rendered.format = MediaFormat::Heic;
    rendered.verdict = Some(Verdict::Decodable);
    rendered.codes = vec![Code::File(Role::Original, What::WrongFormat)];
    rendered.size = Some(PixelSize::new(4032, 3024));
    rendered.bytes = 2_000_000;
    rendered.sha1 = Some([0xab; 20]);
    rendered.ms = 85;
    rendered.preview = Some("out/a-preview.jpeg".into());
    rendered.thumbnail = Some("out/a-thumbnail.webp".into());
    rendered.thumbhash = Some(vec![1, 2, 3]);
    let plain = ItemReport::new(PathBuf::from(OsStr::from_bytes(HOSTILE)), Role::Unknown);
    let mut summary = Summary::new(Policy::default(), Scope { repairing: true, ..Scope::default() });
    for event in &events("repair") {
        summary.take(event);
    }
    summary.close(Outcome::Complete, 12.3456);
    let lines = [
        to_text(&RunLine(&run_info("check"))),
        to_text(&RunLine(&RunInfo::default())),
        to_text(&ItemLine { item: &rendered, rendered: true }),
        to_text(&ItemLine { item: &plain, rendered: false }),
        to_text(&FindingLine(&damaged())),
        to_text(&RepairLine(&regenerate(1, RepairStatus::Failed, "no space left on device"))),
        to_text(&SummaryLine(&summary)),
        to_text(&ndjson::Answer {
            step: "mounts".into(),
            status: ndjson::AnswerStatus::CannotTell,
            evidence: "no Docker socket".into(),
            remedy: String::new(),
        }),
        to_text(&Measure::new("hash", 1.5, "GB/s")),
    ];
    for line in &lines {
        assert!(line.starts_with("{\"type\":\""), "type comes first: {line}");
    }
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_stored_run_reads_as_it_did() {
    let events = events("repair");
    let mut summary = Summary::new(Policy::default(), Scope { repairing: true, ..Scope::default() });
    let mut replay = Replay::new(Verbosity::Normal, None);
    let mut found = Vec::new();
    for event in &events {
        summary.take(event);
        let line = match event {
            Event::Run(run) => to_text(&RunLine(run)),
            Event::Finding(finding) | Event::EntryError(finding) => to_text(&FindingLine(finding)),
            Event::Repair(repair) => to_text(&RepairLine(repair)),
            _ => continue,
        };
        found.extend(replay.line(&line).unwrap());
    }
    summary.close(Outcome::Complete, 12.34);
    replay.line(&to_text(&SummaryLine(&summary))).unwrap();
    assert!(found.contains(&damaged()), "a finding survives the way there and back");
    let again = anstream::adapter::strip_str(&replay.page()).to_string();
    let before = told("repair", Verbosity::Normal, Outcome::Complete, &events);
    let verdict = |text: &str| text.lines().take(3).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(verdict(&again), verdict(&before));
    let accounting = |text: &str| text.lines().find(|line| line.starts_with("Accounting")).map(str::to_owned);
    assert_eq!(accounting(&again), accounting(&before));
}

#[test]
fn a_run_without_an_end_is_not_called_empty() {
    let mut replay = Replay::new(Verbosity::Normal, None);
    for event in &events("check") {
        if let Event::Run(run) = event {
            replay.line(&to_text(&RunLine(run))).unwrap();
        }
    }
    replay.line(&to_text(&FindingLine(&damaged()))).unwrap();
    replay.close();
    let page = anstream::adapter::strip_str(&replay.page()).to_string();
    assert!(
        page.starts_with("The check has no end on record: it was killed, or is still going on."),
        "{page}"
    );
    assert!(!page.contains("nothing here") && !page.contains("signal"), "{page}");
}

/// Fails after so many bytes, as a full disk does.
struct Full(usize, io::ErrorKind);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(self.1.into());
        }
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_told_and_a_reader_that_left_is_not_an_error() {
    for (kind, gone) in [(io::ErrorKind::StorageFull, false), (io::ErrorKind::BrokenPipe, true)] {
        let mut ndjson = Ndjson::to(Target::File("r.ndjson".into()), Box::new(Full(10, kind)));
        ndjson.line(&RunLine(&RunInfo::default()));
        ndjson.flush();
        let (message, left) = ndjson.error().unwrap();
        assert_eq!(left, gone);
        assert!(message.starts_with("--json to r.ndjson: "), "{message}");
    }
}

/// Keeps what is written for the test.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn lines_of_many_threads_stay_whole() {
    let kept = Kept::default();
    let ndjson = Mutex::new(Ndjson::to(Target::Stdout, Box::new(kept.clone())));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..500).for_each(|_| ndjson.lock().unwrap().line(&FindingLine(&damaged()))));
        }
    });
    ndjson.lock().unwrap().flush();
    let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    assert_eq!(text.lines().count(), 2000);
    for line in text.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
}

#[test]
fn hostile_names_do_not_reach_the_terminal() {
    let text = told("check", Verbosity::Normal, Outcome::Complete, &events("check"));
    assert!(text.contains("a\\u{1b}]52;c;x\\u{7}\\n\\xff.jpg"));
    assert!(!text.contains('\x1b') && !text.contains('\x07'));
}
