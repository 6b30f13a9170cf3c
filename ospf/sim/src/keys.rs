//! Authentication of all interfaces with keys that are replaced repeatedly, while the clocks of the routers differ a little.

use std::time::Duration;

use ospf::{Authentication, Instant, Key, KeyAlgorithm, KeyChain, KeyId, Lifetime, MAX_KEYS, Secret, SequenceCheck};

use crate::topology::RouterIndex;

/// The most that a clock is ahead or behind, in whole seconds.
const SKEW: u64 = 2;

/// A key is accepted for this long before and after the time in which packets are signed with it. This is more than twice the difference of
/// clocks, because packets are under way for some time.
const OVERLAP: Duration = Duration::from_secs(2 * SKEW + 2);

/// How keys are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyRollover {
    /// How long each key is used; the last one of [`MAX_KEYS`] is used for ever.
    pub every: Duration,
    /// The check of sequence numbers.
    pub sequence: SequenceCheck,
}

impl KeyRollover {
    /// Returns the keys with their lifetimes by the router's clock.
    pub(crate) fn authentication(self, router: RouterIndex) -> Authentication {
        // From 0 to twice SKEW, so that no time is before the start.
        let behind = Duration::from_secs(router.0 as u64 % (2 * SKEW + 1));
        let keys = (0..MAX_KEYS).map(|number| {
            let begin = |number: usize| self.every * u32::try_from(number).expect("keys are few");
            let at = |since: Duration| Instant::new(since + behind);
            let send = Lifetime {
                from: (number > 0).then(|| at(begin(number))),
                until: (number + 1 < MAX_KEYS).then(|| at(begin(number + 1))),
            };
            let accept = Lifetime {
                from: (number > 0).then(|| at(begin(number).saturating_sub(OVERLAP))),
                until: send.until.map(|until| until + OVERLAP),
            };
            let id = KeyId(u8::try_from(number).expect("keys are few"));
            let secret = Secret::new(format!("key {number}").into_bytes());
            Key { id, algorithm: KeyAlgorithm::HmacSha256, secret, send, accept }
        });
        let chain = KeyChain::new(keys.collect(), self.sequence);
        Authentication::Cryptographic(chain.expect("as many keys as there may be, with different ids"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_one_router_signs_with_the_others_take() {
        let rollover = KeyRollover { every: Duration::from_secs(10), sequence: SequenceCheck::NotSmaller };
        let chain = |router| match rollover.authentication(RouterIndex(router)) {
            Authentication::Cryptographic(chain) => chain,
            other => panic!("{other:?}"),
        };
        let chains: Vec<_> = (0..5).map(chain).collect();
        let mut used = std::collections::BTreeSet::new();
        for second in 0..1000 {
            let now = Instant::new(Duration::from_secs(second));
            for chain in &chains {
                let id = chain.signing(now).0.id;
                used.insert(id);
                let takes = |other: &KeyChain| other.keys().iter().any(|key| key.id == id && key.accept.contains(now));
                assert!(chains.iter().all(takes), "{id} at {second} s");
            }
        }
        assert_eq!(used.len(), MAX_KEYS);
    }
}
