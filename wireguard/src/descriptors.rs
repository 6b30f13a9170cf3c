//! Checks that the limit of open files leaves room for another interface.

use nix::sys::resource::{Resource, getrlimit};

/// Number of descriptors of one interface: TUN device, UDP socket, UAPI socket.
pub const PER_INTERFACE: u64 = 3;

/// Number of descriptors that do not belong to an interface: standard streams, the runtime's own, the control socket, clients.
const RESERVE: u64 = 64;

/// The error that the limit of open files leaves no room for another interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the limit of open files, {limit}, is reached with {interfaces} interfaces: raise LimitNOFILE (`ulimit -n`)")]
pub struct LimitReached {
    /// The soft limit (RLIMIT_NOFILE).
    pub limit: u64,
    /// Number of interfaces that are open.
    pub interfaces: u64,
}

/// Checks that there is room for one more interface beside the `interfaces` that are open.
pub fn check(interfaces: usize) -> Result<(), LimitReached> {
    // If the limit cannot be read, there is no check.
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft);
    room(interfaces as u64, limit)
}

fn room(interfaces: u64, limit: u64) -> Result<(), LimitReached> {
    let needed = (interfaces + 1).saturating_mul(PER_INTERFACE).saturating_add(RESERVE);
    if needed <= limit { Ok(()) } else { Err(LimitReached { limit, interfaces }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_1024_files_has_room_for_320_interfaces() {
        assert_eq!(room(319, 1024), Ok(()));
        let full = room(320, 1024).unwrap_err();
        assert_eq!(
            full.to_string(),
            "the limit of open files, 1024, is reached with 320 interfaces: raise LimitNOFILE (`ulimit -n`)"
        );
        assert!(room(0, 10).is_err());
    }
}
