//! Sets of IPv4 addresses as ranges, as nftables stores sets of prefixes.

use std::fmt;
use std::net::Ipv4Addr;

use crate::net::Prefix;

/// All IPv4 addresses.
const ALL: Range = Range { first: 0, last: u32::MAX };

/// The addresses from the first to the last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Range {
    pub first: u32,
    pub last: u32,
}

/// A set of addresses: ranges in ascending order with at least one address between any two.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ranges(Vec<Range>);

impl Range {
    /// Returns the addresses of an IPv4 network; `None` for an IPv6 one.
    pub fn of(network: Prefix) -> Option<Self> {
        let (first, length) = network.v4()?;
        let first = u32::from(first);
        Some(Self { first, last: first | u32::MAX.checked_shr(length.into()).unwrap_or(0) })
    }
}

impl FromIterator<Range> for Ranges {
    fn from_iter<T: IntoIterator<Item = Range>>(ranges: T) -> Self {
        let mut ranges: Vec<Range> = ranges.into_iter().collect();
        ranges.sort_unstable();
        let mut merged: Vec<Range> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match merged.last_mut() {
                Some(before) if before.last == u32::MAX || range.first <= before.last + 1 => {
                    before.last = before.last.max(range.last);
                }
                _ => merged.push(range),
            }
        }
        Self::of_merged(merged)
    }
}

impl FromIterator<Prefix> for Ranges {
    fn from_iter<T: IntoIterator<Item = Prefix>>(networks: T) -> Self {
        networks.into_iter().filter_map(Range::of).collect()
    }
}

impl Ranges {
    /// Returns the addresses that are in at least one of the sets.
    pub fn and(&self, other: &Self) -> Self {
        self.0.iter().chain(&other.0).copied().collect()
    }

    /// Returns the addresses that are in this set and not in the other.
    pub fn without(&self, other: &Self) -> Self {
        let mut left = Vec::new();
        let mut holes = other.0.iter().peekable();
        for range in &self.0 {
            let mut first = Some(range.first);
            while let (Some(start), Some(hole)) = (first, holes.peek()) {
                if hole.first > range.last {
                    break;
                }
                if hole.last >= start {
                    if hole.first > start {
                        left.push(Range { first: start, last: hole.first - 1 });
                    }
                    first = hole.last.checked_add(1).filter(|next| *next <= range.last);
                }
                // A hole may extend into the next range.
                if hole.last > range.last {
                    break;
                }
                holes.next();
            }
            left.extend(first.map(|first| Range { first, last: range.last }));
        }
        Self::of_merged(left)
    }

    /// The set of these ranges, which are in ascending order and apart.
    fn of_merged(ranges: Vec<Range>) -> Self {
        debug_assert!(ranges.iter().all(|range| range.first <= range.last), "{ranges:?}");
        debug_assert!(ranges.is_sorted_by(|a, b| u64::from(a.last) + 1 < u64::from(b.first)), "{ranges:?}");
        Self(ranges)
    }

    /// Returns the addresses that are not in the set.
    pub fn complement(&self) -> Self {
        Self(vec![ALL]).without(self)
    }

    /// Returns how many addresses of the set are in a range.
    pub fn count_in(&self, range: Range) -> u64 {
        let begin = self.0.partition_point(|own| own.last < range.first);
        let common = self.0[begin..].iter().take_while(|own| own.first <= range.last);
        common.map(|own| u64::from(own.last.min(range.last) - own.first.max(range.first)) + 1).sum()
    }

    /// Returns the smallest number of prefixes with the same addresses, in ascending order.
    pub fn prefixes(&self) -> Vec<Prefix> {
        let mut prefixes = Vec::new();
        for range in &self.0 {
            let mut next = Some(range.first);
            while let Some(first) = next {
                // The largest block that is aligned to its first address and fits into the rest of the range.
                let left = u64::from(range.last - first) + 1;
                let bits = first.trailing_zeros().min(left.ilog2());
                prefixes.push(Prefix::new(Ipv4Addr::from(first), 32 - bits as u8));
                next = u32::try_from(u64::from(first) + (1 << bits)).ok().filter(|next| *next <= range.last);
            }
        }
        prefixes
    }

