//! Real engines in real network namespaces: needs root, iproute2, util-linux, iputils-ping, wireguard-tools, wireguard-go.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod control;
mod interface;
mod site;
mod source;
