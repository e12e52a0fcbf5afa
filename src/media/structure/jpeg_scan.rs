//! A strict walk of the entropy-coded data of JPEG files, Huffman-coded, sequential or progressive (ITU-T T.81 annexes F
//! and G). It makes no pixels: it follows codes, and wants every scan to end exactly where its last MCU does.
//!
//! Decoders for display forgive much of what is checked here. Forgiven here are up to [`SPARE_BYTES`] bytes before a
//! marker and any padding bits, which sound files of some cameras have.

use super::jpeg::{Component, Frame, Outline, SPARE_BYTES, Scan};
use crate::model::DecodeError;

/// Largest magnitude categories of 8-bit samples: DC differences and AC coefficients.
const MAX_DC_SIZE: u8 = 11;
const MAX_AC_SIZE: u8 = 10;
/// Dequantised coefficients of 8-bit samples are at most this large, plus the rounding of one quantisation step.
const MAX_COEFFICIENT: i64 = 1024;
/// Codes of up to so many bits are found by one look-up.
const FAST_BITS: u32 = 9;

/// What the walk says.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// Every scan is exactly right.
    Sound,
    /// A kind of JPEG that this walk does not follow.
    NotFollowed(&'static str),
    /// Wrong, and where.
    Wrong(DecodeError),
}

/// Walks all scans.
pub fn walk(bytes: &[u8], outline: &Outline) -> Answer {
    let Some(frame) = &outline.frame else { return Answer::NotFollowed("no frame header") };
    if !matches!(frame.marker, 0xC0..=0xC2) || frame.precision != 8 {
        return Answer::NotFollowed("not Huffman-coded with 8 bits");
    }
    if frame.size.height == 0 || frame.components.len() > 4 {
        return Answer::NotFollowed("height or components told elsewhere");
    }
    let mut walker = Walker::new(frame, outline.end.is_some());
    match walker.file(bytes, outline) {
        Ok(()) => Answer::Sound,
        Err(Stop::Wrong(error)) => Answer::Wrong(error),
        Err(Stop::NotFollowed(why)) => Answer::NotFollowed(why),
    }
}

enum Stop {
    Wrong(DecodeError),
    NotFollowed(&'static str),
}

/// What can go wrong inside a block; the scan gives it a place.
enum Slip {
    /// The data of the segment is used up.
    Ended,
    /// A code that does not exist, or that cannot be here.
    Code(&'static str),
}

/// One Huffman table.
struct Table {
    /// Symbol and length of every code of up to [`FAST_BITS`] bits, by the next bits; length 0: longer.
    fast: Vec<(u8, u8)>,
    /// Per length: the first code, and where its symbols begin; codes from `limit` on are longer.
    first: [u32; 17],
    limit: [u32; 17],
    start: [usize; 17],
    symbols: Vec<u8>,
}

impl Table {
    /// From the lengths' counts and the symbols of a DHT segment. `None` when the code would be overfull.
    fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let mut table = Self {
            fast: vec![(0, 0); 1 << FAST_BITS],
            first: [0; 17],
            limit: [0; 17],
            start: [0; 17],
            symbols: symbols.to_vec(),
        };
        let (mut code, mut index) = (0u32, 0usize);
        for (length, &count) in (1u32..).zip(counts) {
            let place = length as usize;
            *table.first.get_mut(place)? = code;
            *table.start.get_mut(place)? = index;
            for _ in 0..count {
                if length <= FAST_BITS {
                    let shift = FAST_BITS - length;
                    let from = (code << shift) as usize;
                    let symbol = *symbols.get(index)?;
                    let places = table.fast.get_mut(from..from + (1 << shift))?;
                    places.fill((symbol, u8::try_from(length).ok()?));
                }
                code += 1;
                index += 1;
            }
            if code > 1 << length {
                return None;
            }
            *table.limit.get_mut(place)? = code;
            code <<= 1;
        }
        Some(table)
    }
}

/// The bits of one scan, up to the next marker.
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    held: u64,
    count: u32,
}

