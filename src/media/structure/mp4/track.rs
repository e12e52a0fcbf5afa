//! One track: its tables, and how its samples are framed.

use crate::media::Source;
use crate::model::{DecodeError, PixelSize};

use super::super::bmff::{self, Bmff, be16, be32};
use super::super::codec::Codec;
use super::MAX_TABLES;
use super::tables::{Boxes, Tables};

/// Codec configurations larger than this are not read.
const MAX_CONFIGURATION: u64 = 1 << 20;
/// More sample entries than this are not read.
const MAX_ENTRIES: usize = 64;

/// What a `trak` box says.
#[derive(Debug, Default)]
pub struct Track {
    /// Its number, by which fragments name it.
    pub id: u32,
    /// Time units per second.
    pub time_scale: u32,
    /// Picture, sound or something else: `vide`, `soun`, `meta`...
    pub handler: bmff::Kind,
    /// How its samples are framed, for each sample entry.
    pub codecs: Vec<Codec>,
    /// Its sample tables; none where the samples are in another file.
    pub tables: Option<Tables>,
    /// The largest picture of its sample entries, as stored.
    pub size: PixelSize,
}

impl Track {
    /// Reads a `trak` box; its tables may take `room` bytes, from which they are taken off.
    pub fn read(source: &Source<'_>, track: &Bmff, room: &mut u64) -> Result<Self, DecodeError> {
        let mut read = Self { time_scale: 1, ..Self::default() };
        let parts = tiles(source, track)?;
        if let Some(header) = find(&parts, *b"tkhd") {
            let bytes = head_of(source, header, 24)?;
            let at = if bytes.first() == Some(&1) { 20 } else { 12 };
            read.id = be32(&bytes, at).unwrap_or(0);
        }
        let Some(media) = find(&parts, *b"mdia") else { return Ok(read) };
        let parts = tiles(source, media)?;
        if let Some(header) = find(&parts, *b"mdhd") {
            let bytes = head_of(source, header, 24)?;
            let at = if bytes.first() == Some(&1) { 20 } else { 12 };
            read.time_scale = be32(&bytes, at).unwrap_or(1);
        }
        if let Some(handler) = find(&parts, *b"hdlr") {
            let bytes = head_of(source, handler, 12)?;
            read.handler = bytes.get(8..12).and_then(|kind| kind.try_into().ok()).unwrap_or_default();
        }
        let Some(information) = find(&parts, *b"minf") else { return Ok(read) };
        let parts = tiles(source, information)?;
        let Some(table) = find(&parts, *b"stbl") else { return Ok(read) };
        let tables = tiles(source, table)?;
        if let Some(description) = find(&tables, *b"stsd") {
            read.describe(source, description);
        }
        if !is_external(source, information) {
            read.read_tables(source, table, &tables, room)?;
        }
        Ok(read)
    }

    fn describe(&mut self, source: &Source<'_>, description: &Bmff) {
        let visual = &self.handler == b"vide";
        for entry in description.children(source, 8).flatten().take(MAX_ENTRIES) {
            self.codecs.push(codec(source, &entry, self.handler));
            let Ok(bytes) = head_of(source, &entry, 28) else { continue };
            // 24 bytes of fields stand before the width (ISO/IEC 14496-12 12.1.3).
            if let (Some(width), Some(height), true) = (be16(&bytes, 24), be16(&bytes, 26), visual) {
                let size = PixelSize::new(width.into(), height.into());
                if size.pixels() > self.size.pixels() {
                    self.size = size;
                }
            }
        }
    }

    fn read_tables(
        &mut self,
        source: &Source<'_>,
        table: &Bmff,
        parts: &[Bmff],
        room: &mut u64,
    ) -> Result<(), DecodeError> {
        // Tracks of other kinds (time codes, hints, metadata) may come without; nobody sees or hears them.
        if !matches!(&self.handler, b"vide" | b"soun") && find(parts, *b"stts").is_none() {
            return Ok(());
        }
        let mut read = |kind: &bmff::Kind| -> Result<Option<Vec<u8>>, DecodeError> {
            let Some(found) = find(parts, *kind) else { return Ok(None) };
            *room = room.checked_sub(found.length()).ok_or_else(|| {
                let what = format!("table '{}' of {} bytes", found.name(), found.length());
                DecodeError::limit(what, format!("{MAX_TABLES} bytes for all tables"))
            })?;
            let cut = || DecodeError::truncated(format!("table '{}'", found.name()), found.start);
            found.read(source, MAX_TABLES).ok_or_else(cut).map(Some)
        };
        let lacking = |what: &str| {
            DecodeError::malformed(format!("track {} has no table of {what}", self.id), table.start)
        };
        let (chunks, wide) = match (read(b"stco")?, read(b"co64")?) {
            (Some(chunks), _) => (chunks, false),
            (None, Some(chunks)) => (chunks, true),
            (None, None) => return Err(lacking("chunk offsets")),
        };
        let (sizes, compact) = match (read(b"stsz")?, read(b"stz2")?) {
            (Some(sizes), _) => (sizes, false),
            (None, Some(sizes)) => (sizes, true),
            (None, None) => return Err(lacking("sample sizes")),
        };
        let runs = read(b"stsc")?.ok_or_else(|| lacking("samples in chunks"))?;
        let times = read(b"stts")?.ok_or_else(|| lacking("times"))?;
        let offsets = read(b"ctts")?;
        let start = table.start;
        let tables = Tables::new(Boxes { sizes, compact, chunks, wide, runs, times, start })?;
        if let Some(count) = offsets.and_then(|offsets| impossible_run(&offsets, tables.samples())) {
            let what = format!("table 'ctts' has one offset for {count} samples of {}", tables.samples());
            return Err(DecodeError::malformed(what, start));
        }
        self.tables = Some(tables);
        Ok(())
    }

