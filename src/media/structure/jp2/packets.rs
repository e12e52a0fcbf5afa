//! The packets of a tile, one behind the other (ISO/IEC 15444-1 B.9 and B.10).

use std::ops::Range;

use super::coding::Order;
use super::header::{Bits, TagTree, Wrong};
use super::tile::{self, Precinct};

/// Zero bit-planes that no block has: there are 38 at most.
const MOST_PLANES: u32 = 80;
/// Modes of code-blocks: some passes are not arithmetic-coded.
pub const BYPASS: u8 = 1;
/// Each pass ends its codeword.
pub const TERMINATED: u8 = 4;
const SOP: [u8; 4] = [0xFF, 0x91, 0, 4];
const EPH: [u8; 2] = [0xFF, 0x92];

/// A codeword segment: coding passes and their bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// Passes that it holds.
    pub passes: u32,
    /// Where its bytes are, packet by packet.
    pub chunks: Vec<Range<usize>>,
}

/// A code-block, as far as packets tell of it.
#[derive(Clone, Debug)]
pub struct Block {
    included: bool,
    length_bits: u32,
    /// Passes so far.
    pub passes: u32,
    /// Its codewords.
    pub segments: Vec<Segment>,
}

/// The code-blocks of a sub-band in a precinct.
#[derive(Debug)]
pub struct Blocks {
    columns: usize,
    inclusion: TagTree,
    planes: TagTree,
    /// Row by row.
    pub all: Vec<Block>,
}

impl Blocks {
    fn new((columns, rows): (u32, u32)) -> Self {
        let block = Block { included: false, length_bits: 3, passes: 0, segments: Vec::new() };
        Self {
            columns: columns as usize,
            inclusion: TagTree::new((columns, rows)),
            planes: TagTree::new((columns, rows)),
            all: vec![block; columns as usize * rows as usize],
        }
    }
}

/// What a walk over the packets of a tile found.
#[derive(Debug, Default)]
pub struct Walk {
    /// The code-blocks of each precinct and sub-band; none of a precinct that has nothing but empty packets.
    pub blocks: Vec<Vec<Blocks>>,
    /// Where the last packet ends.
    pub end: usize,
    /// Packets that are there, and those of them that are empty at the end.
    pub packets: (usize, usize),
    /// What is wrong, and where.
    pub wrong: Option<(Wrong, usize)>,
    /// The data ends between two packets before the last.
    pub short: bool,
}

/// Reads the packets in `data`, which is all data of a tile.
pub fn walk(data: &[u8], precincts: &[Precinct], order: Order) -> Walk {
    let mut walk = Walk { blocks: precincts.iter().map(|_| Vec::new()).collect(), ..Walk::default() };
    tile::packets(precincts, order, |place, layer| {
        if walk.end >= data.len() {
            walk.short = true;
            return false;
        }
        let (Some(precinct), Some(blocks)) = (precincts.get(place), walk.blocks.get_mut(place)) else {
            return false;
        };
        let start = walk.end;
        match packet(data, start, precinct, blocks, order, layer) {
            Ok((end, empty)) => {
                walk.end = end;
                walk.packets = (walk.packets.0 + 1, if empty { walk.packets.1 + 1 } else { 0 });
                true
            }
            Err(wrong) => {
                walk.wrong = Some((wrong, start));
                false
            }
        }
    });
    walk
}

/// What a packet gives to a code-block: the place of the block, and of a segment its number and length.
struct Given {
    band: usize,
    block: usize,
    segment: usize,
    length: usize,
}

/// Reads one packet; tells where it ends and whether it is empty.
fn packet(
    data: &[u8],
    mut at: usize,
    precinct: &Precinct,
    blocks: &mut Vec<Blocks>,
    order: Order,
    layer: u16,
) -> Result<(usize, bool), Wrong> {
    let starts = |at: usize, with: &[u8]| data.get(at..).is_some_and(|rest| rest.starts_with(with));
    if order.sop && starts(at, &SOP) {
        at += 6;
    }
    let mut bits = Bits::new(data, at);
    let mut given = Vec::new();
    let empty = !bits.bit()?;
    if !empty {
        if blocks.is_empty() {
            blocks.extend(precinct.bands.iter().map(|band| Blocks::new(band.blocks)));
        }
        for (band, blocks) in blocks.iter_mut().enumerate() {
            contributions(&mut bits, precinct.modes, layer, band, blocks, &mut given)?;
        }
    }
    at = bits.end()?;
    if order.eph && starts(at, &EPH) {
        at += 2;
    }
    for Given { band, block, segment, length } in given {
        let end = at.checked_add(length).filter(|&end| end <= data.len()).ok_or(Wrong::Ends)?;
        let block = blocks.get_mut(band).and_then(|blocks| blocks.all.get_mut(block));
        if let Some(segment) = block.and_then(|block| block.segments.get_mut(segment)) {
            segment.chunks.push(at..end);
        }
        at = end;
    }
    Ok((at, empty))
}

/// What the header says of the code-blocks of one sub-band.
fn contributions(
    bits: &mut Bits<'_>,
    modes: u8,
    layer: u16,
    band: usize,
    blocks: &mut Blocks,
    given: &mut Vec<Given>,
) -> Result<(), Wrong> {
    let Blocks { columns, inclusion, planes, all } = blocks;
    for (number, block) in all.iter_mut().enumerate() {
        let place = (number % *columns, number / *columns);
        if block.included {
            if !bits.bit()? {
                continue;
            }
        } else if inclusion.below(place, u32::from(layer) + 1, bits)?.is_none() {
            continue;
        } else {
            planes.below(place, MOST_PLANES, bits)?.ok_or(Wrong::Number)?;
            block.included = true;
        }
        let mut passes = pass_count(bits)?;
        while bits.bit()? {
            block.length_bits += 1;
        }
        while passes > 0 {
            let count = passes.min(room(block, modes));
            if count == 0 {
                block.segments.push(Segment::default());
                continue;
            }
            let length = bits.number(block.length_bits + count.ilog2())? as usize;
            let segment = block.segments.len().saturating_sub(1);
            if let Some(last) = block.segments.last_mut() {
                last.passes += count;
            }
            block.passes += count;
            passes -= count;
            given.push(Given { band, block: number, segment, length });
        }
    }
    Ok(())
}

/// How many passes the last codeword segment of a block takes in yet (tables D.8 and D.9).
fn room(block: &Block, modes: u8) -> u32 {
    let Some(last) = block.segments.last() else { return 0 };
    let before = block.passes - last.passes;
    let most = if modes & TERMINATED != 0 {
        1
    } else if modes & BYPASS == 0 {
        u32::MAX
    } else if before == 0 {
        10
    } else if (before - 10).is_multiple_of(3) {
        2
    } else {
        1
    };
    most - last.passes.min(most)
}

/// Number of coding passes (table B.4).
fn pass_count(bits: &mut Bits<'_>) -> Result<u32, Wrong> {
    for one in [1, 2] {
        if !bits.bit()? {
            return Ok(one);
        }
    }
    match bits.number(2)? {
        3 => {}
        more => return Ok(3 + more),
    }
    match bits.number(5)? {
        31 => Ok(37 + bits.number(7)?),
        more => Ok(6 + more),
    }
}
