//! What the coded items of a HEIF file hold: HEVC pictures walked to their last bit, AV1 units counted.

use std::collections::{BTreeMap, BTreeSet};

use crate::media::Source;
use crate::media::structure::bmff::{self, be16, be32};
use crate::media::structure::codec::nal;
use crate::media::structure::{av1, hevc};
use crate::model::{DecodeError, PixelSize};

use super::index::{Index, Item, read_index};
use super::spatial_extents;

/// Some encoders pad a unit with this many zero bytes at most (`cabac_zero_words` and alignment).
const MAX_PADDING: usize = 64;
/// Items that share bytes are read no more than so many times the file.
const MAX_SHARING: u64 = 4;
/// Derived pictures nest no deeper.
const MAX_NESTING: u32 = 8;

/// What looking at all coded items told.
#[derive(Debug, Default)]
pub struct Pictures {
    /// The first item that is wrong, those of the picture shown before others.
    pub damage: Option<DecodeError>,
    /// Share of the picture's height that is sound above the damage, where that can be told.
    pub sound_until: Option<f32>,
    /// Coded items of the picture shown.
    pub shown: Vec<u32>,
    /// Why the walk did not follow one of them to its end; `None` where all are sound.
    pub not_followed: Option<String>,
}

/// What an item is to the picture that is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Role {
    /// Seen: from this share of the height on, over that share.
    Shown(Option<(f32, f32)>),
    Alpha,
    Thumbnail,
    Auxiliary,
    Other,
}

impl Role {
    const fn name(self) -> &'static str {
        match self {
            Self::Shown(_) => "the picture",
            Self::Alpha => "transparency",
            Self::Thumbnail => "a thumbnail",
            Self::Auxiliary => "an auxiliary picture",
            Self::Other => "another picture",
        }
    }
}

/// Looks at every coded item; with `whole`, HEVC slices are walked to their last bit.
pub fn pictures(source: &Source<'_>, index: &Index, whole: bool) -> Result<Pictures, DecodeError> {
    let mut told = Pictures::default();
    if let Some(primary) = index.primary.filter(|&id| !index.items.is_empty() && index.item(id).is_none()) {
        let what = format!("item {primary} is to be shown, but the index does not have it");
        told.damage = Some(DecodeError::malformed(what, None));
        return Ok(told);
    }
    let roles = roles(source, index)?;
    // Items may share bytes; with these, no more is read than a few times the file.
    let mut room = source.len().saturating_mul(MAX_SHARING).saturating_add(1 << 20);
    let mut sound = BTreeSet::new();
    for &(id, role) in &roles {
        let Some(item) = index.item(id) else { continue };
        let place = (&item.extents, configuration(index, item).map(|record| record.start));
        let outcome = if sound.contains(&place) {
            Outcome::Sound
        } else {
            let len = item.extents.iter().fold(0u64, |sum, (_, len)| sum.saturating_add(*len));
            room = room.checked_sub(len).ok_or_else(|| {
                DecodeError::limit("items that share their bytes", format!("{MAX_SHARING} times the file"))
            })?;
            match &item.kind {
                b"hvc1" | b"hev1" => walk_hevc(source, index, item, whole)?,
                b"av01" => walk_av1(source, index, item)?,
                _ => Outcome::NotFollowed(format!("item of type '{}'", bmff::name(item.kind))),
            }
        };
        if matches!(outcome, Outcome::Sound) {
            sound.insert(place);
        }
        let is_shown = matches!(role, Role::Shown(_) | Role::Alpha);
        if is_shown {
            told.shown.push(id);
        }
        match outcome {
            Outcome::Sound => {}
            Outcome::NotFollowed(why) => {
                if is_shown {
                    told.not_followed.get_or_insert(why);
                }
            }
            Outcome::Damaged { what, offset, sound } => {
                if let (Role::Shown(Some((from, share))), Some(sound)) = (role, sound) {
                    told.sound_until = Some((from + share * sound).clamp(0.0, 1.0));
                }
                let what = format!("item {id} ({}): {what}", role.name());
                told.damage = Some(DecodeError::malformed(what, offset));
                return Ok(told);
            }
        }
    }
    Ok(told)
}

