//! Findings: typed facts about what is wrong. Text is made from them at the edge only.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::asset::{AssetId, Role};
use super::media::DamageClass;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing to do.
    Info,
    /// Something generated is wrong, or something could not be looked at.
    Warning,
    /// Something that cannot be made again is wrong.
    Error,
}

impl Severity {
    /// The word used in NDJSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is wrong with one file. Together with its role this is the finding's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "meaning() says it")]
pub enum What {
    Missing,
    Empty,
    Truncated,
    Malformed,
    ChecksumMismatch,
    Changed,
    WrongContent,
    WrongFormat,
    WrongSize,
    Unreadable,
    Unverifiable,
    PassedOnRetry,
    Unregistered,
    Untracked,
    Differs,
}

impl What {
    /// All of them, in the order in which they are listed to people.
    pub const ALL: [Self; 15] = [
        Self::Missing,
        Self::Empty,
        Self::Truncated,
        Self::Malformed,
        Self::ChecksumMismatch,
        Self::Changed,
        Self::WrongContent,
        Self::WrongFormat,
        Self::WrongSize,
        Self::Unreadable,
        Self::Unverifiable,
        Self::PassedOnRetry,
        Self::Unregistered,
        Self::Untracked,
        Self::Differs,
    ];

    /// The second half of the code.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Empty => "empty",
            Self::Truncated => "truncated",
            Self::Malformed => "malformed",
            Self::ChecksumMismatch => "checksum-mismatch",
            Self::Changed => "changed",
            Self::WrongContent => "wrong-content",
            Self::WrongFormat => "wrong-format",
            Self::WrongSize => "wrong-size",
            Self::Unreadable => "unreadable",
            Self::Unverifiable => "unverifiable",
            Self::PassedOnRetry => "passed-on-retry",
            Self::Unregistered => "unregistered",
            Self::Untracked => "untracked",
            Self::Differs => "differs",
        }
    }

    /// One sentence for `docs/findings.md` and the advice of the summary.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Missing => "the records name it (or Immich needs it and has none), the file is not there",
            Self::Empty => "the file has no bytes",
            Self::Truncated => "the file ends too early",
            Self::Malformed => "the file is wrong inside",
            Self::ChecksumMismatch => "the bytes differ from the recorded checksum",
            Self::Changed => {
                "the bytes differ from the last verified state although size and time are the same"
            }
            Self::WrongContent => "a sound picture, but not of this original",
            Self::WrongFormat => "name and bytes disagree on the format",
            Self::WrongSize => "the pixel size cannot come from this original",
            Self::Unreadable => "permission or I/O error",
            Self::Unverifiable => {
                "nothing can be said: unsupported feature, limit, timeout or crash of a decoder"
            }
            Self::PassedOnRetry => "the second read was fine: suspect memory, cable, bus or network",
            Self::Unregistered => "the generated file is there and sound, the record is not",
            Self::Untracked => "a file that no record names",
            Self::Differs => {
                "the bytes of the manifest (`--against`), under another name, of another owner, with other permissions, or behind a link"
            }
        }
    }

    /// The severity for a role, before the rules for trashed assets and files that came in broken.
    pub const fn severity(self, role: Role) -> Severity {
        let generated = role.is_generated();
        let minor = matches!(role, Role::Sidecar | Role::Profile);
        match self {
            Self::Missing if !generated => Severity::Error,
            Self::Empty | Self::Truncated | Self::Malformed if !generated && !minor => Severity::Error,
            Self::ChecksumMismatch | Self::Changed | Self::Unreadable if !minor => Severity::Error,
            Self::WrongFormat if matches!(role, Role::Original) => Severity::Info,
            Self::Untracked => Severity::Info,
            _ => Severity::Warning,
        }
    }
}

impl From<DamageClass> for What {
    fn from(class: DamageClass) -> Self {
        match class {
            DamageClass::Truncated => Self::Truncated,
            DamageClass::Malformed => Self::Malformed,
        }
    }
}

/// What is wrong with the run as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RunCode {
    /// A folder that Immich has marked lacks its `.immich` file.
    MountMarkerMissing,
    /// The media location holds nothing.
    MountEmpty,
    /// A folder was unmounted while the run went on.
    MountGone,
    /// A share does not answer.
    MountHangs,
    /// The records are older than the files.
    RecordsStale,
    /// A dump ends too early.
    RecordsIncomplete,
    /// Paths in the records that lead nowhere on this host.
    PathUnmapped,
    /// Not enough room to repair.
    SpaceLow,
}

