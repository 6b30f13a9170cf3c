//! What becomes of a packet that is dropped: it is counted by reason and interface, and a refused source is sampled.
//!
//! The sets are filled by the packets themselves, so each has a bound. A rule that cannot add to a full set does nothing else either:
//! counting and dropping are two rules.

use std::fmt::Write as _;

/// Interfaces counted for one reason at most.
const MAX_INTERFACES: usize = 64;

/// Refused sources sampled at most.
const MAX_SAMPLES: usize = 256;

/// How long a refused source is remembered after its last packet, minutes.
const SAMPLE_MINUTES: u32 = 5;

/// Name of the set of samples: interface, source address, counter.
pub const SAMPLES: &str = "refused";

/// Why packets are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A control packet of the mesh that comes from a LAN, or may hide one.
    Control,
    /// VXLAN of a segment that does not come from another member through a tunnel, or would leave by no tunnel.
    Vxlan,
    /// A source that may not enter the mesh here, or not come from a tunnel.
    Source,
    /// A source that is no address of a host: loopback, link-local, multicast, broadcast, or a loopback of no site.
    Martian,
    /// IPv6, which tunnels do not carry.
    Ipv6,
}

impl Reason {
    /// Those of family `ip`. [`Reason::Ipv6`] is that of family `ip6`.
    pub(super) const IPV4: [Self; 4] = [Self::Control, Self::Vxlan, Self::Source, Self::Martian];

    /// Every reason.
    pub const ALL: [Self; 5] = [Self::Control, Self::Vxlan, Self::Source, Self::Martian, Self::Ipv6];

    /// Its name, as `weft show filters` has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Vxlan => "vxlan",
            Self::Source => "source",
            Self::Martian => "martian",
            Self::Ipv6 => "ipv6",
        }
    }

    /// The name of the set that counts by interface.
    pub fn counters(self) -> String {
        format!("count-{}", self.name())
    }

    /// Where a rule sends packets that are dropped for this reason: they are counted by the interface that they came in by.
    pub(super) fn verdict(self) -> String {
        format!("goto {}", self.chain())
    }

    /// The chain that counts and drops.
    pub(super) fn chain(self) -> String {
        format!("drop-{}", self.name())
    }
}

/// Whether the contents of a set change by themselves.
pub fn is_filled_by_packets(set: &str) -> bool {
    set == SAMPLES || Reason::ALL.iter().any(|reason| set == reason.counters())
}

/// Lets a packet pass that is to be dropped because nothing is in the sets of intervals yet.
///
/// When a ruleset takes the place of another, its rules are in force a moment before its sets of intervals have their elements, which they
/// are given one set after the other (Linux 6.18; sets without intervals have them at once). Until then a source would seem to be one that
/// may not enter. This one is given its element last.
const UNLESS_COMPLETE: &str = "meta protocol != @complete accept";

/// The set that [`UNLESS_COMPLETE`] refers to. It has to be the last set of its table.
pub(super) const COMPLETE: &str =
    "\tset complete {\n\t\ttype ether_type\n\t\tflags interval\n\t\telements = { ip }\n\t}\n";

/// The sets and chains of these reasons.
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
