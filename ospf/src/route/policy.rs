//! Decides by [`Policy`] which paths to a destination are accepted, with an index for fast look-ups. It knows nothing of graphs.

use std::collections::BTreeSet;

use crate::config::{Policy, Unlisted};
use crate::ids::{Prefix, RouterId};

/// A policy with the mask lengths that occur in its list, so that a decision costs one look-up for each length in use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Judge<'a> {
    policy: &'a Policy,
    /// Bit n is set if a listed prefix has length n.
    lengths: u64,
}

/// Whose paths to one destination are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict<'a> {
    /// Those of any router: no listed prefix covers the destination.
    Anyone,
    /// Those on which the last guard is one of these guards.
    Guards(&'a BTreeSet<RouterId>),
    /// None: no listed prefix covers the destination, and such destinations are refused.
    Nobody,
}

impl<'a> Judge<'a> {
    pub(super) fn new(policy: &'a Policy) -> Self {
        let lengths = policy.listed.keys().fold(0, |lengths, prefix| lengths | 1 << prefix.len());
        debug_assert!(lengths < 1 << 33, "a prefix has at most 32 bits");
        Self { policy, lengths }
    }

    pub(super) fn is_guard(&self, router: RouterId) -> bool {
        self.policy.guards.contains(&router)
    }

    /// Decides by the longest listed prefix that covers `prefix`. A listed 0.0.0.0/0 covers only itself.
    pub(super) fn verdict(&self, prefix: Prefix) -> Verdict<'a> {
        let shortest = if prefix == Prefix::DEFAULT { 0 } else { 1 };
        let covering = (shortest..=prefix.len())
            .rev()
            .filter(|len| self.lengths & 1 << len != 0)
            .find_map(|len| self.policy.listed.get_key_value(&Prefix::new(prefix.network(), len)));
        debug_assert!(covering.is_none_or(|(listed, _)| listed.covers(prefix)));
        match (covering, self.policy.unlisted) {
            (Some((_, guards)), _) => Verdict::Guards(guards),
            (None, Unlisted::Accept) => Verdict::Anyone,
            (None, Unlisted::Refuse) => Verdict::Nobody,
        }
    }
}

impl Verdict<'_> {
    /// Whether a path is accepted whose last guard is `last_guard`.
    pub(super) fn allows(self, last_guard: Option<RouterId>) -> bool {
        match self {
            Self::Anyone => true,
            Self::Guards(guards) => last_guard.is_some_and(|guard| guards.contains(&guard)),
            Self::Nobody => false,
        }
    }

    /// The guard to report for a refused path; none if the destination is not listed, because then no guard is at fault.
    pub(super) fn blames(self, last_guard: Option<RouterId>) -> Option<RouterId> {
        match self {
            Self::Anyone | Self::Nobody => None,
            Self::Guards(_) => last_guard,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const A: RouterId = RouterId(1);
    const B: RouterId = RouterId(2);

    fn prefix(text: &str) -> Prefix {
        let (address, len) = text.split_once('/').expect("address/length");
        Prefix::new(address.parse::<Ipv4Addr>().expect("an address"), len.parse().expect("a length"))
    }

    fn policy(listed: &[(&str, &[RouterId])], unlisted: Unlisted) -> Policy {
        Policy {
            guards: [A, B].into(),
            listed: listed.iter().map(|(text, guards)| (prefix(text), guards.iter().copied().collect())).collect(),
            unlisted,
            ..Policy::default()
        }
    }

    #[test]
    fn the_longest_listed_prefix_decides() {
        let policy = policy(&[("10.0.0.0/8", &[A]), ("10.1.0.0/16", &[B])], Unlisted::Accept);
        let judge = Judge::new(&policy);
        assert!(judge.verdict(prefix("10.1.2.0/24")).allows(Some(B)));
        assert!(!judge.verdict(prefix("10.1.2.0/24")).allows(Some(A)));
        assert!(judge.verdict(prefix("10.1.0.0/16")).allows(Some(B)));
        assert!(judge.verdict(prefix("10.2.0.0/16")).allows(Some(A)));
        assert!(!judge.verdict(prefix("10.2.0.0/16")).allows(None));
        assert_eq!(
            judge.verdict(prefix("10.0.0.0/7")),
            Verdict::Anyone,
            "a listed prefix does not cover what is larger"
        );
    }

    #[test]
    fn a_listed_default_route_covers_only_itself() {
        let policy = policy(&[("0.0.0.0/0", &[A])], Unlisted::Refuse);
        let judge = Judge::new(&policy);
        assert!(judge.verdict(Prefix::DEFAULT).allows(Some(A)));
        assert!(!judge.verdict(Prefix::DEFAULT).allows(Some(B)));
        assert_eq!(judge.verdict(prefix("10.0.0.0/8")), Verdict::Nobody);
        assert_eq!(judge.verdict(prefix("0.0.0.0/1")), Verdict::Nobody);
    }

    #[test]
    fn an_unlisted_destination_is_free_or_refused_and_blames_nobody() {
        let free = policy(&[], Unlisted::Accept);
        assert!(Judge::new(&free).verdict(prefix("192.0.2.0/24")).allows(None));
        let strict = policy(&[], Unlisted::Refuse);
        let verdict = Judge::new(&strict).verdict(prefix("192.0.2.0/24"));
        assert!(!verdict.allows(Some(A)));
        assert_eq!(verdict.blames(Some(A)), None);
    }
}
