//! `bench`: what this machine can do, and how long a library like the one given would take on it.
//!
//! One file for each kind of measure; each returns [`Measure`]s. Pictures of ours are drawn and go through single stages in this
//! process; files of the library go through workers, as in a run. Nothing is written.

mod clock;
mod drawn;
mod estimate;
mod library;
mod machine;
mod pictures;
mod stages;
mod storage;

use std::path::PathBuf;

use crate::engine::{Cancel, Resources, RunError, Station};
use crate::model::Measure;

/// What is measured, and with what.
#[derive(Clone, Debug)]
pub struct BenchConfig {
    /// Immich's media location, or any folder of pictures; without one only the machine is measured.
    pub media: Option<PathBuf>,
    /// Workers and memory.
    pub resources: Resources,
}

/// Measures everything, in about a minute; each figure is told as soon as it is there.
///
/// Fails where workers do not start or the media location cannot be read; ends early, with what is known, when cancelled.
pub fn bench(
    config: &BenchConfig,
    cancel: &Cancel,
    tell: &mut dyn FnMut(&Measure),
) -> Result<Vec<Measure>, RunError> {
    if let Some(media) = &config.media {
        library::readable(media)?;
    }
    let station = Station::new(config.resources)?;
    let mut sheet = Sheet { measures: Vec::new(), tell };
    sheet.add(machine::facts());
    sheet.add(stages::measure(cancel)?);
    sheet.add(pictures::drawn(&station, cancel)?);
    let Some(media) = &config.media else { return Ok(sheet.measures) };
    let library = library::survey(media, cancel);
    sheet.add(library.measures());
    let storage = storage::measure(&library, cancel);
    sheet.add(storage.measures());
    let paces = pictures::library(&library, &station, cancel)?;
    sheet.add(paces.measures());
    if !cancel.is_requested() {
        sheet.add(estimate::estimate(&library, &storage, &paces, station.jobs));
    }
    let ceiling = crate::worker::MemoryGrant::ceiling(&station.budget);
    sheet.add(vec![
        Measure::new("recommend.memory", (ceiling >> 20) as f64, "MiB").with("for_workers", station.jobs),
    ]);
    Ok(sheet.measures)
}

/// The measures so far.
struct Sheet<'t> {
    measures: Vec<Measure>,
    tell: &'t mut dyn FnMut(&Measure),
}

impl Sheet<'_> {
    fn add(&mut self, measures: Vec<Measure>) {
        for measure in &measures {
            (self.tell)(measure);
        }
        self.measures.extend(measures);
    }
}
