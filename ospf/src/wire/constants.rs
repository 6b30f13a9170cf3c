//! Architectural constants (RFC 2328 appendix B), and the lengths of fixed parts (appendix A).
//!
//! MaxSequenceNumber and InitialSequenceNumber are [`crate::SequenceNumber::MAX`] and [`crate::SequenceNumber::INITIAL`].

use std::time::Duration;

/// MaxAge in seconds: an LSA of this age is no longer used, and is being flushed.
pub const MAX_AGE: u16 = 3600;

/// DoNotAge (RFC 1793 §2.2): the bit of LS age that stops the aging of an LSA in databases.
pub const DO_NOT_AGE: u16 = 0x8000;

/// MaxAgeDiff in seconds: if the ages of two instances differ by more than this, they are different instances.
pub const MAX_AGE_DIFF: u16 = 900;

/// CheckAge in seconds: when an LSA's age reaches a multiple of this, its checksum is verified again.
pub const CHECK_AGE: u16 = 300;

/// LSRefreshTime: a self-originated LSA is refreshed at this age.
pub const LS_REFRESH_TIME: Duration = Duration::from_secs(1800);

/// MinLSInterval: the minimum time between two originations of an LSA.
pub const MIN_LS_INTERVAL: Duration = Duration::from_secs(5);

/// MinLSArrival: the minimum time between two instances of an LSA that are accepted by flooding.
pub const MIN_LS_ARRIVAL: Duration = Duration::from_secs(1);

/// LSInfinity: the metric of an unreachable destination, the largest 24-bit number.
pub const LS_INFINITY: u32 = 0xff_ffff;

/// Length of the packet header, in octets (§A.3.1).
pub const PACKET_HEADER_LEN: usize = 24;

/// Length of a Hello's fixed part, after the packet header and before its neighbours of 4 octets each (§A.3.2).
pub const HELLO_FIXED_LEN: usize = 20;

/// Length of a Database Description's fixed part, after the packet header and before its LSA headers (§A.3.3).
pub const DATABASE_DESCRIPTION_FIXED_LEN: usize = 8;

/// Length of one request in a Link State Request (§A.3.4).
pub const REQUEST_LEN: usize = 12;

/// Length of a Link State Update's fixed part, after the packet header and before its LSAs (§A.3.5).
pub const LINK_STATE_UPDATE_FIXED_LEN: usize = 4;

/// Length of the LSA header, in octets (§A.4.1).
pub const LSA_HEADER_LEN: usize = 20;
