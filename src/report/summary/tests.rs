//! What counts, and what comes of it.

use super::*;
use crate::model::{CheckedCount, ItemReport, SkipReason};

fn finding(role: Role, what: What, path: &str) -> Event {
    Event::Finding(Box::new(Finding::new(Code::File(role, what)).at(path)))
}

fn repair(status: RepairStatus, path: &str) -> Event {
    Event::Repair(RepairEvent {
        action: RepairAction::Regenerate,
        role: Role::Preview,
        path: path.into(),
        asset: None,
        status,
        reason: String::new(),
        bytes: None,
    })
}

/// Runs the events through a summary and gives its exit status.
fn exit(policy: Policy, repairing: bool, events: &[Event], outcome: Outcome) -> u8 {
    let mut summary = Summary::new(policy, Scope { repairing, ..Scope::default() });
    for event in events {
        summary.take(event);
    }
    summary.close(outcome, 0.0);
    summary.exit().code()
}

#[test]
fn every_merge_of_the_exit_status() {
    use Outcome::{Cancelled, Complete, Failed, Refused, TimeLimit};
    use RepairStatus::{Done, Planned, Skipped};
    let preview = || finding(Role::Preview, What::Missing, "/p");
    let thumbnail = || finding(Role::Thumbnail, What::Truncated, "/t");
    let original = || finding(Role::Original, What::Truncated, "/o");
    let untracked = || finding(Role::Unknown, What::Untracked, "/u");
    let failed = || Failed("no media".into());
    let table: Vec<(&str, u8, bool, Vec<Event>, Outcome)> = vec![
        ("clean", 0, false, vec![], Complete),
        ("info only", 0, false, vec![untracked()], Complete),
        ("warning", 4, false, vec![preview()], Complete),
        ("error", 4, false, vec![original()], Complete),
        ("all repaired", 1, true, vec![preview(), repair(Done, "/p")], Complete),
        (
            "two findings, one repair",
            1,
            true,
            vec![preview(), finding(Role::Preview, What::WrongFormat, "/p"), repair(Done, "/p")],
            Complete,
        ),
        ("one repaired, one left", 5, true, vec![preview(), thumbnail(), repair(Done, "/p")], Complete),
        ("repaired, original left", 5, true, vec![preview(), original(), repair(Done, "/p")], Complete),
        ("dry run", 4, true, vec![preview(), repair(Planned, "/p")], Complete),
        ("repair failed", 4, true, vec![preview(), repair(RepairStatus::Failed, "/p")], Complete),
        ("repair skipped", 4, true, vec![preview(), repair(Skipped, "/p")], Complete),
        ("failed", 8, false, vec![], failed()),
        ("failed with findings", 12, false, vec![preview()], failed()),
        ("refused", 16, false, vec![], Refused("no".into())),
        ("time limit", 0, false, vec![], TimeLimit),
        ("cancelled", 32, false, vec![], Cancelled),
        ("cancelled while repairing", 37, true, vec![preview(), thumbnail(), repair(Done, "/t")], Cancelled),
    ];
    for (name, expected, repairing, events, outcome) in table {
        assert_eq!(exit(Policy::default(), repairing, &events, outcome), expected, "{name}");
    }
}

#[test]
fn fail_on_moves_the_line() {
    let at = |fail_on| Policy { fail_on, ..Policy::default() };
    let warning = [finding(Role::Preview, What::Missing, "/p")];
    let info = [finding(Role::Unknown, What::Untracked, "/u")];
    let planned = [finding(Role::Preview, What::Missing, "/p"), repair(RepairStatus::Planned, "/p")];
    assert_eq!(exit(at(Severity::Error), false, &warning, Outcome::Complete), 0);
    assert_eq!(exit(at(Severity::Error), true, &planned, Outcome::Complete), 0);
    assert_eq!(exit(at(Severity::Warning), false, &warning, Outcome::Complete), 4);
    assert_eq!(exit(at(Severity::Warning), false, &info, Outcome::Complete), 0);
    assert_eq!(exit(at(Severity::Info), false, &info, Outcome::Complete), 4);
}

