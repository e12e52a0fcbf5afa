//! The data of all strips and tiles of a page.

use super::Page;
use super::due::Slip;
use super::layout::{Chunk, Layout};
use super::unpack::unpack;
use crate::model::DecodeError;

/// What the walk of a page says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Every strip and tile gives exactly what its rows need.
    Sound,
    /// A kind of data that this walk does not follow.
    NotFollowed(String),
    /// Wrong, and where.
    Wrong(Wrong),
}

/// Evidence against a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// What, and where in the file.
    pub error: DecodeError,
    /// The first row of the picture that cannot be trusted.
    pub row: Option<u32>,
}

/// Strips that must all be the same way for it to be the habit of their writer.
const HABIT: usize = 3;

/// Unpacks every strip and tile of a page, and hands each on.
pub fn walk_page(bytes: &[u8], page: &Page, mut each: impl FnMut(&Chunk, &[u8])) -> Answer {
    let layout = match Layout::of(page) {
        Ok(layout) => layout,
        Err(error) => return Answer::Wrong(Wrong { error, row: None }),
    };
    if (page.extents.len() as u64) < layout.count() {
        let what = format!("{} strips or tiles of {}", page.extents.len(), layout.count());
        let next = layout.chunk(page, page.extents.len());
        let error = DecodeError::malformed(what, page.at);
        return Answer::Wrong(Wrong { error, row: next.map(|chunk| chunk.row) });
    }
    let (mut odd, mut followed): (Vec<Wrong>, usize) = (Vec::new(), 0);
    let mut unpacked = Vec::new();
    let tables = page.jpeg_tables.clone().and_then(|range| bytes.get(range));
    let empty = page.extents.iter().filter(|extent| extent.is_empty()).count();
    for (index, extent) in page.extents.iter().enumerate() {
        let Some(chunk) = layout.chunk(page, index) else { break };
        let start = usize::try_from(extent.start).unwrap_or(usize::MAX);
        let end = usize::try_from(extent.end).unwrap_or(usize::MAX);
        let data = bytes.get(start..end).unwrap_or_default();
        if data.is_empty() {
            // Sparse files leave out what is blank, and say so by an offset of 0.
            if extent.start == 0 || empty == page.extents.len() {
                continue;
            }
            let error = DecodeError::malformed("a strip or tile of no bytes", extent.start);
            return Answer::Wrong(Wrong { error, row: Some(chunk.row) });
        }
        followed += 1;
        match unpack(page, &chunk, data, tables, &mut unpacked) {
            Ok(()) => each(&chunk, &unpacked),
            Err(Slip::NotFollowed(why)) => return Answer::NotFollowed(why),
            Err(Slip::Wrong { what, at, habit, sound }) => {
                let whole_rows = u32::try_from(unpacked.len() / chunk.row_bytes.max(1)).unwrap_or(u32::MAX);
                let whole_rows = sound.map_or(whole_rows, |share| part(share, chunk.rows)).min(chunk.rows);
                let row = chunk.row.saturating_add(whole_rows).min(page.size.height);
                let error = DecodeError::malformed(what, start.saturating_add(at) as u64);
                let wrong = Wrong { error, row: Some(row) };
                if !habit {
                    return Answer::Wrong(wrong);
                }
                odd.push(wrong);
            }
        }
    }
    let all_odd = odd.len() == followed && followed >= HABIT;
    match odd.into_iter().next() {
        _ if followed == 0 => Answer::NotFollowed("strips of no bytes".into()),
        Some(_) if all_odd => Answer::NotFollowed("strips of another length than their rows need".into()),
        Some(wrong) => Answer::Wrong(wrong),
        None => Answer::Sound,
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the number of rows")]
fn part(share: f32, rows: u32) -> u32 {
    (f64::from(share.clamp(0.0, 1.0)) * f64::from(rows)) as u32
}
