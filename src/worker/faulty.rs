//! A decoder that misbehaves on command, so that isolation can be tested: a file that begins with
//! `PHOTOFSCK-FAULTY:` and a command. Only in builds for tests.
#![allow(unsafe_code, reason = "a real segmentation fault cannot be had otherwise")]

use std::fs::File;
use std::io::Write;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::net::{SendFlags, send};

use super::protocol::{MediaReport, Reply};
use super::wire;
use crate::media::{Examined, Format, FormatSpec, Source, Target, Wanted};
use crate::model::{DecodeError, DecoderId, MediaFormat, PixelSize};

const MAGIC: &[u8] = b"PHOTOFSCK-FAULTY:";
static FAULTY: Faulty = Faulty;
/// Whether this process has not yet been asked for `once`.
static FIRST: AtomicBool = AtomicBool::new(true);

struct Faulty;

/// The faulty decoder, if the file asks for it.
pub fn recognise(source: &Source<'_>) -> Option<(&'static dyn Format, MediaFormat)> {
    command(source).map(|_| (&FAULTY as &dyn Format, MediaFormat::Bmp))
}

/// Command and number of `PHOTOFSCK-FAULTY:command number`.
fn command(source: &Source<'_>) -> Option<(String, u64)> {
    let mut head = [0; 128];
    let count = source.read_at(0, &mut head).ok()?;
    let text = std::str::from_utf8(head.get(..count)?.strip_prefix(MAGIC)?).ok()?;
    let mut words = text.split_whitespace();
    let command = words.next()?.to_owned();
    Some((command, words.next().and_then(|number| number.parse().ok()).unwrap_or(0)))
}

impl Format for Faulty {
    fn specs(&self) -> &'static [FormatSpec] {
        &[]
    }

    fn decoder(&self) -> DecoderId {
        DecoderId { name: "faulty".into(), version: "1".into() }
    }

    fn recognise(&self, _head: &[u8], source: &Source<'_>) -> Option<MediaFormat> {
        recognise(source).map(|(_, format)| format)
    }

    fn estimate(&self, _format: MediaFormat, source: &Source<'_>, _target: Target) -> u64 {
        match command(source) {
            Some((name, mebibytes)) if name == "honest" => mebibytes << 20,
            _ => 0,
        }
    }

    fn examine(&self, _format: MediaFormat, source: &Source<'_>, _wanted: Wanted<'_>) -> Examined {
        let mut examined = Examined::by(self.decoder());
        let (name, number) = command(source).unwrap_or_default();
        match name.as_str() {
            "panic" => trouble(),
            "abort" => std::process::abort(),
            "segv" => touch_nothing(),
            "throw" => throw(),
            "double-free" => free_twice(),
            "overflow" => overflow_stack(number),
            "exit" => std::process::exit(i32::try_from(number).unwrap_or(1)),
            "hang" => spin(),
            "slow" => std::thread::sleep(Duration::from_millis(number)),
            "allocate" => grow(u64::MAX),
            "honest" => grow(number << 20),
            "giant" => examined.size = Some(PixelSize::new(u32::MAX, u32::MAX)),
            "garbage" => shout(&[8, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4]),
            "oversized" => shout(&u32::MAX.to_le_bytes()),
            "other-job" => answer(MediaReport::new(u64::MAX)),
            "greedy" => ask(u64::MAX),
            "flood" => flood(number),
            "once" if FIRST.swap(false, Ordering::Relaxed) => {
                examined.problem = Some(DecodeError::malformed("wrong the first time", 22));
            }
            "escape" => examined.problem = Some(DecodeError::unsupported(escape())),
            "thread" => examined.problem = thread().err().map(|error| DecodeError::io(&error, None)),
            _ => {}
        }
        examined
    }
}

#[allow(clippy::panic, reason = "that is its task")]
fn trouble() {
    panic!("the faulty decoder panics");
}

