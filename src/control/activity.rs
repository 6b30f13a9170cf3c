//! What the daemon's loop is busy with, for those who wait for it.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// What the loop does. Shared between the loop, which says so, and the server, which answers in its place when it takes long.
#[derive(Debug)]
pub struct Activity(Mutex<(&'static str, Instant)>);

impl Default for Activity {
    fn default() -> Self {
        Self(Mutex::new(("starting", Instant::now())))
    }
}

impl Activity {
    /// From now on the loop does this; in a word or two, such as `looking at the kernel`.
    pub fn begin(&self, what: &'static str) {
        // Whoever panicked meanwhile has left a whole value behind.
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (what, Instant::now());
    }

    /// In words, with the time that it has taken so far.
    pub fn words(&self) -> String {
        let (what, since) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        format!("it has been {what} for {:.1} s", since.elapsed().as_secs_f64())
    }
}
