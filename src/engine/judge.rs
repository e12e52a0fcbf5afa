//! From what a worker saw and what the records expect to a verdict and findings. Pure: no I/O, no clock.

use std::path::{Path, PathBuf};

use crate::model::{
    AssetId, Code, Colorspace, DamageClass, DecodeError, Depth, Evidence, Finding, MediaFormat, Role,
    Severity, Verdict, What,
};
use crate::render::Impression;
use crate::worker::protocol::MediaReport;

use super::content;

/// With what a file's picture is compared, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The thumbhash in the records, if it is of this picture.
    pub recorded: Option<Vec<u8>>,
    /// On every look; else only on the second one, before the file is accused.
    pub always: bool,
    /// The colour space that Immich gives to pictures that are not sRGB.
    pub colorspace: Colorspace,
}

/// What is known about a file before it is opened.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// Its role.
    pub role: Role,
    /// Its path on this host.
    pub path: PathBuf,
    /// Its path in the records.
    pub record_path: Option<PathBuf>,
    /// The asset it belongs to.
    pub asset: Option<AssetId>,
    /// SHA-1 of the content, where the records hold one.
    pub checksum: Option<[u8; 20]>,
    /// Length in bytes, where the records hold it.
    pub recorded_size: Option<u64>,
    /// The asset is in the trash or offline: what is wrong with its generated files matters little.
    pub lowered: bool,
    /// BLAKE3 of the last sound state, if size and times are still the same.
    pub last_sound: Option<[u8; 32]>,
    /// How thoroughly the file was looked at.
    pub depth: Depth,
    /// Whether what it shows is to be compared.
    pub shows: Option<Comparison>,
}

impl Expectation {
    /// A file about which nothing is recorded.
    pub fn unrecorded(path: &Path, role: Role, depth: Depth) -> Self {
        Self {
            role,
            path: path.to_owned(),
            record_path: None,
            asset: None,
            checksum: None,
            recorded_size: None,
            lowered: false,
            last_sound: None,
            depth,
            shows: None,
        }
    }
}

/// The answer about one file.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The one-word answer.
    pub verdict: Verdict,
    /// Why; empty for a plain good answer.
    pub reason: String,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

impl Judgement {
    /// Whether the worst finding is evidence about the bytes: worth a second read before it is told.
    pub fn accuses(&self) -> bool {
        self.verdict == Verdict::Damaged
    }
}

/// Judges a file that a worker has looked at.
pub fn judge(expected: &Expectation, report: &MediaReport) -> Judgement {
    let mut case = Case { expected, report: Some(report), findings: Vec::new() };
    let (verdict, reason) = case.decide(report);
    Judgement { verdict, reason, findings: case.findings }
}

/// Judges a file that could not be looked at.
pub fn judge_failure(expected: &Expectation, error: &DecodeError) -> Judgement {
    let mut case = Case { expected, report: None, findings: Vec::new() };
    let (verdict, reason) = case.not_looked_at(error);
    Judgement { verdict, reason, findings: case.findings }
}

/// The finding for a file that was bad on the first and good on the second read, which went `way`.
pub fn passed_on_retry(expected: &Expectation, first: &Judgement, way: &str) -> Finding {
    let mut case = Case { expected, report: None, findings: Vec::new() };
    case.push(
        What::PassedOnRetry,
        Evidence::new().with("first_read", first.reason.clone()).with("second_read", way),
        "read it again later; if this repeats, test the memory, the cable and the disk",
    );
    case.findings.pop().unwrap_or_else(|| Finding::new(Code::File(expected.role, What::PassedOnRetry)))
}

/// What a file shows, as far as it was decoded; nothing of pictures so small that their thumbhash is chance.
pub fn shown(report: &MediaReport) -> Option<Impression> {
    /// Shorter side in pixels. Down from here roundings move whole parts of a thumbhash.
    const LEAST: u32 = 64;
    let made = report.rendered.as_ref()?.as_ref().ok()?;
    report.size.filter(|size| size.short_side() >= LEAST)?;
    Impression::of(made.thumbhash.as_deref()?)
}

struct Case<'a> {
    expected: &'a Expectation,
    report: Option<&'a MediaReport>,
    findings: Vec<Finding>,
}

