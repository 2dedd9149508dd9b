//! Threads that yield to all others of the machine: nobody waits for what they do, or only those who send much.

/// Against a thread that is never at rest one that is so much nicer gets a tenth of a processor, and all that others leave. Much
/// nicer ones would be starved by other programs of the machine, less nice ones run while the thread waits on which spans are written.
#[cfg(target_os = "linux")]
pub const NICENESS: i32 = 10;

/// The turn on a processor that threads which yield ask for, in nanoseconds. Linux (6.12 and later, see `sched_setattr(2)`) lets those
/// with shorter ones, which all others have, interrupt them as soon as they wake up, and not at the end of a turn of theirs.
#[cfg(target_os = "linux")]
const TURN: u64 = 20_000_000;

/// On Linux priorities are of threads; elsewhere of processes, which have to be left alone.
#[cfg(not(target_os = "linux"))]
pub fn yield_to_others() {}

/// This thread, and those that it starts.
#[cfg(target_os = "linux")]
pub fn yield_to_others() {
    let yielding = rustix::process::nice(NICENESS).map_err(std::io::Error::from).and_then(take_long_turns);
    if let Err(error) = yielding {
        tracing::warn!(%error, "a thread does not yield to all others");
    }
}

/// Before version 6.12 Linux does not heed it.
#[cfg(target_os = "linux")]
fn take_long_turns(niceness: i32) -> std::io::Result<()> {
    let attributes = libc::sched_attr {
        size: 48, // that of its first version, `SCHED_ATTR_SIZE_VER0`
        sched_policy: libc::SCHED_OTHER as u32,
        sched_flags: 0,
        sched_nice: niceness,
        sched_priority: 0,
        sched_runtime: TURN,
        sched_deadline: 0,
        sched_period: 0,
    };
    let this_thread = 0;
    #[expect(
        unsafe_code,
        reason = "a system call without a wrapper; it reads a structure that says how long it is"
    )]
    let done = unsafe { libc::syscall(libc::SYS_sched_setattr, this_thread, &raw const attributes, 0) };
    if done == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_yields_asks_for_long_turns() {
        let turn = || {
            let mut attributes = [0_u64; 6]; // as long as the structure; the fourth is the turn
            let (this_thread, bytes) = (0, size_of_val(&attributes));
            #[expect(
                unsafe_code,
                reason = "a system call without a wrapper; it writes no more bytes than it is told"
            )]
            let read = unsafe {
                libc::syscall(libc::SYS_sched_getattr, this_thread, attributes.as_mut_ptr(), bytes, 0)
            };
            assert_eq!(read, 0);
            attributes[3]
        };
        let yielding = std::thread::spawn(move || {
            yield_to_others();
            turn()
        });
        let heeded = yielding.join().unwrap();
        assert!(heeded == TURN || heeded == 0, "{heeded}"); // 0 where Linux does not heed it
    }
}
