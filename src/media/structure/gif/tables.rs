//! Colour tables of the frames of one animation, held against each other.
//!
//! Nothing in a colour table can be malformed. But animations repeat theirs, and what a disk or a copy loses are whole sectors.
//! A table that is there once, and that agrees with two equal ones among the four beside it but for what lies inside one sector of the file,
//! where all is different, has lost that sector: an edge that a writer makes falls on a sector's by one chance in 512, and its
//! tables come again or differ all over.

use std::ops::Range;

use crate::media::structure::holes::GRID;

/// Bytes of a table inside the sector and outside of it, below which there are too few to tell.
const LEAST: usize = 48;
/// Bytes right at the sector's edge, most of which have to differ.
const EDGE: usize = 4;

/// The first table that lost a sector, and the range of bytes that were lost.
pub fn lost_sector(bytes: &[u8], tables: &[Range<usize>]) -> Option<(usize, Range<usize>)> {
    let table = |number: usize| tables.get(number).and_then(|range| bytes.get(range.clone()));
    (0..tables.len()).find_map(|number| {
        let (own, place) = (table(number)?, tables.get(number)?);
        let beside = [number.wrapping_sub(2), number.wrapping_sub(1), number + 1, number + 2];
        let others: Vec<&[u8]> = beside
            .into_iter()
            .filter_map(table)
            .filter(|other| other.len() == own.len() && *other != own)
            .collect();
        let twice = |one: &&&[u8]| others.iter().filter(|other| other == one).count() > 1;
        let model = others.iter().find(twice)?;
        let sector = sector_of_differences(own, model, place.start)?;
        let again =
            (0..tables.len()).filter(|other| *other != number).filter_map(table).any(|other| other == own);
        (!again).then_some((number, sector))
    })
}

/// The part of one sector in which a table that stands at `start` differs from another one, if that is all that differs.
fn sector_of_differences(own: &[u8], other: &[u8], start: usize) -> Option<Range<usize>> {
    let differs = |at: &usize| own.get(*at) != other.get(*at);
    let first = (0..own.len()).find(differs)?;
    let sector = (start + first) / GRID * GRID;
    let inside = sector.max(start) - start..(sector + GRID).min(start + own.len()) - start;
    let changed = inside.clone().filter(differs).count();
    let all = (0..own.len()).filter(differs).count();
    let large = inside.len() >= LEAST && own.len() - inside.len() >= LEAST;
    let whole = changed == all && changed * 10 >= inside.len() * 9;
    let head = (inside.start..inside.start + EDGE).filter(differs).count();
    let tail = (inside.end.saturating_sub(EDGE)..inside.end).filter(differs).count();
    (large && whole && head + 1 >= EDGE && tail + 1 >= EDGE)
        .then_some(start + inside.start..start + inside.end)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]

    use super::*;

    /// Five tables of 768 bytes, each with a header before it, the first of them not at a sector's edge.
    fn tables(kinds: [u8; 5]) -> (Vec<u8>, Vec<Range<usize>>) {
        let (mut bytes, mut places) = (vec![0; 100], Vec::new());
        for kind in kinds {
            let start = bytes.len();
            bytes.extend((0..=255u8).flat_map(|colour| [colour ^ kind, colour / 2, 255 - colour]));
            places.push(start..bytes.len());
            bytes.extend([0x2C; 37]);
        }
        (bytes, places)
    }

    #[test]
    fn a_sector_of_other_bytes_is_found_wherever_it_lies() {
        for sector in 1..6 {
            let (mut bytes, places) = tables([0; 5]);
            assert_eq!(lost_sector(&bytes, &places), None);
            let changes = (1..=200u8).cycle();
            for (byte, change) in bytes[sector * GRID..(sector + 1) * GRID].iter_mut().zip(changes) {
                *byte = byte.wrapping_add(change);
            }
            let Some((number, lost)) = lost_sector(&bytes, &places) else { panic!("sector {sector}") };
            assert!(lost.start >= places[number].start && lost.end <= places[number].end);
            assert!(lost.start == sector * GRID || lost.end == (sector + 1) * GRID, "{lost:?}");
        }
    }

    #[test]
    fn what_writers_do_is_left_alone() {
        for kinds in [[0, 1, 2, 3, 4], [0, 1, 0, 1, 0], [0, 0, 7, 7, 7], [7, 0, 0, 0, 0]] {
            let (bytes, places) = tables(kinds);
            assert_eq!(lost_sector(&bytes, &places), None, "{kinds:?}");
        }
        // The rest of a table changes from some entry on.
        let (mut bytes, places) = tables([0; 5]);
        for byte in &mut bytes[places[2].start + 300..places[2].end] {
            *byte ^= 0x55;
        }
        assert_eq!(lost_sector(&bytes, &places), None);
        // Even at a sector's edge, where the table comes again.
        let (mut bytes, places) = tables([0; 5]);
        let edge = places[1].start.next_multiple_of(GRID) - places[1].start;
        for number in [1, 4] {
            for byte in &mut bytes[places[number].start + edge..places[number].start + edge + GRID] {
                *byte ^= 0x55;
            }
        }
        assert_eq!(lost_sector(&bytes, &places), None);
    }
}
