//! Endpoints of the peers: addresses from the mesh file, and the present addresses of DNS names.
//!
//! [`lookup`] decides when to ask and which answer to use; [`resolver`] asks.

mod lookup;
mod resolver;

pub use resolver::{Endpoints, Unresolved};
