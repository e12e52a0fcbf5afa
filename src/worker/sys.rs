//! The two system calls that have no safe binding.
#![allow(unsafe_code, reason = "foreign functions")]

/// Closes every descriptor from `first` on; those that a careless parent left open would reach into the sandbox.
/// Only for a process that has just started: nothing in it may own such a descriptor yet.
pub fn close_from(first: u32) {
    // SAFETY: takes three integers and touches no memory. A descriptor that some object owned would be
    // closed under it: the caller promises that there is none.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
    if result != 0 {
        // Kernels before 5.9.
        for descriptor in i32::try_from(first).unwrap_or(3)..1024 {
            // SAFETY: as above; closing what is not open is an error without effect.
            unsafe { libc::close(descriptor) };
        }
    }
}

/// Gives memory that was freed back to the system, so that an idle worker is small.
pub fn give_back_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes an integer; the allocator locks itself.
    unsafe {
        libc::malloc_trim(0);
    }
}
