//! A decoder that misbehaves on command proves that nothing it does reaches the run, its neighbours or the machine.
#![cfg(feature = "faulty-decoder")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a panic is a failed test; measurements are printed for whoever runs them"
)]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use photofsck::engine::budget::MemoryBudget;
use photofsck::media::Limits;
use photofsck::model::{DecodeError, Depth, MediaFormat};
use photofsck::worker::{
    HashWish, Job, MediaReport, PoolConfig, Unlimited, Worker, WorkerFailure, WorkerPool,
};

const WORKER: &str = env!("CARGO_BIN_EXE_photofsck-worker");
const ROOM: Unlimited = Unlimited(256 << 20);
static GO_ON: AtomicBool = AtomicBool::new(false);

fn pool_with(change: impl FnOnce(&mut PoolConfig)) -> WorkerPool {
    let mut config = PoolConfig::new(256 << 20);
    config.program = Some(PathBuf::from(WORKER));
    change(&mut config);
    WorkerPool::new(config).unwrap()
}

fn pool() -> WorkerPool {
    pool_with(|_| ())
}

fn job(id: u64) -> Job {
    Job {
        id,
        extension: String::new(),
        depth: Depth::Keyframes,
        hashes: HashWish { sha1: true, blake3: true },
        render: None,
        render_damaged: false,
        direct: false,
        rate: None,
        patience: None,
        limits: Limits { max_seconds: 60, ..Limits::default() },
    }
}

fn brief(id: u64) -> Job {
    Job { limits: Limits { max_seconds: 1, ..Limits::default() }, ..job(id) }
}

fn file(command: &str) -> File {
    let mut file = tempfile::tempfile().unwrap();
    write!(file, "PHOTOFSCK-FAULTY:{command} ").unwrap();
    file
}

fn ask(worker: &mut Worker, command: &str) -> MediaReport {
    worker.examine(&file(command), &job(1), &ROOM, &GO_ON).unwrap()
}

fn fine(worker: &mut Worker) {
    let report = ask(worker, "fine");
    assert_eq!(report.problem, None);
    assert_eq!(report.format, MediaFormat::Bmp);
    assert_eq!(report.bytes, 22);
    assert!(report.sha1.is_some() && report.blake3.is_some());
}

fn crash(report: &MediaReport) -> &str {
    match &report.problem {
        Some(DecodeError::Crashed { what }) => what,
        other => panic!("{other:?}"),
    }
}

/// Processes whose parent is `parent`, zombies included.
fn children(parent: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        if fields.get(1).and_then(|field| field.parse().ok()) == Some(parent) {
            found.push(id);
        }
    }
    found
}

/// Memory of a process, bytes; pages that several processes share count in parts.
fn resident(id: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kibibytes: Option<u64> = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kibibytes.unwrap_or(0) << 10
}

