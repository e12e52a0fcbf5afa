//! Making a finished picture much lower: the vertical half of reducing it to a thumbnail.
//!
//! As libvips does it (`vips_reducev` with a gap of 2): blocks of whole rows are averaged as long as twice the rows that are wanted
//! are left, and only then the kernel is used.
#![allow(
    unsafe_code,
    reason = "the macro calls the version for vector instructions that it found the processor to have"
)]

use multiversion::multiversion;

use super::vertical::Vertical;

/// libvips' default: how many times as many rows as are wanted are left for the kernel, at least.
const GAP: usize = 2;

/// How many rows are averaged before the kernel is used.
pub(super) fn block(from: usize, to: usize) -> usize {
    from.checked_div(to * GAP).unwrap_or(1).max(1)
}

/// Rows of blocks that are made at once, besides those that the kernel covers.
const AT_ONCE: usize = 32;

/// The picture of rows of `pitch` bytes with `to` rows, which show `height` of them from `top` on, possibly beyond its edges.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers of rows; floats saturate"
)]
pub(super) fn lower(samples: &[u8], pitch: usize, (top, height): (f64, f64), to: usize) -> Option<Vec<u8>> {
    let from = samples.len().checked_div(pitch)?;
    let last = samples.get(from.checked_sub(1)? * pitch..)?;
    let block = block(from, to);
    let count = from.div_ceil(block);
    let (top, height) = (top / block as f64, height / block as f64);
    // What is beyond an edge is like the row at the edge.
    let beyond = (-top).ceil().max(0.0) as usize;
    let vertical = Vertical::new(count + 2 * beyond, (top + beyond as f64, height), to);
    let most = (0..to).map(|row| vertical.sources(row).len()).max()?;
    let mut blocks = vec![0; (most + AT_ONCE).checked_mul(pitch)?];
    let (mut first, mut filled) = (0, 0);
    let mut lines = vec![0; to.checked_mul(pitch)?];
    for (row, line) in lines.chunks_exact_mut(pitch).enumerate() {
        let sources = vertical.sources(row);
        if sources.end > first + filled {
            let gone = sources.start.saturating_sub(first).min(filled);
            blocks.copy_within(gone * pitch..filled * pitch, 0);
            (first, filled) = (first + gone, filled - gone);
            for out in blocks.chunks_exact_mut(pitch).skip(filled) {
                let number = (first + filled).saturating_sub(beyond).min(count - 1);
                average(samples.get(number * block * pitch..)?, last, block, out);
                filled += 1;
            }
        }
        let place = sources.start.checked_sub(first)? * pitch;
        vertical.reduce(row, blocks.get(place..place + sources.len() * pitch)?, line);
    }
    Some(lines)
}

/// Samples that are averaged side by side.
const SIDE: usize = 64;

/// The average of `count` rows, of which those that are lacking are like the last one, rounded.
#[multiversion(targets("x86_64+avx2"))]
fn average(rows: &[u8], last: &[u8], count: usize, out: &mut [u8]) {
    let pitch = out.len();
    let (blocks, rest) = out.as_chunks_mut::<SIDE>();
    let is_whole = rest.is_empty();
    for (number, block) in blocks.iter_mut().enumerate() {
        *block = average_of(rows, last, (pitch, number * SIDE), count);
    }
    // The last ones with some that are made already, or one by one.
    match out.last_chunk_mut::<SIDE>() {
        Some(block) if !is_whole => *block = average_of(rows, last, (pitch, pitch - SIDE), count),
        Some(_) => {}
        None => {
            for (at, sample) in out.iter_mut().enumerate() {
                [*sample] = average_of(rows, last, (pitch, at), count);
            }
        }
    }
}

