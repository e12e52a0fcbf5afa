//! One picture: tables, scan headers, and what all scans together have to give.

mod gradual;

use std::cell::OnceCell;

use super::bits::Bits;
use super::geometry::{Geometry, Layout, Plane};
use super::kept::Kept;
use super::levels::Levels;
use super::look::Break;
use super::lossless::{self, Lossless, Picture};
use super::part::Part;
use super::samples::Steps;
use super::sequential::Sequential;
use super::shift::Shift;
use super::standard;
use super::supply::Supply;
use super::tables::{Begins, Differences, Huffman, Range, Runs};
use super::{Answer, Coding, Flaw, Pull, Slip, Way, follow};
use crate::media::structure::jpeg::{self, Frame, Outline, SPARE_BYTES, Scan};
use crate::model::DecodeError;
use gradual::First;

/// Why a walk ends before the picture does.
pub enum Stop {
    Wrong(Flaw),
    NotFollowed(&'static str),
}

const NO_TABLES: Stop = Stop::NotFollowed("Huffman tables that are not in the file");

/// What has been coded of one component so far.
struct Progress {
    /// Bits that each coefficient still lacks; `None` where none was coded.
    lacking: [Option<u8>; 64],
    /// Per block, which coefficients are not zero; progressive pictures only.
    nonzero: Vec<u64>,
    /// The coefficients that somebody wants; progressive pictures only.
    kept: Option<Kept>,
}

/// The walk of one picture.
pub struct Walker<'a> {
    frame: &'a Frame,
    geometry: Geometry,
    progress: Vec<Progress>,
    dc: [Option<Box<Huffman>>; 4],
    ac: [Option<Box<Huffman>>; 4],
    steps: [Option<Steps>; 4],
    interval: usize,
    /// The first scan of a progressive picture.
    first: Option<First>,
    /// Length of the file.
    length: usize,
    /// Tables may come from elsewhere.
    pub abbreviated: bool,
    /// Who wants the coefficients of the picture, if it is one that they are made for.
    pub pull: Option<Pull<'a>>,
}

/// The parameters of one scan.
#[derive(Clone)]
struct Plan {
    /// Plane, DC table, AC table.
    parts: Vec<(usize, usize, usize)>,
    /// First and last coefficient; the predictor of lossless scans.
    from: u8,
    to: u8,
    /// Bits that were lacking before, and after.
    before: u8,
    shift: u8,
    /// Where the header is.
    at: u64,
}

impl Plan {
    /// Whether the scan has all components, in their order.
    fn holds_all(&self, frame: &Frame) -> bool {
        self.parts.iter().map(|part| part.0).eq(0..frame.components.len())
    }
}

