//! The same data followed in several ways.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a panic is a failed test"
)]

use std::cell::OnceCell;

use super::super::follow;
use super::super::levels::Levels;
use super::super::tables::{Begins, Differences, Huffman, Range, Runs};
use super::*;

/// Codes 00, 01, 10, 110 and 1110 for these symbols.
fn table(symbols: [u8; 5]) -> Box<Huffman> {
    let mut counts = [0; 16];
    counts[1..4].copy_from_slice(&[3, 1, 1]);
    Huffman::new(&counts, &symbols).unwrap()
}

const CODES: [(u32, u32); 5] = [(0b00, 2), (0b01, 2), (0b10, 2), (0b110, 3), (0b1110, 4)];

/// Everything that a part refers to.
struct Tables {
    dc: Box<Huffman>,
    ac: Box<Huffman>,
    range: Range,
    differences: Box<Differences>,
    begins: Box<Begins>,
    runs: Box<Runs>,
}

impl Tables {
    fn new(dc: [u8; 5], ac: [u8; 5]) -> Self {
        let (dc, ac, range) = (table(dc), table(ac), Range::new(Some(&[2; 64]), 8));
        let differences = Differences::new(&dc);
        let begins = Begins::new(&differences, &ac, &range);
        let runs = Runs::new(&ac, range.fast_size);
        Self { dc, ac, range, differences, begins, runs }
    }

    fn part(&self, blocks: usize, columns: usize) -> Part<'_> {
        Part {
            blocks,
            columns,
            dc: &self.dc,
            differences: &self.differences,
            ac: &self.ac,
            begins: &self.begins,
            runs: &self.runs,
            values: OnceCell::new(),
            range: &self.range,
            last: 0,
            levels: Levels::default(),
        }
    }
}

/// Numbers below a limit, one after another.
fn dice(seed: u32) -> impl FnMut(u32) -> u32 {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    move |sides| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % sides
    }
}

#[test]
fn blocks_are_the_same_one_coefficient_or_two_at_a_time() {
    // Blocks that end soon, and blocks that are mostly full, behind which a difference may look like the end of a block.
    for symbols in [[0x01, 0x00, 0x12, 0x21, 0xF0], [0x01, 0x02, 0x01, 0x11, 0x00]] {
        let tables = Tables::new([0, 1, 2, 3, 4], symbols);
        let mut part = tables.part(1, 1);
        let mut dice = dice(1);
        let data: Vec<u8> = (0..1 << 16).map(|_| dice(256) as u8 & 0xF7).collect();
        let (mut full, mut blocks, mut bits) = (0, 0, Bits::new(&data));
        while bits.place() + 300 < data.len() {
            let (start, mut alone) = (bits, bits);
            let (mut block, mut wanted) = ([0; 64], [0; 64]);
            part.last = 0;
            bits.top_up();
            if part.block_into(&mut bits, &mut block).is_err() {
                bits = start;
                bits.refill();
                bits.skip(1);
                continue;
            }
            alone.refill();
            let mut dc = 0;
            assert!(part.range.read_dc(&mut alone, &tables.dc, &mut dc, 0).is_ok());
            put(&mut wanted, &ZIGZAG, 0, saturated(dc));
            let mut index = 1;
            while index < 64 {
                alone.refill();
                let One { bits, next, value, .. } = part.coefficient(alone, index).ok().unwrap();
                (alone, index) = (bits, next);
                if value != 0 {
                    put(&mut wanted, &ZIGZAG, next - 1, value);
                }
            }
            assert_eq!(block, wanted, "block {blocks}");
            bits.refill();
            alone.refill();
            assert_eq!((bits.place(), bits.peek(16)), (alone.place(), alone.peek(16)), "block {blocks}");
            full += usize::from(wanted[63] != 0);
            blocks += 1;
        }
        assert!(blocks > 500 && (full > 100) == (symbols[1] != 0), "{full} of {blocks}");
    }
}

const UNITS: (usize, usize) = (9, 7);

