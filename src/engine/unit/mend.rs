//! Carrying out the plan of a unit: pictures that were made of its original go through the store.

use std::cell::RefCell;

use super::{Desk, Repairs, Turn};
use crate::engine::crew::Halt;
use crate::engine::judge::Expectation;
use crate::engine::look::Look;
use crate::model::{Depth, Event, ImageSettings, RepairStatus, Role};
use crate::render::Rendered;
use crate::repair::apply::{self, Applied};
use crate::repair::plan::{self, AssetPlan, AssetState, PlannedRepair, Source};

impl Desk<'_> {
    /// Carries out what the plan says now that the original is known.
    pub(super) fn repair(
        &self,
        turn: &mut Turn<'_, '_>,
        state: &AssetState,
        settings: &ImageSettings,
        look: Option<Look>,
    ) -> Result<(), Halt> {
        let Some(repairs) = &self.repair else { return Ok(()) };
        let plan = plan::plan(state, settings);
        let asks = plan.asks.iter().map(|(_, event)| event);
        for skipped in plan.skipped.iter().chain(asks) {
            self.sink.send(Event::Repair(skipped.clone()));
        }
        if repairs.dry_run {
            for repair in &plan.repairs {
                self.sink.send(Event::Repair(apply::pretend(repairs.store, repair).event));
            }
            return Ok(());
        }
        self.make(turn, repairs, (&plan, Source::Original), look)?;
        if let (Some(job), Some(still)) = (plan.render_job(Source::Still, settings), &state.still) {
            let expected = Expectation::unrecorded(still, Role::Preview, Depth::Full);
            let look = turn.examiner.look(&expected, Some(&job))?;
            self.make(turn, repairs, (&plan, Source::Still), Some(look))?;
        }
        Ok(())
    }

    /// Puts the pictures that were made while a source was looked at in their places.
    fn make(
        &self,
        turn: &mut Turn<'_, '_>,
        repairs: &Repairs<'_>,
        (plan, source): (&AssetPlan, Source),
        mut look: Option<Look>,
    ) -> Result<(), Halt> {
        if plan.from(source).next().is_none() {
            return Ok(());
        }
        let rendered = look.as_mut().and_then(Look::take_rendered);
        let problem = look.as_ref().and_then(|look| look.report.as_ref()?.problem.as_ref());
        let made = match rendered {
            Some(Ok(output)) => output,
            Some(Err(error)) => {
                self.cannot(plan.from(source), &error.to_string());
                return Ok(());
            }
            None => {
                let why = problem.map_or_else(|| "no picture came back".to_owned(), ToString::to_string);
                let what = match source {
                    Source::Original => "the original",
                    Source::Still => "the preview of the video",
                };
                self.cannot(plan.from(source), &format!("no picture can be made of {what}: {why}"));
                return Ok(());
            }
        };
        for repair in plan.from(source) {
            if let Some(reason) = repairs.stopped.get() {
                let mut event = apply::not_rendered(repair, reason.clone());
                event.status = RepairStatus::Skipped;
                self.sink.send(Event::Repair(event));
                continue;
            }
            let asked = (repair.spec.role, repair.spec.view);
            match made.pictures.iter().find(|picture| (picture.role, picture.view) == asked) {
                Some(picture) => self.apply(turn, repairs, repair, picture)?,
                None => {
                    let refused = made.refused.iter().find(|refused| (refused.role, refused.view) == asked);
                    let why = refused.map_or_else(
                        || "the worker did not make this picture".to_owned(),
                        |refused| refused.error.to_string(),
                    );
                    self.cannot(std::iter::once(repair), &why);
                }
            }
        }
        Ok(())
    }

    fn apply(
        &self,
        turn: &mut Turn<'_, '_>,
        repairs: &Repairs<'_>,
        repair: &PlannedRepair,
        picture: &Rendered,
    ) -> Result<(), Halt> {
        let examiner = RefCell::new(&mut *turn.examiner);
        let halt = RefCell::new(None);
        let Applied { event, stop } = apply::apply(repairs.store, repair, picture, &|file| match examiner
            .borrow_mut()
            .confirm(file, picture)
        {
            Ok(answer) => answer,
            Err(failure) => {
                let words = failure.to_string();
                *halt.borrow_mut() = Some(Halt::from(failure));
                Err(words)
            }
        });
        if stop {
            let _ = repairs.stopped.set(event.reason.clone());
        }
        self.sink.send(Event::Repair(event));
        match halt.into_inner() {
            // Everything about the unit has been told already; what is left of the run is told by others.
            Some(Halt::Failed(error)) => Err(Halt::Failed(error)),
            Some(Halt::Cancelled) | None => Ok(()),
        }
    }

    fn cannot<'p>(&self, repairs: impl Iterator<Item = &'p PlannedRepair>, reason: &str) {
        for repair in repairs {
            self.sink.send(Event::Repair(apply::not_rendered(repair, reason)));
        }
    }
}
