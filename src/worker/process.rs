//! One worker process, as its parent sees it: started, watched while it works, ended and reaped.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::wire::{self, Inbox, WireError};

/// How often a working process is looked at.
const TICK: Duration = Duration::from_millis(20);
/// How much of its standard error is kept.
const STDERR_TAIL: usize = 2048;
/// How long a killed process may take to go before it is left to be reaped later: one that waits for a dying disk
/// cannot be killed until the disk answers.
const REAP_PATIENCE: Duration = Duration::from_secs(2);

/// Why a process did not answer.
#[derive(Debug)]
pub enum Trouble {
    /// It closed the connection: it is dead or dying.
    Died,
    /// The deadline passed.
    Hung,
    /// It slept for longer than whatever it waits for may take.
    Asleep {
        /// So long.
        patience: Duration,
    },
    /// It holds more memory than it was granted.
    Grown {
        /// What it holds beyond its size at start, bytes.
        bytes: u64,
    },
    /// The file needs the program with FFmpeg.
    NeedsFilms,
    /// It does not keep to the protocol.
    Broken(String),
    /// The run is being stopped.
    Cancelled,
}

impl From<WireError> for Trouble {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Closed => Self::Died,
            other => Self::Broken(other.to_string()),
        }
    }
}

/// Within what a process has to answer.
pub struct Watch<'a> {
    /// When it is too late.
    pub deadline: Instant,
    /// Bytes it may hold beyond its size at start.
    pub memory: u64,
    /// How long it may sleep, if there is a limit to that.
    pub patience: Option<Duration>,
    /// Set when the run is to stop.
    pub cancel: &'a AtomicBool,
}

/// A worker process and the lines to it.
pub struct Process {
    child: Child,
    socket: OwnedFd,
    inbox: Inbox,
    watcher: Watcher,
}

/// What is known of a process besides its messages.
struct Watcher {
    stderr: Option<ChildStderr>,
    tail: VecDeque<u8>,
    statm: Option<File>,
    /// What changes as long as it does something.
    activity: [Option<File>; 2],
    /// What that said last, and since when.
    still: (Vec<u8>, Instant),
    page: u64,
    at_start: u64,
    looked: Instant,
}

/// The largest piece that glibc takes out of its heap.
const LARGEST_IN_HEAP: u64 = 32 << 20;

/// How the allocator of workers is set up (mallopt(3)). Pictures are new memory each: in large pages the system hands it out with fewer
/// faults, and what one of them could hold without asking is kept for the next one: the system would
/// clear it anew.
pub fn allocator(allowance: u64) -> [(&'static str, String); 2] {
    let tunables = format!(
        "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold={LARGEST_IN_HEAP}:glibc.malloc.trim_threshold={allowance}"
    );
    [("MALLOC_ARENA_MAX", "2".to_owned()), ("GLIBC_TUNABLES", tunables)]
}

impl Process {
    /// Starts the program with one end of a socket as its standard input. It has a process group of its own, so that Ctrl-C
    /// on the terminal reaches only the parent, and nothing of our environment but the library path. Its allocator is set up for files
    /// that may hold so much without asking.
    pub fn start(program: &Path, arguments: &[String], allowance: u64) -> io::Result<Self> {
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        ioctl_fionbio(&ours, true)?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .env("LC_ALL", "C.UTF-8")
            .envs(allocator(allowance))
            .env("RAYON_NUM_THREADS", "1")
            .env("RUST_BACKTRACE", "0")
            .current_dir("/")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0);
        if let Some(path) = std::env::var_os("LD_LIBRARY_PATH") {
            command.env("LD_LIBRARY_PATH", path);
        }
        let mut child = command.spawn()?;
        // The command holds the child's end of the socket: with it open, the death of the child would not be seen.
        drop(command);
        let stderr = child.stderr.take();
        if let Some(stderr) = &stderr {
            ioctl_fionbio(stderr, true)?;
        }
        let about = |what: &str| File::open(format!("/proc/{}/{what}", child.id())).ok();
        let watcher = Watcher {
            stderr,
            tail: VecDeque::new(),
            statm: about("statm"),
            activity: [about("stat"), about("schedstat")],
            still: (Vec::new(), Instant::now()),
            page: rustix::param::page_size() as u64,
            at_start: 0,
            looked: Instant::now(),
        };
        Ok(Self { child, socket: ours, inbox: Inbox::default(), watcher })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// A new file begins: what was said until now belongs to others.
    pub fn begin(&mut self) {
        self.watcher.drain();
        self.watcher.tail.clear();
    }

    /// Sends one message, with open files beside it.
    pub fn send<T: Serialize>(
        &mut self,
        message: &T,
        files: &[BorrowedFd<'_>],
        watch: &Watch<'_>,
    ) -> Result<(), Trouble> {
        let frame = wire::encode(message)?;
        // Until now it may have slept because it waited for this.
        self.watcher.still = (Vec::new(), Instant::now());
        let Self { socket, watcher, .. } = self;
        wire::send(socket.as_fd(), &frame, files, |flags| watcher.wait(socket.as_fd(), flags, watch))
    }

    /// Waits for one message.
    pub fn receive<T: DeserializeOwned>(&mut self, limit: usize, watch: &Watch<'_>) -> Result<T, Trouble> {
        let Self { socket, inbox, watcher, .. } = self;
        inbox.receive(socket.as_fd(), limit, |flags| watcher.wait(socket.as_fd(), flags, watch))
    }

    /// From now on growth counts from the present size.
    pub fn mark_start(&mut self) {
        self.watcher.at_start = self.watcher.resident();
    }

    /// Bytes held beyond the size at start.
    pub fn growth(&self) -> u64 {
        self.watcher.growth()
    }

    /// Kills and reaps. Returns how it ended with the last of its standard error, and the child itself if the
    /// system does not let it go yet.
    pub fn end(mut self) -> (String, Option<Child>) {
        // Fails only when it is gone already.
        let _ = self.child.kill();
        let patience = Instant::now() + REAP_PATIENCE;
        let mut pause = Duration::from_micros(200);
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break Some(status),
                Ok(None) if Instant::now() < patience => std::thread::sleep(pause),
                Ok(None) | Err(_) => break None,
            }
            pause = (pause * 2).min(TICK);
        };
        self.watcher.drain();
        let mut words =
            status.map_or_else(|| "it could not be ended yet".to_owned(), |status| status.to_string());
        let tail = self.watcher.words();
        if !tail.is_empty() {
            words.push_str("; it said: ");
            words.push_str(&tail);
        }
        (words, status.is_none().then_some(self.child))
    }
}

