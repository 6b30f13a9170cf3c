//! Where packets enter the mesh: forwarded, in by no tunnel, out by a tunnel.
//!
//! Two hooks look at them. In `forward`, before source NAT: control packets of the mesh never come from a LAN, whatever NAT would make
//! of their source. In `postrouting`, after source NAT: the source is one that may enter here.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ospf::RouterId;
use vxlan::PORT;

use super::drops::Reason;
use super::ruleset::{NO_LINK_LAYER, quoted, set};
use super::sources::Sources;
use crate::mesh::{Mesh, Site, SourceCheck};

/// IP protocol number of OSPF.
pub(super) const OSPF: u8 = 89;

/// UDP ports of BFD: single hop, its echo, and multihop (RFC 5881 §4, RFC 5883 §5).
pub(super) const BFD: [u16; 3] = [3784, 3785, 4784];

/// UDP ports of weft's own probes: there are none in this version.
pub(super) const PROBES: [u16; 0] = [];

/// ICMP errors that enter in a second whatever their source is.
pub(super) const ICMP_ERRORS: u32 = 100;

/// Protocol number.
const TCP: u8 = 6;

/// Destination unreachable, time exceeded, parameter problem: routers of a LAN send them from addresses that nobody lists, and path MTU
/// discovery needs them.
pub(super) const ICMP_ERROR_TYPES: &str = "icmp type { 3, 11, 12 }";

/// What only tunnels bring, to be seen before anything else is done with it.
///
/// Fragments with a source in the loopbacks come from tunnels. Others would be joined to fragments that did, and the whole packet would
/// seem to have come by the tunnel (a packet has the interface of the fragment that came last). To be seen before they are joined:
/// conntrack does it at priority -400, the IP stack later.
///
/// ICMP errors about packets to the loopbacks come from tunnels, too: nobody else sees those packets. An error from elsewhere would tell
/// this router or another of a path MTU, and the kernel believe it for ten minutes. The destination is 24 octets into the ICMP message,
/// and no such message is so long that it would be fragmented (RFC 1812 §4.3.2.3). By a LAN that joins two sites such packets pass, too, and
/// errors about them come back; of what anybody there may send, those about TCP are taken, which the kernel believes only if they quote what
/// is under way (RFC 5927 §4.1).
pub(super) fn only_by_tunnels(mesh: &Mesh, sources: &Sources) -> String {
    let elsewhere = set(quoted(&sources.joined).chain(["\"lo\"".to_owned()])).unwrap_or_default();
    let drop = Reason::Control.verdict();
    let refused = format!("iifname != @tunnels iifname != {elsewhere} {drop}");
    let mut errors = Chain::new("icmp-errors");
    let loopbacks = mesh.loopbacks;
    let bits = loopbacks.prefix();
    let prefix = u32::from(loopbacks.network()).checked_shr(u32::BITS - u32::from(bits)).unwrap_or(0);
    let about_loopbacks = format!("@th,192,{bits} {prefix:#x}");
    let mut chain = Chain::hooked("prerouting", "priority -450");
    chain.rule(format!("ip frag-off & 0x3fff != 0 ip saddr {loopbacks} {refused}"));
    chain.rule(format!("{ICMP_ERROR_TYPES} goto icmp-errors"));
    errors.rule(format!("ip frag-off & 0x2000 != 0 iifname != @tunnels iifname != \"lo\" {drop}"));
    errors.rule(format!("{about_loopbacks} {refused}"));
    if let Some(joined) = set(quoted(&sources.joined)) {
        // The protocol of the packet in question is 17 octets into the message.
        errors.rule(format!("iifname {joined} {about_loopbacks} @th,136,8 != {TCP} {drop}"));
    }
    errors.text() + &chain.text()
}

/// The chains to which `forward` sends packets that enter.
pub(super) fn chains(mesh: &Mesh, site: &Site, sources: &Sources) -> String {
    let loopbacks = mesh.loopbacks;
    let mut into = Chain::new("into-tunnel");
    if mesh.source_check == SourceCheck::Strict {
        // Before NAT, so these are forged, also where the kernel is told to accept its own addresses from outside (`accept_local`).
        let joined = set(quoted(&sources.joined));
        let elsewhere = joined.map_or_else(String::new, |joined| format!("iifname != {joined} "));
        into.rule(format!("ip saddr {loopbacks} {elsewhere}{}", Reason::Martian.verdict()));
        into.rule("jump sender".to_owned());
        if !sources.joined.is_empty() {
            into.rule(format!("ip saddr {} {}", site.loopback, Reason::Martian.verdict()));
        }
    }
    // Source routes change the destination behind this hook (RFC 7126 §4.3 and §4.4: drop).
    into.rule("ip hdrlength > 5 jump ip-options".to_owned());
    into.rule(format!("ip daddr {loopbacks} jump control"));

    let mut options = Chain::new("ip-options");
    for option in ["lsrr", "ssrr"] {
        options.rule(format!("ip option {option} exists {}", Reason::Control.verdict()));
    }
    let sender = if mesh.source_check == SourceCheck::Strict { sender(sources).text() } else { String::new() };
    sender + &options.text() + &control(mesh).text() + &into.text()
}

