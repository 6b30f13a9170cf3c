//! The election of the designated router and its backup (RFC 2328 §9.4), as a function of what is declared.
//!
//! It knows no interface: what an outcome means for one is [`crate::interface::machinery`]'s.

use std::net::Ipv4Addr;

use crate::ids::RouterId;

/// A network's designated router and its backup, by their addresses there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub(crate) struct Designated {
    pub(crate) router: Option<Ipv4Addr>,
    pub(crate) backup: Option<Ipv4Addr>,
}

impl Designated {
    /// As it stands in hellos, where 0.0.0.0 is nobody.
    pub(crate) fn from_hello(router: Ipv4Addr, backup: Ipv4Addr) -> Self {
        let some = |address: Ipv4Addr| Some(address).filter(|address| !address.is_unspecified());
        Self { router: some(router), backup: some(backup) }
    }
}

/// One router on the network, as its hellos show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) router_id: RouterId,
    /// Its address on the network.
    pub(crate) address: Ipv4Addr,
    /// Router Priority; 0 = not eligible.
    pub(crate) priority: u8,
    /// Whom its hellos name.
    pub(crate) declared: Designated,
}

impl Candidate {
    fn claims_router(&self) -> bool {
        self.declared.router == Some(self.address)
    }

    fn claims_backup(&self) -> bool {
        self.declared.backup == Some(self.address)
    }

    /// The higher priority wins, then the higher router id.
    fn rank(&self) -> (u8, RouterId) {
        (self.priority, self.router_id)
    }
}

/// Elects among `own` router, whose declaration is what was elected before, and the neighbours that it has bidirectional communication
/// with. What was elected before stands as long as its holders declare it: nobody is preempted.
pub(crate) fn elect(own: Candidate, neighbors: &[Candidate]) -> Designated {
    debug_assert!(neighbors.iter().all(|neighbor| neighbor.address != own.address), "our address is ours alone");
    let before = own.declared;
    let first = elect_once(own, neighbors);
    // §9.4 (4): "If Router X is now newly the Designated Router or newly the Backup Designated Router, or is now no longer" either of
    // them, "repeat steps 2 and 3": so that no router is both.
    let holds =
        |designated: Designated| (designated.router == Some(own.address), designated.backup == Some(own.address));
    let outcome =
        if holds(first) == holds(before) { first } else { elect_once(Candidate { declared: first, ..own }, neighbors) };
    // Another router may be seen in both places until its next hello says which is its own.
    debug_assert!(holds(outcome) != (true, true), "nobody is his own backup");
    outcome
}

/// Steps (2) and (3).
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

    /// A router with this id and priority that names these as designated router and backup; 0 = nobody.
    fn router(id: u32, priority: u8, dr: u32, bdr: u32) -> Candidate {
        let declared = Designated {
            router: Some(address(dr)).filter(|_| dr != 0),
            backup: Some(address(bdr)).filter(|_| bdr != 0),
        };
        Candidate { router_id: RouterId(id), address: address(id), priority, declared }
    }

    /// Who is elected, by router id; 0 = nobody.
    fn elected(own: Candidate, neighbors: &[Candidate]) -> (u32, u32) {
        let number = |address: Option<Ipv4Addr>| address.map_or(0, |address| u32::from(address) - 0x0a00_0000);
        let Designated { router, backup } = elect(own, neighbors);
        (number(router), number(backup))
    }

    #[test]
    fn at_the_end_of_waiting_the_highest_becomes_the_designated_router_and_the_next_its_backup() {
        let others = [router(1, 1, 0, 0), router(2, 1, 0, 0)];
        assert_eq!(elected(router(3, 1, 0, 0), &others), (3, 2));
        // The view of the others: they elect 3 for both at first, and learn from its hellos that it is the designated router only.
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
        // A bystander sees it in both places until its hello says that it is the designated router.
        assert_eq!(elected(router(1, 1, 3, 2), &[router(2, 1, 3, 2)]), (2, 2));
        assert_eq!(elected(router(1, 1, 3, 2), &[router(2, 1, 2, 1)]), (2, 1));
        assert_eq!(elected(router(1, 1, 3, 2), &[router(2, 1, 2, 0)]), (2, 1));
    }

    #[test]
    fn a_router_with_a_higher_priority_preempts_nobody() {
        let present = [router(1, 1, 1, 2), router(2, 1, 1, 2)];
        assert_eq!(elected(router(9, 255, 0, 0), &present), (1, 2));
        // Nor one that is not the backup when only that place is taken.
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
        // Two parts of a network meet.
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
        // The first round makes 3 both; the repetition finds it claiming to be the designated router and takes another backup.
        let others = [router(1, 5, 0, 0), router(2, 4, 0, 0)];
        assert_eq!(elected(router(3, 9, 0, 0), &others), (3, 1));
        // It does not for a router that only looks on: 3 stays both until its own hello says otherwise.
        let seen = elect_once(router(1, 5, 0, 0), &[router(2, 4, 0, 0), router(3, 9, 0, 0)]);
        assert_eq!(seen.router, seen.backup);
    }
}
