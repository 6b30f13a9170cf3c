//! The ruleset as a whole: its tables, and what they are called.

use std::fmt;
use std::sync::Arc;

use super::entry::Chain;
use super::ranges::Ranges;
use super::sources::Sources;
use super::{drops, entry, exit, overlay};
use crate::mesh::{IfName, Mesh, Site, SourceCheck};

/// A script for `nft -f` that replaces the tables of the mesh, whatever was in them.
#[derive(Clone, PartialEq, Eq)]
pub struct Ruleset(Arc<str>);

/// The families in which the mesh has a table.
pub const FAMILIES: [&str; 2] = ["bridge", "inet"];

impl Ruleset {
    /// The ruleset of `site`. `None` if it needs none: it has no tunnel, and is part of no segment.
    pub fn of(mesh: &Mesh, site: &Site) -> Option<Self> {
        let segments = overlay::segments(mesh, site);
        let tunnels: Vec<IfName> = mesh.tunnels(site).into_iter().map(|tunnel| tunnel.interface).collect();
        if segments.is_empty() && tunnels.is_empty() {
            return None;
        }
        let table = Self::table(&mesh.name);
        let mut script = Self::removal(&mesh.name);
        if !segments.is_empty() {
            script += &format!("table bridge {table} {{\n{}}}\n", overlay::bridge_chains(&segments));
        }
        script += &format!("table inet {table} {{\n{}}}\n", inet(mesh, site, &tunnels, &segments));
        Some(Self(script.into()))
    }

    /// A ruleset that equals none that [`Ruleset::of`] gives: what is in the kernel was not put there by this process, or was changed
    /// since.
    pub fn unknown() -> Self {
        Self("".into())
    }

    /// As `nft` reads it.
    pub fn script(&self) -> &str {
        &self.0
    }

    /// Name of the tables.
    pub fn table(mesh: &str) -> String {
        // An identifier of nft begins with a letter, and may go on with all that a mesh's name has.
        format!("weft-{mesh}")
    }

    /// A script that deletes the tables, whether they exist or not.
    pub fn removal(mesh: &str) -> String {
        let table = Self::table(mesh);
        FAMILIES.iter().fold(String::new(), |script, family| {
            // Deleting a table that does not exist is an error; adding one that exists is none.
            script + &format!("add table {family} {table}\ndelete table {family} {table}\n")
        })
    }
}

impl fmt::Debug for Ruleset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is in the table of family `inet`.
fn inet(mesh: &Mesh, site: &Site, tunnels: &[IfName], segments: &[overlay::Segment]) -> String {
    let sources = Sources::of(mesh, site);
    let strict = mesh.source_check == SourceCheck::Strict;
    let mut text = named_set("tunnels", "ifname", quoted(tunnels));
    text += &drops::declarations();
    if strict {
        for (name, ranges) in [("admitted", &sources.admitted), ("martian", &sources.martian)] {
            text += &addresses(name, ranges);
        }
        for (name, ranges) in [("own", &sources.own), ("unlisted", &sources.unlisted)] {
            text += &if ranges.is_empty() { String::new() } else { addresses(name, ranges) };
        }
        text += &exit::source_chain(&sources);
    }
    text += &entry::chains(mesh, site, &sources);
    text += &overlay::arriving(segments, site);
    text += &entry::fragments(mesh, &sources);

    let mut forward = Chain::hooked("forward", PRIORITY);
    let mut input = Chain::hooked("input", PRIORITY);
    // Of what comes from a tunnel, what does not go on through another one leaves the mesh.
    let mut from_tunnel = Chain::new("from-tunnel");
    if strict {
        from_tunnel.rule("oifname != @tunnels goto leaving".to_owned());
        input.rule(format!("{FROM_TUNNEL} jump leaving"));
        text += &entry::source_chains(&sources);
    }
    text += &from_tunnel.text();
    forward.rule(format!("{FROM_TUNNEL} goto from-tunnel"));
    forward.rule(format!("{TO_TUNNEL} goto into-tunnel"));
    overlay::input(segments, &mut input);
    text += &forward.text();
    text += &input.text();
    text + &overlay::output(segments)
}

/// Before the rules of firewalls, Docker and most people, so that flows which are dropped here are not offloaded by theirs.
const PRIORITY: &str = "priority filter - 10";

/// Matches packets from tunnels. Tunnels have no link layer (ARPHRD_NONE), other interfaces mostly do: one number spares most packets
/// that are none of ours a search for a name.
pub(super) const FROM_TUNNEL: &str = "meta iiftype 65534 iifname @tunnels";

/// Matches packets into tunnels, likewise.
pub(super) const TO_TUNNEL: &str = "meta oiftype 65534 oifname @tunnels";

fn addresses(name: &str, ranges: &Ranges) -> String {
    let set = named_set(name, "ipv4_addr", ranges.iter().map(ToString::to_string));
    set.replacen("\t\ttype ipv4_addr\n", "\t\ttype ipv4_addr\n\t\tflags interval\n", 1)
}

/// A set that rules refer to by its name; it may be empty.
fn named_set(name: &str, kind: &str, elements: impl Iterator<Item = String>) -> String {
    let elements = set(elements).map_or_else(String::new, |elements| format!("\t\telements = {elements}\n"));
    format!("\tset {name} {{\n\t\ttype {kind}\n{elements}\t}}\n")
}

/// An anonymous set; `None` if it would be empty, which `nft` does not accept.
pub(super) fn set(elements: impl Iterator<Item = String>) -> Option<String> {
    let elements: Vec<String> = elements.collect();
    (!elements.is_empty()).then(|| format!("{{ {} }}", elements.join(", ")))
}

/// Names of interfaces as elements of a set.
pub(super) fn quoted<'a>(names: impl IntoIterator<Item = &'a IfName>) -> impl Iterator<Item = String> {
    names.into_iter().map(|name| format!("\"{name}\""))
}
