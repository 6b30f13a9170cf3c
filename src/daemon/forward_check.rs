//! Checks whether a firewall of this machine drops packets that the mesh forwards. The rules of nftables and iptables are listed at
//! intervals, in a background task.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tracing::warn;

use super::beside::Beside;
use super::local::{LOOPBACK_INTERFACE, Local};
use crate::kernel::{DroppingChain, Effect, Firewall, ForwardChains, ForwardFindings, Forwarded};
use crate::mesh::Site;
use crate::net::{IfName, Prefix};
use crate::reconcile::state::Observed;

/// Interval of the checks when nobody asks: a check starts one process, and another one for each foreign table.
const INTERVAL: Duration = Duration::from_secs(30);
/// Shortest interval between two checks, even if somebody asks more often.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(5);
/// Time limit of one check.
const LIMIT: Duration = Duration::from_secs(5);
/// Maximum numbers of interfaces for which packets are checked.
const MAX_LANS: usize = 8;
const MAX_TUNNELS: usize = 32;
/// Maximum number of networks on either side that are considered; if there are more, none is.
const MAX_NETWORKS: usize = 64;

/// The check at intervals, and its last result.
#[derive(Debug)]
pub(super) struct ForwardCheck {
    found: ForwardFindings,
    /// The interfaces and networks for which `found` was found.
    forwarded: Forwarded,
    look: Beside<(Forwarded, ForwardFindings)>,
}

impl ForwardCheck {
    pub fn new() -> Self {
        Self { found: ForwardFindings::default(), forwarded: Forwarded::default(), look: Beside::new() }
    }

    /// Takes the result of the last check, and starts another one if it is due. Does not wait.
    pub async fn turn(&mut self, chains: ForwardChains, forwarded: impl FnOnce() -> Forwarded, now: Instant) {
        self.take().await;
        if self.look.is_due(INTERVAL, now) {
            self.begin(chains, forwarded(), now);
        }
    }

    /// Starts a check because somebody asks, unless the last one is recent. Does not wait; what is returned completes when there is a result.
    pub async fn ask(
        &mut self,
        chains: ForwardChains,
        forwarded: Forwarded,
        now: Instant,
    ) -> impl Future<Output = ()> + Send + use<> {
        self.take().await;
        if self.look.is_due(SHORTEST_INTERVAL, now) {
            self.begin(chains, forwarded, now);
        }
        self.look.ended()
    }

    fn begin(&mut self, chains: ForwardChains, forwarded: Forwarded, now: Instant) {
        let work = async move {
            let found = chains.dropping(&forwarded).await;
            (forwarded, found)
        };
        self.look.begin(work, LIMIT, now);
    }

    pub async fn take(&mut self) {
        let Some((forwarded, found)) = self.look.outcome().await else { return };
        let is_new = |chain: &&DroppingChain| chain.effect == Effect::Drops && !self.found.chains.contains(chain);
        for chain in found.chains.iter().filter(is_new) {
            warn!(problem = sentence(chain, &forwarded), "a firewall drops what the mesh forwards");
        }
        (self.forwarded, self.found) = (forwarded, found);
    }

    /// A sentence for each chain that drops packets.
    pub fn problems(&self) -> Vec<String> {
        self.sentences(Effect::Drops).collect()
    }

    /// A sentence for each chain that may drop packets, and one for rules that cannot be read.
    pub fn notes(&self) -> Vec<String> {
        let unread = "iptables-legacy has a table `filter` here, and its rules cannot be read, for the program `iptables-legacy-save` \
                      (package iptables) is missing or fails: it is not known whether they drop what the mesh forwards";
        let unread = self.found.legacy_unread.then(|| unread.to_owned());
        self.sentences(Effect::MayDrop).chain(unread).collect()
    }

    fn sentences(&self, effect: Effect) -> impl Iterator<Item = String> {
        let chains = self.found.chains.iter().filter(move |chain| chain.effect == effect);
        chains.map(|chain| sentence(chain, &self.forwarded))
    }
}

