//! How much is taken from others before it is refused.

/// Guards of memory. What this router originates itself always goes in.
///
/// Where there are guards ([`crate::Policy::guards`]), a quarter of what is let in of LSAs is kept for theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
pub struct Limits {
    /// LSAs in all databases together.
    pub lsas: usize,
    /// Octets of the LSAs in all databases together.
    pub lsdb_octets: usize,
    /// LSAs in the database of one area, those of AS scope left out.
    pub lsas_per_area: usize,
    /// Routes to networks. Those to destinations that are listed ([`crate::Policy::listed`]) come first, then those of guards, then those
    /// inside the AS, then those with the lower prefix.
    pub routes: usize,
}

impl Limits {
    /// LSAs by default: some 100 MB with what is kept about each.
    pub const LSAS: usize = 200_000;
    /// Octets by default: some three times what as many LSAs have in a usual network.
    pub const LSDB_OCTETS: usize = 64 << 20;
    /// LSAs in one area by default: one area may have all of them.
    pub const LSAS_PER_AREA: usize = Self::LSAS;
    /// Routes by default: some 100 MB, a full table of the Internet of some years ago.
    pub const ROUTES: usize = 500_000;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            lsas: Self::LSAS,
            lsdb_octets: Self::LSDB_OCTETS,
            lsas_per_area: Self::LSAS_PER_AREA,
            routes: Self::ROUTES,
        }
    }
}
