//! Plain OSPF between weft, FRR and BIRD: the same kinds of network with each of the three in each place. What is in the
//! kernels is compared with the harness's own calculation, and tshark judges every packet.

mod areas;
mod auth;
mod bad_wire;
mod externals;
mod flap;
mod graceful;
mod lan;
mod links;
mod mtu;
mod survival;
