//! Movie fragments (ISO/IEC 14496-12 8.8).

use crate::media::Source;
use crate::model::DecodeError;

use super::super::bmff::{Bmff, be32, be64};
use super::track::{find, tiles};

/// A table of runs larger than this belongs to no real fragment.
const MAX_RUN: u64 = 16 << 20;

/// What `trex` says a track's samples are when the fragment does not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Defaults {
    /// Which track.
    pub track: u32,
    description: u32,
    duration: u32,
    size: u32,
}

/// Samples side by side.
#[derive(Debug)]
pub struct Run {
    /// Which track.
    pub track: u32,
    /// Index of the sample entry, counted from 1.
    pub description: u32,
    /// Where the first sample starts in the file.
    pub offset: u64,
    /// Sizes and durations of the samples.
    pub samples: Vec<(u32, u32)>,
}

/// The defaults of all tracks, from an `mvex` box.
pub fn defaults(source: &Source<'_>, mvex: &Bmff) -> Result<Vec<Defaults>, DecodeError> {
    let mut all = Vec::new();
    for found in tiles(source, mvex)? {
        if &found.kind != b"trex" {
            continue;
        }
        let bytes = found.read(source, 1 << 10).unwrap_or_default();
        let field = |at| be32(&bytes, at).unwrap_or(0);
        all.push(Defaults { track: field(4), description: field(8), duration: field(12), size: field(16) });
    }
    Ok(all)
}

/// The runs of a `moof` box.
pub fn runs(source: &Source<'_>, moof: &Bmff, defaults: &[Defaults]) -> Result<Vec<Run>, DecodeError> {
    let mut runs = Vec::new();
    // Without a base of their own, track fragments behind the first go on where the one before ended.
    let mut base = moof.start;
    for found in tiles(source, moof)? {
        if &found.kind == b"traf" {
            base = track_fragment(source, moof, &found, defaults, base, &mut runs)?;
        }
    }
    Ok(runs)
}

fn track_fragment(
    source: &Source<'_>,
    moof: &Bmff,
    traf: &Bmff,
    defaults: &[Defaults],
    before: u64,
    runs: &mut Vec<Run>,
) -> Result<u64, DecodeError> {
    let parts = tiles(source, traf)?;
    let lacking = || DecodeError::malformed("a track fragment has no header", traf.start);
    let header = find(&parts, *b"tfhd").and_then(|found| found.read(source, 1 << 10)).ok_or_else(lacking)?;
    let flags = be32(&header, 0).ok_or_else(lacking)? & 0x00FF_FFFF;
    let track = be32(&header, 4).ok_or_else(lacking)?;
    let mut own = defaults.iter().find(|defaults| defaults.track == track).copied().unwrap_or_default();
    let mut at = 8;
    let mut base = if flags & 0x02_0000 != 0 { moof.start } else { before };
    if flags & 1 != 0 {
        base = be64(&header, at).ok_or_else(lacking)?;
        at += 8;
    }
    let mut optional = |flag: u32, field: &mut u32| {
        if flags & flag != 0 {
            *field = be32(&header, at).unwrap_or(0);
            at += 4;
        }
    };
    optional(2, &mut own.description);
    optional(8, &mut own.duration);
    optional(16, &mut own.size);
    let mut next = base;
    for found in parts.iter().filter(|found| &found.kind == b"trun") {
        let run = run(source, found, track, own, base, next)?;
        let bytes = run.samples.iter().map(|&(size, _)| u64::from(size)).fold(0, u64::saturating_add);
        next = run.offset.saturating_add(bytes);
        runs.push(run);
    }
    Ok(next)
}

fn run(
    source: &Source<'_>,
    found: &Bmff,
    track: u32,
    own: Defaults,
    base: u64,
    next: u64,
) -> Result<Run, DecodeError> {
    let short = || DecodeError::malformed("a run of samples is shorter than it says", found.start);
    let bytes = found.read(source, MAX_RUN).ok_or_else(short)?;
    let flags = be32(&bytes, 0).ok_or_else(short)? & 0x00FF_FFFF;
    let count = be32(&bytes, 4).ok_or_else(short)? as usize;
    let mut at = 8;
    let mut offset = next;
    if flags & 1 != 0 {
        let by = be32(&bytes, at).ok_or_else(short)?.cast_signed();
        offset = base
            .checked_add_signed(by.into())
            .ok_or_else(|| DecodeError::malformed("a run of samples lies before the file", found.start))?;
        at += 4;
    }
    at += if flags & 4 != 0 { 4 } else { 0 };
    let has = |flag: u32| usize::from(flags & flag != 0);
    let width = 4 * (has(0x100) + has(0x200) + has(0x400) + has(0x800));
    let table = bytes.get(at..).unwrap_or_default();
    if table.len() < width.saturating_mul(count) || (width == 0 && count as u64 > source.len()) {
        return Err(short());
    }
    let sample = |index: usize| {
        let entry = table.get(index * width..).unwrap_or_default();
        let field =
            |flag: u32, at: usize, or: u32| if flags & flag == 0 { or } else { be32(entry, at).unwrap_or(0) };
        (field(0x200, 4 * has(0x100), own.size), field(0x100, 0, own.duration))
    };
    Ok(Run {
        track,
        description: own.description,
        offset,
        samples: (0..count.min(MAX_SAMPLES)).map(sample).collect(),
    })
}

/// Samples of one run that are looked at.
const MAX_SAMPLES: usize = 1 << 20;