/// So many averages side by side, `at` bytes into each row.
#[allow(clippy::inline_always, reason = "else not compiled for the vector instructions of its caller")]
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "an average of bytes is a byte")]
fn average_of<const SAMPLES: usize>(
    rows: &[u8],
    last: &[u8],
    (pitch, at): (usize, usize),
    count: usize,
) -> [u8; SAMPLES] {
    // Sixteen bits hold the sum of 256 rows; of more, some are left out.
    let step = count.div_ceil(256);
    let used = count.div_ceil(step) as u32;
    let mut sums = [0_u16; SAMPLES];
    for row in 0..used as usize {
        let place = |rows: &[u8], from: usize| rows.get(from..).and_then(|rows| rows.first_chunk().copied());
        let samples: Option<[u8; SAMPLES]> = place(rows, row * step * pitch + at).or_else(|| place(last, at));
        for (sum, sample) in sums.iter_mut().zip(samples.unwrap_or([0; SAMPLES])) {
            *sum += u16::from(sample);
        }
    }
    // Both are exact, since no sum is larger than 255 times the number of rows.
    if let 2..=16 = used {
        let (half, reciprocal) = ((used / 2) as u16, 65_536 / used + 1);
        return sums.map(|sum| ((u32::from(sum + half) * reciprocal) >> 16) as u8);
    }
    let (half, reciprocal) = (used / 2, (1 << 24) / used + 1);
    sums.map(|sum| (((u32::from(sum) + half) * reciprocal) >> 24) as u8)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a panic is a failed test"
    )]

    use super::*;

    fn noise(count: usize) -> Vec<u8> {
        (0..count).map(|at| ((at * 2_654_435_761) >> 13) as u8).collect()
    }

    #[test]
    fn averages_are_rounded() {
        for (count, pitch) in [(1, 65), (2, 64), (3, 200), (9, 130), (255, 66), (256, 3)] {
            for samples in [noise(count * pitch), vec![255; count * pitch], vec![0; count * pitch]] {
                let mut out = vec![7; pitch];
                average(&samples, &samples, count, &mut out);
                for (at, &found) in out.iter().enumerate() {
                    let sum: usize = samples.iter().skip(at).step_by(pitch).map(|&v| usize::from(v)).sum();
                    assert_eq!(usize::from(found), (sum + count / 2) / count, "{count} {at}");
                }
            }
        }
    }

    #[test]
    fn rows_that_are_lacking_are_like_the_last_one() {
        let (pitch, mut out) = (70, vec![0; 70]);
        let rows = [vec![10; pitch], vec![40; pitch]].concat();
        average(&rows, &vec![40; pitch], 4, &mut out);
        assert!(out.iter().all(|&sample| sample == 33), "{out:?}");
    }

    #[test]
    fn flat_pictures_stay_flat_and_ramps_stay_ramps() {
        let pitch = 3 * 40;
        for (from, to) in [(1440, 250), (1440, 75), (97, 13), (5000, 9), (4, 1), (100_000, 3)] {
            let flat = lower(&vec![77; from * pitch], pitch, (0.0, from as f64), to).unwrap();
            assert_eq!(flat, vec![77; to * pitch]);
        }
        let (from, to) = (1440_usize, 150);
        // A level for each three rows in the middle, shown from beyond one edge to beyond the other.
        let level = |row: usize| row.saturating_sub(400).min(640) as u8 / 4 * 3 / 2;
        let ramp: Vec<u8> = (0..from).flat_map(|row| vec![level(row); pitch]).collect();
        for (top, height) in [(0.0, 1440.0), (-3.0, 1446.0), (2.5, 1435.0)] {
            let lines = lower(&ramp, pitch, (top, height), to).unwrap();
            for row in [0, 10, 60, 75, 90, 149] {
                let middle = top + (row as f64 + 0.5) * height / to as f64;
                let wanted = f64::from(level(middle.clamp(0.0, 1439.0) as usize));
                let found = f64::from(lines[row * pitch]);
                assert!((wanted - found).abs() <= 2.0, "{top} {row}: {found}, {wanted}");
            }
        }
    }
}
