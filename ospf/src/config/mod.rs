//! The engine's configuration. All of it may change at run time: see [`crate::Input::Configure`].

mod area;
mod authentication;
mod conduct;
mod external;
mod graceful_restart;
mod interface;
mod limits;
mod policy;
mod router;
mod spf_delay;
mod stub_router;

pub use area::*;
pub use authentication::*;
#[doc(hidden)]
pub use conduct::*;
pub use external::*;
pub use graceful_restart::*;
pub use interface::*;
pub use limits::*;
pub use policy::*;
pub use router::*;
pub use spf_delay::*;
pub use stub_router::*;