impl Bits<'_> {
    fn fill(&mut self) {
        while self.count <= 48 {
            let Some(&byte) = self.data.get(self.at) else { return };
            if byte == 0xFF {
                match self.data.get(self.at + 1) {
                    Some(0) => self.at += 1,
                    _ => return,
                }
            }
            self.at += 1;
            self.held = self.held << 8 | u64::from(byte);
            self.count += 8;
        }
    }

    /// The next bits; the missing ones at the end are zero.
    fn peek(&mut self, bits: u32) -> u32 {
        if self.count < bits {
            self.fill();
        }
        let value = if self.count >= bits {
            self.held >> (self.count - bits)
        } else {
            self.held << (bits - self.count)
        };
        u32::try_from(value & ((1 << bits) - 1)).unwrap_or(0)
    }

    fn skip(&mut self, bits: u32) -> Result<(), Slip> {
        if self.count < bits {
            return Err(Slip::Ended);
        }
        self.count -= bits;
        self.held &= (1 << self.count) - 1;
        Ok(())
    }

    fn take(&mut self, bits: u8) -> Result<u32, Slip> {
        let bits = u32::from(bits);
        if bits == 0 {
            return Ok(0);
        }
        let value = self.peek(bits);
        self.skip(bits)?;
        Ok(value)
    }

    /// A number of a magnitude category (F.2.2.1).
    fn signed(&mut self, size: u8) -> Result<i32, Slip> {
        let raw = self.take(size)?.cast_signed();
        let half = 1i32 << size >> 1;
        Ok(if raw < half { raw - 2 * half + 1 } else { raw })
    }

    fn symbol(&mut self, table: &Table) -> Result<u8, Slip> {
        let ahead = self.peek(16);
        let fast = table.fast.get((ahead >> (16 - FAST_BITS)) as usize).copied().unwrap_or((0, 0));
        if fast.1 > 0 {
            self.skip(fast.1.into())?;
            return Ok(fast.0);
        }
        for length in FAST_BITS + 1..=16 {
            let place = length as usize;
            let code = ahead >> (16 - length);
            let limit = table.limit.get(place).copied().unwrap_or(0);
            let first = table.first.get(place).copied().unwrap_or(0);
            if code >= first && code < limit {
                self.skip(length)?;
                let index = table.start.get(place).copied().unwrap_or(0) + (code - first) as usize;
                return table.symbols.get(index).copied().ok_or(Slip::Code("a code that does not exist"));
            }
        }
        if self.count < 16 { Err(Slip::Ended) } else { Err(Slip::Code("a code that does not exist")) }
    }

    /// Skips to the next marker; gives the bytes that were left before it.
    fn seek_marker(&mut self) -> usize {
        let mut left = (self.count / 8) as usize;
        self.count = 0;
        self.held = 0;
        while let Some(&byte) = self.data.get(self.at) {
            if byte == 0xFF && self.data.get(self.at + 1).is_some_and(|&next| next != 0 && next != 0xFF) {
                break;
            }
            // Fill bytes belong to the marker.
            left += usize::from(byte != 0xFF || self.data.get(self.at + 1) == Some(&0));
            self.at += 1;
        }
        left
    }
}

/// One component of the frame and what is known of its coefficients.
struct Plane {
    component: Component,
    /// Blocks across and down: as coded in interleaved scans, and as coded alone.
    padded: (usize, usize),
    alone: (usize, usize),
    /// Per block, which coefficients are not zero; progressive files only.
    nonzero: Vec<u64>,
    /// DC coefficients have been coded.
    coded: bool,
    /// The DC coefficient of the block before.
    dc: i32,
    /// Bits that each coefficient still lacks; 0 also where none was coded.
    lacking: [u8; 64],
}

struct Walker<'a> {
    frame: &'a Frame,
    closed: bool,
    planes: Vec<Plane>,
    dc: [Option<Table>; 4],
    ac: [Option<Table>; 4],
    /// Quantisation steps in zig-zag order; 0 where there is no table.
    steps: [[u16; 64]; 4],
    interval: usize,
}

