//! The text protocol of `/run/wireguard/IFACE.sock`, as `wg` uses it
//! (<https://www.wireguard.com/xplatform/#configuration-protocol>).
//!
//! [`request`] parses requests, [`response`] writes answers, and [`server`] serves a client; none of them knows the crate that moves
//! packets.

mod request;
mod response;
mod server;

pub(crate) use server::serve;
