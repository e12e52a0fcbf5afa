//! One coded picture: its slice segments, tiles and wavefronts (H.265 6.3, 6.5.1, 7.3.8.1, 9.3.1).

use super::super::coding::bits::Rbsp;
use super::cabac::{Cabac, Contexts};
use super::params::{Pps, Sps, Tiles};
use super::slice::Segment;
use super::tree::{Neighbours, Stop, Tree};

/// More coding tree blocks than this are over any level: half a gigapixel has two million of the smallest.
const MAX_CTBS: u32 = 1 << 21;

/// Where a segment stops making sense.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) what: String,
    /// Byte in the payload.
    pub(super) at: usize,
    /// Rows of luma samples above the substream that is wrong.
    pub(super) rows_before: u32,
}

/// Which coding tree block follows which, and the tile of each.
#[derive(Debug)]
struct Order {
    columns: u32,
    /// `CtbAddrTsToRs`.
    raster: Vec<u32>,
    /// First column and row of the tile, by raster address.
    corner: Vec<(u16, u16)>,
}

impl Order {
    fn of(sps: &Sps, tiles: Option<&Tiles>) -> Option<Self> {
        let (columns, rows) = sps.in_ctbs();
        let whole = Tiles { columns: 1, rows: 1, sizes: None };
        let tiles = tiles.unwrap_or(&whole);
        let (widths, heights) = tiles.sizes.clone().unzip();
        let across = bounds(columns, tiles.columns, widths.as_deref())?;
        let down = bounds(rows, tiles.rows, heights.as_deref())?;
        let count = columns.checked_mul(rows).filter(|&count| count <= MAX_CTBS)? as usize;
        let mut raster = Vec::with_capacity(count);
        let mut corner = vec![(0, 0); count];
        for vertical in down.windows(2) {
            for horizontal in across.windows(2) {
                let (&[top, bottom], &[left, right]) = (vertical, horizontal) else { continue };
                for row in top..bottom {
                    for column in left..right {
                        let address = row * columns + column;
                        raster.push(address);
                        if let Some(corner) = corner.get_mut(address as usize) {
                            *corner = (u16::try_from(left).ok()?, u16::try_from(top).ok()?);
                        }
                    }
                }
            }
        }
        Some(Self { columns, raster, corner })
    }

    fn at(&self, step: usize) -> Option<Block> {
        let address = *self.raster.get(step)?;
        let (left, top) = *self.corner.get(address as usize)?;
        Some(Block {
            address: address as usize,
            column: address % self.columns,
            row: address / self.columns,
            left: u32::from(left),
            top: u32::from(top),
        })
    }
}

/// 6.5.1: where columns or rows of tiles begin, and the end.
fn bounds(len: u32, count: u32, sizes: Option<&[u32]>) -> Option<Vec<u32>> {
    let mut bounds = vec![0];
    if let Some(sizes) = sizes {
        let mut at = 0u32;
        for size in sizes {
            at = at.checked_add(*size)?;
            bounds.push(at);
        }
        bounds.push(len);
    } else {
        bounds.extend((1..=count).map(|index| index * len / count));
    }
    bounds.windows(2).all(|pair| matches!(pair, [from, to] if from < to)).then_some(bounds)
}

/// A coding tree block and the corner of its tile.
#[derive(Clone, Copy)]
struct Block {
    address: usize,
    column: u32,
    row: u32,
    left: u32,
    top: u32,
}

impl Block {
    const fn begins_tile(&self) -> bool {
        self.column == self.left && self.row == self.top
    }
}

/// A picture while its segments come in.
#[derive(Debug)]
pub(super) struct Picture {
    sps: Sps,
    pps: Pps,
    order: Order,
    /// How many blocks were read, in tile scan.
    read: usize,
    /// `SliceAddrRs` by raster address, `u32::MAX` where nothing was read yet.
    slices: Vec<u32>,
    slice: u32,
    after_second: Option<Contexts>,
    after_segment: Option<Contexts>,
    around: Neighbours,
    pub(super) last: Option<Segment>,
}

impl Picture {
    /// `None` where tiles do not fit the picture or there are too many blocks.
    pub(super) fn new(sps: Sps, pps: Pps) -> Option<Self> {
        let order = Order::of(&sps, pps.tiles.as_ref())?;
        let around = Neighbours::new(sps.width);
        Some(Self {
            slices: vec![u32::MAX; order.raster.len()],
            sps,
            pps,
            order,
            read: 0,
            slice: 0,
            after_second: None,
            after_segment: None,
            around,
            last: None,
        })
    }

    pub(super) const fn sps(&self) -> &Sps {
        &self.sps
    }

    pub(super) const fn pps(&self) -> &Pps {
        &self.pps
    }

    /// Luma samples from the top that were read, whole rows of blocks.
    pub(super) fn rows_read(&self) -> u32 {
        self.order
            .at(self.read)
            .map_or(self.sps.height, |block| block.top.max(block.row) << self.sps.log2_ctb)
    }

    /// Whether all blocks were read.
    pub(super) fn missing(&self) -> Option<String> {
        let all = self.order.raster.len();
        (self.read < all).then(|| format!("slices cover {} of {all} coding tree blocks", self.read))
    }

    fn is_slice(&self, address: Option<usize>) -> bool {
        address.and_then(|address| self.slices.get(address)) == Some(&self.slice)
    }

