//! The rules for packets that enter the mesh: forwarded packets that arrive by no tunnel and leave by a tunnel.
//!
//! Two hooks check them. `forward` is before source NAT: it drops control packets of the mesh, which never come from a LAN, whatever source
//! NAT would give them. `postrouting` is after source NAT: it checks that the source may enter here.

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
pub(super) const BFD: [u16; 3] = [bfd::CONTROL_PORT, 3785, 4784];

/// UDP ports of weft's own probes: there are none in this version.
pub(super) const PROBES: [u16; 0] = [];

/// How many ICMP errors per second may enter whatever their source is.
pub(super) const ICMP_ERRORS: u32 = 100;

/// IP protocol number of TCP.
const TCP: u8 = 6;

/// Destination unreachable, time exceeded, and parameter problem: routers of a LAN send them from addresses that no site lists, and path
/// MTU discovery needs them.
pub(super) const ICMP_ERROR_TYPES: &str = "icmp type { 3, 11, 12 }";

/// Returns the chains that drop packets which may arrive by tunnels only. They are the first to see a packet.
///
/// Fragments with a source in the loopbacks come from tunnels only. Other fragments would be reassembled with fragments from a tunnel, and
/// the whole packet would seem to come from the tunnel (a packet has the incoming interface of the fragment that arrived last). So the
/// check is before reassembly: conntrack does it at priority -400, the IP stack later.
///
/// ICMP errors about packets to the loopbacks come from tunnels only, too: no other host sees those packets. An error from elsewhere would
/// announce a path MTU to this router or to another one, and the kernel would accept it for ten minutes. The destination is 24 octets into
/// the ICMP message, and no such message is long enough to be fragmented (RFC 1812 §4.3.2.3). Through a LAN that joins two sites such
/// packets pass, too, and errors about them come back. Of all such errors from that LAN only those about TCP are accepted, because the
/// kernel uses them only if they quote data that is in flight (RFC 5927 §4.1).
pub(super) fn only_by_tunnels(mesh: &Mesh, sources: &Sources) -> String {
    let elsewhere = set(quoted(&sources.joined).chain(["\"lo\"".to_owned()])).unwrap_or_default();
    let drop = Reason::Control.verdict();
    let refused = format!("iifname != @tunnels iifname != {elsewhere} {drop}");
    let mut errors = Chain::new("icmp-errors");
    let loopbacks = mesh.loopbacks;
    let (first, bits) = loopbacks.v4().expect("the mesh file has IPv4 loopbacks");
    let prefix = u32::from(first).checked_shr(u32::BITS - u32::from(bits)).unwrap_or(0);
    let about_loopbacks = format!("@th,192,{bits} {prefix:#x}");
    let mut chain = Chain::hooked("prerouting", "priority -450");
    chain.rule(format!("ip frag-off & 0x3fff != 0 ip saddr {loopbacks} {refused}"));
    chain.rule(format!("{ICMP_ERROR_TYPES} goto icmp-errors"));
    errors.rule(format!("ip frag-off & 0x2000 != 0 iifname != @tunnels iifname != \"lo\" {drop}"));
    errors.rule(format!("{about_loopbacks} {refused}"));
    if let Some(joined) = set(quoted(&sources.joined)) {
        // The protocol of the quoted packet is 17 octets into the message.
        errors.rule(format!("iifname {joined} {about_loopbacks} @th,136,8 != {TCP} {drop}"));
    }
    errors.text() + &chain.text()
}

/// Returns the chains to which `forward` sends packets that enter.
pub(super) fn chains(mesh: &Mesh, site: &Site, sources: &Sources) -> String {
    let loopbacks = mesh.loopbacks;
    let mut into = Chain::new("into-tunnel");
    if mesh.source_check == SourceCheck::Strict {
        // This is before NAT, so these sources are forged, even where the kernel is configured to accept its own addresses from outside
        // (`accept_local`).
        let joined = set(quoted(&sources.joined));
        let elsewhere = joined.map_or_else(String::new, |joined| format!("iifname != {joined} "));
        into.rule(format!("ip saddr {loopbacks} {elsewhere}{}", Reason::Martian.verdict()));
        into.rule("jump sender".to_owned());
        if !sources.joined.is_empty() {
            into.rule(format!("ip saddr {} {}", site.loopback, Reason::Martian.verdict()));
        }
    }
    // Source routes change the destination after this hook (RFC 7126 §4.3 and §4.4: drop).
    into.rule("ip hdrlength > 5 jump ip-options".to_owned());
    into.rule(format!("ip daddr {loopbacks} jump control"));

    let mut options = Chain::new("ip-options");
    for option in ["lsrr", "ssrr"] {
        options.rule(format!("ip option {option} exists {}", Reason::Control.verdict()));
    }
    let sender = if mesh.source_check == SourceCheck::Strict { sender(sources).text() } else { String::new() };
    sender + &options.text() + &control(mesh).text() + &into.text()
}