fn gone(id: u32) -> bool {
    !Path::new(&format!("/proc/{id}")).exists()
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < limit, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_worker_that_was_asked_who_it_is_works_first() {
    let pool = pool();
    pool.start_one(&GO_ON).unwrap();
    let asked = children(std::process::id());
    assert_eq!(asked.len(), 1);
    let (mut first, mut second) = (pool.worker(), pool.worker());
    fine(&mut first);
    fine(&mut second);
    assert_eq!(first.process_id(), asked.first().copied());
    assert_ne!(second.process_id(), first.process_id());
    assert_eq!(children(std::process::id()).len(), 2);
}

#[test]
fn every_way_to_die_is_a_crash_with_its_cause_and_the_worker_is_replaced() {
    let pool = pool();
    let mut worker = pool.worker();
    for (command, cause) in [
        ("abort", "SIGABRT"),
        ("segv", "SIGSEGV"),
        ("double-free", "SIGABRT"),
        ("overflow", "overflowed its stack"),
        ("exit 3", "exit status: 3"),
        ("garbage", "nonsense"),
        ("oversized", "the limit is"),
        ("other-job", "instead of"),
        ("greedy", "wrong time"),
    ] {
        let report = ask(&mut worker, command);
        assert!(crash(&report).contains(cause), "{command}: {report:?}");
        assert!(report.sha1.is_some(), "{command}: the hashes were known before the decoder died");
        assert_eq!(report.format, MediaFormat::Bmp, "{command}");
        fine(&mut worker);
    }
    let stats = pool.stats();
    assert_eq!((stats.crashed, stats.saved), (18, 0), "each was tried twice");
}

#[test]
fn a_panic_is_told_with_its_message_and_costs_the_worker() {
    let pool = pool();
    let mut worker = pool.worker();
    fine(&mut worker);
    let before = worker.process_id();
    let report = ask(&mut worker, "panic");
    assert!(crash(&report).contains("the faulty decoder panics at "), "{report:?}");
    assert!(!crash(&report).contains("/home/") && !crash(&report).contains("/root/"), "{report:?}");
    assert!(report.sha1.is_some());
    fine(&mut worker);
    assert_ne!(worker.process_id(), before, "what a panic leaves behind is not trusted");
    assert_eq!(pool.stats().crashed, 0, "one try tells enough");
}

#[test]
fn a_hang_ends_at_the_deadline_and_slowness_does_not() {
    let pool = pool();
    let mut worker = pool.worker();
    let report = worker.examine(&file("slow 600"), &brief(1), &ROOM, &GO_ON).unwrap();
    assert_eq!(report.problem, None);
    let began = Instant::now();
    let report = worker.examine(&file("hang"), &brief(1), &ROOM, &GO_ON).unwrap();
    assert_eq!(report.problem, Some(DecodeError::TimedOut { seconds: 1 }));
    assert!(began.elapsed() >= Duration::from_secs(2), "it had two tries");
    assert!(report.blake3.is_some());
    fine(&mut worker);
}

#[test]
fn a_worker_that_sleeps_on_a_share_is_not_waited_for_until_the_deadline() {
    let pool = pool();
    let mut worker = pool.worker();
    let patient = |seconds| Job { patience: Some(Duration::from_secs(seconds)), ..job(1) };
    // As long as its deadline would be, and longer than it takes to end it after a second.
    let report = worker.examine(&file("slow 600000"), &patient(1), &ROOM, &GO_ON).unwrap();
    assert_eq!(report.problem, Some(DecodeError::TimedOut { seconds: 1 }));
    assert_eq!(pool.stats().timed_out, 1, "another try would sleep too");
    // Neither a short sleep nor work without end is one.
    let report = worker.examine(&file("slow 300"), &patient(60), &ROOM, &GO_ON).unwrap();
    assert_eq!(report.problem, None);
    let limits = Limits { max_seconds: 4, ..Limits::default() };
    let busy = Job { patience: Some(Duration::from_secs(3)), limits, ..job(1) };
    let report = worker.examine(&file("hang"), &busy, &ROOM, &GO_ON).unwrap();
    assert_eq!(report.problem, Some(DecodeError::TimedOut { seconds: 4 }));
    fine(&mut worker);
}

#[test]
fn growth_is_stopped_at_the_grant_and_then_at_the_ceiling() {
    let pool = pool();
    let mut worker = pool.worker();
    fine(&mut worker);
    let stop = Arc::new(AtomicBool::new(false));
    let watching = Arc::clone(&stop);
    let own = std::process::id();
    let watch = std::thread::spawn(move || {
        let mut peak = 0;
        while !watching.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(2));
            peak = peak.max(children(own).into_iter().map(resident).max().unwrap_or(0));
        }
        peak
    });
    let report = ask(&mut worker, "allocate");
    stop.store(true, Ordering::Relaxed);
    let peak = watch.join().unwrap();
    assert!(matches!(report.problem, Some(DecodeError::LimitExceeded { .. })), "{report:?}");
    assert!(report.problem.unwrap().to_string().contains("--memory"));
    assert!(peak < 900 << 20, "{} MiB", peak >> 20);
    assert_eq!(pool.stats().grown, 2);
    fine(&mut worker);
}

