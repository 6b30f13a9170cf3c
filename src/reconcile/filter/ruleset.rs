//! The whole ruleset: its tables, and their names.

use std::fmt;
use std::sync::Arc;

use super::drops::Reason;
use super::entry::Chain;
use super::ranges::Ranges;
use super::sources::Sources;
use super::{drops, entry, exit, overlay, untracked};
use crate::mesh::{Mesh, Site, SourceCheck};
use crate::net::IfName;

/// A script for `nft -f` that replaces the tables of the mesh and all their contents.
#[derive(Clone, PartialEq, Eq)]
pub struct Ruleset {
    script: Arc<str>,
    /// The same for a kernel in which rules cannot match the bridge of a port; `None` if no rule does that.
    reduced: Option<Arc<str>>,
}

/// The families in which the mesh has a table. One table of `inet` could replace `ip` and `ip6`, but every rule about addresses would first
/// have to compare the family of the packet.
pub const FAMILIES: [&str; 3] = ["bridge", "ip", "ip6"];

/// The family in which versions before the first release had a table.
const FORMER_FAMILY: &str = "inet";

impl Ruleset {
    /// Returns the ruleset of `site`; `None` if it needs none because it has no tunnel and is part of no segment.
    pub fn of(mesh: &Mesh, site: &Site) -> Option<Self> {
        let segments = overlay::segments(mesh, site);
        let tunnels: Vec<IfName> = mesh.tunnels(site).into_iter().map(|tunnel| tunnel.interface).collect();
        if segments.is_empty() && tunnels.is_empty() {
            return None;
        }
        let whole = Self::written(mesh, site, &tunnels, &segments, BridgeNames::Known);
        let reduced = overlay::name_bridges(&segments)
            .then(|| Self::written(mesh, site, &tunnels, &segments, BridgeNames::Unknown).into());
        Some(Self { script: whole.into(), reduced })
    }

    fn written(
        mesh: &Mesh,
        site: &Site,
        tunnels: &[IfName],
        segments: &[overlay::Segment],
        names: BridgeNames,
    ) -> String {
        let table = Self::table(&mesh.name);
        let mut script = Self::removal(&mesh.name);
        if !segments.is_empty() {
            script += &format!("table bridge {table} {{\n{}}}\n", overlay::bridge_chains(segments, names));
        }
        script += &format!("table ip {table} {{\n{}}}\n", ip(mesh, site, tunnels, segments));
        if mesh.source_check == SourceCheck::Strict {
            script += &format!("table ip6 {table} {{\n{}}}\n", ip6(tunnels));
        }
        script
    }

    /// Returns a ruleset that differs from all those of [`Ruleset::of`]: this process did not put the ruleset in the kernel there, or it
    /// was changed since.
    pub fn unknown() -> Self {
        Self { script: "".into(), reduced: None }
    }

    /// Returns the script for `nft`.
    pub fn script(&self) -> &str {
        &self.script
    }

    /// Returns the part of the script that a kernel without the module `nft_meta_bridge` supports; `None` if that is the whole script. It
    /// lacks the rules for answers of DHCP servers behind existing bridges.
    pub fn reduced(&self) -> Option<&str> {
        self.reduced.as_deref()
    }

    /// Returns the name of the tables.
    pub fn table(mesh: &str) -> String {
        // An identifier of nft begins with a letter, and may contain all characters of a mesh's name.
        format!("weft-{mesh}")
    }

    /// Returns a script that deletes the tables, whether or not they exist.
    pub fn removal(mesh: &str) -> String {
        let table = Self::table(mesh);
        FAMILIES.iter().chain([&FORMER_FAMILY]).fold(String::new(), |script, family| {
            // Deleting a table that does not exist is an error; adding one that exists is not.
            script + &format!("add table {family} {table}\ndelete table {family} {table}\n")
        })
    }
}

impl fmt::Debug for Ruleset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.script)
    }
}

/// Whether rules can match the bridge of a port in this kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BridgeNames {
    Known,
    Unknown,
}

