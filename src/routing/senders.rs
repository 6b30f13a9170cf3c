//! The filter by senders of an interface's OSPF socket, as a program for the kernel (classic BPF, socket(7) `SO_ATTACH_FILTER`).
//!
//! It drops packets that the engine would refuse anyway, and keeps floods of forged packets out of the receive buffer. The engine checks
//! again everything that the filter checks.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use nix::libc;
use ospf::{AreaId, Config, InterfaceConfig, InterfaceId, NetworkType, RouterId, Speaker, TtlSecurity};
use socket2::SockFilter;

/// Offsets in the IP header; a packet from a raw socket begins with it.
const TTL: u32 = 8;
const SOURCE: u32 = 12;
/// Offsets in the OSPF header (RFC 2328 §A.3.1), which follows the IP header and its options.
const ROUTER_ID: u32 = 4;
const AREA_ID: u32 = 8;

/// The TTL that a peer sends with, and the one that earlier versions used.
const TTLS: [u32; 2] = [255, 1];

/// The BPF return value that accepts the whole packet.
const WHOLE: u32 = u32::MAX;

/// The most far ends of virtual links in a program. If an interface has more, its socket has no filter, and the engine checks all packets:
/// a BPF jump skips at most 255 instructions.
const MAX_FAR_ENDS: usize = 64;

/// The senders whose packets a socket lets through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Senders {
    /// All senders.
    Anyone,
    /// A tunnel's peer, and routers whose packets carry the Router ID of a far end of a virtual link through the tunnel's area.
    Peer {
        /// The peer's IP address.
        address: Ipv4Addr,
        /// Whether the peer's packets must have a TTL that shows that no router has forwarded them.
        ttl_security: TtlSecurity,
        /// The Router IDs of the far ends of virtual links.
        far_ends: BTreeSet<RouterId>,
    },
}

/// One instruction of classic BPF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    code: u32,
    if_true: u8,
    if_false: u8,
    operand: u32,
}

impl From<Instruction> for SockFilter {
    fn from(Instruction { code, if_true, if_false, operand }: Instruction) -> Self {
        let code = u16::try_from(code).expect("classic BPF has codes of sixteen bits");
        Self::new(code, if_true, if_false, operand)
    }
}

/// Returns, for each interface, the senders whose packets its socket should let through.
pub fn senders(config: &Config) -> BTreeMap<InterfaceId, Senders> {
    config.interfaces.iter().map(|(id, interface)| (*id, senders_of(interface, config))).collect()
}

fn senders_of(interface: &InterfaceConfig, config: &Config) -> Senders {
    let Speaker::Peer { address, ttl_security } = interface.speaker else { return Senders::Anyone };
    let far_ends: BTreeSet<RouterId> = config
        .interfaces
        .values()
        .filter_map(|other| match other.network {
            NetworkType::VirtualLink { transit_area, far_end } if transit_area == interface.area => Some(far_end),
            _ => None,
        })
        .collect();
    match far_ends.len() {
        0..=MAX_FAR_ENDS => Senders::Peer { address, ttl_security, far_ends },
        _ => Senders::Anyone,
    }
}

impl Senders {
    /// Returns the BPF program; it is empty if there is nothing to filter.
    pub fn program(&self) -> Vec<Instruction> {
        let Self::Peer { address, ttl_security, far_ends } = self else { return Vec::new() };
        let load = |size: u32, mode: u32, operand| Instruction {
            code: libc::BPF_LD | size | mode,
            if_true: 0,
            if_false: 0,
            operand,
        };
        let equal = |operand, if_true, if_false| Instruction {
            code: libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            if_true,
            if_false,
            operand,
        };
        let verdict = |operand| Instruction { code: libc::BPF_RET | libc::BPF_K, if_true: 0, if_false: 0, operand };
        let mut program = Vec::new();
        // Each jump to the instructions for virtual links skips the remaining ones of this part.
        if *ttl_security == TtlSecurity::Required {
            let [now, earlier] = TTLS;
            program.extend([load(libc::BPF_B, libc::BPF_ABS, TTL), equal(now, 1, 0), equal(earlier, 0, 3)]);
        }
        program.extend([load(libc::BPF_W, libc::BPF_ABS, SOURCE), equal(u32::from(*address), 0, 1), verdict(WHOLE)]);
        if !far_ends.is_empty() {
            let header_len =
                Instruction { code: libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH, if_true: 0, if_false: 0, operand: 0 };
            let ends = u8::try_from(far_ends.len()).unwrap_or(u8::MAX);
            program.extend([
                header_len,
                load(libc::BPF_W, libc::BPF_IND, AREA_ID),
                // If the packet is not of the backbone, this jumps to the last instruction, past the Router IDs and the acceptance for
                // them.
                equal(AreaId::BACKBONE.0, 0, ends + 2),
                load(libc::BPF_W, libc::BPF_IND, ROUTER_ID),
            ]);
            for (end, left) in far_ends.iter().zip((0..ends).rev()) {
                // If the last Router ID does not match, this skips the acceptance.
                program.push(equal(end.0, left, u8::from(left == 0)));
            }
            program.push(verdict(WHOLE));
        }
        program.push(verdict(0));
        program
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: Ipv4Addr = Ipv4Addr::new(10, 255, 0, 2);
    const OTHER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 66);

