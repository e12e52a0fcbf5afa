//! Writes pages of made-up runs, for `scripts/test-report`: a run with thousands of findings and hostile names, a clean one.
//!
//!     cargo run --example report_page -- FOLDER
#![allow(clippy::print_stderr, reason = "an example")]

use std::path::{Path, PathBuf};

use base64::Engine as _;
use photofsck::model::{
    AssetFacts, AssetId, Code, Event, EventSink as _, Evidence, Finding, ItemReport, MediaFormat, PixelSize,
    Role, RunInfo, Shows, SmallPicture, Verdict, What,
};
use photofsck::report::{Options, Outcome, Reporter, Verbosity, When};

/// Findings of the large page: more than make one list.
const MANY: u32 = 2500;

/// A WebP of one pixel.
const PIXEL: &str = "UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA";
/// Rows with pictures.
const PICTURES: u32 = 60;

/// Names that would do harm if they were more than text.
const HOSTILE: [&str; 6] = [
    "</script><script>document.title='owned'</script>.jpg",
    "<img src=x onerror=\"document.title='owned'\">.jpg",
    "\" onmouseover=\"document.title='owned'\" x=\".jpg",
    "'; document.title='owned'; '.jpg",
    "line\nbreak\u{202e}gpj.exe",
    "</template></ul><style>*{display:none}</style>.jpg",
];

fn main() {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: report_page FOLDER");
        std::process::exit(16);
    };
    write(&folder.join("many.html"), many());
    write(&folder.join("clean.html"), vec![Event::Walked(1), checked(Verdict::Verified)]);
}

fn write(path: &Path, events: Vec<Event>) {
    let options = Options {
        html: Some(path.to_owned()),
        verbosity: Verbosity::Quiet,
        progress: When::Never,
        ..Options::new("check")
    };
    let reporter = match Reporter::new(options) {
        Ok(reporter) => reporter,
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(8);
        }
    };
    reporter.send(Event::Run(RunInfo {
        run_id: "20260302T120000Z-1".into(),
        started_at: "2026-03-02T12:00:00Z".into(),
        command: "check".into(),
        media: Some("/srv/immich".into()),
        ..RunInfo::default()
    }));
    for event in events {
        reporter.send(event);
    }
    let finished = reporter.finish(Outcome::Complete);
    if !finished.summary.report_errors.is_empty() {
        std::process::exit(8);
    }
}

fn checked(verdict: Verdict) -> Event {
    let mut item = ItemReport::new("/srv/immich/upload/a.jpg".into(), Role::Original);
    (item.format, item.verdict) = (MediaFormat::Jpeg, Some(verdict));
    Event::Checked(Box::new(item))
}

fn many() -> Vec<Event> {
    let mut events = Vec::new();
    for number in 0..MANY {
        let hostile = HOSTILE.get(number as usize);
        let name = hostile.map_or_else(|| format!("IMG_{number:04}.jpg"), |name| (*name).to_owned());
        let (role, what, verdict) = match number % 3 {
            0 => (Role::Original, What::Truncated, Verdict::Damaged),
            1 => (Role::Preview, What::Missing, Verdict::Verified),
            _ => (Role::Thumbnail, What::Malformed, Verdict::Verified),
        };
        let asset = AssetId(u128::from(number).to_be_bytes());
        let mut finding = Finding::new(Code::File(role, what))
            .at(PathBuf::from(format!("/srv/immich/{number:04}/{name}")))
            .seen(Evidence::new().with("seen", name.clone()));
        finding.asset = Some(asset);
        events.push(Event::Walked(1));
        events.push(checked(verdict));
        events.push(Event::Finding(Box::new(finding)));
        if number < PICTURES {
            events.extend(picture(asset, role));
        }
        events.push(Event::Asset(Box::new(AssetFacts {
            asset,
            name: name.clone(),
            owner: if number % 2 == 0 { "Anna".into() } else { "Ben".into() },
            albums: Some(vec![
                hostile.map_or_else(|| format!("Album {}", number % 7), |name| (*name).to_owned()),
            ]),
            taken: "2024-05-01 10:00".into(),
            device: "X-T5".into(),
        })));
    }
    events
}

fn picture(asset: AssetId, role: Role) -> Option<Event> {
    let webp = base64::engine::general_purpose::STANDARD.decode(PIXEL).ok()?;
    let (shows, lost) = if role == Role::Original { (Shows::Left, 40) } else { (Shows::Found, 0) };
    let size = PixelSize::new(1, 1);
    Some(Event::Picture(Box::new(SmallPicture { asset, role: Role::Preview, shows, size, lost, webp })))
}
