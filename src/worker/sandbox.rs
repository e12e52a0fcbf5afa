//! What a worker gives up before it touches foreign bytes.
//!
//! Each protection is taken if the kernel has it; what did not take is told, never hidden. The base everywhere is
//! no_new_privs, the resource limits and seccomp; Landlock comes on top where the kernel has it (Raspberry Pi OS
//! has none). Afterwards the process can compute, read descriptors that are passed to it and answer; it
//! cannot open, create, connect, start programs or outlive its parent.

use std::collections::BTreeMap;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetStatus, Scope,
};
use rustix::process::{Resource, Rlimit, Signal, getppid, set_parent_process_death_signal, setrlimit};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter_all_threads,
};

/// Data beyond what a file may need: stacks of decoder threads, libraries, the allocator's loss. The parent's own watch
/// acts long before; this is for a parent that is not given the processor in time.
const DATA_SLACK: u64 = 512 << 20;
/// Address space beyond data: the libraries themselves, and areas reserved but not used.
const ADDRESS_SLACK: u64 = 4 << 30;
/// Standard streams, the file in hand, and a few that libraries duplicate.
const MAX_FILES: u64 = 32;

/// Which protections took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Protections {
    /// Names of those that did.
    pub taken: Vec<String>,
    /// Those that did not, with the reason.
    pub lacking: Vec<String>,
}

impl Protections {
    fn note<E: std::fmt::Display>(&mut self, name: &str, result: Result<(), E>) {
        match result {
            Ok(()) => self.taken.push(name.to_owned()),
            Err(error) => self.lacking.push(format!("{name}: {error}")),
        }
    }

    /// Dies with the parent. To be called first; `parent` is who started us, as it says itself.
    pub fn die_with_parent(&mut self, parent: i32) {
        let result = set_parent_process_death_signal(Some(Signal::KILL));
        // It may have died before the call; then nobody will ever send the signal.
        if getppid().is_none_or(|now| now.as_raw_nonzero().get() != parent) {
            std::process::exit(1);
        }
        self.note("parent-death", result);
    }

    /// Gives up everything that decoding does not need. `memory` is the most that one file may be granted, bytes.
    /// Whatever decoders need from files must have been loaded before.
    pub fn close(&mut self, memory: u64) {
        self.note("no_new_privs", rustix::thread::set_no_new_privs(true));
        self.note("rlimits", limit_resources(memory));
        self.note("landlock", landlock());
        self.note("seccomp", seccomp());
    }
}

fn limit_resources(memory: u64) -> Result<(), rustix::io::Errno> {
    let data = memory.saturating_add(DATA_SLACK);
    let limits = [
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        (Resource::Nofile, MAX_FILES),
        (Resource::Data, data),
        (Resource::As, data.saturating_add(ADDRESS_SLACK)),
    ];
    for (resource, value) in limits {
        // A stricter limit of whoever started us stays.
        let most = rustix::process::getrlimit(resource).maximum.map_or(value, |hard| hard.min(value));
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    Ok(())
}

/// No file below any path, no TCP, no signals or sockets to others: a ruleset without a single rule.
fn landlock() -> Result<(), String> {
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V5))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(ABI::V4)))
        .and_then(|rules| rules.scope(Scope::from_all(ABI::V6)))
        .and_then(Ruleset::create)
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(|error| error.to_string())?;
    match status.ruleset {
        // An older kernel lacks some kinds of access; files are covered by all of them.
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
        RulesetStatus::NotEnforced => Err("this kernel has none".into()),
    }
}