    /// What the kernel would do, for the instructions that are used.
    fn takes(program: &[Instruction], packet: &[u8]) -> bool {
        let word = |at: usize| packet.get(at..at + 4).map(|word| u32::from_be_bytes(word.try_into().unwrap()));
        let (mut at, mut a, mut x) = (0, 0, 0);
        loop {
            let Instruction { code, if_true, if_false, operand } = program[at];
            at += 1;
            let k = operand as usize;
            if code == libc::BPF_LD | libc::BPF_B | libc::BPF_ABS {
                a = packet[k].into();
            } else if code == libc::BPF_LD | libc::BPF_W | libc::BPF_ABS {
                let Some(loaded) = word(k) else { return false };
                a = loaded;
            } else if code == libc::BPF_LD | libc::BPF_W | libc::BPF_IND {
                let Some(loaded) = word(x + k) else { return false };
                a = loaded;
            } else if code == libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH {
                x = usize::from(packet[k] & 0x0f) * 4;
            } else if code == libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K {
                at += usize::from(if a == operand { if_true } else { if_false });
            } else {
                assert_eq!(code, libc::BPF_RET | libc::BPF_K);
                return operand > 0;
            }
        }
    }

    /// A packet of an IP header of so many words and an OSPF header.
    fn packet(source: Ipv4Addr, ttl: u8, words: u8, area: u32, router_id: u32) -> Vec<u8> {
        let mut packet = vec![0; usize::from(words) * 4];
        packet[0] = 0x40 | words;
        packet[8] = ttl;
        packet[12..16].copy_from_slice(&source.octets());
        packet.extend([2, 1, 0, 44]);
        packet.extend(router_id.to_be_bytes());
        packet.extend(area.to_be_bytes());
        packet
    }

    fn program(ttl_security: TtlSecurity, far_ends: &[u32]) -> Vec<Instruction> {
        let far_ends = far_ends.iter().copied().map(RouterId).collect();
        Senders::Peer { address: PEER, ttl_security, far_ends }.program()
    }

    #[test]
    fn the_peer_is_let_through_with_the_ttl_that_shows_that_nobody_forwarded_its_packet() {
        let program = program(TtlSecurity::Required, &[]);
        for (source, ttl, taken) in [
            (PEER, 255, true),
            (PEER, 1, true),
            (PEER, 254, false),
            (PEER, 64, false),
            (OTHER, 255, false),
            (OTHER, 1, false),
        ] {
            assert_eq!(takes(&program, &packet(source, ttl, 5, 0, 7)), taken, "{source} {ttl}");
        }
    }

    #[test]
    fn without_ttl_security_the_peers_address_is_enough() {
        let program = program(TtlSecurity::Off, &[]);
        assert!(takes(&program, &packet(PEER, 63, 5, 0, 7)));
        assert!(!takes(&program, &packet(OTHER, 255, 5, 0, 7)));
    }

    #[test]
    fn packets_of_the_backbone_are_let_through_for_the_far_ends_of_virtual_links() {
        for words in [5, 6, 15] {
            for ttl_security in [TtlSecurity::Required, TtlSecurity::Off] {
                let program = program(ttl_security, &[8, 9, 10]);
                for end in [8, 9, 10] {
                    assert!(takes(&program, &packet(OTHER, 62, words, 0, end)));
                    assert!(!takes(&program, &packet(OTHER, 62, words, 1, end)), "another area");
                }
                assert!(!takes(&program, &packet(OTHER, 62, words, 0, 11)), "another router");
                assert!(takes(&program, &packet(PEER, 255, words, 1, 11)), "the peer");
            }
        }
    }

    #[test]
    fn what_is_too_short_for_a_header_is_not_let_through_for_a_virtual_link() {
        let program = program(TtlSecurity::Required, &[8]);
        let whole = packet(OTHER, 62, 5, 0, 8);
        assert!((16..whole.len()).all(|len| !takes(&program, &whole[..len])));
    }
}
