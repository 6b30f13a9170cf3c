//! Counters of what happens in a network.

/// Numbers of what has happened so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Packets that engines sent.
    pub packets: u64,
    /// The octets of these packets.
    pub octets: u64,
    /// Updates and acknowledgements among these packets: the cost of flooding.
    pub flooding_packets: u64,
    /// The octets of these.
    pub flooding_octets: u64,
    /// Instances of LSAs that their originators sent for the first time, which is the number of flooded changes.
    pub originations: u64,
    /// Packets that arrived, copies included.
    pub arrivals: u64,
    /// Deadlines that were handled.
    pub ticks: u64,
    /// Routes that changed.
    pub route_changes: u64,
    /// Neighbours that became Full, or are Full no more.
    pub adjacency_changes: u64,
}

impl Counts {
    /// Returns what has happened since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            packets: self.packets - earlier.packets,
            octets: self.octets - earlier.octets,
            flooding_packets: self.flooding_packets - earlier.flooding_packets,
            flooding_octets: self.flooding_octets - earlier.flooding_octets,
            originations: self.originations - earlier.originations,
            arrivals: self.arrivals - earlier.arrivals,
            ticks: self.ticks - earlier.ticks,
            route_changes: self.route_changes - earlier.route_changes,
            adjacency_changes: self.adjacency_changes - earlier.adjacency_changes,
        }
    }
}