fn touch_nothing() {
    let nowhere = std::hint::black_box(8) as *const u8;
    // SAFETY: there is none, and that is the point: the first page is never mapped, the process dies here.
    std::hint::black_box(unsafe { nowhere.read_volatile() });
}

/// What a C++ library does that gets no memory.
fn throw() {
    let _ = std::io::stderr().write_all(
        b"terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n",
    );
    std::process::abort();
}

fn free_twice() {
    // SAFETY: there is none: the C library notices that its heap is broken and ends the process.
    unsafe {
        let block = std::hint::black_box(libc::malloc(40));
        libc::free(block);
        libc::free(std::hint::black_box(block));
    }
    // Where it does not notice.
    std::process::abort();
}

/// `number` keeps the compiler from seeing the end.
#[allow(unconditional_recursion, reason = "that is its task")]
fn overflow_stack(number: u64) {
    let frame = std::hint::black_box([number; 512]);
    overflow_stack(frame.iter().fold(1, |sum: u64, n| sum.wrapping_add(*n)));
    std::hint::black_box(frame);
}

fn spin() {
    loop {
        std::hint::spin_loop();
    }
}

/// Allocates and touches so many bytes, in pieces, and holds them all.
fn grow(bytes: u64) {
    const PIECE: usize = 1 << 20;
    let mut held = Vec::new();
    while (held.len() as u64) < bytes.div_ceil(PIECE as u64) {
        held.push(std::hint::black_box(vec![1u8; PIECE]));
    }
}

fn shout(bytes: &[u8]) {
    let _ = send(std::io::stdin().as_fd(), bytes, SendFlags::NOSIGNAL);
}

fn answer(report: MediaReport) {
    if let Ok(frame) = wire::encode(&Reply::Done(Box::new(report))) {
        shout(&frame);
    }
}

fn ask(bytes: u64) {
    if let Ok(frame) = wire::encode(&Reply::Need { bytes }) {
        for _ in 0..100 {
            shout(&frame);
        }
    }
}

fn flood(mebibytes: u64) {
    let line = vec![b'x'; 1 << 20];
    for _ in 0..mebibytes {
        let _ = std::io::stderr().write_all(&line);
    }
    let _ = std::io::stderr().write_all(b"\nlast words\n");
    std::process::abort();
}

/// Tries every way out; says for each whether it was barred.
fn escape() -> String {
    let temporary = std::env::temp_dir().join("photofsck-escaped");
    let tries = [
        ("open", File::open("/etc/passwd").err()),
        ("create", File::create(temporary).err()),
        ("list", std::fs::read_dir("/").err()),
        ("connect", TcpStream::connect("127.0.0.1:9").err()),
        ("unix", std::os::unix::net::UnixStream::connect("/run/nothing").err()),
        ("spawn", Command::new("/bin/true").spawn().err()),
        (
            "kill",
            rustix::process::getppid()
                .and_then(|id| rustix::process::test_kill_process(id).err().map(Into::into)),
        ),
        ("unlink", std::fs::remove_file("/nowhere/nothing").err()),
        ("memory-file", rustix::fs::memfd_create("x", rustix::fs::MemfdFlags::CLOEXEC).err().map(Into::into)),
    ];
    let words = tries.map(|(name, error)| match error.as_ref().map(std::io::Error::kind) {
        Some(std::io::ErrorKind::PermissionDenied) => format!("{name}: barred"),
        other => format!("{name}: {other:?}"),
    });
    words.join(", ")
}

/// Decoders may use threads.
fn thread() -> std::io::Result<()> {
    let threads: Vec<_> = (0..3)
        .map(|number| std::thread::Builder::new().name(format!("decoder {number}")).spawn(move || number))
        .collect::<Result<_, _>>()?;
    for thread in threads {
        thread.join().map_err(|_| std::io::Error::other("a thread failed"))?;
    }
    Ok(())
}
