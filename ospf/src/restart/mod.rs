//! Graceful restart (RFC 3623), of neighbours and of this router, and withdrawal before a permanent stop.

pub(crate) mod helper;
pub(crate) mod restarter;
pub(crate) mod withdrawal;
