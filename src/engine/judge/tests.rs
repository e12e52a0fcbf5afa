//! Every path from a report to a verdict.
#![allow(clippy::indexing_slicing, reason = "tests")]

use super::*;
use crate::model::DecoderId;

fn report(problem: Option<DecodeError>) -> MediaReport {
    MediaReport {
        format: MediaFormat::Jpeg,
        promised: Some(MediaFormat::Jpeg),
        decoder: Some(DecoderId { name: "test".into(), version: "1".into() }),
        problem,
        bytes: 100,
        bytes_read: 100,
        sha1: Some([1; 20]),
        blake3: Some([2; 32]),
        ..MediaReport::new(1)
    }
}

fn original(checksum: Option<[u8; 20]>) -> Expectation {
    Expectation {
        checksum,
        ..Expectation::unrecorded(Path::new("/m/upload/a.jpg"), Role::Original, Depth::Keyframes)
    }
}

fn codes(judgement: &Judgement) -> Vec<String> {
    judgement.findings.iter().map(|finding| format!("{} {}", finding.code, finding.severity)).collect()
}

#[test]
fn matching_checksum_is_verified_even_if_it_came_in_broken() {
    let told = judge(&original(Some([1; 20])), &report(Some(DecodeError::truncated("scan", 90))));
    assert_eq!(told.verdict, Verdict::Verified);
    assert_eq!(codes(&told), ["original.truncated warning"]);
    assert_eq!(told.findings[0].evidence.get("as_recorded"), Some(&true.into()));
}

#[test]
fn mismatch_is_damage_and_tells_what_the_decoder_saw() {
    let told = judge(&original(Some([9; 20])), &report(Some(DecodeError::truncated("scan", 90))));
    assert_eq!(told.verdict, Verdict::Damaged);
    assert_eq!(codes(&told), ["original.checksum-mismatch error", "original.truncated error"]);
}

#[test]
fn limits_crashes_and_io_errors_never_accuse() {
    let cases = [
        (DecodeError::unsupported("x"), "original.unverifiable warning"),
        (DecodeError::limit("x", "1 GiB"), "original.unverifiable warning"),
        (DecodeError::Crashed { what: "SIGSEGV".into() }, "original.unverifiable warning"),
        (DecodeError::TimedOut { seconds: 9 }, "original.unverifiable warning"),
        (
            DecodeError::Io { what: "I/O error".into(), errno: Some(5), offset: Some(4096) },
            "original.unreadable error",
        ),
    ];
    for (error, code) in cases {
        let told = judge(&original(None), &report(Some(error.clone())));
        assert_eq!(told.verdict, Verdict::Unverifiable, "{error}");
        assert_eq!(codes(&told), [code]);
        assert!(!told.reason.is_empty());
    }
}

#[test]
fn another_kind_of_file_is_damage_only_with_a_reason() {
    let mut html = report(Some(DecodeError::unsupported("not a format")));
    html.format = MediaFormat::Unknown;
    html.looks_like = Some("HTML text".into());
    assert_eq!(judge(&original(None), &html).verdict, Verdict::Damaged);

    let mut unknown_raw = html.clone();
    unknown_raw.looks_like = None;
    unknown_raw.promised = Some(MediaFormat::Raw);
    assert_eq!(judge(&original(None), &unknown_raw).verdict, Verdict::Unverifiable);
}

#[test]
fn quick_never_claims_that_a_file_decodes() {
    let mut expected = original(None);
    expected.depth = Depth::Structure;
    let told = judge(&expected, &report(None));
    assert_eq!(told.verdict, Verdict::Unverifiable);
    assert!(told.findings.is_empty());
}

#[test]
fn silent_change_is_told() {
    let mut expected = original(None);
    expected.last_sound = Some([7; 32]);
    let told = judge(&expected, &report(None));
    assert_eq!(codes(&told), ["original.changed error"]);
}