    /// Returns whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the ranges in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = &Range> {
        self.0.iter()
    }

    #[cfg(test)]
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        self.0.iter().any(|range| (range.first..=range.last).contains(&address.into()))
    }
}

/// Formatted as an element of an interval set of nftables.
impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = Ipv4Addr::from(self.first);
        match self.first == self.last {
            true => write!(f, "{first}"),
            false => write!(f, "{first}-{}", Ipv4Addr::from(self.last)),
        }
    }
}

/// Divides all addresses into ranges, each with the longest of `networks` that covers it, if any does. The cost grows with the number of
/// networks only.
pub(super) fn longest_covers(networks: impl IntoIterator<Item = Prefix>) -> Vec<(Range, Option<Prefix>)> {
    let mut networks: Vec<Prefix> = networks.into_iter().collect();
    networks.sort_unstable();
    networks.dedup();
    let mut sweep = Sweep { done: Vec::new(), next: Some(ALL.first), open: Vec::new() };
    for (range, network) in networks.into_iter().filter_map(|network| Some((Range::of(network)?, network))) {
        // Networks are nested or disjoint: those that end before this one begins are closed, innermost first.
        while let Some((ended, cover)) = sweep.open.pop_if(|(open, _)| open.last < range.first) {
            sweep.advance(ended.last, Some(cover));
        }
        if let Some(before) = range.first.checked_sub(1) {
            let around = sweep.open.last().map(|(_, cover)| *cover);
            sweep.advance(before, around);
        }
        sweep.open.push((range, network));
    }
    while let Some((ended, cover)) = sweep.open.pop() {
        sweep.advance(ended.last, Some(cover));
    }
    sweep.advance(ALL.last, None);
    sweep.done
}

/// The progress of [`longest_covers`].
struct Sweep {
    done: Vec<(Range, Option<Prefix>)>,
    /// The first address that is in no range yet; `None` after the last address.
    next: Option<u32>,
    /// Networks that have begun and not ended, outermost first.
    open: Vec<(Range, Prefix)>,
}

