//! What the daemon's loop is doing at the moment, for clients that wait for an answer.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// What the loop is doing. The loop sets it; the server reads it, and answers in place of a loop that takes too long.
#[derive(Debug)]
pub struct Activity(Mutex<(&'static str, Instant)>);

impl Default for Activity {
    fn default() -> Self {
        Self(Mutex::new(("starting", Instant::now())))
    }
}

impl Activity {
    /// Notes what the loop does from now on, in a word or two such as `looking at the kernel`.
    pub fn begin(&self, what: &'static str) {
        // A thread that panicked while it held the lock has left a complete value.
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (what, Instant::now());
    }

    /// Describes in words what the loop is doing, and for how long it has done so.
    pub fn words(&self) -> String {
        let (what, since) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        format!("it has been {what} for {:.1} s", since.elapsed().as_secs_f64())
    }
}
