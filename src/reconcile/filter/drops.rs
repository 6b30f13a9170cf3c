//! Dropped packets are counted by reason and interface, and refused sources are sampled.
//!
//! Packets themselves add the elements to the sets, so each set has a maximum size. A rule that cannot add to a full set has no other
//! effect either, so counting and dropping are two rules.

use std::fmt::Write as _;

/// The largest number of interfaces that are counted for one reason.
const MAX_INTERFACES: usize = 64;

/// The largest number of refused sources that are sampled.
const MAX_SAMPLES: usize = 256;

/// How long a refused source is kept after its last packet, in minutes.
const SAMPLE_MINUTES: u32 = 5;

/// Name of the set of sampled sources: interface, source address, counter.
pub const SAMPLES: &str = "refused";

/// The reason for which a packet is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A control packet of the mesh that comes from a LAN, or a packet that may contain one.
    Control,
    /// A VXLAN packet of a segment that does not come from another member through a tunnel, or that would not leave by a tunnel.
    Vxlan,
    /// A source that may not enter the mesh here, or may not come from a tunnel.
    Source,
    /// A source that cannot be the address of a host: loopback, link-local, multicast, broadcast, or a loopback of no site.
    Martian,
    /// IPv6, which tunnels do not carry.
    Ipv6,
}

impl Reason {
    /// The reasons of family `ip`. That of family `ip6` is [`Reason::Ipv6`].
    pub(super) const IPV4: [Self; 4] = [Self::Control, Self::Vxlan, Self::Source, Self::Martian];

    /// All reasons.
    pub const ALL: [Self; 5] = [Self::Control, Self::Vxlan, Self::Source, Self::Martian, Self::Ipv6];

    /// Returns the name of the reason, as in `weft show filters`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Vxlan => "vxlan",
            Self::Source => "source",
            Self::Martian => "martian",
            Self::Ipv6 => "ipv6",
        }
    }

    /// Returns the name of the set that counts by interface.
    pub fn counters(self) -> String {
        format!("count-{}", self.name())
    }

    /// Returns the verdict that drops a packet for this reason, and counts it by its incoming interface.
    pub(super) fn verdict(self) -> String {
        format!("goto {}", self.chain())
    }

    /// Returns the name of the chain that counts and drops.
    pub(super) fn chain(self) -> String {
        format!("drop-{}", self.name())
    }
}

/// Returns whether packets change the contents of a set.
pub fn is_filled_by_packets(set: &str) -> bool {
    set == SAMPLES || Reason::ALL.iter().any(|reason| set == reason.counters())
}

/// Accepts a packet that would be dropped only because the interval sets have no elements yet.
///
/// When a ruleset replaces another one, its rules take effect a moment before its interval sets have their elements, which the kernel adds
/// to one set after the other (Linux 6.18; sets without intervals have them at once). Until then a valid source would be refused. The set
/// `complete` gets its element last.
const UNLESS_COMPLETE: &str = "meta protocol != @complete accept";

/// The set that [`UNLESS_COMPLETE`] refers to. It has to be the last set of its table.
pub(super) const COMPLETE: &str =
    "\tset complete {\n\t\ttype ether_type\n\t\tflags interval\n\t\telements = { ip }\n\t}\n";

/// Returns the sets and chains of these reasons.
pub(super) fn declarations(reasons: &[Reason]) -> String {
    let mut text = String::new();
    if reasons.contains(&Reason::Source) {
        text += &format!(
            "\tset {SAMPLES} {{\n\t\ttype ifname . ipv4_addr\n\t\tsize {MAX_SAMPLES}\n\t\tflags dynamic,timeout\n\
             \t\ttimeout {SAMPLE_MINUTES}m\n\t}}\n"
        );
    }
    for reason in reasons {
        let (chain, counters) = (reason.chain(), reason.counters());
        let before = match reason {
            Reason::Source => {
                format!("\t\t{UNLESS_COMPLETE}\n\t\tupdate @{SAMPLES} {{ iifname . ip saddr counter }}\n")
            }
            Reason::Martian => format!("\t\t{UNLESS_COMPLETE}\n"),
            Reason::Control | Reason::Vxlan | Reason::Ipv6 => String::new(),
        };
        // Writing to a String does not fail.
        let _ = write!(
            text,
            "\tset {counters} {{\n\t\ttype ifname\n\t\tsize {MAX_INTERFACES}\n\t\tflags dynamic\n\t}}\n\
             \tchain {chain} {{\n{before}\t\tadd @{counters} {{ iifname counter }}\n\t\tdrop\n\t}}\n"
        );
    }
    text
}
