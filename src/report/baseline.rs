//! Findings that are known already: read from the NDJSON of an earlier run (`--baseline FILE`).

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::io::BufRead;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use serde::Deserialize;

use crate::model::{Code, Finding};

/// The findings of an earlier run, as hashes of code and path: eight bytes each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baseline(HashSet<u64>);

/// The fields of a `finding` line that make it the same finding in two runs.
#[derive(Deserialize)]
struct Line {
    #[serde(rename = "type")]
    kind: String,
    code: Option<String>,
    path: Option<String>,
    path_bytes: Option<String>,
    record_path: Option<String>,
    record_path_bytes: Option<String>,
}

impl Baseline {
    /// Reads the `finding` lines and passes over all others. Codes that this version does not know are passed
    /// over too: they cannot occur again.
    ///
    /// # Errors
    /// Says which line is not a line of a report.
    pub fn read(input: impl BufRead) -> Result<Self, String> {
        let mut known = HashSet::new();
        for (index, line) in input.lines().enumerate() {
            let number = index + 1;
            let line = line.map_err(|error| format!("line {number}: {error}"))?;
            if line.trim().is_empty() {
                continue;
            }
            let line: Line = serde_json::from_str(&line).map_err(|error| {
                format!("line {number} is not a line that `--json` writes ({error}); expected the NDJSON of an earlier run")
            })?;
            if line.kind != "finding" {
                continue;
            }
            let Some(code) = line.code.as_deref().and_then(Code::parse) else { continue };
            let path = restore(line.path, line.path_bytes, number)?;
            let record = restore(line.record_path, line.record_path_bytes, number)?;
            known.insert(key(code, path.as_deref(), record.as_deref()));
        }
        Ok(Self(known))
    }

    /// Findings at hand.
    #[cfg(test)]
    pub fn of<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Self {
        let mut known = Self::default();
        findings.into_iter().for_each(|finding| known.add(finding));
        known
    }

    /// Knows a finding from now on.
    pub fn add(&mut self, finding: &Finding) {
        self.0.insert(finding_key(finding));
    }

    /// Whether the finding was there already.
    pub fn knows(&self, finding: &Finding) -> bool {
        self.0.contains(&finding_key(finding))
    }
}

fn finding_key(finding: &Finding) -> u64 {
    key(finding.code, finding.path.as_deref(), finding.record_path.as_deref())
}

fn restore(text: Option<String>, bytes: Option<String>, number: usize) -> Result<Option<PathBuf>, String> {
    let Some(bytes) = bytes else { return Ok(text.map(PathBuf::from)) };
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(bytes)
        .map_err(|error| format!("line {number}: path bytes are not base64: {error}"))?;
    Ok(Some(PathBuf::from(std::ffi::OsStr::from_bytes(&bytes))))
}

/// The path here tells findings apart; where it leads nowhere here, the path of the records does.
fn key(code: Code, path: Option<&Path>, record: Option<&Path>) -> u64 {
    let mut hasher = DefaultHasher::new();
    code.hash(&mut hasher);
    path.or(record).map(|path| path.as_os_str().as_bytes()).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use std::ffi::OsStr;

    use super::*;
    use crate::model::{Role, What};

    #[test]
    fn a_finding_is_known_by_code_and_path() {
        let odd =
            Finding::new(Code::File(Role::Preview, What::Missing)).at(OsStr::from_bytes(b"/a\xff.jpeg"));
        let text = concat!(
            "{\"type\":\"run\",\"version\":\"0.1.0\"}\n",
            "{\"type\":\"finding\",\"code\":\"original.truncated\",\"path\":\"/b.jpg\"}\n",
            "{\"type\":\"finding\",\"code\":\"preview.missing\",\"path\":\"/a\u{fffd}.jpeg\",\"path_bytes\":\"L2H/LmpwZWc=\"}\n",
            "{\"type\":\"finding\",\"code\":\"future.code\",\"path\":\"/c\"}\n",
        );
        let baseline = Baseline::read(text.as_bytes()).unwrap();
        assert!(baseline.knows(&odd));
        assert!(baseline.knows(&Finding::new(Code::File(Role::Original, What::Truncated)).at("/b.jpg")));
        assert!(!baseline.knows(&Finding::new(Code::File(Role::Original, What::Malformed)).at("/b.jpg")));
        assert_eq!(
            baseline,
            Baseline::of([&odd, &Finding::new(Code::File(Role::Original, What::Truncated)).at("/b.jpg")])
        );
    }

    #[test]
    fn another_file_is_refused_with_its_line() {
        let error = Baseline::read("{\"type\":\"run\"}\nhello\n".as_bytes()).unwrap_err();
        assert!(error.starts_with("line 2 is not a line that `--json` writes"), "{error}");
    }
}