/// Interfaces and networks of the site and of the tunnels between which packets are forwarded.
pub(super) fn forwarded(local: &Local, observed: &Observed) -> Forwarded {
    let of_ospf = |name: &IfName| local.site.interfaces.iter().any(|interface| interface.name == *name);
    let lans = observed.foreign.interfaces.iter().filter(|(name, interface)| {
        let mut addresses = interface.addresses.iter();
        let lives_here =
            addresses.any(|address| local.site.prefixes.iter().any(|listed| listed.contains(address.ip())));
        name.as_str() != LOOPBACK_INTERFACE && interface.running && (lives_here || of_ospf(name))
    });
    let bridges: BTreeSet<String> = match bridged_frames_are_filtered() {
        true => {
            let here = local.mesh.segments.iter().filter_map(|segment| segment.sites.get(&local.site.id));
            here.map(|member| member.bridge.to_string()).take(MAX_LANS).collect()
        }
        false => BTreeSet::new(),
    };
    let (of_site, of_others): (Vec<&Site>, Vec<&Site>) =
        local.mesh.sites.iter().partition(|site| site.id == local.site.id);
    Forwarded {
        lans: lans.map(|(name, _)| name.to_string()).take(MAX_LANS).collect(),
        tunnels: local.tunnels.keys().map(ToString::to_string).take(MAX_TUNNELS).collect(),
        bridges: bridges.into_iter().collect(),
        here: networks(&of_site),
        there: networks(&of_others),
    }
}

/// The prefixes that these sites list; empty if there are too many. Default routes are left out: they would decide no match of a rule.
fn networks(sites: &[&Site]) -> Vec<Prefix> {
    let listed = || sites.iter().flat_map(|site| site.prefixes.iter().copied()).filter(|listed| !listed.is_default());
    if listed().nth(MAX_NETWORKS).is_some() { Vec::new() } else { listed().collect() }
}

/// Whether frames with IPv4 packets that cross a bridge pass the forward chains in this network namespace. Docker and Kubernetes load
/// br_netfilter, and then this is on by default.
fn bridged_frames_are_filtered() -> bool {
    std::fs::read_to_string("/proc/sys/net/bridge/bridge-nf-call-iptables").is_ok_and(|value| value.trim() == "1")
}

fn sentence(found: &DroppingChain, forwarded: &Forwarded) -> String {
    let DroppingChain { firewall, effect, family, table, chain, lan, transit, bridges, .. } = found;
    let mut what = Vec::new();
    if *lan {
        what.push(format!("between {} and the tunnels, in both directions", forwarded.lans.join(", ")));
    }
    if *transit {
        what.push("from one tunnel to another".to_owned());
    }
    if !bridges.is_empty() {
        what.push(format!("of segments, from one port of {} to another (br_netfilter)", bridges.join(", ")));
    }
    let (what, remedies) = (what.join(", and "), remedies(found, &forwarded.tunnels));
    let lets = if remedies.len() == 1 { "lets" } else { "let" };
    let remedies = remedies.join(" and ");
    let (place, list) = match firewall {
        Firewall::Nftables => (
            format!("nftables: chain {chain} of table `{family} {table}`"),
            format!("`nft list chain {family} {table} {chain}`"),
        ),
        Firewall::IptablesLegacy => {
            (format!("iptables-legacy: chain {chain} of table `{table}`"), format!("`iptables-legacy -S {chain}`"))
        }
    };
    match effect {
        Effect::Drops => format!(
            "{place} drops packets {what}: none of its rules accepts them. {remedies} {lets} them pass; have your firewall do so at \
             each start, too"
        ),
        Effect::MayDrop => format!(
            "{place} drops packets {what} unless they meet conditions that weft does not judge: {list} shows which. {remedies} {lets} \
             all of them pass"
        ),
    }
}

