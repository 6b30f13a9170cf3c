//! What can be wrong with a network, and how it is printed: neighbours first, then databases, then routes, because errors in the first
//! mostly cause those in the others.

use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

use ospf::{Alternate, Domain, InterfaceId, LsaKey, NeighborState, Nexthop, Prefix, Route, RouterId, SequenceNumber};

use crate::topology::{LanIndex, RouterIndex};

/// The most disagreements about each [`Subject`] that are kept; the others are counted.
pub const MAX_KEPT: usize = 10;

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disagreement {
    /// A route is missing, unexpected, or different from the oracle's.
    Route {
        /// The router with the route.
        router: RouterIndex,
        /// The destination.
        prefix: Prefix,
        /// The route by the oracle.
        expected: Option<Route>,
        /// The route that the router has.
        actual: Option<Route>,
    },
    /// The route changes that an engine has reported do not add up to its routes.
    Telling {
        /// The router with the engine.
        router: RouterIndex,
    },
    /// Two routers that receive each other's packets are not fully adjacent, or the other way round.
    Adjacency {
        /// The router that has the neighbour.
        router: RouterIndex,
        /// The router's interface to the neighbour.
        interface: InterfaceId,
        /// The neighbour.
        neighbor: RouterIndex,
        /// The neighbour's state, as the router sees it.
        state: NeighborState,
    },
    /// A router helps a neighbour with a graceful restart, and advertises it as fully adjacent (RFC 3623 §3).
    Helped {
        /// The helper.
        router: RouterIndex,
        /// The helper's interface to the neighbour.
        interface: InterfaceId,
        /// The Router ID of the restarting neighbour.
        neighbor: RouterId,
        /// The remaining time of the help.
        left: Duration,
    },
    /// The routers on a LAN do not all have the same designated routers, or have impossible ones.
    Designated {
        /// The router with the wrong designated routers.
        router: RouterIndex,
        /// The LAN.
        lan: LanIndex,
        /// The designated router and its backup, as the router sees them.
        has: [Option<Ipv4Addr>; 2],
    },
    /// A router's own Router-LSA does not have a LAN with other routers as a transit network.
    Transit {
        /// The router.
        router: RouterIndex,
        /// The LAN.
        lan: LanIndex,
        /// The LAN's designated router, as the router sees it.
        designated: Ipv4Addr,
    },
    /// Two routers that reach each other have different databases.
    Database {
        /// One router.
        router: RouterIndex,
        /// The other router.
        other: RouterIndex,
        /// The database in which they differ.
        domain: Domain,
        /// The first LSA in which they differ.
        key: LsaKey,
        /// The instance of it that each has.
        instances: [Option<Instance>; 2],
    },
    /// The contents of LSAs differ from those in a network that never had a fault.
    Content {
        /// The router with the database.
        router: RouterIndex,
        /// The subject and the originator of the LSAs.
        about: String,
        /// The contents in the network without faults.
        expected: Vec<String>,
        /// The contents in this network.
        actual: Vec<String>,
    },
    /// An LSA at MaxAge remains in a database long after all routers agreed.
    MaxAge {
        /// The router with the database.
        router: RouterIndex,
        /// The LSA.
        key: LsaKey,
    },
    /// A packet that takes an alternate may come back, or meet the router that has failed.
    Alternate {
        /// The router that has the alternate.
        router: RouterIndex,
        /// The destination.
        prefix: Prefix,
        /// The alternate.
        alternate: Alternate,
        /// The routers on the packet's way, from the alternate on, and the route that each forwards it by.
        way: Vec<(RouterIndex, Option<Route>)>,
        /// The route that is protected.
        route: Option<Route>,
    },
    /// Packets to a destination loop.
    Loop {
        /// The destination.
        prefix: Prefix,
        /// The routers that form the loop.
        routers: Vec<RouterIndex>,
    },
}

/// What distinguishes instances of an LSA (RFC 2328 §13.1), except for the age.
pub type Instance = (SequenceNumber, u16);

/// The subjects of disagreements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// Neighbours and designated routers.
    Neighbors,
    /// LSAs.
    Databases,
    /// Routing tables.
    Routes,
}

impl Subject {
    const ALL: [Self; 3] = [Self::Neighbors, Self::Databases, Self::Routes];
}

/// Disagreements by subject: the first [`MAX_KEPT`] about each, and the number of all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Findings {
    kept: [Vec<Disagreement>; Subject::ALL.len()],
    counts: [usize; Subject::ALL.len()],
}

impl Findings {
    /// Whether everything is as it should be.
    pub fn is_empty(&self) -> bool {
        self.counts.iter().all(|&count| count == 0)
    }

    /// Returns the disagreements that were kept, in the order of subjects.
    pub fn iter(&self) -> impl Iterator<Item = &Disagreement> {
        self.kept.iter().flatten()
    }

    /// Returns the number of disagreements about a subject.
    pub fn count(&self, subject: Subject) -> usize {
        self.counts[subject as usize]
    }
}

impl Extend<Disagreement> for Findings {
    fn extend<T: IntoIterator<Item = Disagreement>>(&mut self, disagreements: T) {
        for disagreement in disagreements {
            let subject = disagreement.subject() as usize;
            self.counts[subject] += 1;
            if self.kept[subject].len() < MAX_KEPT {
                self.kept[subject].push(disagreement);
            }
        }
    }
}

