//! What each code means and what to do about it; `docs/findings.md` is made from this.

use std::fmt::Write as _;

use crate::model::{Code, Role, RunCode, What};

/// One sentence about what a code means.
pub const fn meaning(code: Code) -> &'static str {
    match code {
        Code::File(_, what) => what.meaning(),
        Code::Run(code) => code.meaning(),
    }
}

/// One line about what to do; findings have more precise advice of their own where more is known.
pub const fn what_to_do(code: Code) -> &'static str {
    match code {
        Code::File(role, what) => file(role, what),
        Code::Run(code) => run(code),
    }
}

const fn file(role: Role, what: What) -> &'static str {
    match what {
        What::Missing
        | What::Empty
        | What::Truncated
        | What::Malformed
        | What::WrongSize
        | What::WrongContent => again(role),
        What::ChecksumMismatch | What::Changed => {
            "compare it with a backup; if nobody edited it, restore it and look at the disk's health"
        }
        What::WrongFormat if role.is_generated() => again(role),
        What::WrongFormat => "nothing, unless it does not show: then rename it or convert it",
        What::Unreadable => {
            "with a permission error let photofsck read it; with an I/O error look at the disk's health (smartctl) now"
        }
        What::Unverifiable => "look at it by hand; the reason says what kept photofsck from it",
        What::PassedOnRetry => "test memory, cables and network: something delivered wrong bytes once",
        What::Unregistered => "photofsck repair --register sql makes it known, or let Immich make it again",
        What::Untracked => {
            "nothing; if the records are current, it is left over: repair --quarantine-untracked moves it away"
        }
        What::Differs => "copy it again with its name, owner and permissions, for example with rsync -a",
    }
}

const fn again(role: Role) -> &'static str {
    match role {
        Role::Original => "restore it from a backup; until then its preview may be the best copy left",
        Role::Preview | Role::Thumbnail | Role::Fullsize => {
            "photofsck repair makes it again from the original"
        }
        Role::Person => {
            "photofsck repair makes it again where the records hold its face; else choose the feature photo again"
        }
        Role::Video => "let Immich make it again: Administration, Jobs, Transcode Videos, Missing",
        Role::Sidecar => "restore it from a backup, or let Immich write it again from its records",
        Role::Profile => "restore it from a backup, or let the user choose a new picture",
        Role::Unknown => "look at it by hand",
    }
}

const fn run(code: RunCode) -> &'static str {
    match code {
        RunCode::MountMarkerMissing => "mount the folder that Immich uses, or give the right --media",
        RunCode::MountEmpty => "mount the media location, or give the right --media",
        RunCode::MountHangs => "look after the server of that share, and run again",
        RunCode::MountGone => "mount it again and run again; what was looked at before counts",
        RunCode::RecordsStale => "use the live database, or a dump made after the newest file",
        RunCode::RecordsIncomplete => "make a new dump, or use the live database",
        RunCode::PathUnmapped => "say where the prefix is on this host: --map PREFIX=FOLDER",
        RunCode::SpaceLow => "make room on the disk that holds thumbs/, then run repair again",
    }
}

/// The text of `docs/findings.md`.
pub fn findings_page() -> String {
    let mut out = String::from(HEAD);
    for what in What::ALL {
        let _ = writeln!(out, "\n## {}\n\n{}.\n", what.as_str(), super::words::sentence(what.meaning()));
        out.push_str("| code | severity | what to do |\n|---|---|---|\n");
        for role in Role::ALL {
            let code = Code::File(role, what);
            let _ = writeln!(out, "| `{code}` | {} | {} |", code.severity(), what_to_do(code));
        }
    }
    out.push_str("\n## The run as a whole\n\n| code | severity | means | what to do |\n|---|---|---|---|\n");
    for code in RunCode::ALL {
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} |",
            code.as_str(),
            code.severity(),
            code.meaning(),
            what_to_do(Code::Run(code))
        );
    }
    out.push_str(TAIL);
    out
}

const HEAD: &str = "\
# Findings

Every finding has a stable code, `<role>.<what>`, a severity, evidence and one line of advice. This page is made from
the code; `PHOTOFSCK_BLESS=1 cargo test findings_page` writes it anew.

| severity | means |
|---|---|
| `info` | worth knowing; nothing to do |
| `warning` | something generated is wrong, or something could not be looked at |
| `error` | something that cannot be made again is wrong |

Roles: `original` (the user's own file), `preview`, `thumbnail`, `fullsize` (generated pictures), `person` (a face
crop), `video` (a transcode), `sidecar` (XMP), `profile` (a user's avatar), `unknown` (the path does not tell).
";

const TAIL: &str = "
## What changes a severity

- Findings about generated files of trashed or offline assets are `info`; not those about persons, who are shown all the same.
- A full-size picture that Immich never made of a 360 degree original is `info` while the settings ask for none.
- An original that the records call offline is `original.missing` with severity `info`.
- An original whose bytes match the recorded checksum and which does not decode came in broken: severity `warning`,
  evidence `as_recorded: true`. Nothing happened to it here.
- `wrong-content` is `info` where it is a hint: the thumbhash in the records is out of date, or only a part of a picture
  is not as it should be.
- A pixel size that only another setting of Immich explains is `wrong-size` with severity `info`.

## What `repair` does about them

A `repair` line says what was done, or why not: `regenerate` (a picture made again), `restore` (an original brought back
from a backup), `relink` (an original moved to where the records name it), `quarantine` (an untracked file moved away),
`salvage` (the best picture of a lost original copied out), `register` (made known to Immich), `clear-temporary`
(what a killed run left), and of `undo` itself `undo`. Its status is `planned`, `done`, `failed` or `skipped`; a finding
whose cause is gone no longer raises the exit status. [rescue.md](rescue.md) tells what each of them is careful about.
";

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "a failed expectation is a failed test")]

    use super::*;

    #[test]
    fn every_code_has_advice() {
        for role in Role::ALL {
            for what in What::ALL {
                assert!(!what_to_do(Code::File(role, what)).is_empty());
            }
        }
    }

    #[test]
    fn findings_page_is_current() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/findings.md");
        if std::env::var_os("PHOTOFSCK_BLESS").is_some() {
            std::fs::write(&path, findings_page()).expect("docs/findings.md can be written");
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == findings_page(),
            "docs/findings.md is not what the code says: run with PHOTOFSCK_BLESS=1"
        );
    }
}
