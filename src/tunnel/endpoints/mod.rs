//! Where the peers' endpoints are: addresses as the mesh file has them, DNS names as they resolve now.
//!
//! [`lookup`] decides when to ask and which answer to take, [`resolver`] asks.

mod lookup;
mod resolver;

pub use resolver::{Endpoints, Unresolved};
