//! The election of the designated router and its backup (RFC 2328 §9.4), as a function of the routers' declarations.
//!
//! It does not depend on interfaces: [`crate::interface::machinery`] applies the outcome to an interface.

use std::net::Ipv4Addr;

use crate::ids::RouterId;

/// The designated router and the backup of a network, by their addresses there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub(crate) struct Designated {
    pub(crate) router: Option<Ipv4Addr>,
    pub(crate) backup: Option<Ipv4Addr>,
}

impl Designated {
    /// Reads the fields of a hello, where 0.0.0.0 means that there is none.
    pub(crate) fn from_hello(router: Ipv4Addr, backup: Ipv4Addr) -> Self {
        let some = |address: Ipv4Addr| Some(address).filter(|address| !address.is_unspecified());
        Self { router: some(router), backup: some(backup) }
    }
}

/// A router on the network, as its hellos describe it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) router_id: RouterId,
    /// Its address on the network.
    pub(crate) address: Ipv4Addr,
    /// Router Priority; 0 = not eligible.
    pub(crate) priority: u8,
    /// The designated router and backup that its hellos name.
    pub(crate) declared: Designated,
}

impl Candidate {
    fn claims_router(&self) -> bool {
        self.declared.router == Some(self.address)
    }

    fn claims_backup(&self) -> bool {
        self.declared.backup == Some(self.address)
    }

    /// Ranks candidates: by priority, then by router id.
    fn rank(&self) -> (u8, RouterId) {
        (self.priority, self.router_id)
    }
}

/// Elects the designated router and backup among `own` router and the neighbours with which it has bidirectional communication. The
/// declaration of `own` is the previous outcome. Elected routers keep their roles as long as they declare them: there is no preemption.
pub(crate) fn elect(own: Candidate, neighbors: &[Candidate]) -> Designated {
    debug_assert!(
        neighbors.iter().all(|neighbor| neighbor.address != own.address),
        "no neighbour has this router's address"
    );
    let before = own.declared;
    let first = elect_once(own, neighbors);
    // §9.4 (4): "If Router X is now newly the Designated Router or newly the Backup Designated Router, or is now no longer" either of them,
    // "repeat steps 2 and 3": so that no router is both.
    let holds =
        |designated: Designated| (designated.router == Some(own.address), designated.backup == Some(own.address));
    let outcome =
        if holds(first) == holds(before) { first } else { elect_once(Candidate { declared: first, ..own }, neighbors) };
    // Another router may appear in both roles until its next hello declares one of them.
    debug_assert!(holds(outcome) != (true, true), "no router is its own backup");
    outcome
}