#[test]
fn an_exception_for_lack_of_memory_is_a_limit() {
    let pool = pool();
    let mut worker = pool.worker();
    let report = ask(&mut worker, "throw");
    let Some(DecodeError::LimitExceeded { what, limit }) = &report.problem else { panic!("{report:?}") };
    assert!(what.contains("std::bad_alloc") && limit.contains("--memory"), "{report:?}");
    assert_eq!(pool.stats().grown, 2);
    fine(&mut worker);
}

#[test]
fn an_honest_large_item_asks_and_gets_and_is_refused_beyond_the_ceiling() {
    let pool = pool();
    let mut worker = pool.worker();
    assert_eq!(ask(&mut worker, "honest 150").problem, None);
    let report = ask(&mut worker, "honest 300");
    let Some(DecodeError::LimitExceeded { what, limit }) = &report.problem else { panic!("{report:?}") };
    assert!(
        what.contains("301 MiB") && limit.contains("256 MiB") && limit.contains("--memory"),
        "{report:?}"
    );
    assert!(report.sha1.is_some(), "the hashes need no memory");
    assert_eq!(pool.stats().started, 1, "nobody had to die for that");
}

#[test]
fn a_worker_that_stays_large_is_replaced() {
    let pool = pool();
    let mut worker = pool.worker();
    fine(&mut worker);
    let small = resident(worker.process_id().unwrap());
    assert_eq!(ask(&mut worker, "honest 200").problem, None);
    fine(&mut worker);
    let after = resident(worker.process_id().unwrap());
    assert!(after < small + (48 << 20), "{} then {} MiB", small >> 20, after >> 20);
}

#[test]
fn a_worker_with_nothing_to_do_gives_back_what_it_kept_for_the_next_item() {
    let pool = pool();
    let mut worker = pool.worker();
    fine(&mut worker);
    let id = worker.process_id().unwrap();
    let small = resident(id);
    // Less than the allowance, and than what the allocator asks the system for each time.
    assert_eq!(ask(&mut worker, "honest 24").problem, None);
    assert_eq!(worker.process_id(), Some(id));
    until("its memory stays", || resident(id) < small + (8 << 20));
    // It is not lost for that.
    fine(&mut worker);
    assert_eq!(worker.process_id(), Some(id));
}

#[test]
fn standard_error_is_kept_short_and_told() {
    let pool = pool();
    let mut worker = pool.worker();
    let report = ask(&mut worker, "flood 20");
    assert!(crash(&report).ends_with("last words"), "{report:?}");
    assert!(crash(&report).len() < 4000);
}

#[test]
fn giant_claims_pass_as_claims() {
    let mut worker = pool().worker();
    let report = ask(&mut worker, "giant");
    assert_eq!(report.size.unwrap().pixels(), u64::from(u32::MAX) * u64::from(u32::MAX));
}

#[test]
fn every_way_out_is_barred_and_threads_work() {
    let listener = UnixListener::bind(tempfile::tempdir().unwrap().path().join("socket")).unwrap();
    let pool = pool();
    let mut worker = pool.worker();
    let report = ask(&mut worker, "escape");
    let told = report.problem.unwrap().to_string();
    for way in ["open", "create", "list", "connect", "unix", "spawn", "kill", "unlink", "memory-file"] {
        assert!(told.contains(&format!("{way}: barred")), "{told}");
    }
    assert_eq!(ask(&mut worker, "thread").problem, None);
    drop(listener);
    let stats = pool.stats();
    for name in ["no_new_privs", "parent-death", "rlimits", "seccomp"] {
        assert!(stats.protections.iter().any(|taken| taken == name), "{stats:?}");
    }
    eprintln!("protections: {:?}, lacking: {:?}", stats.protections, stats.lacking);
    let status = fs::read_to_string(format!("/proc/{}/status", worker.process_id().unwrap())).unwrap();
    assert!(status.contains("NoNewPrivs:\t1") && status.contains("Seccomp:\t2"), "{status}");
}

