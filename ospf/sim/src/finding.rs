//! What can be wrong with a network, and how it is shown: neighbours first, then databases, then routes, because what is wrong with the
//! first of these is mostly why the others are wrong.

use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

use ospf::{Domain, InterfaceId, LsaKey, NeighborState, Nexthop, Prefix, Route, RouterId, SequenceNumber};

use crate::topology::{LanIndex, RouterIndex};

/// At most this many disagreements about each [`Subject`] are kept; the others are counted.
pub const MAX_KEPT: usize = 10;

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disagreement {
    /// A route is missing, too much, or other than the oracle says.
    Route {
        /// Whose.
        router: RouterIndex,
        /// Where to.
        prefix: Prefix,
        /// What the oracle says.
        expected: Option<Route>,
        /// What the router says.
        actual: Option<Route>,
    },
    /// The routes that an engine told of, one by one, are not those that it has.
    Telling {
        /// Whose.
        router: RouterIndex,
    },
    /// Two routers hear each other and are not fully adjacent, or the other way round.
    Adjacency {
        /// Whose.
        router: RouterIndex,
        /// On which interface.
        interface: InterfaceId,
        /// Of whom.
        neighbor: RouterIndex,
        /// What it says.
        state: NeighborState,
    },
    /// A router helps a neighbour with a graceful restart, and tells of it as fully adjacent (RFC 3623 §3).
    Helped {
        /// Who helps.
        router: RouterIndex,
        /// On which interface.
        interface: InterfaceId,
        /// Whom.
        neighbor: RouterId,
        /// For so long yet.
        left: Duration,
    },
    /// The routers on a LAN do not all have the same designated routers, or such as cannot be.
    Designated {
        /// Whose.
        router: RouterIndex,
        /// On which LAN.
        lan: LanIndex,
        /// The designated router and its backup, as it says.
        has: [Option<Ipv4Addr>; 2],
    },
    /// A router's own Router-LSA does not say that a LAN with others on it is a transit network.
    Transit {
        /// Whose.
        router: RouterIndex,
        /// Which LAN.
        lan: LanIndex,
        /// The designated router there, as it says.
        designated: Ipv4Addr,
    },
    /// Two routers that reach each other have different databases.
    Database {
        /// One.
        router: RouterIndex,
        /// The other.
        other: RouterIndex,
        /// Which databases.
        domain: Domain,
        /// The first LSA in which they differ.
        key: LsaKey,
        /// What each has of it.
        instances: [Option<Instance>; 2],
    },
    /// What LSAs say is not what they say in a network that never saw a fault.
    Content {
        /// In whose database.
        router: RouterIndex,
        /// What they are about, and whose they are.
        about: String,
        /// What they say there.
        expected: Vec<String>,
        /// What they say here.
        actual: Vec<String>,
    },
    /// An LSA at MaxAge is left in a database long after everybody agreed.
    MaxAge {
        /// Whose database.
        router: RouterIndex,
        /// Which LSA.
        key: LsaKey,
    },
    /// Packets to a destination go round in circles.
    Loop {
        /// Where to.
        prefix: Prefix,
        /// Round these.
        routers: Vec<RouterIndex>,
    },
}

/// What tells instances of an LSA apart (RFC 2328 §13.1), age aside.
pub type Instance = (SequenceNumber, u16);

/// What a disagreement is about.
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

/// Disagreements by subject: the first [`MAX_KEPT`] about each, and how many there are.
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

    /// What was kept, in the order of subjects.
    pub fn iter(&self) -> impl Iterator<Item = &Disagreement> {
        self.kept.iter().flatten()
    }

    /// How many disagreements there are about a subject.
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
    /// What it is about.
    pub fn subject(&self) -> Subject {
        match self {
            Self::Adjacency { .. } | Self::Helped { .. } | Self::Designated { .. } => Subject::Neighbors,
            Self::Transit { .. } | Self::Database { .. } | Self::Content { .. } | Self::MaxAge { .. } => {
                Subject::Databases
            }
            Self::Route { .. } | Self::Telling { .. } | Self::Loop { .. } => Subject::Routes,
        }
    }
}

/// A line each.
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
            Self::Loop { prefix, routers } => {
                write!(f, "packets to {prefix} go round:")?;
                routers.iter().try_for_each(|router| write!(f, " {router}"))
            }
        }
    }
}

/// A route in one line.
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
