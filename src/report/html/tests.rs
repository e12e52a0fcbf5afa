//! Pages of made-up runs.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::*;
use crate::model::{
    AssetFacts, AssetId, Code, Comparison, CoveredDay, Event, Evidence, Finding, ItemReport, MediaFormat,
    PixelSize, RecordsInfo, RepairAction, RepairEvent, RepairStatus, Role, RunCode, RunInfo, Severity, Shows,
    SmallPicture, Verdict, What,
};
use crate::report::{Policy, Scope};

/// A name that would do harm in HTML, attributes, scripts, shells and to the direction of text.
const HOSTILE: &[u8] = b"/media/</script><img src=x onerror=alert(1)>'\"`&amp;\n\t\xff\xe2\x80\xaegpj.jpg";

fn id(n: u8) -> AssetId {
    AssetId([n; 16])
}

fn finding(role: Role, what: What, path: impl Into<PathBuf>, asset: Option<AssetId>) -> Finding {
    let mut finding = Finding::new(Code::File(role, what)).at(path);
    finding.asset = asset;
    finding
}

fn found(finding: Finding) -> Event {
    Event::Finding(Box::new(finding))
}

fn repair(
    action: RepairAction,
    role: Role,
    path: &str,
    asset: Option<AssetId>,
    status: RepairStatus,
) -> Event {
    let (reason, bytes) = (String::new(), None);
    Event::Repair(RepairEvent { action, role, path: path.into(), asset, status, reason, bytes })
}

fn info(command: &str) -> RunInfo {
    RunInfo {
        run_id: "20260302T120000Z-1".into(),
        started_at: "2026-03-02T12:00:00Z".into(),
        command: command.into(),
        media: Some("/srv/my photos".into()),
        records: Some(RecordsInfo {
            source: "dump /backups/immich.sql".into(),
            assets: 3,
            ..RecordsInfo::default()
        }),
        ..RunInfo::default()
    }
}

/// Everything that a page is made from, kept together.
struct Told {
    summary: Summary,
    collected: Collected,
    gathered: Gathered,
    history: History,
    command: &'static str,
}

impl Told {
    fn new(command: &'static str, events: Vec<Event>) -> Self {
        let scope = Scope { repairing: command == "repair", ..Scope::default() };
        let mut told = Self {
            summary: Summary::new(Policy::default(), scope),
            collected: Collected::default(),
            gathered: Gathered::default(),
            history: History::default(),
            command,
        };
        for event in std::iter::once(Event::Run(info(command))).chain(events) {
            told.summary.take(&event);
            told.collected.take(&event, false);
            told.gathered.take(&event, false);
        }
        told
    }

    fn page(&self) -> String {
        Sheet {
            summary: &self.summary,
            collected: &self.collected,
            gathered: &self.gathered,
            history: &self.history,
            command: self.command,
            state: None,
            now: "2026-03-02T12:30:00Z".parse().unwrap(),
        }
        .render()
    }

    fn steps(&self) -> Vec<next::Step> {
        next::steps(
            &self.summary,
            (&self.collected.run, Some(Path::new("/srv/my state"))),
            &self.gathered,
            self.command,
        )
    }
}

/// The page between style and script, a line for each element that begins a block.
fn body(page: &str) -> String {
    let from = page.find("<body>").unwrap();
    let to = page.rfind("<script>").unwrap();
    let blocks = [
        "<section", "<h", "<p", "<li", "<tr", "<table", "<figure", "<div", "<dt", "<form", "<label", "<nav",
        "<ul", "<ol", "<details",
    ];
    blocks.iter().fold(page[from..to].to_owned(), |text, block| text.replace(block, &format!("\n{block}")))
}

fn picture(asset: AssetId, role: Role, shows: Shows, lost: u8) -> Event {
    let size = PixelSize::new(4, 3);
    Event::Picture(Box::new(SmallPicture { asset, role, shows, size, lost, webp: b"RIFF".to_vec() }))
}

fn item(role: Role, format: MediaFormat, verdict: Verdict) -> Event {
    let mut item = ItemReport::new("/media/a".into(), role);
    (item.format, item.verdict) = (format, Some(verdict));
    Event::Checked(Box::new(item))
}

