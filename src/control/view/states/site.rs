//! States of the site itself: prefixes, uplinks, the filter and tunnels; and parts of a plan.

use super::words;

words! {
    /// Whether a listed prefix is advertised, and why.
    PrefixState {
        /// Advertised, and something carries it.
        Carried = "carried",
        /// Advertised, though nothing has carried it since weft started.
        NeverCarried = "never-carried",
        /// Not advertised: nothing carries it any more.
        Withdrawn = "withdrawn",
        /// Always advertised.
        Static = "static",
        /// Advertised as `default_originate` says.
        DefaultOriginate = "default-originate",
    }

    /// Where packets from an address on an uplink go.
    AnswersBy {
        /// To that uplink.
        Uplink = "uplink",
        /// By the default route of another site, because the address is reached through the mesh, or because too many addresses are on
        /// uplinks.
        Mesh = "mesh",
    }

    /// `[mesh] source_check`.
    SourceCheck {
        /// A packet enters the mesh only where a route to its source would be accepted.
        Strict = "strict",
        /// A packet may enter from any source.
        Off = "off",
    }

    /// Whether the nftables ruleset is in place.
    FilterState {
        /// It is in place.
        On = "on",
        /// It is not in place.
        Off = "off",
        /// There is nothing to filter, because this site has no tunnel.
        Unused = "unused",
    }

    /// Why the nftables ruleset drops a packet.
    DropReason {
        /// A control packet of the mesh that came from a LAN.
        Control = "control",
        /// VXLAN of a segment that did not come from another member through a tunnel, or that would leave to a member by something else
        /// than a tunnel.
        Vxlan = "vxlan",
        /// The source address is not permitted.
        Source = "source",
        /// The source is not a host's address.
        Martian = "martian",
        /// Tunnels carry IPv4 only.
        Ipv6 = "ipv6",
    }

    /// Which implementation of WireGuard carries a tunnel.
    TunnelBackend {
        /// The kernel's.
        Kernel = "kernel",
        /// That of `weft engine`.
        Userspace = "userspace",
    }

    /// State of a tunnel.
    TunnelState {
        /// The last handshake was within 180 s, and packets have passed both ways since.
        Up = "up",
        /// It sends, and receives nothing any more.
        OneWay = "one-way",
        /// It sends nothing.
        Idle = "idle",
        /// No handshake yet.
        Waiting = "waiting",
        /// The last handshake is older than 180 s.
        Stale = "stale",
        /// The interface does not exist now, or no process serves it.
        Missing = "missing",
        /// The process that encrypts for it does not answer.
        Silent = "silent",
    }

    /// What a step of a plan is done to.
    StepPart {
        /// The configuration of the OSPF engine.
        Ospf = "ospf",
        /// The sessions of BFD.
        Bfd = "bfd",
        /// The kernel, including WireGuard and nftables.
        Kernel = "kernel",
    }
}

impl TunnelState {
    /// Whether it means that something is wrong. A word that this version does not know does not.
    pub const fn is_wrong(self) -> bool {
        !matches!(self, Self::Up | Self::Unknown)
    }
}
