//! What has happened in a network, in numbers.

/// What has happened so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Packets that engines sent.
    pub packets: u64,
    /// Their octets.
    pub octets: u64,
    /// Of them updates and acknowledgements: what flooding costs.
    pub flooding_packets: u64,
    /// And their octets.
    pub flooding_octets: u64,
    /// Instances of LSAs that their own routers sent for the first time: so many changes were flooded.
    pub originations: u64,
    /// Packets that arrived, copies included.
    pub arrivals: u64,
    /// Deadlines that came.
    pub ticks: u64,
    /// Routes that changed.
    pub route_changes: u64,
    /// Neighbours that became Full, or were and are no more.
    pub adjacency_changes: u64,
}

impl Counts {
    /// What has happened since it was `earlier`.
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
