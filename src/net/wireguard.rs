//! Time constants of the WireGuard protocol (whitepaper §6.1), on which the judgement of tunnels depends.

use std::time::Duration;

/// REKEY_TIMEOUT: an initiator without an answer sends another handshake after this time.
pub const REKEY_TIMEOUT: Duration = Duration::from_secs(5);

/// KEEPALIVE_TIMEOUT: a peer that has received data and has nothing to send answers with a keepalive after this time.
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// REKEY_AFTER_TIME: the initiator of a session begins another one after this time.
pub const REKEY_AFTER_TIME: Duration = Duration::from_secs(120);

/// REJECT_AFTER_TIME: an older session carries no packets.
pub const REJECT_AFTER_TIME: Duration = Duration::from_secs(180);
