//! What the tests stand on: programs, namespaces, waiting, the virtual machine. Everything made here is gone when it is
//! dropped, also when a test panics; what a killed test left behind is swept by the next one of that name.

#![allow(dead_code, reason = "shared by the tests and the benchmarks, each of which uses its part")]

pub mod capture;
pub mod forge;
pub mod frr;
pub mod lab;
pub mod mesh;
pub mod net;
pub mod netns;
pub mod ping;
pub mod previous;
pub mod process;
pub mod sniff;
pub mod speaker;
pub mod streams;
pub mod vm;
pub mod wait;
