//! The lab: runs an unchanged mesh file as network namespaces on one machine.
//!
//! [`layout`] computes what is needed without touching the kernel; [`build`] creates it; the other modules run, cut, watch and report.
//! Everything is done through netlink and /proc: no `ip`, no `nft`, no `ping`.

pub mod address;
mod announce;
pub mod build;
pub mod cable;
pub mod console;
pub mod cut;
pub mod demo;
pub mod health;
pub mod here;
pub mod interrupt;
pub mod layout;
pub mod nat;
pub mod netlink;
pub mod netns;
pub mod ping;
pub mod preflight;
pub mod process;
mod reach;
mod secrets;
mod segment_link;
pub mod state;
pub mod up;
pub mod wait;
