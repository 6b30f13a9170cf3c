//! Protection against replayed packets (RFC 2328 §D.4.3, RFC 7474 §2): a neighbour's sequence numbers do not decrease while it is a
//! neighbour.

use super::Sequence;
use crate::refusal::Refusal;

/// The numbers last accepted from a neighbour, by packet type minus one. They are removed with the neighbour: when it is Down, any number
/// is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub(crate) struct Accepted([Option<u64>; 5]);

impl Accepted {
    /// Checks that the sequence number of a packet of a type (1 to 5) is new.
    pub(crate) fn check(&self, kind: u8, sequence: Sequence) -> Result<(), Refusal> {
        let last = self.0[slot(kind)];
        let new = match sequence {
            Sequence::None => true,
            // §D.4.3: "less than ... the packet is discarded".
            Sequence::NotSmaller(number) => last.is_none_or(|last| u64::from(number) >= last),
            Sequence::Larger(number) => last.is_none_or(|last| u64::from(number) > last),
            // RFC 7474 §2: "greater than the sequence number in the last OSPF packet of that type accepted".
            Sequence::LargerOfType(number) => last.is_none_or(|last| number > last),
        };
        if new { Ok(()) } else { Err(Refusal::AuthenticationSequence) }
    }

    /// Records the sequence number of a packet that was accepted.
    pub(crate) fn note(&mut self, kind: u8, sequence: Sequence) {
        match sequence {
            Sequence::None => {}
            Sequence::NotSmaller(number) | Sequence::Larger(number) => self.0 = [Some(number.into()); 5],
            Sequence::LargerOfType(number) => self.0[slot(kind)] = Some(number),
        }
    }
}

fn slot(kind: u8) -> usize {
    debug_assert!((1..=5).contains(&kind), "packet type {kind}");
    usize::from(kind) - 1
}
