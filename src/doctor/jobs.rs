//! Do Immich's queues move?

use serde_json::Value;

use super::case::Case;
use super::opinion::{Opinion, cannot_tell, shown};
use super::server;
use super::web::{Fetched, Web};
use crate::report::ndjson::Answer;
use crate::report::words;

pub const WHAT: [&str; 3] = [
    "Are Immich's queues paused, stuck or full of failures?",
    "/api/queues, or /api/jobs of versions before 2.4: waiting, active and failed jobs of each queue",
    "an administrator's API key (PHOTOFSCK_API_KEY or --api-key-file; permissions job.read and queue.read)",
];

/// The queues without which pictures are not made.
const PICTURES: [&str; 3] = ["thumbnailGeneration", "metadataExtraction", "videoConversion"];

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Queue {
    name: String,
    paused: bool,
    active: u64,
    waiting: u64,
    failed: u64,
}

pub fn answer(case: &Case) -> Answer {
    let address = match server::address(case) {
        Ok(address) => address,
        Err(why) => return cannot_tell("jobs", why),
    };
    if case.config.key.is_none() {
        return cannot_tell("jobs", "no API key was given (PHOTOFSCK_API_KEY or --api-key-file)");
    }
    if let Err(why) = address.guard() {
        return cannot_tell("jobs", why);
    }
    let web = Web::new(&address, case.config.key.as_ref());
    match server::either(&web, ["/queues", "/jobs"]) {
        Err(unreached) => cannot_tell("jobs", format!("{}: {unreached} (see server)", web.base())),
        Ok(fetched) => told(&fetched),
    }
}

fn told(fetched: &Fetched) -> Answer {
    match fetched.status {
        200 => match serde_json::from_slice(&fetched.body).ok().and_then(|json| queues(&json)) {
            Some(queues) => judge(&queues),
            None => cannot_tell("jobs", "the answer is not one of Immich's (see server)"),
        },
        401 => {
            let mut opinion = Opinion::default();
            opinion.problem(
                "Immich does not know the API key",
                "make one in Immich under Account Settings, API Keys, and give it with PHOTOFSCK_API_KEY",
            );
            opinion.answer("jobs")
        }
        403 => cannot_tell(
            "jobs",
            "the key is not an administrator's, or lacks the permission job.read or queue.read",
        ),
        status => cannot_tell("jobs", format!("Immich answers {status} (see server)")),
    }
}

/// A list since 2.4, an object by name before.
fn queues(json: &Value) -> Option<Vec<Queue>> {
    let queue = |name: &str, paused: Option<&Value>, counts: &Value| {
        let number = |key: &str| counts.get(key).and_then(Value::as_u64).unwrap_or(0);
        Queue {
            name: shown(name, 40),
            paused: paused.and_then(Value::as_bool).unwrap_or(false),
            active: number("active"),
            waiting: number("waiting") + number("paused") + number("delayed"),
            failed: number("failed"),
        }
    };
    let found: Vec<Queue> = match json {
        Value::Array(list) => list
            .iter()
            .filter_map(|entry| {
                Some(queue(entry.get("name")?.as_str()?, entry.get("isPaused"), entry.get("statistics")?))
            })
            .collect(),
        Value::Object(map) => map
            .iter()
            .filter_map(|(name, entry)| {
                Some(queue(name, entry.pointer("/queueStatus/isPaused"), entry.get("jobCounts")?))
            })
            .collect(),
        _ => return None,
    };
    (!found.is_empty()).then_some(found)
}

fn judge(queues: &[Queue]) -> Answer {
    let mut opinion = Opinion::default();
    for queue in queues {
        let Queue { name, waiting, failed, .. } = queue;
        let makes_pictures = PICTURES.contains(&name.as_str());
        if queue.paused && (makes_pictures || *waiting > 0) {
            opinion.problem(
                format!("{name} is paused, {} wait", words::counted(*waiting, "job", "jobs")),
                "Administration, Jobs: Resume",
            );
        } else if *waiting > 0 && queue.active == 0 {
            opinion.problem(
                format!("{} of {name} wait and none is worked on", words::counted(*waiting, "job", "jobs")),
                "docker compose restart immich-server: its microservices worker does not run, or lost Redis (see logs)",
            );
        }
        if *failed > 0 {
            let remedy = if makes_pictures {
                "the server's log names each file (see logs); photofsck check says which originals are damaged"
            } else {
                "the server's log says why (see logs)"
            };
            opinion.problem(format!("{} of {name} failed", words::counted(*failed, "job", "jobs")), remedy);
        }
    }
    let busy: Vec<String> = queues
        .iter()
        .filter(|queue| queue.active > 0)
        .map(|queue| format!("{} ({} wait)", queue.name, words::count(queue.waiting)))
        .collect();
    opinion.saw(if busy.is_empty() {
        format!("{} queues, none at work", queues.len())
    } else {
        format!("at work: {}; pictures that wait are not missing", busy.join(", "))
    });
    opinion.answer("jobs")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::doctor::testing::{fine, problem, unknown};

    fn answered(status: u16, json: &Value) -> Answer {
        told(&Fetched { status, body: json.to_string().into_bytes(), ..Fetched::default() })
    }

    #[test]
    fn both_shapes_are_read() {
        let new = json!([{ "name": "thumbnailGeneration", "isPaused": true,
            "statistics": { "active": 0, "waiting": 12, "failed": 0, "paused": 3, "delayed": 0, "completed": 9 } }]);
        problem(&answered(200, &new), "thumbnailGeneration is paused, 15 jobs wait", "Resume");
        let old = json!({ "thumbnailGeneration": {
            "jobCounts": { "active": 0, "waiting": 5, "failed": 2 }, "queueStatus": { "isActive": false, "isPaused": false } } });
        let answer = answered(200, &old);
        problem(&answer, "5 jobs of thumbnailGeneration wait and none is worked on", "restart immich-server");
        problem(&answer, "2 jobs of thumbnailGeneration failed", "photofsck check");
        let quiet = json!({ "library": { "jobCounts": { "active": 0, "waiting": 0 }, "queueStatus": { "isPaused": true } } });
        fine(&answered(200, &quiet), "1 queues, none at work");
        unknown(&answered(403, &json!({})), "not an administrator's");
        unknown(&answered(200, &json!("pong")), "not one of Immich's");
        problem(&answered(401, &json!({})), "does not know the API key", "API Keys");
    }
}
