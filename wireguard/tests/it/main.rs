//! Real engines in real network namespaces: needs root, iproute2, util-linux, iputils-ping, wireguard-tools, wireguard-go.

mod control;
mod interface;
mod site;
