//! States and settings of Ethernet segments, and what happens to their frames.

use super::words;

words! {
    /// State of a segment at this site.
    SegmentState {
        /// It carries frames.
        Up = "up",
        /// Its device or its bridge exists and carries nothing.
        Down = "down",
        /// Its device does not exist now.
        Missing = "missing",
    }

    /// How ARP requests and neighbour solicitations are handled.
    ArpMode {
        /// This site answers for hosts of the table; other requests stay here.
        Proxy = "proxy",
        /// This site answers for hosts of the table; other requests are flooded.
        Suppress = "suppress",
        /// All are flooded.
        Flood = "flood",
    }

    /// What happens to unicast frames to unknown hosts.
    UnknownUnicast {
        /// They stay at this site.
        Drop = "drop",
        /// They go to every site.
        Flood = "flood",
    }

    /// State of a port.
    PortState {
        /// It is a port of the segment's bridge.
        Joined = "joined",
        /// It does not exist, or is a port of no bridge.
        Missing = "missing",
        /// It is a port of another bridge.
        Elsewhere = "elsewhere",
    }

    /// Whether VXLAN reaches a member site.
    SiteState {
        /// It is this site.
        Here = "here",
        /// It does.
        Reachable = "reachable",
        /// It does not.
        Unreachable = "unreachable",
    }

    /// What happens to a frame.
    Fate {
        /// It is sent out of the port that the host's frames last arrived on.
        Port = "port",
        /// It is sent out of all ports here.
        Ports = "ports",
        /// It is sent to another site.
        Site = "site",
        /// It is for another site, which cannot be reached.
        Unreachable = "unreachable",
        /// It is sent out of all ports and to all sites.
        Flooded = "flooded",
        /// The frame, or the ARP request or neighbour solicitation before it, stays here.
        Dropped = "dropped",
    }

    /// What happens to the request for the MAC address of an IP address that is not in the table.
    Question {
        /// It is sent to all sites.
        Flooded = "flooded",
        /// It stays here.
        Stays = "stays",
    }
}

impl SiteState {
    /// Whether it means that something is wrong. A word that this version does not know does not.
    pub const fn is_wrong(self) -> bool {
        matches!(self, Self::Unreachable)
    }
}

impl Fate {
    /// Whether the frame is sent somewhere where it may arrive.
    pub const fn arrives(self) -> bool {
        !matches!(self, Self::Dropped | Self::Unreachable)
    }
}
