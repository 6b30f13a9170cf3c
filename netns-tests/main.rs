//! Tests with real kernels, real packets and real peers: network namespaces, FRR, BIRD, tshark, a virtual machine.
//!
//! They need root and the packages that `./test` installs; without them they fail and say what is missing. Each uses a
//! mesh name of its own, so that one test's leftovers are never another's. None is the beginning of another's with a hyphen
//! after it: tests that run side by side would take each other's namespaces for leftovers.

mod addresses;
mod bfd;
mod capture;
mod carriers;
mod change;
mod crossing;
mod down;
mod existing_bridge;
mod firewall;
mod forgery;
mod frr;
mod harness;
mod heal;
mod interop;
mod join;
mod lan;
mod links;
mod office_cloud;
mod redistribute;
mod reroute;
mod restart;
mod segments;
mod sites;
mod status;
mod stub_router;
mod survival;
mod systemd;
mod trace;
mod triangle;
mod ttl_security;
mod unresponsive;
mod upgrade;
mod uplinks;
mod virtual_link;
mod vm;
