//! What the file name of a dump tells.

use std::path::Path;

use jiff::Timestamp;

/// The moment in the name of one of Immich's dumps: `20250101T020000`, or milliseconds since 1970 in older ones.
/// The former is in the server's time zone, which the name does not tell; it is taken for UTC.
pub(super) fn time_in_name(path: &Path) -> Option<Timestamp> {
    let name = path.file_name()?.to_str()?;
    let words = || name.split(['-', '.', '_']);
    let civil = words().filter(|word| word.len() == 15).find_map(|word| {
        jiff::civil::DateTime::strptime("%Y%m%dT%H%M%S", word).ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()
    });
    let civil = civil.map(|zoned| zoned.timestamp());
    civil.or_else(|| {
        let millis =
            words().find(|word| word.len() == 13 && word.bytes().all(|byte| byte.is_ascii_digit()))?;
        Timestamp::from_millisecond(millis.parse().ok()?).ok()
    })
}

/// The earliest moment that a name may mean: its zone may be fourteen hours ahead of UTC. A file that was finished
/// within the hour after that moment in UTC was named in UTC.
pub(super) fn earliest(named: Timestamp, modified: Option<Timestamp>) -> Timestamp {
    const HOUR: i64 = 3600;
    let after = modified.map(|modified| modified.as_second().saturating_sub(named.as_second()));
    if after.is_some_and(|after| (0..HOUR).contains(&after)) {
        return named;
    }
    named.checked_sub(jiff::SignedDuration::from_hours(14)).unwrap_or(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_an_unknown_zone_may_be_earlier() {
        let at = |second: i64| Timestamp::from_second(second).unwrap_or_default();
        let named = at(1_000_000);
        assert_eq!(earliest(named, Some(at(1_000_020))), named);
        for other in [None, Some(at(1_007_220)), Some(at(992_820))] {
            assert_eq!(earliest(named, other), at(1_000_000 - 14 * 3600));
        }
    }

    #[test]
    fn names_tell_the_time() {
        for (name, time) in [
            ("immich-db-backup-20250101T020000-v1.136.0-pg14.17.sql.gz", Some("2025-01-01T02:00:00Z")),
            ("uploaded-immich-db-backup-20250102T030405-v2.0.0-pg14.sql.gz", Some("2025-01-02T03:04:05Z")),
            ("immich-db-backup-1735689600000.sql.gz", Some("2025-01-01T00:00:00Z")),
            ("dump.sql", None),
            ("20251399T999999.sql", None),
        ] {
            let found = time_in_name(Path::new(name)).map(|time| time.to_string());
            assert_eq!(found.as_deref(), time, "{name}");
        }
    }
}