/// Data of a scan of parts with so many blocks in each unit, and restart markers between so many units.
fn scan(
    dc: [u8; 5],
    ac: [u8; 5],
    parts: &[(usize, usize)],
    interval: usize,
    dice: &mut impl FnMut(u32) -> u32,
) -> Vec<u8> {
    let (mut data, mut held, mut count) = (Vec::new(), 0u32, 0);
    let mut put = |data: &mut Vec<u8>, value: u32, bits: u32| {
        for bit in (0..bits).rev() {
            (held, count) = (held << 1 | value >> bit & 1, count + 1);
            if count == 8 {
                data.push(held as u8);
                if held as u8 == 0xFF {
                    data.push(0);
                }
                count = 0;
            }
        }
        count
    };
    let mut levels = vec![0i32; parts.len()];
    for unit in 0..UNITS.0 * UNITS.1 {
        if interval > 0 && unit > 0 && unit % interval == 0 {
            let count = put(&mut data, 0, 0);
            put(&mut data, 0xFF, (8 - count) % 8);
            data.extend([0xFF, 0xD0 + (unit / interval - 1) as u8 % 8]);
            levels.fill(0);
        }
        for part in (0..).zip(parts).flat_map(|(part, &(blocks, _))| std::iter::repeat_n(part, blocks)) {
            let level: &mut i32 = &mut levels[part];
            // Not far from the middle.
            let one = u32::from(*level <= 0);
            let symbol = dice(5) as usize;
            put(&mut data, CODES[symbol].0, CODES[symbol].1);
            let size = u32::from(dc[symbol]);
            let value = if size > 0 { one << (size - 1) } else { 0 };
            put(&mut data, value, size);
            *level += magnitude(value, size);
            // One large coefficient at most.
            let (mut index, mut most) = (1, 8);
            while index < 64 {
                let fits = |symbol: usize| match ac[symbol] {
                    0 => true,
                    0xF0 => index + 16 <= 64,
                    other => other & 15 <= most && index + u32::from(other >> 4) < 64,
                };
                let first = dice(5) as usize;
                let symbol =
                    (first..first + 5).map(|symbol| symbol % 5).find(|&symbol| fits(symbol)).unwrap();
                put(&mut data, CODES[symbol].0, CODES[symbol].1);
                let size = u32::from(ac[symbol] & 15);
                let value = if size > 4 { (1 << size) - 1 - dice(8) } else { dice(1 << size) };
                put(&mut data, value, size);
                most = if size > 4 { 4 } else { most };
                index = if ac[symbol] == 0 { 64 } else { index + u32::from(ac[symbol] >> 4) + 1 };
            }
        }
    }
    let count = put(&mut data, 0, 0);
    put(&mut data, 0xFF, (8 - count) % 8);
    data.extend([0xFF, 0xD9]);
    data
}

/// What following a scan comes to: the unit that is wrong and why, and of each part the last DC coefficient and the levels. In a unit that
/// is wrong the former means nothing; where the data ends too early, neither does the unit before, which may have taken bits of nothing.
type Told = (Option<(usize, Option<&'static str>)>, Vec<(Option<i32>, Vec<i32>)>);

/// That, and about where it ends.
fn told(data: &[u8], parts: Vec<Part<'_>>, interval: usize, together: bool) -> (Told, usize) {
    let mut coding = Sequential::new(parts, Layout { at: 0, units: UNITS, interval });
    assert!(coding.stretches.is_some());
    if !together {
        coding.stretches = None;
    }
    let mut bits = Bits::new(data);
    let wrong =
        follow(&mut bits, &mut coding, UNITS.0 * UNITS.1, interval).err().map(|(unit, slip)| match slip {
            Slip::Ended => (unit, None),
            Slip::Wrong(what) => (unit, Some(what)),
        });
    let levels = |part: &Part<'_>| {
        let known = match wrong {
            Some((unit, None)) => unit.saturating_sub(1).min(part.levels.len()),
            _ => part.levels.len(),
        };
        let steps = part.levels.steps(UNITS.0).into_iter().map(i32::from);
        let steps = steps.take(known.saturating_sub(UNITS.0));
        let last = wrong.is_none().then_some(part.last);
        (last, (0..known).map(|unit| part.levels.top(unit)).chain(steps).collect())
    };
    ((wrong, coding.parts.iter().map(levels).collect()), bits.place())
}

#[test]
fn units_together_are_the_same_as_units_one_by_one() {
    let (mut sound, mut wrong) = (0, 0);
    // The longest DC differences of the last kind are in no look-up.
    for (dc, ac) in [
        ([0, 1, 2, 3, 4], [0x01, 0x00, 0x12, 0x21, 0xF0]),
        ([0, 1, 2, 3, 4], [0x01, 0x00, 0x08, 0x11, 0xF0]),
        ([0, 1, 2, 3, 9], [0x01, 0x02, 0x01, 0x11, 0x00]),
    ] {
        let tables = Tables::new(dc, ac);
        for (seed, layout) in (0..).zip([
            vec![(1, 1)],
            vec![(1, 1), (1, 1), (1, 1)],
            vec![(4, 2), (1, 1), (1, 1)],
            vec![(2, 2), (1, 1), (1, 1)],
            vec![(2, 1), (1, 1), (1, 1)],
            vec![(4, 4), (1, 1), (1, 1)],
            vec![(3, 3), (3, 3), (4, 2)],
        ]) {
            let parts = || layout.iter().map(|&(blocks, columns)| tables.part(blocks, columns)).collect();
            for interval in [0, 1, 4, 9, 20] {
                let mut dice = dice(seed);
                let data = scan(dc, ac, &layout, interval, &mut dice);
                for attempt in 0..40 {
                    let (mut data, at) = (data.clone(), dice(data.len() as u32) as usize);
                    match attempt {
                        0 => {}
                        1..20 => data[at] ^= 1 << dice(8),
                        20..30 => data.truncate(at),
                        _ => data[at..].fill(dice(256) as u8),
                    }
                    let (alone, place) = told(&data, parts(), interval, false);
                    let (together, other_place) = told(&data, parts(), interval, true);
                    assert_eq!(together, alone, "{layout:?} {interval} {attempt}");
                    // It depends a little on how much has been fetched.
                    assert!(place.abs_diff(other_place) <= 4, "{place} {other_place}");
                    assert!(attempt > 0 || alone.0.is_none(), "{alone:?}");
                    *(if alone.0.is_some() { &mut wrong } else { &mut sound }) += 1;
                }
            }
        }
    }
    assert!(sound > 105 && wrong > 1000, "{sound} {wrong}");
}
