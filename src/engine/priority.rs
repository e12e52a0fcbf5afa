//! Steps back behind everything else on the machine: the lowest processor priority, and reads only while the disk is idle.
#![allow(unsafe_code, reason = "ioprio_set has no wrapper in the C library or in rustix")]

use rustix::process::{getpriority_process, setpriority_process};

/// `IOPRIO_WHO_PROCESS`, and the idle class of `ioprio_set(2)`.
const WHO_PROCESS: libc::c_int = 1;
const CLASS_IDLE: libc::c_int = 3 << 13;
/// The lowest priority.
const NICEST: i32 = 19;

/// Lowers the calling thread and what it starts from now on: to be called before any other thread is there.
/// Gives what the system refused.
///
/// The idle class works with I/O schedulers that know it (BFQ); others ignore it.
pub fn step_back() -> Vec<String> {
    let mut refused = Vec::new();
    let now = getpriority_process(None).unwrap_or(0);
    if now < NICEST
        && let Err(errno) = setpriority_process(None, NICEST)
    {
        refused.push(format!("the lowest processor priority: {errno}"));
    }
    // SAFETY: three integers go in, an integer comes out; 0 stands for the calling thread.
    let status = unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, CLASS_IDLE) };
    if status != 0 {
        refused.push(format!("idle reading: {}", std::io::Error::last_os_error()));
    }
    refused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_started_later_are_behind_too() {
        let after = std::thread::spawn(|| {
            let refused = step_back();
            let child = std::thread::spawn(|| getpriority_process(None)).join();
            (refused, child)
        });
        let Ok((refused, Ok(Ok(priority)))) = after.join() else { panic!("a thread was lost") };
        assert!(refused.is_empty(), "{refused:?}");
        assert_eq!(priority, NICEST);
    }
}
