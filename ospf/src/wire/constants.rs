//! Architectural constants (RFC 2328 appendix B), and the lengths of fixed parts (appendix A).
//!
//! MaxSequenceNumber and InitialSequenceNumber are [`crate::SequenceNumber::MAX`] and [`crate::SequenceNumber::INITIAL`].

use std::time::Duration;

/// MaxAge, seconds: an LSA of this age is no longer used, and is being flushed.
pub const MAX_AGE: u16 = 3600;

/// DoNotAge (RFC 1793 §2.2): the bit of LS age by which an LSA does not grow old in databases.
pub const DO_NOT_AGE: u16 = 0x8000;

/// MaxAgeDiff, seconds: ages further apart than this are different instances.
pub const MAX_AGE_DIFF: u16 = 900;

/// CheckAge, seconds: when an LSA's age passes a multiple of this, its checksum is verified again.
pub const CHECK_AGE: u16 = 300;

/// LSRefreshTime: an LSA of our own is originated anew at this age.
pub const LS_REFRESH_TIME: Duration = Duration::from_secs(1800);

/// MinLSInterval: two originations of one LSA are at least this far apart.
pub const MIN_LS_INTERVAL: Duration = Duration::from_secs(5);

/// MinLSArrival: two instances of one LSA are accepted by flooding at least this far apart.
pub const MIN_LS_ARRIVAL: Duration = Duration::from_secs(1);

/// LSInfinity: the metric of a destination that cannot be reached, the largest that 24 bits hold.
pub const LS_INFINITY: u32 = 0xff_ffff;

/// Octets of the header that all packets begin with (§A.3.1).
pub const PACKET_HEADER_LEN: usize = 24;

/// Octets of a Hello between the packet header and its neighbours of 4 octets each (§A.3.2).
pub const HELLO_FIXED_LEN: usize = 20;

/// Octets of a Database Description between the packet header and its LSA headers (§A.3.3).
pub const DATABASE_DESCRIPTION_FIXED_LEN: usize = 8;

/// Octets of one request in a Link State Request (§A.3.4).
pub const REQUEST_LEN: usize = 12;

/// Octets of a Link State Update between the packet header and its LSAs (§A.3.5).
pub const LINK_STATE_UPDATE_FIXED_LEN: usize = 4;

/// Octets of the header that all LSAs begin with (§A.4.1).
pub const LSA_HEADER_LEN: usize = 20;