/// What one item told.
enum Outcome {
    Sound,
    NotFollowed(String),
    Damaged {
        what: String,
        offset: Option<u64>,
        /// Share of the item's height that is sound.
        sound: Option<f32>,
    },
}

/// Coded items with their roles: those of the picture shown first, in the order of its tiles.
fn roles(source: &Source<'_>, index: &Index) -> Result<Vec<(u32, Role)>, DecodeError> {
    let mut roles = Vec::new();
    let mut seen = BTreeMap::new();
    if let Some(primary) = index.primary {
        // A turned or cropped picture has its top elsewhere.
        let is_turned =
            [*b"irot", *b"imir", *b"clap"].iter().any(|&kind| index.property(primary, kind).is_some());
        let place = (!is_turned).then_some((0.0, 1.0));
        gather(source, index, primary, Role::Shown(place), 0, &mut seen, &mut roles)?;
    }
    for reference in &index.references {
        let is_shown = reference
            .to
            .iter()
            .any(|id| index.primary == Some(*id) || matches!(seen.get(id), Some(Role::Shown(_))));
        let role = match &reference.kind {
            b"thmb" => Role::Thumbnail,
            b"auxl" if is_shown && is_alpha(source, index, reference.from)? => Role::Alpha,
            b"auxl" => Role::Auxiliary,
            _ => continue,
        };
        gather(source, index, reference.from, role, 0, &mut seen, &mut roles)?;
    }
    for item in &index.items {
        gather(source, index, item.id, Role::Other, 0, &mut seen, &mut roles)?;
    }
    Ok(roles)
}

/// The item's own data, or those of all it is derived from.
fn gather(
    source: &Source<'_>,
    index: &Index,
    id: u32,
    role: Role,
    nesting: u32,
    seen: &mut BTreeMap<u32, Role>,
    roles: &mut Vec<(u32, Role)>,
) -> Result<(), DecodeError> {
    if nesting > MAX_NESTING || seen.contains_key(&id) {
        return Ok(());
    }
    seen.insert(id, role);
    let Some(item) = index.item(id) else { return Ok(()) };
    if matches!(&item.kind, b"hvc1" | b"hev1" | b"av01" | b"avc1" | b"jpeg" | b"j2k1" | b"vvc1" | b"unci") {
        roles.push((id, role));
        return Ok(());
    }
    let grid = if item.kind == *b"grid" { Grid::read(source, index, item)? } else { None };
    for (number, input) in index.referred(id, *b"dimg").enumerate() {
        let role = match (role, &item.kind, &grid) {
            (Role::Shown(Some((from, share))), b"grid", Some(grid)) => Role::Shown(
                grid.place(number, source, index, input)?.map(|(top, len)| (from + share * top, share * len)),
            ),
            (Role::Shown(Some(_)), b"iden", _) | (Role::Shown(None), ..) => role,
            (Role::Shown(_), ..) => Role::Shown(None),
            _ => role,
        };
        gather(source, index, input, role, nesting + 1, seen, roles)?;
    }
    Ok(())
}

/// A picture of tiles (ISO/IEC 23008-12 6.6.2.3).
pub(super) struct Grid {
    pub(super) columns: usize,
    pub(super) rows: usize,
    pub(super) size: PixelSize,
}

impl Grid {
    pub(super) fn read(source: &Source<'_>, index: &Index, item: &Item) -> Result<Option<Self>, DecodeError> {
        let Some(bytes) = bytes(source, item)? else { return Ok(None) };
        let told = index.property(item.id, *b"ispe");
        let told = told.map_or(Ok(None), |property| spatial_extents(source, property))?;
        Ok(Self::of(&bytes).filter(|grid| told.is_none_or(|told| told.height == grid.size.height)))
    }

