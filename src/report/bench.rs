//! `bench` for people: a table that can be pasted into an issue, beside an earlier one, and what it means.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::words;
use crate::model::Measure;

/// The measures of an earlier run, by name, from its lines of NDJSON. Lines of other kinds are passed over.
pub fn read(text: &str) -> Result<BTreeMap<String, Measure>, String> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let mut found = BTreeMap::new();
    for (number, line) in (1..).zip(lines) {
        let value: Value = serde_json::from_str(line).map_err(|error| format!("line {number}: {error}"))?;
        if value.get("type").and_then(Value::as_str) == Some("measure") {
            let measure: Measure =
                serde_json::from_value(value).map_err(|error| format!("line {number}: {error}"))?;
            found.insert(measure.name.clone(), measure);
        }
    }
    if found.is_empty() { Err("no measure is in it".to_owned()) } else { Ok(found) }
}

/// The table as Markdown, and below it what the figures mean for a full run.
pub fn page(measures: &[Measure], earlier: Option<&BTreeMap<String, Measure>>) -> String {
    let mut out = String::new();
    out.push_str(if earlier.is_some() {
        "| measure | value | earlier | change | |\n|---|---|---|---|---|\n"
    } else {
        "| measure | value | |\n|---|---|---|\n"
    });
    for measure in measures {
        let _ = write!(out, "| {} | {} |", measure.name, figure(measure));
        if let Some(earlier) = earlier {
            let before = earlier.get(&measure.name).filter(|before| before.unit == measure.unit);
            let (value, change) =
                before.map_or_else(Default::default, |before| (figure(before), change(measure, before)));
            let _ = write!(out, " {value} | {change} |");
        }
        let _ = writeln!(out, " {} |", details(measure));
    }
    out.push('\n');
    out.push_str(&meaning(measures));
    out
}

/// Three digits that count, or all of a whole number.
fn figure(measure: &Measure) -> String {
    let value = measure.value;
    let number = if value.fract() == 0.0 || value.abs() >= 100.0 {
        format!("{value:.0}")
    } else if value.abs() >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    };
    if measure.unit.is_empty() { number } else { format!("{number} {}", measure.unit) }
}

fn change(now: &Measure, before: &Measure) -> String {
    if before.value == 0.0 || now.more_is_better().is_none() {
        return String::new();
    }
    let ratio = now.value / before.value;
    let word = match now.more_is_better() {
        Some(more) if (ratio - 1.0).abs() >= 0.05 => {
            if (ratio > 1.0) == more {
                " better"
            } else {
                " worse"
            }
        }
        _ => "",
    };
    format!("{:+.0} %{word}", (ratio - 1.0) * 100.0)
}

fn details(measure: &Measure) -> String {
    let detail = |(key, value): (&String, &Value)| {
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Array(values) => {
                let words: Vec<_> =
                    values.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect();
                words.join(" ")
            }
            other => other.to_string(),
        };
        format!("{} {}", key.replace('_', " "), value.replace('|', "/"))
    };
    measure.detail.iter().map(detail).collect::<Vec<_>>().join(", ")
}

/// One sentence for each estimate and recommendation.
fn meaning(measures: &[Measure]) -> String {
    let mut out = String::new();
    let number =
        |measure: &Measure, key: &str| measure.detail.get(key).and_then(Value::as_f64).unwrap_or(0.0);
    for measure in measures {
        let span = || {
            format!(
                "about {} (between {} and {})",
                words::duration(measure.value),
                words::duration(number(measure, "from")),
                words::duration(number(measure, "to"))
            )
        };
        let _ = match measure.name.as_str() {
            "estimate.check" => writeln!(out, "A full check of this library would take {}.", span()),
            "estimate.repair" => {
                writeln!(out, "To make all its previews and thumbnails again would take {}.", span())
            }
            "recommend.jobs" => writeln!(out, "Recommended: --jobs {:.0}.", measure.value),
            "recommend.memory" => writeln!(out, "Recommended: --memory {:.0}M.", measure.value),
            "machine.throttled" if measure.value > 0.0 => {
                writeln!(out, "The machine is throttled now: {}.", details(measure))
            }
            _ => Ok(()),
        };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(rate: f64, ms: f64) -> Vec<Measure> {
        vec![
            Measure::new("hash.sha1", rate, "MB/s").with("turns", 9),
            Measure::new("verify.drawn", ms, "ms"),
            Measure::new("estimate.check", 7200.0, "s").with("from", 6000.0).with("to", 9000.0),
        ]
    }

    #[test]
    fn a_result_is_read_back_and_compared() {
        let earlier: String =
            sheet(500.0, 10.0).iter().map(|m| serde_json::to_string(m).unwrap_or_default() + "\n").collect();
        let earlier = read(&format!("{{\"type\":\"run\"}}\n{earlier}"));
        let Ok(earlier) = earlier else { unreachable!("{earlier:?}") };
        let page = page(&sheet(750.0, 20.04), Some(&earlier));
        assert!(page.contains("| hash.sha1 | 750 MB/s | 500 MB/s | +50 % better | turns 9 |"), "{page}");
        assert!(page.contains("| verify.drawn | 20.0 ms | 10 ms | +100 % worse |  |"), "{page}");
        assert!(page.contains("about 2 h"), "{page}");
    }

    #[test]
    fn what_is_no_result_is_refused() {
        assert_eq!(read("{\"type\":\"run\"}\n").err(), Some("no measure is in it".to_owned()));
        assert!(read("not json\n").is_err_and(|error| error.starts_with("line 1: ")));
    }
}