/// The parameters of one scan.
struct Plan {
    /// Plane, DC table, AC table.
    parts: Vec<(usize, usize, usize)>,
    from: u8,
    to: u8,
    refining: bool,
    /// Bits that later scans add.
    shift: u8,
}

impl<'a> Walker<'a> {
    fn new(frame: &'a Frame, closed: bool) -> Self {
        let h_max = frame.components.iter().map(|c| usize::from(c.h)).max().unwrap_or(1);
        let v_max = frame.components.iter().map(|c| usize::from(c.v)).max().unwrap_or(1);
        let (width, height) = (frame.size.width as usize, frame.size.height as usize);
        let mcus = (width.div_ceil(8 * h_max), height.div_ceil(8 * v_max));
        let planes = frame
            .components
            .iter()
            .map(|&component| {
                let (h, v) = (usize::from(component.h), usize::from(component.v));
                let padded = (mcus.0 * h, mcus.1 * v);
                let alone =
                    ((width * h).div_ceil(h_max).div_ceil(8), (height * v).div_ceil(v_max).div_ceil(8));
                let blocks = if frame.progressive() { padded.0 * padded.1 } else { 0 };
                Plane {
                    component,
                    padded,
                    alone,
                    nonzero: vec![0; blocks],
                    coded: false,
                    dc: 0,
                    lacking: [0; 64],
                }
            })
            .collect();
        let none = || [None, None, None, None];
        Self { frame, closed, planes, dc: none(), ac: none(), steps: [[0; 64]; 4], interval: 0 }
    }

    fn file(&mut self, bytes: &[u8], outline: &Outline) -> Result<(), Stop> {
        let mut scans = outline.scans.iter();
        for segment in &outline.segments {
            let body = bytes.get(segment.body.clone()).unwrap_or_default();
            let at = segment.body.start as u64;
            match segment.marker {
                0xC4 => self.tables(body, at)?,
                0xDB => self.quantisation(body),
                0xDD => {
                    let [high, low] = *body else {
                        return Err(wrong("a DRI segment of wrong length", at));
                    };
                    self.interval = usize::from(u16::from_be_bytes([high, low]));
                }
                0xDC => return Err(Stop::NotFollowed("a DNL marker")),
                0xDA => {
                    let Some(scan) = scans.next() else { break };
                    self.scan(bytes, scan)?;
                }
                _ => {}
            }
        }
        let end = outline.scans.last().map_or(0, |scan| scan.data.end) as u64;
        // A file whose encoder left out the last scans lacks them in all components.
        let complete = |plane: &Plane| plane.lacking.iter().all(|&bits| bits == 0);
        let some_complete = self.planes.iter().any(complete);
        for plane in &self.planes {
            let id = plane.component.id;
            if !plane.coded {
                return Err(self.ends_early(format!("component {id} has no data"), end));
            }
            if some_complete && !complete(plane) {
                return Err(self.ends_early(format!("the last bits of component {id} are missing"), end));
            }
        }
        Ok(())
    }

    /// The data ended where more was due: cut off if the file has no EOI marker.
    fn ends_early(&self, what: String, at: u64) -> Stop {
        Stop::Wrong(if self.closed {
            DecodeError::malformed(what, at)
        } else {
            DecodeError::truncated(what, at)
        })
    }

    fn tables(&mut self, mut body: &[u8], at: u64) -> Result<(), Stop> {
        while let [head, rest @ ..] = body {
            let bad = || wrong("a Huffman table that cannot be", at);
            let counts: &[u8; 16] = rest.first_chunk().ok_or_else(bad)?;
            let total: usize = counts.iter().map(|&count| usize::from(count)).sum();
            let symbols = rest.get(16..16 + total).ok_or_else(bad)?;
            let table = Table::new(counts, symbols).ok_or_else(bad)?;
            let kind = if head >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            *kind.get_mut(usize::from(head & 15)).ok_or_else(bad)? = Some(table);
            body = rest.get(16 + total..).unwrap_or_default();
        }
        Ok(())
    }