    fn of(bytes: &[u8]) -> Option<Self> {
        let many = |at: usize| bytes.get(at).map(|&less_one| usize::from(less_one) + 1);
        let wide = bytes.get(1)? & 1 == 1;
        let side = |number: usize| {
            if wide { be32(bytes, 4 + 4 * number) } else { be16(bytes, 4 + 2 * number).map(u32::from) }
        };
        let size = PixelSize::new(side(0)?, side(1)?);
        Some(Self { rows: many(2)?, columns: many(3)?, size })
    }

    /// Which share of the height a tile begins at, and how much of it one is.
    fn place(
        &self,
        number: usize,
        source: &Source<'_>,
        index: &Index,
        tile: u32,
    ) -> Result<Option<(f32, f32)>, DecodeError> {
        let size = index.property(tile, *b"ispe");
        let size = size.map_or(Ok(None), |property| spatial_extents(source, property))?;
        let share = size.map(|size| size.height as f32 / self.size.height.max(1) as f32);
        // Beside the damaged tile there are others: only what is above is sound.
        let inside = if self.columns == 1 { 1.0 } else { 0.0 };
        Ok(share.map(|share| ((number / self.columns) as f32 * share, share * inside)))
    }
}

fn is_alpha(source: &Source<'_>, index: &Index, item: u32) -> Result<bool, DecodeError> {
    let Some(property) = index.property(item, *b"auxC") else { return Ok(false) };
    let bytes = read_index(source, property)?;
    let name = bytes.get(4..).unwrap_or_default();
    Ok(name.starts_with(b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha")
        || name.starts_with(b"urn:mpeg:hevc:2015:auxid:1\0")
        || name.starts_with(b"urn:mpeg:avc:2015:auxid:1\0"))
}

/// The bytes of an item; `None` where they are not in the file, or more than the file has.
pub fn bytes(source: &Source<'_>, item: &Item) -> Result<Option<Vec<u8>>, DecodeError> {
    let len = item.extents.iter().fold(0u64, |sum, (_, len)| sum.saturating_add(*len));
    if item.extents.is_empty() || len > source.len() {
        return Ok(None);
    }
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
    let mut rest = bytes.as_mut_slice();
    for &(offset, len) in &item.extents {
        let Some((part, behind)) = usize::try_from(len).ok().and_then(|len| rest.split_at_mut_checked(len))
        else {
            return Ok(None);
        };
        let count = source.read_at(offset, part).map_err(|error| DecodeError::io(&error, Some(offset)))?;
        if count < part.len() {
            return Err(DecodeError::truncated(format!("item {}", item.id), offset));
        }
        rest = behind;
    }
    Ok(Some(bytes))
}

/// Where the byte `at` of an item stands in the file.
fn place(item: &Item, at: usize) -> Option<u64> {
    let mut at = at as u64;
    for &(offset, len) in &item.extents {
        if at < len {
            return offset.checked_add(at);
        }
        at -= len;
    }
    item.extents.last().map(|(offset, len)| offset.saturating_add(*len))
}

/// Every HEVC and AV1 item has a configuration property (ISO/IEC 23008-12 B.2.3.1, AV1 Image File Format 2.2.1).
fn unconfigured() -> Outcome {
    Outcome::Damaged { what: "no decoder configuration in the index".into(), offset: None, sound: None }
}

fn configuration<'i>(index: &'i Index, item: &Item) -> Option<&'i bmff::Bmff> {
    index.property(item.id, *b"hvcC")
}

fn walk_av1(source: &Source<'_>, index: &Index, item: &Item) -> Result<Outcome, DecodeError> {
    let Some(bytes) = bytes(source, item)? else {
        return Ok(Outcome::NotFollowed("data outside the file".into()));
    };
    if index.property(item.id, *b"av1C").is_none() {
        return Ok(unconfigured());
    }
    Ok(match av1::walk(&bytes) {
        Ok(()) => Outcome::NotFollowed("AV1 tiles, which only a decoder reads".into()),
        Err((what, at)) => Outcome::Damaged { what, offset: place(item, at), sound: None },
    })
}

