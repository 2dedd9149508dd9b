//! The allocator of the programs, and how soon it gives memory back.

use mimalloc::MiMalloc;

/// Spans are decoded on one thread and dropped on another, which mimalloc is good at. Libraries in C have it too, under the name of
/// `malloc`.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// `mi_option_purge_delay` of version 3, which the crate has no name for.
const PURGE_DELAY: i32 = 15;
/// Milliseconds until unused memory goes back to the system; by default it is a second, in which an export decodes hundreds of
/// megabytes. Whoever writes batches of spans needs it again for the next one, and would pay a tenth of its time for getting it.
const SOON: i64 = 10;

/// For programs that answer questions. Call it before the first other thread starts.
pub fn give_back_soon() {
    #[expect(
        unsafe_code,
        reason = "a foreign function that sets a number; nobody else reads or sets options"
    )]
    unsafe {
        libmimalloc_sys::mi_option_set(PURGE_DELAY, SOON);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(unsafe_code, reason = "reads a number")]
    fn the_option_is_the_delay() {
        let delay = || unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) };
        assert_eq!(delay(), 1_000, "what version 3 begins with");
        give_back_soon();
        assert_eq!(delay(), SOON);
    }

    #[test]
    #[expect(unsafe_code, reason = "frees what it was given, once")]
    fn libraries_in_c_have_the_same_allocator() {
        unsafe {
            let memory = libc::malloc(100);
            assert!(libmimalloc_sys::mi_is_in_heap_region(memory));
            libc::free(memory);
        }
    }
}