impl<'a> Walker<'a> {
    /// Prepares the walk; the error says why this kind of picture is not followed.
    pub fn new(outline: &'a Outline, length: usize) -> Result<Self, &'static str> {
        let frame = outline.frame.as_ref().ok_or("no frame header")?;
        match (frame.marker, frame.precision) {
            (0xC0..=0xC2, 8 | 12) | (0xC3, 2..=16) => {}
            (0xC0..=0xC3, _) => return Err("an unusual number of bits per sample"),
            (0xC9..=0xCB, _) => return Err("arithmetic coding"),
            _ => return Err("hierarchical coding"),
        }
        if frame.components.len() > 4 {
            return Err("more than four components");
        }
        let height = match (frame.size.height, outline.lines) {
            (0, None) => return Err("a height that is told nowhere"),
            (0, Some(lines)) => lines,
            (height, _) => height,
        };
        let geometry = Geometry::new(frame, height);
        let progress =
            geometry.planes.iter().map(|_| Progress { lacking: [None; 64], nonzero: Vec::new(), kept: None });
        Ok(Self {
            frame,
            progress: progress.collect(),
            geometry,
            dc: [const { None }; 4],
            ac: [const { None }; 4],
            steps: [const { None }; 4],
            interval: 0,
            first: None,
            length,
            abbreviated: false,
            pull: None,
        })
    }

    /// Takes over the tables of an abbreviated stream (B.5).
    pub fn take_tables(&mut self, tables: &[u8]) {
        for segment in jpeg::walk(tables).segments {
            // What is wrong with them shows when they are used.
            let _ = self.tables(segment.marker, tables.get(segment.body).unwrap_or_default());
        }
    }

    /// Walks everything.
    pub fn answer(&mut self, bytes: &[u8], outline: &Outline) -> Answer {
        match self.picture(bytes, outline) {
            Ok(()) => Answer::Sound,
            Err(Stop::Wrong(flaw)) => Answer::Wrong(flaw),
            Err(Stop::NotFollowed(why)) => Answer::NotFollowed(why),
        }
    }

    fn picture(&mut self, bytes: &[u8], outline: &Outline) -> Result<(), Stop> {
        if !self.frame.lossless()
            && self.frame.precision == 8
            && !outline.segments.iter().any(|segment| segment.marker == 0xC4)
            && !self.abbreviated
        {
            // Frames of Motion JPEG leave the usual tables out.
            let _ = self.huffman(&standard::TABLES);
        }
        let mut scans = outline.scans.iter();
        for segment in &outline.segments {
            let body = bytes.get(segment.body.clone()).unwrap_or_default();
            let at = segment.body.start as u64;
            if segment.marker == 0xDA {
                let Some(scan) = scans.next() else { break };
                self.scan(bytes, scan)?;
            } else {
                self.tables(segment.marker, body).map_err(|what| wrong(what, at))?;
            }
        }
        // What is behind a problem of the outline is not missing for another reason.
        if outline.problem.is_some() {
            return Ok(());
        }
        self.complete(outline)?;
        self.look_again()?;
        self.give_kept();
        Ok(())
    }

    /// Whether the scans together make a picture.
    fn complete(&self, outline: &Outline) -> Result<(), Stop> {
        let end = outline.scans.last().map_or(0, |scan| scan.data.end) as u64;
        let missing = |what: String| {
            let error = if outline.end.is_some() {
                DecodeError::malformed(what, end)
            } else {
                DecodeError::truncated(what, end)
            };
            Err(Stop::Wrong(Flaw { error, sound_until: None }))
        };
        // A file whose encoder left out the last scans lacks them in all components.
        let whole = |progress: &Progress| progress.lacking.iter().all(|bits| bits.unwrap_or(0) == 0);
        let some_whole = self.progress.iter().any(whole);
        for (progress, plane) in self.progress.iter().zip(&self.geometry.planes) {
            if progress.lacking.first().copied().flatten().is_none() {
                return missing(format!("component {} has no data", plane.component.id));
            }
            if some_whole && !whole(progress) {
                return missing(format!("the last bits of component {} are missing", plane.component.id));
            }
        }
        Ok(())
    }

    fn tables(&mut self, marker: u8, body: &[u8]) -> Result<(), &'static str> {
        match marker {
            0xC4 => self.huffman(body),
            0xDB => self.quantisation(body),
            0xDD => {
                let [high, low] = *body else { return Err("a DRI segment of wrong length") };
                self.interval = usize::from(u16::from_be_bytes([high, low]));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn huffman(&mut self, mut body: &[u8]) -> Result<(), &'static str> {
        let bad = "a Huffman table that cannot be";
        while let [head, rest @ ..] = body {
            let counts: &[u8; 16] = rest.first_chunk().ok_or(bad)?;
            let total: usize = counts.iter().map(|&count| usize::from(count)).sum();
            let symbols = rest.get(16..16 + total).ok_or(bad)?;
            let table = Huffman::new(counts, symbols).ok_or(bad)?;
            if table.all_ones && !self.frame.lossless() {
                return Err("a Huffman code of ones only");
            }
            let kind = match head >> 4 {
                0 => &mut self.dc,
                1 => &mut self.ac,
                _ => return Err(bad),
            };
            *kind.get_mut(usize::from(head & 15)).ok_or(bad)? = Some(table);
            body = rest.get(16 + total..).unwrap_or_default();
        }
        Ok(())
    }

    fn quantisation(&mut self, mut body: &[u8]) -> Result<(), &'static str> {
        let bad = "a quantisation table that cannot be";
        while let [head, rest @ ..] = body {
            let width = match head >> 4 {
                0 => 1,
                1 => 2,
                _ => return Err(bad),
            };
            let values = rest.get(..64 * width).ok_or(bad)?;
            let mut steps: Steps = [0; 64];
            for (step, value) in steps.iter_mut().zip(values.chunks_exact(width)) {
                *step = value.iter().fold(0, |sum, &byte| sum << 8 | u16::from(byte));
            }
            *self.steps.get_mut(usize::from(head & 15)).ok_or(bad)? = Some(steps);
            body = rest.get(64 * width..).unwrap_or_default();
        }
        Ok(())
    }

    fn plan(&self, header: &[u8], at: u64) -> Result<Plan, Stop> {
        let length = || wrong("a scan header of wrong length", at);
        let [count, rest @ ..] = header else { return Err(length()) };
        let count = usize::from(*count);
        if count == 0 || count > self.geometry.planes.len() {
            return Err(length());
        }
        let mut parts = Vec::new();
        for part in rest.chunks_exact(2).take(count) {
            let [id, tables] = *part else { continue };
            let plane = self.geometry.planes.iter().position(|plane| plane.component.id == id);
            let plane =
                plane.ok_or_else(|| wrong("a scan of a component that the frame does not have", at))?;
            parts.push((plane, usize::from(tables >> 4), usize::from(tables & 15)));
        }
        let Some(&[from, to, shifts]) = rest.get(count * 2..count * 2 + 3) else { return Err(length()) };
        let (before, shift) = (shifts >> 4, shifts & 15);
        if self.frame.lossless() {
            return Ok(Plan { parts, from, to: 0, before: 0, shift, at });
        }
        if !self.frame.progressive() {
            // Decoders ignore these parameters, and some encoders write nonsense there.
            return Ok(Plan { parts, from: 0, to: 63, before: 0, shift: 0, at });
        }
        let band = from <= to && to <= 63 && (from == 0) == (to == 0) && (from == 0 || count == 1);
        let bits = shift <= 13 && (before == 0 || before == shift + 1);
        if !band || !bits {
            return Err(wrong("a progressive scan with impossible parameters", at));
        }
        Ok(Plan { parts, from, to, before, shift, at })
    }

    /// Notes what the scan brings, which has to follow on what is there (G.1.1.1).
    fn note_progress(&mut self, plan: &Plan) -> Result<(), Stop> {
        let progressive = self.frame.progressive();
        for &(plane, ..) in &plan.parts {
            let Some(progress) = self.progress.get_mut(plane) else { continue };
            let [dc, ..] = progress.lacking;
            let band = progress.lacking.get_mut(plan.from.into()..=plan.to.into()).unwrap_or_default();
            let expected = (plan.before > 0).then_some(plan.before);
            if progressive && (band.iter().any(|&bits| bits != expected) || plan.from > 0 && dc.is_none()) {
                return Err(wrong("a scan that does not follow on the ones before", plan.at));
            }
            band.fill(Some(plan.shift));
        }
        Ok(())
    }

    fn scan(&mut self, bytes: &[u8], scan: &Scan) -> Result<(), Stop> {
        let header = bytes.get(scan.header.clone()).unwrap_or_default();
        let plan = self.plan(header, scan.header.start as u64)?;
        if self.frame.lossless() {
            for &(plane, ..) in &plan.parts {
                if let Some(progress) = self.progress.get_mut(plane) {
                    progress.lacking = [Some(0); 64];
                }
            }
            return self.lossless(bytes, scan, &plan);
        }
        self.note_progress(&plan)?;
        let mut ranges = Vec::new();
        for &(plane, ..) in &plan.parts {
            ranges.push(self.range(plane, plan.at)?);
        }
        if !self.frame.progressive() {
            let pull = self.pull.take();
            self.sequential(bytes, scan, &plan, &ranges, pull)
        } else if plan.from > 0 {
            self.progressive_ac(bytes, scan, &plan, &ranges)
        } else {
            self.progressive_dc(bytes, scan, &plan, &ranges)
        }
    }

    fn range(&self, plane: usize, at: u64) -> Result<Range, Stop> {
        let table = self.geometry.planes.get(plane).map_or(0, |plane| usize::from(plane.component.table));
        let steps = self.steps.get(table).and_then(Option::as_ref);
        if steps.is_none() && !self.abbreviated {
            return Err(wrong("a component without quantisation table", at));
        }
        Ok(Range::new(steps, self.frame.precision))
    }

    /// Units of a scan across and down.
    fn units(&self, plan: &Plan) -> (usize, usize) {
        match plan.parts.as_slice() {
            [(plane, ..)] => self.geometry.planes.get(*plane).map_or((0, 0), |plane| plane.alone),
            _ => self.geometry.units,
        }
    }

    /// Data units of a component in each unit of the scan.
    fn in_unit(&self, plan: &Plan, plane: usize) -> usize {
        let factors = |plane: &Plane| usize::from(plane.component.h) * usize::from(plane.component.v);
        if plan.parts.len() == 1 { 1 } else { self.geometry.planes.get(plane).map_or(0, factors) }
    }

    /// How many of them lie side by side.
    fn columns_in_unit(&self, plan: &Plan, plane: usize) -> usize {
        let columns = |plane: &Plane| usize::from(plane.component.h);
        if plan.parts.len() == 1 { 1 } else { self.geometry.planes.get(plane).map_or(1, columns) }
    }

    fn sequential(
        &self,
        bytes: &[u8],
        scan: &Scan,
        plan: &Plan,
        ranges: &[Range],
        pull: Option<Pull<'_>>,
    ) -> Result<(), Stop> {
        // Components with the same tables share the look-ups.
        let kind = |&(plane, dc, ac): &(usize, usize, usize)| {
            (self.geometry.planes.get(plane).map(|plane| plane.component.table), dc, ac)
        };
        let first = |part| plan.parts.iter().position(|other| kind(other) == kind(part)).unwrap_or(0);
        let mut differences = [const { None }; 4];
        for &(_, dc, _) in &plan.parts {
            if let Some(place @ None) = differences.get_mut(dc) {
                *place = Some(Differences::new(table(&self.dc, dc)?));
            }
        }
        let differences = |dc: usize| differences.get(dc).and_then(Option::as_deref).ok_or(NO_TABLES);
        let mut ways = Vec::new();
        for (number, (part, range)) in plan.parts.iter().zip(ranges).enumerate() {
            let (differences, ac) = (differences(part.1)?, table(&self.ac, part.2)?);
            let new = || (Begins::new(differences, ac, range), Runs::new(ac, range.fast_size));
            ways.push((first(part) == number).then(new));
        }
        let units = self.units(plan);
        let mut parts = Vec::new();
        for (part, range) in plan.parts.iter().zip(ranges) {
            let &(plane, dc, ac) = part;
            let Some((begins, runs)) = ways.get(first(part)).and_then(Option::as_ref) else { continue };
            parts.push(Part {
                blocks: self.in_unit(plan, plane),
                columns: self.columns_in_unit(plan, plane),
                dc: table(&self.dc, dc)?,
                differences: differences(dc)?,
                ac: table(&self.ac, ac)?,
                begins,
                runs,
                values: OnceCell::new(),
                range,
                last: 0,
                // No unit takes less than two bits.
                levels: Levels::with_capacity((units.0 * units.1).min(scan.data.len() * 4)),
            });
        }
        let layout = Layout { at: scan.data.start, units, interval: self.interval };
        let mut coding = Sequential::new(parts, layout);
        match pull {
            Some(pull) if self.frame.precision == 8 && plan.holds_all(self.frame) => {
                let bits = Bits::new(bytes.get(scan.data.clone()).unwrap_or_default());
                let mut supply = Supply::new(bits, &mut coding, Way::new(units.0 * units.1, self.interval));
                (pull.take)(&mut supply);
                let (bits, result) = supply.finish();
                self.conclude(bits, result, scan, plan)?;
            }
            _ => self.run(bytes, scan, plan, &mut coding)?,
        }
        let data = bytes.get(scan.data.clone()).unwrap_or_default();
        let Some(found) = coding.trail.break_in(data, &mut coding.parts) else { return Ok(()) };
        Err(Stop::Wrong(self.broken(plan, &found, scan.data.start + found.place)))
    }

    fn broken(&self, plan: &Plan, found: &Break, at: usize) -> Flaw {
        let (across, down) = self.units(plan);
        let what = match &found.shift {
            Some(shift) => self.shifted(plan, shift),
            None => format!("the picture does not go on below unit {} of {}", found.unit, across * down),
        };
        let error = DecodeError::malformed(what, at as u64);
        Flaw { error, sound_until: Some(share(found.unit, across, down)) }
    }

    fn shifted(&self, plan: &Plan, shift: &Shift) -> String {
        let (across, down) = self.units(plan);
        let id = plan.parts.get(shift.part).and_then(|part| self.geometry.planes.get(part.0));
        format!(
            "component {} is {:+.0} levels off from unit {} of {} {}",
            id.map_or(0, |plane| plane.component.id),
            shift.levels,
            shift.unit,
            across * down,
            // There predictions begin anew.
            if self.interval > 0 { "to the next restart marker" } else { "on" },
        )
    }

    fn lossless(&self, bytes: &[u8], scan: &Scan, plan: &Plan) -> Result<(), Stop> {
        let attempt = |long_16: bool| {
            let mut parts = Vec::new();
            for &(plane, dc, _) in &plan.parts {
                parts
                    .push(lossless::Part { samples: self.in_unit(plan, plane), table: table(&self.dc, dc)? });
            }
            let (across, _) = self.units(plan);
            let picture = (parts.iter().all(|part| part.samples == 1)
                && self.interval.is_multiple_of(across.max(1)))
            .then(|| Picture::new(plan.from, self.frame.precision, plan.shift, across, parts.len()))
            .flatten();
            self.run(bytes, scan, plan, &mut Lossless { parts, long_16, picture })
        };
        match attempt(false) {
            Err(Stop::Wrong(flaw)) if self.frame.precision == 16 => {
                attempt(true).map_err(|_| Stop::Wrong(flaw))
            }
            answer => answer,
        }
    }

    /// Follows one scan to its end and tells where it went wrong.
    fn run<C: Coding>(&self, bytes: &[u8], scan: &Scan, plan: &Plan, coding: &mut C) -> Result<(), Stop> {
        let mut bits = Bits::new(bytes.get(scan.data.clone()).unwrap_or_default());
        let (across, down) = self.units(plan);
        let units = across * down;
        let result = match follow(&mut bits, coding, units, self.interval) {
            // A picture by Adobe Photoshop is known in which a band lacks its last block, which is empty as those before it.
            Err((unit, Slip::Ended)) if unit + 1 == units && coding.starved() => Ok(()),
            result => result,
        };
        self.conclude(bits, result, scan, plan)
    }

    /// What following a scan came to, with the bits where that ended.
    fn conclude(
        &self,
        mut bits: Bits<'_>,
        result: Result<(), (usize, Slip)>,
        scan: &Scan,
        plan: &Plan,
    ) -> Result<(), Stop> {
        let (across, down) = self.units(plan);
        let units = across * down;
        let at = (scan.data.start + bits.place()) as u64;
        match result {
            Ok(()) => {}
            Err((unit, slip)) => {
                let error = match slip {
                    Slip::Ended => {
                        let what = format!("the picture data ends after {unit} of {units} units");
                        if scan.data.end < self.length {
                            DecodeError::malformed(what, at)
                        } else {
                            DecodeError::Truncated {
                                what,
                                offset: Some(at),
                                expected: None,
                                found: Some(self.length as u64),
                            }
                        }
                    }
                    Slip::Wrong(what) => {
                        DecodeError::malformed(format!("{what}, in unit {unit} of {units}"), at)
                    }
                };
                return Err(Stop::Wrong(Flaw { error, sound_until: Some(share(unit, across, down)) }));
            }
        }
        bits.refill();
        let padded = bits.padding_is_even();
        let left = bits.left_over();
        // Cameras that leave bytes behind write sequential pictures.
        if self.frame.progressive() && left > 0 && !padded {
            return Err(wrong(
                format!("{left} bytes left over after the last unit of a scan without padding"),
                at,
            ));
        }
        if left > SPARE_BYTES {
            return Err(wrong(format!("{left} bytes left over after the last unit of a scan"), at));
        }
        Ok(())
    }
}

fn table(tables: &[Option<Box<Huffman>>; 4], number: usize) -> Result<&Huffman, Stop> {
    tables.get(number).and_then(Option::as_deref).ok_or(NO_TABLES)
}

fn wrong(what: impl Into<String>, at: u64) -> Stop {
    Stop::Wrong(Flaw { error: DecodeError::malformed(what, at), sound_until: None })
}

/// The share of whole rows before a unit.
#[allow(clippy::cast_possible_truncation, reason = "a share")]
fn share(unit: usize, across: usize, down: usize) -> f32 {
    ((unit / across.max(1)) as f64 / down.max(1) as f64) as f32
}
