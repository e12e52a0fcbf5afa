//! What do the logs say that is known?

use super::case::Case;
use super::docker::Container;
use super::messages::{KNOWN, Known};
use super::opinion::{Opinion, cannot_tell, shown};
use crate::report::ndjson::Answer;
use crate::report::words;

pub const WHAT: [&str; 3] = [
    "Do the logs of Immich's containers hold messages whose meaning is known?",
    "the last 2,000 lines of each container's log, of the last seven days, against the messages below",
    "the socket of Docker or Podman",
];

/// A known message and how often it is in a log.
struct Hit {
    known: &'static Known,
    times: u64,
    container: String,
    last: String,
}

pub fn answer(case: &Case) -> Answer {
    let fleet = match &case.fleet {
        Err(_) => return cannot_tell("logs", "the containers cannot be asked (see containers)"),
        Ok(fleet) if fleet.containers.is_empty() => {
            return cannot_tell("logs", "no container of Immich's is here");
        }
        Ok(fleet) => fleet,
    };
    let mut logs = Vec::new();
    let mut opinion = Opinion::default();
    for container in &fleet.containers {
        match fleet.docker.log(container, case.now.as_second()) {
            Ok(log) => logs.push((container, log)),
            Err(why) => opinion.doubt(format!("the log of {}: {why}", shown(&container.name, 60))),
        }
    }
    judge(&logs, opinion)
}

fn judge(logs: &[(&Container, String)], mut opinion: Opinion) -> Answer {
    let mut hits = Vec::new();
    let mut lines = 0;
    for (container, log) in logs {
        lines += log.lines().count() as u64;
        scan(&container.name, log, &mut hits);
    }
    for hit in &hits {
        opinion.problem(
            format!(
                "{} in the log of {}: {} (last: {})",
                words::counted(hit.times, "line", "lines"),
                shown(&hit.container, 60),
                hit.known.means,
                shown(&hit.last, 160)
            ),
            hit.known.remedy,
        );
    }
    if hits.is_empty() && !logs.is_empty() {
        opinion.saw(format!(
            "nothing known in {} of {}",
            words::counted(lines, "line", "lines"),
            words::counted(logs.len() as u64, "log", "logs")
        ));
    }
    opinion.answer("logs")
}

/// Each line counts for the first message that it fits.
fn scan(container: &str, log: &str, hits: &mut Vec<Hit>) {
    for line in log.lines() {
        let Some(known) = KNOWN.iter().find(|known| known.parts.iter().all(|part| line.contains(part)))
        else {
            continue;
        };
        let hit = hits.iter_mut().find(|hit| std::ptr::eq(hit.known, known) && hit.container == container);
        match hit {
            Some(hit) => {
                hit.times += 1;
                line.clone_into(&mut hit.last);
            }
            None => {
                hits.push(Hit { known, times: 1, container: container.to_owned(), last: line.to_owned() });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::testing::{fine, problem};

    fn told(log: &str) -> Answer {
        let container = Container { name: "immich_server".to_owned(), ..Container::default() };
        judge(&[(&container, log.to_owned())], Opinion::default())
    }

    #[test]
    fn known_messages_are_counted_and_explained() {
        fine(
            &told("[Nest] 7 LOG [Api:EventRepository] Initialized websocket server\n"),
            "nothing known in 1 line",
        );
        let line = "ERROR [Api:LoggingRepository~x] Unable to send file: Error: ENOENT: no such file or directory, access \
                    '/data/thumbs/a/b/c-thumbnail.webp'\n";
        let answer = told(&line.repeat(3));
        problem(&answer, "3 lines in the log of immich_server", "photofsck repair");
        let line = "ERROR [Api:StorageService] Failed to read (/data/encoded-video/.immich): Error: ENOENT: no such file or \
                    directory, open '/data/encoded-video/.immich'";
        problem(&told(line), "lacks its marker", ".immich");
    }

    #[test]
    fn a_log_cannot_write_on_the_terminal() {
        let answer = told("ENOSPC: no space left on device \u{1b}]0;title\u{7}");
        assert!(!answer.evidence.contains('\u{1b}'), "{answer:?}");
    }
}
