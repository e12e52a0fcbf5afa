//! The text of `docs/doctor.md`.

use std::fmt::Write as _;

use super::STEPS;
use super::messages::KNOWN;

/// The page: one row for each step, and one for each known message.
pub fn page() -> String {
    let mut out = String::from(HEAD);
    for step in STEPS {
        let _ = writeln!(out, "| `{}` | {} | {} | {} |", step.name, step.asks, step.looks_at, step.needs);
    }
    out.push_str(MESSAGES);
    for known in KNOWN {
        let parts: Vec<String> = known.parts.iter().map(|part| format!("`{part}`")).collect();
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} |",
            parts.join(" and "),
            known.means,
            known.remedy,
            known.seen
        );
    }
    out
}

const HEAD: &str = "\
# What doctor asks

`photofsck doctor` asks these questions in this order and answers each with ok, PROBLEM and a remedy, or cannot tell and
why. It writes nothing, asks servers nothing that changes anything, and waits for no disk, share or server for ever. The last
line names the problem to mend first: that which may be the cause of the others. Exit status 4 = problems, 8 = no question
could be answered. This page is made from the code; `PHOTOFSCK_BLESS=1 cargo test doctor_page` writes it anew.

| step | asks | looks at | needs |
|---|---|---|---|
";

const MESSAGES: &str = "
## Messages in logs

Numbers are issues of immich-app/immich in which the message was seen.

| in one line | means | what to do | seen |
|---|---|---|---|
";

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "a failed expectation is a failed test")]

    use super::*;

    #[test]
    fn doctor_page_is_current() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/doctor.md");
        if std::env::var_os("PHOTOFSCK_BLESS").is_some() {
            std::fs::write(&path, page()).expect("docs/doctor.md can be written");
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == page(), "docs/doctor.md is not what the code says: run with PHOTOFSCK_BLESS=1");
    }
}