impl Sweep {
    /// Records that all addresses up to `last` that are in no range yet are covered by `cover`.
    fn advance(&mut self, last: u32, cover: Option<Prefix>) {
        let Some(first) = self.next.filter(|first| *first <= last) else { return };
        self.done.push((Range { first, last }, cover));
        self.next = last.checked_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(text: &str) -> Vec<Prefix> {
        text.split_whitespace().map(|network| network.parse().unwrap()).collect()
    }

    fn ranges(text: &str) -> Ranges {
        networks(text).into_iter().collect()
    }

    fn shown(ranges: &Ranges) -> String {
        ranges.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn adjacent_and_nested_networks_become_one_range() {
        assert_eq!(shown(&ranges("10.1.0.0/16 10.0.0.0/16 10.0.5.0/24 10.9.0.1/32")), "10.0.0.0-10.1.255.255 10.9.0.1");
        assert_eq!(shown(&ranges("255.255.255.255/32 0.0.0.0/0")), "0.0.0.0-255.255.255.255");
    }

    #[test]
    fn subtraction_leaves_what_is_around_and_between() {
        let left =
            ranges("10.0.0.0/24 10.0.2.0/24").without(&ranges("10.0.0.0/30 10.0.0.128/25 10.0.1.0/24 10.0.2.7/32"));
        assert_eq!(shown(&left), "10.0.0.4-10.0.0.127 10.0.2.0-10.0.2.6 10.0.2.8-10.0.2.255");
        assert!(ranges("10.0.0.0/24 10.0.2.0/24").without(&ranges("10.0.0.0/8")).is_empty());
        assert_eq!(shown(&ranges("0.0.0.0/0").without(&ranges("255.255.255.255/32"))), "0.0.0.0-255.255.255.254");
    }

    #[test]
    fn a_set_is_cut_into_the_fewest_prefixes() {
        let prefixes = |set: &Ranges| set.prefixes().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let all = ranges("0.0.0.0/0");
        assert_eq!(prefixes(&all), "0.0.0.0/0");
        assert_eq!(prefixes(&Ranges::default()), "");
        assert_eq!(prefixes(&ranges("10.2.0.0/16 10.3.0.0/16 10.4.0.0/32")), "10.2.0.0/15 10.4.0.0/32");
        assert_eq!(prefixes(&ranges("255.255.255.254/31 255.255.255.253/32")), "255.255.255.253/32 255.255.255.254/31");
        let holes = ranges("10.1.0.0/16 10.255.0.0/16");
        let around = ranges("10.0.0.0/8").without(&holes);
        assert_eq!(
            prefixes(&around),
            "10.0.0.0/16 10.2.0.0/15 10.4.0.0/14 10.8.0.0/13 10.16.0.0/12 10.32.0.0/11 10.64.0.0/10 10.128.0.0/10 \
             10.192.0.0/11 10.224.0.0/12 10.240.0.0/13 10.248.0.0/14 10.252.0.0/15 10.254.0.0/16"
        );
        assert_eq!((around.count_in(ALL), all.count_in(ALL)), (254 << 16, 1 << 32));
    }

    #[test]
    fn the_longest_network_covers() {
        let covers = longest_covers(networks("10.0.0.0/8 10.1.0.0/16 10.1.2.0/24 10.1.3.0/24 255.0.0.0/8"));
        let covers: Vec<String> = covers
            .iter()
            .map(|(range, cover)| format!("{range} {}", cover.map_or_else(String::new, |cover| cover.to_string())))
            .collect();
        assert_eq!(
            covers,
            [
                "0.0.0.0-9.255.255.255 ",
                "10.0.0.0-10.0.255.255 10.0.0.0/8",
                "10.1.0.0-10.1.1.255 10.1.0.0/16",
                "10.1.2.0-10.1.2.255 10.1.2.0/24",
                "10.1.3.0-10.1.3.255 10.1.3.0/24",
                "10.1.4.0-10.1.255.255 10.1.0.0/16",
                "10.2.0.0-10.255.255.255 10.0.0.0/8",
                "11.0.0.0-254.255.255.255 ",
                "255.0.0.0-255.255.255.255 255.0.0.0/8",
            ]
        );
    }

    /// Up to a dozen networks close together, so that many of them nest and touch.
    fn few(random: &mut u64) -> Vec<Prefix> {
        // Numerical Recipes' linear congruential generator: the same networks in every run.
        let mut next = |bound: u64| {
            *random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223) & 0xffff_ffff;
            (*random >> 16) % bound
        };
        let count = next(12);
        let network = |_| {
            let (address, length) = (next(64) as u32, 26 + next(7) as u8);
            Prefix::new(Ipv4Addr::from(address), length)
        };
        (0..count).map(network).collect()
    }

    #[test]
    fn sets_and_covers_agree_with_looking_at_each_address() {
        let mut random = 1;
        for _ in 0..1000 {
            let (one, other) = (few(&mut random), few(&mut random));
            let (these, those): (Ranges, Ranges) = (one.iter().copied().collect(), other.iter().copied().collect());
            let (sum, difference) = (these.and(&those), these.without(&those));
            let covers = longest_covers(one.iter().copied());
            assert_eq!(these.prefixes().into_iter().collect::<Ranges>(), these, "{one:?}");
            let common = those.iter().map(|range| these.count_in(*range)).sum::<u64>();
            let addresses = (0..80).map(Ipv4Addr::from);
            let expected = addresses.filter(|address| these.contains(*address) && those.contains(*address)).count();
            assert_eq!(common, expected as u64, "{one:?} and at once {other:?}");
            for address in (0..80).map(Ipv4Addr::from) {
                let is_in = |networks: &[Prefix]| networks.iter().any(|network| network.contains(address));
                assert_eq!(sum.contains(address), is_in(&one) || is_in(&other), "{one:?} and {other:?}: {address}");
                let expected = is_in(&one) && !is_in(&other);
                assert_eq!(difference.contains(address), expected, "{one:?} without {other:?}: {address}");
                let covering = one.iter().filter(|network| network.contains(address));
                let longest = covering.max_by_key(|network| network.len());
                let is_around = |range: &Range| (range.first..=range.last).contains(&address.into());
                let found: Vec<_> = covers.iter().filter(|(range, _)| is_around(range)).collect();
                assert_eq!(found.len(), 1, "{one:?}: {address}");
                assert_eq!(found[0].1.as_ref(), longest, "{one:?}: {address}");
            }
        }
    }
}