/// Returns the chain that drops sources which are addresses of this router but not in the prefixes of its site: no other machine has them.
fn sender(sources: &Sources) -> Chain {
    let mut chain = Chain::new("sender");
    for prefix in &sources.mostly_entering {
        chain.rule(format!("ip saddr {prefix} return"));
    }
    chain.rule(format!("ip saddr != @admitted fib saddr type local {}", Reason::Martian.verdict()));
    chain
}

/// Returns the chain that drops control packets to routers of the mesh. Other addresses may use these protocols for other purposes.
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
        // The first fragment may be too short to contain the VNI. It is dropped; without it, the other fragments are never reassembled.
        chain.rule(format!("udp dport {PORT} @th,96,24 != {vnis} return"));
        chain.rule(format!("udp dport {PORT} ip frag-off & 0x2000 != 0 {drop}"));
    }
    chain
}

/// Returns the VNIs of all segments of the mesh, including those that this site is not part of.
pub(super) fn vnis(mesh: &Mesh) -> Option<String> {
    set(mesh.segments.iter().map(|l2| l2.segment.vni.value().to_string()))
}

/// Returns the loopbacks of the sites at the ends of virtual links: OSPF packets to them pass through LANs.
fn virtual_link_ends(mesh: &Mesh) -> BTreeSet<Ipv4Addr> {
    let sites = mesh.sites.iter().filter(|site| {
        let far_end =
            |other: &Site| other.virtual_links.iter().any(|link| link.far_end == RouterId::from(site.loopback));
        !site.virtual_links.is_empty() || mesh.sites.iter().any(far_end)
    });
    sites.map(|site| site.loopback).collect()
}

/// Returns the chains that check sources after source NAT.
pub(super) fn source_chains(sources: &Sources) -> String {
    let mut hook = Chain::hooked("postrouting", "priority srcnat + 10");
    // These rules decide on most packets: those that do not go into a tunnel, and those whose source is in the most frequent prefixes.
    hook.rule(format!("meta oiftype != {NO_LINK_LAYER} accept"));
    for prefix in &sources.mostly_entering {
        hook.rule(format!("ip saddr {prefix} accept"));
    }
    // Packets that this router originates have no incoming interface.
    hook.rule("iif != 0 oifname @tunnels iifname != @tunnels goto entering".to_owned());
    let mut entering = Chain::new("entering");
    entering.rule("ip saddr @admitted accept".to_owned());
    if let Some(joined) = set(quoted(&sources.joined)) {
        entering.rule(format!("iifname {joined} ip saddr != @martian accept"));
    }
    // Other addresses of this router: source NAT may use them, and they are the source of packets that it encapsulates itself.
    entering.rule("fib saddr type local accept".to_owned());
    entering.rule(format!("ip saddr @martian {}", Reason::Martian.verdict()));
    entering.rule(format!("{ICMP_ERROR_TYPES} limit rate {ICMP_ERRORS}/second burst {ICMP_ERRORS} packets accept"));
    entering.rule(Reason::Source.verdict());
    entering.text() + &hook.text()
}

/// A chain to which rules can be added.
pub(super) struct Chain {
    name: String,
    lines: Vec<String>,
}

impl Chain {
    /// Creates a chain that other chains jump to.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), lines: Vec::new() }
    }

    /// Creates a chain on the hook of the same name. It accepts what it does not decide.
    pub fn hooked(hook: &str, priority: &str) -> Self {
        Self { name: hook.to_owned(), lines: vec![format!("type filter hook {hook} {priority}")] }
    }

    /// Creates a chain on a hook with a different name, where another chain has the name of the hook.
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
