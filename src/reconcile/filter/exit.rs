//! Where packets leave the mesh: in by a tunnel, and out by none or for this router itself. What goes on through another tunnel has any
//! site's source.

use super::drops::Reason;
use super::entry::{Chain, ICMP_ERROR_TYPES, ICMP_ERRORS};
use super::sources::Sources;

/// The chain that checks sources.
pub(super) fn source_chain(sources: &Sources) -> String {
    let mut leaving = Chain::new("leaving");
    leaving.rule(format!("meta nfproto ipv6 {}", Reason::Ipv6.verdict()));
    leaving.rule(format!("ip saddr @martian {}", Reason::Martian.verdict()));
    if !sources.own.is_empty() {
        leaving.rule(format!("ip saddr @own {}", Reason::Source.verdict()));
    }
    if !sources.unlisted.is_empty() {
        let few = format!("limit rate {ICMP_ERRORS}/second burst {ICMP_ERRORS} packets");
        leaving.rule(format!("ip saddr @unlisted {ICMP_ERROR_TYPES} {few} return"));
        leaving.rule(format!("ip saddr @unlisted {}", Reason::Source.verdict()));
    }
    leaving.text()
}
