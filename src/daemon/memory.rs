//! Returns free memory to the kernel at intervals.
//!
//! The allocator returns only the free memory at the end of its heap. Memory before the last block in use stays with the process, even if
//! most of it is free: after a burst of work (a dump of all routes, answers to many clients) the daemon would keep for good what it needed
//! only once.

use std::fs;
use std::io;
use std::thread;
use std::time::Duration;

use crate::sys;

/// How often the resident memory is checked.
const INTERVAL: Duration = Duration::from_secs(30);

/// Memory is returned only if the process has grown by one part in this many since the last time: the allocator is blocked while it looks
/// for free pages, for up to 50 ms with a million blocks.
const GROWTH: u64 = 16;

/// Starts a thread that returns free memory for as long as the process runs.
///
/// # Errors
/// If the thread cannot be started.
pub(super) fn give_back_at_intervals() -> io::Result<()> {
    thread::Builder::new().name("memory".to_owned()).spawn(|| {
        let mut left = 0;
        loop {
            thread::sleep(INTERVAL);
            left = give_back(left);
        }
    })?;
    Ok(())
}

/// Returns free memory if the process has more resident pages than `left`, the number after the last time; returns the new number.
fn give_back(left: u64) -> u64 {
    match resident() {
        Some(now) if has_grown(left, now) => {
            sys::give_back_free_memory();
            resident().unwrap_or(now)
        }
        // If the process has shrunk, growth is measured from the smaller size.
        Some(now) => left.min(now),
        None => left,
    }
}

const fn has_grown(left: u64, now: u64) -> bool {
    now > left.saturating_add(left / GROWTH)
}

/// Returns the resident memory of this process, in pages.
fn resident() -> Option<u64> {
    fs::read_to_string("/proc/self/statm").ok()?.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_growth_is_a_reason() {
        assert!(has_grown(0, 1), "the first time");
        assert!(!has_grown(1600, 1600) && !has_grown(1600, 1700) && has_grown(1600, 1701));
        assert!(!has_grown(u64::MAX, u64::MAX));
    }

    #[test]
    fn what_lies_free_between_blocks_in_use_is_given_back() {
        // Blocks below the size that is mapped by itself, of which every hundredth is kept: the heap's end is in use.
        let mut blocks: Vec<Option<Vec<u8>>> = (0..4000).map(|_| Some(vec![1; 32 << 10])).collect();
        let full = resident().unwrap();
        for (number, block) in blocks.iter_mut().enumerate() {
            if number % 100 != 99 {
                *block = None;
            }
        }
        let left = give_back(0);
        assert_eq!(blocks.iter().flatten().count(), 40);
        // 128 MiB were in use. Other tests run beside this one.
        assert!(left < full - full / 4, "{full} pages, of which {left} are left");
    }
}
