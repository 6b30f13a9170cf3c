//! Traces: all inputs and outputs of the OSPF engine as lines of JSON, and their replay.
//!
//! The engine's outputs depend only on its inputs, so a trace of a router in the field can be examined anywhere. [`Recorder`] writes a
//! trace, [`replay()`] feeds it to a new engine and compares the outputs, and [`story`] describes it in words. A trace contains packets,
//! addresses and routes, but no secrets: keys are replaced, and packets signed again, before anything is written.

mod line;
mod recorder;
mod replay;
pub mod story;

pub use line::{End, Line, Outcome, Start};
pub use recorder::{DEFAULT_LIMIT, Recorder};
pub use replay::{Difference, Ending, ReplayError, Replayed, Verdict, replay};

#[cfg(test)]
mod tests;