impl Case<'_> {
    fn decide(&mut self, report: &MediaReport) -> (Verdict, String) {
        if let Some(error @ DecodeError::Io { .. }) = &report.problem {
            return self.not_looked_at(error);
        }
        if report.bytes == 0 {
            return self.empty(report);
        }
        self.note_wrong_format(report);
        match (self.expected.checksum, report.sha1) {
            (Some(recorded), Some(found)) if recorded == found => self.as_recorded(report),
            (Some(recorded), Some(found)) => self.mismatch(report, &recorded, &found),
            (Some(_), None) if self.size_differs(report) => self.size_mismatch(report),
            _ => self.without_checksum(report),
        }
    }

    fn size_differs(&self, report: &MediaReport) -> bool {
        self.expected.recorded_size.is_some_and(|size| size != report.bytes)
    }

    fn empty(&mut self, report: &MediaReport) -> (Verdict, String) {
        let mut evidence = Evidence::new().with("size", 0);
        if let Some(size) = self.expected.recorded_size {
            evidence = evidence.with("recorded_size", size);
        }
        if self.expected.checksum.is_some() && self.expected.checksum == report.sha1 {
            self.push(What::Empty, evidence.with("as_recorded", true), "it was empty when Immich took it in");
            self.lower_last(Severity::Warning);
            return (Verdict::Verified, "empty, as recorded".to_owned());
        }
        let advice = self.damage_advice();
        self.push(What::Empty, evidence, advice);
        (Verdict::Damaged, "the file is empty".to_owned())
    }

    /// The checksum matches: nothing happened to the bytes here, even if they do not decode.
    fn as_recorded(&mut self, report: &MediaReport) -> (Verdict, String) {
        if let Some((class, text)) = self.damage_in(report) {
            let evidence = self.damage_evidence(report, &text).with("as_recorded", true);
            self.push(
                What::from(class),
                evidence,
                "the bytes are as Immich took them in: it came in broken, look for a better copy at its source",
            );
            self.lower_last(Severity::Warning);
            return (Verdict::Verified, format!("as recorded, although it {text}"));
        }
        (Verdict::Verified, String::new())
    }

    fn mismatch(&mut self, report: &MediaReport, recorded: &[u8; 20], found: &[u8; 20]) -> (Verdict, String) {
        let damage = self.damage_in(report);
        let mut evidence = Evidence::new()
            .with("recorded_sha1", hex(recorded))
            .with("found_sha1", hex(found))
            .with("found_size", report.bytes)
            .with("decodes", report.problem.is_none());
        if let Some(size) = self.expected.recorded_size {
            evidence = evidence.with("recorded_size", size);
        }
        let picture = self.against_the_records(report);
        if let Some((distance, differs)) = picture {
            evidence = evidence
                .with("thumbhash_distance", content::rounded(distance))
                .with("picture", if differs { "another than recorded" } else { "as recorded" });
        }
        let advice = match picture {
            _ if damage.is_some() || report.problem.is_some() => self.damage_advice(),
            Some((_, true)) => {
                "it is sound and shows another picture than Immich took in: restore it from a backup"
            }
            Some((_, false)) => {
                "it shows the same picture: a program that edits metadata in place does this; else compare it with a backup"
            }
            None => {
                "it still decodes: compare it with a backup; a program that edits metadata in place also causes this"
            }
        };
        self.push(What::ChecksumMismatch, evidence, advice);
        let mut reason = "the bytes differ from the recorded checksum".to_owned();
        if let Some((class, text)) = damage {
            let evidence = self.damage_evidence(report, &text);
            let advice = self.damage_advice();
            self.push(What::from(class), evidence, advice);
            reason = format!("{reason}; {text}");
        }
        (Verdict::Damaged, reason)
    }

    fn size_mismatch(&mut self, report: &MediaReport) -> (Verdict, String) {
        let recorded = self.expected.recorded_size.unwrap_or_default();
        let evidence = Evidence::new().with("recorded_size", recorded).with("found_size", report.bytes);
        let advice = self.damage_advice();
        self.push(What::ChecksumMismatch, evidence, advice);
        (
            Verdict::Damaged,
            format!("{} bytes, recorded with {recorded}: the checksum cannot match", report.bytes),
        )
    }

    fn without_checksum(&mut self, report: &MediaReport) -> (Verdict, String) {
        if let Some((class, text)) = self.damage_in(report) {
            let evidence = self.damage_evidence(report, &text);
            let advice = self.damage_advice();
            self.push(What::from(class), evidence, advice);
            return (Verdict::Damaged, text);
        }
        if let (Some(before), Some(now)) = (self.expected.last_sound, report.blake3)
            && before != now
        {
            let evidence = Evidence::new()
                .with("last_blake3", hex(&before))
                .with("found_blake3", hex(&now))
                .with("decodes", report.problem.is_none());
            let advice = self.damage_advice();
            self.push(What::Changed, evidence, advice);
            return (
                Verdict::Damaged,
                "the bytes differ from the last verified state although size and time are the same"
                    .to_owned(),
            );
        }
        match &report.problem {
            Some(error) => self.not_looked_at(error),
            None if self.expected.depth == Depth::Structure => {
                (Verdict::Unverifiable, "only presence, size and structure were asked for".to_owned())
            }
            None if self.expected.depth == Depth::Samples && report.format.is_video() => {
                (Verdict::Unverifiable, "only the video's structure was asked for".to_owned())
            }
            None => (Verdict::Decodable, String::new()),
        }
    }

    /// Evidence about the bytes, if there is any: what a decoder said, or a file of another kind altogether.
    fn damage_in(&self, report: &MediaReport) -> Option<(DamageClass, String)> {
        let problem = report.problem.as_ref()?;
        if let Some(class) = problem.damage() {
            return Some((class, problem.to_string()));
        }
        if report.format != MediaFormat::Unknown {
            return None;
        }
        let looks_like = report.looks_like.as_deref().unwrap_or("nothing known");
        let strange = report.looks_like.is_some();
        let promised = report.promised.filter(|format| has_signature(*format));
        if let Some(promised) = promised.filter(|_| strange || self.expected.role.is_generated()) {
            return Some((
                DamageClass::Malformed,
                format!("named like {promised}, and the content is {looks_like}"),
            ));
        }
        if self.expected.role.is_generated() || (strange && self.expected.role == Role::Original) {
            return Some((
                DamageClass::Malformed,
                format!("no picture or video: the content is {looks_like}"),
            ));
        }
        promised.map(|format| {
            (
                DamageClass::Malformed,
                format!("named like {format}, and the signature of {format} is not there"),
            )
        })
    }

    /// How far the picture is from the records' thumbhash, and whether that makes it another one.
    fn against_the_records(&self, report: &MediaReport) -> Option<(f32, bool)> {
        let recorded = self.expected.shows.as_ref()?.recorded.as_deref()?;
        let (recorded, shown) = (Impression::of(recorded)?, shown(report)?);
        Some((shown.distance(&recorded), content::differ(&shown, &recorded)))
    }

    fn damage_evidence(&self, report: &MediaReport, text: &str) -> Evidence {
        let mut evidence = Evidence::new().with("seen", text).with("format", report.format.as_str());
        if let Some(by) = report.accuser.as_ref().or(report.decoder.as_ref()) {
            evidence = evidence.with("by", by.to_string());
        }
        if let Some(offset) = report.problem.as_ref().and_then(DecodeError::offset) {
            evidence = evidence.with("offset", offset);
        }
        if let Some(DecodeError::Truncated { expected, found, .. }) = &report.problem {
            if let Some(expected) = expected {
                evidence = evidence.with("expected_bytes", *expected);
            }
            if let Some(found) = found {
                evidence = evidence.with("found_bytes", *found);
            }
        }
        if let Some(share) = report.sound_until.filter(|share| (0.0..1.0).contains(share)) {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
            let lost = ((1.0 - share) * 100.0).round() as u32;
            evidence = evidence.with("damaged_part", format!("lower {lost} %"));
        }
        if let Some(looks_like) = &report.looks_like {
            evidence = evidence.with("content", looks_like.clone());
        }
        if !report.faults.is_empty() {
            let hints: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
            evidence = evidence.with("hints", hints);
        }
        if let Some((distance, _)) = self.against_the_records(report) {
            evidence = evidence.with("thumbhash_distance", content::rounded(distance));
        }
        evidence.with("size", report.bytes)
    }

    /// Nothing can be said about the bytes: permission, I/O error, limit, crash, unsupported feature.
    fn not_looked_at(&mut self, error: &DecodeError) -> (Verdict, String) {
        let reason = error.to_string();
        let mut evidence = Evidence::new().with("seen", reason.clone());
        if let Some(decoder) = self.report.and_then(|report| report.decoder.as_ref()) {
            evidence = evidence.with("by", decoder.to_string());
        }
        if let DecodeError::Io { errno, offset, .. } = error {
            if let Some(errno) = errno {
                evidence = evidence.with("errno", *errno);
            }
            if let Some(offset) = offset {
                evidence = evidence.with("offset", *offset);
            }
            let advice = match errno {
                Some(libc_errno::EACCES | libc_errno::EPERM) => {
                    "let photofsck read it: run as the user that owns the library, or as root"
                }
                Some(libc_errno::ENOENT) => "is the path right? There is no file of this name",
                Some(libc_errno::ETIMEDOUT | libc_errno::ESTALE | libc_errno::ENOTCONN) => {
                    "the network storage does not answer: look after its server and the mount, and run again"
                }
                Some(_) => {
                    "look at the kernel's log and the disk's health (smartctl) now, before anything else"
                }
                None => "run again when nothing writes to the library",
            };
            self.push(What::Unreadable, evidence, advice);
        } else {
            let advice = match error {
                DecodeError::LimitExceeded { .. } => "give more room with --memory, or look at it by hand",
                DecodeError::TimedOut { .. } => "look at it by hand; other programs may hang on it too",
                _ => "look at it by hand",
            };
            self.push(What::Unverifiable, evidence, advice);
        }
        (Verdict::Unverifiable, reason)
    }

    fn note_wrong_format(&mut self, report: &MediaReport) {
        let Some(promised) = report.promised else { return };
        if report.format == MediaFormat::Unknown || same_family(promised, report.format) {
            return;
        }
        let evidence = Evidence::new().with("named", promised.as_str()).with("found", report.format.as_str());
        self.push(
            What::WrongFormat,
            evidence,
            "nothing to do: Immich goes by the name, decoders by the content",
        );
    }

    fn damage_advice(&self) -> &'static str {
        match self.expected.role {
            Role::Original | Role::Unknown => {
                "restore it from a backup; until then its preview may be the best copy left"
            }
            Role::Preview | Role::Thumbnail | Role::Fullsize | Role::Person => {
                "photofsck repair makes it again from the original"
            }
            Role::Video => "let Immich make it again",
            Role::Sidecar | Role::Profile => "restore it from a backup",
        }
    }

    fn push(&mut self, what: What, evidence: Evidence, advice: &str) {
        let expected = self.expected;
        let mut finding = Finding::new(Code::File(expected.role, what))
            .at(expected.path.clone())
            .seen(evidence)
            .advise(advice);
        finding.record_path.clone_from(&expected.record_path);
        finding.asset = expected.asset;
        if expected.lowered && expected.role.is_generated() {
            finding.severity = Severity::Info;
        }
        self.findings.push(finding);
    }

    fn lower_last(&mut self, severity: Severity) {
        if let Some(last) = self.findings.last_mut() {
            last.severity = last.severity.min(severity);
        }
    }
}

