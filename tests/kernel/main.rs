//! Observing, planning and carrying out against a real kernel, in network namespaces of their own.
//!
//! These tests need root, TUN devices and the `ip` program; without them they fail. WireGuard is stood in for by bare TUN
//! devices: what the kernel does with links, addresses, routes, rules and settings is the same.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod capture;
mod fib;
mod filter;
#[path = "../../netns-tests/harness/forge.rs"]
#[allow(dead_code, reason = "shared with tests of whole meshes, which use other parts")]
mod forge;
mod healing;
mod ospf_socket;
mod scale;
mod segments;
mod uplinks;
mod watch;
mod world;
