//! Origination of this router's own LSAs (§12.4): which LSAs, with which contents, and when.

pub(crate) mod area;
pub(crate) mod external_lsa;
pub(crate) mod link_state_ids;
pub(crate) mod network_lsa;
pub(crate) mod nssa;
pub(crate) mod opaque;
pub(crate) mod router_lsa;
pub(crate) mod scheduler;
pub(crate) mod stub_router;
pub(crate) mod summary_lsa;
pub(crate) mod wishes;
