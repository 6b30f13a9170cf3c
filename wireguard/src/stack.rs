//! Wipes copies of keys from the stack: libraries copy keys into stack frames and do not zero them.

use std::hint::black_box;

/// How much of the stack is overwritten, in bytes: more than the calls that handle keys use.
const DEPTH: usize = 64 << 10;

/// Overwrites what functions that have returned left on this thread's stack, below the caller's own frame. Must be called after a private
/// key has been parsed, copied or computed with.
#[inline(never)]
pub fn wipe() {
    let mut frames = [0_u64; DEPTH / size_of::<u64>()];
    // The compiler must assume that the zeros are read.
    black_box(&mut frames);
}