#[test]
fn a_worker_has_its_streams_and_fonts_open_and_no_environment_to_read() {
    let leak = File::open("/").unwrap();
    rustix::io::fcntl_setfd(&leak, rustix::io::FdFlags::empty()).unwrap();
    let mut worker = pool().worker();
    fine(&mut worker);
    let id = worker.process_id().unwrap();
    let entries = fs::read_dir(format!("/proc/{id}/fd")).unwrap().map(|entry| entry.unwrap());
    let (fonts, open): (Vec<_>, Vec<_>) = entries.partition(|entry| {
        fs::read_link(entry.path()).is_ok_and(|file| file.starts_with("/usr/share/fonts"))
    });
    assert_eq!(open.len(), 3, "{open:?}");
    for font in fonts {
        let name = font.file_name().into_string().unwrap();
        let about = fs::read_to_string(format!("/proc/{id}/fdinfo/{name}")).unwrap();
        let flags = about.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
        assert!(flags.trim().ends_with('0'), "open for reading only: {flags}");
    }
    let environment = fs::read_to_string(format!("/proc/{id}/environ")).unwrap();
    for variable in environment.split_terminator('\0') {
        let name = variable.split('=').next().unwrap();
        let known = [
            "GLIBC_TUNABLES",
            "LC_ALL",
            "LD_LIBRARY_PATH",
            "MALLOC_ARENA_MAX",
            "RAYON_NUM_THREADS",
            "RUST_BACKTRACE",
        ];
        // The C library puts ends between its tunables while it reads them.
        let own = name.starts_with("glibc.malloc.");
        assert!(own || known.contains(&name), "{name}");
    }
}

#[test]
fn neighbours_of_a_fault_are_unharmed() {
    let pool = &pool_with(|config| config.max_items = u32::MAX);
    let innocent: u32 = std::thread::scope(|scope| {
        let faulty = scope.spawn(|| {
            let mut worker = pool.worker();
            for command in ["abort", "garbage", "allocate", "panic", "segv"] {
                assert!(ask(&mut worker, command).problem.is_some(), "{command}");
            }
        });
        let innocent = scope.spawn(move || {
            let mut worker = pool.worker();
            fine(&mut worker);
            let id = worker.process_id();
            let mut count = 0;
            while !faulty.is_finished() {
                fine(&mut worker);
                count += 1;
            }
            assert_eq!(worker.process_id(), id);
            count
        });
        innocent.join().unwrap()
    });
    assert!(innocent > 0);
}

#[test]
fn many_small_items_share_one_process() {
    let pool = pool();
    let mut worker = pool.worker();
    fine(&mut worker);
    let id = worker.process_id();
    let file = file("fine");
    let began = Instant::now();
    for number in 0..1000 {
        assert_eq!(worker.examine(&file, &job(number), &ROOM, &GO_ON).unwrap().id, number);
    }
    let each = began.elapsed() / 1000;
    assert_eq!(worker.process_id(), id);
    let stats = pool.stats();
    eprintln!("a round trip takes {each:?}, a start {} us", stats.start_micros / stats.started);
}

/// Looks at files that hold these commands in one exchange; whether each was answered.
fn batch(worker: &mut Worker, commands: &[&str]) -> Vec<Option<MediaReport>> {
    let files: Vec<File> = commands.iter().map(|command| file(command)).collect();
    let batch: Vec<_> = files.iter().zip(1..).map(|(file, id)| (file, job(id))).collect();
    worker.examine_batch(&batch, &ROOM, &GO_ON).unwrap()
}

#[test]
fn files_of_a_batch_get_the_answers_that_each_gets_alone() {
    let pool = pool();
    let mut worker = pool.worker();
    let pictures = ["fine", "fine and more of it", "fine"];
    let together = batch(&mut worker, &pictures);
    assert_eq!(together.len(), 3);
    for ((report, command), id) in together.into_iter().zip(pictures).zip(1..) {
        let alone = worker.examine(&file(command), &job(id), &ROOM, &GO_ON).unwrap();
        assert_eq!(report, Some(MediaReport { micros: report.as_ref().unwrap().micros, ..alone }));
    }
    assert_eq!(pool.stats().started, 1);
    // What goes beyond one message is not forgotten either.
    let many = batch(&mut worker, &["fine"; 20]);
    assert_eq!(many.iter().filter(|report| report.is_some()).count(), 16);
    assert_eq!(many.len(), 20);
}

