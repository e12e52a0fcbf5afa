//! Carrying out the plan of a unit: pictures that were made of its original go through the store.

use std::cell::RefCell;

use super::known::Seen;
use super::portray::Sitter;
use super::{Desk, Repairs, Turn};
use crate::engine::crew::Halt;
use crate::engine::judge::Expectation;
use crate::engine::look::Look;
use crate::engine::reconcile::units::AssetUnit;
use crate::model::{Depth, Event, RepairStatus, Role};
use crate::render::{RenderOutput, Rendered};
use crate::repair::apply::{self, Applied};
use crate::repair::plan::{self, AssetPlan, AssetState, PlannedRepair, Source};

impl Desk<'_> {
    /// Carries out what the plan says now that the original is known, and makes known what there is then.
    pub(super) fn repair(
        &self,
        turn: &mut Turn<'_, '_>,
        unit: &AssetUnit,
        state: &AssetState,
        (look, sitter): (Option<Look>, Option<Sitter>),
    ) -> Result<(), Halt> {
        let Some(repairs) = &self.repair else { return Ok(()) };
        self.mind_the_ground(repairs);
        let plan = plan::plan(state, &self.records.image, repairs.known.way);
        for skipped in &plan.skipped {
            self.sink.send(Event::Repair(skipped.clone()));
        }
        let (mut look, mut seen) = (look, Seen::default());
        let rendered = rendered(look.as_mut(), "the original");
        if let Ok(output) = &rendered {
            let hash = if state.edited { &output.edited_thumbhash } else { &output.thumbhash };
            seen = Seen { thumbhash: hash.clone(), transparent: output.transparent };
        }
        let (made, done) = if repairs.dry_run {
            (self.pretend(repairs, &plan), Ok(()))
        } else {
            let (mut made, mut done) = self.write(turn, repairs, plan.from(Source::Original), &rendered);
            let faces = plan.render_job(Source::Still, &self.records.image);
            if let (Ok(()), Some(job), Some(still)) = (&done, faces, &state.still) {
                let expected = Expectation::unrecorded(still, Role::Preview, Depth::Full);
                let mut look = turn.examiner.look(&expected, Some(&job))?;
                let rendered = self::rendered(Some(&mut look), "the preview of the video");
                let (more, ended) = self.write(turn, repairs, plan.from(Source::Still), &rendered);
                made.extend(more);
                done = ended;
            }
            (made, done)
        };
        self.make_known(repairs, unit, &plan, &made, &seen);
        done?;
        match sitter.filter(|_| !repairs.dry_run) {
            Some(sitter) => self.as_made(turn, unit, &sitter, &made),
            None => Ok(()),
        }
    }

    /// Nothing more is written once a share has not answered: writing there would wait for ever.
    pub(super) fn mind_the_ground(&self, repairs: &Repairs<'_>) {
        if self.ground.has_hung() {
            let _ = repairs.stopped.set("a share does not answer: nothing more is written".to_owned());
        }
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

    /// Writes the pictures that were made of one source; gives those that are in place.
    fn write<'p>(
        &self,
        turn: &mut Turn<'_, '_>,
        repairs: &Repairs<'_>,
        planned: impl Iterator<Item = &'p PlannedRepair>,
        rendered: &Result<RenderOutput, String>,
    ) -> (Vec<&'p PlannedRepair>, Result<(), Halt>) {
        let mut made = Vec::new();
        for repair in planned {
            if let Some(reason) = repairs.stopped.get() {
                let mut event = apply::not_rendered(repair, reason.clone());
                event.status = RepairStatus::Skipped;
                self.sink.send(Event::Repair(event));
                continue;
            }
            match rendered.as_ref().map_err(Clone::clone).and_then(|output| picture(output, repair)) {
                Ok(picture) => match self.apply(turn, repairs, repair, picture) {
                    Ok(true) => made.push(repair),
                    Ok(false) => {}
                    Err(halt) => return (made, Err(halt)),
                },
                Err(why) => self.sink.send(Event::Repair(apply::not_rendered(repair, why))),
            }
        }
        (made, Ok(()))
    }

    /// Writes one picture and tells whether it is in place.
    fn apply(
        &self,
        turn: &mut Turn<'_, '_>,
        repairs: &Repairs<'_>,
        repair: &PlannedRepair,
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
}

/// What was made while a source was looked at, or why there is nothing.
fn rendered(look: Option<&mut Look>, source: &str) -> Result<RenderOutput, String> {
    let mut look = look;
    match look.as_mut().and_then(|look| look.take_rendered()) {
        Some(Ok(output)) => Ok(output),
        Some(Err(error)) => Err(error.to_string()),
        None => {
            let problem = look.as_ref().and_then(|look| look.report.as_ref()?.problem.as_ref());
            let why = problem.map_or_else(|| "no picture came back".to_owned(), ToString::to_string);
            Err(format!("no picture can be made of {source}: {why}"))
        }
    }
}

/// The picture that a repair is about, or why it was not made.
fn picture<'a>(output: &'a RenderOutput, repair: &PlannedRepair) -> Result<&'a Rendered, String> {
    let wanted = (repair.spec.role, repair.spec.view);
    if let Some(picture) = output.pictures.iter().find(|picture| (picture.role, picture.view) == wanted) {
        return Ok(picture);
    }
    let refused = output.refused.iter().find(|refused| (refused.role, refused.view) == wanted);
    Err(refused.map_or_else(
        || "the worker did not make this picture".to_owned(),
        |refused| refused.error.to_string(),
    ))
}
