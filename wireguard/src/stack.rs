//! Keys on the stack: libraries copy them into frames that nobody zeroes.

use std::hint::black_box;

/// How far down copies are looked for, bytes: deeper than the calls that handle keys go.
const DEPTH: usize = 64 << 10;

/// Overwrites what functions that have returned left on this thread's stack, below the caller's own frame. To be called when a private
/// key has been parsed, copied or computed with.
#[inline(never)]
pub fn wipe() {
    let mut frames = [0_u64; DEPTH / size_of::<u64>()];
    // The compiler has to take it that somebody reads the zeros.
    black_box(&mut frames);
}
