//! weft: joins sites into one network. The daemon and its command line; `src/main.rs` is the program.

pub mod bfd;
pub mod cli;
pub mod control;
pub mod daemon;
pub mod input_file;
pub mod kernel;
pub mod keys;
pub mod lab;
pub mod log;
pub mod mesh;
pub mod net;
mod proc_stat;
pub mod process;
pub mod reconcile;
pub mod rib;
pub mod routing;
mod service;
pub mod show;
mod starts;
pub mod state_file;
mod sys;
pub mod trace;
pub mod tunnel;