    /// Takes quantisation tables; nonsense in them is left to the decoder.
    fn quantisation(&mut self, mut body: &[u8]) {
        while let [head, rest @ ..] = body {
            let width = if head >> 4 == 0 { 1 } else { 2 };
            let Some(steps) = self.steps.get_mut(usize::from(head & 15)) else { return };
            let Some(values) = rest.get(..64 * width) else { return };
            for (step, value) in steps.iter_mut().zip(values.chunks_exact(width)) {
                *step = value.iter().fold(0, |sum, &byte| sum << 8 | u16::from(byte));
            }
            body = rest.get(64 * width..).unwrap_or_default();
        }
    }

    fn plan(&self, header: &[u8], at: u64) -> Result<Plan, Stop> {
        let bad = |what| wrong(what, at);
        let [count, rest @ ..] = header else { return Err(bad("an empty scan header")) };
        let count = usize::from(*count);
        if count == 0 || count > self.planes.len() || rest.len() < count * 2 + 3 {
            return Err(bad("a scan header of wrong length"));
        }
        let mut parts = Vec::new();
        for part in rest.chunks_exact(2).take(count) {
            let [id, tables] = *part else { continue };
            let plane = self.planes.iter().position(|plane| plane.component.id == id);
            let plane = plane.ok_or_else(|| bad("a scan of a component that the frame does not have"))?;
            parts.push((plane, usize::from(tables >> 4), usize::from(tables & 15)));
        }
        let Some(&[from, to, shifts]) = rest.get(count * 2..count * 2 + 3) else {
            return Err(bad("a scan header of wrong length"));
        };
        if !self.frame.progressive() {
            return Ok(Plan { parts, from: 0, to: 63, refining: false, shift: 0 });
        }
        if from > to || to > 63 || (from == 0) != (to == 0) || (from > 0 && count > 1) || shifts & 15 > 13 {
            return Err(bad("a progressive scan with impossible parameters"));
        }
        Ok(Plan { parts, from, to, refining: shifts >> 4 > 0, shift: shifts & 15 })
    }

    fn scan(&mut self, bytes: &[u8], scan: &Scan) -> Result<(), Stop> {
        let header = bytes.get(scan.header.clone()).unwrap_or_default();
        let plan = self.plan(header, scan.header.start as u64)?;
        let data = bytes.get(scan.data.clone()).unwrap_or_default();
        let mut bits = Bits { data, at: 0, held: 0, count: 0 };
        let place = |bits: &Bits<'_>| (scan.data.start + bits.at) as u64;

        let (across, down) = if let [(plane, ..)] = plan.parts.as_slice() {
            self.planes.get(*plane).map_or((0, 0), |plane| plane.alone)
        } else {
            let units = |p: &Plane| {
                (p.padded.0 / usize::from(p.component.h), p.padded.1 / usize::from(p.component.v))
            };
            self.planes.first().map_or((0, 0), units)
        };
        for &(plane, ..) in &plan.parts {
            let lacking =
                self.planes.get_mut(plane).and_then(|p| p.lacking.get_mut(plan.from.into()..=plan.to.into()));
            if let Some(lacking) = lacking {
                lacking.fill(plan.shift);
            }
        }
        let mcus = across * down;
        let mut run = 0u32;
        for plane in &mut self.planes {
            plane.dc = 0;
        }
        for mcu in 0..mcus {
            if self.interval > 0 && mcu > 0 && mcu % self.interval == 0 {
                let number = (mcu / self.interval - 1) % 8;
                restart(&mut bits, number).map_err(|what| wrong(what, place(&bits)))?;
                run = 0;
                for plane in &mut self.planes {
                    plane.dc = 0;
                }
            }
            match self.mcu(&plan, &mut bits, (mcu % across, mcu / across), &mut run) {
                Ok(()) => {}
                // One encoder counts one block too few in the last run of a band: the block is taken as empty.
                Err(Slip::Ended) if plan.from > 0 && mcu + 1 == mcus && bits.count < 8 => {}
                Err(Slip::Ended) => {
                    let what = format!("the picture data ends after {mcu} of {mcus} units");
                    return Err(self.ends_early(what, place(&bits)));
                }
                Err(Slip::Code("")) => {
                    return Err(Stop::NotFollowed("Huffman tables that are not in the file"));
                }
                Err(Slip::Code(what)) => {
                    return Err(wrong(&format!("{what}, in unit {mcu} of {mcus}"), place(&bits)));
                }
            }
        }
        let mut left = bits.seek_marker();
        // Restart markers behind the last interval, and whatever is between them.
        left += scan.data.len().saturating_sub(bits.at);
        if left > SPARE_BYTES {
            return Err(wrong(
                &format!("{left} bytes left over after the last unit of a scan"),
                place(&bits),
            ));
        }
        Ok(())
    }