#[test]
fn a_file_that_is_too_much_for_a_batch_costs_the_others_nothing() {
    let pool = pool();
    let mut worker = pool.worker();
    // Larger than the allowance, and honest about it.
    let mixed = batch(&mut worker, &["fine", "honest 100", "fine"]);
    assert_eq!(mixed.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(ask(&mut worker, "honest 100").problem, None);
    for deadly in ["segv", "panic", "garbage", "other-job"] {
        assert_eq!(batch(&mut worker, &["fine", deadly, "fine"]), [None, None, None], "{deadly}");
        fine(&mut worker);
    }
    assert_eq!(pool.stats().crashed, 0, "none of them is blamed before it comes by itself");
}

#[test]
fn a_worker_is_replaced_after_its_share() {
    let pool = pool_with(|config| config.max_items = 3);
    let mut worker = pool.worker();
    for _ in 0..9 {
        fine(&mut worker);
    }
    let stats = pool.stats();
    assert_eq!((stats.started, stats.retired), (3, 3));
}

#[test]
fn the_budget_holds_over_all_workers() {
    let budget = MemoryBudget::new(400 << 20, 3);
    let pool = pool_with(|config| config.memory = budget.capacity());
    let stop = AtomicBool::new(false);
    let peak = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut peak = 0;
            while !stop.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(2));
                peak = peak.max(children(std::process::id()).into_iter().map(resident).sum());
            }
            peak
        });
        let jobs: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut worker = pool.worker();
                    for number in 0..12u64 {
                        let command =
                            format!("honest {}", [5, 120, 20, 250][usize::try_from(number % 4).unwrap()]);
                        let report = worker.examine(&file(&command), &job(number), &budget, &GO_ON).unwrap();
                        assert_eq!(report.problem, None, "{command}");
                    }
                })
            })
            .collect();
        for job in jobs {
            job.join().unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        let peak: u64 = watch.join().unwrap();
        peak
    });
    eprintln!("peak of all workers {} MiB under a ceiling of 400 MiB", peak >> 20);
    assert!(peak < 400 << 20, "{} MiB", peak >> 20);
    assert!(budget.peak() <= budget.capacity());
    assert_eq!(budget.used(), 0);
}

#[test]
fn cancelling_in_the_midst_is_quick_and_leaves_no_child() {
    let pool = pool();
    let cancel = AtomicBool::new(false);
    let (ids, took) = std::thread::scope(|scope| {
        let jobs: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut worker = pool.worker();
                    worker.start(&cancel).unwrap();
                    let id = worker.process_id().unwrap();
                    let end = worker.examine(&file("hang"), &job(1), &ROOM, &cancel);
                    assert!(matches!(end, Err(WorkerFailure::Cancelled)), "{end:?}");
                    id
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(500));
        let began = Instant::now();
        cancel.store(true, Ordering::Relaxed);
        let ids: Vec<u32> = jobs.into_iter().map(|job| job.join().unwrap()).collect();
        (ids, began.elapsed())
    });
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(ids.into_iter().all(gone), "a zombie would still be listed");
}

/// Not a test of its own: the parent that the next test kills.
#[test]
fn parent_to_be_killed() {
    if std::env::var_os("PHOTOFSCK_TEST_PARENT").is_none() {
        return;
    }
    let pool = pool();
    std::thread::scope(|scope| {
        for command in ["hang", "fine"] {
            let pool = &pool;
            scope.spawn(move || {
                let mut worker = pool.worker();
                worker.start(&GO_ON).unwrap();
                eprintln!("worker {}", worker.process_id().unwrap());
                let _ = worker.examine(&file(command), &job(1), &ROOM, &GO_ON);
                std::thread::sleep(Duration::from_mins(1));
            });
        }
    });
}

