//! Traces: everything that went into the OSPF engine and came out of it, as lines of JSON, and their replay.
//!
//! The engine's outputs follow from its inputs, so a trace of a router in the field is a test on a desk. [`Recorder`] writes
//! one, [`replay()`] gives it to a fresh engine and compares, [`story`] tells it to people. A trace holds packets, addresses
//! and routes, but no secret: keys are replaced, and packets signed anew, before anything is written.

mod line;
mod recorder;
mod replay;
pub mod story;

pub use line::{End, Happening, Line, Outcome, Start};
pub use recorder::{DEFAULT_LIMIT, Recorder};
pub use replay::{Difference, Ending, ReplayError, Replayed, Verdict, replay};

#[cfg(test)]
mod tests;