    /// How samples of this sample entry, counted from 1, are framed.
    pub fn codec(&self, description: u32) -> &Codec {
        let index = (description as usize).saturating_sub(1);
        self.codecs.get(index).unwrap_or(&Codec::Opaque)
    }

    /// A sample's time in seconds.
    #[allow(clippy::cast_precision_loss, reason = "for people")]
    pub fn seconds(&self, time: u64) -> f64 {
        time as f64 / f64::from(self.time_scale.max(1))
    }
}

/// An entry of `ctts` (ISO/IEC 14496-12 8.6.1.3) for far more samples than there are. Careless writers are off by some.
fn impossible_run(offsets: &[u8], samples: u32) -> Option<u32> {
    const CARELESS: u32 = 1024;
    let most = samples.saturating_mul(2).saturating_add(CARELESS);
    let count = be32(offsets, 4)? as usize;
    let entries = offsets.get(8..)?.chunks_exact(8).take(count);
    entries.filter_map(|entry| be32(entry, 0)).find(|&count| samples > 0 && count > most)
}

/// The framing that a sample entry tells.
fn codec(source: &Source<'_>, entry: &Bmff, handler: bmff::Kind) -> Codec {
    // Fields before the boxes: visual 78 bytes, sound 28 and more for QuickTime's later versions (12.1.3, 12.2.3).
    let fields = match &handler {
        b"vide" => 78,
        b"soun" => match head_of(source, entry, 10).ok().and_then(|bytes| be16(&bytes, 8)) {
            Some(1) => 28 + 16,
            Some(2) => 28 + 36,
            _ => 28,
        },
        _ => return Codec::Opaque,
    };
    Codec::of_sample_entry(entry.kind, |kind| {
        let direct = entry.child(source, fields, *kind);
        let wrapped = || entry.child(source, fields, *b"wave").and_then(|wave| wave.child(source, 0, *kind));
        direct.or_else(wrapped)?.read(source, MAX_CONFIGURATION)
    })
}

/// The first bytes of a box's content; fewer if it has no more.
fn head_of(source: &Source<'_>, found: &Bmff, count: u64) -> Result<Vec<u8>, DecodeError> {
    let head = Bmff { end: found.end.min(found.content.saturating_add(count)), ..*found };
    head.read(source, count)
        .ok_or_else(|| DecodeError::truncated(format!("box '{}'", found.name()), found.start))
}

pub(super) fn find(boxes: &[Bmff], kind: bmff::Kind) -> Option<&Bmff> {
    boxes.iter().find(|found| found.kind == kind)
}

/// The boxes inside, which must fill it. Zero bytes at the end are no box: QuickTime closes lists with four of them.
pub(super) fn tiles(source: &Source<'_>, holder: &Bmff) -> Result<Vec<Bmff>, DecodeError> {
    const MAX_SPARE: u64 = 64;
    let mut boxes = Vec::new();
    for found in holder.children(source, 0) {
        match found {
            Ok(found) if found.kind == [0; 4] => {
                if holder.end - found.start > MAX_SPARE {
                    let what = format!("zero bytes where a box of '{}' must begin", holder.name());
                    return Err(DecodeError::malformed(what, found.start));
                }
                break;
            }
            Ok(found) => boxes.push(found),
            Err(error) => return Err(error),
        }
    }
    Ok(boxes)
}

/// Whether the samples are in another file: the first data reference lacks the flag "in this file".
fn is_external(source: &Source<'_>, information: &Bmff) -> bool {
    let reference = information
        .child(source, 0, *b"dinf")
        .and_then(|found| found.child(source, 0, *b"dref"))
        .and_then(|found| found.children(source, 8).flatten().next());
    let Some(reference) = reference else { return false };
    head_of(source, &reference, 4).ok().and_then(|bytes| be32(&bytes, 0)).is_some_and(|flags| flags & 1 == 0)
}