    /// What a substream that begins with `block` begins with (9.3.1).
    fn contexts(&self, block: Block, segment: &Segment, begins_segment: bool) -> Option<Contexts> {
        let fresh = || Some(Contexts::new(segment.contexts, segment.qp));
        if block.begins_tile() {
            return fresh();
        }
        if self.pps.wavefronts && block.column == block.left {
            let beside = block.address.checked_sub(self.order.columns as usize).map(|above| above + 1);
            let is_there = block.column + 1 < self.order.columns
                && beside.and_then(|address| self.order.corner.get(address))
                    == self.order.corner.get(block.address)
                && self.is_slice(beside);
            return if is_there { self.after_second.clone() } else { fresh() };
        }
        if begins_segment && segment.dependent { self.after_segment.clone() } else { fresh() }
    }

    /// Reads one segment; gives an oddity that is no proof of damage.
    pub(super) fn segment(
        &mut self,
        rbsp: &Rbsp,
        segment: &Segment,
    ) -> Result<Option<&'static str>, Failure> {
        let mut rows_before = self.rows_read();
        let mut around = std::mem::replace(&mut self.around, Neighbours::new(0));
        let outcome = self.read_segment(rbsp, segment, &mut around, &mut rows_before);
        self.around = around;
        outcome.map_err(|(what, at)| Failure { what, at, rows_before })
    }

    fn read_segment(
        &mut self,
        rbsp: &Rbsp,
        segment: &Segment,
        around: &mut Neighbours,
        rows_before: &mut u32,
    ) -> Result<Option<&'static str>, (String, usize)> {
        let early = |what: &str| (what.to_owned(), segment.data);
        let all = self.order.raster.len();
        let mut block =
            self.order.at(self.read).ok_or_else(|| early("slice segment behind the last block"))?;
        if block.address != segment.address as usize {
            let what =
                format!("slice segment begins at block {}, {} is next", segment.address, block.address);
            return Err((what, segment.data));
        }
        if !segment.dependent {
            self.slice = segment.address;
        }
        let contexts = self
            .contexts(block, segment, true)
            .ok_or_else(|| early("slice segment that continues nothing"))?;
        let sps = self.sps.clone();
        let pps = self.pps.clone();
        let cabac = Cabac::new(&rbsp.bytes, segment.data, contexts);
        let mut tree = Tree::new(&sps, &pps, segment, cabac, around);
        let mut ends = Vec::new();
        let end = loop {
            let left = block.column > block.left && self.is_slice(block.address.checked_sub(1));
            let up = block.row > block.top
                && self.is_slice(block.address.checked_sub(self.order.columns as usize));
            let outcome = tree.unit(block.column, block.row, left, up);
            let at = tree.cabac.position() / 8;
            let place = |what: &str| (format!("{what} (block {} of {all})", self.read + 1), at);
            if tree.cabac.is_behind_end() {
                return Err(place("the slice's data ends inside a block"));
            }
            outcome.map_err(|Stop::Wrong(what)| place(what))?;
            if let Some(slice) = self.slices.get_mut(block.address) {
                *slice = self.slice;
            }
            if pps.wavefronts && block.column == block.left + 1 {
                self.after_second = Some(tree.cabac.contexts.clone());
            }
            let ended = tree.cabac.terminate();
            let end = tree.cabac.aligned_end();
            if ended {
                self.read += 1;
                break end.ok_or_else(|| {
                    (format!("slice ends without a stop bit (block {} of {all})", self.read), at)
                })?;
            }
            let Some(next) = self.order.at(self.read + 1) else {
                return Err(place("the slice goes on behind its last block"));
            };
            self.read += 1;
            if next.begins_tile() || (pps.wavefronts && next.column == next.left) {
                let place = |what: &str| (format!("{what} (block {} of {all})", self.read), at);
                if !tree.cabac.terminate() {
                    return Err(place("a row or tile does not end where its blocks end"));
                }
                let end =
                    tree.cabac.aligned_end().ok_or_else(|| place("a row or tile ends without a stop bit"))?;
                ends.push(end);
                tree.cabac.contexts =
                    self.contexts(next, segment, false).ok_or_else(|| place("a row continues nothing"))?;
                tree.cabac.start(end);
                *rows_before = self.rows_read();
            }
            block = next;
        };
        if pps.dependent_segments {
            self.after_segment = Some(tree.cabac.contexts);
        }
        let rest = rbsp.bytes.get(end..).unwrap_or_default();
        if let Some(place) = rest.iter().position(|&byte| byte != 0) {
            let what = format!("{} bytes are left behind the slice's last block", rest.len());
            return Err((what, end + place));
        }
        Ok(disagreement(rbsp, segment, &ends))
    }
}

/// Whether entry points say that substreams end elsewhere than they do. Decoders that read in order never look there.
fn disagreement(rbsp: &Rbsp, segment: &Segment, ends: &[usize]) -> Option<&'static str> {
    let mut at = rbsp.stored(segment.data);
    let mut told = Vec::with_capacity(segment.entry_points.len());
    for &len in &segment.entry_points {
        at = at.saturating_add(len as usize);
        told.push(rbsp.unstored(at));
    }
    (told != ends).then_some("entry points that are not where substreams begin")
}