/// The errno values with advice of their own.
mod libc_errno {
    pub const ENOENT: i32 = 2;
    pub const EPERM: i32 = 1;
    pub const EACCES: i32 = 13;
    pub const ENOTCONN: i32 = 107;
    pub const ETIMEDOUT: i32 = 110;
    pub const ESTALE: i32 = 116;
}

/// Formats whose first bytes are always the same, so that other bytes prove another kind of file.
const fn has_signature(format: MediaFormat) -> bool {
    matches!(
        format,
        MediaFormat::Jpeg
            | MediaFormat::Png
            | MediaFormat::Gif
            | MediaFormat::Webp
            | MediaFormat::Bmp
            | MediaFormat::Tiff
            | MediaFormat::Heic
            | MediaFormat::Avif
            | MediaFormat::Jxl
            | MediaFormat::Jp2
            | MediaFormat::Psd
            | MediaFormat::Mp4
            | MediaFormat::Mov
            | MediaFormat::Matroska
            | MediaFormat::Avi
            | MediaFormat::Flv
            | MediaFormat::Asf
    )
}

/// Formats that share names or structure so closely that a difference is no news.
fn same_family(named: MediaFormat, found: MediaFormat) -> bool {
    use MediaFormat as F;
    let family = |format| match format {
        F::Mp4 | F::Mov => 1,
        F::Heic | F::Avif => 2,
        F::Raw | F::Tiff => 3,
        F::MpegTs | F::MpegPs => 4,
        _ => 0,
    };
    named == found || (family(named) != 0 && family(named) == family(found))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
