//! The assets that came last and first, without keeping when each of a million came.

use crate::model::AssetId;

/// So many are kept at either end.
const KEPT: usize = 48;

/// Sorted and cut down only when so many have gathered: a row in order then costs little more than a comparison.
const GATHERED: usize = 16 * KEPT;

/// Collects both ends in the order of the rows' own moments.
#[derive(Debug, Default)]
pub(super) struct Ends {
    newest: Least,
    oldest: Least,
}

impl Ends {
    /// `created` is a moment as PostgreSQL writes it. All rows of one home are written in one time zone; the hour in
    /// which a clock is set back is near enough.
    pub fn take(&mut self, created: &[u8], id: AssetId) {
        let moment = milliseconds(created);
        self.oldest.take(moment, id);
        self.newest.take(u64::MAX - moment, id);
    }

    /// The newest first, and the oldest first.
    pub fn finish(self) -> (Vec<AssetId>, Vec<AssetId>) {
        (self.newest.finish(), self.oldest.finish())
    }
}

/// The ids with the least keys.
#[derive(Debug, Default)]
struct Least {
    gathered: Vec<(u64, AssetId)>,
    /// What is not below it is not among the least.
    bound: Option<u64>,
}

impl Least {
    fn take(&mut self, key: u64, id: AssetId) {
        if self.bound.is_none_or(|bound| key < bound) {
            self.gathered.push((key, id));
            if self.gathered.len() >= GATHERED {
                self.cut();
            }
        }
    }

    fn cut(&mut self) {
        self.gathered.sort_unstable();
        self.gathered.truncate(KEPT);
        self.bound = self.gathered.last().map(|(key, _)| *key);
    }

    fn finish(mut self) -> Vec<AssetId> {
        self.cut();
        self.gathered.into_iter().map(|(_, id)| id).collect()
    }
}

/// The digits of a moment down to the millisecond as one number, which grows as moments do.
fn milliseconds(moment: &[u8]) -> u64 {
    const DIGITS: usize = 17;
    let before_zone = moment.iter().take_while(|byte| **byte != b'+');
    let digits = before_zone.filter(|byte| byte.is_ascii_digit()).map(|byte| u64::from(byte - b'0'));
    digits.chain(std::iter::repeat(0)).take(DIGITS).fold(0, |number, digit| number * 10 + digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_kept_and_no_more() {
        let mut rows: Vec<u16> = (0..2000).collect();
        for _ in 0..3 {
            let mut ends = Ends::default();
            for &number in &rows {
                let created = format!("2026-01-01 00:{:02}:{:02}.5+00", number / 60, number % 60);
                let [high, low] = number.to_be_bytes();
                ends.take(created.as_bytes(), AssetId([high, low, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
            }
            let (newest, oldest) = ends.finish();
            let numbers = |ids: &[AssetId]| {
                ids.iter().map(|id| u16::from_be_bytes([id.0[0], id.0[1]])).collect::<Vec<_>>()
            };
            assert_eq!(numbers(&newest), (1952..2000).rev().collect::<Vec<_>>());
            assert_eq!(numbers(&oldest), (0..48).collect::<Vec<_>>());
            // Backwards, then in no order.
            rows.rotate_left(777);
            rows.reverse();
        }
    }

    #[test]
    fn moments_grow_with_and_without_a_fraction() {
        let moments = [
            "2025-12-31 23:59:59+00",
            "2026-01-01 00:00:00+00",
            "2026-01-01 00:00:00.25+00",
            "2026-01-01 00:00:01+00",
        ];
        assert!(moments.map(|moment| milliseconds(moment.as_bytes())).is_sorted());
        assert_eq!(milliseconds(b"\\N"), 0);
    }
}