fn walk_hevc(source: &Source<'_>, index: &Index, item: &Item, whole: bool) -> Result<Outcome, DecodeError> {
    let Some(bytes) = bytes(source, item)? else {
        return Ok(Outcome::NotFollowed("data outside the file".into()));
    };
    let Some(record) = configuration(index, item) else {
        return Ok(unconfigured());
    };
    let record = read_index(source, record)?;
    let prefix = length_size(&record);
    let damaged = |what: String, at| Outcome::Damaged { what, offset: place(item, at), sound: Some(0.0) };
    let units = match split(&bytes, prefix) {
        Ok(units) => units,
        Err((what, at)) => return Ok(damaged(what, at)),
    };
    let mut at = 0;
    for unit in &units {
        if let Some(place) = nal::impossible_bytes(unit, MAX_PADDING) {
            return Ok(damaged("bytes that cannot occur inside an HEVC unit".into(), at + prefix + place));
        }
        at += prefix + unit.len();
    }
    if !whole {
        return Ok(Outcome::NotFollowed("only the structure was looked at".into()));
    }
    Ok(match hevc::walk(&hevc::ParameterSets::of_configuration(&record), &units) {
        hevc::Answer::Sound => Outcome::Sound,
        hevc::Answer::NotFollowed(why) => Outcome::NotFollowed(why),
        hevc::Answer::Damaged(damage) => {
            let before: usize = units.iter().take(damage.unit).map(|unit| prefix + unit.len()).sum();
            let sound = (damage.rows > 0).then(|| damage.sound_rows as f32 / damage.rows as f32);
            Outcome::Damaged {
                what: damage.what,
                offset: place(item, before + prefix + damage.offset),
                sound,
            }
        }
    })
}

/// Bytes of the length before every NAL unit (ISO/IEC 14496-15 8.3.3).
fn length_size(record: &[u8]) -> usize {
    record.get(21).map_or(4, |&flags| usize::from(flags & 3) + 1)
}

/// The NAL units of an item, which must fill it exactly.
fn split(bytes: &[u8], prefix: usize) -> Result<Vec<&[u8]>, (String, usize)> {
    let mut units = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let Some(len) = bytes.get(at..at + prefix) else {
            return Err(("the item ends inside a unit's length".into(), at));
        };
        let size = len.iter().fold(0usize, |size, &byte| size << 8 | usize::from(byte));
        let unit = bytes.get(at + prefix..(at + prefix).saturating_add(size)).filter(|unit| !unit.is_empty());
        units.push(unit.ok_or_else(|| (format!("unit of {size} bytes does not fit into the item"), at))?);
        at += prefix + size;
    }
    Ok(units)
}

/// What a decoder of plain streams takes: HEVC with start codes and parameter sets, AV1 as it is.
pub fn plain_stream(source: &Source<'_>, index: &Index, id: u32) -> Result<Option<Vec<u8>>, DecodeError> {
    let Some(item) = index.item(id) else { return Ok(None) };
    let Some(bytes) = bytes(source, item)? else { return Ok(None) };
    if item.kind == *b"av01" {
        return Ok(Some(bytes));
    }
    let Some(record) = index.property(id, *b"hvcC") else { return Ok(None) };
    let record = read_index(source, record)?;
    let Ok(units) = split(&bytes, length_size(&record)) else { return Ok(None) };
    let mut stream = Vec::with_capacity(bytes.len() + record.len());
    for unit in hevc::configuration_units(&record).into_iter().chain(units) {
        stream.extend_from_slice(b"\0\0\0\x01");
        stream.extend_from_slice(unit);
    }
    Ok(Some(stream))
}
