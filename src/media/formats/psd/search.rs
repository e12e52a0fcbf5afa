//! What uncompressed planes and the end of a document show of damage.

use std::ops::Range;

use crate::media::Limits;
use crate::media::structure::bmff::be16;
use crate::media::structure::holes::{Field, Hole, Sample};
use crate::media::structure::tail::metadata::Blank;
use crate::media::structure::tail::{LOST_TAIL, Rows, TORN_METADATA};

use super::witness::Witness;
use super::{Header, Mode, Resources};

/// A document whose merged picture is read.
pub struct Search<'a> {
    /// The whole file.
    pub bytes: &'a [u8],
    pub header: &'a Header,
    pub resources: &'a Resources<'a>,
    /// Where the resources stand.
    pub chain: Range<usize>,
    /// Where the merged picture begins.
    pub start: usize,
}

impl Search<'_> {
    /// A block of other content, or an end that is lost.
    pub fn hole(&self, limits: &Limits) -> Option<Hole> {
        if let Some(blank) = Blank::of(self.bytes).filter(|blank| blank.tear_resources(&self.chain)) {
            return Some(Hole { at: blank.start, what: TORN_METADATA });
        }
        if be16(self.bytes, self.start)? != 0 {
            return None;
        }
        self.in_planes().or_else(|| {
            let (planes, real) = (self.start + 2, self.resources.merged == Some(true));
            let witness = Witness { bytes: self.bytes, planes, thumbnail: self.resources.thumbnail?, real };
            let at = witness.lost_end(self.header, limits)?;
            Some(Hole {
                at,
                what: "nothing but one value up to the end, where the thumbnail shows a picture",
            })
        })
    }

    fn in_planes(&self) -> Option<Hole> {
        let Header { channels, depth, mode, .. } = *self.header;
        let (bytes, row) = (self.bytes, self.header.row_bytes());
        let plane = usize::try_from(self.header.plane_bytes()).ok()?;
        let numbers = match (depth, mode) {
            (8, mode) if mode != Mode::Indexed => Some((1, Sample::High(8))),
            (16, _) => Some((2, Sample::Big)),
            _ => None,
        };
        (0..channels).find_map(|channel| {
            let first = plane.checked_mul(channel)?.checked_add(self.start + 2)?;
            let range = first..first.checked_add(plane)?;
            let block = numbers.and_then(|(unit, sample)| {
                let range = range.clone();
                Field { bytes, range, above: row, row, unit, left: unit, sample, phase: 0 }.hole()
            });
            block.or_else(|| {
                let rows = (depth <= 8).then_some(Rows { bytes, range, row, unit: 1 })?;
                Some(Hole { at: rows.lost_tail()?, what: LOST_TAIL })
            })
        })
    }
}
