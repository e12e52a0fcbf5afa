//! What FFmpeg's decoders say while they conceal: the only trace of much damage, since they give out a frame all the same.
//!
//! Only the words of a message are looked at, before its numbers are filled in. Most messages are no proof: a film that was
//! cut at a keyframe lacks references, encoders break rules about metadata. Those that tell of codes that cannot be are.

#![allow(unsafe_code, reason = "FFmpeg takes a C function for its messages")]

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int, c_void};

use ffmpeg_next::ffi;

/// Words of messages about codes that cannot be in sound data.
const PROOFS: &[&str] = &[
    "error while decoding",
    "error decoding",
    "damaged",
    "corrupt",
    "overflow",
    "overread",
    "out of range",
    "outside the valid range",
    "invalid",
    "illegal",
    "too large",
    "unavailable for requested intra mode",
    "negative number of zero",
    "cabac_max_bin",
    "exceeded",
    "past the end",
    "marker bit",
    "slice mismatch",
    "checksum mismatch",
    "crc mismatch",
    "bitstream error",
];

/// Words of messages about things around the picture: references that a cut took away, metadata, times.
const NO_PROOFS: &[&str] = &[
    "reference",
    "short term",
    "long term",
    "mmco",
    "memory management",
    "reorder",
    "poc",
    "sei",
    "sps",
    "pps",
    "vps",
    "vui",
    "aspect",
    "crop",
    "timestamp",
    "dts",
    "pts",
    "colo",
    "exceeds max",
    "nal unit",
    "side data",
    "option",
    "extradata",
    "icc",
    "golomb",
    "mix of idr",
    "field",
    "pic_num",
    "modification",
    "frame_num",
];

thread_local! {
    static HEARD: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Has FFmpeg tell its messages here instead of writing them to standard error.
pub(super) fn listen() {
    type Hear = unsafe extern "C" fn(*mut c_void, c_int, *const c_char, *mut c_void);
    // SAFETY: the list of arguments, whose type differs between processors, is one pointer-sized argument on all of them
    // (a pointer, or a structure that is passed by one), and `hear` never touches it.
    #[allow(
        clippy::missing_transmute_annotations,
        reason = "the other type has another name on each processor"
    )]
    unsafe {
        ffi::av_log_set_callback(Some(std::mem::transmute(hear as Hear)));
    }
}

/// What was said on this thread that proves damage, since the last call.
pub(super) fn heard() -> Option<String> {
    HEARD.with(RefCell::take)
}

/// Called by FFmpeg for every message.
unsafe extern "C" fn hear(_: *mut c_void, level: c_int, format: *const c_char, _arguments: *mut c_void) {
    if level > ffi::AV_LOG_ERROR || format.is_null() {
        return;
    }
    // SAFETY: the format is a string literal of FFmpeg's.
    let format = unsafe { CStr::from_ptr(format) };
    let Ok(words) = format.to_str() else { return };
    if proves_damage(words) {
        let _ = HEARD.try_with(|heard| {
            if let Ok(mut heard) = heard.try_borrow_mut() {
                heard.get_or_insert_with(|| before_numbers(words).to_owned());
            }
        });
    }
}

fn proves_damage(words: &str) -> bool {
    let words = words.to_ascii_lowercase();
    let has = |stems: &[&str]| stems.iter().any(|stem| words.contains(stem));
    has(PROOFS) && !has(NO_PROOFS)
}

/// The message up to the first number that would be filled in, if that says anything.
fn before_numbers(words: &str) -> &str {
    let words = words.trim_end();
    match words.split_once('%') {
        Some((before, _)) if before.trim().len() > 8 => {
            before.trim_end_matches([' ', '(', ':', '=', ',', '['])
        }
        _ => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_codes_are_proofs_and_lacking_references_are_none() {
        assert!(proves_damage("error while decoding MB %d %d, bytestream %td\n"));
        assert!(proves_damage("The cu_qp_delta %d is outside the valid range [%d, %d].\n"));
        assert!(proves_damage("top block unavailable for requested intra mode %d\n"));
        for harmless in [
            "mmco: unref short failure\n",
            "number of reference frames (%d+%d) exceeds max (%d; probably corrupt input), discarding one\n",
            "SEI type %d size %d truncated at %d\n",
            "Could not find ref with POC %d\n",
            "no frame!\n",
        ] {
            assert!(!proves_damage(harmless), "{harmless}");
        }
        assert_eq!(
            before_numbers("error while decoding MB %d %d, bytestream %td\n"),
            "error while decoding MB"
        );
    }
}