impl Watcher {
    /// Waits until the socket is ready, looking after the process meanwhile.
    fn wait(&mut self, socket: BorrowedFd<'_>, flags: PollFlags, watch: &Watch<'_>) -> Result<(), Trouble> {
        loop {
            let (ready, talks) = self.poll(socket, flags)?;
            if talks {
                self.drain();
            }
            if ready || self.looked.elapsed() >= TICK {
                self.look(watch)?;
            }
            if ready {
                return Ok(());
            }
        }
    }

    /// Whether the socket is ready, and whether there is something on standard error; waits a tick for either.
    fn poll(&self, socket: BorrowedFd<'_>, flags: PollFlags) -> Result<(bool, bool), Trouble> {
        let tick = Timespec { tv_sec: 0, tv_nsec: i64::from(TICK.subsec_nanos()) };
        let mut fds = vec![PollFd::from_borrowed_fd(socket, flags)];
        if let Some(stderr) = &self.stderr {
            fds.push(PollFd::from_borrowed_fd(stderr.as_fd(), PollFlags::IN));
        }
        match poll(&mut fds, Some(&tick)) {
            Ok(_) | Err(Errno::INTR) => {
                let mut events = fds.iter().map(|fd| !fd.revents().is_empty());
                Ok((events.next() == Some(true), events.next() == Some(true)))
            }
            Err(errno) => Err(Trouble::Broken(format!("cannot wait for it: {errno}"))),
        }
    }

    fn look(&mut self, watch: &Watch<'_>) -> Result<(), Trouble> {
        if watch.cancel.load(Ordering::Relaxed) {
            return Err(Trouble::Cancelled);
        }
        if self.looked.elapsed() < TICK {
            return Ok(());
        }
        self.looked = Instant::now();
        if self.looked >= watch.deadline {
            return Err(Trouble::Hung);
        }
        if let Some(patience) = watch.patience
            && self.sleeps_since().elapsed() >= patience
        {
            return Err(Trouble::Asleep { patience });
        }
        let bytes = self.growth();
        if bytes > watch.memory {
            return Err(Trouble::Grown { bytes });
        }
        Ok(())
    }

    /// Since when it has done nothing; now where that cannot be told. The system counts its time on the processor, in
    /// nanoseconds of its first thread (`schedstat`) and in hundredths of a second of all of them (`stat`, proc(5)).
    fn sleeps_since(&mut self) -> Instant {
        let mut now = Vec::new();
        let mut known = false;
        for file in self.activity.iter().flatten() {
            let mut text = [0; 1024];
            known |= file.read_at(&mut text, 0).is_ok_and(|count| {
                now.extend_from_slice(text.get(..count).unwrap_or_default());
                count > 0
            });
        }
        if !known || now != self.still.0 {
            self.still = (now, Instant::now());
        }
        self.still.1
    }

    /// Takes what is on standard error and keeps the end of it.
    fn drain(&mut self) {
        let Some(stderr) = &self.stderr else { return };
        let mut piece = [0; 4096];
        // Bounded, so that a process that never stops talking is still looked after.
        for _ in 0..16 {
            match rustix::io::read(stderr, &mut piece) {
                Ok(0) => {
                    self.stderr = None;
                    return;
                }
                Ok(count) => {
                    self.tail.extend(piece.iter().take(count));
                    let excess = self.tail.len().saturating_sub(STDERR_TAIL);
                    self.tail.drain(..excess);
                }
                Err(_) => return,
            }
        }
    }

    /// The end of its standard error as one line.
    fn words(&self) -> String {
        let bytes: Vec<u8> = self.tail.iter().copied().collect();
        String::from_utf8_lossy(&bytes)
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect::<Vec<_>>()
            .join(" | ")
    }

    /// Resident bytes; 0 when the system does not tell.
    fn resident(&self) -> u64 {
        let mut text = [0; 128];
        let count = self.statm.as_ref().and_then(|statm| statm.read_at(&mut text, 0).ok()).unwrap_or(0);
        let pages = text
            .get(..count)
            .and_then(|text| std::str::from_utf8(text).ok())
            .and_then(|text| text.split_ascii_whitespace().nth(1)?.parse::<u64>().ok());
        pages.unwrap_or(0).saturating_mul(self.page)
    }

    fn growth(&self) -> u64 {
        self.resident().saturating_sub(self.at_start)
    }
}
