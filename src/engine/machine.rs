//! What this machine, or the container we are in, may give: memory and processors.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// Memory and processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Bytes of memory in all: of the machine, or of the smallest control group around us.
    pub memory: u64,
    /// Bytes that can be had without pushing others out, at most `memory`.
    pub available: u64,
    /// Processors that may be used at once; the CPU quota of control groups is counted in.
    pub processors: usize,
}

/// Assumed where the system does not tell.
const UNKNOWN_MEMORY: u64 = 1 << 30;

impl Machine {
    /// Asks the system.
    pub fn here() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self::read(Path::new("/"), processors)
    }

    /// Reads `proc` and `sys` below `root`.
    fn read(root: &Path, processors: usize) -> Self {
        let meminfo = fs::read_to_string(root.join("proc/meminfo")).unwrap_or_default();
        let total = field(&meminfo, "MemTotal:").unwrap_or(UNKNOWN_MEMORY);
        let free = field(&meminfo, "MemAvailable:").unwrap_or(total);
        let groups = Groups::around(root);
        let limit = groups.iter().filter_map(Group::limit).min().unwrap_or(u64::MAX);
        let memory = total.min(limit);
        let left = groups.iter().filter_map(Group::left).min().unwrap_or(u64::MAX);
        Self { memory, available: free.min(left).min(memory), processors }
    }
}

/// Processes that want to run, on average over the last minute.
pub fn load(proc: &Path) -> Option<f64> {
    fs::read_to_string(proc.join("loadavg")).ok()?.split_whitespace().next()?.parse().ok()
}

/// The hottest zone, degrees Celsius.
pub fn temperature(sys: &Path) -> Option<f64> {
    let zones = fs::read_dir(sys.join("class/thermal")).ok()?;
    let read = |path: PathBuf| fs::read_to_string(path.join("temp")).ok()?.trim().parse::<f64>().ok();
    let degrees = zones.flatten().filter_map(|zone| read(zone.path())).map(|milli| milli / 1000.0);
    degrees.fold(None, |most, next| Some(most.map_or(next, |most: f64| most.max(next))))
}

/// A line of `/proc/meminfo`, in bytes.
fn field(meminfo: &str, name: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// One control group that limits memory.
struct Group {
    folder: PathBuf,
    names: &'static Names,
}

/// The files of one version of control groups.
struct Names {
    limits: &'static [&'static str],
    usage: &'static str,
    /// Page cache inside the usage, which the kernel gives up when asked.
    cache: &'static str,
}

/// `memory.high` throttles long before `memory.max` kills.
const V2: Names =
    Names { limits: &["memory.max", "memory.high"], usage: "memory.current", cache: "inactive_file " };
const V1: Names = Names {
    limits: &["memory.limit_in_bytes"],
    usage: "memory.usage_in_bytes",
    cache: "total_inactive_file ",
};

impl Group {
    fn number(&self, name: &str) -> Option<u64> {
        fs::read_to_string(self.folder.join(name)).ok()?.trim().parse().ok()
    }

    /// Bytes; a group without a limit says `max` or a number beyond all memory.
    fn limit(&self) -> Option<u64> {
        self.names.limits.iter().filter_map(|name| self.number(name)).min()
    }

    /// Bytes between its use and its limit.
    fn left(&self) -> Option<u64> {
        let statistics = fs::read_to_string(self.folder.join("memory.stat")).unwrap_or_default();
        let cache =
            statistics.lines().find_map(|line| line.strip_prefix(self.names.cache)?.trim().parse().ok());
        let used = self.number(self.names.usage)?.saturating_sub(cache.unwrap_or(0));
        Some(self.limit()?.saturating_sub(used))
    }
}

struct Groups;

impl Groups {
    /// The groups we are in and those around them; each may have a limit.
    fn around(root: &Path) -> Vec<Group> {
        let lines = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
        let mut groups = Vec::new();
        for line in lines.lines() {
            let mut parts = line.splitn(3, ':');
            let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
                continue;
            };
            let (mount, names) = match controllers {
                "" => ("sys/fs/cgroup", &V2),
                _ if controllers.split(',').any(|name| name == "memory") => ("sys/fs/cgroup/memory", &V1),
                _ => continue,
            };
            // Inside a container the path may be that of the host, which is not there: then only its end, the
            // mount itself, is.
            let path = Path::new(path.trim_start_matches('/'));
            groups.extend(
                path.ancestors().map(|ancestor| Group { folder: root.join(mount).join(ancestor), names }),
            );
        }
        groups
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;

    const MIB: u64 = 1 << 20;
    const MEMINFO: &str =
        "MemTotal:        1893816 kB\nMemFree:          112340 kB\nMemAvailable:    1203116 kB\n";

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        root
    }

    fn machine(files: &[(&str, &str)]) -> Machine {
        Machine::read(tree(files).path(), 4)
    }

    #[test]
    fn a_plain_machine() {
        let found = machine(&[("proc/meminfo", MEMINFO), ("proc/self/cgroup", "0::/init.scope\n")]);
        let expected = Machine { memory: 1_893_816 << 10, available: 1_203_116 << 10, processors: 4 };
        assert_eq!(found, expected);
    }

    #[test]
    fn the_smallest_group_around_counts() {
        let found = machine(&[
            ("proc/meminfo", MEMINFO),
            ("proc/self/cgroup", "0::/user.slice/job.scope\n"),
            ("sys/fs/cgroup/user.slice/memory.max", "536870912\n"),
            ("sys/fs/cgroup/user.slice/memory.high", "max\n"),
            ("sys/fs/cgroup/user.slice/memory.current", "268435456\n"),
            ("sys/fs/cgroup/user.slice/memory.stat", "anon 1\ninactive_file 67108864\n"),
            ("sys/fs/cgroup/user.slice/job.scope/memory.max", "max\n"),
        ]);
        assert_eq!((found.memory, found.available), (512 * MIB, 320 * MIB));
    }

    #[test]
    fn throttling_counts_as_a_limit() {
        let found = machine(&[
            ("proc/meminfo", MEMINFO),
            ("proc/self/cgroup", "0::/\n"),
            ("sys/fs/cgroup/memory.max", "1073741824\n"),
            ("sys/fs/cgroup/memory.high", "268435456\n"),
        ]);
        assert_eq!(found.memory, 256 * MIB);
    }

    #[test]
    fn version_one_in_a_container_whose_path_is_the_hosts() {
        let found = machine(&[
            ("proc/meminfo", MEMINFO),
            ("proc/self/cgroup", "4:memory:/docker/0123abc\n3:cpu,cpuacct:/docker/0123abc\n0::/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "402653184\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "134217728\n"),
        ]);
        assert_eq!((found.memory, found.available), (384 * MIB, 256 * MIB));
    }

    #[test]
    fn a_version_one_group_without_limit() {
        let found = machine(&[
            ("proc/meminfo", MEMINFO),
            ("proc/self/cgroup", "4:memory:/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "134217728\n"),
        ]);
        assert_eq!((found.memory, found.available), (1_893_816 << 10, 1_203_116 << 10));
    }

    #[test]
    fn a_system_that_tells_nothing() {
        let found = machine(&[]);
        assert_eq!((found.memory, found.available), (UNKNOWN_MEMORY, UNKNOWN_MEMORY));
    }

    #[test]
    fn this_machine() {
        let here = Machine::here();
        assert!(here.memory >= 64 * MIB && here.available <= here.memory && here.processors >= 1, "{here:?}");
    }
}
