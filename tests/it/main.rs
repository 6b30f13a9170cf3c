//! The program as its users run it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod change;
mod commands;
mod documents;
mod faults;
mod licences;
mod router;
mod secrets;
mod service_manager;
mod status;
mod structure;
mod tunnel;