impl RunCode {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::MountMarkerMissing,
        Self::MountEmpty,
        Self::MountGone,
        Self::MountHangs,
        Self::RecordsStale,
        Self::RecordsIncomplete,
        Self::PathUnmapped,
        Self::SpaceLow,
    ];

    /// The code.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MountMarkerMissing => "mount.marker-missing",
            Self::MountEmpty => "mount.empty",
            Self::MountGone => "mount.gone",
            Self::MountHangs => "mount.hangs",
            Self::RecordsStale => "records.stale",
            Self::RecordsIncomplete => "records.incomplete",
            Self::PathUnmapped => "path.unmapped",
            Self::SpaceLow => "space.low",
        }
    }

    /// One sentence for `docs/findings.md`.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::MountMarkerMissing => {
                "Immich has marked this folder with an .immich file, and it is not there: wrong or missing mount"
            }
            Self::MountEmpty => "the media location is empty: wrong or missing mount",
            Self::MountHangs => "a share does not answer: nothing can be said of the files on it",
            Self::MountGone => "a folder was unmounted, or its disk taken away, while the run went on",
            Self::RecordsStale => {
                "the records are older than the newest files: what came since is seen as untracked"
            }
            Self::RecordsIncomplete => "the dump ends too early: rows may be missing",
            Self::PathUnmapped => "paths in the records begin with a prefix that no --map covers",
            Self::SpaceLow => "not enough free space to write the repaired files",
        }
    }

    /// Its severity.
    pub const fn severity(self) -> Severity {
        match self {
            Self::RecordsStale | Self::SpaceLow => Severity::Warning,
            _ => Severity::Error,
        }
    }
}

/// A stable finding code: `<role>.<what>`, or one of the run's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// About one file.
    File(Role, What),
    /// About the run.
    Run(RunCode),
}

impl Code {
    /// Severity without context; see [`What::severity`].
    pub const fn severity(self) -> Severity {
        match self {
            Self::File(role, what) => what.severity(role),
            Self::Run(code) => code.severity(),
        }
    }

    /// The role in the code; a finding about the run has none.
    pub const fn role(self) -> Option<Role> {
        match self {
            Self::File(role, _) => Some(role),
            Self::Run(_) => None,
        }
    }

    /// Reads a code back, for baselines and earlier runs.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(code) = RunCode::ALL.into_iter().find(|code| code.as_str() == text) {
            return Some(Self::Run(code));
        }
        let (role, what) = text.split_once('.')?;
        let role = Role::ALL.into_iter().find(|known| known.as_str() == role)?;
        let what = What::ALL.into_iter().find(|known| known.as_str() == what)?;
        Some(Self::File(role, what))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(role, what) => write!(f, "{role}.{}", what.as_str()),
            Self::Run(code) => f.write_str(code.as_str()),
        }
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("unknown finding code {text:?}")))
    }
}

/// What was seen: named values, in the order of their names.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Evidence(pub Map<String, Value>);

impl Evidence {
    /// No evidence yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one more value.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Stable code.
    pub code: Code,
    /// How much it matters here.
    pub severity: Severity,
    /// Path on this host; `None` when the record's path leads nowhere here.
    pub path: Option<PathBuf>,
    /// Path as the records spell it.
    pub record_path: Option<PathBuf>,
    /// The asset it belongs to.
    pub asset: Option<AssetId>,
    /// What was seen, where, by which check.
    pub evidence: Evidence,
    /// What to do, one line; empty when there is nothing to do.
    pub advice: String,
}

impl Finding {
    /// A finding with the code's own severity and nothing else known yet.
    pub fn new(code: Code) -> Self {
        Self {
            code,
            severity: code.severity(),
            path: None,
            record_path: None,
            asset: None,
            evidence: Evidence::new(),
            advice: String::new(),
        }
    }

    /// The same, about a file.
    #[must_use]
    pub fn at(mut self, path: impl Into<PathBuf>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// The same with evidence.
    #[must_use]
    pub fn seen(mut self, evidence: Evidence) -> Self {
        self.evidence = evidence;
        self
    }

    /// The same with advice.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = advice.into();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back() {
        for role in Role::ALL {
            for what in What::ALL {
                let code = Code::File(role, what);
                assert_eq!(Code::parse(&code.to_string()), Some(code));
            }
        }
        for code in RunCode::ALL.map(Code::Run) {
            assert_eq!(Code::parse(&code.to_string()), Some(code));
        }
        assert_eq!(Code::parse("original.fine"), None);
    }

    #[test]
    fn severities_follow_the_contract() {
        assert_eq!(What::Missing.severity(Role::Sidecar), Severity::Error);
        assert_eq!(What::Malformed.severity(Role::Sidecar), Severity::Warning);
        assert_eq!(What::Missing.severity(Role::Preview), Severity::Warning);
        assert_eq!(What::Truncated.severity(Role::Original), Severity::Error);
        assert_eq!(What::WrongFormat.severity(Role::Original), Severity::Info);
        assert_eq!(What::WrongFormat.severity(Role::Thumbnail), Severity::Warning);
        assert_eq!(What::Unreadable.severity(Role::Preview), Severity::Error);
        assert_eq!(What::Unreadable.severity(Role::Profile), Severity::Warning);
    }
}
