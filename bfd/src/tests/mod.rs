//! Two ends, one virtual clock, and a wire that the tests cut.

mod corner_cases;
mod hostile;
mod sessions;
mod world;
