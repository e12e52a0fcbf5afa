//! Carrying out the plan of a unit: pictures that were made of its original go through the store.

use std::cell::RefCell;

use super::known::Seen;
use super::{Desk, Repairs, Turn};
use crate::engine::crew::Halt;
use crate::engine::look::Look;
use crate::engine::reconcile::AssetUnit;
use crate::model::{Event, RepairStatus};
use crate::render::Rendered;
use crate::repair::apply::{self, Applied};
use crate::repair::plan::{self, AssetPlan, AssetState, PlannedRepair};

impl Desk<'_> {
    /// Carries out what the plan says now that the original is known, and makes known what there is then.
    pub(super) fn repair(
        &self,
        turn: &mut Turn<'_, '_>,
        unit: &AssetUnit,
        state: &AssetState,
        look: Option<Look>,
    ) -> Result<(), Halt> {
        let Some(repairs) = &self.repair else { return Ok(()) };
        let plan = plan::plan(state, &self.records.image, repairs.known.way);
        for skipped in &plan.skipped {
            self.sink.send(Event::Repair(skipped.clone()));
        }
        let mut look = look;
        let rendered = look.as_mut().and_then(Look::take_rendered);
        let mut seen = Seen::default();
        if let Some(Ok(output)) = &rendered {
            seen = Seen { thumbhash: output.thumbhash.clone(), transparent: output.transparent };
        }
        let (made, done) = if repairs.dry_run {
            (self.pretend(repairs, &plan), Ok(()))
        } else {
            let pictures = match rendered {
                Some(Ok(output)) => Ok(output.pictures),
                Some(Err(error)) => Err(error.to_string()),
                None => {
                    let problem = look.as_ref().and_then(|look| look.report.as_ref()?.problem.as_ref());
                    let why = problem.map_or_else(|| "no picture came back".to_owned(), ToString::to_string);
                    Err(format!("no picture can be made of the original: {why}"))
                }
            };
            match pictures {
                Ok(pictures) => self.write(turn, repairs, &plan, &pictures),
                Err(why) => {
                    self.cannot(&plan.repairs, &why);
                    (Vec::new(), Ok(()))
                }
            }
        };
        self.make_known(repairs, unit, &plan, &made, &seen);
        done
    }

    /// What a dry run says of the plan; gives what would be made.
    fn pretend<'p>(&self, repairs: &Repairs<'_>, plan: &'p AssetPlan) -> Vec<&'p PlannedRepair> {
        let mut made = Vec::new();
        for repair in &plan.repairs {
            let event = apply::pretend(repairs.store, repair).event;
            if event.status == RepairStatus::Planned {
                made.push(repair);
            }
            self.sink.send(Event::Repair(event));
        }
        made
    }

    /// Writes the pictures; gives those that are in place.
    fn write<'p>(
        &self,
        turn: &mut Turn<'_, '_>,
        repairs: &Repairs<'_>,
        plan: &'p AssetPlan,
        pictures: &[Rendered],
    ) -> (Vec<&'p PlannedRepair>, Result<(), Halt>) {
        let mut made = Vec::new();
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
            match self.apply(turn, repairs, repair, picture) {
                Ok(true) => made.push(repair),
                Ok(false) => {}
                Err(halt) => return (made, Err(halt)),
            }
        }
        (made, Ok(()))
    }

    /// Writes one picture and tells whether it is in place.
    fn apply(
        &self,
        turn: &mut Turn<'_, '_>,
        repairs: &Repairs<'_>,
        repair: &plan::PlannedRepair,
        picture: &Rendered,
    ) -> Result<bool, Halt> {
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
        let done = event.status == RepairStatus::Done;
        self.sink.send(Event::Repair(event));
        match halt.into_inner() {
            // Everything about the unit has been told already; what is left of the run is told by others.
            Some(Halt::Failed(error)) => Err(Halt::Failed(error)),
            Some(Halt::Cancelled) | None => Ok(done),
        }
    }

    fn cannot(&self, repairs: &[plan::PlannedRepair], reason: &str) {
        for repair in repairs {
            self.sink.send(Event::Repair(apply::not_rendered(repair, reason)));
        }
    }
}
