//! Graceful restart (RFC 3623), others' and this router's own, and leaving for good.

pub(crate) mod helper;
pub(crate) mod restarter;
pub(crate) mod withdrawal;
