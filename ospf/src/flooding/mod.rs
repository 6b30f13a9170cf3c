//! Flooding (§13) and aging (§14) of LSAs.

pub(crate) mod acknowledgment;
pub(crate) mod aging;
pub(crate) mod departed;
pub(crate) mod early;
pub(crate) mod flood;
pub(crate) mod former_ids;
pub(crate) mod reachability;
pub(crate) mod retransmission;
pub(crate) mod self_originated;
pub(crate) mod site_lsas;