#[test]
fn known_findings_are_quiet_only_when_asked() {
    let old = Finding::new(Code::File(Role::Original, What::Truncated)).at("/o");
    let baseline = Some(Baseline::of([&old]));
    let known = [finding(Role::Original, What::Truncated, "/o")];
    let new = [finding(Role::Original, What::Truncated, "/o"), finding(Role::Original, What::Empty, "/n")];
    let policy = |fail_on_new| Policy { baseline: baseline.clone(), fail_on_new, ..Policy::default() };
    assert_eq!(exit(policy(false), false, &known, Outcome::Complete), 4);
    assert_eq!(exit(policy(true), false, &known, Outcome::Complete), 0);
    assert_eq!(exit(policy(true), false, &new, Outcome::Complete), 4);
}

#[test]
fn a_repair_resolves_what_it_can() {
    let mut summary = Summary::new(Policy::default(), Scope { repairing: true, ..Scope::default() });
    summary.take(&finding(Role::Preview, What::Unregistered, "/p"));
    summary.take(&finding(Role::Preview, What::Malformed, "/p"));
    summary.take(&repair(RepairStatus::Done, "/p"));
    assert_eq!((summary.resolved, summary.left.warning), (1, 1));
}

#[test]
fn the_accounting_is_checked() {
    let mut summary = Summary::new(Policy::default(), Scope::default());
    summary.take(&Event::Walked(4));
    summary.take(&Event::Checked(Box::new(ItemReport::new("/a".into(), Role::Original))));
    summary.take(&Event::Skipped { reason: SkipReason::Marker, count: 1 });
    let files = [((Role::Preview, Some(Verdict::Decodable)), 1)].into();
    summary.take(&Event::CheckedMany(CheckedCount {
        files,
        bytes: 9,
        bytes_read: 8,
        ..CheckedCount::default()
    }));
    assert_eq!((summary.files(Role::Preview, Verdict::Decodable), summary.tally.bytes_read), (1, 8));
    assert_eq!(summary.unaccounted(), 1);
    summary.close(Outcome::Complete, 0.0);
    assert_eq!(summary.exit(), ExitStatus::FAILED);
    assert!(!summary.complete());

    let mut stopped = Summary::new(Policy::default(), Scope::default());
    stopped.take(&Event::Walked(4));
    stopped.close(Outcome::Failed("database lost".into()), 0.0);
    assert_eq!(stopped.unaccounted(), 0);
    assert_eq!(stopped.tally.skipped.get(&SkipReason::NotReached), Some(&4));
}

#[test]
fn a_file_that_immich_needs_is_there_when_its_row_is() {
    let asset = AssetId([5; 16]);
    let mut needed = Finding::new(Code::File(Role::Preview, What::Missing));
    needed.asset = Some(asset);
    let event = |action, status| {
        Event::Repair(RepairEvent {
            action,
            role: Role::Preview,
            path: "/p".into(),
            asset: Some(asset),
            status,
            reason: String::new(),
            bytes: None,
        })
    };
    let left = |asking: bool, events: &[Event]| {
        let scope = Scope { repairing: true, asking, ..Scope::default() };
        let mut summary = Summary::new(Policy::default(), scope);
        summary.take(&Event::Finding(Box::new(needed.clone())));
        for event in events {
            summary.take(event);
        }
        summary.left.warning
    };
    let made = event(RepairAction::Regenerate, RepairStatus::Done);
    let known = || event(RepairAction::Register, RepairStatus::Done);
    assert_eq!(left(false, std::slice::from_ref(&made)), 1);
    assert_eq!(left(false, &[made, known()]), 0);
    assert_eq!(left(false, &[event(RepairAction::Register, RepairStatus::Failed)]), 1);
    assert_eq!(left(true, &[known()]), 1, "asking is not having");
}
