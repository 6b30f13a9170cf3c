//! What a router knows: the fields of the engine and their types. It decides nothing of the protocol, and names no chapter.

pub(crate) mod counters;
pub(crate) mod databases;
pub(crate) mod lsdb;
pub(crate) mod neighbor;
pub(crate) mod timers;