    /// One MCU: one block in scans of one component, else all blocks of the unit.
    fn mcu(
        &mut self,
        plan: &Plan,
        bits: &mut Bits<'_>,
        (x, y): (usize, usize),
        run: &mut u32,
    ) -> Result<(), Slip> {
        let alone = plan.parts.len() == 1;
        for &(plane, dc, ac) in &plan.parts {
            let Some(plane) = self.planes.get_mut(plane) else { continue };
            plane.coded |= plan.from == 0;
            let (h, v) =
                if alone { (1, 1) } else { (usize::from(plane.component.h), usize::from(plane.component.v)) };
            let none = [0; 64];
            let steps = self.steps.get(usize::from(plane.component.table)).unwrap_or(&none);
            // No table at all is told apart from a wrong code by an empty text.
            let missing = Slip::Code("");
            let (dc, ac) =
                (self.dc.get(dc).and_then(Option::as_ref), self.ac.get(ac).and_then(Option::as_ref));
            if !self.frame.progressive() {
                let (Some(dc), Some(ac)) = (dc, ac) else { return Err(missing) };
                for _ in 0..h * v {
                    sequential(bits, dc, ac, &mut plane.dc, steps)?;
                }
            } else if plan.from == 0 {
                for _ in 0..h * v {
                    if plan.refining {
                        bits.take(1)?;
                    } else {
                        let Some(dc) = dc else { return Err(missing) };
                        dc_difference(bits, dc, &mut plane.dc, steps, plan.shift)?;
                    }
                }
            } else {
                let Some(ac) = ac else { return Err(missing) };
                let Some(nonzero) = plane.nonzero.get_mut(y * plane.padded.0 + x) else { continue };
                if plan.refining {
                    refine(bits, ac, plan, run, nonzero)?;
                } else {
                    first_pass(bits, ac, plan, run, nonzero, steps)?;
                }
            }
        }
        Ok(())
    }
}

fn wrong(what: &str, at: u64) -> Stop {
    Stop::Wrong(DecodeError::malformed(what, at))
}

