//! Carrying out the plan of a unit: pictures that were made of its original go through the store.

use std::cell::RefCell;

use super::{Desk, Repairs, Turn};
use crate::engine::crew::Halt;
use crate::engine::look::Look;
use crate::model::{Event, ImageSettings, RepairStatus};
use crate::render::Rendered;
use crate::repair::apply::{self, Applied};
use crate::repair::plan::{self, AssetState};

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
        for skipped in plan.skipped {
            self.sink.send(Event::Repair(skipped));
        }
        if plan.repairs.is_empty() {
            return Ok(());
        }
        if repairs.dry_run {
            for repair in &plan.repairs {
                self.sink.send(Event::Repair(apply::pretend(repairs.store, repair).event));
            }
            return Ok(());
        }
        let mut look = look;
        let rendered = look.as_mut().and_then(Look::take_rendered);
        let problem = look.as_ref().and_then(|look| look.report.as_ref()?.problem.as_ref());
        let pictures: Vec<Rendered> = match rendered {
            Some(Ok(output)) => output.pictures,
            Some(Err(error)) => {
                self.cannot(&plan.repairs, &error.to_string());
                return Ok(());
            }
            None => {
                let why = problem.map_or_else(|| "no picture came back".to_owned(), ToString::to_string);
                self.cannot(&plan.repairs, &format!("no picture can be made of the original: {why}"));
                return Ok(());
            }
        };
        for repair in &plan.repairs {
            if let Some(reason) = repairs.stopped.get() {
                let mut event = apply::not_rendered(repair, reason.clone());
                event.status = RepairStatus::Skipped;
                self.sink.send(Event::Repair(event));
                continue;
            }
            let Some(picture) = pictures.iter().find(|picture| picture.role == repair.spec.role) else {
                self.sink
                    .send(Event::Repair(apply::not_rendered(repair, "the worker did not make this picture")));
                continue;
            };
            self.apply(turn, repairs, repair, picture)?;
        }
        Ok(())
    }

    fn apply(
        &self,
        turn: &mut Turn<'_, '_>,
        repairs: &Repairs<'_>,
        repair: &plan::PlannedRepair,
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

    fn cannot(&self, repairs: &[plan::PlannedRepair], reason: &str) {
        for repair in repairs {
            self.sink.send(Event::Repair(apply::not_rendered(repair, reason)));
        }
    }
}
