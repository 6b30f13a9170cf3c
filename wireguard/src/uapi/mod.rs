//! The text protocol of `/run/wireguard/IFACE.sock`, as `wg` speaks it
//! (<https://www.wireguard.com/xplatform/#configuration-protocol>).
//!
//! [`request`] reads what a client says, [`response`] writes what it hears, [`server`] talks to it; none of them knows
//! what moves packets.

mod request;
mod response;
mod server;

pub(crate) use server::serve;