/// Returns the contents of the table of family `ip`.
fn ip(mesh: &Mesh, site: &Site, tunnels: &[IfName], segments: &[overlay::Segment]) -> String {
    let sources = Sources::of(mesh, site);
    let strict = mesh.source_check == SourceCheck::Strict;
    let mut text = named_set("tunnels", "ifname", quoted(tunnels));
    text += &drops::declarations(&Reason::IPV4);
    if strict {
        for (name, ranges) in [("admitted", &sources.admitted), ("martian", &sources.martian)] {
            text += &addresses(name, ranges);
        }
        text += &exit::source_chain(&sources);
    }
    text += &entry::chains(mesh, site, &sources);
    text += &overlay::arriving(segments, site);
    text += &entry::only_by_tunnels(mesh, &sources);
    text += &untracked::chains(mesh);

    let mut forward = Chain::hooked("forward", PRIORITY);
    let mut input = Chain::hooked("input", PRIORITY);
    if strict {
        text += &entry::source_chains(&sources);
        text += &from_tunnel("leaving").text();
        input.rule(format!("{FROM_TUNNEL} jump leaving"));
        // These rules decide on most packets that leave the mesh.
        for prefix in &sources.mostly_leaving {
            forward.rule(format!("ip saddr {prefix} meta oiftype != {NO_LINK_LAYER} accept"));
        }
        forward.rule(format!("{FROM_TUNNEL} goto from-tunnel"));
        forward.rule(format!("{TO_TUNNEL} goto into-tunnel"));
    } else {
        forward.rule(format!("{TO_TUNNEL} iifname != @tunnels goto into-tunnel"));
    }
    overlay::input(segments, &mut input);
    text += &forward.text();
    text += &input.text();
    text += &overlay::output(segments);
    text + drops::COMPLETE
}

/// Returns the contents of the table of family `ip6`: no IPv6 packet enters or leaves the mesh.
fn ip6(tunnels: &[IfName]) -> String {
    let drop = Reason::Ipv6.verdict();
    let mut forward = Chain::hooked("forward", PRIORITY);
    forward.rule(format!("{FROM_TUNNEL} goto from-tunnel"));
    forward.rule(format!("{TO_TUNNEL} {drop}"));
    let mut input = Chain::hooked("input", PRIORITY);
    input.rule(format!("{FROM_TUNNEL} {drop}"));
    named_set("tunnels", "ifname", quoted(tunnels))
        + &drops::declarations(&[Reason::Ipv6])
        + &from_tunnel(&Reason::Ipv6.chain()).text()
        + &forward.text()
        + &input.text()
}

/// Returns the chain for forwarded packets from tunnels. Packets that do not leave by another tunnel leave the mesh, and go to `leaving`.
fn from_tunnel(leaving: &str) -> Chain {
    let mut chain = Chain::new("from-tunnel");
    chain.rule(format!("meta oiftype != {NO_LINK_LAYER} goto {leaving}"));
    chain.rule(format!("oifname != @tunnels goto {leaving}"));
    chain
}

/// Before the rules of firewalls, Docker and most administrators, so that these do not offload flows that are dropped here.
const PRIORITY: &str = "priority filter - 10";

/// ARPHRD_NONE, the link type of every tunnel. Most other interfaces have another type: comparing this number first saves the search for a
/// name for most packets.
pub(super) const NO_LINK_LAYER: u16 = 65534;

/// Matches packets from tunnels.
pub(super) const FROM_TUNNEL: &str = "meta iiftype 65534 iifname @tunnels";

/// Matches packets into tunnels.
pub(super) const TO_TUNNEL: &str = "meta oiftype 65534 oifname @tunnels";

fn addresses(name: &str, ranges: &Ranges) -> String {
    let set = named_set(name, "ipv4_addr", ranges.iter().map(ToString::to_string));
    set.replacen("\t\ttype ipv4_addr\n", "\t\ttype ipv4_addr\n\t\tflags interval\n", 1)
}

/// Returns a named map from ranges, which may be empty.
pub(super) fn map(name: &str, kind: &str, elements: Vec<String>) -> String {
    let elements =
        set(elements.into_iter()).map_or_else(String::new, |elements| format!("\t\telements = {elements}\n"));
    format!("\tmap {name} {{\n\t\ttype {kind}\n\t\tflags interval\n{elements}\t}}\n")
}

/// Returns a named set, which may be empty.
fn named_set(name: &str, kind: &str, elements: impl Iterator<Item = String>) -> String {
    let elements = set(elements).map_or_else(String::new, |elements| format!("\t\telements = {elements}\n"));
    format!("\tset {name} {{\n\t\ttype {kind}\n{elements}\t}}\n")
}

/// Returns an anonymous set; `None` if it would be empty, which `nft` does not accept.
pub(super) fn set(elements: impl Iterator<Item = String>) -> Option<String> {
    let elements: Vec<String> = elements.collect();
    (!elements.is_empty()).then(|| format!("{{ {} }}", elements.join(", ")))
}

/// Returns names of interfaces as elements of a set.
pub(super) fn quoted<'a>(names: impl IntoIterator<Item = &'a IfName>) -> impl Iterator<Item = String> {
    names.into_iter().map(|name| format!("\"{name}\""))
}