impl Disagreement {
    /// Returns the subject of the disagreement.
    pub fn subject(&self) -> Subject {
        match self {
            Self::Adjacency { .. } | Self::Helped { .. } | Self::Designated { .. } => Subject::Neighbors,
            Self::Transit { .. } | Self::Database { .. } | Self::Content { .. } | Self::MaxAge { .. } => {
                Subject::Databases
            }
            Self::Route { .. } | Self::Telling { .. } | Self::Alternate { .. } | Self::Loop { .. } => Subject::Routes,
        }
    }
}

/// Prints one disagreement on a line.
impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for subject in Subject::ALL {
            let kept = &self.kept[subject as usize];
            kept.iter().try_for_each(|disagreement| writeln!(f, "  {disagreement}"))?;
            match self.count(subject) - kept.len() {
                0 => {}
                more => writeln!(f, "  and {more} more about {subject}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Neighbors => "neighbours",
            Self::Databases => "databases",
            Self::Routes => "routes",
        })
    }
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Route { router, prefix, expected, actual } => {
                write!(
                    f,
                    "router {router}, {prefix}: expected {}, has {}",
                    ShownRoute(expected.as_ref()),
                    ShownRoute(actual.as_ref())
                )
            }
            Self::Telling { router } => {
                write!(f, "router {router}: the changes it told do not add up to its routing table")
            }
            Self::Adjacency { router, interface, neighbor, state } => {
                write!(f, "router {router}, interface {}: neighbour {neighbor} is {state}", interface.0)
            }
            Self::Helped { router, interface, neighbor, left } => {
                write!(
                    f,
                    "router {router}, interface {}: neighbour {neighbor} is helped for {left:.1?} yet",
                    interface.0
                )
            }
            Self::Designated { router, lan, has: [designated, backup] } => {
                write!(f, "router {router}, LAN {}: designated router {designated:?}, backup {backup:?}", lan.0)
            }
            Self::Transit { router, lan, designated } => {
                write!(f, "router {router}, LAN {}: no link to the transit network of {designated}", lan.0)
            }
            Self::Database { router, other, domain, key, instances: [mine, theirs] } => {
                write!(
                    f,
                    "databases of {router} and {other} differ in {key} ({domain:?}): {mine:04x?} and {theirs:04x?}"
                )
            }
            Self::Content { router, about, expected, actual } => {
                let [expected, actual] = [expected, actual].map(|said| match &said[..] {
                    [] => "nothing".to_owned(),
                    said => said.join("; and "),
                });
                write!(f, "router {router}, {about}: says {actual}, without faults {expected}")
            }
            Self::MaxAge { router, key } => write!(f, "router {router}: {key} is left at MaxAge"),
            Self::Alternate { router, prefix, alternate, way, route } => {
                write!(f, "router {router}, {prefix}, {}: {alternate:?} leads by", ShownRoute(route.as_ref()))?;
                way.iter().try_for_each(|(by, route)| write!(f, " {by} ({})", ShownRoute(route.as_ref())))
            }
            Self::Loop { prefix, routers } => {
                write!(f, "packets to {prefix} go round:")?;
                routers.iter().try_for_each(|router| write!(f, " {router}"))
            }
        }
    }
}

/// Displays a route on one line.
pub(crate) struct ShownRoute<'a>(pub(crate) Option<&'a Route>);

impl fmt::Display for ShownRoute<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(route) = self.0 else { return f.write_str("nothing") };
        write!(f, "{:?} {} from", route.kind, route.metric)?;
        route.originators.iter().try_for_each(|originator| write!(f, " {originator}"))?;
        f.write_str(" by")?;
        for Nexthop { interface, via } in &route.nexthops {
            match via {
                Some(via) => write!(f, " {via}%{}", interface.0)?,
                None => write!(f, " %{}", interface.0)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn telling(router: usize) -> Disagreement {
        Disagreement::Telling { router: RouterIndex(router) }
    }

    #[test]
    fn a_stuck_neighbour_is_shown_first_however_many_routes_are_wrong() {
        let stuck = Disagreement::Adjacency {
            router: RouterIndex(1),
            interface: InterfaceId(1),
            neighbor: RouterIndex(2),
            state: NeighborState::ExStart,
        };
        let lsa = LsaKey { kind: ospf::LsaType::ROUTER, id: ospf::LinkStateId(1), advertising_router: RouterId(1) };
        let mut findings = Findings::default();
        assert!(findings.is_empty());
        findings.extend((0..MAX_KEPT + 3).map(telling));
        findings.extend([Disagreement::MaxAge { router: RouterIndex(1), key: lsa }, stuck.clone()]);
        assert_eq!(findings.iter().next(), Some(&stuck));
        assert_eq!(findings.iter().count(), MAX_KEPT + 2);
        assert_eq!(findings.count(Subject::Routes), MAX_KEPT + 3);
        let text = findings.to_string();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].contains("ExStart") && lines[1].contains("MaxAge"), "{text}");
        assert_eq!(lines.last(), Some(&"  and 3 more about routes"));
    }
}