/// Refuses addresses of this router that do not live at its site: no other machine has them.
fn sender(sources: &Sources) -> Chain {
    let mut chain = Chain::new("sender");
    for prefix in &sources.mostly_entering {
        chain.rule(format!("ip saddr {prefix} return"));
    }
    chain.rule(format!("ip saddr != @admitted fib saddr type local {}", Reason::Martian.verdict()));
    chain
}

/// Control packets to a router of the mesh. To other addresses these protocols belong to others.
fn control(mesh: &Mesh) -> Chain {
    let mut chain = Chain::new("control");
    let drop = Reason::Control.verdict();
    let ends = virtual_link_ends(mesh).into_iter().map(|end| end.to_string());
    let others = set(ends).map_or_else(String::new, |ends| format!("ip daddr != {ends} "));
    chain.rule(format!("ip protocol {OSPF} {others}{drop}"));
    let ports = set(BFD.iter().chain(&PROBES).map(u16::to_string)).unwrap_or_default();
    chain.rule(format!("udp dport {ports} {drop}"));
    if let Some(vnis) = vnis(mesh) {
        // The VNI is 12 octets into the datagram.
        chain.rule(format!("udp dport {PORT} @th,96,24 {vnis} {drop}"));
        // A first fragment may be too short to have it; without the first, the others are never joined.
        chain.rule(format!("udp dport {PORT} @th,96,24 != {vnis} return"));
        chain.rule(format!("udp dport {PORT} ip frag-off & 0x2000 != 0 {drop}"));
    }
    chain
}

/// The VNIs of the mesh, whoever is part of their segments.
pub(super) fn vnis(mesh: &Mesh) -> Option<String> {
    set(mesh.segments.iter().map(|l2| l2.segment.vni.value().to_string()))
}

/// Loopbacks of the sites at the ends of virtual links, to which OSPF packets come through LANs.
fn virtual_link_ends(mesh: &Mesh) -> BTreeSet<Ipv4Addr> {
    let sites = mesh.sites.iter().filter(|site| {
        let far_end =
            |other: &Site| other.virtual_links.iter().any(|link| link.far_end == RouterId::from(site.loopback));
        !site.virtual_links.is_empty() || mesh.sites.iter().any(far_end)
    });
    sites.map(|site| site.loopback).collect()
}

/// The chains that check sources after source NAT.
pub(super) fn source_chains(sources: &Sources) -> String {
    let mut hook = Chain::hooked("postrouting", "priority srcnat + 10");
    // Most packets need no more than these: they go into no tunnel, or come from where they should.
    hook.rule(format!("meta oiftype != {NO_LINK_LAYER} accept"));
    for prefix in &sources.mostly_entering {
        hook.rule(format!("ip saddr {prefix} accept"));
    }
    // Packets of this router itself have come in by no interface.
    hook.rule("iif != 0 oifname @tunnels iifname != @tunnels goto entering".to_owned());
    let mut entering = Chain::new("entering");
    entering.rule("ip saddr @admitted accept".to_owned());
    if let Some(joined) = set(quoted(&sources.joined)) {
        entering.rule(format!("iifname {joined} ip saddr != @martian accept"));
    }
    // Other addresses of this router, which NAT may give; and what it has encapsulated itself.
    entering.rule("fib saddr type local accept".to_owned());
    entering.rule(format!("ip saddr @martian {}", Reason::Martian.verdict()));
    entering.rule(format!("{ICMP_ERROR_TYPES} limit rate {ICMP_ERRORS}/second burst {ICMP_ERRORS} packets accept"));
    entering.rule(Reason::Source.verdict());
    entering.text() + &hook.text()
}

/// A chain in the making.
pub(super) struct Chain {
    name: String,
    lines: Vec<String>,
}

impl Chain {
    /// One that others jump to.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), lines: Vec::new() }
    }

    /// One of a hook of the same name. What it does not decide passes.
    pub fn hooked(hook: &str, priority: &str) -> Self {
        Self { name: hook.to_owned(), lines: vec![format!("type filter hook {hook} {priority}")] }
    }

    /// One of a hook, with a name of its own: another chain has the hook's.
    pub fn on(name: &str, hook: &str, priority: &str) -> Self {
        Self { name: name.to_owned(), ..Self::hooked(hook, priority) }
    }

    pub fn rule(&mut self, rule: String) {
        self.lines.push(rule);
    }

    pub fn text(&self) -> String {
        let lines: String = self.lines.iter().map(|line| format!("\t\t{line}\n")).collect();
        format!("\tchain {} {{\n{lines}\t}}\n", self.name)
    }
}
