//! How long runs over the whole library would take here, from the paces of its own files. Pure.

use crate::model::Measure;

use super::library::{Kind, Library};
use super::pictures::{Pace, Paces};
use super::storage::Storage;

/// Standard errors on both sides of an estimate.
const SURE: f64 = 2.0;
/// A range is never narrower than this share: machines heat up, and other programs run.
const LEAST: f64 = 0.15;
/// Below this share of what the workers could do, they wait for something else.
const WAITING: f64 = 0.6;

/// Seconds, from and to.
struct Span {
    low: f64,
    middle: f64,
    high: f64,
}

/// The time of a full `check`, of a `repair` that makes all pictures again, and what to run them with.
pub fn estimate(library: &Library, storage: &Storage, paces: &Paces, jobs: usize) -> Vec<Measure> {
    let speedup = paces.speedup.map_or(1.0, |(times, _)| times.max(1.0));
    let mut found = Vec::new();
    let check = span(library, storage, speedup, |kind| paces.verify.get(kind));
    found.extend(check.map(|span| told("estimate.check", &span, library, "everything verified once")));
    let render = |kind: &Kind| if kind.is_original() { paces.render.get(kind) } else { None };
    let repair = span(library, storage, speedup, render);
    found.extend(
        repair.map(|span| told("estimate.repair", &span, library, "all previews and thumbnails made again")),
    );
    let useful = if speedup < WAITING * jobs as f64 { speedup.round().max(1.0) } else { jobs as f64 };
    found.push(Measure::new("recommend.jobs", useful, "").with("measured_with", jobs).with(
        "why",
        if useful < jobs as f64 { "more workers did not do more" } else { "all workers had work" },
    ));
    found
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "floats saturate")]
fn whole(seconds: f64) -> u64 {
    seconds.round() as u64
}

fn told(name: &str, span: &Span, library: &Library, what: &str) -> Measure {
    Measure::new(name, span.middle.round(), "s")
        .with("from", whole(span.low))
        .with("to", whole(span.high))
        .with("what", what)
        .with("partly_walked", library.partly)
}

/// The sum over all kinds that have a pace; `None` where none has.
fn span<'p>(
    library: &Library,
    storage: &Storage,
    speedup: f64,
    pace: impl Fn(&Kind) -> Option<&'p Pace>,
) -> Option<Span> {
    let (mut seconds, mut variance, mut bytes) = (0.0, 0.0, 0.0);
    for (kind, group) in &library.groups {
        let Some(pace) = pace(kind) else { continue };
        let (mean, error) = pace.seconds_for(group.bytes);
        seconds += mean;
        variance += error * error;
        bytes += group.bytes as f64;
    }
    if bytes == 0.0 {
        return None;
    }
    let work = seconds / speedup;
    let reading = storage.sequential.map_or(0.0, |(rate, _)| bytes / rate.max(1.0));
    // Reading and decoding overlap as long as one of them does not have to wait for the other.
    let (longer, sum) = (work.max(reading), work + reading);
    let doubt = (SURE * variance.sqrt() / speedup).max(LEAST * longer);
    Some(Span { low: (longer - doubt).max(longer * 0.5), middle: longer, high: sum.max(longer + doubt) })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::bench::library::Group;

    fn library(groups: &[(&'static str, &str, u64, u64)]) -> Library {
        let group = |&(role, format, files, bytes): &(&'static str, &str, u64, u64)| {
            (Kind { role, format: format.to_owned() }, Group { files, bytes, sample: Vec::new() })
        };
        Library { groups: groups.iter().map(group).collect(), partly: false, seconds: 1.0 }
    }

    fn value(measures: &[Measure], name: &str) -> f64 {
        measures.iter().find(|measure| measure.name == name).map_or(f64::NAN, |measure| measure.value)
    }

    #[test]
    fn time_is_work_or_reading_whichever_takes_longer() {
        let library =
            library(&[("original", "jpeg", 1000, 4_000_000_000), ("preview", "jpeg", 1000, 500_000_000)]);
        let even = |bytes, seconds| Pace { files: 10, bytes, seconds, squares: 0.0, unclean: 0 };
        let kinds: Vec<Kind> = library.groups.keys().cloned().collect();
        let verify = kinds.iter().map(|kind| (kind.clone(), even(100_000_000, 1.0)));
        let render = kinds.iter().take(1).map(|kind| (kind.clone(), even(100_000_000, 3.0)));
        let paces = Paces { verify: verify.collect(), render: render.collect(), speedup: Some((2.0, 2)) };
        let slow = Storage { sequential: Some((50e6, 1)), ..Storage::default() };
        let measures = estimate(&library, &slow, &paces, 2);
        assert_eq!(whole(value(&measures, "estimate.check")), 90);
        assert_eq!(whole(value(&measures, "estimate.repair")), 80);
        let fast = Storage { sequential: Some((500e6, 1)), ..Storage::default() };
        let measures = estimate(&library, &fast, &paces, 2);
        assert!((value(&measures, "estimate.check") - 22.5).abs() <= 0.5);
        assert_eq!(whole(value(&measures, "estimate.repair")), 60);
        assert_eq!(whole(value(&measures, "recommend.jobs")), 2);
    }

    #[test]
    fn workers_that_wait_are_not_recommended_and_nothing_known_is_not_estimated() {
        let library = library(&[("original", "heic", 10, 1000)]);
        let paces = Paces { verify: BTreeMap::new(), render: BTreeMap::new(), speedup: Some((1.4, 4)) };
        let measures = estimate(&library, &Storage::default(), &paces, 4);
        assert_eq!(whole(value(&measures, "recommend.jobs")), 1);
        assert!(value(&measures, "estimate.check").is_nan());
    }
}
