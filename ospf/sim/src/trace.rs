//! A hash of everything that was sent: two runs with the same hash sent the same octets at the same times.

use std::net::Ipv4Addr;

use ospf::{Instant, InterfaceId};

use crate::topology::RouterIndex;

/// A running hash: FNV-1a with words of 64 bits in place of octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trace(u64);

impl Default for Trace {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Trace {
    /// Adds a packet.
    pub(crate) fn add(
        &mut self,
        at: Instant,
        router: RouterIndex,
        interface: InterfaceId,
        destination: Ipv4Addr,
        packet: &[u8],
    ) {
        self.word(at.since_origin().as_secs());
        self.word(u64::from(at.since_origin().subsec_nanos()));
        self.word((router.0 as u64) << 32 | u64::from(interface.0));
        self.word(u64::from(u32::from(destination)) << 32 | packet.len() as u64);
        let (words, rest) = packet.as_chunks::<8>();
        for &word in words {
            self.word(u64::from_le_bytes(word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.word(u64::from_le_bytes(last));
    }

    /// The hash so far.
    pub(crate) fn value(self) -> u64 {
        self.0
    }

    fn word(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x0000_0100_0000_01b3);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_place_and_bytes_all_count() {
        let of = |millis, router, interface, packet: &[u8]| {
            let mut trace = Trace::default();
            let at = Instant::new(std::time::Duration::from_millis(millis));
            trace.add(at, RouterIndex(router), InterfaceId(interface), Ipv4Addr::LOCALHOST, packet);
            trace
        };
        let all = [
            of(1, 1, 1, b"123456789"),
            of(2, 1, 1, b"123456789"),
            of(1, 2, 1, b"123456789"),
            of(1, 1, 2, b"123456789"),
            of(1, 1, 1, b"123456780"),
        ];
        for (index, trace) in all.iter().enumerate() {
            assert!(!all[..index].contains(trace));
        }
        assert_eq!(of(1, 1, 1, b"12"), of(1, 1, 1, b"12"));
    }
}