/// Commands that let the packets pass.
fn remedies(found: &DroppingChain, tunnels: &[String]) -> Vec<String> {
    let DroppingChain { firewall, family, table, remedy_chain, lan, transit, bridges, .. } = found;
    let all_by_pattern = tunnels.iter().all(|name| name.starts_with("wg-"));
    let (tunnels, inlet, outlet): (Vec<String>, _, _) = match firewall {
        Firewall::Nftables if all_by_pattern => (vec!["\"wg-*\"".to_owned()], "iifname", "oifname"),
        Firewall::Nftables => (vec![format!("{{ {} }}", tunnels.join(", "))], "iifname", "oifname"),
        Firewall::IptablesLegacy if all_by_pattern => (vec!["wg-+".to_owned()], "-i", "-o"),
        Firewall::IptablesLegacy => (tunnels.to_vec(), "-i", "-o"),
    };
    let accept = |of: &str| match firewall {
        Firewall::Nftables => format!("`nft insert rule {family} {table} {remedy_chain} {of} accept`"),
        Firewall::IptablesLegacy => format!("`iptables-legacy -I {remedy_chain} {of} -j ACCEPT`"),
    };
    let mut remedies = Vec::new();
    if *lan || *transit {
        remedies.extend(tunnels.iter().map(|tunnel| accept(&format!("{inlet} {tunnel}"))));
    }
    if *lan {
        remedies.extend(tunnels.iter().map(|tunnel| accept(&format!("{outlet} {tunnel}"))));
    }
    remedies.extend(bridges.iter().map(|bridge| accept(&format!("{inlet} {bridge} {outlet} {bridge}"))));
    remedies
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remedy_names_the_chain_in_which_rules_stay() {
        let found = DroppingChain {
            firewall: Firewall::Nftables,
            effect: Effect::Drops,
            family: "ip".to_owned(),
            table: "filter".to_owned(),
            chain: "FORWARD".to_owned(),
            remedy_chain: "DOCKER-USER".to_owned(),
            lan: true,
            transit: true,
            bridges: Vec::new(),
        };
        let mut forwarded = Forwarded {
            lans: vec!["eth1".to_owned()],
            tunnels: vec!["wg-osaka".to_owned()],
            bridges: vec!["br-vms".to_owned()],
            ..Forwarded::default()
        };
        assert_eq!(
            sentence(&found, &forwarded),
            "nftables: chain FORWARD of table `ip filter` drops packets between eth1 and the tunnels, in both directions, and from \
             one tunnel to another: none of its rules accepts them. `nft insert rule ip filter DOCKER-USER iifname \"wg-*\" accept` \
             and `nft insert rule ip filter DOCKER-USER oifname \"wg-*\" accept` let them pass; have your firewall do so at each \
             start, too"
        );
        let may_drop = DroppingChain { effect: Effect::MayDrop, ..found.clone() };
        assert_eq!(
            sentence(&may_drop, &forwarded),
            "nftables: chain FORWARD of table `ip filter` drops packets between eth1 and the tunnels, in both directions, and from \
             one tunnel to another unless they meet conditions that weft does not judge: `nft list chain ip filter FORWARD` shows \
             which. `nft insert rule ip filter DOCKER-USER iifname \"wg-*\" accept` and `nft insert rule ip filter DOCKER-USER \
             oifname \"wg-*\" accept` let all of them pass"
        );
        let legacy = DroppingChain {
            firewall: Firewall::IptablesLegacy,
            remedy_chain: "FORWARD".to_owned(),
            bridges: vec!["br-vms".to_owned()],
            ..found.clone()
        };
        assert_eq!(
            sentence(&legacy, &forwarded),
            "iptables-legacy: chain FORWARD of table `filter` drops packets between eth1 and the tunnels, in both directions, and from \
             one tunnel to another, and of segments, from one port of br-vms to another (br_netfilter): none of its rules accepts \
             them. `iptables-legacy -I FORWARD -i wg-+ -j ACCEPT` and `iptables-legacy -I FORWARD -o wg-+ -j ACCEPT` and \
             `iptables-legacy -I FORWARD -i br-vms -o br-vms -j ACCEPT` let them pass; have your firewall do so at each start, too"
        );
        forwarded.tunnels = vec!["to-osaka".to_owned(), "to-seoul".to_owned()];
        let of_segment =
            DroppingChain { lan: false, transit: false, bridges: vec!["br-vms".to_owned()], ..found.clone() };
        let about_segment = sentence(&of_segment, &forwarded);
        assert!(
            about_segment.contains("drops packets of segments, from one port of br-vms to another"),
            "{about_segment}"
        );
        assert!(
            about_segment.contains("`nft insert rule ip filter DOCKER-USER iifname br-vms oifname br-vms accept` lets"),
            "{about_segment}"
        );
        let transit = DroppingChain { lan: false, ..found };
        let sentence = sentence(&transit, &forwarded);
        assert!(sentence.contains("drops packets from one tunnel to another: none"), "{sentence}");
        assert!(sentence.contains("DOCKER-USER iifname { to-osaka, to-seoul } accept` lets"), "{sentence}");
    }
}
