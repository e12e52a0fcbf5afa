//! Has the machine enough memory and processors, and did the kernel kill anything?

use std::fs;
use std::path::Path;

use super::case::Case;
use super::opinion::Opinion;
use crate::engine::Machine;
use crate::report::ndjson::Answer;
use crate::report::words;

pub const WHAT: [&str; 3] = [
    "Has the machine memory and processors enough, and did the kernel kill anything for its memory?",
    "memory, swap, processors, load, pressure, and the kernel's counts of processes that it killed",
    "nothing; the counts of containers are seen outside of one only",
];

/// Immich's page of requirements asks for 6 GB, and for 4 without machine learning; a part of both is the kernel's own.
const ENOUGH_MEMORY: u64 = 5 << 30;
const LEAST_MEMORY: u64 = 3 << 30;
/// Less than so much available memory is none, when the swap is used up too.
const LEAST_AVAILABLE: u64 = 256 << 20;
/// A part of the last five minutes, in percent, in which something waited for memory.
const PRESSURE: f64 = 10.0;

/// What the kernel tells.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Facts {
    machine: Machine,
    swap: u64,
    swap_free: u64,
    /// Processes that wanted to run, over the last minute.
    load: Option<f64>,
    /// Processes killed since the machine was started.
    killed: Option<u64>,
    /// Percent of the last five minutes.
    pressure: Option<f64>,
}

pub fn answer(_case: &Case) -> Answer {
    judge(&gather(Path::new("/"), Machine::here()))
}

fn gather(root: &Path, machine: Machine) -> Facts {
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let meminfo = read("proc/meminfo");
    let field = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
    };
    let count =
        |text: &str| text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse::<u64>().ok());
    // Inside a container the first counts for the whole machine, the second for the container.
    let killed = [count(&read("proc/vmstat")), count(&read("sys/fs/cgroup/memory.events"))]
        .into_iter()
        .flatten()
        .max();
    let some = read("proc/pressure/memory");
    let pressure = some
        .lines()
        .find(|line| line.starts_with("some "))
        .and_then(|line| line.split(' ').find_map(|part| part.strip_prefix("avg300="))?.parse().ok());
    Facts {
        machine,
        swap: field("SwapTotal:"),
        swap_free: field("SwapFree:"),
        load: read("proc/loadavg").split(' ').next().and_then(|load| load.parse().ok()),
        killed,
        pressure,
    }
}

fn judge(facts: &Facts) -> Answer {
    const LESS: &str = "let Immich do less at once (Administration, Settings, Job Settings: concurrency 1 for thumbnails, videos \
                        and machine learning), or give the machine more memory";
    let mut opinion = Opinion::default();
    let Machine { memory, available, processors } = facts.machine;
    if let Some(killed) = facts.killed.filter(|killed| *killed > 0) {
        opinion.problem(
            format!(
                "the kernel killed {} for memory since the machine was started",
                words::counted(killed, "process", "processes")
            ),
            format!("journalctl -k | grep -i 'killed process' says which; {LESS}"),
        );
    }
    if memory < LEAST_MEMORY {
        opinion.problem(
            format!("{} of memory is less than the 4 GB that Immich asks for at least", words::bytes(memory)),
            format!("switch off machine learning, and {LESS}"),
        );
    } else if memory < ENOUGH_MEMORY {
        opinion.saw("less memory than the 6 GB that Immich asks for with machine learning");
    }
    if processors < 2 {
        opinion.saw("one processor, where Immich asks for two");
    }
    let no_swap_left = facts.swap_free < LEAST_AVAILABLE;
    if available < LEAST_AVAILABLE && no_swap_left {
        opinion.problem(format!("only {} of memory are available", words::bytes(available)), LESS);
    } else if let Some(pressure) = facts.pressure.filter(|pressure| *pressure > PRESSURE) {
        opinion.problem(
            format!("in {pressure:.0} % of the last five minutes something waited for memory"),
            LESS,
        );
    }
    opinion.saw(format!(
        "{} of memory, {} available, {} of swap ({} free), {}{}",
        words::bytes(memory),
        words::bytes(available),
        words::bytes(facts.swap),
        words::bytes(facts.swap_free),
        words::counted(processors as u64, "processor", "processors"),
        facts.load.map(|load| format!(", load {load}")).unwrap_or_default()
    ));
    opinion.answer("machine")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::testing::{fine, problem};

    fn sound() -> Facts {
        let machine = Machine { memory: 8 << 30, available: 4 << 30, processors: 4 };
        Facts { machine, swap: 0, swap_free: 0, load: Some(0.5), killed: Some(0), pressure: Some(0.1) }
    }

    #[test]
    fn what_is_short_is_told() {
        fine(
            &judge(&sound()),
            "8.0 GiB of memory, 4.0 GiB available, 0 B of swap (0 B free), 4 processors, load 0.5",
        );
        problem(&judge(&Facts { killed: Some(3), ..sound() }), "killed 3 processes", "journalctl -k");
        problem(&judge(&Facts { pressure: Some(42.0), ..sound() }), "42 %", "concurrency 1");
        let machine = Machine { memory: 2 << 30, available: 100 << 20, processors: 4 };
        let answer = judge(&Facts { machine, ..sound() });
        problem(&answer, "2.0 GiB of memory is less", "machine learning");
        problem(&answer, "only 100 MiB of memory are available", "more memory");
    }

    #[test]
    fn the_kernels_files_are_read() -> std::io::Result<()> {
        let root = tempfile::tempdir()?;
        for (path, text) in [
            ("proc/meminfo", "MemTotal: 8 kB\nSwapTotal:       2048 kB\nSwapFree:        1024 kB\n"),
            ("proc/vmstat", "oom_kill 1\n"),
            ("sys/fs/cgroup/memory.events", "oom 4\noom_kill 2\n"),
            ("proc/pressure/memory", "some avg10=0.00 avg60=1.00 avg300=12.50 total=1\nfull avg10=0.00\n"),
            ("proc/loadavg", "1.25 1.00 0.75 1/100 1\n"),
        ] {
            let path = root.path().join(path);
            path.parent().map(fs::create_dir_all).transpose()?;
            fs::write(path, text)?;
        }
        let found = gather(root.path(), sound().machine);
        let expected = Facts {
            swap: 2 << 20,
            swap_free: 1 << 20,
            load: Some(1.25),
            killed: Some(2),
            pressure: Some(12.5),
            ..sound()
        };
        assert_eq!(found, expected);
        Ok(())
    }
}
