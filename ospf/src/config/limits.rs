//! Limits on the LSAs and routes that are accepted from other routers.

/// Limits that protect the memory. LSAs that this router originates itself are always installed.
///
/// If there are guards ([`crate::Policy::guards`]), a quarter of the LSAs that a limit allows is reserved for those of guards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
pub struct Limits {
    /// LSAs in all databases together.
    pub lsas: usize,
    /// Octets of the LSAs in all databases together.
    pub lsdb_octets: usize,
    /// LSAs in the database of one area, without those of AS scope.
    pub lsas_per_area: usize,
    /// Routes to networks. If there are more, routes to listed destinations ([`crate::Policy::listed`]) come first, then those of guards,
    /// then those inside the AS, then those with the lower prefix.
    pub routes: usize,
}

impl Limits {
    /// Default limit on LSAs: about 100 MB with the data kept about each.
    pub const LSAS: usize = 200_000;
    /// Default limit on octets: about three times the size that as many LSAs have in a usual network.
    pub const LSDB_OCTETS: usize = 64 << 20;
    /// Default limit on LSAs in one area: one area may have all of them.
    pub const LSAS_PER_AREA: usize = Self::LSAS;
    /// Default limit on routes: about 100 MB, a full table of the Internet of some years ago.
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
