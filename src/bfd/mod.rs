//! `weft bfd`: BFD in a process of its own, and the daemon's connection to it.
//!
//! The process has one thread, which asks for a real-time priority, and outlives the daemon: a restart of the daemon takes no session down.
//! [`process`] is its loop around [`bfd::Engine`], `sockets` the UDP sockets of sessions, `links` its view of interfaces, `clients` the
//! control socket, `pace` how fast sessions may be when the processor is busy; [`protocol`] is what passes over that, and [`client`] is the daemon's end of it.

pub mod client;
mod clients;
mod links;
mod pace;
pub mod process;
pub mod protocol;
mod sockets;
