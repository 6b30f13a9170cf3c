//! Tracks the instances of self-originated LSAs that a router has sent, to distinguish changes from copies.

use std::collections::BTreeMap;

use ospf::RouterId;

/// The offset of the first LSA in an update, and the length of an LSA header (RFC 2328 §A.3.5, §A.4.1).
const FIRST_LSA: usize = 28;
const HEADER_LEN: usize = 20;
const AREA_ID: usize = 8;
const LS_UPDATE: u8 = 4;
/// LS types that are flooded in all areas (RFC 2328 §A.4.1, RFC 5250 §3).
const AS_SCOPE: [u8; 2] = [5, 11];
const MAX_AGE: u16 = 3600;

/// The newest instance of each LSA of a router that was seen in its packets.
#[derive(Debug)]
pub(crate) struct OwnLsas {
    router_id: RouterId,
    /// By area, LS type and Link State ID; LSAs that are in all areas are under the backbone.
    seen: BTreeMap<(u32, u8, u32), (i32, bool)>,
}

impl OwnLsas {
    pub(crate) fn new(router_id: RouterId) -> Self {
        Self { router_id, seen: BTreeMap::new() }
    }

    /// Sets the Router ID that the router has from now on.
    pub(crate) fn name(&mut self, router_id: RouterId) {
        if self.router_id != router_id {
            *self = Self::new(router_id);
        }
    }

    /// Returns how many new instances are in a packet of the router; an LSA that is flushed (§14.1) counts, too.
    pub(crate) fn count(&mut self, packet: &[u8]) -> u64 {
        if packet.get(1) != Some(&LS_UPDATE) {
            return 0;
        }
        let area = packet.get(AREA_ID..).and_then(<[u8]>::first_chunk).map_or(0, |area| u32::from_be_bytes(*area));
        let mut new = 0;
        let mut rest = packet.get(FIRST_LSA..).unwrap_or_default();
        while let Some(header) = rest.first_chunk::<HEADER_LEN>() {
            let word = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
            let half = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
            if word(8) == self.router_id.0 {
                let instance = (word(12).cast_signed(), half(0) >= MAX_AGE);
                let everywhere = AS_SCOPE.contains(&header[3]);
                let key = (if everywhere { 0 } else { area }, header[3], word(4));
                if self.seen.get(&key).is_none_or(|&known| known < instance) {
                    self.seen.insert(key, instance);
                    new += 1;
                }
            }
            rest = rest.get(usize::from(half(18)).max(HEADER_LEN)..).unwrap_or_default();
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(lsas: &[(u32, i32, u16)]) -> Vec<u8> {
        let mut packet = vec![0; FIRST_LSA];
        packet[1] = LS_UPDATE;
        for &(router, sequence, age) in lsas {
            packet.extend(age.to_be_bytes());
            packet.extend([2, 1]);
            packet.extend([9, 9, 9, 9]);
            packet.extend(router.to_be_bytes());
            packet.extend(sequence.to_be_bytes());
            packet.extend([0, 0, 0, 24, 1, 2, 3, 4]);
        }
        packet
    }

    #[test]
    fn an_instance_counts_once_and_only_if_it_is_its_own() {
        let mut own = OwnLsas::new(RouterId(7));
        assert_eq!(own.count(&update(&[(7, -5, 1), (8, -5, 1)])), 1);
        assert_eq!(own.count(&update(&[(7, -5, 1), (7, -4, 1), (7, -6, 1)])), 1);
        assert_eq!(own.count(&update(&[(7, -4, MAX_AGE)])), 1);
        assert_eq!(own.count(&update(&[(7, -4, MAX_AGE)])), 0);
        let mut elsewhere = update(&[(7, -5, 1)]);
        elsewhere[AREA_ID] = 1;
        assert_eq!((own.count(&elsewhere), own.count(&elsewhere)), (1, 0));
        let mut hello = update(&[(7, 1, 1)]);
        hello[1] = 1;
        assert_eq!(own.count(&hello) + own.count(&[0, LS_UPDATE]) + own.count(&[]), 0);
    }
}
