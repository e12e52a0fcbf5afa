//! The summary in Prometheus text format, for node_exporter's textfile collector.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use jiff::Timestamp;

use super::summary::Summary;
use crate::model::{Code, Severity, display_path};

/// The text. `oldest`: when the file was verified that waits longest. Every metric has its help and type; the file ends with a newline, as the format asks.
pub fn render(summary: &Summary, oldest: Option<i64>, now: Timestamp) -> String {
    let tally = &summary.tally;
    let mut out = String::new();
    let mut family = |name: &str, help: &str, samples: Vec<(String, f64)>| {
        let _ = writeln!(out, "# HELP photofsck_{name} {help}\n# TYPE photofsck_{name} gauge");
        for (labels, value) in samples {
            let _ = writeln!(out, "photofsck_{name}{labels} {value}");
        }
    };
    let plain = |value: f64| vec![(String::new(), value)];
    family("last_run_timestamp_seconds", "When the last run ended.", plain(now.as_second() as f64));
    family("run_duration_seconds", "How long the last run took.", plain(summary.seconds));
    family(
        "run_complete",
        "1 if everything that was asked for was looked at.",
        plain(f64::from(u8::from(summary.complete()))),
    );
    family("exit_status", "Exit status of the last run.", plain(f64::from(summary.exit().code())));
    if let Some(days) = summary.coverage_days {
        let help = "Days within which every byte is read again, if runs go on as the last one.";
        family("coverage_days", help, plain(days as f64));
    }
    if let Some(oldest) = oldest {
        let help = "When the file was verified that waits longest for its next verification.";
        family("oldest_verification_timestamp_seconds", help, plain(oldest as f64));
    }
    family("read_bytes", "Bytes read by the last run.", plain(tally.bytes_read as f64));
    if summary.seconds > 0.0 {
        let rate = |count: u64| plain((count as f64 / summary.seconds * 1000.0).round() / 1000.0);
        family("read_bytes_per_second", "Bytes read in a second, on average.", rate(tally.bytes_read));
        family("checked_files_per_second", "Files checked in a second, on average.", rate(tally.checked));
    }
    let states = [
        ("walked", tally.walked),
        ("checked", tally.checked),
        ("skipped", summary.skipped()),
        ("error", tally.errors),
    ];
    family("files", "Files by what the last run did with them.", labelled("state", states));
    let verdicts = tally.verdicts.iter().map(|(verdict, number)| (verdict.as_str(), *number));
    family("verdicts", "Files by verdict.", labelled("verdict", verdicts));
    let findings = summary
        .by_severity
        .iter()
        .map(|((severity, code), number)| (sample(*severity, *code), *number as f64));
    family("findings", "Findings by code and severity.", findings.collect());
    let repairs = tally.repairs.iter().map(|(status, number)| (status.as_str(), *number));
    family("repairs", "Repairs by outcome.", labelled("status", repairs));
    out
}

fn labelled<'a>(label: &str, values: impl IntoIterator<Item = (&'a str, u64)>) -> Vec<(String, f64)> {
    values.into_iter().map(|(value, number)| (format!("{{{label}=\"{value}\"}}"), number as f64)).collect()
}

fn sample(severity: Severity, code: Code) -> String {
    format!("{{code=\"{code}\",severity=\"{severity}\"}}")
}

/// Writes the file beside its place and renames it, so that a collector never reads half of it.
///
/// # Errors
/// Names the file and what the system said.
pub fn write(path: &Path, summary: &Summary, oldest: Option<i64>) -> Result<(), String> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let beside = path.with_file_name(name);
    let text = render(summary, oldest, Timestamp::now());
    let put = || {
        let mut file = std::fs::File::create(&beside)?;
        file.write_all(text.as_bytes())?;
        // The collector is another user, and a service's umask keeps others out.
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
        std::fs::rename(&beside, path)
    };
    let result = put();
    result.map_err(|error| {
        let _ = std::fs::remove_file(&beside);
        format!("--metrics {}: {error}", display_path(path))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "a failed expectation is a failed test")]

    use super::*;
    use crate::model::{CheckedCount, Event, Finding, Role, What};
    use crate::report::summary::{Outcome, Policy, Scope};

    #[test]
    fn the_text_format_is_kept() {
        let mut summary = Summary::new(Policy::default(), Scope::default());
        summary.take(&Event::Finding(Box::new(Finding::new(Code::File(Role::Preview, What::Missing)))));
        summary.take(&Event::Walked(2));
        let files = [((Role::Unknown, None), 2)].into();
        summary.take(&Event::CheckedMany(CheckedCount { files, ..CheckedCount::default() }));
        summary.close(Outcome::Complete, 1.5);
        let text = render(&summary, Some(1_772_366_400), "2026-03-02T12:00:00Z".parse().expect("a moment"));
        insta::assert_snapshot!(text);
    }

    #[test]
    fn whoever_collects_may_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("photofsck.prom");
        write(&path, &Summary::new(Policy::default(), Scope::default()), None).expect("it is written");
        let mode = std::fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }
}
