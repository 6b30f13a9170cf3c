//! A model checker: two or three real engines joined by a wire that loses, duplicates and reorders packets, restarts of engines and changes
//! of what they originate, at every step and in every order, up to stated bounds.
//!
//! From each state that is reached the network must recover once nothing disturbs it any more: every adjacency reaches Full, all databases
//! are equal, and it stays so. A state is known again by a hash of all that decides what follows (`Engine::hash_state`), with
//! instants relative to the present.

mod bounds;
mod command;
mod describe;
mod flaw;
mod hostile;
mod layout;
mod print;
mod recovery;
mod search;
mod step;
mod visited;
mod world;

pub use bounds::{Beginning, Bounds, Disturbances, Medium};
pub use command::ModelCommand;
pub use flaw::{Flaw, FlawKind};
pub(crate) use hostile::HostileRun;
pub use search::{Outcome, search};
