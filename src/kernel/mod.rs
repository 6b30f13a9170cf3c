//! The interface to the Linux kernel: netlink, `/proc/sys` and nftables. The only module that uses rtnetlink and its packets.
//!
//! [`Kernel`] reads the kernel's state and carries out steps. [`Watch`] reports what others have changed. What has to be done is decided
//! in [`crate::reconcile`], never here. A socket belongs to the network namespace of the thread that opens it.

mod addresses;
mod announcements;
mod attention;
mod execute;
mod fib;
mod filter;
mod filter_watch;
mod forward_chains;
mod forward_packet;
pub mod gratuitous;
mod iptables;
mod learned;
mod links;
mod neighbors;
mod netlink;
mod nft;
mod nft_counters;
mod observe;
mod overlay;
mod overlay_links;
mod release;
mod renaming;
mod routes;
mod rules;
mod settings;
mod uplinks;
mod vlans;
mod watch;

pub use announcements::AnnouncementListener;
pub use execute::Executed;
pub use fib::Fib;
pub use filter::RuleListing;
pub use forward_chains::{DroppingChain, Effect, Firewall, ForwardChains, ForwardFindings, Forwarded};
pub use learned::Learned;
pub use nft::load_rules;
pub use nft_counters::{Dropped, Limited, Refused};
pub use observe::{Kernel, OthersRoutes, meshes_by_links};
pub use overlay::Segments;
pub use overlay_links::MAX_LEARNED;
pub use release::unchecked_sources;
pub use watch::{Attended, Change, Changes, LinkEvent, LinkFlags, Watch};