fn restart(bits: &mut Bits<'_>, number: usize) -> Result<(), &'static str> {
    if bits.seek_marker() > SPARE_BYTES {
        return Err("data left over before a restart marker");
    }
    match bits.data.get(bits.at + 1) {
        Some(&marker) if usize::from(marker) == 0xD0 + number => {
            bits.at += 2;
            Ok(())
        }
        Some(_) => Err("a restart marker out of order"),
        None => Err("a restart marker is missing"),
    }
}

type Steps = [u16; 64];

/// Whether no picture of 8-bit samples has such a coefficient.
fn impossible(value: i32, steps: &Steps, index: u8, shift: u8) -> bool {
    let step = i64::from(steps.get(usize::from(index)).copied().unwrap_or(0)) << shift;
    i64::from(value).abs() * step > MAX_COEFFICIENT + step
}

fn dc_difference(
    bits: &mut Bits<'_>,
    table: &Table,
    dc: &mut i32,
    steps: &Steps,
    shift: u8,
) -> Result<(), Slip> {
    let size = bits.symbol(table)?;
    if size > MAX_DC_SIZE {
        return Err(Slip::Code("a DC difference out of range"));
    }
    *dc = dc.saturating_add(bits.signed(size)?);
    if impossible(*dc, steps, 0, shift) {
        return Err(Slip::Code("a DC coefficient out of range"));
    }
    Ok(())
}

fn sequential(
    bits: &mut Bits<'_>,
    dc: &Table,
    ac: &Table,
    last: &mut i32,
    steps: &Steps,
) -> Result<(), Slip> {
    dc_difference(bits, dc, last, steps, 0)?;
    let mut index = 1u8;
    while index < 64 {
        let symbol = bits.symbol(ac)?;
        let (zeros, size) = (symbol >> 4, symbol & 15);
        if size == 0 {
            if zeros < 15 {
                break;
            }
            index += 16;
            if index > 64 {
                return Err(Slip::Code("a coefficient past the end of its block"));
            }
            continue;
        }
        index += zeros;
        if index > 63 {
            return Err(Slip::Code("a coefficient past the end of its block"));
        }
        if size > MAX_AC_SIZE || impossible(bits.signed(size)?, steps, index, 0) {
            return Err(Slip::Code("an AC coefficient out of range"));
        }
        index += 1;
    }
    Ok(())
}

/// The length of a run of blocks without further coefficients (G.1.2.2).
fn end_of_band(bits: &mut Bits<'_>, exponent: u8) -> Result<u32, Slip> {
    Ok((1 << exponent) + bits.take(exponent)?)
}

fn first_pass(
    bits: &mut Bits<'_>,
    ac: &Table,
    plan: &Plan,
    run: &mut u32,
    nonzero: &mut u64,
    steps: &Steps,
) -> Result<(), Slip> {
    if *run > 0 {
        *run -= 1;
        return Ok(());
    }
    let mut index = plan.from;
    while index <= plan.to {
        let symbol = bits.symbol(ac)?;
        let (zeros, size) = (symbol >> 4, symbol & 15);
        if size == 0 {
            if zeros < 15 {
                *run = end_of_band(bits, zeros)? - 1;
                break;
            }
            index += 16;
            if index > plan.to + 1 {
                return Err(Slip::Code("a coefficient past the end of its band"));
            }
            continue;
        }
        index += zeros;
        if index > plan.to {
            return Err(Slip::Code("a coefficient past the end of its band"));
        }
        if size > MAX_AC_SIZE || impossible(bits.signed(size)?, steps, index, plan.shift) {
            return Err(Slip::Code("an AC coefficient out of range"));
        }
        *nonzero |= 1 << index;
        index += 1;
    }
    Ok(())
}

fn refine(
    bits: &mut Bits<'_>,
    ac: &Table,
    plan: &Plan,
    run: &mut u32,
    nonzero: &mut u64,
) -> Result<(), Slip> {
    let mut index = plan.from;
    while *run == 0 && index <= plan.to {
        let symbol = bits.symbol(ac)?;
        let (mut zeros, size) = (symbol >> 4, symbol & 15);
        match size {
            0 if zeros < 15 => {
                *run = end_of_band(bits, zeros)?;
                break;
            }
            0 => {}
            1 => {
                bits.take(1)?;
            }
            _ => return Err(Slip::Code("a refinement of more than one bit")),
        }
        // Coefficients that are there already have a bit each; the new one comes after so many zeros.
        while index <= plan.to {
            if *nonzero >> index & 1 == 1 {
                bits.take(1)?;
            } else if zeros == 0 {
                break;
            } else {
                zeros -= 1;
            }
            index += 1;
        }
        if size == 1 {
            if index > plan.to {
                return Err(Slip::Code("a coefficient past the end of its band"));
            }
            *nonzero |= 1 << index;
        }
        index += 1;
    }
    if *run > 0 {
        for index in index..=plan.to {
            if *nonzero >> index & 1 == 1 {
                bits.take(1)?;
            }
        }
        *run -= 1;
    }
    Ok(())
}
