//! Numbers, sizes, durations and ages as people read them.

use std::fmt::Write as _;

use jiff::Timestamp;
use unicode_width::UnicodeWidthStr;

use crate::model::Role;

/// `1234567` as `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 file`, `2 files`; irregular plurals are given whole.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// `1 face picture`, `2 face pictures`: files of a role, as people call them.
pub fn counted_files(role: Role, number: u64) -> String {
    let (one, many) = match role {
        Role::Original => ("original", "originals"),
        Role::Preview => ("preview", "previews"),
        Role::Thumbnail => ("thumbnail", "thumbnails"),
        Role::Fullsize => ("full-size picture", "full-size pictures"),
        Role::Person => ("face picture", "face pictures"),
        Role::Video => ("transcoded video", "transcoded videos"),
        Role::Sidecar => ("sidecar", "sidecars"),
        Role::Profile => ("profile image", "profile images"),
        Role::Unknown => ("file", "files"),
    };
    counted(number, one, many)
}

/// Bytes with a binary unit: `3.4 GiB`.
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    let mut value = number as f64;
    let mut unit = "B";
    for next in UNITS {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    if value < 10.0 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// Seconds as `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min` or `3 d 4 h`.
pub fn duration(seconds: f64) -> String {
    if seconds < 10.0 {
        return format!("{seconds:.1} s");
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative; saturates")]
    let whole = seconds.round() as u64;
    match whole {
        0..=59 => format!("{whole} s"),
        60..=3599 => format!("{} min {} s", whole / 60, whole % 60),
        3600..=86_399 => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
        _ => format!("{} d {} h", whole / 86_400, whole % 86_400 / 3600),
    }
}

/// How long before `now` an RFC 3339 moment was, in one unit: `3 hours old`; nothing if it cannot be read.
pub fn age(moment: &str, now: Timestamp) -> Option<String> {
    let then: Timestamp = moment.parse().ok()?;
    let seconds = now.duration_since(then).as_secs();
    let (number, one) = match seconds {
        ..60 => return Some("just now".to_owned()),
        60..5400 => (seconds / 60, "minute"),
        5400..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if number == 1 { "" } else { "s" };
    Some(format!("{number} {one}{plural} old"))
}

/// `a`, `a and b`, `a, b and c`.
pub fn list(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [only] => only.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

/// Breaks text at spaces so that no line is wider than `width` columns, each line but the first after `indent`.
pub fn wrap(text: &str, width: usize, indent: usize) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut column = indent;
    for word in text.split(' ') {
        let wide = word.width();
        if column > indent {
            if column + 1 + wide > width {
                let _ = write!(out, "\n{:indent$}", "");
                column = indent;
            } else {
                out.push(' ');
                column += 1;
            }
        }
        out.push_str(word);
        column += wide;
    }
    out
}

/// The first letter in upper case.
pub fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "a failed expectation is a failed test")]

    use super::*;

    #[test]
    fn figures_are_readable() {
        assert_eq!([count(0), count(999), count(1000), count(1_234_567)], ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([bytes(1023), bytes(1024), bytes(3_650_722_202)], ["1023 B", "1.0 KiB", "3.4 GiB"]);
        assert_eq!([duration(0.44), duration(59.6), duration(7500.0)], ["0.4 s", "1 min 0 s", "2 h 5 min"]);
        assert_eq!(counted(1, "entry", "entries"), "1 entry");
        assert_eq!(list(&["a".into(), "b".into(), "c".into()]), "a, b and c");
    }

    #[test]
    fn ages_are_told_in_one_unit() {
        let now: Timestamp = "2026-03-02T12:00:00Z".parse().expect("a moment");
        assert_eq!(age("2026-03-02T02:00:00Z", now).as_deref(), Some("10 hours old"));
        assert_eq!(age("2026-02-20T02:00:00Z", now).as_deref(), Some("10 days old"));
        assert_eq!(age("yesterday", now), None);
    }

    #[test]
    fn text_is_wrapped_at_spaces() {
        assert_eq!(wrap("one two three four", 12, 2), "one two\n  three four");
        assert_eq!(wrap("averyveryverylongword", 8, 2), "averyveryverylongword");
    }
}
