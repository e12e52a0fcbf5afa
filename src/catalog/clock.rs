//! The time by which the ages of verdicts count: that of the wall clock, unless it jumps.
//!
//! A clock without a battery starts in 1970, one that hears nonsense is decades ahead. By such a clock everything would be due at
//! once, or, when it is right again, nothing for ever. So the catalog remembers the latest time that it was told, and goes on
//! from there by the usual time from run to run whenever the wall clock does not go on plausibly.

use std::time::Duration;

use super::db::Db;
use super::error::CatalogError;

/// Between two runs no more time than this can pass.
const LONGEST_PAUSE: i64 = 5 * 366 * 86_400;
/// A clock that is set back by less than this has been corrected: time stands still until it is reached again.
const CORRECTION: i64 = 86_400;

/// The time of a run, in seconds since 1970.
pub(super) fn steady(latest: Option<i64>, wall: i64, gap: Duration) -> i64 {
    let Some(latest) = latest else { return wall };
    match wall.saturating_sub(latest) {
        0..=LONGEST_PAUSE => wall,
        back if (-CORRECTION..0).contains(&back) => latest,
        _ => latest.saturating_add(i64::try_from(gap.as_secs()).unwrap_or(CORRECTION).min(LONGEST_PAUSE)),
    }
}

impl Db {
    /// Goes on to the time of a run that begins now.
    pub(super) fn advance(&mut self, wall: i64, gap: Duration) -> Result<i64, CatalogError> {
        let now = steady(self.latest()?, wall, gap);
        self.query(async |connection| {
            sqlx::query("INSERT OR REPLACE INTO clock (id, latest) VALUES (0, ?)")
                .bind(now)
                .execute(connection)
                .await
        })?;
        Ok(now)
    }

    /// The time of the latest run.
    pub(super) fn latest(&mut self) -> Result<Option<i64>, CatalogError> {
        self.query(async |connection| {
            sqlx::query_scalar("SELECT latest FROM clock WHERE id = 0").fetch_optional(connection).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;
    const NIGHT: Duration = Duration::from_hours(24);

    #[test]
    fn time_goes_on_whatever_the_clock_says() {
        let today = 20_000 * DAY;
        assert_eq!(steady(None, 5, NIGHT), 5);
        assert_eq!(steady(Some(today), today + DAY, NIGHT), today + DAY);
        assert_eq!(steady(Some(today), today + 1000 * DAY, NIGHT), today + 1000 * DAY);
        // Summer time, or a clock that was an hour fast.
        assert_eq!(steady(Some(today), today - 3600, NIGHT), today);
        for jumped in [0, today - 2 * DAY, today + 40 * 366 * DAY, i64::MAX, i64::MIN] {
            assert_eq!(steady(Some(today), jumped, NIGHT), today + DAY, "{jumped}");
        }
        // Right again: as if nothing had been.
        let mut latest = today;
        for wall in [today + DAY, 0, DAY, today + 4 * DAY] {
            latest = steady(Some(latest), wall, NIGHT);
        }
        assert_eq!(latest, today + 4 * DAY);
    }
}