/// Steps (2) and (3) of §9.4.
fn elect_once(own: Candidate, neighbors: &[Candidate]) -> Designated {
    let eligible = || std::iter::once(&own).chain(neighbors).filter(|candidate| candidate.priority > 0);
    // (2): "only those routers ... that have not declared themselves to be Designated Router are eligible".
    let contenders = || eligible().filter(|candidate| !candidate.claims_router());
    let backup = contenders()
        .filter(|candidate| candidate.claims_backup())
        .max_by_key(|candidate| candidate.rank())
        .or_else(|| contenders().max_by_key(|candidate| candidate.rank()));
    // (3): "If no routers have declared themselves Designated Router, assign the Designated Router to be the same as the newly elected
    // Backup Designated Router."
    let router = eligible().filter(|candidate| candidate.claims_router()).max_by_key(|candidate| candidate.rank());
    Designated { router: router.or(backup).map(|of| of.address), backup: backup.map(|of| of.address) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(id: u32) -> Ipv4Addr {
        Ipv4Addr::from(0x0a00_0000 + id)
    }

    /// A router with this id and priority that declares these as designated router and backup; 0 = none.
    fn router(id: u32, priority: u8, dr: u32, bdr: u32) -> Candidate {
        let declared = Designated {
            router: Some(address(dr)).filter(|_| dr != 0),
            backup: Some(address(bdr)).filter(|_| bdr != 0),
        };
        Candidate { router_id: RouterId(id), address: address(id), priority, declared }
    }

    /// The elected routers, by router id; 0 = none.
    fn elected(own: Candidate, neighbors: &[Candidate]) -> (u32, u32) {
        let number = |address: Option<Ipv4Addr>| address.map_or(0, |address| u32::from(address) - 0x0a00_0000);
        let Designated { router, backup } = elect(own, neighbors);
        (number(router), number(backup))
    }

    #[test]
    fn at_the_end_of_waiting_the_highest_becomes_the_designated_router_and_the_next_its_backup() {
        let others = [router(1, 1, 0, 0), router(2, 1, 0, 0)];
        assert_eq!(elected(router(3, 1, 0, 0), &others), (3, 2));
        // From the view of the others: at first they elect 3 for both roles, and learn from its hellos that it is the designated router
        // only.
        assert_eq!(elected(router(1, 1, 0, 0), &[router(2, 1, 0, 0), router(3, 1, 3, 2)]), (3, 2));
        assert_eq!(elected(router(2, 1, 0, 0), &[router(1, 1, 0, 0), router(3, 1, 3, 2)]), (3, 2));
    }

    #[test]
    fn a_lone_router_is_the_designated_router_without_a_backup() {
        assert_eq!(elected(router(1, 1, 0, 0), &[]), (1, 0));
        assert_eq!(elected(router(1, 1, 1, 0), &[]), (1, 0));
    }

    #[test]
    fn the_backup_is_promoted_when_the_designated_router_dies_and_a_new_backup_is_found() {
        assert_eq!(elected(router(2, 1, 3, 2), &[router(1, 1, 3, 2)]), (2, 1));
        // Another router sees it in both roles until its hello declares that it is the designated router.
        assert_eq!(elected(router(1, 1, 3, 2), &[router(2, 1, 3, 2)]), (2, 2));
        assert_eq!(elected(router(1, 1, 3, 2), &[router(2, 1, 2, 1)]), (2, 1));
        assert_eq!(elected(router(1, 1, 3, 2), &[router(2, 1, 2, 0)]), (2, 1));
    }

    #[test]
    fn a_router_with_a_higher_priority_preempts_nobody() {
        let present = [router(1, 1, 1, 2), router(2, 1, 1, 2)];
        assert_eq!(elected(router(9, 255, 0, 0), &present), (1, 2));
        // It does not replace the backup either, and does not become the backup while there is one.
        assert_eq!(elected(router(1, 1, 1, 2), &[router(2, 1, 1, 2), router(9, 255, 1, 2)]), (1, 2));
    }

    #[test]
    fn a_free_place_of_the_backup_goes_to_the_highest_that_is_not_the_designated_router() {
        assert_eq!(elected(router(1, 1, 1, 0), &[router(2, 1, 1, 0), router(3, 7, 1, 0)]), (1, 3));
        assert_eq!(elected(router(9, 255, 0, 0), &[router(1, 1, 1, 0)]), (1, 9));
    }

    #[test]
    fn equal_priorities_are_decided_by_router_id_and_unequal_ones_are_not() {
        assert_eq!(elected(router(2, 1, 0, 0), &[router(1, 1, 0, 0)]), (2, 1));
        assert_eq!(elected(router(1, 2, 0, 0), &[router(2, 1, 0, 0)]), (1, 2));
    }

    #[test]
    fn priority_0_is_never_elected_whatever_it_declares() {
        assert_eq!(elected(router(1, 0, 0, 0), &[router(2, 0, 2, 0)]), (0, 0));
        assert_eq!(elected(router(1, 1, 0, 0), &[router(9, 0, 9, 9)]), (1, 0));
        assert_eq!(elected(router(1, 0, 1, 0), &[router(2, 1, 1, 0)]), (2, 2), "it was eligible before");
    }

    #[test]
    fn of_two_that_say_they_are_the_designated_router_the_higher_is() {
        // Two parts of a network are joined.
        let other_part = [router(4, 1, 4, 3), router(3, 1, 4, 3)];
        assert_eq!(elected(router(2, 1, 2, 1), &[router(1, 1, 2, 1), other_part[0], other_part[1]]), (4, 3));
        assert_eq!(elected(router(4, 1, 4, 3), &[router(2, 1, 2, 1), router(1, 1, 2, 1), other_part[1]]), (4, 3));
    }

    #[test]
    fn a_router_that_declares_itself_both_is_the_designated_router_only() {
        assert_eq!(elected(router(1, 1, 0, 0), &[router(2, 1, 2, 2)]), (2, 1));
        assert_eq!(elected(router(2, 1, 2, 2), &[router(1, 1, 0, 0)]), (2, 1));
    }

    #[test]
    fn the_election_is_repeated_for_a_router_that_is_newly_elected() {
        // The first round gives 3 both roles; in the repetition 3 claims to be the designated router, and another backup is elected.
        let others = [router(1, 5, 0, 0), router(2, 4, 0, 0)];
        assert_eq!(elected(router(3, 9, 0, 0), &others), (3, 1));
        // The election is not repeated for a router that is not elected: it sees 3 in both roles until the next hello of 3.
        let seen = elect_once(router(1, 5, 0, 0), &[router(2, 4, 0, 0), router(3, 9, 0, 0)]);
        assert_eq!(seen.router, seen.backup);
    }
}
