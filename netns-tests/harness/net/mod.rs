//! Networks of OSPF routers in namespaces: a plan says what there is, the oracle which routes follow from it, and
//! [`live::Network`] builds it and compares the routers' kernels with the oracle.

pub mod auth;
mod build;
pub mod disturbance;
pub mod kernel;
pub mod live;
mod oracle;
pub mod plan;
pub mod repeater;