/// Two filters: one hides `clone3`, whose flags cannot be seen by a filter (libraries then take `clone`), the other
/// lets through what computing needs and answers everything else with "not permitted".
fn seccomp() -> Result<(), String> {
    let hide = SeccompFilter::new(
        BTreeMap::from([(libc::SYS_clone3, Vec::new())]),
        SeccompAction::Allow,
        SeccompAction::Errno(errno(libc::ENOSYS)),
        arch()?,
    );
    let allow = SeccompFilter::new(
        rules().map_err(|error| error.to_string())?,
        SeccompAction::Errno(errno(libc::EPERM)),
        SeccompAction::Allow,
        arch()?,
    );
    for filter in [hide, allow] {
        let program: BpfProgram = filter
            .and_then(TryInto::try_into)
            .map_err(|error: seccompiler::BackendError| error.to_string())?;
        apply_filter_all_threads(&program).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn errno(value: i32) -> u32 {
    value.unsigned_abs()
}

fn arch() -> Result<TargetArch, String> {
    std::env::consts::ARCH
        .try_into()
        .map_err(|_| format!("no filter for {} processors", std::env::consts::ARCH))
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// What computing, threads, reading passed descriptors and answering need.
fn rules() -> Result<Rules, seccompiler::BackendError> {
    let mut rules: Rules = ALWAYS.iter().chain(ALWAYS_HERE).map(|&call| (call, Vec::new())).collect();
    // Threads, never processes.
    rules.insert(libc::SYS_clone, vec![flag(0, bits(libc::CLONE_THREAD))?]);
    // The length of an open file, never facts about a path.
    rules.insert(libc::SYS_statx, vec![flag(2, bits(libc::AT_EMPTY_PATH))?]);
    rules.insert(libc::SYS_newfstatat, vec![flag(3, bits(libc::AT_EMPTY_PATH))?]);
    // abort() signals itself.
    rules.insert(libc::SYS_tgkill, vec![equal(0, u64::from(std::process::id()))?]);
    // Asking for limits, not setting them.
    rules.insert(libc::SYS_prlimit64, vec![SeccompRule::new(vec![is(0, 0)?, whole(2, 0)?])?]);
    let controls = [libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_DUPFD, libc::F_DUPFD_CLOEXEC];
    rules.insert(libc::SYS_fcntl, any_of(1, &controls)?);
    // Names of threads and of memory areas.
    rules.insert(libc::SYS_prctl, any_of(0, &[libc::PR_SET_NAME, libc::PR_GET_NAME, libc::PR_SET_VMA])?);
    Ok(rules)
}

fn bits(value: i32) -> u64 {
    u64::from(value.unsigned_abs())
}

fn is(argument: u8, value: u64) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

fn whole(argument: u8, value: u64) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, value)
}

fn equal(argument: u8, value: u64) -> Result<SeccompRule, seccompiler::BackendError> {
    SeccompRule::new(vec![is(argument, value)?])
}

fn flag(argument: u8, value: u64) -> Result<SeccompRule, seccompiler::BackendError> {
    let masked = SeccompCmpOp::MaskedEq(value);
    SeccompRule::new(vec![SeccompCondition::new(argument, SeccompCmpArgLen::Dword, masked, value)?])
}

fn any_of(argument: u8, values: &[i32]) -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    values.iter().map(|&value| equal(argument, bits(value))).collect()
}

const ALWAYS: &[i64] = &[
    libc::SYS_brk,
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_clone3,
    libc::SYS_close,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_fadvise64,
    libc::SYS_fstat,
    libc::SYS_futex,
    libc::SYS_get_robust_list,
    libc::SYS_getcpu,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_getuid,
    libc::SYS_lseek,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_mincore,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_ppoll,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_preadv2,
    libc::SYS_read,
    libc::SYS_readahead,
    libc::SYS_readv,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_yield,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_sigaltstack,
    libc::SYS_sysinfo,
    libc::SYS_times,
    libc::SYS_uname,
    libc::SYS_write,
    libc::SYS_writev,
];

/// Old calls that only some architectures have.
#[cfg(target_arch = "x86_64")]
const ALWAYS_HERE: &[i64] = &[libc::SYS_poll, libc::SYS_time];
#[cfg(not(target_arch = "x86_64"))]
const ALWAYS_HERE: &[i64] = &[];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;

    #[test]
    fn the_filter_compiles_and_leaves_out_the_dangerous_calls() {
        let rules = rules().unwrap();
        for call in [
            libc::SYS_openat,
            libc::SYS_socket,
            libc::SYS_execve,
            libc::SYS_kill,
            libc::SYS_ptrace,
            libc::SYS_memfd_create,
            libc::SYS_io_uring_setup,
            libc::SYS_unlinkat,
        ] {
            assert!(!rules.contains_key(&call), "{call}");
        }
        let filter =
            SeccompFilter::new(rules, SeccompAction::Errno(1), SeccompAction::Allow, arch().unwrap())
                .unwrap();
        let program: BpfProgram = filter.try_into().unwrap();
        assert!(!program.is_empty());
    }
}
