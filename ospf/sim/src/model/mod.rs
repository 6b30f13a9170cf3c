//! A model checker: two or three real engines, whose packets are lost, duplicated and reordered, which restart and change what they
//! originate. It explores these events at every step and in every order, up to given bounds.
//!
//! The network must recover from each reached state when there are no more disturbances: every adjacency reaches Full, all databases are
//! equal, and it stays so. A state is recognized by a hash of all that determines the future (`Engine::hash_state`), with instants relative
//! to the present.

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
