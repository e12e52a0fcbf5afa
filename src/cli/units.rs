//! Values with units, as people write them on a command line.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo, Unit};

/// Reads a duration: `0`, or numbers with units from milliseconds to weeks, such as `30d`, `8h` or `1h30m`.
///
/// A day is 24 hours. Months and years have no fixed length and are refused.
pub fn duration(text: &str) -> Result<Duration, String> {
    let expected = "expected a duration such as 30d, 8h, 1h30m or 0";
    let text = text.trim();
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.chars().all(|ch| ch.is_ascii_digit() || ch == '.') {
        return Err(format!("{expected}: the unit is missing"));
    }
    let span: Span = text.parse().map_err(|_| expected.to_owned())?;
    if span.is_negative() {
        return Err(format!("{expected}: it cannot be negative"));
    }
    if span.get_months() != 0 || span.get_years() != 0 {
        return Err(format!("{expected}: months and years differ in length, give days"));
    }
    let seconds = span
        .total((Unit::Second, SpanRelativeTo::days_are_24_hours()))
        .map_err(|_| format!("{expected}: it is too long"))?;
    Duration::try_from_secs_f64(seconds).map_err(|_| format!("{expected}: it is too long"))
}

/// Reads a size in bytes: `4096`, `512M`, `1.5GiB`, `2GB`. `K`, `M`, `G`, `T` and `KiB`... count in 1024,
/// `KB`, `MB`... in 1000, as `dd` and `systemd` have it.
pub fn size(text: &str) -> Result<u64, String> {
    let expected = "expected a size such as 512M, 1.5GiB or 2GB";
    let text = text.trim();
    let split = text.find(|ch: char| !ch.is_ascii_digit() && ch != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().map_err(|_| expected.to_owned())?;
    let factor: u64 = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        other => return Err(format!("{expected}: the unit {other:?} is not known")),
    };
    let bytes = number * factor as f64;
    if !bytes.is_finite() || bytes >= 9.0e18 {
        return Err(format!("{expected}: it is too large"));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, below 2^63")]
    Ok(bytes.round() as u64)
}

/// Reads bytes a second: a size, with or without `/s`, such as `20M` or `20MB/s`.
pub fn rate(text: &str) -> Result<u64, String> {
    let number = text.trim().trim_end_matches("/s");
    match size(number) {
        Ok(0) => Err("expected more than 0 a second; leave it out for no limit".to_owned()),
        Ok(rate) => Ok(rate),
        Err(_) => Err("expected a rate such as 20M or 20MB/s".to_owned()),
    }
}

/// Reads what the machine may bear: a load average, degrees Celsius with a `C`, or both with a comma between.
pub fn load(text: &str) -> Result<(Option<f64>, Option<f64>), String> {
    let expected = "expected a load average such as 4, a temperature such as 75C, or both: 4,75C";
    let (mut load, mut degrees) = (None, None);
    for part in text.split(',').map(str::trim) {
        let (number, slot) = match part.strip_suffix(['C', 'c']) {
            Some(number) => (number.trim_end_matches('°'), &mut degrees),
            None => (part, &mut load),
        };
        let number = number.trim().parse::<f64>().ok().filter(|number| *number > 0.0 && number.is_finite());
        let number = number.ok_or(expected)?;
        if slot.replace(number).is_some() {
            return Err(expected.to_owned());
        }
    }
    Ok((load, degrees))
}

/// Reads `K/N` with `1 <= K <= N`.
pub fn shard(text: &str) -> Result<(u32, u32), String> {
    let expected = "expected K/N with K from 1 to N, such as 2/7";
    let (index, count) = text.split_once('/').ok_or(expected)?;
    let index: u32 = index.trim().parse().map_err(|_| expected)?;
    let count: u32 = count.trim().parse().map_err(|_| expected)?;
    if index == 0 || index > count {
        return Err(expected.to_owned());
    }
    Ok((index, count))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "a failed expectation is a failed test")]

    use super::*;

    #[test]
    fn rates_and_loads() {
        assert_eq!((rate("20MB/s"), rate("1K")), (Ok(20_000_000), Ok(1024)));
        assert!(rate("0").is_err() && rate("fast").is_err());
        assert_eq!(load("4"), Ok((Some(4.0), None)));
        assert_eq!(load("75C"), Ok((None, Some(75.0))));
        assert_eq!(load("1.5, 75°C"), Ok((Some(1.5), Some(75.0))));
        for wrong in ["", "0", "-1", "4,5", "75C,80C", "NaN", "hot"] {
            assert!(load(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        assert_eq!(duration("30d"), Ok(Duration::from_hours(30 * 24)));
        assert_eq!(duration("8h"), Ok(Duration::from_hours(8)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_mins(90)));
        assert_eq!(duration("2w"), Ok(Duration::from_hours(14 * 24)));
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        for wrong in ["", "30", "-1d", "3mo", "1y", "soon", "1.5.2h"] {
            let error = duration(wrong).expect_err(wrong);
            assert!(error.starts_with("expected a duration such as 30d"), "{wrong}: {error}");
        }
    }

    #[test]
    fn sizes_tell_binary_from_decimal_units() {
        assert_eq!(size("4096"), Ok(4096));
        assert_eq!(size("512M"), Ok(512 << 20));
        assert_eq!(size("1GiB"), Ok(1 << 30));
        assert_eq!(size("1.5g"), Ok(3 << 29));
        assert_eq!(size("2GB"), Ok(2_000_000_000));
        for wrong in ["", "M", "-1M", "1X", "1e999", "9999999T", "1.2.3"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn shards_are_counted_from_one() {
        assert_eq!(shard("1/1"), Ok((1, 1)));
        assert_eq!(shard("3/7"), Ok((3, 7)));
        for wrong in ["", "0/7", "8/7", "1/0", "1", "a/b", "-1/2"] {
            assert!(shard(wrong).is_err(), "{wrong}");
        }
    }
}
