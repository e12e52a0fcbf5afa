//! The scans of progressive pictures, and what is kept of them: for whoever makes pixels, and for a second look.

use super::super::band::{Ac, Band};
use super::super::dc::{Code, FirstDc, MoreDc, Part, RowPlaces};
use super::super::first;
use super::super::gathered::Gathered;
use super::super::geometry::Layout;
use super::super::kept::{self, Kept, Places, Store};
use super::super::look::break_in;
use super::super::refining::{Refinements, Refining};
use super::super::tables::{Coefficients, Differences, Range};
use super::{Plan, Stop, Walker, table};
use crate::media::structure::jpeg::Scan;

/// The first scan, where it has the DC coefficients of all components.
pub(super) struct First {
    plan: Plan,
    layout: Layout,
    /// About where each row of units is in its data.
    rows: Vec<usize>,
}

impl Walker<'_> {
    /// Looks whether the picture is the one that was encoded up to its end.
    pub(super) fn look_again(&self) -> Result<(), Stop> {
        let Some(First { plan, layout, rows }) = &self.first else { return Ok(()) };
        let gathered = |&(plane, ..): &(usize, usize, usize)| {
            let kept = self.progress.get(plane)?.kept.as_ref()?;
            Some((kept, self.places(plan, plane)?, self.columns_in_unit(plan, plane)))
        };
        let Some(parts) = plan.parts.iter().map(gathered).collect() else { return Ok(()) };
        break_in(&mut Gathered::new(*layout, parts, rows))
            .map_or(Ok(()), |found| Err(Stop::Wrong(self.broken(plan, &found, layout.at + found.place))))
    }

    /// Gives away what was kept of a progressive picture.
    pub(super) fn give_kept(&mut self) {
        let Some(pull) = self.pull.take().filter(|pull| pull.heard > 0) else { return };
        let kept = self.progress.iter_mut().map(|progress| progress.kept.take());
        let Some(kept) = kept.collect::<Option<Vec<_>>>() else { return };
        if let Some(mut store) = Store::new(&self.geometry, &kept) {
            (pull.take)(&mut store);
        }
    }

    pub(super) fn progressive_dc(
        &mut self,
        bytes: &[u8],
        scan: &Scan,
        plan: &Plan,
        ranges: &[Range],
    ) -> Result<(), Stop> {
        let mut kept: Vec<_> = plan.parts.iter().map(|&(plane, ..)| self.take_kept(plane)).collect();
        if plan.before == 0 {
            // Each block has a bit at least: no header alone makes this large.
            let there = scan.data.len().saturating_mul(8);
            for ((kept, &(plane, ..)), range) in kept.iter_mut().zip(&plan.parts).zip(ranges) {
                *kept = self.keep(plane, range, there);
            }
        }
        let result = self.dc_scan(bytes, scan, plan, (ranges, &mut kept)).map(|rows| {
            if plan.before == 0 && plan.holds_all(self.frame) {
                let layout = Layout { at: scan.data.start, units: self.units(plan), interval: self.interval };
                self.first = Some(First { plan: plan.clone(), layout, rows });
            }
        });
        for (kept, &(plane, ..)) in kept.into_iter().zip(&plan.parts) {
            self.put_back(plane, kept);
        }
        result
    }

    /// Gives about where rows of units are in the data, of a first scan.
    fn dc_scan(
        &self,
        bytes: &[u8],
        scan: &Scan,
        plan: &Plan,
        (ranges, kept): (&[Range], &mut [Option<Kept>]),
    ) -> Result<Vec<usize>, Stop> {
        let mut parts = Vec::new();
        for (&(plane, ..), kept) in plan.parts.iter().zip(kept) {
            let blocks = u32::try_from(self.in_unit(plan, plane)).unwrap_or(0);
            parts.push(Part { blocks, kept: kept.as_mut().zip(self.places(plan, plane)) });
        }
        if plan.before > 0 {
            let mut coding = MoreDc { parts, shift: plan.shift };
            return self.run(bytes, scan, plan, &mut coding).map(|()| Vec::new());
        }
        let mut differences = Vec::new();
        for &(_, dc, _) in &plan.parts {
            differences.push(Differences::new(table(&self.dc, dc)?));
        }
        let rows = RowPlaces::new(self.units(plan).0);
        let mut first = FirstDc { parts: Vec::new(), shift: plan.shift, rows };
        for (((part, &(_, dc, _)), range), differences) in
            parts.into_iter().zip(&plan.parts).zip(ranges).zip(&differences)
        {
            first.parts.push((Code { table: table(&self.dc, dc)?, differences, range, last: 0 }, part));
        }
        self.run(bytes, scan, plan, &mut first).map(|()| first.rows.all())
    }

    /// Where the blocks of a component lie in a scan.
    fn places(&self, plan: &Plan, plane: usize) -> Option<Places> {
        let across = self.units(plan).0;
        let columns = self.columns_in_unit(plan, plane);
        let rows = self.in_unit(plan, plane).checked_div(columns)?;
        self.geometry.planes.get(plane).and_then(|plane| Places::new(plane, across, (columns, rows)))
    }

    /// Gets ready to keep what is wanted of a component that has at most so many blocks.
    fn keep(&self, plane: usize, range: &Range, most: usize) -> Option<Kept> {
        let heard = self.pull.as_ref().map_or(0, |pull| pull.heard);
        let plane = self.geometry.planes.get(plane)?;
        if plane.padded.0.checked_mul(plane.padded.1)? > most {
            return None;
        }
        Kept::new(plane, kept::frequencies(self.frame, plane.component, heard)?, range.steps()?)
    }

    fn take_kept(&mut self, plane: usize) -> Option<Kept> {
        self.progress.get_mut(plane)?.kept.take()
    }

    fn put_back(&mut self, plane: usize, kept: Option<Kept>) {
        if let Some(progress) = self.progress.get_mut(plane) {
            progress.kept = kept;
        }
    }

    pub(super) fn progressive_ac(
        &mut self,
        bytes: &[u8],
        scan: &Scan,
        plan: &Plan,
        ranges: &[Range],
    ) -> Result<(), Stop> {
        let (Some(&(number, _, ac)), Some(range)) = (plan.parts.first(), ranges.first()) else {
            return Ok(());
        };
        let Some(&plane) = self.geometry.planes.get(number) else { return Ok(()) };
        let mut nonzero = self
            .progress
            .get_mut(number)
            .map(|progress| std::mem::take(&mut progress.nonzero))
            .unwrap_or_default();
        // Each block has had a bit at least in the scan of its DC coefficient: no header alone makes this large.
        nonzero.resize(plane.padded.0 * plane.padded.1, 0);
        let mut kept = self.take_kept(number);
        let table = table(&self.ac, ac)?;
        let ends = (plan.from.into(), plan.to.into());
        let band = Band::new(table, range, ends, plan.shift);
        let rows = (plane.padded.0, plane.alone.0);
        let result = if plan.before > 0 {
            let codes = Refinements::new(table);
            let mut ac = Ac::new(Refining::new(&codes, ends), band, &mut nonzero, kept.as_mut(), rows);
            self.run(bytes, scan, plan, &mut ac)
        } else {
            let codes = Coefficients::new(table, range.safe(plan.from.into()..=plan.to.into(), plan.shift));
            let mut ac = Ac::new(first::First(&codes), band, &mut nonzero, kept.as_mut(), rows);
            self.run(bytes, scan, plan, &mut ac)
        };
        if let Some(progress) = self.progress.get_mut(number) {
            progress.nonzero = nonzero;
            progress.kept = kept;
        }
        result
    }
}