#[test]
fn a_killed_parent_leaves_no_worker() {
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "parent_to_be_killed", "--nocapture"])
        .env("PHOTOFSCK_TEST_PARENT", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(parent.stderr.take().unwrap()).lines();
    let mut ids: Vec<u32> = Vec::new();
    while ids.len() < 2 {
        let line = lines.next().expect("two workers start").unwrap();
        ids.extend(line.strip_prefix("worker ").and_then(|id| id.parse::<u32>().ok()));
    }
    std::thread::sleep(Duration::from_millis(300));
    assert!(ids.iter().all(|&id| !gone(id)));
    parent.kill().unwrap();
    assert_eq!(parent.wait().unwrap().signal(), Some(9));
    // Orphans are reaped by whoever adopts them: dead is enough.
    let dead = |id: u32| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        stat.rsplit(')')
            .next()
            .is_none_or(|rest| rest.is_empty() || rest.trim_start().starts_with(['Z', 'X']))
    };
    until("the workers die with their parent", || ids.iter().all(|&id| dead(id)));
}

#[test]
fn signals_meant_for_the_run_do_not_end_a_worker() {
    let pool = pool();
    let mut worker = pool.worker();
    fine(&mut worker);
    let id = worker.process_id().unwrap();
    for signal in ["INT", "TERM", "HUP"] {
        let sent = Command::new("kill").args(["-s", signal, &id.to_string()]).status().unwrap();
        assert!(sent.success());
        fine(&mut worker);
    }
    assert_eq!(worker.process_id(), Some(id));
    assert_eq!(pool.stats().saved, 0);
}

#[test]
fn a_worker_that_died_while_idle_costs_nothing() {
    let pool = pool();
    let mut worker = pool.worker();
    fine(&mut worker);
    let id = rustix::process::Pid::from_raw(worker.process_id().unwrap().cast_signed()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::KILL).unwrap();
    fine(&mut worker);
    assert_eq!(pool.stats().saved, 1);
}

#[test]
fn what_is_no_picture_is_described() {
    let mut worker = pool().worker();
    let mut look = |bytes: &[u8]| worker.examine_bytes(bytes, &job(1), &ROOM, &GO_ON).unwrap();
    let report = look(b"");
    assert!(matches!(report.problem, Some(DecodeError::Truncated { .. })), "{report:?}");
    for (bytes, words) in [
        (&b"<html><body>502 Bad Gateway</body></html>"[..], "HTML text"),
        (&[0u8; 3000][..], "all zero bytes"),
        (&b"PK\x03\x04 and so on and so on"[..], "a ZIP archive"),
    ] {
        let report = look(bytes);
        assert_eq!((report.format, report.looks_like.as_deref()), (MediaFormat::Unknown, Some(words)));
        assert_eq!(report.bytes, bytes.len() as u64);
        assert!(report.sha1.is_some() && report.problem.is_some());
    }
}

#[test]
fn folders_and_files_that_change_are_read_errors() {
    let mut worker = pool().worker();
    let report = worker.examine(&File::open("/").unwrap(), &job(1), &ROOM, &GO_ON).unwrap();
    assert!(matches!(report.problem, Some(DecodeError::Io { .. })), "{report:?}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("growing");
    fs::write(&path, "PHOTOFSCK-FAULTY:slow 2500 ").unwrap();
    let open = File::open(&path).unwrap();
    let writer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(800));
        fs::OpenOptions::new().append(true).open(path).unwrap().write_all(b"more").unwrap();
    });
    let report = worker.examine(&open, &job(1), &ROOM, &GO_ON).unwrap();
    writer.join().unwrap();
    let Some(DecodeError::Io { what, .. }) = report.problem else { panic!("{report:?}") };
    assert!(what.contains("changed while it was being read"), "{what}");
}

#[test]
fn a_lacking_or_strange_program_is_a_clear_error() {
    let mut config = PoolConfig::new(64 << 20);
    config.program = Some("/nowhere/photofsck-worker".into());
    let error = WorkerPool::new(config.clone()).err().unwrap();
    assert!(error.to_string().contains("/nowhere/photofsck-worker"), "{error}");

    config.program = Some("/bin/true".into());
    let error = WorkerPool::new(config).unwrap().worker().start(&GO_ON).unwrap_err();
    assert!(matches!(error, WorkerFailure::Start { .. }), "{error}");

    let by_hand = Command::new(WORKER).stdin(Stdio::null()).output().unwrap();
    assert_eq!(by_hand.status.code(), Some(16));
    assert!(String::from_utf8_lossy(&by_hand.stderr).contains("does nothing by itself"));
}