/// Every way in which a look can end, with the only codes that may be told for it besides those of a checksum.
fn problems() -> Vec<(Option<DecodeError>, Option<What>)> {
    vec![
        (None, None),
        (Some(DecodeError::truncated("scan", 90)), Some(What::Truncated)),
        (Some(DecodeError::malformed("scan", 12)), Some(What::Malformed)),
        (Some(DecodeError::malformed("scan", None)), Some(What::Malformed)),
        (Some(DecodeError::unsupported("x")), Some(What::Unverifiable)),
        (Some(DecodeError::limit("x", "1 GiB")), Some(What::Unverifiable)),
        (Some(DecodeError::Crashed { what: "SIGSEGV".into() }), Some(What::Unverifiable)),
        (Some(DecodeError::TimedOut { seconds: 9 }), Some(What::Unverifiable)),
        (
            Some(DecodeError::Io { what: "I/O error".into(), errno: Some(5), offset: Some(4096) }),
            Some(What::Unreadable),
        ),
    ]
}

#[test]
fn classes_never_mix_and_every_finding_about_bytes_says_who_saw_what_and_where() {
    let roles = [Role::Original, Role::Preview, Role::Thumbnail, Role::Person, Role::Video, Role::Sidecar];
    let checksums = [None, Some([1; 20]), Some([9; 20])];
    let mut looked = 0;
    for role in roles {
        for checksum in checksums {
            for (problem, code) in problems() {
                let mut expected = original(checksum);
                expected.role = role;
                let told = judge(&expected, &report(problem.clone()));
                let what = |finding: &Finding| match finding.code {
                    Code::File(of, what) => {
                        assert_eq!(of, role);
                        what
                    }
                    Code::Run(code) => unreachable!("{code:?}"),
                };
                for finding in &told.findings {
                    let found = what(finding);
                    let io = code == Some(What::Unreadable);
                    let mismatch = found == What::ChecksumMismatch && checksum == Some([9; 20]) && !io;
                    assert!(mismatch || Some(found) == code, "{problem:?} is told as {}", finding.code);
                    assert!(!finding.advice.is_empty());
                    if matches!(found, What::Truncated | What::Malformed) {
                        let seen = finding.evidence.get("seen").and_then(serde_json::Value::as_str);
                        assert!(seen.is_some_and(|seen| seen.contains("scan")), "{finding:?}");
                        assert_eq!(finding.evidence.get("by"), Some(&"test 1".into()));
                        let offset = problem.as_ref().and_then(DecodeError::offset);
                        assert_eq!(
                            finding.evidence.get("offset").and_then(serde_json::Value::as_u64),
                            offset
                        );
                    }
                    if found == What::Unreadable {
                        assert_eq!(finding.evidence.get("errno"), Some(&5.into()));
                        assert_eq!(finding.evidence.get("offset"), Some(&4096.into()));
                    }
                    looked += 1;
                }
                let damage = problem.as_ref().is_some_and(|problem| problem.damage().is_some());
                let io = code == Some(What::Unreadable);
                let verdict = match checksum {
                    _ if io => Verdict::Unverifiable,
                    Some(recorded) if recorded == [1; 20] => Verdict::Verified,
                    Some(_) => Verdict::Damaged,
                    None if damage => Verdict::Damaged,
                    None if problem.is_some() => Verdict::Unverifiable,
                    None => Verdict::Decodable,
                };
                assert_eq!(told.verdict, verdict, "{role} {checksum:?} {problem:?}");
                let reasonless = matches!(verdict, Verdict::Verified | Verdict::Decodable);
                assert!(reasonless || !told.reason.is_empty());
            }
        }
    }
    assert!(looked > 100, "{looked}");
}

#[test]
fn a_check_of_ours_is_named_before_the_decoder_and_the_damaged_part_is_told() {
    let mut seen = report(Some(DecodeError::malformed("scan", 12)));
    seen.accuser = Some(DecoderId { name: "photofsck JPEG walk".into(), version: "1".into() });
    seen.sound_until = Some(0.62);
    let told = judge(&original(None), &seen);
    let evidence = &told.findings[0].evidence;
    assert_eq!(evidence.get("by"), Some(&"photofsck JPEG walk 1".into()));
    assert_eq!(evidence.get("damaged_part"), Some(&"lower 38 %".into()));
}

#[test]
fn trashed_assets_lower_generated_findings_only() {
    let mut expected =
        Expectation::unrecorded(Path::new("/m/thumbs/p.jpeg"), Role::Preview, Depth::Keyframes);
    expected.lowered = true;
    let told = judge(&expected, &report(Some(DecodeError::truncated("scan", 90))));
    assert_eq!(codes(&told), ["preview.truncated info"]);
}