#[test]
fn a_page_of_everything() {
    let preview = "/media/thumbs/p.jpeg";
    let told = Told {
        history: History {
            days: vec![
                CoveredDay { day: 20_000, files: 2, bytes: 9 },
                CoveredDay { day: 20_514, files: 3, bytes: 4096 },
            ],
            runs: vec![
                PastRun {
                    started_at: "2026-03-01T02:00:00Z".into(),
                    command: "check".into(),
                    exit: None,
                    ..PastRun::default()
                },
                PastRun {
                    started_at: "2026-03-02T12:00:00Z".into(),
                    command: "repair".into(),
                    exit: Some(5),
                    ..PastRun::default()
                }
                .counted(r#"{"checked":3,"findings":{"preview.missing":1,"original.untracked":4}}"#),
            ],
        },
        ..Told::new(
            "repair",
            vec![
                Event::Walked(3),
                item(Role::Original, MediaFormat::Jpeg, Verdict::Verified),
                item(Role::Original, MediaFormat::Heic, Verdict::Damaged),
                item(Role::Preview, MediaFormat::Jpeg, Verdict::Decodable),
                found(
                    finding(Role::Original, What::Truncated, "/media/upload/a.heic", Some(id(1))).seen(
                        Evidence::new().with("seen", "ends too early").with("damaged_part", "lower 40 %"),
                    ),
                ),
                found(finding(Role::Preview, What::Missing, preview, Some(id(2)))),
                repair(RepairAction::Regenerate, Role::Preview, preview, Some(id(2)), RepairStatus::Done),
                picture(id(1), Role::Preview, Shows::Left, 40),
                picture(id(2), Role::Preview, Shows::Made, 0),
                Event::Asset(Box::new(AssetFacts {
                    asset: id(1),
                    name: "Überlingen.heic".into(),
                    owner: "Anna".into(),
                    albums: Some(vec!["Sea & sun".into()]),
                    taken: "2024-05-01 10:00".into(),
                    ..AssetFacts::default()
                })),
            ],
        )
    };
    insta::assert_snapshot!(body(&told.page()));
}

#[test]
fn the_policy_forbids_all_but_the_pages_own_style_script_and_pictures() {
    let page = Told::new("check", vec![]).page();
    assert_eq!(page.matches("<script").count(), 1);
    assert_eq!(page.matches("<style").count(), 1);
    assert!(!page.contains("style=\"") && !page.contains("onclick="));
    let policy = format!("style-src &#39;{}&#39;; script-src &#39;{}&#39;", digest(STYLE), digest(SCRIPT));
    let plain = policy.replace("&#39;", "'");
    assert!(page.contains(&plain), "{}", &page[..900]);
    // https://www.w3.org/TR/CSP2/#source-list-valid-hashes: of the bytes between the tags.
    assert_eq!(digest("alert('Hello, world.');"), "sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng=");
    assert!(!SCRIPT.contains("</") && !STYLE.contains("</"));
}

#[test]
fn hostile_names_are_text_wherever_they_stand() {
    let path = PathBuf::from(OsStr::from_bytes(HOSTILE));
    let name = String::from_utf8_lossy(HOSTILE).into_owned();
    let seen = Evidence::new().with("seen", name.clone());
    let mut strange =
        finding(Role::Original, What::Malformed, path.clone(), Some(id(1))).seen(seen).advise(name.clone());
    strange.record_path = Some(path.clone());
    let told = Told::new(
        "repair",
        vec![
            found(strange),
            found(finding(Role::Unknown, What::Untracked, path.clone(), None)),
            Event::Repair(RepairEvent {
                action: RepairAction::Quarantine,
                role: Role::Unknown,
                path,
                asset: None,
                status: RepairStatus::Failed,
                reason: name.clone(),
                bytes: None,
            }),
            Event::Note(name.clone()),
            Event::Asset(Box::new(AssetFacts {
                asset: id(1),
                name: name.clone(),
                owner: name.clone(),
                albums: Some(vec![name.clone()]),
                taken: name.clone(),
                device: name,
            })),
        ],
    );
    let page = told.page();
    assert!(page.contains("&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;"));
    assert!(!page.contains("<img src=x") && !page.contains("\u{202e}"));
    assert_eq!(page.matches("</script>").count(), 1);
    // Every attribute with a name from outside is still one attribute.
    assert!(page.contains("&quot;") && !page.contains("jpg\" onerror"));
}

#[test]
fn steps_come_in_the_order_of_what_gets_worse_by_waiting() {
    let told = Told::new(
        "check",
        vec![
            found(finding(Role::Unknown, What::Untracked, "/u", None)),
            found(finding(Role::Preview, What::Missing, "/p", Some(id(1)))),
            found(finding(Role::Original, What::Missing, "/o", Some(id(2)))),
            found(
                finding(Role::Original, What::Unreadable, "/r", Some(id(3)))
                    .seen(Evidence::new().with("errno", 5)),
            ),
            found(Finding::new(Code::Run(RunCode::SpaceLow))),
        ],
    );
    let steps = told.steps();
    let words: Vec<&str> = steps.iter().map(|step| step.what.split([' ', ':']).next().unwrap()).collect();
    assert_eq!(words, ["Not", "A", "Bring", "Where", "Make", "No"], "{steps:?}");
    let commands: Vec<&str> = steps.iter().filter_map(|step| step.command.as_deref()).collect();
    let base = "photofsck repair --media '/srv/my photos' --db /backups/immich.sql --state '/srv/my state'";
    assert_eq!(
        commands[1],
        format!("{base} --originals-from /PATH/TO/BACKUP --quarantine /PATH/FOR/DAMAGED")
    );
    assert_eq!(commands[3], base);
}

#[test]
fn rows_are_asked_of_a_database_and_not_of_the_dump() {
    let unknown = finding(Role::Preview, What::Unregistered, "/p", Some(id(1)));
    let step = Told::new("check", vec![found(unknown)]).steps().into_iter().find_map(|step| step.command);
    assert_eq!(
        step.as_deref(),
        Some(
            "photofsck repair --media '/srv/my photos' --db 'postgres://USER:PASSWORD@HOST/immich' --state '/srv/my state' --register sql --dry-run"
        )
    );
}

#[test]
fn after_a_move_the_page_says_whether_all_of_it_arrived() {
    let all = Comparison { made_at: "2026-03-01".into(), files: 7, identical: 7, ..Comparison::default() };
    let mut told = Told::new("check", vec![Event::Compared(all.clone())]);
    told.summary.coverage_days = Some(31);
    let page = told.page();
    assert!(
        page.contains("<p>Complete and identical with the manifest of 2026-03-01: 7 files (0 B).</p>"),
        "{page}"
    );
    assert!(told.steps()[0].what.starts_with("Nothing has to be done"));
    let some = Comparison { identical: 4, lost: 2, collided: 1, added: 5, ..all };
    let told = Told::new("check", vec![Event::Compared(some)]);
    let page = told.page();
    let words = "4 identical, 2 lost, 1 that share a file with another name; 5 files added since.";
    assert!(page.contains("NOT complete and identical") && page.contains(words), "{page}");
    let step = &told.steps()[0];
    assert!(step.what.starts_with("Keep the old place") && step.what.contains("3 files"), "{step:?}");
    assert!(step.command.as_deref().unwrap().ends_with("--against /PATH/TO/MANIFEST"), "{step:?}");
}

#[test]
fn the_promise_stands_beside_the_time_line() {
    let mut told = Told::new("check", vec![]);
    told.history.days = vec![CoveredDay { day: 20_514, files: 3, bytes: 4096 }];
    told.summary.coverage_days = Some(31);
    assert!(told.page().contains("Every byte is read again within 31 days at this pace."));
}

#[test]
fn nothing_wrong_is_a_step_too() {
    let steps = Told::new("check", vec![]).steps();
    assert_eq!(steps.len(), 1);
    assert!(steps[0].command.as_deref().unwrap().starts_with("30 3 * * * photofsck check --media"));
}

#[test]
fn rows_are_graded_by_what_is_left() {
    let done = |path| repair(RepairAction::Regenerate, Role::Preview, path, Some(id(1)), RepairStatus::Done);
    let wrong = |path: &str| found(finding(Role::Preview, What::Empty, path, Some(id(1))));
    let grade = |events| {
        let told = Told::new("repair", events);
        told.gathered.rows().next().unwrap().1.grade(false)
    };
    assert_eq!(grade(vec![wrong("/p")]), gather::Grade::Warning);
    assert_eq!(grade(vec![wrong("/p"), done("/p")]), gather::Grade::Repaired);
    assert_eq!(grade(vec![wrong("/p"), wrong("/q"), done("/p")]), gather::Grade::Warning);
    let untracked = || found(finding(Role::Unknown, What::Untracked, "/u", None));
    assert_eq!(grade(vec![untracked()]), gather::Grade::Info);
}

#[test]
fn many_rows_are_pages_and_errors_are_never_the_ones_left_out() {
    let small = |number: usize| found(finding(Role::Preview, What::Missing, format!("/p/{number:05}"), None));
    let grave =
        |number: usize| found(finding(Role::Original, What::Missing, format!("/o/{number:05}"), None));
    let told = Told::new("check", (0..MOST_ROWS + 500).map(small).chain((0..700).map(grave)).collect());
    assert_eq!(told.gathered.rows().count(), MOST_ROWS);
    let errors =
        told.gathered.rows().filter(|(_, row)| row.findings[0].0.severity == Severity::Error).count();
    assert_eq!(errors, 700);
    let page = told.page();
    let (first, later) = page.split_once("<template id=\"more\">").unwrap();
    assert_eq!(first.matches("<li class=\"row").count(), 100);
    assert_eq!(later.matches("<li class=\"row").count(), MOST_ROWS - 100);
    assert!(first.contains("1,200 further findings have no room in this page"));
    let few = Told::new("check", (0..999).map(small).collect()).page();
    assert!(!few.contains("<template") && few.matches("<li class=\"row").count() == 999);
}

#[test]
fn a_page_is_written_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.html");
    write(&path, "one").unwrap();
    write(&path, "two").unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "two");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let error = write(Path::new("/nowhere/page.html"), "x").unwrap_err();
    assert!(error.starts_with("--html /nowhere/page.html: "), "{error}");
}
