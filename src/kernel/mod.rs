//! The Linux kernel as weft sees it: netlink and `/proc/sys`. The only module that names rtnetlink and its packets.
//!
//! [`Kernel`] observes and carries out steps, [`Watch`] says when somebody else has changed something. What to do is
//! decided in [`crate::reconcile`], never here. Sockets belong to the network namespace of the thread that opens them.

mod addresses;
mod execute;
mod links;
mod netlink;
mod observe;
mod routes;
mod rules;
mod settings;
mod watch;

pub use execute::Failure;
pub use observe::{Kernel, OthersRoutes};
pub use watch::{Change, Watch};
