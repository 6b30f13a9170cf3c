//! The rules for packets that leave the mesh: they arrive by a tunnel, and are forwarded to another interface or delivered to this router.
//! Packets that are forwarded to another tunnel may have the source of any site.

use super::drops::Reason;
use super::entry::{Chain, ICMP_ERROR_TYPES, ICMP_ERRORS};
use super::ranges::Ranges;
use super::ruleset::map;
use super::sources::Sources;

/// Returns the chain that checks sources, and what it refers to. The three sets of sources are disjoint: one search finds the set.
pub(super) fn source_chain(sources: &Sources) -> String {
    let mut unlisted = Chain::new("unlisted-from-tunnel");
    unlisted.rule(format!("{ICMP_ERROR_TYPES} limit rate {ICMP_ERRORS}/second burst {ICMP_ERRORS} packets return"));
    unlisted.rule(Reason::Source.verdict());
    let verdicts = |ranges: &Ranges, verdict: String| -> Vec<String> {
        ranges.iter().map(|range| format!("{range} : {verdict}")).collect()
    };
    let refused = [
        verdicts(&sources.martian, Reason::Martian.verdict()),
        verdicts(&sources.own, Reason::Source.verdict()),
        verdicts(&sources.unlisted, "goto unlisted-from-tunnel".to_owned()),
    ];
    let mut leaving = Chain::new("leaving");
    leaving.rule("ip saddr vmap @not-from-tunnels".to_owned());
    let chains = if sources.unlisted.is_empty() { String::new() } else { unlisted.text() };
    chains + &map("not-from-tunnels", "ipv4_addr : verdict", refused.concat()) + &leaving.text()
}
